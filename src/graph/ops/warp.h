/* What the warps of either side of a product share. */
#ifndef INVAR_GRAPH_OPS_WARP_H
#define INVAR_GRAPH_OPS_WARP_H

#include "graph/ops/own.h"

/* False, and the graph has failed, unless `shape` is that of rows of D values. */
bool iv_is_image_shape(const node *n, iv_image_shape shape, size_t D);

/* New node with images [N, D] (input 0), transformations [S, 6] (input 1) and an own_warp. */
node *iv_warp_node(iv_graph *graph, const iv_op *op, iv_tensor *images, iv_tensor *t,
                   iv_image_shape shape);

typedef enum {
    WARP,             /* A(T_s) x_n -> [S, N, D] */
    WARP_ADJOINT,     /* A(T_s)^T x_n -> [S, N, D] */
    WARP_ADJOINT_SUM, /* sum over s of A(T_s)^T x_sn -> [N, D] */
} iv_warp_kind;

/* x [N, D], or [S, N, D] with images of each sample's own. */
iv_status iv_append_warp(emitter *e, const node *n, iv_warp_kind kind, const iv_tensor *x,
                         const iv_tensor *t, const iv_tensor *y);

/* The derivative by t of the sum over s and n of <x_sn, A(T_s) y_sn>; one of x and y is [S, N, D],
 * the other [N, D] for all samples alike -> [S, 6]. */
iv_tensor *iv_warp_slopes(iv_graph *graph, iv_image_shape shape, iv_tensor *x, iv_tensor *y,
                          iv_tensor *t);

#endif
