/* Entries that move: transposes, parts of tensors, and tensors side by side. */
#include "onnx/state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ transpose */

static iv_status read_order(onnx_state *s, unsigned rank, unsigned *order) {
    int64_t axes[ONNX_MOST_AXES];
    size_t n;
    unsigned seen = 0;
    const iv_status status = onnx_integers(s, "perm", axes, &n);
    if (status != IV_OK) return status;
    for (unsigned i = 0; i < rank; i++) order[i] = rank - 1 - i;
    if (n == 0 && !onnx_attribute(s, "perm")) return IV_OK;
    if (n != rank) return onnx_refuse(s, "it orders %zu axes of %u", n, rank);
    for (unsigned i = 0; i < rank; i++) {
        if (axes[i] < 0 || axes[i] >= rank || seen >> axes[i] & 1)
            return onnx_refuse(s, "its perm is no permutation of %u axes", rank);
        order[i] = (unsigned)axes[i];
        seen |= 1u << order[i];
    }
    return IV_OK;
}

iv_status onnx_lower_transpose(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0];
    const onnx_shape in_file = onnx_shape_in_file(s, x);
    unsigned order[ONNX_MOST_AXES], whole[ONNX_MOST_AXES + 1] = {0};
    size_t value = x->value;
    bool batched = x->batched;
    (void)kind;
    iv_status status = read_order(s, in_file.rank, order);
    if (status != IV_OK) return status;
    if (batched && order[0] != 0) {
        if (s->images != 1) return onnx_mixes(s);
        status = onnx_append_reshape(s, value, &in_file,
                                     &value); /* the one image's axis is one of many */
        batched = false;
    }
    for (unsigned i = 0; i < in_file.rank; i++) whole[i + !batched] = order[i] + !batched;
    if (status == IV_OK) status = onnx_append_permute(s, value, whole, &value);
    if (status != IV_OK) return status;
    onnx_shape to = {.rank = in_file.rank};
    for (unsigned i = 0; i < to.rank; i++) to.axes[i] = in_file.axes[order[i]];
    return onnx_bind_in_shape(s, value, &to, batched);
}

iv_status onnx_fold_transpose(onnx_state *s, int kind) {
    const onnx_shape from = onnx_shape_in_file(s, s->inputs[0]);
    int64_t strides[ONNX_MOST_AXES], moved[ONNX_MOST_AXES];
    unsigned order[ONNX_MOST_AXES];
    onnx_shape to = {.rank = from.rank};
    onnx_constant *made;
    (void)kind;
    iv_status status = read_order(s, from.rank, order);
    if (status != IV_OK) return status;
    onnx_strides(&from, strides);
    for (unsigned i = 0; i < from.rank; i++) {
        to.axes[i] = from.axes[order[i]];
        moved[i] = strides[order[i]];
    }
    status = onnx_pick(s, s->inputs[0], &to, 0, moved, &made);
    if (status == IV_OK) onnx_bind_constant(s, 0, made);
    return status;
}

/* ------------------------------------------------------------------ concatenate */

/* The axis, in the shape of the first input; and the shape of all, where inputs differ along it. */
static iv_status concatenated(onnx_state *s, unsigned *axis, onnx_shape *to) {
    int64_t written;
    if (!onnx_attribute(s, "axis")) return onnx_refuse(s, "lacks its attribute axis");
    iv_status status = onnx_integer(s, "axis", 0, &written);
    for (size_t i = 0; i < s->n_inputs; i++)
        if (!s->inputs[i]) return onnx_refuse(s, "lacks its input %zu", i);
    *to = onnx_shape_in_file(s, s->inputs[0]);
    if (status == IV_OK) status = onnx_axis(s, written, to->rank, axis);
    for (size_t i = 1; i < s->n_inputs && status == IV_OK; i++) {
        onnx_shape next = onnx_shape_in_file(s, s->inputs[i]);
        if (next.rank != to->rank)
            return onnx_refuse(s, "its inputs have different numbers of axes");
        const size_t length = next.axes[*axis];
        next.axes[*axis] = to->axes[*axis];
        if (!onnx_same_shape(&next, to))
            return onnx_refuse(s, "its inputs have shapes that do not fit");
        to->axes[*axis] += length;
        if (to->axes[*axis] > ONNX_MOST_ENTRIES) return onnx_refuse(s, "its output is too large");
    }
    return status;
}

/* Along an axis of an image; those that are constants are the same for all images. */
iv_status onnx_lower_concatenate(onnx_state *s, int kind) {
    size_t first = 0, value;
    unsigned axis = 0;
    onnx_shape to = {0};
    (void)kind;
    iv_status status = concatenated(s, &axis, &to);
    if (status != IV_OK) return status;
    while (s->inputs[first]->constant != ONNX_NOTHING) first++;
    const onnx_name *x = s->inputs[first];
    if (x->batched && axis == 0) return onnx_mixes(s);
    size_t *values = malloc(s->n_inputs * sizeof *values);
    if (!values) return iv_fail(s->error, IV_ENOMEM, "%s: no memory to read it", s->path);
    for (size_t i = 0; i < s->n_inputs && status == IV_OK; i++) {
        const onnx_name *input = s->inputs[i];
        values[i] = input->value;
        if (input->constant != ONNX_NOTHING)
            status = onnx_value_beside(s, input, x, &values[i]);
        else if (input->batched != x->batched)
            status = onnx_mixes(s);
    }
    onnx_shape of_image = to;
    if (x->batched) {
        of_image.rank--;
        memmove(of_image.axes, of_image.axes + 1, of_image.rank * sizeof *of_image.axes);
    }
    const iv_onnx_node node = {.op = IV_ONNX_CONCATENATE, .part = {.axis = axis + !x->batched}};
    if (status == IV_OK) status = onnx_append(s, &node, values, s->n_inputs, &of_image, &value);
    if (status == IV_OK) onnx_bind_value(s, 0, value, x->batched);
    free(values);
    return status;
}

iv_status onnx_fold_concatenate(onnx_state *s, int kind) {
    unsigned axis = 0;
    onnx_shape to = {0};
    onnx_constant *made;
    (void)kind;
    iv_status status = concatenated(s, &axis, &to);
    if (status != IV_OK) return status;
    const bool integers = s->constants[s->inputs[0]->constant].integers != NULL;
    status = onnx_make_constant(s, &to, integers, &made);
    size_t inner = 1, begin = 0;
    for (unsigned i = axis + 1; i < to.rank; i++) inner *= to.axes[i];
    const size_t row = inner * to.axes[axis];
    for (size_t k = 0; k < s->n_inputs && status == IV_OK; k++) {
        const onnx_constant *from = &s->constants[s->inputs[k]->constant];
        const size_t part = inner * from->shape.axes[axis];
        if ((from->integers != NULL) != integers)
            return onnx_refuse(s, "mixes integers and floats");
        for (size_t i = 0; i < from->n && status == IV_OK; i++)
            status = onnx_copy_entry(s, made, i / part * row + begin + i % part, from, i);
        begin += part;
    }
    if (status == IV_OK) onnx_bind_constant(s, 0, made);
    return status;
}

/* ------------------------------------------------------------------ slice */

/* Of each axis: `count` places from `first` on, `step` apart. */
typedef struct {
    int64_t first[ONNX_MOST_AXES], step[ONNX_MOST_AXES];
    onnx_shape shape;
} slice;

static int64_t between(int64_t x, int64_t least, int64_t most) {
    return x < least ? least : x > most ? most : x;
}

static void cut(slice *of, unsigned axis, int64_t start, int64_t end, int64_t step) {
    const int64_t length = (int64_t)of->shape.axes[axis];
    if (start < 0) start = start < -length ? -1 : start + length;
    if (end < 0) end = end < -length ? -1 : end + length;
    if (step > 0) {
        start = between(start, 0, length);
        end = between(end, 0, length);
    } else {
        start = between(start, -1, length - 1);
        end = between(end, -1, length - 1);
    }
    const int64_t distance = step > 0 ? end - start : start - end, by = step > 0 ? step : -step;
    of->first[axis] = start;
    of->step[axis] = step;
    of->shape.axes[axis] = distance > 0 ? (size_t)((distance - 1) / by + 1) : 0;
}

/* Attributes before operator set 10, inputs from it on. */
static iv_status read_slice(onnx_state *s, const onnx_shape *from, bool batched, slice *to) {
    enum { STARTS, ENDS, AXES, STEPS, N };
    static const char *const names[N] = {"starts", "ends", "axes", "steps"};
    int64_t values[N][ONNX_MOST_AXES] = {{0}};
    size_t n[N] = {0};
    iv_status status = IV_OK;
    for (int i = 0; i < N && status == IV_OK; i++) {
        if (s->opset < 10 && i == STEPS) continue;
        status = onnx_moved_integers(s, 10, names[i], (size_t)i + 1, values[i], &n[i]);
    }
    if (status != IV_OK) return status;
    if (n[STARTS] == 0 || n[STARTS] != n[ENDS] || (n[AXES] > 0 && n[AXES] != n[STARTS]) ||
        (n[STEPS] > 0 && n[STEPS] != n[STARTS]))
        return onnx_refuse(s, "its starts, ends, axes and steps are not of one number");
    *to = (slice){.shape = *from};
    unsigned seen = 0;
    for (unsigned i = 0; i < from->rank; i++) to->step[i] = 1;
    for (size_t i = 0; i < n[STARTS]; i++) {
        unsigned axis;
        const int64_t step = n[STEPS] > 0 ? values[STEPS][i] : 1;
        status = onnx_axis(s, n[AXES] > 0 ? values[AXES][i] : (int64_t)i, from->rank, &axis);
        if (status != IV_OK) return status;
        if (seen >> axis & 1) return onnx_refuse(s, "it names axis %u twice", axis);
        if (step == 0 || step < -INT32_MAX || step > INT32_MAX)
            return onnx_refuse(s, "it has a step of %" PRId64, step);
        seen |= 1u << axis;
        if (batched && axis == 0 && s->images != 1) {
            /* All images, however many: its length here is not theirs. */
            const int64_t all = s->images > 0 ? (int64_t)s->images : INT32_MAX;
            if (values[STARTS][i] != 0 || values[ENDS][i] < all || step != 1) return onnx_mixes(s);
            continue;
        }
        cut(to, axis, values[STARTS][i], values[ENDS][i], step);
    }
    return IV_OK;
}

iv_status onnx_lower_slice(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0];
    size_t value;
    slice to;
    (void)kind;
    iv_status status = onnx_computed(s, 0, &value);
    if (status != IV_OK) return status;
    const onnx_shape from = onnx_shape_in_file(s, x);
    status = read_slice(s, &from, x->batched, &to);
    for (unsigned i = 0; i < from.rank && status == IV_OK; i++) {
        if (to.shape.axes[i] == from.axes[i] && to.first[i] == 0 && to.step[i] == 1) continue;
        if (i == 0 && x->batched) return onnx_mixes(s);
        if (to.step[i] != 1 && to.shape.axes[i] > 1)
            return onnx_refuse(
                s, "it takes entries %" PRId64 " apart along axis %u, expected neighbours",
                to.step[i], i);
        if (to.shape.axes[i] == 0) return onnx_refuse(s, "it takes nothing of axis %u", i);
        status = onnx_append_part(s, value, i + !x->batched, (size_t)to.first[i], to.shape.axes[i],
                                  &value);
    }
    if (status == IV_OK) onnx_bind_value(s, 0, value, x->batched);
    return status;
}

iv_status onnx_fold_slice(onnx_state *s, int kind) {
    const onnx_shape from = onnx_shape_in_file(s, s->inputs[0]);
    int64_t strides[ONNX_MOST_AXES], first = 0;
    onnx_constant *made;
    slice to;
    (void)kind;
    iv_status status = read_slice(s, &from, false, &to);
    if (status != IV_OK) return status;
    onnx_strides(&from, strides);
    for (unsigned i = 0; i < from.rank; i++) {
        first += to.first[i] * strides[i];
        strides[i] *= to.step[i];
    }
    status = onnx_pick(s, s->inputs[0], &to.shape, first, strides, &made);
    if (status == IV_OK) onnx_bind_constant(s, 0, made);
    return status;
}

/* ------------------------------------------------------------------ split */

/* How long part k of an axis is: as listed, or all alike but for the last. */
static iv_status read_split(onnx_state *s, const onnx_shape *from, unsigned *axis, int64_t *parts) {
    int64_t written, wanted;
    size_t n, length = 0;
    const size_t n_parts = s->node->n_output;
    iv_status status = onnx_integer(s, "axis", 0, &written);
    if (status == IV_OK) status = onnx_integer(s, "num_outputs", (int64_t)n_parts, &wanted);
    if (status == IV_OK) status = onnx_axis(s, written, from->rank, axis);
    if (status == IV_OK && (n_parts > ONNX_MOST_AXES || wanted != (int64_t)n_parts))
        status = onnx_refuse(s, "it has %zu outputs, expected at most %d", n_parts, ONNX_MOST_AXES);
    if (status == IV_OK) status = onnx_moved_integers(s, 13, "split", 1, parts, &n);
    if (status != IV_OK) return status;
    const size_t all = from->axes[*axis], each = (all + n_parts - 1) / n_parts;
    if (n != 0 && n != n_parts)
        return onnx_refuse(s, "its split has not as many parts as it has outputs");
    for (size_t k = 0; k < n_parts; k++) {
        if (n == 0) parts[k] = (int64_t)(each < all - length ? each : all - length);
        if (parts[k] < 1 || (uint64_t)parts[k] > all - length)
            return onnx_refuse(s, "its parts do not fit an axis of %zu", all);
        length += (size_t)parts[k];
    }
    if (length != all) return onnx_refuse(s, "its parts do not fit an axis of %zu", all);
    return IV_OK;
}

iv_status onnx_lower_split(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0];
    int64_t parts[ONNX_MOST_AXES];
    size_t first = 0, whole, value;
    unsigned axis;
    (void)kind;
    iv_status status = onnx_computed(s, 0, &whole);
    if (status != IV_OK) return status;
    const onnx_shape from = onnx_shape_in_file(s, x);
    status = read_split(s, &from, &axis, parts);
    if (status == IV_OK && x->batched && axis == 0) return onnx_mixes(s);
    for (size_t k = 0; k < s->node->n_output && status == IV_OK; k++) {
        status = onnx_append_part(s, whole, axis + !x->batched, first, (size_t)parts[k], &value);
        if (status == IV_OK) onnx_bind_value(s, k, value, x->batched);
        first += (size_t)parts[k];
    }
    return status;
}

iv_status onnx_fold_split(onnx_state *s, int kind) {
    const onnx_shape from = onnx_shape_in_file(s, s->inputs[0]);
    int64_t parts[ONNX_MOST_AXES], strides[ONNX_MOST_AXES], first = 0;
    onnx_shape to = from;
    unsigned axis;
    (void)kind;
    iv_status status = read_split(s, &from, &axis, parts);
    if (status != IV_OK) return status;
    onnx_strides(&from, strides);
    for (size_t k = 0; k < s->node->n_output && status == IV_OK; k++) {
        onnx_constant *made;
        to.axes[axis] = (size_t)parts[k];
        status = onnx_pick(s, s->inputs[0], &to, first * strides[axis], strides, &made);
        if (status == IV_OK) onnx_bind_constant(s, k, made);
        first += parts[k];
    }
    return status;
}
