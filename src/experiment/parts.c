/* Parts that most studies are made of: a model with its initial parameters, a training from its
 * loss, members' numbers, places of values. */
#include "experiment/experiment.h"

#include <stdlib.h>

float *iv_member_floats(const iv_population *p, const char *path) {
    float *values = malloc(p->n_members * sizeof *values);
    for (size_t r = 0; r < p->n_members && values; r++)
        values[r] = iv_member_float(&p->members[r], path);
    return values;
}

iv_status iv_model_create(iv_experiment *x, const iv_population *population,
                          const iv_parameter_desc *descs, size_t n_descs, iv_model **out) {
    *out = NULL;
    iv_model *model = calloc(1, sizeof *model);
    uint32_t *seeds = iv_member_seeds(population);
    iv_status status = model && seeds ? IV_OK : iv_no_memory(x->context);
    if (status == IV_OK) {
        *model = (iv_model){.context = x->context, .population = population};
        status = iv_parameters_create(x->context, population->n_members, descs, n_descs,
                                      &model->parameters);
    }
    if (status == IV_OK) status = iv_parameters_initialize(model->parameters, seeds);
    free(seeds);
    if (status == IV_OK) {
        *out = model;
    } else if (model) {
        iv_parameters_destroy(model->parameters);
        free(model);
    }
    return status;
}

iv_status iv_training_compile(const iv_model *model, iv_tensor *const *tensors,
                              const iv_optimizer_desc *desc, iv_training *t) {
    const size_t n = iv_parameters_count(model->parameters);
    iv_optimizer_desc own = *desc;
    float *rates = iv_member_floats(model->population, "training.learning_rate");
    iv_tensor **outputs = calloc(n + 1, sizeof *outputs);
    iv_status status = rates && outputs ? IV_OK : iv_no_memory(model->context);
    if (status == IV_OK && !own.learning_rates) own.learning_rates = rates;
    if (status == IV_OK) status = iv_optimizer_create(model->parameters, &own, &t->optimizer);
    if (status == IV_OK) {
        iv_gradient(t->graph, t->loss, tensors, n, outputs);
        for (size_t i = 0; i < n; i++) iv_optimizer_take(t->optimizer, i, outputs[i]);
        outputs[n] = t->loss;
        status = iv_graph_compile(t->graph, outputs, n + 1, &t->plan);
    }
    if (status == IV_OK) status = iv_optimizer_append(t->optimizer, iv_plan_sequence(t->plan));
    free(rates);
    free(outputs);
    return status;
}
