/* Signals of the autoencoder study on the device: one training and one test set for each seed. */
#include "studies/autoencoder/autoencoder.h"

#include <stdlib.h>
#include <string.h>

/* The seeds of a population, each once, in order of appearance. */
static iv_status distinct_seeds(iv_context *context, const iv_population *p, uint32_t **seeds,
                                size_t *n_seeds) {
    *n_seeds = 0;
    *seeds = malloc(p->n_members * sizeof **seeds);
    if (!*seeds) return iv_no_memory(context);
    for (size_t r = 0; r < p->n_members; r++) {
        size_t i = 0;
        while (i < *n_seeds && (*seeds)[i] != p->members[r].seed) i++;
        if (i == *n_seeds) (*seeds)[(*n_seeds)++] = p->members[r].seed;
    }
    return IV_OK;
}

static bool holds(const ae_data *data, const iv_population *p, const uint32_t *seeds,
                  size_t n_seeds) {
    const ae_setting *s = ae_setting_of(p);
    const bool cycles = s->pairs && s->distortion == IV_DISTORTION_CYCLE;
    return data->train.signals && data->d == s->d && data->n_train == p->n_train &&
           data->n_test == s->n_test && data->pairs == s->pairs &&
           (s->pairs || data->code == s->code) && (data->cycles || !cycles) &&
           data->n_seeds == n_seeds && memcmp(data->seeds, seeds, n_seeds * sizeof *seeds) == 0;
}

static iv_status make(iv_context *context, const ae_setting *s, ae_data *data) {
    const iv_code *code = s->pairs ? NULL : &s->code;
    iv_status status = iv_signal_set_create(context, data->seeds, data->n_seeds, 0, data->n_train,
                                            data->d, code, &data->train);
    if (status == IV_OK)
        status = iv_signal_set_create(context, data->seeds, data->n_seeds, data->n_train,
                                      data->n_test, data->d, code, &data->test);
    if (status == IV_OK && s->pairs && s->distortion == IV_DISTORTION_CYCLE)
        status = iv_cycles_create(context, data->seeds, data->n_seeds, data->d, &data->cycles);
    return status;
}

static void clear(iv_context *context, void *held) {
    ae_data *data = held;
    iv_signal_set_clear(context, &data->train);
    iv_signal_set_clear(context, &data->test);
    iv_buffer_release(context, data->cycles);
    free(data->seeds);
    memset(data, 0, sizeof *data);
}

static iv_status provide(iv_experiment *x, const iv_population *p, void *held) {
    ae_data *data = held;
    iv_context *context = x->context;
    const ae_setting *s = ae_setting_of(p);
    uint32_t *seeds;
    size_t n_seeds;
    iv_status status = distinct_seeds(context, p, &seeds, &n_seeds);
    if (status == IV_OK && !holds(data, p, seeds, n_seeds)) {
        clear(context, data);
        *data = (ae_data){.seeds = seeds,
                          .n_seeds = n_seeds,
                          .d = s->d,
                          .n_train = p->n_train,
                          .n_test = s->n_test,
                          .pairs = s->pairs,
                          .code = s->code};
        seeds = NULL;
        status = make(context, s, data);
        if (status != IV_OK) clear(context, data);
    }
    free(seeds);
    return status;
}

const iv_study_data ae_data_hooks = {.size = sizeof(ae_data), .provide = provide, .clear = clear};
