/* Gaussian output weights. */
#include "affine.h"

enum { STREAM = IV_STREAM_POSTERIOR };

/* A tensor [C, H, H] with zeros above the diagonals. */
static void make_triangular(trial *t, const iv_tensor *tensor) {
    const size_t H = tensor->dims[2];
    for (size_t r = 0; r < t->n_members; r++) {
        double *values = trial_values(t, tensor, r);
        for (size_t i = 0; i < tensor->n_elements; i++)
            if (i % H > i / H % H) values[i] = 0.0;
    }
}

/* The last one has more columns than a block of the products, which leave out what lies above the
 * diagonal. */
EXAMPLES(row_variances, 6, 3) {
    static const size_t shapes[][3] = {{1, 1, 1},   {2, 3, 5},  {5, 2, 17},
                                       {3, 10, 16}, {67, 2, 9}, {2, 1, 211}};
    const size_t B = shapes[variant][0], C = shapes[variant][1], H = shapes[variant][2];
    iv_tensor *v = trial_floats(t, lies(variant), 2, (const size_t[]){B, H}, -1.0, 1.0);
    iv_tensor *factors =
        trial_floats(t, lies(variant + 1), 3, (const size_t[]){C, H, H}, -1.0, 1.0);
    const bool is_large = variant == 5;
    if (is_large) make_triangular(t, factors);
    add_output(x, iv_row_variances(t->graph, v, factors));
    add_wrt(x, v, false);
    if (!is_large) add_wrt(x, factors, false);
}

EXAMPLES(sampled_cross_entropy, 6, 4) {
    static const size_t shapes[][2] = {{1, 1}, {2, 3}, {5, 10}, {3, 2}, {67, 10}, {30, 7}};
    const size_t *dims = shapes[variant];
    iv_tensor *means = trial_floats(t, lies(variant), 2, dims, -3.0, 3.0);
    iv_tensor *variances = trial_floats(t, lies(variant + 1), 2, dims, 0.1, 4.0);
    iv_tensor *labels = trial_classes(t, lies(variant + 2), dims[0], dims[1]);
    const iv_logit_draws draws = {
        .seeds = trial_affine_seeds(t), .stream = STREAM, .n_pairs = 1 + variant % 3};
    iv_tensor *curvature;
    add_output(x, iv_sampled_cross_entropy(t->graph, means, variances, labels, &draws, &curvature));
    add_output(x, curvature);
    add_wrt(x, means, false);
    add_wrt(x, variances, false);
}

/* The last one has more than one part of the gradient's sum. */
EXAMPLES(exponential_scale, 5, 3) {
    static const size_t shapes[][2] = {{1, 1}, {2, 3}, {7, 10}, {3, 100}, {41, 33}};
    iv_tensor *v = trial_floats(t, lies(variant), 2, shapes[variant], -1.0, 1.0);
    iv_tensor *exponent = trial_floats(t, lies(variant + 1), 1, DIMS(1), -2.0, 2.0);
    add_output(x, iv_exponential_scale(t->graph, v, exponent));
    add_wrt(x, exponent, false);
}
