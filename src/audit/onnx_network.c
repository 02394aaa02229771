/* Networks of ONNX files on the host: read, compared, described, and drawn anew. */
#include "audit/audit.h"

#include <stdlib.h>
#include <string.h>

iv_status audit_onnx_read(const char *path, iv_network *network, iv_error *error) {
    iv_onnx_model *model = network->onnx = calloc(1, sizeof *model);
    if (!model) return iv_fail(error, IV_ENOMEM, "%s: no memory to read it", path);
    iv_status status = iv_onnx_read(path, model, error);
    if (status == IV_OK)
        status =
            audit_note(network, error, "written by %s, operator set %lld",
                       *model->producer ? model->producer : "a program that does not say who it is",
                       (long long)model->opset);
    for (const char *at = model->notes; status == IV_OK && at && *at;) {
        const size_t n = strcspn(at, "\n");
        status = audit_note(network, error, "%.*s", (int)(n < 900 ? n : 900), at);
        at += n + (at[n] == '\n');
    }
    return status;
}

/* ------------------------------------------------------------------ the same but for constants */

static bool same_window(const iv_window *a, const iv_window *b) {
    bool same = true;
    for (int i = 0; i < 2; i++)
        same = same && a->size[i] == b->size[i] && a->stride[i] == b->stride[i] &&
               a->dilation[i] == b->dilation[i] && a->before[i] == b->before[i] &&
               a->after[i] == b->after[i];
    return same;
}

/* What nodes of one op have beside their inputs. */
static bool same_attributes(const iv_onnx_node *a, const iv_onnx_node *b) {
    bool same = true;
    switch (a->op) {
    case IV_ONNX_CONVOLVE:
    case IV_ONNX_MAX_POOL:
    case IV_ONNX_MEAN_POOL:
        return same_window(&a->image.window, &b->image.window) &&
               a->image.groups == b->image.groups &&
               a->image.count_padding == b->image.count_padding;
    case IV_ONNX_MEAN_OVER: return a->mean.axes == b->mean.axes && a->mean.keep == b->mean.keep;
    case IV_ONNX_BINARY: return a->binary == b->binary;
    case IV_ONNX_UNARY: /* constants that are not numbers are the same as none */
        return a->unary.kind == b->unary.kind && a->unary.a == b->unary.a &&
               a->unary.b == b->unary.b;
    case IV_ONNX_PERMUTE:
        for (int i = 0; i < IV_ONNX_MAX_RANK; i++) same = same && a->order[i] == b->order[i];
        return same;
    case IV_ONNX_CONCATENATE: return a->part.axis == b->part.axis;
    case IV_ONNX_PART:
        return a->part.axis == b->part.axis && a->part.first == b->part.first &&
               a->part.count == b->part.count;
    case IV_ONNX_PAD:
        for (int i = 0; i < IV_ONNX_MAX_RANK; i++)
            same =
                same && a->pad.before[i] == b->pad.before[i] && a->pad.after[i] == b->pad.after[i];
        return same && a->pad.value == b->pad.value;
    case IV_ONNX_LINEAR:
    case IV_ONNX_SOFTMAX:
    case IV_ONNX_RESHAPE:
    case IV_ONNX_N_OPS: break;
    }
    return true;
}

static bool same_value(const iv_onnx_value *a, const iv_onnx_value *b) {
    bool same = a->rank == b->rank && !a->data == !b->data;
    for (unsigned i = 0; i < a->rank && same; i++) same = a->shape[i] == b->shape[i];
    return same;
}

bool audit_onnx_same(const iv_onnx_model *a, const iv_onnx_model *b) {
    bool same = a->n_values == b->n_values && a->n_nodes == b->n_nodes && a->input == b->input &&
                a->output == b->output;
    for (size_t v = 0; v < a->n_values && same; v++)
        same = same_value(&a->values[v], &b->values[v]);
    for (size_t i = 0; i < a->n_nodes && same; i++) {
        const iv_onnx_node *p = &a->nodes[i], *q = &b->nodes[i];
        same = p->op == q->op && p->n_inputs == q->n_inputs && p->output == q->output &&
               same_attributes(p, q);
        for (size_t k = 0; k < p->n_inputs && same; k++) same = p->inputs[k] == q->inputs[k];
    }
    return same;
}

/* ------------------------------------------------------------------ in words */

static void add_count(iv_text *text, const iv_onnx_model *model, iv_onnx_op op, const char *one,
                      const char *many) {
    size_t n = 0;
    for (size_t i = 0; i < model->n_nodes; i++) n += model->nodes[i].op == op;
    if (n > 0) iv_text_format(text, ", %zu %s", n, n == 1 ? one : many);
}

void audit_onnx_describe(iv_text *text, const iv_onnx_model *model) {
    size_t n_constants = 0;
    for (size_t v = 0; v < model->n_values; v++)
        if (model->values[v].data) n_constants += audit_onnx_elements(&model->values[v]);
    if (model->planes > 0)
        iv_text_format(text, "ONNX %zux%zux%zu-%zu", model->planes, model->height, model->width,
                       model->n_classes);
    else
        iv_text_format(text, "ONNX %zu-%zu", model->n_pixels, model->n_classes);
    add_count(text, model, IV_ONNX_CONVOLVE, "convolution", "convolutions");
    add_count(text, model, IV_ONNX_LINEAR, "linear layer", "linear layers");
    iv_text_format(text, ", %zu parameters", n_constants);
}

/* ------------------------------------------------------------------ fresh weights */

static bool copy_value(const iv_onnx_value *from, iv_onnx_value *to) {
    *to = *from;
    to->name = strdup(from->name);
    to->data = NULL;
    if (!to->name || !from->data) return to->name;
    const size_t n = audit_onnx_elements(from);
    to->data = malloc((n > 0 ? n : 1) * sizeof *to->data);
    if (to->data) memcpy(to->data, from->data, n * sizeof *to->data);
    return to->data;
}

static bool copy_node(const iv_onnx_node *from, iv_onnx_node *to) {
    *to = *from;
    to->name = strdup(from->name);
    to->inputs = malloc((from->n_inputs + 1) * sizeof *to->inputs);
    if (to->inputs) memcpy(to->inputs, from->inputs, from->n_inputs * sizeof *to->inputs);
    return to->name && to->inputs;
}

static iv_onnx_model *copy_model(const iv_onnx_model *from) {
    iv_onnx_model *to = calloc(1, sizeof *to);
    if (!to) return NULL;
    *to = *from;
    to->n_values = to->n_nodes = 0;
    to->values = calloc(from->n_values + 1, sizeof *to->values);
    to->nodes = calloc(from->n_nodes + 1, sizeof *to->nodes);
    to->producer = strdup(from->producer);
    to->notes = strdup(from->notes);
    bool whole = to->values && to->nodes && to->producer && to->notes;
    while (whole && to->n_values < from->n_values) {
        whole = copy_value(&from->values[to->n_values], &to->values[to->n_values]);
        to->n_values++;
    }
    while (whole && to->n_nodes < from->n_nodes) {
        whole = copy_node(&from->nodes[to->n_nodes], &to->nodes[to->n_nodes]);
        to->n_nodes++;
    }
    if (whole) return to;
    iv_onnx_clear(to);
    free(to);
    return NULL;
}

/* "BatchNormalization 'name'" */
static bool normalizes(const iv_onnx_node *node) {
    static const char ending[] = "Normalization";
    const size_t n = strcspn(node->name, " "), m = sizeof ending - 1;
    return n >= m && strncmp(node->name + n - m, ending, m) == 0;
}

/* What normalisation learned becomes 1, and 0: those of its constants that channels have. */
static void forget_normalization(const iv_onnx_model *model, const iv_onnx_node *node) {
    if (node->op != IV_ONNX_BINARY || !normalizes(node)) return;
    for (size_t k = 0; k < node->n_inputs; k++) {
        const iv_onnx_value *value = &model->values[node->inputs[k]];
        const size_t n = audit_onnx_elements(value);
        const bool learned = n > 1 || strncmp(node->name, "Batch", 5) == 0;
        for (size_t i = 0; i < n && value->data && learned; i++)
            value->data[i] = node->binary == IV_MULTIPLY ? 1.0f : 0.0f;
    }
}

/* Weights and biases of convolutions and linear layers; one that two of them share is drawn once. */
static iv_status draw_weights(iv_onnx_model *model, uint32_t seed, iv_error *error) {
    bool *drawn = calloc(model->n_values, sizeof *drawn);
    iv_status status = drawn ? IV_OK : iv_fail(error, IV_ENOMEM, "out of memory for a network");
    for (size_t i = 0; i < model->n_nodes && status == IV_OK; i++) {
        const iv_onnx_node *node = &model->nodes[i];
        forget_normalization(model, node);
        if (node->op != IV_ONNX_CONVOLVE && node->op != IV_ONNX_LINEAR) continue;
        const iv_onnx_value *weight = &model->values[node->inputs[1]];
        const size_t fan_in = audit_onnx_elements(weight) / weight->shape[0];
        for (size_t k = 1; k < node->n_inputs && status == IV_OK; k++) {
            const size_t v = node->inputs[k];
            iv_onnx_value *value = &model->values[v];
            if (!value->data || drawn[v]) continue;
            drawn[v] = true;
            float *fresh = audit_draw(seed, (uint32_t)v, audit_onnx_elements(value), fan_in);
            if (!fresh) status = iv_fail(error, IV_ENOMEM, "out of memory for a network");
            if (fresh) {
                free(value->data);
                value->data = fresh;
            }
        }
    }
    free(drawn);
    return status;
}

iv_status audit_onnx_fresh(const iv_network *like, uint32_t seed, iv_network *network,
                           iv_error *error) {
    iv_text name = {0};
    network->onnx = copy_model(like->onnx);
    if (!network->onnx) return iv_fail(error, IV_ENOMEM, "out of memory for a network");
    const iv_status status = draw_weights(network->onnx, seed, error);
    if (status != IV_OK) return status;
    iv_text_format(&name, "fresh %s", like->name ? like->name : "network");
    return iv_text_take(&name, &network->name, error);
}
