/* Parameters: their initial bits, model files, checkpoints. */
#include "setup.h"

#include <stdio.h>

enum { MEMBERS = 3 };

static const iv_parameter_desc descs[] = {
    {"layers.0.weight", 2, {5, 7}, 0.375f},
    {"layers.0.bias", 1, {5}, 1.0f / 3.0f},
    {"layers.1.weight", 2, {1, 5}, 1e-20f},
};
enum { N_DESCS = sizeof descs / sizeof *descs };
static const uint32_t seeds[MEMBERS] = {0, 4294967295u, 12345};

static iv_parameters *make(program *p, const iv_parameter_desc *d, size_t n, size_t n_members) {
    iv_parameters *parameters = NULL;
    assert_ok(p->context, iv_parameters_create(p->context, n_members, d, n, &parameters));
    return parameters;
}

/* A tensor of one member, to free. */
static float *values_of(program *p, const iv_parameters *parameters, size_t i, size_t member,
                        size_t *n) {
    const iv_view view = iv_parameters_view(parameters, i);
    size_t n_buffer;
    float *all = read_buffer(p->context, view.buffer, &n_buffer);
    *n = 1;
    for (unsigned k = 0; k < descs[i].rank; k++) *n *= descs[i].dims[k];
    memmove(all, all + view.offset + member * view.stride, *n * sizeof *all);
    return all;
}

/* Element e of tensor i: word e % 4 of Philox (seed, IV_STREAM_INITIAL, i, e / 4). */
static void initial_values_have_the_bits_of_the_host(void **state) {
    program *p = *state;
    iv_parameters *parameters = make(p, descs, N_DESCS, MEMBERS);
    assert_int_equal(iv_parameters_count(parameters), N_DESCS);
    assert_ok(p->context, iv_parameters_initialize(parameters, seeds));
    for (size_t i = 0; i < N_DESCS; i++)
        for (size_t r = 0; r < MEMBERS; r++) {
            size_t n;
            float *got = values_of(p, parameters, i, r, &n);
            for (size_t e = 0; e < n; e++) {
                uint32_t words[4];
                iv_philox(seeds[r], IV_STREAM_INITIAL, (uint32_t)i, (uint32_t)e / 4, words);
                const float expected = descs[i].bound * iv_uniform_symmetric(words[e % 4]);
                assert_memory_equal(&got[e], &expected, sizeof expected);
            }
            free(got);
        }
    release_parameters(p, parameters);
}

static void an_exported_member_is_imported_with_the_same_bits(void **state) {
    program *p = *state;
    folder f;
    make_folder(&f);
    const char *path = in_folder(&f, "model.safetensors");
    iv_parameters *from = make(p, descs, N_DESCS, MEMBERS), *to = make(p, descs, N_DESCS, 2);
    assert_ok(p->context, iv_parameters_initialize(from, seeds));
    assert_ok(p->context, iv_parameters_initialize(to, seeds));
    const iv_metadata note = {"run", "{\"name\": \"toy\"}"};
    assert_ok(p->context, iv_parameters_export(from, 2, path, &note, 1));
    assert_ok(p->context, iv_parameters_import(to, 1, path));
    for (size_t i = 0; i < N_DESCS; i++) {
        size_t n;
        float *exported = values_of(p, from, i, 2, &n), *imported = values_of(p, to, i, 1, &n);
        float *of_first = values_of(p, from, i, 0, &n), *untouched = values_of(p, to, i, 0, &n);
        assert_memory_equal(exported, imported, n * sizeof *exported);
        assert_memory_equal(of_first, untouched, n * sizeof *exported);
        free(exported);
        free(imported);
        free(of_first);
        free(untouched);
    }

    iv_safetensors *file;
    assert_ok(p->context, iv_safetensors_open(path, &file, iv_context_error(p->context)));
    assert_int_equal(iv_safetensors_count(file), N_DESCS);
    const iv_tensor_entry *weight = iv_safetensors_find(file, "layers.0.weight");
    assert_non_null(weight);
    assert_int_equal(weight->rank, 2);
    assert_int_equal(weight->shape[0], 5);
    assert_int_equal(weight->shape[1], 7);
    assert_string_equal(iv_safetensors_metadata(file, "run"), note.value);
    iv_safetensors_close(file);
    release_parameters(p, from);
    release_parameters(p, to);
    remove_folder(&f);
}

static void a_file_of_another_model_is_refused_and_changes_nothing(void **state) {
    program *p = *state;
    folder f;
    make_folder(&f);
    iv_parameter_desc others[3][N_DESCS + 1];
    size_t counts[3] = {N_DESCS, N_DESCS, N_DESCS - 1};
    static const char *const parts[] = {"layers.1.weight is missing or of another shape",
                                        "layers.0.bias is missing or of another shape",
                                        "2 tensors, the model has 3"};
    for (size_t k = 0; k < 3; k++) memcpy(others[k], descs, sizeof descs);
    others[0][2].dims[1] = 6; /* the last tensor: the first ones fit */
    strcpy(others[1][1].name, "layers.0.offset");

    iv_parameters *ours = make(p, descs, N_DESCS, 1);
    assert_ok(p->context, iv_parameters_initialize(ours, seeds + 2));
    size_t n;
    float *before = read_buffer(p->context, iv_parameters_view(ours, 0).buffer, &n);
    for (size_t k = 0; k < 3; k++) {
        char name[32];
        snprintf(name, sizeof name, "other%zu.safetensors", k);
        const char *path = in_folder(&f, name);
        iv_parameters *other = make(p, others[k], counts[k], 1);
        assert_ok(p->context, iv_parameters_initialize(other, seeds));
        assert_ok(p->context, iv_parameters_export(other, 0, path, NULL, 0));
        assert_fails(p->context, iv_parameters_import(ours, 0, path), IV_EDATA, parts[k]);
        release_parameters(p, other);
    }
    assert_fails(p->context, iv_parameters_import(ours, 0, "/nonexistent/model.safetensors"),
                 IV_EDATA, "/nonexistent/model.safetensors");
    float *after = read_buffer(p->context, iv_parameters_view(ours, 0).buffer, &n);
    assert_memory_equal(before, after, n * sizeof *before);
    free(before);
    free(after);
    release_parameters(p, ours);
    remove_folder(&f);
}

/* ------------------------------------------------------------------ checkpoints */

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
    const iv_status read = iv_checkpoint_read(file, a->parameters, a->adam);
    iv_safetensors_close(file);
    return read;
}

/* Parameters alone would not do: the optimizer's means go on too. */
static void training_goes_on_from_a_checkpoint_to_the_same_bytes(void **state) {
    enum { BEFORE = 7, TOTAL = 16 };
    folder f;
    make_folder(&f);
    const char *path = in_folder(&f, "checkpoint.safetensors");
    training straight = training_begin(*state, MEMBERS, 0);
    training stopped = training_begin(*state, MEMBERS, 0);
    training resumed = training_begin(*state, MEMBERS, 0);
    iv_context *context = straight.t->context;
    train(&straight, 0, TOTAL);
    train(&stopped, 0, BEFORE);
    const iv_metadata step = {"step", "7"};
    assert_ok(context, iv_checkpoint_write(path, stopped.parameters, stopped.adam, &step, 1));
    train(&resumed, 0, 3); /* whatever it held is replaced */
    assert_ok(context, restore(&resumed, path));
    assert_same_values(&stopped, &resumed);
    train(&resumed, BEFORE, TOTAL);
    assert_same_values(&straight, &resumed);
    training_end(*state, &straight);
    training_end(*state, &stopped);
    training_end(*state, &resumed);
    remove_folder(&f);
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
    folder f;
    make_folder(&f);
    const char *path = in_folder(&f, "good.safetensors");
    const char *bad = in_folder(&f, "bad.safetensors");
    training a = training_begin(*state, 2, 0), other = training_begin(*state, MEMBERS, 0);
    iv_context *context = a.t->context;
    train(&a, 0, 3);
    assert_ok(context, iv_checkpoint_write(path, a.parameters, a.adam, NULL, 0));
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
    assert_ok(context, iv_checkpoint_write(bad, other.parameters, other.adam, NULL, 0));
    assert_fails(context, restore(&a, bad), IV_EDATA, "another population");
    assert_ok(context, iv_parameters_export(a.parameters, 0, bad, NULL, 0));
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
        cmocka_unit_test(initial_values_have_the_bits_of_the_host),
        cmocka_unit_test(an_exported_member_is_imported_with_the_same_bits),
        cmocka_unit_test(a_file_of_another_model_is_refused_and_changes_nothing),
        cmocka_unit_test(training_goes_on_from_a_checkpoint_to_the_same_bytes),
        cmocka_unit_test(a_damaged_or_foreign_checkpoint_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests_name("parameters", tests, open_program, close_program);
}
