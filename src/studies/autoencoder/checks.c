/* Specs of the autoencoder study: what no single key can tell. */
#include "studies/autoencoder/autoencoder.h"

#include <invar/spec.h>

enum { WIDEST_LAYER = 100000 }; /* columns; weights of as many rows would fill any device */

/* Whether the code is a function of the signal that the encoder is shown, rather than learned from
 * pairs. */
static bool is_known_code(const iv_node *config) {
    return iv_spec_is(config, "task.code", "modulus-phase") ||
           iv_spec_is(config, "task.code", "modulus-sine-cosine");
}

static iv_status check_task(iv_spec_check *check, const iv_node *config) {
    enum { SHORTEST_PART = 2, FEWEST_PAIRS = 2 };
    const iv_node *code = iv_spec_node(config, "task.code");
    const iv_node *dimensions = iv_spec_node(config, "dataset.dimensions");
    if (iv_spec_is(code, "", "two-part-shift") &&
        iv_spec_integer(dimensions, "") < 2 * SHORTEST_PART) {
        return iv_spec_refuse(check, iv_spec_is_default(dimensions) ? code : dimensions,
                              "`dataset.dimensions` is %lld, expected at least %d for "
                              "two-part-shift: a part of one dimension has nothing to shift",
                              (long long)iv_spec_integer(dimensions, ""), 2 * SHORTEST_PART);
    }
    const iv_node *test = iv_spec_node(config, "dataset.test");
    if (!is_known_code(config) && iv_spec_integer(test, "") < FEWEST_PAIRS) {
        return iv_spec_refuse(check, test,
                              "`dataset.test` is %lld while `task.code` is %s, expected at least "
                              "%d: a distorted copy and an unrelated signal",
                              (long long)iv_spec_integer(test, ""), iv_spec_string(code, ""),
                              FEWEST_PAIRS);
    }
    return IV_OK;
}

/* A rich layer on n columns rounds n up to even and gives three times as many. */
static iv_status check_half(iv_spec_check *check, const iv_node *config, const char *half,
                            int64_t columns) {
    const iv_node *depth = iv_spec_node(config, "run.depth");
    const int64_t lift = iv_spec_integer(config, "run.lift");
    if (lift > 0) columns = lift * iv_spec_integer(config, "dataset.dimensions");
    for (int64_t layer = 1; layer <= iv_spec_integer(depth, ""); layer++) {
        columns = columns + 2 * (columns + columns % 2);
        if (columns < WIDEST_LAYER) continue;
        const iv_node *run = iv_spec_node(config, "run");
        return iv_spec_refuse(check, iv_spec_is_default(depth) ? run : depth,
                              "`depth` is %lld and rich layer %lld of the %s would have %lld "
                              "columns, expected fewer than %d: each layer has three times the "
                              "columns of the one before",
                              (long long)iv_spec_integer(depth, ""), (long long)layer, half,
                              (long long)columns, WIDEST_LAYER);
    }
    return IV_OK;
}

static iv_status check_rich_layers(iv_spec_check *check, const iv_node *config) {
    if (!iv_spec_is(config, "run.layer", "rich")) return IV_OK;
    const int64_t d = iv_spec_integer(config, "dataset.dimensions");
    int64_t code;
    if (is_known_code(config)) {
        code = d * (iv_spec_is(config, "task.code", "modulus-phase") ? 2 : 3);
    } else {
        code = d * (iv_spec_integer(config, "model.invariant") +
                    iv_spec_integer(config, "model.variant"));
    }
    iv_status status = IV_OK;
    if (!iv_spec_is(config, "run.part", "decoder"))
        status = check_half(check, config, "encoder", d);
    if (status == IV_OK && !iv_spec_is(config, "run.part", "encoder"))
        status = check_half(check, config, "decoder", code);
    return status;
}

iv_status ae_check_run(iv_spec_check *check, const iv_node *config) {
    iv_status status = check_task(check, config);
    if (status == IV_OK) status = check_rich_layers(check, config);
    if (status != IV_OK) return status;
    return iv_spec_at_most(check, config, "training.batch", "dataset.train", "signals");
}
