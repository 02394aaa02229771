/* invar audit: what it prints and writes, for models of PyTorch and of Invar itself; and what it
 * says to what it cannot audit. */
#include "../data/own_files.h"
#include "../kit/json.h"
#include "../kit/process.h"
#include "models.h"

#include <math.h>

#define FROM_PYTORCH(name) PYTORCH_FOLDER "/" name

static json_t *audit_json(void **state, const char *const *arguments) {
    outcome o = invar_with(state, NULL, arguments);
    assert_status(&o, 0);
    assert_string_equal(o.err, "");
    json_t *root = json_loads(o.out, 0, NULL);
    assert_non_null(root);
    outcome_free(&o);
    return root;
}

static const json_t *model_of(const json_t *audit, size_t i, const char *name) {
    const json_t *model = json_array_get(json_object_get(audit, "models"), i);
    assert_string_equal(json_string_value(json_object_get(model, "name")), name);
    return model;
}

static const json_t *value_of(const json_t *model, const char *metric) {
    return json_object_get(json_object_get(json_object_get(model, "metrics"), metric), "value");
}

/* ------------------------------------------------------------------ the oracle is PyTorch */

static void close_to(const char *what, const json_t *found, const json_t *expected) {
    assert_true(json_is_number(found) && json_is_number(expected));
    const double a = json_number_value(found), b = json_number_value(expected);
    /* Of SI, a mean of cosines that nearly cancel, 1e-5 of their size. */
    if (!(fabs(a - b) <= 1e-5 * fmax(1, fabs(b))))
        fail_msg("%s: %.9g, PyTorch says %.9g", what, a, b);
}

static void numbers_of_a_state_dict_are_those_of_pytorch(void **state) {
    static const char *const scalars[] = {"accuracy", "li", "di", "si", "sigma_max_jacobian"};
    static const char *const names[] = {"mlp", "mlp-half"};
    json_t *expected = read_json(FROM_PYTORCH("expected.json"));
    json_t *found =
        audit_json(state, ARGUMENTS("audit", FROM_PYTORCH("mlp.safetensors"),
                                    FROM_PYTORCH("mlp-half.safetensors"), "--data",
                                    FROM_PYTORCH("images"), "--group", "rotation:4", "--activation",
                                    "tanh", "--mean", "0.25", "--std", "0.5", "--json", "--quiet"));
    for (size_t i = 0; i < 2; i++) {
        const json_t *model = model_of(found, i, names[i]);
        const json_t *oracle = json_object_get(expected, names[i]);
        for (size_t k = 0; k < 5; k++)
            close_to(scalars[k], value_of(model, scalars[k]), json_object_get(oracle, scalars[k]));
        const json_t *spectrum = value_of(model, "jacobian_spectrum");
        assert_int_equal(json_array_size(spectrum), 4);
        for (size_t c = 0; c < 4; c++)
            close_to("spectrum", json_array_get(spectrum, c),
                     json_array_get(json_object_get(oracle, "jacobian_spectrum"), c));
    }
    assert_string_equal(
        json_string_value(json_object_get(model_of(found, 0, "mlp"), "architecture")),
        "144-20-14-4 tanh");
    json_decref(expected);
    json_decref(found);
}

/* ------------------------------------------------------------------ models of Invar */

static const char spec[] =
    "study: regularization\n"
    "name: small\n"
    "seeds: [5]\n"
    "dataset: {name: digits, images: 400, train: 256, validation: 0, test: 41}\n"
    "group: {kind: rotation, order: 4}\n"
    "model: {hidden: 24, layers: 3}\n"
    "training: {batch: 64, epochs: 2}\n"
    "runs: [{name: WT, method: weight-tying}, {name: DA, method: augmentation}]\n"
    "metrics: {names: [accuracy, li, di, si, sigma_max_jacobian, jacobian_spectrum]}\n";

/* The test images of the run's split as a folder of images. */
static void write_test_images(void **state) {
    iv_error error = {0};
    iv_dataset data;
    iv_array rows;
    static uint8_t pixels[41 * 784], labels[41];
    assert_ok(&error, iv_digits_make(0, 400, &data, &error));
    assert_ok(&error, iv_npy_read(in_scratch(state, "run/splits/seed5.npy"), &rows, &error));
    for (size_t i = 0; i < 41; i++) {
        const size_t row = (size_t)((const int32_t *)rows.data)[256 + i];
        memcpy(pixels + i * 784, data.pixels + row * 784, 784);
        labels[i] = data.labels[row];
    }
    assert_ok(&error, iv_make_directories(in_scratch(state, "test"), &error));
    write_npy(in_scratch(state, "test/images.npy"), "|u1", "False", "(41, 28, 28)", pixels,
              sizeof pixels);
    write_npy(in_scratch(state, "test/labels.npy"), "|u1", "False", "(41,)", labels, sizeof labels);
    free(rows.data);
    iv_dataset_clear(&data);
}

/* To the last bit: there is one definition of each metric. */
static void an_audit_of_a_runs_models_finds_the_runs_numbers(void **state) {
    static const char *const metrics[] = {
        "accuracy", "li", "di", "si", "sigma_max_jacobian", "jacobian_spectrum"};
    static const char *const names[] = {"WT-seed5", "DA-seed5"};
    const char *run = in_scratch(state, "run");
    spill(in_scratch(state, "spec.yaml"), spec);
    invar_succeeds(state,
                   ARGUMENTS("run", in_scratch(state, "spec.yaml"), "--out", run, "--quiet"));
    write_test_images(state);
    json_t *results = read_json(in_scratch(state, "run/results.json"));
    json_t *found =
        audit_json(state, ARGUMENTS("audit", in_scratch(state, "run/models/WT-seed5.safetensors"),
                                    in_scratch(state, "run/models/DA-seed5.safetensors"), "--data",
                                    in_scratch(state, "test"), "--json", "--quiet"));
    for (size_t i = 0; i < 2; i++) {
        const json_t *entry = json_array_get(json_object_get(results, "runs"), i);
        const json_t *expected = json_object_get(entry, "metrics");
        const json_t *model = model_of(found, i, names[i]);
        assert_contains(json_string_value(json_array_get(json_object_get(model, "notes"), 0)),
                        "trained by Invar");
        for (size_t k = 0; k < 6; k++) {
            assert_non_null(value_of(model, metrics[k]));
            if (!json_equal((json_t *)(uintptr_t)value_of(model, metrics[k]),
                            json_object_get(expected, metrics[k])))
                fail_msg("%s: %s is not that of the run", names[i], metrics[k]);
        }
    }
    assert_true(json_number_value(value_of(model_of(found, 0, names[0]), "li")) == 0);
    assert_true(json_number_value(value_of(model_of(found, 1, names[1]), "li")) > 0);
    json_decref(results);
    json_decref(found);
}

/* ------------------------------------------------------------------ files */

static void files_hold_what_is_printed(void **state) {
    const char *const arguments[] = {"audit",
                                     FROM_PYTORCH("mlp.safetensors"),
                                     "--data",
                                     FROM_PYTORCH("images"),
                                     "--activation=tanh",
                                     "--baseline",
                                     "--no-jacobians",
                                     "--images=9",
                                     "--angles=3",
                                     "--directions",
                                     "--out",
                                     in_scratch(state, "made/here"),
                                     "--json",
                                     NULL};
    outcome o = invar_with(state, NULL, arguments);
    assert_status(&o, 0);
    char *json = slurp(in_scratch(state, "made/here/audit.json"), NULL);
    char *csv = slurp(in_scratch(state, "made/here/audit.csv"), NULL);
    assert_string_equal(o.out, json);
    assert_contains(o.err, "features.1.weight, features.3.weight, head.weight (without bias)");
    assert_contains(json, "\"images\": 9");
    assert_contains(json, "\"name\": \"fresh 144-20-14-4 tanh\"");
    assert_int_equal(strncmp(csv, "model,class,metric,value,low,high\nmlp,,accuracy,", 47), 0);
    assert_contains(csv, "\nmlp,3,si,");
    assert_contains(csv, "\nfresh 144-20-14-4 tanh,,li,");
    assert_lacks(csv, "sigma_max");
    char *curve = slurp(in_scratch(state, "made/here/angle.csv"), NULL);
    assert_int_equal(strncmp(curve, "model,at,accuracy,undone_accuracy,li,undone_li,", 47), 0);
    assert_contains(curve, "\nmlp,120,");
    assert_contains(json, "\"directions\": [");
    assert_contains(json, "\"translation_x\": ");
    assert_contains(json, "\"angle\": {\"at\": [0, 120, 240]");
    assert_true(exists(in_scratch(state, "made/here/figures/angle-li.gp")));
    assert_true(exists(in_scratch(state, "made/here/figures/worst-2-8-saliency.png")));
    assert_false(exists(in_scratch(state, "made/here/figures/worst-1-9.png")));
    assert_int_equal(count_entries(in_scratch(state, "made/here")), 5);
    free(curve);
    free(json);
    free(csv);
    outcome_free(&o);
}

/* What read_report.py says of a folder of results. */
static void assert_report_is_good(void **state, const char *folder) {
    const char *python = python_with("json");
    if (!python) SKIP_BECAUSE("no Python");
    const process running =
        process_start(state, python, NULL, ARGUMENTS(AUDIT_FOLDER "/read_report.py", folder));
    outcome o = process_wait(&running);
    assert_string_equal(o.err, "");
    assert_string_equal(o.out, "good\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

static void a_report_says_what_the_json_says(void **state) {
    const char *out = in_scratch(state, "out");
    invar_succeeds(state, ARGUMENTS("audit", FROM_PYTORCH("mlp.safetensors"),
                                    FROM_PYTORCH("mlp-half.safetensors"), "--data",
                                    FROM_PYTORCH("images"), "--activation=tanh", "--baseline",
                                    "--angles=4", "--directions", "--worst=3", "--out", out));
    assert_report_is_good(state, out);
    char *html = slurp(in_scratch(state, "out/report.html"), NULL);
    assert_contains(html, "prefers-color-scheme:dark");
    assert_contains(html, "name=\"viewport\"");
    assert_lacks(html, "http://");
    assert_lacks(html, "https://");
    free(html);
}

/* A constant image is all of its orbit: predictions stay, LI is 0 to the last bit. */
static void a_report_says_that_a_network_is_invariant(void **state) {
    static uint8_t pixels[3 * 144], labels[3] = {0, 3, 1};
    iv_error error = {0};
    memset(pixels, 77, sizeof pixels);
    assert_ok(&error, iv_make_directories(in_scratch(state, "grey"), &error));
    write_npy(in_scratch(state, "grey/images.npy"), "|u1", "False", "(3, 12, 12)", pixels,
              sizeof pixels);
    write_npy(in_scratch(state, "grey/labels.npy"), "|u1", "False", "(3,)", labels, sizeof labels);
    invar_succeeds(state,
                   ARGUMENTS("audit", FROM_PYTORCH("mlp.safetensors"), "--data",
                             in_scratch(state, "grey"), "--activation=tanh", "--worst=0",
                             "--no-jacobians", "--out", in_scratch(state, "out"), "--quiet"));
    assert_report_is_good(state, in_scratch(state, "out"));
    char *html = slurp(in_scratch(state, "out/report.html"), NULL);
    assert_contains(html, "It is invariant: the logits");
    assert_contains(html, "Its prediction changes for no image under any element.");
    assert_lacks(html, "Worst images");
    assert_false(exists(in_scratch(state, "out/figures")));
    free(html);
}

static void copy_file(const char *from, const char *to) {
    size_t n;
    char *bytes = slurp(from, &n);
    write_bytes(to, bytes, n);
    free(bytes);
}

#define HOSTILE "\x1b[2J<img src=x onerror=alert(1)>&\"',\xff\n"
#define FOLDER  "<b>&\"'"
static void names_of_files_are_text_in_reports(void **state) {
    const char *model = in_scratch(state, HOSTILE ".safetensors");
    iv_error error = {0};
    copy_file(FROM_PYTORCH("mlp.safetensors"), model);
    assert_ok(&error, iv_make_directories(in_scratch(state, FOLDER), &error));
    copy_file(FROM_PYTORCH("images/images.npy"), in_scratch(state, FOLDER "/images.npy"));
    copy_file(FROM_PYTORCH("images/labels.npy"), in_scratch(state, FOLDER "/labels.npy"));
    outcome o = invar_with(state, NULL,
                           ARGUMENTS("audit", model, "--data", in_scratch(state, FOLDER),
                                     "--activation=tanh", "--no-jacobians", "--images=3", "--out",
                                     in_scratch(state, "out")));
    assert_status(&o, 0);
    assert_null(strchr(o.out, '\x1b'));
    assert_null(strchr(o.err, '\x1b'));
    outcome_free(&o);
    assert_report_is_good(state, in_scratch(state, "out"));
    char *html = slurp(in_scratch(state, "out/report.html"), NULL);
    char *csv = slurp(in_scratch(state, "out/audit.csv"), NULL);
    assert_contains(html, "&lt;img src=x onerror=alert(1)&gt;&amp;&quot;");
    assert_contains(html, "of &lt;b&gt;&amp;&quot;");
    assert_lacks(html, "<img src=x");
    assert_lacks(html, "<b>");
    assert_contains(csv, "\n\"\x1b[2J<img src=x onerror=alert(1)>&\"\"',\xef\xbf\xbd\n\",,li,");
    free(html);
    free(csv);
}

static void a_table_has_a_line_for_each_model(void **state) {
    outcome o =
        invar(state, "audit", FROM_PYTORCH("mlp.safetensors"), FROM_PYTORCH("mlp-half.safetensors"),
              "--data", FROM_PYTORCH("images"), "--activation", "tanh", "--quiet", NULL);
    assert_status(&o, 0);
    assert_contains(o.out, "24 images of images under rotation:4, 4 elements");
    assert_contains(o.out, "\nmlp ");
    assert_contains(o.out, "\nmlp-half ");
    outcome_free(&o);
}

static void models_of_one_name_are_told_apart_by_their_paths(void **state) {
    const char *own = in_scratch(state, "mlp.safetensors"),
               *half = FROM_PYTORCH("mlp-half.safetensors");
    size_t n;
    char *bytes = slurp(FROM_PYTORCH("mlp.safetensors"), &n);
    write_bytes(own, bytes, n);
    free(bytes);
    json_t *found =
        audit_json(state, ARGUMENTS("audit", own, half, FROM_PYTORCH("mlp.safetensors"), "--data",
                                    FROM_PYTORCH("images"), "--activation=tanh", "--no-jacobians",
                                    "--json", "--quiet"));
    (void)model_of(found, 0, own);
    (void)model_of(found, 1, "mlp-half");
    (void)model_of(found, 2, FROM_PYTORCH("mlp.safetensors"));
    json_decref(found);
}

/* ------------------------------------------------------------------ groups and prepared images */

/* The tables that prepared images come with, as the file that names a group. */
static void a_group_from_a_file_is_that_group(void **state) {
    json_t *found[2];
    const char *model = FROM_PYTORCH("mlp.safetensors");
    invar_succeeds(state, ARGUMENTS("audit", "--prepare", in_scratch(state, "orbit"), "--data",
                                    FROM_PYTORCH("images"), "--group", "dihedral"));
    for (int i = 0; i < 2; i++)
        found[i] = audit_json(
            state, ARGUMENTS("audit", model, "--data", FROM_PYTORCH("images"), "--activation=tanh",
                             "--group", i ? in_scratch(state, "orbit/group.npy") : "dihedral:8",
                             "--no-jacobians", "--json", "--quiet"));
    assert_true(json_equal((json_t *)(uintptr_t)model_of(found[0], 0, "mlp"),
                           (json_t *)(uintptr_t)model_of(found[1], 0, "mlp")));
    assert_int_equal(json_integer_value(json_object_get(found[1], "elements")), 8);
    json_decref(found[0]);
    json_decref(found[1]);
    invar_fails(state,
                ARGUMENTS("audit", model, "--data", FROM_PYTORCH("images"), "--activation=tanh",
                          "--group", FROM_PYTORCH("images/labels.npy")),
                4, "labels.npy: an array of int64 of 1 dimensions, expected integers [elements",
                NULL);
}

static void the_example_makes_what_is_measured(void **state) {
    const char *python = python_with("numpy");
    const char *orbit = in_scratch(state, "orbit");
    if (!python) SKIP_BECAUSE("no Python with NumPy");
    invar_succeeds(state, ARGUMENTS("audit", "--prepare", orbit, "--data", FROM_PYTORCH("images")));
    invar_fails(state, ARGUMENTS("audit", orbit), 4, "no logits-0000.npy in it", NULL);
    const process running = process_start(
        state, python, NULL, ARGUMENTS(EXAMPLES_FOLDER "/audit_any_network.py", orbit));
    outcome o = process_wait(&running);
    assert_status(&o, 0);
    outcome_free(&o);
    json_t *found = audit_json(
        state, ARGUMENTS("audit", orbit, "--json", "--quiet", "--out", in_scratch(state, "out")));
    assert_report_is_good(state, in_scratch(state, "out"));
    const json_t *model = model_of(found, 0, "orbit");
    const double si = json_number_value(value_of(model, "si"));
    assert_true(json_number_value(value_of(model, "li")) > 0);
    assert_true(si > -1 && si < 1 && si != 0);
    json_decref(found);
    invar_fails(state, ARGUMENTS("audit", orbit, "--data", "noise"), 2,
                "neither --data nor --group", NULL);
    invar_fails(state, ARGUMENTS("audit", "--prepare", orbit, "--data", FROM_PYTORCH("images")), 2,
                "holds prepared images", NULL);
}

/* ------------------------------------------------------------------ what cannot be audited */

static void what_is_wrong_is_said_in_one_line(void **state) {
    static const struct {
        const char *argument, *message;
        int status;
    } cases[] = {
        {"--data=mnits", "mnits", 2},
        {"--data=/nowhere/at/all", "/nowhere/at/all", 2},
        {"--group=rotaton:4", "there is no group \"rotaton\"; did you mean `rotation`?", 2},
        {"--group=rotation:3", "rotation of order 3 on images of 12 x 12: use 2 or 4", 2},
        {"--group=rotation:4:x", "\":x\" is not understood", 2},
        {"--group=shift", "has no order, expected shift:ORDER", 2},
        {"--group=shift:5:x", "pads images of 12 x 12 to 15 x 15", 2},
        {"--activation=gelu", "no activation \"gelu\", expected relu, tanh", 2},
        {"--mean=half", "--mean is \"half\", expected a number", 2},
        {"--std=1,2", "--std is \"1,2\", expected a number", 2},
        {"--std=0", "expected numbers above 0", 2},
        {"--images=0", "--images is \"0\", expected a whole number from 1 on", 2},
        {"--worst=some", "--worst is \"some\", expected a whole number from 0 on", 2},
        {"--part=tset", "--part is \"tset\", expected test, training or all", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        invar_fails(state,
                    ARGUMENTS("audit", FROM_PYTORCH("mlp.safetensors"), "--activation", "tanh",
                              "--data", FROM_PYTORCH("images"), "--out", in_scratch(state, "out"),
                              cases[i].argument),
                    cases[i].status, cases[i].message, NULL);
    assert_false(exists(in_scratch(state, "out")));
    invar_fails(state, ARGUMENTS("audit", FROM_PYTORCH("mlp.safetensors")), 2, "needs --data",
                NULL);
    invar_fails(state, ARGUMENTS("audit", FROM_PYTORCH("mlp.safetensors"), "--data", "noise"), 2,
                "which activation", NULL);
}

static void a_model_that_does_not_fit_the_data_is_refused(void **state) {
    static const double zeros[784 * 27];
    const tensor classes[] = {{"fc.weight", "F32", 2, {27, 784}, zeros}};
    const char *path = in_scratch(state, "letters.safetensors");
    write_tensors(path, NULL, classes, 1);
    invar_fails(state, ARGUMENTS("audit", path, "--data", "noise"), 4,
                "letters: has 27 classes, but noise has 10", NULL);
    invar_fails(
        state,
        ARGUMENTS("audit", FROM_PYTORCH("mlp.safetensors"), "--activation=relu", "--data", "noise"),
        4, "mlp: takes 144 values, but noise has 1 x 28 x 28", NULL);
    invar_fails(state, ARGUMENTS("audit", FROM_PYTORCH("expected.json"), "--data", "noise"), 4,
                "not a safetensors file", NULL);
    invar_fails(state, ARGUMENTS("audit", in_scratch(state, "none.safetensors"), "--data", "noise"),
                4, "none.safetensors", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(numbers_of_a_state_dict_are_those_of_pytorch),
        SCRATCH_TEST(an_audit_of_a_runs_models_finds_the_runs_numbers),
        SCRATCH_TEST(files_hold_what_is_printed),
        SCRATCH_TEST(a_report_says_what_the_json_says),
        SCRATCH_TEST(a_report_says_that_a_network_is_invariant),
        SCRATCH_TEST(names_of_files_are_text_in_reports),
        SCRATCH_TEST(a_table_has_a_line_for_each_model),
        SCRATCH_TEST(models_of_one_name_are_told_apart_by_their_paths),
        SCRATCH_TEST(a_group_from_a_file_is_that_group),
        SCRATCH_TEST(the_example_makes_what_is_measured),
        SCRATCH_TEST(what_is_wrong_is_said_in_one_line),
        SCRATCH_TEST(a_model_that_does_not_fit_the_data_is_refused),
    };
    return run_without_device() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
