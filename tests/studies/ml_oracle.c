#include "ml_oracle.h"

#include "../kit/kit.h"

#include <invar/data.h>
#include <invar/random.h>

#include <math.h>

static double *zeros(int n) {
    double *values = calloc((size_t)n, sizeof *values);
    assert_non_null(values);
    return values;
}

/* ------------------------------------------------------------------ transformations */

enum { SIX = 6 };

static void multiply(double a[SIX][SIX], double b[SIX][SIX], double ab[SIX][SIX]) {
    for (int i = 0; i < SIX; i++)
        for (int j = 0; j < SIX; j++) {
            ab[i][j] = 0;
            for (int k = 0; k < SIX; k++) ab[i][j] += a[i][k] * b[k][j];
        }
}

/* The series itself: arguments are small enough (a few units) that 100 terms are all of it and
 * cancellation costs but a few digits of double precision. */
static void exponential(double m[SIX][SIX], double e[SIX][SIX]) {
    double term[SIX][SIX] = {{0}}, next[SIX][SIX];
    for (int i = 0; i < SIX; i++) term[i][i] = 1;
    memcpy(e, term, sizeof term);
    for (int n = 1; n <= 100; n++) {
        multiply(term, m, next);
        for (int i = 0; i < SIX; i++)
            for (int j = 0; j < SIX; j++) {
                term[i][j] = next[i][j] / n;
                e[i][j] += term[i][j];
            }
    }
}

/* What generators put where in the upper two rows of a 3 x 3 matrix. */
static const double generators[6][2][3] = {
    {{0, 0, 1}, {0, 0, 0}},  /* translation along x */
    {{0, 0, 0}, {0, 0, 1}},  /* translation along y */
    {{0, -1, 0}, {1, 0, 0}}, /* rotation */
    {{1, 0, 0}, {0, 0, 0}},  /* scale along x */
    {{0, 0, 0}, {0, 1, 0}},  /* scale along y */
    {{0, 1, 0}, {1, 0, 0}},  /* shear */
};

/* expm of [[M, G], [0, M]] is [[expm M, derivative along G], [0, expm M]]. */
void ml_oracle_exponential(const double a[6], double t[6], double (*d)[6]) {
    for (int g = 0; g < 6; g++) {
        double m[SIX][SIX] = {{0}}, e[SIX][SIX];
        for (int i = 0; i < 2; i++)
            for (int j = 0; j < 3; j++) {
                for (int k = 0; k < 6; k++) m[i][j] += a[k] * generators[k][i][j];
                m[3 + i][3 + j] = m[i][j];
                m[i][3 + j] = generators[g][i][j];
            }
        exponential(m, e);
        for (int i = 0; i < 2; i++)
            for (int j = 0; j < 3; j++) {
                t[3 * i + j] = e[i][j];
                if (d) d[g][3 * i + j] = e[i][3 + j];
            }
    }
}

static double symmetric(uint32_t word) {
    return (double)(word / 256) / 8388608 - 1;
}

void ml_oracle_draw_transformations(uint32_t seed, uint32_t stream, uint32_t step, int n_samples,
                                    double *eps) {
    for (int s = 0; s < n_samples; s++)
        for (int i = 0; i < 6; i++) {
            uint32_t words[4];
            iv_philox(seed, stream, step, (uint32_t)(2 * s + i / 4), words);
            eps[6 * s + i] = symmetric(words[i % 4]);
        }
}

int ml_oracle_pixels(const ml_oracle_shape *shape) {
    return shape->points ? 2 : shape->planes * shape->height * shape->width;
}

/* A pixel's neighbours where T sends it, and how far it is from the first. */
typedef struct {
    double x, y;        /* where the pixel is */
    int row, column;    /* of the upper left neighbour */
    double right, down; /* [0, 1) */
} landing;

static landing land(const ml_oracle_shape *shape, const double t[6], int row, int column) {
    const double half_width = (shape->width - 1) / 2.0, half_height = (shape->height - 1) / 2.0;
    const double x = column / half_width - 1, y = row / half_height - 1;
    const double to_column = (t[0] * x + t[1] * y + t[2] + 1) * half_width;
    const double to_row = (t[3] * x + t[4] * y + t[5] + 1) * half_height;
    return (landing){.x = x,
                     .y = y,
                     .row = (int)floor(to_row),
                     .column = (int)floor(to_column),
                     .right = to_column - floor(to_column),
                     .down = to_row - floor(to_row)};
}

static bool inside(const ml_oracle_shape *shape, int row, int column) {
    return row >= 0 && row < shape->height && column >= 0 && column < shape->width;
}

void ml_oracle_warp(const ml_oracle_shape *shape, const double t[6], const double *from,
                    double *to) {
    const int h = shape->height, w = shape->width;
    for (int p = 0; p < shape->planes; p++)
        for (int i = 0; i < h * w; i++) {
            const landing l = land(shape, t, i / w, i % w);
            double sum = 0;
            for (int down = 0; down < 2; down++)
                for (int right = 0; right < 2; right++)
                    if (inside(shape, l.row + down, l.column + right))
                        sum += (down ? l.down : 1 - l.down) * (right ? l.right : 1 - l.right) *
                               from[(p * h + l.row + down) * w + l.column + right];
            to[p * h * w + i] = sum;
        }
}

void ml_oracle_warp_backward(const ml_oracle_shape *shape, const double t[6], const double *from,
                             const double *d_to, double *d_from, double d_t[6]) {
    const int h = shape->height, w = shape->width;
    for (int p = 0; p < shape->planes; p++)
        for (int i = 0; i < h * w; i++) {
            const landing l = land(shape, t, i / w, i % w);
            double along_x = 0, along_y = 0;
            for (int down = 0; down < 2; down++)
                for (int right = 0; right < 2; right++) {
                    if (!inside(shape, l.row + down, l.column + right)) continue;
                    const int neighbour = (p * h + l.row + down) * w + l.column + right;
                    const double by_row = down ? l.down : 1 - l.down;
                    const double by_column = right ? l.right : 1 - l.right;
                    d_from[neighbour] += by_row * by_column * d_to[p * h * w + i];
                    along_x += by_row * (right ? 1 : -1) * from[neighbour];
                    along_y += by_column * (down ? 1 : -1) * from[neighbour];
                }
            along_x *= d_to[p * h * w + i] * (w - 1) / 2.0;
            along_y *= d_to[p * h * w + i] * (h - 1) / 2.0;
            const double at[3] = {l.x, l.y, 1};
            for (int k = 0; k < 3; k++) {
                d_t[k] += along_x * at[k];
                d_t[3 + k] += along_y * at[k];
            }
        }
}

static double bell(double sigma, int distance) {
    return exp(-0.5 * distance * distance / (sigma * sigma));
}

void ml_oracle_blur(const ml_oracle_shape *shape, double sigma, const double *from, double *to) {
    const int h = shape->height, w = shape->width, reach = (int)ceil(12 * sigma);
    const int longest = h > w ? h : w;
    double total = bell(sigma, 0), *bells = zeros(longest);
    for (int k = 1; k <= reach; k++) total += 2 * bell(sigma, k);
    for (int k = 0; k < longest; k++) bells[k] = bell(sigma, k) / total;
    for (int p = 0; p < shape->planes; p++)
        for (int i = 0; i < h * w; i++) {
            double sum = 0;
            for (int q = 0; q < h * w; q++)
                sum += bells[abs(q / w - i / w)] * bells[abs(q % w - i % w)] * from[p * h * w + q];
            to[p * h * w + i] = sum;
        }
    free(bells);
}

/* ------------------------------------------------------------------ data */

static void then(double t[9], const double next[9]) {
    double product[9] = {0};
    for (int i = 0; i < 9; i++)
        for (int k = 0; k < 3; k++) product[i] += t[i / 3 * 3 + k] * next[3 * k + i % 3];
    memcpy(t, product, sizeof product);
}

void ml_oracle_dataset_transformation(const char *kind, uint32_t data_seed, uint32_t index,
                                      const ml_oracle_shape *shape, double t[6]) {
    const double pi = 3.14159265358979323846;
    double whole[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, u[4];
    uint32_t words[4];
    iv_philox(data_seed, 14, 0, index, words);
    for (int k = 0; k < 4; k++) u[k] = symmetric(words[k]);
    if (strstr(kind, "rotated")) {
        const double angle = strstr(kind, "partially") ? pi / 2 * u[0] : pi * u[0];
        const double c = cos(angle), s = sin(angle);
        then(whole, (double[9]){c, -s, 0, s, c, 0, 0, 0, 1});
    }
    if (strstr(kind, "scaled")) {
        const double scale = pow(2, u[3]);
        then(whole, (double[9]){scale, 0, 0, 0, scale, 0, 0, 0, 1});
    }
    if (strstr(kind, "translated"))
        then(whole, (double[9]){1, 0, 16 * u[1] / (shape->width - 1), 0, 1,
                                16 * u[2] / (shape->height - 1), 0, 0, 1});
    memcpy(t, whole, 6 * sizeof *t);
}

void ml_oracle_images(const char *kind, uint32_t data_seed, const ml_oracle_shape *shape,
                      const uint8_t *pixels, const int *rows, int n, double *out) {
    const int d = ml_oracle_pixels(shape);
    double *image = zeros(d), t[6];
    for (int i = 0; i < n; i++) {
        for (int p = 0; p < d; p++) image[p] = pixels[(size_t)rows[i] * (size_t)d + p] / 255.0;
        ml_oracle_dataset_transformation(kind, data_seed, (uint32_t)rows[i], shape, t);
        ml_oracle_warp(shape, t, image, out + (size_t)i * d);
    }
    free(image);
}

void ml_oracle_ring_point(uint32_t data_seed, uint32_t index, double x[2], int *label) {
    const double pi = 3.14159265358979323846;
    const int arc = (int)(index % 3);
    uint32_t words[4];
    float normal[2];
    iv_philox(data_seed, 14, 0, index, words);
    iv_normal(words[2], words[3], normal);
    const double radius = 0.4 * (arc + 1) + 0.05 * (double)normal[0];
    const double angle = pi / 2 + pi / 3 * symmetric(words[0]);
    x[0] = radius * cos(angle);
    x[1] = radius * sin(angle);
    *label = arc % 2;
}

/* ------------------------------------------------------------------ networks */

static const char *const names[ML_ORACLE_N_TENSORS] = {"hidden.weight", "hidden.bias", "eta",
                                                       "output.mean", "output.scale_tril"};

int ml_oracle_elements(const ml_oracle_network *network, int tensor) {
    const int h = network->n_hidden, c = network->n_classes;
    switch (tensor) {
    case ML_ORACLE_WEIGHT: return h * ml_oracle_pixels(&network->shape);
    case ML_ORACLE_BIAS: return h;
    case ML_ORACLE_ETA: return 6;
    case ML_ORACLE_MEAN: return c * h;
    default: return network->point ? 0 : c * h * h;
    }
}

void ml_oracle_network_create(ml_oracle_network *network) {
    const int h = network->n_hidden;
    for (int k = 0; k < ML_ORACLE_N_TENSORS; k++)
        network->tensors[k] = zeros(ml_oracle_elements(network, k) + 1);
    for (int i = 0; i < ml_oracle_elements(network, ML_ORACLE_FACTOR); i++)
        network->tensors[ML_ORACLE_FACTOR][i] =
            i % (h * h) / h == i % h ? network->initial_deviation : 0.0;
}

void ml_oracle_network_free(ml_oracle_network *network) {
    for (int k = 0; k < ML_ORACLE_N_TENSORS; k++) free(network->tensors[k]);
    memset(network->tensors, 0, sizeof network->tensors);
}

static void check_shape(const ml_oracle_network *network, int tensor, const iv_tensor_entry *e) {
    const size_t h = (size_t)network->n_hidden, c = (size_t)network->n_classes;
    const size_t shapes[ML_ORACLE_N_TENSORS][3] = {
        {h, (size_t)ml_oracle_pixels(&network->shape)}, {h}, {6}, {c, h}, {c, h, h}};
    const unsigned ranks[ML_ORACLE_N_TENSORS] = {2, 1, 1, 2, 3};
    assert_int_equal(e->rank, ranks[tensor]);
    for (unsigned k = 0; k < e->rank; k++) assert_int_equal(e->shape[k], shapes[tensor][k]);
}

void ml_oracle_network_load(const char *path, ml_oracle_network *network) {
    iv_error error = {0};
    iv_safetensors *file;
    assert_ok(&error, iv_safetensors_open(path, &file, &error));
    const int h = network->n_hidden,
              n_tensors = network->point ? ML_ORACLE_FACTOR : ML_ORACLE_N_TENSORS;
    const bool has_alpha = network->alpha_learned && !network->point;
    assert_int_equal(iv_safetensors_count(file), n_tensors + has_alpha + network->sigma_learned);
    if (network->sigma_learned) {
        const iv_tensor_entry *entry = iv_safetensors_find(file, "log_sigma");
        if (!entry || entry->rank != 1 || entry->shape[0] != 1)
            fail_msg("%s has no log_sigma [1]", path);
        network->log_sigma = (double)entry->data[0];
    }
    if (has_alpha) {
        const iv_tensor_entry *entry = iv_safetensors_find(file, "prior.variance");
        if (!entry || entry->rank != 1 || entry->shape[0] != 1)
            fail_msg("%s has no prior.variance [1]", path);
        network->alpha = (double)entry->data[0];
    }
    for (int k = 0; k < n_tensors; k++) {
        const iv_tensor_entry *entry = iv_safetensors_find(file, names[k]);
        if (!entry) fail_msg("%s has no %s", path, names[k]);
        check_shape(network, k, entry);
        for (int i = 0; i < ml_oracle_elements(network, k); i++) {
            network->tensors[k][i] = (double)entry->data[i];
            if (k == ML_ORACLE_FACTOR && i % h > i / h % h) assert_true(entry->data[i] == 0.0f);
        }
    }
    iv_safetensors_close(file);
}

void ml_oracle_draw_noise(const ml_oracle_network *network, uint32_t seed, uint32_t stream,
                          uint32_t step, double *noise) {
    for (int e = 0; e < ml_oracle_elements(network, ML_ORACLE_MEAN); e++) {
        uint32_t words[4];
        float pair[2];
        iv_philox(seed, stream, step, (uint32_t)e / 4, words);
        iv_normal(words[e % 4 / 2 * 2], words[e % 4 / 2 * 2 + 1], pair);
        noise[e] = (double)pair[e % 2];
    }
}

void ml_oracle_output_layer(const ml_oracle_network *network, const double *noise, double *w) {
    const int h = network->n_hidden;
    for (int c = 0; c < network->n_classes; c++)
        for (int i = 0; i < h; i++) {
            const double *row = network->tensors[ML_ORACLE_FACTOR] + (c * h + i) * h;
            w[c * h + i] = network->tensors[ML_ORACLE_MEAN][c * h + i];
            for (int j = 0; noise && !network->point && j <= i; j++)
                w[c * h + i] += row[j] * noise[c * h + j];
        }
}

double ml_oracle_feature(const ml_oracle_network *network, double z, double *slope) {
    const double scale = sqrt(2.0 / network->n_hidden);
    *slope = network->cosine ? -scale * sin(z) : z > 0;
    return network->cosine ? scale * cos(z) : z > 0 ? z : 0;
}

void ml_oracle_sample(const ml_oracle_network *network, const double eps[6], double t[6],
                      double (*d)[6]) {
    double a[6];
    for (int i = 0; i < 6; i++) a[i] = eps[i] * network->tensors[ML_ORACLE_ETA][i];
    ml_oracle_exponential(a, t, d);
    for (int i = 0; d && i < 6; i++)
        for (int k = 0; k < 6; k++) d[i][k] *= eps[i];
}

/* ------------------------------------------------------------------ metrics */

double ml_oracle_cross_entropy(const double *logits, const int *labels, int n, int n_classes) {
    double total = 0;
    for (int i = 0; i < n; i++) {
        const double *row = logits + i * n_classes;
        double top = row[0], sum = 0;
        for (int c = 1; c < n_classes; c++) top = fmax(top, row[c]);
        for (int c = 0; c < n_classes; c++) sum += exp(row[c] - top);
        total += log(sum) + top - row[labels[i]];
    }
    return total;
}

int ml_oracle_hits(const double *logits, const int *labels, int n, int n_classes) {
    int hits = 0;
    for (int i = 0; i < n; i++) {
        int best = 0;
        for (int c = 1; c < n_classes; c++)
            if (logits[i * n_classes + c] > logits[i * n_classes + best]) best = c;
        hits += best == labels[i];
    }
    return hits;
}

double ml_oracle_kl(const ml_oracle_network *network) {
    const int h = network->n_hidden, n = ml_oracle_elements(network, ML_ORACLE_MEAN);
    double log_determinant = 0, squares = 0;
    if (network->point) return 0;
    for (int e = 0; e < n; e++) {
        const double *row = network->tensors[ML_ORACLE_FACTOR] + e * h;
        const double mean = network->tensors[ML_ORACLE_MEAN][e];
        for (int j = 0; j <= e % h; j++) squares += row[j] * row[j];
        squares += mean * mean;
        log_determinant += 2 * log(fabs(row[e % h]));
    }
    return 0.5 * (n * log(network->alpha) - log_determinant - n + squares / network->alpha);
}
