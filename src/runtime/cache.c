/* Cache files: magic, length, SHA-256 of the payload, payload. Written under a
 * temporary name in the same directory and renamed, so that concurrent processes and
 * crashes leave whole files only. */
#include "runtime/cache.h"

#include "runtime/open.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

enum { DIGEST_BYTES = 32, PATH_BYTES = 4096, MAX_PAYLOAD_BYTES = 1 << 28 };

/* Both machines' own byte order: a cache is not moved between architectures, and if it is, the
 * length disagrees and the file is rebuilt. */
typedef struct {
    char magic[8];
    uint64_t bytes;
    unsigned char digest[DIGEST_BYTES];
} cache_header;

static const char cache_magic[8] = {'I', 'V', 'C', 'A', 'C', 'H', 'E', '1'};

/* ------------------------------------------------------------------ hashes */

static bool digest_of(const void *data, size_t bytes, unsigned char digest[DIGEST_BYTES]) {
    unsigned length = 0;
    return EVP_Digest(data, bytes, digest, &length, EVP_sha256(), NULL) == 1 &&
           length == DIGEST_BYTES;
}

/* ------------------------------------------------------------------ paths */

static bool cache_is_set_to(const char *word) {
    const char *setting = getenv("INVAR_CACHE");
    return setting && !strcasecmp(setting, word);
}

bool iv_cache_is_writable(void) {
    return !cache_is_set_to("off") && !cache_is_set_to("read");
}

bool iv_cache_keeps_all(void) {
    return cache_is_set_to("on");
}

/* The directory FOLDER lies in; a relative XDG_CACHE_HOME is ignored, as its specification asks. */
static bool cache_directory(const char *folder, char path[PATH_BYTES]) {
    if (cache_is_set_to("off")) return false;
    const char *base = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    int length;
    if (base && *base == '/')
        length = snprintf(path, PATH_BYTES, "%s/invar/%s", base, folder);
    else if (home && *home == '/')
        length = snprintf(path, PATH_BYTES, "%s/.cache/invar/%s", home, folder);
    else
        return false;
    return length > 0 && length < PATH_BYTES;
}

static bool cache_path(const char *folder, const char *name, char path[PATH_BYTES]) {
    if (!cache_directory(folder, path)) return false;
    size_t used = strlen(path);
    int length = snprintf(path + used, PATH_BYTES - used, "/%s", name);
    return length > 0 && (size_t)length < PATH_BYTES - used;
}

/* mkdir -p; whether it worked shows when a file is opened in it. */
static void make_directories(char *path) {
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    mkdir(path, 0700);
}

/* ------------------------------------------------------------------ files */

static bool write_all(int file, const void *data, size_t bytes) {
    for (const char *at = data; bytes;) {
        ssize_t put = write(file, at, bytes);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        at += put, bytes -= (size_t)put;
    }
    return true;
}

/* The payload of an open cache file; NULL if anything about it is wrong. */
static void *read_payload(int file, uint64_t file_bytes, size_t *bytes) {
    cache_header header;
    const char *reason;
    if (!iv_read_exactly(file, &header, sizeof header, &reason)) return NULL;
    if (memcmp(header.magic, cache_magic, sizeof cache_magic)) return NULL;
    if (header.bytes == 0 || header.bytes > MAX_PAYLOAD_BYTES) return NULL;
    if (file_bytes != sizeof header + header.bytes) return NULL;

    unsigned char digest[DIGEST_BYTES];
    void *payload = malloc((size_t)header.bytes);
    if (payload && iv_read_exactly(file, payload, (size_t)header.bytes, &reason) &&
        digest_of(payload, (size_t)header.bytes, digest) &&
        !memcmp(digest, header.digest, sizeof digest)) {
        *bytes = (size_t)header.bytes;
        return payload;
    }
    free(payload);
    return NULL;
}

bool iv_cache_load(const char *folder, const char *name, void **data, size_t *bytes) {
    char path[PATH_BYTES];
    *data = NULL;
    *bytes = 0;
    if (!cache_path(folder, name, path)) return false;
    uint64_t file_bytes;
    const char *reason;
    const int file = iv_open_to_read(path, &file_bytes, &reason);
    if (file < 0) return false;
    *data = read_payload(file, file_bytes, bytes);
    close(file);
    if (!*data) unlink(path);
    return *data != NULL;
}

void iv_cache_store(const char *folder, const char *name, const void *data, size_t bytes) {
    char directory[PATH_BYTES], path[PATH_BYTES], temporary[PATH_BYTES];
    if (bytes == 0 || bytes > MAX_PAYLOAD_BYTES || !iv_cache_is_writable()) return;
    if (!cache_directory(folder, directory) || !cache_path(folder, name, path)) return;
    int length = snprintf(temporary, sizeof temporary, "%s/tmp.XXXXXX", directory);
    if (length < 0 || length >= (int)sizeof temporary) return;

    cache_header header = {.bytes = bytes};
    memcpy(header.magic, cache_magic, sizeof cache_magic);
    if (!digest_of(data, bytes, header.digest)) return;

    make_directories(directory);
    int file = mkstemp(temporary);
    if (file < 0) return;
    bool good =
        write_all(file, &header, sizeof header) && write_all(file, data, bytes) && fsync(file) == 0;
    good = close(file) == 0 && good;
    if (!good || rename(temporary, path)) unlink(temporary);
}

void iv_cache_remove(const char *folder, const char *name) {
    char path[PATH_BYTES];
    if (cache_path(folder, name, path)) unlink(path);
}
