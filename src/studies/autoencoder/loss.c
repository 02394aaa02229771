/* Training steps of the autoencoder study: the loss, its derivatives, the update. */
#include "studies/autoencoder/autoencoder.h"

#include <stdlib.h>
#include <string.h>

/* Means over entries (x* the signal, z* its known code):
 *   full autoencoder  (y - x*)^2 + lambda (z - z*)^2
 *   encoder alone     (z - z*)^2
 *   decoder alone     (y - x*)^2, y = g(z*)
 *   from pairs        (y - x*)^2 over both signals + lambda times equation 2 */
static iv_tensor *build_loss(const ae_model *m, iv_graph *graph, const ae_pass *pass) {
    const ae_population *p = m->population;
    if (p->pairs) {
        /* as one matrix: the mean over both signals is a mean over all rows */
        const size_t shape[] = {2 * iv_dim(pass->x, 1), p->d};
        iv_tensor *x = iv_reshape(graph, pass->x, 2, shape);
        iv_tensor *y = iv_reshape(graph, pass->y, 2, shape);
        iv_tensor *invariance =
            iv_pair_loss(graph, pass->z, ae_invariant_columns(p), pass->squared_distances,
                         ae_scalar(graph, m->delta), ae_scalar(graph, m->alpha));
        return iv_weighted_sum(graph, iv_mean_square(graph, y, x), invariance,
                               ae_scalar(graph, m->lambda));
    }
    if (p->part == AE_ENCODER) return iv_mean_square(graph, pass->z, pass->code);
    iv_tensor *reconstruction = iv_mean_square(graph, pass->y, pass->x);
    if (p->part == AE_DECODER) return reconstruction;
    return iv_weighted_sum(graph, reconstruction, iv_mean_square(graph, pass->z, pass->code),
                           ae_scalar(graph, m->lambda));
}

static iv_status create_optimizer(const ae_model *m, iv_optimizer **optimizer) {
    const ae_population *p = m->population;
    float *rates = malloc(p->n_members * sizeof *rates);
    if (!rates) return study_out_of_memory(m->context);
    for (size_t r = 0; r < p->n_members; r++) rates[r] = p->members[r].learning_rate;
    const iv_optimizer_desc desc = {.kind = p->optimizer,
                                    .learning_rates = rates,
                                    .beta1 = p->beta1,
                                    .beta2 = p->beta2,
                                    .epsilon = p->epsilon,
                                    .momentum = p->momentum};
    const iv_status status = iv_optimizer_create(m->parameters, &desc, optimizer);
    free(rates);
    return status;
}

static iv_status compile(const ae_model *m, const ae_data *data, study_training *t) {
    const ae_population *p = m->population;
    iv_graph *g = t->graph;
    iv_tensor *tensors[AE_MAX_PARAMETERS], *outputs[AE_MAX_PARAMETERS + 1];
    const size_t n = iv_parameters_count(m->parameters);
    const iv_signal_source source = ae_model_source(m, &data->train, true, false);
    ae_pass pass;
    ae_model_tensors(m, g, tensors);
    ae_model_pass(m, data, g, &source, p->batch, tensors, &pass);
    t->loss = build_loss(m, g, &pass);
    iv_gradient(g, t->loss, tensors, n, outputs);
    for (size_t i = 0; i < n; i++) iv_optimizer_take(t->optimizer, i, outputs[i]);
    outputs[n] = t->loss;
    return iv_graph_compile(g, outputs, n + 1, &t->plan);
}

iv_status ae_training_create(const ae_model *m, const ae_data *data, study_training *t) {
    const ae_population *p = m->population;
    memset(t, 0, sizeof *t);
    if (p->batch > p->n_train)
        return iv_fail(iv_context_error(m->context), IV_EINVAL,
                       "training.batch: %zu does not fit %zu training signals", p->batch,
                       p->n_train);
    t->steps_per_epoch = p->n_train / p->batch;
    if (p->epochs > UINT32_MAX / t->steps_per_epoch - 1)
        return iv_fail(iv_context_error(m->context), IV_EINVAL,
                       "training.epochs: %zu epochs of %zu steps, expected fewer than 2^32 steps",
                       p->epochs, t->steps_per_epoch);
    iv_status status = create_optimizer(m, &t->optimizer);
    if (status == IV_OK) status = iv_graph_create(m->context, p->n_members, &t->graph);
    if (status == IV_OK) status = compile(m, data, t);
    if (status == IV_OK) status = iv_optimizer_append(t->optimizer, iv_plan_sequence(t->plan));
    if (status != IV_OK) study_training_clear(t);
    return status;
}
