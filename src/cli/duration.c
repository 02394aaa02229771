/* Durations as people and batch systems write them. */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

bool cli_duration_read(const char *text, double *seconds) {
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    char *end;
    if (!(*text >= '0' && *text <= '9') && *text != '.') return false;
    const double number = strtod(text, &end);
    if (strspn(text, "0123456789.") != (size_t)(end - text)) return false; /* no 1e3, no 0x10 */
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].unit) == 0) {
            *seconds = number * units[i].seconds;
            return *seconds > 0 && *seconds < 1e8;
        }
    return false;
}
