/* Inside the spec room: nodes with the place they came from, the memory they live in, and failing
 * with that place in the message. */
#ifndef INVAR_SPEC_NODE_H
#define INVAR_SPEC_NODE_H

#include <invar/spec.h>

/* Everything made for one spec (or one expansion) is released at once. */
typedef struct spec_block spec_block;
typedef struct {
    spec_block *blocks;
} spec_arena;

typedef struct {
    const char *file;      /* as called in messages */
    unsigned line, column; /* from 1 */
    const char *set_key;   /* the KEY of --set KEY=VALUE if it came from there, else NULL */
    unsigned level;        /* 0: of the spec itself; of what it extends one more each */
} spec_mark;

typedef enum { SPEC_SCALAR, SPEC_LIST, SPEC_MAP } spec_kind;
typedef enum {
    SPEC_UNTYPED, /* as parsed; resolving gives every scalar its type */
    SPEC_TEXT,
    SPEC_INTEGER,
    SPEC_NUMBER,
    SPEC_BOOLEAN
} spec_value;

typedef struct {
    const char *key; /* NULL in a list */
    spec_mark mark;  /* of the key */
    iv_node *node;
} spec_entry;

struct iv_node {
    spec_kind kind;
    spec_mark mark;
    bool is_default;

    spec_value type; /* scalars */
    bool quoted;
    const char *text;
    int64_t integer;
    double number; /* of integers too */
    bool boolean;

    spec_entry *entries; /* maps and lists */
    size_t n_entries, capacity;
};

/* What the stages of loading share. */
typedef struct {
    spec_arena *arena;
    const char *file; /* that is being read */
    unsigned level;   /* its marks' */
    iv_error *error;
    size_t n_nodes;
} spec_context;

void *spec_allocate(spec_context *context, size_t bytes); /* zeroed; NULL after failing */
char *spec_copy(spec_context *context, const char *text, size_t n_bytes);
char *spec_format(spec_context *context, const char *format, ...) IV_PRINTF(2, 3); /* or NULL */
void spec_arena_release(spec_arena *arena);

/* NULL after failing; fails at `mark` beyond IV_SPEC_MAX_NODES. */
iv_node *spec_node_new(spec_context *context, spec_kind kind, spec_mark mark);
iv_status spec_append(spec_context *context, iv_node *parent, const char *key, spec_mark mark,
                      iv_node *child);

spec_entry *spec_find(const iv_node *map, const char *key, size_t key_length); /* or NULL */
const iv_node *spec_at(const iv_node *node, const char *path);                 /* or NULL */

bool spec_same_scalar(const iv_node *a, const iv_node *b);                /* of one type */
const char *spec_scalar_text(spec_context *context, const iv_node *node); /* never NULL */
bool spec_is_null(const iv_node *node); /* a scalar as parsed: nothing, or ~ */

/* The element of a list of maps whose `name` begins `path` and ends with it or at a dot; the
 * longest of them, or NULL. *taken: bytes of the path it covers. */
spec_entry *spec_named(const iv_node *list, const char *path, size_t *taken);

/* Fail with IV_EINVAL and "FILE:LINE:COLUMN: ..." or "--set KEY: ...". */
iv_status spec_fail(spec_context *context, spec_mark mark, const char *format, ...) IV_PRINTF(3, 4);

/* The names of a list's elements, "DA, IR": not more than fit a message. NULL if memory runs out.
 */
const char *spec_names(spec_context *context, const iv_node *list);

/* "line 3, column 5", with the file in front if `from` is in another one. */
const char *spec_place(spec_context *context, spec_mark from, spec_mark mark);

/* A user's text for a message: cut to a line's worth, control characters replaced. Never NULL. */
const char *spec_shown(spec_context *context, const char *text);

/* The number in the fewest digits that read back exactly; `buffer` holds at least 32 bytes. */
void spec_number_text(double number, char *buffer);

/* Edit distance with transpositions, capped: texts of more than 64 bytes are as far as can be. */
size_t spec_distance(const char *a, const char *b);

/* Whether `candidate` is near enough to `text` to ask "did you mean"; nearer ones lower *best. */
bool spec_nearer(const char *text, const char *candidate, size_t *best);

#endif
