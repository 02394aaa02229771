/* The images that a network takes worst are those with the oracle's largest DI, and what is kept of
 * them is the oracle's orbit. */
#include "buffers.h"
#include "models.h"

#include <invar/audit.h>

#include <math.h>

enum { SIDE = 6, PIXELS = SIDE * SIDE, CLASSES = 5, IMAGES = 23 };

typedef struct {
    oracle_network oracle;
    iv_network network;
} network;

static network make_network(own_folder *folder, uint32_t seed, size_t hidden) {
    network n = {.oracle = {1, SIDE, 2, {PIXELS, hidden, CLASSES}, "tanh", {0}, {0}, {0}, {0}}};
    iv_error error = {0};
    const char *path = in_folder(folder, "network.safetensors");
    oracle_random(&n.oracle, seed, 3, 0);
    write_network(path, "{\"activation\":\"tanh\"}", "net.", "F32", &n.oracle);
    assert_ok(&error, iv_network_read(path, NULL, &n.network, &error));
    return n;
}

static void audit(const program *p, const network *networks, size_t n, const char *group_name,
                  const iv_dataset *images, size_t n_images, size_t n_worst, iv_audit *found) {
    iv_error error = {0};
    iv_network copies[4];
    iv_group *group;
    assert_ok(&error, iv_group_parse(group_name, (iv_image_shape){1, SIDE, SIDE}, &group, &error));
    for (size_t i = 0; i < n; i++) copies[i] = networks[i].network;
    const iv_audit_options options = {.networks = copies,
                                      .n_networks = n,
                                      .images = images,
                                      .first = 2,
                                      .n_images = n_images,
                                      .group = group,
                                      .no_jacobians = true,
                                      .n_resamples = 5,
                                      .n_worst = n_worst};
    assert_ok(p->context, iv_audit_run(p->context, &options, found));
    iv_group_destroy(group);
}

/* Of `left` images, the one with the largest DI, which is then taken out. */
static size_t next_worst(oracle_numbers *numbers, size_t n_images) {
    size_t worst = 0;
    for (size_t i = 1; i < n_images; i++)
        if (numbers[i].di > numbers[worst].di) worst = i;
    numbers[worst].di = -1;
    return worst;
}

static void close_to(const char *what, double found, double expected, double tolerance) {
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("%s: %.9g, the oracle says %.9g", what, found, expected);
}

/* Elements beyond those that are shown are closer to x than any of these. */
static void assert_farthest_are_shown(const iv_audit_worst *worst, const oracle_numbers *numbers,
                                      size_t n_elements) {
    bool shown[ORACLE_ELEMENTS] = {false};
    double nearest = INFINITY;
    for (size_t k = 0; k < worst->n_shown; k++) {
        assert_true(k == 0 ? worst->shown[k] == 0 : worst->shown[k] > worst->shown[k - 1]);
        shown[worst->shown[k]] = true;
        if (k > 0) nearest = fmin(nearest, numbers->kl[worst->shown[k]]);
    }
    for (size_t g = 0; g < n_elements; g++)
        if (!shown[g]) assert_true(numbers->kl[g] < nearest);
}

/* Pixels are exact to rounding; logits and gradients are sums of at most 36 products of numbers
 * below 10, in two layers: off by 1e-4 at most. */
static void compare(const network *n, oracle_group group, const iv_dataset *images, size_t n_images,
                    size_t n_worst, const iv_audit_model *model) {
    oracle_numbers numbers[IMAGES], left[IMAGES];
    double image[PIXELS], moved[PIXELS], logits[CLASSES], saliency[PIXELS];
    for (size_t i = 0; i < n_images; i++) {
        image_of(images, 2 + i, image);
        oracle_measure(&n->oracle, &group, image, images->labels[2 + i], &numbers[i]);
        left[i] = numbers[i];
    }
    assert_int_equal(model->n_worst, n_worst);
    assert_int_equal(model->n_outputs, CLASSES);
    for (size_t k = 0; k < n_worst; k++) {
        const iv_audit_worst *worst = &model->worst[k];
        const size_t i = next_worst(left, n_images);
        assert_int_equal(worst->image, i);
        assert_int_equal(worst->label, images->labels[2 + i]);
        close_to("DI", (double)worst->di, numbers[i].di, 1e-4 * (1 + numbers[i].di));
        assert_int_equal(worst->n_shown, group.n_elements < 8 ? group.n_elements : 8);
        assert_farthest_are_shown(worst, &numbers[i], group.n_elements);
        image_of(images, 2 + i, image);
        size_t at = 0;
        for (size_t g = 0; g < group.n_elements; g++) {
            oracle_orbit(&n->oracle, &group, image, g, moved, logits, saliency);
            for (size_t c = 0; c < CLASSES; c++)
                close_to("logit", (double)worst->logits[g * CLASSES + c], logits[c], 1e-4);
            if (at == worst->n_shown || worst->shown[at] != g) continue;
            for (size_t x = 0; x < PIXELS; x++) {
                close_to("pixel", (double)worst->pixels[at * PIXELS + x], moved[x], 1e-7);
                close_to("saliency", (double)worst->saliency[at * PIXELS + x], saliency[x], 1e-4);
            }
            at++;
        }
        assert_int_equal(at, worst->n_shown);
    }
}

/* The first and the last network have one architecture and are measured together. */
static void the_worst_images_of_each_network_are_the_oracles(void **state) {
    const program *p = *state;
    const size_t n_images = is_small_run() ? 3 : IMAGES - 2, n_worst = is_small_run() ? 2 : 6;
    own_folder folder;
    iv_audit found;
    make_folder(&folder);
    network networks[] = {make_network(&folder, 1, 9), make_network(&folder, 2, 12),
                          make_network(&folder, 3, 9)};
    iv_dataset images = random_images(IMAGES, 1, SIDE, CLASSES, 4);
    audit(p, networks, 3, "rotation:4", &images, n_images, n_worst, &found);
    for (size_t i = 0; i < 3; i++)
        compare(&networks[i], oracle_quarter_turns(), &images, n_images, n_worst, &found.models[i]);
    assert_string_equal(found.elements[0], "as it is");
    assert_string_equal(found.elements[3], "turned by 270 degrees");
    iv_audit_clear(&found);
    for (size_t i = 0; i < 3; i++) {
        iv_network_clear(&networks[i].network);
        oracle_free(&networks[i].oracle);
    }
    iv_dataset_clear(&images);
    remove_folder(&folder);
}

/* Nine elements; more images are asked for than there are. */
static void of_many_elements_the_farthest_are_shown(void **state) {
    const program *p = *state;
    const size_t n_images = is_small_run() ? 2 : 5;
    own_folder folder;
    iv_audit found;
    make_folder(&folder);
    network n = make_network(&folder, 5, 10);
    iv_dataset images = random_images(IMAGES, 1, SIDE, CLASSES, 6);
    audit(p, &n, 1, "shift:3:xy", &images, n_images, 100, &found);
    compare(&n, oracle_thirds(), &images, n_images, n_images, &found.models[0]);
    assert_string_equal(found.elements[5], "shifted by 2 down and 4 to the right");
    iv_audit_clear(&found);
    iv_network_clear(&n.network);
    oracle_free(&n.oracle);
    iv_dataset_clear(&images);
    remove_folder(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worst_images_of_each_network_are_the_oracles),
        cmocka_unit_test(of_many_elements_the_farthest_are_shown),
    };
    return no_device_to_test() ? 0
                               : cmocka_run_group_tests(tests, open_keeping_buffers, close_program);
}
