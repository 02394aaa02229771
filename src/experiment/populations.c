/* Runs to populations: which train in lockstep, and how many at once. */
#include "experiment/experiment.h"

#include <stdlib.h>
#include <string.h>

enum { ABOUT_POINTS = 100 };
static const double usable_share = 0.6; /* of the device's memory */

/* ------------------------------------------------------------------ members */

static iv_status add_members(iv_population *p, const iv_spec_run *run, const iv_node *root,
                             iv_error *error) {
    const size_t n_seeds = iv_spec_length(root, "seeds");
    iv_member *members = realloc(p->members, (p->n_members + n_seeds) * sizeof *members);
    if (!members) return iv_fail(error, IV_ENOMEM, "out of memory for %zu members", n_seeds);
    p->members = members;
    for (size_t i = 0; i < n_seeds; i++)
        p->members[p->n_members++] =
            (iv_member){run, (uint32_t)iv_spec_integer(iv_spec_element(root, "seeds", i), "")};
    return IV_OK;
}

/* ------------------------------------------------------------------ populations */

static iv_status open_population(const iv_study *study, const iv_node *config, iv_populations *all,
                                 iv_error *error) {
    void *setting = calloc(1, study->setting_size + 1); /* a study may have none */
    if (!setting) return iv_fail(error, IV_ENOMEM, "out of memory for populations");
    all->settings[all->n_settings++] = setting;
    experiment_read(study, config, setting);
    iv_population *p = &all->items[all->n++];
    *p = (iv_population){
        .config = config,
        .setting = setting,
        .n_train = (size_t)iv_spec_integer(config, "dataset.train"),
        .batch = (size_t)iv_spec_integer(config, "training.batch"),
        .epochs = (size_t)iv_spec_integer(config, "training.epochs"),
    };
    p->steps_per_epoch = p->n_train / p->batch;
    return IV_OK;
}

iv_status iv_populations_create(const iv_study *study, const iv_spec *spec, iv_populations *all,
                                iv_error *error) {
    memset(all, 0, sizeof *all);
    iv_status status = iv_spec_expand(spec, &all->expansion, error);
    if (status != IV_OK) return status;
    const size_t n_runs = all->expansion.n_runs;
    all->items = calloc(n_runs, sizeof *all->items);
    all->settings = calloc(n_runs, sizeof *all->settings);
    if (!all->items || !all->settings)
        status = iv_fail(error, IV_ENOMEM, "out of memory for populations");

    for (size_t i = 0; i < n_runs && status == IV_OK; i++) {
        const iv_spec_run *run = &all->expansion.runs[i];
        size_t home = 0;
        while (home < all->n && !iv_spec_together(spec, all->items[home].config, run->config))
            home++;
        if (home == all->n) status = open_population(study, run->config, all, error);
        if (status == IV_OK)
            status = add_members(&all->items[home], run, iv_spec_root(spec), error);
    }
    if (status != IV_OK) iv_populations_clear(all);
    return status;
}

void iv_populations_clear(iv_populations *all) {
    for (size_t i = 0; i < all->n; i++) free(all->items[i].members);
    for (size_t i = 0; i < all->n_settings; i++) free(all->settings[i]);
    free(all->items);
    free(all->settings);
    iv_spec_expansion_release(&all->expansion);
    memset(all, 0, sizeof *all);
}

/* ------------------------------------------------------------------ memory */

static size_t members_at_once(const iv_study *study, const iv_population *p,
                              const iv_device_info *device) {
    iv_work work = {0};
    study->work(p, &work);
    const size_t asked = (size_t)iv_spec_integer(p->config, "training.population");
    if (work.most_members > 0) return work.most_members;
    if (asked > 0) return asked;
    const double by_buffer = (double)device->max_alloc_bytes / work.buffer_bytes;
    const double by_total = usable_share * (double)device->global_bytes / work.bytes;
    const double fit = by_buffer < by_total ? by_buffer : by_total;
    return fit < 1 ? 1 : fit > 1e6 ? 1000000 : (size_t)fit;
}

/* Append p's members first .. first + n - 1 as a population of their own. */
static iv_status add_piece(const iv_population *p, size_t first, size_t n, iv_population *pieces,
                           size_t *n_pieces) {
    iv_population *piece = &pieces[*n_pieces];
    *piece = *p;
    piece->n_members = n;
    piece->members = malloc(n * sizeof *piece->members);
    if (!piece->members) return IV_ENOMEM;
    memcpy(piece->members, p->members + first, n * sizeof *piece->members);
    ++*n_pieces;
    return IV_OK;
}

size_t *experiment_at_once(const iv_study *study, const iv_device_info *device,
                           const iv_populations *all) {
    size_t *at_once = malloc((all->n + 1) * sizeof *at_once);
    for (size_t i = 0; i < all->n && at_once; i++)
        at_once[i] = members_at_once(study, &all->items[i], device);
    return at_once;
}

iv_status experiment_split(iv_populations *all, const size_t *at_once, iv_error *error) {
    size_t n_members = 0, n_pieces = 0;
    for (size_t i = 0; i < all->n; i++) n_members += all->items[i].n_members;
    iv_population *pieces = calloc(n_members, sizeof *pieces);
    iv_status status = pieces ? IV_OK : IV_ENOMEM;
    for (size_t i = 0; i < all->n && status == IV_OK; i++) {
        const iv_population *p = &all->items[i];
        const size_t most = at_once[i];
        for (size_t first = 0; first < p->n_members && status == IV_OK; first += most) {
            const size_t left = p->n_members - first;
            status = add_piece(p, first, left < most ? left : most, pieces, &n_pieces);
        }
    }
    if (status != IV_OK) {
        for (size_t i = 0; i < n_pieces; i++) free(pieces[i].members);
        free(pieces);
        return iv_fail(error, status, "out of memory for populations");
    }
    for (size_t i = 0; i < all->n; i++) free(all->items[i].members);
    free(all->items);
    all->items = pieces;
    all->n = n_pieces;
    return IV_OK;
}

iv_status iv_populations_split(const iv_study *study, const iv_device_info *device,
                               iv_populations *all, iv_error *error) {
    size_t *at_once = experiment_at_once(study, device, all);
    const iv_status status = at_once ? experiment_split(all, at_once, error)
                                     : iv_fail(error, IV_ENOMEM, "out of memory for populations");
    free(at_once);
    return status;
}

/* ------------------------------------------------------------------ schedule */

size_t iv_population_steps(const iv_population *p) {
    return p->epochs * p->steps_per_epoch;
}

size_t iv_population_point_steps(const iv_population *p) {
    if (iv_spec_has(p->config, "metrics.every_epochs"))
        return (size_t)iv_spec_integer(p->config, "metrics.every_epochs") * p->steps_per_epoch;
    const size_t every = (size_t)iv_spec_integer(p->config, "metrics.every_steps");
    const size_t steps = iv_population_steps(p);
    return every > 0 ? every : steps < ABOUT_POINTS ? 1 : steps / ABOUT_POINTS;
}
