/* Networks that Invar does not know: the images that are written are the orbit's, and what is
 * measured of the logits and gradients beside them is what the oracle says. */
#include "../data/own_files.h"
#include "buffers.h"
#include "models.h"

#include <invar/audit.h>

#include <math.h>

/* Four batches of 5, 5, 5 and 2 images. */
enum { SIDE = 4, PIXELS = SIDE * SIDE, CLASSES = 5, IMAGES = 17, BATCH = 5, ELEMENTS = 4 };

typedef struct {
    iv_dataset images;
    iv_group *group;
    oracle_network network;
    char directory[SCRATCH_PATH];
} fixture;

static void prepare(fixture *f, const char *name) {
    iv_error error = {0};
    f->images = random_images(IMAGES + 2, 1, SIDE, CLASSES, 60);
    assert_ok(&error,
              iv_group_parse("rotation:4", (iv_image_shape){1, SIDE, SIDE}, &f->group, &error));
    f->network = (oracle_network){1, SIDE, 2, {PIXELS, 9, CLASSES}, "tanh", {0}, {0}, {0}, {0}};
    oracle_random(&f->network, 61, 3, 0);
    snprintf(f->directory, sizeof f->directory, "%s", in(scratch, name));
    const iv_audit_options options = {.images = &f->images,
                                      .first = 2,
                                      .n_images = IMAGES,
                                      .group = f->group,
                                      .group_name = "rotation:4"};
    assert_ok(&error, iv_audit_prepare(&options, BATCH, f->directory, &error));
    assert_true(iv_audit_is_prepared(f->directory));
    assert_fails(&error, iv_audit_prepare(&options, BATCH, f->directory, &error), IV_EINVAL,
                 "holds prepared images");
}

static void clear(fixture *f) {
    iv_dataset_clear(&f->images);
    iv_group_destroy(f->group);
    oracle_free(&f->network);
}

static size_t batch_size(size_t number) {
    return number * BATCH + BATCH <= IMAGES ? BATCH : IMAGES % BATCH;
}

static const char *file_of(const char *folder, const char *name, size_t number) {
    char file[64];
    snprintf(file, sizeof file, "%s-%04zu.npy", name, number);
    return in(folder, file);
}

static iv_array read_images(const fixture *f, size_t number) {
    iv_error error = {0};
    iv_array images;
    assert_ok(&error, iv_npy_read(file_of(f->directory, "images", number), &images, &error));
    return images;
}

static void save(const char *folder, const char *name, size_t number, size_t n, size_t width,
                 const float *values) {
    char shape[64];
    snprintf(shape, sizeof shape, "(%d, %zu, %zu)", ELEMENTS, n, width);
    write_npy(file_of(folder, name, number), "<f4", "False", shape, values,
              ELEMENTS * n * width * sizeof *values);
}

/* What a user's program does: read images, write logits of the oracle's network, and gradients of
 * the logit of the class predicted at the images themselves, by differences. */
static void run_network(const fixture *f, const char *folder, bool with_gradients) {
    for (size_t k = 0; k * BATCH < IMAGES; k++) {
        const size_t n = batch_size(k);
        iv_array images = read_images(f, k);
        float logits[ELEMENTS * BATCH * CLASSES], gradients[ELEMENTS * BATCH * PIXELS];
        for (size_t row = 0; row < ELEMENTS * n; row++) {
            double x[PIXELS], at_x[PIXELS], y[CLASSES], near[2][CLASSES];
            size_t class = 0;
            for (size_t p = 0; p < PIXELS; p++) {
                x[p] = ((const float *)images.data)[row * PIXELS + p];
                at_x[p] = ((const float *)images.data)[row % n * PIXELS + p];
            }
            oracle_logits(&f->network, at_x, y);
            for (size_t c = 1; c < CLASSES; c++)
                if (y[c] > y[class]) class = c;
            oracle_logits(&f->network, x, y);
            for (size_t c = 0; c < CLASSES; c++) logits[row * CLASSES + c] = (float)y[c];
            for (size_t p = 0; p < PIXELS; p++) {
                static const double step = 1e-4;
                for (int side = 0; side < 2; side++) {
                    const double kept = x[p];
                    x[p] += side ? step : -step;
                    oracle_logits(&f->network, x, near[side]);
                    x[p] = kept;
                }
                gradients[row * PIXELS + p] =
                    (float)((near[1][class] - near[0][class]) / (2 * step));
            }
        }
        save(folder, "logits", k, n, CLASSES, logits);
        if (with_gradients) save(folder, "gradients", k, n, PIXELS, gradients);
        free(images.data);
    }
}

static void audit(const program *p, const fixture *f, iv_audit *found) {
    const iv_audit_options options = {.n_resamples = 10, .n_worst = 3};
    assert_ok(p->context, iv_audit_prepared(p->context, f->directory, &options, found));
}

/* Logits are rounded to single precision, gradients by differences are right to 1e-7: per image LI
 * and DI are off by a few 1e-6 and SI by a few 1e-5. */
static void compare(const fixture *f, const iv_audit_model *model, bool with_gradients) {
    const oracle_group group = oracle_quarter_turns();
    for (size_t i = 0; i < IMAGES; i++) {
        double image[PIXELS];
        oracle_numbers expected;
        image_of(&f->images, 2 + i, image);
        oracle_measure(&f->network, &group, image, f->images.labels[2 + i], &expected);
        assert_true(fabs(model->images[IV_AUDIT_ACCURACY][i] - expected.accuracy) < 1e-6);
        assert_true(fabs(model->images[IV_AUDIT_LI][i] - expected.li) < 1e-5 * (1 + expected.li));
        assert_true(fabs(model->images[IV_AUDIT_DI][i] - expected.di) < 1e-5 * (1 + expected.di));
        if (with_gradients) assert_true(fabs(model->images[IV_AUDIT_SI][i] - expected.si) < 1e-4);
        for (size_t g = 0; g < ELEMENTS; g++)
            assert_true(model->images[IV_AUDIT_CHANGES][i * ELEMENTS + g] == expected.changed[g]);
        assert_true(fabs(model->images[IV_AUDIT_SIZE][i] - expected.size) <
                    1e-5 * (1 + expected.size));
    }
    assert_int_equal(model->n_images[IV_AUDIT_SI], with_gradients ? IMAGES : 0);
    assert_int_equal(model->n_images[IV_AUDIT_SIGMA], 0);
}

/* ------------------------------------------------------------------ claims */

static void prepared_images_are_the_orbit(void **state) {
    (void)state;
    const oracle_group group = oracle_quarter_turns();
    fixture f;
    prepare(&f, "orbit");
    for (size_t k = 0; k * BATCH < IMAGES; k++) {
        const size_t n = batch_size(k);
        iv_array images = read_images(&f, k);
        assert_int_equal(images.type, IV_ARRAY_FLOAT32);
        assert_int_equal(images.rank, 5);
        assert_memory_equal(images.shape, ((const size_t[]){ELEMENTS, n, 1, SIDE, SIDE}),
                            5 * sizeof(size_t));
        for (size_t g = 0; g < ELEMENTS; g++)
            for (size_t i = 0; i < n; i++) {
                double image[PIXELS], moved[PIXELS];
                image_of(&f.images, 2 + k * BATCH + i, image);
                group.act(g, SIDE, image, moved);
                for (size_t p = 0; p < PIXELS; p++)
                    assert_true(((const float *)images.data)[(g * n + i) * PIXELS + p] ==
                                (float)moved[p]);
            }
        free(images.data);
    }
    clear(&f);
}

static void given_logits_and_gradients_measure_as_the_oracle(void **state) {
    const program *p = *state;
    fixture f;
    iv_audit found;
    prepare(&f, "orbit");
    run_network(&f, f.directory, true);
    audit(p, &f, &found);
    assert_int_equal(found.n_models, 1);
    assert_string_equal(found.models[0].name, "orbit");
    assert_string_equal(found.group, "rotation:4");
    compare(&f, &found.models[0], true);
    iv_audit_clear(&found);
    clear(&f);
}

static void folders_are_networks_side_by_side(void **state) {
    const program *p = *state;
    iv_error error = {0};
    fixture f;
    iv_audit found;
    prepare(&f, "orbit");
    static const char *const names[] = {"b", "a"};
    for (int i = 0; i < 2; i++) {
        char folder[SCRATCH_PATH];
        snprintf(folder, sizeof folder, "%s", in(f.directory, names[i]));
        assert_ok(&error, iv_make_directories(folder, &error));
        run_network(&f, folder, i == 0);
    }
    audit(p, &f, &found);
    assert_int_equal(found.n_models, 2);
    assert_string_equal(found.models[0].name, "a");
    assert_string_equal(found.models[1].name, "b");
    compare(&f, &found.models[0], false);
    compare(&f, &found.models[1], true);
    iv_audit_clear(&found);
    clear(&f);
}

/* Of the image with the largest DI, and of the two next to it: what lay in the directory. */
static void compare_worst(const fixture *f, const iv_audit_model *model, bool with_pixels,
                          bool with_saliency) {
    const oracle_group group = oracle_quarter_turns();
    assert_int_equal(model->n_worst, 3);
    float last = INFINITY;
    for (size_t k = 0; k < 3; k++) {
        const iv_audit_worst *worst = &model->worst[k];
        double image[PIXELS], moved[PIXELS], logits[CLASSES], saliency[PIXELS];
        assert_true(worst->di <= last);
        last = worst->di;
        assert_true(worst->di == model->images[IV_AUDIT_DI][worst->image]);
        size_t n_above = 0;
        for (size_t i = 0; i < IMAGES; i++) n_above += model->images[IV_AUDIT_DI][i] > worst->di;
        assert_int_equal(n_above, k);
        assert_int_equal(worst->label, f->images.labels[2 + worst->image]);
        assert_int_equal(worst->n_shown, ELEMENTS);
        assert_true(!worst->pixels == !with_pixels && !worst->saliency == !with_saliency);
        image_of(&f->images, 2 + worst->image, image);
        for (size_t g = 0; g < ELEMENTS; g++) {
            oracle_orbit(&f->network, &group, image, g, moved, logits, saliency);
            for (size_t c = 0; c < CLASSES; c++)
                assert_true(fabs((double)worst->logits[g * CLASSES + c] - logits[c]) < 1e-5);
            for (size_t x = 0; x < PIXELS && with_pixels; x++)
                assert_true(worst->pixels[g * PIXELS + x] == (float)moved[x]);
            for (size_t x = 0; x < PIXELS && with_saliency; x++)
                assert_true(fabs((double)worst->saliency[g * PIXELS + x] - saliency[x]) < 1e-5);
        }
    }
}

static void the_worst_images_are_read_as_far_as_they_are_there(void **state) {
    const program *p = *state;
    fixture f;
    iv_audit found;
    prepare(&f, "orbit");
    run_network(&f, f.directory, true);
    audit(p, &f, &found);
    assert_string_equal(found.elements[1], "turned by 90 degrees");
    compare_worst(&f, &found.models[0], true, true);
    iv_audit_clear(&found);
    for (size_t k = 0; k * BATCH < IMAGES; k++) remove(file_of(f.directory, "images", k));
    for (size_t k = 0; k * BATCH < IMAGES; k++) remove(file_of(f.directory, "gradients", k));
    audit(p, &f, &found);
    compare_worst(&f, &found.models[0], false, false);
    iv_audit_clear(&found);
    clear(&f);
}

/* ------------------------------------------------------------------ what is wrong */

static void expect(const program *p, const fixture *f, const char *file, const char *message) {
    const iv_audit_options options = {.n_resamples = 10};
    iv_audit found;
    assert_fails(p->context, iv_audit_prepared(p->context, f->directory, &options, &found),
                 IV_EDATA, file, message);
    assert_int_equal(found.n_models, 0);
}

static void files_that_are_wrong_are_refused_by_name(void **state) {
    const program *p = *state;
    static float zeros[ELEMENTS * BATCH * PIXELS];
    static double doubles[ELEMENTS * BATCH * CLASSES];
    fixture f;
    prepare(&f, "orbit");
    expect(p, &f, "orbit", "no logits-0000.npy");
    save(f.directory, "logits", 0, BATCH, CLASSES, zeros);
    expect(p, &f, "logits-0001.npy", "No such file");
    for (size_t k = 1; k < 4; k++) save(f.directory, "logits", k, batch_size(k), CLASSES, zeros);
    save(f.directory, "logits", 2, BATCH - 1, CLASSES, zeros);
    expect(p, &f, "logits-0002.npy", "float32 [4, 4, 5], expected float32 [4, 5, 5] or [20, ...]");
    write_npy(file_of(f.directory, "logits", 2), "<f8", "False", "(4, 5, 5)", doubles,
              sizeof doubles);
    expect(p, &f, "logits-0002.npy", "astype('float32')");
    save(f.directory, "logits", 2, BATCH, CLASSES + 1, zeros);
    expect(p, &f, "logits-0002.npy", "float32 [4, 5, 6], expected");
    zeros[7] = NAN;
    save(f.directory, "logits", 2, BATCH, CLASSES, zeros);
    expect(p, &f, "logits-0002.npy", "value 7 is not finite");
    zeros[7] = 0;
    for (size_t k = 0; k < 4; k++) save(f.directory, "logits", k, batch_size(k), 3, zeros);
    expect(p, &f, "orbit: has", "logits of 3 classes, but random has 5");
    for (size_t k = 0; k < 4; k++) save(f.directory, "logits", k, batch_size(k), CLASSES, zeros);
    save(f.directory, "gradients", 0, BATCH, PIXELS - 1, zeros);
    expect(p, &f, "gradients-0000.npy", "float32 [4, 5, 15], expected float32 [4, 5, 16]");
    remove(file_of(f.directory, "gradients", 0));

    uint16_t table[ELEMENTS * PIXELS];
    for (size_t i = 0; i < ELEMENTS * PIXELS; i++) table[i] = (uint16_t)(i % PIXELS);
    table[PIXELS + 3] = 2;
    write_npy(in(f.directory, "group.npy"), "<u2", "False", "(4, 16)", table, sizeof table);
    expect(p, &f, "group.npy", "element 1 is no permutation");
    spill(in(f.directory, "manifest.json"), "{\"elements\": 4, \"images\": -3}");
    expect(p, &f, "manifest.json", "\"images\" is missing, or no number");
    spill(in(f.directory, "manifest.json"), "{\"elements\": 4");
    expect(p, &f, "manifest.json", "damaged");
    clear(&f);
}

/* The folder of a test, which keeps the device of the program as its state. */
static int make_own_scratch(void **state) {
    void *kept = *state;
    const int failed = make_scratch(state);
    *state = kept;
    return failed;
}

static int remove_own_scratch(void **state) {
    void *kept = *state, *folder = (void *)(uintptr_t)scratch;
    const int failed = remove_scratch(&folder);
    *state = kept;
    return failed;
}

#define OWN_TEST(function)                                                                         \
    cmocka_unit_test_setup_teardown(function, make_own_scratch, remove_own_scratch)

int main(void) {
    const struct CMUnitTest tests[] = {
        OWN_TEST(prepared_images_are_the_orbit),
        OWN_TEST(given_logits_and_gradients_measure_as_the_oracle),
        OWN_TEST(folders_are_networks_side_by_side),
        OWN_TEST(the_worst_images_are_read_as_far_as_they_are_there),
        OWN_TEST(files_that_are_wrong_are_refused_by_name),
    };
    return no_device_to_test() ? 0
                               : cmocka_run_group_tests(tests, open_keeping_buffers, close_program);
}
