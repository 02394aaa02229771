/* Signals for learning invariances from data (Zhang and Arodz 2021): uniform random vectors, the
 * codes that are known for them, and pairs of a signal and a distorted copy or an unrelated signal.
 *
 * Everything is a function of seeds (invar/random.h); the layout of the draws is given with each
 * function, so that other programs can replay them. DFT is the discrete Fourier transform without a
 * factor, X_k = sum over j of x_j exp(-2 pi i j k / d). */
#ifndef INVAR_SIGNAL_H
#define INVAR_SIGNAL_H

#include <invar/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { IV_MIN_SIGNAL = 2, IV_MAX_SIGNAL = 256 }; /* dimensions of a signal */

/* ------------------------------------------------------------------ data sets */

/* What is known of a signal x [d], from its DFT: vectors of d entries each, one after the other. */
typedef enum {
    IV_CODE_MODULUS_PHASE,       /* [2 d] */
    IV_CODE_MODULUS_SINE_COSINE, /* [3 d]: modulus, sine and cosine of the phase */
} iv_code;

/* Entries of a code: 2 d or 3 d. */
size_t iv_code_size(iv_code code, size_t d);

/* Data sets on the device. */
typedef struct {
    cl_mem signals;       /* float [n_sets, count, d] */
    cl_mem codes;         /* float [n_sets, count, code_size]; NULL without codes */
    cl_mem table;         /* of the codes' transform; NULL without codes */
    size_t n_sets, count; /* count: signals in each set */
    size_t d, code_size;  /* code_size: 0 without codes */
} iv_signal_set;

/* Signals number first .. first + count - 1 of n_sets data sets, uniform on [-1, 1)^d, and their
 * codes if `code` is not NULL. With n training signals, first = 0 and first = n give a training and
 * a test set.
 *
 * seeds  [n_sets]; entry j of signal i is iv_uniform_symmetric of word j mod 4 of
 *        Philox(seed, IV_STREAM_SIGNAL, step = j / 4, index = i)
 *
 * Codes: a DFT by direct summation in float32 with correctly rounded tables. Phases lie in
 * (-pi, pi]; an imaginary part that vanishes, by symmetry or by chance, counts as +0 (phase 0 or
 * pi), and a modulus of 0 has phase 0, sine 0 and cosine 1. Entries k and d - k are exact mirror
 * images.
 *
 * IV_EINVAL for no sets or signals, d out of range, or numbers of 2^32 and more; IV_ENOMEM.
 * Release with iv_signal_set_clear, which leaves zeros (and is fine for zeros). */
iv_status iv_signal_set_create(iv_context *context, const uint32_t *seeds, size_t n_sets,
                               size_t first, size_t count, size_t d, const iv_code *code,
                               iv_signal_set *set);
void iv_signal_set_clear(iv_context *context, iv_signal_set *set);

/* ------------------------------------------------------------------ batches */

/* Where batches come from. Buffers belong to the caller and outlive the plans. */
typedef struct {
    const iv_signal_set *set; /* needed while building alone; its buffers outlive the plans */
    iv_view set_of_member;    /* int [R, 1]: which data set is a member's */
    iv_view seeds;            /* uint [R, 1]: of the order of batches and of the partners */
    bool shuffle;             /* a new order every epoch (training); else in order (evaluation) */
    bool fresh; /* draw partners from IV_STREAM_EVALUATION, else from IV_STREAM_TRANSFORMATION */
} iv_signal_source;

/* Batch number `step`: *x [B, d] and, unless codes is NULL, their codes: *codes [B, code_size].
 *
 * With shuffle, an epoch is n / B whole batches of the set's n signals, and sample i of batch t of
 * an epoch is signal iv_shuffle(seed, IV_STREAM_BATCH_ORDER, epoch, n, t B + i); without, signals
 * follow one another and those past the end repeat the last one. */
void iv_signal_batch(iv_graph *graph, const iv_signal_source *source, size_t batch, iv_tensor **x,
                     iv_tensor **codes);

/* ------------------------------------------------------------------ pairs */

/* How a copy x' differs from its signal x, and the distance d of any two signals that does not see
 * it: the Euclidean distance of the moduli of DFTs. Shifts s are uniform on 0 .. d - 1. */
typedef enum {
    /* x'_(j + s mod d) = x_j */
    IV_DISTORTION_SHIFT,
    /* The left floor(d / 2) entries and the right others, each part shifted by its own number of
     * places; moduli of both parts' DFTs, one after the other. */
    IV_DISTORTION_TWO_PART_SHIFT,
    /* Shifted along a hidden cycle c through all dimensions: x'_c(p + s mod d) = x_c(p); moduli of
     * the DFT of (x_c(0), x_c(1), ..). */
    IV_DISTORTION_CYCLE,
    /* Shifted, and multiplied by a number uniform on [0.5, 2); moduli of the DFTs of x / |x|. */
    IV_DISTORTION_SHIFT_SCALE,
} iv_distortion;

typedef struct {
    iv_distortion distortion;
    /* int [n_sets, d]: dimensions in their order along each set's hidden cycle. NULL unless
     * IV_DISTORTION_CYCLE. */
    cl_mem cycles;
} iv_pair_desc;

/* A hidden cycle for each data set: int [n_sets, d], iv_permutation(seed, IV_STREAM_CYCLE, d).
 * All cycles are equally likely. Release with iv_buffer_release. */
iv_status iv_cycles_create(iv_context *context, const uint32_t *seeds, size_t n_sets, size_t d,
                           cl_mem *cycles);

/* Pairs of batch number `step`: *x [2, B, d], first the signals of iv_signal_batch, then their
 * partners; *squared_distances [B]: d^2, exactly 0 for copies.
 *
 * The partner of sample i is a copy or an unrelated signal, by i mod 4:
 *
 *                        0     1                                  2     3
 *     two-part shift     copy  copy on the left, unrelated right  copy  unrelated
 *     any other          copy  unrelated                          copy  unrelated
 *
 * With w_j = word j mod 4 of Philox(member's seed, stream, step, index = 64 i + j / 4), stream as
 * in iv_signal_source: entry j of what is unrelated is iv_uniform_symmetric(w_j), so partners are
 * new at every step; the shift of a copy (or of its left part) is iv_below(w_0, length), that of
 * its right part iv_below(w_1, length), and its factor 0.5 + 1.5 iv_uniform(w_1).
 *
 * IV_EINVAL at compile time for a batch of 0 or 2^26, or a cycle distortion without cycles. */
void iv_pair_batch(iv_graph *graph, const iv_signal_source *source, const iv_pair_desc *pairs,
                   size_t batch, iv_tensor **x, iv_tensor **squared_distances);

#ifdef __cplusplus
}
#endif

#endif
