/* Groups whose elements are listed as permutations. */
#include "transform/group.h"

#include <stdlib.h>
#include <string.h>

static const uint16_t no_pixel = IV_GROUP_MOST_PIXELS;

/* Fill both tables of an element; false if it is no permutation. */
static bool take_element(const int64_t *source, size_t n, iv_group *group, size_t g) {
    uint16_t *to = group->source + g * group->n_pixels;
    uint16_t *inverse = group->inverse + g * group->n_pixels;
    for (size_t p = 0; p < group->n_pixels; p++) inverse[p] = no_pixel;
    for (size_t p = 0; p < group->n_pixels; p++) {
        const int64_t from = source[g * n + p % n];
        if (from < 0 || from >= (int64_t)n) return false;
        to[p] = (uint16_t)((size_t)from + p / n * n);
        if (inverse[to[p]] != no_pixel) return false;
        inverse[to[p]] = (uint16_t)p;
    }
    return true;
}

/* Elements in an order that finds one fast. */
typedef struct {
    const uint16_t *source; /* of one element */
    size_t n_pixels, element;
} table;

static int compare_tables(const void *first, const void *second) {
    const table *a = first, *b = second;
    return memcmp(a->source, b->source, a->n_pixels * sizeof *a->source);
}

static iv_status check_products(const iv_group *group, const table *sorted, uint16_t *product,
                                const char *name, iv_error *error) {
    const size_t d = group->n_pixels, n = group->n_elements;
    for (size_t g = 0; g < n; g++)
        for (size_t h = 0; h < n; h++) {
            const uint16_t *first = group->source + g * d, *then = group->source + h * d;
            for (size_t p = 0; p < d; p++) product[p] = first[then[p]];
            const table wanted = {product, d, 0};
            if (!bsearch(&wanted, sorted, n, sizeof wanted, compare_tables))
                return iv_fail(error, IV_EINVAL,
                               "%s: no group: element %zu after element %zu is not among its "
                               "elements",
                               name, h, g);
        }
    return IV_OK;
}

static iv_status check_axioms(const iv_group *group, const char *name, iv_error *error) {
    const size_t d = group->n_pixels, n = group->n_elements;
    for (size_t p = 0; p < d; p++)
        if (group->source[p] != p)
            return iv_fail(error, IV_EINVAL, "%s: element 0 is not the identity", name);
    table *sorted = malloc(n * sizeof *sorted);
    uint16_t *product = malloc(d * sizeof *product);
    iv_status status =
        sorted && product ? IV_OK : iv_fail(error, IV_ENOMEM, "out of memory for a group's tables");
    if (status == IV_OK) {
        for (size_t g = 0; g < n; g++) sorted[g] = (table){group->source + g * d, d, g};
        qsort(sorted, n, sizeof *sorted, compare_tables);
        for (size_t g = 1; g < n && status == IV_OK; g++)
            if (compare_tables(&sorted[g - 1], &sorted[g]) == 0)
                status = iv_fail(error, IV_EINVAL, "%s: elements %zu and %zu are the same", name,
                                 sorted[g - 1].element, sorted[g].element);
    }
    if (status == IV_OK) status = check_products(group, sorted, product, name, error);
    free(sorted);
    free(product);
    return status;
}

iv_status iv_group_from_tables(const int64_t *source, size_t n_elements, size_t n,
                               iv_image_shape shape, const char *name, iv_group **out,
                               iv_error *error) {
    enum { MOST_ELEMENTS = 4096 };
    const size_t of_plane = shape.height * shape.width, of_image = iv_image_values(shape);
    *out = NULL;
    if (of_image == 0 || of_image > IV_GROUP_MOST_PIXELS || shape.height > IV_GROUP_MOST_PIXELS ||
        shape.width > IV_GROUP_MOST_PIXELS || shape.planes > IV_GROUP_MOST_PIXELS)
        return iv_fail(error, IV_EINVAL, "%s: images of more than %d values", name,
                       IV_GROUP_MOST_PIXELS);
    if (n_elements == 0 || n_elements > MOST_ELEMENTS || (n != of_plane && n != of_image))
        return iv_fail(error, IV_EINVAL,
                       "%s: %zu permutations of %zu values, expected 1 to %d of %zu or %zu, those "
                       "of a plane or an image",
                       name, n_elements, n, MOST_ELEMENTS, of_plane, of_image);
    iv_group *group = iv_group_allocate((iv_group){.kind = IV_GROUP_LISTED,
                                                   .order = n_elements,
                                                   .axes = IV_AXES_XY,
                                                   .image = shape,
                                                   .padded = shape,
                                                   .n_elements = n_elements});
    if (!group) return iv_fail(error, IV_ENOMEM, "out of memory for a group's tables");
    iv_status status = IV_OK;
    for (size_t g = 0; g < n_elements && status == IV_OK; g++)
        if (!take_element(source, n, group, g))
            status = iv_fail(error, IV_EINVAL, "%s: element %zu is no permutation of 0 to %zu",
                             name, g, n - 1);
    if (status == IV_OK) status = check_axioms(group, name, error);
    if (status == IV_OK)
        *out = group;
    else
        iv_group_destroy(group);
    return status;
}
