/* An empty folder for each test, and writing, reading and comparing files without the code under
 * test. */
#ifndef INVAR_TESTS_KIT_FILES_H
#define INVAR_TESTS_KIT_FILES_H

#include "kit.h"

#include <sys/stat.h>
#include <unistd.h>

enum { SCRATCH_PATH = 1024 };

/* ------------------------------------------------------------------ folders */

/* The folder of the running test, between make_scratch and remove_scratch; also their *state. */
extern const char *scratch;

int make_scratch(void **state);
int remove_scratch(void **state);

#define SCRATCH_TEST(function)                                                                     \
    cmocka_unit_test_setup_teardown(function, make_scratch, remove_scratch)

/* A new folder for a test whose state is something else, and NAME in it. remove_folder removes the
 * files named so far and the folder, and fails if anything else was left behind. */
typedef struct {
    char path[SCRATCH_PATH / 2];
    char files[8][SCRATCH_PATH];
    size_t n_files;
} own_folder;

void make_folder(own_folder *f);
const char *in_folder(own_folder *f, const char *name);
void remove_folder(own_folder *f);

void remove_tree(const char *path);

/* FOLDER/NAME in one of a few static buffers, so that several can be used in one statement. */
const char *in(const char *folder, const char *name);
const char *in_scratch(void **state, const char *name);

bool exists(const char *path);
size_t count_entries(const char *folder);

/* ------------------------------------------------------------------ files */

void write_bytes(const char *path, const void *bytes, size_t n_bytes);
void spill(const char *path, const char *text);

/* The whole file, NUL-terminated, to free; the test fails if it is not there. n_bytes may be
 * NULL. */
char *slurp(const char *path, size_t *n_bytes);

/* ------------------------------------------------------------------ comparing */

/* Both files hold the same bytes. */
void assert_same_file(const char *a, const char *b);

/* Both folders hold files of the same names with the same bytes, but for those whose names
 * (without folders) are among `ignored` (up to a NULL). */
void assert_same_folder(const char *a, const char *b, const char *const *ignored);

/* The first difference that assert_same_folder would report: false if there is none. */
bool folders_differ(const char *a, const char *b, const char *const *ignored, char *difference,
                    size_t bytes);

#endif
