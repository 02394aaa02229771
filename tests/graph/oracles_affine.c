/* Affine transformations in double precision, their oracles, and the graphs around them. */
#include "affine.h"

#define PI 3.14159265358979323846

uint32_t affine_seed(const trial *t, size_t member) {
    return 500 + 31 * (uint32_t)(t->first_member + member);
}

iv_view trial_affine_seeds(trial *t) {
    enum { OFFSET = 1, STRIDE = 2, MAX_MEMBERS = 8 };
    uint32_t seeds[OFFSET + STRIDE * MAX_MEMBERS] = {0};
    assert_true(t->n_members <= MAX_MEMBERS);
    for (size_t r = 0; r < t->n_members; r++) seeds[OFFSET + r * STRIDE] = affine_seed(t, r);
    return (iv_view){trial_upload(t, seeds, sizeof seeds), OFFSET, STRIDE};
}

float affine_point(const trial *t, size_t member, size_t s, size_t i) {
    uint32_t words[4];
    iv_philox(affine_seed(t, member), IV_STREAM_TEST, (uint32_t)s, (uint32_t)i, words);
    return 2.0f * iv_uniform(words[0]) - 1.0f;
}

iv_view trial_affine_points(trial *t, size_t n_samples) {
    enum { OFFSET = 3, GAP = 2 };
    const size_t stride = 6 * n_samples + GAP, n = OFFSET + t->n_members * stride;
    float *points = calloc(n, sizeof *points);
    assert_non_null(points);
    for (size_t r = 0; r < t->n_members; r++)
        for (size_t k = 0; k < 6 * n_samples; k++)
            points[OFFSET + r * stride + k] = affine_point(t, r, k / 6, k % 6);
    const iv_view view = {trial_upload(t, points, n * sizeof *points), OFFSET, stride};
    free(points);
    return view;
}

float affine_width(const trial *t, size_t member, size_t i) {
    return 0.125f * (float)(i + 1) + 0.25f * (float)(t->first_member + member);
}

iv_view trial_affine_widths(trial *t) {
    enum { OFFSET = 2, STRIDE = 7, MAX_MEMBERS = 8 };
    float widths[OFFSET + STRIDE * MAX_MEMBERS] = {0};
    assert_true(t->n_members <= MAX_MEMBERS);
    for (size_t r = 0; r < t->n_members; r++)
        for (size_t i = 0; i < 6; i++) widths[OFFSET + r * STRIDE + i] = affine_width(t, r, i);
    return (iv_view){trial_upload(t, widths, sizeof widths), OFFSET, STRIDE};
}

/* ------------------------------------------------------------------ the exponential */

enum { SIDE = 6 };
typedef struct {
    long double at[SIDE][SIDE];
} square;

static square times(const square *a, const square *b) {
    square out = {0};
    for (size_t i = 0; i < SIDE; i++)
        for (size_t k = 0; k < SIDE; k++)
            for (size_t j = 0; j < SIDE; j++) out.at[i][j] += a->at[i][k] * b->at[k][j];
    return out;
}

/* Rows of sum_i a_i G_i, into a block of `out`. */
static void put_generator(const double a[6], size_t row, size_t column, square *out) {
    const double rows[2][3] = {{a[3], a[5] - a[2], a[0]}, {a[5] + a[2], a[4], a[1]}};
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < 3; j++) out->at[row + i][column + j] = rows[i][j];
}

static double norm_of_map(const square *e) {
    double norm = 1.0;
    for (size_t i = 0; i < 2; i++) {
        double sum = 0.0;
        for (size_t j = 0; j < 3; j++) sum += (double)fabsl(e->at[i][j]);
        norm = fmax(norm, sum);
    }
    return norm;
}

/* exp [M D; 0 M] = [exp M, its derivative along D; 0, exp M]. A series of 30 terms for 2^-8 of the
 * matrix, squared 8 times: norms up to 64 are below 1/4 then. */
void known_exponential(const double a[6], const double d[6], double t[6], double dt[6],
                       double *growth) {
    enum { HALVES = 8, TERMS = 30 };
    square m = {0}, sum = {0}, power = {0};
    put_generator(a, 0, 0, &m);
    put_generator(a, 3, 3, &m);
    if (d) put_generator(d, 0, 3, &m);
    for (size_t i = 0; i < SIDE; i++) {
        sum.at[i][i] = power.at[i][i] = 1.0L;
        for (size_t j = 0; j < SIDE; j++) m.at[i][j] = ldexpl(m.at[i][j], -HALVES);
    }
    for (int n = 1; n <= TERMS; n++) {
        power = times(&power, &m);
        for (size_t i = 0; i < SIDE; i++)
            for (size_t j = 0; j < SIDE; j++) sum.at[i][j] += power.at[i][j] /= n;
    }
    *growth = 1.0;
    for (int k = 0; k < HALVES; k++) {
        sum = times(&sum, &sum);
        *growth = fmax(*growth, norm_of_map(&sum));
    }
    for (size_t i = 0; i < 6; i++) {
        t[i] = (double)sum.at[i / 3][i % 3];
        if (d) dt[i] = (double)sum.at[i / 3][3 + i % 3];
    }
}

/* ------------------------------------------------------------------ samples */

/* Pairs of floats have errors below 2^-46 of an operation, some 2^-43 of a product
 * of maps, and at most 10 squarings double that; norms on the way enter twice, and
 * once more with the derivative. */
#define PAIR_ERROR 0x1p-33

static const iv_affine_draws *draws_of(const node *n) {
    const own_affine_samples *own = n->own;
    return &own->draws;
}

static void known_eps(const evaluation *e, const node *n, size_t s, double eps[6]) {
    uint32_t words[8];
    const uint32_t seed = affine_seed(e->t, e->member), stream = draws_of(n)->stream;
    iv_philox(seed, stream, e->step, 2 * (uint32_t)s, words);
    iv_philox(seed, stream, e->step, 2 * (uint32_t)s + 1, words + 4);
    for (size_t i = 0; i < 6; i++) {
        const float draw = iv_uniform_symmetric(words[i]);
        const bool has_point = draws_of(n)->points.buffer;
        const float point = has_point ? affine_point(e->t, e->member, s, i) : 0.0f;
        eps[i] = draws_of(n)->widths.buffer ? fmaf(affine_width(e->t, e->member, i), draw, point)
                 : has_point                ? point
                                            : draw;
    }
}

void oracle_affine_samples(const evaluation *e, const node *n, const array *const *in, array *out) {
    for (size_t s = 0; s < draws_of(n)->n_samples; s++) {
        double eps[6], a[6], t[6], growth;
        known_eps(e, n, s, eps);
        for (size_t i = 0; i < 6; i++) a[i] = eps[i] * in[0]->value[i];
        known_exponential(a, NULL, t, NULL, &growth);
        for (size_t k = 0; k < 6; k++) {
            out->value[6 * s + k] = t[k];
            out->error[6 * s + k] =
                UNIT_ROUNDOFF * fabs(t[k]) + PAIR_ERROR * growth * growth + UNDERFLOW;
        }
        for (size_t i = 0; i < 6; i++) assert_true(in[0]->error[i] == 0.0); /* eta is an input */
    }
}

/* in: dL/dT [S, 6], eta, learned. */
void oracle_affine_samples_gradient(const evaluation *e, const node *n, const array *const *in,
                                    array *out) {
    for (size_t s = 0; s < draws_of(n)->n_samples; s++) {
        double eps[6], a[6];
        known_eps(e, n, s, eps);
        for (size_t i = 0; i < 6; i++) a[i] = eps[i] * in[1]->value[i];
        for (size_t i = 0; i < 6; i++) {
            double along[6] = {0}, t[6], dt[6], growth;
            along[i] = eps[i];
            known_exponential(a, along, t, dt, &growth);
            for (size_t k = 0; k < 6; k++) {
                const double w = in[0]->value[6 * s + k];
                out->value[i] += w * dt[k];
                out->error[i] += in[0]->error[6 * s + k] * fabs(dt[k]) +
                                 PAIR_ERROR * fabs(w * eps[i]) * growth * growth * growth;
            }
        }
    }
    for (size_t i = 0; i < 6; i++) {
        const double learned = in[2]->value[i];
        out->value[i] *= learned;
        out->error[i] =
            out->error[i] * fabs(learned) + 2.0 * UNIT_ROUNDOFF * fabs(out->value[i]) + UNDERFLOW;
    }
}

/* ------------------------------------------------------------------ images */

enum { N_CLASSES = 5 };

uint8_t affine_byte(size_t row, size_t i) {
    return (uint8_t)(row * 91 + i * 167 + i * i / 7);
}

int32_t trial_transformation(const trial *t, size_t member) {
    static const int32_t all[] = {0,
                                  IV_DATA_ROTATED,
                                  IV_DATA_PARTIALLY_ROTATED | IV_DATA_TRANSLATED,
                                  IV_DATA_ROTATED | IV_DATA_PARTIALLY_ROTATED | IV_DATA_SCALED,
                                  IV_DATA_TRANSLATED | IV_DATA_SCALED,
                                  IV_DATA_SCALED,
                                  IV_DATA_PARTIALLY_ROTATED,
                                  IV_DATA_TRANSLATED};
    return all[(t->first_member + member) % 8];
}

iv_affine_image_source trial_affine_images(trial *t, iv_image_shape shape, size_t n_pool,
                                           size_t first, bool shuffle) {
    enum { OFFSET = 2, MAX_MEMBERS = 8 };
    const size_t D = shape.planes * shape.height * shape.width;
    uint8_t *pixels = malloc(n_pool * D), *labels = malloc(n_pool);
    int32_t transformations[OFFSET + MAX_MEMBERS] = {0};
    assert_true(pixels && labels && t->n_members <= MAX_MEMBERS);
    for (size_t i = 0; i < n_pool * D; i++) pixels[i] = affine_byte(i / D, i % D);
    for (size_t i = 0; i < n_pool; i++) labels[i] = (uint8_t)(i % N_CLASSES);
    for (size_t r = 0; r < t->n_members; r++)
        transformations[OFFSET + r] = trial_transformation(t, r);
    const iv_affine_image_source source = {
        .pixels = trial_upload(t, pixels, n_pool * D),
        .labels = trial_upload(t, labels, n_pool),
        .shape = shape,
        .first = first,
        .n_samples = n_pool - first,
        .transformations = {trial_upload(t, transformations, sizeof transformations), OFFSET, 1},
        .data_seed = AFFINE_DATA_SEED,
        .seeds = trial_affine_seeds(t),
        .shuffle = shuffle,
    };
    free(pixels);
    free(labels);
    return source;
}

/* Normalised coordinates of T p, for the transformations of pool row `row`. */
static void transform(int32_t kind, size_t row, double to_x, double to_y, double *x, double *y) {
    uint32_t words[4];
    double u[4];
    iv_philox(AFFINE_DATA_SEED, IV_STREAM_DATASET, 0, (uint32_t)row, words);
    for (size_t i = 0; i < 4; i++) u[i] = (double)iv_uniform_symmetric(words[i]);
    if (kind & IV_DATA_TRANSLATED) {
        *x += 8.0 * u[1] / to_x;
        *y += 8.0 * u[2] / to_y;
    }
    if (kind & IV_DATA_SCALED) {
        *x *= exp(u[3] * log(2.0));
        *y *= exp(u[3] * log(2.0));
    }
    const double angle = kind & IV_DATA_ROTATED             ? PI * u[0]
                         : kind & IV_DATA_PARTIALLY_ROTATED ? PI / 2.0 * u[0]
                                                            : 0.0;
    const double turned_x = cos(angle) * *x - sin(angle) * *y;
    *y = sin(angle) * *x + cos(angle) * *y;
    *x = turned_x;
}

/* Bilinear, in pixels from the first one. */
static double interpolate(size_t row, iv_image_shape shape, size_t plane, double column,
                          double line) {
    double sum = 0.0;
    for (long v = (long)floor(line); v <= (long)floor(line) + 1; v++)
        for (long u = (long)floor(column); u <= (long)floor(column) + 1; u++) {
            if (v < 0 || u < 0 || v >= (long)shape.height || u >= (long)shape.width) continue;
            const size_t i = (plane * shape.height + (size_t)v) * shape.width + (size_t)u;
            sum += (1.0 - fabs(column - (double)u)) * (1.0 - fabs(line - (double)v)) *
                   affine_byte(row, i);
        }
    return sum / 255.0;
}

static size_t row_of_batch(const evaluation *e, const node *n, size_t b) {
    const iv_affine_image_source *source = &((const own_affine_image_batch *)n->own)->source;
    const uint32_t batch = (uint32_t)n->outputs[0]->dims[0];
    const uint32_t count = (uint32_t)source->n_samples;
    uint32_t i = e->step * batch + (uint32_t)b;
    if (source->shuffle)
        i = iv_shuffle(affine_seed(e->t, e->member), IV_STREAM_BATCH_ORDER,
                       e->step / (count / batch), count,
                       e->step % (count / batch) * batch + (uint32_t)b);
    else if (i >= count)
        i = count - 1;
    return source->first + i;
}

/* A position's parts are products of a sine or cosine (4 ulp), a power (3 ulp) and a coordinate,
 * with a few roundings more: 24 unit roundoffs of their magnitudes, which are below scale times the
 * distances from the centre, 8 pixels farther after a translation. The image has slopes of at most
 * 1 a pixel along either axis; three interpolations and a factor have 8 unit roundoffs of at
 * most 1. */
static double position_error(iv_image_shape shape) {
    const double side = (double)(shape.width + shape.height), longest = 2.0 * (side + 16.0);
    const double aspect = (double)(shape.width - 1) / (double)(shape.height - 1);
    return 24.0 * UNIT_ROUNDOFF * longest * fmax(aspect, 1.0 / aspect);
}

void oracle_affine_image_batch(const evaluation *e, const node *n, const array *const *in,
                               array *out) {
    (void)in;
    const size_t D = n->outputs[0]->dims[1], batch = n->outputs[0]->dims[0];
    const iv_affine_image_source *source = &((const own_affine_image_batch *)n->own)->source;
    const iv_image_shape shape = source->shape;
    const size_t n_pixels = shape.height * shape.width;
    const double to_x = 0.5 * (double)(shape.width - 1), to_y = 0.5 * (double)(shape.height - 1);
    const int32_t kind = trial_transformation(e->t, e->member);
    const float mean = source->mean;
    for (size_t b = 0; b < batch; b++) {
        const size_t row = row_of_batch(e, n, b);
        out[1].value[b] = (double)(row % N_CLASSES);
        for (size_t i = 0; i < D; i++) {
            double *value = &out[0].value[b * D + i];
            if (kind == 0) {
                *value = ((float)affine_byte(row, i) / 255.0f) - mean;
                continue;
            }
            const size_t p = i % n_pixels;
            double x = (double)(p % shape.width) / to_x - 1.0;
            double y = (double)(p / shape.width) / to_y - 1.0;
            transform(kind, row, to_x, to_y, &x, &y);
            *value = interpolate(row, shape, i / n_pixels, (x + 1.0) * to_x, (y + 1.0) * to_y) -
                     (double)mean;
            out[0].error[b * D + i] = 2.0 * position_error(shape) + 8.0 * UNIT_ROUNDOFF;
        }
    }
}

/* ------------------------------------------------------------------ examples */

EXAMPLES(affine_samples, 6, 3) {
    static const size_t n_samples[] = {1, 3, 8, 5, 33, 256};
    static const double lengths[] = {0.5, 1e-3, 3.0, 0.0, 20.0, 1.0};
    const size_t six = 6, S = n_samples[variant];
    /* never more than exp(3) of scale; translations and rotations as long as may be */
    const double length = lengths[variant], stretch = fmin(length, 1.5);
    iv_tensor *eta = trial_floats(t, lies(variant), 1, &six, -length, length);
    iv_tensor *learned = trial_floats(t, lies(variant + 1), 1, &six, 1.0, 1.0);
    for (size_t r = 0; r < t->n_members; r++)
        for (size_t i = 3; i < 6; i++) {
            double *value = &trial_values(t, eta, r)[i];
            *value = (float)(*value * stretch / (length + 1e-30));
        }
    iv_affine_draws draws = {
        trial_affine_seeds(t), IV_STREAM_TRANSFORMATION, S, {NULL, 0, 0}, {NULL, 0, 0}};
    if (variant == 1) draws.stream = IV_STREAM_EVALUATION;
    if (variant % 3 == 2) draws.points = trial_affine_points(t, S);
    if (variant == 2) draws.widths = trial_affine_widths(t);
    add_output(x, iv_affine_samples(t->graph, eta, learned, &draws));
    add_wrt(x, eta, false);
}

EXAMPLES(affine_image_batch, 8, 3) {
    static const iv_image_shape shapes[] = {{1, 3, 3}, {1, 6, 5}, {3, 4, 7}, {1, 28, 28}};
    t->first_member = 2 * variant;
    iv_affine_image_source source =
        trial_affine_images(t, shapes[variant % 4], 9, variant % 3, variant % 2);
    source.mean = variant < 2 ? 0.0f : 0.43f;
    iv_affine_image_batch(t->graph, &source, 4, &x->outputs[0], &x->outputs[1]);
    x->n_outputs = 2;
}
