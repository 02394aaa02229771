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

static int run(int argc, char **argv) {
    const char *study = NULL;
    bool markdown = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--markdown") == 0) {
            markdown = true;
        } else if (argv[i][0] == '-' || study) {
            return cli_usage_error(&cli_spec, "unexpected argument \"%s\"", argv[i]);
        } else {
            study = argv[i];
        }
    }
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

const cli_command cli_spec = {
    "spec", "list the keys that specs may have, and the metrics",
    "usage: invar spec [STUDY] [--markdown]\n\n"
    "List every key of a study's specs with its values, default, meaning and the runs that it is "
    "for, and\n"
    "every metric; of all studies if none is named. --markdown prints tables (docs/keys.md).\n",
    run};
