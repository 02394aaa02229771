/* How near two words are, text that is safe to show, and durations as people say them. */
#include "runtime/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

size_t iv_word_distance(const char *a, const char *b) {
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

bool iv_word_nearer(const char *text, const char *candidate, size_t *best) {
    size_t distance = iv_word_distance(text, candidate);
    size_t length = strlen(candidate);
    size_t tolerated = length <= 3 ? 1 : length <= 6 ? 2 : length / 3;
    if (distance > tolerated || distance >= *best || distance >= length) return false;
    *best = distance;
    return true;
}

void iv_tame(char *text) {
    for (unsigned char *s = (unsigned char *)text; *s; s++) {
        const bool one = (*s < 0x20 && *s != '\n' && *s != '\t') || *s == 0x7f;
        const bool two = *s == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0; /* U+0080 to U+009F */
        if (two) *s++ = '?';
        if (one || two) *s = '?';
    }
}

void iv_format_duration(double seconds, char *text, size_t size) {
    const double longest = 1e10;
    if (!(seconds > 0)) seconds = 0;
    /* Rounded before it is taken apart, or 59.7 s of the last minute would be 60 s. */
    const long long whole = (long long)((seconds < longest ? seconds : longest) + 0.5);
    const long long minutes = (whole + 30) / 60;
    if (whole >= 3600)
        snprintf(text, size, "%lld h %02lld min", minutes / 60, minutes % 60);
    else if (whole >= 60)
        snprintf(text, size, "%lld min %02lld s", whole / 60, whole % 60);
    else if (seconds > 0 && seconds < 9.95)
        snprintf(text, size, "%.1f s", seconds < 0.1 ? 0.1 : seconds);
    else
        snprintf(text, size, "%lld s", whole);
}
