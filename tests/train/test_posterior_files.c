/* Posteriors in model files, in checkpoints, and in populations: training goes on to the same bytes
 * whatever happened in between. */
#include "posterior_trial.h"

#include <stdio.h>

enum { CLASSES = 2, FEATURES = 21 };

static subject begin(program *p, size_t n_members, uint32_t first_seed, bool point, size_t lanes) {
    const plan_of_subject plan = {.n_members = n_members,
                                  .n_classes = CLASSES,
                                  .n_features = FEATURES,
                                  .n_data = 10,
                                  .lanes = lanes,
                                  .first_seed = first_seed,
                                  .point = point,
                                  .prior_variance = 1.0f,
                                  .initial_deviation = 1.0f,
                                  .rate = 0.01f,
                                  .adam = {.kind = IV_OPTIMIZER_ADAM,
                                           .beta1 = 0.9f,
                                           .beta2 = 0.999f,
                                           .epsilon = 1e-8f,
                                           .cosine_steps = 15}};
    return subject_begin(p, &plan);
}

/* Gradients that depend on W, as those of a loss do: sin(W + step), on the host. */
static void train(const subject *s, uint32_t first, uint32_t end) {
    const size_t n = s->n_members * CLASSES * FEATURES;
    for (uint32_t step = first; step < end; step++) {
        float *w = read_weights(s, iv_posterior_sample_view(s->posterior));
        for (size_t k = 0; k < n; k++) w[k] = sinf(w[k] + (float)step);
        write_gradients(s, w);
        assert_ok(s->context, iv_sequence_run(s->update, step));
        free(w);
    }
}

static void assert_same_values(const subject *a, size_t r, iv_view of_a, const subject *b, size_t q,
                               iv_view of_b, const char *what) {
    size_t n;
    float *values_a = read_buffer(a->context, of_a.buffer, &n);
    float *values_b = read_buffer(b->context, of_b.buffer, &n);
    assert_int_equal(of_a.stride, of_b.stride);
    if (memcmp(values_a + r * of_a.stride, values_b + q * of_b.stride,
               of_a.stride * sizeof *values_a))
        fail_msg("%s differs", what);
    free(values_a);
    free(values_b);
}

/* Parameters, moments, and the next sample, of member r of a and member q of b. */
static void assert_same_member(const subject *a, size_t r, const subject *b, size_t q) {
    const iv_state *of_a = iv_posterior_state(a->posterior);
    const iv_state *of_b = iv_posterior_state(b->posterior);
    assert_int_equal(of_a->n_kept, of_b->n_kept);
    for (size_t i = 0; i < of_a->n_kept; i++) {
        assert_string_equal(of_a->kept[i].name, of_b->kept[i].name);
        assert_same_values(a, r, of_a->kept[i].view, b, q, of_b->kept[i].view, of_a->kept[i].name);
    }
    assert_same_values(a, r, iv_posterior_sample_view(a->posterior), b, q,
                       iv_posterior_sample_view(b->posterior), "sample");
}

/* Hidden layer and optimizer, and the posterior unless it is left out. */
static size_t list_states(const subject *s, bool with_posterior, const iv_state *states[3]) {
    states[0] = iv_parameters_state(s->others);
    states[1] = iv_optimizer_state(s->optimizer);
    states[2] = iv_posterior_state(s->posterior);
    return with_posterior ? 3 : 2;
}

static iv_status restore(const subject *s, bool with_posterior, const char *path) {
    const iv_state *states[3];
    const size_t n = list_states(s, with_posterior, states);
    iv_safetensors *file;
    iv_status status = iv_safetensors_open(path, &file, iv_context_error(s->context));
    if (status == IV_OK) {
        status = iv_checkpoint_read(file, states, n);
        iv_safetensors_close(file);
    }
    return status;
}

static void save(const subject *s, bool with_posterior, const char *path) {
    const iv_state *states[3];
    const size_t n = list_states(s, with_posterior, states);
    assert_ok(s->context, iv_checkpoint_write(path, states, n, NULL, 0));
}

/* ------------------------------------------------------------------ checkpoints */

/* With an evaluation on the way, which leaves another W behind. */
static void training_goes_on_from_a_checkpoint_to_the_same_bytes(void **state) {
    enum { MEMBERS = 2, BEFORE = 5, TOTAL = 12 };
    for (int kind = 0; kind < 3; kind++) {
        const bool point = kind == 2;
        const size_t lanes = kind == 1 ? 64 : 1;
        own_folder f;
        make_folder(&f);
        const char *path = in_folder(&f, "checkpoint.safetensors");
        subject straight = begin(*state, MEMBERS, 3, point, lanes);
        subject stopped = begin(*state, MEMBERS, 3, point, lanes);
        subject resumed = begin(*state, MEMBERS, 3, point, lanes);
        subject *all[] = {&straight, &stopped, &resumed};
        for (size_t i = 0; i < 3; i++)
            assert_ok(straight.context, iv_posterior_prepare(all[i]->posterior, 0));
        train(&straight, 0, TOTAL);
        train(&stopped, 0, BEFORE);
        save(&stopped, true, path);
        train(&resumed, 0, 2); /* whatever it held is replaced */
        assert_ok(resumed.context, restore(&resumed, true, path));
        const iv_state *states[3];
        const size_t n_states = list_states(&resumed, true, states);
        assert_ok(resumed.context, iv_states_prepare(states, n_states, BEFORE));
        assert_same_member(&stopped, 0, &resumed, 0);

        iv_sequence *draw = evaluation_begin(&resumed);
        assert_ok(resumed.context, iv_sequence_run(draw, 77));
        assert_ok(resumed.context, iv_posterior_prepare(resumed.posterior, BEFORE));
        train(&resumed, BEFORE, TOTAL);
        for (size_t r = 0; r < MEMBERS; r++) assert_same_member(&straight, r, &resumed, r);
        evaluation_end(&resumed, draw);
        for (size_t i = 0; i < 3; i++) subject_end(all[i]);
        remove_folder(&f);
    }
}

static void a_checkpoint_of_another_posterior_is_refused_and_changes_nothing(void **state) {
    own_folder f;
    make_folder(&f);
    const char *path = in_folder(&f, "checkpoint.safetensors");
    subject ours = begin(*state, 2, 0, false, 1), same = begin(*state, 2, 0, false, 1);
    subject point = begin(*state, 2, 0, true, 1), more = begin(*state, 3, 0, false, 1);
    const struct {
        const subject *s;
        bool with_posterior;
        const char *part;
    } cases[] = {{&point, true, "another posterior: a point estimate, not a Gaussian one"},
                 {&ours, false, "another posterior: none, not a Gaussian one"},
                 {&more, true, "another population: parameters is not 2 x"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        save(cases[i].s, cases[i].with_posterior, path);
        assert_fails(ours.context, restore(&ours, true, path), IV_EDATA, cases[i].part);
        for (size_t r = 0; r < 2; r++) assert_same_member(&ours, r, &same, r);
    }
    save(&ours, true, path);
    assert_fails(ours.context, restore(&ours, false, path), IV_EDATA,
                 "nothing here is called posterior.mean");
    subject_end(&ours);
    subject_end(&same);
    subject_end(&point);
    subject_end(&more);
    remove_folder(&f);
}

/* ------------------------------------------------------------------ populations */

static void a_member_trains_to_the_same_bytes_alone_and_in_a_population(void **state) {
    enum { POPULATION = 5, STEPS = 6 };
    for (size_t lanes = 1; lanes <= 64; lanes += 63) {
        subject all = begin(*state, POPULATION, 0, false, lanes);
        assert_ok(all.context, iv_posterior_prepare(all.posterior, 0));
        train(&all, 0, STEPS);
        for (uint32_t r = 0; r < POPULATION; r += 2) {
            subject one = begin(*state, 1, r, false, lanes);
            assert_ok(one.context, iv_posterior_prepare(one.posterior, 0));
            train(&one, 0, STEPS);
            assert_same_member(&all, r, &one, 0);
            subject_end(&one);
        }
        subject_end(&all);
    }
}

/* ------------------------------------------------------------------ model files */

static void a_model_file_holds_mean_and_lower_triangles(void **state) {
    for (int point = 0; point < 2; point++) {
        subject s = begin(*state, 2, 0, point != 0, 1);
        model m = random_model(&s, 41), other = random_model(&s, 43);
        const size_t n = 2 * CLASSES * FEATURES;
        write_model(&s, &other);
        write_model(&s, &m);
        model got = read_model(&s); /* which checks the number of tensors */
        assert_memory_equal(m.means, got.means, n * sizeof *m.means);
        if (!point) assert_memory_equal(m.factors, got.factors, n * FEATURES * sizeof *m.factors);
        free_model(&m);
        free_model(&other);
        free_model(&got);
        subject_end(&s);
    }
}

static void a_file_of_another_posterior_is_refused_and_changes_nothing(void **state) {
    subject s = begin(*state, 1, 0, false, 1), same = begin(*state, 1, 0, false, 1);
    model m = random_model(&s, 47);
    own_folder f;
    make_folder(&f);
    const char *path = in_folder(&f, "model.safetensors");
    static const float bias[4] = {0};
    const iv_tensor_entry hidden = {"hidden.bias", 1, {3}, bias};
    const iv_tensor_entry mean = {"output.mean", 2, {CLASSES, FEATURES}, m.means};
    const iv_tensor_entry factor = {
        "output.scale_tril", 3, {CLASSES, FEATURES, FEATURES}, m.factors};
    const iv_tensor_entry wide = {"output.mean", 2, {FEATURES, CLASSES}, m.means};
    const iv_tensor_entry long_factor = {
        "output.scale_tril", 3, {1, CLASSES * FEATURES, FEATURES}, m.factors};
    const iv_tensor_entry long_bias = {"hidden.bias", 1, {4}, bias};
    const struct {
        iv_tensor_entry entries[3];
        size_t n;
        const char *part;
    } cases[] = {{{hidden, mean}, 2, "holds 2 tensors, the model has 3"},
                 {{hidden, wide, factor}, 3, "output.mean is missing or of another shape"},
                 {{hidden, mean, long_factor}, 3, "output.scale_tril is missing or of another"},
                 {{long_bias, mean, factor}, 3, "hidden.bias is missing or of another shape"},
                 {{hidden, mean, factor}, 3, "output.scale_tril of class 1 is not lower"}};
    const size_t n_cases = sizeof cases / sizeof *cases;
    for (size_t i = 0; i < n_cases; i++) {
        if (i == n_cases - 1) m.factors[FEATURES * FEATURES + 3] = 1e-30f;
        assert_ok(s.context, iv_safetensors_write(path, cases[i].entries, cases[i].n, NULL, 0,
                                                  iv_context_error(s.context)));
        assert_fails(s.context, iv_model_read(path, MODEL_OF(&s), 0), IV_EDATA, cases[i].part);
        assert_same_member(&s, 0, &same, 0);
    }
    free_model(&m);
    subject_end(&s);
    subject_end(&same);
    remove_folder(&f);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_goes_on_from_a_checkpoint_to_the_same_bytes),
        cmocka_unit_test(a_checkpoint_of_another_posterior_is_refused_and_changes_nothing),
        cmocka_unit_test(a_member_trains_to_the_same_bytes_alone_and_in_a_population),
        cmocka_unit_test(a_model_file_holds_mean_and_lower_triangles),
        cmocka_unit_test(a_file_of_another_posterior_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests_name("posterior-files", tests, open_program, close_program);
}
