/* The panel engine: packs B into panels where it cannot be read in place, then one register-tiled kernel.
 * Kernels: cl/gemm_panel.cl. */
#include "linalg/gemm.h"

#include <stdio.h>

typedef struct {
    size_t rows, vectors, width; /* MR, NV, VW */
} tile_shape;

/* Accumulators, one row of B and a broadcast must fit the vector registers: 32 with AVX-512 and NEON, 16
 * with AVX2. */
static tile_shape choose_tile(const iv_device_info *device) {
    if (device->float_vector_width >= 16) return (tile_shape){8, 3, 16};
    if (device->float_vector_width >= 8) return (tile_shape){6, 2, 8};
    return (tile_shape){8, 3, 4};
}

static void tile_options(tile_shape tile, const char *more, char *options, size_t size) {
    snprintf(options, size, "-DMR=%zu -DNV=%zu -DVW=%zu%s", tile.rows, tile.vectors, tile.width,
             more);
}

/* Append the packing of B and describe where the panels lie. */
static iv_status pack(iv_sequence *sequence, const iv_gemm_desc *d, tile_shape tile,
                      iv_view *panels) {
    const size_t panel_width = tile.vectors * tile.width;
    const size_t n_vectors = (d->n + panel_width - 1) / panel_width * tile.vectors;
    const size_t n_members = d->b.stride == 0 ? 1 : d->batch;
    panels->offset = 0;
    panels->stride = d->b.stride == 0 ? 0 : n_vectors * tile.width * d->k;

    size_t bytes;
    iv_error *error = iv_context_error(iv_sequence_context(sequence));
    iv_status status =
        iv_multiply_size(n_vectors * tile.width * d->k, n_members * sizeof(float), &bytes, error);
    if (status == IV_OK) status = iv_sequence_buffer(sequence, bytes, &panels->buffer);
    if (status != IV_OK) return status;

    char options[128];
    tile_options(tile, d->transpose_b ? " -DTRANSPOSE_B" : "", options, sizeof options);
    iv_launch *launch = iv_launch_begin(sequence, "gemm_panel", "pack_panels", options);
    iv_arg_view(launch, d->b);
    iv_arg_view(launch, *panels);
    iv_arg_uint(launch, d->n);
    iv_arg_uint(launch, d->k);
    iv_arg_uint(launch, d->ldb);
    return iv_launch_end(launch, 3, (const size_t[]){n_vectors, (d->k + 15) / 16, n_members},
                         (const size_t[]){1, 1, 1});
}

iv_status iv_gemm_panel(iv_sequence *sequence, const iv_gemm_desc *d) {
    const tile_shape tile = choose_tile(iv_context_device(iv_sequence_context(sequence)));
    const size_t panel_width = tile.vectors * tile.width;
    const size_t n_panels = (d->n + panel_width - 1) / panel_width;

    /* Whole vectors of a row-major B can be read where they lie. */
    iv_view b = d->b;
    size_t ldb = d->ldb, panel_stride = panel_width;
    if (d->transpose_b || d->n % tile.width != 0) {
        const iv_status status = pack(sequence, d, tile, &b);
        if (status != IV_OK) return status;
        ldb = panel_width;
        panel_stride = panel_width * d->k;
    }

    char more[128], options[192];
    snprintf(more, sizeof more, "%s%s%s%s%s%s", d->transpose_a ? " -DTRANSPOSE_A" : "",
             d->bias.buffer ? " -DBIAS" : "",
             d->activation == IV_ACTIVATION_RELU ? " -DRELU" : "",
             d->accumulate ? " -DACCUMULATE" : "", d->gate.buffer ? " -DGATE" : "",
             d->row_sums.buffer ? " -DROW_SUMS" : "");
    tile_options(tile, more, options, sizeof options);
    iv_launch *launch = iv_launch_begin(sequence, "gemm_panel", "gemm_panel", options);
    iv_arg_view(launch, d->a);
    iv_arg_view(launch, b);
    iv_arg_view(launch, d->c);
    if (d->bias.buffer) iv_arg_view(launch, d->bias);
    if (d->gate.buffer) {
        iv_arg_view(launch, d->gate);
        iv_arg_uint(launch, d->gate_rows);
    }
    if (d->row_sums.buffer) iv_arg_view(launch, d->row_sums);
    iv_arg_uint(launch, d->m);
    iv_arg_uint(launch, d->n);
    iv_arg_uint(launch, d->k);
    iv_arg_uint(launch, d->lda);
    iv_arg_uint(launch, ldb);
    iv_arg_uint(launch, panel_stride);
    iv_arg_uint(launch, d->ldc);
    return iv_launch_end(launch, 3,
                         (const size_t[]){(d->m + tile.rows - 1) / tile.rows, n_panels, d->batch},
                         (const size_t[]){1, 1, 1});
}
