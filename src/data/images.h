/* The memory of image sets. */
#ifndef INVAR_DATA_IMAGES_H
#define INVAR_DATA_IMAGES_H

#include <invar/data.h>

/* Pixels and labels for a dataset whose name (for messages), n_images and shape are set; what they
 * hold is undefined. IV_EINVAL unless there are 1 to 2^31 - 1 images, so that an int32 can count
 * them. Nothing is held after a failure. */
iv_status iv_dataset_allocate(iv_dataset *dataset, iv_error *error);

/* How many of n images that have no official split are training images: six sevenths, as of
 * MNIST's. */
static inline size_t iv_usual_training(size_t n_images) {
    return n_images - n_images / 7;
}

#endif
