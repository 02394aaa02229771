/* Models out and in. */
#include "experiment/experiment.h"

#include "runtime/open.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Whether a model's file says of itself that it is the member's; one that says nothing is. */
static iv_status check_member(const char *path, const iv_safetensors *file, const iv_member *member,
                              iv_error *error) {
    char seed[16];
    snprintf(seed, sizeof seed, "%" PRIu32, member->seed);
    const char *name = iv_safetensors_metadata(file, "name");
    const char *own_seed = iv_safetensors_metadata(file, "seed");
    if ((!name || strcmp(name, member->run->name) == 0) &&
        (!own_seed || strcmp(own_seed, seed) == 0))
        return IV_OK;
    return iv_fail(error, IV_EDATA,
                   "%s: holds the model of %.100s seed %.20s, expected %.100s seed %s; were files "
                   "exchanged?",
                   path, name ? name : "?", own_seed ? own_seed : "?", member->run->name, seed);
}

/* What a model's file says beside its parameters. */
static iv_status read_metadata(const char *path, const iv_population *p, size_t r,
                               uint32_t *diverged_from, iv_error *error) {
    iv_safetensors *file;
    iv_status status = iv_safetensors_open(path, &file, error);
    if (status != IV_OK) return status;
    status = check_member(path, file, &p->members[r], error);
    const char *epoch = iv_safetensors_metadata(file, diverged_key);
    const size_t digits = epoch ? strspn(epoch, "0123456789") : 0;
    const unsigned long number = digits > 0 ? strtoul(epoch, NULL, 10) : 0;
    *diverged_from = (uint32_t)number;
    if (status == IV_OK && epoch && (digits == 0 || epoch[digits] || number > p->epochs))
        status = iv_fail(error, IV_EDATA, "%s: damaged: `%s` is not an epoch of its training", path,
                         diverged_key);
    iv_safetensors_close(file);
    return status;
}

iv_status experiment_import(const iv_experiment *x, iv_model *model, uint32_t *diverged_from) {
    const iv_state *states[EXPERIMENT_STATES];
    const size_t n = experiment_states(model, NULL, states);
    iv_status status = IV_OK;
    for (size_t r = 0; r < model->population->n_members && status == IV_OK; r++) {
        char *path = model_path(x, &model->population->members[r]);
        status = path ? iv_model_read(path, states, n, r) : iv_no_memory(x->context);
        if (status == IV_OK)
            status = read_metadata(path, model->population, r, &diverged_from[r],
                                   iv_context_error(x->context));
        free(path);
    }
    return status;
}

iv_status experiment_has_models(const iv_experiment *x, const iv_population *p, bool *all) {
    iv_status status = IV_OK;
    *all = x->job->resume;
    for (size_t r = 0; r < p->n_members && *all && status == IV_OK; r++) {
        char *path = model_path(x, &p->members[r]);
        status = path ? iv_path_exists(path, all, iv_context_error(x->context))
                      : iv_no_memory(x->context);
        free(path);
    }
    return status;
}
