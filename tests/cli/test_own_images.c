/* Images of the user's own train from the command line alone, in every study of images; what its
 * resolved spec says is all it takes to have the same bytes again; and what does not fit is refused
 * before anything is trained. */
#include "../data/own_files.h"
#include "../kit/process.h"

#include <invar/data.h>

enum { IMAGES = 120 };
static const char *const not_compared[] = {"run.json", "report.html", "report.md", "report.csv",
                                           NULL};

#define REGULARIZATION(dataset, group)                                                             \
    "study: regularization\n"                                                                      \
    "name: own\n"                                                                                  \
    "seeds: 1\n"                                                                                   \
    "dataset: " dataset "\n"                                                                       \
    "group: " group "\n"                                                                           \
    "model: {hidden: 8, layers: 2}\n"                                                              \
    "training: {batch: 16, epochs: 1}\n"                                                           \
    "runs: [{name: WT, method: weight-tying}, {name: IR, method: regularization, nu: 1}]\n"        \
    "metrics: {names: [accuracy, li, si, jacobian_spectrum]}\n"                                    \
    "figures: {names: [saliency]}\n"                                                               \
    "published: [{row: rotation-4, run: WT, metric: accuracy, mean: 0.123456}]\n"

#define MARGINAL_LIKELIHOOD(dataset)                                                               \
    "study: marginal-likelihood\n"                                                                 \
    "name: own\n"                                                                                  \
    "seeds: 1\n"                                                                                   \
    "dataset: " dataset "\n"                                                                       \
    "model: {hidden: 16, samples: 2}\n"                                                            \
    "training: {batch: 16, epochs: 1}\n"                                                           \
    "runs: [{name: rotation, invariance: rotation, eta: 0.5}]\n"

/* ------------------------------------------------------------------ images */

/* Byte p of image i: noise whose brightness is the class's. */
static uint8_t value(size_t i, size_t p, size_t n_classes) {
    return (uint8_t)(i % n_classes * 200 / n_classes + (i * 7 + p * 13) % 50);
}

static uint8_t *new_pixels(size_t image_bytes, size_t n_classes) {
    uint8_t *pixels = malloc(IMAGES * image_bytes);
    assert_non_null(pixels);
    for (size_t i = 0; i < IMAGES * image_bytes; i++)
        pixels[i] = value(i / image_bytes, i % image_bytes, n_classes);
    return pixels;
}

/* 27 classes of 12 x 12, 90 to train on and 30 to test with. */
static void write_letters(void) {
    iv_error error = {0};
    enum { SIDE = 12, CLASSES = 27, TRAINING = 90 };
    uint8_t *pixels = new_pixels(SIDE * SIDE, CLASSES), labels[IMAGES];
    for (int i = 0; i < IMAGES; i++) labels[i] = (uint8_t)(i % CLASSES);
    assert_ok(&error, iv_make_directories(in(scratch, "letters"), &error));
    for (unsigned part = 0; part < 2; part++) {
        const unsigned n = part ? IMAGES - TRAINING : TRAINING, first = part ? TRAINING : 0;
        char path[SCRATCH_PATH];
        snprintf(path, sizeof path, "%s/letters/%s", scratch, part ? "t10k" : "train");
        char *end = path + strlen(path);
        strcpy(end, "-images-idx3-ubyte");
        write_idx(path, 3, (const unsigned[]){n, SIDE, SIDE}, pixels + first * SIDE * SIDE);
        strcpy(end, "-labels-idx1-ubyte");
        write_idx(path, 1, (const unsigned[]){n}, labels + first);
    }
    free(pixels);
}

/* 4 classes of 32 x 48 in colour. */
static void write_views(void) {
    iv_error error = {0};
    uint8_t *pixels = new_pixels(32 * 48 * 3, 4);
    int64_t labels[IMAGES]; /* little-endian machines alone, as the other tests of NumPy files */
    for (int i = 0; i < IMAGES; i++) labels[i] = i % 4;
    assert_ok(&error, iv_make_directories(in(scratch, "views"), &error));
    write_npy(in(scratch, "views/images.npy"), "|u1", "False", "(120, 32, 48, 3)", pixels,
              IMAGES * 32 * 48 * 3);
    write_npy(in(scratch, "views/labels.npy"), "<i8", "False", "(120,)", labels, sizeof labels);
    free(pixels);
}

/* 3 classes of 10 x 10. */
static void write_photos(void) {
    iv_error error = {0};
    uint8_t *pixels = new_pixels(100, 3);
    for (int i = 0; i < IMAGES; i++) {
        char name[64];
        snprintf(name, sizeof name, "photos/%c", "cab"[i % 3]);
        assert_ok(&error, iv_make_directories(in(scratch, name), &error));
        snprintf(name, sizeof name, "photos/%c/%d.png", "cab"[i % 3], i);
        write_png(
            in(scratch, name),
            &(png_to_write){
                .width = 10, .height = 10, .depth = 8, .rows = pixels + i * 100, .row_bytes = 10});
    }
    free(pixels);
}

static int make_images(void **state) {
    if (make_scratch(state) != 0) return -1;
    write_letters();
    write_views();
    write_photos();
    return 0;
}

#define OWN_TEST(function) cmocka_unit_test_setup_teardown(function, make_images, remove_scratch)

/* ------------------------------------------------------------------ training */

/* `dataset.path` as an override, so that it can name the scratch folder. */
static const char *path_of(const char *folder) {
    static char text[SCRATCH_PATH + 32];
    snprintf(text, sizeof text, "dataset.path=%s/%s", scratch, folder);
    return text;
}

/* Train; then the same from the resolved spec; then measure the models again. */
static void train_twice(void **state, const char *spec, const char *folder) {
    char first[SCRATCH_PATH], second[SCRATCH_PATH], resolved[SCRATCH_PATH + 16];
    snprintf(first, sizeof first, "%s/run-%s", scratch, folder);
    snprintf(second, sizeof second, "%s/again-%s", scratch, folder);
    snprintf(resolved, sizeof resolved, "%s/spec.yaml", first);
    spill(in(scratch, "spec.yaml"), spec);
    invar_succeeds(state, ARGUMENTS("run", in(scratch, "spec.yaml"), "--quiet", "--set",
                                    path_of(folder), "--out", first));
    invar_succeeds(state, ARGUMENTS("run", resolved, "--quiet", "--out", second));
    assert_same_folder(first, second, not_compared);

    outcome o = invar(state, "eval", first, "--quiet", NULL);
    assert_status(&o, 0);
    char results[SCRATCH_PATH + 16];
    snprintf(results, sizeof results, "%s/results.json", first);
    char *expected = slurp(results, NULL);
    assert_string_equal(o.out, expected);
    free(expected);
    outcome_free(&o);
}

static void an_idx_set_of_27_classes_trains(void **state) {
    train_twice(state,
                REGULARIZATION("{name: letters, train: 80, validation: 16, test: 20}",
                               "{kind: rotation, order: 4}"),
                "letters");
    remove_tree(in(scratch, "run-letters"));
    remove_tree(in(scratch, "again-letters"));
    train_twice(state, MARGINAL_LIKELIHOOD("{name: letters, train: 80, test: 30}"), "letters");
}

static void arrays_in_colour_that_are_no_squares_train(void **state) {
    train_twice(state,
                REGULARIZATION("{name: views, train: 64, validation: 16, test: 20}",
                               "{kind: shift, order: 3}"),
                "views");
    remove_tree(in(scratch, "run-views"));
    remove_tree(in(scratch, "again-views"));
    train_twice(state,
                REGULARIZATION("{name: views, train: 64, validation: 0, test: 20}",
                               "{kind: rotation, order: 2}"),
                "views");
    remove_tree(in(scratch, "run-views"));
    remove_tree(in(scratch, "again-views"));
    train_twice(state, MARGINAL_LIKELIHOOD("{name: views, train: 80, test: 40}"), "views");
}

static void a_folder_of_png_files_trains(void **state) {
    train_twice(state,
                REGULARIZATION("{name: photos, train: 64, validation: 16, test: 20}",
                               "{kind: rotation, order: 4}"),
                "photos");
    remove_tree(in(scratch, "run-photos"));
    remove_tree(in(scratch, "again-photos"));
    train_twice(state, MARGINAL_LIKELIHOOD("{name: photos, train: 80, test: 40}"), "photos");
}

/* By name: what is trained on and what is only measured on. */
static void names_are_folders_of_the_data_directory(void **state) {
    spill(in(scratch, "spec.yaml"),
          REGULARIZATION("{name: letters, train: 80, validation: 0, test: 20}",
                         "{kind: rotation, order: 4}"));
    assert_int_equal(symlink("letters", in(scratch, "runes")), 0);
    invar_succeeds(state, ARGUMENTS("run", in(scratch, "spec.yaml"), "--quiet", "--data", scratch,
                                    "--set", "metrics.drift=[runes]", "--out", in(scratch, "run")));
    char *results = slurp(in(scratch, "run/results.json"), NULL);
    assert_contains(results, "rotation-4 on runes");
    assert_lacks(results, "0.123456"); /* nobody has published anything about these images */
    free(results);

    invar_succeeds(state, ARGUMENTS("run", in(scratch, "spec.yaml"), "--quiet", "--set",
                                    "dataset.name=digits", "--set", "dataset.images=200", "--out",
                                    in(scratch, "digits")));
    results = slurp(in(scratch, "digits/results.json"), NULL);
    assert_contains(results, "0.123456");
    free(results);
}

/* ------------------------------------------------------------------ what does not fit */

static void expect_refused(void **state, const char *set, const char *folder, int status,
                           const char *first, const char *second) {
    invar_fails(state,
                ARGUMENTS("run", in(scratch, "spec.yaml"), "--data", scratch, "--set",
                          path_of(folder), "--set", set, "--out", in(scratch, "run")),
                status, first, second, NULL);
    assert_false(exists(in(scratch, "run")));
}

static void sizes_that_do_not_fit_are_refused_before_training(void **state) {
    spill(in(scratch, "spec.yaml"),
          REGULARIZATION("{name: mine, train: 64, validation: 16, test: 20}",
                         "{kind: rotation, order: 4}"));
    expect_refused(state, "dataset.train=85", "letters", 2, "is 121", "120 images of mine");
    expect_refused(state, "seeds=1", "views", 2, "32 x 48", "a quarter turn");
    expect_refused(state, "metrics.drift=[photos]", "letters", 4, "photos holds images of 1 x 10",
                   "expected 1 x 12 x 12");
    expect_refused(state, "metrics.drift=[noise]", "letters", 4, "noise holds images of 1 x 28",
                   "expected 1 x 12 x 12");
    expect_refused(state, "metrics.drift=[letters]", "photos", 4, "letters holds", "10 x 10");
    expect_refused(state, "seeds=1", "nowhere", 4, "/nowhere", "No such file");

    spill(in(scratch, "spec.yaml"), MARGINAL_LIKELIHOOD("{name: mine, train: 64, test: 20}"));
    expect_refused(state, "dataset.train=91", "letters", 2, "dataset.train: 91", "90 for training");
    expect_refused(state, "dataset.test=31", "letters", 2, "dataset.test: 31", "30 for testing");
    expect_refused(state, "dataset.test=60", "photos", 2, "dataset.train: 64", "60 for training");
}

static void names_and_paths_that_cannot_be_are_refused(void **state) {
    spill(in(scratch, "spec.yaml"),
          REGULARIZATION("{name: digits, train: 64, validation: 16, test: 20}",
                         "{kind: rotation, order: 4}"));
    expect_refused(state, "seeds=1", "letters", 2, "`dataset.path` is set for digits",
                   "another name");
    expect_refused(state, "dataset.name=a/b", "letters", 2, "dataset.name", "a name of your own");
    expect_refused(state, "dataset.name=a-name-of-more-than-thirty-one-bytes", "letters", 2,
                   "36 bytes", "at most 31");
    invar_fails(state,
                ARGUMENTS("run", in(scratch, "spec.yaml"), "--data", scratch, "--set",
                          "dataset.name=ltters", "--out", in(scratch, "run")),
                2, "unknown dataset 'ltters'", "mnist", "folder of that name", NULL);
    invar_fails(state,
                ARGUMENTS("check", in(scratch, "spec.yaml"), "--set", "metrics.drift=[cifar10]"), 2,
                "cifar10", "3 x 32 x 32", "1 x 28 x 28", NULL);
}

/* Nothing is read, so nothing need be there. */
static void checking_reads_no_images(void **state) {
    spill(in(scratch, "spec.yaml"),
          REGULARIZATION("{name: mine, path: /nowhere, train: 64, test: 20, validation: 0}",
                         "{kind: rotation, order: 4}"));
    outcome o = invar(state, "check", in(scratch, "spec.yaml"), NULL);
    assert_status(&o, 0);
    assert_contains(o.out, "not estimated");
    outcome_free(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OWN_TEST(an_idx_set_of_27_classes_trains),
        OWN_TEST(arrays_in_colour_that_are_no_squares_train),
        OWN_TEST(a_folder_of_png_files_trains),
        OWN_TEST(names_are_folders_of_the_data_directory),
        OWN_TEST(sizes_that_do_not_fit_are_refused_before_training),
        OWN_TEST(names_and_paths_that_cannot_be_are_refused),
        SCRATCH_TEST(checking_reads_no_images),
    };
    return run_without_device() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
