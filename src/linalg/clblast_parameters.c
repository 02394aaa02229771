/* Overriding CLBlast's parameters, and remembering per context what is in force. */
#include "linalg/clblast_parameters.h"

#include "linalg/tune.h"
#include "runtime/attachment.h"

#include <clblast_c.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char attachment[] = "clblast";
static const size_t default_threshold = 1024;

const iv_clblast_parameters iv_clblast_generic = {
    .direct = {2, 8, 8, 8, 8, 1, 1, 1, 2, 16},
    .packed = {0, 1, 32, 2, 8, 8, 32, 16, 16, 32, 1, 1, 0, 0, 4, 2},
};

typedef struct {
    size_t threshold; /* 0: CLBlast did not take ours, and its own is not known */
    bool overridden;  /* a kernel's parameters are ours and not the generic ones */
} in_force;

static CLBlastStatusCode override(const iv_context *context, const char *kernel, size_t n,
                                  const char *const *names, const size_t *values) {
    const char *names_given[IV_CLBLAST_N_PACKED];
    memcpy(names_given, names, n * sizeof *names);
    return CLBlastOverrideParameters(iv_context_device(context)->device_id, kernel,
                                     CLBlastPrecisionSingle, n, names_given, values);
}

static CLBlastStatusCode override_direct(const iv_context *context, const size_t *values) {
    static const char *const names[IV_CLBLAST_N_DIRECT] = {
        "KWID", "MDIMAD", "MDIMCD", "NDIMBD", "NDIMCD", "PADA", "PADB", "VWMD", "VWND", "WGD"};
    return override(context, "XgemmDirect", IV_CLBLAST_N_DIRECT, names, values);
}

static CLBlastStatusCode override_packed(const iv_context *context, const size_t *values) {
    static const char *const names[IV_CLBLAST_N_PACKED] = {
        "GEMMK", "KREG", "KWG", "KWI", "MDIMA", "MDIMC", "MWG", "NDIMB",
        "NDIMC", "NWG",  "SA",  "SB",  "STRM",  "STRN",  "VWM", "VWN"};
    return override(context, "Xgemm", IV_CLBLAST_N_PACKED, names, values);
}

static CLBlastStatusCode override_threshold(const iv_context *context, size_t threshold) {
    return override(context, "GemmRoutine", 1, (const char *const[]){"XGEMM_MIN_INDIRECT_SIZE"},
                    &threshold);
}

static void use_generic(const iv_context *context) {
    override_direct(context, iv_clblast_generic.direct);
    override_packed(context, iv_clblast_generic.packed);
}

static in_force *state_of(iv_context *context) {
    in_force *state = iv_context_attached(context, attachment);
    if (state) return state;
    state = calloc(1, sizeof *state);
    if (!state) {
        (void)iv_fail(iv_context_error(context), IV_ENOMEM, "no memory for CLBlast's parameters");
        return NULL;
    }
    return iv_context_attach(context, attachment, state, free) == IV_OK ? state : NULL;
}

bool iv_clblast_override(iv_context *context, const iv_clblast_parameters *p, char *why,
                         size_t why_bytes) {
    in_force *state = state_of(context);
    if (!state) return false;

    const bool has_direct = p->direct[IV_CLBLAST_N_DIRECT - 1] != 0;
    const bool has_packed = p->packed[IV_CLBLAST_N_PACKED - 1] != 0;
    const char *part = "the direct kernel";
    bool changed = false;
    CLBlastStatusCode code = has_direct ? override_direct(context, p->direct) : CLBlastSuccess;
    if (code == CLBlastSuccess && has_packed) {
        changed = has_direct;
        part = "the packed kernel";
        code = override_packed(context, p->packed);
    }
    if (code != CLBlastSuccess) {
        if (changed) use_generic(context);
        snprintf(why, why_bytes, "CLBlast refuses parameters for %s (status %d)", part, (int)code);
        return false;
    }
    state->overridden = state->overridden || has_direct || has_packed;

    const size_t threshold = p->threshold ? p->threshold : default_threshold;
    code = override_threshold(context, threshold);
    state->threshold = code == CLBlastSuccess ? threshold : 0;
    return true;
}

iv_status iv_clblast_prepare(iv_context *context) {
    if (iv_context_attached(context, attachment)) return IV_OK;
    in_force *state = state_of(context);
    if (!state) return IV_ENOMEM;

    char why[128];
    const iv_tuning *tuning = iv_tuning_of(context);
    const iv_clblast_parameters untuned = {0};
    if (!tuning || !iv_clblast_override(context, &tuning->clblast, why, sizeof why))
        iv_clblast_override(context, &untuned, why, sizeof why);
    return IV_OK;
}

bool iv_clblast_is_packed(const iv_context *context, size_t m, size_t n, size_t k) {
    const in_force *state = iv_context_attached(context, attachment);
    if (!state || state->threshold == 0) return true;
    const double edge = (double)state->threshold;
    return (double)m * (double)n * (double)k >= edge * edge * edge;
}

bool iv_clblast_fall_back(iv_context *context) {
    in_force *state = iv_context_attached(context, attachment);
    if (!state || !state->overridden) return false;
    use_generic(context);
    state->overridden = false;
    return true;
}
