/* Perceptrons from safetensors files, and networks like them with fresh weights. */
#include "audit/audit.h"

#include <invar/random.h>

#include <jansson.h>

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

iv_status audit_note(iv_network *network, iv_error *error, const char *format, ...) {
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    const size_t before = network->notes ? strlen(network->notes) : 0, n = strlen(line);
    char *longer = realloc(network->notes, before + n + 2);
    if (!longer) return iv_fail(error, IV_ENOMEM, "out of memory for a network");
    if (before > 0) longer[before] = '\n';
    memcpy(longer + before + (before > 0), line, n + 1);
    network->notes = longer;
    return IV_OK;
}

void iv_network_clear(iv_network *network) {
    for (size_t l = 0; l < network->n_layers; l++) {
        free(network->layers[l].name);
        free(network->layers[l].weight);
        free(network->layers[l].bias);
    }
    if (network->onnx) iv_onnx_clear(network->onnx);
    free(network->onnx);
    free(network->layers);
    free(network->name);
    free(network->notes);
    *network = (iv_network){0};
}

/* ------------------------------------------------------------------ activations */

static const struct {
    const char *name;
    iv_activation activation;
} activations[] = {
    {"relu", IV_ACTIVATION_RELU}, {"tanh", IV_ACTIVATION_TANH}, {"sigmoid", IV_ACTIVATION_SIGMOID},
    {"selu", IV_ACTIVATION_SELU}, {"none", IV_ACTIVATION_NONE},
};
enum { N_ACTIVATIONS = sizeof activations / sizeof *activations };
#define ACTIVATIONS "relu, tanh, sigmoid, selu or none"

const char *audit_activation_name(iv_activation activation) {
    for (size_t i = 0; i < N_ACTIVATIONS; i++)
        if (activations[i].activation == activation) return activations[i].name;
    return "?";
}

static bool find_activation(const char *name, iv_activation *activation) {
    for (size_t i = 0; i < N_ACTIVATIONS; i++)
        if (strcmp(activations[i].name, name) == 0) {
            *activation = activations[i].activation;
            return true;
        }
    return false;
}

static iv_status read_activation(const char *path, const iv_safetensors *file,
                                 const iv_network_options *options, iv_network *network,
                                 iv_error *error) {
    const char *asked = options ? options->activation : NULL;
    const char *written = iv_safetensors_metadata(file, "activation");
    if (asked && !find_activation(asked, &network->activation))
        return iv_fail(error, IV_EINVAL, "there is no activation \"%s\", expected " ACTIVATIONS,
                       asked);
    if (asked) return IV_OK;
    if (written && find_activation(written, &network->activation)) return IV_OK;
    if (written)
        return iv_fail(error, IV_EINVAL,
                       "%s: its metadata name the activation \"%.60s\", expected " ACTIVATIONS,
                       path, written);
    return iv_fail(
        error, IV_EINVAL,
        "%s: it does not say which activation stands between its layers: give one, " ACTIVATIONS,
        path);
}

/* ------------------------------------------------------------------ networks that Invar trained */

/* What the run in a file's metadata says of a perceptron on images, whose layers have ReLU between
 * them. False if there is no such run. */
static bool read_run(const iv_safetensors *file, iv_network *network) {
    const char *text = iv_safetensors_metadata(file, "run");
    json_t *run = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *kind = NULL, *method = NULL, *group = NULL, *axes = NULL;
    json_int_t order = 0;
    const bool is_one = run &&
                        json_unpack(run, "{s:{s:s}, s:{s:s}, s:{s:s, s:I, s:s}}", "model", "kind",
                                    &kind, "run", "method", &method, "group", "kind", &group,
                                    "order", &order, "axes", &axes) == 0 &&
                        strcmp(kind, "perceptron") == 0;
    if (is_one) {
        network->activation = IV_ACTIVATION_RELU;
        network->tied = strcmp(method, "weight-tying") == 0;
        network->tied_order = order > 0 ? (size_t)order : 0;
        network->tied_axes = strcmp(axes, "xy") == 0  ? IV_AXES_XY
                             : strcmp(axes, "y") == 0 ? IV_AXES_Y
                                                      : IV_AXES_X;
        const iv_group_kind_info *info;
        for (size_t i = 0; (info = iv_group_kind_get(i)); i++)
            if (strcmp(info->name, group) == 0) network->tied_kind = (iv_group_kind)i;
    }
    json_decref(run);
    return is_one;
}

/* ------------------------------------------------------------------ reading */

static bool ends_with(const char *path, const char *ending) {
    const size_t n = strlen(path), m = strlen(ending);
    return n > m && strcmp(path + n - m, ending) == 0;
}

/* Without folders and ending. */
static iv_status read_name(const char *path, iv_network *network, iv_error *error) {
    static const char *const endings[] = {".safetensors", ".onnx"};
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t n = strlen(name);
    for (int i = 0; i < 2; i++)
        if (ends_with(name, endings[i])) n = strlen(name) - strlen(endings[i]);
    network->name = strndup(name, n);
    network->notes = calloc(1, 1);
    if (network->name && network->notes) return IV_OK;
    return iv_fail(error, IV_ENOMEM, "%s: no memory to read it", path);
}

/* Whether a file is what torch.save writes, which people take for a model's file: a ZIP archive. */
static bool is_pickled(const char *path) {
    char begin[4] = "";
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    const bool whole = fread(begin, 1, sizeof begin, file) == sizeof begin;
    fclose(file);
    return whole && memcmp(begin, "PK\3\4", sizeof begin) == 0;
}

iv_status iv_network_read(const char *path, const iv_network_options *options, iv_network *network,
                          iv_error *error) {
    iv_safetensors *file = NULL;
    *network = (iv_network){0};
    if (ends_with(path, ".onnx")) {
        iv_status read = read_name(path, network, error);
        if (read == IV_OK) read = audit_onnx_read(path, network, error);
        if (read != IV_OK) iv_network_clear(network);
        return read;
    }
    if (is_pickled(path))
        return iv_fail(error, IV_EDATA,
                       "%s: a file of torch.save, expected safetensors: "
                       "safetensors.torch.save_file(model.state_dict(), \"model.safetensors\")",
                       path);
    iv_status status = iv_safetensors_open_converted(path, &file, error);
    if (status == IV_OK) status = read_name(path, network, error);
    const bool of_invar = status == IV_OK && read_run(file, network);
    if (of_invar)
        status =
            audit_note(network, error,
                       "trained by Invar, on images that its seed chose among training and test "
                       "images: some of those audited may be among them (splits/ of its run)");
    if (status == IV_OK) status = audit_layers_read(path, file, network, error);
    if (status == IV_OK && network->n_layers > 1 && (!of_invar || (options && options->activation)))
        status = read_activation(path, file, options, network, error);
    if (status == IV_OK && network->tied && network->n_layers < 2)
        status = iv_fail(error, IV_EDATA, "%s: has one layer, expected more where weights are tied",
                         path);
    if (file) iv_safetensors_close(file);
    if (status != IV_OK) iv_network_clear(network);
    return status;
}

iv_status audit_architecture(const iv_network *network, char **out, iv_error *error) {
    iv_text text = {0};
    if (network->onnx) {
        audit_onnx_describe(&text, network->onnx);
        return iv_text_take(&text, out, error);
    }
    iv_text_format(&text, "%zu", network->layers[0].inputs);
    for (size_t l = 0; l < network->n_layers; l++)
        iv_text_format(&text, "-%zu", network->layers[l].outputs);
    if (network->n_layers > 1)
        iv_text_format(&text, " %s", audit_activation_name(network->activation));
    if (network->tied)
        iv_text_format(&text, " tied under %s:%zu",
                       iv_group_kind_get((size_t)network->tied_kind)->name, network->tied_order);
    return iv_text_take(&text, out, error);
}

/* ------------------------------------------------------------------ fresh weights */

float *audit_draw(uint32_t seed, uint32_t tensor, size_t n, size_t inputs) {
    const float bound = 1.0f / sqrtf((float)inputs);
    float *values = malloc(n * sizeof *values);
    uint32_t words[4];
    for (size_t e = 0; values && e < n; e++) {
        if (e % 4 == 0) iv_philox(seed, IV_STREAM_INITIAL, tensor, (uint32_t)(e / 4), words);
        values[e] = bound * iv_uniform_symmetric(words[e % 4]);
    }
    return values;
}

static iv_status draw_layers(const iv_network *like, uint32_t seed, iv_network *network,
                             iv_error *error) {
    bool whole = network->layers;
    for (size_t l = 0; l < like->n_layers && whole; l++) {
        const iv_network_layer *from = &like->layers[l];
        iv_network_layer *to = &network->layers[network->n_layers++];
        *to = (iv_network_layer){.inputs = from->inputs, .outputs = from->outputs};
        to->weight =
            audit_draw(seed, (uint32_t)(2 * l), from->outputs * from->inputs, from->inputs);
        if (from->bias)
            to->bias = audit_draw(seed, (uint32_t)(2 * l + 1), from->outputs, from->inputs);
        whole = to->weight && (to->bias || !from->bias);
    }
    return whole ? IV_OK : iv_fail(error, IV_ENOMEM, "out of memory for a network");
}

iv_status iv_network_fresh(const iv_network *like, uint32_t seed, iv_network *network,
                           iv_error *error) {
    iv_text name = {0};
    char *architecture = NULL;
    *network = (iv_network){.activation = like->activation,
                            .tied = like->tied,
                            .tied_kind = like->tied_kind,
                            .tied_order = like->tied_order,
                            .tied_axes = like->tied_axes};
    if (like->onnx) {
        const iv_status drawn = audit_onnx_fresh(like, seed, network, error);
        if (drawn != IV_OK) iv_network_clear(network);
        return drawn;
    }
    network->layers = calloc(like->n_layers, sizeof *network->layers);
    iv_status status = draw_layers(like, seed, network, error);
    if (status == IV_OK) status = audit_architecture(like, &architecture, error);
    if (status == IV_OK) {
        iv_text_format(&name, "fresh %s", architecture);
        status = iv_text_take(&name, &network->name, error);
    }
    free(architecture);
    if (status != IV_OK) iv_network_clear(network);
    return status;
}
