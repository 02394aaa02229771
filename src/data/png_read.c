#include "data/png_read.h"

#include "data/own.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t most_file_bytes = (size_t)256 << 20;

/* What libpng's functions are given. */
typedef struct {
    const char *path;
    uint8_t *bytes;
    size_t n_bytes, at;
    char reason[128];
    iv_png *image;
    png_bytep *rows;
    png_structp png;
    png_infop info;
} reading;

static void give_up(png_structp png, png_const_charp reason) {
    reading *r = png_get_error_ptr(png);
    snprintf(r->reason, sizeof r->reason, "%s", reason);
    longjmp(png_jmpbuf(png), 1);
}

static void ignore_warning(png_structp png, png_const_charp warning) {
    (void)png;
    (void)warning;
}

static void take_bytes(png_structp png, png_bytep bytes, size_t n) {
    reading *r = png_get_io_ptr(png);
    if (n > r->n_bytes - r->at) png_error(png, "it ends too early");
    memcpy(bytes, r->bytes + r->at, n);
    r->at += n;
}

/* Whether the header is of an image that is taken; libpng may jump out. */
static iv_status read_header(reading *r, iv_error *error) {
    png_set_read_fn(r->png, r, take_bytes);
    png_set_user_limits(r->png, IV_OWN_MOST_SIDE, IV_OWN_MOST_SIDE);
    png_read_info(r->png, r->info);
    const png_byte depth = png_get_bit_depth(r->png, r->info);
    const png_byte type = png_get_color_type(r->png, r->info);
    if (depth > 8)
        return iv_fail(error, IV_EDATA, "%s: a PNG file of %d bits per channel, expected 8",
                       r->path, depth);
    if (type & PNG_COLOR_MASK_ALPHA || png_get_valid(r->png, r->info, PNG_INFO_tRNS))
        return iv_fail(error, IV_EDATA,
                       "%s: a PNG file with transparency, expected grey or colour without it",
                       r->path);
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(r->png);
    if (type == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(r->png);
    png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    r->image->height = png_get_image_height(r->png, r->info);
    r->image->width = png_get_image_width(r->png, r->info);
    r->image->channels = png_get_channels(r->png, r->info);
    return IV_OK;
}

static iv_status read_pixels(reading *r, iv_error *error) {
    iv_png *image = r->image;
    const size_t row_bytes = image->width * image->channels;
    image->pixels = malloc(image->height * row_bytes);
    r->rows = malloc(image->height * sizeof *r->rows);
    if (!image->pixels || !r->rows) return iv_fail(error, IV_ENOMEM, "%s: no memory", r->path);
    for (size_t y = 0; y < image->height; y++) r->rows[y] = image->pixels + y * row_bytes;
    png_read_image(r->png, r->rows);
    png_read_end(r->png, NULL);
    return IV_OK;
}

static iv_status read_all(reading *r, iv_error *error) {
    if (r->n_bytes < 8 || png_sig_cmp(r->bytes, 0, 8) != 0)
        return iv_fail(error, IV_EDATA, "%s: not a PNG file", r->path);
    r->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, r, give_up, ignore_warning);
    if (r->png) r->info = png_create_info_struct(r->png);
    if (!r->info) return iv_fail(error, IV_ENOMEM, "%s: no memory to read it", r->path);
    if (setjmp(png_jmpbuf(r->png)))
        return iv_fail(error, IV_EDATA, "%s: a damaged PNG file: %s", r->path, r->reason);
    const iv_status status = read_header(r, error);
    return status == IV_OK ? read_pixels(r, error) : status;
}

iv_status iv_png_read(const char *path, iv_png *image, iv_error *error) {
    reading r = {.path = path, .image = image};
    *image = (iv_png){0};
    iv_status status = iv_read_file(path, most_file_bytes, &r.bytes, &r.n_bytes, error);
    if (status == IV_OK) status = read_all(&r, error);
    png_destroy_read_struct(&r.png, &r.info, NULL);
    free(r.rows);
    free(r.bytes);
    if (status != IV_OK) {
        free(image->pixels);
        *image = (iv_png){0};
    }
    return status;
}
