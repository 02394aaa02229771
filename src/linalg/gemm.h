/* Inside the linalg room: the engines behind iv_gemm and how one is chosen. A description that
 * reaches an engine is checked and has gate_rows >= 1. */
#ifndef INVAR_LINALG_GEMM_H
#define INVAR_LINALG_GEMM_H

#include <invar/linalg.h>

/* What one work-item of the panel engine computes: `rows` x (`vectors` * `width`) entries of C. */
typedef struct {
    size_t rows, vectors, width;
} iv_panel_tile;

/* What a work-group of the tiled engine computes, `rows` x `columns` entries of C, in steps of
 * `depth` along k; a work-item computes item_rows x item_columns of them. */
typedef struct {
    size_t rows, columns, depth, item_rows, item_columns;
} iv_gemm_tile;

/* An engine with its parameters; those of the other engines are not read. Zeros: the engine's own
 * default. CLBlast's are per device: see linalg/clblast_parameters.h. */
typedef struct {
    iv_gemm_engine engine; /* not IV_ENGINE_AUTO */
    iv_panel_tile panel;
    iv_gemm_tile tiled;
} iv_gemm_choice;

/* One choice for a device and a product, whatever the batch: a member must not change its bits with
 * the population. INVAR_GEMM_ENGINE, then what the tuner found, then a default of the device's
 * type. IV_EINVAL if INVAR_GEMM_ENGINE names no engine. */
iv_status iv_gemm_choose(iv_context *context, const iv_gemm_desc *desc, iv_gemm_choice *choice);

/* The choice where nothing was tuned. */
iv_gemm_choice iv_gemm_default_choice(const iv_device_info *device, const iv_gemm_desc *desc);

/* iv_gemm with a choice made: checks the description and appends. desc->engine is not read. */
iv_status iv_gemm_append(iv_sequence *sequence, const iv_gemm_desc *desc,
                         const iv_gemm_choice *choice);

/* The engines. tile: NULL for the engine's default. */
iv_status iv_gemm_clblast(iv_sequence *sequence, const iv_gemm_desc *desc);
iv_status iv_gemm_panel(iv_sequence *sequence, const iv_gemm_desc *desc, const iv_panel_tile *tile);
iv_status iv_gemm_tiled(iv_sequence *sequence, const iv_gemm_desc *desc, const iv_gemm_tile *tile);

/* Compiler options for the epilogue's scale, bias, activation and
 * gate, as their kernels take them. */
enum { IV_EPILOGUE_OPTIONS = 48 };
void iv_gemm_epilogue_options(const iv_gemm_desc *desc, char options[IV_EPILOGUE_OPTIONS]);

/* Whether the tiled kernel can be built with this tile on any device: divisibility, at most 256
 * work-items, at most 32 KiB of local memory. */
bool iv_gemm_tile_fits(const iv_gemm_tile *tile);

#endif
