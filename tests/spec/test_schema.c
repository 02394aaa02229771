/* What a study declares fits together: paths, defaults, conditions and choices of every row. */
#include "support.h"

#include "spec/schema.h"

#include <stdlib.h>
#include <string.h>

static const iv_schema *study;
static spec_schema rows;

/* Run `function` for every key of every study. */
static void for_each_key(void (*function)(const iv_key *key)) {
    for (size_t i = 0; (study = iv_study_schema(i)); i++) {
        rows = spec_schema_of(study, iv_study_schema);
        for (size_t k = 0; k < study->n_keys; k++) function(&study->keys[k]);
    }
}

static void check_path(const iv_key *key) {
    char parent[128];
    assert_ptr_equal(spec_key_find(&rows, key->path), key); /* there once */
    assert_true(key->doc && *key->doc);
    snprintf(parent, sizeof parent, "%s", key->path);
    size_t length = strlen(parent);
    char *cut = strcmp(parent + length - 2, "[]") == 0 ? parent + length - 2 : strrchr(parent, '.');
    if (!cut) return;
    *cut = '\0';
    const iv_key *above = spec_key_find(&rows, parent);
    assert_non_null(above);
    assert_true(above < key); /* resolved specs are written in this order */
    assert_int_equal(above->type,
                     strchr(key->path + strlen(parent), '[') ? IV_KEY_LIST : IV_KEY_MAP);
}

static void keys_stand_once_below_a_map_or_list(void **state) {
    (void)state;
    for_each_key(check_path);
}

/* Exactly what stands in for a key that is not written. */
static void check_preset(const iv_key *key) {
    bool absent = key->flags & (IV_KEY_REQUIRED | IV_KEY_OPTIONAL);
    bool element = strcmp(key->path + strlen(key->path) - 2, "[]") == 0;
    bool filled = !absent && !element && key->type != IV_KEY_MAP;
    assert_int_equal(key->preset != NULL, filled);
    if (key->flags & IV_KEY_INSTEAD) {
        char path[128];
        snprintf(path, sizeof path, "training.%s", key->path + strlen("runs[]."));
        assert_true(key->flags & IV_KEY_OPTIONAL);
        assert_int_equal(strncmp(key->path, "runs[].", 7), 0);
        assert_non_null(spec_key_find(&rows, path));
    }
}

static void keys_have_a_default_unless_they_may_be_absent(void **state) {
    (void)state;
    for_each_key(check_preset);
}

/* Names of choices once, and words of `text` among them. */
static void expect_choices(const iv_key *key, const char *words) {
    char word[64], choice[64];
    for (size_t i = 0; spec_word(words, i, word, sizeof word); i++) {
        size_t n_found = 0;
        for (size_t k = 0; spec_choice(&rows, key, k, choice, sizeof choice); k++)
            n_found += strcmp(word, choice) == 0;
        if (key->type == IV_KEY_ENUM) assert_int_equal(n_found, 1);
    }
}

static void expect_conditions(const iv_key *key, const char *text) {
    spec_condition condition;
    while (text) {
        text = spec_condition_next(text, &condition);
        const iv_key *about = spec_config_key(&rows, condition.path);
        assert_non_null(about);
        assert_ptr_not_equal(about, key);
        assert_null(strchr(condition.words, ' '));
        assert_false(about->flags & IV_KEY_OPTIONAL);
        expect_choices(about, condition.words);
    }
}

static void check_condition(const iv_key *key) {
    if (key->only_if) {
        assert_false(key->flags & IV_KEY_REQUIRED);
        assert_null(strstr(key->only_if, " or "));
        expect_conditions(key, key->only_if);
    }
    for (const char *text = key->own_if; text; text = strstr(text, " or ")) {
        if (text != key->own_if) text += 4;
        expect_conditions(key, text);
    }
    assert_true(key->own || !key->own_if);
    if (key->own && strcmp(key->own, "*") != 0) expect_choices(key, key->own);
    if (key->type == IV_KEY_ENUM && key->preset) expect_choices(key, key->preset);
}

static void conditions_are_about_keys_and_their_values(void **state) {
    (void)state;
    for_each_key(check_condition);
}

static void metrics_have_names_labels_and_ranges(void **state) {
    (void)state;
    for (size_t i = 0; (study = iv_study_schema(i)); i++) {
        const iv_metric_def *metric;
        for (size_t m = 0; (metric = study->metric(m)); m++) {
            assert_ptr_equal(iv_metric_find(study, metric->name), metric);
            assert_true(*metric->label && *metric->doc);
            spec_interval range = spec_interval_of(metric->range);
            assert_true(range.low < range.high);
        }
    }
    study = iv_schema_find(iv_study_schema, "regularization");
    assert_string_equal(iv_metric_find(study, "sigma_max.12")->name, "sigma_max");
    assert_null(iv_metric_find(study, "sigma_max.x"));
    assert_null(iv_metric_find(study, "accuracy.0"));
    assert_null(iv_metric_find(study, "accurac"));
}

static void studies_are_found_by_name(void **state) {
    (void)state;
    for (size_t i = 0; (study = iv_study_schema(i)); i++)
        assert_ptr_equal(iv_schema_find(iv_study_schema, study->study), study);
    assert_null(iv_schema_find(iv_study_schema, "none"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_stand_once_below_a_map_or_list),
        cmocka_unit_test(keys_have_a_default_unless_they_may_be_absent),
        cmocka_unit_test(conditions_are_about_keys_and_their_values),
        cmocka_unit_test(metrics_have_names_labels_and_ranges),
        cmocka_unit_test(studies_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
