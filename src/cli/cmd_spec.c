/* invar spec: the keys and metrics of each study, as its schema declares them. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static const char markdown_head[] =
    "# Keys and metrics\n\n"
    "What specs may say, and what is measured, study by study. This file is the output of `invar "
    "spec --markdown`.\n\n"
    "`--set KEY=VALUE` changes a key; elements of a list are found by index or by name "
    "(`runs.0.nu`, `runs.IR.nu`). Keys marked \\* may be listed in `sweep`, those of `runs[]` in "
    "the run's own. A key with \"only for\" or \"not for\" has to keep its default, if it is one "
    "of `runs[]`, in runs that it is not for, and is not swept over them.\n";

static void describe_all(bool markdown) {
    const iv_schema *schema;
    if (markdown) fputs(markdown_head, stdout);
    for (size_t i = 0; (schema = iv_study_schema(i)); i++) {
        if (i > 0 || markdown) putchar('\n');
        iv_schema_describe(schema, markdown, stdout);
    }
}

void cli_print_specs(FILE *out) {
    iv_error error = {0};
    iv_named_specs specs;
    size_t width = 0;
    if (iv_named_specs_list(&specs, &error) != IV_OK) return;
    for (size_t i = 0; i < specs.n; i++)
        if (strlen(specs.items[i].name) > width) width = strlen(specs.items[i].name);
    if (specs.n > 0) fprintf(out, "\nSpecs that come with Invar:\n\n");
    for (size_t i = 0; i < specs.n; i++) {
        const iv_named_spec *spec = &specs.items[i];
        fprintf(out, "    %-*s  %.*s\n", (int)width, spec->name,
                (int)cli_fit(spec->title, width + 6), spec->title);
    }
    iv_named_specs_clear(&specs);
}

/* Names alone, for scripts. */
static int print_names(void) {
    iv_error error = {0};
    iv_named_specs specs;
    if (iv_named_specs_list(&specs, &error) != IV_OK) return cli_fail(&error);
    for (size_t i = 0; i < specs.n; i++) puts(specs.items[i].name);
    iv_named_specs_clear(&specs);
    return 0;
}

static int run(const cli_arguments *arguments) {
    const char *study = arguments->n_words ? arguments->words[0] : NULL;
    if (cli_has(arguments, "names")) return print_names();
    const bool markdown = cli_has(arguments, "markdown");
    const iv_schema *schema = study ? iv_schema_find(iv_study_schema, study) : NULL;
    if (study && !schema) {
        char names[256] = "";
        const iv_schema *other;
        for (size_t i = 0, used = 0; (other = iv_study_schema(i)) && used < sizeof names; i++)
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                                     other->study);
        return cli_usage_error(&cli_spec, "there is no study \"%s\", expected one of %s", study,
                               names);
    }
    if (schema)
        iv_schema_describe(schema, markdown, stdout);
    else
        describe_all(markdown);
    return 0;
}

static const cli_option options[] = {
    {"markdown", NULL, "print tables, as in docs/keys.md"},
    {"names", NULL, "print the names of the specs that come with Invar instead"},
    CLI_END,
};

const cli_command cli_spec = {
    .name = "spec",
    .summary = "list the keys that specs may have, and the metrics",
    .synopsis = "[STUDY] [--markdown]\n--names",
    .description =
        "List every key of a study's specs with its values, default, meaning and the runs that it\n"
        "is for, and every metric; of all studies if none is named.\n",
    .notes = "Exit status: 0; 2 if there is no such study.\n",
    .most_words = 1,
    .options = options,
    .run = run,
};
