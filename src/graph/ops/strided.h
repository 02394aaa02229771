/* How the kernels of tensor ops read: rows of a result of up to four axes, and for each operand how
 * far its next entry lies along each of them (cl/strided.cl). */
#ifndef INVAR_GRAPH_OPS_STRIDED_H
#define INVAR_GRAPH_OPS_STRIDED_H

#include "graph/graph.h"

enum { STRIDED_MOST = 3, STRIDED_AXES = 4, STRIDED_VECTOR = 8 /* entries of a work-item */ };

typedef struct {
    size_t dims[STRIDED_AXES]; /* of the result, ones first */
    size_t n_operands;
    size_t strides[STRIDED_MOST][STRIDED_AXES]; /* 0: the same entry again */
} strided;

/* Dimensions of a tensor with ones before them, and the strides of one that is repeated where it has
 * 1 and the result more; axes are counted from the last one. */
void iv_strided_dims(const iv_tensor *tensor, size_t dims[STRIDED_AXES]);
void iv_strided_repeat(const iv_tensor *tensor, const size_t dims[STRIDED_AXES],
                       size_t strides[STRIDED_AXES]);

/* Neighbouring axes become one where no operand can tell: long rows are fast. */
void iv_strided_merge(strided *s);

/* Options that say how operand i moves along rows, "-DVW=8 -DAXES=2 -DSTEP_0=1 ..."; its strides as
 * arguments; and those of the rows with the end of the launch. */
void iv_strided_options(const strided *s, char options[96]);
void iv_strided_argument(iv_launch *launch, const strided *s, size_t operand);
iv_status iv_strided_end(emitter *e, iv_launch *launch, const strided *s);

/* Whether building can go on with x; else the graph has failed. */
bool iv_takes(iv_graph *graph, const iv_tensor *x, const char *what);

/* Whether a gradient is of one product alone; else the graph has failed. */
bool iv_one_product(iv_graph *graph, const node *n, const iv_tensor *gradient);

/* x times a factor, repeated to a shape that it fits as iv_repeat says. */
iv_tensor *iv_spread(iv_graph *graph, iv_tensor *x, unsigned rank, const size_t *dims,
                     float factor);

/* x summed to the shape of a tensor that was repeated to x's, times a factor. */
iv_tensor *iv_sum_to(iv_graph *graph, iv_tensor *x, const iv_tensor *like, float factor);

#endif
