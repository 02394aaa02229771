/* One reader under libFuzzer, which INVAR_FUZZ names. tools/fuzz.py builds it with clang, runs it for each reader and
 * puts into tests/fuzz/corpus what `readers` of ./check reads; by hand, after that:
 *
 *   INVAR_FUZZ=png build-fuzz/tests/fuzz/fuzz -max_total_time=3600 .cache/fuzz/png tests/fuzz/corpus/png */
#include "readers.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static const reader *chosen;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    const char *name = getenv("INVAR_FUZZ");
    (void)argc;
    (void)argv;
    for (size_t i = 0; i < n_readers && name; i++)
        if (strcmp(readers[i].name, name) == 0) chosen = &readers[i];
    if (chosen) return 0;
    fputs("INVAR_FUZZ is to name one of:", stderr);
    for (size_t i = 0; i < n_readers; i++) fprintf(stderr, " %s", readers[i].name);
    fputc('\n', stderr);
    exit(2);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    chosen->read(bytes, n);
    return 0;
}
