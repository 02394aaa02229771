/* Windows in images: how many outputs they give, and how kernels receive them. */
#include "graph/ops/window.h"

#include <stdio.h>

static const uint64_t most = (uint64_t)1 << 24; /* of all numbers: their products fit 64 bits */

bool iv_window_outputs(iv_graph *graph, const char *what, const iv_tensor *x,
                       const iv_window *window, size_t outputs[2]) {
    if (x->rank != 4) {
        iv_graph_fail(graph, "%s: needs images [B, C, H, W], not %u axes", what, x->rank);
        return false;
    }
    uint64_t plane = 1;
    for (int axis = Y; axis <= X; axis++) {
        const char name = axis == Y ? 'y' : 'x';
        const uint64_t size = window->size[axis], stride = window->stride[axis],
                       dilation = window->dilation[axis], before = window->before[axis],
                       after = window->after[axis], pixels = x->dims[IMAGE_Y + axis];
        if (size == 0 || stride == 0 || dilation == 0) {
            iv_graph_fail(graph,
                          "%s: along %c the window's size, stride and dilation (%zu, %zu, "
                          "%zu) must be at least 1",
                          what, name, window->size[axis], window->stride[axis],
                          window->dilation[axis]);
            return false;
        }
        if (size > most || stride > most || dilation > most || before > most || after > most ||
            pixels + before + after > most || dilation * (size - 1) + 1 > most) {
            iv_graph_fail(graph, "%s: along %c the image or the window has more than 2^24 pixels",
                          what, name);
            return false;
        }
        const uint64_t extent = dilation * (size - 1) + 1, room = pixels + before + after;
        if (extent > room) {
            iv_graph_fail(graph,
                          "%s: along %c the window covers %zu pixels, the image and its "
                          "borders have %zu",
                          what, name, (size_t)extent, (size_t)room);
            return false;
        }
        outputs[axis] = (size_t)((room - extent) / stride + 1);
        plane *= room;
    }
    if (plane <= INT32_MAX) return true;
    iv_graph_fail(graph, "%s: the image and its borders have more than 2^31 - 1 pixels", what);
    return false;
}

static bool touches(size_t pixels, const iv_window *window, int axis, size_t output) {
    for (size_t t = 0; t < window->size[axis]; t++) {
        const size_t place = output * window->stride[axis] + t * window->dilation[axis];
        if (place >= window->before[axis] && place < window->before[axis] + pixels) return true;
    }
    return false;
}

bool iv_windows_touch(const iv_tensor *x, const iv_window *window, const size_t outputs[2]) {
    for (int axis = Y; axis <= X; axis++)
        for (size_t i = 0; i < outputs[axis]; i++)
            if (!touches(x->dims[IMAGE_Y + axis], window, axis, i)) return false;
    return true;
}

void iv_arg_window(iv_launch *launch, const iv_tensor *image, const size_t outputs[2],
                   const iv_window *window) {
    for (int axis = Y; axis <= X; axis++) {
        iv_arg_uint(launch, image->dims[IMAGE_Y + axis]);
        iv_arg_uint(launch, outputs[axis]);
        iv_arg_uint(launch, window->stride[axis]);
        iv_arg_uint(launch, window->dilation[axis]);
        iv_arg_uint(launch, window->before[axis]);
    }
}

void iv_window_options(const iv_window *window, char options[48]) {
    snprintf(options, 48, "-DSIZE_Y=%zu -DSIZE_X=%zu", window->size[Y], window->size[X]);
}
