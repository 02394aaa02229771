/* What the tuner tries: a few dozen configurations that won somewhere, not a search of them all, so
 * that a minute is enough for every product of the studies. */
#include "linalg/tune.h"

/* Beside the engine's default. */
static const iv_panel_tile tiles_512[] = {{12, 2, 16}, {14, 2, 16}, {6, 4, 16}, {4, 4, 16},
                                          {8, 2, 16},  {4, 3, 16},  {6, 2, 8}};
static const iv_panel_tile tiles_256[] = {{4, 3, 8}, {4, 2, 8}, {3, 4, 8}, {8, 1, 8}, {8, 3, 4}};
static const iv_panel_tile tiles_128[] = {{6, 4, 4}, {4, 4, 4}, {8, 2, 4}, {4, 3, 4}, {12, 2, 4}};

static const iv_gemm_tile gpu_tiles[] = {
    {64, 64, 16, 4, 4},   {64, 64, 16, 8, 8},  {128, 64, 16, 8, 4}, {64, 128, 16, 4, 8},
    {128, 128, 16, 8, 8}, {128, 64, 16, 8, 8}, {64, 64, 8, 4, 8},   {64, 64, 32, 4, 4},
    {32, 32, 16, 4, 2},   {32, 64, 16, 4, 4},  {64, 32, 16, 4, 4},  {32, 32, 32, 4, 4},
    {128, 128, 8, 8, 8},  {64, 16, 16, 4, 4},  {128, 16, 16, 4, 4}, {16, 64, 16, 4, 4},
    {32, 16, 32, 2, 2},   {16, 16, 32, 2, 2},
};

static size_t add(iv_gemm_choice *candidates, size_t n, iv_gemm_choice choice) {
    if (n < IV_MAX_CANDIDATES) candidates[n++] = choice;
    return n;
}

static size_t add_panels(iv_gemm_choice *candidates, size_t n, const iv_device_info *device) {
    const size_t width = device->float_vector_width;
    const iv_panel_tile *tiles = width >= 16 ? tiles_512 : width >= 8 ? tiles_256 : tiles_128;
    const size_t n_tiles = width >= 16  ? sizeof tiles_512 / sizeof *tiles
                           : width >= 8 ? sizeof tiles_256 / sizeof *tiles
                                        : sizeof tiles_128 / sizeof *tiles;
    for (size_t i = 0; i < n_tiles; i++)
        n = add(candidates, n, (iv_gemm_choice){.engine = IV_ENGINE_PANEL, .panel = tiles[i]});
    return n;
}

/* A tile twice as long as the matrix would leave most of its work-items idle. */
static bool suits(const iv_gemm_tile *tile, const iv_gemm_desc *desc) {
    return (tile->rows < 2 * desc->m || tile->rows <= 32) &&
           (tile->columns < 2 * desc->n || tile->columns <= 16) && iv_gemm_tile_fits(tile);
}

size_t iv_tune_candidates(const iv_device_info *device, const iv_gemm_desc *desc,
                          iv_gemm_choice candidates[IV_MAX_CANDIDATES]) {
    const bool is_cpu = device->type == IV_DEVICE_CPU;
    const iv_gemm_choice untuned = iv_gemm_default_choice(device, desc);
    size_t n = add(candidates, 0, untuned);
    if (is_cpu) n = add_panels(candidates, n, device);
    if (!is_cpu && untuned.engine != IV_ENGINE_CLBLAST)
        n = add(candidates, n, (iv_gemm_choice){.engine = IV_ENGINE_CLBLAST});
    for (size_t i = 0; i < sizeof gpu_tiles / sizeof *gpu_tiles && !is_cpu; i++)
        if (suits(&gpu_tiles[i], desc))
            n = add(candidates, n,
                    (iv_gemm_choice){.engine = IV_ENGINE_TILED, .tiled = gpu_tiles[i]});

    /* The engines made for the other kind of device come last: one try each. */
    if (is_cpu) {
        n = add(candidates, n, (iv_gemm_choice){.engine = IV_ENGINE_CLBLAST});
        n = add(candidates, n, (iv_gemm_choice){.engine = IV_ENGINE_TILED});
    } else {
        n = add(candidates, n, (iv_gemm_choice){.engine = IV_ENGINE_PANEL});
    }
    return n;
}

/* Values that CLBlast's database holds for devices of several makers. */
size_t iv_tune_clblast_sets(const iv_clblast_parameters **sets) {
    static const iv_clblast_parameters table[] = {
        {.threshold = 1024,
         .direct = {2, 8, 8, 16, 16, 1, 1, 4, 2, 32},
         .packed = {0, 1, 32, 2, 16, 16, 64, 8, 8, 64, 1, 1, 0, 0, 4, 4}},
        {.threshold = 256,
         .direct = {2, 8, 8, 16, 16, 1, 1, 4, 2, 32},
         .packed = {0, 1, 32, 2, 16, 16, 64, 8, 8, 64, 1, 1, 0, 0, 4, 4}},
        {.threshold = 1024,
         .direct = {2, 8, 8, 8, 8, 1, 1, 4, 4, 32},
         .packed = {0, 1, 16, 2, 8, 16, 64, 8, 8, 128, 1, 1, 1, 0, 4, 8}},
        {.threshold = 256,
         .direct = {2, 16, 16, 8, 8, 1, 1, 1, 1, 16},
         .packed = {0, 1, 16, 2, 8, 16, 64, 8, 8, 128, 1, 1, 1, 0, 4, 8}},
    };
    *sets = table;
    return sizeof table / sizeof *table;
}
