/* Signals of the autoencoder study on the device: one training and one test set for each seed. */
#include "studies/autoencoder/autoencoder.h"

#include <stdlib.h>
#include <string.h>

/* The seeds of a population, each once, in order of appearance. */
static iv_status distinct_seeds(iv_context *context, const ae_population *p, uint32_t **seeds,
                                size_t *n_seeds) {
    *n_seeds = 0;
    *seeds = malloc(p->n_members * sizeof **seeds);
    if (!*seeds) return study_out_of_memory(context);
    for (size_t r = 0; r < p->n_members; r++) {
        size_t i = 0;
        while (i < *n_seeds && (*seeds)[i] != p->members[r].seed) i++;
        if (i == *n_seeds) (*seeds)[(*n_seeds)++] = p->members[r].seed;
    }
    return IV_OK;
}

static bool holds(const ae_data *data, const ae_population *p, const uint32_t *seeds,
                  size_t n_seeds) {
    const bool cycles = p->pairs && p->distortion == IV_DISTORTION_CYCLE;
    return data->train.signals && data->d == p->d && data->n_train == p->n_train &&
           data->n_test == p->n_test && data->pairs == p->pairs &&
           (p->pairs || data->code == p->code) && (data->cycles || !cycles) &&
           data->n_seeds == n_seeds && memcmp(data->seeds, seeds, n_seeds * sizeof *seeds) == 0;
}

iv_status ae_data_provide(iv_context *context, const ae_population *p, ae_data *data) {
    uint32_t *seeds;
    size_t n_seeds;
    iv_status status = distinct_seeds(context, p, &seeds, &n_seeds);
    if (status != IV_OK) return status;
    if (holds(data, p, seeds, n_seeds)) {
        free(seeds);
        return IV_OK;
    }
    ae_data_clear(context, data);
    *data = (ae_data){.seeds = seeds,
                      .n_seeds = n_seeds,
                      .d = p->d,
                      .n_train = p->n_train,
                      .n_test = p->n_test,
                      .pairs = p->pairs,
                      .code = p->code};
    const iv_code *code = p->pairs ? NULL : &p->code;
    status = iv_signal_set_create(context, seeds, n_seeds, 0, p->n_train, p->d, code, &data->train);
    if (status == IV_OK)
        status = iv_signal_set_create(context, seeds, n_seeds, p->n_train, p->n_test, p->d, code,
                                      &data->test);
    if (status == IV_OK && p->pairs && p->distortion == IV_DISTORTION_CYCLE)
        status = iv_cycles_create(context, seeds, n_seeds, p->d, &data->cycles);
    if (status != IV_OK) ae_data_clear(context, data);
    return status;
}

void ae_data_clear(iv_context *context, ae_data *data) {
    iv_signal_set_clear(context, &data->train);
    iv_signal_set_clear(context, &data->test);
    iv_buffer_release(context, data->cycles);
    free(data->seeds);
    memset(data, 0, sizeof *data);
}
