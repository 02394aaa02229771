/* Sparse Gaussian process regression: the best hyper-parameters. Two searches along a line, one in
 * the other: for each lengthscale the ratio v / s, with the noise variance that is best for it, and
 * along the lengthscale with the best of both, where the derivative is the partial one, since the
 * others vanish. */
#include "regression/sgpr_parts.h"

#include <float.h>
#include <math.h>

/* The slope at x of what is to be maximised. */
typedef iv_status (*slope_function)(void *state, double x, double *slope);

typedef struct {
    double start, step, low, high; /* first guess, first step, bounds */
    double tolerance;
    size_t evaluations; /* at most */
} search_desc;

static double sign_of(double slope) {
    return slope < 0.0 ? -1.0 : 1.0;
}

/* A zero of the slope between a and b, where it has different signs: Brent 1973, chapter 4. */
static iv_status close_in(slope_function function, void *state, const search_desc *desc,
                          size_t left, double a, double fa, double b, double fb) {
    double c = a, fc = fa, last = b - a, before = last;
    while (left > 0) {
        if (sign_of(fb) == sign_of(fc)) {
            c = a, fc = fa;
            last = before = b - a;
        }
        if (fabs(fc) < fabs(fb)) {
            a = b, b = c, c = a;
            fa = fb, fb = fc, fc = fa;
        }
        const double half = 0.5 * (c - b);
        if (fabs(half) <= desc->tolerance || fb == 0.0) return IV_OK;

        double next = half;
        if (fabs(before) >= desc->tolerance && fabs(fa) > fabs(fb)) {
            double p, q;
            if (a == c) { /* a secant */
                p = 2.0 * half * (fb / fa);
                q = 1.0 - fb / fa;
            } else { /* a parabola, the other way about */
                const double r = fb / fc, s = fb / fa, t = fa / fc;
                p = s * (2.0 * half * t * (t - r) - (b - a) * (r - 1.0));
                q = (t - 1.0) * (r - 1.0) * (s - 1.0);
            }
            if (p > 0.0) q = -q;
            p = fabs(p);
            if (2.0 * p < fmin(3.0 * half * q - fabs(desc->tolerance * q), fabs(before * q)))
                next = p / q;
        }
        before = next == half ? half : last;
        last = next;
        a = b, fa = fb;
        b += fabs(last) > desc->tolerance ? last : copysign(desc->tolerance, half);
        const iv_status status = function(state, b, &fb);
        if (status != IV_OK) return status;
        left--;
    }
    return IV_OK;
}

/* Uphill in steps that double until the slope changes its sign, then between the last two points.
 * What was best is for `function` to remember. */
static iv_status climb(slope_function function, void *state, const search_desc *desc) {
    double x = desc->start, slope, step = desc->step;
    size_t left = desc->evaluations;
    if (left == 0) return IV_OK;
    iv_status status = function(state, x, &slope);
    for (left--; status == IV_OK && left > 0; left--) {
        const double next = fmin(fmax(x + sign_of(slope) * step, desc->low), desc->high);
        double next_slope;
        if (slope == 0.0 || next == x) return IV_OK;
        status = function(state, next, &next_slope);
        if (status != IV_OK) return status;
        if (sign_of(next_slope) != sign_of(slope))
            return close_in(function, state, desc, left - 1, x, slope, next, next_slope);
        x = next;
        slope = next_slope;
        step *= 2.0;
    }
    return status;
}

/* ------------------------------------------------------------------ the two searches */

/* The best of a search, by F. */
typedef struct {
    sgpr *regression;
    double bound;
    sgpr_hyper hyper;
} search_state;

/* x = log(v / s). */
static iv_status ratio_slope(void *state, double x, double *slope) {
    search_state *best = state;
    sgpr *s = best->regression;
    const double ratio = exp(x);
    const iv_status status = sgpr_inner(s, ratio);
    if (status != IV_OK) return status;
    const double noise = sgpr_evaluate(s, s->hyper.noise).best_noise;
    const sgpr_outputs out = sgpr_evaluate(s, noise);
    *slope = out.to_variance;
    if (out.bound > best->bound) {
        best->bound = out.bound;
        best->hyper = (sgpr_hyper){ratio * noise, s->hyper.lengthscale, noise};
    }
    return IV_OK;
}

/* x = log l. */
static iv_status lengthscale_slope(void *state, double x, double *slope) {
    search_state *best = state;
    sgpr *s = best->regression;
    s->hyper.lengthscale = exp(x);
    search_state here = {.regression = s, .bound = -DBL_MAX, .hyper = s->hyper};
    const double start = log(s->hyper.variance / s->hyper.noise);
    /* a thousandth of the ratio is worth a millionth of what the ratio is worth */
    const search_desc search = {start, 0.7, log(1e-4), log(1e6), 1e-3, 40};
    iv_status status = climb(ratio_slope, &here, &search);
    if (status == IV_OK) status = sgpr_inner(s, here.hyper.variance / here.hyper.noise);
    if (status == IV_OK) status = sgpr_slope(s, here.hyper.noise, slope);
    if (status != IV_OK) return status;
    s->hyper = here.hyper; /* where the next lengthscale's search begins */
    if (here.bound > best->bound) {
        best->bound = here.bound;
        best->hyper = here.hyper;
    }
    return IV_OK;
}

iv_status sgpr_train(sgpr *s, const volatile sig_atomic_t *stop, const iv_progress *progress) {
    search_state best = {.regression = s, .bound = -DBL_MAX, .hyper = s->hyper};
    const double start = log(s->hyper.lengthscale);
    const search_desc search = {start, 0.4, start - 4.0, start + 4.0, 0.01, s->desc.iterations};
    s->stop = stop;
    s->progress = progress;
    s->n_passes = 0;
    const iv_status status = climb(lengthscale_slope, &best, &search);
    s->hyper = best.hyper;
    s->stop = NULL;
    s->progress = NULL;
    return status;
}
