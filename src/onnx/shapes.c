/* The same entries in another shape, and shapes as numbers. */
#include "onnx/state.h"

#include <inttypes.h>
#include <string.h>

iv_status onnx_bind_in_shape(onnx_state *s, size_t value, const onnx_shape *in_file, bool batched) {
    onnx_shape shape = *in_file;
    batched = batched || (s->images == 1 && shape.rank > 0 && shape.axes[0] == 1);
    if (batched) {
        shape.rank--;
        memmove(shape.axes, shape.axes + 1, shape.rank * sizeof *shape.axes);
    }
    const iv_status status = onnx_append_reshape(s, value, &shape, &value);
    if (status == IV_OK) onnx_bind_value(s, 0, value, batched);
    return status;
}

static iv_status bind_constant_in_shape(onnx_state *s, const onnx_shape *shape) {
    onnx_constant *made;
    size_t n;
    if (!onnx_count(shape, &n) || n != s->constants[s->inputs[0]->constant].n)
        return onnx_refuse(s, "its new shape has not as many entries as its input");
    const iv_status status = onnx_reshape_constant(s, s->inputs[0], shape, &made);
    if (status == IV_OK) onnx_bind_constant(s, 0, made);
    return status;
}

/* ------------------------------------------------------------------ reshape */

/* What Reshape is told: -1 for the axis that takes what is left. */
typedef struct {
    int64_t axes[ONNX_MOST_AXES];
    uint8_t images[ONNX_MOST_AXES];
    size_t n;
    bool first_is_batch; /* by what stands there */
} target;

static iv_status read_target(onnx_state *s, const onnx_shape *from, bool batched, target *to) {
    int64_t allow_zero;
    *to = (target){.n = 0};
    iv_status status = onnx_integer(s, "allowzero", 0, &allow_zero);
    if (status == IV_OK) status = onnx_input_integers(s, 1, to->axes, to->images, &to->n);
    if (status != IV_OK) return status;
    size_t n_left = 0;
    for (size_t i = 0; i < to->n; i++) {
        const bool copied = to->axes[i] == 0 && !allow_zero && !to->images[i];
        if (to->axes[i] < -1 || to->axes[i] > INT32_MAX || (copied && i >= from->rank))
            return onnx_refuse(s, "it makes an axis of %" PRId64, to->axes[i]);
        if (copied) to->axes[i] = (int64_t)from->axes[i];
        if (i == 0 && batched) to->first_is_batch = copied || to->images[0];
        if (i > 0 && to->images[i]) return onnx_mixes(s);
        n_left += to->axes[i] == -1;
    }
    if (n_left > 1) return onnx_refuse(s, "it has more than one axis of -1");
    return IV_OK;
}

/* The shape from axis `first` on, that takes n entries. False if there is none. */
static bool resolve(const target *to, size_t first, size_t n, onnx_shape *shape) {
    size_t product = 1, left = ONNX_NOTHING;
    *shape = (onnx_shape){.rank = (unsigned)(to->n - first)};
    for (size_t i = first; i < to->n; i++) {
        if (to->axes[i] == -1) {
            left = i - first;
            continue;
        }
        shape->axes[i - first] = (size_t)to->axes[i];
        if (iv_multiply_size(product, (size_t)to->axes[i], &product, NULL) != IV_OK) return false;
    }
    if (left == ONNX_NOTHING) return product == n;
    if (product == 0 || n % product != 0) return false;
    shape->axes[left] = n / product;
    return true;
}

iv_status onnx_lower_reshape(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0];
    size_t value, n;
    target to;
    onnx_shape shape;
    (void)kind;
    iv_status status = onnx_computed(s, 0, &value);
    if (status != IV_OK) return status;
    const onnx_shape from = onnx_shape_in_file(s, x);
    if (!onnx_count(&from, &n)) return onnx_refuse(s, "its input is too large");
    status = read_target(s, &from, x->batched, &to);
    if (status != IV_OK) return status;
    if (x->batched && to.n > 0) {
        const bool left = to.axes[0] == -1 && resolve(&to, 1, n, &shape);
        const bool batch =
            to.first_is_batch || left || (s->images > 0 && to.axes[0] == (int64_t)s->images);
        if (batch) {
            onnx_shape whole = {.axes = {1}};
            if (!resolve(&to, 1, n, &shape)) return onnx_mixes(s);
            whole.rank = shape.rank + 1;
            memcpy(whole.axes + 1, shape.axes, shape.rank * sizeof *shape.axes);
            if (whole.rank > ONNX_MOST_AXES) return onnx_refuse(s, "its shape has too many axes");
            return onnx_bind_in_shape(s, value, &whole, true);
        }
        if (s->images != 1) return onnx_mixes(s);
    }
    if (!resolve(&to, 0, n, &shape)) {
        char text[ONNX_SHAPE_TEXT];
        return onnx_refuse(s, "its input of shape %s does not fit the new shape",
                           onnx_shape_text(&from, text));
    }
    return onnx_bind_in_shape(s, value, &shape, false);
}

iv_status onnx_fold_reshape(onnx_state *s, int kind) {
    const onnx_constant *constant = onnx_constant_of(s, s->inputs[0]);
    const onnx_shape from = constant->shape;
    const size_t n = constant->n;
    target to;
    onnx_shape shape;
    (void)kind;
    const iv_status status = read_target(s, &from, false, &to);
    if (status != IV_OK) return status;
    if ((to.n > 0 && to.images[0]) || !resolve(&to, 0, n, &shape))
        return onnx_refuse(s, "its input does not fit the new shape");
    return bind_constant_in_shape(s, &shape);
}

/* ------------------------------------------------------------------ flatten */

static iv_status flattened(onnx_state *s, const onnx_shape *from, size_t *first, onnx_shape *to) {
    int64_t axis;
    const iv_status status = onnx_integer(s, "axis", 1, &axis);
    if (status != IV_OK) return status;
    if (axis < -(int64_t)from->rank || axis > (int64_t)from->rank)
        return onnx_refuse(s, "there is no axis %" PRId64 " in a tensor of %u axes", axis,
                           from->rank);
    *first = (size_t)(axis < 0 ? axis + from->rank : axis);
    *to = (onnx_shape){.rank = 2, .axes = {1, 1}};
    for (size_t i = 0; i < from->rank; i++) to->axes[i < *first ? 0 : 1] *= from->axes[i];
    return IV_OK;
}

iv_status onnx_lower_flatten(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0];
    const onnx_shape from = onnx_shape_in_file(s, x);
    size_t first = 0;
    onnx_shape to;
    (void)kind;
    const iv_status status = flattened(s, &from, &first, &to);
    if (status != IV_OK) return status;
    if (x->batched && s->images != 1 && (first == 0 || to.axes[0] != 1)) return onnx_mixes(s);
    return onnx_bind_in_shape(s, x->value, &to, x->batched && first > 0 && to.axes[0] == 1);
}

iv_status onnx_fold_flatten(onnx_state *s, int kind) {
    const onnx_shape from = onnx_shape_in_file(s, s->inputs[0]);
    size_t first = 0;
    onnx_shape to;
    (void)kind;
    const iv_status status = flattened(s, &from, &first, &to);
    return status == IV_OK ? bind_constant_in_shape(s, &to) : status;
}

/* ------------------------------------------------------------------ axes of length 1 */

/* A bit mask of axes, counted in `rank` of them. */
static iv_status axes_of(onnx_state *s, const int64_t *axes, size_t n, unsigned rank,
                         unsigned *mask) {
    *mask = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned place;
        const iv_status status = onnx_axis(s, axes[i], rank, &place);
        if (status != IV_OK) return status;
        if (*mask >> place & 1) return onnx_refuse(s, "it names axis %u twice", place);
        *mask |= 1u << place;
    }
    return IV_OK;
}

/* Without axes of length 1; an axis of the batch stays where none are named. */
static iv_status squeezed(onnx_state *s, const onnx_shape *from, bool batched, onnx_shape *to,
                          bool *keeps_batch) {
    int64_t axes[ONNX_MOST_AXES];
    size_t n;
    unsigned mask;
    iv_status status = onnx_moved_integers(s, 13, "axes", 1, axes, &n);
    if (status == IV_OK) status = axes_of(s, axes, n, from->rank, &mask);
    if (status != IV_OK) return status;
    const bool any = n == 0;
    for (unsigned i = 0; i < from->rank && any; i++)
        if (from->axes[i] == 1 && !(i == 0 && batched)) mask |= 1u << i;
    *to = (onnx_shape){.rank = 0};
    *keeps_batch = batched && !(mask & 1);
    for (unsigned i = 0; i < from->rank; i++) {
        if ((mask >> i & 1) == 0)
            to->axes[to->rank++] = from->axes[i];
        else if (from->axes[i] != 1)
            return onnx_refuse(s, "it drops axis %u, which has length %zu", i, from->axes[i]);
    }
    return IV_OK;
}

iv_status onnx_lower_squeeze(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0];
    const onnx_shape from = onnx_shape_in_file(s, x);
    onnx_shape to;
    bool batched;
    (void)kind;
    const iv_status status = squeezed(s, &from, x->batched, &to, &batched);
    if (status != IV_OK) return status;
    if (x->batched && !batched && s->images != 1) return onnx_mixes(s);
    return onnx_bind_in_shape(s, x->value, &to, batched);
}

iv_status onnx_fold_squeeze(onnx_state *s, int kind) {
    const onnx_shape from = onnx_shape_in_file(s, s->inputs[0]);
    onnx_shape to;
    bool batched;
    (void)kind;
    const iv_status status = squeezed(s, &from, false, &to, &batched);
    return status == IV_OK ? bind_constant_in_shape(s, &to) : status;
}

static iv_status unsqueezed(onnx_state *s, const onnx_shape *from, onnx_shape *to, bool *before) {
    int64_t axes[ONNX_MOST_AXES];
    size_t n;
    unsigned mask, next = 0;
    iv_status status = onnx_moved_integers(s, 13, "axes", 1, axes, &n);
    if (status != IV_OK) return status;
    if (n == 0) return onnx_refuse(s, "it names no axes");
    if (from->rank + n > ONNX_MOST_AXES) return onnx_refuse(s, "it makes too many axes");
    *to = (onnx_shape){.rank = from->rank + (unsigned)n};
    status = axes_of(s, axes, n, to->rank, &mask);
    if (status != IV_OK) return status;
    *before = mask & 1;
    for (unsigned i = 0; i < to->rank; i++) to->axes[i] = mask >> i & 1 ? 1 : from->axes[next++];
    return IV_OK;
}

iv_status onnx_lower_unsqueeze(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0];
    const onnx_shape from = onnx_shape_in_file(s, x);
    onnx_shape to;
    bool before;
    (void)kind;
    const iv_status status = unsqueezed(s, &from, &to, &before);
    if (status != IV_OK) return status;
    if (x->batched && before && s->images != 1) return onnx_mixes(s);
    return onnx_bind_in_shape(s, x->value, &to, x->batched);
}

iv_status onnx_fold_unsqueeze(onnx_state *s, int kind) {
    const onnx_shape from = onnx_shape_in_file(s, s->inputs[0]);
    onnx_shape to;
    bool before;
    (void)kind;
    const iv_status status = unsqueezed(s, &from, &to, &before);
    return status == IV_OK ? bind_constant_in_shape(s, &to) : status;
}

/* ------------------------------------------------------------------ expand */

/* The shape that it is expanded to, where the number of images is 1. */
static iv_status expanded(onnx_state *s, const onnx_shape *from, onnx_shape *wanted,
                          onnx_shape *to) {
    int64_t axes[ONNX_MOST_AXES] = {0};
    uint8_t images[ONNX_MOST_AXES] = {0};
    size_t n;
    const iv_status status = onnx_input_integers(s, 1, axes, images, &n);
    if (status != IV_OK) return status;
    *wanted = (onnx_shape){.rank = (unsigned)n};
    for (unsigned i = 0; i < wanted->rank; i++) {
        if (axes[i] < 1 || axes[i] > INT32_MAX)
            return onnx_refuse(s, "it makes an axis of %" PRId64, axes[i]);
        if (images[i] && i > 0) return onnx_mixes(s);
        wanted->axes[i] = images[i] ? 1 : (size_t)axes[i];
    }
    if (!onnx_broadcast(from, wanted, to))
        return onnx_refuse(s, "its input does not fit the new shape");
    return IV_OK;
}

/* Times ones. */
iv_status onnx_lower_expand(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0];
    onnx_shape wanted = {0}, to = {0};
    size_t value, ones;
    onnx_constant *made;
    (void)kind;
    iv_status status = onnx_computed(s, 0, &value);
    if (status != IV_OK) return status;
    const onnx_shape from = onnx_shape_in_file(s, x);
    status = expanded(s, &from, &wanted, &to);
    if (status != IV_OK) return status;
    if (x->batched && wanted.rank == from.rank && wanted.axes[0] == s->images)
        to.axes[0] = wanted.axes[0] = 1; /* as many as there are images */
    if (onnx_same_shape(&from, &to)) return onnx_lower_pass(s, 0);
    if (x->batched && (to.rank > from.rank || to.axes[0] != 1)) return onnx_mixes(s);
    if (x->batched && wanted.rank == from.rank) {
        wanted.rank--;
        memmove(wanted.axes, wanted.axes + 1, wanted.rank * sizeof *wanted.axes);
    }
    status = onnx_make_constant(s, &wanted, false, &made);
    if (status != IV_OK) return status;
    for (size_t i = 0; i < made->n; i++) made->floats[i] = 1;
    status = onnx_use_constant(s, (size_t)(made - s->constants), &wanted, &ones);
    if (status == IV_OK) status = onnx_append_binary(s, IV_MULTIPLY, value, ones, &value);
    if (status == IV_OK) onnx_bind_value(s, 0, value, x->batched);
    return status;
}

iv_status onnx_fold_expand(onnx_state *s, int kind) {
    const onnx_shape from = onnx_shape_in_file(s, s->inputs[0]);
    onnx_shape wanted = {0}, to = {0};
    onnx_constant *made;
    (void)kind;
    iv_status status = expanded(s, &from, &wanted, &to);
    if (status != IV_OK) return status;
    const onnx_walk walk = onnx_walk_begin(&from, &to);
    int64_t strides[ONNX_MOST_AXES];
    for (unsigned i = 0; i < to.rank; i++) strides[i] = (int64_t)walk.strides[i];
    status = onnx_pick(s, s->inputs[0], &to, 0, strides, &made);
    if (status == IV_OK) onnx_bind_constant(s, 0, made);
    return status;
}

/* ------------------------------------------------------------------ shapes as numbers */

/* Where the file holds one image, its axis is 1 like any other. */
static bool is_number_of_images(const onnx_state *s, const onnx_name *x, unsigned axis) {
    return axis == 0 && x->value != ONNX_NOTHING && x->batched && s->images != 1;
}

static iv_status count_entries(onnx_state *s, const onnx_shape *shape) {
    onnx_constant *made;
    size_t n;
    if (!onnx_count(shape, &n)) return onnx_refuse(s, "its input is too large");
    if (is_number_of_images(s, s->inputs[0], 0))
        return onnx_refuse(s, "computes with the number of images");
    const iv_status status = onnx_make_constant(s, &(onnx_shape){.rank = 0}, true, &made);
    if (status != IV_OK) return status;
    made->integers[0] = (int64_t)n;
    onnx_bind_constant(s, 0, made);
    return IV_OK;
}

static int64_t clamp(int64_t place, int64_t rank) {
    if (place < 0) place += rank;
    return place < 0 ? 0 : place > rank ? rank : place;
}

/* kind 1: Size */
iv_status onnx_lower_shape(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0];
    const onnx_shape shape = onnx_shape_in_file(s, x);
    int64_t start, end = 0;
    onnx_constant *made;
    if (kind == 1) return count_entries(s, &shape);
    iv_status status = onnx_integer(s, "start", 0, &start);
    if (status == IV_OK) status = onnx_integer(s, "end", shape.rank, &end);
    if (status != IV_OK) return status;
    if (start < -ONNX_MOST_AXES || end < -ONNX_MOST_AXES)
        return onnx_refuse(s, "its axes are out of range");
    start = clamp(start, shape.rank);
    end = clamp(end, shape.rank);
    const size_t n = end > start ? (size_t)(end - start) : 0;
    status = onnx_make_constant(s, &(onnx_shape){.rank = 1, .axes = {n}}, true, &made);
    for (size_t i = 0; i < n && status == IV_OK; i++) {
        const unsigned axis = (unsigned)start + (unsigned)i;
        made->integers[i] = (int64_t)shape.axes[axis];
        if (!is_number_of_images(s, x, axis)) continue;
        made->integers[i] = s->images > 0 ? (int64_t)s->images : 1;
        status = onnx_mark_images(s, made);
        if (status == IV_OK) made->of_images[i] = 1;
    }
    if (status == IV_OK) onnx_bind_constant(s, 0, made);
    return status;
}
