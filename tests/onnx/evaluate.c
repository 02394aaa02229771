#include "evaluate.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void claim(bool holds, const iv_onnx_node *node, const char *what) {
    if (holds) return;
    fprintf(stderr, "%s (%s): %s\n", node->name, iv_onnx_op_name(node->op), what);
    abort();
}

/* A tensor with the axis of the batch, or a constant. */
typedef struct {
    unsigned rank;
    size_t axes[IV_ONNX_MAX_RANK + 1], n;
    double *data;
    bool constant;
} tensor;

static tensor new_tensor(const iv_onnx_value *value, size_t n_images) {
    tensor made = {.constant = value->data != NULL, .n = 1};
    if (!made.constant) made.axes[made.rank++] = n_images;
    for (unsigned i = 0; i < value->rank; i++) made.axes[made.rank++] = value->shape[i];
    for (unsigned i = 0; i < made.rank; i++) made.n *= made.axes[i];
    made.data = calloc(made.n + 1, sizeof *made.data);
    if (!made.data) abort();
    for (size_t i = 0; made.constant && i < made.n; i++) made.data[i] = (double)value->data[i];
    return made;
}

/* The places of entry i along the axes of a tensor. */
static void places(const tensor *of, size_t i, size_t *at) {
    for (unsigned axis = of->rank; axis-- > 0;) {
        at[axis] = i % of->axes[axis];
        i /= of->axes[axis];
    }
}

static size_t entry(const tensor *of, const size_t *at) {
    size_t i = 0;
    for (unsigned axis = 0; axis < of->rank; axis++) i = i * of->axes[axis] + at[axis];
    return i;
}

/* ------------------------------------------------------------------ products */

static void linear(const iv_onnx_node *node, const tensor *x, const tensor *w, const tensor *b,
                   tensor *y) {
    const size_t width = x->axes[x->rank - 1], n = w->axes[0];
    claim(w->rank == 2 && w->axes[1] == width && y->n / n == x->n / width, node, "weights");
    claim(!b || (b->rank == 1 && b->n == n), node, "bias");
    for (size_t row = 0; row < x->n / width; row++)
        for (size_t o = 0; o < n; o++) {
            double sum = b ? b->data[o] : 0;
            for (size_t i = 0; i < width; i++)
                sum += x->data[row * width + i] * w->data[o * width + i];
            y->data[row * n + o] = sum;
        }
}

/* Pixel (row, column) of tap t of an output; false beside the image. */
static bool pixel(const iv_window *window, const tensor *x, size_t i, size_t j, size_t s, size_t t,
                  size_t *row, size_t *column) {
    *row = i * window->stride[0] + s * window->dilation[0] - window->before[0];
    *column = j * window->stride[1] + t * window->dilation[1] - window->before[1];
    return *row < x->axes[2] && *column < x->axes[3]; /* below 0 is a large number */
}

static void check_windows(const iv_onnx_node *node, const tensor *x, const tensor *y) {
    const iv_window *window = &node->image.window;
    claim(x->rank == 4 && y->rank == 4, node, "not images");
    for (int i = 0; i < 2; i++) {
        const size_t whole = x->axes[i + 2] + window->before[i] + window->after[i];
        const size_t span = window->dilation[i] * (window->size[i] - 1) + 1;
        claim(span <= whole && y->axes[i + 2] == (whole - span) / window->stride[i] + 1, node,
              "number of windows");
    }
}

static void convolve(const iv_onnx_node *node, const tensor *x, const tensor *w, const tensor *b,
                     tensor *y) {
    const iv_window *window = &node->image.window;
    const size_t of_group = w->axes[1], outputs = w->axes[0] / node->image.groups;
    check_windows(node, x, y);
    claim(w->rank == 4 && w->axes[2] == window->size[0] && w->axes[3] == window->size[1] &&
              of_group * node->image.groups == x->axes[1] && w->axes[0] == y->axes[1] &&
              outputs * node->image.groups == w->axes[0],
          node, "weights");
    claim(!b || (b->rank == 1 && b->n == w->axes[0]), node, "bias");
    for (size_t i = 0; i < y->n; i++) {
        size_t at[4], row, column;
        places(y, i, at);
        double sum = b ? b->data[at[1]] : 0;
        for (size_t c = 0; c < of_group; c++)
            for (size_t s = 0; s < window->size[0]; s++)
                for (size_t t = 0; t < window->size[1]; t++)
                    if (pixel(window, x, at[2], at[3], s, t, &row, &column))
                        sum +=
                            w->data[entry(w, (const size_t[]){at[1], c, s, t})] *
                            x->data[entry(x, (const size_t[]){at[0], at[1] / outputs * of_group + c,
                                                              row, column})];
        y->data[i] = sum;
    }
}

static void pool(const iv_onnx_node *node, const tensor *x, tensor *y) {
    const iv_window *window = &node->image.window;
    check_windows(node, x, y);
    claim(x->axes[1] == y->axes[1], node, "channels");
    for (size_t i = 0; i < y->n; i++) {
        size_t at[4], row, column, n = 0;
        double most = -INFINITY, sum = 0;
        places(y, i, at);
        for (size_t s = 0; s < window->size[0]; s++)
            for (size_t t = 0; t < window->size[1]; t++) {
                if (!pixel(window, x, at[2], at[3], s, t, &row, &column)) continue;
                const double here = x->data[entry(x, (const size_t[]){at[0], at[1], row, column})];
                most = here > most ? here : most;
                sum += here;
                n++;
            }
        claim(n > 0 || node->image.count_padding, node, "a window beside the image");
        if (node->image.count_padding) n = window->size[0] * window->size[1];
        y->data[i] = node->op == IV_ONNX_MAX_POOL ? most : sum / (double)n;
    }
}

static void mean_over(const iv_onnx_node *node, const tensor *x, tensor *y) {
    claim((node->mean.axes & 1) == 0, node, "a mean over images");
    size_t at[IV_ONNX_MAX_RANK + 1], to[IV_ONNX_MAX_RANK + 1];
    for (size_t i = 0; i < x->n; i++) {
        unsigned n = 0;
        places(x, i, at);
        for (unsigned axis = 0; axis < x->rank; axis++) {
            const bool over = node->mean.axes >> axis & 1;
            if (!over || node->mean.keep) to[n++] = over ? 0 : at[axis];
        }
        claim(n == y->rank, node, "axes");
        y->data[entry(y, to)] += x->data[i];
    }
    for (size_t i = 0; i < y->n; i++) y->data[i] /= (double)(x->n / y->n);
}

/* ------------------------------------------------------------------ element by element */

static double binary_of(iv_binary_kind kind, double a, double b) {
    switch (kind) {
    case IV_ADD: return a + b;
    case IV_SUBTRACT: return a - b;
    case IV_MULTIPLY: return a * b;
    case IV_DIVIDE: return a / b;
    case IV_POWER: return pow(a, b);
    case IV_MINIMUM: return fmin(a, b);
    case IV_MAXIMUM: return fmax(a, b);
    }
    abort();
}

static double broadcast(const iv_onnx_node *node, const tensor *x, const tensor *y,
                        const size_t *at) {
    size_t i = 0;
    claim(x->rank <= y->rank && (x->constant || x->rank == y->rank), node, "ranks");
    for (unsigned axis = 0; axis < x->rank; axis++) {
        const unsigned of_y = axis + y->rank - x->rank;
        claim(x->axes[axis] == 1 || x->axes[axis] == y->axes[of_y], node, "broadcasting");
        i = i * x->axes[axis] + (x->axes[axis] == 1 ? 0 : at[of_y]);
    }
    return x->data[i];
}

static void binary(const iv_onnx_node *node, const tensor *a, const tensor *b, tensor *y) {
    size_t at[IV_ONNX_MAX_RANK + 1];
    claim(!a->constant || !b->constant, node, "two constants");
    claim((!a->constant || a->rank < y->rank) && (!b->constant || b->rank < y->rank), node,
          "a constant with an axis for images");
    for (size_t i = 0; i < y->n; i++) {
        places(y, i, at);
        y->data[i] = binary_of(node->binary, broadcast(node, a, y, at), broadcast(node, b, y, at));
    }
}

static double unary_of(const iv_function *function, double x) {
    const double a = (double)function->a, b = (double)function->b;
    switch (function->kind) {
    case IV_RELU: return fmax(x, 0);
    case IV_LEAKY_RELU: return x > 0 ? x : a * x;
    case IV_ELU: return x > 0 ? x : a * expm1(x);
    case IV_SELU: return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * expm1(x));
    case IV_SIGMOID: return 1 / (1 + exp(-x));
    case IV_TANH: return tanh(x);
    case IV_ERF: return erf(x);
    case IV_EXP: return exp(x);
    case IV_LOG: return log(x);
    case IV_SQRT: return sqrt(x);
    case IV_NEGATE: return -x;
    case IV_ABSOLUTE: return fabs(x);
    case IV_RECIPROCAL: return 1 / x;
    case IV_CLIP: return fmin(fmax(x, a), b);
    case IV_SOFTPLUS: return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
    case IV_HARD_SIGMOID: return fmin(fmax(a * x + b, 0), 1);
    default: abort();
    }
}

static void unary(const iv_onnx_node *node, const tensor *x, tensor *y) {
    for (size_t i = 0; i < y->n; i++) y->data[i] = unary_of(&node->unary, x->data[i]);
}

static void softmax(const tensor *x, tensor *y) {
    const size_t n = x->axes[x->rank - 1];
    for (size_t row = 0; row < x->n / n; row++) {
        const double *from = x->data + row * n;
        double most = -INFINITY, sum = 0;
        for (size_t i = 0; i < n; i++) most = fmax(most, from[i]);
        for (size_t i = 0; i < n; i++) sum += exp(from[i] - most);
        for (size_t i = 0; i < n; i++) y->data[row * n + i] = exp(from[i] - most) / sum;
    }
}

/* ------------------------------------------------------------------ moving entries */

static void permute(const iv_onnx_node *node, const tensor *x, tensor *y) {
    size_t at[IV_ONNX_MAX_RANK + 1], from[IV_ONNX_MAX_RANK + 1];
    claim(x->rank == y->rank && node->order[0] == 0, node, "axes");
    for (size_t i = 0; i < y->n; i++) {
        places(y, i, at);
        for (unsigned axis = 0; axis < y->rank; axis++) {
            claim(y->axes[axis] == x->axes[node->order[axis]], node, "shapes");
            from[node->order[axis]] = at[axis];
        }
        y->data[i] = x->data[entry(x, from)];
    }
}

/* The part of y that begins at `first` along an axis, to or from x; a constant x is in every image. */
static void copy_part(const iv_onnx_node *node, const tensor *x, tensor *y, size_t first,
                      bool to_y) {
    const tensor *part = to_y ? x : y, *whole = to_y ? y : x;
    size_t at[IV_ONNX_MAX_RANK + 1];
    for (size_t image = 0; image < (part->constant ? y->axes[0] : 1); image++)
        for (size_t i = 0; i < part->n; i++) {
            at[0] = image;
            places(part, i, at + part->constant);
            at[node->part.axis] += first;
            const size_t in_whole = entry(whole, at);
            claim(in_whole < whole->n, node, "a part that does not fit");
            if (to_y)
                y->data[in_whole] = x->data[i];
            else
                y->data[i] = x->data[in_whole];
        }
}

static void concatenate(const iv_onnx_node *node, const tensor *values, tensor *y) {
    size_t first = 0;
    claim(node->part.axis > 0, node, "axis of images");
    for (size_t k = 0; k < node->n_inputs; k++) {
        const tensor *x = &values[node->inputs[k]];
        claim(x->rank + x->constant == y->rank, node, "ranks");
        copy_part(node, x, y, first, true);
        first += x->axes[node->part.axis - x->constant];
    }
    claim(first == y->axes[node->part.axis], node, "lengths");
}

static void pad(const iv_onnx_node *node, const tensor *x, tensor *y) {
    size_t at[IV_ONNX_MAX_RANK + 1];
    for (size_t i = 0; i < y->n; i++) y->data[i] = (double)node->pad.value;
    claim(node->pad.before[0] == 0 && node->pad.after[0] == 0, node, "axis of images");
    for (unsigned axis = 0; axis < x->rank; axis++)
        claim(y->axes[axis] == x->axes[axis] + node->pad.before[axis] + node->pad.after[axis], node,
              "shapes");
    for (size_t i = 0; i < x->n; i++) {
        places(x, i, at);
        for (unsigned axis = 0; axis < x->rank; axis++) at[axis] += node->pad.before[axis];
        y->data[entry(y, at)] = x->data[i];
    }
}

/* ------------------------------------------------------------------ all of them */

static void compute(const iv_onnx_node *node, tensor *values) {
    tensor *y = &values[node->output];
    const tensor *inputs[3] = {NULL};
    for (size_t k = 0; k < node->n_inputs && k < 3; k++) inputs[k] = &values[node->inputs[k]];
    switch (node->op) {
    case IV_ONNX_LINEAR: linear(node, inputs[0], inputs[1], inputs[2], y); return;
    case IV_ONNX_CONVOLVE: convolve(node, inputs[0], inputs[1], inputs[2], y); return;
    case IV_ONNX_MAX_POOL:
    case IV_ONNX_MEAN_POOL: pool(node, inputs[0], y); return;
    case IV_ONNX_MEAN_OVER: mean_over(node, inputs[0], y); return;
    case IV_ONNX_BINARY: binary(node, inputs[0], inputs[1], y); return;
    case IV_ONNX_UNARY: unary(node, inputs[0], y); return;
    case IV_ONNX_SOFTMAX: softmax(inputs[0], y); return;
    case IV_ONNX_RESHAPE:
        claim(inputs[0]->n == y->n, node, "entries");
        memcpy(y->data, inputs[0]->data, y->n * sizeof *y->data);
        return;
    case IV_ONNX_PERMUTE: permute(node, inputs[0], y); return;
    case IV_ONNX_CONCATENATE: concatenate(node, values, y); return;
    case IV_ONNX_PART: copy_part(node, inputs[0], y, node->part.first, false); return;
    case IV_ONNX_PAD: pad(node, inputs[0], y); return;
    case IV_ONNX_N_OPS: break;
    }
    abort();
}

void onnx_evaluate(const iv_onnx_model *model, size_t n_images, const double *images,
                   double *logits) {
    tensor *values = calloc(model->n_values, sizeof *values);
    bool *known = calloc(model->n_values, sizeof *known);
    if (!values || !known) abort();
    for (size_t i = 0; i < model->n_values; i++) {
        values[i] = new_tensor(&model->values[i], n_images);
        known[i] = values[i].constant;
    }
    tensor *input = &values[model->input], *output = &values[model->output];
    if (input->n != n_images * model->n_pixels || output->n != n_images * model->n_classes) abort();
    memcpy(input->data, images, input->n * sizeof *images);
    known[model->input] = true;
    for (size_t i = 0; i < model->n_nodes; i++) {
        const iv_onnx_node *node = &model->nodes[i];
        for (size_t k = 0; k < node->n_inputs; k++)
            claim(known[node->inputs[k]], node, "an input that nothing computes");
        claim(!known[node->output], node, "an output that is there already");
        compute(node, values);
        known[node->output] = true;
    }
    memcpy(logits, output->data, output->n * sizeof *logits);
    for (size_t i = 0; i < model->n_values; i++) free(values[i].data);
    free(values);
    free(known);
}
