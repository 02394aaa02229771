/* Images of the user's own, in one of the formats that people have them in. */
#ifndef INVAR_DATA_OWN_H
#define INVAR_DATA_OWN_H

#include "data/source.h"

/* What a folder of images must hold, for messages. */
#define IV_OWN_EXPECTED                                                                            \
    "IDX files under MNIST's names, images.npy and labels.npy, train-images.npy and "              \
    "train-labels.npy, or a folder of PNG files for each class"

enum { IV_OWN_MOST_CLASSES = 256, IV_OWN_MOST_SIDE = 4096 };

/* Training or test images as a format's reader leaves them; n_images 0: there is no such part. */
typedef struct {
    size_t n_images, channels, height, width;
    uint8_t *pixels;                 /* [n_images, channels, height, width] */
    uint8_t *labels;                 /* [n_images] */
    char images_path[IV_PATH_BYTES]; /* where they are from, for messages */
    char labels_path[IV_PATH_BYTES];
} iv_own_part;

/* A format: whether a folder holds it, and reading its training images (parts[0], at least one) and
 * test images (parts[1], if there are any). Parts are zeroed before, and may hold memory after a
 * failure. */
typedef struct {
    const char *what; /* "IDX files" */
    bool (*is_there)(const char *folder);
    iv_status (*load)(const char *folder, iv_own_part parts[2], iv_error *error);
} iv_own_format;

extern const iv_own_format iv_own_idx, iv_own_npy, iv_own_png;

/* Whether FOLDER/FILE is there. */
bool iv_own_has(const char *folder, const char *file);

/* Bring images [n_images, n_pixels, channels] into planes, in place: [n_images, channels, n_pixels].
 * IV_ENOMEM. */
iv_status iv_own_separate_planes(uint8_t *pixels, size_t n_images, size_t n_pixels, size_t channels,
                                 iv_error *error);

/* Refuse sides and numbers of channels that no study takes, naming the file. */
iv_status iv_own_check_shape(const char *path, size_t channels, size_t height, size_t width,
                             iv_error *error);

#endif
