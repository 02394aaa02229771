/* Windows on images: pooling, and how convolutions and pooling say where their windows stand. */
#include "onnx/window.h"

#include <inttypes.h>
#include <string.h>

/* The graph's own limit for an axis (invar/image_ops.h). */
static const int64_t longest = 1 << 24;

/* Two numbers of an attribute, or `otherwise` for each. */
static iv_status read_pair(onnx_state *s, const char *name, size_t otherwise, size_t pair[2]) {
    int64_t values[ONNX_MOST_AXES];
    size_t n;
    const iv_status status = onnx_integers(s, name, values, &n);
    if (status != IV_OK) return status;
    pair[0] = pair[1] = otherwise;
    if (n == 0) return IV_OK;
    if (n != 2)
        return onnx_refuse(s, "its %s has %zu numbers: it is not along two axes, as images are",
                           name, n);
    for (int i = 0; i < 2; i++) {
        if (values[i] < 1 || values[i] > longest)
            return onnx_refuse(s, "its %s holds %" PRId64, name, values[i]);
        pair[i] = (size_t)values[i];
    }
    return IV_OK;
}

static iv_status read_pads(onnx_state *s, iv_window *window, bool *any) {
    int64_t values[ONNX_MOST_AXES];
    size_t n;
    const iv_status status = onnx_integers(s, "pads", values, &n);
    *any = false;
    if (status != IV_OK || n == 0) return status;
    if (n != 4) return onnx_refuse(s, "its pads are %zu numbers, expected 4", n);
    for (int i = 0; i < 4; i++) {
        if (values[i] < 0 || values[i] > longest)
            return onnx_refuse(s, "its pads hold %" PRId64, values[i]);
        (i < 2 ? window->before : window->after)[i % 2] = (size_t)values[i];
        *any = *any || values[i] > 0;
    }
    return IV_OK;
}

/* As many outputs as strides fit; an odd pixel more goes behind the image or before it. */
static void pad_to_same(iv_window *window, const size_t length[2], bool more_before) {
    for (int i = 0; i < 2; i++) {
        const size_t n = (length[i] + window->stride[i] - 1) / window->stride[i];
        const size_t end =
            (n - 1) * window->stride[i] + window->dilation[i] * (window->size[i] - 1) + 1;
        const size_t pad = end > length[i] ? end - length[i] : 0;
        window->before[i] = more_before ? pad - pad / 2 : pad / 2;
        window->after[i] = pad - window->before[i];
    }
}

iv_status onnx_read_window(onnx_state *s, const size_t size[2], const size_t length[2],
                           iv_window *window) {
    char automatic[32];
    bool any;
    *window = (iv_window){.size = {0}};
    iv_status status = read_pair(s, "kernel_shape", 0, window->size);
    if (status == IV_OK) status = read_pair(s, "strides", 1, window->stride);
    if (status == IV_OK) status = read_pair(s, "dilations", 1, window->dilation);
    if (status == IV_OK) status = read_pads(s, window, &any);
    if (status == IV_OK) status = onnx_string(s, "auto_pad", "NOTSET", automatic);
    if (status != IV_OK) return status;
    for (int i = 0; i < 2; i++) {
        if (size && window->size[i] != 0 && window->size[i] != size[i])
            return onnx_refuse(s, "its kernel_shape is not that of its weights");
        if (size) window->size[i] = size[i];
        if (window->size[i] == 0) return onnx_refuse(s, "lacks its kernel_shape");
    }
    const bool lower = strcmp(automatic, "SAME_LOWER") == 0;
    const bool same = lower || strcmp(automatic, "SAME_UPPER") == 0;
    const bool as_written = strcmp(automatic, "NOTSET") == 0;
    if (!same && !as_written && strcmp(automatic, "VALID") != 0)
        return onnx_refuse(s, "its auto_pad is not one that is known");
    if (any && !as_written) return onnx_refuse(s, "it has pads and auto_pad");
    if (same) pad_to_same(window, length, lower);
    return IV_OK;
}

static size_t extent(const iv_window *window, int axis) {
    return window->dilation[axis] * (window->size[axis] - 1) + 1;
}

iv_status onnx_count_windows(onnx_state *s, const iv_window *window, const size_t length[2],
                             size_t n[2]) {
    for (int i = 0; i < 2; i++) {
        const size_t whole = length[i] + window->before[i] + window->after[i];
        if (extent(window, i) > whole)
            return onnx_refuse(
                s, "its window of %zu pixels is larger than the image of %zu with its borders",
                extent(window, i), whole);
        n[i] = (whole - extent(window, i)) / window->stride[i] + 1;
    }
    return IV_OK;
}

/* ------------------------------------------------------------------ pooling */

/* ceil_mode: one output more where pixels are left over, if its window begins in the image or before it. */
static void reach_the_end(iv_window *window, const size_t length[2]) {
    for (int i = 0; i < 2; i++) {
        const size_t whole = length[i] + window->before[i] + window->after[i];
        const size_t span = extent(window, i);
        if (span > whole) continue;
        const size_t n = (whole - span) / window->stride[i] + 1, next = n * window->stride[i];
        if ((whole - span) % window->stride[i] != 0 && next < length[i] + window->before[i])
            window->after[i] = next + span - length[i] - window->before[i];
    }
}

/* Every window holds a pixel of the image. */
static bool all_inside(const iv_window *window, const size_t length[2], const size_t n[2]) {
    for (int i = 0; i < 2; i++)
        for (size_t k = 0; k < n[i]; k++) {
            const size_t begin = k * window->stride[i], d = window->dilation[i];
            const size_t before = window->before[i];
            const size_t first = begin < before ? (before - begin + d - 1) / d : 0;
            if (first >= window->size[i] || begin + first * d - before >= length[i]) return false;
        }
    return true;
}

static iv_status append_window(onnx_state *s, iv_onnx_op op, const iv_window *window,
                               bool count_padding, size_t *value) {
    const onnx_shape shape = s->values[*value].shape;
    const size_t length[2] = {shape.axes[1], shape.axes[2]};
    size_t n[2] = {0};
    const iv_status status = onnx_count_windows(s, window, length, n);
    if (status != IV_OK) return status;
    if (!(op == IV_ONNX_MEAN_POOL && count_padding) && !all_inside(window, length, n))
        return onnx_refuse(s, "one of its windows lies beside the image");
    const iv_onnx_node node = {
        .op = op, .image = {.window = *window, .groups = 1, .count_padding = count_padding}};
    const onnx_shape to = {.rank = 3, .axes = {shape.axes[0], n[0], n[1]}};
    return onnx_append(s, &node, value, 1, &to, value);
}

/* Pixels of the border that the file asks for count, those that ceil_mode reaches beyond do not: zeros
 * around the image, then means of what lies inside. */
static iv_status append_border(onnx_state *s, iv_window *window, const iv_window *written,
                               size_t *value) {
    iv_onnx_node pad = {.op = IV_ONNX_PAD};
    onnx_shape to = s->values[*value].shape;
    for (int i = 0; i < 2; i++) {
        pad.pad.before[i + 2] = written->before[i];
        pad.pad.after[i + 2] = written->after[i];
        to.axes[i + 1] += written->before[i] + written->after[i];
        window->before[i] = 0;
        window->after[i] -= written->after[i];
    }
    return onnx_append(s, &pad, value, 1, &to, value);
}

iv_status onnx_lower_pool(onnx_state *s, int kind) {
    size_t value;
    int64_t ceil_mode = 0, count = 0;
    iv_window window;
    iv_status status = onnx_images(s, &value);
    if (status != IV_OK) return status;
    const onnx_shape shape = s->values[value].shape;
    const size_t length[2] = {shape.axes[1], shape.axes[2]};
    status = onnx_read_window(s, NULL, length, &window);
    if (status == IV_OK) status = onnx_integer(s, "ceil_mode", 0, &ceil_mode);
    if (status == IV_OK) status = onnx_integer(s, "count_include_pad", 0, &count);
    const iv_window written = window;
    if (ceil_mode) reach_the_end(&window, length);
    const bool further = memcmp(window.after, written.after, sizeof window.after) != 0;
    const bool bordered =
        written.before[0] + written.before[1] + written.after[0] + written.after[1] > 0;
    if (status == IV_OK && count && further) {
        if (bordered) status = append_border(s, &window, &written, &value);
        count = 0;
    }
    if (status == IV_OK) status = append_window(s, (iv_onnx_op)kind, &window, count != 0, &value);
    if (status == IV_OK) onnx_bind_value(s, 0, value, true);
    return status;
}

iv_status onnx_lower_pool_all(onnx_state *s, int kind) {
    size_t value;
    iv_status status = onnx_images(s, &value);
    if (status != IV_OK) return status;
    const onnx_shape shape = s->values[value].shape;
    if (kind == IV_ONNX_MEAN_OVER) {
        const iv_onnx_node node = {.op = IV_ONNX_MEAN_OVER, .mean = {.axes = 12, .keep = true}};
        const onnx_shape to = {.rank = 3, .axes = {shape.axes[0], 1, 1}};
        status = onnx_append(s, &node, &value, 1, &to, &value);
    } else {
        const iv_window window = {
            .size = {shape.axes[1], shape.axes[2]}, .stride = {1, 1}, .dilation = {1, 1}};
        status = append_window(s, (iv_onnx_op)kind, &window, false, &value);
    }
    if (status == IV_OK) onnx_bind_value(s, 0, value, true);
    return status;
}

/* ------------------------------------------------------------------ responses of neighbours */

/* LRN: x / (bias + alpha mean(x^2))^beta, the mean over `size` neighbouring channels, where channels that
 * are not there count as 0. Channels are rows of an image here. */
iv_status onnx_lower_responses(onnx_state *s, int kind) {
    float alpha = 0, beta = 0, bias = 0;
    int64_t size = 0;
    size_t x, value;
    (void)kind;
    iv_status status = onnx_images(s, &x);
    if (status == IV_OK) status = onnx_float(s, "alpha", 0.0001f, &alpha);
    if (status == IV_OK) status = onnx_float(s, "beta", 0.75f, &beta);
    if (status == IV_OK) status = onnx_float(s, "bias", 1, &bias);
    if (status == IV_OK) status = onnx_integer(s, "size", 0, &size);
    if (status != IV_OK) return status;
    if (size < 1 || size > longest) return onnx_refuse(s, "its size is %" PRId64, size);
    const onnx_shape shape = s->values[x].shape;
    const onnx_shape rows = {.rank = 3, .axes = {1, shape.axes[0], shape.axes[1] * shape.axes[2]}};
    const iv_window window = {.size = {(size_t)size, 1},
                              .stride = {1, 1},
                              .dilation = {1, 1},
                              .before = {(size_t)(size - 1) / 2, 0},
                              .after = {(size_t)size / 2, 0}};
    status = onnx_append_binary(s, IV_MULTIPLY, x, x, &value);
    if (status == IV_OK) status = onnx_append_reshape(s, value, &rows, &value);
    if (status == IV_OK) status = append_window(s, IV_ONNX_MEAN_POOL, &window, true, &value);
    if (status == IV_OK) status = onnx_append_number(s, IV_MULTIPLY, (double)alpha, &value);
    if (status == IV_OK) status = onnx_append_number(s, IV_ADD, (double)bias, &value);
    if (status == IV_OK) status = onnx_append_number(s, IV_POWER, (double)beta, &value);
    if (status == IV_OK) status = onnx_append_reshape(s, value, &shape, &value);
    if (status == IV_OK) status = onnx_append_binary(s, IV_DIVIDE, x, value, &value);
    if (status == IV_OK) onnx_bind_value(s, 0, value, true);
    return status;
}
