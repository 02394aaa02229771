/* Curves and directions are the oracle's: images resampled with the tent that bilinear interpolation is, and the
 * oracle's network on them; and where a transformation moves pixels onto each other, a curve is the
 * exact group's. */
#include "buffers.h"
#include "models.h"

#include <invar/audit.h>

#include <lapacke.h>
#include <math.h>

enum { SIDE = 6, PIXELS = SIDE * SIDE, CLASSES = 5, IMAGES = 9, MOST_POINTS = 4 };

typedef struct {
    iv_curve_kind kind;
    size_t n_points;
    double at[MOST_POINTS];
} trial;

/* ------------------------------------------------------------------ the oracle */

static double tent(double x) {
    return fmax(0, 1 - fabs(x));
}

/* to(p) = from(m p), in pixels from the centre, y down: every pixel of `from` with its tent. */
static void resample(const double m[6], const double *from, double *to) {
    const double centre = (SIDE - 1) / 2.0;
    for (int row = 0; row < SIDE; row++)
        for (int column = 0; column < SIDE; column++) {
            const double x = column - centre, y = row - centre;
            const double c = m[0] * x + m[1] * y + m[2] + centre;
            const double r = m[3] * x + m[4] * y + m[5] + centre;
            double sum = 0;
            for (int i = 0; i < PIXELS; i++)
                sum += from[i] * tent(c - i % SIDE) * tent(r - (double)(i / SIDE));
            to[row * SIDE + column] = sum;
        }
}

static void map_of(iv_curve_kind kind, double at, double m[6]) {
    const double angle = at * acos(-1) / 180;
    memset(m, 0, 6 * sizeof *m);
    m[0] = m[4] = 1;
    if (kind == IV_CURVE_SHIFT) m[2] = -at;
    if (kind == IV_CURVE_SCALE) m[0] = m[4] = 1 / at;
    if (kind == IV_CURVE_SHEAR) m[1] = at;
    if (kind == IV_CURVE_ANGLE) {
        m[0] = m[4] = cos(angle);
        m[1] = -sin(angle);
        m[3] = sin(angle);
    }
}

/* As the oracle's group of two: element 1 is what is tried. */
static const double *tried, *back_of_tried;
static double there[6], back[6];
static void act(size_t element, size_t side, const double *from, double *to) {
    assert_int_equal(side, SIDE);
    if (element == 0)
        memcpy(to, from, PIXELS * sizeof *to);
    else if (element == 1)
        resample(tried, from, to);
    else
        resample(back_of_tried, from, to);
}

static void act_twice(size_t element, size_t side, const double *from, double *to) {
    double moved[PIXELS];
    assert_int_equal(side, SIDE);
    memcpy(to, from, PIXELS * sizeof *to);
    if (element != 1) return; /* saliency stays as it is */
    resample(tried, from, moved);
    resample(back_of_tried, moved, to);
}

static void expect(const oracle_network *network, const iv_dataset *images, iv_curve_kind kind,
                   double at, iv_curve_point *point) {
    const oracle_group once = {2, act, {0, 2}}, twice = {2, act_twice, {0, 2}};
    const oracle_group *const groups[] = {&once, &twice};
    iv_curve_numbers *const to[] = {&point->moved, &point->undone};
    map_of(kind, at, there);
    map_of(kind, kind == IV_CURVE_SCALE ? 1 / at : -at, back);
    tried = there;
    back_of_tried = back;
    *point = (iv_curve_point){.at = at};
    for (size_t i = 0; i < IMAGES; i++) {
        double image[PIXELS], undone[PIXELS], square = 0, difference = 0;
        image_of(images, i, image);
        for (int k = 0; k < 2; k++) {
            oracle_numbers both, alone;
            const oracle_group same = {1, act, {0}};
            oracle_measure(network, groups[k], image, images->labels[i], &both);
            oracle_measure(network, &same, image, images->labels[i], &alone);
            to[k]->accuracy += (2 * both.accuracy - alone.accuracy) / IMAGES;
            to[k]->li += both.li / IMAGES;
            to[k]->di += both.di / IMAGES;
            to[k]->si += both.si / IMAGES;
        }
        act_twice(1, SIDE, image, undone);
        for (int p = 0; p < PIXELS; p++) {
            square += image[p] * image[p];
            difference += (undone[p] - image[p]) * (undone[p] - image[p]);
        }
        point->error += sqrt(difference / square) / IMAGES;
    }
}

/* ------------------------------------------------------------------ comparing */

/* Logits are below 5, and right to 1e-5 of that, as is LI to 1e-4; SI is a mean of cosines. */
static void close_to(const char *what, double at, double found, double expected) {
    if (!(fabs(found - expected) <= 1e-4 * (1 + fabs(expected))))
        fail_msg("%s at %g: %.9g, the oracle says %.9g", what, at, found, expected);
}

static void compare(const char *what, double at, const iv_curve_numbers *found,
                    const iv_curve_numbers *expected) {
    char text[64];
    const double pairs[4][2] = {{found->accuracy, expected->accuracy},
                                {found->li, expected->li},
                                {found->di, expected->di},
                                {found->si, expected->si}};
    for (int i = 0; i < 4; i++) {
        snprintf(text, sizeof text, "%s: %s", what, iv_audit_metric_get((iv_audit_metric)i)->name);
        close_to(text, at, pairs[i][0], pairs[i][1]);
    }
}

static void make_network(uint32_t seed, oracle_network *network, iv_network *read) {
    own_folder folder;
    iv_error error = {0};
    make_folder(&folder);
    *network = (oracle_network){1, SIDE, 2, {PIXELS, 10, CLASSES}, "tanh", {0}, {0}, {0}, {0}};
    oracle_random(network, seed, 3, 0);
    const char *path = in_folder(&folder, "network.safetensors");
    write_network(path, "{\"activation\":\"tanh\"}", "", "F32", network);
    assert_ok(&error, iv_network_read(path, NULL, read, &error));
    remove_folder(&folder);
}

/* Two networks at once, a curve of each kind. */
static void curves_are_the_oracles(void **state) {
    const program *p = *state;
    static const trial trials[] = {{IV_CURVE_ANGLE, 4, {0, 30, 90, 225}},
                                   {IV_CURVE_SHIFT, 3, {0.5, 1, 1.25}},
                                   {IV_CURVE_SCALE, 3, {0.7, 1, 1.9}},
                                   {IV_CURVE_SHEAR, 3, {0, 0.3, 1}}};
    enum { N_TRIALS = sizeof trials / sizeof *trials };
    iv_curve_kind kinds[N_TRIALS];
    size_t n_points[N_TRIALS];
    const double *at[N_TRIALS];
    iv_error error = {0};
    oracle_network networks[2];
    iv_network read[2];
    iv_group *group;
    iv_audit found;
    for (uint32_t i = 0; i < 2; i++) make_network(70 + i, &networks[i], &read[i]);
    for (size_t i = 0; i < N_TRIALS; i++) {
        kinds[i] = trials[i].kind;
        n_points[i] = trials[i].n_points;
        at[i] = trials[i].at;
    }
    iv_dataset images = random_images(IMAGES, 1, SIDE, CLASSES, 72);
    assert_ok(&error,
              iv_group_parse("rotation:4", (iv_image_shape){1, SIDE, SIDE}, &group, &error));
    const iv_audit_options options = {.networks = read,
                                      .n_networks = 2,
                                      .images = &images,
                                      .n_images = IMAGES,
                                      .group = group,
                                      .no_jacobians = true,
                                      .kinds = kinds,
                                      .n_points = n_points,
                                      .at = at,
                                      .n_curves = N_TRIALS,
                                      .n_resamples = 2};
    assert_ok(p->context, iv_audit_run(p->context, &options, &found));
    assert_int_equal(found.n_curves, N_TRIALS);
    for (size_t i = 0; i < N_TRIALS; i++)
        for (size_t r = 0; r < 2; r++)
            for (size_t k = 0; k < n_points[i]; k++) {
                const iv_curve_point *point = &found.curves[i].points[r * n_points[i] + k];
                iv_curve_point expected;
                expect(&networks[r], &images, kinds[i], at[i][k], &expected);
                assert_true(point->at == at[i][k]);
                compare("moved", at[i][k], &point->moved, &expected.moved);
                compare("undone", at[i][k], &point->undone, &expected.undone);
                close_to("error", at[i][k], point->error, expected.error);
            }
    iv_audit_clear(&found);
    iv_dataset_clear(&images);
    iv_group_destroy(group);
    for (size_t i = 0; i < 2; i++) {
        oracle_free(&networks[i]);
        iv_network_clear(&read[i]);
    }
}

/* ------------------------------------------------------------------ directions */

/* Row of image and logit in the matrix: the oracle's gradient, by differences, times what the
 * image's slope is along each generator. */
static void fill_row(const oracle_network *network, const double *image, size_t class,
                     double row[6]) {
    static const double step = 1e-5;
    memset(row, 0, 6 * sizeof *row);
    for (int p = 0; p < PIXELS; p++) {
        double moved[PIXELS], above[CLASSES], below[CLASSES];
        memcpy(moved, image, sizeof moved);
        moved[p] = image[p] + step;
        oracle_logits(network, moved, above);
        moved[p] = image[p] - step;
        oracle_logits(network, moved, below);
        const double gradient = (above[class] - below[class]) / (2 * step);
        const int r = p / SIDE, c = p % SIDE;
        const double half = (SIDE - 1) / 2.0, x = c / half - 1, y = r / half - 1;
        const double right = c + 1 < SIDE ? image[p + 1] : 0, left = c > 0 ? image[p - 1] : 0;
        const double under = r + 1 < SIDE ? image[p + SIDE] : 0, over = r > 0 ? image[p - SIDE] : 0;
        const double along_x = half * (right - left) / 2, along_y = half * (under - over) / 2;
        row[0] += gradient * along_x;
        row[1] += gradient * along_y;
        row[2] += gradient * (-y * along_x + x * along_y);
        row[3] += gradient * x * along_x;
        row[4] += gradient * y * along_y;
        row[5] += gradient * (y * along_x + x * along_y);
    }
}

/* The singular values of the whole matrix, by LAPACK, and what it makes of each vector. Rows are
 * right to 1e-5 of the largest. */
static void directions_are_the_oracles(void **state) {
    const program *p = *state;
    iv_error error = {0};
    oracle_network network;
    iv_network read;
    iv_group *group;
    iv_audit found;
    double matrix[IMAGES * CLASSES][6], copy[IMAGES * CLASSES][6], values[6], unused;
    make_network(75, &network, &read);
    iv_dataset images = random_images(IMAGES, 1, SIDE, CLASSES, 76);
    assert_ok(&error,
              iv_group_parse("rotation:2", (iv_image_shape){1, SIDE, SIDE}, &group, &error));
    const iv_audit_options options = {.networks = &read,
                                      .n_networks = 1,
                                      .images = &images,
                                      .n_images = IMAGES,
                                      .group = group,
                                      .no_jacobians = true,
                                      .directions = true,
                                      .n_resamples = 2};
    assert_ok(p->context, iv_audit_run(p->context, &options, &found));
    for (size_t i = 0; i < IMAGES; i++) {
        double image[PIXELS];
        image_of(&images, i, image);
        for (size_t c = 0; c < CLASSES; c++) fill_row(&network, image, c, matrix[i * CLASSES + c]);
    }
    memcpy(copy, matrix, sizeof copy);
    assert_int_equal(LAPACKE_dgesdd(LAPACK_ROW_MAJOR, 'N', IMAGES * CLASSES, 6, copy[0], 6, values,
                                    &unused, 1, &unused, 6),
                     0);
    for (int k = 0; k < 6; k++) {
        const iv_audit_direction *direction = &found.models[0].directions[k];
        double square = 0, length = 0;
        for (int row = 0; row < IMAGES * CLASSES; row++) {
            double product = 0;
            for (int g = 0; g < 6; g++) product += matrix[row][g] * direction->generators[g];
            square += product * product;
        }
        for (int g = 0; g < 6; g++) length += direction->generators[g] * direction->generators[g];
        const double tolerance = 1e-4 * values[0] / sqrt(IMAGES);
        assert_true(fabs(length - 1) < 1e-9);
        assert_true(fabs(direction->sensitivity - values[5 - k] / sqrt(IMAGES)) < tolerance);
        assert_true(fabs(sqrt(square / IMAGES) - direction->sensitivity) < tolerance);
    }
    iv_audit_clear(&found);
    iv_dataset_clear(&images);
    iv_group_destroy(group);
    oracle_free(&network);
    iv_network_clear(&read);
}

/* A linear network whose weights do not change along x, and images with a dark border: what moves
 * rows along x moves nothing. That is the translation along x, and what a shear has beyond a
 * rotation: y d/dx, half their difference. */
static void a_network_blind_to_moves_of_rows_is_found_so(void **state) {
    const program *p = *state;
    iv_error error = {0};
    iv_group *group;
    iv_audit found;
    float weight[CLASSES * PIXELS];
    iv_dataset images = random_images(IMAGES, 1, SIDE, CLASSES, 77);
    for (int i = 0; i < IMAGES * PIXELS; i++) {
        const int row = i % PIXELS / SIDE, column = i % SIDE;
        if (row == 0 || column == 0 || row == SIDE - 1 || column == SIDE - 1) images.pixels[i] = 0;
    }
    for (int i = 0; i < CLASSES * PIXELS; i++)
        weight[i] = (float)((i / PIXELS * 7 + i % PIXELS / SIDE * 3) % 5) - 2;
    iv_network_layer layer = {NULL, PIXELS, CLASSES, weight, NULL};
    const iv_network blind = {.layers = &layer, .n_layers = 1};
    assert_ok(&error,
              iv_group_parse("rotation:2", (iv_image_shape){1, SIDE, SIDE}, &group, &error));
    const iv_audit_options options = {.networks = &blind,
                                      .n_networks = 1,
                                      .images = &images,
                                      .n_images = IMAGES,
                                      .group = group,
                                      .no_jacobians = true,
                                      .directions = true,
                                      .n_resamples = 2};
    assert_ok(p->context, iv_audit_run(p->context, &options, &found));
    const iv_audit_direction *directions = found.models[0].directions;
    for (int k = 0; k < 2; k++) {
        const double *g = directions[k].generators;
        const double along = g[IV_GENERATOR_TRANSLATION_X];
        const double sheared = (g[IV_GENERATOR_SHEAR] - g[IV_GENERATOR_ROTATION]) / sqrt(2);
        assert_true(directions[k].sensitivity < 1e-6 * directions[5].sensitivity);
        assert_true(fabs(along * along + sheared * sheared - 1) < 1e-6);
    }
    assert_true(directions[2].sensitivity > 1e-2 * directions[5].sensitivity);
    iv_audit_clear(&found);
    iv_dataset_clear(&images);
    iv_group_destroy(group);
}

/* A half turn moves pixels onto each other: nothing is resampled. */
static void an_angle_that_moves_pixels_is_the_exact_group(void **state) {
    const program *p = *state;
    static const double turns[2] = {0, 180};
    static const iv_curve_kind kind = IV_CURVE_ANGLE;
    static const size_t two = 2;
    const double *const at = turns;
    iv_error error = {0};
    oracle_network network;
    iv_network read;
    iv_group *group;
    iv_audit found;
    make_network(73, &network, &read);
    iv_dataset images = random_images(IMAGES, 1, SIDE, CLASSES, 74);
    assert_ok(&error,
              iv_group_parse("rotation:2", (iv_image_shape){1, SIDE, SIDE}, &group, &error));
    const iv_audit_options options = {.networks = &read,
                                      .n_networks = 1,
                                      .images = &images,
                                      .n_images = IMAGES,
                                      .group = group,
                                      .no_jacobians = true,
                                      .kinds = &kind,
                                      .n_points = &two,
                                      .at = &at,
                                      .n_curves = 1,
                                      .n_resamples = 2};
    assert_ok(p->context, iv_audit_run(p->context, &options, &found));
    const iv_audit_model *model = &found.models[0];
    const iv_curve_point *points = found.curves[0].points;
    assert_true(points[0].moved.li == 0 && points[0].undone.li == 0 && points[0].error == 0);
    assert_true(points[1].error < 1e-6);
    assert_true(model->all[IV_AUDIT_LI]->value > 0.01);
    close_to("LI", 180, points[1].moved.li, model->all[IV_AUDIT_LI]->value);
    close_to("DI", 180, points[1].moved.di, model->all[IV_AUDIT_DI]->value);
    close_to("SI", 180, points[1].moved.si, model->all[IV_AUDIT_SI]->value);
    close_to("accuracy", 180, (points[0].moved.accuracy + points[1].moved.accuracy) / 2,
             model->all[IV_AUDIT_ACCURACY]->value);
    iv_audit_clear(&found);
    iv_dataset_clear(&images);
    iv_group_destroy(group);
    oracle_free(&network);
    iv_network_clear(&read);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(curves_are_the_oracles),
        cmocka_unit_test(directions_are_the_oracles),
        cmocka_unit_test(a_network_blind_to_moves_of_rows_is_found_so),
        cmocka_unit_test(an_angle_that_moves_pixels_is_the_exact_group),
    };
    return no_device_to_test() ? 0
                               : cmocka_run_group_tests(tests, open_keeping_buffers, close_program);
}
