/* What ops on images with windows share. */
#ifndef INVAR_GRAPH_OPS_WINDOW_H
#define INVAR_GRAPH_OPS_WINDOW_H

#include "graph/ops/own.h"

enum { Y, X }; /* axes of an image [B, C, H, W], in iv_window's order */
enum { IMAGE_Y = 2, IMAGE_X = 3 };

/* Outputs along y and x. Says in the graph what is wrong and returns false if x is no image, or the
 * window does not stand in it; `what` names the op. */
bool iv_window_outputs(iv_graph *graph, const char *what, const iv_tensor *x,
                       const iv_window *window, size_t outputs[2]);

/* Whether every output covers a pixel of the image. */
bool iv_windows_touch(const iv_tensor *x, const iv_window *window, const size_t outputs[2]);

/* The window's numbers as arguments of a kernel: WINDOW_ARGUMENTS of cl/window.cl. */
void iv_arg_window(iv_launch *launch, const iv_tensor *image, const size_t outputs[2],
                   const iv_window *window);

/* Its size as compiler options, of at most 48 characters: loops over it unroll. */
void iv_window_options(const iv_window *window, char options[48]);

#endif
