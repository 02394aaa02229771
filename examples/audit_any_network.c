/* Logits of a network that Invar does not know, for the images that `invar audit --prepare DIR` wrote:
 * audit_any_network DIR. Afterwards `invar audit DIR` measures how invariant it is.
 *
 * The network here sees how bright ten rings around the centre are, so that turning an image by 90 degrees
 * changes nothing. Put your own in the place of `logits_of`. */
#include <invar/invar.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 10 };

/* image [channels, height, width] in [0, 1] -> logits [CLASSES] */
static void logits_of(const float *image, size_t channels, size_t height, size_t width,
                      float *logits) {
    double sums[CLASSES] = {0}, counts[CLASSES] = {0};
    for (size_t i = 0; i < channels * height * width; i++) {
        const double x = (double)(i % width) - 0.5 * (double)(width - 1);
        const double y = (double)(i / width % height) - 0.5 * (double)(height - 1);
        const double share = sqrt((x * x + y * y) / (double)(width * width + height * height)) * 2;
        const size_t ring = (size_t)fmin(share * CLASSES, CLASSES - 1);
        sums[ring] += (double)image[i];
        counts[ring]++;
    }
    for (size_t c = 0; c < CLASSES; c++)
        logits[c] = counts[c] > 0 ? (float)(sums[c] / counts[c]) : 0;
}

/* images-NNNN.npy [elements, n, channels, height, width] -> logits-NNNN.npy [elements n, CLASSES] */
static iv_status answer(const char *from, const char *to, iv_error *error) {
    iv_array images;
    iv_status status = iv_npy_read(from, &images, error);
    if (status != IV_OK) return status;
    const size_t *shape = images.shape, n = shape[0] * shape[1],
                 size = shape[2] * shape[3] * shape[4];
    iv_array logits = {.type = IV_ARRAY_FLOAT32, .rank = 2, .shape = {n, CLASSES}};
    logits.data = malloc(n * CLASSES * sizeof(float));
    for (size_t i = 0; i < n && logits.data; i++)
        logits_of((const float *)images.data + i * size, shape[2], shape[3], shape[4],
                  (float *)logits.data + i * CLASSES);
    if (logits.data) status = iv_npy_write(to, &logits, error);
    free(logits.data);
    free(images.data);
    return status;
}

int main(int argc, char **argv) {
    iv_error error = {0};
    for (int number = 0; argc > 1; number++) {
        char from[4096], to[4096];
        snprintf(from, sizeof from, "%s/images-%04d.npy", argv[1], number);
        snprintf(to, sizeof to, "%s/logits-%04d.npy", argv[1], number);
        FILE *there = fopen(from, "rb");
        if (!there) {
            printf("%d files of images\n", number);
            return 0;
        }
        fclose(there);
        if (answer(from, to, &error) != IV_OK) {
            fprintf(stderr, "%s\n", error.message);
            return 1;
        }
    }
    fprintf(stderr, "usage: audit_any_network DIR\n");
    return 2;
}
