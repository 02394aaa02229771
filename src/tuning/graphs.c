/* Probes that are graphs around an op. */
#include "tuning/probe.h"

#include <invar/image_ops.h>

#include <stdlib.h>

enum { SIDE = 28, PIXELS = SIDE * SIDE, POOL = 512, BATCH = 128, ELEMENTS = 4 };

static const iv_image_shape digits = {1, SIDE, SIDE};

/* ------------------------------------------------------------------ images */

static void build_affine_batch(probe *p) {
    int32_t rotated[16];
    for (size_t r = 0; r < 16; r++) rotated[r] = IV_DATA_ROTATED;
    const cl_mem kinds = probe_copy(p, p->n_members * sizeof *rotated, rotated);
    const iv_affine_image_source source = {.pixels = probe_bytes(p, POOL * PIXELS, 256),
                                           .labels = probe_bytes(p, POOL, 10),
                                           .shape = digits,
                                           .n_samples = POOL,
                                           .transformations = {kinds, 0, 1},
                                           .seeds = probe_seeds(p),
                                           .shuffle = true};
    iv_tensor *labels;
    iv_affine_image_batch(p->graph, &source, BATCH, &p->outputs[0], &labels);
}

/* The tables of a group of permutations, and of their inverses: element g moves pixels by 5 g. */
static cl_mem table(probe *p, size_t sign) {
    uint16_t source[ELEMENTS * PIXELS];
    for (size_t g = 0; g < ELEMENTS; g++)
        for (size_t k = 0; k < PIXELS; k++)
            source[g * PIXELS + k] = (uint16_t)((k + PIXELS + sign * 5 * g) % PIXELS);
    return probe_copy(p, sizeof source, source);
}

static void build_image_batch(probe *p) {
    const iv_image_source source = {.pixels = probe_bytes(p, POOL * PIXELS, 256),
                                    .labels = probe_bytes(p, POOL, 10),
                                    .n_samples = POOL,
                                    .source = table(p, 1),
                                    .n_elements = ELEMENTS,
                                    .n_pixels = PIXELS,
                                    .seeds = probe_seeds(p),
                                    .shuffle = true};
    iv_tensor *labels;
    iv_image_batch(p->graph, &source, BATCH, IV_COPIES_PAIR, &p->outputs[0], &labels);
}

static void build_orbit(probe *p) {
    iv_tensor *x = probe_floats(p, 2, PROBE_DIMS(BATCH, PIXELS));
    const cl_mem source = table(p, 1), inverse = table(p, (size_t)-1);
    p->outputs[0] = iv_orbit(p->graph, x, source, inverse, ELEMENTS);
}

static void build_blur(probe *p) {
    iv_tensor *images = probe_floats(p, 2, PROBE_DIMS(256, PIXELS));
    p->outputs[0] = iv_blur(p->graph, images, digits, 1.0f);
}

static void build_convolve(probe *p) {
    const iv_window window = {{3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
    iv_tensor *images = probe_floats(p, 4, PROBE_DIMS(16, 32, SIDE, SIDE));
    iv_tensor *w = probe_floats(p, 4, PROBE_DIMS(32, 32, 3, 3));
    p->outputs[0] = iv_convolve(p->graph, images, w, NULL, &window, 1);
    (void)iv_vector_jacobian(p->graph, p->outputs[0], p->outputs[0], &images, 1, &p->outputs[1]);
}

static void build_pool(probe *p) {
    const iv_window window = {{2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}};
    iv_tensor *images = probe_floats(p, 4, PROBE_DIMS(64, 32, SIDE, SIDE));
    p->outputs[0] = iv_max_pool(p->graph, images, &window);
    (void)iv_vector_jacobian(p->graph, p->outputs[0], p->outputs[0], &images, 1, &p->outputs[1]);
}

/* ------------------------------------------------------------------ transformations and features */

static void build_affine(probe *p) {
    iv_tensor *eta = probe_floats(p, 1, PROBE_DIMS(IV_N_GENERATORS));
    iv_tensor *learned = probe_floats(p, 1, PROBE_DIMS(IV_N_GENERATORS));
    const iv_affine_draws draws = {
        .seeds = probe_seeds(p), .stream = IV_STREAM_TRANSFORMATION, .n_samples = 32};
    iv_tensor *t = iv_affine_samples(p->graph, eta, learned, &draws);
    (void)iv_vector_jacobian(p->graph, t, t, &eta, 1, &p->outputs[0]);
}

static void build_warp(probe *p) {
    iv_tensor *images = probe_floats(p, 2, PROBE_DIMS(BATCH, PIXELS));
    iv_tensor *t = probe_floats(p, 2, PROBE_DIMS(32, 6));
    p->outputs[0] = iv_warp_inputs(p->graph, images, t, digits);
}

static void build_feature_mean(probe *p) {
    iv_tensor *z = probe_floats(p, 3, PROBE_DIMS(32, BATCH, 1024));
    p->outputs[0] = iv_feature_mean(p->graph, z, IV_FEATURE_COSINE);
    (void)iv_vector_jacobian(p->graph, p->outputs[0], p->outputs[0], &z, 1, &p->outputs[1]);
}

/* ------------------------------------------------------------------ losses */

static void build_loss(probe *p) {
    iv_tensor *logits = probe_floats(p, 2, PROBE_DIMS(512, 10)), *labels = probe_labels(p, 512);
    p->outputs[0] = iv_cross_entropy(p->graph, logits, labels);
    (void)iv_gradient(p->graph, p->outputs[0], &logits, 1, &p->outputs[1]);
}

static void build_mean_square(probe *p) {
    iv_tensor *a = probe_floats(p, 2, PROBE_DIMS(BATCH, 20));
    iv_tensor *b = probe_floats(p, 2, PROBE_DIMS(BATCH, 20));
    p->outputs[0] = iv_mean_square(p->graph, a, b);
    (void)iv_gradient(p->graph, p->outputs[0], &a, 1, &p->outputs[1]);
}

static void build_square_error_sums(probe *p) {
    iv_tensor *a = probe_floats(p, 2, PROBE_DIMS(1024, 20));
    iv_tensor *b = probe_floats(p, 2, PROBE_DIMS(1024, 20));
    p->outputs[0] = iv_square_error_sums(p->graph, a, b, 1024);
}

static void build_pair_loss(probe *p) {
    iv_tensor *z = probe_floats(p, 3, PROBE_DIMS(2, BATCH, 20));
    iv_tensor *squares = probe_floats(p, 1, PROBE_DIMS(BATCH));
    iv_tensor *delta = probe_floats(p, 1, PROBE_DIMS(1)),
              *alpha = probe_floats(p, 1, PROBE_DIMS(1));
    p->outputs[0] = iv_pair_loss(p->graph, z, 10, squares, delta, alpha);
    (void)iv_gradient(p->graph, p->outputs[0], &z, 1, &p->outputs[1]);
}

static void build_rich(probe *p) {
    iv_tensor *o = probe_floats(p, 2, PROBE_DIMS(BATCH, 60));
    iv_tensor *x = probe_floats(p, 2, PROBE_DIMS(BATCH, 60));
    p->outputs[0] = iv_rich(p->graph, o, x);
    (void)iv_vector_jacobian(p->graph, p->outputs[0], p->outputs[0], &x, 1, &p->outputs[1]);
}

/* ------------------------------------------------------------------ signals */

static void build_pair_batch(probe *p) {
    const uint32_t seed = 1;
    const int32_t set_of_member[16] = {0};
    if (iv_signal_set_create(p->context, &seed, 1, 0, 1024, 60, NULL, &p->signals) != IV_OK) return;
    const iv_view sets = {probe_copy(p, p->n_members * sizeof *set_of_member, set_of_member), 0, 1};
    const iv_signal_source source = {
        .set = &p->signals, .set_of_member = sets, .seeds = probe_seeds(p), .shuffle = true};
    const iv_pair_desc pairs = {.distortion = IV_DISTORTION_SHIFT};
    iv_pair_batch(p->graph, &source, &pairs, BATCH, &p->outputs[0], &p->outputs[1]);
}

const probe_kind probe_graphs[] = {
    {"affine", "LANES", build_affine, NULL},
    {"affine_batch", "LANES", build_affine_batch, NULL},
    {"blur", "ROWS", build_blur, NULL},
    {"convolve", "DIRECT", build_convolve, NULL},
    {"feature_mean", "VECTORS", build_feature_mean, NULL},
    {"fourier", "LANES", build_pair_batch, NULL},
    {"image_batch", "ROWS", build_image_batch, NULL},
    {"image_batch", "SAMPLES", build_image_batch, NULL},
    {"image_batch", "WHOLE", build_image_batch, NULL},
    {"loss", "WIDE", build_loss, NULL},
    {"mean_square", "LANES", build_mean_square, NULL},
    {"mean_square", "ROW_LANES", build_square_error_sums, NULL},
    {"orbit", "WHOLE", build_orbit, NULL},
    {"pair_loss", "LANES", build_pair_loss, NULL},
    {"pair_loss", "PAIRS", build_pair_loss, NULL},
    {"pool", "PLANES", build_pool, NULL},
    {"rich", "ROWS", build_rich, NULL},
    {"signal_batch", "SAMPLES", build_pair_batch, NULL},
    {"warp", "SAMPLES", build_warp, NULL},
    {"warp", "VECTORS", build_warp, NULL},
};
const size_t n_probe_graphs = sizeof probe_graphs / sizeof *probe_graphs;
