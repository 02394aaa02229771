/* The graphs that warps, products with warped filters, blur and features are tested in. */
#include "examples.h"

#include <invar/affine.h>

/* Below, at and above a vector's width; one row, one column, one pixel; planes; more images and
 * samples than a work-item takes at once. */
static const struct {
    iv_image_shape shape;
    size_t images, samples;
} cases[] = {{{1, 1, 1}, 1, 1},  {{1, 4, 3}, 2, 3},   {{2, 3, 5}, 3, 2},
             {{1, 1, 6}, 2, 2},  {{1, 5, 1}, 1, 2},   {{1, 4, 17}, 18, 2},
             {{3, 2, 2}, 17, 9}, {{1, 16, 16}, 1, 3}, {{1, 3, 4}, 33, 1}};

static size_t values_of(iv_image_shape shape) {
    return shape.planes * shape.height * shape.width;
}

/* Where a weight has no derivative: a position on a grid line. Central differences move positions
 * by less than 1e-4 pixels. */
static bool is_on_grid(const double *t, iv_image_shape shape) {
    const double margin = 2e-4;
    for (size_t i = 0; i < shape.height; i++)
        for (size_t j = 0; j < shape.width; j++) {
            const double w = 0.5 * (double)(shape.width - 1), h = 0.5 * (double)(shape.height - 1);
            const double x = w > 0.0 ? (double)j / w - 1.0 : 0.0;
            const double y = h > 0.0 ? (double)i / h - 1.0 : 0.0;
            const double u = (t[0] * x + t[1] * y + t[2] + 1.0) * w;
            const double v = (t[3] * x + t[4] * y + t[5] + 1.0) * h;
            if ((w > 0.0 && fabs(u - round(u)) < margin) ||
                (h > 0.0 && fabs(v - round(v)) < margin))
                return true;
        }
    return false;
}

/* [S, 6]: turned, scaled, sheared, and moved, some of the image or all of it outside. */
static iv_tensor *transformations(trial *t, layout where, size_t S, iv_image_shape shape) {
    iv_tensor *tensor = trial_floats(t, where, 2, DIMS(S, 6), -1.2, 1.2);
    for (size_t r = 0; r < t->n_members; r++)
        for (size_t s = 0; s < S; s++) {
            double *values = trial_values(t, tensor, r) + 6 * s;
            if (where == LIES_SHARED && r > 0) {
                memcpy(values, trial_values(t, tensor, 0) + 6 * s, 6 * sizeof *values);
                continue;
            }
            if (s % 3 == 1) values[2] += 2.0;
            while (is_on_grid(values, shape))
                for (size_t k = 0; k < 6; k++) values[k] = (float)trial_uniform(t, -1.2, 1.2);
        }
    return tensor;
}

EXAMPLES(warp_inputs, 9, 6) {
    const iv_image_shape shape = cases[variant].shape;
    iv_tensor *images =
        trial_floats(t, lies(variant), 2, DIMS(cases[variant].images, values_of(shape)), -1.0, 1.0);
    iv_tensor *T = transformations(t, lies(variant + 1), cases[variant].samples, shape);
    add_output(x, iv_warp_inputs(t->graph, images, T, shape));
    add_wrt(x, T, false);
}

EXAMPLES(warp_filters, 9, 5) {
    const iv_image_shape shape = cases[variant].shape;
    iv_tensor *filters = trial_floats(t, lies(variant + 2), 2,
                                      DIMS(cases[variant].images, values_of(shape)), -1.0, 1.0);
    iv_tensor *T = transformations(t, lies(variant), cases[variant].samples, shape);
    add_output(x, iv_warp_filters(t->graph, filters, T, shape));
    add_wrt(x, filters, false);
    add_wrt(x, T, false);
}

/* The products that both sides of the warp lead to, and the features of them. */
EXAMPLES(filter_products, 4, 3) {
    static const struct {
        size_t S, B, D, H;
    } sizes[] = {{1, 1, 1, 1}, {2, 3, 4, 5}, {3, 5, 7, 2}, {4, 17, 12, 18}};
    const size_t S = sizes[variant].S, B = sizes[variant].B, D = sizes[variant].D,
                 H = sizes[variant].H;
    iv_tensor *inputs = trial_floats(t, lies(variant), 2, DIMS(B, D), -1.0, 1.0);
    iv_tensor *w = trial_floats(t, lies(variant + 1), 3, DIMS(S, H, D), -1.0, 1.0);
    iv_tensor *b = trial_floats(t, lies(variant + 2), 1, DIMS(H), -1.0, 1.0);
    add_output(x, iv_filter_products(t->graph, inputs, w, b));
    add_wrt(x, w, false);
    add_wrt(x, b, false);
}

/* A whole layer, from transformations to features. */
EXAMPLES(invariant_layer, 4, 2) {
    const iv_image_shape shape = {1, 3, 4};
    iv_tensor *images = trial_floats(t, lies(variant), 2, DIMS(3, 12), -1.0, 1.0);
    iv_tensor *w = trial_floats(t, lies(variant + 1), 2, DIMS(5, 12), -1.0, 1.0);
    iv_tensor *b = trial_floats(t, lies(variant + 2), 1, DIMS(5), -1.0, 1.0);
    iv_tensor *T = transformations(t, lies(variant), 3, shape);
    iv_tensor *z =
        variant % 2
            ? iv_linear(t->graph, iv_warp_inputs(t->graph, images, T, shape), w, b)
            : iv_filter_products(t->graph, images, iv_warp_filters(t->graph, w, T, shape), b);
    add_output(x, iv_feature_mean(t->graph, z, variant < 2 ? IV_FEATURE_RELU : IV_FEATURE_COSINE));
    add_wrt(x, w, false);
    add_wrt(x, b, false);
    add_wrt(x, T, false);
}

EXAMPLES(transform_points, 4, 3) {
    static const size_t sizes[][2] = {{1, 1}, {2, 3}, {9, 5}, {70, 2}};
    iv_tensor *points = trial_floats(t, lies(variant), 2, DIMS(sizes[variant][0], 2), -2.0, 2.0);
    iv_tensor *T = trial_floats(t, lies(variant + 1), 2, DIMS(sizes[variant][1], 6), -2.0, 2.0);
    add_output(x, iv_transform_points(t->graph, points, T));
    add_wrt(x, T, false);
}

EXAMPLES(blur, 9, 5) {
    static const float sigmas[] = {1.0f, 0.5f, 2.0f, 0.1f, 5.0f, 1.0f, 0.17f, 3.0f, 40.0f};
    const iv_image_shape shape = cases[variant].shape;
    iv_tensor *images =
        trial_floats(t, lies(variant), 2, DIMS(cases[variant].images, values_of(shape)), -1.0, 1.0);
    add_output(x, iv_blur(t->graph, images, shape, sigmas[variant]));
    add_wrt(x, images, false);
}

EXAMPLES(feature_mean, 12, 8) {
    static const size_t dims[][3] = {{1, 1, 1},  {3, 2, 5},   {2, 3, 7},
                                     {5, 1, 16}, {2, 25, 41}, {1, 4, 9}};
    const bool cosine = variant % 2;
    iv_tensor *z = trial_floats(t, lies(variant), 3, dims[variant / 2], -8.0, 8.0);
    /* away from the corner of ReLU */
    for (size_t r = 0; r < t->n_members; r++)
        for (size_t i = 0; i < iv_elements(z); i++)
            if (fabs(trial_values(t, z, r)[i]) < 1e-3) trial_values(t, z, r)[i] = 0.5;
    add_output(x, iv_feature_mean(t->graph, z, cosine ? IV_FEATURE_COSINE : IV_FEATURE_RELU));
    add_wrt(x, z, false);
}
