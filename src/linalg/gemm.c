/* The one door for dense products: checks the description and picks the engine. */
#include "linalg/gemm.h"

#include <stdlib.h>
#include <string.h>

static iv_status check(const iv_gemm_desc *d, iv_error *error) {
    if (d->m == 0 || d->n == 0 || d->k == 0 || d->batch == 0)
        return iv_fail(error, IV_EINVAL, "gemm: a size is zero (m %zu, n %zu, k %zu, batch %zu)",
                       d->m, d->n, d->k, d->batch);
    const size_t row_a = d->transpose_a ? d->m : d->k, row_b = d->transpose_b ? d->k : d->n;
    if (d->lda < row_a || d->ldb < row_b || d->ldc < d->n)
        return iv_fail(error, IV_EINVAL,
                       "gemm: rows of %zu, %zu, %zu do not fit leading dimensions %zu, %zu, %zu",
                       row_a, row_b, d->n, d->lda, d->ldb, d->ldc);
    if (d->gate.buffer && d->gate_rows > 1 && d->m % d->gate_rows != 0)
        return iv_fail(error, IV_EINVAL, "gemm: %zu rows do not share gates of %zu rows", d->m,
                       d->gate_rows);
    return IV_OK;
}

/* One engine for a device and a shape, whatever the batch: members must not change bits with it. */
static iv_status choose_engine(const iv_gemm_desc *desc, iv_context *context,
                               iv_gemm_engine *engine) {
    *engine = desc->engine;
    if (*engine != IV_ENGINE_AUTO) return IV_OK;
    const char *forced = getenv("INVAR_GEMM_ENGINE");
    if (!forced || !*forced)
        *engine =
            iv_context_device(context)->type == IV_DEVICE_CPU ? IV_ENGINE_PANEL : IV_ENGINE_CLBLAST;
    else if (strcmp(forced, "clblast") == 0)
        *engine = IV_ENGINE_CLBLAST;
    else if (strcmp(forced, "panel") == 0)
        *engine = IV_ENGINE_PANEL;
    else
        return iv_fail(iv_context_error(context), IV_EINVAL,
                       "INVAR_GEMM_ENGINE=%s: the engines are clblast and panel", forced);
    return IV_OK;
}

iv_status iv_gemm(iv_sequence *sequence, const iv_gemm_desc *desc) {
    iv_context *context = iv_sequence_context(sequence);
    iv_status status = check(desc, iv_context_error(context));
    if (status != IV_OK) return status;

    iv_gemm_desc d = *desc;
    if (d.gate_rows == 0) d.gate_rows = 1;
    status = choose_engine(desc, context, &d.engine);
    if (status != IV_OK) return status;
    return d.engine == IV_ENGINE_PANEL ? iv_gemm_panel(sequence, &d, NULL)
                                       : iv_gemm_clblast(sequence, &d);
}
