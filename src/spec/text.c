/* Numbers as text; how near two words are is the runtime's. */
#include "spec/node.h"

#include "runtime/text.h"

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
    return iv_word_distance(a, b);
}

bool spec_nearer(const char *text, const char *candidate, size_t *best) {
    return iv_word_nearer(text, candidate, best);
}
