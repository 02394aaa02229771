/* An audit's numbers are the oracle's: for every metric, over all images and for each class, of
 * networks that the tests write as files and the library reads. */
#include "buffers.h"
#include "models.h"

#include <invar/audit.h>
#include <invar/random.h>
#include <invar/train.h>

#include <float.h>
#include <math.h>

enum { MOST_IMAGES = 64 };

/* ------------------------------------------------------------------ trials */

typedef struct {
    oracle_network network;
    uint32_t seed;
    double scale;
    oracle_group (*group)(void);
    const char *group_name;
    size_t n_images, n_jacobians; /* 0: all */
} trial;

static void read_network(const oracle_network *from, const char *type, own_folder *folder,
                         iv_network *network) {
    char metadata[64];
    iv_error error = {0};
    const char *path = in_folder(folder, "network.safetensors");
    snprintf(metadata, sizeof metadata, "{\"activation\":\"%s\"}", from->activation);
    write_network(path, metadata, "net.", type, from);
    assert_ok(&error, iv_network_read(path, NULL, network, &error));
}

static iv_group *parse_group(const char *name, const iv_dataset *images) {
    iv_error error = {0};
    iv_group *group;
    assert_ok(&error, iv_group_parse(
                          name, (iv_image_shape){images->channels, images->height, images->width},
                          &group, &error));
    return group;
}

static void audit(const program *p, const trial *t, const iv_network *networks, size_t n,
                  const iv_dataset *images, iv_audit *found) {
    float mean[3], deviation[3];
    iv_group *group = parse_group(t->group_name, images);
    for (size_t c = 0; c < 3; c++) {
        mean[c] = (float)t->network.mean[c];
        deviation[c] = (float)t->network.deviation[c];
    }
    const bool standardized = t->network.deviation[0] > 0;
    const iv_audit_options options = {.networks = networks,
                                      .n_networks = n,
                                      .images = images,
                                      .n_images = images->n_images,
                                      .group = group,
                                      .mean = standardized ? mean : NULL,
                                      .deviation = standardized ? deviation : NULL,
                                      .n_jacobians = t->n_jacobians,
                                      .n_resamples = 20};
    assert_ok(p->context, iv_audit_run(p->context, &options, found));
    iv_group_destroy(group);
}

/* ------------------------------------------------------------------ comparing */

static double value_of(const oracle_numbers *n, size_t metric, size_t k) {
    switch (metric) {
    case IV_AUDIT_ACCURACY: return n->accuracy;
    case IV_AUDIT_LI: return n->li;
    case IV_AUDIT_DI: return n->di;
    case IV_AUDIT_SI: return n->si;
    case IV_AUDIT_SIGMA: return n->spectrum[0];
    case IV_AUDIT_CHANGES: return n->changed[k];
    case IV_AUDIT_SIZE: return n->size;
    default: return n->spectrum[k];
    }
}

/* Logits are sums of at most 108 products in each of a few layers: off by 1e-5 of the largest one
 * at most, and so are derivatives. LI is 0.5 d^2 for a distance d, off by d times that and more; the
 * smallest singular values feel the rounding of the largest. SI is a cosine, off by a few 1e-5 where
 * maps are not tiny. Half the squared length of logits is off by 2e-5 of the largest square. */
static double tolerance_of(size_t metric, const oracle_numbers *n, double largest) {
    switch (metric) {
    case IV_AUDIT_ACCURACY: return 1e-6;
    case IV_AUDIT_LI: return 1e-4 * n->li + 1e-5 * largest * largest;
    case IV_AUDIT_DI: return 1e-4 * n->di + 1e-5 * largest;
    case IV_AUDIT_SI: return 1e-4;
    case IV_AUDIT_CHANGES: return 1e-6;
    case IV_AUDIT_SIZE: return 1e-4 * n->size + 1e-5 * largest * largest;
    default: return 1e-4 * n->spectrum[0];
    }
}

static void close_to(size_t metric, size_t i, double found, double expected, double tolerance) {
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("%s %zu: %.9g, the oracle says %.9g, tolerance %.2g",
                 iv_audit_metric_get(metric)->name, i, found, expected, tolerance);
}

/* The mean over images of a class (all of them if class is n_classes). */
static double mean_of(const oracle_numbers *numbers, const iv_dataset *images, size_t n,
                      size_t class, size_t metric, size_t k) {
    double sum = 0, count = 0;
    for (size_t i = 0; i < n; i++)
        if (class == images->n_classes || images->labels[i] == class) {
            sum += value_of(&numbers[i], metric, k);
            count++;
        }
    return sum / count;
}

static void compare(const trial *t, const iv_dataset *images, const iv_audit_model *model) {
    static oracle_numbers expected[MOST_IMAGES];
    const oracle_group group = t->group();
    double image[ORACLE_WIDTH], logits[ORACLE_CLASSES], largest = 0;
    for (size_t i = 0; i < images->n_images; i++) {
        image_of(images, i, image);
        oracle_measure(&t->network, &group, image, images->labels[i], &expected[i]);
        oracle_logits(&t->network, image, logits);
        for (size_t c = 0; c < images->n_classes; c++) largest = fmax(largest, fabs(logits[c]));
    }
    for (size_t m = 0; m < IV_AUDIT_N_METRICS; m++) {
        const size_t n = model->n_images[m];
        const bool of_jacobian = m == IV_AUDIT_SIGMA || m == IV_AUDIT_SPECTRUM;
        assert_int_equal(n, of_jacobian && t->n_jacobians ? t->n_jacobians : t->n_images);
        if (m == IV_AUDIT_CHANGES) assert_int_equal(model->width[m], group.n_elements);
        for (size_t k = 0; k < model->width[m]; k++) {
            double most = 0;
            for (size_t i = 0; i < n; i++) {
                const double tolerance = tolerance_of(m, &expected[i], largest);
                close_to(m, i, model->images[m][i * model->width[m] + k],
                         value_of(&expected[i], m, k), tolerance);
                most = fmax(most, tolerance);
            }
            close_to(m, k, model->all[m][k].value,
                     mean_of(expected, images, n, images->n_classes, m, k), most);
            for (size_t c = 0; c < images->n_classes; c++) {
                const double found = model->classes[m][c * model->width[m] + k].value;
                if (c < n) /* labels are 0, 1, 2, ... */
                    close_to(m, k, found, mean_of(expected, images, n, c, m, k), most);
                else
                    assert_true(isnan(found));
            }
        }
    }
}

static void check(void **state, trial t) {
    const program *p = *state;
    own_folder folder;
    iv_network network;
    iv_audit found;
    make_folder(&folder);
    if (is_small_run()) { /* a simulated device is slow */
        t.n_images = 4;
        t.n_jacobians = 2;
    }
    oracle_random(&t.network, t.seed, t.scale, 0);
    read_network(&t.network, "F32", &folder, &network);
    iv_dataset images = random_images(t.n_images, t.network.planes, t.network.side,
                                      t.network.widths[t.network.n_layers], t.seed + 1);
    audit(p, &t, &network, 1, &images, &found);
    assert_int_equal(found.n_models, 1);
    compare(&t, &images, &found.models[0]);
    iv_audit_clear(&found);
    iv_dataset_clear(&images);
    iv_network_clear(&network);
    oracle_free(&t.network);
    remove_folder(&folder);
}

/* ------------------------------------------------------------------ claims */

static void a_perceptron_under_quarter_turns_measures_as_the_oracle(void **state) {
    check(state, (trial){{1, 6, 3, {36, 12, 9, 5}, "tanh", {0}, {0}, {0}, {0}},
                         1,
                         3,
                         oracle_quarter_turns,
                         "rotation:4",
                         37,
                         0});
}

static void relu_in_colour_under_rolls_measures_as_the_oracle(void **state) {
    check(state, (trial){{3, 6, 2, {108, 20, 4}, "relu", {0}, {0}, {0}, {0}},
                         2,
                         3,
                         oracle_rolls,
                         "shift:2:xy",
                         20,
                         0});
}

/* More hidden units than pixels, so that Jacobians are formed. */
static void a_wide_first_layer_measures_as_the_oracle(void **state) {
    check(state, (trial){{1, 4, 3, {16, 40, 10, 6}, "sigmoid", {0}, {0}, {0}, {0}},
                         3,
                         6,
                         oracle_half_turns,
                         "rotation:2",
                         19,
                         7});
}

static void a_single_layer_measures_as_the_oracle(void **state) {
    check(state, (trial){{1, 4, 1, {16, 7}, "none", {0}, {0}, {0}, {0}},
                         4,
                         3,
                         oracle_quarter_turns,
                         "rotation:4",
                         15,
                         0});
}

static void more_classes_than_pixels_measure_as_the_oracle(void **state) {
    check(state, (trial){{1, 2, 2, {4, 6, 11}, "selu", {0}, {0}, {0}, {0}},
                         5,
                         3,
                         oracle_quarter_turns,
                         "rotation:4",
                         22,
                         0});
}

/* What comes before the first layer is a part of the network: derivatives are by pixel / 255. */
static void mean_and_deviation_of_each_channel_count_as_the_oracle_says(void **state) {
    check(state,
          (trial){{3, 4, 2, {48, 10, 3}, "tanh", {0}, {0}, {0.5, 0.25, 0.75}, {0.25, 0.5, 2}},
                  6,
                  2,
                  oracle_quarter_turns,
                  "rotation:4",
                  18,
                  0});
}

/* A first layer whose weights look the same after every turn: logits move by rounding alone. */
static void a_network_invariant_by_construction_has_no_li(void **state) {
    const program *p = *state;
    trial t = {{1, 6, 2, {36, 12, 5}, "tanh", {0}, {0}, {0}, {0}},
               7,
               3,
               oracle_quarter_turns,
               "rotation:4",
               16,
               1};
    const oracle_group group = t.group();
    own_folder folder;
    iv_network network;
    iv_audit found;
    make_folder(&folder);
    oracle_random(&t.network, t.seed, t.scale, 0);
    for (size_t h = 0; h < 12; h++) {
        double sum[36] = {0}, moved[36];
        for (size_t g = 0; g < 4; g++) {
            group.act(g, 6, t.network.weights[0] + h * 36, moved);
            for (size_t i = 0; i < 36; i++) sum[i] += moved[i];
        }
        memcpy(t.network.weights[0] + h * 36, sum, sizeof sum);
    }
    read_network(&t.network, "F32", &folder, &network);
    iv_dataset images = random_images(t.n_images, 1, 6, 5, 8);
    audit(p, &t, &network, 1, &images, &found);
    double image[36], logits[5], largest = 0;
    for (size_t i = 0; i < images.n_images; i++) {
        image_of(&images, i, image);
        oracle_logits(&t.network, image, logits);
        for (size_t c = 0; c < 5; c++) largest = fmax(largest, fabs(logits[c]));
    }
    assert_true(largest > 0.5);
    assert_true(found.models[0].all[IV_AUDIT_LI]->value < 1e-6 * largest * largest);
    assert_true(found.models[0].all[IV_AUDIT_DI]->value < 1e-6);
    assert_true(found.models[0].all[IV_AUDIT_SI]->value > 1 - 1e-5);
    iv_audit_clear(&found);
    iv_dataset_clear(&images);
    iv_network_clear(&network);
    oracle_free(&t.network);
    remove_folder(&folder);
}

/* ------------------------------------------------------------------ several networks */

static void assert_same_numbers(const iv_audit_model *a, const iv_audit_model *b,
                                size_t n_classes) {
    for (size_t m = 0; m < IV_AUDIT_N_METRICS; m++) {
        const size_t width = a->width[m];
        assert_int_equal(a->n_images[m], b->n_images[m]);
        assert_memory_equal(a->images[m], b->images[m],
                            a->n_images[m] * width * sizeof *a->images[m]);
        assert_memory_equal(a->all[m], b->all[m], width * sizeof *a->all[m]);
        assert_memory_equal(a->classes[m], b->classes[m],
                            n_classes * width * sizeof *a->classes[m]);
    }
}

/* The first and the last have one architecture; one between them is wider, one lacks a bias. */
static void a_network_measures_the_same_alone_and_beside_others(void **state) {
    const program *p = *state;
    static const size_t hidden[4] = {9, 11, 9, 9};
    trial t = {.group_name = "rotation:4", .n_jacobians = is_small_run() ? 1 : 5};
    iv_network networks[4];
    iv_audit together, alone;
    iv_dataset images = random_images(13, 1, 4, 5, 30);
    for (uint32_t i = 0; i < 4; i++) {
        own_folder folder;
        oracle_network n = {1, 4, 2, {16, hidden[i], 5}, "relu", {0}, {0}, {0}, {0}};
        make_folder(&folder);
        oracle_random(&n, 20 + i, 3, 0);
        if (i == 2) {
            free(n.biases[0]);
            n.biases[0] = NULL;
        }
        read_network(&n, "F32", &folder, &networks[i]);
        oracle_free(&n);
        remove_folder(&folder);
    }
    audit(p, &t, networks, 4, &images, &together);
    assert_int_equal(together.n_models, 4);
    for (size_t i = 0; i < 4; i++) {
        audit(p, &t, &networks[i], 1, &images, &alone);
        assert_same_numbers(&together.models[i], &alone.models[0], 5);
        iv_audit_clear(&alone);
    }
    assert_memory_not_equal(together.models[0].images[IV_AUDIT_LI],
                            together.models[3].images[IV_AUDIT_LI], 13 * sizeof(float));
    iv_audit_clear(&together);
    for (size_t i = 0; i < 4; i++) iv_network_clear(&networks[i]);
    iv_dataset_clear(&images);
}

/* The weights that a training would begin with, to the last bit. */
static void fresh_weights_are_initial_ones(void **state) {
    const program *p = *state;
    iv_error error = {0};
    own_folder folder;
    iv_network network, fresh;
    iv_parameters *parameters;
    const uint32_t seed = 77;
    const size_t widths[] = {16, 9, 7, 5};
    oracle_network n = {1, 4, 3, {16, 9, 7, 5}, "relu", {0}, {0}, {0}, {0}};
    iv_parameter_desc descs[6] = {{.rank = 0}};
    make_folder(&folder);
    oracle_random(&n, 78, 1, 0);
    read_network(&n, "F32", &folder, &network);
    assert_ok(&error, iv_network_fresh(&network, seed, &fresh, &error));
    assert_true(iv_network_same_architecture(&network, &fresh));
    assert_string_equal(fresh.name, "fresh 16-9-7-5 relu");
    for (size_t l = 0; l < 3; l++) {
        const float bound = 1 / sqrtf((float)widths[l]);
        descs[2 * l] = (iv_parameter_desc){.rank = 2,
                                           .dims = {widths[l + 1], widths[l]},
                                           .distribution = IV_UNIFORM,
                                           .scale = bound};
        descs[2 * l + 1] = (iv_parameter_desc){
            .rank = 1, .dims = {widths[l + 1]}, .distribution = IV_UNIFORM, .scale = bound};
        snprintf(descs[2 * l].name, sizeof descs->name, "w%zu", l);
        snprintf(descs[2 * l + 1].name, sizeof descs->name, "b%zu", l);
    }
    assert_ok(p->context, iv_parameters_create(p->context, 1, descs, 6, &parameters));
    assert_ok(p->context, iv_parameters_initialize(parameters, &seed));
    for (size_t i = 0; i < 6; i++) {
        const iv_network_layer *layer = &fresh.layers[i / 2];
        const float *values = i % 2 ? layer->bias : layer->weight;
        const size_t count = layer->outputs * (i % 2 ? 1 : layer->inputs);
        const iv_view view = iv_parameters_view(parameters, i);
        float *expected = new_floats(count);
        if (!values) { /* the network has no bias there */
            free(expected);
            continue;
        }
        assert_ok(p->context, iv_buffer_read(p->context, view.buffer, view.offset * sizeof(float),
                                             count * sizeof(float), expected));
        assert_memory_equal(values, expected, count * sizeof(float));
        free(expected);
    }
    iv_parameters_destroy(parameters);
    iv_network_clear(&network);
    iv_network_clear(&fresh);
    oracle_free(&n);
    remove_folder(&folder);
}

/* ------------------------------------------------------------------ intervals */

static int ascending(const void *first, const void *second) {
    const double a = *(const double *)first, b = *(const double *)second;
    return (a > b) - (a < b);
}

/* The resamples written out: the images that the documented draws name, their mean, and the values
 * a fortieth from either end of the sorted means, between neighbours in proportion. */
static void intervals_are_those_of_the_documented_draws(void **state) {
    const program *p = *state;
    enum { N = 23, RESAMPLES = 40, CLASSES = 4 };
    trial t = {{1, 4, 2, {16, 8, CLASSES}, "tanh", {0}, {0}, {0}, {0}},
               40,
               3,
               oracle_quarter_turns,
               "rotation:4",
               N,
               0};
    own_folder folder;
    iv_network network;
    iv_audit found;
    make_folder(&folder);
    oracle_random(&t.network, t.seed, t.scale, 0);
    read_network(&t.network, "F32", &folder, &network);
    iv_dataset images = random_images(N, 1, 4, CLASSES, 41);
    iv_group *group = parse_group(t.group_name, &images);
    const iv_audit_options options = {.networks = &network,
                                      .n_networks = 1,
                                      .images = &images,
                                      .n_images = N,
                                      .group = group,
                                      .no_jacobians = true,
                                      .n_resamples = RESAMPLES,
                                      .seed = 99};
    assert_ok(p->context, iv_audit_run(p->context, &options, &found));
    for (size_t m = 0; m < IV_AUDIT_SIGMA; m++)
        for (size_t class = 0; class <= CLASSES; class ++) {
            const iv_audit_number *number =
                class == CLASSES ? found.models[0].all[m] : &found.models[0].classes[m][class];
            double means[RESAMPLES];
            size_t n_means = 0;
            for (uint32_t b = 0; b < RESAMPLES; b++) {
                double sum = 0, count = 0;
                for (uint32_t i = 0; i < N; i++) {
                    uint32_t words[4];
                    iv_philox(99, IV_STREAM_BOOTSTRAP, b, i / 4, words);
                    const size_t image = (size_t)(((uint64_t)words[i % 4] * N) >> 32);
                    if (class < CLASSES && images.labels[image] != class) continue;
                    sum += (double)found.models[0].images[m][image];
                    count++;
                }
                if (count > 0) means[n_means++] = sum / count;
            }
            qsort(means, n_means, sizeof *means, ascending);
            const double at = 0.025 * (double)(n_means - 1);
            const size_t k = (size_t)at, last = n_means - 1;
            const double share = at - (double)k;
            const double low = means[k] + share * (means[k + 1] - means[k]);
            const double high = means[last - k] - share * (means[last - k] - means[last - k - 1]);
            assert_true(fabs(number->low - low) <= 1e-12 + 1e-9 * fabs(low));
            assert_true(fabs(number->high - high) <= 1e-12 + 1e-9 * fabs(high));
            assert_true(number->low <= number->value && number->value <= number->high);
        }
    iv_group_destroy(group);
    iv_audit_clear(&found);
    iv_dataset_clear(&images);
    iv_network_clear(&network);
    oracle_free(&t.network);
    remove_folder(&folder);
}

/* ------------------------------------------------------------------ what does not fit */

static void expect(const program *p, const iv_network *network, const iv_dataset *images,
                   const char *group_name, iv_status status, const char *message) {
    iv_audit found;
    iv_group *group = parse_group(group_name, images);
    const iv_audit_options options = {.networks = network,
                                      .n_networks = 1,
                                      .images = images,
                                      .n_images = images->n_images,
                                      .group = group};
    assert_fails(p->context, iv_audit_run(p->context, &options, &found), status, message);
    assert_int_equal(found.n_models, 0);
    iv_group_destroy(group);
}

static void what_does_not_fit_the_images_is_refused(void **state) {
    const program *p = *state;
    own_folder folder;
    iv_network network;
    oracle_network n = {1, 4, 2, {16, 8, 5}, "tanh", {0}, {0}, {0}, {0}};
    make_folder(&folder);
    oracle_random(&n, 50, 1, 0);
    read_network(&n, "F32", &folder, &network);
    iv_dataset larger = random_images(3, 1, 6, 5, 51), images = random_images(3, 1, 4, 5, 52),
               more = random_images(9, 1, 4, 9, 53);
    expect(p, &network, &larger, "rotation:4", IV_EDATA,
           "takes 16 values, but random has 1 x 6 x 6");
    expect(p, &network, &more, "rotation:4", IV_EDATA, "has 5 classes, but random has 9");
    expect(p, &network, &images, "shift:3:x", IV_EINVAL, "pads images of 4 x 4 to 6 x 6");

    network.layers[1].inputs = 7; /* filled in by hand, and wrong */
    expect(p, &network, &images, "rotation:4", IV_EINVAL,
           "layer 0 gives 8 values, the next one takes 7");
    network.layers[1].inputs = 8;

    iv_audit found;
    const float none = 0;
    iv_group *group = parse_group("rotation:4", &images);
    iv_audit_options options = {.networks = &network,
                                .n_networks = 1,
                                .images = &images,
                                .n_images = 3,
                                .group = group,
                                .deviation = &none};
    assert_fails(p->context, iv_audit_run(p->context, &options, &found), IV_EINVAL,
                 "expected numbers above 0");
    options.deviation = NULL;
    options.first = 1;
    assert_fails(p->context, iv_audit_run(p->context, &options, &found), IV_EINVAL,
                 "3 images from number 1 on");
    iv_group_destroy(group);
    iv_dataset_clear(&larger);
    iv_dataset_clear(&images);
    iv_dataset_clear(&more);
    iv_network_clear(&network);
    oracle_free(&n);
    remove_folder(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_perceptron_under_quarter_turns_measures_as_the_oracle),
        cmocka_unit_test(relu_in_colour_under_rolls_measures_as_the_oracle),
        cmocka_unit_test(a_wide_first_layer_measures_as_the_oracle),
        cmocka_unit_test(a_single_layer_measures_as_the_oracle),
        cmocka_unit_test(more_classes_than_pixels_measure_as_the_oracle),
        cmocka_unit_test(mean_and_deviation_of_each_channel_count_as_the_oracle_says),
        cmocka_unit_test(a_network_invariant_by_construction_has_no_li),
        cmocka_unit_test(a_network_measures_the_same_alone_and_beside_others),
        cmocka_unit_test(fresh_weights_are_initial_ones),
        cmocka_unit_test(intervals_are_those_of_the_documented_draws),
        cmocka_unit_test(what_does_not_fit_the_images_is_refused),
    };
    return no_device_to_test() ? 0
                               : cmocka_run_group_tests(tests, open_keeping_buffers, close_program);
}
