/* Where the files of image sets are. */
#ifndef INVAR_DATA_SOURCE_H
#define INVAR_DATA_SOURCE_H

#include <invar/data.h>

enum { IV_PATH_BYTES = 4096 };

/* DIRECTORY/SET/FILE if there is one, else DIRECTORY/SET/FILE.gz; the former if there is neither.
 * path  IV_PATH_BYTES. IV_EINVAL if the path does not fit. */
iv_status iv_dataset_path(const char *directory, const char *set, const char *file, char *path,
                          bool *exists, iv_error *error);

#endif
