/* Affine maps of the plane: families of generators, the exponential, and equally spaced points. */
#include <invar/transform.h>

#include <math.h>
#include <string.h>

void iv_affine_mask(iv_affine_family family, float mask[IV_N_GENERATORS]) {
    const bool all = family == IV_AFFINE_ALL;
    for (size_t i = 0; i < IV_N_GENERATORS; i++) mask[i] = all;
    if (family == IV_AFFINE_ROTATION) mask[IV_GENERATOR_ROTATION] = 1.0f;
    if (family == IV_AFFINE_TRANSLATION)
        mask[IV_GENERATOR_TRANSLATION_X] = mask[IV_GENERATOR_TRANSLATION_Y] = 1.0f;
    if (family == IV_AFFINE_SCALE) mask[IV_GENERATOR_SCALE_X] = mask[IV_GENERATOR_SCALE_Y] = 1.0f;
}

/* out = a b of affine maps, the last row of b being 0 0 1. out may be a or b. */
static void compose(const long double a[6], const long double b[6], long double out[6]) {
    long double product[6];
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < 3; j++)
            product[3 * i + j] = a[3 * i] * b[j] + a[3 * i + 1] * b[3 + j];
    product[2] += a[2];
    product[5] += a[5];
    memcpy(out, product, sizeof product);
}

/* Scaling and squaring: the linear part is halved to a norm below 1/4, where the terms that the
 * series leaves out are below 4^-17 / 17! < 2^-82. */
void iv_affine_exponential(const double a[IV_N_GENERATORS], double t[6]) {
    enum { DEGREE = 16, MOST_HALVES = 1100 };
    const double m[6] = {
        a[IV_GENERATOR_SCALE_X],       a[IV_GENERATOR_SHEAR] - a[IV_GENERATOR_ROTATION],
        a[IV_GENERATOR_TRANSLATION_X], a[IV_GENERATOR_SHEAR] + a[IV_GENERATOR_ROTATION],
        a[IV_GENERATOR_SCALE_Y],       a[IV_GENERATOR_TRANSLATION_Y]};
    const double norm = fabs(m[0]) + fabs(m[1]) + fabs(m[3]) + fabs(m[4]);
    int n_halves = 0;
    while (n_halves < MOST_HALVES && ldexp(norm, -n_halves) >= 0.25) n_halves++;

    long double part[6], sum[6] = {1.0L, 0.0L, 0.0L, 0.0L, 1.0L, 0.0L};
    for (size_t i = 0; i < 6; i++) part[i] = ldexpl(m[i], -n_halves);
    for (int n = DEGREE; n > 0; n--) { /* I + M / n times what comes after */
        compose(part, sum, sum);
        for (size_t i = 0; i < 6; i++) sum[i] /= n;
        sum[0] += 1.0L;
        sum[4] += 1.0L;
    }
    for (int k = 0; k < n_halves; k++) compose(sum, sum, sum);
    for (size_t i = 0; i < 6; i++) t[i] = (double)sum[i];
}

/* n with n^k = count, or the largest with n^k < count. */
static size_t root(size_t count, size_t k) {
    for (size_t n = 1;; n++) {
        size_t power = 1;
        for (size_t i = 0; i < k && power <= count; i++) power *= n + 1; /* count < 2^32 */
        if (power > count) return n;
    }
}

static size_t power_of(size_t n, size_t k) {
    size_t power = 1;
    for (size_t i = 0; i < k; i++) power *= n;
    return power;
}

iv_status iv_affine_points(const float mask[IV_N_GENERATORS], size_t n_samples, float *eps,
                           iv_error *error) {
    enum { MOST_SAMPLES = 1 << 20 };
    size_t k = 0;
    for (size_t i = 0; i < IV_N_GENERATORS; i++) k += mask[i] != 0.0f;
    if (k == 0 && n_samples != 1)
        return iv_fail(error, IV_EINVAL,
                       "%zu equally spaced samples of no transformation at all; use 1", n_samples);
    if (n_samples == 0 || n_samples > MOST_SAMPLES)
        return iv_fail(error, IV_EINVAL, "%zu equally spaced samples; use 1 to %d", n_samples,
                       MOST_SAMPLES);
    const size_t n = k > 0 ? root(n_samples, k) : 1;
    if (power_of(n, k) != n_samples)
        return iv_fail(error, IV_EINVAL,
                       "%zu equally spaced samples along %zu generators: not a number to the power "
                       "of %zu; use %zu or %zu",
                       n_samples, k, k, power_of(n, k), power_of(n + 1, k));

    for (size_t s = 0; s < n_samples; s++) {
        size_t rest = s;
        for (size_t i = IV_N_GENERATORS; i-- > 0;) {
            float *value = &eps[s * IV_N_GENERATORS + i];
            *value = 0.0f;
            if (mask[i] == 0.0f) continue;
            *value = (float)((2.0 * (double)(rest % n) + 1.0) / (double)n - 1.0);
            rest /= n;
        }
    }
    return IV_OK;
}
