/* Images of the user's own in IDX files under MNIST's names. */
#include "data/own.h"

#include "data/idx.h"

#include <stdlib.h>
#include <string.h>

/* Of training and test images; those in colour are of rank 4, and may be called so. */
static const char *const image_names[2][2] = {
    {"train-images-idx3-ubyte", "train-images-idx4-ubyte"},
    {"t10k-images-idx3-ubyte", "t10k-images-idx4-ubyte"},
};
static const char *const label_names[2] = {"train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"};

static bool has_part(const char *folder, int part) {
    return iv_own_has(folder, image_names[part][0]) || iv_own_has(folder, image_names[part][1]) ||
           iv_own_has(folder, label_names[part]);
}

static bool is_there(const char *folder) {
    return has_part(folder, 0) || has_part(folder, 1);
}

static iv_status find_file(const char *folder, const char *file, char path[IV_PATH_BYTES],
                           iv_error *error) {
    bool exists;
    const iv_status status = iv_file_path(folder, file, path, &exists, error);
    if (status != IV_OK || exists) return status;
    return iv_fail(error, IV_EDATA,
                   "%s: missing (nor is there %s.gz); images of your own have a file of images and "
                   "one of labels to train on, and may have both to test with",
                   path, path);
}

/* [N, H, W], [N, H, W, 3] or, as planes, [N, 3, H, W]. */
static iv_status take_shape(const iv_idx *images, iv_own_part *part, iv_error *error) {
    const size_t *shape = images->shape;
    const bool interleaved = images->rank == 4 && shape[3] == 3;
    const size_t *sides = shape + (images->rank == 4 && !interleaved ? 2 : 1);
    part->n_images = shape[0];
    part->channels = images->rank == 3 ? 1 : interleaved ? 3 : shape[1];
    part->height = sides[0];
    part->width = sides[1];
    iv_status status =
        iv_own_check_shape(part->images_path, part->channels, part->height, part->width, error);
    if (status == IV_OK && interleaved)
        status = iv_own_separate_planes(part->pixels, part->n_images, part->height * part->width, 3,
                                        error);
    return status;
}

static iv_status load_part(const char *folder, int which, iv_own_part *part, iv_error *error) {
    static const size_t any[IV_IDX_MOST_RANK] = {0};
    iv_idx images = {0}, labels = {0};
    const bool renamed = iv_own_has(folder, image_names[which][1]);
    iv_status status = find_file(folder, image_names[which][renamed], part->images_path, error);
    if (status == IV_OK) status = find_file(folder, label_names[which], part->labels_path, error);
    if (status == IV_OK)
        status = iv_idx_read(part->images_path, iv_idx_image_rank(part->images_path), any, &images,
                             error);
    if (status == IV_OK) {
        part->pixels = images.data;
        status = take_shape(&images, part, error);
    }
    if (status == IV_OK) status = iv_idx_read(part->labels_path, 1, any, &labels, error);
    if (status != IV_OK) return status;
    part->labels = labels.data;
    if (labels.shape[0] == part->n_images) return IV_OK;
    return iv_fail(error, IV_EDATA, "%s: has %zu labels, but there are %zu images in %s",
                   part->labels_path, labels.shape[0], part->n_images, part->images_path);
}

static iv_status load(const char *folder, iv_own_part parts[2], iv_error *error) {
    const iv_status status = load_part(folder, 0, &parts[0], error);
    return status == IV_OK && has_part(folder, 1) ? load_part(folder, 1, &parts[1], error) : status;
}

const iv_own_format iv_own_idx = {"IDX files", is_there, load};
