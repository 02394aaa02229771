/* Training steps of the autoencoder study: the loss, its derivatives, the update. */
#include "studies/autoencoder/autoencoder.h"

/* Means over entries (x* the signal, z* its known code):
 *   full autoencoder  (y - x*)^2 + lambda (z - z*)^2
 *   encoder alone     (z - z*)^2
 *   decoder alone     (y - x*)^2, y = g(z*)
 *   from pairs        (y - x*)^2 over both signals + lambda times equation 2 */
static iv_tensor *build_loss(const ae_model *m, iv_graph *graph, const ae_pass *pass) {
    const ae_setting *s = m->setting;
    if (s->pairs) {
        /* as one matrix: the mean over both signals is a mean over all rows */
        const size_t shape[] = {2 * iv_dim(pass->x, 1), s->d};
        iv_tensor *x = iv_reshape(graph, pass->x, 2, shape);
        iv_tensor *y = iv_reshape(graph, pass->y, 2, shape);
        iv_tensor *invariance =
            iv_pair_loss(graph, pass->z, ae_invariant_columns(s), pass->squared_distances,
                         ae_scalar(graph, m->delta), ae_scalar(graph, m->alpha));
        return iv_weighted_sum(graph, iv_mean_square(graph, y, x), invariance,
                               ae_scalar(graph, m->lambda));
    }
    if (s->part == AE_ENCODER) return iv_mean_square(graph, pass->z, pass->code);
    iv_tensor *reconstruction = iv_mean_square(graph, pass->y, pass->x);
    if (s->part == AE_DECODER) return reconstruction;
    return iv_weighted_sum(graph, reconstruction, iv_mean_square(graph, pass->z, pass->code),
                           ae_scalar(graph, m->lambda));
}

iv_status ae_training_create(iv_experiment *x, iv_model *model, iv_training *t) {
    const ae_model *m = (const ae_model *)model;
    const iv_population *p = model->population;
    iv_tensor *tensors[AE_MAX_PARAMETERS];
    const iv_signal_source source = ae_model_source(m, &m->data->train, true, false);
    ae_pass pass;
    const iv_status status = iv_graph_create(x->context, p->n_members, &t->graph);
    if (status != IV_OK) return status;
    ae_model_tensors(m, t->graph, tensors);
    ae_model_pass(m, t->graph, &source, p->batch, tensors, &pass);
    t->loss = build_loss(m, t->graph, &pass);
    return iv_training_compile(model, tensors, t);
}
