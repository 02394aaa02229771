/* Every kind of node on the device: logits and their gradients by the images are those of the list of
 * nodes in double precision, for the files of tests/onnx/models, each about one operator. */
#include "../kit/json.h"
#include "../onnx/evaluate.h"
#include "audit/audit.h"
#include "buffers.h"

#include <invar/random.h>

#include <math.h>

/* Networks of a single run on a simulated device: together they hold every op. */
static const char *const few[] = {"conv-groups", "maxpool",   "averagepool-ceil", "gelu",
                                  "concat-last", "transpose", "softmax-last",     "view-9-n"};

/* ------------------------------------------------------------------ in double precision */

/* Class i mod C of image i. */
static double chosen_logit(const double *logits, size_t n_classes, size_t image) {
    return logits[image * n_classes + image % n_classes];
}

/* gradients [n_images, D] of those logits, by central differences of a pixel of all images at once:
 * they do not meet. */
static void differentiate(const iv_onnx_model *model, size_t n_images, double *images,
                          double *gradients) {
    const size_t d = model->n_pixels, c = model->n_classes;
    const double step = 1e-5;
    double *high = new_doubles(n_images * c), *low = new_doubles(n_images * c);
    for (size_t p = 0; p < d; p++) {
        for (size_t i = 0; i < n_images; i++) images[i * d + p] += step;
        onnx_evaluate(model, n_images, images, high);
        for (size_t i = 0; i < n_images; i++) images[i * d + p] -= 2 * step;
        onnx_evaluate(model, n_images, images, low);
        for (size_t i = 0; i < n_images; i++) {
            images[i * d + p] += step;
            gradients[i * d + p] =
                (chosen_logit(high, c, i) - chosen_logit(low, c, i)) / (2 * step);
        }
    }
    free(high);
    free(low);
}

/* ------------------------------------------------------------------ on the device */

static void compute(const program *p, const iv_network *network, size_t n_images,
                    const double *images, float *logits, float *gradients) {
    const iv_onnx_model *model = network->onnx;
    const size_t d = model->n_pixels, n = n_images * d;
    const iv_image_shape shape = {model->planes, model->height, model->width};
    audit_population population;
    iv_graph *graph;
    iv_plan *plan;
    iv_tensor *gradient;
    float *values = new_floats(n);
    int32_t classes[8];
    assert_true(n_images <= 8);
    for (size_t i = 0; i < n; i++) values[i] = (float)images[i];
    for (size_t i = 0; i < n_images; i++) classes[i] = (int32_t)(i % model->n_classes);
    const cl_mem on_device = upload(p->context, values, n * sizeof *values);
    const cl_mem chosen = upload(p->context, classes, n_images * sizeof *classes);
    const iv_view x_view = {on_device, 0, 0}, class_view = {chosen, 0, 0};
    assert_ok(p->context,
              audit_population_create(p->context, &network, 1, shape, NULL, NULL, &population));
    const iv_measured measured = audit_population_measured(&population);
    assert_ok(p->context, iv_graph_create(p->context, 1, &graph));
    iv_tensor *x = iv_input(graph, IV_F32, 2, DIMS(n_images, d), &x_view);
    iv_tensor *y = measured.logits(measured.networks, graph, x, NULL);
    iv_tensor *sum =
        iv_class_logit_sum(graph, y, iv_input(graph, IV_I32, 1, DIMS(n_images), &class_view));
    assert_ok(p->context, iv_gradient(graph, sum, &x, 1, &gradient));
    assert_ok(p->context, iv_graph_compile(graph, (iv_tensor *[]){y, gradient}, 2, &plan));
    assert_ok(p->context, iv_plan_run(plan, 0));
    assert_ok(p->context, iv_plan_read(plan, y, logits));
    assert_ok(p->context, iv_plan_read(plan, gradient, gradients));
    iv_plan_destroy(plan);
    iv_graph_destroy(graph);
    audit_population_clear(&population);
    iv_buffer_release(p->context, on_device);
    iv_buffer_release(p->context, chosen);
    free(values);
}

/* ------------------------------------------------------------------ comparing */

/* Float32 through a few layers of sums of at most 100 products; derivatives of steep functions lose
 * another factor of 10, and differences are good to 1e-9. */
static bool near(const char *name, const char *what, const float *found, const double *expected,
                 size_t n, double tolerance) {
    double largest = 1e-2;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs(expected[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)found[i] - expected[i]) <= tolerance * largest)) {
            print_error("%s: %s %zu is %.9g, expected %.9g\n", name, what, i, (double)found[i],
                        expected[i]);
            return false;
        }
    return true;
}

/* Images are random: no entry stands where a function has a corner. */
static bool check(const program *p, const char *name, size_t n_images) {
    iv_error error = {0};
    iv_network network;
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.onnx", MODELS, name);
    assert_ok(&error, iv_network_read(path, NULL, &network, &error));
    const iv_onnx_model *model = network.onnx;
    const size_t n = n_images * model->n_pixels, n_logits = n_images * model->n_classes;
    double *images = new_doubles(n), *logits = new_doubles(n_logits), *gradients = new_doubles(n);
    float *found = new_floats(n_logits), *found_gradients = new_floats(n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t words[4];
        iv_philox(1, IV_STREAM_TEST, 0, i, words);
        images[i] = (double)iv_uniform_symmetric(words[0]);
    }
    onnx_evaluate(model, n_images, images, logits);
    differentiate(model, n_images, images, gradients);
    compute(p, &network, n_images, images, found, found_gradients);
    const bool good = near(name, "logit", found, logits, n_logits, 1e-5) &
                      near(name, "derivative", found_gradients, gradients, n, 1e-4);
    free(images);
    free(logits);
    free(gradients);
    free(found);
    free(found_gradients);
    iv_network_clear(&network);
    return good;
}

static void logits_and_gradients_are_those_of_the_list(void **state) {
    json_t *all = read_json(MODELS "/expected.json"), *expected;
    const char *name;
    size_t n_bad = 0, n_checked = 0;
    json_object_foreach(all, name, expected) {
        bool wanted = !is_small_run();
        for (size_t i = 0; i < sizeof few / sizeof *few; i++)
            wanted = wanted || strcmp(few[i], name) == 0;
        if (!wanted) continue;
        n_bad +=
            !check(*state, name, (size_t)json_integer_value(json_object_get(expected, "images")));
        n_checked++;
    }
    json_decref(all);
    assert_int_equal(n_bad, 0);
    assert_true(n_checked >= (is_small_run() ? sizeof few / sizeof *few : 200));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_and_gradients_are_those_of_the_list),
    };
    if (!iv_onnx_is_built()) return skip_all_because("built without ONNX");
    return no_device_to_test() ? 0
                               : cmocka_run_group_tests(tests, open_keeping_buffers, close_program);
}
