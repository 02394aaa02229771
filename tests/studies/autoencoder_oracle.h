/* The autoencoder study's metrics again, in double precision and straight from their definitions
 * (Zhang and Arodz 2021): the oracle of the tests. Shares no code with the library but the reader
 * of model files, and draws its random numbers with the Random123 library itself. */
#ifndef INVAR_TESTS_STUDIES_AUTOENCODER_ORACLE_H
#define INVAR_TESTS_STUDIES_AUTOENCODER_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

enum { ORACLE_LONGEST = 32, ORACLE_WIDEST = 512, ORACLE_LINEAR_MAPS = 8 };

typedef enum {
    ORACLE_SELU,
    ORACLE_RELU,
    ORACLE_SIGMOID,
    ORACLE_BIPOLAR_SIGMOID,
    ORACLE_RICH
} oracle_layer;

typedef enum {
    ORACLE_MODULUS_PHASE,
    ORACLE_MODULUS_SINE_COSINE,
    ORACLE_SHIFT,
    ORACLE_TWO_PART_SHIFT,
    ORACLE_CYCLE,
    ORACLE_SHIFT_SCALE
} oracle_code;

/* ------------------------------------------------------------------ signals */

/* Signal number `index` of the data set of a seed. x [d] */
void oracle_signal(uint32_t seed, uint32_t index, int d, double *x);

/* Moduli, then phases or sines and cosines, of the DFT of x [d]: z [2 d] or [3 d]. */
void oracle_known_code(oracle_code code, int d, const double *x, double *z);

/* The partner of sample `i` of evaluation batch number `step` for x [d], and the squared distance
 * of the two. */
double oracle_partner(oracle_code code, uint32_t seed, uint32_t step, uint32_t i, int d,
                      const double *x, double *partner);

/* ------------------------------------------------------------------ networks */

/* Linear maps y = W x + b, in order, the head last. */
typedef struct {
    oracle_layer layer;
    bool lifted; /* nothing follows the first map */
    int n_maps;
    int n_in[ORACLE_LINEAR_MAPS], n_out[ORACLE_LINEAR_MAPS];
    double *weights[ORACLE_LINEAR_MAPS], *biases[ORACLE_LINEAR_MAPS];
} oracle_half;

/* The half called "encoder" or "decoder" of a model file; false if the file has none. Fails the
 * test if its tensors do not fit each other. */
bool oracle_half_load(const char *path, const char *name, oracle_layer layer, bool lifted,
                      oracle_half *half);
void oracle_half_free(oracle_half *half); /* a zeroed one is fine */

void oracle_half_apply(const oracle_half *half, const double *in, double *out);

/* ------------------------------------------------------------------ metrics */

typedef struct {
    oracle_code code;
    int d, n_invariant; /* n_invariant: columns that pairs are compared on */
    double delta, alpha;
    uint32_t seed, first; /* index of the first signal to measure on */
    int n, batch;         /* signals, and how many of them an evaluation takes at once */
} oracle_task;

/* Means over the n signals, per component where they are errors. */
typedef struct {
    double mse_reconstruction, mse_code;
    double mse_parts[3]; /* modulus, phase; or modulus, sine, cosine */
    double loss_invariance, mse_distance, distance_same, distance_unrelated;
} oracle_errors;

/* A half that is NULL is not measured: its errors are left NaN. The decoder is shown the known code
 * if there is no encoder. */
void oracle_known_errors(const oracle_task *task, const oracle_half *encoder,
                         const oracle_half *decoder, oracle_errors *errors);
void oracle_pair_errors(const oracle_task *task, const oracle_half *encoder,
                        const oracle_half *decoder, oracle_errors *errors);

#endif
