#include "autoencoder_oracle.h"

#include "../kit/kit.h"

#include <invar/data.h>

#include <Random123/philox.h>

#include <math.h>

/* ------------------------------------------------------------------ random numbers */

/* Streams, and the meaning of the words, as include/invar/random.h and signal.h document them. */
enum { EVALUATION = 8, SIGNAL = 9, CYCLE = 13 };

static uint32_t draw(uint32_t seed, uint32_t stream, uint32_t step, uint32_t index, int word) {
    const philox4x32_key_t key = {{seed, stream}};
    const philox4x32_ctr_t counter = {{index, step, 0, 0}};
    return philox4x32_R(10, counter, key).v[word];
}

static double on_minus_one_to_one(uint32_t word) {
    return (double)(word / 256) / 8388608 - 1;
}

static int below(uint32_t word, int n) {
    return (int)((uint64_t)word * (uint64_t)n / 4294967296U);
}

void oracle_signal(uint32_t seed, uint32_t index, int d, double *x) {
    for (int j = 0; j < d; j++)
        x[j] = on_minus_one_to_one(draw(seed, SIGNAL, (uint32_t)j / 4, index, j % 4));
}

/* The seed's cycle through all dimensions: Fisher and Yates from the end; a word that would make
 * some numbers likelier than others is drawn again. */
static void hidden_cycle(uint32_t seed, int d, int *cycle) {
    for (int i = 0; i < d; i++) cycle[i] = i;
    for (int i = d; i > 1; i--) {
        const uint64_t uneven = 4294967296U % (uint64_t)i;
        uint32_t attempt = 0, word;
        do word = draw(seed, CYCLE, attempt++, (uint32_t)i, 0);
        while ((uint64_t)word * (uint64_t)i % 4294967296U < uneven);
        const int j = below(word, i), kept = cycle[i - 1];
        cycle[i - 1] = cycle[j];
        cycle[j] = kept;
    }
}

/* ------------------------------------------------------------------ Fourier transforms */

static void dft(int d, const double *x, int k, double *re, double *im) {
    const double turn = 6.283185307179586476925;
    *re = *im = 0;
    for (int j = 0; j < d; j++) {
        *re += x[j] * cos(turn * j * k / d);
        *im -= x[j] * sin(turn * j * k / d);
    }
    if (2 * k % d == 0) *im = 0; /* by symmetry: a real signal's are real there */
}

void oracle_known_code(oracle_code code, int d, const double *x, double *z) {
    for (int k = 0; k < d; k++) {
        double re, im;
        dft(d, x, k, &re, &im);
        z[k] = hypot(re, im);
        if (code == ORACLE_MODULUS_PHASE) {
            z[d + k] = atan2(im, re);
        } else {
            z[d + k] = z[k] > 0 ? im / z[k] : 0;
            z[2 * d + k] = z[k] > 0 ? re / z[k] : 1;
        }
    }
}

static double moduli_apart(int d, const double *x, const double *y) {
    double sum = 0;
    for (int k = 0; k < d; k++) {
        double re, im, re_y, im_y;
        dft(d, x, k, &re, &im);
        dft(d, y, k, &re_y, &im_y);
        const double difference = hypot(re, im) - hypot(re_y, im_y);
        sum += difference * difference;
    }
    return sum;
}

static void scale_to_one(int d, const double *x, double *to) {
    double square = 0;
    for (int j = 0; j < d; j++) square += x[j] * x[j];
    for (int j = 0; j < d; j++) to[j] = x[j] / sqrt(square);
}

/* ------------------------------------------------------------------ pairs */

static void shift(int d, const double *x, int places, double *to) {
    for (int j = 0; j < d; j++) to[(j + places) % d] = x[j];
}

static void distorted(oracle_code code, uint32_t seed, int d, const double *x,
                      const uint32_t words[2], double *to) {
    int cycle[ORACLE_LONGEST];
    double along[ORACLE_LONGEST], moved[ORACLE_LONGEST];
    const int left = d / 2;
    switch (code) {
    case ORACLE_TWO_PART_SHIFT:
        shift(left, x, below(words[0], left), to);
        shift(d - left, x + left, below(words[1], d - left), to + left);
        break;
    case ORACLE_CYCLE:
        hidden_cycle(seed, d, cycle);
        for (int p = 0; p < d; p++) along[p] = x[cycle[p]];
        shift(d, along, below(words[0], d), moved);
        for (int p = 0; p < d; p++) to[cycle[p]] = moved[p];
        break;
    case ORACLE_SHIFT_SCALE:
        shift(d, x, below(words[0], d), to);
        for (int j = 0; j < d; j++) to[j] *= 0.5 + 1.5 * (double)(words[1] / 256) / 16777216;
        break;
    default: shift(d, x, below(words[0], d), to); break;
    }
}

static double squared_distance(oracle_code code, uint32_t seed, int d, const double *x,
                               const double *y) {
    int cycle[ORACLE_LONGEST];
    double a[ORACLE_LONGEST], b[ORACLE_LONGEST];
    const int left = d / 2;
    switch (code) {
    case ORACLE_TWO_PART_SHIFT:
        return moduli_apart(left, x, y) + moduli_apart(d - left, x + left, y + left);
    case ORACLE_CYCLE:
        hidden_cycle(seed, d, cycle);
        for (int p = 0; p < d; p++) {
            a[p] = x[cycle[p]];
            b[p] = y[cycle[p]];
        }
        return moduli_apart(d, a, b);
    case ORACLE_SHIFT_SCALE:
        scale_to_one(d, x, a);
        scale_to_one(d, y, b);
        return moduli_apart(d, a, b);
    default: return moduli_apart(d, x, y);
    }
}

double oracle_partner(oracle_code code, uint32_t seed, uint32_t step, uint32_t i, int d,
                      const double *x, double *partner) {
    double copy[ORACLE_LONGEST];
    const uint32_t words[2] = {draw(seed, EVALUATION, step, 64 * i, 0),
                               draw(seed, EVALUATION, step, 64 * i, 1)};
    distorted(code, seed, d, x, words, copy);
    for (int j = 0; j < d; j++) {
        const uint32_t index = 64 * i + (uint32_t)j / 4;
        partner[j] = on_minus_one_to_one(draw(seed, EVALUATION, step, index, j % 4));
    }
    const bool same_left = i % 2 == 0 || (code == ORACLE_TWO_PART_SHIFT && i % 4 == 1);
    const bool same_right = i % 2 == 0;
    for (int j = 0; j < d; j++)
        if (j < d / 2 ? same_left : same_right) partner[j] = copy[j];
    return same_left && same_right ? 0 : squared_distance(code, seed, d, x, partner);
}

/* ------------------------------------------------------------------ networks */

static double *as_doubles(const iv_tensor_entry *entry, size_t n) {
    double *values = calloc(n, sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < n; i++) values[i] = (double)entry->data[i];
    return values;
}

/* What a layer makes of the n columns that its linear map gives. */
static int columns_after(const oracle_half *half, int map) {
    const bool plain = half->layer != ORACLE_RICH || (half->lifted && map == 0);
    return plain ? half->n_out[map] : half->n_in[map] + 2 * half->n_out[map];
}

bool oracle_half_load(const char *path, const char *name, oracle_layer layer, bool lifted,
                      oracle_half *half) {
    iv_error error = {0};
    iv_safetensors *file;
    *half = (oracle_half){.layer = layer, .lifted = lifted};
    assert_ok(&error, iv_safetensors_open(path, &file, &error));
    for (int i = 0;; i++) {
        char key[64];
        snprintf(key, sizeof key, "%s.%d.weight", name, i);
        const iv_tensor_entry *weight = iv_safetensors_find(file, key);
        snprintf(key, sizeof key, "%s.%d.bias", name, i);
        const iv_tensor_entry *bias = iv_safetensors_find(file, key);
        assert_int_equal(weight == NULL, bias == NULL);
        if (!weight) break;
        assert_true(i < ORACLE_LINEAR_MAPS);
        assert_int_equal(weight->rank, 2);
        assert_int_equal(bias->rank, 1);
        assert_int_equal(bias->shape[0], weight->shape[0]);
        half->n_out[i] = (int)weight->shape[0];
        half->n_in[i] = (int)weight->shape[1];
        assert_in_range(half->n_out[i], 1, ORACLE_WIDEST / 3);
        assert_in_range(half->n_in[i], 1, ORACLE_WIDEST);
        if (i > 0) assert_int_equal(half->n_in[i], columns_after(half, i - 1));
        half->weights[i] = as_doubles(weight, weight->shape[0] * weight->shape[1]);
        half->biases[i] = as_doubles(bias, bias->shape[0]);
        half->n_maps = i + 1;
    }
    iv_safetensors_close(file);
    return half->n_maps > 0;
}

void oracle_half_free(oracle_half *half) {
    for (int i = 0; i < half->n_maps; i++) {
        free(half->weights[i]);
        free(half->biases[i]);
    }
    half->n_maps = 0;
}

static double activated(oracle_layer layer, double x) {
    const double lambda = 1.0507009873554804934193, alpha = 1.6732632423543772848170;
    switch (layer) {
    case ORACLE_SELU: return x > 0 ? lambda * x : lambda * alpha * (exp(x) - 1);
    case ORACLE_RELU: return x > 0 ? x : 0;
    case ORACLE_SIGMOID: return 1 / (1 + exp(-x));
    case ORACLE_BIPOLAR_SIGMOID: return tanh(x);
    default: return x;
    }
}

/* [O1, O2, O3, O4, O5] of section 4, with a little under the root against division by zero. */
static void rich_outputs(const double *o, int n, const double *x, int m, double *out) {
    const int half = m / 2;
    memcpy(out, o, (size_t)n * sizeof *out);
    for (int i = 0; i < half; i++) {
        const double even = x[2 * i], odd = x[2 * i + 1];
        const double norm = sqrt(even * even + odd * odd + 1e-12);
        out[n + i] = norm;
        out[n + half + i] = even / norm;
        out[n + 2 * half + i] = odd / norm;
        out[n + 3 * half + i] = even / norm * (odd / norm);
    }
}

void oracle_half_apply(const oracle_half *half, const double *in, double *out) {
    double now[ORACLE_WIDEST], mapped[ORACLE_WIDEST], next[ORACLE_WIDEST];
    memcpy(now, in, (size_t)half->n_in[0] * sizeof *now);
    for (int i = 0; i < half->n_maps; i++) {
        const int n = half->n_in[i], m = half->n_out[i];
        for (int row = 0; row < m; row++) {
            mapped[row] = half->biases[i][row];
            for (int j = 0; j < n; j++) mapped[row] += half->weights[i][row * n + j] * now[j];
        }
        if (i == half->n_maps - 1) {
            memcpy(out, mapped, (size_t)m * sizeof *out);
        } else if (half->lifted && i == 0) {
            memcpy(now, mapped, (size_t)m * sizeof *now);
        } else if (half->layer == ORACLE_RICH) {
            rich_outputs(now, n, mapped, m, next);
            memcpy(now, next, (size_t)(n + 2 * m) * sizeof *now);
        } else {
            for (int row = 0; row < m; row++) now[row] = activated(half->layer, mapped[row]);
        }
    }
}

/* ------------------------------------------------------------------ metrics */

static double squares(int n, const double *a, const double *b) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

static int columns_out(const oracle_half *half) {
    return half->n_out[half->n_maps - 1];
}

void oracle_known_errors(const oracle_task *task, const oracle_half *encoder,
                         const oracle_half *decoder, oracle_errors *errors) {
    const int d = task->d, n_parts = task->code == ORACLE_MODULUS_PHASE ? 2 : 3;
    double parts[3] = {0}, reconstruction = 0;
    if (encoder) assert_int_equal(columns_out(encoder), n_parts * d);
    if (decoder) assert_int_equal(columns_out(decoder), d);
    for (int i = 0; i < task->n; i++) {
        double x[ORACLE_LONGEST], code[3 * ORACLE_LONGEST], z[3 * ORACLE_LONGEST],
            y[ORACLE_LONGEST];
        oracle_signal(task->seed, task->first + (uint32_t)i, d, x);
        oracle_known_code(task->code, d, x, code);
        if (encoder) {
            oracle_half_apply(encoder, x, z);
            for (int p = 0; p < n_parts; p++) parts[p] += squares(d, z + p * d, code + p * d);
        }
        if (decoder) {
            oracle_half_apply(decoder, encoder ? z : code, y);
            reconstruction += squares(d, y, x);
        }
    }
    const double entries = (double)task->n * d;
    *errors = (oracle_errors){0};
    for (int p = 0; p < n_parts; p++) {
        errors->mse_parts[p] = encoder ? parts[p] / entries : NAN;
        errors->mse_code += errors->mse_parts[p] / n_parts;
    }
    errors->mse_reconstruction = decoder ? reconstruction / entries : NAN;
}

void oracle_pair_errors(const oracle_task *task, const oracle_half *encoder,
                        const oracle_half *decoder, oracle_errors *errors) {
    const int d = task->d;
    double reconstruction = 0, loss = 0, distance_error = 0, same = 0, unrelated = 0;
    int n_same = 0;
    assert_int_equal(columns_out(decoder), d);
    for (int i = 0; i < task->n; i++) {
        double x[2][ORACLE_LONGEST], z[2][ORACLE_WIDEST], y[ORACLE_LONGEST];
        oracle_signal(task->seed, task->first + (uint32_t)i, d, x[0]);
        const double squared = oracle_partner(task->code, task->seed, (uint32_t)(i / task->batch),
                                              (uint32_t)(i % task->batch), d, x[0], x[1]);
        for (int h = 0; h < 2; h++) {
            oracle_half_apply(encoder, x[h], z[h]);
            oracle_half_apply(decoder, z[h], y);
            reconstruction += squares(d, y, x[h]);
        }
        const double found = squares(task->n_invariant, z[0], z[1]);
        const double difference =
            1 / (task->delta + task->alpha * squared) - 1 / (task->delta + task->alpha * found);
        loss += difference * difference;
        distance_error += (sqrt(found) - sqrt(squared)) * (sqrt(found) - sqrt(squared));
        n_same += squared == 0;
        *(squared == 0 ? &same : &unrelated) += found;
    }
    errors->mse_reconstruction = reconstruction / (2.0 * task->n * d);
    errors->loss_invariance = loss / task->n;
    errors->mse_distance = distance_error / task->n;
    errors->distance_same = sqrt(same / n_same);
    errors->distance_unrelated = sqrt(unrelated / (task->n - n_same));
}
