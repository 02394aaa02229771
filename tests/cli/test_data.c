/* `invar data`: what it says of a data directory, what it writes there, and what it never touches. */
#include "../kit/process.h"

#include <zlib.h>

#define DATA(...) ARGUMENTS("data", __VA_ARGS__, "--data", in_scratch(state, "data"))

/* An IDX file of one image, which is no published one. */
static const unsigned char one_image[16 + 28 * 28] = {0, 0, 8, 3,  0, 0, 0, 1,
                                                      0, 0, 0, 28, 0, 0, 0, 28};

static int make_data(void **state) {
    if (make_scratch(state) != 0) return -1;
    assert_int_equal(mkdir(in_scratch(state, "data"), 0700), 0);
    assert_int_equal(mkdir(in_scratch(state, "data/mnist"), 0700), 0);
    assert_int_equal(mkdir(in_scratch(state, "mirror"), 0700), 0);
    assert_int_equal(mkdir(in_scratch(state, "mirror/mnist"), 0700), 0);
    return 0;
}

static void says(void **state, const char *const *arguments, int status, const char *part) {
    outcome o = invar_with(state, NULL, arguments);
    assert_status(&o, status);
    assert_contains(o.out, part);
    outcome_free(&o);
}

/* ------------------------------------------------------------------ list, verify */

static void a_list_says_what_is_there(void **state) {
    says(state, DATA("list"), 0, "mnist          missing");
    says(state, DATA("list"), 0, "data/mnist/; `invar data fetch mnist`");
    says(state, DATA("list"), 0, "digits         built in");
    write_bytes(in_scratch(state, "data/mnist/train-images-idx3-ubyte"), one_image,
                sizeof one_image);
    says(state, DATA("list"), 0, "mnist          1 of 4 files");
}

static void files_that_are_not_the_published_ones_are_told_apart(void **state) {
    invar_fails(state, DATA("verify"), 4, "holds no image set", NULL);
    write_bytes(in_scratch(state, "data/mnist/train-images-idx3-ubyte"), one_image,
                sizeof one_image);
    spill(in_scratch(state, "data/mnist/t10k-images-idx3-ubyte.gz"), "\x1f\x8bnot gzip");
    says(state, DATA("verify"), 4, "different  ");
    says(state, DATA("verify"), 4, "data/mnist/train-images-idx3-ubyte\n");
    says(state, DATA("verify"), 4, "damaged    ");
    says(state, DATA("verify"), 4, "missing    ");
    invar_fails(state, DATA("verify", "mnist"), 4, "2 files missing, 2 damaged",
                "`invar data fetch mnist`", "moved away first", NULL);
}

/* ------------------------------------------------------------------ make */

static void made_images_are_idx_files(void **state) {
    says(state, DATA("make", "digits", "--images", "21"), 0, "18 training and 3 test images");
    size_t n;
    char *bytes = slurp(in_scratch(state, "data/digits/train-images-idx3-ubyte"), &n);
    assert_int_equal(n, 16 + 18 * 28 * 28);
    assert_memory_equal(bytes, "\0\0\x08\x03\0\0\0\x12\0\0\0\x1c\0\0\0\x1c", 16);
    free(bytes);
    bytes = slurp(in_scratch(state, "data/digits/t10k-labels-idx1-ubyte"), &n);
    assert_int_equal(n, 8 + 3);
    for (size_t i = 8; i < n; i++) assert_in_range(bytes[i], 0, 9);
    free(bytes);
}

static void what_cannot_be_made_is_named(void **state) {
    spill(in_scratch(state, "data/digits"), "a file in the folder's place");
    invar_fails(state, DATA("make", "digits", "--images", "21"), 1, "data/digits", NULL);
    invar_fails(state, DATA("make", "digits", "--images", "1"), 2, "from 2 to", NULL);
    invar_fails(state, DATA("make", "mnist"), 2, "'mnist' cannot be made", NULL);
    invar_fails(state, DATA("make"), 2, "needs one name", NULL);
}

/* ------------------------------------------------------------------ fetch */

static char mirror[SCRATCH_PATH + 16];

static void use_mirror(void) {
    setenv("INVAR_DATA_MIRROR", mirror, 1);
}

static void fetch_fails(void **state, int status, const char *first, const char *second) {
    snprintf(mirror, sizeof mirror, "file://%s", in_scratch(state, "mirror"));
    outcome o = invar_with(state, use_mirror, DATA("fetch", "mnist"));
    assert_status(&o, status);
    assert_contains(o.err, first);
    assert_contains(o.err, second);
    outcome_free(&o);
}

/* Nothing without the published checksum gets a name, nor is half a file left. */
static void a_mirror_that_sends_something_else_leaves_nothing(void **state) {
    const char *file = in_scratch(state, "mirror/mnist/train-images-idx3-ubyte.gz");
    fetch_fails(state, 1, "mirror/mnist/train-images-idx3-ubyte.gz", "download failed");
    spill(file, "\x1f\x8bnot gzip");
    fetch_fails(state, 4, "what arrived is damaged", "try again");
    gzFile other = gzopen(file, "wb");
    assert_int_equal(gzwrite(other, one_image, sizeof one_image), sizeof one_image);
    assert_int_equal(gzclose(other), Z_OK);
    fetch_fails(state, 4, "not the published file", "SHA-256");
    assert_int_equal(count_entries(in_scratch(state, "data/mnist")), 0);
}

static void a_file_of_ones_own_is_not_replaced(void **state) {
    const char *own = in_scratch(state, "data/mnist/train-images-idx3-ubyte");
    write_bytes(own, one_image, sizeof one_image);
    fetch_fails(state, 4, "train-images-idx3-ubyte", "move it away");
    size_t n;
    char *bytes = slurp(own, &n);
    assert_int_equal(n, sizeof one_image);
    assert_memory_equal(bytes, one_image, n);
    free(bytes);
    assert_int_equal(count_entries(in_scratch(state, "data/mnist")), 1);
}

/* ------------------------------------------------------------------ usage */

static void bad_usage_says_what_there_is(void **state) {
    invar_fails(state, DATA("fetch"), 2, "fetch needs a name", "mnist", NULL);
    invar_fails(state, DATA("fetch", "digits"), 2, "'digits' is built in", NULL);
    invar_fails(state, DATA("fetch", "mnits"), 2, "unknown image set 'mnits'", NULL);
    invar_fails(state, DATA("list", "mnist"), 2, "unexpected argument 'mnist'", NULL);
    invar_fails(state, DATA("fecth"), 2, "unknown action 'fecth'", "`fetch`", NULL);
    invar_fails(state, DATA("list", "--images", "5"), 2, "only with make", NULL);
}

#define DATA_TEST(function) cmocka_unit_test_setup_teardown(function, make_data, remove_scratch)

int main(void) {
    const struct CMUnitTest tests[] = {
        DATA_TEST(a_list_says_what_is_there),
        DATA_TEST(files_that_are_not_the_published_ones_are_told_apart),
        DATA_TEST(made_images_are_idx_files),
        DATA_TEST(what_cannot_be_made_is_named),
        DATA_TEST(a_mirror_that_sends_something_else_leaves_nothing),
        DATA_TEST(a_file_of_ones_own_is_not_replaced),
        DATA_TEST(bad_usage_says_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
