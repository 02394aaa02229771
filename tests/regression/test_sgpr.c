/* Sparse Gaussian process regression against the textbook's formulas in double precision. */
#include "../kit/device.h"
#include "sgpr_oracle.h"

#include <math.h>

static sgpr_hyper moved(sgpr_hyper h, int which, double factor) {
    if (which == 0) h.variance *= factor;
    if (which == 1) h.lengthscale *= factor;
    if (which == 2) h.noise *= factor;
    return h;
}

/* ------------------------------------------------------------------ the regression on a device */

typedef struct {
    iv_context *context;
    cl_mem x;
    sgpr *regression;
} trial;

static trial open_trial(iv_context *context, const sgpr_problem *p, size_t chunk, bool streams) {
    trial t = {.context = context};
    const sgpr_desc desc = {.n_data = p->n,
                            .n_columns = p->columns,
                            .n_classes = p->n_classes,
                            .n_inducing = p->m,
                            .seed = 3,
                            .iterations = p->iterations,
                            .chunk = chunk,
                            .streams = streams};
    t.x = upload(context, p->x, p->n * p->columns * sizeof *p->x);
    assert_ok(t.context, sgpr_create(context, &desc, t.x, p->labels, &t.regression));
    return t;
}

static void destroy_trial(void *object) {
    trial *t = object;
    sgpr_destroy(t->regression);
    iv_buffer_release(t->context, t->x);
    free(t);
}

/* At once, or when a small run ends. */
static void close_trial(program *f, const trial *t) {
    trial *copy = malloc(sizeof *copy);
    assert_non_null(copy);
    *copy = *t;
    program_release(f, destroy_trial, copy);
}

/* ----------------------------------------------------------------- bound, gradient, predictions */

/* How far single precision may be off: 1e-4 of the value, and what F loses by cancellation. It has
 * the term (C v / 2s) (N - tr G), where tr G is a sum of N numbers just below 1, each with some
 * rounding errors u = 2^-24 of its features and of the solve; the other terms weigh no more. */
static double allowed(const sgpr_problem *p, const sgpr_hyper *h, double value) {
    const double weight = 0.5 * (double)(p->n_classes * p->n) * h->variance / h->noise;
    return 1e-4 * fabs(value) + 16.0 * 0x1p-24 * weight;
}

static void check_bound(program *f, const sgpr_problem *p, size_t chunk, sgpr_hyper hyper) {
    trial t = open_trial(f->context, p, chunk, false);
    const int32_t *inducing = sgpr_inducing(t.regression);
    double bound, gradient[3];
    assert_ok(t.context, sgpr_set_hyper(t.regression, hyper));
    assert_ok(t.context, sgpr_bound(t.regression, &bound, gradient));

    const double expected = sgpr_oracle(p, inducing, &hyper, NULL);
    if (!(fabs(bound - expected) <= allowed(p, &hyper, expected)))
        fail_msg("the bound is %.9g, not %.9g", bound, expected);
    for (int i = 0; i < 3; i++) {
        /* central differences err by the third derivative times a sixth of this, squared */
        const double h = 1e-4;
        const sgpr_hyper up = moved(hyper, i, exp(h)), down = moved(hyper, i, exp(-h));
        const double slope =
            (sgpr_oracle(p, inducing, &up, NULL) - sgpr_oracle(p, inducing, &down, NULL)) /
            (2.0 * h);
        if (!(fabs(gradient[i] - slope) <= allowed(p, &hyper, slope)))
            fail_msg("the gradient's number %d is %.9g, not %.9g", i, gradient[i], slope);
    }
    close_trial(f, &t);
}

static void bound_and_gradient_are_those_of_the_textbook(void **state) {
    program *f = *state;
    sgpr_problem p = sgpr_problem_usual(1, 5);
    check_bound(f, &p, 0, (sgpr_hyper){0.5, 2.0, 0.05});
    if (!is_small_run()) {
        check_bound(f, &p, 0, (sgpr_hyper){0.1, 1.0, 0.2});
        check_bound(f, &p, 0, (sgpr_hyper){2.0, 5.0, 0.02});
    }
    sgpr_problem_free(&p);
    if (is_small_run()) return;
    p = sgpr_problem_usual(2, 20);
    check_bound(f, &p, 0, (sgpr_hyper){0.5, 6.0, 0.05});
    check_bound(f, &p, 0, (sgpr_hyper){1.0, 3.0, 0.01});
    sgpr_problem_free(&p);
    p = sgpr_problem_new(3, 300, 12, 2, 250); /* factors of several blocks */
    check_bound(f, &p, 0, (sgpr_hyper){0.3, 4.0, 0.1});
    sgpr_problem_free(&p);
}

static void data_come_in_chunks_of_any_size(void **state) {
    program *f = *state;
    sgpr_problem p = sgpr_problem_usual(4, 7);
    check_bound(f, &p, 16, (sgpr_hyper){0.5, 2.5, 0.05});
    if (!is_small_run()) {
        check_bound(f, &p, 299, (sgpr_hyper){0.5, 2.5, 0.05});
        check_bound(f, &p, 300, (sgpr_hyper){0.5, 2.5, 0.05});
    }
    sgpr_problem_free(&p);
}

static void one_inducing_point_is_enough(void **state) {
    program *f = *state;
    sgpr_problem p = sgpr_problem_new(5, 20, 1, 2, 1);
    check_bound(f, &p, 0, (sgpr_hyper){0.5, 1.5, 0.1});
    sgpr_problem_free(&p);
}

/* And after the lengthscale and back, and whether distances stay or not: the same bits. */
static void bound_depends_on_nothing_but_its_hyper_parameters(void **state) {
    program *f = *state;
    sgpr_problem p = sgpr_problem_usual(6, 5);
    const sgpr_hyper hyper = {0.5, 2.0, 0.05}, other = {0.4, 3.0, 0.05}, ratio = {0.4, 2.0, 0.05};
    trial kept = open_trial(f->context, &p, 20, false),
          streamed = open_trial(f->context, &p, 20, true);
    const trial *trials[] = {&kept, &streamed};
    double bounds[2][2], gradients[2][2][3], unused;
    for (size_t i = 0; i < 2; i++)
        for (size_t turn = 0; turn < 2; turn++) {
            sgpr *s = trials[i]->regression;
            assert_ok(f->context, sgpr_set_hyper(s, hyper));
            assert_ok(f->context, sgpr_bound(s, &bounds[i][turn], gradients[i][turn]));
            assert_ok(f->context, sgpr_set_hyper(s, turn ? ratio : other));
            assert_ok(f->context, sgpr_bound(s, &unused, NULL));
        }
    for (size_t i = 1; i < 4; i++) {
        assert_memory_equal(bounds[0], &bounds[i / 2][i % 2], sizeof(double));
        assert_memory_equal(gradients[0][0], gradients[i / 2][i % 2], 3 * sizeof(double));
    }
    close_trial(f, &kept);
    close_trial(f, &streamed);
    sgpr_problem_free(&p);
}

static void check_predictions(program *f, const sgpr_problem *p, size_t chunk, sgpr_hyper hyper) {
    trial t = open_trial(f->context, p, chunk, false);
    const size_t bytes = p->n_test * p->columns * sizeof *p->x, n = p->n_test * p->n_classes;
    float *scores = calloc(n, sizeof *scores);
    double *expected = calloc(n, sizeof *expected);
    assert_non_null(expected);
    cl_mem test;
    assert_non_null(scores);
    assert_ok(t.context, iv_buffer_create(f->context, bytes, &test));
    assert_ok(t.context, iv_buffer_write(f->context, test, 0, bytes, p->x + p->n * p->columns));
    assert_ok(t.context, sgpr_set_hyper(t.regression, hyper));
    assert_ok(t.context, sgpr_predict(t.regression, test, p->n_test, scores));
    sgpr_oracle(p, sgpr_inducing(t.regression), &hyper, expected);
    /* scores are of the order of 1; weights of inducing points that nearly say the same cancel */
    for (size_t i = 0; i < n; i++)
        if (!(fabs(scores[i] - expected[i]) <= 1e-4))
            fail_msg("score %zu is %.9g, not %.9g", i, scores[i], expected[i]);
    iv_buffer_release(f->context, test);
    free(scores);
    free(expected);
    close_trial(f, &t);
}

static void predictions_are_those_of_the_textbook(void **state) {
    program *f = *state;
    sgpr_problem p = sgpr_problem_usual(7, 5);
    check_predictions(f, &p, 0, (sgpr_hyper){0.5, 2.0, 0.05});
    if (!is_small_run()) check_predictions(f, &p, 17, (sgpr_hyper){0.2, 3.0, 0.01});
    sgpr_problem_free(&p);
}

/* ------------------------------------------------------------------ training */

/* No step of 3 %, more than the search leaves open, in any hyper-parameter or pair of them raises
 * the oracle's bound. */
static void training_ends_at_a_maximum_of_the_bound(void **state) {
    program *f = *state;
    sgpr_problem p = sgpr_problem_usual(8, 5);
    trial t = open_trial(f->context, &p, 0, false);
    const int32_t *inducing = sgpr_inducing(t.regression);
    double bound;
    assert_ok(t.context, sgpr_train(t.regression, NULL, NULL));
    const sgpr_hyper best = sgpr_get_hyper(t.regression);
    const double highest = sgpr_oracle(&p, inducing, &best, NULL);
    assert_ok(t.context, sgpr_bound(t.regression, &bound, NULL));
    assert_true(fabs(bound - highest) <= allowed(&p, &best, highest));
    for (int step = 0; step < 27; step++) {
        sgpr_hyper other = moved(best, 0, exp(0.03 * (step % 3 - 1)));
        other = moved(other, 1, exp(0.03 * (step / 3 % 3 - 1)));
        other = moved(other, 2, exp(0.03 * (step / 9 - 1)));
        const double value = sgpr_oracle(&p, inducing, &other, NULL);
        if (step != 13 && !(value < highest))
            fail_msg("v %g, l %g, s %g: %.9g; found were v %g, l %g, s %g: %.9g", other.variance,
                     other.lengthscale, other.noise, value, best.variance, best.lengthscale,
                     best.noise, highest);
    }
    close_trial(f, &t);
    sgpr_problem_free(&p);
}

static void training_finds_the_same_from_far_away(void **state) {
    program *f = *state;
    if (is_small_run()) SKIP_BECAUSE("too slow for a small run");
    sgpr_problem p = sgpr_problem_usual(9, 5);
    trial t = open_trial(f->context, &p, 0, false);
    assert_ok(t.context, sgpr_train(t.regression, NULL, NULL));
    const sgpr_hyper one = sgpr_get_hyper(t.regression);
    assert_ok(t.context, sgpr_set_hyper(t.regression, (sgpr_hyper){20.0, 3.0 * one.lengthscale,
                                                                   0.3 * one.noise}));
    assert_ok(t.context, sgpr_train(t.regression, NULL, NULL));
    const sgpr_hyper other = sgpr_get_hyper(t.regression);
    /* each search leaves log l open by 0.01, and the others follow it in proportion */
    assert_true(fabs(log(one.lengthscale / other.lengthscale)) <= 0.02);
    assert_true(fabs(log(one.variance / other.variance)) <= 0.08);
    assert_true(fabs(log(one.noise / other.noise)) <= 0.08);
    close_trial(f, &t);
    sgpr_problem_free(&p);
}

static void count_passes(void *counter, const char *what, uint64_t done, uint64_t total) {
    (void)what;
    assert_true(done <= total);
    *(uint64_t *)counter = done;
}

static void training_heeds_its_budget_and_a_stop(void **state) {
    program *f = *state;
    sgpr_problem p = sgpr_problem_usual(10, 5);
    p.iterations = 2;
    trial t = open_trial(f->context, &p, 25, false);
    uint64_t n_chunks = 0;
    const iv_progress progress = {count_passes, &n_chunks};
    const volatile sig_atomic_t stop = 1;
    assert_int_equal(sgpr_train(t.regression, &stop, &progress), IV_EINTERRUPTED);
    assert_true(n_chunks <= 1);
    iv_error_clear(iv_context_error(t.context));
    /* what was interrupted is taken up again from the beginning */
    double bound;
    assert_ok(t.context, sgpr_bound(t.regression, &bound, NULL));
    const sgpr_hyper hyper = sgpr_get_hyper(t.regression);
    const double expected = sgpr_oracle(&p, sgpr_inducing(t.regression), &hyper, NULL);
    assert_true(fabs(bound - expected) <= allowed(&p, &hyper, expected));

    assert_ok(t.context, sgpr_set_hyper(t.regression, moved(hyper, 1, 1.1)));
    assert_ok(t.context, sgpr_train(t.regression, NULL, &progress));
    assert_int_equal(n_chunks, 2 * ((p.n + 24) / 25));
    close_trial(f, &t);
    sgpr_problem_free(&p);
}

/* ------------------------------------------------------------------ refusals */

static void impossible_problems_are_refused(void **state) {
    program *f = *state;
    iv_context *context = f->context;
    sgpr_problem p = sgpr_problem_new(11, 10, 2, 2, 4);
    trial t = open_trial(context, &p, 0, false);
    const sgpr_desc wrong[] = {{.n_data = 0, .n_columns = 2, .n_classes = 2, .n_inducing = 4},
                               {.n_data = 10, .n_columns = 2, .n_classes = 2, .n_inducing = 0},
                               {.n_data = 10, .n_columns = 2, .n_classes = 2, .n_inducing = 11},
                               {.n_data = 10, .n_columns = 2, .n_classes = 1, .n_inducing = 4}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        sgpr *regression;
        assert_fails(context, sgpr_create(context, &wrong[i], t.x, p.labels, &regression),
                     IV_EINVAL, "");
        assert_null(regression);
    }
    const sgpr_hyper impossible[] = {{0.0, 1.0, 1.0}, {1.0, -1.0, 1.0}, {1.0, 1.0, NAN}};
    for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++) {
        assert_fails(context, sgpr_set_hyper(t.regression, impossible[i]), IV_EINVAL, "");
    }
    close_trial(f, &t);
    sgpr_problem_free(&p);
}

static void data_that_are_not_numbers_are_an_error(void **state) {
    program *f = *state;
    sgpr_problem p = sgpr_problem_new(12, 10, 2, 2, 4);
    double bound;
    for (size_t i = 0; i < p.n * p.columns; i += 2) p.x[i] = NAN;
    trial t = open_trial(f->context, &p, 0, false);
    assert_fails(t.context, sgpr_bound(t.regression, &bound, NULL), IV_EFAILED,
                 "not positive definite");
    close_trial(f, &t);
    sgpr_problem_free(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bound_and_gradient_are_those_of_the_textbook),
        cmocka_unit_test(data_come_in_chunks_of_any_size),
        cmocka_unit_test(one_inducing_point_is_enough),
        cmocka_unit_test(bound_depends_on_nothing_but_its_hyper_parameters),
        cmocka_unit_test(predictions_are_those_of_the_textbook),
        cmocka_unit_test(training_ends_at_a_maximum_of_the_bound),
        cmocka_unit_test(training_finds_the_same_from_far_away),
        cmocka_unit_test(training_heeds_its_budget_and_a_stop),
        cmocka_unit_test(impossible_problems_are_refused),
        cmocka_unit_test(data_that_are_not_numbers_are_an_error),
    };
    return cmocka_run_group_tests_name("sgpr", tests, open_program, close_program);
}
