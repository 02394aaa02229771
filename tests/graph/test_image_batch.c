/* Batches of images: which samples in which order, which group elements, which values. */
#include "oracles.h"

enum { N_POOL = 29, N_SAMPLES = 23, BATCH = 5, MEMBERS = 3 };

typedef struct {
    trial *t;
    iv_tensor *images, *labels, *draws; /* draws: pool row and element of each copy */
} batches;

static batches take(void **state, iv_copies copies, bool shuffle, size_t image_side) {
    batches b = {.t = trial_begin(*state, MEMBERS)};
    const known_group *group =
        trial_group(b.t, IV_GROUP_SHIFT, 3, IV_AXES_XY, image_side); /* 9 elements */
    trial_image_batch(b.t, group, N_POOL, N_SAMPLES, BATCH, copies, shuffle, &b.images, &b.labels);
    b.draws = b.images->producer->outputs[2];
    iv_tensor *outputs[] = {b.images, b.labels, b.draws};
    assert_ok(b.t->context, iv_graph_compile(b.t->graph, outputs, 3, &b.t->plan));
    return b;
}

static void run(const batches *b, uint32_t step) {
    assert_ok(b->t->context, iv_plan_run(b->t->plan, step));
}

/* The host draws with random.h, on its own. */
static void check_steps(void **state, iv_copies copies, bool shuffle) {
    batches b = take(state, copies, shuffle, 4);
    const uint32_t steps[] = {0, 1, 3, 4, 5, 1000003};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        run(&b, steps[i]);
        assert_tensor_agrees(b.t, b.images, steps[i]);
        assert_tensor_agrees(b.t, b.labels, steps[i]);
        assert_tensor_agrees(b.t, b.draws, steps[i]);
    }
    trial_end(*state, b.t);
}

static void shuffled_batches_are_those_of_the_host(void **state) {
    for (int copies = IV_COPIES_IDENTITY; copies <= IV_COPIES_ORBIT; copies++)
        check_steps(state, (iv_copies)copies, true);
}

/* The last batch is partial: 23 samples in batches of 5; later steps repeat the last sample. */
static void batches_in_order_are_those_of_the_host(void **state) {
    for (int copies = IV_COPIES_IDENTITY; copies <= IV_COPIES_ORBIT; copies++)
        check_steps(state, (iv_copies)copies, false);
}

/* Rows of the pool in the first copy of this step's batch: out [MEMBERS, BATCH]. */
static void read_rows(const batches *b, uint32_t step, int32_t *out) {
    run(b, step);
    float *draws = trial_read(b->t, b->draws);
    const size_t n = iv_elements(b->draws);
    for (size_t r = 0; r < MEMBERS; r++)
        for (size_t i = 0; i < BATCH; i++)
            memcpy(&out[r * BATCH + i], &draws[r * n + 2 * i], sizeof *out);
    free(draws);
}

static void an_epoch_visits_whole_batches_of_distinct_samples(void **state) {
    enum { N_BATCHES = N_SAMPLES / BATCH };
    batches b = take(state, IV_COPIES_RANDOM, true, 4);
    const known_images *k = &b.t->images;
    int32_t first_orders[2][N_BATCHES * BATCH];
    for (uint32_t epoch = 0; epoch < 3; epoch++) {
        size_t visits[MEMBERS][N_POOL] = {{0}};
        for (uint32_t i = 0; i < N_BATCHES; i++) {
            int32_t rows[MEMBERS * BATCH];
            read_rows(&b, epoch * N_BATCHES + i, rows);
            if (epoch < 2) memcpy(first_orders[epoch] + i * BATCH, rows, BATCH * sizeof *rows);
            for (size_t r = 0; r < MEMBERS; r++)
                for (size_t j = 0; j < BATCH; j++) visits[r][rows[r * BATCH + j]]++;
        }
        for (size_t r = 0; r < MEMBERS; r++) {
            size_t n_visited = 0;
            const int32_t *own = k->indices + r * N_POOL + k->source.indices.offset;
            for (size_t i = 0; i < N_SAMPLES; i++) {
                assert_true(visits[r][own[i]] <= 1);
                n_visited += visits[r][own[i]];
            }
            assert_int_equal(n_visited, N_BATCHES * BATCH); /* and none that is not the member's */
        }
    }
    assert_memory_not_equal(first_orders[0], first_orders[1], sizeof first_orders[0]);
    trial_end(*state, b.t);
}

static void every_byte_becomes_the_float_nearest_to_its_255th(void **state) {
    batches b = take(state, IV_COPIES_IDENTITY, false, 17); /* padded to 18 x 18 pixels */
    const known_images *k = &b.t->images;
    const size_t n_pixels = k->group->group->n_pixels;
    bool seen[256] = {false};
    run(&b, 0);
    float *images = trial_read(b.t, b.images);
    for (size_t i = 0; i < BATCH; i++) {
        const int32_t row = k->indices[k->source.indices.offset + i];
        for (size_t p = 0; p < n_pixels; p++) {
            const uint8_t byte = k->pixels[(size_t)row * n_pixels + p];
            const float expected = (float)byte / 255.0f; /* IEEE: rounded correctly */
            assert_memory_equal(&images[i * n_pixels + p], &expected, sizeof expected);
            seen[byte] = true;
        }
    }
    for (size_t byte = 0; byte < 256; byte++) assert_true(seen[byte]);
    free(images);
    trial_end(*state, b.t);
}

/* Chance of missing one of 9 elements in 3 x 20 x 5 draws: 9 (8/9)^300 < 1e-14. */
static void random_copies_take_every_element(void **state) {
    batches b = take(state, IV_COPIES_PAIR, true, 4);
    size_t n_drawn[9] = {0};
    for (uint32_t step = 0; step < 20; step++) {
        run(&b, step);
        int32_t *draws = (int32_t *)trial_read(b.t, b.draws);
        for (size_t r = 0; r < MEMBERS; r++)
            for (size_t i = 0; i < BATCH; i++) {
                const int32_t *of_member = draws + r * 2 * BATCH * 2;
                assert_int_equal(of_member[2 * i + 1], 0);
                assert_int_equal(of_member[2 * i], of_member[2 * (BATCH + i)]);
                const int32_t element = of_member[2 * (BATCH + i) + 1];
                assert_in_range(element, 0, 8);
                n_drawn[element]++;
            }
        free(draws);
    }
    for (size_t g = 0; g < 9; g++) assert_true(n_drawn[g] > 0);
    trial_end(*state, b.t);
}

static size_t n_launches(const trial *t, iv_tensor *const *outputs) {
    iv_plan *plan;
    assert_ok(t->context, iv_graph_compile(t->graph, outputs, 2, &plan));
    const size_t n = iv_sequence_length(iv_plan_sequence(plan));
    iv_plan_destroy(plan);
    return n;
}

/* A layer's product and that of its weights' gradient take the images' word for it that they are
 * mostly zero, also through a reshape; they may not come out differently. */
static void images_with_zeros_give_the_same_bits_in_other_launches(void **state) {
    enum { N_UNITS = 100, N_ROWS = 2 * 20 };
    trial *t = trial_begin(*state, MEMBERS);
    const known_group *group = trial_group(t, IV_GROUP_SHIFT, 3, IV_AXES_XY, 7);
    const size_t n_pixels = group->group->n_pixels;
    iv_tensor *unused, *x[2], *outputs[2][2], *loss[2], *labels[2];
    trial_image_batch(t, group, N_POOL, N_SAMPLES, N_ROWS / 2, IV_COPIES_PAIR, true, &unused,
                      &labels[0]);
    iv_tensor *w = trial_floats(t, LIES_APART, 2, (const size_t[]){N_UNITS, n_pixels}, -1, 1);
    iv_tensor *b = trial_floats(t, LIES_APART, 1, (const size_t[]){N_UNITS}, -1, 1);
    iv_tensor *target = trial_floats(t, LIES_SHARED, 2, (const size_t[]){N_ROWS, N_UNITS}, -1, 1);
    for (size_t zeros = 0; zeros < 2; zeros++) {
        iv_image_source source = t->images.source;
        source.zeros = zeros;
        iv_image_batch(t->graph, &source, N_ROWS / 2, IV_COPIES_PAIR, &x[zeros], &labels[zeros]);
        x[zeros] = iv_reshape(t->graph, x[zeros], 2, (const size_t[]){N_ROWS, n_pixels});
        outputs[zeros][0] = iv_linear(t->graph, x[zeros], w, b);
        loss[zeros] = iv_logit_distance(t->graph, outputs[zeros][0], target);
        assert_ok(t->context, iv_gradient(t->graph, loss[zeros], &w, 1, &outputs[zeros][1]));
    }
    if (iv_context_device(t->context)->type == IV_DEVICE_CPU && !getenv("INVAR_GEMM_ENGINE"))
        assert_int_equal(n_launches(t, outputs[1]), n_launches(t, outputs[0]) + 2);
    trial_run(t, &outputs[0][0], 4, 3);
    for (size_t i = 0; i < 2; i++) {
        float *whole = trial_read(t, outputs[0][i]), *sparse = trial_read(t, outputs[1][i]);
        assert_memory_equal(whole, sparse, MEMBERS * iv_elements(outputs[0][i]) * sizeof *whole);
        free(whole);
        free(sparse);
    }
    trial_end(*state, t);
}

/* Without a group and without a list of rows; the host draws with random.h, and the bits are those
 * that a table of the identity gives. */
static void plain_images_need_no_tables(void **state) {
    enum { N_PIXELS = 21, FIRST = 4 };
    program *p = *state;
    trial *t = trial_begin(p, MEMBERS);
    uint8_t pixels[N_POOL * N_PIXELS], labels[N_POOL];
    uint16_t identity[N_PIXELS];
    int32_t rows[N_SAMPLES];
    const uint32_t seeds[MEMBERS] = {11, 12, 13};
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * i % 251);
    for (size_t i = 0; i < N_POOL; i++) labels[i] = (uint8_t)(i * 7 % 10);
    for (size_t i = 0; i < N_PIXELS; i++) identity[i] = (uint16_t)i;
    for (size_t i = 0; i < N_SAMPLES; i++) rows[i] = (int32_t)(FIRST + i);
    for (int shuffle = 0; shuffle < 2; shuffle++) {
        const iv_image_source plain = {
            .pixels = trial_upload(t, pixels, sizeof pixels),
            .labels = trial_upload(t, labels, sizeof labels),
            .indices = {NULL, FIRST, 0},
            .n_samples = N_SAMPLES,
            .n_pixels = N_PIXELS,
            .seeds = {shuffle ? trial_upload(t, seeds, sizeof seeds) : NULL, 0, 1},
            .shuffle = shuffle};
        iv_image_source tables = plain;
        tables.indices = (iv_view){trial_upload(t, rows, sizeof rows), 0, 0};
        tables.source = trial_upload(t, identity, sizeof identity);
        tables.n_elements = 1;
        iv_tensor *outputs[4];
        iv_image_batch(t->graph, &plain, BATCH, IV_COPIES_IDENTITY, &outputs[0], &outputs[1]);
        iv_image_batch(t->graph, &tables, BATCH, IV_COPIES_IDENTITY, &outputs[2], &outputs[3]);
        iv_plan *plan;
        assert_ok(t->context, iv_graph_compile(t->graph, outputs, 4, &plan));
        for (uint32_t step = 0; step < 6; step++) {
            float got[2][MEMBERS * BATCH * N_PIXELS];
            int32_t classes[2][MEMBERS * BATCH];
            assert_ok(t->context, iv_plan_run(plan, step));
            for (int k = 0; k < 2; k++) {
                assert_ok(t->context, iv_plan_read(plan, outputs[2 * k], got[k]));
                assert_ok(t->context, iv_plan_read(plan, outputs[2 * k + 1], classes[k]));
            }
            assert_memory_equal(got[0], got[1], sizeof got[0]);
            assert_memory_equal(classes[0], classes[1], sizeof classes[0]);
            for (uint32_t i = 0; i < MEMBERS * BATCH; i++) {
                const uint32_t n_batches = N_SAMPLES / BATCH, b = i % BATCH;
                const uint32_t sample =
                    shuffle ? iv_shuffle(seeds[i / BATCH], IV_STREAM_BATCH_ORDER, step / n_batches,
                                         N_SAMPLES, step % n_batches * BATCH + b)
                    : step * BATCH + b < N_SAMPLES ? step * BATCH + b
                                                   : N_SAMPLES - 1;
                assert_int_equal(classes[0][i], labels[FIRST + sample]);
                for (size_t k = 0; k < N_PIXELS; k++) {
                    const float expected = (float)pixels[(FIRST + sample) * N_PIXELS + k] / 255.0f;
                    assert_memory_equal(&got[0][i * N_PIXELS + k], &expected, sizeof expected);
                }
            }
        }
        iv_plan_destroy(plan);
    }
    trial_end(*state, t);
}

/* Every copy is the image; nothing is drawn, so that no seeds are needed. */
static void every_copy_of_a_plain_image_is_the_image(void **state) {
    static const uint8_t pixels[] = {0, 51, 255, 102, 204, 153}, labels[] = {3, 8, 5};
    static const size_t n_copies[] = {1, 1, 2, 1};
    trial *t = trial_begin(*state, 1);
    const iv_image_source source = {.pixels = trial_upload(t, pixels, sizeof pixels),
                                    .labels = trial_upload(t, labels, sizeof labels),
                                    .n_samples = 3,
                                    .n_pixels = 2};
    for (int copies = IV_COPIES_IDENTITY; copies <= IV_COPIES_ORBIT; copies++) {
        iv_tensor *outputs[2];
        float values[12];
        iv_plan *plan;
        iv_image_batch(t->graph, &source, 3, (iv_copies)copies, &outputs[0], &outputs[1]);
        assert_ok(t->context, iv_graph_compile(t->graph, outputs, 2, &plan));
        assert_int_equal(iv_dim(outputs[0], 0), n_copies[copies]);
        assert_ok(t->context, iv_plan_run(plan, 0));
        assert_ok(t->context, iv_plan_read(plan, outputs[0], values));
        for (size_t i = 0; i < n_copies[copies] * 6; i++)
            assert_true(values[i] == (float)pixels[i % 6] / 255.0f);
        iv_plan_destroy(plan);
    }
    trial_end(*state, t);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shuffled_batches_are_those_of_the_host),
        cmocka_unit_test(batches_in_order_are_those_of_the_host),
        cmocka_unit_test(an_epoch_visits_whole_batches_of_distinct_samples),
        cmocka_unit_test(every_byte_becomes_the_float_nearest_to_its_255th),
        cmocka_unit_test(random_copies_take_every_element),
        cmocka_unit_test(plain_images_need_no_tables),
        cmocka_unit_test(every_copy_of_a_plain_image_is_the_image),
        cmocka_unit_test(images_with_zeros_give_the_same_bits_in_other_launches),
    };
    return cmocka_run_group_tests_name("image batch", tests, open_program, close_program);
}
