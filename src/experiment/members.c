/* What members have of their own, on the host and on the device; optimizers and times that studies
 * have in common. */
#include "experiment/experiment.h"

#include <stdlib.h>
#include <string.h>

enum { MIN_TIMED = 2 };
static const double timed_seconds = 0.1;

double iv_member_number(const iv_member *member, const char *path) {
    return iv_spec_number(member->run->config, path);
}

float iv_member_float(const iv_member *member, const char *path) {
    return (float)iv_spec_number(member->run->config, path);
}

uint32_t *iv_member_seeds(const iv_population *p) {
    uint32_t *seeds = malloc(p->n_members * sizeof *seeds);
    for (size_t r = 0; r < p->n_members && seeds; r++) seeds[r] = p->members[r].seed;
    return seeds;
}

iv_status iv_member_upload(iv_context *context, const iv_population *p, const char *path,
                           cl_mem *buffer) {
    *buffer = NULL;
    float *numbers = malloc(p->n_members * sizeof *numbers);
    if (!numbers) return iv_no_memory(context);
    for (size_t r = 0; r < p->n_members; r++) numbers[r] = iv_member_float(&p->members[r], path);
    const iv_status status =
        iv_buffer_upload(context, numbers, p->n_members * sizeof *numbers, buffer);
    free(numbers);
    return status;
}

iv_status iv_member_upload_seeds(iv_context *context, const iv_population *p, cl_mem *buffer) {
    *buffer = NULL;
    uint32_t *seeds = iv_member_seeds(p);
    if (!seeds) return iv_no_memory(context);
    const iv_status status = iv_buffer_upload(context, seeds, p->n_members * sizeof *seeds, buffer);
    free(seeds);
    return status;
}

iv_status iv_model_initialize(iv_model *model) {
    uint32_t *seeds = iv_member_seeds(model->population);
    if (!seeds) return iv_no_memory(model->context);
    const iv_status status = iv_parameters_initialize(model->parameters, seeds);
    free(seeds);
    return status;
}

/* ------------------------------------------------------------------ optimizers */

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
    const bool sgd = strcmp(iv_spec_string(config, "training.optimizer"), "sgd") == 0;
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

/* ------------------------------------------------------------------ time */

iv_status iv_time_batches(iv_batch_function run, void *state, size_t n_batches, double *seconds) {
    iv_status status = run(state, 0); /* warms up */
    if (status == IV_OK) status = run(state, 0);
    const double start = iv_seconds();
    size_t n = 0;
    while (status == IV_OK && n < n_batches &&
           (n < MIN_TIMED || iv_seconds() - start < timed_seconds))
        status = run(state, n++);
    *seconds += n > 0 ? (iv_seconds() - start) / (double)n * (double)n_batches : 0;
    return status;
}
