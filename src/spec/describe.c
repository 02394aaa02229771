/* A study's schema as documentation, for terminals and as Markdown. */
#include "spec/schema.h"

#include <string.h>

typedef struct {
    char values[768];     /* "an integer in [1, 10]" */
    char preset[64];      /* "required", "optional" or the default */
    char conditions[384]; /* "only for method sgpr, not for estimate point" */
} key_text;

/* ------------------------------------------------------------------ in words */

/* "one of a, b" reads "a, b" in a column of values. */
static void tell_values(const spec_schema *schema, const iv_key *key, char *buffer, size_t size) {
    char expects[640];
    spec_key_expects(schema, key, expects, sizeof expects);
    const char *rest = strncmp(expects, "one of ", 7) == 0 ? expects + 7 : expects;
    bool single = key->type == IV_KEY_ENUM && rest == expects;
    snprintf(buffer, size, "%s%s", single ? "only " : "", rest);
}

static void tell_conditions(const iv_key *key, char *buffer, size_t size) {
    const char *text = key->only_if;
    size_t used = 0;
    buffer[0] = '\0';
    while (text && used < size) {
        spec_condition condition;
        char word[64];
        text = spec_condition_next(text, &condition);
        used +=
            (size_t)snprintf(buffer + used, size - used, "%s%s for %s ", used ? ", " : "",
                             condition.negated ? "not" : "only", spec_condition_name(&condition));
        for (size_t i = 0; used < size && spec_word(condition.words, i, word, sizeof word); i++)
            used += (size_t)snprintf(buffer + used, size - used, "%s%s", i ? " or " : "", word);
    }
}

static key_text tell(const spec_schema *schema, const iv_key *key) {
    key_text text;
    tell_values(schema, key, text.values, sizeof text.values);
    tell_conditions(key, text.conditions, sizeof text.conditions);
    snprintf(text.preset, sizeof text.preset, "%s",
             key->flags & IV_KEY_REQUIRED   ? "required"
             : key->flags & IV_KEY_OPTIONAL ? "optional"
             : key->preset                  ? key->preset
                                            : "");
    return text;
}

/* Elements of lists are told with their lists, unless they are maps: those only hold keys. */
static bool is_told(const iv_key *key) {
    size_t length = strlen(key->path);
    return strcmp(key->path + length - 2, "[]") != 0;
}

static void tell_metric(const iv_metric_def *metric, char *buffer, size_t size) {
    snprintf(buffer, size, "%s%s%s%s%s",
             metric->flags & IV_METRIC_ASKED ? "listed in `metrics.names`; " : "",
             metric->flags & IV_METRIC_PUBLISHED ? "may be `published`" : "",
             metric->flags & IV_METRIC_PUBLISHED && metric->range ? " in " : "",
             metric->flags & IV_METRIC_PUBLISHED && metric->range ? metric->range : "",
             metric->flags & IV_METRIC_CURVE_ONLY ? "in `metrics.jsonl` alone" : "");
    size_t length = strlen(buffer);
    if (length > 2 && strcmp(buffer + length - 2, "; ") == 0) buffer[length - 2] = '\0';
}

/* ------------------------------------------------------------------ plain text */

static void describe_plain(const iv_schema *study, const spec_schema *schema, FILE *out) {
    const iv_metric_def *metric;
    fprintf(out, "%s: %s\n\nKeys (* may be listed in `sweep`, those of runs in the run's own):\n",
            study->study, study->title);
    for (size_t k = 0; k < schema->n_keys; k++) {
        const iv_key *key = &schema->keys[k];
        if (!is_told(key)) continue;
        key_text text = tell(schema, key);
        bool is_default = !(key->flags & (IV_KEY_REQUIRED | IV_KEY_OPTIONAL)) && *text.preset;
        fprintf(out, "\n%s%s\n    %s\n    %s", key->path, key->flags & IV_KEY_SWEEPABLE ? " *" : "",
                key->doc, text.values);
        if (*text.preset) fprintf(out, "; %s%s", is_default ? "default " : "", text.preset);
        if (*text.conditions) fprintf(out, "; %s", text.conditions);
        fprintf(out, "\n");
    }
    fprintf(out, "\nMetrics:\n");
    for (size_t i = 0; (metric = study->metric(i)); i++) {
        char use[160];
        tell_metric(metric, use, sizeof use);
        fprintf(out, "\n%s\n    %s%s%s\n", metric->name, metric->doc, *use ? "; " : "", use);
    }
}

/* ------------------------------------------------------------------ Markdown */

/* A cell of a table: a bar would end it. */
static void put_cell(FILE *out, const char *text) {
    for (; *text; text++) {
        if (*text == '|') fputc('\\', out);
        fputc(*text, out);
    }
}

static void describe_markdown(const iv_schema *study, const spec_schema *schema, FILE *out) {
    const iv_metric_def *metric;
    fprintf(out,
            "## %s\n\n%s.\n\n| key | values | default | meaning |\n| --- | --- | --- | --- |\n",
            study->study, study->title);
    for (size_t k = 0; k < schema->n_keys; k++) {
        const iv_key *key = &schema->keys[k];
        if (!is_told(key)) continue;
        key_text text = tell(schema, key);
        fprintf(out, "| `%s`%s | ", key->path, key->flags & IV_KEY_SWEEPABLE ? " \\*" : "");
        put_cell(out, text.values);
        fprintf(out, " | %s | ", text.preset);
        put_cell(out, key->doc);
        if (*text.conditions) fprintf(out, "; %s", text.conditions);
        fprintf(out, " |\n");
    }
    fprintf(out, "\n| metric | in tables | meaning | use |\n| --- | --- | --- | --- |\n");
    for (size_t i = 0; (metric = study->metric(i)); i++) {
        char use[160];
        tell_metric(metric, use, sizeof use);
        fprintf(out, "| `%s` | ", metric->name);
        put_cell(out, metric->label);
        fprintf(out, " | ");
        put_cell(out, metric->doc);
        fprintf(out, " | %s |\n", use);
    }
}

void iv_schema_describe(const iv_schema *study, bool markdown, FILE *out) {
    spec_schema schema = spec_schema_of(study, NULL);
    if (markdown)
        describe_markdown(study, &schema, out);
    else
        describe_plain(study, &schema, out);
}
