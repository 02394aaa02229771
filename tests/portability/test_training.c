/* The three studies on devices that allow little (disguise.c): they train, and what they measure is
 * what the same spec gives on the device as it is, but for rounding. All kernels that they build on
 * the way are then compiled as strict OpenCL C 1.2. */
#include "../kit/json.h"
#include "../kit/process.h"

#include <math.h>

/* A few steps each, at rates that keep rounding errors from growing much from one to the next. */
static const struct {
    const char *name, *text;
} specs[] = {
    {"regularization",
     "study: regularization\n"
     "name: small\n"
     "seeds: [5]\n"
     "dataset: {name: digits, images: 500, train: 256, validation: 50, test: 100}\n"
     "group: {kind: rotation, order: 4}\n"
     "model: {hidden: 72, layers: 4}\n"
     "training: {batch: 64, epochs: 1, learning_rate: 0.001}\n"
     "runs:\n"
     "  - {name: WT, method: weight-tying}\n"
     "  - {name: IR, method: regularization, nu: 3}\n"
     "metrics: {names: [accuracy, li, sigma_max, sigma_max_jacobian]}\n"
     "figures: {names: []}\n"},
    {"autoencoder",
     "study: autoencoder\n"
     "name: small\n"
     "seeds: [5]\n"
     "dataset: {dimensions: 5, train: 320, test: 300}\n"
     "model: {width: 3}\n"
     "training: {batch: 32, epochs: 1}\n"
     "runs:\n"
     "  - {name: rich, layer: rich, depth: 2, lift: 1, momentum: 0.5, learning_rate: 0.0002}\n"
     "figures: {names: []}\n"
     "sweep: {task.code: [modulus-sine-cosine, cycle]}\n"},
    {"marginal-likelihood",
     "study: marginal-likelihood\n"
     "name: small\n"
     "seeds: [5]\n"
     "dataset: {name: digits, transformation: rotated, train: 160, test: 100}\n"
     "model: {features: relu, hidden: 72, samples: 3}\n"
     "training: {batch: 32, epochs: 2, learning_rate: 0.01}\n"
     "runs:\n"
     "  - {name: affine, invariance: affine, eta: 0.2}\n"
     "  - {name: sgpr, method: sgpr, inducing: 40, iterations: 3}\n"
     "figures: {names: []}\n"},
};
enum { N_SPECS = sizeof specs / sizeof *specs };

static const char *limit;        /* of a kernel's work-items */
static const char *limited = ""; /* the kernel; "" for all */

static char *programs; /* a folder for the kernels that trainings build */

/* The device as it is, with its programs noted. */
static void put_on_nothing(void) {
    setenv("INVAR_DISGUISE_LOG", programs, 1);
    setenv("INVAR_CACHE", "off", 1); /* a binary has no source to note */
}

static void put_on_disguise(void) {
    put_on_nothing();
    setenv("INVAR_DISGUISE_TYPE", "gpu", 1);
    setenv("INVAR_DISGUISE_GROUP", "256", 1);
    setenv("INVAR_DISGUISE_LOCAL", "32768", 1);
    setenv("INVAR_DISGUISE_ALLOC", "268435456", 1);
    setenv("INVAR_DISGUISE_VECTOR", "1", 1);
    setenv("INVAR_DISGUISE_KERNEL", limit, 1);
    setenv("INVAR_DISGUISE_KERNEL_NAME", limited, 1);
}

/* ------------------------------------------------------------------ comparing */

/* In another order, a sum of n numbers differs by n units of 2^-24 of its terms at the most, and by
 * the root of n of them as a rule: 2e-6 for the thousand terms of the longest ones here. Some ten
 * steps and what is measured after them add such errors up, and differences of nearly equal numbers
 * lose a digit. An accuracy may change by an image. */
static double tolerance_of(const char *metric, double value) {
    return strstr(metric, "accuracy") ? 0.011 : 1e-6 + 1e-4 * fabs(value);
}

static void compare_numbers(const char *run, const char *metric, const json_t *right,
                            const json_t *got) {
    if (json_is_array(right)) {
        assert_int_equal(json_array_size(right), json_array_size(got));
        for (size_t i = 0; i < json_array_size(right); i++)
            compare_numbers(run, metric, json_array_get(right, i), json_array_get(got, i));
        return;
    }
    assert_true(json_is_number(right) && json_is_number(got));
    const double a = json_number_value(right), b = json_number_value(got);
    if (!(fabs(a - b) <= tolerance_of(metric, a)))
        fail_msg("%s, %s: %.9g instead of %.9g", run, metric, b, a);
}

static void compare_results(const json_t *right, const json_t *got) {
    const json_t *runs = json_object_get(right, "runs"), *others = json_object_get(got, "runs");
    assert_true(json_array_size(runs) > 0 && json_array_size(runs) == json_array_size(others));
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i), *other = json_array_get(others, i);
        const char *metric;
        json_t *value;
        json_object_foreach(json_object_get((json_t *)(uintptr_t)run, "metrics"), metric, value)
            compare_numbers(json_string_value(json_object_get(run, "name")), metric, value,
                            json_object_get(json_object_get(other, "metrics"), metric));
    }
}

/* ------------------------------------------------------------------ training */

static json_t *train(void **state, size_t spec, const char *folder, void (*prepare)(void)) {
    const char *path = in_scratch(state, "small.yaml"), *out = in_scratch(state, folder);
    spill(path, specs[spec].text);
    outcome o = invar_with(state, prepare, ARGUMENTS("run", path, "--out", out, "--quiet"));
    assert_status(&o, 0);
    outcome_free(&o);
    return read_json(in(out, "results.json"));
}

static void compare_at(void **state, const char *items) {
    for (size_t i = 0; i < N_SPECS; i++) {
        json_t *right = train(state, i, "whole", put_on_nothing);
        limit = items;
        json_t *got = train(state, i, "small", put_on_disguise);
        compare_results(right, got);
        json_decref(right);
        json_decref(got);
        remove_tree(in_scratch(state, "whole"));
        remove_tree(in_scratch(state, "small"));
    }
}

static void studies_agree_where_kernels_have_64_work_items(void **state) {
    compare_at(state, "64");
}

/* 1 is what Apple's driver of CPUs allows kernels with barriers. */
static void studies_agree_whatever_kernels_are_allowed(void **state) {
    if (!is_full_run()) SKIP_BECAUSE("only in a full run");
    static const char *const limits[] = {"256", "128", "16", "1"};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) compare_at(state, limits[i]);
}

/* kernels.py says what is compiled, and how. */
static void kernels_are_strict_opencl_c_1_2(void **state) {
    const char *python = python_with("concurrent.futures");
    if (!*CLANG) SKIP_BECAUSE("no clang");
    if (!python) SKIP_BECAUSE("no Python");
    char command[4 * SCRATCH_PATH];
    const char *said = in_scratch(state, "said");
    snprintf(command, sizeof command, "%s %s %s %s %s %s >%s 2>&1", python, KERNELS_SCRIPT, CLANG,
             KERNELS, MADE_KERNELS, programs, said);
    const int status = system(command);
    char *text = slurp(said, NULL);
    if (status != 0) fail_msg("%s", text);
    print_message("# %s", text);
    free(text);
}

static void what_fits_nowhere_is_said_before_anything_is_trained(void **state) {
    const char *path = in_scratch(state, "small.yaml"), *out = in_scratch(state, "none");
    spill(path, specs[0].text);
    limit = "0";
    limited = "gemm_tiled";
    outcome o = invar_with(state, put_on_disguise, ARGUMENTS("run", path, "--out", out));
    assert_status(&o, 3);
    limited = "";
    assert_contains(o.err, "gemm_tiled.gemm_tiled wants work-groups of");
    assert_contains(o.err, "(driver ");
    assert_contains(o.err, "allows 0 work-items for it");
    assert_lacks(o.out, "epoch");
    outcome_free(&o);
    remove_tree(out);
}

static int make_folder_of_programs(void **state) {
    static char name[] = "/tmp/invar-programs-XXXXXX";
    (void)state;
    programs = mkdtemp(name);
    return programs ? 0 : -1;
}

static int remove_folder_of_programs(void **state) {
    (void)state;
    remove_tree(programs);
    return 0;
}

int main(void) {
    setenv("OCL_ICD_VENDORS", DISGUISE_ICD, 1);
    unsetenv("INVAR_DEVICE");
    if (run_without_device()) return 0;
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(studies_agree_where_kernels_have_64_work_items),
        SCRATCH_TEST(studies_agree_whatever_kernels_are_allowed),
        SCRATCH_TEST(kernels_are_strict_opencl_c_1_2),
        SCRATCH_TEST(what_fits_nowhere_is_said_before_anything_is_trained),
    };
    return cmocka_run_group_tests(tests, make_folder_of_programs, remove_folder_of_programs);
}
