/* Inside the graph room: a compiled graph. */
#ifndef INVAR_GRAPH_PLAN_H
#define INVAR_GRAPH_PLAN_H

#include "graph/graph.h"

struct iv_plan {
    iv_graph *graph;
    iv_sequence *sequence;
    cl_mem *buffers; /* one a slot of the arena */
    size_t n_buffers;
    iv_view *views; /* [n_views] where each tensor lies; no buffer if it does not outlive a run */
    size_t n_views;
    size_t bytes;
};

#endif
