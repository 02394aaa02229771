/* Memory that is refused, at every place where reading a file asks for some: IV_ENOMEM, and with
 * sanitizers, nothing is lost. The linker puts the functions below before those of the C library
 * (--wrap). */
#include "../kit/kit.h"

#include <invar/onnx.h>

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *pointer, size_t bytes);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *pointer, size_t bytes);
char *__wrap_strdup(const char *text);

static bool refusing;
static size_t n_asked, n_granted; /* so many before one is refused */

static bool is_refused(void) {
    return refusing && n_asked++ == n_granted;
}

void *__wrap_malloc(size_t bytes) {
    return is_refused() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t n, size_t bytes) {
    return is_refused() ? NULL : __real_calloc(n, bytes);
}

void *__wrap_realloc(void *pointer, size_t bytes) {
    return is_refused() ? NULL : __real_realloc(pointer, bytes);
}

char *__wrap_strdup(const char *text) {
    return is_refused() ? NULL : __real_strdup(text);
}

static size_t count_refusals(const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.onnx", MODELS, name);
    for (size_t n = 0;; n++) {
        iv_error error = {0};
        iv_onnx_model model;
        n_asked = 0;
        n_granted = n;
        refusing = true;
        const iv_status status = iv_onnx_read(path, &model, &error);
        refusing = false;
        iv_onnx_clear(&model);
        if (n_asked <= n) { /* all were granted */
            assert_ok(&error, status);
            return n;
        }
        assert_fails(&error, status, IV_ENOMEM, "memory");
    }
}

static void refused_memory_is_said_at_every_place(void **state) {
    static const char *const names[] = {"alone-planes",
                                        "averagepool-ceil-count",
                                        "beside",
                                        "channels-last",
                                        "concat",
                                        "conv-normalized",
                                        "expanded-like",
                                        "folded",
                                        "gelu-tanh",
                                        "gemm-normalized",
                                        "layernormalization",
                                        "lrn-3",
                                        "matmul",
                                        "normalized",
                                        "shuffle",
                                        "softmax-log-end",
                                        "split-13",
                                        "type-float16-raw",
                                        "view-computed"};
    size_t n = 0;
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) n += count_refusals(names[i]);
    assert_true(n > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_memory_is_said_at_every_place),
    };
    if (!iv_onnx_is_built()) return skip_all_because("built without ONNX");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
