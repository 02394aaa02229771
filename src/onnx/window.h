/* Where windows stand on an image of length[0] rows and length[1] columns. */
#ifndef INVAR_ONNX_WINDOW_H
#define INVAR_ONNX_WINDOW_H

#include "onnx/state.h"

/* As the attributes of the node being lowered say. size: of its weights; NULL: the attribute says. */
iv_status onnx_read_window(onnx_state *s, const size_t size[2], const size_t length[2],
                           iv_window *window);

/* How many there are along each axis. */
iv_status onnx_count_windows(onnx_state *s, const iv_window *window, const size_t length[2],
                             size_t n[2]);

#endif
