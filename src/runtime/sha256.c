#include "runtime/sha256.h"

#include <openssl/evp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGEST_BYTES = 32 };

struct iv_sha256 {
    EVP_MD_CTX *context;
    bool failed;
};

iv_sha256 *iv_sha256_begin(void) {
    iv_sha256 *hash = calloc(1, sizeof *hash);
    if (!hash) return NULL;
    hash->context = EVP_MD_CTX_new();
    if (hash->context && EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL) == 1) return hash;
    iv_sha256_end(hash);
    return NULL;
}

void iv_sha256_add(iv_sha256 *hash, const void *data, size_t bytes) {
    if (EVP_DigestUpdate(hash->context, data, bytes) != 1) hash->failed = true;
}

void iv_sha256_end(iv_sha256 *hash) {
    if (!hash) return;
    EVP_MD_CTX_free(hash->context);
    free(hash);
}

bool iv_sha256_so_far(const iv_sha256 *hash, char hex[IV_SHA256_HEX]) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    hex[0] = '\0';
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    const bool good = !hash->failed && copy && EVP_MD_CTX_copy_ex(copy, hash->context) == 1 &&
                      EVP_DigestFinal_ex(copy, digest, &length) == 1 && length == DIGEST_BYTES;
    EVP_MD_CTX_free(copy);
    for (size_t i = 0; good && i < DIGEST_BYTES; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return good;
}

bool iv_sha256_bytes(const void *data, size_t bytes, char hex[IV_SHA256_HEX]) {
    iv_sha256 *hash = iv_sha256_begin();
    hex[0] = '\0';
    if (!hash) return false;
    iv_sha256_add(hash, data, bytes);
    const bool good = iv_sha256_so_far(hash, hex);
    iv_sha256_end(hash);
    return good;
}

bool iv_sha256_strings(const char *const *strings, size_t n, char hex[IV_SHA256_HEX]) {
    iv_sha256 *hash = iv_sha256_begin();
    if (!hash) return false;
    for (size_t i = 0; i < n; i++) {
        const char *text = strings[i] ? strings[i] : "";
        iv_sha256_add(hash, text, strlen(text) + 1);
    }
    const bool good = iv_sha256_so_far(hash, hex);
    iv_sha256_end(hash);
    return good;
}
