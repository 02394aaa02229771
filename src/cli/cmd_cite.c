/* invar cite: what to cite, as BibTeX. */
#include "cli/cli.h"

#include "runtime/open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What is to be cited: a bit for each study and image set of the tables. */
enum { MOST = 32 };
typedef struct {
    bool studies[MOST], sets[MOST];
} chosen;

static void choose_set(chosen *c, const char *name) {
    for (size_t i = 0; iv_dataset_info_get(i) && i < MOST; i++)
        if (strcmp(iv_dataset_info_get(i)->name, name) == 0) c->sets[i] = true;
}

static void choose_study(chosen *c, const char *name) {
    for (size_t i = 0; iv_study_schema(i) && i < MOST; i++)
        if (strcmp(iv_study_schema(i)->study, name) == 0) c->studies[i] = true;
}

static bool is_known(const char *name) {
    return iv_schema_find(iv_study_schema, name) || iv_dataset_info_find(name);
}

/* ------------------------------------------------------------------ of a spec */

static void choose_of_config(chosen *c, const iv_node *config) {
    if (iv_spec_has(config, "dataset.name")) choose_set(c, iv_spec_string(config, "dataset.name"));
    if (!iv_spec_has(config, "metrics.drift")) return;
    for (size_t i = 0; i < iv_spec_length(config, "metrics.drift"); i++)
        choose_set(c, iv_spec_string(iv_spec_element(config, "metrics.drift", i), ""));
}

/* `word` names a run directory, a spec file, or a spec that comes with Invar. */
static iv_status find_spec(const char *word, char **path, iv_error *error) {
    struct stat facts;
    if (stat(word, &facts) != 0 || !S_ISDIR(facts.st_mode))
        return iv_named_spec_find(word, path, error);
    *path = iv_path_join(word, "spec.yaml");
    return *path ? IV_OK : iv_fail(error, IV_ENOMEM, "out of memory");
}

static iv_status choose_of_spec(chosen *c, const char *word, iv_error *error) {
    char *path = NULL;
    iv_spec *spec = NULL;
    iv_spec_expansion runs = {0};
    iv_status status = find_spec(word, &path, error);
    if (status == IV_OK) status = iv_spec_load(path, NULL, 0, iv_study_schema, &spec, error);
    if (status == IV_OK) status = iv_spec_expand(spec, &runs, error);
    if (status == IV_OK) choose_study(c, iv_spec_schema(spec)->study);
    for (size_t i = 0; i < runs.n_runs; i++) choose_of_config(c, runs.runs[i].config);
    iv_spec_expansion_release(&runs);
    iv_spec_destroy(spec);
    free(path);
    return status;
}

/* ------------------------------------------------------------------ printing */

static void print_invar(void) {
    printf("@software{invar,\n"
           "  author  = {{The Invar developers}},\n"
           "  title   = {Invar: invariance in neural networks, trained and audited on {OpenCL}},\n"
           "  version = {%s},\n"
           "  note    = {commit %s}\n"
           "}\n",
           iv_version(), iv_commit());
}

static void print_reference(const char *reference) {
    if (reference) printf("\n%s", reference);
}

static int run(const cli_arguments *arguments) {
    chosen c = {0};
    iv_error error = {0};
    for (size_t i = 0; i < MOST && arguments->n_words == 0; i++) c.studies[i] = c.sets[i] = true;
    for (size_t i = 0; i < arguments->n_words; i++) {
        const char *word = arguments->words[i];
        choose_study(&c, word);
        choose_set(&c, word);
        if (!is_known(word) && choose_of_spec(&c, word, &error) != IV_OK) return cli_fail(&error);
    }
    print_invar();
    for (size_t i = 0; i < MOST && iv_study_schema(i); i++)
        if (c.studies[i]) print_reference(iv_study_schema(i)->reference);
    for (size_t i = 0; i < MOST && iv_dataset_info_get(i); i++)
        if (c.sets[i]) print_reference(iv_dataset_info_get(i)->reference);
    return 0;
}

static const cli_option options[] = {CLI_END};

const cli_command cli_cite = {
    .name = "cite",
    .summary = "print what to cite, as BibTeX",
    .synopsis = "[STUDY|DATASET|SPEC|RUN...]",
    .description =
        "Print BibTeX entries of Invar and of what is named: a study's paper, a published image "
        "set,\n"
        "or both of those that a spec or a run directory uses. Without a name, of all there are.\n",
    .notes = "Exit status: 0; 2 if there is nothing of that name, or a spec is not valid.\n",
    .most_words = 64,
    .options = options,
    .run = run,
};
