/* Singular values: choose kernels for the device and the shape, size their scratch, append the
 * launches. The method is told in cl/svd.cl. */
#include <invar/linalg.h>
#include <invar/tune.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More sweeps than any matrix has needed by far; LAPACK's sgesvj stops at 30 too. */
#define MAX_SWEEPS 30

/* With entries scaled to about 1: far below the rounding errors of the reduction, and far above
 * where squares of floats underflow. */
#define NEGLIGIBLE "1e-30f"

/* Matrices side by side in svd_packed.cl, and the most rows for which that is worth it: up to there
 * a work-item's triangles fit a 64 KiB share of the second-level cache. */
#define PACK       16
#define MAX_PACKED 32

/* How a kernel divides work: see cl/svd.cl. */
typedef struct {
    unsigned vec, team, teams;
} work_shape;

typedef struct {
    size_t k, l;         /* the shorter and the longer side */
    bool keeps_vectors;  /* u or vt are wanted */
    bool is_packed;      /* svd_packed.cl does the rotations */
    work_shape reduce;   /* svd_triangularise, svd_vectors */
    work_shape rotate;   /* svd_rotate */
    size_t n_groups;     /* work-groups; each loops over its share of the matrices */
    size_t long_blocks;  /* blocks of a row of length l */
    size_t short_blocks; /* blocks of a row of length k */
    size_t width;        /* floats of a row of a triangle */
    cl_mem reflectors, factors, triangles, unscale, lengths, order, scratch;
} svd_plan;

static size_t size_min(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Wide vectors in one work-item, rather than many work-items? */
static bool prefers_vectors(iv_context *context) {
    const char *kernels = getenv("INVAR_SVD_KERNELS");
    if (kernels && strcmp(kernels, "vector") == 0) return true;
    if (kernels && strcmp(kernels, "group") == 0) return false;
    return iv_kernel_value(context, "svd", "VECTORS");
}

/* Work-items that rotate a pair of rows: rows of the triangle are short, and small teams rotate more
 * pairs at a time. Mesa's rusticl (25.0.7, 26.2.6) ends the process in a rotation by several. */
static unsigned rotation_team(const iv_device_info *device) {
    return strcmp(device->platform, "rusticl") == 0 ? 1 : 8;
}

static work_shape group_shape(size_t k, unsigned team) {
    const unsigned group = k <= 16 ? 64 : 256;
    return (work_shape){.vec = 1, .team = team, .teams = group / team};
}

static iv_status check(const iv_svd_desc *desc, iv_error *error) {
    if (desc->m == 0 || desc->n == 0 || desc->batch == 0) {
        return iv_fail(error, IV_EINVAL,
                       "iv_svd: %zu matrices of %zu x %zu; every size must be positive",
                       desc->batch, desc->m, desc->n);
    }
    if (!desc->a.buffer || !desc->s.buffer) {
        return iv_fail(error, IV_EINVAL,
                       "iv_svd: the matrices or the singular values have no buffer");
    }
    /* Kernels index inside a matrix, and inside its triangle beside the identity, by uint. */
    const size_t k = size_min(desc->m, desc->n), limit = (size_t)1 << 31;
    if (desc->m + 16 > limit / (desc->n + 16) || k + 16 > limit / (2 * (k + 16)) ||
        desc->batch > limit) {
        return iv_fail(error, IV_EINVAL, "iv_svd: %zu matrices of %zu x %zu are too large",
                       desc->batch, desc->m, desc->n);
    }
    return IV_OK;
}

static void choose_kernels(const iv_svd_desc *desc, iv_context *context, svd_plan *plan) {
    const iv_device_info *device = iv_context_device(context);
    plan->k = size_min(desc->m, desc->n);
    plan->l = desc->m > desc->n ? desc->m : desc->n;
    plan->keeps_vectors = desc->u.buffer || desc->vt.buffer;

    /* Nothing here may depend on `batch` but the number of groups: a matrix gets the same bits in
     * any. */
    const bool vectors = prefers_vectors(context);
    plan->is_packed = vectors && !plan->keeps_vectors && plan->k <= MAX_PACKED;
    if (vectors) {
        plan->reduce = plan->rotate = (work_shape){.vec = 16, .team = 1, .teams = 1};
    } else {
        plan->reduce = group_shape(plan->k, 32);
        plan->rotate = group_shape(plan->k, rotation_team(device));
    }
    const size_t vec = plan->reduce.vec;
    plan->long_blocks = (plan->l + vec - 1) / vec;
    plan->short_blocks = (plan->k + vec - 1) / vec;
    plan->width =
        plan->is_packed ? plan->k : plan->short_blocks * vec * (plan->keeps_vectors ? 2 : 1);

    /* Enough to keep the compute units busy; few enough that
     * scratch stays in the caches of a CPU. */
    const size_t packs = plan->is_packed ? (desc->batch + PACK - 1) / PACK : desc->batch;
    plan->n_groups = size_min(packs, (size_t)device->compute_units * (vectors ? 8 : 16));
    if (plan->n_groups == 0) plan->n_groups = 1;
}

/* A scratch buffer of count1 * count2 * count3 words of 4 bytes. */
static iv_status scratch(iv_sequence *sequence, size_t count1, size_t count2, size_t count3,
                         cl_mem *buffer) {
    iv_error *error = iv_context_error(iv_sequence_context(sequence));
    size_t bytes = sizeof(float);
    iv_status status = iv_multiply_size(bytes, count1, &bytes, error);
    if (status == IV_OK) status = iv_multiply_size(bytes, count2, &bytes, error);
    if (status == IV_OK) status = iv_multiply_size(bytes, count3, &bytes, error);
    return status == IV_OK ? iv_sequence_buffer(sequence, bytes, buffer) : status;
}

static iv_status allocate(iv_sequence *sequence, size_t batch, svd_plan *plan) {
    const size_t slots = plan->keeps_vectors ? batch : plan->n_groups;
    const size_t padded_batch = (batch + PACK - 1) / PACK * PACK;
    const size_t long_row = plan->long_blocks * plan->reduce.vec;
    iv_status status = scratch(sequence, slots, plan->k, long_row, &plan->reflectors);
    if (status == IV_OK) status = scratch(sequence, slots, plan->k, 1, &plan->factors);
    if (status == IV_OK) {
        status = scratch(sequence, padded_batch, plan->k, plan->width, &plan->triangles);
    }
    if (status == IV_OK) status = scratch(sequence, padded_batch, 1, 1, &plan->unscale);
    if (status == IV_OK && !plan->is_packed) {
        status = scratch(sequence, batch, plan->k, 1, &plan->lengths);
        if (status == IV_OK) status = scratch(sequence, batch, plan->k, 1, &plan->order);
    }
    if (status == IV_OK && plan->keeps_vectors) {
        status = scratch(sequence, plan->n_groups, plan->reduce.teams, long_row, &plan->scratch);
    }
    return status;
}

static void build_options(char *options, size_t size, work_shape shape, unsigned pack) {
    snprintf(
        options, size,
        "-DVEC=%u -DWANTED_TEAM=%u -DWANTED_GROUP=%u -DPACK=%u -DMAX_SWEEPS=%d -DNEGLIGIBLE=%s",
        shape.vec, shape.team, shape.team * shape.teams, pack, MAX_SWEEPS, NEGLIGIBLE);
}

/* Append a launch of n_groups work-groups, with the local memory that sums over teams need. */
static iv_status end_launch(iv_launch *launch, const svd_plan *plan, work_shape shape) {
    const size_t local = (size_t)shape.team * shape.teams;
    const size_t global = local * plan->n_groups;
    iv_arg_local(launch, 2 * local * sizeof(cl_float4));
    return iv_launch_end(launch, 1, &global, &local);
}

static iv_status append_reduction(iv_sequence *sequence, const iv_svd_desc *desc,
                                  const svd_plan *plan) {
    char options[160];
    build_options(options, sizeof options, plan->reduce, plan->is_packed ? PACK : 1);
    iv_launch *launch = iv_launch_begin(sequence, "svd_reduce", "svd_triangularise", options);
    iv_arg_view(launch, desc->a);
    iv_arg_uint(launch, desc->m);
    iv_arg_uint(launch, desc->n);
    iv_arg_uint(launch, desc->batch);
    iv_arg_uint(launch, plan->keeps_vectors);
    iv_arg_buffer(launch, plan->reflectors);
    iv_arg_buffer(launch, plan->factors);
    iv_arg_buffer(launch, plan->triangles);
    iv_arg_uint(launch, plan->width);
    iv_arg_buffer(launch, plan->unscale);
    return end_launch(launch, plan, plan->reduce);
}

static iv_status append_rotations(iv_sequence *sequence, const iv_svd_desc *desc,
                                  const svd_plan *plan) {
    /* Cosines between rows that rounding leaves behind grow like the square root of their length;
     * the criterion of LAPACK's sgesvj. */
    const float tolerance = FLT_EPSILON * sqrtf((float)plan->k);
    char options[160];
    if (plan->is_packed) {
        snprintf(options, sizeof options, "-DPACK=%d -DMAX_K=%d -DMAX_SWEEPS=%d -DNEGLIGIBLE=%s",
                 PACK, MAX_PACKED, MAX_SWEEPS, NEGLIGIBLE);
        iv_launch *launch = iv_launch_begin(sequence, "svd_packed", "svd_rotate_packed", options);
        iv_arg_uint(launch, plan->k);
        iv_arg_uint(launch, desc->batch);
        iv_arg_buffer(launch, plan->triangles);
        iv_arg_float(launch, tolerance);
        iv_arg_buffer(launch, plan->unscale);
        iv_arg_view(launch, desc->s);
        const size_t global = (desc->batch + PACK - 1) / PACK, local = 1;
        return iv_launch_end(launch, 1, &global, &local);
    }
    build_options(options, sizeof options, plan->rotate, 1);
    iv_launch *launch = iv_launch_begin(sequence, "svd_rotate", "svd_rotate", options);
    iv_arg_uint(launch, plan->k);
    iv_arg_uint(launch, desc->batch);
    iv_arg_buffer(launch, plan->triangles);
    iv_arg_uint(launch, plan->short_blocks);
    iv_arg_uint(launch, plan->width / plan->rotate.vec);
    iv_arg_float(launch, tolerance);
    iv_arg_buffer(launch, plan->unscale);
    iv_arg_buffer(launch, plan->lengths);
    iv_arg_buffer(launch, plan->order);
    iv_arg_view(launch, desc->s);
    return end_launch(launch, plan, plan->rotate);
}

static iv_status append_vectors(iv_sequence *sequence, const iv_svd_desc *desc,
                                const svd_plan *plan) {
    char options[160];
    build_options(options, sizeof options, plan->reduce, 1);
    iv_launch *launch = iv_launch_begin(sequence, "svd_vectors", "svd_vectors", options);
    iv_arg_uint(launch, desc->m);
    iv_arg_uint(launch, desc->n);
    iv_arg_uint(launch, desc->batch);
    iv_arg_buffer(launch, plan->reflectors);
    iv_arg_buffer(launch, plan->factors);
    iv_arg_buffer(launch, plan->triangles);
    iv_arg_uint(launch, plan->width / plan->reduce.vec);
    iv_arg_buffer(launch, plan->unscale);
    iv_arg_buffer(launch, plan->lengths);
    iv_arg_buffer(launch, plan->order);
    iv_arg_buffer(launch, plan->scratch);
    /* The kernel does not touch what stands in for an output that is not wanted. */
    iv_arg_uint(launch, desc->u.buffer != NULL);
    iv_arg_view(launch, desc->u.buffer ? desc->u : desc->vt);
    iv_arg_uint(launch, desc->vt.buffer != NULL);
    iv_arg_view(launch, desc->vt.buffer ? desc->vt : desc->u);
    return end_launch(launch, plan, plan->reduce);
}

iv_status iv_svd(iv_sequence *sequence, const iv_svd_desc *desc) {
    iv_context *context = iv_sequence_context(sequence);
    svd_plan plan = {0};
    iv_status status = check(desc, iv_context_error(context));
    if (status != IV_OK) return status;
    choose_kernels(desc, context, &plan);
    status = allocate(sequence, desc->batch, &plan);
    if (status == IV_OK) status = append_reduction(sequence, desc, &plan);
    if (status == IV_OK) status = append_rotations(sequence, desc, &plan);
    if (status == IV_OK && plan.keeps_vectors) status = append_vectors(sequence, desc, &plan);
    return status;
}

static iv_status append_factor(iv_sequence *sequence, const iv_lq_desc *desc,
                               const svd_plan *plan) {
    iv_launch *launch = iv_launch_begin(sequence, "svd_factor", "lq_factor", NULL);
    iv_arg_buffer(launch, plan->triangles);
    iv_arg_uint(launch, plan->width);
    iv_arg_buffer(launch, plan->unscale);
    iv_arg_view(launch, desc->l);
    iv_arg_uint(launch, desc->m);
    return iv_launch_end(launch, 3, (const size_t[]){desc->m, desc->m, desc->batch}, NULL);
}

/* The reduction of iv_svd, without the rotations. */
iv_status iv_lq(iv_sequence *sequence, const iv_lq_desc *desc) {
    iv_context *context = iv_sequence_context(sequence);
    const iv_svd_desc reduction = {
        .m = desc->m, .n = desc->n, .batch = desc->batch, .a = desc->a, .s = desc->l};
    svd_plan plan = {0};
    iv_status status = check(&reduction, iv_context_error(context));
    if (status == IV_OK && desc->m > desc->n)
        status = iv_fail(iv_context_error(context), IV_EINVAL,
                         "iv_lq: %zu x %zu; a matrix must not have more rows than columns", desc->m,
                         desc->n);
    if (status != IV_OK) return status;
    choose_kernels(&reduction, context, &plan);
    if (plan.is_packed) { /* triangles one after another, not side by side */
        plan.is_packed = false;
        plan.width = plan.short_blocks * plan.reduce.vec;
    }
    status = allocate(sequence, desc->batch, &plan);
    if (status == IV_OK) status = append_reduction(sequence, &reduction, &plan);
    if (status == IV_OK) status = append_factor(sequence, desc, &plan);
    return status;
}
