/* A study's schema as documentation, for terminals and as Markdown. */
#include "spec/schema.h"

#include <string.h>

typedef struct {
    char values[768]; /* "integer in [1, 10]" */
    char preset[64];  /* "required", "optional" or the default */
    char meaning[640];
    char conditions[384]; /* "only for method sgpr, not for estimate point" */
} key_text;

/* ------------------------------------------------------------------ in words */

/* "one of a, b" reads "a, b" in a column of values, "an integer" reads "integer". */
static void tell_values(const iv_schema *study, const spec_schema *schema, const iv_key *key,
                        char *buffer, size_t size) {
    static const char *const heads[] = {"one of ", "an ", "a "};
    char expects[640], choice[64];
    spec_key_expects(schema, key, expects, sizeof expects);
    const char *rest = expects;
    for (size_t i = 0; rest == expects && i < sizeof heads / sizeof heads[0]; i++) {
        size_t length = strlen(heads[i]);
        if (strncmp(expects, heads[i], length) == 0) rest += length;
    }
    if (key->type == IV_KEY_ENUM && !spec_choice(schema, key, 0, choice, sizeof choice))
        rest = study->study; /* of the key `study` this one */
    snprintf(buffer, size, "%s", rest);
}

/* What the key means; of a list of values also what these mean. */
static void tell_meaning(const spec_schema *schema, const iv_key *key, char *buffer, size_t size) {
    char path[128];
    snprintf(path, sizeof path, "%s[]", key->path);
    const iv_key *element = spec_key_find(schema, path);
    bool told = element && element->type != IV_KEY_MAP;
    snprintf(buffer, size, "%s%s%s", key->doc, told ? ": " : "", told ? element->doc : "");
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
        for (size_t i = 0; used < size && spec_word(condition.words, i, word, sizeof word); i++) {
            char next[64];
            bool last = !spec_word(condition.words, i + 1, next, sizeof next);
            used += (size_t)snprintf(buffer + used, size - used, "%s%s",
                                     i == 0 ? ""
                                     : last ? " or "
                                            : ", ",
                                     word);
        }
    }
}

static key_text tell(const iv_schema *study, const spec_schema *schema, const iv_key *key) {
    key_text text;
    tell_values(study, schema, key, text.values, sizeof text.values);
    tell_meaning(schema, key, text.meaning, sizeof text.meaning);
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
        key_text text = tell(study, schema, key);
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
        key_text text = tell(study, schema, key);
        fprintf(out, "| `%s`%s | ", key->path, key->flags & IV_KEY_SWEEPABLE ? " \\*" : "");
        put_cell(out, text.values);
        fprintf(out, " | %s | ", text.preset);
        put_cell(out, text.meaning);
        if (*text.conditions) fprintf(out, " (%s)", text.conditions);
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
