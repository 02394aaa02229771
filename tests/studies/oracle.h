/* The regularization study's metrics again, in double precision and straight from their
 * definitions: the oracle of the tests. Shares no code with the library but the readers of files
 * and images. */
#ifndef INVAR_TESTS_STUDIES_ORACLE_H
#define INVAR_TESTS_STUDIES_ORACLE_H

#include <invar/data.h>

#include <stdbool.h>

enum { ORACLE_CLASSES = 10, ORACLE_LAYERS = 8, ORACLE_ELEMENTS = 64 };

/* Exact transformations of a padded square image. */
typedef struct {
    bool rotation;
    int order;
    bool along_x, along_y; /* of shifts */
    int side, pad;         /* after and before padding */
    int n_elements;
} oracle_group;

oracle_group oracle_rotation(int order);
oracle_group oracle_shift(int order, const char *axes);

/* to = g from, or g^-1 from. [side, side] */
void oracle_act(const oracle_group *group, int g, bool inverse, const double *from, double *to);

/* A perceptron with ReLU between its layers. */
typedef struct {
    bool tied; /* pool the first layer over the group */
    oracle_group group;
    int n_layers;
    int widths[ORACLE_LAYERS + 1]; /* inputs, hidden units, ..., logits */
    double *weights[ORACLE_LAYERS], *biases[ORACLE_LAYERS];
} oracle_network;

/* From a model file; fails the test if it does not fit. */
void oracle_network_load(const char *path, bool tied, oracle_group group, oracle_network *network);
void oracle_network_free(oracle_network *network);

/* Logits at one padded image, and the gradients of `n_seeds` linear combinations of them with
 * respect to it: seeds [n_seeds, C], gradients [n_seeds, side^2]. */
void oracle_evaluate(const oracle_network *network, const double *image, double *logits,
                     const double *seeds, int n_seeds, double *gradients);

/* Every metric, as the mean over the images. */
typedef struct {
    double accuracy, li, di, si;
    double jacobian_spectrum[ORACLE_CLASSES]; /* the first one is sigma_max_jacobian */
    /* What single precision may decide otherwise: how many of the classifications that accuracy
     * and saliency rest on have their two largest logits closer than `tie` together. */
    double undecided_accuracy; /* as a fraction of images and elements */
    double undecided_si;       /* as a fraction of images */
    double largest_logit;
} oracle_metrics;

/* images  n_rows rows of the data set's pixels, all of them where rows is NULL */
void oracle_measure(const oracle_network *network, const iv_dataset *data, const int32_t *rows,
                    size_t n_rows, oracle_metrics *metrics);

/* Largest singular value of each layer's weights. */
void oracle_weight_norms(const oracle_network *network, double *sigma_max);

/* Largest singular value of a [m, n] matrix; the matrix is not changed. values: all of them, in
 * descending order, or NULL. */
double oracle_singular_values(const double *matrix, int m, int n, double *values);

#endif
