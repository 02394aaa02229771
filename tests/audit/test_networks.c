/* Reading networks: which tensors are layers and in what order, how numbers are stored, and what is
 * refused with what words. */
#include "models.h"

#include <invar/audit.h>

#include <math.h>

static const double numbers[4096]; /* zeros: names and shapes alone matter */

static tensor weight(const char *name, size_t outputs, size_t inputs) {
    return (tensor){name, "F32", 2, {outputs, inputs}, numbers};
}

static tensor bias(const char *name, size_t outputs) {
    return (tensor){name, "F32", 1, {outputs}, numbers};
}

static iv_status read_model(const char *activation, iv_network *network, iv_error *error) {
    const iv_network_options options = {.activation = activation};
    return iv_network_read(in(scratch, "model.safetensors"), &options, network, error);
}

static void write_and_read(const tensor *tensors, size_t n, iv_network *network) {
    iv_error error = {0};
    write_tensors(in(scratch, "model.safetensors"), NULL, tensors, n);
    assert_ok(&error, read_model("relu", network, &error));
}

#define WITH(...)                                                                                  \
    (const tensor[]){__VA_ARGS__}, sizeof((const tensor[]){__VA_ARGS__}) / sizeof(tensor)

static void refused(const char *metadata, const char *activation, const tensor *tensors, size_t n,
                    iv_status status, const char *message) {
    iv_error error = {0};
    iv_network network;
    write_tensors(in(scratch, "model.safetensors"), metadata, tensors, n);
    assert_fails(&error, read_model(activation, &network, &error), status, "model.safetensors",
                 message);
    assert_int_equal(network.n_layers, 0);
}

/* Its layers, "a, b, c". */
static void assert_order(const iv_network *network, const char *names) {
    char found[512] = "";
    for (size_t l = 0, used = 0; l < network->n_layers; l++)
        used += (size_t)snprintf(found + used, sizeof found - used, "%s%s", l ? ", " : "",
                                 network->layers[l].name);
    assert_string_equal(found, names);
}

/* ------------------------------------------------------------------ order */

static void numbers_in_names_count_as_numbers(void **state) {
    (void)state;
    iv_network network;
    write_and_read(WITH(weight("net.10.weight", 4, 4), weight("net.2.weight", 4, 4),
                        bias("net.2.bias", 4), weight("net.0.weight", 4, 9),
                        weight("net.12.weight", 3, 4), bias("net.0.bias", 4)),
                   &network);
    assert_order(&network, "net.0.weight, net.2.weight, net.10.weight, net.12.weight");
    assert_non_null(network.layers[0].bias);
    assert_non_null(network.layers[1].bias);
    assert_null(network.layers[2].bias);
    assert_int_equal(network.layers[0].inputs, 9);
    assert_int_equal(network.layers[3].outputs, 3);
    assert_string_equal(network.name, "model");
    assert_contains(network.notes, "net.10.weight (without bias)");
    iv_network_clear(&network);
}

static void shapes_decide_where_names_do_not_fit(void **state) {
    (void)state;
    iv_network network;
    write_and_read(WITH(weight("body.0.weight", 5, 7), weight("a_head.weight", 3, 5),
                        weight("stem.weight", 7, 9), bias("stem.bias", 7)),
                   &network);
    assert_order(&network, "stem.weight, body.0.weight, a_head.weight");
    assert_contains(network.notes, "in the order of their shapes");
    iv_network_clear(&network);
}

static void an_order_that_nothing_tells_is_refused(void **state) {
    (void)state;
    refused(NULL, "relu",
            WITH(weight("stem.weight", 5, 9), weight("left.weight", 5, 5),
                 weight("right.weight", 5, 5), weight("top.weight", 3, 5)),
            IV_EDATA, "'left.weight' and 'right.weight' have the same shape, and no number");
}

static void layers_that_do_not_follow_one_another_are_refused(void **state) {
    (void)state;
    refused(NULL, "relu", WITH(weight("fc1.weight", 6, 9), weight("fc2.weight", 3, 5)), IV_EDATA,
            "'fc1.weight' gives 6 values, 'fc2.weight' takes 5");
}

/* ------------------------------------------------------------------ tensors */

static void tensors_that_no_perceptron_has_are_refused(void **state) {
    (void)state;
    refused(
        NULL, "relu",
        WITH(weight("fc.weight", 6, 9), (tensor){"conv1.weight", "F32", 4, {2, 1, 3, 3}, numbers}),
        IV_EDATA, "tensor 'conv1.weight' [2, 1, 3, 3] is no part of a perceptron");
    refused(NULL, "relu",
            WITH(weight("fc.weight", 6, 9), (tensor){"bn.running_mean", "F32", 1, {6}, numbers}),
            IV_EDATA, "'bn.running_mean' [6]");
    refused(NULL, "relu", WITH(weight("fc.weight", 6, 9), bias("fd.bias", 6)), IV_EDATA,
            "'fd.bias' [6]");
    refused(NULL, "relu", WITH(bias("fc.bias", 6)), IV_EDATA, "'fc.bias' [6]");
    refused(NULL, "relu", NULL, 0, IV_EDATA, "no layers");
    refused(NULL, "relu", WITH(weight("fc.weight", 6, 9), bias("fc.bias", 5)), IV_EDATA,
            "'fc.bias' has 5 values, but 'fc.weight' gives 6");
    refused(NULL, "relu", WITH(weight("fc.weight", 6, 0)), IV_EDATA, "'fc.weight' is empty");
    refused(NULL, "relu",
            WITH(weight("fc.weight", 1, 1), (tensor){"fc.bias", "I64", 1, {1}, numbers}), IV_EDATA,
            "type I64, only F32, F16, BF16 and F64");
}

static void numbers_that_are_not_finite_are_refused(void **state) {
    (void)state;
    const double with_nan[4] = {1, NAN, 2, 3}, too_large[4] = {1, 2, 3, 1e300};
    refused(NULL, "relu",
            WITH(weight("a.weight", 3, 2), (tensor){"a.bias", "F32", 1, {3}, with_nan}), IV_EDATA,
            "'a.bias' holds NaN, at position 1");
    refused(NULL, "relu", WITH((tensor){"a.weight", "F64", 2, {2, 2}, too_large}), IV_EDATA,
            "'a.weight' holds a number beyond single precision, at position 3");
}

static void a_truncated_file_is_refused(void **state) {
    (void)state;
    iv_error error = {0};
    iv_network network;
    const char *path = in(scratch, "model.safetensors");
    size_t n;
    write_tensors(path, NULL, WITH(weight("fc1.weight", 6, 9)));
    char *bytes = slurp(path, &n);
    for (size_t kept = 0; kept < n; kept += n / 7) {
        write_bytes(path, bytes, kept);
        assert_fails(&error, read_model("relu", &network, &error), IV_EDATA, "model.safetensors");
    }
    free(bytes);
    remove(path);
    assert_fails(&error, read_model("relu", &network, &error), IV_EDATA, "model.safetensors");
}

static void a_file_of_torch_save_is_answered_with_what_to_do(void **state) {
    (void)state;
    iv_error error = {0};
    iv_network network;
    spill(in(scratch, "model.safetensors"), "PK\3\4 and so on");
    assert_fails(&error, read_model("relu", &network, &error), IV_EDATA,
                 "model.safetensors: a file of torch.save", "save_file(model.state_dict()");
}

/* ------------------------------------------------------------------ activations */

static void the_activation_is_asked_for_or_written(void **state) {
    (void)state;
    iv_error error = {0};
    iv_network network;
    const tensor two[] = {weight("fc1.weight", 4, 9), weight("fc2.weight", 3, 4)};
    refused(NULL, NULL, two, 2, IV_EINVAL, "which activation stands between its layers");
    refused("{\"activation\":\"gelu\"}", NULL, two, 2, IV_EINVAL, "the activation \"gelu\"");
    write_tensors(in(scratch, "model.safetensors"), "{\"activation\":\"tanh\"}", two, 2);
    assert_fails(&error, read_model("reul", &network, &error), IV_EINVAL, "no activation \"reul\"");
    assert_ok(&error, read_model(NULL, &network, &error));
    assert_int_equal(network.activation, IV_ACTIVATION_TANH);
    iv_network_clear(&network);
    assert_ok(&error, read_model("sigmoid", &network, &error));
    assert_int_equal(network.activation, IV_ACTIVATION_SIGMOID);
    iv_network_clear(&network);

    /* A single layer has nothing between its layers. */
    write_tensors(in(scratch, "model.safetensors"), NULL, two, 1);
    assert_ok(&error, read_model(NULL, &network, &error));
    iv_network_clear(&network);
}

/* ------------------------------------------------------------------ numbers */

/* Multiples of 1/64 below 2 are exact in every type; the last one is a subnormal number of half
 * precision. */
static void numbers_of_every_type_are_read(void **state) {
    (void)state;
    static const char *const types[] = {"F32", "F64", "F16", "BF16"};
    double values[12];
    for (int i = 0; i < 12; i++) values[i] = (i * 23 % 127 - 63) / 64.0;
    values[11] = 0x1p-20;
    for (size_t t = 0; t < 4; t++) {
        iv_network network;
        write_and_read(WITH((tensor){"fc.weight", types[t], 2, {3, 4}, values}), &network);
        for (int i = 0; i < 12; i++) assert_true((double)network.layers[0].weight[i] == values[i]);
        if (t == 0)
            assert_lacks(network.notes, "stored");
        else
            assert_contains(network.notes, types[t]);
        iv_network_clear(&network);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(numbers_in_names_count_as_numbers),
        SCRATCH_TEST(shapes_decide_where_names_do_not_fit),
        SCRATCH_TEST(an_order_that_nothing_tells_is_refused),
        SCRATCH_TEST(layers_that_do_not_follow_one_another_are_refused),
        SCRATCH_TEST(tensors_that_no_perceptron_has_are_refused),
        SCRATCH_TEST(numbers_that_are_not_finite_are_refused),
        SCRATCH_TEST(a_truncated_file_is_refused),
        SCRATCH_TEST(a_file_of_torch_save_is_answered_with_what_to_do),
        SCRATCH_TEST(the_activation_is_asked_for_or_written),
        SCRATCH_TEST(numbers_of_every_type_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
