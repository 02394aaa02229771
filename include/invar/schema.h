/* What a study declares: the keys of its specs and the metrics it measures, a row each.
 *
 * Everything else reads these rows: checking and resolving specs, the documentation (`invar spec`),
 * the log, results, tables and claims. A study's schema lists its keys in the order in which
 * resolved specs are written; the rows that all studies share are the IV_KEYS_... macros below.
 */
#ifndef INVAR_SCHEMA_H
#define INVAR_SCHEMA_H

#include <invar/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ keys */

typedef enum {
    IV_KEY_MAP,
    IV_KEY_LIST, /* its elements: the row whose path ends in [] */
    IV_KEY_STRING,
    IV_KEY_NAME, /* fits a file name */
    IV_KEY_ENUM,
    IV_KEY_INTEGER,
    IV_KEY_NUMBER,
    IV_KEY_BOOLEAN,
    IV_KEY_SEEDS, /* N for 0 .. N-1, or a list */
    IV_KEY_SWEEP, /* map of key paths to lists of values */
} iv_key_type;

enum {
    IV_KEY_REQUIRED = 1,
    IV_KEY_OPTIONAL = 2,  /* may be absent from the resolved spec too */
    IV_KEY_SWEEPABLE = 4, /* may be listed in `sweep` */
    /* runs[].X: this run's value instead of training.X. Runs that differ in nothing else are
     * alternatives: they share a column of tables. Has no default. */
    IV_KEY_INSTEAD = 8,
};

typedef struct {
    const char *path; /* from the top; elements of a list are NAME[] */
    iv_key_type type;
    unsigned flags;
    const char *preset;  /* default, as YAML; a map without flags is filled from its keys' */
    const char *range;   /* "[0, 1)" for numbers; the number of elements for lists; NULL for any */
    const char *choices; /* of an enum: "a|b|c" */
    const char *doc;
    /* An enum whose choices stand elsewhere, instead of `choices`: the i-th (of data sets, groups),
     * NULL past the last; or the study's metrics with all of these flags. A name's `choice` gives
     * those that are known, and others are allowed. */
    const char *(*choice)(size_t i);
    unsigned metrics;

    /* Runs for which the key means something, all conditions joined by " & ":
     * "run.method=sgpr", "run.invariance!=none & run.learned=true"; several values are joined by
     * "|". Paths are those of a run's config: `run` instead of `runs[]`. For other runs the key has
     * to keep its default (of runs[]), cannot be swept, and does not count where runs are compared.
     * NULL: for all runs. Not of required keys. */
    const char *only_if;

    /* Whether members of one population may differ in it: NULL: no; "*": in any way; "a|b|c": these
     * words among each other. */
    const char *own;
    /* Where `own` holds, for both of two runs; NULL: everywhere. One of these conditions is enough:
     * "run.learned=false or training.eta_learning_rate=0". */
    const char *own_if;
} iv_key;

/* ------------------------------------------------------------------ metrics */

enum {
    IV_METRIC_PUBLISHED = 1,   /* specs may give the paper's number (`published`) */
    IV_METRIC_ASKED = 2,       /* specs list it in `metrics.names`; others are always measured */
    IV_METRIC_FLOAT = 4,       /* single precision, and logged so */
    IV_METRIC_AFTER_STEP = 8,  /* of a training step: not there before the first */
    IV_METRIC_SEPARATE = 16,   /* an array that results list as numbers: NAME.0, NAME.1, ... */
    IV_METRIC_CURVE_ONLY = 32, /* logged along the way, no result */
    IV_METRIC_END_ONLY = 64,   /* a result, not logged along the way */
};

typedef struct {
    const char *name;  /* in files: "mse_code" */
    const char *label; /* in tables: "MSE code" */
    double scale;      /* tables show the value times this; 0 means 1 */
    int decimals;      /* as the paper prints it; -1: two significant digits */
    unsigned flags;
    const char *range; /* of the published means, "[0, 1]"; NULL for any */
    size_t most;       /* values of an array, at most; 0 for a number */
    const char *doc;   /* what it means, with its unit */
} iv_metric_def;

/* The loss of each member's last step. */
#define IV_METRIC_LOSS                                                                             \
    {                                                                                              \
        "loss", "Loss", 1, -1, IV_METRIC_FLOAT | IV_METRIC_AFTER_STEP | IV_METRIC_CURVE_ONLY,      \
            .doc = "what training minimises, on the last batch"                                    \
    }

/* ------------------------------------------------------------------ a study's schema */

typedef struct iv_node iv_node;             /* see invar/spec.h */
typedef struct iv_spec_check iv_spec_check; /* a spec that is being checked */

/* Its keys have the rows of every IV_KEYS_... below, but for IV_KEYS_ADAM. */
typedef struct {
    const char *study;     /* the spec's `study` */
    const char *title;     /* one line: what it asks, and whose paper it is */
    const char *reference; /* the paper as BibTeX; NULL: there is none */
    const iv_key *keys;
    size_t n_keys;
    const iv_metric_def *(*metric)(size_t i); /* the i-th, NULL past the last */
    /* `published[].run` names an entry of `runs`, whatever it sweeps; otherwise a column. */
    bool published_by_base;

    /* What no single key can tell: of each run's config, then of the whole spec (NULL: nothing).
     * They refuse with iv_spec_refuse and iv_spec_at_most. */
    iv_status (*check_run)(iv_spec_check *check, const iv_node *config);
    iv_status (*check_spec)(iv_spec_check *check, const iv_node *root);
} iv_schema;

/* The schemas there are: the i-th, NULL past the last. */
typedef const iv_schema *(*iv_schema_list)(size_t i);

/* The schema of that study; NULL if there is none. */
const iv_schema *iv_schema_find(iv_schema_list schemas, const char *study);

/* A study's metric by name (of an array with or without its index: "sigma_max.0"); NULL if there is
 * none. */
const iv_metric_def *iv_metric_find(const iv_schema *schema, const char *name);

/* Document every key and metric of a study: as plain text, or as Markdown. */
void iv_schema_describe(const iv_schema *schema, bool markdown, FILE *out);

/* ------------------------------------------------------------------ rows that all studies share */

/* clang-format off */
#define IV_KEYS_HEAD                                                                               \
    {"study", IV_KEY_ENUM, IV_KEY_REQUIRED, .doc = "which study's keys the rest follows"},         \
    {"name", IV_KEY_NAME, IV_KEY_REQUIRED,                                                         \
     .doc = "what the experiment is called in reports and, by default, its run directory"},        \
    {"seeds", IV_KEY_SEEDS, 0, "5",                                                                \
     .doc = "every run is trained once per seed; a seed decides the split or the signals, the "    \
            "initial weights and all draws"}

#define IV_KEYS_MODEL {"model", IV_KEY_MAP, .doc = "the network"}

#define IV_KEYS_TRAINING {"training", IV_KEY_MAP, .doc = "how the networks are trained"}

/* `what` is what a batch holds, "images"; of the runs that `condition` says (NULL: all). */
#define IV_KEYS_BATCHES(batch, what, epochs, condition)                                                     \
    {"training.batch", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, batch, "[1, 1000000]",                    \
     .doc = what " per step; what does not fill a batch at the end of an epoch waits for the "     \
            "next shuffle", .only_if = condition},                                                 \
    {"training.epochs", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, epochs, "[1, 1000000]",                  \
     .doc = "passes over the training set", .only_if = condition}

/* Adam's, of the runs that `condition` says. */
#define IV_KEYS_ADAM(condition)                                                                    \
    {"training.beta1", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "0.9", "[0, 1)",                           \
     .doc = "Adam: decay of the mean gradient", .only_if = condition},                             \
    {"training.beta2", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "0.999", "[0, 1)",                         \
     .doc = "Adam: decay of the mean squared gradient", .only_if = condition},                     \
    {"training.epsilon", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "1e-8", "(0, 1]",                        \
     .doc = "Adam: added to the root of the mean squared gradient", .only_if = condition}

/* The last of `training`. */
#define IV_KEYS_SCHEDULE                                                                           \
    {"training.population", IV_KEY_INTEGER, 0, "0", "[0, 100000]",                                 \
     .doc = "most members trained at once; 0: as many as fit the device (results do not depend "   \
            "on it)"},                                                                             \
    {"training.checkpoint_seconds", IV_KEY_NUMBER, 0, "60", "[0, 1000000]",                        \
     .doc = "time between checkpoints; 0: only when interrupted"}

#define IV_KEYS_RUNS                                                                               \
    {"runs", IV_KEY_LIST, IV_KEY_REQUIRED, .range = "[1, 10000]",                                  \
     .doc = "what is trained and compared"},                                                       \
    {"runs[]", IV_KEY_MAP, .doc = "one run"},                                                      \
    {"runs[].name", IV_KEY_NAME, IV_KEY_REQUIRED, .doc = "names its models and its column in "     \
     "tables", .own = "*"}

#define IV_KEYS_METRICS {"metrics", IV_KEY_MAP, .doc = "what is measured"}

#define IV_KEYS_FIGURES(names, names_doc)                                                          \
    {"figures", IV_KEY_MAP, .doc = "what is drawn"},                                               \
    {"figures.names", IV_KEY_LIST, 0, "[]", "[0, 100]", .doc = "figures in the report"},           \
    {"figures.names[]", IV_KEY_ENUM, .choices = names, .doc = names_doc}

/* What all specs end with. row_doc says what rows of the study's tables are called. */
#define IV_KEYS_TAIL(row_doc)                                                                      \
    {"published", IV_KEY_LIST, 0, "[]", "[0, 10000]",                                              \
     .doc = "the paper's numbers, shown beside ours"},                                             \
    {"published[]", IV_KEY_MAP, .doc = "one number"},                                              \
    {"published[].row", IV_KEY_STRING, IV_KEY_REQUIRED, .doc = row_doc},                           \
    {"published[].run", IV_KEY_STRING, IV_KEY_REQUIRED,                                            \
     .doc = "column of the table: a run's name as in `runs`"},                                     \
    {"published[].metric", IV_KEY_ENUM, IV_KEY_REQUIRED, .doc = "which metric",                    \
     .metrics = IV_METRIC_PUBLISHED},                                                              \
    {"published[].mean", IV_KEY_NUMBER, IV_KEY_REQUIRED,                                           \
     .doc = "mean over seeds, in the metric's own unit: an accuracy of 94.6% is 0.946"},           \
    {"published[].std", IV_KEY_NUMBER, IV_KEY_OPTIONAL, .range = "[0, inf)",                       \
     .doc = "standard deviation over seeds, in the same unit"},                                    \
    {"sweep", IV_KEY_SWEEP, IV_KEY_OPTIONAL,                                                       \
     .doc = "values to try for keys anywhere: {training.batch: [64, 512]}; all combinations are "  \
            "run"}
/* clang-format on */

#ifdef __cplusplus
}
#endif

#endif
