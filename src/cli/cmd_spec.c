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

static int run(const cli_arguments *arguments) {
    const char *study = arguments->n_words ? arguments->words[0] : NULL;
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
    CLI_END,
};

const cli_command cli_spec = {
    .name = "spec",
    .summary = "list the keys that specs may have, and the metrics",
    .synopsis = "[STUDY] [--markdown]",
    .description =
        "List every key of a study's specs with its values, default, meaning and the runs that it\n"
        "is for, and every metric; of all studies if none is named.\n",
    .notes = "Exit status: 0; 2 if there is no such study.\n",
    .most_words = 1,
    .options = options,
    .run = run,
};
