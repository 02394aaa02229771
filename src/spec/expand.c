/* Sweeps to single runs. A run's configuration shares every node that its sweep does not change. */
#include "spec/stages.h"

#include "runtime/numeric.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LONGEST_RUN_NAME = 200 }; /* leaves room for "-seed2147483647.safetensors" in 255 bytes */

static iv_node *clone_map(spec_context *context, const iv_node *map, size_t n_more) {
    iv_node *copy = spec_allocate(context, sizeof *copy);
    if (!copy) return NULL;
    *copy = *map;
    copy->capacity = map->n_entries + n_more;
    copy->entries = spec_allocate(context, (copy->capacity + 1) * sizeof *copy->entries);
    if (!copy->entries) return NULL;
    if (map->n_entries) memcpy(copy->entries, map->entries, map->n_entries * sizeof *map->entries);
    return copy;
}

/* *map with the value at `path` (which exists, or whose last key is added) replaced, sharing the
 * rest. */
static iv_status with_value(spec_context *context, const iv_node *map, const char *path,
                            const iv_node *value, iv_node **result) {
    size_t length = strcspn(path, ".");
    iv_node *copy = clone_map(context, map, 1);
    if (!copy) return IV_ENOMEM;
    *result = copy;
    spec_entry *entry = spec_find(copy, path, length);
    iv_node *child = (iv_node *)value;
    if (path[length] == '.' && entry) {
        iv_status status = with_value(context, entry->node, path + length + 1, value, &child);
        if (status != IV_OK) return status;
    }
    if (!entry) return spec_append(context, copy, path, value->mark, child);
    entry->node = child;
    return IV_OK;
}

static void drop(iv_node *map, const char *key) {
    spec_entry *entry = spec_find(map, key, strlen(key));
    if (!entry) return;
    size_t index = (size_t)(entry - map->entries);
    memmove(entry, entry + 1, (map->n_entries - index - 1) * sizeof *entry);
    map->n_entries--;
}

/* How many combinations a sweep has; one more than allowed stands for all larger counts. */
static size_t combinations(const iv_node *sweep) {
    size_t product = 1;
    for (size_t i = 0; sweep && i < sweep->n_entries && product <= IV_SPEC_MAX_RUNS; i++) {
        product *= sweep->entries[i].node->n_entries;
    }
    return product <= IV_SPEC_MAX_RUNS ? product : IV_SPEC_MAX_RUNS + 1;
}

/* The key of a run at row k of the schema if it stands instead of one of training's, else NULL. */
static const char *instead_at(const iv_schema *schema, size_t k) {
    const iv_key *key = &schema->keys[k];
    return key->flags & IV_KEY_INSTEAD ? key->path + strlen("runs[].") : NULL;
}

static bool is_instead(const iv_schema *schema, const char *key) {
    for (size_t k = 0; k < schema->n_keys; k++) {
        const char *name = instead_at(schema, k);
        if (name && strcmp(key, name) == 0) return true;
    }
    return false;
}

typedef struct {
    const char *all;     /* "-depth2-learning_rate0.1" */
    const char *compare; /* the same without keys that stand instead of training's */
} name_suffix;

/* `map` with combination `index` of `sweep` in place, and what it adds to names. */
static iv_status apply(spec_context *context, const iv_schema *schema, const iv_node *map,
                       const iv_node *sweep, size_t index, const iv_node **result,
                       name_suffix *suffix) {
    size_t stride = combinations(sweep);
    *result = map;
    *suffix = (name_suffix){"", ""};
    for (size_t i = 0; sweep && i < sweep->n_entries; i++) {
        const spec_entry *entry = &sweep->entries[i];
        stride /= entry->node->n_entries;
        const iv_node *value = entry->node->entries[index / stride % entry->node->n_entries].node;
        iv_node *changed;
        iv_status status = with_value(context, *result, entry->key, value, &changed);
        if (status != IV_OK) return status;
        *result = changed;

        const char *dot = strrchr(entry->key, '.');
        const char *key = value->type == SPEC_TEXT ? "" : dot ? dot + 1 : entry->key;
        const char *text = spec_scalar_text(context, value);
        suffix->all = spec_format(context, "%s-%s%s", suffix->all, key, text);
        if (!suffix->all) return IV_ENOMEM;
        if (is_instead(schema, entry->key)) continue;
        suffix->compare = spec_format(context, "%s-%s%s", suffix->compare, key, text);
        if (!suffix->compare) return IV_ENOMEM;
    }
    return IV_OK;
}

static iv_status add_run(spec_context *context, const iv_schema *schema, const iv_node *run,
                         name_suffix run_suffix, const iv_node *configuration, const char *suffix,
                         iv_spec_run *out) {
    const iv_node *config = configuration;
    iv_node *changed;
    iv_status status;
    for (size_t k = 0; k < schema->n_keys; k++) {
        const char *name = instead_at(schema, k);
        const iv_node *own = name ? spec_at(run, name) : NULL;
        if (!own) continue;
        char path[64];
        snprintf(path, sizeof path, "training.%s", name);
        status = with_value(context, config, path, own, &changed);
        if (status != IV_OK) return status;
        config = changed;
    }
    iv_node *own = clone_map(context, run, 0);
    if (!own) return IV_ENOMEM;
    drop(own, "sweep");
    status = with_value(context, config, "run", own, &changed);
    if (status != IV_OK) return status;

    const char *base = spec_at(run, "name")->text;
    out->name = spec_format(context, "%s%s%s", base, run_suffix.all, suffix);
    out->base = base;
    out->column = spec_format(context, "%s%s", base, run_suffix.compare);
    out->variant = suffix + (*suffix == '-');
    out->config = changed;
    if (!out->name || !out->column) return IV_ENOMEM;
    if (strlen(out->name) > LONGEST_RUN_NAME) {
        return spec_fail(context, run->mark,
                         "a swept run would be named `%s`, expected at most %d characters: sweep "
                         "fewer keys at once",
                         spec_shown(context, out->name), LONGEST_RUN_NAME);
    }
    return IV_OK;
}

static int by_name(const void *a, const void *b) {
    return strcasecmp((*(const iv_spec_run *const *)a)->name,
                      (*(const iv_spec_run *const *)b)->name);
}

/* Names become names of files, of which some file systems take no notice of capitals. */
static iv_status check_names_differ(spec_context *context, const iv_node *runs,
                                    const iv_spec_expansion *expansion) {
    const iv_spec_run **sorted = spec_allocate(context, expansion->n_runs * sizeof *sorted);
    if (!sorted) return IV_ENOMEM;
    for (size_t i = 0; i < expansion->n_runs; i++) sorted[i] = &expansion->runs[i];
    qsort(sorted, expansion->n_runs, sizeof *sorted, by_name);
    for (size_t i = 1; i < expansion->n_runs; i++) {
        if (by_name(&sorted[i - 1], &sorted[i]) != 0) continue;
        size_t first = sorted[i - 1]->base_index, second = sorted[i]->base_index;
        const iv_node *run = runs->entries[first > second ? first : second].node;
        return spec_fail(context, spec_at(run, "name")->mark,
                         "two runs are named `%s`%s, expected a name of its own for each",
                         spec_shown(context, sorted[i]->name),
                         strcmp(sorted[i - 1]->name, sorted[i]->name) ? " but for capitals" : "");
    }
    return IV_OK;
}

static iv_status count_runs(spec_context *context, const iv_node *root, const iv_node *runs,
                            iv_spec_expansion *expansion) {
    const iv_node *sweep = spec_at(root, "sweep");
    size_t n_runs = 0;
    const iv_node *largest = sweep;
    expansion->n_configurations = combinations(sweep);
    for (size_t i = 0; i < runs->n_entries && n_runs <= IV_SPEC_MAX_RUNS; i++) {
        const iv_node *run_sweep = spec_at(runs->entries[i].node, "sweep");
        n_runs += combinations(run_sweep);
        if (run_sweep && n_runs > IV_SPEC_MAX_RUNS) largest = run_sweep;
    }
    if (n_runs > IV_SPEC_MAX_RUNS || expansion->n_configurations > IV_SPEC_MAX_RUNS ||
        n_runs * expansion->n_configurations > IV_SPEC_MAX_RUNS) {
        return spec_fail(context, largest ? largest->mark : runs->mark,
                         "the sweeps give more than %d runs, expected fewer values or keys",
                         IV_SPEC_MAX_RUNS);
    }
    expansion->n_runs = n_runs * expansion->n_configurations;
    return IV_OK;
}

iv_status spec_expand_within(spec_context *context, const iv_schema *schema, const iv_node *root,
                             iv_spec_expansion *expansion) {
    const iv_node *runs = spec_at(root, "runs"), *sweep = spec_at(root, "sweep");
    iv_status status = count_runs(context, root, runs, expansion);
    if (status != IV_OK) return status;
    expansion->runs = spec_allocate(context, expansion->n_runs * sizeof *expansion->runs);
    iv_node *common = clone_map(context, root, 0);
    if (!expansion->runs || !common) return IV_ENOMEM;
    drop(common, "runs");
    drop(common, "sweep");

    iv_spec_run *out = expansion->runs;
    for (size_t c = 0; c < expansion->n_configurations; c++) {
        const iv_node *configuration;
        name_suffix suffix, run_suffix;
        status = apply(context, schema, common, sweep, c, &configuration, &suffix);
        if (status != IV_OK) return status;
        for (size_t i = 0; i < runs->n_entries; i++) {
            const iv_node *written = runs->entries[i].node, *run;
            const iv_node *run_sweep = spec_at(written, "sweep");
            size_t n_variants = combinations(run_sweep);
            for (size_t v = 0; v < n_variants; v++, out++) {
                status = apply(context, schema, written, run_sweep, v, &run, &run_suffix);
                if (status != IV_OK) return status;
                out->base_index = i;
                out->configuration = c;
                status = add_run(context, schema, run, run_suffix, configuration, suffix.all, out);
                if (status != IV_OK) return status;
            }
        }
    }
    return check_names_differ(context, runs, expansion);
}

iv_status iv_spec_expand(const iv_spec *spec, iv_spec_expansion *expansion, iv_error *error) {
    iv_error local = {0};
    *expansion = (iv_spec_expansion){0};
    spec_arena *arena = calloc(1, sizeof *arena);
    if (!arena) return iv_fail(error, IV_ENOMEM, "out of memory for the runs of the spec");
    spec_context context = {.arena = arena, .file = "spec", .error = error ? error : &local};
    expansion->memory = arena;
    const iv_numeric numeric = iv_numeric_begin();
    iv_status status = spec_expand_within(&context, spec->schema, spec->root, expansion);
    iv_numeric_end(numeric);
    if (status != IV_OK) iv_spec_expansion_release(expansion);
    return status;
}

void iv_spec_expansion_release(iv_spec_expansion *expansion) {
    if (expansion->memory) {
        spec_arena_release(expansion->memory);
        free(expansion->memory);
    }
    *expansion = (iv_spec_expansion){0};
}
