/* A grid of small images with labels, as one PNG. */
#include <invar/report.h>

#include "report/font.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GAP = 4, DOT = 2, LABEL_HEIGHT = IV_FONT_CELL_HEIGHT * DOT, IMAGE_WIDTH = 84 };

typedef struct {
    uint8_t *pixels; /* [height][width][3] */
    size_t width, height;
} canvas;

typedef struct {
    uint8_t r, g, b;
} colour;

static void set_pixel(canvas *out, size_t x, size_t y, colour c) {
    if (x >= out->width || y >= out->height) return;
    uint8_t *pixel = out->pixels + (y * out->width + x) * 3;
    pixel[0] = c.r;
    pixel[1] = c.g;
    pixel[2] = c.b;
}

static size_t label_width(const char *label) {
    return strlen(label) * IV_FONT_CELL_WIDTH * DOT;
}

static void draw_label(canvas *out, const char *label, size_t x0, size_t y0) {
    for (size_t i = 0; label[i]; i++) {
        const uint8_t *columns = iv_font_columns(label[i]);
        for (size_t dot = 0; dot < 5 * 8 * DOT * DOT; dot++) {
            size_t x = dot % (5 * DOT), y = dot / (5 * DOT);
            if (!(columns[x / DOT] >> y / DOT & 1)) continue;
            set_pixel(out, x0 + i * IV_FONT_CELL_WIDTH * DOT + x, y0 + y,
                      (colour){0x22, 0x22, 0x22});
        }
    }
}

/* ------------------------------------------------------------------ colours */

static const colour not_finite = {0xff, 0x00, 0xff};

/* t in [-1, 1]: blue, white, red; the ends are those of ColorBrewer's RdBu, safe for any colour
 * vision. */
static colour diverging(double t) {
    static const double blue[3] = {0x21, 0x66, 0xac}, red[3] = {0xb2, 0x18, 0x2b};
    const double *end = t < 0 ? blue : red;
    double a = fabs(t);
    return (colour){(uint8_t)lround(255 + a * (end[0] - 255)),
                    (uint8_t)lround(255 + a * (end[1] - 255)),
                    (uint8_t)lround(255 + a * (end[2] - 255))};
}

typedef struct {
    double low, high;
} value_range;

/* Over finite pixels; symmetric around zero if signed. */
static value_range find_range(const float *image, size_t n, bool is_signed) {
    value_range range = {INFINITY, -INFINITY};
    for (size_t i = 0; i < n; i++) {
        double value = image[i];
        if (!isfinite(value)) continue;
        range.low = fmin(range.low, value);
        range.high = fmax(range.high, value);
    }
    if (is_signed) {
        range.high = fmax(fabs(range.low), fabs(range.high));
        range.low = -range.high;
    }
    return range;
}

static colour colour_of(double value, value_range range, bool is_signed) {
    if (!isfinite(value)) return not_finite;
    if (!(range.high > range.low)) {
        return is_signed ? (colour){0xff, 0xff, 0xff} : (colour){0x80, 0x80, 0x80};
    }
    if (is_signed) return diverging(value / range.high);
    uint8_t grey = (uint8_t)lround(255 * (value - range.low) / (range.high - range.low));
    return (colour){grey, grey, grey};
}

static size_t planes_of(const iv_image_grid *grid) {
    return grid->planes ? grid->planes : 1;
}

/* Pixel number `at` of an image of three planes; its planes share a range, which keeps hues. */
static colour mixed_colour(const float *image, size_t n_pixels, size_t at, value_range range) {
    uint8_t levels[3];
    for (size_t plane = 0; plane < 3; plane++) {
        const double value = image[plane * n_pixels + at];
        if (!isfinite(value)) return not_finite;
        const double level =
            range.high > range.low ? (value - range.low) / (range.high - range.low) : 0.5;
        levels[plane] = (uint8_t)lround(255 * level);
    }
    return (colour){levels[0], levels[1], levels[2]};
}

static void draw_image(canvas *out, const iv_image_grid *grid, const float *image, size_t zoom,
                       size_t x0, size_t y0) {
    const size_t n_pixels = grid->height * grid->width;
    value_range range = find_range(image, planes_of(grid) * n_pixels, grid->is_signed);
    size_t width = grid->width * zoom, height = grid->height * zoom;

    /* A thin frame: without it a picture that fades to white has no edge. */
    colour frame = {0xdd, 0xdd, 0xdd};
    for (size_t x = 0; x < width + 2; x++) {
        set_pixel(out, x0 - 1 + x, y0 - 1, frame);
        set_pixel(out, x0 - 1 + x, y0 + height, frame);
    }
    for (size_t y = 0; y < height; y++) {
        set_pixel(out, x0 - 1, y0 + y, frame);
        set_pixel(out, x0 + width, y0 + y, frame);
    }
    for (size_t y = 0; y < height; y++) {
        for (size_t x = 0; x < width; x++) {
            const size_t at = y / zoom * grid->width + x / zoom;
            set_pixel(out, x0 + x, y0 + y,
                      planes_of(grid) == 3 ? mixed_colour(image, n_pixels, at, range)
                                           : colour_of(image[at], range, grid->is_signed));
        }
    }
}

/* ------------------------------------------------------------------ layout */

static iv_status check(const iv_image_grid *grid, size_t zoom, const char *path, iv_error *error) {
    /* Far beyond any figure, and far below where the sizes computed from these could overflow. */
    enum { LARGEST = 20000 };
    bool empty = !grid->rows || !grid->columns || !grid->height || !grid->width;
    bool large = grid->rows > LARGEST || grid->columns > LARGEST || grid->height > LARGEST ||
                 grid->width > LARGEST || zoom > LARGEST;
    if (!empty && !large) {
        large = grid->rows * (grid->height * zoom + GAP) > LARGEST ||
                grid->columns * (grid->width * zoom + GAP) > LARGEST;
    }
    if (grid->planes > 1 && grid->planes != 3)
        return iv_fail(error, IV_EINVAL, "cannot draw %s: images of %zu planes, expected 1 or 3",
                       path, grid->planes);
    if (!empty && !large) return IV_OK;
    return iv_fail(error, IV_EINVAL,
                   "cannot draw %s: a grid of %zu x %zu images of %zu x %zu is too %s", path,
                   grid->rows, grid->columns, grid->height, grid->width, empty ? "small" : "large");
}

iv_status iv_image_grid_write(const iv_image_grid *grid, const char *path, iv_error *error) {
    size_t zoom = grid->zoom;
    if (!zoom) zoom = grid->width && grid->width < IMAGE_WIDTH ? IMAGE_WIDTH / grid->width : 1;
    iv_status status = check(grid, zoom, path, error);
    if (status != IV_OK) return status;

    size_t step_x = grid->width * zoom + GAP, step_y = grid->height * zoom + GAP;
    size_t left = GAP, top = GAP;
    for (size_t r = 0; grid->row_labels && r < grid->rows; r++) {
        size_t needed = label_width(grid->row_labels[r]) + 2 * GAP;
        if (needed > left) left = needed;
    }
    for (size_t c = 0; grid->column_labels && c < grid->columns; c++) {
        size_t needed = label_width(grid->column_labels[c]) + 3 * GAP;
        if (needed > step_x) step_x = needed;
        top = LABEL_HEIGHT + 2 * GAP;
    }

    canvas out = {NULL, left + grid->columns * step_x, top + grid->rows * step_y};
    size_t n_pixels, bytes;
    status = iv_multiply_size(out.width, out.height, &n_pixels, error);
    if (status == IV_OK) status = iv_multiply_size(n_pixels, 3, &bytes, error);
    if (status != IV_OK) return status;
    out.pixels = malloc(bytes);
    if (!out.pixels) return iv_fail(error, IV_ENOMEM, "out of memory while drawing %s", path);
    memset(out.pixels, 0xff, bytes);

    for (size_t r = 0; r < grid->rows; r++) {
        size_t y = top + r * step_y;
        if (grid->row_labels) {
            size_t middle = grid->height * zoom / 2;
            size_t shift = middle > LABEL_HEIGHT / 2 ? middle - LABEL_HEIGHT / 2 : 0;
            draw_label(&out, grid->row_labels[r], GAP, y + shift);
        }
        for (size_t c = 0; c < grid->columns; c++) {
            const float *image = grid->images + (r * grid->columns + c) * planes_of(grid) *
                                                    grid->height * grid->width;
            draw_image(&out, grid, image, zoom, left + c * step_x, y);
        }
    }
    for (size_t c = 0; grid->column_labels && c < grid->columns; c++) {
        draw_label(&out, grid->column_labels[c], left + c * step_x, GAP);
    }
    status = iv_png_write_rgb(path, out.pixels, out.width, out.height, error);
    free(out.pixels);
    return status;
}
