/* Profiles as people read them. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>

void cli_print_profile(const iv_profile *profile, double seconds) {
    static const char line[] = "    %-40s %9zu %14.1f %6.1f%%\n";
    const double total = iv_profile_total(profile);
    iv_error error = {0};
    iv_profile_row *rows;
    size_t n_rows;
    if (iv_profile_sum(profile, &rows, &n_rows, &error) != IV_OK) {
        (void)cli_fail(&error);
        return;
    }
    printf("\n    %-40s %9s %14s %7s\n", "kernel", "launches", "microseconds", "share");
    for (size_t i = 0; i < n_rows; i++)
        printf(line, rows[i].label, rows[i].n_launches, rows[i].microseconds,
               total > 0 ? 100 * rows[i].microseconds / total : 0);
    printf(line, "all, one after another", profile->n_events, total, 100.0);
    printf("    %-40s %9s %14.1f\n\n", "a run without events", "", 1e6 * seconds);
    fflush(stdout);
    free(rows);
}
