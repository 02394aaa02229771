/* How long things take and how far they have come: one progress over populations, seconds of a
 * training step, estimates. */
#include "studies/common.h"

#include <stdlib.h>

enum { MOST_PIECES = 5 };
static const double piece_seconds = 0.03; /* single steps can take a fraction of a millisecond */
static const double enough_seconds = 3;

/* ------------------------------------------------------------------ progress */

void study_progress_begin(study_progress *progress, const iv_progress *outer) {
    *progress = (study_progress){.outer = outer};
}

void study_progress_expect(study_progress *progress, double flops, double n_steps) {
    progress->total += flops;
    progress->shown_total += (uint64_t)n_steps;
}

void study_progress_population(study_progress *progress, double flops) {
    progress->done += progress->present;
    progress->present = flops;
}

static void show_share(void *state, const char *what, uint64_t done, uint64_t total) {
    const study_progress *progress = state;
    const double present = progress->present * (double)done / (double)total;
    double share = (progress->done + present) / progress->total;
    if (share > 1) share = 1; /* by rounding */
    iv_progress_update(progress->outer, what, (uint64_t)(share * (double)progress->shown_total),
                       progress->shown_total);
}

iv_progress study_progress_within(study_progress *progress) {
    return (iv_progress){show_share, progress};
}

/* ------------------------------------------------------------------ a step */

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static iv_status time_piece(iv_context *context, iv_plan *plan, uint32_t *step, uint32_t n,
                            double *seconds) {
    const double start = iv_seconds();
    const uint32_t end = *step + n;
    const iv_status status = iv_train(context, plan, step, end, end, 0, NULL, NULL, NULL);
    *seconds = iv_seconds() - start;
    return status;
}

iv_status study_time_steps(iv_context *context, iv_plan *plan, double *seconds) {
    const double start = iv_seconds();
    double pieces[MOST_PIECES];
    size_t n_pieces = 1;
    uint32_t step = 0, n = 1;
    iv_status status = time_piece(context, plan, &step, n, &pieces[0]); /* warms up */
    if (status == IV_OK) status = time_piece(context, plan, &step, n, &pieces[0]);
    while (status == IV_OK && pieces[0] < piece_seconds) {
        n *= 2;
        status = time_piece(context, plan, &step, n, &pieces[0]);
    }
    while (status == IV_OK && n_pieces < MOST_PIECES && iv_seconds() - start < enough_seconds)
        status = time_piece(context, plan, &step, n, &pieces[n_pieces++]);
    if (status != IV_OK) return status;
    qsort(pieces, n_pieces, sizeof *pieces, by_size);
    *seconds = pieces[n_pieces / 2] / n;
    return IV_OK;
}

/* ------------------------------------------------------------------ estimates */

iv_status study_estimate_each(iv_context *context, size_t n, study_estimate_function estimate,
                              void *state, iv_estimate **estimates, size_t *n_estimates) {
    *n_estimates = 0;
    *estimates = calloc(n, sizeof **estimates);
    iv_status status = *estimates ? IV_OK : study_out_of_memory(context);
    for (size_t i = 0; i < n && status == IV_OK; i++) {
        status = estimate(state, i, &(*estimates)[i]);
        if (status == IV_OK) ++*n_estimates;
    }
    if (status != IV_OK) {
        free(*estimates);
        *estimates = NULL;
        *n_estimates = 0;
    }
    return status;
}
