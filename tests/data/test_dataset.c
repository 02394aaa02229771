/* Image sets by name, splits, and where the data directory is. No
 * file of the real sets is needed. */
#include "../kit/files.h"

#include <invar/data.h>

#include "data/idx.h"
#include "data/idx_set.h"

/* ------------------------------------------------------------------ the data directory */

static void assert_directory(const char *override, const char *expected) {
    char path[256];
    iv_error error = {0};
    assert_ok(&error, iv_data_directory(override, path, sizeof path, &error));
    assert_string_equal(path, expected);
}

static void the_data_directory_is_found_in_the_documented_order(void **state) {
    (void)state;
    static const char *const names[] = {"INVAR_DATA_DIR", "XDG_DATA_HOME", "HOME"};
    char *before[3];
    for (int i = 0; i < 3; i++) before[i] = getenv(names[i]) ? strdup(getenv(names[i])) : NULL;

    setenv("INVAR_DATA_DIR", "/i", 1);
    setenv("XDG_DATA_HOME", "/x", 1);
    setenv("HOME", "/h", 1);
    assert_directory("here", "here");
    assert_directory(NULL, "/i");
    assert_directory("", "/i");
    setenv("INVAR_DATA_DIR", "", 1);
    assert_directory(NULL, "/x/invar");
    setenv("XDG_DATA_HOME", "relative", 1);
    assert_directory(NULL, "/h/.local/share/invar");
    unsetenv("XDG_DATA_HOME");
    assert_directory(NULL, "/h/.local/share/invar");

    char path[8];
    iv_error error = {0};
    assert_fails(&error, iv_data_directory(NULL, path, sizeof path, &error), IV_EINVAL, "");
    unsetenv("HOME");
    assert_fails(&error, iv_data_directory(NULL, path, sizeof path, &error), IV_EDATA, "--data",
                 "INVAR_DATA_DIR");

    for (int i = 0; i < 3; i++) {
        if (before[i])
            setenv(names[i], before[i], 1);
        else
            unsetenv(names[i]);
        free(before[i]);
    }
}

/* ------------------------------------------------------------------ IDX sets */

enum { TRAINING = 5, TEST = 3, PIXELS = 4 };

static const char *file_of(const char *set, int file) {
    char name[128];
    snprintf(name, sizeof name, "%s/%s", set, iv_idx_names[file]);
    return in(scratch, name);
}

/* A small set of 2 x 2 images whose pixels count up, and labels 0 1 2 ... */
static void write_set(const char *set) {
    iv_error error = {0};
    uint8_t values[TRAINING * PIXELS];
    for (size_t i = 0; i < sizeof values; i++) values[i] = (uint8_t)i;
    const size_t training[] = {TRAINING, 2, 2}, test[] = {TEST, 2, 2};
    assert_ok(&error, iv_make_directories(in(scratch, set), &error));
    assert_ok(&error, iv_idx_write(file_of(set, 0), 3, training, values, &error));
    assert_ok(&error, iv_idx_write(file_of(set, 1), 1, training, values, &error));
    assert_ok(&error, iv_idx_write(file_of(set, 2), 3, test, values + 1, &error));
    assert_ok(&error, iv_idx_write(file_of(set, 3), 1, test, values + 1, &error));
}

static void training_images_are_pooled_before_test_images(void **state) {
    (void)state;
    iv_dataset dataset;
    iv_error error = {0};
    write_set("own");
    assert_ok(&error, iv_dataset_load(scratch, "own", 0, &dataset, &error));
    assert_string_equal(dataset.name, "own");
    assert_int_equal(dataset.n_images, TRAINING + TEST);
    assert_int_equal(dataset.n_training, TRAINING);
    assert_int_equal(dataset.n_classes, 5);
    assert_true(dataset.channels == 1 && dataset.height == 2 && dataset.width == 2);
    for (int i = 0; i < TRAINING * PIXELS; i++) assert_int_equal(dataset.pixels[i], i);
    for (int i = 0; i < TEST * PIXELS; i++)
        assert_int_equal(dataset.pixels[TRAINING * PIXELS + i], i + 1);
    static const uint8_t labels[] = {0, 1, 2, 3, 4, 1, 2, 3};
    assert_memory_equal(dataset.labels, labels, sizeof labels);
    iv_dataset_clear(&dataset);
    assert_null(dataset.pixels);
    iv_dataset_clear(&dataset);
}

static void a_set_of_ones_own_is_described_by_its_files(void **state) {
    (void)state;
    iv_dataset dataset;
    iv_dataset_info info;
    iv_error error = {0};
    write_set("own");
    assert_ok(&error, iv_dataset_describe(scratch, "own", &info, &error));
    assert_string_equal(info.name, "own");
    assert_true(info.channels == 1 && info.height == 2 && info.width == 2);
    assert_true(info.n_training == TRAINING && info.n_test == TEST && info.n_classes == 5);
    assert_false(info.built_in || info.mostly_zero);
    assert_ok(&error, iv_synthetic_images(&info, 9, &dataset, &error));
    iv_dataset_clear(&dataset);

    const size_t training[] = {TRAINING, 2, 2};
    const uint8_t dark[TRAINING * PIXELS] = {0};
    assert_ok(&error, iv_idx_write(file_of("own", 0), 3, training, dark, &error));
    assert_ok(&error, iv_dataset_describe(scratch, "own", &info, &error));
    assert_true(info.mostly_zero); /* 20 of 32 */

    unlink(file_of("own", 3));
    assert_fails(&error, iv_dataset_describe(scratch, "own", &info, &error), IV_EDATA,
                 iv_idx_names[3], "missing");
    assert_fails(&error, iv_dataset_describe(scratch, "mnsit", &info, &error), IV_EINVAL, "mnist");
    /* Without any of its files. */
    assert_ok(&error, iv_dataset_describe(scratch, "mnist", &info, &error));
    assert_memory_equal(&info, iv_dataset_info_find("mnist"), sizeof info);
}

static void a_missing_file_is_named_with_what_to_do(void **state) {
    (void)state;
    iv_dataset dataset;
    iv_error error = {0};
    assert_fails(&error, iv_dataset_load(scratch, "mnist", 0, &dataset, &error), IV_EDATA,
                 "mnist/train-images-idx3-ubyte", "invar data fetch mnist", "--data");
    assert_fails(&error, iv_dataset_load(scratch, "cifar10", 0, &dataset, &error), IV_EDATA,
                 "cifar10/data_batch_1.bin", "cifar-10-binary.tar.gz");
    for (int file = 1; file < 4; file++) {
        write_set("own");
        unlink(file_of("own", file));
        assert_fails(&error, iv_dataset_load(scratch, "own", 0, &dataset, &error), IV_EDATA,
                     iv_idx_names[file], "missing", "images of your own");
        assert_null(dataset.pixels);
    }
}

static void an_unknown_name_is_answered_with_the_known_ones(void **state) {
    (void)state;
    iv_dataset dataset;
    iv_error error = {0};
    write_set("own");
    static const char *const names[] = {"mnsit", "", ".", "..", "../own", "own/"};
    for (int i = 0; i < 6; i++)
        assert_fails(&error, iv_dataset_load(scratch, names[i], 0, &dataset, &error), IV_EINVAL,
                     "mnist", "fashion-mnist", "cifar10", "digits", "noise");
    assert_fails(&error, iv_dataset_load(NULL, "nothing", 0, &dataset, &error), IV_EINVAL,
                 "nothing");
}

static void a_set_under_a_published_name_must_have_its_size(void **state) {
    (void)state;
    iv_dataset dataset;
    iv_error error = {0};
    write_set("mnist");
    assert_fails(&error, iv_dataset_load(scratch, "mnist", 0, &dataset, &error), IV_EDATA,
                 "train-images-idx3-ubyte", "number of items 5", "expected 60000");
}

static void labels_and_images_must_agree(void **state) {
    (void)state;
    iv_dataset dataset;
    iv_error error = {0};
    const uint8_t zeros[64] = {0};
    const size_t fewer[] = {TRAINING - 1}, larger[] = {TEST, 2, 3};
    write_set("own");
    assert_ok(&error, iv_idx_write(file_of("own", 1), 1, fewer, zeros, &error));
    assert_fails(&error, iv_dataset_load(scratch, "own", 0, &dataset, &error), IV_EDATA,
                 "train-labels-idx1-ubyte", "4 labels", "5 images");
    write_set("own");
    assert_ok(&error, iv_idx_write(file_of("own", 2), 3, larger, zeros, &error));
    assert_fails(&error, iv_dataset_load(scratch, "own", 0, &dataset, &error), IV_EDATA, "2 x 2",
                 "2 x 3");
}

/* Blank files of the published size, then one label that is no class. */
static void a_label_out_of_range_is_refused(void **state) {
    (void)state;
    iv_dataset dataset;
    iv_error error = {0};
    uint8_t *zeros = calloc(60000, 28 * 28);
    const size_t training[] = {60000, 28, 28}, test[] = {10000, 28, 28};
    assert_ok(&error, iv_make_directories(in(scratch, "mnist"), &error));
    assert_ok(&error, iv_idx_write(file_of("mnist", 0), 3, training, zeros, &error));
    assert_ok(&error, iv_idx_write(file_of("mnist", 1), 1, training, zeros, &error));
    assert_ok(&error, iv_idx_write(file_of("mnist", 2), 3, test, zeros, &error));
    zeros[9999] = 10;
    assert_ok(&error, iv_idx_write(file_of("mnist", 3), 1, test, zeros, &error));
    assert_fails(&error, iv_dataset_load(scratch, "mnist", 0, &dataset, &error), IV_EDATA,
                 "t10k-labels-idx1-ubyte", "label 9999 is 10", "less than 10");
    zeros[9999] = 9;
    assert_ok(&error, iv_idx_write(file_of("mnist", 3), 1, test, zeros, &error));
    assert_ok(&error, iv_dataset_load(scratch, "mnist", 0, &dataset, &error));
    assert_int_equal(dataset.n_images, 70000);
    assert_int_equal(dataset.labels[69999], 9);
    iv_dataset_clear(&dataset);
    assert_ok(&error,
              iv_dataset_load_part(scratch, "mnist", 0, IV_PART_TRAINING, &dataset, &error));
    assert_true(dataset.n_images == 60000 && dataset.n_training == 60000);
    iv_dataset_clear(&dataset);
    unlink(file_of("mnist", 0)); /* not to be read */
    assert_ok(&error, iv_dataset_load_part(scratch, "mnist", 0, IV_PART_TEST, &dataset, &error));
    assert_true(dataset.n_images == 10000 && dataset.n_training == 0 && dataset.n_classes == 10);
    assert_int_equal(dataset.labels[9999], 9);
    iv_dataset_clear(&dataset);
    free(zeros);
}

static void a_made_set_is_read_back(void **state) {
    (void)state;
    iv_dataset made, read;
    iv_error error = {0};
    assert_ok(&error, iv_digits_make(3, 70, &made, &error));
    assert_ok(&error, iv_dataset_write_idx(in(scratch, "new/own"), &made, &error));
    assert_ok(&error, iv_dataset_load(in(scratch, "new"), "own", 0, &read, &error));
    assert_int_equal(read.n_images, 70);
    assert_int_equal(read.n_training, 60);
    assert_memory_equal(read.pixels, made.pixels, 70 * 28 * 28);
    assert_memory_equal(read.labels, made.labels, 70);
    iv_dataset_clear(&read);
    made.n_training = 70;
    assert_fails(&error, iv_dataset_write_idx(in(scratch, "b"), &made, &error), IV_EINVAL, "");
    made.channels = 3;
    assert_fails(&error, iv_dataset_write_idx(in(scratch, "b"), &made, &error), IV_EINVAL, "");
    iv_dataset_clear(&made);
}

/* ------------------------------------------------------------------ CIFAR-10 */

enum { RECORD = 3073, RECORDS = 10000 };

static void write_batch(int batch, size_t n_bytes, int bad_label) {
    char name[64];
    uint8_t *bytes = calloc(1, n_bytes + RECORD);
    for (size_t i = 0; i * RECORD < n_bytes; i++) {
        bytes[i * RECORD] = (uint8_t)(i % 10);
        bytes[i * RECORD + 1] = (uint8_t)(batch + 1);      /* red, first pixel */
        bytes[i * RECORD + 1 + 1024] = (uint8_t)(i % 251); /* green, first pixel */
        bytes[i * RECORD + 1 + 3071] = (uint8_t)(i % 241); /* blue, last pixel */
    }
    if (bad_label) bytes[RECORD] = 10;
    snprintf(name, sizeof name, batch < 5 ? "cifar10/data_batch_%d.bin" : "cifar10/test_batch.bin",
             batch + 1);
    write_bytes(in(scratch, name), bytes, n_bytes);
    free(bytes);
}

static void cifar_batches_are_read_in_order(void **state) {
    (void)state;
    iv_dataset dataset;
    iv_error error = {0};
    assert_int_equal(mkdir(in(scratch, "cifar10"), 0777), 0);
    for (int batch = 0; batch < 6; batch++) write_batch(batch, (size_t)RECORD * RECORDS, 0);
    assert_ok(&error, iv_dataset_load(scratch, "cifar10", 0, &dataset, &error));
    assert_true(dataset.n_images == 60000 && dataset.n_training == 50000 &&
                dataset.n_classes == 10);
    assert_true(dataset.channels == 3 && dataset.height == 32 && dataset.width == 32);
    for (size_t i = 0; i < 60000; i += 997) {
        const uint8_t *image = dataset.pixels + i * 3072;
        assert_int_equal(dataset.labels[i], i % 10000 % 10);
        assert_int_equal(image[0], i / 10000 + 1);
        assert_int_equal(image[1024], i % 10000 % 251);
        assert_int_equal(image[3071], i % 10000 % 241);
    }
    iv_dataset_clear(&dataset);
    assert_ok(&error,
              iv_dataset_load_part(scratch, "cifar10", 0, IV_PART_TRAINING, &dataset, &error));
    assert_true(dataset.n_images == 50000 && dataset.n_training == 50000);
    assert_int_equal(dataset.pixels[(size_t)49999 * 3072], 5);
    iv_dataset_clear(&dataset);
    for (int batch = 0; batch < 5; batch++) write_batch(batch, 7, 0); /* not to be read */
    assert_ok(&error, iv_dataset_load_part(scratch, "cifar10", 0, IV_PART_TEST, &dataset, &error));
    assert_true(dataset.n_images == 10000 && dataset.n_training == 0);
    assert_true(dataset.pixels[0] == 6 && dataset.pixels[(size_t)9999 * 3072] == 6);
    assert_int_equal(dataset.labels[9999], 9);
    iv_dataset_clear(&dataset);
    assert_fails(&error,
                 iv_dataset_load_part(scratch, "cifar10", 0, IV_PART_TRAINING, &dataset, &error),
                 IV_EDATA, "data_batch_1.bin", "truncated");
    for (int batch = 0; batch < 5; batch++) write_batch(batch, (size_t)RECORD * RECORDS, 0);

    write_batch(5, (size_t)RECORD * RECORDS - 1, 0);
    assert_fails(&error, iv_dataset_load(scratch, "cifar10", 0, &dataset, &error), IV_EDATA,
                 "test_batch.bin", "truncated", "30730000", "30729999");
    write_batch(5, (size_t)RECORD * RECORDS + 1, 0);
    assert_fails(&error, iv_dataset_load(scratch, "cifar10", 0, &dataset, &error), IV_EDATA,
                 "test_batch.bin", "too long");
    write_batch(5, (size_t)RECORD * RECORDS, 1);
    assert_fails(&error, iv_dataset_load(scratch, "cifar10", 0, &dataset, &error), IV_EDATA,
                 "test_batch.bin", "label 1 is 10");
    assert_null(dataset.pixels);
}

/* ------------------------------------------------------------------ splits */

static void a_split_is_a_permutation_that_depends_on_its_seed_alone(void **state) {
    (void)state;
    enum { N = 1000 };
    int32_t first[N], second[N], other[N];
    uint8_t seen[N] = {0};
    iv_error error = {0};
    assert_ok(&error, iv_split(4, N, 600, 200, 200, first, &error));
    assert_ok(&error, iv_split(4, N, 10, 0, 0, second, &error));
    assert_ok(&error, iv_split(5, N, 600, 200, 200, other, &error));
    assert_memory_equal(first, second, sizeof first);
    assert_memory_not_equal(first, other, sizeof first);
    for (int i = 0; i < N; i++) {
        assert_in_range(first[i], 0, N - 1);
        assert_int_equal(seen[first[i]]++, 0);
    }
}

static void a_split_that_does_not_fit_is_refused(void **state) {
    (void)state;
    int32_t out[10];
    iv_error error = {0};
    assert_ok(&error, iv_split(0, 10, 5, 3, 2, out, &error));
    assert_fails(&error, iv_split(0, 10, 5, 3, 3, out, &error), IV_EINVAL, "5 training",
                 "3 validation", "3 test", "10 images");
    assert_fails(&error, iv_split(0, 10, 11, 0, 0, out, &error), IV_EINVAL, "");
    assert_fails(&error, iv_split(0, 10, SIZE_MAX, 2, 1, out, &error), IV_EINVAL, "");
    assert_fails(&error, iv_split(0, 10, 2, SIZE_MAX, SIZE_MAX, out, &error), IV_EINVAL, "");
    assert_fails(&error, iv_split(0, (size_t)1 << 31, 1, 1, 1, out, &error), IV_EINVAL, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_data_directory_is_found_in_the_documented_order),
        SCRATCH_TEST(training_images_are_pooled_before_test_images),
        SCRATCH_TEST(a_set_of_ones_own_is_described_by_its_files),
        SCRATCH_TEST(a_missing_file_is_named_with_what_to_do),
        SCRATCH_TEST(an_unknown_name_is_answered_with_the_known_ones),
        SCRATCH_TEST(a_set_under_a_published_name_must_have_its_size),
        SCRATCH_TEST(labels_and_images_must_agree),
        SCRATCH_TEST(a_label_out_of_range_is_refused),
        SCRATCH_TEST(a_made_set_is_read_back),
        SCRATCH_TEST(cifar_batches_are_read_in_order),
        cmocka_unit_test(a_split_is_a_permutation_that_depends_on_its_seed_alone),
        cmocka_unit_test(a_split_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests_name("image sets", tests, NULL, NULL);
}
