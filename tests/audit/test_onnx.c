/* Audits of lists of nodes, which tests fill in by hand: they are those of the same networks as
 * layers, alone and beside others, and what does not fit is refused. */
#include "buffers.h"
#include "models.h"

#include <invar/audit.h>
#include <invar/random.h>

#include <math.h>

/* ------------------------------------------------------------------ networks */

static char *copy(const char *text) {
    char *own = strdup(text);
    assert_non_null(own);
    return own;
}

static size_t add_value(iv_onnx_model *model, unsigned rank, const size_t *shape,
                        const double *data) {
    size_t n = 1;
    iv_onnx_value *value = &model->values[model->n_values];
    *value = (iv_onnx_value){.name = copy(""), .rank = rank};
    for (unsigned i = 0; i < rank; i++) n *= value->shape[i] = shape[i];
    if (data) value->data = new_floats(n);
    for (size_t i = 0; i < n && data; i++) value->data[i] = (float)data[i];
    return model->n_values++;
}

static iv_onnx_node *add_node(iv_onnx_model *model, iv_onnx_op op, size_t x, size_t output) {
    iv_onnx_node *node = &model->nodes[model->n_nodes++];
    *node = (iv_onnx_node){.op = op, .name = copy("a node"), .n_inputs = 1, .output = output};
    node->inputs = calloc(3, sizeof *node->inputs);
    assert_non_null(node->inputs);
    node->inputs[0] = x;
    return node;
}

/* The network's layers as nodes, each with a tanh after it but for the last one. The image passes a
 * permutation and its inverse first, so that there is more than a perceptron. */
static iv_network nodes_of(const oracle_network *n, const char *name) {
    const size_t shape[] = {n->planes, n->side, n->side}, turned[] = {n->side, n->planes, n->side};
    iv_onnx_model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    *model = (iv_onnx_model){.planes = n->planes,
                             .height = n->side,
                             .width = n->side,
                             .n_pixels = n->widths[0],
                             .n_classes = n->widths[n->n_layers],
                             .opset = 13,
                             .producer = copy("a test"),
                             .notes = copy("")};
    model->values = calloc(8 + 4 * n->n_layers, sizeof *model->values);
    model->nodes = calloc(8 + 2 * n->n_layers, sizeof *model->nodes);
    assert_true(model->values && model->nodes);
    model->input = add_value(model, 3, shape, NULL);
    size_t x = add_value(model, 3, turned, NULL), y = add_value(model, 3, shape, NULL);
    memcpy(add_node(model, IV_ONNX_PERMUTE, model->input, x)->order, (const unsigned[]){0, 2, 1, 3},
           4 * sizeof(unsigned));
    memcpy(add_node(model, IV_ONNX_PERMUTE, x, y)->order, (const unsigned[]){0, 2, 1, 3},
           4 * sizeof(unsigned));
    x = add_value(model, 1, n->widths, NULL);
    add_node(model, IV_ONNX_RESHAPE, y, x);
    for (size_t l = 0; l < n->n_layers; l++) {
        const size_t weights[] = {n->widths[l + 1], n->widths[l]};
        y = add_value(model, 1, weights, NULL);
        iv_onnx_node *linear = add_node(model, IV_ONNX_LINEAR, x, y);
        linear->inputs[linear->n_inputs++] = add_value(model, 2, weights, n->weights[l]);
        if (n->biases[l])
            linear->inputs[linear->n_inputs++] = add_value(model, 1, weights, n->biases[l]);
        x = y;
        if (l + 1 == n->n_layers) break;
        x = add_value(model, 1, weights, NULL);
        add_node(model, IV_ONNX_UNARY, y, x)->unary = (iv_function){.kind = IV_TANH};
    }
    model->output = x;
    return (iv_network){.name = copy(name), .notes = copy(""), .onnx = model};
}

/* One more node at the end, of batch normalisation. */
static size_t add_normalization(iv_onnx_model *model, iv_binary_kind kind, size_t n) {
    const double learned[] = {0.25, -3, 0.5, 2, 7};
    const size_t constant = add_value(model, 1, &n, learned);
    const size_t output = add_value(model, 1, &n, NULL);
    iv_onnx_node *node = add_node(model, IV_ONNX_BINARY, model->output, output);
    free(node->name);
    node->name = copy("BatchNormalization 'norm'");
    node->binary = kind;
    node->inputs[node->n_inputs++] = constant;
    model->output = output;
    return constant;
}

static iv_network layers_of(const oracle_network *n) {
    iv_network network = {.name = copy("layers"),
                          .notes = copy(""),
                          .activation = IV_ACTIVATION_TANH,
                          .n_layers = n->n_layers};
    network.layers = calloc(n->n_layers, sizeof *network.layers);
    assert_non_null(network.layers);
    for (size_t l = 0; l < n->n_layers; l++) {
        iv_network_layer *layer = &network.layers[l];
        *layer = (iv_network_layer){.inputs = n->widths[l], .outputs = n->widths[l + 1]};
        layer->weight = new_floats(layer->inputs * layer->outputs);
        for (size_t i = 0; i < layer->inputs * layer->outputs; i++)
            layer->weight[i] = (float)n->weights[l][i];
        if (n->biases[l]) layer->bias = new_floats(layer->outputs);
        for (size_t i = 0; i < layer->outputs && n->biases[l]; i++)
            layer->bias[i] = (float)n->biases[l][i];
    }
    return network;
}

/* ------------------------------------------------------------------ audits */

static void audit(const program *p, const iv_network *networks, size_t n, const iv_dataset *images,
                  iv_audit *found) {
    static const float mean[] = {0.5f, 0.25f, 0.75f}, deviation[] = {0.25f, 0.5f, 2.0f};
    static const iv_curve_kind kind = IV_CURVE_ANGLE;
    static const double at[] = {30, 200};
    static const double *const points = at;
    static const size_t n_points = 2;
    iv_group *group;
    assert_ok(p->context,
              iv_group_parse("rotation:4",
                             (iv_image_shape){images->channels, images->height, images->width},
                             &group, iv_context_error(p->context)));
    assert_ok(p->context, iv_audit_run(p->context,
                                       &(iv_audit_options){.networks = networks,
                                                           .n_networks = n,
                                                           .images = images,
                                                           .n_images = images->n_images,
                                                           .group = group,
                                                           .mean = mean,
                                                           .deviation = deviation,
                                                           .n_jacobians = images->n_images / 2,
                                                           .directions = true,
                                                           .kinds = &kind,
                                                           .n_points = &n_points,
                                                           .at = &points,
                                                           .n_curves = 1,
                                                           .n_resamples = 20},
                                       found));
    iv_group_destroy(group);
}

static void assert_near(const char *what, double found, double expected, double tolerance) {
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("%s: %.9g, not %.9g +- %.2g", what, found, expected, tolerance);
}

/* Logits are sums of at most 48 products in each of three layers, in another order here: 1e-5 of the
 * largest at most, and so are derivatives; LI and DI as in test_measures.c. */
static void nodes_measure_as_layers(void **state) {
    const program *p = *state;
    oracle_network n = {3, 4, 3, {48, 12, 9, 5}, "tanh", {0}, {0}, {0}, {0}};
    oracle_random(&n, 1, 3, 0);
    iv_network networks[] = {nodes_of(&n, "nodes"), layers_of(&n)};
    iv_dataset images = random_images(is_small_run() ? 4 : 21, 3, 4, 5, 2);
    iv_audit found;
    audit(p, networks, 2, &images, &found);
    const iv_audit_model *a = &found.models[0], *b = &found.models[1];
    assert_string_equal(a->architecture, "ONNX 3x4x4-5, 3 linear layers, 746 parameters");
    for (size_t m = 0; m < IV_AUDIT_N_METRICS; m++) {
        assert_int_equal(a->n_images[m], b->n_images[m]);
        assert_int_equal(a->width[m], b->width[m]);
        for (size_t i = 0; i < a->n_images[m] * a->width[m]; i++) {
            const double value = b->images[m][i];
            const double size = m >= IV_AUDIT_SIGMA ? b->all[IV_AUDIT_SIGMA]->value : 1;
            assert_near(iv_audit_metric_get((iv_audit_metric)m)->name, a->images[m][i], value,
                        1e-4 * (fabs(value) + size));
        }
    }
    for (size_t k = 0; k < IV_N_GENERATORS; k++)
        assert_near("sensitivity", a->directions[k].sensitivity, b->directions[k].sensitivity,
                    1e-4 * b->directions[IV_N_GENERATORS - 1].sensitivity);
    for (size_t k = 0; k < 2; k++) {
        const iv_curve_point *of = found.curves[0].points;
        assert_near("curve", of[k].moved.li, of[2 + k].moved.li, 1e-4 * (1 + of[2 + k].moved.li));
        assert_near("curve", of[k].undone.si, of[2 + k].undone.si, 1e-4);
    }
    iv_audit_clear(&found);
    iv_dataset_clear(&images);
    for (size_t i = 0; i < 2; i++) iv_network_clear(&networks[i]);
    oracle_free(&n);
}

/* The first and the last differ in their weights alone: one population. */
static void a_list_measures_the_same_alone_and_beside_others(void **state) {
    const program *p = *state;
    static const size_t hidden[] = {9, 11, 9};
    iv_network networks[3];
    iv_dataset images = random_images(is_small_run() ? 4 : 13, 3, 2, 5, 30);
    iv_audit together, alone;
    for (uint32_t i = 0; i < 3; i++) {
        oracle_network n = {3, 2, 2, {12, hidden[i], 5}, "tanh", {0}, {0}, {0}, {0}};
        oracle_random(&n, 20 + i, 3, 0);
        networks[i] = nodes_of(&n, "nodes");
        oracle_free(&n);
    }
    assert_true(iv_network_same_architecture(&networks[0], &networks[2]));
    assert_false(iv_network_same_architecture(&networks[0], &networks[1]));
    audit(p, networks, 3, &images, &together);
    for (size_t i = 0; i < 3; i++) {
        audit(p, &networks[i], 1, &images, &alone);
        const iv_audit_model *a = &together.models[i], *b = &alone.models[0];
        for (size_t m = 0; m < IV_AUDIT_N_METRICS; m++)
            assert_memory_equal(a->images[m], b->images[m],
                                a->n_images[m] * a->width[m] * sizeof *a->images[m]);
        iv_audit_clear(&alone);
    }
    assert_memory_not_equal(together.models[0].images[IV_AUDIT_LI],
                            together.models[2].images[IV_AUDIT_LI],
                            images.n_images * sizeof(float));
    iv_audit_clear(&together);
    iv_dataset_clear(&images);
    for (size_t i = 0; i < 3; i++) iv_network_clear(&networks[i]);
}

/* By the documented draws: value number v is tensor number v. */
static void fresh_weights_are_the_documented_draws(void **state) {
    (void)state;
    oracle_network n = {1, 4, 2, {16, 9, 5}, "tanh", {0}, {0}, {0}, {0}};
    oracle_random(&n, 3, 3, 0);
    iv_network like = nodes_of(&n, "nodes"), fresh;
    iv_error error = {0};
    const size_t scaled = add_normalization(like.onnx, IV_MULTIPLY, 5);
    const size_t shifted = add_normalization(like.onnx, IV_ADD, 5);
    assert_ok(&error, iv_network_fresh(&like, 77, &fresh, &error));
    assert_true(iv_network_same_architecture(&like, &fresh));
    assert_string_equal(fresh.name, "fresh nodes");
    for (size_t c = 0; c < 5; c++) {
        assert_true(fresh.onnx->values[scaled].data[c] == 1);
        assert_true(fresh.onnx->values[shifted].data[c] == 0);
    }
    size_t n_drawn = 0;
    for (size_t i = 0; i < fresh.onnx->n_nodes; i++) {
        const iv_onnx_node *node = &fresh.onnx->nodes[i];
        for (size_t k = 1; k < node->n_inputs && node->op == IV_ONNX_LINEAR; k++, n_drawn++) {
            const uint32_t v = (uint32_t)node->inputs[k];
            const iv_onnx_value *value = &fresh.onnx->values[v];
            const float bound = 1 / sqrtf((float)fresh.onnx->values[node->inputs[1]].shape[1]);
            const size_t count = value->shape[0] * (value->rank > 1 ? value->shape[1] : 1);
            for (uint32_t e = 0; e < count; e++) {
                uint32_t words[4];
                iv_philox(77, IV_STREAM_INITIAL, v, e / 4, words);
                assert_true(value->data[e] == bound * iv_uniform_symmetric(words[e % 4]));
            }
        }
    }
    assert_int_equal(n_drawn, 3); /* oracle_random gives one layer no bias */
    iv_network_clear(&like);
    iv_network_clear(&fresh);
    oracle_free(&n);
}

static void expect(const program *p, const iv_network *network, iv_dataset images,
                   const char *group_name, iv_status status, const char *message) {
    iv_group *group;
    iv_audit found;
    assert_ok(p->context,
              iv_group_parse(group_name,
                             (iv_image_shape){images.channels, images.height, images.width}, &group,
                             iv_context_error(p->context)));
    assert_fails(p->context,
                 iv_audit_run(p->context,
                              &(iv_audit_options){.networks = network,
                                                  .n_networks = 1,
                                                  .images = &images,
                                                  .n_images = images.n_images,
                                                  .group = group},
                              &found),
                 status, message);
    iv_group_destroy(group);
    iv_dataset_clear(&images);
}

static void what_does_not_fit_the_images_is_refused(void **state) {
    const program *p = *state;
    oracle_network n = {3, 4, 2, {48, 9, 5}, "tanh", {0}, {0}, {0}, {0}};
    oracle_random(&n, 3, 3, 0);
    iv_network network = nodes_of(&n, "net");
    expect(p, &network, random_images(3, 1, 4, 5, 1), "rotation:4", IV_EDATA,
           "net: takes images of 3 x 4 x 4, but random has 1 x 4 x 4 (channels, height, width)");
    expect(p, &network, random_images(3, 3, 4, 5, 1), "shift:3:x", IV_EINVAL,
           "net: takes 48 values, but this group pads images of 4 x 4 to 6 x 6");
    expect(p, &network, random_images(9, 3, 4, 9, 1), "rotation:4", IV_EDATA,
           "net: has 5 classes, but random has 9");
    iv_network_clear(&network);
    oracle_free(&n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_measure_as_layers),
        cmocka_unit_test(a_list_measures_the_same_alone_and_beside_others),
        cmocka_unit_test(fresh_weights_are_the_documented_draws),
        cmocka_unit_test(what_does_not_fit_the_images_is_refused),
    };
    return no_device_to_test() ? 0
                               : cmocka_run_group_tests(tests, open_keeping_buffers, close_program);
}
