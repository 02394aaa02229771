/* metrics.jsonl. Ended points collect in memory and go to the file in whole lines; when the disk is
 * full, what the last write left of a line is cut off again. */
#include <invar/data.h>
#include <invar/report.h>

#include "report/file.h"
#include "runtime/open.h"
#include "runtime/sha256.h"
#include "runtime/text_builder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 18 };

struct iv_log {
    char *path;
    int fd;
    uint64_t offset; /* bytes in the file: whole lines */
    iv_sha256 *hash; /* of these */
    iv_text lines;   /* ended points that are not in the file yet */
    iv_text point;   /* the point between begin and end */
};

static void log_free(iv_log *log) {
    if (log->fd >= 0) close(log->fd);
    iv_sha256_end(log->hash);
    iv_text_free(&log->lines);
    iv_text_free(&log->point);
    free(log->path);
    free(log);
}

/* Read what is kept of the file and compare it with what the mark says. */
static iv_status check_kept(iv_log *log, const iv_log_mark *mark, iv_error *error) {
    char block[1 << 14], sha256[IV_SHA256_HEX];
    const char *reason;
    const int file = iv_open_to_read(log->path, NULL, &reason);
    bool good = file >= 0;
    for (uint64_t left = mark->bytes; left > 0 && good;) {
        const size_t n = left < sizeof block ? (size_t)left : sizeof block;
        good = iv_read_exactly(file, block, n, &reason);
        if (good) iv_sha256_add(log->hash, block, n);
        left -= n;
    }
    if (file >= 0) close(file);
    if (!good) return iv_fail(error, IV_EDATA, "cannot read %s: %s", log->path, reason);
    if (iv_sha256_so_far(log->hash, sha256) && strcmp(sha256, mark->sha256) == 0) return IV_OK;
    return iv_fail(error, IV_EDATA,
                   "%s was changed: the SHA-256 of its first %" PRIu64
                   " bytes is not the one that the checkpoint was saved with",
                   log->path, mark->bytes);
}

/* Keep what the mark says of the file, and drop the rest. */
static iv_status open_file(iv_log *log, const iv_log_mark *mark, iv_error *error) {
    uint64_t found;
    const char *reason;
    const off_t kept = mark ? (off_t)mark->bytes : 0;
    log->fd = iv_open_to_write(log->path, &found, &reason);
    if (log->fd < 0) return iv_fail(error, IV_EFAILED, "cannot write %s: %s", log->path, reason);
    if (mark && found < mark->bytes)
        return iv_fail(error, IV_EDATA,
                       "%s holds %" PRIu64 " bytes, but the checkpoint was saved when it held "
                       "%" PRIu64 ": the log was shortened or belongs to another run",
                       log->path, found, mark->bytes);
    const iv_status status = mark ? check_kept(log, mark, error) : IV_OK;
    if (status != IV_OK) return status;
    if (ftruncate(log->fd, kept) != 0)
        return iv_fail(error, IV_EFAILED, "cannot truncate %s: %s", log->path, strerror(errno));
    if (lseek(log->fd, kept, SEEK_SET) < 0)
        return iv_fail(error, IV_EFAILED, "cannot write %s: %s", log->path, strerror(errno));
    log->offset = (uint64_t)kept;
    return IV_OK;
}

iv_status iv_log_open(const char *path, const iv_log_mark *mark, iv_log **log, iv_error *error) {
    *log = NULL;
    iv_log *opened = calloc(1, sizeof *opened);
    if (!opened) return iv_fail(error, IV_ENOMEM, "out of memory while opening %s", path);
    opened->fd = -1;
    opened->path = iv_string_copy(path);
    opened->hash = iv_sha256_begin();
    const iv_status status =
        opened->path && opened->hash
            ? open_file(opened, mark, error)
            : iv_fail(error, IV_ENOMEM, "out of memory while opening %s", path);
    if (status == IV_OK)
        *log = opened;
    else
        log_free(opened);
    return status;
}

iv_status iv_log_open_whole(const char *path, iv_log **log, iv_error *error) {
    iv_log_mark mark = {0};
    uint8_t *bytes;
    size_t n;
    *log = NULL;
    iv_status status = iv_read_file(path, SIZE_MAX / 2, &bytes, &n, error);
    if (status != IV_OK) return status;
    mark.bytes = n;
    if (!iv_sha256_bytes(bytes, n, mark.sha256))
        status = iv_fail(error, IV_EFAILED, "%s: no SHA-256 can be computed", path);
    free(bytes);
    return status == IV_OK ? iv_log_open(path, &mark, log, error) : status;
}

/* ------------------------------------------------------------------ one point */

void iv_log_begin(iv_log *log, const char *run, uint64_t seed, uint64_t step, uint64_t epoch,
                  const char *split) {
    iv_text *point = &log->point;
    iv_text_free(point);
    iv_text_add(point, "{\"run\": ");
    iv_text_json(point, run);
    iv_text_format(point, ", \"seed\": %" PRIu64 ", \"step\": %" PRIu64 ", \"epoch\": %" PRIu64,
                   seed, step, epoch);
    if (split) {
        iv_text_add(point, ", \"split\": ");
        iv_text_json(point, split);
    }
}

static void add_key(iv_text *point, const char *metric) {
    iv_text_add(point, ", ");
    iv_text_json(point, metric);
    iv_text_add(point, ": ");
}

void iv_log_float(iv_log *log, const char *metric, float value) {
    add_key(&log->point, metric);
    iv_text_float(&log->point, value, "null");
}

void iv_log_double(iv_log *log, const char *metric, double value) {
    add_key(&log->point, metric);
    iv_text_double(&log->point, value, "null");
}

void iv_log_floats(iv_log *log, const char *metric, const float *values, size_t n) {
    add_key(&log->point, metric);
    iv_text_add(&log->point, "[");
    for (size_t i = 0; i < n; i++) {
        if (i) iv_text_add(&log->point, ", ");
        iv_text_float(&log->point, values[i], "null");
    }
    iv_text_add(&log->point, "]");
}

void iv_log_doubles(iv_log *log, const char *metric, const double *values, size_t n) {
    add_key(&log->point, metric);
    iv_text_add(&log->point, "[");
    for (size_t i = 0; i < n; i++) {
        if (i) iv_text_add(&log->point, ", ");
        iv_text_double(&log->point, values[i], "null");
    }
    iv_text_add(&log->point, "]");
}

/* ------------------------------------------------------------------ to the file */

static iv_status write_lines(iv_log *log, iv_error *error) {
    size_t written = 0;
    while (written < log->lines.length) {
        ssize_t n = write(log->fd, log->lines.data + written, log->lines.length - written);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            int reason = errno;
            size_t whole = written;
            while (whole > 0 && log->lines.data[whole - 1] != '\n') whole--;
            /* Best effort: the disk already failed once, and the first
             * reason is the one to report. */
            if (ftruncate(log->fd, (off_t)(log->offset + whole)) == 0) {
                lseek(log->fd, (off_t)(log->offset + whole), SEEK_SET);
            }
            iv_sha256_add(log->hash, log->lines.data, whole);
            log->offset += whole;
            log->lines.length -= whole;
            memmove(log->lines.data, log->lines.data + whole, log->lines.length + 1);
            return iv_fail(error, IV_EFAILED, "cannot write %s: %s", log->path, strerror(reason));
        }
        written += (size_t)n;
    }
    if (written > 0) iv_sha256_add(log->hash, log->lines.data, written);
    log->offset += written;
    log->lines.length = 0;
    return IV_OK;
}

iv_status iv_log_end(iv_log *log, iv_error *error) {
    iv_text_add(&log->point, "}\n");
    if (!log->point.failed) {
        iv_text_add_bytes(&log->lines, log->point.data, log->point.length);
    }
    if (log->point.failed || log->lines.failed) {
        return iv_fail(error, IV_ENOMEM, "out of memory while logging to %s", log->path);
    }
    return log->lines.length < BUFFER_BYTES ? IV_OK : write_lines(log, error);
}

iv_status iv_log_flush(iv_log *log, iv_log_mark *mark, iv_error *error) {
    iv_status status = write_lines(log, error);
    if (status == IV_OK && fsync(log->fd) != 0)
        status = iv_fail(error, IV_EFAILED, "cannot write %s: %s", log->path, strerror(errno));
    if (!mark) return status;
    mark->bytes = log->offset;
    if (!iv_sha256_so_far(log->hash, mark->sha256) && status == IV_OK)
        status = iv_fail(error, IV_EFAILED, "%s: no SHA-256 can be computed", log->path);
    return status;
}

iv_status iv_log_close(iv_log *log, iv_error *error) {
    if (!log) return IV_OK;
    iv_status status = iv_log_flush(log, NULL, error);
    int fd = log->fd;
    log->fd = -1;
    if (close(fd) != 0 && status == IV_OK) {
        status = iv_fail(error, IV_EFAILED, "cannot write %s: %s", log->path, strerror(errno));
    }
    log_free(log);
    return status;
}
