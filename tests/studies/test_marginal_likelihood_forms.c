/* Transforming inputs or filters is the same training: the study's model in both forms, on small
 * images of three planes and of two sides, as no data set has them: they take the place of cifar10.
 */
#include "experiment/experiment.h"

#include "studies/marginal_likelihood/marginal_likelihood.h"

#include <invar/studies.h>

#include "../graph/trial.h"

enum { PLANES = 3, HEIGHT = 9, WIDTH = 8, D = PLANES * HEIGHT * WIDTH, CLASSES = 4 };
enum { N_TRAIN = 40, N_TEST = 20, BATCH = 10, HIDDEN = 9, SAMPLES = 5, STEPS = 8, MEMBERS = 4 };

/* What a training leaves of MEMBERS members. */
typedef struct {
    float weight[MEMBERS][HIDDEN * D], bias[MEMBERS][HIDDEN], initial_eta[MEMBERS][6],
        eta[MEMBERS][6];
    float mean[MEMBERS][CLASSES * HIDDEN];
    double accuracy[MEMBERS], elbo[MEMBERS], cross_entropy[MEMBERS];
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

/* A spec's population, whose images are not those that the spec names. */
static void open_experiment(const iv_job *job, iv_experiment *x) {
    uint8_t pixels[(N_TRAIN + N_TEST) * D], labels[N_TRAIN + N_TEST];
    assert_ok(job->context, experiment_open(job, false, x));
    assert_int_equal(x->populations.n, 1);
    assert_int_equal(x->populations.items[0].n_members, MEMBERS);
    assert_int_equal(iv_population_steps(&x->populations.items[0]), STEPS);
    ml_setting *setting = x->populations.settings[0];
    setting->images.shape = (iv_image_shape){PLANES, HEIGHT, WIDTH};
    setting->images.n_classes = CLASSES;

    make_images(pixels, labels);
    ml_data *data = x->data;
    *data = (ml_data){
        .n_pool = N_TRAIN + N_TEST, .first_test = N_TRAIN, .host_labels = malloc(sizeof labels)};
    assert_non_null(data->host_labels);
    study_images_note(&data->of, &setting->images);
    memcpy(data->host_labels, labels, sizeof labels);
    assert_ok(job->context, iv_buffer_upload(job->context, pixels, sizeof pixels, &data->pixels));
    assert_ok(job->context, iv_buffer_upload(job->context, labels, sizeof labels, &data->labels));
}

/* Affine members begin with an eta of their own for each generator. */
static void write_eta(iv_context *context, const ml_model *model) {
    static const float eta[IV_N_GENERATORS] = {0.1f, 0.2f, 0.9f, 0.3f, 0.2f, 0.1f};
    const iv_population *p = model->base.population;
    const iv_view view = iv_parameters_view(model->base.parameters, ML_ETA);
    size_t n_affine = 0;
    for (size_t r = 0; r < MEMBERS; r++) {
        if (ml_own_of(p, &p->members[r]).family != IV_AFFINE_ALL) continue;
        n_affine++;
        assert_ok(context,
                  iv_buffer_write(context, view.buffer,
                                  (view.offset + r * view.stride) * sizeof *eta, sizeof eta, eta));
    }
    assert_int_equal(n_affine, MEMBERS / 2);
}

static void measure(iv_experiment *x, iv_model *model, trained *t) {
    const size_t size = iv_values_size(&ml_study);
    double *values = calloc(MEMBERS * size, sizeof *values);
    void *all;
    assert_non_null(values);
    assert_ok(x->context, experiment_create_measure(x, model, false, &all));
    assert_ok(x->context, ml_measures.run(x, all, NULL, values));
    for (size_t r = 0; r < MEMBERS; r++) {
        const double *own = values + r * size;
        t->accuracy[r] = own[iv_value_index(&ml_study, 0, ML_ACCURACY)];
        t->elbo[r] = own[iv_value_index(&ml_study, 0, ML_ELBO)];
        t->cross_entropy[r] = own[iv_value_index(&ml_study, 0, ML_CROSS_ENTROPY)];
    }
    experiment_destroy_measure(&ml_study, all);
    free(values);
}

static void train(const iv_job *job, ml_form form, trained *t) {
    iv_context *context = job->context;
    iv_experiment x;
    iv_model *base;
    iv_training training;
    open_experiment(job, &x);
    assert_ok(context, experiment_open_model(&x, &x.populations.items[0], &base));
    ml_model *model = (ml_model *)base;
    model->form = form;
    write_eta(context, model);
    read_members(context, iv_parameters_view(base->parameters, ML_ETA), 6, t->initial_eta[0]);
    assert_ok(context, experiment_create_training(&x, base, &training));
    for (uint32_t step = 0; step < STEPS; step++)
        assert_ok(context, iv_plan_run(training.plan, step));
    measure(&x, base, t);
    read_members(context, iv_parameters_view(base->parameters, ML_WEIGHT), HIDDEN * D,
                 t->weight[0]);
    read_members(context, iv_parameters_view(base->parameters, ML_BIAS), HIDDEN, t->bias[0]);
    read_members(context, iv_parameters_view(base->parameters, ML_ETA), 6, t->eta[0]);
    read_members(context, iv_posterior_mean_view(model->posterior), CLASSES * HIDDEN, t->mean[0]);
    iv_training_clear(&training);
    experiment_destroy_model(&ml_study, base);
    experiment_close(&x);
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

static iv_spec *make_spec(iv_context *context, const char *features, double blur) {
    char text[1024];
    iv_spec *spec;
    const int n = snprintf(
        text, sizeof text,
        "study: marginal-likelihood\n"
        "name: forms\n"
        "seeds: [5]\n"
        "dataset: {name: cifar10, train: %d, test: %d}\n"
        "model: {features: %s, hidden: %d, samples: %d, %s blur: %g}\n"
        "training: {batch: %d, epochs: %d, learning_rate: 0.01, eta_learning_rate: 0.02, "
        "epsilon: 0.1}\n"
        "runs: [{name: all, invariance: affine, eta: 1}, {name: turn, invariance: "
        "rotation, eta: 2}]\n"
        "sweep: {dataset.transformation: [rotated, scaled]}\n",
        N_TRAIN, N_TEST, features, HIDDEN, SAMPLES,
        strcmp(features, "rff") == 0 ? "sigma: 0.1," : "", blur, BATCH, STEPS * BATCH / N_TRAIN);
    assert_true(n > 0 && n < (int)sizeof text);
    assert_ok(context, iv_spec_parse("forms", text, strlen(text), NULL, 0, iv_study_schema, &spec,
                                     iv_context_error(context)));
    return spec;
}

static void check(void **state, const char *features, double blur) {
    const program *p = *state;
    iv_spec *spec = make_spec(p->context, features, blur);
    const iv_job job = {.spec = spec, .study = &ml_study, .context = p->context};
    trained inputs, filters;
    memset(&inputs, 0, sizeof inputs);
    memset(&filters, 0, sizeof filters);
    train(&job, ML_INPUT_FORM, &inputs);
    train(&job, ML_FILTER_FORM, &filters);
    const size_t n_different[] = {
        assert_close("weight", MEMBERS * HIDDEN * D, inputs.weight[0], filters.weight[0]),
        assert_close("bias", MEMBERS * HIDDEN, inputs.bias[0], filters.bias[0]),
        assert_close("eta", MEMBERS * 6, inputs.eta[0], filters.eta[0]),
        assert_close("mean", MEMBERS * CLASSES * HIDDEN, inputs.mean[0], filters.mean[0])};
    /* or one form was compared with itself */
    assert_true(n_different[0] + n_different[1] + n_different[2] + n_different[3] > 0);
    for (size_t r = 0; r < MEMBERS; r++) {
        const double elbo = filters.elbo[r], cross_entropy = filters.cross_entropy[r];
        assert_true(fabs((double)inputs.eta[r][2] - (double)inputs.initial_eta[r][2]) > 1e-3);
        assert_true(inputs.accuracy[r] == filters.accuracy[r]);
        assert_true(fabs(inputs.elbo[r] - elbo) <= 1e-5 * fabs(elbo));
        assert_true(fabs(inputs.cross_entropy[r] - cross_entropy) <= 1e-5 * cross_entropy);
    }
    iv_spec_destroy(spec);
}

static void both_forms_learn_the_same_filters(void **state) {
    check(state, "relu", 0);
}

static void both_forms_learn_the_same_blurred_filters(void **state) {
    check(state, "relu", 0.7);
}

static void both_forms_take_random_features_to_the_same_place(void **state) {
    check(state, "rff", 0);
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
