/* The tiled engine: blocks of the operands in local memory, for GPUs. Kernel: cl/gemm_tiled.cl. */
#include "linalg/gemm.h"

#include <stdio.h>

/* What any OpenCL device of interest offers: see the portability rules of the design. */
enum { MAX_WORK_ITEMS = 256, MAX_LOCAL_BYTES = 32 << 10, LINE_PADDING = 4 };

static const size_t max_edge = 256; /* of a tile: keeps the products below from overflowing */

static bool divides(size_t divisor, size_t value) {
    return divisor != 0 && value % divisor == 0;
}

/* Work-items of a group. */
static size_t items_of(const iv_gemm_tile *t) {
    return (t->rows / t->item_rows) * (t->columns / t->item_columns);
}

bool iv_gemm_tile_fits(const iv_gemm_tile *t) {
    if (t->rows == 0 || t->columns == 0 || t->depth == 0) return false;
    if (t->rows > max_edge || t->columns > max_edge || t->depth > max_edge) return false;
    if (!divides(t->item_rows, t->rows) || !divides(t->item_columns, t->columns)) return false;
    if (!divides(4, t->rows) || !divides(4, t->columns) || !divides(4, t->depth)) return false;
    const size_t work_items = items_of(t);
    const size_t local_bytes = t->depth * (t->rows + t->columns + 2 * LINE_PADDING) * sizeof(float);
    return work_items <= MAX_WORK_ITEMS && local_bytes <= MAX_LOCAL_BYTES &&
           t->item_rows * t->item_columns <= 128 && divides(4 * work_items, t->rows * t->depth) &&
           divides(4 * work_items, t->columns * t->depth);
}

/* Large tiles read memory less often, small ones leave fewer work-items idle on a narrow matrix and
 * make more work-groups of a small one: 64 x 64 with 4 x 4 a work-item is the usual middle. */
static iv_gemm_tile default_tile(const iv_gemm_desc *d) {
    if (d->n <= 16) return (iv_gemm_tile){64, 16, 16, 4, 4};
    if (d->m <= 16) return (iv_gemm_tile){16, 64, 16, 4, 4};
    if (d->m <= 32 || d->n <= 32) return (iv_gemm_tile){32, 32, 16, 4, 2};
    return (iv_gemm_tile){64, 64, 16, 4, 4};
}

/* The next tile for devices that do not allow its work-items: the smallest is for a single one. */
static iv_gemm_tile smaller_tile(const iv_gemm_tile *t) {
    const size_t items = items_of(t);
    if (items > 64) return (iv_gemm_tile){32, 32, 16, 4, 4};
    if (items > 16) return (iv_gemm_tile){16, 16, 16, 4, 4};
    return (iv_gemm_tile){4, 4, 4, 4, 4};
}

/* Whether every row of every member begins at a multiple of 16 bytes. */
static bool is_aligned(const iv_view *view, size_t row_length, size_t batch) {
    return view->offset % 4 == 0 && row_length % 4 == 0 && (batch == 1 || view->stride % 4 == 0);
}

static iv_launch *begin(iv_sequence *sequence, const iv_gemm_desc *d, const iv_gemm_tile *t) {
    char epilogue[IV_EPILOGUE_OPTIONS], options[320];
    iv_gemm_epilogue_options(d, epilogue);
    snprintf(options, sizeof options,
             "-DTILE_M=%zu -DTILE_N=%zu -DTILE_K=%zu -DITEM_M=%zu -DITEM_N=%zu%s%s%s%s%s%s%s%s",
             t->rows, t->columns, t->depth, t->item_rows, t->item_columns,
             d->transpose_a ? " -DTRANSPOSE_A" : "", d->transpose_b ? " -DTRANSPOSE_B" : "",
             is_aligned(&d->a, d->lda, d->batch) ? " -DALIGNED_A" : "",
             is_aligned(&d->b, d->ldb, d->batch) ? " -DALIGNED_B" : "",
             is_aligned(&d->c, d->ldc, d->batch) ? " -DALIGNED_C" : "", epilogue,
             d->accumulate ? " -DACCUMULATE" : "", d->row_sums.buffer ? " -DROW_SUMS" : "");

    return iv_launch_begin(sequence, "gemm_tiled", "gemm_tiled", options);
}

iv_status iv_gemm_tiled(iv_sequence *sequence, const iv_gemm_desc *d, const iv_gemm_tile *given) {
    iv_gemm_tile tile = given ? *given : default_tile(d);
    if (!iv_gemm_tile_fits(&tile))
        return iv_fail(iv_context_error(iv_sequence_context(sequence)), IV_EINVAL,
                       "gemm: no tile of %zu x %zu x %zu with %zu x %zu a work-item", tile.rows,
                       tile.columns, tile.depth, tile.item_rows, tile.item_columns);

    iv_launch *launch = begin(sequence, d, &tile);
    for (size_t most = iv_launch_items(launch); most > 0 && items_of(&tile) > most;
         most = iv_launch_items(launch)) {
        while (items_of(&tile) > most) tile = smaller_tile(&tile);
        launch = begin(sequence, d, &tile);
    }
    iv_arg_view(launch, d->a);
    iv_arg_view(launch, d->b);
    iv_arg_view(launch, d->c);
    if (d->scale.buffer) iv_arg_view(launch, d->scale);
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
    iv_arg_uint(launch, d->ldb);
    iv_arg_uint(launch, d->ldc);
    const size_t group = items_of(&tile);
    const size_t groups[] = {(d->m + tile.rows - 1) / tile.rows,
                             (d->n + tile.columns - 1) / tile.columns};
    return iv_launch_end(launch, 3, (const size_t[]){groups[0] * group, groups[1], d->batch},
                         (const size_t[]){group, 1, 1});
}
