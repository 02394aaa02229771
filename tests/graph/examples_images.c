/* Convolutions and pooling: windows of all kinds, groups, and what lies around them in networks. */
#include "examples.h"

#include <invar/image_ops.h>

#define AROUND(y, x)                                                                               \
    {y, x}, {                                                                                      \
        y, x                                                                                       \
    }

/* Batch, channels, height, width; outputs, groups; bias; the window. */
typedef struct {
    size_t images[4], outputs, groups;
    bool bias;
    iv_window window;
} convolution;

/* Windows of one pixel; odd and even ones; more outputs than a tile; strides that leave pixels out,
 * that are longer than the window, and that differ; dilation; borders on one side; groups with few
 * channels and with many. */
static const convolution convolutions[] = {
    {{1, 1, 3, 3}, 1, 1, true, {{1, 1}, {1, 1}, {1, 1}, AROUND(0, 0)}},
    {{2, 3, 5, 4}, 4, 1, true, {{3, 3}, {1, 1}, {1, 1}, AROUND(1, 1)}},
    {{2, 2, 6, 7}, 3, 1, false, {{2, 3}, {2, 2}, {1, 1}, {0, 1}, {1, 1}}},
    {{3, 4, 5, 5}, 8, 4, true, {{3, 3}, {1, 1}, {1, 1}, AROUND(1, 1)}},
    {{2, 3, 4, 5}, 5, 1, true, {{1, 1}, {1, 1}, {1, 1}, AROUND(0, 0)}},
    {{1, 3, 7, 8}, 20, 1, true, {{3, 2}, {1, 1}, {2, 3}, AROUND(2, 1)}},
    {{2, 5, 6, 6}, 35, 1, false, {{1, 1}, {2, 2}, {1, 1}, AROUND(0, 0)}},
    {{2, 2, 5, 6}, 70, 1, true, {{3, 3}, {1, 1}, {1, 1}, AROUND(1, 1)}},
    {{2, 16, 4, 4}, 16, 2, true, {{3, 3}, {1, 2}, {1, 1}, AROUND(1, 1)}},
    {{1, 6, 7, 7}, 6, 6, true, {{3, 3}, {2, 2}, {1, 1}, AROUND(1, 1)}},
    {{1, 4, 9, 9}, 4, 2, false, {{2, 2}, {3, 3}, {1, 1}, AROUND(0, 0)}},
    {{2, 2, 9, 8}, 3, 1, true, {{2, 2}, {3, 4}, {1, 1}, {1, 0}, {0, 1}}},
    {{2, 3, 1, 9}, 4, 1, true, {{1, 4}, {1, 3}, {1, 2}, AROUND(0, 3)}},
    {{1, 16, 3, 3}, 8, 2, false, {{1, 1}, {1, 1}, {1, 1}, AROUND(0, 0)}},
    {{1, 2, 4, 4}, 3, 1, true, {{3, 3}, {1, 1}, {1, 1}, AROUND(3, 4)}},
    {{1, 1, 12, 11}, 6, 1, true, {{5, 5}, {1, 1}, {1, 1}, AROUND(2, 2)}},
    {{1, 2, 6, 37}, 2, 2, true, {{3, 3}, {1, 1}, {1, 1}, AROUND(1, 1)}},
    {{1, 2, 5, 39}, 4, 2, true, {{2, 3}, {2, 2}, {1, 1}, {0, 1}, {1, 1}}},
    {{1, 3, 4, 53}, 3, 1, false, {{1, 3}, {1, 3}, {1, 1}, AROUND(0, 1)}},
};

static iv_tensor *convolve(trial *t, const convolution *c, size_t variant, iv_tensor *images) {
    const size_t weights[] = {c->outputs, c->images[1] / c->groups, c->window.size[0],
                              c->window.size[1]};
    iv_tensor *w = trial_floats(t, lies(variant + 1), 4, weights, -1.0, 1.0);
    iv_tensor *b = c->bias ? trial_floats(t, lies(variant + 2), 1, &c->outputs, -1.0, 1.0) : NULL;
    return iv_convolve(t->graph, images, w, b, &c->window, c->groups);
}

EXAMPLES(convolve, 19, 5) {
    const convolution *c = &convolutions[variant];
    iv_tensor *images = trial_floats(t, lies(variant), 4, c->images, -1.0, 1.0);
    add_output(x, convolve(t, c, variant, images));
    add_wrt(x, images, true);
}

/* Where a gradient goes through the derivative of an activation in the convolution that sends it
 * back, and a bias and an activation follow sums: of each way to compute one. */
EXAMPLES(activated_convolutions, 16, 4) {
    static const size_t which[] = {1, 4, 3, 2, 5, 6, 16, 17};
    const iv_activation activation = (iv_activation)(IV_ACTIVATION_RELU + variant % 4);
    const convolution *c = &convolutions[which[variant % 8]];
    iv_tensor *images = trial_floats(t, lies(variant), 4, c->images, -2.0, 2.0);
    iv_tensor *hidden = iv_activate(t->graph, images, activation);
    iv_tensor *y = iv_activate(t->graph, convolve(t, c, variant, hidden), activation);
    add_output(x, y);
    add_wrt(x, images, true);
}

/* A small network whose logits are a matrix, so that several products at once begin with rows. */
EXAMPLES(convolutional_network, 2, 2) {
    const iv_window window = {{3, 3}, {1, 1}, {1, 1}, AROUND(1, 1)},
                    pool = {{2, 2}, {2, 2}, {1, 1}, AROUND(0, 0)};
    const size_t B = 2, D = 2 * 4 * 6, C = 3;
    iv_tensor *rows = trial_floats(t, lies(variant), 2, DIMS(B, D), -1.0, 1.0);
    iv_tensor *images = iv_reshape(t->graph, rows, 4, DIMS(B, 2, 4, 6));
    iv_tensor *w = trial_floats(t, lies(variant), 4, DIMS(5, 2, 3, 3), -1.0, 1.0);
    iv_tensor *hidden = iv_activate(t->graph, iv_convolve(t->graph, images, w, NULL, &window, 1),
                                    IV_ACTIVATION_TANH);
    iv_tensor *pooled = variant == 0 ? iv_max_pool(t->graph, hidden, &pool)
                                     : iv_mean_pool(t->graph, hidden, &pool, false);
    iv_tensor *features = iv_reshape(t->graph, pooled, 2, DIMS(B, 5 * 2 * 3));
    iv_tensor *v = trial_floats(t, lies(variant + 1), 2, DIMS(C, 5 * 2 * 3), -1.0, 1.0);
    add_output(x, iv_linear(t->graph, features, v, NULL));
    add_wrt(x, rows, true);
}

static const struct {
    size_t images[4];
    iv_window window;
} poolings[] = {
    {{1, 1, 2, 2}, {{2, 2}, {2, 2}, {1, 1}, AROUND(0, 0)}},
    {{2, 3, 5, 7}, {{3, 3}, {2, 2}, {1, 1}, AROUND(1, 1)}},
    {{2, 2, 6, 5}, {{2, 3}, {1, 1}, {2, 1}, {1, 0}, {0, 2}}},
    {{3, 2, 4, 9}, {{4, 9}, {1, 1}, {1, 1}, AROUND(0, 0)}},
    {{1, 4, 7, 7}, {{2, 2}, {3, 3}, {1, 1}, {0, 0}, {1, 1}}},
    {{1, 67, 3, 4}, {{2, 2}, {2, 1}, {1, 1}, {0, 1}, {1, 0}}},
    {{1, 2, 4, 37}, {{2, 3}, {1, 2}, {1, 1}, AROUND(1, 1)}},
    {{2, 1, 5, 23}, {{3, 2}, {2, 1}, {1, 2}, {1, 1}, {0, 2}}},
    {{1, 1, 3, 67}, {{2, 2}, {1, 3}, {1, 1}, AROUND(0, 0)}},
};

EXAMPLES(max_pool, 9, 4) {
    iv_tensor *images = trial_floats(t, lies(variant), 4, poolings[variant].images, -1.0, 1.0);
    add_output(x, iv_max_pool(t->graph, images, &poolings[variant].window));
    add_wrt(x, images, true);
}

EXAMPLES(mean_pool, 18, 4) {
    const size_t shape = variant % 9;
    iv_tensor *images = trial_floats(t, lies(variant), 4, poolings[shape].images, -1.0, 1.0);
    const bool count_padding = variant < 9 ? variant % 2 : variant % 2 == 0;
    add_output(x, iv_mean_pool(t->graph, images, &poolings[shape].window, count_padding));
    add_wrt(x, images, true);
}
