/* Everything that reads bytes from elsewhere, as functions of bytes: for libFuzzer, and for a test
 * that tries a few thousand mutants of good files. */
#ifndef INVAR_TESTS_FUZZ_READERS_H
#define INVAR_TESTS_FUZZ_READERS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct {
    const char *name;
    void (*read)(const uint8_t *bytes, size_t n);
    void (*write)(FILE *good); /* a good file, to begin from */
} reader;

extern const reader readers[];
extern const size_t n_readers;

#endif
