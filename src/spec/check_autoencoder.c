/* The autoencoder study: what no single key can tell. */
#include "spec/stages.h"

#include <string.h>

enum { WIDEST_LAYER = 100000 }; /* columns; weights of as many rows would fill any device */

/* Whether the code is a function of the signal that the encoder is shown, rather than learned from
 * pairs. */
static bool is_known_code(const iv_node *config) {
    return spec_is_word(config, "task.code", "modulus-phase") ||
           spec_is_word(config, "task.code", "modulus-sine-cosine");
}

static iv_status check_task(spec_context *context, const iv_node *config) {
    enum { SHORTEST_PART = 2, FEWEST_PAIRS = 2 };
    const iv_node *code = spec_at(config, "task.code"), *part = spec_at(config, "run.part");
    const iv_node *dimensions = spec_at(config, "dataset.dimensions");
    if (!is_known_code(config) && !spec_is_word(config, "run.part", "full")) {
        return spec_fail(context, part->mark,
                         "`part` is %s while `task.code` is %s, expected full: without a known "
                         "code one half cannot be trained alone",
                         part->text, code->text);
    }
    if (spec_is_word(config, "task.code", "two-part-shift") &&
        dimensions->integer < 2 * SHORTEST_PART) {
        return spec_fail(context, dimensions->is_default ? code->mark : dimensions->mark,
                         "`dataset.dimensions` is %lld, expected at least %d for two-part-shift: "
                         "a part of one dimension has nothing to shift",
                         (long long)dimensions->integer, 2 * SHORTEST_PART);
    }
    const iv_node *test = spec_at(config, "dataset.test");
    if (!is_known_code(config) && test->integer < FEWEST_PAIRS) {
        return spec_fail(context, test->mark,
                         "`dataset.test` is %lld while `task.code` is %s, expected at least %d: a "
                         "distorted copy and an unrelated signal",
                         (long long)test->integer, code->text, FEWEST_PAIRS);
    }
    return IV_OK;
}

/* A rich layer on n columns rounds n up to even and gives three times as many. */
static iv_status check_half(spec_context *context, const iv_node *config, const char *half,
                            int64_t columns) {
    const iv_node *depth = spec_at(config, "run.depth"), *lift = spec_at(config, "run.lift");
    if (lift->integer > 0) columns = lift->integer * iv_spec_integer(config, "dataset.dimensions");
    for (int64_t layer = 1; layer <= depth->integer; layer++) {
        columns = columns + 2 * (columns + columns % 2);
        if (columns < WIDEST_LAYER) continue;
        return spec_fail(context, depth->is_default ? spec_at(config, "run")->mark : depth->mark,
                         "`depth` is %lld and rich layer %lld of the %s would have %lld columns, "
                         "expected fewer than %d: each layer has three times the columns of the "
                         "one before",
                         (long long)depth->integer, (long long)layer, half, (long long)columns,
                         WIDEST_LAYER);
    }
    return IV_OK;
}

static iv_status check_layers(spec_context *context, const iv_node *config) {
    const iv_node *lift = spec_at(config, "run.lift");
    if (!spec_is_word(config, "run.layer", "rich")) {
        if (lift->integer == 0) return IV_OK;
        return spec_fail(context, lift->mark,
                         "`lift` is set for layer %s, expected only for layer rich",
                         iv_spec_string(config, "run.layer"));
    }
    int64_t d = iv_spec_integer(config, "dataset.dimensions"), code;
    if (is_known_code(config)) {
        code = d * (spec_is_word(config, "task.code", "modulus-phase") ? 2 : 3);
    } else {
        code = d * (iv_spec_integer(config, "model.invariant") +
                    iv_spec_integer(config, "model.variant"));
    }
    iv_status status = IV_OK;
    if (!spec_is_word(config, "run.part", "decoder"))
        status = check_half(context, config, "encoder", d);
    if (status == IV_OK && !spec_is_word(config, "run.part", "encoder")) {
        status = check_half(context, config, "decoder", code);
    }
    return status;
}

/* Sweeping what a known code has no use for would train the same runs again under other names. */
static iv_status check_sweep(spec_context *context, const iv_node *root, const iv_node *config) {
    static const char *const of_pairs[] = {"task.delta", "task.alpha", "model.invariant",
                                           "model.variant"};
    const iv_node *sweep = spec_at(root, "sweep");
    if (!sweep || !is_known_code(config)) return IV_OK;
    for (size_t i = 0; i < sizeof of_pairs / sizeof of_pairs[0]; i++) {
        const spec_entry *entry = spec_find(sweep, of_pairs[i], strlen(of_pairs[i]));
        if (!entry) continue;
        return spec_fail(context, entry->mark,
                         "`%s` is swept while `task.code` is %s, expected only codes learned from "
                         "pairs beside it",
                         of_pairs[i], iv_spec_string(config, "task.code"));
    }
    return IV_OK;
}

iv_status spec_check_autoencoder(spec_context *context, const iv_node *root,
                                 const iv_spec_expansion *expansion) {
    iv_status status = IV_OK;
    for (size_t i = 0; status == IV_OK && i < expansion->n_runs; i++) {
        const iv_node *config = expansion->runs[i].config;
        status = check_task(context, config);
        if (status == IV_OK) status = check_layers(context, config);
        if (status == IV_OK) status = check_sweep(context, root, config);
        if (status == IV_OK) status = spec_check_batch(context, config, "signals");
    }
    return status;
}
