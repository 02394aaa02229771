/* PNG files through libpng. The picture is encoded in memory and then written atomically. */
#include <invar/data.h>
#include <invar/report.h>

#include "runtime/text_builder.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>

static void collect(png_structp png, png_bytep bytes, png_size_t n) {
    iv_text *out = png_get_io_ptr(png);
    iv_text_add_bytes(out, (const char *)bytes, n);
    if (out->failed) png_error(png, "out of memory");
}

static void ignore_flush(png_structp png) {
    (void)png;
}

typedef struct {
    iv_error *error;
    const char *path;
} png_reason;

static void remember_error(png_structp png, png_const_charp message) {
    const png_reason *reason = png_get_error_ptr(png);
    (void)iv_fail(reason->error, IV_EFAILED, "cannot write %s: %s", reason->path, message);
    longjmp(png_jmpbuf(png), 1);
}

static void ignore_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

/* Apart from its caller because of setjmp: nothing here changes between setjmp and longjmp. */
static bool encode(png_structp png, png_infop info, iv_text *out, const uint8_t *pixels,
                   size_t width, size_t height, size_t row_bytes, int color_type) {
    if (setjmp(png_jmpbuf(png))) return false;
    png_set_write_fn(png, out, collect, ignore_flush);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, 8, color_type,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (size_t y = 0; y < height; y++) png_write_row(png, pixels + y * row_bytes);
    png_write_end(png, info);
    return true;
}

static iv_status write_png(const char *path, const uint8_t *pixels, size_t width, size_t height,
                           size_t channels, int color_type, iv_error *error) {
    iv_status status = IV_OK;
    iv_text out = {0};
    png_infop info = NULL;
    if (width == 0 || height == 0 || width > PNG_USER_WIDTH_MAX || height > PNG_USER_HEIGHT_MAX) {
        return iv_fail(error, IV_EINVAL, "cannot write %s: a PNG of %zu x %zu pixels", path, width,
                       height);
    }
    png_reason reason = {error, path};
    png_structp png =
        png_create_write_struct(PNG_LIBPNG_VER_STRING, &reason, remember_error, ignore_warning);
    if (png) info = png_create_info_struct(png);
    if (!info) {
        status = iv_fail(error, IV_ENOMEM, "out of memory while writing %s", path);
    } else if (!encode(png, info, &out, pixels, width, height, width * channels, color_type)) {
        status = IV_EFAILED;
    } else {
        status = iv_write_file_atomically(path, out.data, out.length, error);
    }
    png_destroy_write_struct(&png, &info);
    iv_text_free(&out);
    return status;
}

iv_status iv_png_write_gray(const char *path, const uint8_t *pixels, size_t width, size_t height,
                            iv_error *error) {
    return write_png(path, pixels, width, height, 1, PNG_COLOR_TYPE_GRAY, error);
}

iv_status iv_png_write_rgb(const char *path, const uint8_t *pixels, size_t width, size_t height,
                           iv_error *error) {
    return write_png(path, pixels, width, height, 3, PNG_COLOR_TYPE_RGB, error);
}
