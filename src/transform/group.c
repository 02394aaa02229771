/* Exact groups of square images as tables of pixel indices.
 *
 * A new kind is a name in iv_group_kind and a row of the table below, with the function that fills
 * an element's map. Nothing else in the library tells kinds apart.
 */
#include <invar/transform.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SIDE = 255 }; /* a uint16_t counts its pixels */

/* ------------------------------------------------------------------ rotation */

static size_t order_elements(size_t order, iv_group_axes axes) {
    (void)axes;
    return order;
}

/* The pixel that lands at (row, column) of a square turned counter-clockwise `quarters` times. */
static size_t rotated_source(size_t side, size_t quarters, size_t row, size_t column) {
    for (size_t i = 0; i < quarters; i++) {
        const size_t turned_row = column;
        column = side - 1 - row;
        row = turned_row;
    }
    return row * side + column;
}

static void map_rotation(const iv_group *group, size_t element, uint16_t *source) {
    const size_t side = group->side, quarters = element * 4 / group->order;
    for (size_t row = 0; row < side; row++)
        for (size_t column = 0; column < side; column++)
            source[row * side + column] = (uint16_t)rotated_source(side, quarters, row, column);
}

/* ------------------------------------------------------------------ shift */

static size_t shift_elements(size_t order, iv_group_axes axes) {
    return axes == IV_AXES_XY ? order * order : order;
}

static void map_shift(const iv_group *group, size_t element, uint16_t *source) {
    const size_t side = group->side, step = side / group->order;
    size_t down = 0, right = 0;
    if (group->axes == IV_AXES_XY) {
        down = element / group->order * step;
        right = element % group->order * step;
    } else if (group->axes == IV_AXES_Y) {
        down = element * step;
    } else {
        right = element * step;
    }
    for (size_t row = 0; row < side; row++)
        for (size_t column = 0; column < side; column++)
            source[row * side + column] =
                (uint16_t)((row + side - down) % side * side + (column + side - right) % side);
}

/* ------------------------------------------------------------------ kinds */

static const iv_group_kind_info kinds[] = {
    [IV_GROUP_ROTATION] =
        {
            .name = "rotation",
            .doc = "turns by multiples of 360 degrees over the order",
            .orders = {2, 4},
            .why = "others do not map square pixels onto each other",
            .n_elements = order_elements,
            .map = map_rotation,
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

static bool order_exists(const iv_group_kind_info *info, size_t order, size_t image_side) {
    enum { MOST = sizeof info->orders / sizeof *info->orders };
    if (info->orders[0] == 0) return order >= 2 && order <= image_side;
    for (size_t i = 0; i < MOST && info->orders[i] > 0; i++)
        if (info->orders[i] == order) return true;
    return false;
}

static void say_expected(const iv_group_kind_info *info, size_t image_side, char *text) {
    enum { MOST = sizeof info->orders / sizeof *info->orders };
    char orders[64];
    int length = 0;
    if (info->orders[0] == 0) snprintf(orders, sizeof orders, "2 to %zu", image_side);
    for (size_t i = 0; i < MOST && info->orders[i] > 0; i++) {
        const bool last = i + 1 == MOST || info->orders[i + 1] == 0;
        length += snprintf(orders + length, sizeof orders - (size_t)length, "%s%zu",
                           i == 0 ? ""
                           : last ? " or "
                                  : ", ",
                           info->orders[i]);
    }
    snprintf(text, IV_GROUP_EXPECTED, "%s for a %s: %s", orders, info->name, info->why);
}

bool iv_group_order_allowed(iv_group_kind kind, size_t order, size_t image_side,
                            char expected[IV_GROUP_EXPECTED]) {
    const iv_group_kind_info *info = row_of(kind);
    const bool allowed = order_exists(info, order, image_side);
    if (!allowed && expected) say_expected(info, image_side, expected);
    return allowed;
}

size_t iv_group_elements(iv_group_kind kind, size_t order, iv_group_axes axes) {
    return row_of(kind)->n_elements(order, axes);
}

size_t iv_group_side(iv_group_kind kind, size_t order, size_t image_side) {
    return image_side + (row_of(kind)->pads ? (order - image_side % order) % order : 0);
}

/* ------------------------------------------------------------------ groups */

static void fill_tables(iv_group *group) {
    for (size_t g = 0; g < group->n_elements; g++) {
        uint16_t *source = group->source + g * group->n_pixels;
        uint16_t *inverse = group->inverse + g * group->n_pixels;
        row_of(group->kind)->map(group, g, source);
        for (size_t p = 0; p < group->n_pixels; p++) inverse[source[p]] = (uint16_t)p;
    }
}

iv_status iv_group_create(iv_group_kind kind, size_t order, iv_group_axes axes, size_t image_side,
                          iv_group **out, iv_error *error) {
    char expected[IV_GROUP_EXPECTED];
    const iv_group_kind_info *info = iv_group_kind_get((size_t)kind);
    *out = NULL;
    if (!info) return iv_fail(error, IV_EINVAL, "there is no kind of group %d", (int)kind);
    if (!iv_group_order_allowed(kind, order, image_side, expected))
        return iv_fail(error, IV_EINVAL, "%s of order %zu: use %s", info->name, order, expected);
    if (info->has_axes && (axes < IV_AXES_X || axes > IV_AXES_XY))
        return iv_fail(error, IV_EINVAL, "%s along axes %d: use x, y or both", info->name,
                       (int)axes);

    const size_t side =
        image_side <= MOST_SIDE ? iv_group_side(kind, order, image_side) : image_side;
    if (image_side == 0 || side > MOST_SIDE)
        return iv_fail(error, IV_EINVAL, "images of side %zu: the side, padded, must be 1 to %d",
                       image_side, MOST_SIDE);

    iv_group *group = calloc(1, sizeof *group);
    if (!group) return iv_fail(error, IV_ENOMEM, "out of memory for a group's tables");
    group->kind = kind;
    group->order = order;
    group->axes = axes;
    group->image_side = image_side;
    group->pad_before = (side - image_side) / 2;
    group->side = side;
    group->n_pixels = side * side;
    group->n_elements = iv_group_elements(kind, order, axes);
    group->source = malloc(group->n_elements * group->n_pixels * sizeof *group->source);
    group->inverse = malloc(group->n_elements * group->n_pixels * sizeof *group->inverse);
    if (!group->source || !group->inverse) {
        iv_group_destroy(group);
        return iv_fail(error, IV_ENOMEM, "out of memory for a group's tables");
    }
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

void iv_group_pad(const iv_group *group, const uint8_t *images, size_t n_images, uint8_t *padded) {
    const size_t image_pixels = group->image_side * group->image_side;
    memset(padded, 0, n_images * group->n_pixels);
    for (size_t i = 0; i < n_images; i++)
        for (size_t row = 0; row < group->image_side; row++)
            memcpy(padded + i * group->n_pixels + (row + group->pad_before) * group->side +
                       group->pad_before,
                   images + i * image_pixels + row * group->image_side, group->image_side);
}
