/* Whole files: read with a bound, written so that a reader never sees half of one. */
#include "data/file.h"

#include "runtime/open.h"

#include <invar/data.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

iv_status iv_file_fail(iv_error *error, const char *path, const char *doing, int code) {
    const char *advice = "";
    if (code == ENOSPC) advice = "; free some space";
    if (code == EFBIG)
        advice = "; the limit on file sizes (ulimit -f) or the file system refuses it";
    if (code == ENOENT) advice = "; does the folder exist?";
    return iv_fail(error, IV_EFAILED, "%s: cannot %s: %s%s", path, doing, strerror(code), advice);
}

int iv_file_write(int descriptor, const void *bytes, size_t n_bytes) {
    const char *from = bytes;
    while (n_bytes > 0) {
        /* Some systems refuse a single write above 2 GiB. */
        const size_t chunk = n_bytes < ((size_t)1 << 30) ? n_bytes : (size_t)1 << 30;
        const ssize_t written = write(descriptor, from, chunk);
        if (written < 0) {
            if (errno == EINTR) continue;
            return errno;
        }
        from += written;
        n_bytes -= (size_t)written;
    }
    return 0;
}

static iv_status write_parts(int descriptor, const char *path, const iv_file_part *parts,
                             size_t n_parts, iv_error *error) {
    for (size_t i = 0; i < n_parts; i++) {
        const int code = iv_file_write(descriptor, parts[i].data, parts[i].bytes);
        if (code != 0) return iv_file_fail(error, path, "write", code);
    }
    return IV_OK;
}

/* Devices and pipes cannot be replaced by renaming. A pipe that nobody reads is an error at once,
 * one that is read slowly is not. */
static iv_status write_directly(const char *path, const iv_file_part *parts, size_t n_parts,
                                iv_error *error) {
    const int descriptor = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return errno == ENXIO
                   ? iv_fail(error, IV_EFAILED, "%s: cannot open: a pipe that nobody reads", path)
                   : iv_file_fail(error, path, "open", errno);
    const int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0 || fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK) < 0) {
        const int reason = errno;
        close(descriptor);
        return iv_file_fail(error, path, "open", reason);
    }
    const iv_status status = write_parts(descriptor, path, parts, n_parts, error);
    if (close(descriptor) != 0 && status == IV_OK) return iv_file_fail(error, path, "write", errno);
    return status;
}

/* mkstemp would make the file private; this one is readable as the user's umask says. */
int iv_file_create_beside(const char *path, char *temporary, size_t size) {
    for (unsigned attempt = 0; attempt < 1000; attempt++) {
        snprintf(temporary, size, "%s.part-%ld-%u", path, (long)getpid(), attempt);
        const int descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor >= 0 || errno != EEXIST) return descriptor;
    }
    return -1;
}

/* After a crash the new name must be on disk, not only the bytes. A file system that cannot flush a
 * directory is no reason to fail: the file itself is complete. */
static void flush_directory_of(const char *path) {
    char *folder = strdup(path);
    if (!folder) return;
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder ? 1 : 0] = '\0';
    const int descriptor = open(slash ? folder : ".", O_RDONLY | O_CLOEXEC);
    if (descriptor >= 0) {
        (void)fsync(descriptor);
        close(descriptor);
    }
    free(folder);
}

iv_status iv_file_commit(int descriptor, const char *temporary, const char *path, iv_error *error) {
    iv_status status = IV_OK;
    if (fsync(descriptor) != 0) status = iv_file_fail(error, path, "flush to disk", errno);
    if (close(descriptor) != 0 && status == IV_OK)
        status = iv_file_fail(error, path, "write", errno);
    if (status == IV_OK && rename(temporary, path) != 0)
        status = iv_file_fail(error, path, "replace", errno);
    if (status == IV_OK)
        flush_directory_of(path);
    else
        unlink(temporary);
    return status;
}

void iv_file_abandon(int descriptor, const char *temporary) {
    close(descriptor);
    unlink(temporary);
}

iv_status iv_write_parts_atomically(const char *path, const iv_file_part *parts, size_t n_parts,
                                    iv_error *error) {
    struct stat existing;
    if (stat(path, &existing) == 0) {
        if (S_ISDIR(existing.st_mode)) return iv_file_fail(error, path, "write", EISDIR);
        if (!S_ISREG(existing.st_mode)) return write_directly(path, parts, n_parts, error);
    }

    const size_t size = strlen(path) + IV_FILE_SUFFIX_BYTES;
    char *temporary = malloc(size);
    if (!temporary) return iv_fail(error, IV_ENOMEM, "%s: no memory to write it", path);

    iv_status status;
    const int descriptor = iv_file_create_beside(path, temporary, size);
    if (descriptor < 0) {
        status = iv_file_fail(error, path, "create a file beside it", errno);
        goto done;
    }
    status = write_parts(descriptor, path, parts, n_parts, error);
    if (status == IV_OK)
        status = iv_file_commit(descriptor, temporary, path, error);
    else
        iv_file_abandon(descriptor, temporary);

done:
    free(temporary);
    return status;
}

iv_status iv_write_file_atomically(const char *path, const void *bytes, size_t n_bytes,
                                   iv_error *error) {
    const iv_file_part part = {bytes, n_bytes};
    return iv_write_parts_atomically(path, &part, 1, error);
}

iv_status iv_read_file(const char *path, size_t limit, uint8_t **bytes, size_t *n_bytes,
                       iv_error *error) {
    iv_status status = IV_OK;
    uint8_t *buffer = NULL;
    uint64_t size;
    const char *reason;
    *bytes = NULL;
    *n_bytes = 0;
    const int descriptor = iv_open_to_read(path, &size, &reason);
    if (descriptor < 0) return iv_fail(error, IV_EDATA, "%s: cannot be read: %s", path, reason);
    if (size > limit) {
        status = iv_fail(error, IV_EDATA, "%s: has %ju bytes, expected at most %zu", path,
                         (uintmax_t)size, limit);
        goto done;
    }
    buffer = malloc((size_t)size + 1);
    if (!buffer) {
        status =
            iv_fail(error, IV_ENOMEM, "%s: no memory for its %ju bytes", path, (uintmax_t)size);
        goto done;
    }
    if (!iv_read_exactly(descriptor, buffer, (size_t)size, &reason)) {
        status = iv_fail(error, IV_EDATA, "%s: cannot be read to its end: %s", path, reason);
        goto done;
    }
    buffer[size] = 0;
    *bytes = buffer;
    *n_bytes = (size_t)size;
    buffer = NULL;

done:
    free(buffer);
    close(descriptor);
    return status;
}

/* "NAME.part-PROCESS-ATTEMPT", as iv_file_create_beside names what it makes. */
static bool is_temporary(const char *name) {
    static const char digits[] = "0123456789";
    const char *part = NULL;
    for (const char *at = name; (at = strstr(at, ".part-")); at++) part = at + 6;
    const size_t process = part ? strspn(part, digits) : 0;
    if (process == 0 || part[process] != '-') return false;
    const size_t attempt = strspn(part + process + 1, digits);
    return attempt > 0 && part[process + 1 + attempt] == '\0';
}

iv_status iv_remove_temporaries(const char *folder, iv_error *error) {
    iv_status status = IV_OK;
    DIR *opened = opendir(folder);
    if (!opened) return iv_file_fail(error, folder, "look into it", errno);
    for (struct dirent *entry; status == IV_OK;) {
        errno = 0;
        entry = readdir(opened);
        if (!entry) {
            if (errno != 0) status = iv_file_fail(error, folder, "look into it", errno);
            break;
        }
        if (is_temporary(entry->d_name) && unlinkat(dirfd(opened), entry->d_name, 0) != 0 &&
            errno != ENOENT)
            status = iv_file_fail(error, folder, "remove an unfinished file in it", errno);
    }
    closedir(opened);
    return status;
}

iv_status iv_make_directories(const char *path, iv_error *error) {
    char *partial = strdup(path);
    if (!partial) return iv_fail(error, IV_ENOMEM, "%s: no memory to make it", path);

    iv_status status = IV_OK;
    for (char *at = partial;; at++) {
        if (*at != '/' && *at != '\0') continue;
        const char kept = *at;
        *at = '\0';
        if (at != partial && mkdir(partial, 0777) != 0 && errno != EEXIST) {
            status = iv_file_fail(error, partial, "make this directory", errno);
            break;
        }
        if (kept == '\0') {
            struct stat made;
            if (stat(partial, &made) != 0 || !S_ISDIR(made.st_mode))
                status = iv_fail(error, IV_EFAILED, "%s: is in the way, a directory is wanted here",
                                 partial);
            break;
        }
        *at = kept;
    }
    free(partial);
    return status;
}
