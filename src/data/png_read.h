/* Reading PNG files of 8 bits, grey or in colour. */
#ifndef INVAR_DATA_PNG_READ_H
#define INVAR_DATA_PNG_READ_H

#include <invar/status.h>

#include <stdint.h>

typedef struct {
    size_t channels, height, width; /* 1 or 3 channels */
    uint8_t *pixels;                /* [height, width, channels]; freed with free() */
} iv_png;

/* Bytes as they are stored, palettes and grey of fewer bits expanded to 8. IV_EDATA for a file that
 * is damaged, has 16 bits a channel, or is transparent. */
iv_status iv_png_read(const char *path, iv_png *image, iv_error *error);

#endif
