/* Warps, blur and features where they are delicate: transformations that move nothing, that are not
 * finite or leave nothing, and far arguments of cosines; and the kernels for the other kind of
 * device. */
#include "examples.h"
#include "oracles.h"

#include <invar/affine.h>

#include <float.h>

/* Both kinds of kernels run on any device. */
static void with_either_kind_of_kernels(program *p, void (*check)(program *p)) {
    iv_device_type *type = (iv_device_type *)&iv_context_device(p->context)->type;
    const iv_device_type original = *type;
    *type = IV_DEVICE_CPU;
    check(p);
    *type = IV_DEVICE_GPU;
    check(p);
    *type = original;
}

static iv_tensor *transformation(trial *t, const double *values) {
    iv_tensor *T = trial_floats(t, LIES_IN_PLAN, 2, DIMS(1, 6), 0.0, 1.0);
    for (size_t r = 0; r < t->n_members; r++)
        memcpy(trial_values(t, T, r), values, 6 * sizeof *values);
    return T;
}

/* ------------------------------------------------------------------ known transformations */

/* Sides of both parities and of unlike length: positions are whole numbers without an error. */
static void check_identity(program *p) {
    static const iv_image_shape shapes[] = {{1, 4, 7}, {2, 5, 16}, {1, 1, 3}, {1, 3, 19}};
    for (size_t k = 0; k < 4; k++) {
        const iv_image_shape shape = shapes[k];
        const size_t D = shape.planes * shape.height * shape.width;
        trial *t = trial_begin(p, 1);
        iv_tensor *x = trial_floats(t, LIES_IN_PLAN, 2, DIMS(3, D), -1.0, 1.0);
        iv_tensor *T = transformation(t, (const double[]){1, 0, 0, 0, 1, 0});
        iv_tensor *outputs[] = {iv_warp_inputs(t->graph, x, T, shape),
                                iv_warp_filters(t->graph, x, T, shape)};
        trial_run(t, outputs, 2, 0);
        for (size_t i = 0; i < 2; i++) {
            float *got = trial_read(t, outputs[i]);
            for (size_t j = 0; j < 3 * D; j++) assert_true(got[j] == trial_values(t, x, 0)[j]);
            free(got);
        }
        trial_end(p, t);
    }
}

static void the_identity_changes_no_bit(void **state) {
    with_either_kind_of_kernels(*state, check_identity);
}

/* The filter at p is the filter at T p: moved by two pixels to the right and one down, T p lies
 * there, and what comes in from outside is 0. The adjoint moves the other way. */
static void check_translation(program *p) {
    enum { HEIGHT = 4, WIDTH = 5, RIGHT = 2, DOWN = 1 };
    const iv_image_shape shape = {1, HEIGHT, WIDTH};
    trial *t = trial_begin(p, 1);
    iv_tensor *x = trial_floats(t, LIES_IN_PLAN, 2, DIMS(1, HEIGHT * WIDTH), 0.5, 1.0);
    iv_tensor *T = transformation(
        t, (const double[]){1, 0, 2.0 * RIGHT / (WIDTH - 1), 0, 1, 2.0 * DOWN / (HEIGHT - 1)});
    iv_tensor *outputs[] = {iv_warp_filters(t->graph, x, T, shape),
                            iv_warp_inputs(t->graph, x, T, shape)};
    trial_run(t, outputs, 2, 0);
    for (int side = 0; side < 2; side++) {
        const int right = side ? -RIGHT : RIGHT, down = side ? -DOWN : DOWN;
        float *got = trial_read(t, outputs[side]);
        for (int i = 0; i < HEIGHT; i++)
            for (int j = 0; j < WIDTH; j++) {
                const int row = i + down, column = j + right;
                const bool inside = row >= 0 && row < HEIGHT && column >= 0 && column < WIDTH;
                const double expected = inside ? trial_values(t, x, 0)[row * WIDTH + column] : 0.0;
                /* four values up to 1, weights off by the positions:
                 * up to 5, four roundings each */
                assert_true(fabs(got[i * WIDTH + j] - expected) <= 4 * 2 * 4 * 5 * UNIT_ROUNDOFF);
            }
        free(got);
    }
    trial_end(p, t);
}

static void a_translation_by_whole_pixels_moves_them(void **state) {
    with_either_kind_of_kernels(*state, check_translation);
}

/* Everything goes to the middle of the image: each pixel of the filter becomes the mean of the four
 * there, and the adjoint gives each of these a quarter of all that there is. */
static void check_collapse(program *p) {
    enum { SIDE = 4 };
    const iv_image_shape shape = {1, SIDE, SIDE};
    trial *t = trial_begin(p, 1);
    iv_tensor *x = trial_floats(t, LIES_IN_PLAN, 2, DIMS(1, SIDE * SIDE), 0.0, 1.0);
    const double smallest = 1e-30;
    iv_tensor *T = transformation(t, (const double[]){smallest, 0, 0, 0, smallest, 0});
    iv_tensor *outputs[] = {iv_warp_filters(t->graph, x, T, shape),
                            iv_warp_inputs(t->graph, x, T, shape)};
    trial_run(t, outputs, 2, 0);
    double sum = 0.0, middle = 0.0;
    for (size_t i = 0; i < SIDE * SIDE; i++) {
        const bool is_middle = (i / SIDE == 1 || i / SIDE == 2) && (i % SIDE == 1 || i % SIDE == 2);
        sum += trial_values(t, x, 0)[i];
        middle += is_middle ? trial_values(t, x, 0)[i] : 0.0;
    }
    float *warped = trial_read(t, outputs[0]), *collected = trial_read(t, outputs[1]);
    for (size_t i = 0; i < SIDE * SIDE; i++) {
        const bool is_middle = (i / SIDE == 1 || i / SIDE == 2) && (i % SIDE == 1 || i % SIDE == 2);
        /* sums of 4 and of 16 */
        assert_true(fabs(warped[i] - middle / 4.0) <= 8 * UNIT_ROUNDOFF * middle);
        assert_true(fabs(collected[i] - (is_middle ? sum / 4.0 : 0.0)) <= 20 * UNIT_ROUNDOFF * sum);
    }
    free(warped);
    free(collected);
    trial_end(p, t);
}

static void a_transformation_onto_a_point_collects_every_pixel(void **state) {
    with_either_kind_of_kernels(*state, check_collapse);
}

/* ------------------------------------------------------------------ what is not finite */

/* Samples of a good transformation, one of each kind that is not, and ones that are far off. */
static void check_wild_transformations(program *p) {
    static const double wild[][6] = {{0.9, 0.1, 0, 0, 1.1, 0},     {NAN, 0, 0, 0, 1, 0},
                                     {1, 0, 0, 0, 1, INFINITY},    {1, 0, 1e30, 0, 1, 0},
                                     {3e38, 0, 0, 0, 3e38, -3e38}, {0, 0, 0, 0, 0, 0},
                                     {1, 1, 0, 1, 1, -INFINITY}};
    enum { S = sizeof wild / sizeof *wild, D = 3 * 4, N = 2 };
    static const bool is_finite[S] = {true, false, false, true, true, true, false};
    const iv_image_shape shape = {1, 3, 4};
    trial *t = trial_begin(p, 1);
    iv_tensor *x = trial_floats(t, LIES_IN_PLAN, 2, DIMS(N, D), 0.5, 1.0);
    iv_tensor *T = trial_floats(t, LIES_IN_PLAN, 2, DIMS(S, 6), 0.0, 1.0);
    iv_tensor *seed = trial_floats(t, LIES_IN_PLAN, 3, DIMS(S, N, D), -1.0, 1.0);
    memcpy(trial_values(t, T, 0), wild, sizeof wild);
    iv_tensor *outputs[4] = {iv_warp_inputs(t->graph, x, T, shape),
                             iv_warp_filters(t->graph, x, T, shape)};
    for (size_t i = 0; i < 2; i++)
        assert_ok(t->context,
                  iv_vector_jacobian(t->graph, outputs[i], seed, &T, 1, &outputs[2 + i]));
    trial_run(t, outputs, 4, 0);
    for (size_t i = 0; i < 4; i++) {
        const size_t n = iv_elements(outputs[i]);
        float *got = trial_read(t, outputs[i]);
        for (size_t k = 0; k < n; k++) {
            const size_t s = k / (n / S);
            assert_int_equal(isfinite(got[k]) != 0, is_finite[s]);
            if (!is_finite[s]) assert_true(isnan(got[k]));
            /* everything lies outside */
            if (s == 3) assert_true(got[k] == 0.0f);
        }
        free(got);
    }
    trial_end(p, t);
}

static void what_is_not_finite_gives_nan_and_what_is_far_gives_zero(void **state) {
    with_either_kind_of_kernels(*state, check_wild_transformations);
}

/* ------------------------------------------------------------------ both sides of a product */

/* <x, A w> = <A^T x, w>: the same sums in another order, of D products each. */
static void warping_inputs_and_warping_filters_give_the_same_products(void **state) {
    enum { S = 5, B = 4, H = 6 };
    const iv_image_shape shape = {1, 9, 17};
    const size_t D = 9 * 17;
    trial *t = trial_begin(*state, 2);
    iv_tensor *x = trial_floats(t, LIES_IN_PLAN, 2, DIMS(B, D), -1.0, 1.0);
    iv_tensor *w = trial_floats(t, LIES_IN_PLAN, 2, DIMS(H, D), -1.0, 1.0);
    iv_tensor *b = trial_floats(t, LIES_IN_PLAN, 1, DIMS(H), -1.0, 1.0);
    iv_tensor *T = trial_floats(t, LIES_IN_PLAN, 2, DIMS(S, 6), -1.0, 1.0);
    iv_tensor *outputs[] = {
        iv_linear(t->graph, iv_warp_inputs(t->graph, x, T, shape), w, b),
        iv_filter_products(t->graph, x, iv_warp_filters(t->graph, w, T, shape), b)};
    trial_run(t, outputs, 2, 0);
    float *of_inputs = trial_read(t, outputs[0]), *of_filters = trial_read(t, outputs[1]);
    for (size_t i = 0; i < 2 * S * B * H; i++) {
        /* 4 D terms of size up to 1, weighted by 1 in all for each pixel: each rounded some ten
         * times and displaced alike on both sides, and sums of up to 4 D terms, errors growing with
         * the square root */
        const double tolerance = (10.0 + sqrt(4.0 * (double)D)) * (double)D * UNIT_ROUNDOFF;
        assert_true(fabs(of_inputs[i] - of_filters[i]) <= tolerance);
        assert_true(fabs(of_inputs[i]) < (double)D);
    }
    free(of_inputs);
    free(of_filters);
    trial_end(*state, t);
}

/* ------------------------------------------------------------------ features */

/* One column: sqrt(2 / H) cos z with H = 2. */
static void check_cosines(program *p) {
    enum { N = 20000 };
    trial *t = trial_begin(p, 1);
    const size_t n = is_small_run() ? 500 : N;
    iv_tensor *z = trial_floats(t, LIES_IN_PLAN, 3, DIMS(1, n, 2), -1e4, 1e4);
    double *values = trial_values(t, z, 0);
    /* close to the multiples of pi / 4, where one polynomial takes over from the other, and where
     * all of the argument cancels */
    for (size_t i = 0; i < 2 * n; i += 2)
        values[i] = (float)((double)(i % 12000) * 0.78539816339744831);
    for (size_t i = 0; i < 200; i++) values[2 * i + 1] = (float)(values[2 * i + 1] * 1e-4);
    iv_tensor *h = iv_feature_mean(t->graph, z, IV_FEATURE_COSINE), *gradient;
    iv_tensor *seed = trial_floats(t, LIES_IN_PLAN, 2, DIMS(n, 2), 1.0, 1.0);
    assert_ok(t->context, iv_vector_jacobian(t->graph, h, seed, &z, 1, &gradient));
    trial_run(t, (iv_tensor *[]){h, gradient}, 2, 0);
    float *cosines = trial_read(t, h), *slopes = trial_read(t, gradient);
    double largest = 0.0;
    for (size_t i = 0; i < 2 * n; i++) {
        largest = fmax(largest, fabs(cosines[i] - cos(values[i])));
        largest = fmax(largest, fabs(slopes[i] + sin(values[i])));
    }
    if (!(largest <= COSINE_ERROR))
        fail_msg("a cosine or its slope is off by %g unit roundoffs", largest / UNIT_ROUNDOFF);
    free(cosines);
    free(slopes);
    trial_end(p, t);
}

static void cosines_are_accurate_up_to_ten_thousand(void **state) {
    with_either_kind_of_kernels(*state, check_cosines);
}

static void check_far_features(program *p) {
    static const double far[] = {2e5, -7e6, 1e9, -1e20, 3e38, INFINITY, -INFINITY, NAN};
    enum { N = 16, FINITE = 5 };
    trial *t = trial_begin(p, 1);
    iv_tensor *z = trial_floats(t, LIES_IN_PLAN, 3, DIMS(1, 1, N), 1.0, 2.0);
    memcpy(trial_values(t, z, 0), far, sizeof far);
    iv_tensor *outputs[] = {iv_feature_mean(t->graph, z, IV_FEATURE_COSINE),
                            iv_feature_mean(t->graph, z, IV_FEATURE_RELU)};
    trial_run(t, outputs, 2, 0);
    float *cosines = trial_read(t, outputs[0]), *relus = trial_read(t, outputs[1]);
    const double scale = sqrt(2.0 / N);
    for (size_t i = 0; i < N; i++) {
        const bool is_far = i < sizeof far / sizeof *far;
        if (is_far && i >= FINITE)
            assert_true(isnan(cosines[i]));
        else
            assert_true(fabs(cosines[i]) <= scale * (1.0 + 8.0 * UNIT_ROUNDOFF));
        if (is_far && isnan(far[i]))
            assert_true(isnan(relus[i]));
        else if (is_far)
            assert_true(relus[i] == fmaxf((float)far[i], 0.0f));
    }
    free(cosines);
    free(relus);
    trial_end(p, t);
}

static void features_of_far_numbers_are_bounded_and_those_of_none_are_nan(void **state) {
    with_either_kind_of_kernels(*state, check_far_features);
}

/* ------------------------------------------------------------------ members, and wrong shapes */

/* Values that depend on the member's number alone. */
static iv_tensor *numbered(trial *t, size_t first, unsigned rank, const size_t *dims) {
    iv_tensor *tensor = trial_floats(t, LIES_APART, rank, dims, -1.0, 1.0);
    const size_t n = iv_elements(tensor);
    for (size_t r = 0; r < t->n_members; r++)
        for (size_t i = 0; i < n; i++)
            trial_values(t, tensor, r)[i] = (float)sin((double)((first + r) * n + i));
    return tensor;
}

/* From transformations to their gradient. */
static float *gradients_of_members(program *p, size_t first, size_t n_members) {
    const iv_image_shape shape = {1, 6, 5};
    trial *t = trial_begin(p, n_members);
    iv_tensor *x = numbered(t, first, 2, DIMS(19, 30)), *T = numbered(t, first, 2, DIMS(10, 6));
    iv_tensor *w = numbered(t, first, 2, DIMS(7, 30)), *b = numbered(t, first, 1, DIMS(7));
    iv_tensor *z = iv_linear(t->graph, iv_warp_inputs(t->graph, x, T, shape), w, b);
    iv_tensor *h = iv_feature_mean(t->graph, z, IV_FEATURE_COSINE), *gradient;
    iv_tensor *seed = numbered(t, first, 2, DIMS(19, 7));
    assert_ok(t->context, iv_vector_jacobian(t->graph, h, seed, &T, 1, &gradient));
    trial_run(t, &gradient, 1, 0);
    float *values = trial_read(t, gradient);
    trial_end(p, t);
    return values;
}

static void a_member_gets_the_same_bits_alone_and_among_others(void **state) {
    enum { R = 5, N = 60 };
    float *together = gradients_of_members(*state, 0, R);
    for (size_t r = 0; r < R; r++) {
        float *alone = gradients_of_members(*state, r, 1);
        assert_memory_equal(alone, together + r * N, N * sizeof *alone);
        free(alone);
    }
    free(together);
}

static void tensors_that_do_not_fit_are_refused(void **state) {
    program *p = *state;
    for (size_t k = 0; k < 9; k++) {
        trial *t = trial_begin(p, 1);
        iv_graph *g = t->graph;
        iv_tensor *x = trial_floats(t, LIES_IN_PLAN, 2, DIMS(2, 12), 0.0, 1.0);
        iv_tensor *T = trial_floats(t, LIES_IN_PLAN, 2, DIMS(3, 6), 0.0, 1.0);
        iv_tensor *z = trial_floats(t, LIES_IN_PLAN, 3, DIMS(3, 2, 12), 0.0, 1.0);
        const iv_image_shape good = {1, 3, 4}, bad = {2, 3, 4}, huge = {SIZE_MAX, 3, 4};
        iv_tensor *made = x;
        switch (k) {
        case 0: made = iv_warp_inputs(g, x, T, bad); break;
        case 1: made = iv_warp_filters(g, x, T, huge); break;
        case 2: made = iv_warp_inputs(g, x, x, good); break;
        case 3: made = iv_warp_filters(g, z, T, good); break;
        case 4: made = iv_filter_products(g, x, z, T); break;
        case 5: made = iv_transform_points(g, x, T); break;
        case 6: made = iv_blur(g, x, good, -1.0f); break;
        case 7: made = iv_blur(g, x, good, NAN); break;
        case 8: made = iv_feature_mean(g, x, IV_FEATURE_RELU); break;
        }
        assert_null(made);
        assert_int_equal(iv_graph_compile(g, &made, 1, &t->plan), IV_EINVAL);
        assert_true(strlen(iv_context_error(p->context)->message) > 0);
        iv_error_clear(iv_context_error(p->context));
        trial_end(p, t);
    }
}

/* ------------------------------------------------------------------ the other kind of device */

typedef void builder(trial *t, size_t variant, example *x);

static void check_kernels(program *p, builder *build, size_t variant) {
    trial *t = trial_begin(p, 2);
    example x = {.n_outputs = 0};
    build(t, variant, &x);
    iv_tensor *y = x.outputs[0], *outputs[EXAMPLE_MAX + 1] = {y};
    iv_tensor *seed = trial_floats(t, LIES_APART, y->rank, y->dims, -1.0, 1.0);
    assert_ok(t->context, iv_vector_jacobian(t->graph, y, seed, x.wrt, x.n_wrt, outputs + 1));
    trial_run(t, outputs, x.n_wrt + 1, 5);
    for (size_t i = 0; i < x.n_wrt + 1; i++) assert_tensor_agrees(t, outputs[i], 5);
    trial_end(p, t);
}

static void kernels_for_the_other_kind_of_device_agree_with_the_oracles(void **state) {
    program *p = *state;
    static const example_family *const families[] = {&examples_warp_inputs, &examples_warp_filters,
                                                     &examples_blur, &examples_feature_mean};
    iv_device_type *type = (iv_device_type *)&iv_context_device(p->context)->type;
    const iv_device_type original = *type;
    *type = original == IV_DEVICE_CPU ? IV_DEVICE_GPU : IV_DEVICE_CPU;
    for (size_t k = 0; k < sizeof families / sizeof *families; k++) {
        const size_t n = is_small_run() ? families[k]->n_small : families[k]->n_variants;
        for (size_t variant = 0; variant < n; variant++)
            check_kernels(p, families[k]->build, variant);
    }
    *type = original;
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_identity_changes_no_bit),
        cmocka_unit_test(a_translation_by_whole_pixels_moves_them),
        cmocka_unit_test(a_transformation_onto_a_point_collects_every_pixel),
        cmocka_unit_test(what_is_not_finite_gives_nan_and_what_is_far_gives_zero),
        cmocka_unit_test(warping_inputs_and_warping_filters_give_the_same_products),
        cmocka_unit_test(cosines_are_accurate_up_to_ten_thousand),
        cmocka_unit_test(features_of_far_numbers_are_bounded_and_those_of_none_are_nan),
        cmocka_unit_test(a_member_gets_the_same_bits_alone_and_among_others),
        cmocka_unit_test(tensors_that_do_not_fit_are_refused),
        cmocka_unit_test(kernels_for_the_other_kind_of_device_agree_with_the_oracles),
    };
    return cmocka_run_group_tests_name("warp", tests, open_program, close_program);
}
