/* Inside the spec room: looking things up in a study's schema and saying them in words. */
#ifndef INVAR_SPEC_SCHEMA_H
#define INVAR_SPEC_SCHEMA_H

#include "spec/node.h"

/* The keys that a spec may have: those of its study or, as long as no study is known, of all. */
typedef struct {
    const iv_key *keys;
    size_t n_keys;
    const iv_metric_def *(*metric)(size_t i); /* NULL while no study is known */
    iv_schema_list schemas; /* whose names are the choices of `study`; may be NULL */
} spec_schema;

spec_schema spec_schema_of(const iv_schema *schema, iv_schema_list schemas);

/* Every key of every schema once, in an order that fits all of them. */
iv_status spec_schema_of_all(spec_context *context, iv_schema_list schemas, spec_schema *schema);

/* The part of `key`'s path below `parent` ("" for the top) if it is a direct child there (or its
 * list element, "[]"), else NULL. */
const char *spec_child_name(const iv_key *key, const char *parent);

/* The row with this path; NULL if there is none. */
const iv_key *spec_key_find(const spec_schema *schema, const char *path);

/* "runs[].nu" as a path of a run's config, "run.nu"; others as they are. `buffer` holds 128 bytes.
 */
const char *spec_config_path(const iv_key *key, char *buffer);

/* The row of a path of a run's config. */
const iv_key *spec_config_key(const spec_schema *schema, const char *path);

/* Whether a scalar is what the first `length` bytes of `text` say, or one of "a|b|c". */
bool spec_equals(const iv_node *node, const char *text, size_t length);
bool spec_is_listed(const iv_node *node, const char *words);

typedef struct {
    double low, high;
    bool open_low, open_high;
} spec_interval;

/* A range as numbers; NULL gives the whole line. */
spec_interval spec_interval_of(const char *range);
bool spec_within(spec_interval interval, double value);

/* "an integer in [1, 10]", "one of a, b": what a key wants, for messages and documentation. */
void spec_key_expects(const spec_schema *schema, const iv_key *key, char *buffer, size_t size);

/* The i-th choice of an enum into buffer; false past the last. */
bool spec_choice(const spec_schema *schema, const iv_key *key, size_t i, char *buffer, size_t size);

/* The i-th of "a|b|c" into buffer; false past the last. */
bool spec_word(const char *words, size_t i, char *buffer, size_t size);

/* ------------------------------------------------------------------ conditions (iv_key.only_if) */

/* "run.method=sgpr" or "run.invariance!=none|scale". */
typedef struct {
    char path[64]; /* of a run's config */
    bool negated;
    char words[192];
} spec_condition;

/* The first condition of `text` into *condition; returns what follows " & ", or NULL at the end. */
const char *spec_condition_next(const char *text, spec_condition *condition);

bool spec_condition_holds(const spec_condition *condition, const iv_node *config);

/* Whether all conditions of `text` (NULL: none) hold; if not, *failing is the first that does not.
 */
bool spec_all_hold(const char *text, const iv_node *config, spec_condition *failing);

/* Whether one of the alternatives of `text`, joined by " or ", holds; NULL: yes. */
bool spec_any_holds(const char *text, const iv_node *config);

/* What a condition is about: "method", "training.optimizer". */
const char *spec_condition_name(const spec_condition *condition);

/* The values for which it holds: "rotation, translation or scale". */
void spec_condition_values(const spec_schema *schema, const spec_condition *condition, char *buffer,
                           size_t size);

#endif
