/* CLBlast's tuning parameters for a device, and the size from which its packed kernel is used.
 *
 * CLBlast keeps them per device and process, not per call, so there is one set for all shapes. Its
 * installed values cannot be read through its C interface: once overridden, they are gone for the
 * process, and CLBlast's generic values, legal on any device, take their place where need be. */
#ifndef INVAR_LINALG_CLBLAST_PARAMETERS_H
#define INVAR_LINALG_CLBLAST_PARAMETERS_H

#include <invar/runtime.h>

enum { IV_CLBLAST_N_DIRECT = 10, IV_CLBLAST_N_PACKED = 16 };

/* In the order of CLBlast's database; all zeros: as installed. */
typedef struct {
    size_t threshold; /* packed kernel if m * n * k >= threshold^3; 0: 1024 */
    /* KWID MDIMAD MDIMCD NDIMBD NDIMCD PADA PADB VWMD VWND WGD */
    size_t direct[IV_CLBLAST_N_DIRECT];
    /* GEMMK KREG KWG KWI MDIMA MDIMC MWG NDIMB NDIMC NWG SA SB STRM STRN VWM VWN */
    size_t packed[IV_CLBLAST_N_PACKED];
} iv_clblast_parameters;

/* CLBlast's own values for a device that its database does not know. */
extern const iv_clblast_parameters iv_clblast_generic;

/* Put a set in force on the context's device, from the next CLBlast call on. False, with the reason
 * in `why`, if CLBlast does not take it: nothing is in force then that was not before, or, if a
 * part was taken, the generic values. */
bool iv_clblast_override(iv_context *context, const iv_clblast_parameters *parameters, char *why,
                         size_t why_bytes);

/* Before the first call on a context: put in force what the tuner
 * found, or the default threshold. */
iv_status iv_clblast_prepare(iv_context *context);

/* Whether a product is one for the packed kernel. Where CLBlast did
 * not take our threshold, always. */
bool iv_clblast_is_packed(const iv_context *context, size_t m, size_t n, size_t k);

/* A call failed: if parameters of ours were in force, replace them by the generic ones and return
 * true: the call may be tried again. */
bool iv_clblast_fall_back(iv_context *context);

#endif
