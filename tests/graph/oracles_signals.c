/* Signals, codes and pairs in double precision, their oracles, and the graphs around them. */
#include "signals.h"

#include <invar/random.h>

#define PI 3.14159265358979323846

uint32_t member_seed(const trial *t, size_t member) {
    return 1000 + 77 * (t->first_member + member == 3);
}

size_t member_set(const trial *t, size_t member) {
    return t->first_member + member == 2;
}

static uint32_t data_seed(size_t set) {
    return 40 + 13 * (uint32_t)set;
}

void known_signal(size_t set, size_t i, size_t d, float *x) {
    for (size_t j = 0; j < d; j++) {
        uint32_t words[4];
        iv_philox(data_seed(set), IV_STREAM_SIGNAL, (uint32_t)(j / 4), (uint32_t)(FIRST_SIGNAL + i),
                  words);
        x[j] = iv_uniform_symmetric(words[j % 4]);
    }
}

void known_cycle(size_t set, size_t d, int32_t *cycle) {
    iv_permutation(data_seed(set), IV_STREAM_CYCLE, (uint32_t)d, cycle);
}

/* ------------------------------------------------------------------ transforms */

/* Coefficient k. The error is one of each of its parts: a table's rounding and a sum of n products,
 * none of them above |x_j|. */
static void coefficient(const double *x, size_t n, size_t k, double *re, double *im,
                        double *error) {
    double magnitude = 0.0;
    *re = *im = 0.0;
    for (size_t j = 0; j < n; j++) {
        const double angle = 2.0 * PI * (double)(j * k % n) / (double)n;
        *re += x[j] * cos(angle);
        *im -= x[j] * sin(angle);
        magnitude += fabs(x[j]);
    }
    /* what the double angle leaves of a zero: n 2 pi 2^-53 < 1e-15 n */
    if (fabs(*im) <= 1e-15 * (double)n) *im = 0.0;
    *error = (double)(n + 2) * UNIT_ROUNDOFF * magnitude;
}

/* The error of a modulus is at most that of the complex number, and that of the square root. */
static double modulus(const double *x, size_t n, size_t k, double *error) {
    double re, im;
    coefficient(x, n, k, &re, &im, error);
    const double value = hypot(re, im);
    *error = sqrt(2.0) * *error + (FUNCTION_ERROR + 2 * UNIT_ROUNDOFF) * value;
    return value;
}

void known_code(const float *x, size_t d, iv_code code, double *value, double *error) {
    double wide[IV_MAX_SIGNAL];
    for (size_t j = 0; j < d; j++) wide[j] = x[j];
    for (size_t k = 0; k < d; k++) {
        double re, im, part_error;
        value[k] = modulus(wide, d, k, &error[k]);
        coefficient(wide, d, k, &re, &im, &part_error);
        /* A phase moves by at most asin(error / modulus) < 2 error / modulus, and may end on the
         * other side of the cut; where the imaginary part vanishes by symmetry it is exact. */
        const bool is_real = k == 0 || 2 * k == d;
        const double turned = is_real ? 0.0 : 2.0 * sqrt(2.0) * part_error / value[k];
        const double phase = value[k] == 0.0 ? 0.0
                             : im == 0.0     ? (re < 0.0 ? PI : 0.0)
                                             : atan2(im, re);
        if (code == IV_CODE_MODULUS_PHASE) {
            value[d + k] = phase;
            error[d + k] = turned + 12 * UNIT_ROUNDOFF * fabs(phase); /* atan2: 6 ulp */
            if (!is_real && re < 0.0 && fabs(im) <= part_error) error[d + k] += 2.0 * PI;
        } else {
            value[d + k] = is_real ? 0.0 : sin(phase);
            value[2 * d + k] = is_real ? (re < 0.0 ? -1.0 : 1.0) : cos(phase);
            error[d + k] = error[2 * d + k] =
                is_real ? 0.0 : turned + DIVISION_ERROR + FUNCTION_ERROR + 4 * UNIT_ROUNDOFF;
        }
    }
}

/* ------------------------------------------------------------------ distances */

/* Of the moduli of x times scale_x and y times scale_y, whose relative errors are scale_error. */
static double moduli_distance(const double *x, const double *y, size_t n, double scale_x,
                              double scale_y, double scale_error, double *error) {
    double sum = 0.0;
    for (size_t k = 0; k < n; k++) {
        double error_x, error_y;
        const double m_x = scale_x * modulus(x, n, k, &error_x);
        const double m_y = scale_y * modulus(y, n, k, &error_y);
        const double difference = m_x - m_y;
        const double moved =
            scale_x * error_x + scale_y * error_y + (scale_error + 2 * UNIT_ROUNDOFF) * (m_x + m_y);
        sum += difference * difference;
        *error += 2.0 * fabs(difference) * moved + moved * moved;
    }
    *error += (double)(n + 8) * UNIT_ROUNDOFF * sum;
    return sum;
}

static double reciprocal_norm(const double *x, size_t n) {
    double sum = 0.0;
    for (size_t j = 0; j < n; j++) sum += x[j] * x[j];
    return 1.0 / sqrt(sum);
}

double known_distance(iv_distortion distortion, const float *x, const float *y, size_t d,
                      const int32_t *cycle, size_t same, double *error) {
    double a[IV_MAX_SIGNAL], b[IV_MAX_SIGNAL];
    *error = 0.0;
    if (same == d) return 0.0;
    for (size_t j = 0; j < d; j++) {
        const size_t from = distortion == IV_DISTORTION_CYCLE ? (size_t)cycle[j] : j;
        a[j] = x[from];
        b[j] = y[from];
    }
    if (distortion == IV_DISTORTION_TWO_PART_SHIFT) {
        const size_t left = d / 2;
        const double squared = same ? 0.0 : moduli_distance(a, b, left, 1.0, 1.0, 0.0, error);
        return squared + moduli_distance(a + left, b + left, d - left, 1.0, 1.0, 0.0, error);
    }
    if (distortion == IV_DISTORTION_SHIFT_SCALE) /* half a sum's error, a root, a division */
        return moduli_distance(
            a, b, d, reciprocal_norm(a, d), reciprocal_norm(b, d),
            ((double)(d + 1) / 2.0) * UNIT_ROUNDOFF + FUNCTION_ERROR + DIVISION_ERROR, error);
    return moduli_distance(a, b, d, 1.0, 1.0, 0.0, error);
}

/* ------------------------------------------------------------------ on the device */

static cl_mem owned(trial *t, cl_mem buffer) {
    assert_true(t->n_buffers < sizeof t->buffers / sizeof *t->buffers);
    return t->buffers[t->n_buffers++] = buffer;
}

iv_signal_source trial_signals(trial *t, size_t count, size_t d, const iv_code *code, bool shuffle,
                               bool fresh, iv_signal_set *set) {
    enum { OFFSET = 2, STRIDE = 3, MAX_MEMBERS = 8 };
    const uint32_t seeds[N_SETS] = {data_seed(0), data_seed(1)};
    assert_ok(t->context,
              iv_signal_set_create(t->context, seeds, N_SETS, FIRST_SIGNAL, count, d, code, set));
    owned(t, set->signals);
    if (code) {
        owned(t, set->codes);
        owned(t, set->table);
    }

    int32_t sets[OFFSET + STRIDE * MAX_MEMBERS] = {0};
    uint32_t members[OFFSET + STRIDE * MAX_MEMBERS] = {0};
    assert_true(t->n_members <= MAX_MEMBERS);
    for (size_t r = 0; r < t->n_members; r++) {
        sets[OFFSET + r * STRIDE] = (int32_t)member_set(t, r);
        members[OFFSET + r * STRIDE] = member_seed(t, r);
    }
    return (iv_signal_source){
        .set = set,
        .set_of_member = {trial_upload(t, sets, sizeof sets), OFFSET, STRIDE},
        .seeds = {trial_upload(t, members, sizeof members), OFFSET, STRIDE},
        .shuffle = shuffle,
        .fresh = fresh,
    };
}

cl_mem trial_cycles(trial *t, iv_distortion distortion, size_t d) {
    const uint32_t seeds[N_SETS] = {data_seed(0), data_seed(1)};
    cl_mem cycles;
    if (distortion != IV_DISTORTION_CYCLE) return NULL;
    assert_ok(t->context, iv_cycles_create(t->context, seeds, N_SETS, d, &cycles));
    return owned(t, cycles);
}

void assert_refused(trial *t, iv_status status, const char *part) {
    assert_int_equal(status, IV_EINVAL);
    const iv_error *error = iv_context_error(t->context);
    if (!strstr(error->message, part)) fail_msg("'%s' is not in '%s'", part, error->message);
    iv_error_clear(iv_context_error(t->context));
}

/* ------------------------------------------------------------------ oracles */

/* Signal for position b of this step's batch.  x [d] */
static void signal_of(const evaluation *e, const node *n, size_t b, size_t d, float *x) {
    const own_signals *own = n->own;
    const uint32_t batch = (uint32_t)own->batch;
    const uint32_t count = (uint32_t)own->set.count;
    uint32_t i = e->step * batch + (uint32_t)b;
    if (own->shuffle)
        i = iv_shuffle(member_seed(e->t, e->member), IV_STREAM_BATCH_ORDER,
                       e->step / (count / batch), count,
                       e->step % (count / batch) * batch + (uint32_t)b);
    else if (i >= count)
        i = count - 1;
    known_signal(member_set(e->t, e->member), i, d, x);
}

void oracle_signal_batch(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)in;
    const size_t d = iv_columns(n->outputs[0]);
    for (size_t b = 0; b < iv_rows(n->outputs[0]); b++) {
        float x[IV_MAX_SIGNAL];
        signal_of(e, n, b, d, x);
        for (size_t j = 0; j < d; j++) out[0].value[b * d + j] = x[j];
        if (n->n_outputs == 1) continue;
        const size_t size = iv_columns(n->outputs[1]);
        known_code(x, d, size == 2 * d ? IV_CODE_MODULUS_PHASE : IV_CODE_MODULUS_SINE_COSINE,
                   out[1].value + b * size, out[1].error + b * size);
    }
}

/* y, for x of position b: returns how many entries from the first one on are a copy. */
static size_t partner_of(const evaluation *e, const node *n, size_t b, size_t d,
                         const int32_t *cycle, const float *x, float *y) {
    const own_signals *own = n->own;
    const iv_distortion distortion = own->pairs.distortion;
    const uint32_t stream = own->fresh ? IV_STREAM_EVALUATION : IV_STREAM_TRANSFORMATION;
    uint32_t words[IV_MAX_SIGNAL];
    for (uint32_t block = 0; block < IV_MAX_SIGNAL / 4; block++)
        iv_philox(member_seed(e->t, e->member), stream, e->step, (uint32_t)b * 64 + block,
                  words + 4 * block);
    for (size_t j = 0; j < d; j++) y[j] = iv_uniform_symmetric(words[j]);

    const bool two_part = distortion == IV_DISTORTION_TWO_PART_SHIFT;
    const size_t left = two_part ? d / 2 : d;
    const size_t same = b % 4 == 0 || b % 4 == 2 ? d : two_part && b % 4 == 1 ? left : 0;
    const size_t shift = iv_below(words[0], (uint32_t)left);
    const size_t right_shift = iv_below(words[1], (uint32_t)(d - left));
    const double factor = distortion == IV_DISTORTION_SHIFT_SCALE
                              ? (float)(0.5 + 1.5 * (double)iv_uniform(words[1]))
                              : 1.0;
    for (size_t p = 0; p < same; p++) {
        size_t image = p < left ? (p + shift) % left : left + (p - left + right_shift) % (d - left);
        size_t from = p;
        if (distortion == IV_DISTORTION_CYCLE) {
            from = (size_t)cycle[p];
            image = (size_t)cycle[image];
        }
        y[image] = (float)(factor * (double)x[from]);
    }
    return same;
}

void oracle_pair_batch(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)in;
    const own_signals *own = n->own;
    const size_t d = iv_columns(n->outputs[0]), batch = own->batch;
    int32_t cycle[IV_MAX_SIGNAL];
    known_cycle(member_set(e->t, e->member), d, cycle);
    for (size_t b = 0; b < batch; b++) {
        float x[IV_MAX_SIGNAL], y[IV_MAX_SIGNAL];
        signal_of(e, n, b, d, x);
        const size_t same = partner_of(e, n, b, d, cycle, x, y);
        for (size_t j = 0; j < d; j++) {
            out[0].value[b * d + j] = x[j];
            out[0].value[(batch + b) * d + j] = y[j];
        }
        out[1].value[b] =
            known_distance(own->pairs.distortion, x, y, d, cycle, same, &out[1].error[b]);
    }
}

/* ------------------------------------------------------------------ examples */

EXAMPLES(signal_batch, 4, 4) {
    static const size_t sizes[] = {2, 5, 10, 7};
    const iv_code code = variant % 2 ? IV_CODE_MODULUS_PHASE : IV_CODE_MODULUS_SINE_COSINE;
    iv_signal_set set;
    const iv_signal_source source =
        trial_signals(t, 7, sizes[variant % 4], &code, variant < 2, false, &set);
    iv_tensor *codes;
    iv_signal_batch(t->graph, &source, 3, &x->outputs[0], &codes);
    x->outputs[1] = codes;
    x->n_outputs = 2;
}

EXAMPLES(pair_batch, 8, 4) {
    static const size_t sizes[] = {2, 6, 5, 7, 10, 9, 20, 31};
    const size_t d = sizes[variant];
    iv_signal_set set;
    const iv_signal_source source =
        trial_signals(t, 9, d, NULL, variant % 2 == 0, variant > 4, &set);
    const iv_distortion distortion = (iv_distortion)(variant % 4);
    const iv_pair_desc pairs = {distortion, trial_cycles(t, distortion, d)};
    iv_pair_batch(t->graph, &source, &pairs, 5, &x->outputs[0], &x->outputs[1]);
    x->n_outputs = 2;
}
