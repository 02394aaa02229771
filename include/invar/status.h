/* Status codes and error messages: the one error path of the library.
 *
 * A function that can fail returns an iv_status and leaves the reason in an iv_error: what failed,
 * where, and what the user can do about it. The first message wins: failures that follow from it
 * while cleaning up do not overwrite it. Functions that work on a device use the error that their
 * iv_context owns; the others take an iv_error of the caller. */
#ifndef INVAR_STATUS_H
#define INVAR_STATUS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A status that nobody looks at is a warning of the compiler, whatever function or function pointer
 * it comes from. `(void)` before the call says that a failure does not matter there. */
#if defined(__clang__)
#define IV_MUST_USE __attribute__((warn_unused_result))
#elif defined(__GNUC__) && __GNUC__ >= 10
#define IV_MUST_USE [[nodiscard]]
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic" /* the attribute is newer than C11 */
#else
#define IV_MUST_USE
#endif

typedef enum IV_MUST_USE {
    IV_OK = 0,
    IV_EFAILED,      /* failed while running: input/output, the driver, a library    exit 1 */
    IV_ENOMEM,       /* host or device memory exhausted, or known not to suffice     exit 1 */
    IV_EINVAL,       /* bad usage or bad spec                                        exit 2 */
    IV_ENODEVICE,    /* no OpenCL device fits the selection, or what is to run       exit 3 */
    IV_EDATA,        /* data missing or damaged                                      exit 4 */
    IV_EINTERRUPTED, /* stopped on request; a checkpoint was saved                   exit 130 */
} iv_status;

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 10
#pragma GCC diagnostic pop
#endif

typedef struct {
    iv_status status;
    char message[1024]; /* without a trailing newline; empty if status is IV_OK */
} iv_error;

#if defined(__GNUC__) || defined(__clang__)
#define IV_PRINTF(format_index, first_argument)                                                    \
    __attribute__((format(printf, format_index, first_argument)))
#else
#define IV_PRINTF(format_index, first_argument)
#endif

/* Record a failure and return `status`, so that `return iv_fail(...)` reads well. A
 * message that does not fit is cut. Keeps the earlier message if `error` already
 * holds one. `error` may be NULL. */
iv_status iv_fail(iv_error *error, iv_status status, const char *format, ...) IV_PRINTF(3, 4);

/* Forget an error that has been dealt with. */
void iv_error_clear(iv_error *error);

/* The process exit status that the command line reports for a status. */
int iv_exit_status(iv_status status);

/* a * b as a size, or failure: every product that sizes a buffer goes through here.
 * IV_ENOMEM if the product overflows size_t. */
iv_status iv_multiply_size(size_t a, size_t b, size_t *product, iv_error *error);

#ifdef __cplusplus
}
#endif

#endif
