/* The directions of the affine algebra to which networks are insensitive (LieGG): along generator i
 * image x changes by d_i x at first, and the logits by J(x) d_i x. The rows of all images and logits
 * make a matrix of six columns, whose singular values and right singular vectors these are. */
#include "audit/audit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = IV_N_GENERATORS, MOST_BATCH = 64 };

static const char *const names[N] = {"translation_x", "translation_y", "rotation",
                                     "scale_x",       "scale_y",       "shear"};

const char *iv_generator_name(iv_generator generator) {
    return names[generator];
}

/* ------------------------------------------------------------------ images */

/* 0 outside. */
static double value_at(const uint8_t *plane, size_t height, size_t width, size_t row,
                       size_t column) {
    return row < height && column < width ? plane[row * width + column] / 255.0 : 0; /* wraps */
}

/* d_i x [N, D]: the slope of the image at p, by differences of its neighbours, times G_i p. */
static void find_changes(const uint8_t *image, iv_image_shape shape, double *changes) {
    const size_t of_plane = shape.height * shape.width, d = iv_image_values(shape);
    const double half_x = 0.5 * (double)(shape.width - 1);
    const double half_y = 0.5 * (double)(shape.height - 1);
    for (size_t i = 0; i < d; i++) {
        const uint8_t *plane = image + i / of_plane * of_plane;
        const size_t row = i % of_plane / shape.width, column = i % shape.width;
        const double x = half_x > 0 ? (double)column / half_x - 1 : 0;
        const double y = half_y > 0 ? (double)row / half_y - 1 : 0;
        const double slope_x = half_x * 0.5 *
                               (value_at(plane, shape.height, shape.width, row, column + 1) -
                                value_at(plane, shape.height, shape.width, row, column - 1));
        const double slope_y = half_y * 0.5 *
                               (value_at(plane, shape.height, shape.width, row + 1, column) -
                                value_at(plane, shape.height, shape.width, row - 1, column));
        const double moves[N][2] = {{1, 0}, {0, 1}, {-y, x}, {x, 0}, {0, y}, {y, x}};
        for (size_t g = 0; g < N; g++)
            changes[g * d + i] = slope_x * moves[g][0] + slope_y * moves[g][1];
    }
}

/* ------------------------------------------------------------------ the matrix */

typedef struct {
    const iv_measured *networks;
    const audit_curve_images *images;
    size_t batch, d, n_classes;
    cl_mem device_images; /* [batch, D], one copy for all */
    iv_graph *graph;
    iv_plan *plan;
    iv_tensor *jacobian;      /* [batch, C, D] */
    float *plain, *values;    /* [batch, D], [R, batch, C, D] */
    double *changes;          /* [N, D] of an image */
    double (*products)[N][N]; /* [R]: the matrix's products of columns */
} directing;

static iv_status open_directing(directing *v) {
    const iv_measured *n = v->networks;
    v->plain = calloc(v->batch * v->d, sizeof *v->plain);
    v->values = malloc(n->n_members * v->batch * v->n_classes * v->d * sizeof *v->values);
    v->changes = malloc(N * v->d * sizeof *v->changes);
    v->products = calloc(n->n_members, sizeof *v->products);
    if (!v->plain || !v->values || !v->changes || !v->products) return audit_no_memory(n->context);
    iv_status status =
        iv_buffer_create(n->context, v->batch * v->d * sizeof(float), &v->device_images);
    if (status == IV_OK) status = iv_graph_create(n->context, n->n_members, &v->graph);
    if (status != IV_OK) return status;
    const iv_view shared = {v->device_images, 0, 0};
    iv_tensor *x = iv_input(v->graph, IV_F32, 2, (const size_t[]){v->batch, v->d}, &shared);
    v->jacobian = audit_jacobian(n, v->graph, n->logits(n->networks, v->graph, x, NULL), x);
    return iv_graph_compile(v->graph, &v->jacobian, 1, &v->plan);
}

static void close_directing(directing *v) {
    iv_plan_destroy(v->plan);
    iv_graph_destroy(v->graph);
    iv_buffer_release(v->networks->context, v->device_images);
    free(v->plain);
    free(v->values);
    free(v->changes);
    free(v->products);
}

/* The rows of one image, of all networks. */
static void add_image(directing *v, size_t first, size_t i) {
    find_changes(v->images->pixels + (first + i) * v->d, v->images->shape, v->changes);
    for (size_t r = 0; r < v->networks->n_members; r++)
        for (size_t c = 0; c < v->n_classes; c++) {
            const float *row = v->values + ((r * v->batch + i) * v->n_classes + c) * v->d;
            double entries[N] = {0};
            for (size_t g = 0; g < N; g++)
                for (size_t p = 0; p < v->d; p++)
                    entries[g] += (double)row[p] * v->changes[g * v->d + p];
            for (size_t g = 0; g < N; g++)
                for (size_t h = 0; h < N; h++) v->products[r][g][h] += entries[g] * entries[h];
        }
}

static iv_status add_batch(directing *v, size_t first, size_t n) {
    const uint8_t *bytes = v->images->pixels + first * v->d;
    for (size_t i = 0; i < n * v->d; i++) v->plain[i] = (float)bytes[i] / 255.0f;
    iv_status status = iv_buffer_write(v->networks->context, v->device_images, 0,
                                       v->batch * v->d * sizeof *v->plain, v->plain);
    if (status == IV_OK) status = iv_plan_run(v->plan, 0);
    if (status == IV_OK) status = iv_plan_read(v->plan, v->jacobian, v->values);
    for (size_t i = 0; i < n && status == IV_OK; i++) add_image(v, first, i);
    return status == IV_OK ? v->images->go_on(v->images->state, n) : status;
}

/* ------------------------------------------------------------------ its singular values */

/* Cyclic Jacobi rotations (Golub and Van Loan, section 8.5): a becomes diagonal, columns of v its
 * eigenvectors. */
static void diagonalize(double a[N][N], double v[N][N]) {
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < N; k++) v[i][k] = i == k;
    for (int sweep = 0; sweep < 30; sweep++)
        for (size_t p = 0; p < N; p++)
            for (size_t q = p + 1; q < N; q++) {
                if (a[p][q] == 0) continue;
                const double tau = (a[q][q] - a[p][p]) / (2 * a[p][q]);
                const double t = (tau >= 0 ? 1 : -1) / (fabs(tau) + sqrt(1 + tau * tau));
                const double c = 1 / sqrt(1 + t * t), s = t * c;
                for (size_t k = 0; k < N; k++) {
                    const double first = a[k][p], second = a[k][q];
                    a[k][p] = c * first - s * second;
                    a[k][q] = s * first + c * second;
                }
                for (size_t k = 0; k < N; k++) {
                    const double first = a[p][k], second = a[q][k];
                    a[p][k] = c * first - s * second;
                    a[q][k] = s * first + c * second;
                }
                for (size_t k = 0; k < N; k++) {
                    const double first = v[k][p], second = v[k][q];
                    v[k][p] = c * first - s * second;
                    v[k][q] = s * first + c * second;
                }
            }
}

static int compare(const void *first, const void *second) {
    const iv_audit_direction *a = first, *b = second;
    return (a->sensitivity > b->sensitivity) - (a->sensitivity < b->sensitivity);
}

static void find_directions(double products[N][N], size_t n_images, iv_audit_direction *out) {
    double vectors[N][N];
    diagonalize(products, vectors);
    for (size_t k = 0; k < N; k++) {
        out[k].sensitivity = sqrt(fmax(0, products[k][k]) / (double)n_images);
        size_t largest = 0;
        for (size_t g = 1; g < N; g++)
            if (fabs(vectors[g][k]) > fabs(vectors[largest][k])) largest = g;
        for (size_t g = 0; g < N; g++)
            out[k].generators[g] = vectors[largest][k] < 0 ? -vectors[g][k] : vectors[g][k];
    }
    qsort(out, N, sizeof *out, compare);
}

iv_status audit_directions(const iv_measured *networks, const audit_curve_images *images,
                           iv_audit_direction *const *directions) {
    directing v = {.networks = networks,
                   .images = images,
                   .batch = images->n_images < MOST_BATCH ? images->n_images : MOST_BATCH,
                   .d = iv_image_values(images->shape),
                   .n_classes = networks->n_classes};
    v.batch = audit_fitting_batch(networks, 1, v.batch);
    iv_status status = open_directing(&v);
    for (size_t first = 0; first < images->n_images && status == IV_OK; first += v.batch) {
        const size_t left = images->n_images - first;
        status = add_batch(&v, first, left < v.batch ? left : v.batch);
    }
    for (size_t r = 0; r < networks->n_members && status == IV_OK; r++)
        find_directions(v.products[r], images->n_images, directions[r]);
    close_directing(&v);
    return status;
}
