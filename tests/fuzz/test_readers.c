/* A few thousand mutants of good files for every reader, and what libFuzzer found of each that goes a
 * way of its own (tests/fuzz/corpus): none crashes one, and every refusal has a message. The short form
 * of tests/fuzz/fuzz.c. `test_readers DIR` writes the good files instead. */
#include "../kit/files.h"

#include "readers.h"

#include <invar/random.h>

#include <dirent.h>

enum { MUTANTS = 1500, MOST_BYTES = 1 << 16, MOST_CHANGES = 4 };

static uint8_t *good_file(const reader *r, size_t *n) {
    uint8_t *bytes = calloc(1, MOST_BYTES);
    FILE *file = tmpfile();
    assert_non_null(bytes);
    assert_non_null(file);
    r->write(file);
    rewind(file);
    *n = fread(bytes, 1, MOST_BYTES / 2, file);
    fclose(file);
    assert_true(*n > 0);
    return bytes;
}

/* Flip a bit, set a byte, cut the end, take a part out, or double one. */
static size_t change(uint8_t *bytes, size_t n, const uint32_t words[4]) {
    static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff, '"', '[', '9'};
    const size_t at = n > 0 ? words[1] % n : 0, most = n - at;
    const size_t part = most > 0 ? 1 + words[2] % (most < 16 ? most : 16) : 0;
    if (n == 0) return 0;
    switch (words[0] % 5) {
    case 0: bytes[at] ^= (uint8_t)(1u << words[2] % 8); return n;
    case 1: bytes[at] = values[words[2] % sizeof values]; return n;
    case 2: return at;
    case 3: memmove(bytes + at, bytes + at + part, most - part); return n - part;
    default:
        if (n + part > MOST_BYTES) return n;
        memmove(bytes + at + part, bytes + at, most);
        return n + part;
    }
}

static void mutants_are_read_or_refused_with_a_message(void **state) {
    (void)state;
    for (size_t i = 0; i < n_readers; i++) {
        size_t n;
        uint8_t *good = good_file(&readers[i], &n), *mutant = malloc(MOST_BYTES);
        assert_non_null(mutant);
        readers[i].read(good, n);
        for (uint32_t k = 0; k < MUTANTS; k++) {
            uint32_t words[4];
            size_t length = n;
            memcpy(mutant, good, n);
            iv_philox((uint32_t)i, IV_STREAM_TEST, k, 0, words);
            const uint32_t n_changes = 1 + words[3] % MOST_CHANGES;
            for (uint32_t c = 1; c <= n_changes; c++) {
                iv_philox((uint32_t)i, IV_STREAM_TEST, k, c, words);
                length = change(mutant, length, words);
            }
            readers[i].read(mutant, length);
        }
        free(mutant);
        free(good);
    }
}

static void what_libfuzzer_found_is_read_or_refused_with_a_message(void **state) {
    (void)state;
    for (size_t i = 0; i < n_readers; i++) {
        char folder[SCRATCH_PATH];
        size_t n_files = 0;
        snprintf(folder, sizeof folder, "%s/%s", CORPUS, readers[i].name);
        DIR *opened = opendir(folder);
        for (struct dirent *entry; opened && (entry = readdir(opened));) {
            if (entry->d_name[0] == '.') continue;
            size_t n;
            char *bytes = slurp(in(folder, entry->d_name), &n);
            readers[i].read((const uint8_t *)bytes, n);
            free(bytes);
            n_files++;
        }
        if (opened) closedir(opened);
        if (n_files == 0) fail_msg("there is no corpus for %s", readers[i].name);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutants_are_read_or_refused_with_a_message),
        cmocka_unit_test(what_libfuzzer_found_is_read_or_refused_with_a_message),
    };
    for (size_t i = 0; argc > 1 && i < n_readers; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%.900s/%s", argv[1], readers[i].name);
        FILE *file = fopen(path, "wb");
        if (!file) return 1;
        readers[i].write(file);
        fclose(file);
    }
    return argc > 1 ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
