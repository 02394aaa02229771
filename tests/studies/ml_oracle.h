/* The marginal-likelihood study again, in double precision and straight from its definitions (van
 * der Ouderaa and van der Wilk 2022): the oracle of the tests. Warps filters, never inputs;
 * adjoints scatter. Shares no code with the library but the reader of model files and the random
 * numbers of invar/random.h.
 *
 *   ml_oracle.c           transformations, networks, metrics
 *   ml_oracle_training.c  the training loss, its derivatives, Adam */
#ifndef INVAR_TESTS_STUDIES_ML_ORACLE_H
#define INVAR_TESTS_STUDIES_ML_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

/* ------------------------------------------------------------------ transformations
 * The first two rows of a 3 x 3 matrix: (x, y) goes to (t0 x + t1 y + t2, t3 x + t4 y + t5). */

/* expm(sum_i a_i G_i), and, if not NULL, its derivatives to each a_i: d [6][6]. */
void ml_oracle_exponential(const double a[6], double t[6], double (*d)[6]);

/* eps_s of a step: uniform on [-1, 1)^6.  eps [n_samples, 6] */
void ml_oracle_draw_transformations(uint32_t seed, uint32_t stream, uint32_t step, int n_samples,
                                    double *eps);

/* Plane-major images, rows from the top down; or points of the plane, two numbers (x, y), which T
 * moves themselves. */
typedef struct {
    int planes, height, width;
    bool points; /* then the rest does not count */
} ml_oracle_shape;

int ml_oracle_pixels(const ml_oracle_shape *shape);

/* to(p) = from(T p), interpolated between the four pixels around, those outside being zero. */
void ml_oracle_warp(const ml_oracle_shape *shape, const double t[6], const double *from,
                    double *to);

/* The chain rule through a warp: adds to d_from [D] and d_t [6] what d_to [D] makes of them. */
void ml_oracle_warp_backward(const ml_oracle_shape *shape, const double t[6], const double *from,
                             const double *d_to, double *d_from, double d_t[6]);

/* Convolution with a normalised Gaussian of sigma pixels, zero outside; its own adjoint. */
void ml_oracle_blur(const ml_oracle_shape *shape, double sigma, const double *from, double *to);

/* How image number `index` of a pool was transformed: word k of its random numbers is that of
 * degree of freedom k. `kind` as the spec names it ("rotated-scaled"). */
void ml_oracle_dataset_transformation(const char *kind, uint32_t data_seed, uint32_t index,
                                      const ml_oracle_shape *shape, double t[6]);

/* The images of some rows of a pool of bytes, transformed: out [n, D]. */
void ml_oracle_images(const char *kind, uint32_t data_seed, const ml_oracle_shape *shape,
                      const uint8_t *pixels, const int *rows, int n, double *out);

/* A point of the toy data, on one of three arcs of two classes. */
void ml_oracle_ring_point(uint32_t data_seed, uint32_t index, double x[2], int *label);

/* ------------------------------------------------------------------ networks */

enum {
    ML_ORACLE_WEIGHT,
    ML_ORACLE_BIAS,
    ML_ORACLE_ETA,
    ML_ORACLE_MEAN,
    ML_ORACLE_FACTOR,
    ML_ORACLE_N_TENSORS
};

/* Shapes: weight [H, D], bias [H], eta [6], mean [C, H], factor [C, H, H]; the upper triangle of
 * the factor does not count. */
typedef struct {
    ml_oracle_shape shape;
    int n_hidden, n_classes;
    int n_samples;      /* of transformations; 0: none, the filters as they are */
    bool cosine;        /* features sqrt(2 / H) cos z; else max(z, 0) */
    double blur;        /* of the filters, in pixels */
    double alpha;       /* variance of the prior */
    bool alpha_learned; /* it comes from the model file; not of a point estimate */
    bool sigma_learned; /* so does ln sigma */
    double log_sigma;
    double initial_deviation; /* L begins as this times I */
    double n_data;            /* the loss has KL / n_data */
    double learned[6];        /* 1 where the gradient to eta counts */
    bool point;               /* no factor: W = mean */
    double *tensors[ML_ORACLE_N_TENSORS];
} ml_oracle_network;

/* All zeros but an identity in each factor. */
void ml_oracle_network_create(ml_oracle_network *network);

/* Fill the tensors of a network, created before, from a model file; fails the test if the file's
 * are not exactly these. */
void ml_oracle_network_load(const char *path, ml_oracle_network *network);
void ml_oracle_network_free(ml_oracle_network *network); /* a zeroed one is fine */

/* Elements of a tensor; 0 if the network has none of it. */
int ml_oracle_elements(const ml_oracle_network *network, int tensor);

/* Standard normal numbers of a step, one a weight of the output layer: noise [C, H]. */
void ml_oracle_draw_noise(const ml_oracle_network *network, uint32_t seed, uint32_t stream,
                          uint32_t step, double *noise);

/* W = mean + L noise; noise NULL for the mean. w [C, H] */
void ml_oracle_output_layer(const ml_oracle_network *network, const double *noise, double *w);

/* sqrt(2 / H) cos z or max(z, 0), and its derivative. */
double ml_oracle_feature(const ml_oracle_network *network, double z, double *slope);

/* T_s = expm(sum_i eps_si eta_i G_i); d (may be NULL) has its derivatives to eta. */
void ml_oracle_sample(const ml_oracle_network *network, const double eps[6], double t[6],
                      double (*d)[6]);

/* Features averaged over transformations with eps [n_samples, 6], then the output layer w:
 * x [n, D] -> logits [n, C]. */
void ml_oracle_logits(const ml_oracle_network *network, const double *eps, const double *w,
                      const double *x, int n, double *logits);

/* Sum over rows of -log softmax(logits)[label]; how many rows have their label's logit on top. */
double ml_oracle_cross_entropy(const double *logits, const int *labels, int n, int n_classes);
int ml_oracle_hits(const double *logits, const int *labels, int n, int n_classes);

/* Total KL(q || prior) over classes. */
double ml_oracle_kl(const ml_oracle_network *network);

/* ------------------------------------------------------------------ training */

/* What one training step sees. */
typedef struct {
    const double *x;   /* [n, D] */
    const int *labels; /* [n] */
    int n;
    const double *eps;   /* [n_samples, 6] */
    const double *noise; /* [C, H] */
} ml_oracle_batch;

/* Mean cross-entropy + KL / n_data, and, if not NULL, its derivatives to each tensor, written to
 * gradients that are shaped as the tensors are. */
double ml_oracle_loss(const ml_oracle_network *network, const ml_oracle_batch *batch,
                      double *const gradients[ML_ORACLE_N_TENSORS]);

/* Adam, as PyTorch's. */
typedef struct {
    double rate, eta_rate, beta1, beta2, epsilon;
    int cosine_steps; /* 0: constant */
    bool first_layer_fixed;
    double *m[ML_ORACLE_N_TENSORS], *v[ML_ORACLE_N_TENSORS];
    int step;
} ml_oracle_adam;

/* One step: the loss before it. Memory for the moments is made by the first. */
double ml_oracle_train(ml_oracle_network *network, const ml_oracle_batch *batch,
                       ml_oracle_adam *adam);
void ml_oracle_adam_free(ml_oracle_adam *adam);

#endif
