/* Orbits, means over them, and batches of images. */
#include "oracles.h"

/* The group that a table on the device belongs to; *opposite is the host's table that undoes it. */
static const iv_group *group_of(const trial *t, cl_mem table, const uint16_t **host,
                                const uint16_t **opposite) {
    *host = *opposite = NULL;
    for (size_t i = 0; i < t->n_groups; i++) {
        const known_group *g = &t->groups[i];
        if (g->source != table && g->inverse != table) continue;
        *host = g->source == table ? g->group->source : g->group->inverse;
        *opposite = g->source == table ? g->group->inverse : g->group->source;
        return g->group;
    }
    fail_msg("an op has a table that the test did not give it");
    return NULL;
}

/* y[g][b][p] = x[b][source[g][p]] */
void oracle_orbit(const evaluation *e, const node *n, const array *const *in, array *out) {
    const uint16_t *table, *opposite;
    const iv_group *group = group_of(e->t, ((const own_orbit *)n->own)->source, &table, &opposite);
    for (size_t i = 0; i < out->n; i++) {
        const size_t g = i / in[0]->n, b = i % in[0]->n / group->n_pixels, p = i % group->n_pixels;
        const size_t from = b * group->n_pixels + table[g * group->n_pixels + p];
        out->value[i] = in[0]->value[from];
        out->error[i] = in[0]->error[from];
    }
}

/* Where each pixel of y goes back to: with the opposite of the table that the op reads. */
void oracle_orbit_gradient(const evaluation *e, const node *n, const array *const *in, array *out) {
    const uint16_t *table, *opposite;
    const iv_group *group = group_of(e->t, ((const own_orbit *)n->own)->source, &table, &opposite);
    double *magnitude = calloc(out->n, sizeof *magnitude);
    assert_non_null(magnitude);
    for (size_t i = 0; i < in[0]->n; i++) {
        const size_t g = i / out->n, b = i % out->n / group->n_pixels, p = i % group->n_pixels;
        const size_t to = b * group->n_pixels + opposite[g * group->n_pixels + p];
        out->value[to] += in[0]->value[i];
        out->error[to] += in[0]->error[i];
        magnitude[to] += fabs(in[0]->value[i]);
    }
    for (size_t i = 0; i < out->n; i++)
        out->error[i] += (double)group->n_elements * (UNIT_ROUNDOFF * magnitude[i] + UNDERFLOW);
    free(magnitude);
}

/* Where element g's value for entry i of the mean (of n entries) lies: elements are outermost in
 * [G, B, H], and side by side in [B, G H]. */
static size_t in_orbit(const iv_tensor *orbit, size_t n, size_t n_elements, size_t g, size_t i) {
    if (orbit->rank != 2) return g * n + i;
    const size_t n_features = orbit->dims[1] / n_elements;
    return (i / n_features * n_elements + g) * n_features + i % n_features;
}

/* A sum of G, and a product with a rounded 1 / G. */
void oracle_orbit_mean(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const size_t G = in[0]->n / out->n;
    for (size_t i = 0; i < out->n; i++) {
        double sum = 0.0, magnitude = 0.0, error = 0.0;
        for (size_t g = 0; g < G; g++) {
            const size_t k = in_orbit(n->inputs[0], out->n, G, g, i);
            sum += in[0]->value[k];
            magnitude += fabs(in[0]->value[k]);
            error += in[0]->error[k];
        }
        out->value[i] = sum / (double)G;
        out->error[i] =
            (error + (double)(G + 2) * (UNIT_ROUNDOFF * magnitude + UNDERFLOW)) / (double)G;
    }
}

void oracle_orbit_mean_gradient(const evaluation *e, const node *n, const array *const *in,
                                array *out) {
    (void)e;
    const size_t G = out->n / in[0]->n;
    for (size_t g = 0; g < G; g++)
        for (size_t i = 0; i < in[0]->n; i++) {
            const size_t k = in_orbit(n->outputs[0], in[0]->n, G, g, i);
            out->value[k] = in[0]->value[i] / (double)G;
            out->error[k] = in[0]->error[i] / (double)G +
                            (DIVISION_ERROR + UNIT_ROUNDOFF) * fabs(out->value[k]) + UNDERFLOW;
        }
}

/* The pool's row for position b of this step's batch. */
static int32_t sample_of(const evaluation *e, const known_images *k, size_t b) {
    const iv_image_source *s = &k->source;
    const uint32_t n = (uint32_t)s->n_samples, batch = (uint32_t)k->batch;
    uint32_t sample = e->step * batch + (uint32_t)b;
    if (s->shuffle) {
        const uint32_t n_batches = n / batch;
        sample = iv_shuffle(k->seeds[e->member], IV_STREAM_BATCH_ORDER, e->step / n_batches, n,
                            e->step % n_batches * batch + (uint32_t)b);
    } else if (sample >= n) {
        sample = n - 1;
    }
    return k->indices[e->member * s->indices.stride + s->indices.offset + sample];
}

/* Pixels are exact: byte / 255 in single precision, rounded correctly by the host's division.
 * Outputs: images [copies, B, D], labels [B], and the op's own table of what it drew. */
void oracle_image_batch(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)in;
    const known_images *k = &e->t->images;
    const iv_group *group = k->group->group;
    assert_ptr_equal(n->outputs[0], k->images);
    for (size_t i = 0; i < out[0].n / group->n_pixels; i++) {
        const size_t copy = i / k->batch, b = i % k->batch;
        const int32_t row = sample_of(e, k, b);
        uint32_t words[4];
        iv_philox(k->seeds[e->member], IV_STREAM_AUGMENTATION, e->step, (uint32_t)b, words);
        const uint32_t drawn = iv_below(words[0], (uint32_t)group->n_elements);
        size_t g = 0;
        if (k->copies == IV_COPIES_ORBIT) g = copy;
        if (k->copies == IV_COPIES_RANDOM || (k->copies == IV_COPIES_PAIR && copy == 1)) g = drawn;
        for (size_t p = 0; p < group->n_pixels; p++) {
            const uint8_t byte =
                k->pixels[(size_t)row * group->n_pixels + group->source[g * group->n_pixels + p]];
            out[0].value[i * group->n_pixels + p] = (float)byte / 255.0f;
        }
        out[1].value[b] = k->labels[row];
        out[2].value[2 * i] = row;
        out[2].value[2 * i + 1] = (double)g;
    }
}
