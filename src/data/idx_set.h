/* Image sets of four IDX files, MNIST's: images and labels to train on, images and labels to test
 * with. */
#ifndef INVAR_DATA_IDX_SET_H
#define INVAR_DATA_IDX_SET_H

#include <invar/data.h>

/* The order in which a set's `files` name them. */
enum { IV_IDX_TRAINING_IMAGES, IV_IDX_TRAINING_LABELS, IV_IDX_TEST_IMAGES, IV_IDX_TEST_LABELS };

#define IV_IDX_NAMES                                                                               \
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",                \
        "t10k-labels-idx1-ubyte"
extern const char *const iv_idx_names[4];

/* iv_dataset_info's `load`. */
iv_status iv_idx_set_load(const iv_dataset_info *info, const char *directory, iv_dataset_part part,
                          iv_dataset *dataset, iv_error *error);

#endif
