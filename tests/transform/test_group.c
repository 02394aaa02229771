/* Finite groups as index tables: against rot90 and roll written out, and the axioms of a group. */
#include "../kit/kit.h"

#include <invar/transform.h>

#include <stdlib.h>
#include <string.h>

typedef struct {
    iv_group_kind kind;
    size_t order;
    iv_group_axes axes;
    size_t image_side;
} group_case;

static const group_case cases[] = {
    {IV_GROUP_ROTATION, 4, IV_AXES_XY, 28}, {IV_GROUP_ROTATION, 2, IV_AXES_XY, 28},
    {IV_GROUP_ROTATION, 4, IV_AXES_X, 1},   {IV_GROUP_ROTATION, 4, IV_AXES_XY, 5},
    {IV_GROUP_SHIFT, 3, IV_AXES_XY, 28},    {IV_GROUP_SHIFT, 2, IV_AXES_X, 28},
    {IV_GROUP_SHIFT, 4, IV_AXES_Y, 28},     {IV_GROUP_SHIFT, 5, IV_AXES_XY, 7},
    {IV_GROUP_SHIFT, 6, IV_AXES_X, 6},      {IV_GROUP_ROTATION, 4, IV_AXES_XY, 255},
};
enum { N_LISTED = sizeof cases / sizeof *cases, MOST_CASES = 200 };

static iv_image_shape square(size_t side) {
    return (iv_image_shape){1, side, side};
}

/* Those listed above, then every kind, order and choice of axes on images of 6 x 6. */
static const group_case *all_cases(size_t *n_cases) {
    static group_case all[MOST_CASES];
    const iv_group_kind_info *info;
    size_t n = N_LISTED;
    memcpy(all, cases, sizeof cases);
    for (size_t kind = 0; (info = iv_group_kind_get(kind)); kind++)
        for (size_t order = 0; order <= 12; order++)
            for (int axes = info->has_axes ? IV_AXES_X : IV_AXES_XY; axes <= IV_AXES_XY; axes++) {
                if (!iv_group_order_allowed((iv_group_kind)kind, order, square(6), NULL)) continue;
                assert_true(n < MOST_CASES);
                all[n++] = (group_case){(iv_group_kind)kind, order, (iv_group_axes)axes, 6};
            }
    *n_cases = n;
    return all;
}

static iv_group *make(group_case c) {
    iv_error error = {0};
    iv_group *group = NULL;
    if (iv_group_create(c.kind, c.order, c.axes, square(c.image_side), &group, &error) != IV_OK)
        fail_msg("%s", error.message);
    return group;
}

/* out = the group's element g of an image of indices. */
static void act(const iv_group *group, const uint16_t *tables, size_t g, const uint16_t *x,
                uint16_t *out) {
    for (size_t p = 0; p < group->n_pixels; p++) out[p] = x[tables[g * group->n_pixels + p]];
}

static uint16_t *pixels(const iv_group *group) {
    uint16_t *x = malloc(group->n_pixels * sizeof *x);
    assert_non_null(x);
    for (size_t p = 0; p < group->n_pixels; p++) x[p] = (uint16_t)p;
    return x;
}

/* ------------------------------------------------------------------ oracles */

/* numpy.rot90 and torch.rot90 with k = 1: flip the last axis, then transpose back:
 * out[n - 1 - j][i] = x[i][j], so the right edge goes to the top. */
static void rot90(size_t n, const uint16_t *x, uint16_t *out) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) out[(n - 1 - j) * n + i] = x[i * n + j];
}

/* torch.roll(x, (down, right), (0, 1)): what leaves at one edge comes in at the other. */
static void roll(size_t n, size_t down, size_t right, const uint16_t *x, uint16_t *out) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) out[(i + down) % n * n + (j + right) % n] = x[i * n + j];
}

/* ------------------------------------------------------------------ claims */

static void rotations_are_rot90(void **state) {
    (void)state;
    size_t n_cases;
    const group_case *all = all_cases(&n_cases);
    for (size_t i = 0; i < n_cases; i++) {
        if (all[i].kind != IV_GROUP_ROTATION) continue;
        iv_group *group = make(all[i]);
        assert_int_equal(group->padded.height, all[i].image_side);
        assert_int_equal(group->n_elements, all[i].order);
        uint16_t *x = pixels(group), *expected = pixels(group), *turned = pixels(group),
                 *got = pixels(group);
        const size_t bytes = group->n_pixels * sizeof *x;
        for (size_t g = 0; g < group->n_elements; g++) {
            act(group, group->source, g, x, got);
            assert_memory_equal(got, expected, bytes);
            for (size_t quarter = 0; quarter < 4 / all[i].order; quarter++) {
                rot90(group->padded.height, expected, turned);
                memcpy(expected, turned, bytes);
            }
        }
        free(x);
        free(expected);
        free(turned);
        free(got);
        iv_group_destroy(group);
    }
}

static void shifts_are_rolls(void **state) {
    (void)state;
    size_t n_cases;
    const group_case *all = all_cases(&n_cases);
    for (size_t i = 0; i < n_cases; i++) {
        if (all[i].kind != IV_GROUP_SHIFT) continue;
        iv_group *group = make(all[i]);
        const size_t k = all[i].order, step = group->padded.height / k;
        const bool x_moves = all[i].axes & IV_AXES_X, y_moves = all[i].axes & IV_AXES_Y;
        assert_int_equal(group->n_elements, x_moves && y_moves ? k * k : k);
        uint16_t *x = pixels(group), *expected = pixels(group), *got = pixels(group);
        for (size_t g = 0; g < group->n_elements; g++) {
            const size_t down = !y_moves ? 0 : x_moves ? g / k : g, right = x_moves ? g % k : 0;
            roll(group->padded.height, down * step, right * step, x, expected);
            act(group, group->source, g, x, got);
            assert_memory_equal(got, expected, group->n_pixels * sizeof *x);
        }
        free(x);
        free(expected);
        free(got);
        iv_group_destroy(group);
    }
}

/* numpy.flip along the last axis, and along the one before it. */
static void mirror(size_t n, bool down, bool across, const uint16_t *x, uint16_t *out) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            out[(down ? n - 1 - i : i) * n + (across ? n - 1 - j : j)] = x[i * n + j];
}

static void flips_are_mirror_images(void **state) {
    (void)state;
    for (int axes = IV_AXES_X; axes <= IV_AXES_XY; axes++)
        for (size_t side = 5; side <= 6; side++) {
            iv_group *group = make((group_case){IV_GROUP_FLIP, 2, (iv_group_axes)axes, side});
            uint16_t *x = pixels(group), *expected = pixels(group), *got = pixels(group);
            assert_int_equal(group->n_elements, axes == IV_AXES_XY ? 4 : 2);
            for (size_t g = 0; g < group->n_elements; g++) {
                mirror(side, axes == IV_AXES_XY ? g / 2 : g && axes == IV_AXES_Y,
                       axes == IV_AXES_XY ? g % 2 : g && axes == IV_AXES_X, x, expected);
                act(group, group->source, g, x, got);
                assert_memory_equal(got, expected, group->n_pixels * sizeof *x);
            }
            free(x);
            free(expected);
            free(got);
            iv_group_destroy(group);
        }
}

static void the_dihedral_group_turns_and_mirrors(void **state) {
    (void)state;
    for (size_t side = 5; side <= 6; side++) {
        iv_group *group = make((group_case){IV_GROUP_DIHEDRAL, 8, IV_AXES_XY, side});
        uint16_t *x = pixels(group), *expected = pixels(group), *turned = pixels(group),
                 *got = pixels(group);
        const size_t bytes = group->n_pixels * sizeof *x;
        assert_int_equal(group->n_elements, 8);
        for (size_t g = 0; g < 8; g++) {
            mirror(side, false, g >= 4, x, expected);
            for (size_t quarter = 0; quarter < g % 4; quarter++) {
                rot90(side, expected, turned);
                memcpy(expected, turned, bytes);
            }
            act(group, group->source, g, x, got);
            assert_memory_equal(got, expected, bytes);
        }
        free(x);
        free(expected);
        free(turned);
        free(got);
        iv_group_destroy(group);
    }
}

static void the_identity_comes_first(void **state) {
    (void)state;
    size_t n_cases;
    const group_case *all = all_cases(&n_cases);
    for (size_t i = 0; i < n_cases; i++) {
        iv_group *group = make(all[i]);
        for (size_t p = 0; p < group->n_pixels; p++) assert_int_equal(group->source[p], p);
        iv_group_destroy(group);
    }
}

static void the_inverse_undoes_an_element_on_either_side(void **state) {
    (void)state;
    size_t n_cases;
    const group_case *all = all_cases(&n_cases);
    for (size_t i = 0; i < n_cases; i++) {
        iv_group *group = make(all[i]);
        uint16_t *x = pixels(group), *there = pixels(group), *back = pixels(group);
        for (size_t g = 0; g < group->n_elements; g++) {
            act(group, group->source, g, x, there);
            act(group, group->inverse, g, there, back);
            assert_memory_equal(back, x, group->n_pixels * sizeof *x);
            act(group, group->inverse, g, x, there);
            act(group, group->source, g, there, back);
            assert_memory_equal(back, x, group->n_pixels * sizeof *x);
        }
        free(x);
        free(there);
        free(back);
        iv_group_destroy(group);
    }
}

/* Number of elements that act like this table. */
static size_t count_of(const iv_group *group, const uint16_t *table) {
    size_t n = 0;
    for (size_t g = 0; g < group->n_elements; g++)
        n += memcmp(group->source + g * group->n_pixels, table, group->n_pixels * sizeof *table) ==
             0;
    return n;
}

static void products_and_inverses_are_elements_and_elements_differ(void **state) {
    (void)state;
    size_t n_cases;
    const group_case *all = all_cases(&n_cases);
    for (size_t i = 0; i < n_cases; i++) {
        iv_group *group = make(all[i]);
        const size_t n_expected = group->n_pixels == 1 ? group->n_elements : 1;
        uint16_t *product = pixels(group);
        for (size_t g = 0; g < group->n_elements; g++) {
            const uint16_t *source = group->source + g * group->n_pixels;
            assert_int_equal(count_of(group, source), n_expected);
            assert_int_equal(count_of(group, group->inverse + g * group->n_pixels), n_expected);
            for (size_t h = 0; h < group->n_elements; h++) {
                act(group, group->source, h, source, product);
                assert_int_equal(count_of(group, product), n_expected);
            }
        }
        free(product);
        iv_group_destroy(group);
    }
}

/* Zeros split evenly around the image, the odd row and column at the end. */
static void images_are_padded_evenly_to_a_side_that_the_order_divides(void **state) {
    (void)state;
    static const struct {
        size_t order, image_side, side, before;
    } paddings[] = {{3, 28, 30, 1}, {4, 28, 28, 0}, {5, 28, 30, 1}, {5, 7, 10, 1},
                    {6, 7, 12, 2},  {2, 7, 8, 0},   {4, 5, 8, 1}};
    for (size_t i = 0; i < sizeof paddings / sizeof *paddings; i++) {
        const size_t n = paddings[i].image_side, side = paddings[i].side,
                     before = paddings[i].before;
        iv_group *group = make((group_case){IV_GROUP_SHIFT, paddings[i].order, IV_AXES_XY, n});
        assert_int_equal(group->padded.height, side);
        assert_int_equal(group->pad_top, before);
        assert_int_equal(group->image.height, n);
        uint8_t *images = malloc(2 * n * n), *padded = malloc(2 * side * side);
        assert_true(images && padded);
        for (size_t p = 0; p < 2 * n * n; p++) images[p] = (uint8_t)(p % 255 + 1);
        memset(padded, 0xaa, 2 * side * side);
        iv_group_pad(group, images, 2, padded);
        for (size_t p = 0; p < 2 * side * side; p++) {
            const size_t image = p / (side * side);
            const size_t row = p % (side * side) / side - before, column = p % side - before;
            const bool inside = row < n && column < n; /* wraps below 0 */
            assert_int_equal(padded[p], inside ? images[image * n * n + row * n + column] : 0);
        }
        free(images);
        free(padded);
        iv_group_destroy(group);
    }
}

static void groups_that_do_not_exist_are_refused(void **state) {
    (void)state;
    static const struct {
        group_case group;
        const char *part;
    } bad[] = {
        {{IV_GROUP_ROTATION, 3, IV_AXES_XY, 28}, "use 2 or 4"},
        {{IV_GROUP_ROTATION, 0, IV_AXES_XY, 28}, "use 2 or 4"},
        {{IV_GROUP_ROTATION, 8, IV_AXES_XY, 28}, "rotation of order 8"},
        {{IV_GROUP_ROTATION, 4, IV_AXES_XY, 0}, "expected 1 to 65535 values"},
        {{IV_GROUP_ROTATION, 4, IV_AXES_XY, 256}, "images of 1 x 256 x 256"},
        {{IV_GROUP_SHIFT, 0, IV_AXES_XY, 28}, "use 2 to 28"},
        {{IV_GROUP_SHIFT, 1, IV_AXES_XY, 28}, "use 2 to 28"},
        {{IV_GROUP_SHIFT, 29, IV_AXES_XY, 28}, "shift of order 29"},
        {{IV_GROUP_SHIFT, 2, IV_AXES_XY, 0}, "shift of order 2"},
        {{IV_GROUP_SHIFT, 2, IV_AXES_XY, 255}, "expected 1 to 65535 values"},
        {{IV_GROUP_SHIFT, 2, IV_AXES_XY, SIZE_MAX}, "expected 1 to 65535 values"},
        {{IV_GROUP_SHIFT, 2, (iv_group_axes)0, 28}, "use x, y or both"},
        {{IV_GROUP_SHIFT, 2, (iv_group_axes)4, 28}, "use x, y or both"},
        {{(iv_group_kind)99, 2, IV_AXES_XY, 28}, "no kind of group 99"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const group_case c = bad[i].group;
        iv_error error = {0};
        iv_group *group = (iv_group *)&error;
        assert_int_equal(
            iv_group_create(c.kind, c.order, c.axes, square(c.image_side), &group, &error),
            IV_EINVAL);
        assert_null(group);
        if (!strstr(error.message, bad[i].part))
            fail_msg("the message lacks \"%s\": %s", bad[i].part, error.message);
    }
    iv_group_destroy(NULL);
}

/* ------------------------------------------------------------------ kinds */

static void kinds_are_found_by_their_names(void **state) {
    (void)state;
    const iv_group_kind_info *info;
    size_t n = 0;
    for (; (info = iv_group_kind_get(n)); n++) {
        assert_ptr_equal(iv_group_kind_find(info->name), info); /* the first of that name */
        assert_true(*info->name && *info->doc && *info->why);
    }
    assert_null(iv_group_kind_get(n + 1));
    assert_null(iv_group_kind_find("turn"));
    assert_ptr_equal(iv_group_kind_find("rotation"), iv_group_kind_get(IV_GROUP_ROTATION));
    assert_ptr_equal(iv_group_kind_find("shift"), iv_group_kind_get(IV_GROUP_SHIFT));
}

/* Sides up to 127, so that no padding comes to more than 255. */
static void an_order_is_allowed_where_a_group_can_be_made(void **state) {
    (void)state;
    static const size_t sides[] = {1, 2, 3, 7, 28, 127};
    for (size_t kind = 0; iv_group_kind_get(kind); kind++)
        for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
            for (size_t order = 0; order <= sides[i] + 3; order++) {
                iv_error error = {0};
                iv_group *group;
                char expected[IV_GROUP_EXPECTED] = "";
                const bool allowed =
                    iv_group_order_allowed((iv_group_kind)kind, order, square(sides[i]), expected);
                const iv_status status = iv_group_create((iv_group_kind)kind, order, IV_AXES_Y,
                                                         square(sides[i]), &group, &error);
                assert_int_equal(status, allowed ? IV_OK : IV_EINVAL);
                if (allowed)
                    assert_string_equal(expected, "");
                else if (!strstr(error.message, expected) || *expected == '\0')
                    fail_msg("the message lacks \"%s\": %s", expected, error.message);
                iv_group_destroy(group);
            }
}

static void a_refused_order_is_answered_with_those_that_exist(void **state) {
    (void)state;
    char expected[IV_GROUP_EXPECTED];
    assert_false(iv_group_order_allowed(IV_GROUP_ROTATION, 3, square(28), expected));
    assert_string_equal(expected,
                        "2 or 4 for a rotation: others do not map square pixels onto each other");
    assert_false(iv_group_order_allowed(IV_GROUP_SHIFT, 29, square(28), expected));
    assert_non_null(strstr(expected, "2 to 28 for a shift: "));
    assert_false(iv_group_order_allowed(IV_GROUP_SHIFT, SIZE_MAX, square(28), NULL));
}

/* Also of what is too large to make: order^2 shifts of 200 x 200 images. */
static void elements_and_sides_are_known_before_a_group_is_made(void **state) {
    (void)state;
    size_t n_cases;
    const group_case *all = all_cases(&n_cases);
    for (size_t i = 0; i < n_cases; i++) {
        const group_case c = all[i];
        iv_group *group = make(c);
        assert_int_equal(iv_group_elements(c.kind, c.order, c.axes), group->n_elements);
        assert_int_equal(iv_group_side(c.kind, c.order, c.image_side), group->padded.height);
        iv_group_destroy(group);
    }
    assert_int_equal(iv_group_elements(IV_GROUP_SHIFT, 200, IV_AXES_XY), 40000);
    assert_int_equal(iv_group_elements(IV_GROUP_SHIFT, 200, IV_AXES_X), 200);
    assert_int_equal(iv_group_side(IV_GROUP_SHIFT, 200, 201), 400);
}

/* ------------------------------------------------------------------ rectangles and planes */

/* (i, j) of an image of h x w goes to (w - 1 - j, i) with each quarter, and the sides swap. */
static size_t turned_place(size_t h, size_t w, size_t quarters, size_t p) {
    size_t i = p / w, j = p % w;
    for (; quarters > 0; quarters--) {
        const size_t row = w - 1 - j, height = w;
        j = i;
        i = row;
        w = h;
        h = height;
    }
    return i * w + j;
}

static void every_plane_of_a_rectangle_is_moved_alike(void **state) {
    (void)state;
    enum { PLANES = 3, H = 5, W = 8, N = PLANES * H * W };
    iv_error error = {0};
    iv_group *half, *shift;
    const iv_image_shape shape = {PLANES, H, W};
    assert_int_equal(iv_group_create(IV_GROUP_ROTATION, 2, IV_AXES_X, shape, &half, &error), IV_OK);
    assert_int_equal(half->n_pixels, N);
    for (size_t p = 0; p < N; p++) {
        const size_t plane = p / (H * W), to = turned_place(H, W, 2, p % (H * W)) + plane * H * W;
        assert_int_equal(half->source[N + to], p);
        assert_int_equal(half->inverse[N + p], to);
        assert_int_equal(half->source[p], p);
    }
    iv_group_destroy(half);

    /* Sides are padded apart: 6 x 8, 3 down and 4 to the right at once. */
    assert_int_equal(iv_group_create(IV_GROUP_SHIFT, 2, IV_AXES_XY, shape, &shift, &error), IV_OK);
    assert_true(shift->padded.planes == PLANES && shift->padded.height == 6 &&
                shift->padded.width == W && shift->pad_top == 0 && shift->pad_left == 0);
    const size_t area = 6 * W, n = PLANES * area;
    for (size_t p = 0; p < n; p++) {
        const size_t row = p % area / W, column = p % W;
        const size_t to = p / area * area + (row + 3) % 6 * W + (column + 4) % W;
        assert_int_equal(shift->source[3 * n + to], p);
        assert_int_equal(shift->source[2 * n + p / area * area + (row + 3) % 6 * W + column], p);
    }
    uint8_t images[2 * N], padded[2 * PLANES * 6 * W];
    for (size_t p = 0; p < 2 * N; p++) images[p] = (uint8_t)(p + 1);
    iv_group_pad(shift, images, 2, padded);
    for (size_t p = 0; p < 2 * n; p++) {
        const size_t row = p % area / W;
        assert_int_equal(padded[p], row < H ? images[p / area * H * W + row * W + p % W] : 0);
    }
    iv_group_destroy(shift);
}

static void a_quarter_turn_wants_squares(void **state) {
    (void)state;
    iv_error error = {0};
    iv_group *group;
    const iv_image_shape shape = {1, 28, 30};
    assert_int_equal(iv_group_create(IV_GROUP_ROTATION, 4, IV_AXES_X, shape, &group, &error),
                     IV_EINVAL);
    assert_non_null(strstr(error.message, "28 x 30"));
    assert_non_null(strstr(error.message, "use 2 for a rotation: a quarter turn"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rotations_are_rot90),
        cmocka_unit_test(shifts_are_rolls),
        cmocka_unit_test(flips_are_mirror_images),
        cmocka_unit_test(the_dihedral_group_turns_and_mirrors),
        cmocka_unit_test(the_identity_comes_first),
        cmocka_unit_test(the_inverse_undoes_an_element_on_either_side),
        cmocka_unit_test(products_and_inverses_are_elements_and_elements_differ),
        cmocka_unit_test(images_are_padded_evenly_to_a_side_that_the_order_divides),
        cmocka_unit_test(groups_that_do_not_exist_are_refused),
        cmocka_unit_test(kinds_are_found_by_their_names),
        cmocka_unit_test(an_order_is_allowed_where_a_group_can_be_made),
        cmocka_unit_test(a_refused_order_is_answered_with_those_that_exist),
        cmocka_unit_test(every_plane_of_a_rectangle_is_moved_alike),
        cmocka_unit_test(a_quarter_turn_wants_squares),
        cmocka_unit_test(elements_and_sides_are_known_before_a_group_is_made),
    };
    return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
