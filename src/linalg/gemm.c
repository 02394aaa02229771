/* The one door for dense products: checks the description and picks the engine. */
#include "linalg/gemm.h"

#include "linalg/tune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static iv_status check(const iv_gemm_desc *d, iv_error *error) {
    if (d->m == 0 || d->n == 0 || d->k == 0 || d->batch == 0)
        return iv_fail(error, IV_EINVAL, "gemm: a size is zero (m %zu, n %zu, k %zu, batch %zu)",
                       d->m, d->n, d->k, d->batch);
    if (!d->a.buffer || !d->b.buffer || !d->c.buffer)
        return iv_fail(error, IV_EINVAL, "gemm: A, B or C has no buffer");
    const size_t row_a = d->transpose_a ? d->m : d->k, row_b = d->transpose_b ? d->k : d->n;
    if (d->lda < row_a || d->ldb < row_b || d->ldc < d->n)
        return iv_fail(error, IV_EINVAL,
                       "gemm: rows of %zu, %zu, %zu do not fit leading dimensions %zu, %zu, %zu",
                       row_a, row_b, d->n, d->lda, d->ldb, d->ldc);
    if ((unsigned)d->activation > IV_ACTIVATION_TANH)
        return iv_fail(error, IV_EINVAL, "gemm: there is no activation %d", (int)d->activation);
    if (d->gate.buffer && (d->gate_activation == IV_ACTIVATION_NONE ||
                           (unsigned)d->gate_activation > IV_ACTIVATION_TANH))
        return iv_fail(error, IV_EINVAL, "gemm: a gate needs the activation that it comes from");
    if (d->gate.buffer && d->gate_rows > 1 && d->m % d->gate_rows != 0)
        return iv_fail(error, IV_EINVAL, "gemm: %zu rows do not share gates of %zu rows", d->m,
                       d->gate_rows);
    if (d->scale.buffer &&
        (!d->accumulate || d->bias.buffer || d->gate.buffer || d->activation != IV_ACTIVATION_NONE))
        return iv_fail(error, IV_EINVAL,
                       "gemm: a scaled product is added to C and goes through nothing else");
    return IV_OK;
}

void iv_gemm_epilogue_options(const iv_gemm_desc *d, char options[IV_EPILOGUE_OPTIONS]) {
    char activation[24] = "", gate[16] = "";
    if (d->activation != IV_ACTIVATION_NONE)
        snprintf(activation, sizeof activation, " -DACTIVATION=%u", (unsigned)d->activation % 10);
    if (d->gate.buffer)
        snprintf(gate, sizeof gate, " -DGATE=%u", (unsigned)d->gate_activation % 10);
    snprintf(options, IV_EPILOGUE_OPTIONS, "%s%s%s%s", d->scale.buffer ? " -DSCALE" : "",
             d->bias.buffer ? " -DBIAS" : "", activation, gate);
}

static const char *const engine_names[] = {
    [IV_ENGINE_CLBLAST] = "clblast", [IV_ENGINE_PANEL] = "panel", [IV_ENGINE_TILED] = "tiled"};

/* IV_ENGINE_AUTO if the environment names none. */
static iv_status engine_of_environment(iv_error *error, iv_gemm_engine *engine) {
    *engine = IV_ENGINE_AUTO;
    const char *name = getenv("INVAR_GEMM_ENGINE");
    if (!name || !*name) return IV_OK;
    for (int i = IV_ENGINE_CLBLAST; i <= IV_ENGINE_TILED; i++)
        if (strcmp(name, engine_names[i]) == 0) *engine = (iv_gemm_engine)i;
    if (*engine != IV_ENGINE_AUTO) return IV_OK;
    return iv_fail(error, IV_EINVAL,
                   "INVAR_GEMM_ENGINE=%s: the engines are clblast, panel and tiled", name);
}

/* On CPU devices the panel kernel, made for caches and wide vectors. Elsewhere the tiled one, whose
 * epilogue costs nothing, up to where CLBlast's packed kernel is known to win by its packing: its
 * own database turns to that between 700 and 2000 cubed on discrete GPUs. */
iv_gemm_choice iv_gemm_default_choice(const iv_device_info *device, const iv_gemm_desc *desc) {
    const double volume = (double)desc->m * (double)desc->n * (double)desc->k;
    if (device->type == IV_DEVICE_CPU) return (iv_gemm_choice){.engine = IV_ENGINE_PANEL};
    if (device->type == IV_DEVICE_GPU && volume >= 1024.0 * 1024.0 * 1024.0)
        return (iv_gemm_choice){.engine = IV_ENGINE_CLBLAST};
    return (iv_gemm_choice){.engine = IV_ENGINE_TILED};
}

iv_status iv_gemm_choose(iv_context *context, const iv_gemm_desc *desc, iv_gemm_choice *choice) {
    iv_gemm_engine wanted = desc->engine;
    iv_status status = IV_OK;
    if (wanted == IV_ENGINE_AUTO)
        status = engine_of_environment(iv_context_error(context), &wanted);
    if (status != IV_OK) return status;

    const iv_tuning *tuning = iv_tuning_of(context);
    if (!tuning) return IV_ENOMEM;
    const iv_winner *winner = iv_tuning_find(tuning, desc);
    *choice = winner ? winner->choice : iv_gemm_default_choice(iv_context_device(context), desc);
    if (wanted != IV_ENGINE_AUTO && choice->engine != wanted)
        *choice = (iv_gemm_choice){.engine = wanted};
    return IV_OK;
}

void iv_gemm_describe(iv_context *context, char *text, size_t bytes) {
    iv_gemm_engine engine;
    iv_error ignored = {0}; /* a product will report an engine that there is not */
    const iv_gemm_desc small = {.m = 1, .n = 1, .k = 1};
    const iv_tuning *tuning = iv_tuning_of(context);
    if (engine_of_environment(&ignored, &engine) != IV_OK || engine == IV_ENGINE_AUTO)
        engine = iv_gemm_default_choice(iv_context_device(context), &small).engine;
    const bool tuned = tuning && *tuning->sha256;
    snprintf(text, bytes, "%s%s%.12s", engine_names[engine], tuned ? ", tuned " : "",
             tuned ? tuning->sha256 : "");
}

iv_status iv_gemm_append(iv_sequence *sequence, const iv_gemm_desc *desc,
                         const iv_gemm_choice *choice) {
    iv_context *context = iv_sequence_context(sequence);
    const iv_status status = check(desc, iv_context_error(context));
    if (status != IV_OK) return status;

    iv_gemm_desc d = *desc;
    if (d.gate_rows == 0) d.gate_rows = 1;
    switch (choice->engine) {
    case IV_ENGINE_CLBLAST: return iv_gemm_clblast(sequence, &d);
    case IV_ENGINE_PANEL:
        return iv_gemm_panel(sequence, &d, choice->panel.rows ? &choice->panel : NULL);
    case IV_ENGINE_TILED:
        return iv_gemm_tiled(sequence, &d, choice->tiled.rows ? &choice->tiled : NULL);
    case IV_ENGINE_AUTO: break;
    }
    return iv_fail(iv_context_error(context), IV_EINVAL, "gemm: there is no engine %d",
                   (int)choice->engine);
}

iv_status iv_gemm(iv_sequence *sequence, const iv_gemm_desc *desc) {
    iv_gemm_choice choice;
    const iv_status status = iv_gemm_choose(iv_sequence_context(sequence), desc, &choice);
    return status == IV_OK ? iv_gemm_append(sequence, desc, &choice) : status;
}
