#include "locale.h"

/* Make a locale of the test's own, whose names of numbers are all that it has. localedef belongs to
 * the C library; it warns that the other categories are missing, and the status says so too. */
static void make_locale_with_a_comma(void) {
    char command[2 * SCRATCH_PATH];
    spill(in(scratch, "comma"), "LC_CTYPE\ncopy \"POSIX\"\nEND LC_CTYPE\n"
                                "LC_NUMERIC\ndecimal_point \"<U002C>\"\nthousands_sep \"\"\n"
                                "grouping -1\nEND LC_NUMERIC\n");
    snprintf(command, sizeof command,
             "cd '%s' && localedef -c --no-archive -i comma -f ANSI_X3.4-1968 ./xx_XX "
             ">/dev/null 2>&1",
             scratch);
    if (system(command) == -1) print_message("# no shell\n");
    setenv("LOCPATH", scratch, 1);
}

bool choose_decimal_comma(void) {
    const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    bool found = false;
    for (size_t i = 0; i < 4 && !found; i++) found = setlocale(LC_NUMERIC, names[i]) != NULL;
    if (!found) make_locale_with_a_comma();
    if (!found) found = setlocale(LC_NUMERIC, "xx_XX") != NULL;
    return found && strcmp(localeconv()->decimal_point, ",") == 0;
}
