/* What van der Ouderaa and van der Wilk 2022 claim, checked row by row wherever a spec has both
 * sides of it. Means over seeds; a seed that diverged keeps its run from showing anything. */
#include "studies/marginal_likelihood/marginal_likelihood.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What counts as having learned the data's own rotation, in degrees: its curves end at about 180 on
 * rotated digits, 90 on partially rotated and 20 on regular ones (figures 2 and 9). */
static const double full_turn = 150, quarter_low = 60, quarter_high = 120, little = 45;
static const double equal_elbo = 0.02;     /* the paper's table gives two digits */
static const double equal_accuracy = 0.01; /* one point */

typedef struct {
    const iv_trained_runs *all;
    const char *row;
    const char *transformation; /* of the row's data */
    iv_results *results;
    iv_error *error;
} claiming;

/* ------------------------------------------------------------------ runs */

static double mean_of(const claiming *c, const iv_trained_run *run, ml_metric metric) {
    return iv_trained_mean(c->all, run, 0, metric);
}

/* What can be told apart of runs. */
typedef enum {
    PLAIN,            /* no invariance */
    FIXED_ROTATION,   /* kept at its start */
    LEARNED_ROTATION, /* from its start */
    LEARNED_TRANSLATION,
    LEARNED_SCALE,
    LEARNED_AFFINE,
    FIXED_OTHER,
    REGRESSION,
} run_kind;

static run_kind kind_of(const iv_trained_run *run) {
    const ml_setting *s = ml_setting_of(run->population);
    if (s->sgpr) return REGRESSION;
    if (!s->invariant) return PLAIN;
    const iv_affine_family family = ml_own_of(run->population, run->members[0]).family;
    if (!s->learns) return family == IV_AFFINE_ROTATION ? FIXED_ROTATION : FIXED_OTHER;
    return family == IV_AFFINE_ROTATION      ? LEARNED_ROTATION
           : family == IV_AFFINE_TRANSLATION ? LEARNED_TRANSLATION
           : family == IV_AFFINE_SCALE       ? LEARNED_SCALE
                                             : LEARNED_AFFINE;
}

static double start_of(const iv_trained_run *run) {
    return ml_degrees(iv_spec_number(run->run->config, "run.eta"));
}

/* The row's next run of a kind from `*at` on; NULL after the last. */
static const iv_trained_run *next(const claiming *c, run_kind kind, bool point, size_t *at) {
    while (*at < c->all->n) {
        const iv_trained_run *run = &c->all->runs[(*at)++];
        if (strcmp(run->row, c->row) == 0 && kind_of(run) == kind &&
            ml_setting_of(run->population)->point == point)
            return run;
    }
    return NULL;
}

/* The variational run of a kind with the largest mean; one whose mean is not finite is less than
 * any other. NULL if there is none. */
static const iv_trained_run *best(const claiming *c, run_kind kind, ml_metric m) {
    const iv_trained_run *found = NULL, *run;
    for (size_t at = 0; (run = next(c, kind, false, &at));)
        if (!found || mean_of(c, run, m) > mean_of(c, found, m) || isnan(mean_of(c, found, m)))
            found = run;
    return found;
}

/* At least four of five, so all of fewer than five. */
static bool most(size_t n_hold, size_t n) {
    return n_hold >= n - n / 5;
}

/* The same in words, behind what is claimed of a run that starts somewhere. */
static const char *from_most(size_t n) {
    return n >= 5 ? ", from at least four of five starts" : n > 1 ? ", from every start" : "";
}

/* ------------------------------------------------------------------ evidence */

typedef struct {
    char text[900];
    size_t length;
} evidence;

static void say(evidence *e, const char *format, ...) IV_PRINTF(2, 3);

static void say(evidence *e, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const size_t room = sizeof e->text - e->length;
    const int n = vsnprintf(e->text + e->length, room, format, arguments);
    va_end(arguments);
    if (n > 0) e->length += (size_t)n < room ? (size_t)n : room - 1;
}

/* A claim that holds for `n_hold` of runs from `n` starts, if for most of them. */
static iv_status add_claim_of_starts(const claiming *c, const char *claim, size_t n_hold, size_t n,
                                     const evidence *e) {
    char text[600];
    snprintf(text, sizeof text, "%s%s (%s).", claim, from_most(n), c->row);
    return iv_results_add_claim(c->results, text, most(n_hold, n), c->error, "%s", e->text);
}

static iv_status add_claim(const claiming *c, const char *claim, bool holds, const evidence *e) {
    return add_claim_of_starts(c, claim, holds, 1, e);
}

/* ------------------------------------------------------------------ sections 4.1 and 4.3 */

/* "successfully learn and recover the 'correct' amount of invariance for each dataset" */
static iv_status claim_recovery(const claiming *c) {
    const bool rotated = strcmp(c->transformation, "rotated") == 0;
    const bool partially = strcmp(c->transformation, "partially-rotated") == 0;
    const bool regular = strcmp(c->transformation, "regular") == 0;
    if (!rotated && !partially && !regular) return IV_OK;
    const double low = rotated ? full_turn : partially ? quarter_low : -1;
    const double high = rotated ? INFINITY : partially ? quarter_high : little;

    evidence e = {.length = 0};
    size_t n = 0, n_hold = 0;
    const iv_trained_run *run;
    for (size_t at = 0; (run = next(c, LEARNED_ROTATION, false, &at)); n++) {
        const double angle = mean_of(c, run, ML_DEGREES);
        n_hold += angle > low && angle < high;
        say(&e, "%s%.0f degrees from %.0f", n ? ", " : "ends at ", angle, start_of(run));
    }
    if (n == 0) return IV_OK;
    if (n > 1) say(&e, ": %zu of %zu starts", n_hold, n);
    return add_claim_of_starts(c,
                               rotated     ? "The learned rotation ends above 150 degrees"
                               : partially ? "The learned rotation ends between 60 and 120 degrees"
                                           : "The learned rotation ends below 45 degrees",
                               n_hold, n, &e);
}

/* "completely incapable of learning the correct invariance, whereas our VI-based approach does":
 * from starts below 45 degrees, or staying below would say nothing. */
static iv_status claim_point(const claiming *c) {
    if (strcmp(c->transformation, "rotated") != 0) return IV_OK;
    evidence e = {.length = 0};
    size_t n[2] = {0, 0};
    bool holds = true;
    for (size_t point = 0; point < 2; point++) {
        const iv_trained_run *run;
        for (size_t at = 0; (run = next(c, LEARNED_ROTATION, point == 1, &at));) {
            if (!(start_of(run) < little)) continue;
            const double angle = mean_of(c, run, ML_DEGREES);
            holds &= point ? angle < little : angle > full_turn;
            say(&e, "%s%s ends at %.0f degrees from %.0f", e.length ? ", " : "", run->column, angle,
                start_of(run));
            n[point]++;
        }
    }
    if (n[0] == 0 || n[1] == 0) return IV_OK;
    return add_claim(c,
                     "A point estimate stays below 45 degrees of rotation where the posterior "
                     "learns more than 150",
                     holds, &e);
}

/* ------------------------------------------------------------------ section 4.2 */

/* "the ELBO of the model with learned invariance corresponds to the optimal ELBO in the set of
 * models with fixed invariance" */
static iv_status claim_elbo(const claiming *c) {
    const iv_trained_run *fixed = best(c, FIXED_ROTATION, ML_ELBO), *run;
    if (!fixed) return IV_OK;
    const double bound = mean_of(c, fixed, ML_ELBO);
    evidence e = {.length = 0};
    size_t n = 0, n_hold = 0;
    say(&e, "elbo: %.4g of %s, the best fixed", bound, fixed->column);
    for (size_t at = 0; (run = next(c, LEARNED_ROTATION, false, &at)); n++) {
        n_hold += mean_of(c, run, ML_ELBO) >= bound - equal_elbo;
        say(&e, ", %.4g of %s", mean_of(c, run, ML_ELBO), run->column);
    }
    if (n == 0) return IV_OK;
    return add_claim_of_starts(
        c, "The learned rotation's ELBO is at most 0.02 below that of the best fixed one", n_hold,
        n, &e);
}

/* "the model with the best ELBO corresponds to the model with the right amount of invariance, also
 * correlating with best test accuracy" */
static iv_status claim_correlation(const claiming *c) {
    const iv_trained_run *chosen = best(c, FIXED_ROTATION, ML_ELBO);
    const iv_trained_run *accurate = best(c, FIXED_ROTATION, ML_ACCURACY);
    size_t n = 0;
    for (size_t at = 0; next(c, FIXED_ROTATION, false, &at);) n++;
    if (n < 2) return IV_OK;
    const double accuracy = mean_of(c, chosen, ML_ACCURACY),
                 highest = mean_of(c, accurate, ML_ACCURACY);
    evidence e = {.length = 0};
    say(&e, "best elbo: %s with %.4g, its accuracy %.2f %%; best accuracy: %s with %.2f %%",
        chosen->column, mean_of(c, chosen, ML_ELBO), 100 * accuracy, accurate->column,
        100 * highest);
    return add_claim(c,
                     "The fixed rotation with the best ELBO is within one point of the best "
                     "accuracy of the fixed ones",
                     accuracy >= highest - equal_accuracy && isfinite(mean_of(c, chosen, ML_ELBO)),
                     &e);
}

/* ------------------------------------------------------------------ section 4.5 */

/* The invariance that the row's data were transformed by; PLAIN if they were not. Two
 * transformations need the affine ones. */
static run_kind matching(const char *transformation) {
    static const struct {
        const char *name;
        run_kind kind;
    } known[] = {{"rotated", LEARNED_ROTATION},          {"partially-rotated", LEARNED_ROTATION},
                 {"translated", LEARNED_TRANSLATION},    {"scaled", LEARNED_SCALE},
                 {"rotated-translated", LEARNED_AFFINE}, {"rotated-scaled", LEARNED_AFFINE},
                 {"translated-scaled", LEARNED_AFFINE}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, transformation) == 0) return known[i].kind;
    return PLAIN;
}

/* "the rotationally and scale invariant models perform best on the respective" sets: here, better
 * than the plain network. */
static iv_status claim_matching(const claiming *c) {
    const run_kind kind = matching(c->transformation);
    if (kind == PLAIN) return IV_OK;
    const iv_trained_run *plain = best(c, PLAIN, ML_ACCURACY),
                         *invariant = best(c, kind, ML_ACCURACY);
    if (!plain || !invariant) return IV_OK;
    const double of_plain = mean_of(c, plain, ML_ACCURACY),
                 of_ours = mean_of(c, invariant, ML_ACCURACY);
    evidence e = {.length = 0};
    say(&e, "accuracy: %s %.2f %%, %s %.2f %%", invariant->column, 100 * of_ours, plain->column,
        100 * of_plain);
    return add_claim(c,
                     "Learning the invariance that the data have is more accurate than the plain "
                     "network",
                     of_ours > of_plain, &e);
}

/* "the model capable of learning affine invariances performs best overall" */
static iv_status claim_affine(const claiming *c) {
    static const run_kind others[] = {PLAIN, LEARNED_ROTATION, LEARNED_TRANSLATION, LEARNED_SCALE,
                                      REGRESSION};
    const iv_trained_run *affine = best(c, LEARNED_AFFINE, ML_ACCURACY), *highest = NULL;
    if (!affine) return IV_OK;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const iv_trained_run *run = best(c, others[i], ML_ACCURACY);
        if (run && (!highest || mean_of(c, run, ML_ACCURACY) > mean_of(c, highest, ML_ACCURACY) ||
                    isnan(mean_of(c, highest, ML_ACCURACY))))
            highest = run;
    }
    if (!highest) return IV_OK;
    const double of_affine = mean_of(c, affine, ML_ACCURACY),
                 of_best = mean_of(c, highest, ML_ACCURACY);
    evidence e = {.length = 0};
    say(&e, "accuracy: %s %.2f %%, best of the others %s with %.2f %%", affine->column,
        100 * of_affine, highest->column, 100 * of_best);
    return add_claim(c, "Affine invariance is at most one point less accurate than the best",
                     isfinite(of_affine) && !(of_affine < of_best - equal_accuracy), &e);
}

iv_status ml_add_claims(const iv_trained_runs *runs, iv_results *results, iv_error *error) {
    iv_status (*const all[])(const claiming *) = {claim_recovery,    claim_point,    claim_elbo,
                                                  claim_correlation, claim_matching, claim_affine};
    iv_status status = IV_OK;
    for (size_t i = 0; i < runs->n && status == IV_OK; i++) {
        const iv_trained_run *run = &runs->runs[i];
        /* points: no claims about them */
        if (!iv_trained_first_of_row(runs, i) || ml_setting_of(run->population)->rings) continue;
        const claiming c = {runs, run->row,
                            iv_spec_string(run->run->config, "dataset.transformation"), results,
                            error};
        for (size_t k = 0; k < sizeof all / sizeof *all && status == IV_OK; k++)
            status = all[k](&c);
    }
    return status;
}
