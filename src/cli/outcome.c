/* What came out, as people read it. */
#include "cli/cli.h"

#include "runtime/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* NO_COLOR: https://no-color.org */
static bool has_colours(void) {
    const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) == 1 && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

void cli_print_claims(iv_results *results) {
    const bool coloured = has_colours();
    for (size_t i = 0; i < results->n_claims; i++) {
        const iv_claim *claim = &results->claims[i];
        iv_tame(claim->claim); /* they may come from somebody else's file */
        iv_tame(claim->evidence);
        printf("%s%-14s%s %s\n%15s%s\n",
               !coloured      ? ""
               : claim->holds ? "\033[32m"
                              : "\033[31m",
               claim->holds ? "holds" : "does not hold", coloured ? "\033[m" : "", claim->claim, "",
               claim->evidence);
    }
}

iv_status cli_print_outcome(const char *dir, iv_results *results, iv_error *error) {
    char *table = NULL;
    const iv_status status = iv_table_format_results(results, IV_TABLE_TEXT, &table, error);
    if (status == IV_OK) {
        printf("\n%s\n", table);
        cli_print_claims(results);
        printf("\nresults: %s (report.html, results.json, metrics.jsonl, models/, figures/)\n",
               dir);
    }
    free(table);
    return status;
}
