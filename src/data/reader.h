/* A stream of bytes from a file that may be gzip-compressed (told by its first bytes, not its
 * name). */
#ifndef INVAR_DATA_READER_H
#define INVAR_DATA_READER_H

#include <invar/status.h>

#include <stdint.h>

typedef struct iv_reader iv_reader;

/* IV_EDATA if the file is missing, unreadable or not a regular file. */
iv_status iv_reader_open(const char *path, iv_reader **reader, iv_error *error);
iv_status iv_reader_open_as_it_is(const char *path, iv_reader **reader,
                                  iv_error *error); /* gzip too */
void iv_reader_close(iv_reader *reader);            /* NULL is fine */

/* Read up to `size` bytes; *got is less only at the end. IV_EDATA if a gzip stream is cut, fails
 * its checksum, or is followed by other bytes. */
iv_status iv_reader_read(iv_reader *reader, void *bytes, size_t size, size_t *got, iv_error *error);

/* No more than this many bytes can come out of the file, counted from its start: the size of a
 * plain file, and what gzip can make of a compressed one. Bounds what a header may make a caller
 * allocate. */
uint64_t iv_reader_most_bytes(const iv_reader *reader);

#endif
