/* The tuner: measures the studies' products, engine by engine, within a budget of time. */
#include "linalg/tune.h"

#include "runtime/stop.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* The products of the studies at their published sizes. Forward: rows x outputs x inputs, B
 * transposed; gradient of the input: rows x inputs x outputs; of the weights: outputs x inputs x
 * rows, A transposed. */
static const iv_tune_shape studies_shapes[] = {
    {512, 128, 784, false, true},  {512, 128, 128, false, true},  {512, 128, 128, false, false},
    {128, 784, 512, true, false},  {128, 128, 512, true, false},  {2048, 128, 784, false, true},
    {512, 10, 128, false, true},   {512, 128, 10, false, false},  {10, 128, 512, true, false},
    {512, 784, 128, false, false}, {128, 1024, 784, false, true}, {1024, 784, 128, true, false},
    {128, 10, 1024, false, true},  {128, 160, 160, false, true},  {128, 160, 160, false, false},
    {160, 160, 128, true, false},
};

/* A winner must beat the default by more than a clock wavers. */
static const double least_gain = 1.03;

/* Measurements of a winner and of the default in turn. */
static const int n_turns = 4;

/* One product on the way to its winner. */
typedef struct {
    iv_product product;
    iv_gemm_choice candidates[IV_MAX_CANDIDATES];
    size_t n_candidates;
    iv_gemm_choice untuned, best, best_own; /* best_own: of the engines other than CLBlast */
    double untuned_seconds, best_seconds, best_own_seconds, clblast_seconds; /* INFINITY: unknown */
    size_t n_tried, n_right;
} product_trial;

typedef struct {
    iv_context *context;
    const iv_tune_shape *shapes;
    size_t n_shapes, batch;
    iv_product_append append;
    const iv_tune_options *options;
    double deadline, measure_seconds; /* the second: for one candidate on one product */
    product_trial *trials;
} tuner;

static bool is_over(const tuner *t) {
    return iv_seconds() >= t->deadline || iv_stop_is_asked(t->options->stop);
}

static void say(const tuner *t, const char *format, ...) IV_PRINTF(2, 3);
static void say(const tuner *t, const char *format, ...) {
    char text[512];
    va_list arguments;
    if (!t->options->note) return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    t->options->note(t->options->user, text);
}

static void tell(const tuner *t, size_t index) {
    const iv_tune_shape *s = &t->shapes[index];
    const product_trial *trial = &t->trials[index];
    if (!t->options->result || trial->n_right == 0) return;
    iv_tune_result result = {.m = s->m,
                             .n = s->n,
                             .k = s->k,
                             .transpose_a = s->transpose_a,
                             .transpose_b = s->transpose_b,
                             .untuned_seconds = trial->untuned_seconds,
                             .best_seconds = trial->best_seconds,
                             .gflops = 2e-9 * (double)s->m * (double)s->n * (double)s->k /
                                       trial->best_seconds,
                             .n_candidates = trial->n_right};
    iv_choice_describe(&trial->untuned, result.untuned, sizeof result.untuned);
    iv_choice_describe(&trial->best, result.best, sizeof result.best);
    t->options->result(t->options->user, &result);
}

/* ------------------------------------------------------------------ engines and tiles */

static void consider(product_trial *trial, const iv_gemm_choice *choice, double seconds) {
    trial->n_right++;
    if (choice->engine == IV_ENGINE_CLBLAST) {
        trial->clblast_seconds = seconds;
    } else if (seconds < trial->best_own_seconds) {
        trial->best_own_seconds = seconds;
        trial->best_own = *choice;
    }
    if (seconds < trial->best_seconds && seconds * least_gain < trial->untuned_seconds) {
        trial->best_seconds = seconds;
        trial->best = *choice;
    }
}

static iv_status begin(tuner *t, size_t index) {
    const iv_tune_shape *s = &t->shapes[index];
    product_trial *trial = &t->trials[index];
    const iv_status status = iv_product_create(t->context, s->m, s->n, s->k, s->transpose_a,
                                               s->transpose_b, t->batch, &trial->product);
    if (status != IV_OK) return status;
    trial->n_candidates =
        iv_tune_candidates(iv_context_device(t->context), &trial->product.desc, trial->candidates);
    trial->untuned = trial->best = trial->candidates[0];
    return IV_OK;
}

static bool measure(tuner *t, size_t index, const iv_gemm_choice *choice, const char *what,
                    double *seconds) {
    char why[400];
    iv_product *product = &t->trials[index].product;
    if (iv_product_measure(product, t->append, choice, t->measure_seconds, seconds, why,
                           sizeof why))
        return true;
    *seconds = INFINITY;
    say(t, "%zux%zux%zu: %s skipped: %s", product->desc.m, product->desc.n, product->desc.k, what,
        why);
    return false;
}

/* Every product's default first, then every product's next candidate, and so on until time is up:
 * what is likeliest to win is tried on all of them first, and a kernel is built once for all that
 * share it. */
static iv_status try_engines(tuner *t) {
    for (size_t round = 0; round < IV_MAX_CANDIDATES; round++)
        for (size_t i = 0; i < t->n_shapes; i++) {
            if (is_over(t)) return IV_OK;
            product_trial *trial = &t->trials[i];
            const iv_status status = round == 0 ? begin(t, i) : IV_OK;
            if (status != IV_OK) return status;
            if (round >= trial->n_candidates) continue;
            char what[64];
            double seconds;
            const iv_gemm_choice *choice = &trial->candidates[round];
            iv_choice_describe(choice, what, sizeof what);
            trial->n_tried++;
            if (!measure(t, i, choice, what, &seconds)) continue;
            consider(trial, choice, seconds);
            if (round == 0) trial->untuned_seconds = seconds;
        }
    return IV_OK;
}

/* ------------------------------------------------------------------ CLBlast's parameters */

/* What all products would take together with CLBlast at these times, each with its best engine. */
static double total_seconds(const tuner *t, const double *clblast_seconds) {
    double total = 0.0;
    for (size_t i = 0; i < t->n_shapes; i++) {
        const double own = t->trials[i].best_own_seconds;
        const double least = fmin(own, clblast_seconds[i]);
        if (t->trials[i].n_right && isfinite(least)) total += least;
    }
    return total;
}

/* Times of the set in force on every product that CLBlast could
 * compute; INFINITY where it cannot. */
static void time_set(tuner *t, double *seconds) {
    const iv_gemm_choice clblast = {.engine = IV_ENGINE_CLBLAST};
    for (size_t i = 0; i < t->n_shapes; i++) {
        seconds[i] = INFINITY;
        if (isfinite(t->trials[i].clblast_seconds))
            measure(t, i, &clblast, "clblast with other parameters", &seconds[i]);
    }
}

/* CLBlast's parameters hold for all products of a device: the set with the least total wins. */
static iv_status try_clblast_sets(tuner *t, iv_clblast_parameters *best) {
    const iv_clblast_parameters *sets;
    const size_t n_sets = iv_tune_clblast_sets(&sets);
    double *times = calloc(3 * t->n_shapes, sizeof *times);
    if (!times) return iv_fail(iv_context_error(t->context), IV_ENOMEM, "no memory for the tuner");
    double *installed = times, *seconds = times + t->n_shapes;
    double *best_times = times + 2 * t->n_shapes;
    for (size_t i = 0; i < t->n_shapes; i++)
        installed[i] = best_times[i] = t->trials[i].clblast_seconds;
    double least = total_seconds(t, installed);

    bool changed = false, found = false;
    char why[400];
    for (size_t s = 0; s < n_sets && !is_over(t); s++) {
        changed = true;
        if (!iv_clblast_override(t->context, &sets[s], why, sizeof why)) {
            say(t, "%s", why);
            continue;
        }
        time_set(t, seconds);
        const double total = total_seconds(t, seconds);
        if (total * least_gain >= least) continue;
        least = total;
        *best = sets[s];
        found = true;
        for (size_t i = 0; i < t->n_shapes; i++) best_times[i] = seconds[i];
    }

    /* The process goes on with the winner, or with values that are known. */
    if (changed &&
        !iv_clblast_override(t->context, found ? best : &iv_clblast_generic, why, sizeof why))
        say(t, "%s", why);
    for (size_t i = 0; i < t->n_shapes && found; i++) {
        product_trial *trial = &t->trials[i];
        if (trial->n_right == 0) continue;
        const bool clblast_wins = best_times[i] < trial->best_own_seconds;
        trial->best_seconds = clblast_wins ? best_times[i] : trial->best_own_seconds;
        trial->best =
            clblast_wins ? (iv_gemm_choice){.engine = IV_ENGINE_CLBLAST} : trial->best_own;
    }
    free(times);
    return IV_OK;
}

/* ------------------------------------------------------------------ the last word */

/* The winner against the default, in turn, so that what else the machine does meets both: the one
 * lucky measurement of many must not decide. */
static void settle(tuner *t, size_t index) {
    product_trial *trial = &t->trials[index];
    if (!isfinite(trial->untuned_seconds) || trial->best_seconds >= trial->untuned_seconds) return;
    double untuned = INFINITY, best = INFINITY, seconds;
    for (int turn = 0; turn < n_turns && (turn < 1 || !is_over(t)); turn++) {
        if (measure(t, index, &trial->untuned, "the default", &seconds))
            untuned = fmin(untuned, seconds);
        if (measure(t, index, &trial->best, "the winner", &seconds)) best = fmin(best, seconds);
    }
    trial->untuned_seconds = untuned;
    trial->best_seconds = best;
    if (best * least_gain < untuned) return;
    trial->best = trial->untuned;
    trial->best_seconds = untuned;
}

/* ------------------------------------------------------------------ all of it */

static iv_status keep(const tuner *t, const iv_clblast_parameters *clblast) {
    iv_tuning tuning = {.clblast = *clblast};
    tuning.winners = calloc(t->n_shapes, sizeof *tuning.winners);
    if (!tuning.winners)
        return iv_fail(iv_context_error(t->context), IV_ENOMEM, "no memory for the tuner");
    for (size_t i = 0; i < t->n_shapes; i++) {
        const product_trial *trial = &t->trials[i];
        if (trial->n_right == 0) continue;
        const iv_tune_shape *s = &t->shapes[i];
        const bool had_default = isfinite(trial->untuned_seconds);
        tuning.winners[tuning.n_winners++] =
            (iv_winner){.m = s->m,
                        .n = s->n,
                        .k = s->k,
                        .transpose_a = s->transpose_a,
                        .transpose_b = s->transpose_b,
                        .choice = trial->best,
                        .seconds = trial->best_seconds,
                        .untuned_seconds = had_default ? trial->untuned_seconds : 0.0};
    }
    iv_status status = iv_tuning_attach(t->context, &tuning);
    if (status == IV_OK) status = iv_tuning_store(t->context, &tuning);
    free(tuning.winners);
    return status;
}

static iv_status tune(tuner *t) {
    iv_clblast_parameters clblast = {0};
    const iv_tuning nothing = {0};
    iv_status status = iv_tuning_attach(t->context, &nothing); /* earlier winners do not count */
    if (status != IV_OK) return status;

    /* GPUs keep a part of the time for CLBlast's parameters; all keep one for the last word. */
    const bool is_cpu = iv_context_device(t->context)->type == IV_DEVICE_CPU;
    const double start = iv_seconds(), seconds = t->deadline - start;
    t->deadline = start + (is_cpu ? 0.7 : 0.5) * seconds;
    status = try_engines(t);
    t->deadline = start + 0.8 * seconds;
    if (status == IV_OK && !is_cpu) status = try_clblast_sets(t, &clblast);
    if (status != IV_OK) return status;
    t->deadline = start + seconds;

    size_t n_measured = 0, n_tried = 0, n_candidates = 0;
    for (size_t i = 0; i < t->n_shapes; i++) {
        settle(t, i);
        n_tried += t->trials[i].n_tried;
        n_candidates += t->trials[i].n_candidates;
        n_measured += t->trials[i].n_right > 0;
        tell(t, i);
    }
    if (n_measured < t->n_shapes)
        say(t, "%zu of %zu products measured: give more time for the others", n_measured,
            t->n_shapes);
    else if (n_tried < n_candidates)
        say(t, "%zu of %zu ways to compute the products tried: give more time for the others",
            n_tried, n_candidates);
    if (n_measured == 0)
        return iv_fail(iv_context_error(t->context), IV_EFAILED,
                       "no engine gave a right result on %s within the time given",
                       iv_context_device(t->context)->name);
    return keep(t, &clblast);
}

iv_status iv_tune_shapes(iv_context *context, const iv_tune_shape *shapes, size_t n_shapes,
                         iv_product_append append, const iv_tune_options *options) {
    const double seconds = options->seconds > 0.0 ? options->seconds : 60.0;
    tuner t = {.context = context,
               .shapes = shapes,
               .n_shapes = n_shapes,
               .append = append,
               .options = options,
               .deadline = iv_seconds() + seconds,
               .measure_seconds = seconds / (16.0 * (double)n_shapes)};
    /* Enough members to fill a GPU, few enough for a CPU to be measured often. */
    t.batch = iv_context_device(context)->type == IV_DEVICE_CPU ? 2 : 16;
    t.trials = calloc(n_shapes, sizeof *t.trials);
    if (!t.trials) return iv_fail(iv_context_error(context), IV_ENOMEM, "no memory for the tuner");
    for (size_t i = 0; i < n_shapes; i++)
        t.trials[i] = (product_trial){.untuned_seconds = INFINITY,
                                      .best_seconds = INFINITY,
                                      .best_own_seconds = INFINITY,
                                      .clblast_seconds = INFINITY};
    const iv_status status = tune(&t);
    for (size_t i = 0; i < n_shapes; i++) iv_product_destroy(&t.trials[i].product);
    free(t.trials);
    return status;
}

iv_status iv_tune(iv_context *context, const iv_tune_options *options) {
    return iv_tune_shapes(context, studies_shapes, sizeof studies_shapes / sizeof *studies_shapes,
                          iv_gemm_append, options);
}
