/* Results of the regularization study: cells, and the run that stands for those that differ in
 * nu. */
#include "studies/regularization/regularization.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool alike(const iv_trained_run *a, const iv_trained_run *b) {
    return a->run->configuration == b->run->configuration &&
           a->run->base_index == b->run->base_index;
}

bool reg_first_of_base(const iv_trained_runs *all, size_t i) {
    return i == 0 || !alike(&all->runs[i], &all->runs[i - 1]);
}

const iv_trained_run *reg_selected(const iv_trained_runs *all, const iv_trained_run *first,
                                   bool *reached) {
    const iv_trained_run *best = NULL;
    const iv_node *config = first->run->config;
    size_t n_alike = 0;
    double best_value = -INFINITY;
    *reached = false;
    for (size_t i = 0; i < all->n; i++) {
        const iv_trained_run *run = &all->runs[i];
        if (!alike(run, first)) continue;
        n_alike++;
        if (!iv_spec_has(config, "run.select")) {
            best = run;
            continue;
        }
        const bool by_accuracy =
            strcmp(iv_spec_string(config, "run.select.metric"), "accuracy") == 0;
        const double value =
            iv_trained_mean(all, run, REG_VALIDATION, by_accuracy ? REG_ACCURACY : REG_SI);
        const bool reaches = value >= iv_spec_number(config, "run.select.at_least");
        const bool better = reaches ? !*reached || iv_member_number(run->members[0], "run.nu") <
                                                       iv_member_number(best->members[0], "run.nu")
                                    : !*reached && value > best_value;
        if (better) {
            best = run;
            best_value = value;
        }
        *reached = *reached || reaches;
    }
    if (iv_spec_has(config, "run.select")) return best;
    *reached = true;
    return n_alike == 1 ? best : NULL;
}

/* ------------------------------------------------------------------ cells */

/* Test images and drift sets. The paper's numbers are of the test images, without a sweep. */
static iv_status add_cells(const iv_trained_runs *all, const iv_trained_run *run,
                           const char *column, iv_results *results, iv_error *error) {
    const reg_setting *s = reg_setting_of(run->population);
    iv_status status = IV_OK;
    for (size_t set = 0; set < REG_DRIFT + s->n_drift; set++) {
        const bool drift = set >= REG_DRIFT;
        if (set != REG_TEST && !drift) continue;
        char row[512];
        snprintf(row, sizeof row, "%s%s%s", run->row, drift ? " on " : "",
                 drift ? s->drift[set - REG_DRIFT] : "");
        const bool published = !drift && !*run->run->variant && strcmp(column, run->run->base) == 0;
        for (size_t m = 0; reg_metric_def(m) && status == IV_OK; m++)
            if (reg_metric_def(m)->most == 0 &&
                reg_sets.applies(run->population, run->members[0], set, m, false) > 0)
                status = iv_trained_add_cell(all, run, set, m, row, column,
                                             published ? run->row : NULL, results, error);
    }
    return status;
}

static iv_status add_all_cells(const iv_trained_runs *all, iv_results *results, iv_error *error) {
    iv_status status = IV_OK;
    for (size_t i = 0; i < all->n && status == IV_OK; i++) {
        const iv_trained_run *run = &all->runs[i];
        bool reached;
        const iv_trained_run *chosen =
            reg_first_of_base(all, i) ? reg_selected(all, run, &reached) : NULL;
        if (chosen) status = add_cells(all, chosen, run->run->base, results, error);
        if (status == IV_OK && strcmp(run->run->base, run->run->name) != 0 &&
            iv_spec_has(run->run->config, "run.select"))
            status = add_cells(all, run, run->run->name, results, error);
    }
    return status;
}

/* "rotation-4 fashion-mnist": the group, and what the spec's sweep varies. */
static void row_name(const iv_population *p, const iv_spec_run *run, char *name, size_t size) {
    const reg_setting *s = reg_setting_of(p);
    snprintf(name, size, "%s-%zu%s%s", iv_group_kind_get(s->group_kind)->name, s->group_order,
             *run->variant ? " " : "", run->variant);
}

const iv_study_results reg_results = {
    .row_name = row_name,
    .add_cells = add_all_cells,
    .add_claims = reg_add_claims,
    .draw_population = reg_draw_population,
    .draw = reg_draw,
};
