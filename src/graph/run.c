/* Running compiled graphs and reading their results. */
#include "graph/plan.h"

#include <stdlib.h>

iv_status iv_plan_run(iv_plan *plan, uint32_t step) {
    return iv_sequence_run(plan->sequence, step);
}

iv_view iv_plan_view(const iv_plan *plan, const iv_tensor *tensor) {
    return tensor->id < plan->n_views ? plan->views[tensor->id] : (iv_view){NULL, 0, 0};
}

iv_status iv_plan_read(iv_plan *plan, const iv_tensor *tensor, void *values) {
    const iv_view view = iv_plan_view(plan, tensor);
    if (!view.buffer)
        return iv_fail(iv_context_error(plan->graph->context), IV_EINVAL,
                       "reading a plan: the tensor is not among its outputs");
    const size_t bytes = tensor->n_elements * sizeof(float);
    const size_t n_members = plan->graph->n_members;
    if (view.stride == tensor->n_elements)
        return iv_buffer_read(plan->graph->context, view.buffer, view.offset * sizeof(float),
                              bytes * n_members, values);
    for (size_t r = 0; r < n_members; r++) {
        const iv_status status = iv_buffer_read(plan->graph->context, view.buffer,
                                                (view.offset + r * view.stride) * sizeof(float),
                                                bytes, (char *)values + r * bytes);
        if (status != IV_OK) return status;
    }
    return IV_OK;
}

iv_sequence *iv_plan_sequence(iv_plan *plan) {
    return plan->sequence;
}

size_t iv_plan_bytes(const iv_plan *plan) {
    return plan->bytes;
}

void iv_plan_destroy(iv_plan *plan) {
    if (!plan) return;
    iv_sequence_destroy(plan->sequence);
    for (size_t i = 0; i < plan->n_buffers; i++)
        iv_buffer_release(plan->graph->context, plan->buffers[i]);
    free(plan->buffers);
    free(plan->views);
    free(plan);
}
