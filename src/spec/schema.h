/* The one table of keys: what a spec may say. Resolving, documentation and suggestions all read it.
 */
#ifndef INVAR_SPEC_SCHEMA_H
#define INVAR_SPEC_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

typedef enum {
    KEY_MAP,
    KEY_LIST, /* its elements: the entry whose path ends in [] */
    KEY_STRING,
    KEY_NAME, /* fits a file name */
    KEY_ENUM,
    KEY_INTEGER,
    KEY_NUMBER,
    KEY_BOOLEAN,
    KEY_SEEDS, /* N for 0 .. N-1, or a list */
    KEY_SWEEP, /* map of key paths to lists of values */
} spec_key_type;

enum {
    STUDY_REGULARIZATION = 1,
    STUDY_AUTOENCODER = 2,
    STUDY_MARGINAL_LIKELIHOOD = 4,
    STUDY_ALL = 7,
};
enum {
    KEY_REQUIRED = 1,
    KEY_OPTIONAL = 2,  /* may be absent from the resolved spec too */
    KEY_SWEEPABLE = 4, /* may be listed in `sweep` */
};

typedef struct {
    const char *path; /* from the top; elements of a list are NAME[] */
    spec_key_type type;
    unsigned flags;
    const char *preset;  /* default, as YAML; a map without flags is filled from its keys' */
    const char *range;   /* "[0, 1)" for numbers; the number of elements for lists; NULL for any */
    const char *choices; /* of an enum: "a|b|c" */
    int studies;         /* bits */
    const char *doc;
} spec_key;

typedef struct {
    const spec_key *keys;
    size_t n_keys;
} spec_schema;

extern const spec_schema spec_builtin_schema;

/* The bit of a study's name; 0 if unknown. */
int spec_study_bit(const char *name);

/* The part of `key`'s path below `parent` ("" for the top) if it is a direct child there (or its
 * list element, "[]"), else NULL. */
const char *spec_child_name(const spec_key *key, const char *parent);

/* The entry with this path, for any of `studies`; NULL if there is none. */
const spec_key *spec_key_find(const spec_schema *schema, const char *path, int studies);

typedef struct {
    double low, high;
    bool open_low, open_high;
} spec_interval;

/* A range as numbers; NULL gives the whole line. */
spec_interval spec_interval_of(const char *range);
bool spec_within(spec_interval interval, double value);

/* "an integer in [1, 10]", "one of a, b": what a key wants, for messages and documentation. */
void spec_key_expects(const spec_schema *schema, const spec_key *key, char *buffer, size_t size);

/* The i-th of "a|b|c" into buffer; false past the last. */
bool spec_choice(const char *choices, size_t i, char *buffer, size_t size);

#endif
