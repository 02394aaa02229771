/* Functions of entries, and of entries of two tensors. */
#include "onnx/state.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------ two tensors */

/* What the file has so far: a value, and whether it has an axis of the batch there. A constant is the
 * same for all images (onnx_value_beside). */
typedef struct {
    size_t value;
    bool batched, constant;
} operand;

/* Tensors of different ranks are aligned from the last axis, in the file: an axis of the batch must not
 * come to lie on another. */
static iv_status align(onnx_state *s, operand *a, operand *b) {
    operand *with = a->batched ? a : b, *other = a->batched ? b : a;
    const unsigned rank = s->values[with->value].shape.rank;
    onnx_shape shape = s->values[other->value].shape;
    if (a->constant || b->constant) return IV_OK;
    if (a->batched == b->batched && (!a->batched || shape.rank == rank)) return IV_OK;
    if (a->batched == b->batched)
        return onnx_refuse(
            s, "its inputs have different numbers of axes: it mixes the images of a batch");
    if (shape.rank <= rank) return IV_OK;
    if (shape.rank > rank + 1 || shape.axes[0] != 1) return onnx_mixes(s);
    shape.rank--;
    memmove(shape.axes, shape.axes + 1, shape.rank * sizeof *shape.axes);
    return onnx_append_reshape(s, other->value, &shape, &other->value);
}

static iv_status join(onnx_state *s, iv_binary_kind kind, operand a, operand b, operand *result) {
    iv_status status = align(s, &a, &b);
    if (status == IV_OK) status = onnx_append_binary(s, kind, a.value, b.value, &result->value);
    result->batched = (a.batched && !a.constant) || (b.batched && !b.constant);
    result->constant = false;
    return status;
}

/* Input i beside a computed one. */
static iv_status take(onnx_state *s, size_t i, const onnx_name *beside, operand *taken) {
    const onnx_name *name = s->inputs[i];
    if (!name) return onnx_refuse(s, "lacks its input %zu", i);
    *taken = (operand){name->value, name->batched, name->constant != ONNX_NOTHING};
    if (!taken->constant) return IV_OK;
    return onnx_value_beside(s, name, beside, &taken->value);
}

/* x to the power of a number that has a simpler form. False if it has none. */
static bool simple_power(onnx_state *s, const onnx_name *x, double exponent, size_t *value,
                         iv_status *status) {
    *value = x->value;
    *status = IV_OK;
    if (exponent == 0.5)
        *status = onnx_append_unary(s, (iv_function){.kind = IV_SQRT}, x->value, value);
    else if (exponent == -1)
        *status = onnx_append_unary(s, (iv_function){.kind = IV_RECIPROCAL}, x->value, value);
    else if (exponent != 1 && exponent != 2 && exponent != 3)
        return false;
    for (int i = 1; i < exponent && exponent > 1 && *status == IV_OK; i++)
        *status = onnx_append_binary(s, IV_MULTIPLY, *value, x->value, value);
    return true;
}

static iv_status lower_power(onnx_state *s) {
    const onnx_constant *exponent = onnx_constant_of(s, s->inputs[1]);
    const onnx_name *x = s->inputs[0];
    operand base, power = {0}, result;
    size_t value;
    iv_status status;
    if (exponent && exponent->n == 1 && exponent->shape.rank <= 1 &&
        simple_power(s, x, onnx_number(exponent, 0), &value, &status)) {
        if (status == IV_OK) onnx_bind_value(s, 0, value, x->batched);
        return status;
    }
    const onnx_name *computed = exponent ? x : s->inputs[1];
    status = take(s, 0, computed, &base);
    if (status == IV_OK && exponent && exponent->n == 1 && !exponent->floats) {
        power = (operand){.constant = true};
        status = onnx_use_number(s, onnx_number(exponent, 0), &power.value);
    } else if (status == IV_OK) {
        status = take(s, 1, computed, &power);
    }
    if (status == IV_OK) status = join(s, IV_POWER, base, power, &result);
    if (status == IV_OK) onnx_bind_value(s, 0, result.value, result.batched);
    return status;
}

/* A sum that is the bias of the product before it. */
static iv_status add_bias(onnx_state *s, size_t x, bool *done) {
    const onnx_constant *constant = onnx_constant_of(s, s->inputs[1 - x]);
    iv_onnx_node *node = onnx_changeable(s, x, IV_ONNX_LINEAR);
    const bool linear = node != NULL;
    if (!node) node = onnx_changeable(s, x, IV_ONNX_CONVOLVE);
    *done = false;
    if (!node || !constant || !constant->floats || node->n_inputs > 2) return IV_OK;

    const onnx_shape shape = s->values[node->output].shape;
    const size_t width = shape.axes[linear ? shape.rank - 1 : 0];
    const unsigned behind = linear ? 0 : 2, rank = constant->shape.rank;
    if (constant->n != width || rank <= behind || rank > shape.rank + 1 ||
        constant->shape.axes[rank - 1 - behind] != width)
        return IV_OK;
    const size_t at = (size_t)(node - s->nodes);
    size_t bias;
    const iv_status status = onnx_use_constant(s, s->inputs[1 - x]->constant,
                                               &(onnx_shape){.rank = 1, .axes = {width}}, &bias);
    if (status != IV_OK) return status;
    onnx_add_bias(s, &s->nodes[at], bias);
    onnx_bind_same(s, 0, s->inputs[x]);
    *done = true;
    return IV_OK;
}

iv_status onnx_lower_binary(onnx_state *s, int kind) {
    const bool mean = kind == ONNX_MEAN_OF_INPUTS;
    const iv_binary_kind as = mean ? IV_ADD : (iv_binary_kind)kind;
    operand sum = {0}, next;
    size_t first = 0;
    bool done = false;
    iv_status status = IV_OK;
    if (kind == IV_POWER) return lower_power(s);
    while (!s->inputs[first] || s->inputs[first]->constant != ONNX_NOTHING) first++;
    if (kind == IV_ADD && s->n_inputs == 2) status = add_bias(s, first, &done);
    if (status != IV_OK || done) return status;

    /* In order where it matters; else from one that is computed. */
    const onnx_name *beside = s->inputs[first];
    const bool ordered = s->n_inputs == 2;
    status = take(s, ordered ? 0 : first, beside, &sum);
    for (size_t i = ordered ? 1 : 0; i < s->n_inputs && status == IV_OK; i++) {
        if (!ordered && i == first) continue;
        status = take(s, i, beside, &next);
        if (status == IV_OK) status = join(s, as, sum, next, &sum);
    }
    if (status == IV_OK && mean) {
        next = (operand){.constant = true};
        status = onnx_use_number(s, (double)s->n_inputs, &next.value);
        if (status == IV_OK) status = join(s, IV_DIVIDE, sum, next, &sum);
    }
    if (status == IV_OK) onnx_bind_value(s, 0, sum.value, sum.batched);
    return status;
}

/* ------------------------------------------------------------------ one tensor */

static iv_status bind_unary(onnx_state *s, iv_function function) {
    const onnx_name *x = s->inputs[0];
    size_t value;
    const iv_status status = onnx_append_unary(s, function, x->value, &value);
    if (status == IV_OK) onnx_bind_value(s, 0, value, x->batched);
    return status;
}

iv_status onnx_lower_unary(onnx_state *s, int kind) {
    iv_function function = {.kind = (iv_function_kind)kind};
    iv_status status = IV_OK;
    if (kind == IV_LEAKY_RELU) status = onnx_float(s, "alpha", 0.01f, &function.a);
    if (kind == IV_ELU) status = onnx_float(s, "alpha", 1, &function.a);
    if (kind == IV_HARD_SIGMOID) {
        status = onnx_float(s, "alpha", 0.2f, &function.a);
        if (status == IV_OK) status = onnx_float(s, "beta", 0.5f, &function.b);
    }
    return status == IV_OK ? bind_unary(s, function) : status;
}

/* Bounds are attributes before operator set 11. */
iv_status onnx_lower_clip(onnx_state *s, int kind) {
    iv_function clip = {.kind = IV_CLIP, .a = -FLT_MAX, .b = FLT_MAX};
    double least = -FLT_MAX, most = FLT_MAX;
    iv_status status = IV_OK;
    (void)kind;
    if (s->opset < 11 && s->n_inputs > 1) {
        status =
            onnx_refuse(s, "has bounds as inputs, which are attributes before operator set 11");
    } else if (s->opset < 11) {
        status = onnx_float(s, "min", clip.a, &clip.a);
        if (status == IV_OK) status = onnx_float(s, "max", clip.b, &clip.b);
    } else if (s->node->n_attribute > 0) {
        status = onnx_refuse(s, "has bounds as attributes, which are inputs since operator set 11");
    } else {
        status = onnx_input_number(s, 1, least, &least);
        if (status == IV_OK) status = onnx_input_number(s, 2, most, &most);
        clip.a = (float)least;
        clip.b = (float)most;
    }
    if (status != IV_OK) return status;
    if (!(clip.a <= clip.b))
        return onnx_refuse(s, "its bounds %g and %g are not in order", (double)clip.a,
                           (double)clip.b);
    if (clip.a == 0 && clip.b >= FLT_MAX) clip.kind = IV_RELU;
    return bind_unary(s, clip);
}

/* x times a function of x. */
static iv_status gate(onnx_state *s, const iv_function *functions, int n) {
    const onnx_name *x = s->inputs[0];
    size_t value = x->value;
    iv_status status = IV_OK;
    for (int i = 0; i < n && status == IV_OK; i++)
        status = onnx_append_unary(s, functions[i], value, &value);
    if (status == IV_OK) status = onnx_append_binary(s, IV_MULTIPLY, x->value, value, &value);
    if (status == IV_OK) onnx_bind_value(s, 0, value, x->batched);
    return status;
}

iv_status onnx_lower_hard_swish(onnx_state *s, int kind) {
    (void)kind;
    return gate(s, &(iv_function){.kind = IV_HARD_SIGMOID, .a = 1.0f / 6, .b = 0.5f}, 1);
}

iv_status onnx_lower_mish(onnx_state *s, int kind) {
    (void)kind;
    return gate(s, (const iv_function[]){{.kind = IV_SOFTPLUS}, {.kind = IV_TANH}}, 2);
}

/* 0.5 x (1 + erf(x / sqrt(2))), or with tanh(sqrt(2 / pi) (x + 0.044715 x^3)) in its place. */
iv_status onnx_lower_gelu(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0];
    size_t value = x->value;
    char approximate[32];
    (void)kind;
    iv_status status = onnx_string(s, "approximate", "none", approximate);
    if (status != IV_OK) return status;
    const bool tanh = strcmp(approximate, "tanh") == 0;
    if (!tanh && strcmp(approximate, "none") != 0)
        return onnx_refuse(s, "its attribute approximate is neither none nor tanh");
    if (tanh) {
        status = onnx_append_binary(s, IV_MULTIPLY, value, value, &value);
        if (status == IV_OK) status = onnx_append_number(s, IV_MULTIPLY, 0.044715, &value);
        if (status == IV_OK) status = onnx_append_number(s, IV_ADD, 1, &value);
        if (status == IV_OK) status = onnx_append_binary(s, IV_MULTIPLY, value, x->value, &value);
    }
    const double factor = tanh ? 0.79788456080286536 : 0.70710678118654752;
    if (status == IV_OK) status = onnx_append_number(s, IV_MULTIPLY, factor, &value);
    if (status == IV_OK)
        status =
            onnx_append_unary(s, (iv_function){.kind = tanh ? IV_TANH : IV_ERF}, value, &value);
    if (status == IV_OK) status = onnx_append_number(s, IV_ADD, 1, &value);
    if (status == IV_OK) status = onnx_append_binary(s, IV_MULTIPLY, value, x->value, &value);
    if (status == IV_OK) status = onnx_append_number(s, IV_MULTIPLY, 0.5, &value);
    if (status == IV_OK) onnx_bind_value(s, 0, value, x->batched);
    return status;
}

/* x / (1 + |x|) */
iv_status onnx_lower_softsign(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0];
    size_t value;
    (void)kind;
    iv_status status = onnx_append_unary(s, (iv_function){.kind = IV_ABSOLUTE}, x->value, &value);
    if (status == IV_OK) status = onnx_append_number(s, IV_ADD, 1, &value);
    if (status == IV_OK) status = onnx_append_binary(s, IV_DIVIDE, x->value, value, &value);
    if (status == IV_OK) onnx_bind_value(s, 0, value, x->batched);
    return status;
}

/* gamma (x > 0 ? x : alpha (exp(x) - 1)), with Klambauer's constants or others. */
iv_status onnx_lower_selu(onnx_state *s, int kind) {
    static const float its_alpha = 1.67326319217681884765625f,
                       its_gamma = 1.05070102214813232421875f;
    const onnx_name *x = s->inputs[0];
    float alpha, gamma = 0;
    size_t value;
    (void)kind;
    iv_status status = onnx_float(s, "alpha", its_alpha, &alpha);
    if (status == IV_OK) status = onnx_float(s, "gamma", its_gamma, &gamma);
    if (status != IV_OK) return status;
    if (fabsf(alpha - its_alpha) < 1e-6f && fabsf(gamma - its_gamma) < 1e-6f)
        return bind_unary(s, (iv_function){.kind = IV_SELU});
    status = onnx_append_unary(s, (iv_function){.kind = IV_ELU, .a = alpha}, x->value, &value);
    if (status == IV_OK) status = onnx_append_number(s, IV_MULTIPLY, (double)gamma, &value);
    if (status == IV_OK) onnx_bind_value(s, 0, value, x->batched);
    return status;
}

/* alpha elu(x / alpha) */
iv_status onnx_lower_celu(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0];
    size_t value = x->value;
    float alpha;
    (void)kind;
    iv_status status = onnx_float(s, "alpha", 1, &alpha);
    if (status != IV_OK) return status;
    if (!(alpha > 0)) return onnx_refuse(s, "its alpha %g is not above 0", (double)alpha);
    if (alpha != 1) status = onnx_append_number(s, IV_DIVIDE, (double)alpha, &value);
    if (status == IV_OK)
        status = onnx_append_unary(s, (iv_function){.kind = IV_ELU, .a = 1}, value, &value);
    if (status == IV_OK && alpha != 1)
        status = onnx_append_number(s, IV_MULTIPLY, (double)alpha, &value);
    if (status == IV_OK) onnx_bind_value(s, 0, value, x->batched);
    return status;
}

/* max(x, 0) + slope min(x, 0) */
iv_status onnx_lower_prelu(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0], *slope = s->inputs[1];
    const onnx_constant *constant = onnx_constant_of(s, slope);
    size_t above, below, factor, value;
    (void)kind;
    if (!constant) return onnx_refuse(s, "its slope depends on the image, expected a constant");
    if (constant->n == 1 && constant->floats)
        return bind_unary(s, (iv_function){.kind = IV_LEAKY_RELU, .a = constant->floats[0]});
    iv_status status = onnx_value_beside(s, slope, x, &factor);
    if (status == IV_OK)
        status = onnx_append_unary(s, (iv_function){.kind = IV_RELU}, x->value, &above);
    if (status == IV_OK)
        status = onnx_append_unary(s, (iv_function){.kind = IV_CLIP, .a = -FLT_MAX, .b = 0},
                                   x->value, &below);
    if (status == IV_OK) status = onnx_append_binary(s, IV_MULTIPLY, below, factor, &below);
    if (status == IV_OK) status = onnx_append_binary(s, IV_ADD, above, below, &value);
    if (status == IV_OK && !onnx_same_shape(&s->values[value].shape, &s->values[x->value].shape))
        return onnx_refuse(s, "its slope has more entries than its input");
    if (status == IV_OK) onnx_bind_value(s, 0, value, x->batched);
    return status;
}

/* ------------------------------------------------------------------ what changes nothing */

iv_status onnx_lower_pass(onnx_state *s, int kind) {
    (void)kind;
    onnx_bind_same(s, 0, s->inputs[0]);
    return IV_OK;
}

/* That is what it does once a network is trained. */
iv_status onnx_lower_dropout(onnx_state *s, int kind) {
    double training;
    (void)kind;
    const iv_status status = onnx_input_number(s, 2, 0, &training);
    if (status != IV_OK) return status;
    if (training != 0)
        return onnx_refuse(s, "is in training mode: export the network for inference");
    onnx_bind_same(s, 0, s->inputs[0]);
    return IV_OK;
}

iv_status onnx_lower_cast(onnx_state *s, int kind) {
    int64_t to;
    (void)kind;
    const iv_status status = onnx_integer(s, "to", 0, &to);
    if (status != IV_OK) return status;
    switch (to) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT: break;
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE: s->narrow = "double"; break;
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16: s->narrow = "float16"; break;
    case ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16: s->narrow = "bfloat16"; break;
    default: return onnx_refuse(s, "makes other numbers than floats of what depends on the image");
    }
    onnx_bind_same(s, 0, s->inputs[0]);
    return IV_OK;
}

/* Everything that depends on the image is a float. */
iv_status onnx_lower_cast_like(onnx_state *s, int kind) {
    const onnx_constant *like = onnx_constant_of(s, s->inputs[1]);
    if (s->inputs[0]->constant != ONNX_NOTHING)
        return onnx_fold_to(s, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    if (like && !like->floats) return onnx_refuse(s, "makes integers of what depends on the image");
    return onnx_lower_pass(s, kind);
}
