#include "runtime/numeric.h"

/* Without memory for it the locale stays as it is; the C library has this one at hand. */
iv_numeric iv_numeric_begin(void) {
    iv_numeric numeric = {.plain = newlocale(LC_ALL_MASK, "C", (locale_t)0)};
    if (numeric.plain) numeric.before = uselocale(numeric.plain);
    return numeric;
}

void iv_numeric_end(iv_numeric numeric) {
    if (!numeric.plain) return;
    uselocale(numeric.before);
    freelocale(numeric.plain);
}
