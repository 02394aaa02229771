/* Posteriors in model files and checkpoints. */
#include "train/posterior.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char gaussian[] = "a Gaussian one", point_estimate[] = "a point estimate",
                  natural[] = "a Gaussian one of natural gradients";

/* ------------------------------------------------------------------ model files
 * L of each class is a square [C, H, H] there, and rows of whole pieces on the device. */

static void unpack(const iv_saved *tensor, const float *packed, float *values) {
    const size_t n_classes = tensor->dims[0], n = tensor->dims[1];
    memset(values, 0, n_classes * n * n * sizeof *values);
    for (size_t c = 0; c < n_classes; c++)
        for (size_t i = 0; i < n; i++)
            memcpy(values + (c * n + i) * n,
                   packed + c * iv_posterior_entry(n, 0) + iv_posterior_entry(i, 0),
                   (i + 1) * sizeof *values);
}

static void pack(const iv_saved *tensor, const float *values, float *packed) {
    const size_t n_classes = tensor->dims[0], n = tensor->dims[1];
    memset(packed, 0, tensor->n_packed * sizeof *packed);
    for (size_t c = 0; c < n_classes; c++)
        for (size_t i = 0; i < n; i++)
            memcpy(packed + c * iv_posterior_entry(n, 0) + iv_posterior_entry(i, 0),
                   values + (c * n + i) * n, (i + 1) * sizeof *packed);
}

static bool is_lower_triangular(const float *square, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            if (square[i * n + j] != 0.0f) return false;
    return true;
}

static bool check(const iv_saved *tensor, const float *values, char *what, size_t size) {
    const size_t n = tensor->dims[1];
    for (size_t c = 0; c < tensor->dims[0]; c++) {
        if (is_lower_triangular(values + c * n * n, n)) continue;
        snprintf(what, size, "%s of class %zu is not lower triangular", tensor->name, c);
        return false;
    }
    return true;
}

static bool is_positive(const iv_saved *tensor, const float *values, char *what, size_t size) {
    if (values[0] > 0.0f && isfinite(values[0])) return true;
    snprintf(what, size, "%s is not above 0 and finite", tensor->name);
    return false;
}

/* ------------------------------------------------------------------ checkpoints */

static const char *const mean_states[] = {"posterior.mean", "posterior.mean.adam.mean",
                                          "posterior.mean.adam.variance"};
static const char *const factor_states[] = {"posterior.factor", "posterior.factor.adam.mean",
                                            "posterior.factor.adam.variance"};

static const char precision_state[] = "posterior.precision", alpha_state[] = "posterior.alpha",
                  pull_state[] = "posterior.pull";

static const char *kind_in(const iv_safetensors *checkpoint) {
    if (iv_safetensors_find(checkpoint, precision_state)) return natural;
    if (iv_safetensors_find(checkpoint, factor_states[0])) return gaussian;
    return iv_safetensors_find(checkpoint, mean_states[0]) ? point_estimate : "none";
}

static void keep_one(iv_posterior *p, const char *name, cl_mem values, size_t stride) {
    p->kept[p->state.n_kept++] = (iv_saved){.name = name, .view = {values, 0, stride}};
}

/* The values, and what Adam keeps of them, in a buffer each. */
static void keep(iv_posterior *p, const char *const *names, cl_mem values, const cl_mem *adam,
                 size_t stride) {
    keep_one(p, names[0], values, stride);
    for (size_t i = 0; i < p->optimizer->method->n_states && !p->desc.natural; i++)
        keep_one(p, names[1 + i], adam[i], stride);
}

static iv_status prepare(void *owner, uint32_t step) {
    return iv_posterior_prepare(owner, step);
}

void iv_posterior_declare(iv_posterior *p) {
    const size_t n_classes = p->desc.n_classes, n = p->desc.n_features;
    const size_t n_packed = n_classes * p->entries;
    p->exported[0] = (iv_saved){.name = "output.mean",
                                .view = iv_posterior_mean_view(p),
                                .rank = 2,
                                .dims = {n_classes, n}};
    p->exported[1] = (iv_saved){.name = "output.scale_tril",
                                .view = {p->factor, 0, n_packed},
                                .rank = 3,
                                .dims = {n_classes, n, n},
                                .n_packed = n_packed,
                                .pack = pack,
                                .unpack = unpack,
                                .check = check};
    p->exported[2] = (iv_saved){.name = "prior.variance",
                                .view = {p->alpha, 0, 1},
                                .rank = 1,
                                .dims = {1},
                                .check = is_positive};
    p->state = (iv_state){.context = p->context,
                          .n_members = p->n_members,
                          .exported = p->exported,
                          .n_exported = p->desc.point               ? 1
                                        : p->desc.alpha_damping > 0 ? 3
                                                                    : 2,
                          .kept = p->kept,
                          .what = "posterior",
                          .kind = p->desc.point     ? point_estimate
                                  : p->desc.natural ? natural
                                                    : gaussian,
                          .kind_in = kind_in,
                          .prepare = prepare,
                          .owner = p};
    keep(p, mean_states, p->mean->values, p->optimizer->states, p->mean->stride);
    if (!p->desc.point) keep(p, factor_states, p->factor, p->factor_states, n_packed);
    if (p->desc.natural) keep_one(p, precision_state, p->precisions, n_classes * n * n);
    if (p->desc.natural && p->desc.newton.every > 1)
        keep_one(p, pull_state, p->pull, n_classes * n);
    if (p->desc.alpha_damping > 0) keep_one(p, alpha_state, p->alpha, 1);
}

const iv_state *iv_posterior_state(const iv_posterior *p) {
    return &p->state;
}
