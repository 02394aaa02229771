#include "runtime/open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *iv_path_join(const char *dir, const char *name) {
    const size_t n = strlen(dir), size = n + strlen(name) + 2;
    char *path = malloc(size);
    if (path) snprintf(path, size, n && dir[n - 1] == '/' ? "%s%s" : "%s/%s", dir, name);
    return path;
}

/* Not blocking, so that a pipe in the file's place is refused and not waited for. */
static int open_regular(const char *path, int flags, uint64_t *n_bytes, const char **reason) {
    struct stat found;
    if (n_bytes) *n_bytes = 0;
    const int descriptor = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0666);
    if (descriptor < 0) {
        *reason = errno == ENXIO ? "it is not a regular file" : strerror(errno);
        return -1;
    }
    const bool known = fstat(descriptor, &found) == 0;
    if (!known || !S_ISREG(found.st_mode)) {
        *reason = !known                   ? strerror(errno)
                  : S_ISDIR(found.st_mode) ? strerror(EISDIR)
                                           : "it is not a regular file";
        close(descriptor);
        return -1;
    }
    if (n_bytes) *n_bytes = (uint64_t)found.st_size;
    return descriptor;
}

int iv_open_to_read(const char *path, uint64_t *n_bytes, const char **reason) {
    return open_regular(path, O_RDONLY, n_bytes, reason);
}

int iv_open_to_write(const char *path, uint64_t *n_bytes, const char **reason) {
    return open_regular(path, O_WRONLY | O_CREAT, n_bytes, reason);
}

bool iv_read_exactly(int descriptor, void *data, size_t bytes, const char **reason) {
    for (char *at = data; bytes > 0;) {
        const ssize_t got = read(descriptor, at, bytes);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            *reason = got < 0 ? strerror(errno) : "it became shorter";
            return false;
        }
        at += got;
        bytes -= (size_t)got;
    }
    return true;
}

iv_status iv_path_exists(const char *path, bool *exists, iv_error *error) {
    struct stat found;
    *exists = true;
    if (lstat(path, &found) == 0) return IV_OK;
    if (errno == ENOENT || errno == ENOTDIR) {
        *exists = false;
        return IV_OK;
    }
    return iv_fail(error, IV_EDATA, "%s: cannot be looked at: %s", path, strerror(errno));
}
