/* Tunes the numbers of kernels (src/linalg/kernel_parameters.c) on small graphs around them. */
#include "graph/plan.h"

#include <invar/affine.h>
#include <invar/random.h>
#include <invar/signal.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A winner must beat the number without tuning by more than a clock wavers. */
static const double least_gain = 1.03;

/* Of the largest entry of a tensor: sums of a few thousand floats in another order. */
static const float tolerance = 1e-4f;

enum { MAX_TUNED = 2 };

static iv_tensor *floats(iv_graph *graph, unsigned rank, const size_t *dims) {
    return iv_input(graph, IV_F32, rank, dims, NULL);
}

#define DIMS(...) ((const size_t[]){__VA_ARGS__})

/* What fails in a builder is left in the graph's status. */

static void build_feature_mean(iv_graph *graph, iv_tensor **outputs) {
    iv_tensor *z = floats(graph, 3, DIMS(32, 128, 1024));
    outputs[0] = iv_feature_mean(graph, z, IV_FEATURE_COSINE);
    (void)iv_vector_jacobian(graph, outputs[0], outputs[0], &z, 1, &outputs[1]);
}

static void build_mean_square(iv_graph *graph, iv_tensor **outputs) {
    iv_tensor *a = floats(graph, 2, DIMS(128, 20)), *b = floats(graph, 2, DIMS(128, 20));
    outputs[0] = iv_mean_square(graph, a, b);
    (void)iv_gradient(graph, outputs[0], &a, 1, &outputs[1]);
}

static void build_square_error_sums(iv_graph *graph, iv_tensor **outputs) {
    iv_tensor *a = floats(graph, 2, DIMS(1024, 20)), *b = floats(graph, 2, DIMS(1024, 20));
    outputs[0] = iv_square_error_sums(graph, a, b, 1024);
}

static void build_pair_loss(iv_graph *graph, iv_tensor **outputs) {
    iv_tensor *z = floats(graph, 3, DIMS(2, 128, 20)), *squares = floats(graph, 1, DIMS(128));
    iv_tensor *delta = floats(graph, 1, DIMS(1)), *alpha = floats(graph, 1, DIMS(1));
    outputs[0] = iv_pair_loss(graph, z, 10, squares, delta, alpha);
    (void)iv_gradient(graph, outputs[0], &z, 1, &outputs[1]);
}

static void build_rich(iv_graph *graph, iv_tensor **outputs) {
    iv_tensor *o = floats(graph, 2, DIMS(128, 60)), *x = floats(graph, 2, DIMS(128, 60));
    outputs[0] = iv_rich(graph, o, x);
    (void)iv_vector_jacobian(graph, outputs[0], outputs[0], &x, 1, &outputs[1]);
}

static void build_warp(iv_graph *graph, iv_tensor **outputs) {
    iv_tensor *images = floats(graph, 2, DIMS(128, 784)), *t = floats(graph, 2, DIMS(32, 6));
    outputs[0] = iv_warp_inputs(graph, images, t, (iv_image_shape){1, 28, 28});
}

static const struct {
    const char *kernel, *name;
    void (*build)(iv_graph *graph, iv_tensor **outputs);
} graphs[] = {
    {"feature_mean", "VECTORS", build_feature_mean},
    {"mean_square", "LANES", build_mean_square},
    {"mean_square", "ROW_LANES", build_square_error_sums},
    {"pair_loss", "LANES", build_pair_loss},
    {"pair_loss", "PAIRS", build_pair_loss},
    {"rich", "ROWS", build_rich},
    {"warp", "SAMPLES", build_warp},
};

enum { N_GRAPHS = sizeof graphs / sizeof *graphs };

/* One graph, compiled anew for every number that is tried. */
typedef struct {
    iv_context *context;
    iv_graph *graph;
    iv_plan *plan;
    iv_tensor *outputs[MAX_TUNED];
    size_t n_outputs, n_members;
    double deadline;                  /* of iv_seconds(): nothing more is tried past it */
    float *right[MAX_TUNED], *values; /* what the outputs are without tuning, and room for one */
} bench;

static bool is_over(const iv_tune_options *options, double deadline) {
    return iv_seconds() >= deadline || (options->stop && *options->stop);
}

static iv_status no_memory(iv_context *context) {
    return iv_fail(iv_context_error(context), IV_ENOMEM, "no memory for the tuner");
}

static iv_status write_inputs(bench *b) {
    for (size_t i = 0; i < b->graph->n_tensors; i++) {
        const iv_tensor *tensor = b->graph->tensors[i];
        if (tensor->producer || tensor->base || !tensor->needed) continue;
        const iv_view view = iv_plan_view(b->plan, tensor);
        const size_t n = tensor->n_elements;
        float *values = malloc(n * sizeof *values);
        if (!values) return no_memory(b->context);
        for (size_t k = 0; k < n; k++) {
            uint32_t words[4];
            iv_philox(1, IV_STREAM_TEST, (uint32_t)i, (uint32_t)k, words);
            values[k] = 0.55f + 0.45f * iv_uniform_symmetric(words[0]);
        }
        iv_status status = IV_OK;
        for (size_t r = 0; r < b->n_members && status == IV_OK; r++)
            status = iv_buffer_write(b->context, view.buffer,
                                     (view.offset + r * view.stride) * sizeof(float),
                                     n * sizeof(float), values);
        free(values);
        if (status != IV_OK) return status;
    }
    return IV_OK;
}

static iv_status open_bench(bench *b, size_t index) {
    iv_status status = iv_graph_create(b->context, b->n_members, &b->graph);
    if (status != IV_OK) return status;
    graphs[index].build(b->graph, b->outputs);
    if (b->graph->status != IV_OK) return b->graph->status;
    size_t most = 0;
    for (; b->n_outputs < MAX_TUNED && b->outputs[b->n_outputs]; b->n_outputs++) {
        const size_t n = b->outputs[b->n_outputs]->n_elements * b->n_members;
        b->right[b->n_outputs] = malloc(n * sizeof(float));
        if (!b->right[b->n_outputs]) return no_memory(b->context);
        if (n > most) most = n;
    }
    b->values = malloc(most * sizeof(float));
    return b->values ? IV_OK : no_memory(b->context);
}

static void close_bench(bench *b) {
    iv_plan_destroy(b->plan);
    iv_graph_destroy(b->graph);
    for (size_t i = 0; i < MAX_TUNED; i++) free(b->right[i]);
    free(b->values);
}

static bool agrees(const float *right, const float *values, size_t n) {
    float largest = 0.0f;
    for (size_t i = 0; i < n; i++) largest = fmaxf(largest, fabsf(right[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(values[i] - right[i]) <= tolerance * largest)) return false;
    return true;
}

/* Compile with the numbers of the context, run, look at the results (or remember them), and time.
 */
static iv_status measure(bench *b, bool is_first, double budget, double *seconds) {
    iv_plan_destroy(b->plan);
    b->plan = NULL;
    iv_status status = iv_graph_compile(b->graph, b->outputs, b->n_outputs, &b->plan);
    if (status == IV_OK) status = write_inputs(b);
    if (status == IV_OK) status = iv_plan_run(b->plan, 0);
    if (status == IV_OK) status = iv_context_finish(b->context);
    for (size_t i = 0; i < b->n_outputs && status == IV_OK; i++) {
        const size_t n = b->outputs[i]->n_elements * b->n_members;
        status = iv_plan_read(b->plan, b->outputs[i], is_first ? b->right[i] : b->values);
        if (status == IV_OK && !is_first && !agrees(b->right[i], b->values, n))
            status = iv_fail(iv_context_error(b->context), IV_EFAILED, "wrong results");
    }
    return status == IV_OK ? iv_tune_time(b->context, iv_plan_sequence(b->plan), budget, seconds)
                           : status;
}

/* A candidate that does not build or is wrong is skipped, and said so. */
static bool try_value(bench *b, const iv_kernel_parameter *row, size_t value, double budget,
                      const iv_tune_options *options, double *seconds) {
    iv_status status = iv_kernel_set(b->context, row->kernel, row->name, value);
    if (status == IV_OK) status = measure(b, value == 0, budget, seconds);
    if (status == IV_OK) return true;
    char text[512];
    snprintf(text, sizeof text, "%s.%s: %zu skipped: %.380s", row->kernel, row->name, value,
             iv_context_error(b->context)->message);
    if (options->note) options->note(options->user, text);
    iv_error_clear(iv_context_error(b->context));
    return false;
}

/* That candidates from the i-th on were left for want of time. */
static void note_untried(const iv_tune_options *options, const iv_kernel_parameter *row, size_t i) {
    char values[128] = "", text[320];
    if (!options->note || (options->stop && *options->stop)) return;
    for (size_t at = 0; row->candidates[i] && at < sizeof values; i++)
        at += (size_t)snprintf(values + at, sizeof values - at, " %zu", row->candidates[i]);
    snprintf(text, sizeof text, "%s.%s: no time was left to try%s", row->kernel, row->name, values);
    options->note(options->user, text);
}

/* Each candidate, then the winner and the number without tuning once more in turn. */
static bool tune_row(bench *b, const iv_kernel_parameter *row, double budget,
                     const iv_tune_options *options, iv_kernel_result *result) {
    double seconds;
    size_t best = 0;
    result->untuned = iv_kernel_default(iv_context_device(b->context), row->kernel, row->name);
    if (!try_value(b, row, 0, budget, options, &result->untuned_seconds)) return false;
    result->best_seconds = result->untuned_seconds;
    for (size_t i = 0; row->candidates[i]; i++) {
        if (row->candidates[i] == result->untuned) continue;
        if (is_over(options, b->deadline)) {
            note_untried(options, row, i);
            break;
        }
        if (!try_value(b, row, row->candidates[i], budget, options, &seconds)) continue;
        if (seconds < result->best_seconds) {
            result->best_seconds = seconds;
            best = row->candidates[i];
        }
    }
    if (best && try_value(b, row, 0, budget, options, &seconds))
        result->untuned_seconds = fmin(result->untuned_seconds, seconds);
    if (best && try_value(b, row, best, budget, options, &seconds))
        result->best_seconds = fmin(result->best_seconds, seconds);
    if (best && result->best_seconds * least_gain >= result->untuned_seconds) best = 0;
    if (!best) result->best_seconds = result->untuned_seconds;
    result->best = best ? best : result->untuned;
    return iv_kernel_set(b->context, row->kernel, row->name, best) == IV_OK;
}

static const iv_kernel_parameter *row_of(size_t index) {
    const iv_kernel_parameter *rows;
    const size_t n = iv_kernel_parameters(&rows);
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].kernel, graphs[index].kernel) == 0 &&
            strcmp(rows[i].name, graphs[index].name) == 0)
            return &rows[i];
    return NULL;
}

iv_status iv_tune_kernels(iv_context *context, const iv_tune_options *options,
                          void (*result)(void *user, const iv_kernel_result *result)) {
    const bool is_cpu = iv_context_device(context)->type == IV_DEVICE_CPU;
    const double seconds = options->seconds > 0.0 ? options->seconds : 10.0;
    const double deadline = iv_seconds() + seconds;
    iv_status status = IV_OK;
    for (size_t i = 0; i < N_GRAPHS && status == IV_OK; i++) {
        const iv_kernel_parameter *row = row_of(i);
        if (!row) continue;
        if (is_over(options, deadline)) {
            note_untried(options, row, 0);
            continue;
        }
        bench b = {.context = context, .n_members = is_cpu ? 2 : 16, .deadline = deadline};
        iv_kernel_result of = {.kernel = row->kernel, .name = row->name};
        status = open_bench(&b, i);
        const double budget = seconds / (N_GRAPHS * (IV_MAX_KERNEL_CANDIDATES + 2));
        if (status == IV_OK && tune_row(&b, row, budget, options, &of)) {
            if (result) result(options->user, &of);
        } else if (status == IV_OK) {
            status = iv_kernel_set(context, row->kernel, row->name, 0);
        }
        close_bench(&b);
    }
    const iv_status kept = iv_kernel_keep(context);
    return status == IV_OK ? kept : status;
}
