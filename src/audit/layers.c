/* Which tensors of a file are the layers of a perceptron, and in what order they stand. */
#include "audit/audit.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = IV_NETWORK_MOST_LAYERS };

/* A weight and the bias that belongs to it. */
typedef struct {
    const iv_tensor_entry *weight, *bias; /* bias NULL: none */
} layer;

static size_t inputs_of(const layer *l) {
    return l->weight->shape[1];
}

static size_t outputs_of(const layer *l) {
    return l->weight->shape[0];
}

/* ------------------------------------------------------------------ names */

/* Letters as they are, numbers as numbers: "fc2" before "fc10". */
static int compare_names(const char *a, const char *b) {
    while (*a && *b) {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            a += strspn(a, "0");
            b += strspn(b, "0");
            const size_t n = strspn(a, "0123456789"), m = strspn(b, "0123456789");
            const int order = n != m ? (n < m ? -1 : 1) : strncmp(a, b, n);
            if (order != 0) return order;
            a += n;
            b += m;
        } else {
            if (*a != *b) return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
            a++;
            b++;
        }
    }
    return (*a != 0) - (*b != 0);
}

static int compare_layers(const void *first, const void *second) {
    const layer *a = first, *b = second;
    return compare_names(a->weight->name, b->weight->name);
}

/* Whether two names differ in numbers alone, which then say what comes first. */
static bool numbered_alike(const char *a, const char *b) {
    while (*a && *b) {
        const size_t n = strspn(a, "0123456789"), m = strspn(b, "0123456789");
        if ((n > 0) != (m > 0)) return false;
        if (n == 0 && *a != *b) return false;
        a += n > 0 ? n : 1;
        b += m > 0 ? m : 1;
    }
    return *a == *b;
}

static bool ends_with(const char *name, const char *ending) {
    const size_t n = strlen(name), m = strlen(ending);
    return n >= m && strcmp(name + n - m, ending) == 0;
}

/* Whether `bias` is the name of the weight with "bias" in the place of "weight". */
static bool belongs(const char *bias, const char *weight) {
    const size_t n = strlen(weight) - strlen("weight");
    return strlen(bias) == n + strlen("bias") && strncmp(bias, weight, n) == 0;
}

/* ------------------------------------------------------------------ tensors */

static void format_shape(const iv_tensor_entry *tensor, char text[128]) {
    int n = snprintf(text, 128, "[");
    for (unsigned i = 0; i < tensor->rank && n < 100; i++)
        n += snprintf(text + n, 128 - (size_t)n, "%s%zu", i ? ", " : "", tensor->shape[i]);
    snprintf(text + n, 128 - (size_t)n, "]");
}

static iv_status refuse(const char *path, const iv_tensor_entry *tensor, iv_error *error) {
    char shape[128];
    format_shape(tensor, shape);
    return iv_fail(error, IV_EDATA,
                   "%s: tensor '%s' %s is no part of a perceptron, expected NAME.weight [out, in] "
                   "and NAME.bias [out] alone; of other networks, let your own program compute the "
                   "logits (invar audit --prepare)",
                   path, tensor->name, shape);
}

/* All weights, then the biases that belong to them. */
static iv_status collect(const char *path, const iv_safetensors *file, layer layers[MOST],
                         size_t *n_layers, iv_error *error) {
    *n_layers = 0;
    for (size_t i = 0; i < iv_safetensors_count(file); i++) {
        const iv_tensor_entry *tensor = iv_safetensors_get(file, i);
        if (!ends_with(tensor->name, "weight") || tensor->rank != 2) continue;
        if (*n_layers == MOST)
            return iv_fail(error, IV_EDATA, "%s: more than %d layers", path, MOST);
        if (tensor->shape[0] == 0 || tensor->shape[1] == 0)
            return iv_fail(error, IV_EDATA, "%s: tensor '%s' is empty", path, tensor->name);
        layers[(*n_layers)++] = (layer){tensor, NULL};
    }
    for (size_t i = 0; i < iv_safetensors_count(file); i++) {
        const iv_tensor_entry *tensor = iv_safetensors_get(file, i);
        if (ends_with(tensor->name, "weight") && tensor->rank == 2) continue;
        size_t l = 0;
        const bool is_bias = ends_with(tensor->name, "bias") && tensor->rank == 1;
        while (l < *n_layers && !(is_bias && belongs(tensor->name, layers[l].weight->name))) l++;
        if (l == *n_layers) return refuse(path, tensor, error);
        if (tensor->shape[0] != outputs_of(&layers[l]))
            return iv_fail(error, IV_EDATA, "%s: tensor '%s' has %zu values, but '%s' gives %zu",
                           path, tensor->name, tensor->shape[0], layers[l].weight->name,
                           outputs_of(&layers[l]));
        layers[l].bias = tensor;
    }
    if (*n_layers > 0) return IV_OK;
    return iv_fail(error, IV_EDATA, "%s: no layers in it, expected NAME.weight [out, in]", path);
}

/* ------------------------------------------------------------------ order */

/* Layers of the same shape can stand in each other's place: only their numbers tell them apart. */
static const layer *same_without_numbers(const layer *layers, size_t n, const layer **other) {
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++)
            if (inputs_of(&layers[i]) == inputs_of(&layers[k]) &&
                outputs_of(&layers[i]) == outputs_of(&layers[k]) &&
                !numbered_alike(layers[i].weight->name, layers[k].weight->name)) {
                *other = &layers[k];
                return &layers[i];
            }
    return NULL;
}

static size_t first_break(const layer *layers, size_t n) {
    size_t l = 0;
    while (l + 1 < n && outputs_of(&layers[l]) == inputs_of(&layers[l + 1])) l++;
    return l + 1;
}

/* Begin with the layer whose inputs are no other's outputs, and go on with the only one that
 * follows. False if that is not the one way through. */
static bool order_by_shapes(layer *layers, size_t n) {
    for (size_t at = 0; at < n; at++) {
        size_t found = n;
        for (size_t i = at; i < n; i++) {
            bool fits = at > 0 && inputs_of(&layers[i]) == outputs_of(&layers[at - 1]);
            if (at == 0) {
                fits = true;
                for (size_t k = 0; k < n; k++)
                    fits &= k == i || outputs_of(&layers[k]) != inputs_of(&layers[i]);
            }
            if (fits && found < n) return false;
            if (fits) found = i;
        }
        if (found == n) return false;
        const layer next = layers[found];
        layers[found] = layers[at];
        layers[at] = next;
    }
    return true;
}

static iv_status order(const char *path, layer *layers, size_t n, iv_network *network,
                       iv_error *error) {
    qsort(layers, n, sizeof *layers, compare_layers);
    const size_t at = first_break(layers, n);
    const layer *other = NULL, *ambiguous = same_without_numbers(layers, n, &other);
    if (ambiguous)
        return iv_fail(error, IV_EDATA,
                       "%s: '%s' and '%s' have the same shape, and no number says which comes "
                       "first: rename them",
                       path, ambiguous->weight->name, other->weight->name);
    if (at == n) return IV_OK;
    const layer before = layers[at - 1], after = layers[at];
    if (!order_by_shapes(layers, n))
        return iv_fail(error, IV_EDATA,
                       "%s: layers do not follow one another: '%s' gives %zu values, '%s' takes "
                       "%zu",
                       path, before.weight->name, outputs_of(&before), after.weight->name,
                       inputs_of(&after));
    return audit_note(network, error,
                      "layers are in the order of their shapes, not of their names");
}

/* ------------------------------------------------------------------ copying */

static iv_status copy(const char *path, const iv_tensor_entry *tensor, float **values,
                      iv_error *error) {
    size_t n = 1; /* the reader has checked that it fits the file */
    for (unsigned i = 0; i < tensor->rank; i++) n *= tensor->shape[i];
    for (size_t i = 0; i < n; i++)
        if (!isfinite(tensor->data[i]))
            return iv_fail(error, IV_EDATA, "%s: tensor '%s' holds %s, at position %zu", path,
                           tensor->name,
                           isnan(tensor->data[i]) ? "NaN" : "a number beyond single precision", i);
    *values = malloc(n * sizeof **values);
    if (!*values) return iv_fail(error, IV_ENOMEM, "%s: no memory to read it", path);
    memcpy(*values, tensor->data, n * sizeof **values);
    return IV_OK;
}

static iv_status copy_layer(const char *path, const layer *from, iv_network_layer *to,
                            iv_error *error) {
    *to = (iv_network_layer){.inputs = inputs_of(from), .outputs = outputs_of(from)};
    to->name = strdup(from->weight->name);
    if (!to->name) return iv_fail(error, IV_ENOMEM, "%s: no memory to read it", path);
    const iv_status status = copy(path, from->weight, &to->weight, error);
    return status == IV_OK && from->bias ? copy(path, from->bias, &to->bias, error) : status;
}

/* "numbers are stored as F16, and read as single precision" */
static iv_status note_types(const iv_safetensors *file, iv_network *network, iv_error *error) {
    char types[64] = "";
    for (size_t i = 0, used = 0; i < iv_safetensors_count(file); i++) {
        const char *type = iv_safetensors_stored(file, i);
        if (strcmp(type, "F32") != 0 && !strstr(types, type))
            used +=
                (size_t)snprintf(types + used, sizeof types - used, "%s%s", used ? ", " : "", type);
    }
    if (!*types) return IV_OK;
    return audit_note(network, error, "numbers stored as %s are read as single precision", types);
}

static iv_status note_order(const layer *layers, size_t n, iv_network *network, iv_error *error) {
    iv_text text = {0};
    char *line;
    iv_text_add(&text, "layers: ");
    for (size_t l = 0; l < n; l++)
        iv_text_format(&text, "%s%s%s", l ? ", " : "", layers[l].weight->name,
                       layers[l].bias ? "" : " (without bias)");
    iv_status status = iv_text_take(&text, &line, error);
    if (status == IV_OK) status = audit_note(network, error, "%.900s", line);
    free(line);
    return status;
}

iv_status audit_layers_read(const char *path, const iv_safetensors *file, iv_network *network,
                            iv_error *error) {
    layer layers[MOST];
    size_t n;
    iv_status status = collect(path, file, layers, &n, error);
    if (status == IV_OK) status = order(path, layers, n, network, error);
    if (status == IV_OK && !(network->layers = calloc(n, sizeof *network->layers)))
        status = iv_fail(error, IV_ENOMEM, "%s: no memory to read it", path);
    for (size_t l = 0; l < n && status == IV_OK; l++)
        status = copy_layer(path, &layers[l], &network->layers[network->n_layers++], error);
    if (status == IV_OK) status = note_order(layers, n, network, error);
    return status == IV_OK ? note_types(file, network, error) : status;
}
