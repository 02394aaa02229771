/* Where the files of image sets are. */
#ifndef INVAR_DATA_SOURCE_H
#define INVAR_DATA_SOURCE_H

#include <invar/data.h>

enum { IV_PATH_BYTES = 4096 };

/* FOLDER/FILESUFFIX. IV_EINVAL if the path does not fit. */
iv_status iv_path_within(const char *folder, const char *file, const char *suffix,
                         char path[IV_PATH_BYTES], iv_error *error);

/* FOLDER/FILE if there is one, else FOLDER/FILE.gz; the former if there is neither. */
iv_status iv_file_path(const char *folder, const char *file, char *path, bool *exists,
                       iv_error *error);

/* DIRECTORY/SET/FILE of a known set if there is one, else DIRECTORY/SET/FILE.gz; the former if
 * there is neither. Before that, the same in the folder that the set's archive unpacks to, below
 * DIRECTORY/SET or DIRECTORY.
 * path  IV_PATH_BYTES. IV_EINVAL if the path does not fit. */
iv_status iv_dataset_path(const char *directory, const iv_dataset_info *info, const char *file,
                          char *path, bool *exists, iv_error *error);

/* IV_EDATA for a missing file, with what to do. */
iv_status iv_dataset_fail_missing(const char *directory, const iv_dataset_info *info,
                                  const char *path, iv_error *error);

#endif
