/* What is computed of constants alone: numbers, and the shapes that exporters compute with. */
#include "onnx/state.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Integers stay below this, so that no product of two overflows. */
static const int64_t most_integer = INT32_MAX;

/* ------------------------------------------------------------------ two tensors */

static double join_floats(int kind, double a, double b) {
    switch (kind) {
    case IV_ADD: return a + b;
    case IV_SUBTRACT: return a - b;
    case IV_MULTIPLY: return a * b;
    case IV_DIVIDE: return a / b;
    case IV_POWER: return pow(a, b);
    case IV_MINIMUM: return a < b ? a : b;
    case IV_MAXIMUM: return a > b ? a : b;
    case ONNX_EQUAL: return a == b;
    case ONNX_GREATER: return a > b;
    case ONNX_LESS: return a < b;
    default: return 0;
    }
}

static bool is_comparison(int kind) {
    return kind == ONNX_EQUAL || kind == ONNX_GREATER || kind == ONNX_LESS || kind == ONNX_AND ||
           kind == ONNX_OR;
}

/* Divisions are truncated. */
static iv_status join_integers(onnx_state *s, int kind, int64_t a, int64_t b, int64_t *result) {
    *result = 0;
    if (is_comparison(kind)) {
        *result = kind == ONNX_EQUAL     ? a == b
                  : kind == ONNX_GREATER ? a > b
                  : kind == ONNX_LESS    ? a < b
                  : kind == ONNX_AND     ? a && b
                                         : a || b;
        return IV_OK;
    }
    if (a > most_integer || a < -most_integer || b > most_integer || b < -most_integer)
        return onnx_refuse(s, "computes with integers beyond 2^31");
    switch (kind) {
    case IV_ADD: *result = a + b; return IV_OK;
    case IV_SUBTRACT: *result = a - b; return IV_OK;
    case IV_MULTIPLY: *result = a * b; return IV_OK;
    case IV_MINIMUM: *result = a < b ? a : b; return IV_OK;
    case IV_MAXIMUM: *result = a > b ? a : b; return IV_OK;
    case IV_DIVIDE:
        if (b == 0) return onnx_refuse(s, "divides an integer by 0");
        *result = a / b;
        return IV_OK;
    default: return onnx_refuse(s, "is not computed of integers");
    }
}

/* The number of images times or over 1 is itself, and equal to no other number. */
static iv_status join_images(onnx_state *s, int kind, const onnx_constant *a, size_t at_a,
                             const onnx_constant *b, size_t at_b, int64_t *result, bool *images) {
    const bool of_a = a->of_images && a->of_images[at_a], of_b = b->of_images && b->of_images[at_b];
    *images = false;
    *result = 1;
    if (kind == ONNX_EQUAL) {
        *result = of_a && of_b;
        return IV_OK;
    }
    *images =
        (of_a && !of_b && (kind == IV_MULTIPLY || kind == IV_DIVIDE) && b->integers[at_b] == 1) ||
        (of_b && !of_a && kind == IV_MULTIPLY && a->integers[at_a] == 1);
    return *images ? IV_OK : onnx_refuse(s, "computes with the number of images");
}

static iv_status fold_pair(onnx_state *s, int kind, size_t at_a, size_t at_b, size_t *joined) {
    const onnx_shape shape_a = s->constants[at_a].shape, shape_b = s->constants[at_b].shape;
    const bool integers = s->constants[at_a].integers != NULL;
    onnx_shape both;
    onnx_constant *made;
    if (integers != (s->constants[at_b].integers != NULL) && kind != IV_POWER)
        return onnx_refuse(s, "mixes integers and floats");
    if (!onnx_broadcast(&shape_a, &shape_b, &both)) {
        char of_a[ONNX_SHAPE_TEXT], of_b[ONNX_SHAPE_TEXT];
        return onnx_refuse(s, "shapes %s and %s do not fit each other",
                           onnx_shape_text(&shape_a, of_a), onnx_shape_text(&shape_b, of_b));
    }
    iv_status status = onnx_make_constant(s, &both, integers || is_comparison(kind), &made);
    const onnx_constant *a = &s->constants[at_a], *b = &s->constants[at_b];
    onnx_walk in_a = onnx_walk_begin(&shape_a, &both), in_b = onnx_walk_begin(&shape_b, &both);
    for (size_t i = 0; status == IV_OK && i < made->n; i++) {
        const size_t of_a = in_a.offset, of_b = in_b.offset;
        bool images = false;
        if (!integers || !b->integers) {
            const double number = join_floats(kind, onnx_number(a, of_a), onnx_number(b, of_b));
            if (made->floats)
                made->floats[i] = (float)number;
            else if (is_comparison(kind))
                made->integers[i] = (int64_t)number;
            else
                status = onnx_refuse(s, "is not computed of integers");
        } else if ((a->of_images && a->of_images[of_a]) || (b->of_images && b->of_images[of_b])) {
            status = join_images(s, kind, a, of_a, b, of_b, &made->integers[i], &images);
        } else {
            status =
                join_integers(s, kind, a->integers[of_a], b->integers[of_b], &made->integers[i]);
        }
        if (images && status == IV_OK) status = onnx_mark_images(s, made);
        if (images && status == IV_OK) made->of_images[i] = 1;
        onnx_walk_next(&in_a);
        onnx_walk_next(&in_b);
    }
    if (status == IV_OK) *joined = (size_t)(made - s->constants);
    return status;
}

iv_status onnx_fold_binary(onnx_state *s, int kind) {
    iv_status status = IV_OK;
    for (size_t i = 0; i < s->n_inputs; i++)
        if (!s->inputs[i]) return onnx_refuse(s, "lacks its input %zu", i);
    size_t joined = s->inputs[0]->constant;
    for (size_t i = 1; i < s->n_inputs && status == IV_OK; i++)
        status = fold_pair(s, kind, joined, s->inputs[i]->constant, &joined);
    if (status == IV_OK) onnx_bind_constant(s, 0, &s->constants[joined]);
    return status;
}

/* ------------------------------------------------------------------ one tensor */

static iv_status function_of(onnx_state *s, int kind, double x, double *y) {
    switch (kind) {
    case IV_RELU: *y = x > 0 ? x : 0; return IV_OK;
    case IV_SIGMOID: *y = 1 / (1 + exp(-x)); return IV_OK;
    case IV_TANH: *y = tanh(x); return IV_OK;
    case IV_ERF: *y = erf(x); return IV_OK;
    case IV_EXP: *y = exp(x); return IV_OK;
    case IV_LOG: *y = log(x); return IV_OK;
    case IV_SQRT: *y = sqrt(x); return IV_OK;
    case IV_NEGATE: *y = -x; return IV_OK;
    case IV_ABSOLUTE: *y = fabs(x); return IV_OK;
    case IV_RECIPROCAL: *y = 1 / x; return IV_OK;
    case ONNX_NOT: *y = x == 0; return IV_OK;
    case ONNX_FLOOR: *y = floor(x); return IV_OK;
    case ONNX_CEILING: *y = ceil(x); return IV_OK;
    default: return onnx_refuse(s, "is not computed of constants");
    }
}

/* Of integers, what leaves them integers. */
iv_status onnx_fold_unary(onnx_state *s, int kind) {
    const size_t from = s->inputs[0]->constant;
    const onnx_shape shape = s->constants[from].shape;
    const bool integers = s->constants[from].integers != NULL;
    onnx_constant *made;
    if (integers && kind != IV_NEGATE && kind != IV_ABSOLUTE && kind != ONNX_NOT)
        return onnx_refuse(s, "is not computed of integers");
    if (s->constants[from].of_images) return onnx_refuse(s, "computes with the number of images");
    iv_status status = onnx_make_constant(s, &shape, integers, &made);
    for (size_t i = 0; status == IV_OK && i < made->n; i++) {
        double y = 0;
        const double x = onnx_number(&s->constants[from], i);
        if (integers && fabs(x) > (double)most_integer)
            return onnx_refuse(s, "computes with integers beyond 2^31");
        status = function_of(s, kind, x, &y);
        if (integers)
            made->integers[i] = (int64_t)y;
        else
            made->floats[i] = (float)y;
    }
    if (status == IV_OK) onnx_bind_constant(s, 0, made);
    return status;
}

iv_status onnx_fold_same(onnx_state *s, int kind) {
    (void)kind;
    onnx_bind_same(s, 0, s->inputs[0]);
    return IV_OK;
}

/* ------------------------------------------------------------------ types */

static bool is_float(int64_t type) {
    return type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT ||
           type == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE ||
           type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 ||
           type == ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16;
}

iv_status onnx_fold_to(onnx_state *s, int64_t to) {
    const size_t from = s->inputs[0]->constant;
    const onnx_shape shape = s->constants[from].shape;
    const bool boolean = to == ONNX__TENSOR_PROTO__DATA_TYPE__BOOL;
    const bool integers = boolean || to == ONNX__TENSOR_PROTO__DATA_TYPE__INT64 ||
                          to == ONNX__TENSOR_PROTO__DATA_TYPE__INT32;
    onnx_constant *made;
    if (!integers && !is_float(to))
        return onnx_refuse(
            s, "makes a type of a constant that is not supported (number %" PRId64 " of ONNX's)",
            to);
    if (s->constants[from].integers && integers && !boolean) {
        onnx_bind_same(s, 0, s->inputs[0]);
        return IV_OK;
    }
    if (s->constants[from].of_images) return onnx_refuse(s, "computes with the number of images");
    const iv_status status = onnx_make_constant(s, &shape, integers, &made);
    if (status != IV_OK) return status;
    for (size_t i = 0; i < made->n; i++) {
        const double number = onnx_number(&s->constants[from], i);
        if (made->floats)
            made->floats[i] = (float)number;
        else if (boolean)
            made->integers[i] = number != 0;
        else if (fabs(number) < 0x1p62)
            made->integers[i] = (int64_t)number;
        else
            return onnx_refuse(s, "makes an integer of a number beyond its range");
    }
    onnx_bind_constant(s, 0, made);
    return IV_OK;
}

iv_status onnx_fold_cast(onnx_state *s, int kind) {
    int64_t to;
    (void)kind;
    const iv_status status = onnx_integer(s, "to", 0, &to);
    return status == IV_OK ? onnx_fold_to(s, to) : status;
}

iv_status onnx_fold_cast_like(onnx_state *s, int kind) {
    (void)kind;
    return onnx_fold_to(s, s->constants[s->inputs[1]->constant].floats
                               ? ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
                               : ONNX__TENSOR_PROTO__DATA_TYPE__INT64);
}

/* ------------------------------------------------------------------ reductions */

iv_status onnx_fold_reduce(onnx_state *s, int kind) {
    const size_t from = s->inputs[0]->constant;
    const onnx_shape shape = s->constants[from].shape;
    const bool integers = s->constants[from].integers != NULL;
    onnx_shape kept = shape, to = {0};
    unsigned axes;
    bool keep, nothing;
    onnx_constant *made;
    iv_status status = onnx_reduced_axes(s, kind, shape.rank, &axes, &keep, &nothing);
    if (status != IV_OK) return status;
    if (nothing) return onnx_fold_same(s, 0);
    if (s->constants[from].of_images) return onnx_refuse(s, "computes with the number of images");
    size_t n_each = 1;
    for (unsigned i = 0; i < shape.rank; i++) {
        const bool reduced = axes >> i & 1;
        if (reduced) n_each *= shape.axes[i];
        if (reduced) kept.axes[i] = 1;
        if (!reduced || keep) to.axes[to.rank++] = kept.axes[i];
    }
    status = onnx_make_constant(s, &to, integers, &made);
    if (status != IV_OK) return status;
    const onnx_constant *constant = &s->constants[from];
    const bool product = kind == ONNX_PRODUCT;
    for (size_t i = 0; i < made->n && product; i++) {
        if (integers)
            made->integers[i] = 1;
        else
            made->floats[i] = 1;
    }
    onnx_walk in = onnx_walk_begin(&kept, &shape);
    for (size_t i = 0; i < constant->n && status == IV_OK; i++) {
        const int pair = product ? IV_MULTIPLY : IV_ADD;
        if (integers)
            status = join_integers(s, pair, made->integers[in.offset], constant->integers[i],
                                   &made->integers[in.offset]);
        else
            made->floats[in.offset] = (float)join_floats(pair, (double)made->floats[in.offset],
                                                         (double)constant->floats[i]);
        onnx_walk_next(&in);
    }
    if (status == IV_OK && kind == ONNX_MEAN && n_each > 1) {
        if (integers) return onnx_refuse(s, "is not computed of integers");
        for (size_t i = 0; i < made->n; i++) made->floats[i] /= (float)n_each;
    }
    if (status == IV_OK) onnx_bind_constant(s, 0, made);
    return status;
}

/* ------------------------------------------------------------------ choices */

iv_status onnx_fold_where(onnx_state *s, int kind) {
    size_t at[3];
    onnx_shape shapes[3], two, all;
    onnx_walk walks[3];
    onnx_constant *made;
    (void)kind;
    for (int i = 0; i < 3; i++) {
        at[i] = s->inputs[i]->constant;
        shapes[i] = s->constants[at[i]].shape;
    }
    const bool integers = s->constants[at[1]].integers != NULL;
    if (!s->constants[at[0]].integers || integers != (s->constants[at[2]].integers != NULL))
        return onnx_refuse(s, "mixes integers and floats");
    if (!onnx_broadcast(&shapes[0], &shapes[1], &two) || !onnx_broadcast(&two, &shapes[2], &all))
        return onnx_refuse(s, "its shapes do not fit each other");
    iv_status status = onnx_make_constant(s, &all, integers, &made);
    for (int i = 0; i < 3; i++) walks[i] = onnx_walk_begin(&shapes[i], &all);
    for (size_t i = 0; status == IV_OK && i < made->n; i++) {
        const int from = s->constants[at[0]].integers[walks[0].offset] != 0 ? 1 : 2;
        status = onnx_copy_entry(s, made, i, &s->constants[at[from]], walks[from].offset);
        for (int k = 0; k < 3; k++) onnx_walk_next(&walks[k]);
    }
    if (status == IV_OK) onnx_bind_constant(s, 0, made);
    return status;
}
