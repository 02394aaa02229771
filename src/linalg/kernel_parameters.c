/* Tuned numbers of all kernels but the products' (tune_candidates.c): one row each. */
#include "linalg/tune.h"

#include <assert.h>
#include <string.h>

/* What to try, and how many they are. */
#define TRY(...) {__VA_ARGS__}, sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t)

/* Every row has a piece of work of its own in src/tuning. Candidates are what the kernel's file
 * allows. */
static const iv_kernel_parameter table[] = {
    {"affine", "LANES", 1, 64, TRY(1, 16, 64),
     "work-items of a group for the gradient of transformations"},
    {"affine_batch", "LANES", 1, 64, TRY(1, 32, 64, 128), "work-items that transform an image"},
    {"blur", "ROWS", 1, 0, TRY(0, 1),
     "1: a work-item blurs a row in one pass; 0: a pixel in two passes"},
    {"convolve", "DIRECT", 1, 0, TRY(0, 1),
     "1: images are read where they lie; 0: unfolded, for products"},
    {"feature_mean", "VECTORS", 64, 0, TRY(0, 16, 32, 64, 128),
     "vectors of 16 neighbours that a work-item takes; 0: one neighbour"},
    {"fourier", "LANES", 1, 32, TRY(1, 8, 16, 32),
     "work-items that compute a transform side by side"},
    {"image_batch", "ROWS", 16, 1, TRY(1, 4, 16, 64),
     "images that a work-item gathers, where WHOLE is 1"},
    {"image_batch", "SAMPLES", 64, 1, TRY(1, 16, 64, 256),
     "samples that a work-item draws: 1 or a multiple of 8"},
    {"image_batch", "WHOLE", 1, 0, TRY(0, 1), "1: a work-item gathers whole images; 0: a pixel"},
    {"loss", "WIDE", 1, 0, TRY(0, 1), "1: up to 16 classes of cross-entropy as one vector of 16"},
    {"mean_square", "LANES", 16, 256, TRY(16, 64, 256),
     "work-items of the group that adds 256 sums"},
    {"mean_square", "ROW_LANES", 8, 64, TRY(4, 8, 16, 64), "work-items that sum a column"},
    {"optimizer", "CHUNK", 64, 1, TRY(1, 16, 64, 256), "vectors that a work-item updates"},
    {"optimizer", "VW", 16, 4, TRY(4, 8, 16), "floats of a vector"},
    {"orbit", "WHOLE", 1, 0, TRY(0, 1), "1: a work-item gathers whole images; 0: a pixel"},
    {"pair_loss", "LANES", 1, 64, TRY(1, 16, 32, 64), "work-items that share a pair"},
    {"pair_loss", "PAIRS", 8, 1, TRY(1, 4, 8, 16, 32),
     "pairs of a group, where a work-item has one"},
    {"pool", "PLANES", 1, 0, TRY(0, 1), "1: a work-item pools planes; 0: a pixel"},
    {"posterior", "LANES", 1, 64, TRY(1, 16, 32, 64),
     "work-items that share a row of a factor; 1: rows in turn"},
    {"rich", "ROWS", 8, 0, TRY(0, 1, 4, 8, 16, 32), "rows that a work-item takes; 0: a pair"},
    {"sgpr", "CHUNK", 2048, 8192, TRY(1024, 2048, 4096, 8192), "rows of data at a time"},
    {"signal_batch", "SAMPLES", 32, 32, TRY(1, 8, 32, 128),
     "signals that a work-item takes, where fourier.LANES is 1"},
    {"svd", "VECTORS", 1, 0, TRY(0, 1), "1: wide vectors in one work-item; 0: many work-items"},
    {"triangular", "BLOCK", 192, 128, TRY(64, 128, 192, 256), "rows of a block on the diagonal"},
    {"warp", "SAMPLES", 8, 8, TRY(2, 4, 8, 16, 32),
     "transformations that a work-item takes, where VECTORS is 1"},
    {"warp", "VECTORS", 1, 0, TRY(0, 1), "1: 16 images of up to 48 x 48 side by side; 0: a pixel"},
};

#define N_PARAMETERS (sizeof table / sizeof *table)
_Static_assert(N_PARAMETERS <= (size_t)IV_MAX_KERNEL_PARAMETERS, "more rows than a tuning holds");

size_t iv_kernel_parameters(const iv_kernel_parameter **rows) {
    *rows = table;
    return N_PARAMETERS;
}

size_t iv_kernel_row(const char *kernel, const char *name) {
    size_t row = 0;
    while (row < N_PARAMETERS &&
           (strcmp(table[row].kernel, kernel) != 0 || strcmp(table[row].name, name) != 0))
        row++;
    return row;
}

bool iv_kernel_allows(size_t row, size_t value) {
    for (size_t i = 0; i < table[row].n_candidates; i++)
        if (table[row].candidates[i] == value) return true;
    return false;
}

size_t iv_kernel_default(const iv_device_info *device, const char *kernel, const char *name) {
    const size_t row = iv_kernel_row(kernel, name);
    assert(row < N_PARAMETERS);
    return device->type == IV_DEVICE_CPU ? table[row].cpu : table[row].gpu;
}

size_t iv_kernel_value(iv_context *context, const char *kernel, const char *name) {
    const iv_tuning *tuning = iv_tuning_of(context);
    const size_t tuned = tuning ? tuning->parameters[iv_kernel_row(kernel, name)] : 0;
    return tuned ? tuned - 1 : iv_kernel_default(iv_context_device(context), kernel, name);
}

iv_status iv_kernel_set(iv_context *context, const char *kernel, const char *name, size_t value) {
    const size_t row = iv_kernel_row(kernel, name);
    if (row == N_PARAMETERS || (value != IV_KERNEL_UNTUNED && !iv_kernel_allows(row, value)))
        return iv_fail(iv_context_error(context), IV_EINVAL, "%s.%s cannot be %zu", kernel, name,
                       value);
    const iv_tuning *tuning = iv_tuning_of(context);
    if (!tuning) return IV_ENOMEM;
    iv_tuning changed = *tuning;
    changed.parameters[row] = value == IV_KERNEL_UNTUNED ? 0 : value + 1;
    return iv_tuning_attach(context, &changed);
}

iv_status iv_kernel_keep(iv_context *context) {
    const iv_tuning *tuning = iv_tuning_of(context);
    return tuning ? iv_tuning_store(context, tuning) : IV_ENOMEM;
}
