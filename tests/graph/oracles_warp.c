/* Bilinear warps as sparse matrices, products with warped filters, points, blur, and means of
 * features. */
#include "oracles.h"

#include "graph/ops/warp.h"

/* ------------------------------------------------------------------ a warp's matrix */

/* Pixel p takes `weight` of pixel q; d[0] and d[1] are the derivatives of the weight by the
 * position's column and row. */
typedef struct {
    size_t p, q;
    double weight, error, d[2], d_error[2];
} entry;

typedef struct {
    size_t height, width, planes, pixels;
    entry *entries;
    size_t n_entries;
    size_t most_of_a_pixel; /* entries with the same q */
} warp_matrix;

/* The weight along one axis of what lies `distance` away, its derivative, and how far off the
 * latter may be if the distance is off by `error`. */
static double hat(double distance) {
    return fmax(0.0, 1.0 - fabs(distance));
}

static double slope_of_hat(double distance) {
    return fabs(distance) < 1.0 ? -copysign(1.0, distance) : 0.0;
}

static double jump_of_hat(double distance, double error) {
    if (fabs(distance) <= error) return 2.0;
    return fabs(fabs(distance) - 1.0) <= error ? 1.0 : 0.0;
}

/* Coordinates on [-1, 1] with the corner pixels at the ends. */
static double coordinate(size_t i, size_t n) {
    return n > 1 ? -1.0 + 2.0 * (double)i / (double)(n - 1) : 0.0;
}

/* Position of a coordinate c = a x + b y + t: at most six roundings reach any of its terms. */
static double position(const double *t, const double *t_error, double x, double y, size_t n,
                       double *error) {
    const double half = 0.5 * (double)(n - 1);
    const double magnitude = fabs(t[0] * x) + fabs(t[1] * y) + fabs(t[2]) + 1.0;
    *error = half * (6.0 * UNIT_ROUNDOFF * magnitude + t_error[0] * fabs(x) + t_error[1] * fabs(y) +
                     t_error[2]);
    return (t[0] * x + t[1] * y + t[2] + 1.0) * half;
}

/* All entries of A(T); t, t_error [6]. A weight is at most as wrong as its position, and by four
 * roundings of numbers up to 1. */
static warp_matrix matrix_of(const node *n, const double *t, const double *t_error) {
    const own_warp *own = n->own;
    warp_matrix a = {
        .height = own->shape.height, .width = own->shape.width, .planes = own->shape.planes};
    a.pixels = a.height * a.width;
    a.entries = malloc(9 * a.pixels * sizeof *a.entries);
    assert_non_null(a.entries);
    for (size_t p = 0; p < a.pixels; p++) {
        const double x = coordinate(p % a.width, a.width), y = coordinate(p / a.width, a.height);
        double u_error, v_error;
        const double u = position(t, t_error, x, y, a.width, &u_error);
        const double v = position(t + 3, t_error + 3, x, y, a.height, &v_error);
        for (double row = floor(v - v_error); row <= floor(v + v_error) + 1.0; row++)
            for (double column = floor(u - u_error); column <= floor(u + u_error) + 1.0; column++) {
                if (!(row >= 0.0 && row < (double)a.height && column >= 0.0 &&
                      column < (double)a.width))
                    continue;
                entry *e = &a.entries[a.n_entries++];
                const double across = u - column, down = v - row;
                *e = (entry){.p = p, .q = (size_t)row * a.width + (size_t)column};
                e->weight = hat(across) * hat(down);
                e->error = u_error + v_error + 4.0 * UNIT_ROUNDOFF;
                e->d[0] = slope_of_hat(across) * hat(down);
                e->d[1] = hat(across) * slope_of_hat(down);
                e->d_error[0] = jump_of_hat(across, u_error) + v_error + 4.0 * UNIT_ROUNDOFF;
                e->d_error[1] = jump_of_hat(down, v_error) + u_error + 4.0 * UNIT_ROUNDOFF;
            }
        assert_true(a.n_entries <= 9 * (p + 1));
    }
    size_t *count = calloc(a.pixels, sizeof *count);
    assert_non_null(count);
    for (size_t k = 0; k < a.n_entries; k++) {
        const size_t n_of_pixel = ++count[a.entries[k].q];
        if (n_of_pixel > a.most_of_a_pixel) a.most_of_a_pixel = n_of_pixel;
    }
    free(count);
    return a;
}

/* y[to] += weight x[from] for images of D values, in a sum of n_terms. */
static void add_term(const array *x, size_t from, double weight, double error, double n_terms,
                     array *y, size_t to) {
    const double magnitude = fabs(x->value[from]);
    y->value[to] += weight * x->value[from];
    y->error[to] += (weight + error) * x->error[from] + error * magnitude +
                    (n_terms + 1.0) * (UNIT_ROUNDOFF * weight * magnitude + UNDERFLOW);
}

/* Every sample's A or its transpose; x is each sample's own or everyone's, y too. */
static void apply(const node *n, const array *x, bool x_has_samples, const array *t, bool transpose,
                  array *y, bool y_has_samples) {
    const size_t S = t->n / 6, D = iv_columns(n->inputs[0]);
    const size_t N = x->n / D / (x_has_samples ? S : 1);
    for (size_t s = 0; s < S; s++) {
        warp_matrix a = matrix_of(n, t->value + 6 * s, t->error + 6 * s);
        const double n_terms =
            transpose ? (double)(a.most_of_a_pixel * (y_has_samples ? 1 : S)) : 4.0;
        for (size_t i = 0; i < N * a.planes; i++) {
            const size_t from = (x_has_samples ? s * N * D : 0) + i * a.pixels;
            const size_t to = (y_has_samples ? s * N * D : 0) + i * a.pixels;
            for (size_t k = 0; k < a.n_entries; k++) {
                const entry *e = &a.entries[k];
                add_term(x, from + (transpose ? e->p : e->q), e->weight, e->error, n_terms, y,
                         to + (transpose ? e->q : e->p));
            }
        }
        free(a.entries);
    }
}

void oracle_warp_inputs(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    apply(n, in[0], false, in[1], true, out, true);
}

void oracle_warp_filters(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    apply(n, in[0], false, in[1], false, out, true);
}

void oracle_warp_filters_gradient(const evaluation *e, const node *n, const array *const *in,
                                  array *out) {
    (void)e;
    apply(n, in[0], true, in[1], true, out, false);
}

/* The derivative of sum x_np A_pq y_nq: of a position by its three numbers are x, y and 1, times
 * half the image's side. Differences of neighbours are rounded as they are, hence magnitudes
 * without the weights. */
void oracle_warp_slopes(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const size_t S = in[2]->n / 6, D = iv_columns(n->inputs[0]);
    const bool x_has_samples = n->inputs[0]->rank == 3, y_has_samples = n->inputs[1]->rank == 3;
    const size_t N = in[0]->n / D / (x_has_samples ? S : 1);
    for (size_t s = 0; s < S; s++) {
        warp_matrix a = matrix_of(n, in[2]->value + 6 * s, in[2]->error + 6 * s);
        for (size_t i = 0; i < N * a.planes; i++) {
            const size_t x0 = (x_has_samples ? s * N * D : 0) + i * a.pixels;
            const size_t y0 = (y_has_samples ? s * N * D : 0) + i * a.pixels;
            for (size_t k = 0; k < a.n_entries; k++) {
                const entry *c = &a.entries[k];
                const double x = in[0]->value[x0 + c->p], y = in[1]->value[y0 + c->q];
                const double both = fabs(x * y),
                             both_error =
                                 fabs(x) * in[1]->error[y0 + c->q] +
                                 in[0]->error[x0 + c->p] * (fabs(y) + in[1]->error[y0 + c->q]);
                const double by[] = {coordinate(c->p % a.width, a.width),
                                     coordinate(c->p / a.width, a.height), 1.0};
                for (size_t m = 0; m < 6; m++) {
                    const double half = 0.5 * (double)((m < 3 ? a.width : a.height) - 1);
                    const double factor = half * by[m % 3];
                    out->value[6 * s + m] += x * y * c->d[m / 3] * factor;
                    /* rounded: three differences, five products, and the longest chain of sums: a
                     * row, the rows, 16 lanes or a tree, and the parts */
                    const double n_roundings =
                        10.0 + (double)(a.width + a.height + N * a.planes + 64);
                    out->error[6 * s + m] +=
                        fabs(factor) * (both * c->d_error[m / 3] + both_error +
                                        n_roundings * (UNIT_ROUNDOFF * both + UNDERFLOW));
                }
            }
        }
        free(a.entries);
    }
}

/* ------------------------------------------------------------------ products and points */

/* sum of x[i] y[j] over k steps, with its error, added to *value and *error */
static void add_product(const array *x, size_t i, size_t x_step, const array *y, size_t j,
                        size_t y_step, size_t k, double *value, double *error) {
    for (size_t p = 0; p < k; p++, i += x_step, j += y_step) {
        *value += x->value[i] * y->value[j];
        *error += fabs(x->value[i]) * y->error[j] +
                  x->error[i] * (fabs(y->value[j]) + y->error[j]) +
                  (double)(k + 1) * (UNIT_ROUNDOFF * fabs(x->value[i] * y->value[j]) + UNDERFLOW);
    }
}

void oracle_filter_products(const evaluation *e, const node *n, const array *const *in,
                            array *out) {
    (void)e;
    const size_t B = n->inputs[0]->dims[0], H = n->inputs[1]->dims[1], D = n->inputs[1]->dims[2];
    for (size_t i = 0; i < out->n; i++) {
        const size_t s = i / H / B, b = i / H % B, h = i % H;
        out->value[i] = in[2]->value[h];
        out->error[i] = in[2]->error[h] + (double)(D + 1) * UNIT_ROUNDOFF * fabs(in[2]->value[h]);
        add_product(in[0], b * D, 1, in[1], (s * H + h) * D, 1, D, &out->value[i], &out->error[i]);
    }
}

/* dw_s = dz_s^T x, db the sum of dz over samples and rows. */
void oracle_filter_products_gradient(const evaluation *e, const node *n, const array *const *in,
                                     array *out) {
    (void)e;
    const size_t S = n->inputs[0]->dims[0], B = n->inputs[0]->dims[1], H = n->inputs[0]->dims[2];
    const size_t D = n->inputs[1]->dims[1];
    for (size_t i = 0; i < out[0].n; i++) {
        const size_t s = i / D / H, h = i / D % H, d = i % D;
        add_product(in[0], s * B * H + h, H, in[1], d, D, B, &out[0].value[i], &out[0].error[i]);
    }
    double one = 1.0, exact = 0.0;
    const array ones = {1, &one, &exact};
    for (size_t h = 0; h < H; h++)
        add_product(in[0], h, H, &ones, 0, 0, S * B, &out[1].value[h], &out[1].error[h]);
}

void oracle_transform_points(const evaluation *e, const node *n, const array *const *in,
                             array *out) {
    (void)e;
    const size_t B = n->inputs[0]->dims[0];
    for (size_t i = 0; i < out->n; i++) {
        const size_t s = i / 2 / B, b = i / 2 % B, row = 6 * s + 3 * (i % 2);
        out->value[i] = in[1]->value[row + 2];
        out->error[i] = in[1]->error[row + 2] + 3.0 * UNIT_ROUNDOFF * fabs(out->value[i]);
        add_product(in[0], 2 * b, 1, in[1], row, 1, 2, &out->value[i], &out->error[i]);
    }
}

void oracle_transform_points_gradient(const evaluation *e, const node *n, const array *const *in,
                                      array *out) {
    (void)e;
    const size_t B = n->inputs[1]->dims[0];
    double one = 1.0, exact = 0.0;
    const array ones = {1, &one, &exact};
    for (size_t i = 0; i < out->n; i++) {
        const size_t s = i / 6, c = i % 6 / 3, k = i % 3;
        add_product(in[0], 2 * s * B + c, 2, k < 2 ? in[1] : &ones, k < 2 ? k : 0, k < 2 ? 2 : 0, B,
                    &out->value[i], &out->error[i]);
    }
}

/* ------------------------------------------------------------------ blur */

/* The whole sum, nothing cut off. What a device may leave out weighs 2^-24 in either direction; it
 * adds up at most `side` numbers along each axis. */
void oracle_blur(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const own_blur *own = n->own;
    const int height = (int)own->shape.height, width = (int)own->shape.width;
    const float sigma = own->sigma;
    double sum = 0.0, largest = 0.0;
    for (int k = -10000; k <= 10000; k++) sum += exp(-0.5 * k * k / (double)sigma / (double)sigma);
    for (size_t i = 0; i < in[0]->n; i++) largest = fmax(largest, fabs(in[0]->value[i]));
    for (size_t i = 0; i < out->n; i++) {
        const int row = (int)(i / (size_t)width) % height, column = (int)(i % (size_t)width);
        const size_t first = i - (size_t)(row * width + column);
        double magnitude = 0.0;
        for (int p = 0; p < height * width; p++) {
            const int down = p / width - row, across = p % width - column;
            const double square = (double)(down * down + across * across);
            const double weight = exp(-0.5 * square / (double)sigma / (double)sigma) / sum / sum;
            out->value[i] += weight * in[0]->value[first + (size_t)p];
            out->error[i] += weight * in[0]->error[first + (size_t)p];
            magnitude += weight * fabs(in[0]->value[first + (size_t)p]);
        }
        out->error[i] += (double)(height + width + 6) * (UNIT_ROUNDOFF * magnitude + UNDERFLOW) +
                         3.0 * UNIT_ROUNDOFF * largest;
    }
}

/* ------------------------------------------------------------------ features */

static bool is_cosine(const node *n) {
    return ((const own_feature_mean *)n->own)->feature == IV_FEATURE_COSINE;
}

/* Slopes of both features are at most 1. */
void oracle_feature_mean(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const size_t S = in[0]->n / out->n;
    const double scale = is_cosine(n) ? sqrt(2.0 / (double)iv_columns(n->outputs[0])) : 1.0;
    for (size_t i = 0; i < out->n; i++) {
        double sum = 0.0, magnitude = 0.0, error = 0.0;
        for (size_t s = 0; s < S; s++) {
            const double z = in[0]->value[s * out->n + i];
            const double feature = is_cosine(n) ? cos(z) : z > 0.0 ? z : 0.0 * z;
            sum += feature;
            magnitude += fabs(feature);
            error += in[0]->error[s * out->n + i] + (is_cosine(n) ? COSINE_ERROR : 0.0);
        }
        out->value[i] = sum * scale / (double)S;
        out->error[i] =
            (error + (double)(S + 3) * (UNIT_ROUNDOFF * magnitude + UNDERFLOW)) * scale / (double)S;
    }
}

void oracle_feature_mean_gradient(const evaluation *e, const node *n, const array *const *in,
                                  array *out) {
    (void)e;
    const size_t S = out->n / in[0]->n;
    const double scale =
        (is_cosine(n) ? sqrt(2.0 / (double)iv_columns(n->inputs[0])) : 1.0) / (double)S;
    for (size_t i = 0; i < out->n; i++) {
        const size_t k = i % in[0]->n;
        const double z = in[1]->value[i], z_error = in[1]->error[i];
        const double slope = is_cosine(n) ? -sin(z) : z > 0.0 ? 1.0 : 0.0 * z;
        const double slope_error = is_cosine(n)                          ? COSINE_ERROR + z_error
                                   : fabs(z) <= z_error && z_error > 0.0 ? 1.0
                                                                         : 0.0;
        out->value[i] = in[0]->value[k] * slope * scale;
        out->error[i] = scale * (in[0]->error[k] * (fabs(slope) + slope_error) +
                                 fabs(in[0]->value[k]) * slope_error) +
                        3.0 * UNIT_ROUNDOFF * fabs(out->value[i]) + UNDERFLOW;
    }
}
