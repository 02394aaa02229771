/* Figures of the marginal-likelihood study, from logs and models that are made up here. */
#include "../kit/process.h"
#include "example.h"

#include "experiment/experiment.h"
#include "studies/marginal_likelihood/figures.h"

#include <png.h>

#include <math.h>

typedef struct {
    example made; /* the spec, and numbers of all members */
    iv_context *context;
    iv_run_dir *dir;
    iv_job job;
    iv_experiment x;
    ml_model *model;
    iv_error error;
} opened;

/* A study that is about to train its first population, in SCRATCH/run. */
static void open_run(void **state, opened *e, const char *text) {
    memset(e, 0, sizeof *e);
    example_open(&e->made, text, 0);
    assert_ok(&e->error, iv_context_create(NULL, false, &e->context, &e->error));
    const iv_run_dir_options options = {.path = in_scratch(state, "run"), .name = "run"};
    assert_ok(&e->error, iv_run_dir_create(&options, &e->dir, &e->error));
    e->job =
        (iv_job){.spec = e->made.spec, .study = &ml_study, .context = e->context, .dir = e->dir};
    assert_ok(e->context, experiment_open(&e->job, false, &e->x));
    e->x.training = true;
    size_t first;
    assert_ok(e->context, experiment_open_log(&e->x, &first));
    iv_model *model;
    assert_ok(e->context, experiment_create_model(&e->x, &e->x.populations.items[0], &model));
    e->model = (ml_model *)model;
}

static void close_run(opened *e) {
    assert_ok(e->context, experiment_close_log(&e->x, IV_OK));
    experiment_destroy_model(&ml_study, &e->model->base);
    experiment_close(&e->x);
    iv_run_dir_destroy(e->dir);
    iv_context_destroy(e->context);
    example_close(&e->made);
}

static void write_parameter(opened *e, size_t parameter, size_t r, const float *values, size_t n) {
    const iv_view view = iv_parameters_view(e->model->base.parameters, parameter);
    assert_ok(e->context, iv_buffer_write(e->context, view.buffer,
                                          (view.offset + r * view.stride) * sizeof *values,
                                          n * sizeof *values, values));
}

static void snapshot(opened *e, size_t step) {
    assert_ok(e->context, ml_snapshot(&e->x, e->model, step));
}

/* ------------------------------------------------------------------ learned invariances */

static const char learned[] = "study: marginal-likelihood\n"
                              "name: learned\n"
                              "seeds: [1, 2]\n"
                              "dataset: {name: digits, train: 100, test: 10}\n"
                              "model: {hidden: 4, samples: 2}\n"
                              "training: {batch: 50, epochs: 1}\n"
                              "sweep: {dataset.transformation: [rotated, translated]}\n"
                              "runs:\n"
                              "  - {name: turn, invariance: rotation}\n"
                              "  - {name: shift, invariance: translation}\n"
                              "  - {name: fixed, invariance: rotation, eta: 1, learned: false}\n"
                              "figures: {names: [eta]}\n";

/* Two runs, two seeds, two points: what a figure should say of them is found by hand. Pixels of
 * 28 x 28 images are 27 half widths apart, so that a translation of 1 is 13.5 of them. */
static void learned_invariances_are_drawn_by_size_in_their_units(void **state) {
    opened e;
    open_run(state, &e, learned);
    iv_log *log = e.x.log;
    static const char *const runs[] = {"turn-rotated", "shift-rotated", "turn-translated"};
    for (uint64_t step = 0; step < 20; step += 10)
        for (size_t run = 0; run < 3; run++)
            for (uint64_t seed = 1; seed <= 2; seed++) {
                /* of one size and both signs, at first; then 1 and 2 of one sign */
                const double value = step == 0 ? (seed == 1 ? 0.5 : -0.5) : (double)seed;
                const double turn[6] = {0, 0, run == 2 ? NAN : value, 0, 0, 0};
                const double shift[6] = {value, 2 * value, 0, 0, 0, 0};
                iv_log_begin(log, runs[run], seed, step, step / 10, "train");
                iv_log_doubles(log, "eta", run == 1 ? shift : turn, 6);
                assert_ok(&e.error, iv_log_end(log, &e.error));
            }
    assert_ok(&e.error, iv_log_flush(log, NULL, &e.error));
    example_fill(&e.made);
    assert_ok(e.context, ml_draw(&e.x, &e.made.runs));

    char *text = slurp(in_scratch(state, "run/figures/eta-rotated.csv"), NULL);
    double degrees[2];
    assert_int_equal(sscanf(text, "x,turn\n0,%lf\n10,%lf\n", &degrees[0], &degrees[1]), 2);
    const double pi = acos(-1);
    assert_true(fabs(degrees[0] - 90 / pi) < 1e-9 && fabs(degrees[1] - 270 / pi) < 1e-9);
    free(text);
    text = slurp(in_scratch(state, "run/figures/eta-translation-rotated.csv"), NULL);
    assert_string_equal(text, "x,shift x,shift y\n0,6.75,13.5\n10,20.25,40.5\n");
    free(text);
    text = slurp(in_scratch(state, "run/figures/eta-translated.csv"), NULL);
    assert_string_equal(text, "x,turn\n0,nan\n10,nan\n");
    free(text);
    assert_false(exists(in_scratch(state, "run/figures/eta-scale-rotated.csv")));

    close_run(&e);
}

/* ------------------------------------------------------------------ filter banks */

/* 200 steps with a point after every 10. */
#define BANKS(figures)                                                                             \
    "study: marginal-likelihood\n"                                                                 \
    "name: banks\n"                                                                                \
    "seeds: [7, 8]\n"                                                                              \
    "dataset: {name: digits, train: 100, test: 10}\n"                                              \
    "model: {features: relu, hidden: 20, samples: 2}\n"                                            \
    "training: {batch: 50, epochs: 100}\n"                                                         \
    "runs:\n"                                                                                      \
    "  - {name: turn, invariance: rotation}\n"                                                     \
    "metrics: {every_steps: 10}\n" figures

static const char banks[] = BANKS("figures: {names: [filters]}\n");

enum { SIDE = 28, D = SIDE * SIDE, HIDDEN = 20 };

/* At the squares of fifths of 20 points: after 0, 0.8, 3.2, 7.2, 12.8 and 20, rounded down. */
static void filters_are_kept_at_moments_of_the_training(void **state) {
    opened e;
    open_run(state, &e, banks);
    static const size_t due[] = {0, 30, 70, 120, 200};
    size_t n_due = 0;
    for (size_t step = 0; step <= 200; step += 10) {
        char name[128];
        snprintf(name, sizeof name, "run/figures/filters-turn-seed7-step%zu.safetensors", step);
        snapshot(&e, step);
        const bool expected = n_due < 5 && step == due[n_due];
        assert_int_equal(exists(in_scratch(state, name)), expected);
        n_due += expected;
    }
    assert_int_equal(n_due, 5);
    assert_int_equal(count_entries(in_scratch(state, "run/figures")), 5); /* none of seed 8 */
    close_run(&e);
}

/* A run that goes on takes the moment at which it stopped again. */
static void filters_are_kept_as_they_are(void **state) {
    opened e;
    open_run(state, &e, banks);
    const float eta[6] = {0, 0, 1.5f, 0, 0, 0};
    float filters[HIDDEN * D];
    for (size_t i = 0; i < HIDDEN * D; i++) filters[i] = (float)i;
    snapshot(&e, 30);
    write_parameter(&e, ML_WEIGHT, 0, filters, HIDDEN * D);
    write_parameter(&e, ML_ETA, 0, eta, 6);
    snapshot(&e, 30);

    iv_safetensors *file;
    assert_ok(&e.error, iv_safetensors_open(
                            in_scratch(state, "run/figures/filters-turn-seed7-step30.safetensors"),
                            &file, &e.error));
    const iv_tensor_entry *weight = iv_safetensors_find(file, "hidden.weight");
    assert_non_null(weight);
    assert_int_equal(weight->shape[0], 16);
    assert_int_equal(weight->shape[1], D);
    assert_memory_equal(weight->data, filters, 16 * D * sizeof(float));
    assert_memory_equal(iv_safetensors_find(file, "eta")->data, eta, sizeof eta);
    iv_safetensors_close(file);
    close_run(&e);
}

static uint8_t *decode(const char *path, size_t *width, size_t *height) {
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_file(&image, path));
    image.format = PNG_FORMAT_RGB;
    *width = image.width;
    *height = image.height;
    uint8_t *pixels = malloc(PNG_IMAGE_SIZE(image));
    assert_true(png_image_finish_read(&image, NULL, pixels, 0, NULL));
    return pixels;
}

/* Is the pixel of an image's column x and row y, `left` and `top` where the image begins, red?
 * Images are drawn three times as large. */
static bool is_red(const uint8_t *pixels, size_t width, size_t left, size_t top, size_t x,
                   size_t y) {
    const uint8_t *p = pixels + ((top + 3 * y + 1) * width + left + 3 * x + 1) * 3;
    return p[0] > p[2] + 64;
}

/* Unit 13 is a red bar from the centre to the right, unit 4 a larger checkerboard, which a blur
 * takes away. A filter at p is what
 * it was at T p, so turned by +90 degrees, where (x, y) comes from (-y, x), it points from the
 * centre up: T(0, -1) = (1, 0). */
static void filters_with_structure_are_drawn_at_equally_spaced_angles(void **state) {
    opened e;
    open_run(state, &e, banks);
    const float eta[6] = {0, 0, 1.57079633f, 0, 0, 0};
    float filters[HIDDEN * D] = {0};
    for (size_t i = 0; i < HIDDEN; i++) filters[i * D] = 0.01f;
    for (size_t y = 12; y < 16; y++)
        for (size_t x = 16; x < 26; x++) filters[13 * D + y * SIDE + x] = 1;
    for (size_t i = 0; i < D; i++) filters[4 * D + i] = (i % SIDE + i / SIDE) % 2 ? 2 : -2;
    write_parameter(&e, ML_WEIGHT, 0, filters, HIDDEN * D);
    write_parameter(&e, ML_ETA, 0, eta, 6);
    snapshot(&e, 0);
    snapshot(&e, 200);
    assert_ok(e.context, ml_filters_draw(&e.x, e.model));

    size_t width, height;
    uint8_t *pixels = decode(in_scratch(state, "run/figures/filters-turn.png"), &width, &height);
    /* The last column ends 4 before the right edge, the last row at the bottom; 84 wide, 4 apart.
     */
    const size_t first = width - 7 * 88, top = height - 8 * 88;
    const struct { size_t column, x, y; } tips[] = {{0, 14, 22}, {3, 22, 14}, {6, 14, 5}};
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(
                is_red(pixels, width, first + tips[i].column * 88, top, tips[k].x, tips[k].y),
                i == k);
    free(pixels);
    /* two moments, two filters of seven images beside each other */
    pixels = decode(in_scratch(state, "run/figures/filters-training-turn.png"), &width, &height);
    assert_int_equal(height, 4 + 2 * 88);
    assert_true(width > 14 * 88);
    assert_true(is_red(pixels, width, width - 14 * 88 + 3 * 88, 4, 22, 14));
    free(pixels);
    close_run(&e);
}

/* Without any transformation yet, every image is the filter: red where the first plane is large. */
static void filters_of_colour_images_are_drawn_in_colour(void **state) {
    enum { WIDE = 32, PLANE = WIDE * WIDE };
    opened e;
    open_run(state, &e,
             "study: marginal-likelihood\n"
             "name: colours\n"
             "seeds: 1\n"
             "dataset: {name: cifar10, train: 100, test: 10}\n"
             "model: {features: relu, hidden: 2, samples: 2}\n"
             "training: {batch: 50, epochs: 1}\n"
             "runs: [{name: all, invariance: affine}]\n"
             "figures: {names: [filters]}\n");
    float *filters = calloc(2 * 3 * PLANE, sizeof *filters);
    for (size_t i = 0; i < PLANE; i++) filters[3 * PLANE + i] = 1; /* unit 1 */
    write_parameter(&e, ML_WEIGHT, 0, filters, 2 * 3 * PLANE);
    assert_ok(e.context, ml_filters_draw(&e.x, e.model));
    free(filters);

    size_t width, height;
    uint8_t *pixels = decode(in_scratch(state, "run/figures/filters-all.png"), &width, &height);
    const size_t step = 2 * WIDE + 4; /* drawn twice as large, 4 apart */
    assert_int_equal(height, 4 + 2 * step);
    for (size_t s = 0; s < 7; s++) {
        const size_t x = width - 7 * step + s * step + WIDE;
        /* from -1 to 1: 1 is 255, and 0, the middle, 128; the other unit is all zeros */
        assert_memory_equal(pixels + ((4 + WIDE) * width + x) * 3, "\xff\x80\x80", 3);
        assert_memory_equal(pixels + ((4 + step + WIDE) * width + x) * 3, "\x80\x80\x80", 3);
    }
    free(pixels);
    close_run(&e);
}

static void filters_that_nobody_asked_for_are_not_kept(void **state) {
    opened e;
    open_run(state, &e, BANKS("figures: {names: [eta]}\n"));
    snapshot(&e, 0);
    assert_ok(e.context, ml_filters_draw(&e.x, e.model));
    assert_int_equal(count_entries(in_scratch(state, "run/figures")), 0);
    close_run(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(learned_invariances_are_drawn_by_size_in_their_units),
        SCRATCH_TEST(filters_are_kept_at_moments_of_the_training),
        SCRATCH_TEST(filters_are_kept_as_they_are),
        SCRATCH_TEST(filters_with_structure_are_drawn_at_equally_spaced_angles),
        SCRATCH_TEST(filters_of_colour_images_are_drawn_in_colour),
        SCRATCH_TEST(filters_that_nobody_asked_for_are_not_kept),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return run_without_device() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
