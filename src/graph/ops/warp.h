/* What the warps of either side of a product share. */
#ifndef INVAR_GRAPH_OPS_WARP_H
#define INVAR_GRAPH_OPS_WARP_H

#include "graph/graph.h"

#include <invar/affine.h>

/* Attributes of nodes that work on images. */
enum { IMAGE_PLANES, IMAGE_HEIGHT, IMAGE_WIDTH, IMAGE_ATTRIBUTES };

/* Set the attributes. False, and the graph has failed, unless
 * `shape` is that of rows of D values. */
bool iv_set_image_shape(node *n, iv_image_shape shape, size_t D);

/* New node with images [N, D] (input 0) and transformations [S, 6] (input 1). */
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
 * the other [N, D] for all samples alike -> [S, 6]. Attributes are those of `like`. */
iv_tensor *iv_warp_slopes(iv_graph *graph, const node *like, iv_tensor *x, iv_tensor *y,
                          iv_tensor *t);

#endif
