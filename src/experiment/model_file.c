/* Models out and in. */
#include "experiment/experiment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char diverged_key[] = "diverged_from";

void experiment_model_name(const iv_member *member, char name[EXPERIMENT_PATH]) {
    snprintf(name, EXPERIMENT_PATH, "models/%s-seed%" PRIu32 ".safetensors", member->run->name,
             member->seed);
}

size_t experiment_states(const iv_model *model, const iv_optimizer *optimizer,
                         const iv_state *states[EXPERIMENT_STATES]) {
    size_t n = 0;
    states[n++] = iv_parameters_state(model->parameters);
    if (optimizer) states[n++] = iv_optimizer_state(optimizer);
    for (size_t i = 0; i < IV_MAX_MODEL_STATES && model->states[i]; i++)
        states[n++] = model->states[i];
    return n;
}

static char *model_path(const iv_experiment *x, const iv_member *member) {
    char name[EXPERIMENT_PATH];
    experiment_model_name(member, name);
    return iv_run_dir_file(x->job->dir, name);
}

static iv_status export_member(const iv_experiment *x, const iv_model *model, size_t r,
                               uint32_t diverged_from) {
    const iv_member *member = &model->population->members[r];
    char seed[16], epoch[16], *config = NULL, *path = model_path(x, member);
    snprintf(seed, sizeof seed, "%" PRIu32, member->seed);
    snprintf(epoch, sizeof epoch, "%" PRIu32, diverged_from);
    iv_status status =
        path ? iv_spec_json(member->run->config, &config, iv_context_error(x->context))
             : iv_no_memory(x->context);
    if (status == IV_OK) {
        const iv_metadata metadata[] = {
            {"name", member->run->name}, {"seed", seed}, {"run", config}, {diverged_key, epoch}};
        const iv_state *states[EXPERIMENT_STATES];
        const size_t n = experiment_states(model, NULL, states);
        status = iv_model_write(path, states, n, r, metadata, diverged_from > 0 ? 4 : 3);
    }
    free(config);
    free(path);
    return status;
}

iv_status experiment_export(const iv_experiment *x, const iv_model *model,
                            const uint32_t *diverged_from) {
    iv_status status = IV_OK;
    for (size_t r = 0; r < model->population->n_members && status == IV_OK; r++)
        status = export_member(x, model, r, diverged_from[r]);
    return status;
}

static iv_status read_divergence(const char *path, uint32_t *diverged_from, iv_error *error) {
    iv_safetensors *file;
    const iv_status status = iv_safetensors_open(path, &file, error);
    if (status != IV_OK) return status;
    const char *epoch = iv_safetensors_metadata(file, diverged_key);
    *diverged_from = epoch ? (uint32_t)strtoul(epoch, NULL, 10) : 0;
    iv_safetensors_close(file);
    return IV_OK;
}

iv_status experiment_import(const iv_experiment *x, iv_model *model, uint32_t *diverged_from) {
    const iv_state *states[EXPERIMENT_STATES];
    const size_t n = experiment_states(model, NULL, states);
    iv_status status = IV_OK;
    for (size_t r = 0; r < model->population->n_members && status == IV_OK; r++) {
        char *path = model_path(x, &model->population->members[r]);
        status = path ? iv_model_read(path, states, n, r) : iv_no_memory(x->context);
        if (status == IV_OK)
            status = read_divergence(path, &diverged_from[r], iv_context_error(x->context));
        free(path);
    }
    return status;
}

bool experiment_has_models(const iv_experiment *x, const iv_population *p) {
    bool all = x->job->resume;
    for (size_t r = 0; r < p->n_members && all; r++) {
        char *path = model_path(x, &p->members[r]);
        FILE *file = path ? fopen(path, "rb") : NULL;
        all = file != NULL;
        if (file) fclose(file);
        free(path);
    }
    return all;
}
