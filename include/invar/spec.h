/* Experiment specs: YAML in, every key checked against its study's schema, every default filled in.
 *
 * A spec that loads is valid: the getters below have no failure to report. Messages of failures
 * (all IV_EINVAL, unless memory runs out) read `FILE:LINE:COLUMN: what, and what was expected`, or
 * `--set KEY: ...` for what the command line changed. `invar spec` prints the schemas
 * themselves (iv_schema_describe).
 *
 * `extends: OTHER.yaml` at the top starts from another spec, whose path is relative to the file
 * that says so: maps merge key by key, other values replace, `KEY: ~` removes a key so that its
 * default applies, and a map in the place of a list changes its elements by their `name`.
 *
 * Files are read defensively: at most 1 MiB, 32 levels, 20,000 nodes (a file and all that it
 * extends together), one document of plain UTF-8 YAML without anchors, aliases and tags.
 */
#ifndef INVAR_SPEC_H
#define INVAR_SPEC_H

#include <invar/schema.h>
#include <invar/status.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IV_SPEC_MAX_BYTES 1048576 /* of a file and all that it extends */
#define IV_SPEC_MAX_DEPTH 32      /* maps and lists within each other */
#define IV_SPEC_MAX_NODES 20000   /* scalars, maps and lists, also after filling in the defaults */
#define IV_SPEC_MAX_RUNS  10000   /* after expanding every sweep */
#define IV_SPEC_MAX_SEEDS 1000
#define IV_SPEC_MAX_FILES 8 /* a file and those that it extends */

typedef struct iv_spec iv_spec; /* a resolved spec; owns its nodes */
typedef struct iv_node iv_node; /* a map, list or scalar in it, read with the getters below */

/* Read a spec file, apply `overrides` in order, check everything and fill in the defaults.
 *
 * overrides  n_overrides texts "key.path=value" as given to --set; a value is parsed as YAML;
 *            elements of a list are found by index or by name: "training.epochs=5", "runs.0.nu=3",
 *            "runs.IR.nu=3", "seeds=[0, 7]"
 * schemas    of the studies that a spec may be of; `study` chooses one
 *
 * IV_EINVAL for a file that cannot be read, is not acceptable YAML, or does not fit the schema; on
 * any failure *spec is NULL. Release with iv_spec_destroy. */
iv_status iv_spec_load(const char *path, const char *const *overrides, size_t n_overrides,
                       iv_schema_list schemas, iv_spec **spec, iv_error *error);

/* The same from memory: n_bytes of `text`, called `name` in messages; what it extends is relative
 * to that name. */
iv_status iv_spec_parse(const char *name, const char *text, size_t n_bytes,
                        const char *const *overrides, size_t n_overrides, iv_schema_list schemas,
                        iv_spec **spec, iv_error *error);

void iv_spec_destroy(iv_spec *spec); /* NULL is fine */

/* The whole resolved spec as a map; lives as long as the spec. */
const iv_node *iv_spec_root(const iv_spec *spec);

/* The schema of the spec's study. */
const iv_schema *iv_spec_schema(const iv_spec *spec);

/* ------------------------------------------------------------------ reading values
 *
 * `path` leads from `node` to the value: "training.epochs", "runs.0.name"; "" is the node itself.
 * Asking for a path that the schema has no such key for, or for an optional key that is absent, or
 * for another type, is a bug in the caller: it asserts, and reads as 0, "", false or an empty list
 * where assertions are off. Keys that may be absent ("run.select", "run.learning_rate") need
 * iv_spec_has. */

bool iv_spec_has(const iv_node *node, const char *path);
int64_t iv_spec_integer(const iv_node *node, const char *path);
double iv_spec_number(const iv_node *node, const char *path); /* integers too */
bool iv_spec_boolean(const iv_node *node, const char *path);
const char *iv_spec_string(const iv_node *node, const char *path); /* enums and names too */

size_t iv_spec_length(const iv_node *node,
                      const char *path); /* elements of a list, keys of a map */
const iv_node *iv_spec_element(const iv_node *node, const char *path, size_t index);
const iv_node *iv_spec_node(const iv_node *node, const char *path);

/* Whether a list of strings holds `word`: iv_spec_lists(root, "metrics.names", "si"). */
bool iv_spec_lists(const iv_node *node, const char *path, const char *word);

/* Whether a string is `word`: iv_spec_is(config, "run.method", "sgpr"). */
bool iv_spec_is(const iv_node *node, const char *path, const char *word);

/* ------------------------------------------------------------------ sweeps and runs */

/* One run to train, for every seed of its configuration.
 *
 * A key of the top-level `sweep` multiplies the whole spec into configurations; a run's own `sweep`
 * multiplies that run. The name is the run's, followed by -KEYVALUE for each number or boolean
 * swept and -VALUE for each word swept, the run's own sweeps first: "IR-nu3",
 * "DA-learning_rate0.001", "DA-fashion-mnist". It fits a file name and differs from every other
 * run's. */
typedef struct {
    const char *name;
    const char *base;   /* the run's name as written in `runs` ("IR"); a `select` chooses among the
                           runs that share base and configuration */
    const char *column; /* the run's name with what its own sweep adds, except for keys that stand
                           instead of training's ("selu-depth4"): runs of one column and
                           configuration are alternatives */
    const char
        *variant;      /* the configuration's part of the name ("fashion-mnist"); "" if not swept */
    size_t base_index; /* which element of `runs` */
    size_t configuration;  /* which combination of the top-level sweep, from 0 */
    const iv_node *config; /* the spec with the swept values in place: `run` (this run, with its
                              swept values) instead of `runs`, and no `sweep`. Where
                              the run has a key instead of one of training's
                              (training.learning_rate), training's has its value. */
} iv_spec_run;

typedef struct {
    iv_spec_run *runs;
    size_t n_runs;
    size_t n_configurations;
    void *memory; /* private */
} iv_spec_expansion;

/* Every run the spec asks for: configurations in order (of the swept keys, the last varies
 * fastest), in each the runs in order, in each the run's own sweep in order. There is at least one.
 * The expansion refers to the spec, which must outlive it. Fails only if memory runs out: specs
 * that expand to more than IV_SPEC_MAX_RUNS, or to two runs of one name, do not load. Release with
 * iv_spec_expansion_release. */
iv_status iv_spec_expand(const iv_spec *spec, iv_spec_expansion *expansion, iv_error *error);
void iv_spec_expansion_release(iv_spec_expansion *expansion); /* a zeroed one is fine */

/* Whether two runs of a spec may train in one population: they agree in every key that counts for
 * them, except where the schema says that it is a member's own (iv_key.own). A key that counts for
 * one of them alone (iv_key.only_if) sets them apart. An equivalence relation. */
bool iv_spec_together(const iv_spec *spec, const iv_node *config_a, const iv_node *config_b);

/* ------------------------------------------------------------------ checking
 *
 * For the hooks of a schema, while a spec is loaded. */

/* Every run of the spec that is being checked. */
const iv_spec_expansion *iv_spec_check_runs(const iv_spec_check *check);

/* Refuse the spec with IV_EINVAL and "FILE:LINE:COLUMN: " of the node before the message. */
iv_status iv_spec_refuse(iv_spec_check *check, const iv_node *node, const char *format, ...)
    IV_PRINTF(3, 4);

/* Refuse it unless the integer at `path` of a run's config is at most the one at `limit`, a number
 * of `what`: ("training.batch", "dataset.train", "images"). Refers to the first of them, or to the
 * limit if the first is not written. */
iv_status iv_spec_at_most(iv_spec_check *check, const iv_node *config, const char *path,
                          const char *limit, const char *what);

/* Whether a value was filled in rather than written. */
bool iv_spec_is_default(const iv_node *node);

/* ------------------------------------------------------------------ writing */

/* Write the resolved spec as YAML: the same bytes for the same spec, keys in the schema's order,
 * numbers in the fewest digits that read back exactly. Loading it again gives the same resolved
 * spec. IV_EFAILED if the stream does. */
iv_status iv_spec_write(const iv_spec *spec, FILE *out, iv_error *error);

/* A node as compact JSON, for a model file's metadata; the caller frees *text with free(). */
iv_status iv_spec_json(const iv_node *node, char **text, iv_error *error);

#ifdef __cplusplus
}
#endif

#endif
