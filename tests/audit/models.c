#include "models.h"

#include <invar/random.h>

#include <math.h>

/* ------------------------------------------------------------------ numbers */

/* Half precision of a number that has it exactly. */
static uint16_t half_of(double value) {
    const uint16_t sign = signbit(value) ? 0x8000 : 0;
    int exponent;
    const double fraction = frexp(fabs(value), &exponent); /* in [1/2, 1) */
    if (value == 0) return sign;
    if (exponent <= -14) return (uint16_t)(sign | (uint16_t)ldexp(fabs(value), 24));
    return (uint16_t)(sign | (exponent + 14) << 10 | ((uint16_t)ldexp(fraction, 11) & 0x3ff));
}

static void put(FILE *file, const char *type, double value) {
    const float single = (float)value;
    uint64_t bits = 0;
    size_t n = 4;
    if (strcmp(type, "F64") == 0) {
        memcpy(&bits, &value, n = 8);
    } else if (strcmp(type, "F16") == 0) {
        bits = half_of(value);
        n = 2;
    } else {
        uint32_t of_single;
        memcpy(&of_single, &single, sizeof of_single);
        bits = of_single;
        if (strcmp(type, "BF16") == 0) {
            bits = of_single >> 16;
            n = 2;
        }
    }
    for (size_t i = 0; i < n; i++) fputc((int)(bits >> (8 * i) & 255), file);
}

static size_t bytes_of(const char *type) {
    return strcmp(type, "F64") == 0 ? 8 : strstr(type, "16") ? 2 : 4;
}

/* ------------------------------------------------------------------ files */

static size_t n_values(const tensor *t) {
    size_t n = 1;
    for (unsigned i = 0; i < t->rank; i++) n *= t->shape[i];
    return n;
}

void write_tensors(const char *path, const char *metadata, const tensor *tensors, size_t n) {
    static char header[16384];
    size_t used = 0, offset = 0;
    used += (size_t)snprintf(header, sizeof header, "{");
    if (metadata)
        used +=
            (size_t)snprintf(header + used, sizeof header - used, "\"__metadata__\":%s", metadata);
    for (size_t i = 0; i < n; i++) {
        const tensor *t = &tensors[i];
        const size_t bytes = n_values(t) * bytes_of(t->type);
        used += (size_t)snprintf(header + used, sizeof header - used,
                                 "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[",
                                 i > 0 || metadata ? "," : "", t->name, t->type);
        for (unsigned k = 0; k < t->rank; k++)
            used += (size_t)snprintf(header + used, sizeof header - used, "%s%zu", k ? "," : "",
                                     t->shape[k]);
        used += (size_t)snprintf(header + used, sizeof header - used,
                                 "],\"data_offsets\":[%zu,%zu]}", offset, offset + bytes);
        offset += bytes;
    }
    used += (size_t)snprintf(header + used, sizeof header - used, "}");
    assert_true(used < sizeof header);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (size_t i = 0; i < 8; i++) fputc((int)((uint64_t)used >> (8 * i) & 255), file);
    fwrite(header, 1, used, file);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n_values(&tensors[i]); k++)
            put(file, tensors[i].type, tensors[i].values[k]);
    assert_int_equal(fclose(file), 0);
}

void write_network(const char *path, const char *metadata, const char *prefix, const char *type,
                   const oracle_network *network) {
    tensor tensors[2 * ORACLE_LAYERS];
    char names[2 * ORACLE_LAYERS][64];
    size_t n = 0;
    for (size_t l = 0; l < network->n_layers; l++) {
        snprintf(names[n], sizeof *names, "%s%zu.weight", prefix, 2 * l);
        tensors[n] = (tensor){
            names[n], type, 2, {network->widths[l + 1], network->widths[l]}, network->weights[l]};
        n++;
        if (!network->biases[l]) continue;
        snprintf(names[n], sizeof *names, "%s%zu.bias", prefix, 2 * l);
        tensors[n] = (tensor){names[n], type, 1, {network->widths[l + 1]}, network->biases[l]};
        n++;
    }
    write_tensors(path, metadata, tensors, n);
}

/* ------------------------------------------------------------------ images */

iv_dataset random_images(size_t n, size_t planes, size_t side, size_t n_classes, uint32_t seed) {
    iv_dataset images = {.n_images = n,
                         .n_training = n,
                         .n_classes = n_classes,
                         .channels = planes,
                         .height = side,
                         .width = side};
    const size_t n_bytes = n * planes * side * side;
    snprintf(images.name, sizeof images.name, "random");
    images.pixels = malloc(n_bytes);
    images.labels = malloc(n);
    assert_non_null(images.pixels);
    assert_non_null(images.labels);
    for (size_t i = 0; i < n_bytes; i++) {
        uint32_t words[4];
        iv_philox(seed, IV_STREAM_TEST, 1000, (uint32_t)i, words);
        images.pixels[i] = (uint8_t)(words[0] >> 24);
    }
    for (size_t i = 0; i < n; i++) images.labels[i] = (uint8_t)(i % n_classes);
    return images;
}

void image_of(const iv_dataset *images, size_t i, double *image) {
    const size_t n = images->channels * images->height * images->width;
    for (size_t p = 0; p < n; p++) image[p] = images->pixels[i * n + p] / 255.0;
}
