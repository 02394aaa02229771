/* What newton_oracle.h says, plainly. */
#include "newton_oracle.h"

#include "posterior_trial.h"

#include <lapacke.h>

#define UNIT_ROUNDOFF 0x1p-24

known known_begin(size_t n, size_t rows, double deviation, double alpha) {
    known k = {.n = n, .rows = rows, .alpha = alpha, .n_shown = 1.0};
    k.matrices = new_doubles(CLASSES * n * n);
    k.sums = new_doubles(CLASSES * n);
    k.precisions = new_doubles(CLASSES * n * n);
    k.covariances = new_doubles(CLASSES * n * n);
    k.means = new_doubles(CLASSES * n);
    k.largest_errors = new_doubles(CLASSES);
    for (size_t c = 0; c < CLASSES; c++)
        for (size_t i = 0; i < n; i++) k.covariances[(c * n + i) * n + i] = deviation * deviation;
    return k;
}

void known_end(known *k) {
    free(k->matrices);
    free(k->sums);
    free(k->precisions);
    free(k->covariances);
    free(k->means);
    free(k->largest_errors);
}

/* The covariance is that of a precision which is off by 4 (H + B) u of its largest eigenvalue: sums
 * of B and H terms, and the diagonal that is added. */
static void invert(known *k, size_t c) {
    const size_t n = k->n;
    const double *p = k->precisions + c * n * n;
    double *s = k->covariances + c * n * n, *values = new_doubles(n);
    memcpy(s, p, n * n * sizeof *s);
    assert_int_equal(LAPACKE_dsyev(LAPACK_ROW_MAJOR, 'N', 'L', (int)n, s, (int)n, values), 0);
    const double smallest = values[0], largest = values[n - 1];
    k->largest_errors[c] =
        4.0 * (double)(n + k->rows) * UNIT_ROUNDOFF * largest / smallest / smallest;
    free(values);
    memcpy(s, p, n * n * sizeof *s);
    assert_int_equal(LAPACKE_dpotrf(LAPACK_ROW_MAJOR, 'L', (int)n, s, (int)n), 0);
    assert_int_equal(LAPACKE_dpotri(LAPACK_ROW_MAJOR, 'L', (int)n, s, (int)n), 0);
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++) s[i * n + j] = s[j * n + i];
}

static double norm(const double *x, size_t n) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += x[i] * x[i];
    return sqrt(sum);
}

double known_kl(const known *k) {
    const size_t n = k->n;
    double kl = 0.0, *factor = new_doubles(n * n);
    for (size_t c = 0; c < CLASSES; c++) {
        memcpy(factor, k->covariances + c * n * n, n * n * sizeof *factor);
        assert_int_equal(LAPACKE_dpotrf(LAPACK_ROW_MAJOR, 'L', (int)n, factor, (int)n), 0);
        double trace = 0.0;
        for (size_t i = 0; i < n; i++) {
            trace += k->covariances[(c * n + i) * n + i];
            kl -= log(factor[i * n + i]);
        }
        const double square = pow(norm(k->means + c * n, n), 2.0);
        kl += 0.5 * ((trace + square) / k->alpha + (double)n * (log(k->alpha) - 1.0));
    }
    free(factor);
    return kl;
}

/* A step moves alpha from the q before it; the device's is what the step is of from then on, so that
 * its error is not in what follows. */
static void known_alpha(known *k, double damping, double alpha_of_device) {
    const double n = (double)(CLASSES * k->n), own = 0.02 * n;
    const double square = pow(norm(k->means, CLASSES * k->n), 2.0);
    double trace = 0.0, of_trace = 0.0;
    for (size_t i = 0; i < CLASSES * k->n; i++) trace += k->covariances[i * k->n + i % k->n];
    for (size_t c = 0; c < CLASSES; c++) of_trace += (double)k->n * k->largest_errors[c];
    const double best = (square + own * k->alpha) / (fmax(n - trace / k->alpha, 0.0) + own);
    const double alpha = k->alpha * exp(damping * log(best / k->alpha));
    /* of the trace over what divides, and of the means */
    const double error =
        damping * (of_trace / k->alpha / own + 2.0 * k->mean_error / (sqrt(square) + 1.0)) +
        4.0 * UNIT_ROUNDOFF;
    if (!(fabs(alpha_of_device / alpha - 1.0) <= error))
        fail_msg("alpha is %.7g, not %.7g +- %.2g of it", alpha_of_device, alpha, error);
    k->alpha = alpha_of_device;
}

/* What batches add: A = keep A + fresh mean(curvature h h^T), and b likewise. */
static void known_data(known *k, size_t c, const float *features, const float *curvatures,
                       const float *gradients, double keep, double fresh) {
    const size_t n = k->n;
    double *a = k->matrices + c * n * n, *b = k->sums + c * n;
    for (size_t i = 0; i < n; i++) {
        b[i] = keep * b[i] - fresh * (double)gradients[c * n + i];
        for (size_t j = 0; j < n; j++) {
            double sum = 0.0;
            for (size_t row = 0; row < k->rows; row++)
                sum += (double)curvatures[row * CLASSES + c] * (double)features[row * n + i] *
                       (double)features[row * n + j] / (double)k->rows;
            a[i * n + j] = keep * a[i * n + j] + fresh * sum;
            b[i] += fresh * sum * k->means[c * n + j];
            k->precisions[(c * n + i) * n + j] = a[i * n + j] + (i == j ? 1.0 / k->alpha : 0.0);
        }
    }
}

static void multiply(const double *matrix, const double *x, size_t n, double *out) {
    for (size_t i = 0; i < n; i++) {
        out[i] = 0.0;
        for (size_t j = 0; j < n; j++) out[i] += matrix[i * n + j] * x[j];
    }
}

/* Means go to P^-1 b, or as far on the way as `trust` nats a datum. Returns whether they are held. */
static bool known_move(known *k, double trust) {
    const size_t n = k->n;
    double *ways = new_doubles(CLASSES * n), *pulls = new_doubles(CLASSES * n);
    double square = 0.0, error = 0.0, share = 1.0;
    for (size_t c = 0; c < CLASSES; c++) {
        const size_t at = c * n;
        multiply(k->covariances + at * n, k->sums + at, n, ways + at);
        for (size_t i = at; i < at + n; i++) ways[i] -= k->means[i];
        multiply(k->precisions + at * n, ways + at, n, pulls + at);
        for (size_t i = at; i < at + n; i++) square += ways[i] * pulls[i];
        error += k->largest_errors[c] * pow(norm(pulls + at, n), 2.0);
        k->mean_error += norm(pulls + at, n) * 2.0 * k->largest_errors[c];
    }
    if (trust > 0.0) share = fmin(1.0, sqrt(2.0 * trust * k->n_shown / square));
    for (size_t i = 0; i < CLASSES * n; i++) k->means[i] += share * ways[i];
    if (share < 1.0) {
        k->mean_error += share * norm(ways, CLASSES * n) * error / square;
        for (size_t c = 0; c < CLASSES; c++)
            multiply(k->precisions + c * n * n, k->means + c * n, n, k->sums + c * n);
    }
    free(ways);
    free(pulls);
    return share < 1.0;
}

bool known_step(known *k, uint32_t step, const float *features, const float *curvatures,
                const float *gradients, double damping, double alpha_of_device, double trust) {
    const double rho = step < 2 ? (double)0.4f : fmax((double)0.3f, (double)0.4f * 2.0 / step);
    const double n_shown = fmin(N_DATA, (double)k->rows / rho);
    const double keep = (1.0 - rho) * n_shown / k->n_shown, alpha_before = k->alpha;
    k->kl = known_kl(k);
    known_alpha(k, step == 0 ? 0.0 : damping, alpha_of_device);
    if (k->rows > TRIAL_ROWS) k->kl = known_kl(k); /* at its last batch alpha has moved */
    k->mean_error *= fmax(1.0, keep * k->alpha / alpha_before);
    k->n_shown = n_shown;
    for (size_t c = 0; c < CLASSES; c++) {
        known_data(k, c, features, curvatures, gradients, keep, rho * n_shown);
        invert(k, c);
    }
    return known_move(k, trust);
}
