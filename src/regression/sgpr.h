/* Sparse Gaussian process regression on labels: the baseline of the marginal-likelihood study.
 *
 * Labels become targets Y [N, C]: 1 - 1/C for a datum's class, -1/C for the others. All C outputs
 * have the same prior, a Gaussian process with kernel k(x, z) = v exp(-|x - z|^2 / (2 l^2)), the
 * same M inducing points Z and the same noise variance s. The bound is that of Titsias 2009 with
 * the inducing values integrated out, summed over outputs:
 *
 *   F = sum over c of log N(y_c | 0, Q + s I) - (C / 2s) tr(K_ff - Q),  Q = K_fu K^-1 K_uf,
 *   K = K_uu + jitter v I
 *
 * Z are training rows, a seeded random choice without replacement, and stay fixed. The jitter makes
 * single precision suffice; since the inducing variables are then f(Z) with some noise, F is a
 * lower bound of the log marginal likelihood with any jitter.
 *
 * For a given lengthscale one pass over the data gives matrices of M x M that hold everything else:
 * F and its gradient at any v and s, and their best values (the noise in closed form, then a search
 * along v / s). So training is a search along log l, a pass a step.
 *
 *   sgpr.c        the regression: its buffers, prediction
 *   sgpr_parts.h  what its files share
 *   sgpr_pass.c   the pass over the data
 *   sgpr_bound.c  the bound and its gradient from what the pass left
 *   sgpr_train.c  the searches */
#ifndef INVAR_REGRESSION_SGPR_H
#define INVAR_REGRESSION_SGPR_H

#include <invar/runtime.h>
#include <invar/train.h>

/* Relative to the variance: what the factorisation of K_uu in single precision needs. */
#define SGPR_JITTER 1e-4

typedef struct {
    size_t n_data, n_columns, n_classes;
    size_t n_inducing; /* at most n_data */
    uint32_t seed;     /* of the inducing points */
    size_t iterations; /* of sgpr_train: most passes over the data */
    size_t chunk;      /* rows of data at a time; 0: what suits the device */
    bool streams;      /* compute distances anew in every pass even where they could stay */
} sgpr_desc;

typedef struct {
    double variance, lengthscale, noise; /* v, l, s (a variance); all above 0 */
} sgpr_hyper;

typedef struct sgpr sgpr;

/* x       float [n_data, n_columns]; must outlive the regression
 * labels  [n_data], below n_classes; copied
 *
 * The lengthscale starts as the root of the mean squared distance between inducing points, the
 * variance as that of the targets, the noise as a tenth of it. Squared distances between data and
 * inducing points stay on the device where half of what is free holds them, and are computed anew
 * in every pass elsewhere. IV_EINVAL for a size of zero, a single class, more inducing points than
 * data, or a label that there is not. */
iv_status sgpr_create(iv_context *context, const sgpr_desc *desc, cl_mem x, const uint8_t *labels,
                      sgpr **regression);
void sgpr_destroy(sgpr *regression); /* NULL is fine */

/* Which training rows are the inducing points: [n_inducing], owned by the regression. */
const int32_t *sgpr_inducing(const sgpr *regression);

sgpr_hyper sgpr_get_hyper(const sgpr *regression);
iv_status sgpr_set_hyper(sgpr *regression, sgpr_hyper hyper); /* IV_EINVAL unless all above 0 */

/* F in nats, summed over data and outputs (divide by n_data for one a datum), at the present
 * hyper-parameters; gradient to their logarithms, in the order of sgpr_hyper, or NULL. A pass over
 * the data unless the last one was with the same lengthscale. IV_EFAILED if a matrix is not
 * positive definite in single precision (data with NaN, or an extreme lengthscale). */
iv_status sgpr_bound(sgpr *regression, double *bound, double gradient[3]);

/* Maximise F from the present hyper-parameters on, and leave the best ones set: along log l by
 * bracketing and Brent's root of the derivative, which at the best v and s is the partial one. Ends
 * after `iterations` passes, or when log l is known to 1 %. progress counts passes. IV_EINTERRUPTED
 * once *stop is nonzero (NULL: never). */
iv_status sgpr_train(sgpr *regression, const volatile sig_atomic_t *stop,
                     const iv_progress *progress);

/* Posterior means of the n rows of x [n, n_columns], plus 1/C: what the one-hot label is expected
 * to be. scores [n, C], on the host. The class is the largest. Costs a pass over the data where
 * sgpr_bound would. */
iv_status sgpr_predict(sgpr *regression, cl_mem x, size_t n, float *scores);

#endif
