/* Batches of signals, with their codes or with partners and the distances to them.
 *
 * A work-group of LANES work-items takes SAMPLES samples of a batch, one after the other: one on
 * GPUs, many on CPUs, where the key of the order is then computed once for all of them.
 * -DSHUFFLE: 1 for a new order every epoch; -DD: entries of a signal. */
#include "fourier.cl"
#include "random.cl"

/* In which order batch `step` takes the signals of its set. */
typedef struct {
#if SHUFFLE
    iv_shuffler order;
#else
    uint last;
#endif
    uint first;
} batch_order;

static void begin_batch(uint seed, uint step, uint batch, uint samples, batch_order *o) {
#if SHUFFLE
    const uint batches = samples / batch, epoch = step / batches;
    iv_shuffle_prepare(seed, IV_STREAM_BATCH_ORDER, epoch, samples, &o->order);
    o->first = (step - epoch * batches) * batch;
#else
    o->last = samples - 1;
    o->first = step * batch;
#endif
}

/* Which signals of their set the SAMPLES samples from number b on are. */
static void samples_from(const batch_order *o, uint b, uint rows[SAMPLES]) {
#if SHUFFLE && SAMPLES % 8 == 0
    for (uint k = 0; k < SAMPLES; k += 8) iv_shuffle_walk_8(&o->order, o->first + b + k, rows + k);
#elif SHUFFLE
    for (uint k = 0; k < SAMPLES; k++) rows[k] = iv_shuffle_walk(&o->order, o->first + b + k);
#else
    for (uint k = 0; k < SAMPLES; k++) rows[k] = min(o->first + b + k, o->last);
#endif
}

#ifndef DISTORTION
/* x [B, D]; with -DCODE, entries of a code, codes [B, CODE].  Work-groups: (1, parts of the batch,
 * members). */
OF_GROUP
__kernel void take_signals(__global const float *restrict signals, TENSOR(const int, sets),
                           TENSOR(const uint, seeds), TENSOR(float, x),
#ifdef CODE
                           __global const float *restrict known, TENSOR(float, codes),
#endif
                           uint batch, uint samples, uint step) {
    const uint lane = get_local_id(0), r = get_global_id(2);
    const uint begin = get_group_id(1) * SAMPLES, end = min(begin + SAMPLES, batch);
    const size_t base = (size_t)MEMBER(sets, r)[0] * samples;
    batch_order order;
    begin_batch(MEMBER(seeds, r)[0], step, batch, samples, &order);
    uint rows[SAMPLES];
    samples_from(&order, begin, rows);
    for (uint b = begin; b < end; b++) {
        const size_t row = base + rows[b - begin];
        for (uint j = lane; j < D; j += GROUP)
            MEMBER(x, r)[(size_t)b * D + j] = signals[row * D + j];
#ifdef CODE
        for (uint j = lane; j < CODE; j += GROUP)
            MEMBER(codes, r)[(size_t)b * CODE + j] = known[row * CODE + j];
#endif
    }
}
#else

/* Same values as iv_distortion. */
#define SHIFT          0
#define TWO_PART_SHIFT 1
#define CYCLE          2
#define SHIFT_SCALE    3

#define LEFT  (D / 2)
#define RIGHT (D - LEFT)

static uint add_modulo(uint j, uint shift, uint n) {
    return j + shift >= n ? j + shift - n : j + shift;
}

/* Unrelated entries copied .. D - 1 of the partner of sample b. */
static void draw_entries(uint seed, uint step, uint b, uint copied, uint lane,
                         SHARED float *other) {
#if GROUP == 1
    uint words[32];
    for (uint first = copied & ~31U; first < D; first += 32) {
        iv_philox_8(seed, STREAM, step, 64 * b + first / 4, words);
        for (uint j = max(first, copied); j < min(first + 32, (uint)D); j++)
            other[j] = iv_uniform_symmetric(words[j - first]);
    }
#else
    uint words[4];
    for (uint first = (copied & ~3U) + 4 * lane; first < D; first += 4 * GROUP) {
        iv_philox(seed, STREAM, step, 64 * b + first / 4, words);
        for (uint j = max(first, copied); j < min(first + 4, (uint)D); j++)
            other[j] = iv_uniform_symmetric(words[j - first]);
    }
#endif
}

#if DISTORTION == SHIFT_SCALE
static float reciprocal_norm(const SHARED float *x) {
    float sum = 0.0f;
    for (uint j = 0; j < D; j++) sum = fma(x[j], x[j], sum);
    return sum > 0.0f ? 1.0f / sqrt(sum) : 0.0f;
}
#endif

/* What the coefficients of this work-item add to the squared distance of the moduli of two
 * transforms of n entries. */
static coefficients moduli_distance(const SHARED float *x, const SHARED float *y, float scale_x,
                                    float scale_y, __global const float *table, uint n) {
    coefficients squared = 0.0f;
    for (uint chunk = 0; chunk < COLUMNS / WIDTH; chunk++) {
        coefficients re_x = 0.0f, im_x = 0.0f, re_y = 0.0f, im_y = 0.0f;
        for (uint j = 0; j < n; j++) { /* both in turn: a sum alone waits for its last product */
            const coefficients v = (coefficients)(x[j]), w = (coefficients)(y[j]);
            const coefficients cosine = TABLE(table, j, chunk);
            const coefficients sine = TABLE(table + n * COLUMNS, j, chunk);
            re_x = MULTIPLY_ADD(v, cosine, re_x);
            im_x = MULTIPLY_ADD(v, sine, im_x);
            re_y = MULTIPLY_ADD(w, cosine, re_y);
            im_y = MULTIPLY_ADD(w, sine, im_y);
        }
        const coefficients difference = scale_x * sqrt(fma(re_x, re_x, im_x * im_x)) -
                                        scale_y * sqrt(fma(re_y, re_y, im_y * im_y));
        squared += TABLE(table + 2 * n * COLUMNS, 0, chunk) * difference * difference;
    }
    return squared;
}

/* x [2, B, D]: signals and partners; squared [B]; STREAM: of the partners' draws.
 * cycles: int [sets, D] for -DDISTORTION=CYCLE; table: of a transform of D entries, or of LEFT and
 * then of RIGHT for TWO_PART_SHIFT.  Work-groups: (1, parts of the batch, members). */
OF_GROUP
__kernel void pair_signals(__global const float *restrict signals, TENSOR(const int, sets),
                           TENSOR(const uint, seeds), __global const float *restrict table,
#if DISTORTION == CYCLE
                           __global const int *restrict cycles,
#endif
                           TENSOR(float, x), TENSOR(float, squared), uint batch, uint samples,
                           uint step) {
    const uint lane = get_local_id(0), r = get_global_id(2);
    const uint seed = MEMBER(seeds, r)[0], set = MEMBER(sets, r)[0];
    batch_order order;
    begin_batch(seed, step, batch, samples, &order);
    SHARED float own[D], other[D], sums[WIDTH];
#if DISTORTION == CYCLE
    SHARED float own_along[D], other_along[D];
    __global const int *cycle = cycles + (size_t)set * D;
#define PLACE(j) cycle[j]
#else
#define PLACE(j) (j)
#endif

    const uint begin = get_group_id(1) * SAMPLES;
    uint rows[SAMPLES];
    samples_from(&order, begin, rows);
#if GROUP == 1
    for (uint b = begin; b < min(begin + SAMPLES, batch); b++) {
#else /* one sample: barriers in a loop are more than some drivers take */
    const uint b = begin;
    {
#endif
        __global const float *from = signals + ((size_t)set * samples + rows[b - begin]) * D;
        __global float *to = MEMBER(x, r) + (size_t)b * D, *partner = to + (size_t)batch * D;
        uint words[4];
        iv_philox(seed, STREAM, step, 64 * b, words);

        /* How many entries, from the first one, are a copy: a shift of each part, and a factor. */
#if DISTORTION == TWO_PART_SHIFT
        const uint copied = (b & 1) == 0 ? D : (b & 2) == 0 ? LEFT : 0, left = LEFT;
#else
        const uint copied = (b & 1) == 0 ? D : 0, left = D;
#endif
#if DISTORTION == SHIFT_SCALE
        const float factor = fma(1.5f, iv_uniform(words[1]), 0.5f);
#else
        const float factor = 1.0f;
#endif
        const uint left_shift = iv_below(words[0], left);
        const uint right_shift = iv_below(words[1], D - left);
        for (uint p = lane; p < D; p += GROUP) {
            const float value = from[PLACE(p)];
            own[PLACE(p)] = value;
            if (p >= copied) continue;
            const uint image = p < left ? add_modulo(p, left_shift, left)
                                        : left + add_modulo(p - left, right_shift, D - left);
            other[PLACE(image)] = factor * value;
        }
        if (copied < D) draw_entries(seed, step, b, copied, lane, other);
        SYNC();

        for (uint j = lane; j < D; j += GROUP) {
            to[j] = own[j];
            partner[j] = other[j];
        }
        /* Work-items that share a sample go on together, whether it needs a distance or not. */
        float distance = 0.0f;
        if (GROUP > 1 || copied < D) {
#if DISTORTION == TWO_PART_SHIFT
            coefficients parts =
                moduli_distance(own + LEFT, other + LEFT, 1.0f, 1.0f,
                                table + (2 * LEFT + 1) * COLUMNS, RIGHT);
            if (copied == 0) parts += moduli_distance(own, other, 1.0f, 1.0f, table, LEFT);
#elif DISTORTION == CYCLE
            for (uint p = lane; p < D; p += GROUP) {
                own_along[p] = own[PLACE(p)];
                other_along[p] = other[PLACE(p)];
            }
            SYNC();
            const coefficients parts =
                moduli_distance(own_along, other_along, 1.0f, 1.0f, table, D);
#elif DISTORTION == SHIFT_SCALE
            const coefficients parts = moduli_distance(own, other, reciprocal_norm(own),
                                                       reciprocal_norm(other), table, D);
#else
            const coefficients parts = moduli_distance(own, other, 1.0f, 1.0f, table, D);
#endif
            KEEP(sums, parts);
            SYNC();
            for (uint i = 0; i < WIDTH; i++) distance += sums[i];
        }
        if (lane == 0) MEMBER(squared, r)[b] = copied < D ? distance : 0.0f;
    }
}
#endif
