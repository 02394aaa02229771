/* The schema as documentation. */
#include "spec/node.h"
#include "spec/schema.h"

#include <string.h>

static const char *condition(const spec_key *key) {
    if (key->flags & KEY_REQUIRED) return "required";
    if (key->flags & KEY_OPTIONAL) return "optional";
    return NULL;
}

static void describe_key(const spec_schema *schema, const spec_key *key, FILE *out) {
    size_t length = strlen(key->path);
    if (strcmp(key->path + length - 2, "[]") == 0) return; /* told with the list */
    char expects[640];
    spec_key_expects(schema, key, expects, sizeof expects);
    fprintf(out, "\n%s%s\n    %s; %s", key->path, key->flags & KEY_SWEEPABLE ? " *" : "", key->doc,
            expects);
    if (condition(key)) fprintf(out, "; %s", condition(key));
    if (key->preset) fprintf(out, "; default %s", key->preset);
    fprintf(out, "\n");
}

void iv_spec_describe(FILE *out) {
    const spec_schema *schema = &spec_builtin_schema;
    const char *studies = spec_key_find(schema, "study", STUDY_ALL)->choices;
    char study[64];
    fprintf(out,
            "Keys of a spec. `--set KEY=VALUE` overrides one; elements of a list are KEY.0, KEY.1, "
            "...\nKeys marked * may be listed in `sweep` (those of runs in the run's own).\n\n"
            "In every study:\n");
    for (size_t k = 0; k < schema->n_keys; k++) {
        if (schema->keys[k].studies == STUDY_ALL) describe_key(schema, &schema->keys[k], out);
    }
    for (size_t i = 0; spec_choice(studies, i, study, sizeof study); i++) {
        fprintf(out, "\nIn the study %s:\n", study);
        for (size_t k = 0; k < schema->n_keys; k++) {
            int studies_of_key = schema->keys[k].studies;
            if (studies_of_key != STUDY_ALL && (studies_of_key & spec_study_bit(study))) {
                describe_key(schema, &schema->keys[k], out);
            }
        }
    }
}
