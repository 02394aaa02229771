#include "device.h"

typedef struct kept {
    void (*destroy)(void *object);
    void *object;
    struct kept *next;
} kept;

bool no_device_to_test(void) {
    iv_error error = {0};
    iv_context *context = NULL;
    const iv_status status = iv_context_create(NULL, false, &context, &error);
    iv_context_destroy(context);
    if (status != IV_ENODEVICE) return false;
    skip_all_because(error.message);
    return true;
}

iv_context *open_context(bool profiling) {
    iv_error error = {0};
    iv_context *context = NULL;
    assert_ok(&error, iv_context_create(NULL, profiling, &context, &error));
    return context;
}

cl_mem upload(iv_context *context, const void *data, size_t bytes) {
    cl_mem buffer = NULL;
    assert_ok(context, iv_buffer_create(context, bytes, &buffer));
    assert_ok(context, iv_buffer_write(context, buffer, 0, bytes, data));
    return buffer;
}

cl_mem sequence_upload(iv_context *context, iv_sequence *sequence, const void *data, size_t bytes) {
    cl_mem buffer = NULL;
    assert_ok(context, iv_sequence_buffer(sequence, bytes, &buffer));
    assert_ok(context, iv_buffer_write(context, buffer, 0, bytes, data));
    return buffer;
}

int open_any_engine(void **state) {
    iv_error error = {0};
    program *p = calloc(1, sizeof *p);
    if (!p || iv_context_create(NULL, false, &p->context, &error) != IV_OK) {
        print_message("# %s\n", error.message);
        free(p);
        return -1;
    }
    *state = p;
    return 0;
}

int open_program(void **state) {
    if (open_any_engine(state) != 0) return -1;
    const program *p = *state;
    if (strstr(iv_context_device(p->context)->name, "Oclgrind"))
        setenv("INVAR_GEMM_ENGINE", "panel", 0);
    return 0;
}

int close_program(void **state) {
    program *p = *state;
    while (p->kept) {
        kept *first = p->kept;
        p->kept = first->next;
        first->destroy(first->object);
        free(first);
    }
    iv_context_destroy(p->context);
    free(p);
    return 0;
}

void program_release(program *p, void (*destroy)(void *object), void *object) {
    if (!is_small_run()) {
        destroy(object);
        return;
    }
    kept *first = malloc(sizeof *first);
    assert_non_null(first);
    *first = (kept){destroy, object, p->kept};
    p->kept = first;
}

iv_sequence *begin_sequence(const program *p) {
    iv_sequence *sequence = NULL;
    assert_ok(p->context, iv_sequence_create(p->context, &sequence));
    return sequence;
}

static void destroy_sequence(void *sequence) {
    iv_sequence_destroy(sequence);
}

void end_sequence(program *p, iv_sequence *sequence) {
    program_release(p, destroy_sequence, sequence);
}

float *new_floats(size_t n) {
    float *values = calloc(n, sizeof *values);
    assert_non_null(values);
    return values;
}

double *new_doubles(size_t n) {
    double *values = calloc(n, sizeof *values);
    assert_non_null(values);
    return values;
}
