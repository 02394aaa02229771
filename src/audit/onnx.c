/* Networks of ONNX files that differ in their constants alone, as a population on the device. */
#include "audit/audit.h"

#include <invar/op.h>

#include <stdlib.h>
#include <string.h>

size_t audit_onnx_elements(const iv_onnx_value *value) {
    size_t n = 1; /* the reader has checked that it fits */
    for (unsigned i = 0; i < value->rank; i++) n *= value->shape[i];
    return n;
}

/* ------------------------------------------------------------------ to the device */

static iv_status upload_value(audit_population *p, const iv_network *const *networks, size_t v) {
    const size_t n = audit_onnx_elements(&p->first->onnx->values[v]);
    size_t total;
    iv_status status = iv_multiply_size(n, p->n_members, &total, iv_context_error(p->context));
    float *all = status == IV_OK ? malloc(total * sizeof *all) : NULL;
    if (status == IV_OK && !all) status = audit_no_memory(p->context);
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++)
        memcpy(all + r * n, networks[r]->onnx->values[v].data, n * sizeof *all);
    if (status == IV_OK)
        status = iv_buffer_upload(p->context, all, total * sizeof *all, &p->constants[v]);
    free(all);
    return status;
}

/* (x - mean) / deviation as x factor + summand, channel by channel, in a buffer: factors first. */
static iv_status upload_standard(audit_population *p, size_t planes, const float *mean,
                                 const float *deviation) {
    if (!mean && !deviation) return IV_OK;
    float *numbers = malloc(2 * planes * sizeof *numbers);
    if (!numbers) return audit_no_memory(p->context);
    for (size_t c = 0; c < planes; c++) {
        const double d = deviation ? (double)deviation[c] : 1, m = mean ? (double)mean[c] : 0;
        numbers[c] = (float)(1 / d);
        numbers[planes + c] = (float)(-m / d);
    }
    const iv_status status =
        iv_buffer_upload(p->context, numbers, 2 * planes * sizeof *numbers, &p->standard);
    free(numbers);
    return status;
}

static iv_status upload_classes(audit_population *p) {
    const size_t n = p->first->onnx->n_classes;
    int32_t *classes = malloc(n * sizeof *classes);
    if (!classes) return audit_no_memory(p->context);
    for (size_t c = 0; c < n; c++) classes[c] = (int32_t)c;
    const iv_status status =
        iv_buffer_upload(p->context, classes, n * sizeof *classes, &p->classes);
    free(classes);
    return status;
}

iv_status audit_onnx_upload(audit_population *p, const iv_network *const *networks,
                            iv_image_shape shape, const float *mean, const float *deviation) {
    const iv_onnx_model *model = p->first->onnx;
    p->planes = shape.planes;
    p->constants = calloc(model->n_values, sizeof *p->constants);
    if (!p->constants) return audit_no_memory(p->context);
    iv_status status = upload_standard(p, shape.planes, mean, deviation);
    if (status == IV_OK) status = upload_classes(p);
    for (size_t v = 0; v < model->n_values && status == IV_OK; v++)
        if (model->values[v].data) status = upload_value(p, networks, v);
    return status;
}

void audit_onnx_clear(audit_population *p) {
    for (size_t v = 0; p->constants && v < p->first->onnx->n_values; v++)
        iv_buffer_release(p->context, p->constants[v]);
    free(p->constants);
    iv_buffer_release(p->context, p->standard);
    iv_buffer_release(p->context, p->classes);
}

/* ------------------------------------------------------------------ in graphs */

/* A network that is being added to a graph: its values as tensors. */
typedef struct {
    const audit_population *p;
    iv_graph *graph;
    size_t batch;
    iv_tensor **tensors; /* [n_values]; NULL: not there yet */
} building;

static iv_tensor *tensor_of(const building *b, size_t v) {
    const iv_onnx_value *value = &b->p->first->onnx->values[v];
    if (b->tensors[v] || !value->data) return b->tensors[v];
    const iv_view view = {b->p->constants[v], 0, audit_onnx_elements(value)};
    static const size_t one = 1;
    b->tensors[v] = iv_input(b->graph, IV_F32, value->rank > 0 ? value->rank : 1,
                             value->rank > 0 ? value->shape : &one, &view);
    return b->tensors[v];
}

/* The shape of a value with the axis of the batch before it. */
static unsigned whole_shape(const building *b, const iv_onnx_value *value, size_t *dims) {
    dims[0] = b->batch;
    memcpy(dims + 1, value->shape, value->rank * sizeof *dims);
    return value->rank + 1;
}

static iv_tensor *concatenate(const building *b, const iv_onnx_node *node) {
    const iv_onnx_model *model = b->p->first->onnx;
    iv_tensor **parts = calloc(node->n_inputs, sizeof *parts), *whole;
    if (!parts) return iv_graph_fail(b->graph, "%s: out of memory", node->name);
    for (size_t i = 0; i < node->n_inputs; i++) {
        const iv_onnx_value *value = &model->values[node->inputs[i]];
        parts[i] = tensor_of(b, node->inputs[i]);
        if (value->data) { /* the same for every image */
            size_t dims[IV_MAX_RANK];
            const unsigned rank = whole_shape(b, value, dims);
            parts[i] = iv_repeat(b->graph, parts[i], rank, dims);
        }
    }
    whole = iv_concatenate(b->graph, node->n_inputs, parts, node->part.axis);
    free(parts);
    return whole;
}

static iv_tensor *add_node(const building *b, const iv_onnx_node *node) {
    const iv_onnx_model *model = b->p->first->onnx;
    iv_graph *g = b->graph;
    iv_tensor *in[3] = {NULL};
    for (size_t i = 0; i < node->n_inputs && i < 3; i++) in[i] = tensor_of(b, node->inputs[i]);
    size_t dims[IV_MAX_RANK];
    const unsigned rank = whole_shape(b, &model->values[node->output], dims);
    switch (node->op) {
    case IV_ONNX_LINEAR: return iv_linear(g, in[0], in[1], in[2]);
    case IV_ONNX_CONVOLVE:
        return iv_convolve(g, in[0], in[1], in[2], &node->image.window, node->image.groups);
    case IV_ONNX_MAX_POOL: return iv_max_pool(g, in[0], &node->image.window);
    case IV_ONNX_MEAN_POOL:
        return iv_mean_pool(g, in[0], &node->image.window, node->image.count_padding);
    case IV_ONNX_MEAN_OVER: return iv_mean_over(g, in[0], node->mean.axes, node->mean.keep);
    case IV_ONNX_BINARY: return iv_binary(g, node->binary, in[0], in[1]);
    case IV_ONNX_UNARY: return iv_unary(g, &node->unary, in[0]);
    case IV_ONNX_SOFTMAX: return iv_softmax(g, in[0]);
    case IV_ONNX_RESHAPE: return iv_reshape(g, in[0], rank, dims);
    case IV_ONNX_PERMUTE: return iv_permute(g, in[0], node->order);
    case IV_ONNX_CONCATENATE: return concatenate(b, node);
    case IV_ONNX_PART:
        return iv_part(g, in[0], node->part.axis, node->part.first, node->part.count);
    case IV_ONNX_PAD: return iv_pad(g, in[0], node->pad.before, node->pad.after, node->pad.value);
    case IV_ONNX_N_OPS: break;
    }
    return iv_graph_fail(g, "%s: there is no op %d", node->name, (int)node->op);
}

/* x [rows, D] standardized, in the shape that the network takes. */
static iv_tensor *image(const building *b, iv_tensor *x) {
    const audit_population *p = b->p;
    const iv_onnx_model *model = p->first->onnx;
    size_t dims[IV_MAX_RANK];
    const unsigned rank = whole_shape(b, &model->values[model->input], dims);
    if (p->standard) {
        const size_t planes[] = {p->planes, 1};
        const iv_view factor = {p->standard, 0, 0}, summand = {p->standard, p->planes, 0};
        x = iv_reshape(b->graph, x, 3,
                       (const size_t[]){b->batch, p->planes, model->n_pixels / p->planes});
        x = iv_binary(b->graph, IV_MULTIPLY, x, iv_input(b->graph, IV_F32, 2, planes, &factor));
        x = iv_binary(b->graph, IV_ADD, x, iv_input(b->graph, IV_F32, 2, planes, &summand));
    }
    return iv_reshape(b->graph, x, rank, dims);
}

static iv_tensor *logits(const void *networks, iv_graph *graph, iv_tensor *x, iv_tensor **sums) {
    const audit_population *p = networks;
    const iv_onnx_model *model = p->first->onnx;
    if (sums) *sums = NULL; /* there is no first layer to stop at */
    if (!x) return NULL;
    building b = {p, graph, iv_dim(x, 0), calloc(model->n_values, sizeof(iv_tensor *))};
    if (!b.tensors) return iv_graph_fail(graph, "%s: out of memory", p->first->name);
    b.tensors[model->input] = image(&b, x);
    for (size_t i = 0; i < model->n_nodes; i++)
        b.tensors[model->nodes[i].output] = add_node(&b, &model->nodes[i]);
    iv_tensor *output = b.tensors[model->output];
    free(b.tensors);
    return output;
}

/* Of the tensors that the network computes for an image. */
static size_t n_entries(const iv_onnx_model *model) {
    size_t n = model->n_pixels;
    for (size_t i = 0; i < model->n_nodes; i++)
        if (model->nodes[i].op != IV_ONNX_RESHAPE)
            n += audit_onnx_elements(&model->values[model->nodes[i].output]);
    return n;
}

iv_measured audit_onnx_measured(const audit_population *p) {
    const iv_onnx_model *model = p->first->onnx;
    return (iv_measured){
        .context = p->context,
        .n_members = p->n_members,
        .n_pixels = model->n_pixels,
        .n_classes = model->n_classes,
        .networks = p,
        .logits = logits,
        .n_copies = 1,
        .n_entries = n_entries(model),
        .classes = p->classes,
    };
}
