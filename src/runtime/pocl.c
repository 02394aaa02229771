/* PoCL's directory is tried as PoCL uses it: a file is written there, and mapped as a program is. */
#include "runtime/pocl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    PATH_BYTES = 4096,
    ROOM_BYTES = 4 << 20, /* a small study of each kind with PoCL 3.1 takes 2 MiB */
};

bool iv_is_pocl(const iv_device_info *device) {
    return strcmp(device->platform, "Portable Computing Language") == 0;
}

/* Where it is: as PoCL chooses it, in lib/CL/pocl_cache.c. */
static bool locate(char path[PATH_BYTES]) {
    const char *own = getenv("POCL_CACHE_DIR"), *base = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME"), *kept = getenv("POCL_KERNEL_CACHE");
    const char *name = kept && strcmp(kept, "0") == 0 ? "pocl/uncached" : "pocl/kcache";
    const int length = own             ? snprintf(path, PATH_BYTES, "%s", own)
                       : base && *base ? snprintf(path, PATH_BYTES, "%s/%s", base, name)
                       : home          ? snprintf(path, PATH_BYTES, "%s/.cache/%s", home, name)
                                       : snprintf(path, PATH_BYTES, "/tmp/%s", name);
    return length > 0 && length < PATH_BYTES;
}

/* Cut the path to the part of it that is there: the rest is for PoCL to make. */
static void cut_to_existing(char *path) {
    while (access(path, F_OK) != 0 && errno == ENOENT) {
        char *slash = strrchr(path, '/');
        if (!slash) {
            strcpy(path, ".");
            return;
        }
        slash[slash == path] = '\0';
        if (slash == path) return;
    }
}

/* What the directory lacks: NULL for nothing. */
static const char *lack(const char *directory) {
    static const char zeros[1 << 20];
    char path[PATH_BYTES + 16];
    snprintf(path, sizeof path, "%s/invar-XXXXXX", directory);
    const int file = mkstemp(path);
    if (file < 0) return strerror(errno);
    const char *lacking = NULL;
    for (size_t n = 0; n < ROOM_BYTES && !lacking;) {
        const ssize_t written = write(file, zeros, sizeof zeros);
        if (written < 0 && errno == EFBIG)
            break; /* a limit of one file: what PoCL writes is small */
        if (written < 0 && errno != EINTR) lacking = strerror(errno);
        if (written > 0) n += (size_t)written;
    }
    if (!lacking) {
        void *mapped = mmap(NULL, sizeof zeros, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
        if (mapped == MAP_FAILED)
            lacking = errno == EPERM ? "programs must not run there" : strerror(errno);
        else
            munmap(mapped, sizeof zeros);
    }
    close(file);
    unlink(path);
    return lacking;
}

iv_status iv_pocl_cache_check(bool has_devices, iv_error *error) {
    char path[PATH_BYTES];
    if (!locate(path)) return IV_OK;
    if (has_devices && access(path, F_OK) != 0) return IV_OK;
    cut_to_existing(path);
    const char *lacking = lack(path);
    if (!lacking) return IV_OK;
    return iv_fail(error, IV_EFAILED,
                   "PoCL cannot compile kernels in %s: %s; set POCL_CACHE_DIR to a directory that "
                   "can be written to, has room and lets programs run",
                   path, lacking);
}
