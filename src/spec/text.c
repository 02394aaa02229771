/* Numbers as text, and how near two words are. */
#include "spec/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void spec_number_text(double number, char *buffer) {
    int decimals = 0;
    do { /* 17 digits always suffice for a double */
        snprintf(buffer, 32, "%.*e", decimals, number);
    } while (strtod(buffer, NULL) != number && ++decimals < 17);

    int exponent = atoi(strchr(buffer, 'e') + 1);
    if (exponent >= -4 && exponent < 15) { /* 10 rather than 1e+01 */
        snprintf(buffer, 32, "%.*f", decimals > exponent ? decimals - exponent : 0, number);
    }
}

size_t spec_distance(const char *a, const char *b) {
    enum { LONGEST = 64 };
    size_t n = strlen(a), m = strlen(b);
    if (n > LONGEST || m > LONGEST) return SIZE_MAX;

    /* Three rows of the optimal string alignment table: the last two are needed for transpositions.
     */
    size_t rows[3][LONGEST + 1];
    for (size_t j = 0; j <= m; j++) rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = rows[i % 3];
        const size_t *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t least = before[j - 1] + (a[i - 1] != b[j - 1]);
            if (before[j] + 1 < least) least = before[j] + 1;
            if (now[j - 1] + 1 < least) least = now[j - 1] + 1;
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && earlier[j - 2] + 1 < least) least = earlier[j - 2] + 1;
            now[j] = least;
        }
    }
    return rows[n % 3][m];
}

bool spec_nearer(const char *text, const char *candidate, size_t *best) {
    size_t distance = spec_distance(text, candidate);
    size_t length = strlen(candidate);
    size_t tolerated = length <= 3 ? 1 : length <= 6 ? 2 : length / 3;
    if (distance > tolerated || distance >= *best || distance >= length) return false;
    *best = distance;
    return true;
}
