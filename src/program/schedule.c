/* What several devices take for a run, by simulation: each takes the longest population that is left,
 * as processes that join do. */
#include "program/program.h"

#include <stdlib.h>

static int longest_first(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

iv_status iv_schedule(const double *seconds, size_t n, size_t n_devices, double *longest,
                      iv_error *error) {
    *longest = 0;
    if (n_devices == 0) return iv_fail(error, IV_EINVAL, "a schedule needs a device");
    if (n_devices > n) n_devices = n;
    double *left = malloc((n + 1) * sizeof *left), *busy = calloc(n_devices + 1, sizeof *busy);
    const bool enough = left && busy;
    for (size_t i = 0; i < n && enough; i++) left[i] = seconds[i];
    if (enough) qsort(left, n, sizeof *left, longest_first);
    for (size_t i = 0; i < n && enough; i++) {
        size_t first = 0; /* to be free */
        for (size_t k = 1; k < n_devices; k++)
            if (busy[k] < busy[first]) first = k;
        busy[first] += left[i];
        if (busy[first] > *longest) *longest = busy[first];
    }
    free(left);
    free(busy);
    return enough ? IV_OK : iv_fail(error, IV_ENOMEM, "out of memory for a schedule");
}
