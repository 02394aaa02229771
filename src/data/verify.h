/* Checksums of data files. */
#ifndef INVAR_DATA_VERIFY_H
#define INVAR_DATA_VERIFY_H

#include <invar/status.h>

/* SHA-256 of a file's bytes, uncompressed if it is gzip, as 64 hexadecimal digits and a zero.
 * IV_EDATA if it cannot be read to its end or holds more than 1 GiB. */
iv_status iv_file_sha256(const char *path, char sha256[65], iv_error *error);

/* The same of the bytes as they are, compressed or not. */
iv_status iv_archive_sha256(const char *path, char sha256[65], iv_error *error);

#endif
