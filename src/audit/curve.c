/* Curves: what becomes of a network's answers as images are turned, moved, scaled or sheared
 * by more and more, beside what resampling alone does to them. Images are transformed here, on the host, by
 * taps that are found once for each point. */
#include "audit/audit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BATCH = 128, TAPS = 4 };

/* The pieces of a batch: the images, transformed, and transformed back. */
enum { PLAIN, MOVED, UNDONE, N_PIECES };

static const iv_curve_info infos[] = {
    [IV_CURVE_ANGLE] = {"angle", "Angle (degrees, counter-clockwise)"},
    [IV_CURVE_SHIFT] = {"shift", "Shift to the right (pixels)"},
    [IV_CURVE_SCALE] = {"scale", "Scale (factor)"},
    [IV_CURVE_SHEAR] = {"shear", "Shear (pixels to the right per row above the centre)"},
};

const iv_curve_info *iv_curve_get(iv_curve_kind kind) {
    return (size_t)kind < sizeof infos / sizeof *infos ? &infos[kind] : NULL;
}

/* ------------------------------------------------------------------ transformations */

/* Where a pixel of the transformed plane comes from: x' = xx x + xy y + dx, y' = yx x + yy y, in
 * pixels from the centre, y down. */
typedef struct {
    double xx, xy, yx, yy, dx;
} map;

static map map_of(iv_curve_kind kind, double at, bool back) {
    static const double pi = 3.14159265358979323846;
    if (kind == IV_CURVE_SHIFT) return (map){1, 0, 0, 1, back ? at : -at};
    if (kind == IV_CURVE_SCALE) return (map){back ? at : 1 / at, 0, 0, back ? at : 1 / at, 0};
    if (kind == IV_CURVE_SHEAR) return (map){1, back ? -at : at, 0, 1, 0};
    const double angle = (back ? -at : at) * pi / 180;
    return (map){cos(angle), -sin(angle), sin(angle), cos(angle), 0};
}

/* Four neighbours and their shares; what lies outside of the plane has none. */
typedef struct {
    uint32_t source[TAPS];
    float share[TAPS];
} taps;

static void find_taps(const map *m, size_t height, size_t width, taps *all) {
    const double centre_x = 0.5 * (double)(width - 1), centre_y = 0.5 * (double)(height - 1);
    for (size_t i = 0; i < height * width; i++) {
        const double x = (double)(i % width) - centre_x, y = (double)(i / width) - centre_y;
        const double column = m->xx * x + m->xy * y + m->dx + centre_x;
        const double row = m->yx * x + m->yy * y + centre_y;
        const double left = floor(column), top = floor(row);
        for (int k = 0; k < TAPS; k++) {
            const double c = left + k % 2, r = top + k / 2;
            const double share = (k % 2 ? column - left : 1 - (column - left)) *
                                 (k / 2 ? row - top : 1 - (row - top));
            const bool inside = c >= 0 && c < (double)width && r >= 0 && r < (double)height;
            all[i].source[k] = inside ? (uint32_t)((size_t)r * width + (size_t)c) : 0;
            all[i].share[k] = inside ? (float)share : 0;
        }
    }
}

static void apply(const taps *all, size_t n_pixels, size_t n_planes, const float *from, float *to) {
    for (size_t plane = 0; plane < n_planes; plane++, from += n_pixels, to += n_pixels)
        for (size_t i = 0; i < n_pixels; i++) {
            float sum = 0;
            for (int k = 0; k < TAPS; k++) sum += all[i].share[k] * from[all[i].source[k]];
            to[i] = sum;
        }
}

/* ------------------------------------------------------------------ networks on the device */

typedef struct {
    const iv_measured *networks;
    const audit_curve_images *images;
    size_t of_plane, d, n_classes, batch;
    cl_mem device_images, same; /* [pieces, batch, D], one copy for all; tables that move nothing */
    iv_graph *graph;
    iv_plan *plan;
    iv_tensor *logits, *saliency;
    audit_given *pairs;
    taps *there, *back;
    float *pieces;                       /* [pieces, batch, D] */
    float *outputs, *maps;               /* [R, pieces, batch, C or D] */
    float *two, *two_maps;               /* two pieces of n images */
    float *found[AUDIT_N_ORBIT_METRICS]; /* [batch]; no accuracy */
} curving;

static iv_status create_plan(curving *v) {
    const iv_measured *n = v->networks;
    const iv_view shared = {v->device_images, 0, 0};
    iv_status status = iv_graph_create(n->context, n->n_members, &v->graph);
    if (status != IV_OK) return status;
    iv_graph *g = v->graph;
    iv_tensor *x = iv_input(g, IV_F32, 2, (const size_t[]){N_PIECES * v->batch, v->d}, &shared);
    v->logits = n->logits(n->networks, g, x, NULL);
    iv_tensor *pieces =
        iv_reshape(g, v->logits, 3, (const size_t[]){N_PIECES, v->batch, v->n_classes});
    iv_tensor *predicted = iv_argmax(g, iv_slice(g, pieces, PLAIN, 1));
    status = iv_gradient(g, iv_class_logit_sum(g, v->logits, predicted), &x, 1, &v->saliency);
    if (status != IV_OK) return status;
    return iv_graph_compile(g, (iv_tensor *[]){v->logits, v->saliency}, 2, &v->plan);
}

static iv_status create_pairs(curving *v) {
    uint16_t *table = malloc(2 * v->d * sizeof *table);
    if (!table) return audit_no_memory(v->networks->context);
    for (size_t i = 0; i < 2 * v->d; i++) table[i] = (uint16_t)(i % v->d);
    const iv_status status =
        iv_buffer_upload(v->networks->context, table, 2 * v->d * sizeof *table, &v->same);
    free(table);
    if (status != IV_OK) return status;
    return audit_given_create(v->networks->context,
                              &(audit_given_shape){.n_elements = 2,
                                                   .batch = v->batch,
                                                   .n_classes = v->n_classes,
                                                   .n_pixels = v->d,
                                                   .inverse = v->same},
                              &v->pairs);
}

static iv_status open_curving(curving *v) {
    const size_t rows = N_PIECES * v->batch, members = v->networks->n_members;
    v->there = malloc(v->of_plane * sizeof *v->there);
    v->back = malloc(v->of_plane * sizeof *v->back);
    v->pieces = calloc(rows * v->d, sizeof *v->pieces);
    v->outputs = malloc(members * rows * v->n_classes * sizeof *v->outputs);
    v->maps = malloc(members * rows * v->d * sizeof *v->maps);
    v->two = malloc(2 * v->batch * v->n_classes * sizeof *v->two);
    v->two_maps = malloc(2 * v->batch * v->d * sizeof *v->two_maps);
    bool whole = v->there && v->back && v->pieces && v->outputs && v->maps && v->two && v->two_maps;
    for (size_t m = IV_AUDIT_LI; m < AUDIT_N_ORBIT_METRICS; m++)
        whole = (v->found[m] = calloc(v->batch, sizeof *v->found[m])) && whole;
    if (!whole) return audit_no_memory(v->networks->context);
    iv_status status =
        iv_buffer_create(v->networks->context, rows * v->d * sizeof(float), &v->device_images);
    if (status == IV_OK) status = create_plan(v);
    return status == IV_OK ? create_pairs(v) : status;
}

static void close_curving(curving *v) {
    audit_given_destroy(v->pairs);
    iv_plan_destroy(v->plan);
    iv_graph_destroy(v->graph);
    iv_buffer_release(v->networks->context, v->device_images);
    iv_buffer_release(v->networks->context, v->same);
    free(v->there);
    free(v->back);
    free(v->pieces);
    free(v->outputs);
    free(v->maps);
    free(v->two);
    free(v->two_maps);
    for (size_t m = 0; m < AUDIT_N_ORBIT_METRICS; m++) free(v->found[m]);
}

/* ------------------------------------------------------------------ one batch */

/* Images first .. first + n - 1 in all pieces; *error grows by what resampling did to each. */
static void transform(curving *v, size_t first, size_t n, double *error) {
    const size_t planes = v->images->shape.planes;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *bytes = v->images->pixels + (first + i) * v->d;
        float *plain = v->pieces + (PLAIN * v->batch + i) * v->d;
        float *moved = v->pieces + (MOVED * v->batch + i) * v->d;
        float *undone = v->pieces + (UNDONE * v->batch + i) * v->d;
        double square = 0, difference = 0;
        for (size_t p = 0; p < v->d; p++) plain[p] = (float)bytes[p] / 255.0f;
        apply(v->there, v->of_plane, planes, plain, moved);
        apply(v->back, v->of_plane, planes, moved, undone);
        for (size_t p = 0; p < v->d; p++) {
            const double off = (double)undone[p] - (double)plain[p];
            square += (double)plain[p] * (double)plain[p];
            difference += off * off;
        }
        if (square > 0) *error += sqrt(difference / square);
    }
}

/* The numbers of a piece beside the plain images, of one member. */
static iv_status add_piece(curving *v, size_t member, size_t piece, const uint8_t *labels, size_t n,
                           iv_curve_numbers *sums) {
    const size_t c = v->n_classes, d = v->d, planes = v->images->shape.planes;
    const float *logits = v->outputs + member * N_PIECES * v->batch * c;
    const float *maps = v->maps + member * N_PIECES * v->batch * d;
    memcpy(v->two, logits, n * c * sizeof *logits);
    memcpy(v->two + n * c, logits + piece * v->batch * c, n * c * sizeof *logits);
    memcpy(v->two_maps, maps, n * d * sizeof *maps);
    for (size_t i = 0; i < n; i++) {
        const float *map_of_piece = maps + (piece * v->batch + i) * d;
        if (piece == MOVED)
            apply(v->back, v->of_plane, planes, map_of_piece, v->two_maps + (n + i) * d);
        else
            memcpy(v->two_maps + (n + i) * d, map_of_piece, d * sizeof *maps);
    }
    const iv_status status = audit_given_run(v->pairs, n, v->two, v->two_maps, labels, v->found);
    for (size_t i = 0; i < n && status == IV_OK; i++) {
        sums->accuracy += audit_predicted(v->two + (n + i) * c, c) == labels[i];
        sums->li += (double)v->found[IV_AUDIT_LI][i];
        sums->di += (double)v->found[IV_AUDIT_DI][i];
        sums->si += (double)v->found[IV_AUDIT_SI][i];
    }
    return status;
}

static iv_status add_batch(curving *v, size_t first, size_t n, iv_curve_point *const *points,
                           size_t k, double *error) {
    const uint8_t *labels = v->images->labels + first;
    transform(v, first, n, error);
    iv_status status = iv_buffer_write(v->networks->context, v->device_images, 0,
                                       N_PIECES * v->batch * v->d * sizeof *v->pieces, v->pieces);
    if (status == IV_OK) status = iv_plan_run(v->plan, 0);
    if (status == IV_OK) status = iv_plan_read(v->plan, v->logits, v->outputs);
    if (status == IV_OK) status = iv_plan_read(v->plan, v->saliency, v->maps);
    for (size_t r = 0; r < v->networks->n_members && status == IV_OK; r++) {
        status = add_piece(v, r, MOVED, labels, n, &points[r][k].moved);
        if (status == IV_OK) status = add_piece(v, r, UNDONE, labels, n, &points[r][k].undone);
    }
    return status == IV_OK ? v->images->go_on(v->images->state, n) : status;
}

/* ------------------------------------------------------------------ a curve */

static void divide(iv_curve_numbers *sums, double n) {
    sums->accuracy /= n;
    sums->li /= n;
    sums->di /= n;
    sums->si /= n;
}

static iv_status find_point(curving *v, iv_curve_kind kind, iv_curve_point *const *points,
                            size_t k) {
    const iv_image_shape shape = v->images->shape;
    const size_t n_images = v->images->n_images;
    const map there = map_of(kind, points[0][k].at, false),
              back = map_of(kind, points[0][k].at, true);
    double error = 0;
    iv_status status = IV_OK;
    find_taps(&there, shape.height, shape.width, v->there);
    find_taps(&back, shape.height, shape.width, v->back);
    for (size_t first = 0; first < n_images && status == IV_OK; first += v->batch) {
        const size_t left = n_images - first;
        status = add_batch(v, first, left < v->batch ? left : v->batch, points, k, &error);
    }
    for (size_t r = 0; r < v->networks->n_members; r++) {
        divide(&points[r][k].moved, (double)n_images);
        divide(&points[r][k].undone, (double)n_images);
        points[r][k].error = error / (double)n_images;
    }
    return status;
}

iv_status audit_curve(const iv_measured *networks, const audit_curve_images *images,
                      iv_curve_kind kind, size_t n_points, iv_curve_point *const *points) {
    curving v = {.networks = networks,
                 .images = images,
                 .of_plane = images->shape.height * images->shape.width,
                 .d = iv_image_values(images->shape),
                 .n_classes = networks->n_classes,
                 .batch = images->n_images < MOST_BATCH ? images->n_images : MOST_BATCH};
    v.batch = audit_fitting_batch(networks, N_PIECES, v.batch);
    iv_status status = open_curving(&v);
    for (size_t k = 0; k < n_points && status == IV_OK; k++)
        status = find_point(&v, kind, points, k);
    close_curving(&v);
    return status;
}
