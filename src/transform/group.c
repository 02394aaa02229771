/* Rotations and shifts of square images as tables of pixel indices. */
#include <invar/transform.h>

#include <stdlib.h>
#include <string.h>

/* The pixel that lands at (row, column) of a square turned counter-clockwise `quarters` times. */
static size_t rotated_source(size_t side, size_t quarters, size_t row, size_t column) {
    for (size_t i = 0; i < quarters; i++) {
        const size_t turned_row = column;
        column = side - 1 - row;
        row = turned_row;
    }
    return row * side + column;
}

static size_t shifted_source(size_t side, size_t down, size_t right, size_t row, size_t column) {
    return (row + side - down) % side * side + (column + side - right) % side;
}

static void fill_tables(iv_group *group) {
    const size_t step = group->side / group->order;
    for (size_t g = 0; g < group->n_elements; g++) {
        uint16_t *source = group->source + g * group->n_pixels;
        uint16_t *inverse = group->inverse + g * group->n_pixels;
        size_t down = 0, right = 0;
        if (group->axes == IV_AXES_XY) {
            down = g / group->order * step;
            right = g % group->order * step;
        } else if (group->axes == IV_AXES_Y) {
            down = g * step;
        } else {
            right = g * step;
        }
        for (size_t row = 0; row < group->side; row++)
            for (size_t column = 0; column < group->side; column++) {
                const size_t p = row * group->side + column;
                const size_t q =
                    group->kind == IV_GROUP_ROTATION
                        ? rotated_source(group->side, g * 4 / group->order, row, column)
                        : shifted_source(group->side, down, right, row, column);
                source[p] = (uint16_t)q;
                inverse[q] = (uint16_t)p;
            }
    }
}

iv_status iv_group_create(iv_group_kind kind, size_t order, iv_group_axes axes, size_t image_side,
                          iv_group **out, iv_error *error) {
    *out = NULL;
    if (kind == IV_GROUP_ROTATION && order != 2 && order != 4)
        return iv_fail(error, IV_EINVAL,
                       "rotation of order %zu is not exact on a square grid: use 2 or 4", order);
    if (kind == IV_GROUP_SHIFT && (order < 2 || order > image_side))
        return iv_fail(error, IV_EINVAL, "shift of order %zu: use 2 to %zu, the image's side",
                       order, image_side);

    if (kind == IV_GROUP_SHIFT && (axes < IV_AXES_X || axes > IV_AXES_XY))
        return iv_fail(error, IV_EINVAL, "shift along axes %d: use x, y or both", (int)axes);

    const size_t padding = kind == IV_GROUP_SHIFT ? (order - image_side % order) % order : 0;
    if (image_side == 0 || image_side > 255 || image_side + padding > 255)
        return iv_fail(error, IV_EINVAL, "images of side %zu: the side, padded, must be 1 to 255",
                       image_side);

    iv_group *group = calloc(1, sizeof *group);
    if (!group) return iv_fail(error, IV_ENOMEM, "out of memory for a group's tables");
    group->kind = kind;
    group->order = order;
    group->axes = axes;
    group->image_side = image_side;
    group->pad_before = padding / 2;
    group->side = image_side + padding;
    group->n_pixels = group->side * group->side;
    group->n_elements = kind == IV_GROUP_SHIFT && axes == IV_AXES_XY ? order * order : order;
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
