/* Images without content: the bytes of noise, and scribbles as sparse as handwriting. */
#include "../kit/kit.h"

#include <invar/data.h>
#include <invar/random.h>

/* What images are timed with, by count: zeros for the products to pass over, in the share of pixels
 * at which eight images side by side are all 0 that MNIST has, which is a half. Noise has none. */
static void scribbles_have_zeros_as_handwriting_has(void **state) {
    (void)state;
    enum { N = 64, SIDE = 28, D = SIDE * SIDE };
    iv_dataset images;
    iv_error error = {0};
    assert_ok(&error, iv_noise_make(0, N, &images, &error));
    assert_false(iv_mostly_zero(images.pixels, N * D));
    iv_scribble(images.pixels, N, SIDE, SIDE);
    assert_true(iv_mostly_zero(images.pixels, N * D));
    size_t n_shared = 0, n_values = 0;
    for (size_t i = 0; i < N; i += 8)
        for (size_t p = 0; p < D; p++) {
            unsigned any = 0;
            for (size_t k = 0; k < 8; k++) any |= images.pixels[(i + k) * D + p];
            n_shared += any == 0;
        }
    for (size_t i = 0; i < N * D; i++) n_values += images.pixels[i] != 0;
    assert_in_range(100 * n_shared / (N / 8 * D), 47, 53);
    assert_in_range(100 * n_values / (N * D), 22, 29); /* half of 400 of 784 */
    iv_dataset_clear(&images);
}

/* The share at which products pass over zeros, and just below it. */
static void sixty_zeros_in_a_hundred_are_enough(void **state) {
    (void)state;
    uint8_t pixels[100];
    memset(pixels, 1, sizeof pixels);
    memset(pixels, 0, 59);
    assert_false(iv_mostly_zero(pixels, sizeof pixels));
    pixels[59] = 0;
    assert_true(iv_mostly_zero(pixels, sizeof pixels));
}

/* Byte b of image i is byte b % 16 of the four words of Philox at index b / 16. */
static void assert_noise(uint32_t seed, const iv_dataset *images) {
    const size_t n = images->channels * images->height * images->width;
    for (size_t i = 0; i < images->n_images; i++)
        for (size_t b = 0; b < n; b++) {
            uint32_t words[4];
            iv_philox(seed, IV_STREAM_NOISE, (uint32_t)i, (uint32_t)(b / 16), words);
            const uint32_t word = words[b % 16 / 4];
            assert_int_equal(images->pixels[i * n + b], word >> (b % 4 * 8) & 0xff);
        }
}

static void noise_is_philox_byte_by_byte(void **state) {
    (void)state;
    iv_dataset images;
    iv_error error = {0};
    assert_ok(&error, iv_noise_make(3, 5, &images, &error));
    assert_noise(3, &images);
    iv_dataset_clear(&images);

    /* 30 bytes: the last words of an image are cut. */
    const iv_dataset_info odd = {.channels = 2, .height = 5, .width = 3, .n_classes = 3};
    assert_ok(&error, iv_synthetic_images(&odd, 7, &images, &error));
    assert_noise(0, &images);
    iv_dataset_clear(&images);
}

static void synthetic_images_are_of_the_shape_classes_and_sparsity_asked_for(void **state) {
    (void)state;
    enum { N = 70 };
    const iv_dataset_info *info;
    for (size_t row = 0; (info = iv_dataset_info_get(row)); row++) {
        iv_dataset images;
        iv_error error = {0};
        const size_t n_bytes = N * info->channels * info->height * info->width;
        assert_ok(&error, iv_synthetic_images(info, N, &images, &error));
        assert_int_equal(images.n_images, N);
        assert_int_equal(images.n_training, 60);
        assert_int_equal(images.n_classes, info->n_classes);
        assert_int_equal(images.channels, info->channels);
        assert_int_equal(images.height, info->height);
        assert_int_equal(images.width, info->width);
        for (size_t i = 0; i < N; i++) assert_int_equal(images.labels[i], i % info->n_classes);
        assert_int_equal(iv_mostly_zero(images.pixels, n_bytes), info->mostly_zero);
        iv_dataset_clear(&images);
    }
}

/* Every plane of a colour image, with a border of zeros. */
static void scribbles_fill_the_middle_of_every_plane(void **state) {
    (void)state;
    enum { N = 4, CHANNELS = 3, SIDE = 14, PLANE = SIDE * SIDE };
    const iv_dataset_info sparse = {
        .channels = CHANNELS, .height = SIDE, .width = SIDE, .n_classes = 2, .mostly_zero = true};
    iv_dataset images;
    iv_error error = {0};
    assert_ok(&error, iv_synthetic_images(&sparse, N, &images, &error));
    for (size_t plane = 0; plane < N * CHANNELS; plane++) {
        size_t n_values = 0;
        for (size_t p = 0; p < PLANE; p++) {
            const size_t row = p / SIDE, column = p % SIDE;
            const bool border = row < 2 || row >= SIDE - 2 || column < 2 || column >= SIDE - 2;
            const uint8_t value = images.pixels[plane * PLANE + p];
            if (border) assert_int_equal(value, 0);
            n_values += value != 0;
        }
        assert_in_range(n_values, 25, 75); /* half of 100; five deviations */
    }
    iv_dataset_clear(&images);
}

static void impossible_numbers_of_images_are_refused(void **state) {
    (void)state;
    iv_dataset images;
    iv_error error = {0};
    const iv_dataset_info huge = {
        .channels = 2, .height = SIZE_MAX / 2, .width = 2, .n_classes = 3};
    assert_fails(&error, iv_synthetic_images(iv_dataset_info_get(0), 0, &images, &error), IV_EINVAL,
                 "synthetic");
    assert_fails(&error, iv_synthetic_images(&huge, 2, &images, &error), IV_ENOMEM,
                 "more than this machine can address");
    assert_null(images.pixels);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scribbles_have_zeros_as_handwriting_has),
        cmocka_unit_test(sixty_zeros_in_a_hundred_are_enough),
        cmocka_unit_test(noise_is_philox_byte_by_byte),
        cmocka_unit_test(synthetic_images_are_of_the_shape_classes_and_sparsity_asked_for),
        cmocka_unit_test(scribbles_fill_the_middle_of_every_plane),
        cmocka_unit_test(impossible_numbers_of_images_are_refused),
    };
    return cmocka_run_group_tests_name("synthetic images", tests, NULL, NULL);
}
