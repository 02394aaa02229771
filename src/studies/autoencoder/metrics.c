/* Metrics of the autoencoder study: what they are, where they apply, how they follow from sums. A
 * metric is one row. */
#include "studies/autoencoder/autoencoder.h"

#include <math.h>

typedef struct {
    iv_metric_def def;
    bool (*has)(const ae_setting *setting); /* NULL: not one of the errors */
    double (*value)(const ae_setting *setting, const ae_sums *sums);
} row;

/* ------------------------------------------------------------------ where they apply */

static bool reconstructs(const ae_setting *s) {
    return s->part != AE_ENCODER;
}

static bool knows_code(const ae_setting *s) {
    return !s->pairs && s->part != AE_DECODER;
}

static bool knows_phase(const ae_setting *s) {
    return knows_code(s) && s->code == IV_CODE_MODULUS_PHASE;
}

static bool knows_sine(const ae_setting *s) {
    return knows_code(s) && s->code == IV_CODE_MODULUS_SINE_COSINE;
}

static bool is_of_pairs(const ae_setting *s) {
    return s->pairs;
}

/* ------------------------------------------------------------------ from sums */

static double total(const double *values, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += values[i];
    return sum;
}

static double reconstruction(const ae_setting *s, const ae_sums *sums) {
    const double d = (double)s->d;
    if (!s->pairs) return total(sums->reconstruction, s->d) / (sums->n * d);
    /* one sum over both signals' components, which lie behind one another */
    return total(sums->reconstruction, 2 * s->d) / (2 * sums->n * d);
}

static double code(const ae_setting *s, const ae_sums *sums) {
    const size_t columns = ae_code_columns(s);
    return total(sums->code, columns) / (sums->n * (double)columns);
}

/* Part number i of a known code: d columns each. */
static double part(const ae_setting *s, const ae_sums *sums, size_t i) {
    return total(sums->code + i * s->d, s->d) / (sums->n * (double)s->d);
}

static double modulus(const ae_setting *s, const ae_sums *sums) {
    return part(s, sums, 0);
}

static double second_part(const ae_setting *s, const ae_sums *sums) {
    return part(s, sums, 1);
}

static double third_part(const ae_setting *s, const ae_sums *sums) {
    return part(s, sums, 2);
}

static double invariance(const ae_setting *s, const ae_sums *sums) {
    (void)s;
    return sums->pairs[IV_PAIR_LOSS] / sums->n;
}

static double distance(const ae_setting *s, const ae_sums *sums) {
    (void)s;
    return sums->pairs[IV_PAIR_SQUARE_ERROR] / sums->n;
}

static double same(const ae_setting *s, const ae_sums *sums) {
    (void)s;
    return sqrt(sums->pairs[IV_PAIR_SAME_SQUARE] / sums->pairs[IV_PAIR_SAME_COUNT]);
}

static double unrelated(const ae_setting *s, const ae_sums *sums) {
    (void)s;
    return sqrt(sums->pairs[IV_PAIR_DISTINCT_SQUARE] / sums->pairs[IV_PAIR_DISTINCT_COUNT]);
}

/* ------------------------------------------------------------------ all of them */

/* Rows that other files name, in the order of ae_metric; others follow. */
static const row rows[] = {
    [AE_RECONSTRUCTION] = {{"mse_reconstruction", "MSE reconstruction", 1, -1, IV_METRIC_PUBLISHED,
                            .doc = "mean squared error of the reconstruction, for each component"},
                           reconstructs,
                           reconstruction},
    [AE_CODE] = {{"mse_code", "MSE code", 1, -1, IV_METRIC_PUBLISHED,
                  .doc = "mean squared error of the code, for each component"},
                 knows_code,
                 code},
    [AE_MODULUS] = {{"mse_modulus", "MSE modulus", 1, -1, IV_METRIC_PUBLISHED,
                     .doc = "the same of the code's moduli"},
                    knows_code,
                    modulus},
    [AE_PHASE] = {{"mse_phase", "MSE phase", 1, -1, IV_METRIC_PUBLISHED,
                   .doc = "the same of its phases, in radians"},
                  knows_phase,
                  second_part},
    [AE_SINE] = {{"mse_sine", "MSE sine", 1, -1, IV_METRIC_PUBLISHED,
                  .doc = "the same of its sines"},
                 knows_sine,
                 second_part},
    [AE_COSINE] = {{"mse_cosine", "MSE cosine", 1, -1, IV_METRIC_PUBLISHED,
                    .doc = "the same of its cosines"},
                   knows_sine,
                   third_part},
    [AE_INVARIANCE] = {{"loss_invariance", "Invariance loss", 1, -1, IV_METRIC_PUBLISHED,
                        .doc = "the paper's equation 2, mean over pairs"},
                       is_of_pairs,
                       invariance},
    [AE_DISTANCE] = {{"mse_distance", "MSE distance", 1, -1, IV_METRIC_PUBLISHED,
                      .doc = "mean over pairs of (|z - z'| - d)^2"},
                     is_of_pairs,
                     distance},
    [AE_SAME] = {{"distance_same", "RMS distance of copies", 1, -1,
                  .doc = "root mean square of |z - z'| over distorted copies"},
                 is_of_pairs,
                 same},
    [AE_UNRELATED] = {{"distance_unrelated", "RMS distance of others", 1, -1,
                       .doc = "root mean square of |z - z'| over all other pairs"},
                      is_of_pairs,
                      unrelated},
    [AE_TRAINING_LOSS] = {{"training_loss", "Training loss", 1, -1, IV_METRIC_END_ONLY,
                           .doc = "what training minimises, on the first training signals, as "
                                  "many as are tested, with fresh partners"}},
    [AE_LOSS] = {IV_METRIC_LOSS},
};
enum { N_ROWS = sizeof rows / sizeof *rows };

const iv_metric_def *ae_metric_def(size_t metric) {
    return metric < N_ROWS ? &rows[metric].def : NULL;
}

bool ae_has(const ae_setting *s, ae_metric metric) {
    return rows[metric].has && rows[metric].has(s);
}

double ae_value(const ae_setting *s, ae_metric metric, const ae_sums *sums) {
    return ae_has(s, metric) ? rows[metric].value(s, sums) : (double)NAN;
}

static size_t sets_of(const iv_population *population, iv_metric_set sets[IV_MAX_SETS]) {
    (void)population;
    sets[AE_ON_TEST] = (iv_metric_set){"", IV_SPLIT_TEST};
    sets[AE_ON_TRAINING] = (iv_metric_set){"", IV_SPLIT_TRAIN};
    return AE_N_SETS;
}

static size_t applies(const iv_population *p, const iv_member *member, size_t set, size_t metric,
                      bool curve) {
    (void)member;
    (void)curve;
    if (set == AE_ON_TRAINING) return metric == AE_LOSS || metric == AE_TRAINING_LOSS;
    return ae_has(ae_setting_of(p), (ae_metric)metric);
}

const iv_study_sets ae_sets = {.sets = sets_of, .applies = applies};
