/* A data set on the device. */
#include <invar/train.h>

iv_status iv_images_upload(iv_context *context, const iv_dataset *dataset, iv_images *images) {
    *images = (iv_images){.n_images = dataset->n_images,
                          .n_training = dataset->n_training,
                          .n_pixels = dataset->channels * dataset->height * dataset->width,
                          .n_classes = dataset->n_classes};
    const size_t n = images->n_images * images->n_pixels;
    if (n == 0)
        return iv_fail(iv_context_error(context), IV_EINVAL, "%s has no images", dataset->name);
    images->mostly_zero = iv_mostly_zero(dataset->pixels, n);
    iv_status status = iv_buffer_upload(context, dataset->pixels, n, &images->pixels);
    if (status == IV_OK)
        status = iv_buffer_upload(context, dataset->labels, images->n_images, &images->labels);
    return status;
}

void iv_images_release(iv_context *context, iv_images *images) {
    iv_buffer_release(context, images->pixels);
    iv_buffer_release(context, images->labels);
    *images = (iv_images){0};
}

iv_image_source iv_images_source(const iv_images *images, size_t first, size_t n_samples) {
    return (iv_image_source){.pixels = images->pixels,
                             .labels = images->labels,
                             .indices = {NULL, first, 0},
                             .n_samples = n_samples,
                             .n_pixels = images->n_pixels,
                             .zeros = images->mostly_zero};
}
