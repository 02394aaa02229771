/* Convolutions and pooling as their definitions say. */
#include "oracles.h"

#include "graph/ops/window.h"

/* Pixel of an image under part t of output i's window; false beyond the edges. */
static bool pixel_under(const iv_window *w, int axis, size_t i, size_t t, size_t pixels,
                        size_t *pixel) {
    const size_t place = i * w->stride[axis] + t * w->dilation[axis];
    *pixel = place - w->before[axis];
    return place >= w->before[axis] && *pixel < pixels;
}

static size_t plane_of(const iv_tensor *images, size_t b, size_t c) {
    return (b * images->dims[1] + c) * images->dims[IMAGE_Y] * images->dims[IMAGE_X];
}

/* Where a window's part (s, t) of output (i, j) lies in planes of both images; false beyond the
 * edges. */
typedef struct {
    size_t i, j, s, t;
    size_t pixel, output;
} place;

static bool find_place(const iv_window *w, const iv_tensor *image, const iv_tensor *pooled,
                       place *p) {
    size_t y, x;
    if (!pixel_under(w, Y, p->i, p->s, image->dims[IMAGE_Y], &y) ||
        !pixel_under(w, X, p->j, p->t, image->dims[IMAGE_X], &x))
        return false;
    p->pixel = y * image->dims[IMAGE_X] + x;
    p->output = p->i * pooled->dims[IMAGE_X] + p->j;
    return true;
}

/* Visit the pixels of the windows of a plane, output by output. */
#define FOR_EACH_PIXEL(p, w, image, pooled)                                                        \
    for ((p).i = 0; (p).i < (pooled)->dims[IMAGE_Y]; (p).i++)                                      \
        for ((p).j = 0; (p).j < (pooled)->dims[IMAGE_X]; (p).j++)                                  \
            for ((p).s = 0; (p).s < (w)->size[Y]; (p).s++)                                         \
                for ((p).t = 0; (p).t < (w)->size[X]; (p).t++)                                     \
                    if (find_place(w, image, pooled, &(p)))

/* ------------------------------------------------------------------ convolutions */

typedef struct {
    const array *images, *weights;
    array *out;
    double *magnitudes; /* of out's terms */
} sums;

static void add_term(const sums *to, size_t at, size_t from, size_t weight) {
    const double a = to->images->value[from], w = to->weights->value[weight];
    to->out->value[at] += a * w;
    to->out->error[at] += to->images->error[from] * (fabs(w) + to->weights->error[weight]) +
                          fabs(a) * to->weights->error[weight] + UNDERFLOW;
    to->magnitudes[at] += fabs(a * w);
}

/* Every term of a layer x -> y, from x to y or back. */
static void add_terms(const node *n, const iv_tensor *x, const iv_tensor *y, const sums *to,
                      bool gradient) {
    const own_convolve *own = n->own;
    const iv_window *w = &own->window;
    const size_t O = y->dims[1], C = x->dims[1] / own->groups, of_group = O / own->groups;
    for (size_t b = 0; b < x->dims[0]; b++)
        for (size_t o = 0; o < O; o++)
            for (size_t c = 0; c < C; c++) {
                const size_t in = plane_of(x, b, o / of_group * C + c), out = plane_of(y, b, o);
                place p;
                FOR_EACH_PIXEL(p, w, x, y) {
                    const size_t part = p.s * w->size[X] + p.t;
                    const size_t weight = (o * C + c) * w->size[Y] * w->size[X] + part;
                    const size_t from = gradient ? out + p.output : in + p.pixel;
                    add_term(to, gradient ? in + p.pixel : out + p.output, from, weight);
                }
            }
}

static sums begin_sums(const array *const *in, array *out) {
    const sums to = {in[0], in[1], out, calloc(out->n, sizeof(double))};
    assert_non_null(to.magnitudes);
    return to;
}

/* Sums of at most n_terms. */
static void end_sums(const sums *to, size_t n_terms) {
    for (size_t i = 0; i < to->out->n; i++)
        to->out->error[i] +=
            (double)(n_terms + 1) * (UNIT_ROUNDOFF * to->magnitudes[i] + UNDERFLOW);
    free(to->magnitudes);
}

void oracle_convolve(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const iv_tensor *y = n->outputs[0], *w = n->inputs[1];
    const size_t plane = y->dims[IMAGE_Y] * y->dims[IMAGE_X];
    const sums to = begin_sums(in, out);
    for (size_t i = 0; i < out->n && in[2]; i++) {
        const size_t o = i / plane % y->dims[1];
        out->value[i] = in[2]->value[o];
        out->error[i] = in[2]->error[o];
        to.magnitudes[i] = fabs(in[2]->value[o]);
    }
    add_terms(n, n->inputs[0], y, &to, false);
    end_sums(&to, w->n_elements / w->dims[0] + 1);
}

void oracle_convolve_gradient(const evaluation *e, const node *n, const array *const *in,
                              array *out) {
    (void)e;
    const iv_tensor *dx = n->outputs[0], *w = n->inputs[1];
    const sums to = begin_sums(in, out);
    add_terms(n, dx, n->inputs[0], &to, true);
    end_sums(&to, w->n_elements / w->dims[1]);
}

/* ------------------------------------------------------------------ pooling */

/* The pixel's number lies in the second output. */
void oracle_max_pool(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const own_pool *own = n->own;
    const iv_tensor *x = n->inputs[0], *y = n->outputs[0];
    for (size_t i = 0; i < out->n; i++) out[0].value[i] = -INFINITY;
    for (size_t b = 0; b < x->dims[0]; b++)
        for (size_t c = 0; c < x->dims[1]; c++) {
            place p;
            FOR_EACH_PIXEL(p, &own->window, x, y) {
                const size_t from = plane_of(x, b, c) + p.pixel, to = plane_of(y, b, c) + p.output;
                out[0].error[to] = fmax(out[0].error[to], in[0]->error[from]);
                if (in[0]->value[from] <= out[0].value[to]) continue;
                out[0].value[to] = in[0]->value[from];
                out[1].value[to] = (double)p.pixel;
            }
        }
}

/* Image b of dx has the choices of image b / S. */
void oracle_max_pool_gradient(const evaluation *e, const node *n, const array *const *in,
                              array *out) {
    (void)e;
    const iv_tensor *dy = n->inputs[0], *chosen = n->inputs[1], *dx = n->outputs[0];
    const size_t S = dy->dims[0] / chosen->dims[0], plane = dy->dims[IMAGE_Y] * dy->dims[IMAGE_X];
    for (size_t b = 0; b < dx->dims[0]; b++)
        for (size_t c = 0; c < dx->dims[1]; c++)
            for (size_t o = 0; o < plane; o++) {
                const size_t pixel = (size_t)in[1]->value[plane_of(chosen, b / S, c) + o];
                const size_t at = plane_of(dx, b, c) + pixel, from = plane_of(dy, b, c) + o;
                out->value[at] += in[0]->value[from];
                out->error[at] += in[0]->error[from] + /* at most as many terms as outputs */
                                  (double)plane * UNIT_ROUNDOFF * fabs(in[0]->value[from]);
            }
}

/* What the sum of output (i, j) is divided by. */
static double divisor(const own_pool *own, const iv_tensor *image, place p) {
    if (own->count_padding) return (double)(own->window.size[Y] * own->window.size[X]);
    double count = 0.0;
    for (p.s = 0; p.s < own->window.size[Y]; p.s++)
        for (p.t = 0; p.t < own->window.size[X]; p.t++)
            count += find_place(&own->window, image, image, &p);
    return count;
}

/* Sums of up to n terms, each divided or divided together. */
static void mean_pool(const node *n, const iv_tensor *x, const iv_tensor *y, const array *in,
                      array *out, bool gradient) {
    const own_pool *own = n->own;
    const double parts = (double)(own->window.size[Y] * own->window.size[X]);
    for (size_t b = 0; b < x->dims[0]; b++)
        for (size_t c = 0; c < x->dims[1]; c++) {
            place p;
            FOR_EACH_PIXEL(p, &own->window, x, y) {
                const size_t pixel = plane_of(x, b, c) + p.pixel,
                             output = plane_of(y, b, c) + p.output;
                const size_t from = gradient ? output : pixel, to = gradient ? pixel : output;
                const double part = 1.0 / divisor(own, x, p);
                out->value[to] += in->value[from] * part;
                out->error[to] +=
                    part * (in->error[from] +
                            (parts * UNIT_ROUNDOFF + DIVISION_ERROR) * fabs(in->value[from]));
            }
        }
    for (size_t i = 0; i < out->n; i++) out->error[i] += UNDERFLOW;
}

void oracle_mean_pool(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    mean_pool(n, n->inputs[0], n->outputs[0], in[0], out, false);
}

void oracle_mean_pool_gradient(const evaluation *e, const node *n, const array *const *in,
                               array *out) {
    (void)e;
    mean_pool(n, n->outputs[0], n->inputs[0], in[0], out, true);
}
