/* Files that PyTorch exported measure as PyTorch says in double precision: onnx/make_models.py made
 * both. */
#include "../kit/json.h"
#include "buffers.h"

#include <invar/audit.h>

#include <math.h>

enum { ELEMENTS = 4, SMALL_IMAGES = 2 };

/* Of small runs: test_onnx_nodes.c has every kind of node there. */
#define SKIP_ON_SLOW_DEVICES()                                                                     \
    do {                                                                                           \
        if (is_small_run()) SKIP_BECAUSE("a simulated device is slow");                            \
    } while (0)

#define FILES(name) ONNX_FOLDER "/" name

/* ------------------------------------------------------------------ what is expected */

static const json_t *entry_of(const json_t *all, const char *name) {
    const json_t *entry = json_object_get(all, name);
    const char *same = json_string_value(json_object_get(entry, "same"));
    assert_non_null(entry);
    return same ? json_object_get(all, same) : entry;
}

static double number_of(const json_t *entry, const char *key) {
    const json_t *value = json_object_get(entry, key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static double at(const json_t *entry, const char *key, size_t i) {
    const json_t *value = json_array_get(json_object_get(entry, key), i);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static void near(const char *file, const char *what, double found, double expected,
                 double tolerance) {
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("%s: %s is %.9g, PyTorch says %.9g +- %.2g", file, what, found, expected,
                 tolerance);
}

/* ------------------------------------------------------------------ audits */

static void audit(const program *p, const char *file, const json_t *entry, size_t n_images,
                  size_t n_jacobians, iv_audit *found) {
    const float mean[3] = {(float)number_of(entry, "mean"), (float)number_of(entry, "mean"),
                           (float)number_of(entry, "mean")};
    const float deviation[3] = {(float)number_of(entry, "std"), (float)number_of(entry, "std"),
                                (float)number_of(entry, "std")};
    const bool plain = mean[0] == 0 && deviation[0] == 1;
    char path[1024], folder[1024];
    iv_error error = {0};
    iv_dataset images;
    iv_network network;
    iv_group *group;
    snprintf(path, sizeof path, "%s/%s", ONNX_FOLDER, file);
    snprintf(folder, sizeof folder, "%s/%s", ONNX_FOLDER,
             json_string_value(json_object_get(entry, "images")));
    assert_ok(&error, iv_own_images_load(folder, "images", &images, &error));
    assert_ok(&error, iv_network_read(path, NULL, &network, &error));
    assert_ok(&error, iv_group_parse("rotation:4",
                                     (iv_image_shape){images.channels, images.height, images.width},
                                     &group, &error));
    assert_ok(p->context,
              iv_audit_run(p->context,
                           &(iv_audit_options){.networks = &network,
                                               .n_networks = 1,
                                               .images = &images,
                                               .n_images = n_images ? n_images : images.n_images,
                                               .group = group,
                                               .mean = plain ? NULL : mean,
                                               .deviation = plain ? NULL : deviation,
                                               .n_jacobians = n_jacobians,
                                               .n_resamples = 2},
                           found));
    iv_group_destroy(group);
    iv_network_clear(&network);
    iv_dataset_clear(&images);
}

/* LI and DI of single images; a distance of logits is off by their rounding. */
static void compare_images(const char *file, const json_t *entry, const iv_audit_model *model) {
    const double size = number_of(entry, "half_squared_logits");
    for (size_t i = 0; i < model->n_images[IV_AUDIT_LI]; i++) {
        const double li = at(entry, "images_li", i), di = at(entry, "images_di", i);
        near(file, "LI of an image", model->images[IV_AUDIT_LI][i], li, 1e-4 * li + 1e-6 * size);
        near(file, "DI of an image", model->images[IV_AUDIT_DI][i], di, 1e-4 * di + 1e-6 * size);
    }
}

/* Single precision against double: means of LI and DI to 1e-4, what is a derivative to 1e-3. Small
 * singular values feel the rounding of the largest. */
static void compare(const char *file, const json_t *entry, const iv_audit_model *model) {
    const double size = number_of(entry, "half_squared_logits");
    const double sigma = number_of(entry, "sigma_max_jacobian");
    near(file, "accuracy", model->all[IV_AUDIT_ACCURACY]->value, number_of(entry, "accuracy"),
         1e-6);
    near(file, "LI", model->all[IV_AUDIT_LI]->value, number_of(entry, "li"),
         1e-4 * number_of(entry, "li") + 1e-6 * size);
    near(file, "DI", model->all[IV_AUDIT_DI]->value, number_of(entry, "di"),
         1e-4 * number_of(entry, "di") + 1e-6 * size);
    near(file, "SI", model->all[IV_AUDIT_SI]->value, number_of(entry, "si"), 1e-3);
    for (size_t g = 0; g < ELEMENTS; g++)
        near(file, "predictions that change", model->all[IV_AUDIT_CHANGES][g].value,
             at(entry, "changes", g), 1e-6);
    near(file, "sigma_max", model->all[IV_AUDIT_SIGMA]->value, sigma, 1e-3 * sigma);
    assert_int_equal(model->width[IV_AUDIT_SPECTRUM],
                     json_array_size(json_object_get(entry, "jacobian_spectrum")));
    for (size_t k = 0; k < model->width[IV_AUDIT_SPECTRUM]; k++)
        near(file, "a singular value", model->all[IV_AUDIT_SPECTRUM][k].value,
             at(entry, "jacobian_spectrum", k), 1e-3 * sigma);
}

static void check(void **state, const char *file) {
    const program *p = *state;
    json_t *all = read_json(FILES("expected.json"));
    const json_t *entry = entry_of(all, file);
    iv_audit found;
    if (!iv_onnx_is_built()) {
        json_decref(all);
        SKIP_BECAUSE("built without ONNX");
    }
    audit(p, file, entry, is_small_run() ? SMALL_IMAGES : 0, is_small_run() ? 1 : 0, &found);
    compare_images(file, entry, &found.models[0]);
    if (!is_small_run()) compare(file, entry, &found.models[0]);
    iv_audit_clear(&found);
    json_decref(all);
}

/* ------------------------------------------------------------------ claims */

static void a_perceptron_with_mean_and_deviation_measures_as_pytorch(void **state) {
    check(state, "perceptron.onnx");
}

static void batch_normalisation_and_pooling_measure_as_pytorch(void **state) {
    check(state, "lenet-13.onnx");
}

/* The chain of shapes before a reshape, and a model in training form, in other operator sets. */
static void operator_sets_measure_alike(void **state) {
    SKIP_ON_SLOW_DEVICES();
    check(state, "lenet-9.onnx");
    check(state, "lenet-11.onnx");
    check(state, "lenet-17.onnx");
}

static void a_residual_network_measures_as_pytorch(void **state) {
    SKIP_ON_SLOW_DEVICES();
    check(state, "residual.onnx");
}

static void depthwise_convolutions_and_gates_measure_as_pytorch(void **state) {
    SKIP_ON_SLOW_DEVICES();
    check(state, "depthwise.onnx");
}

static void a_mixer_of_patches_measures_as_pytorch(void **state) {
    SKIP_ON_SLOW_DEVICES();
    check(state, "mixer.onnx");
}

static void weights_of_half_precision_measure_as_pytorch(void **state) {
    check(state, "half.onnx");
}

static void padding_and_odd_windows_measure_as_pytorch(void **state) {
    SKIP_ON_SLOW_DEVICES();
    check(state, "padded.onnx");
}

/* Filters that a quarter turn leaves alone, and poolings that do not mind: only rounding is left. */
static void a_network_invariant_by_construction_has_no_li(void **state) {
    SKIP_ON_SLOW_DEVICES();
    const program *p = *state;
    json_t *all = read_json(FILES("expected.json"));
    const json_t *entry = entry_of(all, "invariant.onnx");
    iv_audit found;
    if (!iv_onnx_is_built()) {
        json_decref(all);
        SKIP_BECAUSE("built without ONNX");
    }
    audit(p, "invariant.onnx", entry, 0, 0, &found);
    const iv_audit_model *model = &found.models[0];
    const double size = number_of(entry, "half_squared_logits");
    assert_true(size > 1);
    assert_true(model->all[IV_AUDIT_LI]->value < 1e-6 * size);
    assert_true(model->all[IV_AUDIT_DI]->value < 1e-6);
    assert_true(model->all[IV_AUDIT_SI]->value > 1 - 1e-5);
    compare("invariant.onnx", entry, model);
    iv_audit_clear(&found);
    json_decref(all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_perceptron_with_mean_and_deviation_measures_as_pytorch),
        cmocka_unit_test(batch_normalisation_and_pooling_measure_as_pytorch),
        cmocka_unit_test(operator_sets_measure_alike),
        cmocka_unit_test(a_residual_network_measures_as_pytorch),
        cmocka_unit_test(depthwise_convolutions_and_gates_measure_as_pytorch),
        cmocka_unit_test(a_mixer_of_patches_measures_as_pytorch),
        cmocka_unit_test(weights_of_half_precision_measure_as_pytorch),
        cmocka_unit_test(padding_and_odd_windows_measure_as_pytorch),
        cmocka_unit_test(a_network_invariant_by_construction_has_no_li),
    };
    return no_device_to_test() ? 0
                               : cmocka_run_group_tests(tests, open_keeping_buffers, close_program);
}
