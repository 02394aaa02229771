/* invar audit with ONNX files: beside others in one table, with baselines, and what it says to what it
 * cannot audit. */
#include "../data/own_files.h"
#include "../kit/json.h"
#include "../kit/process.h"

#include <invar/data.h>
#include <invar/onnx.h>

#include <math.h>

#define FILES(name) ONNX_FOLDER "/" name

static double value_of(const json_t *model, const char *metric) {
    const json_t *value =
        json_object_get(json_object_get(json_object_get(model, "metrics"), metric), "value");
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static const json_t *model_of(const json_t *audit, size_t i, const char *name) {
    const json_t *model = json_array_get(json_object_get(audit, "models"), i);
    assert_string_equal(json_string_value(json_object_get(model, "name")), name);
    return model;
}

/* The same weights in either format, each with a baseline; a float's rounding apart. */
static void both_formats_stand_in_one_table(void **state) {
    const char *onnx = FILES("perceptron.onnx"), *safetensors = FILES("perceptron.safetensors");
    outcome o = invar(state, "audit", onnx, safetensors, "--data", FILES("images"), "--mean",
                      "0.25", "--std", "0.3", "--images=8", "--baseline", "--json", NULL);
    assert_status(&o, 0);
    assert_contains(o.err, "ONNX 1x16x16-10, 3 linear layers, 6738 parameters");
    assert_contains(o.err, "written by pytorch 1.13");
    json_t *found = json_loads(o.out, 0, NULL);
    assert_non_null(found);
    outcome_free(&o);
    assert_int_equal(json_array_size(json_object_get(found, "models")), 4);
    const json_t *a = model_of(found, 0, onnx), *b = model_of(found, 1, safetensors);
    static const char *const metrics[] = {"accuracy", "li", "di", "si", "sigma_max_jacobian"};
    for (size_t i = 0; i < 5; i++)
        assert_true(fabs(value_of(a, metrics[i]) - value_of(b, metrics[i])) <=
                    1e-4 * (1 + fabs(value_of(b, metrics[i]))));
    model_of(found, 2, "fresh " FILES("perceptron.onnx"));
    model_of(found, 3, "fresh 256-24-16-10 relu");
    json_decref(found);
}

/* Networks that differ in their weights alone have one baseline. */
static void curves_directions_and_a_report_are_written(void **state) {
    const char *out = in_scratch(state, "out");
    outcome o = invar(state, "audit", FILES("lenet-9.onnx"), FILES("lenet-13.onnx"), "--data",
                      FILES("images"), "--images=6", "--jacobians=2", "--baseline", "--angles=2",
                      "--directions", "--out", out, "--quiet", NULL);
    assert_status(&o, 0);
    assert_contains(o.out, "\nlenet-9 ");
    assert_contains(o.out, "\nfresh lenet-9 ");
    assert_lacks(o.out, "fresh lenet-13");
    char *curve = slurp(in_scratch(state, "out/angle.csv"), NULL);
    assert_contains(curve, "\nlenet-13,180,");
    free(curve);
    json_t *audit = read_json(in_scratch(state, "out/audit.json"));
    assert_non_null(json_object_get(model_of(audit, 1, "lenet-13"), "directions"));
    json_decref(audit);
    outcome_free(&o);
}

static void what_does_not_fit_is_said_in_one_line(void **state) {
    static uint8_t pixels[27 * 256], labels[27];
    iv_error error = {0};
    for (size_t i = 0; i < 27; i++) labels[i] = (uint8_t)i;
    assert_ok(&error, iv_make_directories(in_scratch(state, "letters"), &error));
    write_npy(in_scratch(state, "letters/images.npy"), "|u1", "False", "(27, 16, 16)", pixels,
              sizeof pixels);
    write_npy(in_scratch(state, "letters/labels.npy"), "|u1", "False", "(27,)", labels,
              sizeof labels);
    invar_fails(state,
                ARGUMENTS("audit", FILES("lenet-13.onnx"), "--data", in_scratch(state, "letters")),
                4, "lenet-13: has 10 classes, but letters has 27", NULL);
    invar_fails(state, ARGUMENTS("audit", FILES("depthwise.onnx"), "--data", FILES("images")), 4,
                "depthwise: takes images of 3 x 16 x 16, but images has 1 x 16 x 16 (channels, "
                "height, width)",
                NULL);
    invar_fails(state, ARGUMENTS("audit", FILES("lenet-13.onnx"), "--data", "noise"), 4,
                "takes images of 1 x 16 x 16, but noise has 1 x 28 x 28", NULL);
    invar_fails(
        state,
        ARGUMENTS("audit", FILES("lenet-13.onnx"), "--data", FILES("images"), "--group=shift:3:x"),
        2, "pads images of 16 x 16 to", NULL);
    spill(in_scratch(state, "damaged.onnx"), "no network");
    invar_fails(state, ARGUMENTS("audit", in_scratch(state, "damaged.onnx"), "--data", "noise"), 4,
                "damaged.onnx: ", NULL);
    invar_fails(state, ARGUMENTS("audit", in_scratch(state, "none.onnx"), "--data", "noise"), 4,
                "none.onnx: ", NULL);
}

/* Images of four pixels, three classes. */
static void a_softmax_that_is_left_out_is_noted(void **state) {
    static const uint8_t pixels[3 * 4] = {0, 50, 100, 150, 200, 250, 20, 70, 120, 170, 220, 5};
    static const uint8_t labels[3] = {0, 1, 2};
    iv_error error = {0};
    assert_ok(&error, iv_make_directories(in_scratch(state, "tiny"), &error));
    write_npy(in_scratch(state, "tiny/images.npy"), "|u1", "False", "(3, 2, 2)", pixels,
              sizeof pixels);
    write_npy(in_scratch(state, "tiny/labels.npy"), "|u1", "False", "(3,)", labels, sizeof labels);
    outcome o = invar(state, "audit", MODELS "/softmax-end-9.onnx", "--data",
                      in_scratch(state, "tiny"), NULL);
    assert_status(&o, 0);
    assert_contains(o.err, "softmax-end-9: ONNX 4-3, 1 linear layer, 12 parameters");
    assert_contains(o.err, "ends in a softmax, which is left out");
    outcome_free(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(both_formats_stand_in_one_table),
        SCRATCH_TEST(curves_directions_and_a_report_are_written),
        SCRATCH_TEST(what_does_not_fit_is_said_in_one_line),
        SCRATCH_TEST(a_softmax_that_is_left_out_is_noted),
    };
    if (!iv_onnx_is_built()) return skip_all_because("built without ONNX");
    return run_without_device() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
