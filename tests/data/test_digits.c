/* The built-in sets: what they promise, and that the digits are what a classifier can learn. */
#include "../kit/files.h"

#include <invar/data.h>

#include <openssl/evp.h>

#include <math.h>

enum { SIDE = 28, IMAGE = SIDE * SIDE };

static iv_dataset make(uint32_t seed, size_t n_images) {
    iv_dataset dataset;
    iv_error error = {0};
    assert_ok(&error, iv_digits_make(seed, n_images, &dataset, &error));
    return dataset;
}

static void an_image_depends_on_seed_and_index_alone(void **state) {
    (void)state;
    iv_dataset few = make(1, 10), many = make(1, 100), other = make(2, 10);
    assert_memory_equal(few.pixels, many.pixels, 10 * IMAGE);
    assert_memory_equal(few.labels, many.labels, 10);
    assert_memory_not_equal(few.pixels, other.pixels, 10 * IMAGE);
    iv_dataset_clear(&few);
    iv_dataset_clear(&many);
    iv_dataset_clear(&other);
}

/* The bytes are promised to be the same everywhere and for ever: published results rest on them. */
static void the_bytes_are_those_of_every_other_machine(void **state) {
    (void)state;
    iv_dataset dataset = make(0, 500);
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[65];
    assert_true(EVP_Digest(dataset.pixels, 500 * IMAGE, digest, NULL, EVP_sha256(), NULL));
    for (int i = 0; i < 32; i++) snprintf(text + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(text, "77c5d69f5b75777d52d3662ad6dfe7cdaa0429976f3187520cf3f6fb818b6108");
    iv_dataset_clear(&dataset);
}

/* 7000 labels: each class 700 times, with a standard deviation of 25. */
static void every_class_is_equally_likely(void **state) {
    (void)state;
    iv_dataset dataset = make(0, 7000);
    size_t counts[10] = {0};
    assert_true(dataset.n_images == 7000 && dataset.n_training == 6000 && dataset.n_classes == 10);
    assert_true(dataset.channels == 1 && dataset.height == SIDE && dataset.width == SIDE);
    for (size_t i = 0; i < 7000; i++) counts[dataset.labels[i]]++;
    for (int digit = 0; digit < 10; digit++) assert_in_range(counts[digit], 575, 825);
    iv_dataset_clear(&dataset);
}

/* Ink in the middle, as bright as MNIST's (mean 0.13, deviation 0.31) within a factor
 * of about one and a half, and hardly any on the outermost pixels, so that small
 * turns and shifts lose nothing. */
static void digits_look_like_mnists(void **state) {
    (void)state;
    iv_dataset dataset = make(0, 2000);
    double sum = 0, squares = 0, border = 0;
    for (size_t i = 0; i < 2000 * IMAGE; i++) {
        const double value = dataset.pixels[i] / 255.0;
        const size_t x = i % SIDE, y = i / SIDE % SIDE;
        sum += value;
        squares += value * value;
        if (x == 0 || y == 0 || x == SIDE - 1 || y == SIDE - 1) border += value;
    }
    const double mean = sum / (2000 * IMAGE),
                 deviation = sqrt(squares / (2000 * IMAGE) - mean * mean);
    assert_true(mean > 0.085 && mean < 0.2);
    assert_true(deviation > 0.2 && deviation < 0.4);
    assert_true(border / (2000 * 108) < 0.02);
    iv_dataset_clear(&dataset);
}

/* The label of the nearest of the training images. */
static int nearest(const iv_dataset *dataset, size_t n_training, size_t image) {
    long best = -1;
    int label = -1;
    const uint8_t *of = dataset->pixels + image * IMAGE;
    for (size_t i = 0; i < n_training; i++) {
        const uint8_t *other = dataset->pixels + i * IMAGE;
        long distance = 0;
        for (int k = 0; k < IMAGE; k++) distance += (of[k] - other[k]) * (of[k] - other[k]);
        if (best < 0 || distance < best) {
            best = distance;
            label = dataset->labels[i];
        }
    }
    return label;
}

/* Nearest neighbours among 3000 find the class of most of 500 others, but not of all: there is
 * something to learn, and something left to learn. Guessing gives 50 of 500. */
static void digits_can_be_learned_but_not_trivially(void **state) {
    (void)state;
    iv_dataset dataset = make(0, 3500);
    int n_right = 0;
    for (size_t i = 3000; i < 3500; i++) n_right += nearest(&dataset, 3000, i) == dataset.labels[i];
    print_message("# nearest neighbours: %d of 500\n", n_right);
    assert_in_range(n_right, 425, 495);
    iv_dataset_clear(&dataset);
}

static void noise_is_uniform_and_unrelated_to_its_labels(void **state) {
    (void)state;
    enum { N = 1000 };
    iv_dataset dataset;
    iv_error error = {0};
    double counts[256] = {0}, chi_square = 0;
    assert_ok(&error, iv_noise_make(0, N, &dataset, &error));
    for (size_t i = 0; i < (size_t)N * IMAGE; i++) counts[dataset.pixels[i]]++;
    const double expected = (double)N * IMAGE / 256;
    for (int i = 0; i < 256; i++)
        chi_square += (counts[i] - expected) * (counts[i] - expected) / expected;
    /* 255 degrees of freedom: mean 255, deviation 22.6; six of them. */
    assert_true(chi_square < 255 + 6 * 22.6 && chi_square > 255 - 6 * 22.6);
    for (size_t i = 0; i < N; i++) assert_int_equal(dataset.labels[i], i % 10);
    iv_dataset_clear(&dataset);
}

static void built_in_sets_load_by_name_without_a_directory(void **state) {
    (void)state;
    iv_dataset dataset, same = make(0, 30);
    iv_error error = {0};
    assert_ok(&error, iv_dataset_load(NULL, "digits", 30, &dataset, &error));
    assert_string_equal(dataset.name, "digits");
    assert_memory_equal(dataset.pixels, same.pixels, 30 * IMAGE);
    iv_dataset_clear(&dataset);
    iv_dataset_clear(&same);
    assert_ok(&error, iv_dataset_load("/nowhere", "noise", 0, &dataset, &error));
    assert_int_equal(dataset.n_images, 20000);
    iv_dataset_clear(&dataset);
}

static void impossible_numbers_of_images_are_refused(void **state) {
    (void)state;
    iv_dataset dataset;
    iv_error error = {0};
    assert_fails(&error, iv_digits_make(0, 0, &dataset, &error), IV_EINVAL, "digits");
    assert_fails(&error, iv_noise_make(0, SIZE_MAX, &dataset, &error), IV_EINVAL, "noise");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_depends_on_seed_and_index_alone),
        cmocka_unit_test(the_bytes_are_those_of_every_other_machine),
        cmocka_unit_test(every_class_is_equally_likely),
        cmocka_unit_test(digits_look_like_mnists),
        cmocka_unit_test(digits_can_be_learned_but_not_trivially),
        cmocka_unit_test(noise_is_uniform_and_unrelated_to_its_labels),
        cmocka_unit_test(built_in_sets_load_by_name_without_a_directory),
        cmocka_unit_test(impossible_numbers_of_images_are_refused),
    };
    return cmocka_run_group_tests_name("built-in sets", tests, NULL, NULL);
}
