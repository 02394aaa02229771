/* Transforming inputs or filters is the same training: the study's model in both forms, on small
 * images of three planes. */
#include "studies/marginal_likelihood/marginal_likelihood.h"

#include "../graph/trial.h"

enum { PLANES = 3, HEIGHT = 9, WIDTH = 8, D = PLANES * HEIGHT * WIDTH, CLASSES = 4 };
enum { N_TRAIN = 40, N_TEST = 20, BATCH = 10, HIDDEN = 9, SAMPLES = 5, STEPS = 8, MEMBERS = 2 };

/* What a training leaves of MEMBERS members. */
typedef struct {
    float weight[MEMBERS][HIDDEN * D], bias[MEMBERS][HIDDEN], eta[MEMBERS][6];
    float mean[MEMBERS][CLASSES * HIDDEN];
    ml_outcome outcomes[MEMBERS];
} trained;

static void make_images(uint8_t *pixels, uint8_t *labels) {
    uint32_t words[4];
    for (uint32_t i = 0; i < (N_TRAIN + N_TEST) * D; i++) {
        iv_philox(3, IV_STREAM_TEST, 0, i, words);
        pixels[i] = (uint8_t)(words[0] >> 24);
    }
    for (uint32_t i = 0; i < N_TRAIN + N_TEST; i++) labels[i] = (uint8_t)(i * i % 7 % CLASSES);
}

static void read_members(iv_context *context, iv_view view, size_t n, float *values) {
    for (size_t r = 0; r < MEMBERS; r++)
        assert_ok(context, iv_buffer_read(context, view.buffer,
                                          (view.offset + r * view.stride) * sizeof(float),
                                          n * sizeof(float), values + r * n));
}

static void train(iv_context *context, const ml_population *population, ml_form form, trained *t) {
    uint8_t pixels[(N_TRAIN + N_TEST) * D], labels[N_TRAIN + N_TEST];
    ml_data data = {0};
    ml_model *model = NULL;
    ml_measure *measure = NULL;
    study_training training;
    make_images(pixels, labels);
    assert_ok(context, ml_data_of_images(context, population, pixels, labels, N_TRAIN + N_TEST,
                                         N_TRAIN, &data));
    assert_ok(context, ml_model_create(context, population, &model));
    model->form = form;
    assert_ok(context, ml_training_create(model, &data, &training));
    for (uint32_t step = 0; step < STEPS; step++)
        assert_ok(context, iv_plan_run(training.plan, step));
    assert_ok(context, ml_measure_create(model, &data, &measure));
    assert_ok(context, ml_measure_run(measure, NULL, t->outcomes));
    read_members(context, iv_parameters_view(model->parameters, ML_WEIGHT), HIDDEN * D,
                 t->weight[0]);
    read_members(context, iv_parameters_view(model->parameters, ML_BIAS), HIDDEN, t->bias[0]);
    read_members(context, iv_parameters_view(model->parameters, ML_ETA), 6, t->eta[0]);
    read_members(context, iv_posterior_mean_view(model->posterior), CLASSES * HIDDEN, t->mean[0]);
    ml_measure_destroy(measure);
    study_training_clear(&training);
    ml_model_destroy(model);
    ml_data_clear(context, &data);
}

/* What one step makes of rounding errors: see test_marginal_likelihood.c. Returns how many values
 * are not the same bits. */
static size_t assert_close(const char *name, size_t n, const float *a, const float *b) {
    size_t n_different = 0;
    for (size_t i = 0; i < n; i++) {
        n_different += a[i] != b[i];
        if (!(fabs((double)a[i] - (double)b[i]) <= 2e-6))
            fail_msg("%s, element %zu: %.9g, transforming filters gives %.9g", name, i, a[i], b[i]);
    }
    return n_different;
}

static void check(void **state, iv_feature feature, float blur) {
    const program *p = *state;
    ml_member members[MEMBERS] = {
        {.seed = 5,
         .learning_rate = 0.01f,
         .eta = {0.1f, 0.2f, 0.9f, 0.3f, 0.2f, 0.1f},
         .learned = {1, 1, 1, 1, 1, 1},
         .transformations = IV_DATA_ROTATED},
        {.seed = 6,
         .learning_rate = 0.02f,
         .eta = {0, 0, 2, 0, 0, 0},
         .learned = {0, 0, 1, 0, 0, 0},
         .transformations = IV_DATA_SCALED},
    };
    const ml_population population = {.dataset = "made up",
                                      .shape = {PLANES, HEIGHT, WIDTH},
                                      .n_classes = CLASSES,
                                      .n_train = N_TRAIN,
                                      .n_test = N_TEST,
                                      .feature = feature,
                                      .hidden = HIDDEN,
                                      .n_samples = SAMPLES,
                                      .sigma = 0.1f,
                                      .alpha = 1,
                                      .initial_deviation = 1,
                                      .blur = blur,
                                      .invariant = true,
                                      .learns = true,
                                      .batch = BATCH,
                                      .epochs = STEPS * BATCH / N_TRAIN,
                                      .eta_rate = 2,
                                      .annealed = true,
                                      .beta1 = 0.9f,
                                      .beta2 = 0.999f,
                                      .epsilon = 0.1f,
                                      .members = members,
                                      .n_members = MEMBERS};
    trained inputs, filters;
    memset(&inputs, 0, sizeof inputs);
    memset(&filters, 0, sizeof filters);
    train(p->context, &population, ML_INPUT_FORM, &inputs);
    train(p->context, &population, ML_FILTER_FORM, &filters);
    const size_t n_different[] = {
        assert_close("weight", MEMBERS * HIDDEN * D, inputs.weight[0], filters.weight[0]),
        assert_close("bias", MEMBERS * HIDDEN, inputs.bias[0], filters.bias[0]),
        assert_close("eta", MEMBERS * 6, inputs.eta[0], filters.eta[0]),
        assert_close("mean", MEMBERS * CLASSES * HIDDEN, inputs.mean[0], filters.mean[0])};
    /* or one form was compared with itself */
    assert_true(n_different[0] + n_different[1] + n_different[2] + n_different[3] > 0);
    for (size_t r = 0; r < MEMBERS; r++) {
        const ml_outcome *a = &inputs.outcomes[r], *b = &filters.outcomes[r];
        assert_true(fabs((double)inputs.eta[r][2] - (double)members[r].eta[2]) > 1e-3);
        assert_true(a->accuracy == b->accuracy);
        assert_true(fabs(a->elbo - b->elbo) <= 1e-5 * fabs(b->elbo));
        assert_true(fabs(a->cross_entropy - b->cross_entropy) <= 1e-5 * b->cross_entropy);
    }
}

static void both_forms_learn_the_same_filters(void **state) {
    check(state, IV_FEATURE_RELU, 0);
}

static void both_forms_learn_the_same_blurred_filters(void **state) {
    check(state, IV_FEATURE_RELU, 0.7f);
}

static void both_forms_take_random_features_to_the_same_place(void **state) {
    check(state, IV_FEATURE_COSINE, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_learn_the_same_filters),
        cmocka_unit_test(both_forms_learn_the_same_blurred_filters),
        cmocka_unit_test(both_forms_take_random_features_to_the_same_place),
    };
    if (no_device_to_test()) return 0;
    return cmocka_run_group_tests(tests, open_program, close_program);
}
