/* What nodes keep beside their inputs and outputs, n->own: the OWN entries of ops.def as types
 * own_NAME. */
#ifndef INVAR_GRAPH_OPS_OWN_H
#define INVAR_GRAPH_OPS_OWN_H

#include "graph/graph.h"

#include <invar/affine.h>
#include <invar/image_ops.h>
#include <invar/signal.h>
#include <invar/tensor_ops.h>

#define OWN(name, ...)                                                                             \
    typedef struct {                                                                               \
        __VA_ARGS__                                                                                \
    } own_##name;
#include "graph/ops/ops.def"

#endif
