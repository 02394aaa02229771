/* Gaussian posteriors over the weights of an output layer, with a full covariance for each class,
 * trained by sampling: stochastic variational inference.
 *
 *     q(W) = prod over classes c of N(mean_c, L_c L_c^T), L_c lower triangular
 *     prior  prod over classes c of N(0, alpha I)
 *     loss = cross-entropy of logits h W^T, W ~ q, + KL(q || prior) / n_data
 *
 * What a training step samples:
 *
 * weights  one W for the batch. The step takes W as it lies in iv_posterior_sample_view, leaves the
 *          gradient of its mean cross-entropy to W in iv_posterior_gradient_view, and ends with
 *          iv_posterior_append_update.
 * logits   of every row, from N(h mean_c, |h L_c|^2) (iv_row_variances, iv_sampled_cross_entropy).
 *          The step takes the mean and L, iv_posterior_mean_view and iv_posterior_factor_view, and
 *          leaves their gradients in iv_posterior_gradient_view and
 *          iv_posterior_factor_gradient_view.
 *
 * How q moves: by Adam on mean and L; or, with sampled logits, by natural gradients, for which
 * iv_posterior_append_newton ends a step. q is then the prior times what data say, A and b, in
 * natural parameters:
 *
 *     P_c = I / alpha + A_c,    P_c mean_c = b_c,    L_c L_c^T = P_c^-1
 *
 * With g and k the batch's mean gradient to mean_c and its mean of E[p_c (1 - p_c)] h h^T, a step is
 *
 *     A_c = (1 - rho) n / n' A_c + rho n k,    b_c = (1 - rho) n / n' b_c + rho n (k mean_c - g)
 *
 * where q is that of n = min(n_data, B / rho) data, about those that it remembers, B the size of
 * batches, and n' was n of the step before. As a q of all n_data from the first step on, its means'
 * noise would be rho n_data / (2 B) times their covariance; where that is more than 1 it passes for what
 * the data say, and a learned alpha grows without end. A is a sum of positive semidefinite matrices, so
 * that P stays positive definite for any batch. Before the first step A = b = 0 whatever L is then: the
 * initial deviation is what its logits are sampled with, and no more.
 *
 * A step may gather `every` batches before q moves: g and k are then means over all of their rows, B
 * counts them all, and s counts moves. So the factor is computed once for several steps of what makes
 * the features.
 *
 * The means move by less than that where the sum over classes of d^T P_c d / 2, d the move, is more
 * than `trust` n; b is then P_c mean_c as it is. The curvatures of a wide first q belong to logits that
 * are far off, and its steps would throw the means out of reach.
 *
 * The prior's variance alpha may be learned: it is at its best where the bound has no slope, alpha =
 * (|L|^2 + |mean|^2) / (C H). In each step ln alpha moves by a share of the way to
 *
 *     (|mean|^2 + k alpha) / (C H - |L|^2 / alpha + k),      k = C H / 50
 *
 * which has the same fixed point. With k = |L|^2 / alpha this is the closed form itself, which is slow
 * where data determine few weights; with k = 0, MacKay's. Adam's steps end with it, of the means after
 * the step and the L before. Natural gradients begin with it, but for the first step, and their P and
 * means are of the new alpha at once.
 *
 * Sources: van der Ouderaa and van der Wilk 2022, section 4; for the sampling W = mean + L eps,
 * Kingma and Welling 2014; of logits, Kingma, Salimans and Welling 2015; for natural gradients, Khan
 * and Lin 2017 and Khan et al. 2018 (variational online Newton); for alpha, MacKay 1992, "Bayesian
 * interpolation", equation 4.8. */
#ifndef INVAR_POSTERIOR_H
#define INVAR_POSTERIOR_H

#include <invar/train.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct iv_posterior iv_posterior;

/* rho of step s = 0, 1, ...: `rate` while s < hold, then rate hold / s, at least `least`. How far
 * the means may move in a step, as their share of KL(q after || q before), in nats a datum. And of how
 * many batches a step is. */
typedef struct {
    float rate; /* in (0, 1] */
    uint32_t hold;
    float least;    /* in [0, rate] */
    float trust;    /* 0: any distance */
    uint32_t every; /* batches of a step, from 1 on */
} iv_newton_schedule;

typedef struct {
    size_t n_classes, n_features;
    size_t n_data;           /* samples of the training set: the loss has KL / n_data */
    bool point;              /* a point estimate: W = mean, no factor and no KL */
    float prior_variance;    /* alpha; not of a point estimate */
    float initial_deviation; /* L begins as this times I; not of a point estimate */
    float alpha_damping; /* 0: alpha stays; else it is learned, by this share of the way, up to 1 */
    bool logits;         /* logits are sampled; else weights. Not of a point estimate, nor is: */
    bool natural;        /* natural gradients, and logits are sampled; else Adam */
    iv_newton_schedule newton;   /* of natural gradients */
    const uint32_t *seeds;       /* [R], copied */
    iv_optimizer_desc optimizer; /* Adam; natural gradients leave it unused */
} iv_posterior_desc;

/* A posterior for R members with mean 0. IV_EINVAL if a size is 0, there are more than 65535
 * classes or features, the prior's variance or the initial deviation is not positive and finite, a
 * rate or the damping is out of its range, or the optimizer is not Adam or has a coefficient out of
 * range. */
iv_status iv_posterior_create(iv_context *context, size_t n_members, const iv_posterior_desc *desc,
                              iv_posterior **posterior);
void iv_posterior_destroy(iv_posterior *posterior); /* NULL is fine */

/* Exported are output.mean [C, H] and, but for a point estimate, output.scale_tril [C, H, H], L
 * with zeros above the diagonal, and prior.variance [1] if that is learned. To be ready for a step
 * is iv_posterior_prepare. */
const iv_state *iv_posterior_state(const iv_posterior *posterior);

/* [R, C, H]: W as the next step uses it; the mean itself of a point estimate. */
iv_view iv_posterior_sample_view(const iv_posterior *posterior);

/* [R, C, H] */
iv_view iv_posterior_mean_view(const iv_posterior *posterior);

/* [R, C, H, H]: L with zeros above the diagonal, where logits are sampled. */
iv_view iv_posterior_factor_view(const iv_posterior *posterior);

/* [R, C, H]: iv_place the gradient of the mean cross-entropy to W, to the mean where logits are
 * sampled, here. */
iv_view iv_posterior_gradient_view(const iv_posterior *posterior);

/* [R, C, H, H]: iv_place the gradient of the mean cross-entropy to L here, where logits are sampled
 * and Adam updates. What it has above the diagonal is not read. */
iv_view iv_posterior_factor_gradient_view(const iv_posterior *posterior);

/* [R, 1]: the total KL of the parameters that the last update started from, so that it belongs to
 * the cross-entropy of the same step; 0 before, and of a point estimate. */
iv_view iv_posterior_kl_view(const iv_posterior *posterior);

/* alpha of every member: out [R]. */
iv_status iv_posterior_prior(const iv_posterior *posterior, float *variances);

/* Draw the W of training step `step`, or lay out L where logits are sampled. Call it before the
 * first step, after reading a checkpoint or
 * model, and before training goes on after an evaluation drew another W: training is then what it
 * would be without the interruption, bit for bit.
 *
 * W = mean + L eps; eps of class c and feature j are normal numbers, element e = c H + j of
 * (seed, IV_STREAM_POSTERIOR, step): as iv_parameters_initialize takes them, elements 4 k and
 * 4 k + 1 are iv_normal's two of words 0 and 1 of Philox index k, the next two those of words 2
 * and 3. */
iv_status iv_posterior_prepare(iv_posterior *posterior, uint32_t step);

/* Append the end of a training step: the gradient to mean and L of cross-entropy and KL, Adam, and
 * the W of the next step. Adam is what iv_optimizer_append appends. The sequence's step number
 * counts from 0; its W must have been drawn, by iv_posterior_prepare or the step before.
 *
 * The logarithm of a diagonal entry takes its absolute value, at least 1e-12; closer to zero, it
 * has no gradient. */
iv_status iv_posterior_append_update(iv_posterior *posterior, iv_sequence *sequence);

/* Append the end of a step of natural gradients, instead: from a batch's features [R][B, H] and
 * curvatures [R][B, C] (iv_sampled_cross_entropy), where the plan left them, and the gradient to the
 * mean. About C H^2 (B + H / every) operations beyond those of the graph.
 *
 * What is factored is P with its diagonal larger by H 2^-23 of itself, for what rounding takes from
 * it. Should a P not be positive definite all the same, its L stays for the step. */
iv_status iv_posterior_append_newton(iv_posterior *posterior, iv_sequence *sequence, size_t n_rows,
                                     iv_view features, iv_view curvatures);

/* Append the draw of W from another stream (IV_STREAM_EVALUATION), at the sequence's step number,
 * into the sample view. Nothing for a point estimate. */
iv_status iv_posterior_append_sample(iv_posterior *posterior, iv_sequence *sequence,
                                     uint32_t stream);

/* KL(q || prior) of every member, from the parameters as they are, in double precision on the host:
 * sum over classes of (|L|^2 + |mean|^2) / alpha + H ln alpha - H - 2 sum_i ln |L_ii|, over 2.
 *
 * kl  out [R]; zeros of a point estimate */
iv_status iv_posterior_kl(iv_posterior *posterior, double *kl);

#ifdef __cplusplus
}
#endif

#endif
