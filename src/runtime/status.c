/* Errors: a status, and the message of the failure that came first. */
#include <invar/status.h>

#include "runtime/numeric.h"
#include "runtime/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

iv_status(iv_fail)(iv_error *error, iv_status status, const char *format, ...) {
    if (!error || error->status != IV_OK) return status;

    va_list arguments;
    const iv_numeric numeric = iv_numeric_begin();
    va_start(arguments, format);
    int length = vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    iv_numeric_end(numeric);

    error->status = status;
    if (length < 0) snprintf(error->message, sizeof error->message, "%s", format);
    if (length >= (int)sizeof error->message)
        strcpy(error->message + sizeof error->message - 4, "...");
    iv_tame(error->message);
    for (size_t end = strlen(error->message); end && error->message[end - 1] == '\n'; end--)
        error->message[end - 1] = '\0';
    return status;
}

void iv_error_clear(iv_error *error) {
    if (!error) return;
    error->status = IV_OK;
    error->message[0] = '\0';
}

int iv_exit_status(iv_status status) {
    switch (status) {
    case IV_OK: return 0;
    case IV_EFAILED:
    case IV_ENOMEM: return 1;
    case IV_EINVAL: return 2;
    case IV_ENODEVICE: return 3;
    case IV_EDATA: return 4;
    case IV_EINTERRUPTED: return 130;
    }
    return 1;
}

iv_status iv_multiply_size(size_t a, size_t b, size_t *product, iv_error *error) {
    *product = 0;
    if (a && b > SIZE_MAX / a)
        return iv_fail(error, IV_ENOMEM,
                       "a size of %zu x %zu is more than this machine can address", a, b);
    *product = a * b;
    return IV_OK;
}
