/* Groups by name, their elements in words, and groups that are listed. */
#include "../kit/kit.h"

#include <invar/transform.h>

#include <stdlib.h>
#include <string.h>

static iv_image_shape square(size_t side) {
    return (iv_image_shape){1, side, side};
}

static void groups_are_found_by_their_texts(void **state) {
    (void)state;
    static const struct {
        const char *text;
        iv_group_kind kind;
        size_t order;
        iv_group_axes axes;
    } texts[] = {{"rotation:2", IV_GROUP_ROTATION, 2, IV_AXES_X},
                 {"rotation", IV_GROUP_ROTATION, 4, IV_AXES_X},
                 {"shift:3", IV_GROUP_SHIFT, 3, IV_AXES_X},
                 {"shift:6:y", IV_GROUP_SHIFT, 6, IV_AXES_Y},
                 {"shift:2:xy", IV_GROUP_SHIFT, 2, IV_AXES_XY},
                 {"flip", IV_GROUP_FLIP, 2, IV_AXES_X},
                 {"flip:y", IV_GROUP_FLIP, 2, IV_AXES_Y},
                 {"flip:2:xy", IV_GROUP_FLIP, 2, IV_AXES_XY},
                 {"dihedral", IV_GROUP_DIHEDRAL, 8, IV_AXES_X}};
    static const char *const bad[][2] = {{"", "expected one of rotation, shift, flip, dihedral"},
                                         {"rotatoin:4", "did you mean `rotation`?"},
                                         {"rotation:", "\":\" is not understood"},
                                         {"rotation:x", "\":x\" is not understood"},
                                         {"rotation:4:x", "\":x\" is not understood"},
                                         {"rotation:40000000000000000000", "use 2 or 4"},
                                         {"shift", "expected shift:ORDER"},
                                         {"shift:x", "expected shift:ORDER"},
                                         {"shift:2:z", "\":z\" is not understood"},
                                         {"shift:2:x:", "\":x:\" is not understood"}};
    iv_group *group;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        iv_error error = {0};
        assert_ok(&error, iv_group_parse(texts[i].text, square(6), &group, &error));
        assert_true(group->kind == texts[i].kind && group->order == texts[i].order &&
                    group->axes == texts[i].axes);
        iv_group_destroy(group);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        iv_error error = {0};
        assert_fails(&error, iv_group_parse(bad[i][0], square(6), &group, &error), IV_EINVAL,
                     bad[i][1]);
        assert_null(group);
    }
}

static void elements_are_described_in_words(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t element;
        const char *words;
    } elements[] = {{"rotation:4", 0, "as it is"},
                    {"rotation:4", 3, "turned by 270 degrees"},
                    {"rotation:2", 1, "turned by 180 degrees"},
                    {"shift:3:x", 2, "shifted by 4 to the right"},
                    {"shift:3:y", 1, "shifted by 2 down"},
                    {"shift:3:xy", 1, "shifted by 2 to the right"},
                    {"shift:3:xy", 6, "shifted by 4 down"},
                    {"shift:3:xy", 7, "shifted by 4 down and 2 to the right"},
                    {"flip", 1, "mirrored left to right"},
                    {"flip:y", 1, "mirrored top to bottom"},
                    {"flip:xy", 1, "mirrored left to right"},
                    {"flip:xy", 2, "mirrored top to bottom"},
                    {"flip:xy", 3, "mirrored along both axes"},
                    {"dihedral", 1, "turned by 90 degrees"},
                    {"dihedral", 4, "mirrored left to right"},
                    {"dihedral", 6, "mirrored left to right and turned by 180 degrees"}};
    char words[IV_GROUP_WORDS];
    iv_error error = {0};
    iv_group *group;
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++) {
        assert_ok(&error, iv_group_parse(elements[i].text, square(6), &group, &error));
        iv_group_describe(group, elements[i].element, words);
        assert_string_equal(words, elements[i].words);
        iv_group_destroy(group);
    }
    const int64_t swap[] = {0, 1, 1, 0};
    assert_ok(&error,
              iv_group_from_tables(swap, 2, 2, (iv_image_shape){1, 1, 2}, "mine", &group, &error));
    iv_group_describe(group, 1, words);
    assert_string_equal(words, "under element 1");
    iv_group_destroy(group);
}

/* The tables of a kind of group, given as permutations of a plane, are that group on every plane. */
static void listed_permutations_act_as_the_group_they_are(void **state) {
    (void)state;
    enum { N = 36 };
    const iv_image_shape shape = {2, 6, 6};
    iv_error error = {0};
    iv_group *known, *listed;
    int64_t source[8 * N];
    assert_ok(&error, iv_group_parse("dihedral", shape, &known, &error));
    for (size_t g = 0; g < 8; g++)
        for (size_t p = 0; p < N; p++) source[g * N + p] = known->source[g * 2 * N + p];
    assert_ok(&error, iv_group_from_tables(source, 8, N, shape, "mine", &listed, &error));
    assert_int_equal(listed->kind, IV_GROUP_LISTED);
    assert_int_equal(listed->n_elements, 8);
    assert_int_equal(listed->n_pixels, 2 * N);
    assert_memory_equal(listed->source, known->source, 8 * 2 * N * sizeof *known->source);
    assert_memory_equal(listed->inverse, known->inverse, 8 * 2 * N * sizeof *known->inverse);
    iv_group_destroy(known);
    iv_group_destroy(listed);
}

static void what_is_no_group_is_refused_with_the_element(void **state) {
    (void)state;
    static const struct {
        int64_t source[9];
        const char *part;
    } bad[] = {{{0, 1, 2, 1, 2, 0, 2, 0, 3}, "mine: element 2 is no permutation of 0 to 2"},
               {{0, 1, 2, 1, 2, 0, 2, 0, 0}, "element 2 is no permutation"},
               {{0, 1, 2, 1, 2, 0, 2, 0, -1}, "element 2 is no permutation"},
               {{1, 2, 0, 0, 1, 2, 2, 0, 1}, "element 0 is not the identity"},
               {{0, 1, 2, 1, 2, 0, 1, 2, 0}, "are the same"},
               {{0, 1, 2, 1, 2, 0, 1, 0, 2}, "no group: element "}};
    const iv_image_shape shape = {1, 1, 3};
    iv_group *group;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        iv_error error = {0};
        assert_fails(&error,
                     iv_group_from_tables(bad[i].source, 3, 3, shape, "mine", &group, &error),
                     IV_EINVAL, bad[i].part);
        assert_null(group);
    }
    iv_error error = {0};
    assert_fails(&error, iv_group_from_tables(bad[0].source, 3, 2, shape, "mine", &group, &error),
                 IV_EINVAL, "3 permutations of 2 values, expected 1 to 4096 of 3");
}

static void groups_of_too_many_values_are_refused(void **state) {
    (void)state;
    iv_error error = {0};
    iv_group *group;
    assert_int_equal(iv_group_create(IV_GROUP_ROTATION, 4, IV_AXES_X, (iv_image_shape){3, 147, 147},
                                     &group, &error),
                     IV_OK);
    iv_group_destroy(group);
    assert_int_equal(iv_group_create(IV_GROUP_ROTATION, 4, IV_AXES_X, (iv_image_shape){3, 148, 148},
                                     &group, &error),
                     IV_EINVAL);
    assert_non_null(strstr(error.message, "3 x 148 x 148"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_found_by_their_texts),
        cmocka_unit_test(elements_are_described_in_words),
        cmocka_unit_test(listed_permutations_act_as_the_group_they_are),
        cmocka_unit_test(what_is_no_group_is_refused_with_the_element),
        cmocka_unit_test(groups_of_too_many_values_are_refused),
    };
    return cmocka_run_group_tests_name("group-names", tests, NULL, NULL);
}
