/* Checkpoints: training goes on from one as if it had never stopped, and from no other file. */
#include "setup.h"

#include <stdio.h>

enum { MEMBERS = 3 };

static void train(const training *a, uint32_t first, uint32_t end_step) {
    for (uint32_t step = first; step < end_step; step++)
        assert_ok(a->t->context, iv_plan_run(a->t->plan, step));
}

static void assert_same_values(const training *a, const training *b) {
    size_t n;
    float *of_a = training_values(a, &n), *of_b = training_values(b, &n);
    assert_memory_equal(of_a, of_b, a->t->n_members * n * sizeof *of_a);
    free(of_a);
    free(of_b);
}

static iv_status restore(const training *a, const char *path) {
    iv_safetensors *file;
    const iv_status status = iv_safetensors_open(path, &file, iv_context_error(a->t->context));
    if (status != IV_OK) return status;
    const iv_status read = iv_checkpoint_read(file, STATES_OF(a));
    iv_safetensors_close(file);
    return read;
}

/* Parameters alone would not do: what the optimizer keeps goes on too. */
static void go_on(program *p, iv_optimizer_desc desc) {
    enum { BEFORE = 7, TOTAL = 16 };
    own_folder f;
    make_folder(&f);
    const char *path = in_folder(&f, "checkpoint.safetensors");
    training straight = training_begin_with(p, MEMBERS, 0, desc);
    training stopped = training_begin_with(p, MEMBERS, 0, desc);
    training resumed = training_begin_with(p, MEMBERS, 0, desc);
    iv_context *context = straight.t->context;
    train(&straight, 0, TOTAL);
    train(&stopped, 0, BEFORE);
    const iv_metadata step = {"step", "7"};
    assert_ok(context, iv_checkpoint_write(path, STATES_OF(&stopped), &step, 1));
    train(&resumed, 0, 3); /* whatever it held is replaced */
    assert_ok(context, restore(&resumed, path));
    assert_same_values(&stopped, &resumed);
    train(&resumed, BEFORE, TOTAL);
    assert_same_values(&straight, &resumed);
    training_end(p, &straight);
    training_end(p, &stopped);
    training_end(p, &resumed);
    remove_folder(&f);
}

static void training_goes_on_from_a_checkpoint_to_the_same_bytes(void **state) {
    for (size_t k = 0; k < N_OPTIMIZERS; k++) go_on(*state, optimizers[k]);
}

/* Without momentum there is nothing to keep; where there is something, each has its own name. */
static void a_checkpoint_holds_exactly_what_its_optimizer_keeps(void **state) {
    static const char *const names[N_OPTIMIZERS][3] = {
        {"parameters", "adam.mean", "adam.variance"},
        {"parameters"},
        {"parameters", "sgd.velocity"},
    };
    static const size_t counts[N_OPTIMIZERS] = {3, 1, 2};
    for (size_t k = 0; k < N_OPTIMIZERS; k++) {
        own_folder f;
        make_folder(&f);
        const char *path = in_folder(&f, "checkpoint.safetensors");
        training a = training_begin_with(*state, 2, 0, optimizers[k]);
        iv_context *context = a.t->context;
        train(&a, 0, 3);
        assert_ok(context, iv_checkpoint_write(path, STATES_OF(&a), NULL, 0));
        iv_safetensors *file;
        assert_ok(context, iv_safetensors_open(path, &file, iv_context_error(context)));
        assert_int_equal(iv_safetensors_count(file), counts[k]);
        for (size_t i = 0; i < counts[k]; i++)
            assert_non_null(iv_safetensors_find(file, names[k][i]));
        iv_safetensors_close(file);
        training_end(*state, &a);
        remove_folder(&f);
    }
}

static void a_checkpoint_of_another_optimizer_is_refused_and_changes_nothing(void **state) {
    static const char *const titles[N_OPTIMIZERS] = {"Adam", "SGD without momentum",
                                                     "SGD with momentum"};
    for (size_t k = 0; k < N_OPTIMIZERS; k++) {
        own_folder f;
        make_folder(&f);
        const char *path = in_folder(&f, "checkpoint.safetensors");
        training a = training_begin_with(*state, 2, 0, optimizers[k]);
        iv_context *context = a.t->context;
        train(&a, 0, 3);
        assert_ok(context, iv_checkpoint_write(path, STATES_OF(&a), NULL, 0));
        for (size_t other = 0; other < N_OPTIMIZERS; other++) {
            if (other == k) continue;
            training b = training_begin_with(*state, 2, 0, optimizers[other]);
            size_t n;
            float *before = training_values(&b, &n);
            char message[128];
            snprintf(message, sizeof message, "another optimizer: %s, not %s", titles[k],
                     titles[other]);
            assert_fails(context, restore(&b, path), IV_EDATA, message);
            float *after = training_values(&b, &n);
            assert_memory_equal(before, after, 2 * n * sizeof *before);
            free(before);
            free(after);
            training_end(*state, &b);
        }
        training_end(*state, &a);
        remove_folder(&f);
    }
}

static void damage(const char *path, long where, const char *copy_path, long length) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    uint8_t bytes[1 << 14];
    size_t n = fread(bytes, 1, sizeof bytes, file);
    assert_true(n > 64 && n < sizeof bytes);
    fclose(file);
    if (length > 0) n = (size_t)length;
    if (length < 0) n -= (size_t)-length;
    if (where >= 0) bytes[where] ^= 0x55;
    file = fopen(copy_path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static void a_damaged_or_foreign_checkpoint_is_refused_and_changes_nothing(void **state) {
    own_folder f;
    make_folder(&f);
    const char *path = in_folder(&f, "good.safetensors");
    const char *bad = in_folder(&f, "bad.safetensors");
    training a = training_begin(*state, 2, 0), other = training_begin(*state, MEMBERS, 0);
    iv_context *context = a.t->context;
    train(&a, 0, 3);
    assert_ok(context, iv_checkpoint_write(path, STATES_OF(&a), NULL, 0));
    size_t n;
    float *before = training_values(&a, &n);

    static const struct {
        long where, length;
    } damages[] = {{0, 0}, {6, 0}, {9, 0}, {20, 0}, {-1, -4}, {-1, 5}, {-1, 40}};
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        damage(path, damages[i].where, bad, damages[i].length);
        assert_fails(context, restore(&a, bad), IV_EDATA, "bad.safetensors");
    }
    assert_fails(context, restore(&a, "/nonexistent/checkpoint"), IV_EDATA, "/nonexistent");
    assert_ok(context, iv_checkpoint_write(bad, STATES_OF(&other), NULL, 0));
    assert_fails(context, restore(&a, bad), IV_EDATA, "another population");
    assert_ok(context, iv_model_write(bad, PARAMETERS_OF(a.parameters), 0, NULL, 0));
    assert_fails(context, restore(&a, bad), IV_EDATA, "another population");

    float *after = training_values(&a, &n);
    assert_memory_equal(before, after, 2 * n * sizeof *before);
    free(before);
    free(after);
    training_end(*state, &a);
    training_end(*state, &other);
    remove_folder(&f);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_goes_on_from_a_checkpoint_to_the_same_bytes),
        cmocka_unit_test(a_checkpoint_holds_exactly_what_its_optimizer_keeps),
        cmocka_unit_test(a_checkpoint_of_another_optimizer_is_refused_and_changes_nothing),
        cmocka_unit_test(a_damaged_or_foreign_checkpoint_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, open_program, close_program);
}
