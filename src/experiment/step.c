/* Single training steps, to be timed: a study's entry is a small spec, trained on data that are
 * made up. */
#include "experiment/experiment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    iv_spec *spec;
    iv_job job;
    iv_experiment x;
    iv_model *model;
    iv_training training;
} step_state;

static void close_state(step_state *s) {
    iv_training_clear(&s->training);
    if (s->model) experiment_destroy_model(s->x.study, s->model);
    if (s->x.study) experiment_close(&s->x);
    iv_spec_destroy(s->spec);
    free(s);
}

static iv_status open_state(step_state *s, iv_context *context, const iv_study *study,
                            iv_schema_list schemas, const iv_step_entry *entry, size_t n_members) {
    char seeds[48];
    snprintf(seeds, sizeof seeds, "seeds=%zu", n_members);
    const char *const overrides[] = {seeds, "training.population=1000"};
    iv_status status = iv_spec_parse(entry->name, entry->spec, strlen(entry->spec), overrides, 2,
                                     schemas, &s->spec, iv_context_error(context));
    if (status != IV_OK) return status;
    s->job = (iv_job){.spec = s->spec, .study = study, .context = context};
    status = experiment_open(&s->job, true, &s->x);
    if (status == IV_OK && s->x.populations.n != 1)
        status = iv_fail(iv_context_error(context), IV_EINVAL,
                         "the step %s has %zu populations, expected one", entry->name,
                         s->x.populations.n);
    if (status == IV_OK)
        status = experiment_open_model(&s->x, &s->x.populations.items[0], &s->model);
    if (status == IV_OK) status = experiment_create_training(&s->x, s->model, &s->training);
    return status;
}

iv_status iv_step_open(iv_context *context, const iv_study *study, iv_schema_list schemas,
                       const iv_step_entry *entry, size_t n_members, iv_step *step) {
    *step = (iv_step){0};
    step_state *s = calloc(1, sizeof *s);
    if (!s) return iv_no_memory(context);
    const iv_status status = open_state(s, context, study, schemas, entry, n_members);
    if (status != IV_OK) {
        close_state(s);
        return status;
    }
    iv_work work = {0};
    study->work(s->model->population, &work);
    *step = (iv_step){s->training.plan, (double)n_members * work.step_flops, s};
    return IV_OK;
}

void iv_step_close(iv_step *step) {
    if (step->state) close_state(step->state);
    *step = (iv_step){0};
}
