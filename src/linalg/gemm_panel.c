/* The panel engine: packs what cannot be read well in place, then one register-tiled kernel, in
 * blocks of k that keep a panel in the second-level cache. Kernels: cl/gemm_panel.cl,
 * cl/gemm_pack.cl. */
#include "linalg/gemm.h"

#include <stdio.h>

/* Blocks of k: a panel of 48 columns is then 192 KiB, a fraction of any second-level cache. */
static const size_t block_k = 1024; /* at most 65535, for lists of the k that count */

/* An operand of more than this is packed where its rows lie far apart: below, caches and their
 * prefetchers cope, and packing would cost more than it saves. */
static const size_t pack_bytes = (size_t)1 << 20;

/* Rows of k that a work-item packs: enough to be worth its launch, a multiple of 16. */
static const size_t pack_rows = 64;

/* Strips that a work-item packs: 512 bytes of a row where a strip has eight rows. */
static const size_t pack_strips = 16;

/* Accumulators, one row of B and a broadcast must fit the vector registers: 32 with AVX-512 and
 * NEON, 16 with AVX2. */
static iv_panel_tile choose_tile(const iv_device_info *device) {
    if (device->float_vector_width >= 16) return (iv_panel_tile){8, 3, 16};
    if (device->float_vector_width >= 8) return (iv_panel_tile){6, 2, 8};
    return (iv_panel_tile){8, 3, 4};
}

static void tile_options(const iv_panel_tile *tile, const char *more, char *options, size_t size) {
    snprintf(options, size, "-DMR=%zu -DNV=%zu -DVW=%zu%s", tile->rows, tile->vectors, tile->width,
             more);
}

static size_t divide_up(size_t a, size_t b) {
    return (a + b - 1) / b;
}

/* Scratch for a packed operand of `elements` a member (one copy if the members share it). */
static iv_status packed_view(iv_sequence *sequence, const char *use, size_t elements, size_t batch,
                             bool shared, iv_view *view) {
    *view = (iv_view){NULL, 0, shared ? 0 : elements};
    return iv_sequence_scratch(sequence, use, elements * sizeof(float), shared ? 1 : batch,
                               &view->buffer);
}

static iv_status pack_b(iv_sequence *sequence, const iv_gemm_desc *d, const iv_panel_tile *tile,
                        iv_view *panels) {
    const size_t panel_width = tile->vectors * tile->width, n_panels = divide_up(d->n, panel_width);
    const bool shared = d->b.stride == 0;
    const iv_status status = packed_view(sequence, "gemm.panels", n_panels * panel_width * d->k,
                                         d->batch, shared, panels);
    if (status != IV_OK) return status;

    char more[64], options[128];
    snprintf(more, sizeof more, " -DROWS=%zu -DSTRIPS=%zu%s", pack_rows, pack_strips,
             d->transpose_b ? " -DTRANSPOSE_B" : "");
    tile_options(tile, more, options, sizeof options);
    iv_launch *launch = iv_launch_begin(sequence, "gemm_pack", "pack_panels", options);
    iv_arg_view(launch, d->b);
    iv_arg_view(launch, *panels);
    iv_arg_uint(launch, d->n);
    iv_arg_uint(launch, d->k);
    iv_arg_uint(launch, d->ldb);
    return iv_launch_end_by_member(
        launch, 3, (const size_t[]){n_panels, divide_up(d->k, pack_rows), shared ? 1 : d->batch},
        (const size_t[]){1, 1, 1});
}

static iv_status pack_a(iv_sequence *sequence, const iv_gemm_desc *d, const iv_panel_tile *tile,
                        iv_view *strips) {
    const size_t n_strips = divide_up(d->m, tile->rows);
    const bool shared = d->a.stride == 0;
    const iv_status status = packed_view(sequence, "gemm.strips", n_strips * tile->rows * d->k,
                                         d->batch, shared, strips);
    if (status != IV_OK) return status;

    char more[64], options[128];
    snprintf(more, sizeof more, " -DROWS=%zu -DSTRIPS=%zu%s", pack_rows, pack_strips,
             d->transpose_a ? " -DTRANSPOSE_A" : "");
    tile_options(tile, more, options, sizeof options);
    iv_launch *launch = iv_launch_begin(sequence, "gemm_pack", "pack_strips", options);
    iv_arg_view(launch, d->a);
    iv_arg_view(launch, *strips);
    iv_arg_uint(launch, d->m);
    iv_arg_uint(launch, d->k);
    iv_arg_uint(launch, d->lda);
    return iv_launch_end_by_member(launch, 3,
                                   (const size_t[]){divide_up(n_strips, pack_strips),
                                                    divide_up(d->k, pack_rows),
                                                    shared ? 1 : d->batch},
                                   (const size_t[]){1, 1, 1});
}

/* Operands as the kernel reads them: in place or packed. */
typedef struct {
    iv_view a, b;
    size_t lda, ldb, panel_stride;
    bool packed_a, packed_b;
} operands;

/* Lists of the k that count (cl/gemm_lists.cl) for the tiles of one block of k. */
typedef enum { NO_LISTS, LISTS_OF_ROWS, LISTS_OF_COLUMNS } list_kind;

/* A list costs about as much as its tile saves on one or two others beside it. */
enum { TILES_FOR_LISTS = 2 };

static list_kind choose_lists(const iv_gemm_desc *d, const iv_panel_tile *tile, const operands *o) {
    if (d->zeros_a && !d->transpose_a && !o->packed_a &&
        d->n > TILES_FOR_LISTS * tile->vectors * tile->width)
        return LISTS_OF_ROWS;
    if (d->zeros_b && d->m > TILES_FOR_LISTS * tile->rows) return LISTS_OF_COLUMNS;
    return NO_LISTS;
}

static iv_status append_lists(iv_sequence *sequence, const iv_gemm_desc *d,
                              const iv_panel_tile *tile, const operands *o, list_kind kind,
                              size_t first, size_t count, iv_view *lists) {
    const bool of_rows = kind == LISTS_OF_ROWS;
    iv_view operand = of_rows ? o->a : o->b;
    operand.offset += of_rows ? first : first * o->ldb;
    const size_t tiles =
        of_rows ? divide_up(d->m, tile->rows) : divide_up(d->n, tile->vectors * tile->width);
    const size_t n_members = operand.stride == 0 ? 1 : d->batch;
    *lists = (iv_view){NULL, 0, operand.stride == 0 ? 0 : tiles * (count + 1)};
    const iv_status status = iv_sequence_scratch(
        sequence, "gemm.lists", tiles * (count + 1) * sizeof(uint16_t), n_members, &lists->buffer);
    if (status != IV_OK) return status;

    char options[64];
    tile_options(tile, "", options, sizeof options);
    iv_launch *launch =
        iv_launch_begin(sequence, "gemm_lists", of_rows ? "list_rows" : "list_columns", options);
    iv_arg_view(launch, operand);
    iv_arg_view(launch, *lists);
    iv_arg_uint(launch, of_rows ? d->m : d->n);
    iv_arg_uint(launch, count);
    iv_arg_uint(launch, of_rows ? o->lda : o->ldb);
    iv_arg_uint(launch, count + 1);
    if (!of_rows) iv_arg_uint(launch, o->panel_stride);
    return iv_launch_end_by_member(launch, 2, (const size_t[]){tiles, n_members},
                                   (const size_t[]){1, 1});
}

/* The product of one block of k, [first, first + count): the first block sets C, later ones add to
 * it, the last one ends with the epilogue. */
static iv_status append_block(iv_sequence *sequence, const iv_gemm_desc *d,
                              const iv_panel_tile *tile, const operands *o, size_t first,
                              size_t count) {
    const bool is_first = first == 0, is_last = first + count == d->k;
    const bool bias = is_last && d->bias.buffer, gate = is_last && d->gate.buffer;
    const list_kind kind = choose_lists(d, tile, o);
    iv_view lists = {NULL, 0, 0};
    if (kind != NO_LISTS) {
        const iv_status status = append_lists(sequence, d, tile, o, kind, first, count, &lists);
        if (status != IV_OK) return status;
    }
    char epilogue[IV_EPILOGUE_OPTIONS] = "", more[160], options[224];
    if (is_last || d->scale.buffer) iv_gemm_epilogue_options(d, epilogue);
    snprintf(more, sizeof more, "%s%s%s%s%s%s",
             d->transpose_a && !o->packed_a ? " -DTRANSPOSE_A" : "",
             o->packed_a         ? " -DPACKED_A"
             : d->m < tile->rows ? " -DFEW_ROWS"
                                 : "",
             epilogue, d->accumulate || !is_first ? " -DACCUMULATE" : "",
             !d->row_sums.buffer ? ""
             : is_first          ? " -DROW_SUMS=0"
                                 : " -DROW_SUMS=1",
             kind == NO_LISTS        ? ""
             : kind == LISTS_OF_ROWS ? " -DLISTS=0"
                                     : " -DLISTS=1");
    tile_options(tile, more, options, sizeof options);

    iv_view a = o->a, b = o->b;
    a.offset += o->packed_a ? first * tile->rows : d->transpose_a ? first * d->lda : first;
    b.offset += first * o->ldb;
    iv_launch *launch = iv_launch_begin(sequence, "gemm_panel", "gemm_panel", options);
    iv_arg_view(launch, a);
    iv_arg_view(launch, b);
    iv_arg_view(launch, d->c);
    if (d->scale.buffer) iv_arg_view(launch, d->scale);
    if (bias) iv_arg_view(launch, d->bias);
    if (gate) {
        iv_arg_view(launch, d->gate);
        iv_arg_uint(launch, d->gate_rows);
    }
    if (d->row_sums.buffer) iv_arg_view(launch, d->row_sums);
    if (kind != NO_LISTS) {
        iv_arg_view(launch, lists);
        iv_arg_uint(launch, count + 1);
    }
    iv_arg_uint(launch, d->m);
    iv_arg_uint(launch, d->n);
    iv_arg_uint(launch, count);
    iv_arg_uint(launch, o->lda);
    iv_arg_uint(launch, o->ldb);
    iv_arg_uint(launch, o->panel_stride);
    iv_arg_uint(launch, d->ldc);
    const size_t n_panels = divide_up(d->n, tile->vectors * tile->width);
    return iv_launch_end_by_member(
        launch, 3, (const size_t[]){divide_up(d->m, tile->rows), n_panels, d->batch},
        (const size_t[]){1, 1, 1});
}

iv_status iv_gemm_panel(iv_sequence *sequence, const iv_gemm_desc *d, const iv_panel_tile *given) {
    const iv_panel_tile tile =
        given ? *given : choose_tile(iv_context_device(iv_sequence_context(sequence)));
    const size_t panel_width = tile.vectors * tile.width;
    const size_t bytes_a = d->k * d->m * sizeof(float), bytes_b = d->k * d->n * sizeof(float);
    operands o = {.a = d->a, .b = d->b, .lda = d->lda, .ldb = d->ldb, .panel_stride = panel_width};

    /* Whole vectors of a row-major B can be read where they lie. */
    iv_status status = IV_OK;
    o.packed_b = d->transpose_b || d->n % tile.width != 0 ||
                 (bytes_b > pack_bytes && d->m >= 32 * tile.rows);
    if (o.packed_b) {
        status = pack_b(sequence, d, &tile, &o.b);
        o.ldb = panel_width;
        o.panel_stride = panel_width * d->k;
    }
    o.packed_a = d->transpose_a && bytes_a > pack_bytes && d->n >= 4 * panel_width;
    if (status == IV_OK && o.packed_a) {
        status = pack_a(sequence, d, &tile, &o.a);
        o.lda = tile.rows * d->k;
    }

    const size_t n_blocks = divide_up(d->k, block_k), step = divide_up(d->k, n_blocks);
    for (size_t first = 0; first < d->k && status == IV_OK; first += step)
        status =
            append_block(sequence, d, &tile, &o, first, d->k - first < step ? d->k - first : step);
    return status;
}
