/* Reports as JSON, and what comparing two of them says. The files are read back with jansson, and
 * the numbers of the comparison are worked out by hand. */
#include "../kit/files.h"
#include "samples.h"

#include <invar/bench.h>

#include <jansson.h>
#include <math.h>

static const iv_bench_item item_with_nan = {.name = "svd/a",
                                            .unit = "ms",
                                            .value = 0.1,
                                            .spread = 0.25,
                                            .repetitions = 12,
                                            .milliseconds = 0.1,
                                            .percent_of_peak = NAN};

static void write_one(void **state, const char *device_name, const char **path) {
    iv_bench_item items[] = {item_with_nan, item_with_nan};
    snprintf(items[1].name, sizeof items[1].name, "gemm/b");
    snprintf(items[1].unit, sizeof items[1].unit, "GFLOP/s");
    items[1].higher_is_better = true;
    items[1].percent_of_peak = 87.5;
    iv_bench_device device = {.driver = "1.0",
                              .platform = "P",
                              .version = "OpenCL 1.2",
                              .type = "gpu",
                              .compute_units = 7,
                              .peak_gflops = 123.25,
                              .peak_gb_per_s = NAN,
                              .items = items,
                              .n_items = 2};
    snprintf(device.name, sizeof device.name, "%s", device_name);
    iv_bench_report report;
    iv_bench_report_begin(&report);
    report.devices = &device;
    report.n_devices = 1;
    *path = in_scratch(state, "report.json");
    iv_error error = {0};
    assert_ok(&error, iv_bench_report_write(&report, *path, &error));
}

static void a_report_has_the_documented_keys(void **state) {
    const char *path;
    write_one(state, "D", &path);
    json_error_t reason;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &reason);
    if (!root) fail_msg("%s", reason.text);

    const char *name, *unit, *better, *type, *texts[6];
    double value, spread, milliseconds, percent, peak;
    json_int_t repetitions, units;
    json_t *devices;
    assert_int_equal(json_unpack(root, "{ss ss ss ss ss ss so !}", "version", &texts[0], "commit",
                                 &texts[1], "opencl_headers", &texts[2], "host", &texts[3],
                                 "system", &texts[4], "date", &texts[5], "devices", &devices),
                     0);
    assert_string_equal(texts[2], "1.2");
    assert_int_equal(strlen(texts[5]), strlen("2024-01-01T00:00:00Z"));
    assert_int_equal(json_array_size(devices), 1);

    json_t *items, *none;
    assert_int_equal(json_unpack(json_array_get(devices, 0), "{ss ss ss ss ss sI sF so so !}",
                                 "name", &texts[0], "platform", &texts[1], "driver", &texts[2],
                                 "version", &texts[3], "type", &type, "compute_units", &units,
                                 "peak_gflops", &peak, "peak_gb_per_s", &none, "items", &items),
                     0);
    assert_string_equal(type, "gpu");
    assert_int_equal(units, 7);
    assert_true(peak == 123.25);
    assert_true(json_is_null(none));
    assert_int_equal(json_array_size(items), 2);
    assert_true(json_is_null(json_object_get(json_array_get(items, 0), "percent_of_peak")));
    assert_string_equal(json_string_value(json_object_get(json_array_get(items, 0), "better")),
                        "lower");

    assert_int_equal(json_unpack(json_array_get(items, 1), "{ss ss ss sF sF sI sF sF !}", "name",
                                 &name, "unit", &unit, "better", &better, "value", &value, "spread",
                                 &spread, "repetitions", &repetitions, "milliseconds",
                                 &milliseconds, "percent_of_peak", &percent),
                     0);
    assert_string_equal(name, "gemm/b");
    assert_string_equal(better, "higher");
    assert_true(value == 0.1 && spread == 0.25 && percent == 87.5);
    assert_int_equal(repetitions, 12);
    json_decref(root);
}

static void a_report_reads_back_as_it_was_written(void **state) {
    const char *path;
    write_one(state, "D", &path);
    iv_bench_report report;
    iv_error error = {0};
    assert_ok(&error, iv_bench_report_read(path, &report, &error));
    assert_int_equal(report.n_devices, 1);
    const iv_bench_device *device = &report.devices[0];
    assert_string_equal(device->name, "D");
    assert_true(device->peak_gflops == 123.25 && isnan(device->peak_gb_per_s));
    assert_int_equal(device->n_items, 2);
    assert_string_equal(device->items[0].name, "svd/a");
    assert_string_equal(device->items[0].unit, "ms");
    assert_false(device->items[0].higher_is_better);
    assert_true(device->items[1].higher_is_better);
    assert_true(device->items[0].value == 0.1 && isnan(device->items[0].percent_of_peak));
    assert_int_equal(device->items[0].repetitions, 12);
    iv_bench_report_free(&report);
}

static void a_device_name_in_another_encoding_still_gives_json(void **state) {
    const char *path;
    write_one(state, "GPU\xae \"quoted\"", &path);
    json_error_t reason;
    json_t *root = json_load_file(path, 0, &reason);
    if (!root) fail_msg("%s", reason.text);
    json_t *device = json_array_get(json_object_get(root, "devices"), 0);
    assert_string_equal(json_string_value(json_object_get(device, "name")), "GPU? \"quoted\"");
    json_decref(root);
}

/* Every key, left out or of another kind, is named in the message. */
static void a_damaged_report_is_refused_by_key(void **state) {
    static const char *const keys[] = {
        "version",       "commit",         "opencl_headers", "host",   "system",
        "date",          "devices",        "platform",       "driver", "type",
        "compute_units", "peak_gflops",    "peak_gb_per_s",  "items",  "name",
        "unit",          "better",         "value",          "spread", "repetitions",
        "milliseconds",  "percent_of_peak"};
    const char *path = in_scratch(state, "damaged.json");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char key[64], text[sizeof sample_a];
        memcpy(text, sample_a, sizeof text);
        snprintf(key, sizeof key, "\"%s\":", keys[i]);
        char *at = strstr(text, key);
        assert_non_null(at);
        at[1] = 'X'; /* the key is gone */
        spill(path, text);

        iv_bench_report report;
        iv_error error = {0};
        assert_int_equal(iv_bench_report_read(path, &report, &error), IV_EDATA);
        assert_contains(error.message, path);
        snprintf(key, sizeof key, "\"%s\"", keys[i]);
        assert_contains(error.message, key);
        assert_int_equal(report.n_devices, 0);
    }
}

static void what_is_no_report_is_refused(void **state) {
    static const char *const texts[] = {"", "[]", "{}", "{\"devices\": 3}", "{\"a\": "};
    iv_bench_report report;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *path = in_scratch(state, "other.json");
        iv_error error = {0};
        spill(path, texts[i]);
        assert_int_equal(iv_bench_report_read(path, &report, &error), IV_EDATA);
        assert_contains(error.message, path);
    }
    iv_error error = {0};
    assert_int_equal(iv_bench_report_read(in_scratch(state, "none.json"), &report, &error),
                     IV_EDATA);
    assert_contains(error.message, "none.json");
}

/* ------------------------------------------------------------------ comparing */

static void read_samples(void **state, iv_bench_report reports[2], iv_bench_column columns[2]) {
    const char *const texts[] = {sample_a, sample_b};
    for (int i = 0; i < 2; i++) {
        const char *path = in_scratch(state, i ? "b.json" : "a.json");
        iv_error error = {0};
        spill(path, texts[i]);
        assert_ok(&error, iv_bench_report_read(path, &reports[i], &error));
        columns[i] = (iv_bench_column){.device = &reports[i].devices[0]};
    }
}

static void ratios_are_above_one_for_the_faster(void **state) {
    iv_bench_report reports[2];
    iv_bench_column columns[2];
    read_samples(state, reports, columns);
    const iv_bench_item *items = columns[0].device->items;
    assert_true(iv_bench_ratio(columns, 1, &items[0]) == 2);    /* 400 / 200 GFLOP/s */
    assert_true(iv_bench_ratio(columns, 1, &items[1]) == 0.25); /* 2.5 / 10 ms */
    assert_true(isnan(iv_bench_ratio(columns, 1, &items[2])));  /* missing */
    assert_true(isnan(iv_bench_ratio(columns, 1, &items[3])));  /* another unit */
    for (size_t i = 0; i < 4; i++) assert_true(iv_bench_ratio(columns, 0, &items[i]) == 1);
    for (int i = 0; i < 2; i++) iv_bench_report_free(&reports[i]);
}

/* The words of the line that starts with `name`. */
static size_t words_of_line(const char *table, const char *name, char words[8][32]) {
    char start[64];
    snprintf(start, sizeof start, "\n%s ", name);
    const char *line = strstr(table, start);
    assert_non_null(line);
    return (size_t)sscanf(line, "%31s %31s %31s %31s %31s %31s", words[0], words[1], words[2],
                          words[3], words[4], words[5]);
}

static void the_table_shows_values_and_ratios(void **state) {
    iv_bench_report reports[2];
    iv_bench_column columns[2];
    read_samples(state, reports, columns);
    char *table, words[8][32];
    iv_error error = {0};
    assert_ok(&error, iv_bench_compare_table(columns, 2, &table, &error));
    assert_contains(table, "[1] Slow\n[2] Fast <&\"\n");

    assert_true(words_of_line(table, "gemm/a", words) >= 5);
    assert_string_equal(words[1], "GFLOP/s");
    assert_string_equal(words[2], "200.0");
    assert_string_equal(words[3], "400.0");
    assert_string_equal(words[4], "2.00");
    assert_true(words_of_line(table, "step/b", words) >= 5);
    assert_string_equal(words[2], "2.50");
    assert_string_equal(words[3], "10.00");
    assert_string_equal(words[4], "0.25");
    assert_true(words_of_line(table, "svd/alone", words) >= 5);
    assert_string_equal(words[2], "3.00");
    assert_string_equal(words[3], "-");
    assert_string_equal(words[4], "-");
    /* sqrt(2 / 4) = 0.7071 over the two items that both have */
    assert_true(words_of_line(table, "geometric", words) >= 3);
    assert_string_equal(words[2], "0.71");
    free(table);
    for (int i = 0; i < 2; i++) iv_bench_report_free(&reports[i]);
}

static void nothing_to_compare_is_refused(void **state) {
    iv_bench_report reports[2];
    iv_bench_column columns[2];
    read_samples(state, reports, columns);
    char *text;
    iv_error error = {0};
    assert_int_equal(iv_bench_compare_table(columns, 1, &text, &error), IV_EINVAL);
    assert_null(text);
    assert_contains(error.message, "two");

    iv_error_clear(&error);
    for (size_t i = 0; i < reports[1].devices[0].n_items; i++)
        reports[1].devices[0].items[i].name[0] = 'x';
    assert_int_equal(iv_bench_compare_svg(columns, 2, &text, &error), IV_EINVAL);
    assert_null(text);
    assert_contains(error.message, "in common");
    for (int i = 0; i < 2; i++) iv_bench_report_free(&reports[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(a_report_has_the_documented_keys),
        SCRATCH_TEST(a_report_reads_back_as_it_was_written),
        SCRATCH_TEST(a_device_name_in_another_encoding_still_gives_json),
        SCRATCH_TEST(a_damaged_report_is_refused_by_key),
        SCRATCH_TEST(what_is_no_report_is_refused),
        SCRATCH_TEST(ratios_are_above_one_for_the_faster),
        SCRATCH_TEST(the_table_shows_values_and_ratios),
        SCRATCH_TEST(nothing_to_compare_is_refused),
    };
    return cmocka_run_group_tests_name("bench reports", tests, NULL, NULL);
}
