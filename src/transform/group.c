/* Exact groups of images as tables of pixel indices.
 *
 * A new kind is a name in iv_group_kind and a row of the table below, with the function that fills
 * an element's map. Nothing else in the library tells kinds apart.
 */
#include "transform/group.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ rotation */

static size_t order_elements(size_t order, iv_group_axes axes) {
    (void)axes;
    return order;
}

/* The pixel that lands at (row, column) of an image turned counter-clockwise `quarters` times; each
 * quarter swaps height and width. */
static size_t rotated_source(size_t height, size_t width, size_t quarters, size_t row,
                             size_t column) {
    for (size_t left = quarters; left > 0; left--) {
        const size_t width_before = left % 2 ? width : height, turned_row = column;
        column = width_before - 1 - row;
        row = turned_row;
    }
    return row * width + column;
}

static void map_rotation(const iv_group *group, size_t element, uint16_t *source) {
    const size_t height = group->padded.height, width = group->padded.width;
    const size_t quarters = element * 4 / group->order;
    for (size_t row = 0; row < height; row++)
        for (size_t column = 0; column < width; column++)
            source[row * width + column] =
                (uint16_t)rotated_source(height, width, quarters, row, column);
}

static void describe_rotation(const iv_group *group, size_t element, char *words, size_t n) {
    snprintf(words, n, "turned by %zu degrees", 360 * element / group->order);
}

static const char *why_no_rotation(size_t order, size_t height, size_t width) {
    return order == 4 && height != width ? "a quarter turn changes height and width of images that "
                                           "are not square"
                                         : NULL;
}

/* ------------------------------------------------------------------ shift */

static size_t shift_elements(size_t order, iv_group_axes axes) {
    return axes == IV_AXES_XY ? order * order : order;
}

/* How many pixels an element shifts by. */
static void shift_of(const iv_group *group, size_t element, size_t *down, size_t *right) {
    const size_t steps_down = group->axes == IV_AXES_XY  ? element / group->order
                              : group->axes == IV_AXES_Y ? element
                                                         : 0;
    const size_t steps_right = group->axes == IV_AXES_Y ? 0 : element % group->order;
    *down = steps_down * (group->padded.height / group->order);
    *right = steps_right * (group->padded.width / group->order);
}

static void describe_shift(const iv_group *group, size_t element, char *words, size_t n) {
    size_t down, right;
    shift_of(group, element, &down, &right);
    if (down > 0 && right > 0)
        snprintf(words, n, "shifted by %zu down and %zu to the right", down, right);
    else
        snprintf(words, n, "shifted by %zu %s", down + right, down > 0 ? "down" : "to the right");
}

static void map_shift(const iv_group *group, size_t element, uint16_t *source) {
    const size_t height = group->padded.height, width = group->padded.width;
    size_t down, right;
    shift_of(group, element, &down, &right);
    for (size_t row = 0; row < height; row++)
        for (size_t column = 0; column < width; column++)
            source[row * width + column] = (uint16_t)((row + height - down) % height * width +
                                                      (column + width - right) % width);
}

/* ------------------------------------------------------------------ mirrors */

/* Along y: top and bottom change places. */
static bool flips_down(const iv_group *group, size_t element) {
    return group->axes == IV_AXES_XY ? element / 2 : element && group->axes == IV_AXES_Y;
}

static bool flips_across(const iv_group *group, size_t element) {
    return group->axes == IV_AXES_XY ? element % 2 : element && group->axes == IV_AXES_X;
}

static void describe_flip(const iv_group *group, size_t element, char *words, size_t n) {
    const bool down = flips_down(group, element), across = flips_across(group, element);
    snprintf(words, n, "mirrored %s",
             down && across ? "along both axes"
             : across       ? "left to right"
                            : "top to bottom");
}

static void map_flip(const iv_group *group, size_t element, uint16_t *source) {
    const size_t height = group->padded.height, width = group->padded.width;
    const bool down = flips_down(group, element), across = flips_across(group, element);
    for (size_t row = 0; row < height; row++)
        for (size_t column = 0; column < width; column++)
            source[row * width + column] = (uint16_t)((down ? height - 1 - row : row) * width +
                                                      (across ? width - 1 - column : column));
}

static void map_dihedral(const iv_group *group, size_t element, uint16_t *source) {
    const size_t side = group->padded.height;
    for (size_t row = 0; row < side; row++)
        for (size_t column = 0; column < side; column++) {
            const size_t turned = rotated_source(side, side, element % 4, row, column);
            source[row * side + column] =
                (uint16_t)(element < 4 ? turned : turned / side * side + side - 1 - turned % side);
        }
}

static void describe_dihedral(const iv_group *group, size_t element, char *words, size_t n) {
    (void)group;
    const size_t degrees = element % 4 * 90;
    if (element < 4)
        snprintf(words, n, "turned by %zu degrees", degrees);
    else if (degrees == 0)
        snprintf(words, n, "mirrored left to right");
    else
        snprintf(words, n, "mirrored left to right and turned by %zu degrees", degrees);
}

static const char *why_no_dihedral(size_t order, size_t height, size_t width) {
    (void)order;
    return height != width ? "a quarter turn changes height and width of images that are not square"
                           : NULL;
}

/* ------------------------------------------------------------------ kinds */

static const iv_group_kind_info kinds[] = {
    [IV_GROUP_ROTATION] =
        {
            .name = "rotation",
            .doc = "turns by multiples of 360 degrees over the order",
            .orders = {2, 4},
            .why = "others do not map square pixels onto each other",
            .why_not = why_no_rotation,
            .n_elements = order_elements,
            .map = map_rotation,
            .describe = describe_rotation,
        },
    [IV_GROUP_SHIFT] =
        {
            .name = "shift",
            .doc = "cyclic shifts by multiples of the side over the order, along each of its axes",
            .why = "a step is at least one pixel and less than the side",
            .has_axes = true,
            .pads = true,
            .n_elements = shift_elements,
            .map = map_shift,
            .describe = describe_shift,
        },
    [IV_GROUP_FLIP] =
        {
            .name = "flip",
            .doc = "mirrors the image along each of its axes",
            .orders = {2},
            .why = "a mirror image of a mirror image is the image",
            .has_axes = true,
            .n_elements = shift_elements,
            .map = map_flip,
            .describe = describe_flip,
        },
    [IV_GROUP_DIHEDRAL] =
        {
            .name = "dihedral",
            .doc = "quarter turns, and quarter turns of the mirror image",
            .orders = {8},
            .why = "those are all symmetries of the square",
            .why_not = why_no_dihedral,
            .n_elements = order_elements,
            .map = map_dihedral,
            .describe = describe_dihedral,
        },
};

const iv_group_kind_info *iv_group_kind_get(size_t i) {
    return i < sizeof kinds / sizeof *kinds ? &kinds[i] : NULL;
}

const iv_group_kind_info *iv_group_kind_find(const char *name) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0) return &kinds[i];
    return NULL;
}

/* ------------------------------------------------------------------ orders and sizes */

static const iv_group_kind_info *row_of(iv_group_kind kind) {
    const iv_group_kind_info *info = iv_group_kind_get((size_t)kind);
    assert(info);
    return info;
}

enum { MOST_ORDERS = sizeof kinds->orders / sizeof *kinds->orders };

static size_t smaller_side(iv_image_shape shape) {
    return shape.height < shape.width ? shape.height : shape.width;
}

static const char *why_not(const iv_group_kind_info *info, size_t order, iv_image_shape shape) {
    return info->why_not ? info->why_not(order, shape.height, shape.width) : NULL;
}

static bool order_exists(const iv_group_kind_info *info, size_t order, iv_image_shape shape) {
    if (info->orders[0] == 0) return order >= 2 && order <= smaller_side(shape);
    for (size_t i = 0; i < MOST_ORDERS && info->orders[i] > 0; i++)
        if (info->orders[i] == order) return !why_not(info, order, shape);
    return false;
}

/* The orders that exist; if those of the kind are more, why not all of them. */
static void say_expected(const iv_group_kind_info *info, iv_image_shape shape, char *text) {
    char orders[64] = "";
    const char *why = info->why;
    size_t fitting[MOST_ORDERS], n = 0;
    int length = 0;
    for (size_t i = 0; i < MOST_ORDERS && info->orders[i] > 0; i++) {
        const char *reason = why_not(info, info->orders[i], shape);
        if (reason)
            why = reason;
        else
            fitting[n++] = info->orders[i];
    }
    if (info->orders[0] == 0) snprintf(orders, sizeof orders, "2 to %zu", smaller_side(shape));
    for (size_t i = 0; i < n; i++)
        length += snprintf(orders + length, sizeof orders - (size_t)length, "%s%zu",
                           i == 0       ? ""
                           : i + 1 == n ? " or "
                                        : ", ",
                           fitting[i]);
    snprintf(text, IV_GROUP_EXPECTED, "%s for a %s: %s", n > 0 || orders[0] ? orders : "none",
             info->name, why);
}

bool iv_group_order_allowed(iv_group_kind kind, size_t order, iv_image_shape shape,
                            char expected[IV_GROUP_EXPECTED]) {
    const iv_group_kind_info *info = row_of(kind);
    const bool allowed = order_exists(info, order, shape);
    if (!allowed && expected) say_expected(info, shape, expected);
    return allowed;
}

size_t iv_group_elements(iv_group_kind kind, size_t order, iv_group_axes axes) {
    return row_of(kind)->n_elements(order, axes);
}

size_t iv_group_side(iv_group_kind kind, size_t order, size_t image_side) {
    return image_side + (row_of(kind)->pads ? (order - image_side % order) % order : 0);
}

iv_image_shape iv_group_padded(iv_group_kind kind, size_t order, iv_image_shape shape) {
    return (iv_image_shape){shape.planes, iv_group_side(kind, order, shape.height),
                            iv_group_side(kind, order, shape.width)};
}

/* ------------------------------------------------------------------ groups */

/* A plane's map, and the same in every plane. */
static void fill_tables(iv_group *group) {
    const size_t of_plane = group->padded.height * group->padded.width;
    for (size_t g = 0; g < group->n_elements; g++) {
        uint16_t *source = group->source + g * group->n_pixels;
        uint16_t *inverse = group->inverse + g * group->n_pixels;
        row_of(group->kind)->map(group, g, source);
        for (size_t p = of_plane; p < group->n_pixels; p++)
            source[p] = (uint16_t)(source[p - of_plane] + of_plane);
        for (size_t p = 0; p < group->n_pixels; p++) inverse[source[p]] = (uint16_t)p;
    }
}

static iv_status check_shape(iv_group_kind kind, size_t order, iv_image_shape shape,
                             iv_error *error) {
    const bool bounded = shape.planes <= IV_GROUP_MOST_PIXELS &&
                         shape.height <= IV_GROUP_MOST_PIXELS &&
                         shape.width <= IV_GROUP_MOST_PIXELS && order <= IV_GROUP_MOST_PIXELS;
    const iv_image_shape padded = bounded ? iv_group_padded(kind, order, shape) : shape;
    const uint64_t area = bounded ? (uint64_t)padded.height * padded.width : 0;
    if (area > 0 && area <= IV_GROUP_MOST_PIXELS && shape.planes > 0 &&
        area * shape.planes <= IV_GROUP_MOST_PIXELS)
        return IV_OK;
    return iv_fail(error, IV_EINVAL,
                   "images of %zu x %zu x %zu (planes, height, width), with padding %zu x %zu "
                   "each: expected 1 to %d values, such as 255 x 255 in grey or 147 x 147 in "
                   "colour",
                   shape.planes, shape.height, shape.width, padded.height, padded.width,
                   IV_GROUP_MOST_PIXELS);
}

iv_group *iv_group_allocate(iv_group like) {
    iv_group *group = malloc(sizeof *group);
    if (!group) return NULL;
    like.pad_top = (like.padded.height - like.image.height) / 2;
    like.pad_left = (like.padded.width - like.image.width) / 2;
    like.n_pixels = iv_image_values(like.padded);
    like.source = malloc(like.n_elements * like.n_pixels * sizeof *like.source);
    like.inverse = malloc(like.n_elements * like.n_pixels * sizeof *like.inverse);
    *group = like;
    if (group->source && group->inverse) return group;
    iv_group_destroy(group);
    return NULL;
}

iv_status iv_group_create(iv_group_kind kind, size_t order, iv_group_axes axes,
                          iv_image_shape shape, iv_group **out, iv_error *error) {
    char expected[IV_GROUP_EXPECTED];
    const iv_group_kind_info *info = iv_group_kind_get((size_t)kind);
    *out = NULL;
    if (!info) return iv_fail(error, IV_EINVAL, "there is no kind of group %d", (int)kind);
    if (!iv_group_order_allowed(kind, order, shape, expected))
        return iv_fail(error, IV_EINVAL, "%s of order %zu on images of %zu x %zu: use %s",
                       info->name, order, shape.height, shape.width, expected);
    if (info->has_axes && (axes < IV_AXES_X || axes > IV_AXES_XY))
        return iv_fail(error, IV_EINVAL, "%s along axes %d: use x, y or both", info->name,
                       (int)axes);
    const iv_status status = check_shape(kind, order, shape, error);
    if (status != IV_OK) return status;

    iv_group *group =
        iv_group_allocate((iv_group){.kind = kind,
                                     .order = order,
                                     .axes = axes,
                                     .image = shape,
                                     .padded = iv_group_padded(kind, order, shape),
                                     .n_elements = iv_group_elements(kind, order, axes)});
    if (!group) return iv_fail(error, IV_ENOMEM, "out of memory for a group's tables");
    fill_tables(group);
    *out = group;
    return IV_OK;
}

void iv_group_destroy(iv_group *group) {
    if (!group) return;
    free(group->source);
    free(group->inverse);
    free(group);
}

void iv_group_describe(const iv_group *group, size_t element, char words[IV_GROUP_WORDS]) {
    const iv_group_kind_info *info =
        group->kind == IV_GROUP_LISTED ? NULL : iv_group_kind_get((size_t)group->kind);
    if (element == 0)
        snprintf(words, IV_GROUP_WORDS, "as it is");
    else if (info && element < group->n_elements)
        info->describe(group, element, words, IV_GROUP_WORDS);
    else
        snprintf(words, IV_GROUP_WORDS, "under element %zu", element);
}

void iv_group_pad(const iv_group *group, const uint8_t *images, size_t n_images, uint8_t *padded) {
    const iv_image_shape from = group->image, to = group->padded;
    memset(padded, 0, n_images * group->n_pixels);
    for (size_t i = 0; i < n_images * from.planes; i++)
        for (size_t row = 0; row < from.height; row++)
            memcpy(padded + i * to.height * to.width + (row + group->pad_top) * to.width +
                       group->pad_left,
                   images + (i * from.height + row) * from.width, from.width);
}
