/* Tensors that are added to memory of the caller: the same numbers as adding them afterwards, for
 * products that do it in their epilogue and for what has to wait for other readers. */
#include "trial.h"

enum { MEMBERS = 3, ROWS = 7, WIDTH = 13, MAX_TARGETS = 5 };

typedef enum {
    APART,     /* every parameter is read by one layer */
    TIED,      /* both layers have the same weights: their gradient is a sum */
    OVERLAPPED /* both layers' weights are tensors of their own in the same memory */
} weights;

/* Two layers with an activation between them; what is changed, and by how much. */
typedef struct {
    trial *t;
    iv_tensor *loss, *targets[MAX_TARGETS], *gradients[MAX_TARGETS], *scale;
    size_t n;
} network;

static network make_network(void **state, weights w, bool input_too) {
    network a = {.t = trial_begin(*state, MEMBERS)};
    trial *t = a.t;
    t->seed = 3000; /* the same numbers every time */
    iv_tensor *x = trial_floats(t, LIES_APART, 2, DIMS(ROWS, WIDTH), -1.0, 1.0);
    iv_tensor *y = trial_floats(t, LIES_APART, 2, DIMS(ROWS, WIDTH), -1.0, 1.0);
    a.scale = trial_floats(t, LIES_APART, 1, DIMS(1), -0.5, 0.5);
    iv_tensor *b1 = trial_floats(t, LIES_APART, 1, DIMS(WIDTH), -1.0, 1.0);
    iv_tensor *b2 = trial_floats(t, LIES_APART, 1, DIMS(WIDTH), -1.0, 1.0);
    iv_tensor *w1 = trial_floats(t, LIES_APART, 2, DIMS(WIDTH, WIDTH), -1.0, 1.0), *w2 = w1;
    if (w == APART) w2 = trial_floats(t, LIES_APART, 2, DIMS(WIDTH, WIDTH), -1.0, 1.0);
    if (w == OVERLAPPED) {
        const iv_view view = iv_tensor_view(w1);
        w2 = iv_input(t->graph, IV_F32, 2, DIMS(WIDTH, WIDTH), &view);
    }
    iv_tensor *h = iv_activate(t->graph, iv_linear(t->graph, x, w1, b1), IV_ACTIVATION_SELU);
    a.loss = iv_mean_square(t->graph, iv_linear(t->graph, h, w2, b2), y);
    iv_tensor *const targets[] = {b1, b2, w1, w2, x};
    for (size_t i = 0; i < 5; i++)
        if ((i != 3 || w != TIED) && (i != 4 || input_too)) a.targets[a.n++] = targets[i];
    assert_ok(t->context, iv_gradient(t->graph, a.loss, a.targets, a.n, a.gradients));
    return a;
}

/* Run once: the loss first, then the targets' gradients. */
static void run_network(network *a) {
    iv_tensor *outputs[MAX_TARGETS + 1] = {a->loss};
    memcpy(outputs + 1, a->gradients, a->n * sizeof *outputs);
    trial_run(a->t, outputs, a->n + 1, 0);
}

static size_t launches(const network *a) {
    return iv_sequence_length(iv_plan_sequence(a->t->plan));
}

/* What a target holds now. */
static float *read_target(const network *a, size_t i) {
    const iv_view view = iv_tensor_view(a->targets[i]);
    const size_t n = iv_elements(a->targets[i]);
    float *values = malloc(MEMBERS * n * sizeof *values);
    assert_non_null(values);
    for (size_t r = 0; r < MEMBERS; r++)
        assert_ok(a->t->context, iv_buffer_read(a->t->context, view.buffer,
                                                (view.offset + r * view.stride) * sizeof(float),
                                                n * sizeof(float), values + r * n));
    return values;
}

/* Targets that lie where target i does, itself among them, have been added to: old + scale (g +
 * ...) with a rounding for each. One sum is exactly an fma. */
static void check_target(const network *plain, const network *added, size_t i, float **gradients) {
    const size_t n = iv_elements(added->targets[i]);
    const iv_view here = iv_tensor_view(added->targets[i]);
    float *got = read_target(added, i), *old = read_target(plain, i);
    for (size_t e = 0; e < MEMBERS * n; e++) {
        const float scale = (float)*trial_values(added->t, added->scale, e / n);
        double sum = old[e], size = fabs(sum);
        float once = old[e];
        size_t n_sums = 0;
        for (size_t k = 0; k < added->n; k++) {
            const iv_view there = iv_tensor_view(added->targets[k]);
            if (!iv_same_view(&here, &there)) continue;
            once = fmaf(scale, gradients[k][e], once);
            sum += (double)scale * gradients[k][e];
            size += fabs((double)scale * gradients[k][e]);
            n_sums++;
        }
        if (n_sums == 1)
            assert_true(got[e] == once);
        else
            assert_true(fabs(got[e] - sum) <= (double)n_sums * 0x1p-24 * size);
        assert_true(got[e] != old[e]);
    }
    free(got);
    free(old);
}

/* The gradients kept, and added: the same loss, and targets that were changed by them. Returns how
 * many more launches adding takes. */
static int check(void **state, weights w, bool input_too) {
    network plain = make_network(state, w, input_too), added = make_network(state, w, input_too);
    for (size_t i = 0; i < added.n; i++)
        iv_add_to(added.gradients[i], iv_tensor_view(added.targets[i]),
                  iv_tensor_view(added.scale));
    run_network(&plain);
    run_network(&added);
    float *gradients[MAX_TARGETS];
    float *loss = trial_read(plain.t, plain.loss), *same = trial_read(added.t, added.loss);
    assert_memory_equal(loss, same, MEMBERS * sizeof *loss);
    for (size_t i = 0; i < plain.n; i++) gradients[i] = trial_read(plain.t, plain.gradients[i]);
    for (size_t i = 0; i < plain.n; i++) check_target(&plain, &added, i, gradients);
    for (size_t i = 0; i < plain.n; i++) free(gradients[i]);
    free(loss);
    free(same);

    if (w == APART && !input_too) {
        assert_true(iv_plan_bytes(added.t->plan) < iv_plan_bytes(plain.t->plan));
        assert_null(iv_plan_view(added.t->plan, added.gradients[0]).buffer);
    }
    const int more = (int)launches(&added) - (int)launches(&plain);
    trial_end(*state, plain.t);
    trial_end(*state, added.t);
    return more;
}

/* CLBlast has a launch of its own for each of two sums. */
static bool may_be_clblast(void) {
    const char *engine = getenv("INVAR_GEMM_ENGINE");
    return engine && !strcmp(engine, "clblast");
}

static void products_add_in_their_epilogue(void **state) {
    assert_int_equal(check(state, APART, false), may_be_clblast() ? 2 : 0);
}

/* The input's gradient is no product for weights, and the weights' gradient reads the input. */
static void what_is_read_later_is_added_to_at_the_end(void **state) {
    const int n_sums = check(state, APART, true);
    if (!may_be_clblast()) assert_int_equal(n_sums, 1);
}

static void a_sum_of_gradients_is_added_once(void **state) {
    check(state, TIED, false);
    check(state, TIED, true);
}

/* The second layer's weights change only after the first layer's input got its gradient. */
static void memory_that_another_tensor_reads_is_added_to_at_the_end(void **state) {
    check(state, OVERLAPPED, true);
}

/* dw = dy^T x added to x itself, which is square here: a product must not write what it reads. SIDE
 * is one that products read in place, in several tiles. */
static void a_products_own_input_is_added_to_after_it(void **state) {
    enum { SIDE = 48 };
    float *results[2], *gradient = NULL;
    for (size_t adds = 0; adds < 2; adds++) {
        trial *t = trial_begin(*state, MEMBERS);
        t->seed = 3500;
        iv_tensor *x = trial_floats(t, LIES_APART, 2, DIMS(SIDE, SIDE), -1.0, 1.0);
        iv_tensor *y = trial_floats(t, LIES_APART, 2, DIMS(SIDE, SIDE), -1.0, 1.0);
        iv_tensor *w = trial_floats(t, LIES_APART, 2, DIMS(SIDE, SIDE), -1.0, 1.0);
        iv_tensor *scale = trial_floats(t, LIES_APART, 1, DIMS(1), -0.5, 0.5), *dw = NULL;
        iv_tensor *loss = iv_mean_square(t->graph, iv_linear(t->graph, x, w, NULL), y);
        assert_ok(t->context, iv_gradient(t->graph, loss, &w, 1, &dw));
        if (adds) iv_add_to(dw, iv_tensor_view(x), iv_tensor_view(scale));
        trial_run(t, &dw, 1, 0);
        const network seen = {.t = t, .targets = {x}};
        results[adds] = read_target(&seen, 0);
        if (!adds) gradient = trial_read(t, dw);
        for (size_t e = 0; adds && e < MEMBERS * SIDE * SIDE; e++) {
            const float s = (float)*trial_values(t, scale, e / (SIDE * SIDE));
            assert_true(results[1][e] == fmaf(s, gradient[e], results[0][e]));
        }
        trial_end(*state, t);
    }
    free(results[0]);
    free(results[1]);
    free(gradient);
}

static void a_gradient_with_another_reader_is_kept_for_it(void **state) {
    network plain = make_network(state, APART, false), added = make_network(state, APART, false);
    network *const both[] = {&plain, &added};
    iv_tensor *doubled[2];
    float *values[2];
    for (size_t i = 0; i < 2; i++) {
        iv_graph *g = both[i]->t->graph;
        doubled[i] = iv_add(g, both[i]->gradients[2], both[i]->gradients[2]);
        if (i == 1)
            iv_add_to(added.gradients[2], iv_tensor_view(added.targets[2]),
                      iv_tensor_view(added.scale));
        iv_tensor *outputs[] = {doubled[i], both[i]->gradients[2]};
        trial_run(both[i]->t, outputs, 2, 0);
        values[i] = trial_read(both[i]->t, doubled[i]);
    }
    assert_memory_equal(values[0], values[1], MEMBERS * WIDTH * WIDTH * sizeof(float));
    float *gradient = trial_read(plain.t, plain.gradients[2]), *unused[MAX_TARGETS];
    for (size_t i = 0; i < MAX_TARGETS; i++) unused[i] = gradient;
    check_target(&plain, &added, 2, unused);
    free(gradient);
    free(values[0]);
    free(values[1]);
    trial_end(*state, plain.t);
    trial_end(*state, added.t);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_add_in_their_epilogue),
        cmocka_unit_test(what_is_read_later_is_added_to_at_the_end),
        cmocka_unit_test(a_sum_of_gradients_is_added_once),
        cmocka_unit_test(memory_that_another_tensor_reads_is_added_to_at_the_end),
        cmocka_unit_test(a_products_own_input_is_added_to_after_it),
        cmocka_unit_test(a_gradient_with_another_reader_is_kept_for_it),
    };
    return cmocka_run_group_tests_name("add_to", tests, open_program, close_program);
}
