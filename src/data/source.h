/* Where the files of image sets are. */
#ifndef INVAR_DATA_SOURCE_H
#define INVAR_DATA_SOURCE_H

#include <invar/data.h>

#include <stdbool.h>

enum { IV_PATH_BYTES = 4096 };

/* The order in which a source's `files` name IDX files, MNIST's. */
enum { IV_IDX_TRAINING_IMAGES, IV_IDX_TRAINING_LABELS, IV_IDX_TEST_IMAGES, IV_IDX_TEST_LABELS };
extern const char *const iv_idx_names[4];

/* DIRECTORY/SET/FILE if there is one, else DIRECTORY/SET/FILE.gz; the former if there is neither.
 * path  IV_PATH_BYTES. IV_EINVAL if the path does not fit. */
iv_status iv_dataset_path(const char *directory, const char *set, const char *file, char *path,
                          bool *exists, iv_error *error);

#endif
