/* The graphs that the ops on tensors of any shape are tested in. */
#include "examples.h"

#include <invar/tensor_ops.h>

typedef struct {
    unsigned rank;
    size_t dims[4];
} shape;

static iv_tensor *random(trial *t, size_t where, const shape *s, double low, double high) {
    return trial_floats(t, lies(where), s->rank, s->dims, low, high);
}

/* Every kind with every way of repeating: none, a number per channel, per row, per column, a single
 * number, both sides at once, and axes that one side does not have. */
EXAMPLES(binary, 28, 14) {
    static const shape pairs[][2] = {{{4, {2, 3, 4, 5}}, {4, {2, 3, 4, 5}}},
                                     {{4, {2, 3, 4, 5}}, {3, {3, 1, 1}}},
                                     {{2, {3, 19}}, {1, {19}}},
                                     {{1, {1}}, {3, {2, 3, 9}}},
                                     {{2, {5, 1}}, {2, {1, 11}}},
                                     {{4, {2, 1, 3, 1}}, {4, {1, 2, 1, 9}}},
                                     {{3, {2, 3, 8}}, {3, {2, 1, 8}}}};
    const iv_binary_kind kind = (iv_binary_kind)(variant % 7);
    const shape *pair = pairs[(variant + variant / 7) % 7];
    const bool positive = kind == IV_POWER || kind == IV_DIVIDE;
    iv_tensor *a = random(t, variant, &pair[0], positive ? 0.5 : -1.0, 2.0);
    iv_tensor *b = random(t, variant + 1, &pair[1], kind == IV_DIVIDE ? 0.5 : -1.5, 1.5);
    add_output(x, iv_binary(t->graph, kind, a, b));
    add_wrt(x, a, false);
    add_wrt(x, b, false);
}

EXAMPLES(unary, 32, 16) {
    static const shape shapes[] = {{1, {1}}, {4, {2, 3, 1, 3}}, {2, {3, 8}}, {3, {2, 5, 7}}};
    const iv_function function = {.kind = (iv_function_kind)(variant % IV_N_FUNCTIONS),
                                  .a = variant % IV_N_FUNCTIONS == IV_CLIP ? -0.7f : 0.3f,
                                  .b = 0.4f};
    const bool positive =
        function.kind == IV_LOG || function.kind == IV_SQRT || function.kind == IV_RECIPROCAL;
    iv_tensor *input = random(t, variant, &shapes[(variant + 1) % 4], positive ? 0.3 : -3.0, 3.0);
    add_output(x, iv_unary(t->graph, &function, input));
    add_wrt(x, input, false);
}

/* Means over every set of axes, the axes kept and not. */
EXAMPLES(sum_over, 30, 15) {
    static const shape shapes[] = {{4, {2, 3, 4, 5}}, {4, {3, 2, 1, 19}}};
    iv_tensor *input = random(t, variant, &shapes[variant / 15], -1.0, 1.0);
    add_output(x, iv_mean_over(t->graph, input, 1 + (unsigned)variant % 15, variant % 2));
    add_wrt(x, input, false);
}

EXAMPLES(softmax, 5, 4) {
    static const shape shapes[] = {
        {1, {1}}, {2, {3, 10}}, {3, {2, 3, 4}}, {2, {5, 1}}, {2, {67, 33}}};
    const double spread = variant == 1 ? 30.0 : 2.0;
    iv_tensor *input = random(t, variant, &shapes[variant], -spread, spread);
    add_output(x, iv_softmax(t->graph, input));
    add_wrt(x, input, false);
}

/* The last one moves an axis of length 1 alone: nothing is copied. */
EXAMPLES(permute, 7, 6) {
    static const struct {
        shape of;
        unsigned order[4];
    } cases[] = {{{2, {3, 5}}, {1, 0}},
                 {{4, {2, 3, 4, 5}}, {0, 2, 3, 1}},
                 {{4, {2, 3, 4, 5}}, {3, 0, 1, 2}},
                 {{3, {2, 9, 17}}, {0, 2, 1}},
                 {{4, {2, 3, 4, 5}}, {1, 0, 2, 3}},
                 {{4, {2, 3, 4, 5}}, {3, 2, 1, 0}},
                 {{3, {2, 1, 5}}, {1, 0, 2}}};
    iv_tensor *input = random(t, variant, &cases[variant].of, -1.0, 1.0);
    iv_tensor *moved = iv_permute(t->graph, input, cases[variant].order);
    add_output(x, variant == 6 ? iv_activate(t->graph, moved, IV_ACTIVATION_TANH) : moved);
    add_wrt(x, input, false);
}

EXAMPLES(spread, 4, 3) {
    static const shape cases[][2] = {{{1, {1}}, {2, {3, 5}}},
                                     {{3, {3, 1, 2}}, {4, {2, 3, 9, 2}}},
                                     {{2, {4, 1}}, {2, {4, 19}}},
                                     {{4, {1, 2, 3, 1}}, {4, {3, 2, 3, 4}}}};
    iv_tensor *input = random(t, variant, &cases[variant][0], -1.0, 1.0);
    const shape *to = &cases[variant][1];
    add_output(x, iv_repeat(t->graph, input, to->rank, to->dims));
    add_wrt(x, input, false);
}

/* Along every axis, of different lengths, and of more tensors than a node takes; the last ones are
 * computed where they belong. */
EXAMPLES(concatenate, 7, 6) {
    enum { MOST = 6 };
    const unsigned axis = (unsigned)variant % 4;
    const size_t n = variant < 4 ? 2 : MOST;
    iv_tensor *parts[MOST];
    for (size_t k = 0; k < n; k++) {
        shape of = {4, {2, 3, 2, 4}};
        of.dims[axis] = 1 + k;
        parts[k] = random(t, variant + k, &of, -1.0, 1.0);
        if (k < EXAMPLE_MAX) add_wrt(x, parts[k], false);
        if (k % 2) parts[k] = iv_activate(t->graph, parts[k], IV_ACTIVATION_TANH);
    }
    add_output(x, iv_concatenate(t->graph, n, parts, axis));
}

/* Parts along every axis, padding around all of them, and one after the other. */
EXAMPLES(move, 8, 7) {
    static const size_t none[4] = {0}, before[4] = {1, 0, 2, 1}, after[4] = {0, 3, 1, 9};
    const shape of = {4, {3, 4, 5, 3 + 10 * (variant == 3)}};
    iv_tensor *input = random(t, variant, &of, -1.0, 1.0), *y = NULL;
    if (variant < 4)
        y = iv_part(t->graph, input, (unsigned)variant, 1, 1 + variant % 2 + 8 * (variant == 3));
    else if (variant < 6)
        y = iv_pad(t->graph, input, variant == 4 ? before : none, after, 0.25f);
    else
        y = iv_pad(t->graph, iv_part(t->graph, input, 2, 1, 3), before, after, -1.0f);
    add_output(x, y);
    add_wrt(x, input, false);
}
