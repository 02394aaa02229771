/* SHA-256 in hexadecimal, in one go or piece by piece. */
#ifndef INVAR_RUNTIME_SHA256_H
#define INVAR_RUNTIME_SHA256_H

#include <stdbool.h>
#include <stddef.h>

enum { IV_SHA256_HEX = 65 }; /* 64 digits and the terminator */

/* Of `n` strings; each counts with its terminator, so that ("ab", "c") and ("a", "bc") differ. NULL
 * counts as "". False if the hash is not available. */
bool iv_sha256_strings(const char *const *strings, size_t n, char hex[IV_SHA256_HEX]);

/* Of bytes in memory. */
bool iv_sha256_bytes(const void *data, size_t bytes, char hex[IV_SHA256_HEX]);

/* Of bytes that come piece by piece. A failure is remembered until the digest is asked for. */
typedef struct iv_sha256 iv_sha256;
iv_sha256 *iv_sha256_begin(void); /* NULL if memory runs out or the hash is not available */
void iv_sha256_add(iv_sha256 *hash, const void *data, size_t bytes);
void iv_sha256_end(iv_sha256 *hash); /* frees it; NULL is fine */

/* Of all bytes so far; more may follow. False if it cannot be had. */
bool iv_sha256_so_far(const iv_sha256 *hash, char hex[IV_SHA256_HEX]);

#endif
