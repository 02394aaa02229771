/* States of a caller's own, saved beside parameters: in another form in model files, as they lie in
 * checkpoints. */
#include "setup.h"

#include <stdio.h>

enum { MEMBERS = 3, N = 4, STRIDE = 6 };

/* Averages that lie in reverse order on the device, with two floats between members. */
typedef struct {
    cl_mem buffer;
    iv_saved exported, kept;
    iv_state state;
    uint32_t prepared_for;
} averages;

static void reverse(const float *from, float *to) {
    for (size_t i = 0; i < N; i++) to[i] = from[N - 1 - i];
}

static void pack(const iv_saved *tensor, const float *values, float *packed) {
    assert_int_equal(tensor->dims[1], 2);
    reverse(values, packed);
}

static void unpack(const iv_saved *tensor, const float *packed, float *values) {
    assert_int_equal(tensor->n_packed, N);
    reverse(packed, values);
}

static bool is_positive(const iv_saved *tensor, const float *values, char *what, size_t size) {
    for (size_t i = 0; i < N; i++)
        if (values[i] < 0) {
            snprintf(what, size, "%s has a negative entry", tensor->name);
            return false;
        }
    return true;
}

static iv_status prepare(void *owner, uint32_t step) {
    ((averages *)owner)->prepared_for = step;
    return IV_OK;
}

static const char *kind_in(const iv_safetensors *checkpoint) {
    return iv_safetensors_find(checkpoint, "average.slow") ? "slow averages" : NULL;
}

/* Member r has value 10 r + i at place i on the device, padding included. */
static void create(program *p, averages *a) {
    float values[MEMBERS * STRIDE];
    for (int k = 0; k < MEMBERS * STRIDE; k++) values[k] = (float)(10 * (k / STRIDE) + k % STRIDE);
    *a = (averages){0};
    assert_ok(p->context, iv_buffer_upload(p->context, values, sizeof values, &a->buffer));
    a->exported = (iv_saved){.name = "average",
                             .view = {a->buffer, 1, STRIDE},
                             .rank = 2,
                             .dims = {2, 2},
                             .n_packed = N,
                             .pack = pack,
                             .unpack = unpack,
                             .check = is_positive};
    a->kept = (iv_saved){.name = "average.fast", .view = {a->buffer, 0, STRIDE}};
    a->state = (iv_state){.context = p->context,
                          .n_members = MEMBERS,
                          .exported = &a->exported,
                          .n_exported = 1,
                          .kept = &a->kept,
                          .n_kept = 1,
                          .what = "average",
                          .kind = "fast averages",
                          .kind_in = kind_in,
                          .prepare = prepare,
                          .owner = a};
}

static void read_averages(program *p, const averages *a, float values[MEMBERS * STRIDE]) {
    assert_ok(p->context,
              iv_buffer_read(p->context, a->buffer, 0, MEMBERS * STRIDE * sizeof *values, values));
}

static void a_state_of_ones_own_is_in_model_files_in_its_own_form(void **state) {
    program *p = *state;
    own_folder f;
    make_folder(&f);
    const char *path = in_folder(&f, "model.safetensors");
    training t = training_begin(p, MEMBERS, 0);
    averages a;
    create(p, &a);
    const iv_state *states[] = {iv_parameters_state(t.parameters), &a.state};
    assert_ok(p->context, iv_model_write(path, states, 2, 1, NULL, 0));

    iv_safetensors *file;
    assert_ok(p->context, iv_safetensors_open(path, &file, iv_context_error(p->context)));
    assert_int_equal(iv_safetensors_count(file), N_TENSORS + 1);
    const iv_tensor_entry *average = iv_safetensors_get(file, N_TENSORS);
    assert_string_equal(average->name, "average");
    assert_int_equal(average->rank, 2);
    static const float reversed[N] = {14, 13, 12, 11};
    assert_memory_equal(average->data, reversed, sizeof reversed);
    iv_safetensors_close(file);

    /* into another member, and no other byte changes */
    float before[MEMBERS * STRIDE], after[MEMBERS * STRIDE];
    read_averages(p, &a, before);
    assert_ok(p->context, iv_model_read(path, states, 2, 2));
    read_averages(p, &a, after);
    memcpy(before + 2 * STRIDE + 1, before + STRIDE + 1, N * sizeof *before);
    assert_memory_equal(before, after, sizeof before);

    /* values that the state refuses, and a file without them */
    static const float wrong[N] = {1, 2, -3, 4};
    const iv_tensor_entry bad = {"average", 2, {2, 2}, wrong};
    assert_ok(p->context,
              iv_safetensors_write(path, &bad, 1, NULL, 0, iv_context_error(p->context)));
    assert_fails(p->context, iv_model_read(path, states + 1, 1, 0), IV_EDATA,
                 "average has a negative entry");
    assert_ok(p->context, iv_model_write(path, states, 1, 0, NULL, 0));
    assert_fails(p->context, iv_model_read(path, states, 2, 0), IV_EDATA,
                 "holds 4 tensors, the model has 5");
    read_averages(p, &a, after);
    assert_memory_equal(before, after, sizeof before);
    iv_buffer_release(p->context, a.buffer);
    training_end(p, &t);
    remove_folder(&f);
}

static void a_state_of_ones_own_goes_on_from_a_checkpoint(void **state) {
    program *p = *state;
    own_folder f;
    make_folder(&f);
    const char *path = in_folder(&f, "checkpoint.safetensors");
    training t = training_begin(p, MEMBERS, 0);
    averages a;
    create(p, &a);
    const iv_state *states[] = {iv_parameters_state(t.parameters), iv_optimizer_state(t.optimizer),
                                &a.state};
    float before[MEMBERS * STRIDE], after[MEMBERS * STRIDE];
    read_averages(p, &a, before);
    assert_ok(p->context, iv_checkpoint_write(path, states, 3, NULL, 0));
    assert_ok(p->context, iv_buffer_fill(p->context, a.buffer, 0, sizeof before, 0));

    iv_safetensors *file;
    assert_ok(p->context, iv_safetensors_open(path, &file, iv_context_error(p->context)));
    assert_fails(p->context, iv_checkpoint_read(file, states, 2), IV_EDATA,
                 "nothing here is called average.fast");
    a.kept.name = "average.mean";
    assert_fails(p->context, iv_checkpoint_read(file, states, 3), IV_EDATA,
                 "average.mean is not 3 x 6");
    a.kept.name = "average.fast";
    read_averages(p, &a, after);
    for (size_t k = 0; k < MEMBERS * STRIDE; k++) assert_true(after[k] == 0);
    assert_ok(p->context, iv_checkpoint_read(file, states, 3));
    read_averages(p, &a, after);
    assert_memory_equal(before, after, sizeof before);
    iv_safetensors_close(file);

    assert_ok(p->context, iv_states_prepare(states, 3, 17));
    assert_int_equal(a.prepared_for, 17);

    static const float slow[1];
    const iv_tensor_entry other = {"average.slow", 1, {1}, slow};
    assert_ok(p->context,
              iv_safetensors_write(path, &other, 1, NULL, 0, iv_context_error(p->context)));
    assert_ok(p->context, iv_safetensors_open(path, &file, iv_context_error(p->context)));
    assert_fails(p->context, iv_checkpoint_read(file, states + 2, 1), IV_EDATA,
                 "another average: slow averages, not fast averages");
    iv_safetensors_close(file);
    iv_buffer_release(p->context, a.buffer);
    training_end(p, &t);
    remove_folder(&f);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_of_ones_own_is_in_model_files_in_its_own_form),
        cmocka_unit_test(a_state_of_ones_own_goes_on_from_a_checkpoint),
    };
    return cmocka_run_group_tests_name("states", tests, open_program, close_program);
}
