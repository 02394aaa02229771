#include "data/reader.h"

#include "runtime/open.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { INPUT_BYTES = 1 << 16 };

struct iv_reader {
    FILE *file;
    char *path;
    uint64_t file_bytes;
    bool compressed;
    bool in_member;   /* between a gzip member's first byte and its last */
    bool zlib_active; /* inflateInit2 was called */
    z_stream zlib;
    unsigned char input[INPUT_BYTES];
};

static iv_status open_reader(const char *path, bool as_it_is, iv_reader **out, iv_error *error) {
    *out = NULL;
    iv_reader *reader = calloc(1, sizeof *reader);
    if (!reader) return iv_fail(error, IV_ENOMEM, "%s: no memory to read it", path);

    iv_status status = IV_OK;
    reader->path = strdup(path);
    const char *reason;
    const int descriptor = iv_open_to_read(path, &reader->file_bytes, &reason);
    if (!reader->path) {
        status = iv_fail(error, IV_ENOMEM, "%s: no memory to read it", path);
    } else if (descriptor < 0) {
        status = iv_fail(error, IV_EDATA, "%s: cannot be read: %s", path, reason);
    } else {
        reader->file = fdopen(descriptor, "rb");
        if (!reader->file)
            status = iv_fail(error, IV_EFAILED, "%s: cannot be read: %s", path, strerror(errno));
    }
    if (descriptor >= 0 && !reader->file) close(descriptor);
    if (status != IV_OK) goto failed;

    unsigned char magic[2];
    const bool begins = !as_it_is && fread(magic, 1, 2, reader->file) == 2;
    if (ferror(reader->file)) {
        status = iv_fail(error, IV_EDATA, "%s: cannot be read: %s", path, strerror(errno));
        goto failed;
    }
    reader->compressed = begins && magic[0] == 0x1f && magic[1] == 0x8b;
    rewind(reader->file);
    if (reader->compressed) {
        /* 15 + 16: a gzip wrapper around the largest window; its CRC and length are checked. */
        if (inflateInit2(&reader->zlib, 15 + 16) != Z_OK) {
            status = iv_fail(error, IV_ENOMEM, "%s: no memory to decompress it", path);
            goto failed;
        }
        reader->zlib_active = reader->in_member = true;
    }
    *out = reader;
    return IV_OK;

failed:
    iv_reader_close(reader);
    return status;
}

iv_status iv_reader_open(const char *path, iv_reader **reader, iv_error *error) {
    return open_reader(path, false, reader, error);
}

iv_status iv_reader_open_as_it_is(const char *path, iv_reader **reader, iv_error *error) {
    return open_reader(path, true, reader, error);
}

void iv_reader_close(iv_reader *reader) {
    if (!reader) return;
    if (reader->zlib_active) inflateEnd(&reader->zlib);
    if (reader->file) fclose(reader->file);
    free(reader->path);
    free(reader);
}

uint64_t iv_reader_most_bytes(const iv_reader *reader) {
    /* Deflate codes at most 258 bytes in two bits. */
    return reader->compressed ? reader->file_bytes * 1032 : reader->file_bytes;
}

static iv_status damaged(iv_reader *reader, iv_error *error, const char *what) {
    return iv_fail(error, IV_EDATA,
                   "%s: damaged gzip file: %s; delete it and write or fetch it again", reader->path,
                   what);
}

static iv_status refill(iv_reader *reader, iv_error *error) {
    if (reader->zlib.avail_in > 0) return IV_OK;
    reader->zlib.next_in = reader->input;
    reader->zlib.avail_in = (uInt)fread(reader->input, 1, INPUT_BYTES, reader->file);
    if (reader->zlib.avail_in == 0 && ferror(reader->file))
        return iv_fail(error, IV_EDATA, "%s: cannot be read: %s", reader->path, strerror(errno));
    return IV_OK;
}

/* Ready for the next member of a gzip file that has several; *end if there is none. */
static iv_status next_member(iv_reader *reader, bool *end, iv_error *error) {
    const iv_status status = refill(reader, error);
    if (status != IV_OK) return status;
    *end = reader->zlib.avail_in == 0;
    if (*end) return IV_OK;
    if (reader->zlib.next_in[0] != 0x1f)
        return damaged(reader, error, "other bytes follow the compressed data");
    if (inflateReset(&reader->zlib) != Z_OK) return damaged(reader, error, "zlib gave up");
    reader->in_member = true;
    return IV_OK;
}

static iv_status read_compressed(iv_reader *reader, void *bytes, size_t size, size_t *got,
                                 iv_error *error) {
    size_t filled = 0;
    while (filled < size) {
        iv_status status;
        if (!reader->in_member) {
            bool end;
            status = next_member(reader, &end, error);
            if (status != IV_OK) return status;
            if (end) break;
        }
        status = refill(reader, error);
        if (status != IV_OK) return status;
        if (reader->zlib.avail_in == 0) return damaged(reader, error, "it ends too early");

        const size_t room = size - filled < 1 << 30 ? size - filled : 1 << 30;
        reader->zlib.next_out = (unsigned char *)bytes + filled;
        reader->zlib.avail_out = (uInt)room;
        const int code = inflate(&reader->zlib, Z_NO_FLUSH);
        filled += room - reader->zlib.avail_out;
        if (code == Z_STREAM_END)
            reader->in_member = false;
        else if (code == Z_MEM_ERROR)
            return iv_fail(error, IV_ENOMEM, "%s: no memory to decompress it", reader->path);
        else if (code != Z_OK && code != Z_BUF_ERROR)
            return damaged(reader, error, reader->zlib.msg ? reader->zlib.msg : "zlib gave up");
    }
    *got = filled;
    return IV_OK;
}

iv_status iv_reader_read(iv_reader *reader, void *bytes, size_t size, size_t *got,
                         iv_error *error) {
    *got = 0;
    if (reader->compressed) return read_compressed(reader, bytes, size, got, error);
    *got = fread(bytes, 1, size, reader->file);
    if (*got < size && ferror(reader->file))
        return iv_fail(error, IV_EDATA, "%s: cannot be read: %s", reader->path, strerror(errno));
    return IV_OK;
}
