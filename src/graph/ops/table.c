/* Every op there is, from ops.def. */
#include "graph/graph.h"

#define OP(name) &op_##name,
const iv_op *const iv_ops[] = {
#include "graph/ops/ops.def"
    NULL,
};
