/* What the reader makes of files, computed in double precision, is what onnxruntime computes of them:
 * tests/onnx/make_models.py. Each file is about one operator, operator set, type of numbers or form of
 * a batch. */
#include "../kit/json.h"

#include "evaluate.h"

#include <math.h>

/* The same formula as in make_models.py. */
static double entry_of_images(size_t i) {
    return (double)(float)((double)(37 * i % 101) / 50 - 1);
}

/* Logits as the file has them: with the softmax that the reader leaves out. */
static void apply_left_out(const iv_onnx_model *model, size_t n_images, double *logits) {
    if (!model->left_out) return;
    for (size_t image = 0; image < n_images; image++) {
        double *row = logits + image * model->n_classes, sum = 0;
        for (size_t c = 0; c < model->n_classes; c++) sum += exp(row[c]);
        for (size_t c = 0; c < model->n_classes; c++)
            row[c] =
                strcmp(model->left_out, "Softmax") == 0 ? exp(row[c]) / sum : row[c] - log(sum);
    }
}

/* onnxruntime computes in float32: a sum of K products of numbers up to M is off by up to K eps M,
 * eps = 2^-24, and here K is at most 100 and a few layers follow one another: 2^-16 of the largest
 * logit. In float16, eps is 2^-11 and K at most 4: 2^-8. */
static bool is_near(const double *logits, const json_t *expected, double tolerance) {
    double largest = 1;
    for (size_t i = 0; i < json_array_size(expected); i++)
        largest = fmax(largest, fabs(json_number_value(json_array_get(expected, i))));
    for (size_t i = 0; i < json_array_size(expected); i++)
        if (!(fabs(logits[i] - json_number_value(json_array_get(expected, i))) <=
              tolerance * largest))
            return false;
    return true;
}

static bool check(const char *name, const json_t *expected) {
    const size_t n_images = (size_t)json_integer_value(json_object_get(expected, "images"));
    const json_t *wanted = json_object_get(expected, "logits");
    iv_error error = {0};
    iv_onnx_model model;
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.onnx", MODELS, name);
    if (iv_onnx_read(path, &model, &error) != IV_OK) {
        print_error("%s\n", error.message);
        return false;
    }
    bool good = json_array_size(wanted) == n_images * model.n_classes;
    if (good) {
        const size_t n = n_images * model.n_pixels;
        double *images = calloc(n, sizeof *images);
        double *logits = calloc(n_images * model.n_classes, sizeof *logits);
        assert_non_null(images);
        assert_non_null(logits);
        for (size_t i = 0; i < n; i++) images[i] = entry_of_images(i);
        /* The list has planes first, whatever the file has. */
        if (strcmp(name, "channels-last") == 0)
            for (size_t i = 0; i < n; i++) {
                const size_t n_pixels = model.height * model.width, image = i / model.n_pixels;
                const size_t plane = i % model.n_pixels / n_pixels, pixel = i % n_pixels;
                images[i] = entry_of_images(image * model.n_pixels + pixel * model.planes + plane);
            }
        onnx_evaluate(&model, n_images, images, logits);
        apply_left_out(&model, n_images, logits);
        good = is_near(logits, wanted, strstr(name, "all-float16") ? 0x1p-8 : 0x1p-16);
        if (!good)
            for (size_t i = 0; i < n_images * model.n_classes; i++)
                print_error("%s: logit %zu is %.9g, expected %.9g\n", name, i, logits[i],
                            json_number_value(json_array_get(wanted, i)));
        free(images);
        free(logits);
    } else {
        print_error("%s: %zu classes of %zu images, expected %zu logits\n", name, model.n_classes,
                    n_images, json_array_size(wanted));
    }
    iv_onnx_clear(&model);
    return good;
}

static void every_network_gives_what_onnxruntime_gives(void **state) {
    (void)state;
    json_t *all = read_json(MODELS "/expected.json"), *expected;
    const char *name;
    size_t n_bad = 0;
    assert_true(json_object_size(all) > 200);
    json_object_foreach(all, name, expected) {
        n_bad += !check(name, expected);
    }
    json_decref(all);
    assert_int_equal(n_bad, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_network_gives_what_onnxruntime_gives),
    };
    if (!iv_onnx_is_built()) return skip_all_because("built without ONNX");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
