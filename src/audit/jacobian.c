/* Jacobians of networks of any kind. */
#include "audit/audit.h"

#include <invar/op.h>

#include <stdlib.h>

/* The gradient of each class's logit by itself, side by side: the values that are computed on the way
 * to the logits are computed once. */
static iv_tensor *class_by_class(const iv_measured *n, iv_graph *graph, iv_tensor *logits,
                                 iv_tensor *x) {
    const size_t dims[] = {iv_dim(x, 0), 1, iv_dim(x, 1)}, one = 1;
    iv_tensor **rows = calloc(n->n_classes, sizeof *rows), *jacobian = NULL;
    if (!rows) return iv_graph_fail(graph, "Jacobian: out of memory");
    iv_status status = IV_OK;
    for (size_t c = 0; c < n->n_classes && status == IV_OK; c++) {
        const iv_view view = {n->classes, c, 0};
        iv_tensor *sum = iv_class_logit_sum(graph, logits, iv_input(graph, IV_I32, 1, &one, &view));
        status = iv_gradient(graph, sum, &x, 1, &rows[c]);
        if (status == IV_OK) rows[c] = iv_reshape(graph, rows[c], 3, dims);
    }
    if (status == IV_OK) jacobian = iv_concatenate(graph, n->n_classes, rows, 1);
    free(rows);
    return jacobian;
}

iv_tensor *audit_jacobian(const iv_measured *n, iv_graph *graph, iv_tensor *logits, iv_tensor *x) {
    if (!logits || !x) return NULL; /* the graph says why */
    return n->classes ? class_by_class(n, graph, logits, x) : iv_jacobian(graph, logits, x);
}
