/* Posteriors in model files and checkpoints. */
#include "train/posterior.h"

#include <stdlib.h>
#include <string.h>

static const char mean_name[] = "output.mean", factor_name[] = "output.scale_tril";

/* ------------------------------------------------------------------ model files */

size_t iv_posterior_n_tensors(const iv_posterior *p) {
    return !p ? 0 : p->desc.point ? 1 : 2;
}

/* L of a class between the rows of cl/posterior.cl and a square. */
static void unpack(const iv_posterior *p, const float *packed, float *square) {
    const size_t n = p->desc.n_features;
    memset(square, 0, n * n * sizeof *square);
    for (size_t i = 0; i < n; i++)
        memcpy(square + i * n, packed + iv_posterior_entry(i, 0), (i + 1) * sizeof *square);
}

static void pack(const iv_posterior *p, const float *square, float *packed) {
    const size_t n = p->desc.n_features;
    memset(packed, 0, p->entries * sizeof *packed);
    for (size_t i = 0; i < n; i++)
        memcpy(packed + iv_posterior_entry(i, 0), square + i * n, (i + 1) * sizeof *packed);
}

/* The factor of class c of a member, in bytes from the start. */
static size_t offset_of(const iv_posterior *p, size_t member, size_t c) {
    return (member * p->desc.n_classes + c) * p->entries * sizeof(float);
}

iv_status iv_posterior_export(const iv_posterior *p, size_t member, iv_tensor_entry *entries,
                              float **values) {
    *values = NULL;
    if (!p) return IV_OK;
    const size_t n_classes = p->desc.n_classes, n = p->desc.n_features, stride = p->mean->stride;
    const size_t n_factor = p->desc.point ? 0 : n_classes * n * n;
    float *packed = malloc((p->entries + 1) * sizeof *packed);
    float *mean = *values = malloc((stride + n_factor) * sizeof *mean);
    iv_status status = IV_OK;
    if (!packed || !mean)
        status = iv_fail(iv_context_error(p->context), IV_ENOMEM, "out of memory for a model file");
    if (status == IV_OK)
        status = iv_buffer_read(p->context, p->mean->values, member * stride * sizeof *mean,
                                stride * sizeof *mean, mean);
    entries[0] = (iv_tensor_entry){mean_name, 2, {n_classes, n}, mean};
    if (!p->desc.point && status == IV_OK) {
        float *factor = mean + stride;
        entries[1] = (iv_tensor_entry){factor_name, 3, {n_classes, n, n}, factor};
        for (size_t c = 0; c < n_classes && status == IV_OK; c++) {
            status = iv_buffer_read(p->context, p->factor, offset_of(p, member, c),
                                    p->entries * sizeof *packed, packed);
            if (status == IV_OK) unpack(p, packed, factor + c * n * n);
        }
    }
    free(packed);
    return status;
}

static bool is_lower_triangular(const float *square, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            if (square[i * n + j] != 0.0f) return false;
    return true;
}

iv_status iv_posterior_check(const iv_posterior *p, const iv_safetensors *file, const char *path) {
    if (!p) return IV_OK;
    iv_error *error = iv_context_error(p->context);
    const size_t n_classes = p->desc.n_classes, n = p->desc.n_features;
    const iv_tensor_entry *mean = iv_safetensors_find(file, mean_name);
    if (!mean || mean->rank != 2 || mean->shape[0] != n_classes || mean->shape[1] != n)
        return iv_fail(error, IV_EDATA, "%s: tensor %s is missing or of another shape", path,
                       mean_name);
    if (p->desc.point) return IV_OK;
    const iv_tensor_entry *factor = iv_safetensors_find(file, factor_name);
    if (!factor || factor->rank != 3 || factor->shape[0] != n_classes || factor->shape[1] != n ||
        factor->shape[2] != n)
        return iv_fail(error, IV_EDATA, "%s: tensor %s is missing or of another shape", path,
                       factor_name);
    for (size_t c = 0; c < n_classes; c++)
        if (!is_lower_triangular(factor->data + c * n * n, n))
            return iv_fail(error, IV_EDATA, "%s: %s of class %zu is not lower triangular", path,
                           factor_name, c);
    return IV_OK;
}

iv_status iv_posterior_import(iv_posterior *p, const iv_safetensors *file, size_t member) {
    if (!p) return IV_OK;
    const size_t n_classes = p->desc.n_classes, n = p->desc.n_features;
    iv_status status =
        iv_buffer_write(p->context, p->mean->values, member * p->mean->stride * sizeof(float),
                        n_classes * n * sizeof(float), iv_safetensors_find(file, mean_name)->data);
    if (p->desc.point || status != IV_OK) return status;
    const float *factor = iv_safetensors_find(file, factor_name)->data;
    float *packed = malloc(p->entries * sizeof *packed);
    if (!packed)
        return iv_fail(iv_context_error(p->context), IV_ENOMEM, "out of memory for a model file");
    for (size_t c = 0; c < n_classes && status == IV_OK; c++) {
        pack(p, factor + c * n * n, packed);
        status = iv_buffer_write(p->context, p->factor, offset_of(p, member, c),
                                 p->entries * sizeof *packed, packed);
    }
    free(packed);
    return status;
}

/* ------------------------------------------------------------------ checkpoints */

static const char *const mean_states[] = {"posterior.mean", "posterior.mean.adam.mean",
                                          "posterior.mean.adam.variance"};
static const char *const factor_states[] = {"posterior.factor", "posterior.factor.adam.mean",
                                            "posterior.factor.adam.variance"};

bool iv_posterior_owns(const char *name) {
    return strncmp(name, "posterior.", strlen("posterior.")) == 0;
}

size_t iv_posterior_states(const iv_posterior *p, iv_state *states) {
    if (!p) return 0;
    size_t n = 0;
    states[n++] = (iv_state){mean_states[0], p->mean->values, p->mean->stride};
    for (size_t i = 0; i < p->optimizer->method->n_states; i++)
        states[n++] = (iv_state){mean_states[1 + i], p->optimizer->states[i], p->mean->stride};
    if (p->desc.point) return n;
    const size_t stride = p->desc.n_classes * p->entries;
    states[n++] = (iv_state){factor_states[0], p->factor, stride};
    for (size_t i = 0; i < p->optimizer->method->n_states; i++)
        states[n++] = (iv_state){factor_states[1 + i], p->factor_states[i], stride};
    return n;
}
