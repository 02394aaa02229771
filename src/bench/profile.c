/* Which kernels an item's time goes to. */
#include "bench/bench.h"

#include <invar/data.h>

#include <stdlib.h>
#include <string.h>

enum { RUNS = 9 };

/* The trace so far, so that nothing is lost if a driver ends the process. */
static iv_status write_trace(const bench *b) {
    iv_error *error = iv_context_error(b->context);
    const char **names = malloc((b->n_tracks + 1) * sizeof *names);
    iv_profile *profiles = malloc((b->n_tracks + 1) * sizeof *profiles);
    char *text = NULL;
    iv_status status =
        names && profiles ? IV_OK : iv_fail(error, IV_ENOMEM, "no memory for a trace");
    for (size_t i = 0; i < b->n_tracks && status == IV_OK; i++) {
        names[i] = b->tracks[i].name;
        profiles[i] = b->tracks[i].profile;
    }
    if (status == IV_OK)
        status = iv_profile_trace(b->device.name, names, profiles, b->n_tracks, &text, error);
    if (status == IV_OK)
        status = iv_write_file_atomically(b->options->trace, text, strlen(text), error);
    free(text);
    free(names);
    free(profiles);
    return status;
}

/* Add a track to the trace, which owns the profile from then on. */
static iv_status trace(bench *b, const iv_bench_item *item, iv_profile *profile) {
    bench_track *tracks = realloc(b->tracks, (b->n_tracks + 1) * sizeof *tracks);
    if (!tracks) return iv_fail(iv_context_error(b->context), IV_ENOMEM, "no memory for a trace");
    b->tracks = tracks;
    bench_track *track = &tracks[b->n_tracks];
    snprintf(track->name, sizeof track->name, "%s", item->name);
    track->profile = *profile;
    *profile = (iv_profile){0};
    b->n_tracks++;
    return write_trace(b);
}

iv_status bench_profile(bench *b, iv_sequence *sequence) {
    if (!b->options->profiled && !b->options->trace) return IV_OK;
    const iv_bench_item *item = &b->device.items[b->device.n_items - 1];
    iv_profile profile;
    iv_status status = iv_sequence_profile(sequence, 0, RUNS, &profile);
    if (status == IV_OK && b->options->profiled)
        b->options->profiled(b->options->state, item, &profile);
    if (status == IV_OK && b->options->trace) status = trace(b, item, &profile);
    iv_profile_clear(&profile);
    return status;
}

void bench_clear_tracks(bench *b) {
    for (size_t i = 0; i < b->n_tracks; i++) iv_profile_clear(&b->tracks[i].profile);
    free(b->tracks);
}
