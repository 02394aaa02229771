/* `invar bench` as a user runs it. Nothing here depends on how fast the machine is. */
#include "../kit/json.h"
#include "../kit/process.h"

#include "samples.h"

#include <signal.h>
#include <time.h>

/* One item of each suite, so that the test stays short. */
static void every_suite_leaves_finite_numbers(void **state) {
    static const char *const names[] = {"peak/multiply-adds",
                                        "peak/triad",
                                        "peak/launch-and-wait",
                                        "gemm/512x10x128-nt",
                                        "svd/10x128-x1",
                                        "jacobian/1024-inputs",
                                        "jacobian/1024-inputs-singular-values",
                                        "convolution/32x64x28x28-128x1x1",
                                        "convolution/32x64x28x28-128x1x1-gradient",
                                        "step/regularization-rotation-4-da-x1",
                                        "input/shift-3-random",
                                        "input/shift-3-random-images"};
    const char *path = in_scratch(state, "bench.json");
    outcome o = invar(state, "bench", "peak/multiply", "peak/triad", "peak/launch-and-wait",
                      "gemm/512x10x128-nt", "svd/10x128-x1", "jacobian", "convolution/128x1x1",
                      "step/regularization-rotation-4-da-x1", "input/shift-3", "--time=0.01",
                      "--json", path, NULL);
    assert_status(&o, 0);

    json_t *root = read_json(path);
    json_t *devices = json_object_get(root, "devices");
    assert_int_equal(json_array_size(devices), 1);
    json_t *device = json_array_get(devices, 0);
    assert_true(json_number_value(json_object_get(device, "peak_gflops")) > 0);
    assert_true(json_number_value(json_object_get(device, "peak_gb_per_s")) > 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *items = json_object_get(device, "items"), *item, *found = NULL;
        size_t k;
        json_array_foreach(items, k, item) {
            if (strcmp(json_string_value(json_object_get(item, "name")), names[i]) == 0)
                found = item;
        }
        if (!found) fail_msg("no item %s", names[i]);
        assert_contains(o.out, names[i]);
        assert_true(json_number_value(json_object_get(found, "value")) > 0);
        assert_true(json_number_value(json_object_get(found, "milliseconds")) > 0);
        assert_true(json_number_value(json_object_get(found, "spread")) >= 0);
        assert_true(json_integer_value(json_object_get(found, "repetitions")) >= 3);
    }
    json_decref(root);
    outcome_free(&o);
}

static void only_the_items_asked_for_are_measured(void **state) {
    const char *path = in_scratch(state, "bench.json");
    invar_succeeds(state,
                   ARGUMENTS("bench", "gemm/128x80x80-nt-x4", "--time", "0.01", "--json", path));
    json_t *root = read_json(path);
    json_t *items = json_object_get(json_array_get(json_object_get(root, "devices"), 0), "items");
    assert_int_equal(json_array_size(items), 1);
    json_t *item = json_array_get(items, 0);
    assert_string_equal(json_string_value(json_object_get(item, "name")), "gemm/128x80x80-nt-x4");
    /* 2 m n k a member, four members */
    const double flops = 2.0 * 128 * 80 * 80 * 4;
    const double gflops = 1e-6 * flops / json_number_value(json_object_get(item, "milliseconds"));
    const double value = json_number_value(json_object_get(item, "value"));
    assert_true(value > gflops * (1 - 1e-12) && value < gflops * (1 + 1e-12));
    assert_true(json_number_value(json_object_get(item, "percent_of_peak")) > 0);
    json_decref(root);
}

/* How many items of the first device a file holds that may not be there yet. */
static size_t count_items(const char *path) {
    json_t *root = json_load_file(path, 0, NULL);
    const size_t n = json_array_size(
        json_object_get(json_array_get(json_object_get(root, "devices"), 0), "items"));
    json_decref(root);
    return n;
}

/* The kernels of the program's text and of its trace are the same, and as many as it says. */
static void a_profile_shows_every_kernel_and_a_trace_every_launch(void **state) {
    const char *path = in_scratch(state, "trace.json");
    outcome o = invar(state, "bench", "svd/10x128-x1", "gemm/128x80x80-nt-x4", "--time=0.01",
                      "--profile", "--trace", path, NULL);
    assert_status(&o, 0);
    json_t *root = read_json(path), *event;
    size_t i, n_named[3] = {0}, n_launches[3] = {0}, n_said = 0;
    double end[3] = {0};
    json_array_foreach(json_object_get(root, "traceEvents"), i, event) {
        const char *kind = json_string_value(json_object_get(event, "ph"));
        const size_t track = (size_t)json_integer_value(json_object_get(event, "tid"));
        assert_in_range(track, 0, 2);
        if (strcmp(kind, "M") == 0) {
            n_named[track]++;
            continue;
        }
        assert_string_equal(kind, "X");
        assert_contains(o.out, json_string_value(json_object_get(event, "name")));
        const double start = json_number_value(json_object_get(event, "ts"));
        assert_true(start >= end[track]);
        end[track] = start + json_number_value(json_object_get(event, "dur")) - 1e-3;
        n_launches[track]++;
        json_t *sizes = json_object_get(event, "args");
        assert_true(json_array_size(json_object_get(sizes, "global")) >= 1);
        assert_true(json_array_size(json_object_get(sizes, "local")) >= 1);
    }
    json_decref(root);
    for (size_t track = 0; track < 3; track++) assert_int_equal(n_named[track], 1);
    assert_true(n_launches[1] > 0 && n_launches[2] > 0);

    static const char said[] = "all, one after another";
    for (const char *at = strstr(o.out, said); at; at = strstr(at + 1, said))
        n_said += strtoul(at + sizeof said, NULL, 10);
    assert_int_equal(n_said, n_launches[1] + n_launches[2]);
    outcome_free(&o);

    o = invar(state, "bench", "svd/10x128-x1", "--trace", path, "--device", "all", NULL);
    assert_status(&o, 2);
    outcome_free(&o);
}

static void a_process_that_dies_leaves_what_it_measured(void **state) {
    const char *path = in_scratch(state, "bench.json");
    const process running =
        invar_start(state, ARGUMENTS("bench", "peak", "gemm", "--time", "0.2", "--json", path));
    for (int i = 0; i < 6000 && count_items(path) < 2; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_int_equal(kill(running.pid, SIGKILL), 0);
    outcome o = invar_wait(&running);
    assert_int_equal(o.status, -SIGKILL);
    const size_t n = count_items(path);
    assert_true(n >= 2);

    /* The file is whole, and can be compared with itself. */
    outcome compared = invar(state, "bench", "--compare", path, path, NULL);
    assert_status(&compared, 0);
    assert_contains(compared.out, "peak/");
    outcome_free(&compared);
    /* Whatever was shown is in it. */
    size_t n_shown = 0;
    for (const char *s = o.out; (s = strstr(s, "\npeak/")); s++) n_shown++;
    for (const char *s = o.out; (s = strstr(s, "\ngemm/")); s++) n_shown++;
    assert_true(n_shown <= n);
    outcome_free(&o);
}

static void measurements_that_cannot_be_kept_end_with_the_first_item(void **state) {
    outcome o = invar(state, "bench", "peak", "--time", "0.01", "--json",
                      in_scratch(state, "no/such/folder.json"), NULL);
    assert_status(&o, 1);
    assert_contains(o.err, "no/such/folder.json");
    assert_lacks(o.out, "peak/triad");
    outcome_free(&o);
}

static void all_devices_are_measured_in_turn(void **state) {
    const char *path = in_scratch(state, "bench.json");
    invar_succeeds(state, ARGUMENTS("bench", "peak/launch-and-wait", "--device", "all", "--time",
                                    "0.01", "--json", path));
    json_t *root = read_json(path);
    assert_true(json_array_size(json_object_get(root, "devices")) >= 1);
    json_decref(root);
}

static void an_unknown_suite_is_bad_usage(void **state) {
    const char *path = in_scratch(state, "bench.json");
    invar_fails(state, ARGUMENTS("bench", "peak", "gem", "--json", path), 2, "\"gem\"",
                "peak, gemm, svd, jacobian, convolution, step, input", NULL);
    assert_false(exists(path));
}

static void a_part_that_fits_no_item_is_bad_usage(void **state) {
    const char *path = in_scratch(state, "bench.json");
    invar_fails(state, ARGUMENTS("bench", "gemm/no-such-shape", "--json", path), 2,
                "gemm/no-such-shape", NULL);
    assert_false(exists(path));
}

static void wrong_options_are_bad_usage(void **state) {
    invar_fails(state, ARGUMENTS("bench", "--time", "0"), 2, "--time", NULL);
    invar_fails(state, ARGUMENTS("bench", "--time", "1s"), 2, "--time", NULL);
    invar_fails(state, ARGUMENTS("bench", "--json"), 2, "--json", NULL);
    invar_fails(state, ARGUMENTS("bench", "--fast"), 2, "--fast", NULL);
    invar_fails(state, ARGUMENTS("bench", "--svg", "a.svg"), 2, "--compare", NULL);
    invar_fails(state, ARGUMENTS("bench", "--compare"), 2, "--compare", NULL);
    invar_fails(state, ARGUMENTS("bench", "--compare", "a.json", "--json", "b.json"), 2,
                "--compare", NULL);
}

static void an_unknown_device_is_reported(void **state) {
    invar_fails(state, ARGUMENTS("bench", "peak", "--device", "no such device"), 3,
                "no such device", NULL);
}

static void two_files_are_compared(void **state) {
    const char *a = in_scratch(state, "a.json"), *b = in_scratch(state, "b.json");
    const char *svg = in_scratch(state, "ratios.svg");
    spill(a, sample_a);
    spill(b, sample_b);
    outcome o = invar(state, "bench", "--compare", a, b, "--svg", svg, NULL);
    assert_status(&o, 0);
    assert_contains(o.out, "a.json: Slow\n");
    assert_contains(o.out, " 2.00\n");
    assert_contains(o.out, " 0.25\n");
    assert_true(exists(svg));
    outcome_free(&o);
}

static void a_file_that_is_no_report_is_not_compared(void **state) {
    const char *a = in_scratch(state, "a.json"), *b = in_scratch(state, "b.json");
    const char *svg = in_scratch(state, "ratios.svg");
    spill(a, sample_a);
    spill(b, "{\"devices\": []}");
    invar_fails(state, ARGUMENTS("bench", "--compare", a, b, "--svg", svg), 4, "b.json", NULL);
    invar_fails(state, ARGUMENTS("bench", "--compare", a, "nowhere.json"), 4, "nowhere.json", NULL);
    invar_fails(state, ARGUMENTS("bench", "--compare", a), 2, "two", NULL);
    assert_false(exists(svg));
}

int main(void) {
    if (run_without_device()) return 0;
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(every_suite_leaves_finite_numbers),
        SCRATCH_TEST(only_the_items_asked_for_are_measured),
        SCRATCH_TEST(a_profile_shows_every_kernel_and_a_trace_every_launch),
        SCRATCH_TEST(a_process_that_dies_leaves_what_it_measured),
        SCRATCH_TEST(measurements_that_cannot_be_kept_end_with_the_first_item),
        SCRATCH_TEST(all_devices_are_measured_in_turn),
        SCRATCH_TEST(an_unknown_suite_is_bad_usage),
        SCRATCH_TEST(a_part_that_fits_no_item_is_bad_usage),
        SCRATCH_TEST(wrong_options_are_bad_usage),
        SCRATCH_TEST(an_unknown_device_is_reported),
        SCRATCH_TEST(two_files_are_compared),
        SCRATCH_TEST(a_file_that_is_no_report_is_not_compared),
    };
    return cmocka_run_group_tests_name("bench command", tests, NULL, NULL);
}
