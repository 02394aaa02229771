/* What Zhang and Arodz 2021 claim, checked row by row wherever a spec has both sides of it. */
#include "studies/autoencoder/autoencoder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double many_times = 10;       /* "more than an order of magnitude" */
static const double two_part_bound = 1e-4; /* section 5.1 */
static const double apart = 2;             /* ours: about 1 before training; the paper gives none */

static const char *const layer_names[AE_N_LAYERS] = {
    [AE_SELU] = "SELU",        [AE_RELU] = "ReLU",
    [AE_SIGMOID] = "sigmoid",  [AE_BIPOLAR_SIGMOID] = "bipolar sigmoid",
    [AE_RICH] = "rich layers",
};

typedef struct {
    const iv_trained_runs *all;
    const char *row;
    iv_results *results;
    iv_error *error;
} claiming;

static const ae_setting *setting_of(const iv_trained_run *run) {
    return ae_setting_of(run->population);
}

static double mean_of(const claiming *c, const iv_trained_run *run, ae_metric metric) {
    return iv_trained_mean(c->all, run, AE_ON_TEST, metric);
}

/* Smallest mean of a metric among the row's columns of a layer and part; NULL if there are none.
 * Columns with a diverged seed are worse than any other. */
static const iv_trained_run *best(const claiming *c, ae_layer layer, ae_part part,
                                  ae_metric metric) {
    const iv_trained_run *found = NULL;
    double smallest = INFINITY;
    for (size_t i = 0; i < c->all->n; i++) {
        const iv_trained_run *run = &c->all->runs[i];
        if (!run->chosen || strcmp(run->row, c->row) != 0 || setting_of(run)->layer != layer ||
            setting_of(run)->part != part || !ae_has(setting_of(run), metric))
            continue;
        const double value = mean_of(c, run, metric);
        if (found && !(value < smallest)) continue;
        found = run;
        smallest = isfinite(value) ? value : INFINITY;
    }
    return found;
}

/* ------------------------------------------------------------------ section 3 */

/* "SELU activation function is better than the other three" */
static iv_status claim_selu(const claiming *c) {
    const iv_trained_run *selu = best(c, AE_SELU, AE_FULL, AE_CODE);
    if (!selu) return IV_OK;
    char claim[400], evidence[512];
    const double value = mean_of(c, selu, AE_CODE);
    size_t n = (size_t)snprintf(evidence, sizeof evidence, "smallest mse_code: SELU %.4g (%s)",
                                value, selu->column);
    bool holds = isfinite(value), others = false;
    for (ae_layer layer = AE_RELU; layer <= AE_BIPOLAR_SIGMOID; layer++) {
        const iv_trained_run *other = best(c, layer, AE_FULL, AE_CODE);
        if (!other) continue;
        others = true;
        const double theirs = mean_of(c, other, AE_CODE);
        holds &= !(theirs <= value);
        if (n < sizeof evidence)
            n += (size_t)snprintf(evidence + n, sizeof evidence - n, ", %s %.4g (%s)",
                                  layer_names[layer], theirs, other->column);
    }
    if (!others) return IV_OK;
    snprintf(claim, sizeof claim, "SELU has the smallest code MSE of the activations (%s).",
             c->row);
    return iv_results_add_claim(c->results, claim, holds, c->error, "%s", evidence);
}

/* "the difficulty comes mostly from training the encoder" */
static iv_status claim_decoder(const claiming *c, ae_layer layer) {
    const iv_trained_run *encoder = best(c, layer, AE_ENCODER, AE_CODE);
    const iv_trained_run *decoder = best(c, layer, AE_DECODER, AE_RECONSTRUCTION);
    if (!encoder || !decoder) return IV_OK;
    const iv_trained_run *full = best(c, layer, AE_FULL, AE_CODE);
    const double code = mean_of(c, encoder, AE_CODE);
    const double reconstruction = mean_of(c, decoder, AE_RECONSTRUCTION);
    char claim[400], whole[128] = "";
    if (full)
        snprintf(whole, sizeof whole, "; as part of the whole: code MSE %.4g",
                 mean_of(c, full, AE_CODE));
    snprintf(claim, sizeof claim,
             "The decoder alone is easier to train than the encoder alone "
             "(%s, %s).",
             layer_names[layer], c->row);
    return iv_results_add_claim(c->results, claim, reconstruction < code, c->error,
                                "smallest MSE of the decoder alone %.4g (%s), of the encoder alone "
                                "%.4g (%s)%s",
                                reconstruction, decoder->column, code, encoder->column, whole);
}

/* ------------------------------------------------------------------ section 4 */

/* "lower by more than an order of magnitude for the new layer" */
static iv_status claim_rich(const claiming *c) {
    const iv_trained_run *selu = best(c, AE_SELU, AE_FULL, AE_CODE);
    const iv_trained_run *rich = best(c, AE_RICH, AE_FULL, AE_CODE);
    if (!selu || !rich) return IV_OK;
    const double of_selu = mean_of(c, selu, AE_CODE), of_rich = mean_of(c, rich, AE_CODE);
    char claim[400];
    snprintf(claim, sizeof claim,
             "Rich layers approximate the code more than ten times better than SELU (%s).", c->row);
    iv_status status =
        iv_results_add_claim(c->results, claim, of_rich * many_times < of_selu, c->error,
                             "smallest mse_code: rich layers %.4g (%s), SELU %.4g (%s): %.3g times",
                             of_rich, rich->column, of_selu, selu->column, of_selu / of_rich);
    if (status != IV_OK) return status;

    /* "the best results with the new layer are achieved for relatively shallow networks" */
    const bool finite = isfinite(of_rich) && isfinite(of_selu);
    const size_t shallow = setting_of(rich)->depth, deep = setting_of(selu)->depth;
    snprintf(claim, sizeof claim,
             "The best rich network is shallower than the best SELU network "
             "(%s).",
             c->row);
    return iv_results_add_claim(c->results, claim, finite && shallow < deep, c->error,
                                "hidden layers of the best: rich %zu (%s), SELU %zu (%s)", shallow,
                                rich->column, deep, selu->column);
}

/* ------------------------------------------------------------------ section 5 */

static iv_status claim_pairs(const claiming *c, ae_layer layer) {
    const iv_trained_run *run = best(c, layer, AE_FULL, AE_INVARIANCE);
    if (!run) return IV_OK;
    char claim[400];
    const double same = mean_of(c, run, AE_SAME), unrelated = mean_of(c, run, AE_UNRELATED);
    snprintf(claim, sizeof claim,
             "Codes of distorted copies lie more than twice as close as those of unrelated "
             "signals (%s, %s).",
             layer_names[layer], c->row);
    iv_status status = iv_results_add_claim(
        c->results, claim, same * apart < unrelated, c->error,
        "%s: root mean square distance %.4g of copies, %.4g of all other pairs: %.3g times",
        run->column, same, unrelated, unrelated / same);
    if (status != IV_OK || setting_of(run)->distortion != IV_DISTORTION_TWO_PART_SHIFT)
        return status;

    static const struct {
        ae_metric metric;
        const char *what;
    } parts[] = {{AE_INVARIANCE, "invariance loss"}, {AE_RECONSTRUCTION, "reconstruction MSE"}};
    for (size_t i = 0; i < 2 && status == IV_OK; i++) {
        const iv_trained_run *smallest = best(c, layer, AE_FULL, parts[i].metric);
        const double value = mean_of(c, smallest, parts[i].metric);
        snprintf(claim, sizeof claim, "Two-part shifts are learned with %s below 1e-4 (%s, %s).",
                 parts[i].what, layer_names[layer], c->row);
        status = iv_results_add_claim(
            c->results, claim, value < two_part_bound, c->error, "smallest %s: %.4g (%s)",
            ae_metric_def(parts[i].metric)->name, value, smallest->column);
    }
    return status;
}

iv_status ae_add_claims(const iv_trained_runs *all, iv_results *results, iv_error *error) {
    iv_status status = IV_OK;
    for (size_t i = 0; i < all->n && status == IV_OK; i++) {
        if (!iv_trained_first_of_row(all, i)) continue;
        const claiming c = {all, all->runs[i].row, results, error};
        status = claim_selu(&c);
        for (ae_layer layer = 0; layer < AE_N_LAYERS && status == IV_OK; layer++)
            status = claim_decoder(&c, layer);
        if (status == IV_OK) status = claim_rich(&c);
        for (ae_layer layer = 0; layer < AE_N_LAYERS && status == IV_OK; layer++)
            status = claim_pairs(&c, layer);
    }
    return status;
}
