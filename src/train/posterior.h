/* Posteriors inside the train room. */
#ifndef INVAR_TRAIN_POSTERIOR_H
#define INVAR_TRAIN_POSTERIOR_H

#include "train/train.h"

#include <invar/posterior.h>

enum {
    IV_POSTERIOR_PIECE = 16, /* rows of L are whole pieces: cl/posterior.cl */
    IV_MAX_POSTERIOR_STATES = 2 * (1 + IV_MAX_OPTIMIZER_STATES) + 1,
};

struct iv_posterior {
    iv_context *context;
    iv_posterior_desc desc; /* without pointers */
    size_t n_members;
    iv_parameters *mean;     /* output.mean [C, H] */
    iv_optimizer *optimizer; /* of the mean; its rates and coefficients are the factor's too */
    size_t lanes;            /* work-items that share a row: 1 on CPUs */

    /* none of a point estimate */
    size_t entries;    /* of the L of a class, padding included */
    size_t eps_stride; /* of the eps of all classes, padding included */
    cl_mem seeds;      /* uint [R] */
    cl_mem factor;     /* [R, C, entries] L, packed as cl/posterior.cl says */
    cl_mem factor_states[IV_MAX_OPTIMIZER_STATES]; /* Adam's, alike */
    cl_mem eps;                                    /* [R, 2, eps_stride] of even and odd steps */
    cl_mem adam_scales;                            /* [R, 2] step size, variance correction */
    cl_mem sample;                                 /* [R, stride of mean] */
    cl_mem row_kl, row_squares;                    /* likewise */
    cl_mem alpha, prior; /* [R]; [R, 2] its precision and the logarithm of alpha */
    iv_sequence *prepare;

    /* where logits are sampled */
    cl_mem squares;          /* [R, C, H, H] L */
    cl_mem square_gradients; /* likewise, with Adam */
    cl_mem precisions;       /* likewise, of natural gradients: P, in reverse order */
    cl_mem pull;             /* [R, C, H]: what pulls at the means, of the batches so far */

    cl_mem kl; /* [R] */

    iv_saved exported[3], kept[IV_MAX_POSTERIOR_STATES];
    iv_state state;
};

/* iv_posterior_create with a choice of kernels: `lanes` work-items share a row, 1 or 64. */
iv_status iv_posterior_create_with(iv_context *context, size_t n_members,
                                   const iv_posterior_desc *desc, size_t lanes,
                                   iv_posterior **posterior);

/* Append L = initial deviation times I, where all is zero. */
iv_status iv_posterior_append_diagonal(const iv_posterior *posterior, iv_sequence *sequence);

/* Append the learned alpha's move, and the sum of the rows' KLs. */
iv_status iv_posterior_append_alpha(const iv_posterior *posterior, iv_sequence *sequence);
iv_status iv_posterior_append_kl(const iv_posterior *posterior, iv_sequence *sequence);

/* Append the KL and the squares of each row, from the parameters as they are. */
iv_status iv_posterior_append_statistics(const iv_posterior *posterior, iv_sequence *sequence);

/* Append what a training step starts from: the draw of W for the sequence's step, or the squares. */
iv_status iv_posterior_append_prepare(const iv_posterior *posterior, iv_sequence *sequence);

/* Where entry (i, j) of the L of a class lies, j <= i, in elements;
 * of i = H, j = 0: their number. */
size_t iv_posterior_entry(size_t i, size_t j);

/* Say what is saved, once all buffers are there. */
void iv_posterior_declare(iv_posterior *posterior);

#endif
