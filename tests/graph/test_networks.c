/* Whole networks at toy size: the training losses of the regularization study, Jacobians, saliency
 * maps, against central differences in double precision. */
#include "oracles.h"

enum { N_LAYERS = 3, HIDDEN = 5, CLASSES = 4, BATCH = 3, MEMBERS = 2, STEP_NUMBER = 9 };

typedef struct {
    iv_tensor *parameters[2 * N_LAYERS];
    size_t n;
} network;

static network make_network(trial *t, size_t n_pixels) {
    network net = {.n = 2 * N_LAYERS};
    size_t inputs = n_pixels;
    for (size_t l = 0; l < N_LAYERS; l++) {
        const size_t outputs = l + 1 == N_LAYERS ? CLASSES : HIDDEN;
        net.parameters[2 * l] = trial_floats(t, LIES_APART, 2, DIMS(outputs, inputs), -1.0, 1.0);
        net.parameters[2 * l + 1] = trial_floats(t, LIES_APART, 1, &outputs, -0.5, 0.5);
        inputs = outputs;
    }
    return net;
}

/* pooled: the mean over the first axis of x after the first layer (weight-tying). */
static iv_tensor *logits_of(trial *t, const network *net, iv_tensor *x, bool pooled) {
    iv_tensor *h = x;
    for (size_t l = 0; l < N_LAYERS; l++) {
        h = iv_linear(t->graph, h, net->parameters[2 * l], net->parameters[2 * l + 1]);
        if (l + 1 < N_LAYERS) h = iv_activate(t->graph, h, IV_ACTIVATION_RELU);
        if (l == 0 && pooled) h = iv_orbit_mean(t->graph, h);
    }
    return h;
}

static iv_tensor *as_rows(trial *t, iv_tensor *images) {
    return iv_reshape(t->graph, images, 2,
                      DIMS(iv_dim(images, 0) * iv_dim(images, 1), iv_dim(images, 2)));
}

/* Gradients to all parameters, placed apart as the optimizer has them. */
static void check_loss(program *p, trial *t, const network *net, iv_tensor *loss) {
    iv_tensor *outputs[2 * N_LAYERS + 1];
    assert_ok(t->context, iv_gradient(t->graph, loss, net->parameters, net->n, outputs));
    for (size_t i = 0; i < net->n; i++) trial_place(t, outputs[i]);
    outputs[net->n] = loss;
    trial_run(t, outputs, net->n + 1, STEP_NUMBER);
    assert_tensor_agrees(t, loss, STEP_NUMBER);
    for (size_t i = 0; i < net->n; i++)
        assert_gradient_agrees(t, loss, NULL, net->parameters[i], outputs[i], STEP_NUMBER);
    trial_end(p, t);
}

static trial *begin(void **state, const known_group **group) {
    trial *t = trial_begin(*state, MEMBERS);
    *group = trial_group(t, IV_GROUP_ROTATION, 4, IV_AXES_XY, 3);
    return t;
}

static void weight_tying_has_the_right_gradients(void **state) {
    const known_group *group;
    trial *t = begin(state, &group);
    iv_tensor *images, *labels;
    trial_image_batch(t, group, 11, 7, BATCH, IV_COPIES_ORBIT, true, &images, &labels);
    const network net = make_network(t, group->group->n_pixels);
    iv_tensor *loss = iv_cross_entropy(t->graph, logits_of(t, &net, images, true), labels);
    check_loss(*state, t, &net, loss);
}

/* The first layer's weights under every element, [G H, D], and its bias as often. */
static void act_on_weights(trial *t, const network *net, const known_group *group,
                           const known_group *idle, iv_tensor **filters, iv_tensor **bias) {
    iv_graph *g = t->graph;
    const size_t G = group->group->n_elements, D = group->group->n_pixels;
    *filters = iv_reshape(g, iv_orbit(g, net->parameters[0], group->inverse, group->source, G), 2,
                          DIMS(G * HIDDEN, D));
    iv_tensor *row = iv_reshape(g, net->parameters[1], 2, DIMS(1, HIDDEN));
    *bias = iv_reshape(g, iv_orbit(g, row, idle->source, idle->inverse, G), 1, DIMS(G * HIDDEN));
}

/* W (g x) = (W g) x: the loss by acting on the weights has the right gradients, and is the loss by
 * acting on the images but for rounding. */
static void weight_tying_may_act_on_the_weights(void **state) {
    const known_group *group;
    trial *t = begin(state, &group);
    const known_group *idle = trial_idle_group(t, 4, HIDDEN);

    iv_tensor *images, *labels, *filters, *bias;
    trial_image_batch(t, group, 11, 7, BATCH, IV_COPIES_ORBIT, true, &images, &labels);
    const network net = make_network(t, group->group->n_pixels);
    act_on_weights(t, &net, group, idle, &filters, &bias);
    iv_tensor *h = iv_linear(t->graph, iv_slice(t->graph, images, 0, 1), filters, bias);
    h = iv_orbit_mean_of_features(t->graph, iv_activate(t->graph, h, IV_ACTIVATION_RELU), 4);
    for (size_t l = 1; l < N_LAYERS; l++) {
        h = iv_linear(t->graph, h, net.parameters[2 * l], net.parameters[2 * l + 1]);
        if (l + 1 < N_LAYERS) h = iv_activate(t->graph, h, IV_ACTIVATION_RELU);
    }
    iv_tensor *loss = iv_cross_entropy(t->graph, h, labels);
    iv_tensor *reference = iv_cross_entropy(t->graph, logits_of(t, &net, images, true), labels);
    iv_tensor *outputs[2 * N_LAYERS + 2];
    assert_ok(t->context, iv_gradient(t->graph, loss, net.parameters, net.n, outputs));
    for (size_t i = 0; i < net.n; i++) trial_place(t, outputs[i]);
    outputs[net.n] = loss;
    outputs[net.n + 1] = reference;
    trial_run(t, outputs, net.n + 2, STEP_NUMBER);
    assert_tensor_agrees(t, loss, STEP_NUMBER);
    assert_tensor_agrees(t, reference, STEP_NUMBER);
    for (size_t i = 0; i < net.n; i++)
        assert_gradient_agrees(t, loss, NULL, net.parameters[i], outputs[i], STEP_NUMBER);

    float by_weights[MEMBERS], by_images[MEMBERS];
    assert_ok(t->context, iv_plan_read(t->plan, loss, by_weights));
    assert_ok(t->context, iv_plan_read(t->plan, reference, by_images));
    /* Both are within the oracle's bounds, above. They differ only in the order of a first layer's
     * sums of 9 products: 9 u on either side, of logits of order one. */
    for (size_t r = 0; r < MEMBERS; r++)
        assert_true(fabs((double)by_weights[r] - by_images[r]) <=
                    18 * UNIT_ROUNDOFF * fmax(1.0, fabs((double)by_images[r])));
    trial_end(*state, t);
}

static void augmentation_has_the_right_gradients(void **state) {
    const known_group *group;
    trial *t = begin(state, &group);
    iv_tensor *images, *labels;
    trial_image_batch(t, group, 11, 7, BATCH, IV_COPIES_RANDOM, true, &images, &labels);
    const network net = make_network(t, group->group->n_pixels);
    iv_tensor *logits = logits_of(t, &net, as_rows(t, images), false);
    check_loss(*state, t, &net, iv_cross_entropy(t->graph, logits, labels));
}

/* Cross-entropy on x plus nu times the distance of the logits of x and g x, with nu per member. */
static void regularization_has_the_right_gradients(void **state) {
    const known_group *group;
    trial *t = begin(state, &group);
    iv_tensor *images, *labels;
    trial_image_batch(t, group, 11, 7, BATCH, IV_COPIES_PAIR, true, &images, &labels);
    const network net = make_network(t, group->group->n_pixels);
    iv_tensor *logits = iv_reshape(t->graph, logits_of(t, &net, as_rows(t, images), false), 3,
                                   DIMS(2, BATCH, CLASSES));
    iv_tensor *of_x = iv_slice(t->graph, logits, 0, 1), *of_gx = iv_slice(t->graph, logits, 1, 1);
    iv_tensor *nu = trial_floats(t, LIES_APART, 1, DIMS(1), 0.1, 3.0);
    iv_tensor *loss = iv_weighted_sum(t->graph, iv_cross_entropy(t->graph, of_x, labels),
                                      iv_logit_distance(t->graph, of_gx, of_x), nu);
    check_loss(*state, t, &net, loss);
}

static void check_jacobian(program *p, trial *t, iv_tensor *logits, iv_tensor *x) {
    iv_tensor *outputs[] = {iv_jacobian(t->graph, logits, x), logits};
    assert_non_null(outputs[0]);
    assert_int_equal(iv_rank(outputs[0]), 3);
    assert_int_equal(iv_dim(outputs[0], 1), CLASSES);
    const iv_tensor *seed = NULL;
    for (size_t i = 0; i < t->graph->n_nodes; i++)
        if (t->graph->nodes[i]->op == &op_identity_seed) seed = t->graph->nodes[i]->outputs[0];
    trial_run(t, outputs, 2, 0);
    assert_tensor_agrees(t, logits, 0);
    assert_gradient_agrees(t, logits, seed, x, outputs[0], 0);
    trial_end(p, t);
}

static void jacobian_of_a_perceptron_agrees_with_central_differences(void **state) {
    trial *t = trial_begin(*state, MEMBERS);
    iv_tensor *x = trial_floats(t, LIES_SHARED, 2, DIMS(BATCH, 9), -1.0, 1.0);
    const network net = make_network(t, 9);
    check_jacobian(*state, t, logits_of(t, &net, x, false), x);
}

static void jacobian_through_an_orbit_agrees_with_central_differences(void **state) {
    const known_group *group;
    trial *t = begin(state, &group);
    iv_tensor *x = trial_floats(t, LIES_APART, 2, DIMS(BATCH, 9), -1.0, 1.0);
    const network net = make_network(t, 9);
    iv_tensor *orbit = iv_orbit(t->graph, x, group->source, group->inverse, 4);
    check_jacobian(*state, t, logits_of(t, &net, orbit, true), x);
}

/* What the saliency metric reads: the gradient, at every copy of every sample, of the logit of the
 * class predicted for the sample itself. */
static void saliency_maps_agree_with_central_differences(void **state) {
    const known_group *group;
    trial *t = begin(state, &group);
    iv_tensor *x = trial_floats(t, LIES_APART, 3, DIMS(4, BATCH, 9), -1.0, 1.0), *maps;
    const network net = make_network(t, 9);
    iv_tensor *logits = logits_of(t, &net, as_rows(t, x), false);
    iv_tensor *orbit = iv_reshape(t->graph, logits, 3, DIMS(4, BATCH, CLASSES));
    iv_tensor *classes = iv_argmax(t->graph, iv_slice(t->graph, orbit, 0, 1));
    iv_tensor *sum = iv_class_logit_sum(t->graph, orbit, classes);
    assert_ok(t->context, iv_gradient(t->graph, sum, &x, 1, &maps));
    iv_tensor *outputs[] = {maps, sum,
                            iv_orbit_saliency_similarity(t->graph, maps, group->inverse)};
    trial_run(t, outputs, 3, 0);
    assert_tensor_agrees(t, sum, 0);
    assert_gradient_agrees(t, sum, NULL, x, maps, 0);
    assert_tensor_agrees(t, outputs[2], 0);
    trial_end(*state, t);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weight_tying_has_the_right_gradients),
        cmocka_unit_test(weight_tying_may_act_on_the_weights),
        cmocka_unit_test(augmentation_has_the_right_gradients),
        cmocka_unit_test(regularization_has_the_right_gradients),
        cmocka_unit_test(jacobian_of_a_perceptron_agrees_with_central_differences),
        cmocka_unit_test(jacobian_through_an_orbit_agrees_with_central_differences),
        cmocka_unit_test(saliency_maps_agree_with_central_differences),
    };
    return cmocka_run_group_tests_name("networks", tests, open_program, close_program);
}
