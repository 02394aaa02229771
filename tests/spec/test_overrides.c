/* --set KEY=VALUE. */
#include "support.h"

#include <string.h>

static void override_replaces_a_value(void **state) {
    (void)state;
    iv_spec *spec = parse_good(SMALL "training: {epochs: 3}\n", "training.epochs=7");
    assert_int_equal(iv_spec_integer(iv_spec_root(spec), "training.epochs"), 7);
    iv_spec_destroy(spec);
}

static void override_makes_the_maps_on_its_way(void **state) {
    (void)state;
    iv_spec *spec = parse_good(SMALL, "training.learning_rate=1e-3");
    assert_true(iv_spec_number(iv_spec_root(spec), "training.learning_rate") == 1e-3);
    assert_int_equal(iv_spec_integer(iv_spec_root(spec), "training.batch"), 512);
    iv_spec_destroy(spec);
}

static void override_reaches_list_elements_by_index(void **state) {
    (void)state;
    iv_spec *spec = parse_good(HEAD "runs: [{name: DA, method: augmentation},\n"
                                    "       {name: IR, method: regularization}]\n",
                               "runs.1.nu=3");
    assert_true(iv_spec_number(iv_spec_root(spec), "runs.1.nu") == 3);
    assert_true(iv_spec_number(iv_spec_root(spec), "runs.0.nu") == 0);
    iv_spec_destroy(spec);
}

static void override_reaches_list_elements_by_name(void **state) {
    (void)state;
    static const char text[] = HEAD "runs: [{name: IR, method: regularization},\n"
                                    "       {name: IR.2, method: regularization},\n"
                                    "       {name: '0', method: regularization}]\n";
    iv_spec *spec = parse_good(text, "runs.IR.nu=3");
    assert_true(iv_spec_number(iv_spec_root(spec), "runs.0.nu") == 3);
    assert_true(iv_spec_number(iv_spec_root(spec), "runs.1.nu") == 0);
    iv_spec_destroy(spec);
    spec = parse_good(text, "runs.IR.2.nu=3"); /* the longer of two names that fit */
    assert_true(iv_spec_number(iv_spec_root(spec), "runs.0.nu") == 0);
    assert_true(iv_spec_number(iv_spec_root(spec), "runs.1.nu") == 3);
    iv_spec_destroy(spec);
    spec = parse_good(text, "runs.0.nu=3"); /* a number is an index where there is one */
    assert_true(iv_spec_number(iv_spec_root(spec), "runs.0.nu") == 3);
    assert_true(iv_spec_number(iv_spec_root(spec), "runs.2.nu") == 0);
    iv_spec_destroy(spec);
    expect_message(SMALL, "runs.DA.nu=5",
                   "--set runs.DA.nu: `nu` is set for method augmentation, expected only for "
                   "method regularization");
}

static void override_value_is_yaml(void **state) {
    (void)state;
    iv_spec *spec = parse_good(SMALL, "metrics={names: [si, li], every_epochs: 2}");
    const iv_node *root = iv_spec_root(spec);
    assert_int_equal(iv_spec_length(root, "metrics.names"), 2);
    assert_true(iv_spec_lists(root, "metrics.names", "li"));
    assert_false(iv_spec_lists(root, "metrics.names", "accuracy"));
    assert_int_equal(iv_spec_integer(root, "metrics.every_epochs"), 2);
    iv_spec_destroy(spec);
}

static void later_overrides_win(void **state) {
    (void)state;
    const char *overrides[] = {"seeds=3", "training.batch=64", "seeds=[7, 2]"};
    iv_error error = {0};
    iv_spec *spec;
    assert_ok(&error, iv_spec_parse("x", SMALL, strlen(SMALL), overrides, 3, iv_study_schema, &spec,
                                    &error));
    assert_int_equal(iv_spec_length(iv_spec_root(spec), "seeds"), 2);
    assert_int_equal(iv_spec_integer(iv_spec_root(spec), "seeds.0"), 7);
    assert_int_equal(iv_spec_integer(iv_spec_root(spec), "training.batch"), 64);
    iv_spec_destroy(spec);
}

static void override_finds_dotted_keys_of_a_sweep(void **state) {
    (void)state;
    iv_spec *spec =
        parse_good(SMALL "sweep: {training.batch: [8, 16]}\n", "sweep.training.batch=[4]");
    assert_int_equal(iv_spec_length(iv_spec_root(spec), "sweep"), 1);
    iv_spec_destroy(spec);
}

static void messages_name_the_override(void **state) {
    (void)state;
    expect_message(SMALL, "training.epoch=7",
                   "--set training.epoch: unknown key `epoch` in `training`, did you mean "
                   "`epochs`?");
    expect_message(SMALL, "training.epochs=many",
                   "--set training.epochs: `training.epochs` is `many`, expected an integer in "
                   "[1, 1000000]");
    expect_message(SMALL, "seeds=[1",
                   "--set seeds: not YAML: did not find expected ',' or ']' while parsing a flow "
                   "sequence, expected a map of keys and values");
    expect_message(SMALL,
                   "seeds=", "--set seeds: no value, expected KEY.PATH=VALUE (training.epochs=5)");
    expect_message(SMALL, "seeds",
                   "--set seeds: no value, expected KEY.PATH=VALUE "
                   "(training.epochs=5)");
    expect_message(SMALL, "=5", "--set =5: no value, expected KEY.PATH=VALUE (training.epochs=5)");
    expect_message(SMALL, "name.x=5",
                   "--set name.x: leads through the value `small`, expected a map or a list there");
    expect_message(SMALL, "runs.1.nu=5",
                   "--set runs.1.nu: no element `1` in the list, expected an index from 0 to 0 "
                   "or DA");
    expect_message(SMALL, "runs.DB.nu=5",
                   "--set runs.DB.nu: no element `DB` in the list, expected an index from 0 to 0 "
                   "or DA");
    expect_message(SMALL, "training.=5",
                   "--set training.: the key ends in a dot, expected KEY.PATH=VALUE");
}

static void override_of_a_swept_key_is_refused(void **state) {
    (void)state;
    expect_message(SMALL "sweep: {training.batch: [8, 16]}\n", "training.batch=4",
                   "--set training.batch: `training.batch` is swept at spec.yaml:6:9 and the sweep "
                   "replaces this value, expected to set the sweep");
    expect_message(HEAD "runs: [{name: IR, method: regularization, sweep: {nu: [1]}}]\n",
                   "runs.0.nu=3",
                   "--set runs.0.nu: `nu` is swept at spec.yaml:5:51 and the sweep replaces this "
                   "value, expected to set the sweep");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(override_replaces_a_value),
        cmocka_unit_test(override_makes_the_maps_on_its_way),
        cmocka_unit_test(override_reaches_list_elements_by_index),
        cmocka_unit_test(override_reaches_list_elements_by_name),
        cmocka_unit_test(override_value_is_yaml),
        cmocka_unit_test(later_overrides_win),
        cmocka_unit_test(override_finds_dotted_keys_of_a_sweep),
        cmocka_unit_test(messages_name_the_override),
        cmocka_unit_test(override_of_a_swept_key_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
