/* Specs that extend others. Each test writes its files into an empty folder and works in there. */
#include "support.h"

#include "../kit/files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int home; /* where the tests were started */

static int enter_scratch(void **state) {
    home = open(".", O_RDONLY);
    return home >= 0 && make_scratch(state) == 0 && chdir(*state) == 0 ? 0 : -1;
}

static int leave_scratch(void **state) {
    if (fchdir(home) != 0 || close(home) != 0) return -1;
    return remove_scratch(state);
}

#define FOLDER_TEST(function)                                                                      \
    cmocka_unit_test_setup_teardown(function, enter_scratch, leave_scratch)

static iv_spec *load_good(const char *path, const char *override) {
    iv_error error = {0};
    iv_spec *spec;
    assert_ok(&error,
              iv_spec_load(path, &override, override != NULL, iv_study_schema, &spec, &error));
    return spec;
}

static void load_fails(const char *path, const char *message) {
    iv_error error = {0};
    iv_spec *spec;
    assert_int_equal(iv_spec_load(path, NULL, 0, iv_study_schema, &spec, &error), IV_EINVAL);
    assert_string_equal(error.message, message);
    assert_null(spec);
}

/* What extends resolves to what is written out whole. */
static void expect_same(const char *path, const char *whole) {
    iv_spec *spec = load_good(path, NULL), *other = parse_good(whole, NULL);
    char *text = written(spec), *expected = written(other);
    assert_string_equal(text, expected);
    free(text);
    free(expected);
    iv_spec_destroy(spec);
    iv_spec_destroy(other);
}

#define BASE                                                                                       \
    "study: regularization\n"                                                                      \
    "name: base\n"                                                                                 \
    "seeds: 3\n"                                                                                   \
    "dataset: {name: digits, train: 1000}\n"                                                       \
    "group: {kind: rotation, order: 4}\n"                                                          \
    "training:\n"                                                                                  \
    "  epochs: 7\n"                                                                                \
    "  batch: 64\n"                                                                                \
    "runs:\n"                                                                                      \
    "  - {name: DA, method: augmentation}\n"                                                       \
    "  - {name: IR, method: regularization, sweep: {nu: [1, 3]}}\n"                                \
    "metrics: {names: [si, li]}\n"

/* ------------------------------------------------------------------ merging */

static void maps_merge_and_other_values_replace(void **state) {
    (void)state;
    spill("base.yaml", BASE);
    spill("small.yaml", "extends: base.yaml\n"
                        "name: small\n"
                        "seeds: [4]\n"
                        "dataset: {train: 100}\n"
                        "training: {batch: 32, learning_rate: 0.5}\n"
                        "metrics: {names: [si]}\n"
                        "figures: {names: [accuracy]}\n");
    expect_same("small.yaml", "study: regularization\n"
                              "name: small\n"
                              "seeds: [4]\n"
                              "dataset: {name: digits, train: 100}\n"
                              "group: {kind: rotation, order: 4}\n"
                              "training: {epochs: 7, batch: 32, learning_rate: 0.5}\n"
                              "runs:\n"
                              "- {name: DA, method: augmentation}\n"
                              "- {name: IR, method: regularization, sweep: {nu: [1, 3]}}\n"
                              "metrics: {names: [si]}\n"
                              "figures: {names: [accuracy]}\n");
    iv_spec *spec = load_good("small.yaml", NULL);
    char *text = written(spec);
    assert_lacks(text, "extends");
    free(text);
    iv_spec_destroy(spec);
}

static void the_key_may_stand_anywhere_at_the_top(void **state) {
    (void)state;
    spill("base.yaml", BASE);
    spill("last.yaml", "name: other\nextends: base.yaml\n");
    iv_spec *spec = load_good("last.yaml", NULL);
    assert_string_equal(iv_spec_string(iv_spec_root(spec), "name"), "other");
    assert_int_equal(iv_spec_integer(iv_spec_root(spec), "training.epochs"), 7);
    iv_spec_destroy(spec);
    spill("inner.yaml", BASE "figures: {extends: base.yaml}\n");
    load_fails("inner.yaml",
               "inner.yaml:13:11: unknown key `extends` in `figures`, expected one of "
               "names, saliency_images");
}

static void a_tilde_takes_a_key_away(void **state) {
    (void)state;
    spill("base.yaml", BASE);
    spill("small.yaml", "extends: base.yaml\ntraining: {epochs: ~}\nmetrics: ~\n"
                        "runs: {IR: {sweep: ~, nu: 5}}\n");
    iv_spec *spec = load_good("small.yaml", NULL);
    const iv_node *root = iv_spec_root(spec);
    assert_int_equal(iv_spec_integer(root, "training.epochs"), 300);
    assert_int_equal(iv_spec_integer(root, "training.batch"), 64);
    assert_int_equal(iv_spec_length(root, "metrics.names"), 4);
    assert_false(iv_spec_has(root, "runs.1.sweep"));
    iv_spec_destroy(spec);

    spill("needed.yaml", "extends: base.yaml\ndataset: {name: ~}\n");
    load_fails("needed.yaml",
               "needed.yaml:2:10: missing key `dataset.name`, expected one of mnist, "
               "fashion-mnist, cifar10, digits, or a name of your own (1 to 64 letters, "
               "digits, '.', '_' or '-')");
    spill("absent.yaml", "extends: base.yaml\ntraining: {epoch: ~}\n");
    load_fails("absent.yaml", "absent.yaml:2:12: `epoch` is removed but not there, expected a key "
                              "of the extended spec");
    spill("nothing.yaml", "extends: base.yaml\ntraining:\n  epochs:\n");
    load_fails("nothing.yaml", "nothing.yaml:3:10: `training.epochs` has no value, expected an "
                               "integer in [1, 1000000]");
}

static void a_map_changes_elements_of_a_list_by_their_names(void **state) {
    (void)state;
    spill("base.yaml", BASE);
    spill("small.yaml", "extends: base.yaml\nruns: {IR: {sweep: {nu: [7]}, learning_rate: 1}}\n");
    iv_spec *spec = load_good("small.yaml", "runs.IR.sweep.nu=[8, 9]");
    const iv_node *root = iv_spec_root(spec);
    assert_int_equal(iv_spec_length(root, "runs"), 2);
    assert_string_equal(iv_spec_string(root, "runs.0.name"), "DA");
    assert_int_equal(iv_spec_length(root, "runs.1.sweep.nu"), 2);
    assert_true(iv_spec_number(root, "runs.1.learning_rate") == 1);
    assert_false(iv_spec_has(root, "runs.0.learning_rate"));
    iv_spec_destroy(spec);

    spill("without.yaml", "extends: base.yaml\nruns: {DA: ~}\n");
    spec = load_good("without.yaml", NULL);
    assert_int_equal(iv_spec_length(iv_spec_root(spec), "runs"), 1);
    assert_string_equal(iv_spec_string(iv_spec_root(spec), "runs.0.name"), "IR");
    iv_spec_destroy(spec);

    spill("other.yaml", "extends: base.yaml\nruns: [{name: WT, method: weight-tying}]\n");
    spec = load_good("other.yaml", NULL);
    assert_int_equal(iv_spec_length(iv_spec_root(spec), "runs"), 1);
    iv_spec_destroy(spec);

    spill("unknown.yaml", "extends: base.yaml\nruns: {DB: {nu: 3}}\n");
    load_fails("unknown.yaml",
               "unknown.yaml:2:8: no element `DB` in the list, expected one of DA, IR");
    spill("scalar.yaml", "extends: base.yaml\nruns: {DA: augmentation}\n");
    load_fails("scalar.yaml",
               "scalar.yaml:2:12: `DA` is a single value, expected a map of keys to change");
}

static void chains_merge_from_the_far_end(void **state) {
    (void)state;
    spill("base.yaml", BASE);
    assert_int_equal(mkdir("sub", 0777), 0);
    spill("sub/middle.yaml", "extends: ../base.yaml\ntraining: {epochs: 5, batch: 16}\n");
    spill("last.yaml", "extends: sub/middle.yaml\ntraining: {batch: 8}\n");
    iv_spec *spec = load_good("last.yaml", NULL);
    assert_int_equal(iv_spec_integer(iv_spec_root(spec), "training.epochs"), 5);
    assert_int_equal(iv_spec_integer(iv_spec_root(spec), "training.batch"), 8);
    assert_int_equal(iv_spec_integer(iv_spec_root(spec), "dataset.train"), 1000);
    iv_spec_destroy(spec);
}

static void text_in_memory_extends_relative_to_its_name(void **state) {
    (void)state;
    static const char text[] = "extends: base.yaml\nname: memory\n";
    iv_error error = {0};
    iv_spec *spec;
    assert_int_equal(mkdir("sub", 0777), 0);
    spill("sub/base.yaml", BASE);
    assert_ok(&error,
              iv_spec_parse("sub/x", text, strlen(text), NULL, 0, iv_study_schema, &spec, &error));
    assert_int_equal(iv_spec_length(iv_spec_root(spec), "seeds"), 3);
    iv_spec_destroy(spec);
}

/* ------------------------------------------------------------------ messages */

static void messages_point_into_the_file_of_the_mistake(void **state) {
    (void)state;
    assert_int_equal(mkdir("sub", 0777), 0);
    spill("base.yaml", BASE "training: {epoch: 3}\n");
    spill("sub/a.yaml", "extends: ../base.yaml\n");
    load_fails("sub/a.yaml", "sub/../base.yaml:13:1: duplicate key `training`, expected once (it "
                             "is also at line 6, column 1)");
    spill("base.yaml", BASE "model: {hiden: 3}\n");
    load_fails("sub/a.yaml", "sub/../base.yaml:13:9: unknown key `hiden` in `model`, did you mean "
                             "`hidden`?");
    spill("base.yaml", BASE);
    spill("b.yaml", "extends: base.yaml\nruns: {DA: {nu: 3}}\n");
    load_fails("b.yaml", "b.yaml:2:17: `nu` is set for method augmentation, expected only for "
                         "method regularization");
    spill("c.yaml", "extends: base.yaml\nsweep: {training: {batch: [1]}}\n");
    spill("d.yaml", "extends: c.yaml\nsweep: {training.batch: [2]}\n");
    load_fails("d.yaml", "d.yaml:2:9: duplicate key `training.batch`, expected once (it is also at "
                         "c.yaml, line 2, column 20)");
    spill("list.yaml", "- study\n");
    spill("e.yaml", "extends: list.yaml\n");
    load_fails("e.yaml",
               "list.yaml:1:1: a list, expected a map of keys (study, name, dataset, ...)");
}

static void a_value_that_an_extended_sweep_replaces_is_refused(void **state) {
    (void)state;
    spill("base.yaml", BASE "sweep: {model.hidden: [3, 4]}\n");
    spill("small.yaml", "extends: base.yaml\nmodel: {hidden: 5}\n");
    load_fails("small.yaml", "small.yaml:2:17: `model.hidden` is swept at base.yaml:13:9 and the "
                             "sweep replaces this value, expected to set the sweep");
    spill("small.yaml", "extends: base.yaml\nmodel: {hidden: 5}\nsweep: ~\n");
    iv_spec_destroy(load_good("small.yaml", NULL));
    spill("base.yaml", BASE "model: {hidden: 5}\n");
    spill("small.yaml", "extends: base.yaml\nsweep: {model.hidden: [3, 4]}\n");
    iv_spec_destroy(load_good("small.yaml", NULL));
}

static void what_cannot_be_extended_is_refused_at_the_key(void **state) {
    (void)state;
    spill("none.yaml", "extends: no/such.yaml\n");
    load_fails("none.yaml", "none.yaml:1:10: `extends`: no/such.yaml cannot be read (No such file "
                            "or directory), expected a YAML spec");
    spill("list.yaml", "name: x\nextends: [a.yaml]\n");
    load_fails("list.yaml",
               "list.yaml:2:10: `extends` is a list, expected the path of another spec");
    spill("nothing.yaml", "extends: ~\n");
    load_fails("nothing.yaml",
               "nothing.yaml:1:10: `extends` has no value, expected the path of another spec");
}

static void a_chain_that_comes_back_is_refused(void **state) {
    (void)state;
    spill("self.yaml", "extends: ./self.yaml\n");
    load_fails("self.yaml",
               "self.yaml:1:10: `extends` leads back to ./self.yaml, expected another spec");
    assert_int_equal(mkdir("sub", 0777), 0);
    spill("a.yaml", "extends: sub/b.yaml\n");
    spill("sub/b.yaml", "extends: ../a.yaml\n");
    load_fails("a.yaml",
               "sub/b.yaml:1:10: `extends` leads back to sub/../a.yaml, expected another spec");
}

static void chains_and_their_sizes_are_bounded(void **state) {
    (void)state;
    char name[32], text[64];
    spill("0.yaml", BASE);
    for (int i = 1; i <= IV_SPEC_MAX_FILES; i++) {
        snprintf(name, sizeof name, "%d.yaml", i);
        snprintf(text, sizeof text, "extends: %d.yaml\n", i - 1);
        spill(name, text);
    }
    iv_spec_destroy(load_good("7.yaml", NULL)); /* eight files */
    load_fails("8.yaml", "1.yaml:1:10: `extends` for the 8th time, expected at most 8 files");

    char *large = malloc(IV_SPEC_MAX_BYTES + 1);
    assert_non_null(large);
    memset(large, '#', IV_SPEC_MAX_BYTES);
    memcpy(large, BASE, strlen(BASE));
    large[IV_SPEC_MAX_BYTES - 1] = '\n';
    large[IV_SPEC_MAX_BYTES] = '\0';
    spill("large.yaml", large);
    iv_spec_destroy(load_good("large.yaml", NULL));
    spill("more.yaml", "extends: large.yaml\n");
    load_fails("more.yaml",
               "large.yaml:1:1: more than 1048576 bytes with the specs that extend it, "
               "expected a smaller one");
    free(large);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(maps_merge_and_other_values_replace),
        FOLDER_TEST(the_key_may_stand_anywhere_at_the_top),
        FOLDER_TEST(a_tilde_takes_a_key_away),
        FOLDER_TEST(a_map_changes_elements_of_a_list_by_their_names),
        FOLDER_TEST(chains_merge_from_the_far_end),
        FOLDER_TEST(text_in_memory_extends_relative_to_its_name),
        FOLDER_TEST(messages_point_into_the_file_of_the_mistake),
        FOLDER_TEST(a_value_that_an_extended_sweep_replaces_is_refused),
        FOLDER_TEST(what_cannot_be_extended_is_refused_at_the_key),
        FOLDER_TEST(a_chain_that_comes_back_is_refused),
        FOLDER_TEST(chains_and_their_sizes_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
