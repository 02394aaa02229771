/* Parts that most studies are made of: a model with its initial parameters, the optimizer that a
 * spec describes, a training from its loss. */
#include "experiment/experiment.h"

#include <stdlib.h>

/* ------------------------------------------------------------------ models */

iv_status iv_model_parameters(iv_model *model, const iv_parameter_desc *descs, size_t n_descs) {
    const size_t n_members = model->population->n_members;
    uint32_t *seeds = iv_member_seeds(model->population);
    if (!seeds) return iv_no_memory(model->context);
    iv_status status =
        iv_parameters_create(model->context, n_members, descs, n_descs, &model->parameters);
    if (status == IV_OK) status = iv_parameters_initialize(model->parameters, seeds);
    free(seeds);
    return status;
}

/* ------------------------------------------------------------------ trainings */

static float number_or_0(const iv_node *config, const char *path) {
    return iv_spec_has(config, path) ? (float)iv_spec_number(config, path) : 0;
}

iv_status iv_model_optimizer(const iv_model *model, iv_optimizer **optimizer) {
    const iv_population *p = model->population;
    const iv_node *config = p->config;
    float *rates = malloc(p->n_members * sizeof *rates);
    if (!rates) return iv_no_memory(model->context);
    for (size_t r = 0; r < p->n_members; r++)
        rates[r] = iv_member_float(&p->members[r], "training.learning_rate");
    const bool sgd = iv_spec_has(config, "training.optimizer")
                         ? iv_spec_is(config, "training.optimizer", "sgd")
                         : !iv_spec_has(config, "training.beta1");
    const iv_optimizer_desc desc = {
        .kind = sgd ? IV_OPTIMIZER_SGD : IV_OPTIMIZER_ADAM,
        .learning_rates = rates,
        .beta1 = number_or_0(config, "training.beta1"),
        .beta2 = number_or_0(config, "training.beta2"),
        .epsilon = number_or_0(config, "training.epsilon"),
        .momentum = sgd ? number_or_0(config, "training.momentum") : 0,
    };
    const iv_status status = iv_optimizer_create(model->parameters, &desc, optimizer);
    free(rates);
    return status;
}

iv_status iv_training_compile(const iv_model *model, iv_tensor *const *tensors, iv_training *t) {
    const size_t n = iv_parameters_count(model->parameters);
    iv_tensor **outputs = calloc(n + 1, sizeof *outputs);
    if (!outputs) return iv_no_memory(model->context);
    iv_status status = iv_model_optimizer(model, &t->optimizer);
    if (status == IV_OK) status = iv_gradient(t->graph, t->loss, tensors, n, outputs);
    if (status == IV_OK) {
        for (size_t i = 0; i < n; i++) iv_optimizer_take(t->optimizer, i, outputs[i]);
        outputs[n] = t->loss;
        status = iv_graph_compile(t->graph, outputs, n + 1, &t->plan);
    }
    if (status == IV_OK) status = iv_optimizer_append(t->optimizer, iv_plan_sequence(t->plan));
    free(outputs);
    return status;
}
