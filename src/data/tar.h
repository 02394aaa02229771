/* Taking files out of a tar archive, plain or gzip. */
#ifndef INVAR_DATA_TAR_H
#define INVAR_DATA_TAR_H

#include <invar/status.h>

/* Write the regular files of those names, wherever they are in the archive, into a folder, each
 * whole or not at all.
 *
 * files  ends with NULL
 *
 * IV_EDATA if the archive is damaged or lacks one of them, IV_EFAILED if writing fails. */
iv_status iv_tar_unpack(const char *archive, const char *folder, const char *const *files,
                        iv_error *error);

#endif
