/* Natural gradients of posteriors: the end of a training step. Kernels: cl/natural.cl. */
#include "train/posterior.h"

#include <invar/linalg.h>

/* Columns of the symmetric products that are computed from their first row on, which is little more
 * than half of all: a whole number of panels and tiles of the products. */
enum { BLOCK = 192, PIECE = IV_POSTERIOR_PIECE };

/* Of a member's numbers for a step, and which of them scales products: cl/natural.cl. */
enum { SCALE = 2, RATES = 4 };

/* One step's end. Matrices of all classes of all members are one batch. */
typedef struct {
    const iv_posterior *p;
    iv_sequence *sequence;
    size_t n, n_classes, n_matrices, n_rows;
    iv_view features, curvatures;
    cl_mem half, step; /* [R, C, H]: L^T of what pulls at the means, L of that */
    cl_mem rates;      /* [R, RATES] */
    cl_mem shares;     /* [R] */
    cl_mem weighted;   /* [R, B, H] */
    cl_mem inverses;   /* [R, C, H, H] */
    cl_mem failed;     /* int [R, C] */
} newton;

static iv_launch *begin(const newton *s, const char *function) {
    return iv_launch_begin(s->sequence, "natural", function, NULL);
}

static iv_status end_of_weights(const newton *s, iv_launch *launch) {
    return iv_launch_end_by_member(launch, 2,
                                   (const size_t[]){s->n_classes * s->n, s->p->n_members}, NULL);
}

static iv_status end_of_squares(const newton *s, iv_launch *launch) {
    return iv_launch_end(launch, 3, (const size_t[]){s->n, s->n, s->n_matrices}, NULL);
}

/* ------------------------------------------------------------------ memory */

static iv_status create_scratch(newton *s) {
    const size_t n_members = s->p->n_members, n_weights = s->n_matrices * s->n;
    const size_t matrix_bytes = s->n * s->n * sizeof(float);
    iv_sequence *sequence = s->sequence;
    iv_status status = iv_sequence_buffer(sequence, n_weights * sizeof(float), &s->half);
    if (status == IV_OK) status = iv_sequence_buffer(sequence, n_weights * sizeof(float), &s->step);
    if (status == IV_OK)
        status = iv_sequence_buffer(sequence, RATES * n_members * sizeof(float), &s->rates);
    if (status == IV_OK)
        status = iv_sequence_buffer(sequence, n_members * sizeof(float), &s->shares);
    if (status == IV_OK)
        status = iv_sequence_scratch(sequence, "natural.weighted", s->n_rows * s->n * sizeof(float),
                                     n_members, &s->weighted);
    if (status == IV_OK)
        status = iv_sequence_scratch(sequence, "natural.inverses", matrix_bytes, s->n_matrices,
                                     &s->inverses);
    return status == IV_OK
               ? iv_sequence_buffer(sequence, s->n_matrices * sizeof(int32_t), &s->failed)
               : status;
}

/* ------------------------------------------------------------------ the precisions */

static iv_status append_rates(const newton *s) {
    const iv_posterior *p = s->p;
    iv_launch *launch = begin(s, "natural_rates");
    iv_arg_buffer(launch, p->prior);
    iv_arg_buffer(launch, s->rates);
    iv_arg_float(launch, p->desc.newton.trust);
    iv_arg_float(launch, (float)p->desc.n_data);
    iv_arg_uint(launch, s->n_rows * p->desc.newton.every);
    iv_arg_float(launch, p->desc.newton.rate);
    iv_arg_uint(launch, p->desc.newton.hold);
    iv_arg_float(launch, p->desc.newton.least);
    iv_arg_uint(launch, p->n_members);
    iv_arg_uint(launch, p->desc.newton.every);
    iv_arg_step(launch);
    return iv_launch_end(launch, 1, &p->n_members, NULL);
}

static iv_status append_pull(const newton *s) {
    const iv_posterior *p = s->p;
    iv_launch *launch = begin(s, "natural_pull");
    iv_arg_buffer(launch, p->mean->values);
    iv_arg_buffer(launch, p->optimizer->gradient);
    iv_arg_uint(launch, p->mean->stride);
    iv_arg_buffer(launch, p->prior);
    iv_arg_buffer(launch, s->rates);
    iv_arg_buffer(launch, p->pull);
    iv_arg_uint(launch, s->n_classes * s->n);
    iv_arg_uint(launch, s->n_rows);
    iv_arg_uint(launch, p->desc.newton.every);
    iv_arg_step(launch);
    return end_of_weights(s, launch);
}

static iv_status append_decay(const newton *s) {
    iv_launch *launch = begin(s, "natural_decay");
    iv_arg_buffer(launch, s->p->precisions);
    iv_arg_buffer(launch, s->p->prior);
    iv_arg_buffer(launch, s->rates);
    iv_arg_uint(launch, s->n);
    iv_arg_uint(launch, s->n_classes);
    return end_of_squares(s, launch);
}

static iv_status append_weighted(const newton *s, size_t c) {
    iv_launch *launch = begin(s, "natural_weighted");
    iv_arg_view(launch, s->features);
    iv_arg_view(launch, s->curvatures);
    iv_arg_buffer(launch, s->weighted);
    iv_arg_uint(launch, c);
    iv_arg_uint(launch, s->n_rows);
    iv_arg_uint(launch, s->n);
    iv_arg_uint(launch, s->n_classes);
    return iv_launch_end_by_member(launch, 3, (const size_t[]){s->n, s->n_rows, s->p->n_members},
                                   NULL);
}

/* P_c += rho n / B A^T A, A the weighted features, on and below the diagonal. */
static iv_status append_curvature(const newton *s, size_t c) {
    const size_t n = s->n;
    iv_status status = append_weighted(s, c);
    for (size_t first = 0; first < n && status == IV_OK; first += BLOCK) {
        iv_gemm_desc gemm = {
            .m = n - first,
            .n = n - first < BLOCK ? n - first : BLOCK,
            .k = s->n_rows,
            .batch = s->p->n_members,
            .transpose_a = true,
            .a = {s->weighted, first, s->n_rows * n},
            .b = {s->weighted, first, s->n_rows * n},
            .c = {s->p->precisions, (c * n + first) * n + first, s->n_classes * n * n},
            .lda = n,
            .ldb = n,
            .ldc = n,
            .accumulate = true,
            .scale = {s->rates, SCALE, RATES}};
        status = iv_gemm(s->sequence, &gemm);
    }
    return status;
}

/* ------------------------------------------------------------------ their factors */

/* The memory of L as a square holds the Cholesky factor before. */
static iv_status append_factor(const newton *s) {
    const size_t n = s->n;
    const iv_view matrices = {s->p->squares, 0, n * n}, inverses = {s->inverses, 0, n * n};
    iv_launch *launch = begin(s, "natural_copy");
    iv_arg_buffer(launch, s->p->precisions);
    iv_arg_buffer(launch, s->p->squares);
    iv_arg_uint(launch, n);
    iv_status status = end_of_squares(s, launch);
    if (status == IV_OK)
        status = iv_cholesky(s->sequence, &(const iv_cholesky_desc){
                                              n, s->n_matrices, n, matrices, {s->failed, 0, 1}});
    if (status == IV_OK)
        status = iv_triangular_inverse(
            s->sequence, &(const iv_triangular_desc){n, s->n_matrices, n, matrices, inverses});
    if (status != IV_OK) return status;
    launch = begin(s, "natural_factor");
    iv_arg_buffer(launch, s->inverses);
    iv_arg_buffer(launch, s->failed);
    iv_arg_buffer(launch, s->p->factor);
    iv_arg_buffer(launch, s->p->squares);
    iv_arg_uint(launch, n);
    iv_arg_uint(launch, s->p->entries);
    const size_t pieces = (n + PIECE - 1) / PIECE;
    return iv_launch_end(launch, 3, (const size_t[]){pieces, pieces, s->n_matrices}, NULL);
}

/* ------------------------------------------------------------------ the means */

/* out_c = in_c L_c, or in_c L_c^T. */
static iv_status append_product(const newton *s, cl_mem in, bool transpose, cl_mem out) {
    const size_t n = s->n;
    return iv_gemm(s->sequence, &(const iv_gemm_desc){.m = 1,
                                                      .n = n,
                                                      .k = n,
                                                      .batch = s->n_matrices,
                                                      .transpose_b = transpose,
                                                      .a = {in, 0, n},
                                                      .b = {s->p->squares, 0, n * n},
                                                      .c = {out, 0, n},
                                                      .lda = n,
                                                      .ldb = n,
                                                      .ldc = n});
}

/* How much of its step a member moves by. With d = P^-1 pull, d^T P d = |L^T pull|^2. */
static iv_status append_shares(const newton *s) {
    iv_launch *launch = begin(s, "natural_share");
    iv_arg_buffer(launch, s->half);
    iv_arg_buffer(launch, s->rates);
    iv_arg_buffer(launch, s->shares);
    iv_arg_uint(launch, s->n_classes * s->n);
    return iv_launch_end_by_member(launch, 2, (const size_t[]){64, s->p->n_members},
                                   (const size_t[]){64, 1});
}

static iv_status append_move(const newton *s) {
    iv_status status = append_product(s, s->p->pull, false, s->half);
    if (status == IV_OK) status = append_shares(s);
    if (status == IV_OK) status = append_product(s, s->half, true, s->step);
    if (status != IV_OK) return status;
    iv_launch *launch = begin(s, "natural_move");
    iv_arg_buffer(launch, s->p->mean->values);
    iv_arg_uint(launch, s->p->mean->stride);
    iv_arg_buffer(launch, s->step);
    iv_arg_buffer(launch, s->shares);
    iv_arg_uint(launch, s->n_classes * s->n);
    return end_of_weights(s, launch);
}

iv_status iv_posterior_append_newton(iv_posterior *p, iv_sequence *sequence, size_t n_rows,
                                     iv_view features, iv_view curvatures) {
    newton s = {.p = p,
                .sequence = sequence,
                .n = p->desc.n_features,
                .n_classes = p->desc.n_classes,
                .n_matrices = p->n_members * p->desc.n_classes,
                .n_rows = n_rows,
                .features = features,
                .curvatures = curvatures};
    const uint32_t every = p->desc.newton.every;
    iv_status status = create_scratch(&s);
    if (status == IV_OK) status = iv_posterior_append_statistics(p, sequence);
    if (status == IV_OK) status = iv_posterior_append_kl(p, sequence);
    if (status == IV_OK) status = append_rates(&s);
    iv_sequence_only(sequence, every, 0);
    if (status == IV_OK) status = iv_posterior_append_alpha(p, sequence);
    if (status == IV_OK) status = append_decay(&s);
    iv_sequence_only(sequence, 1, 0);
    if (status == IV_OK) status = append_pull(&s);
    for (size_t c = 0; c < s.n_classes && status == IV_OK; c++) status = append_curvature(&s, c);
    iv_sequence_only(sequence, every, every - 1);
    if (status == IV_OK) status = append_factor(&s);
    if (status == IV_OK) status = append_move(&s);
    iv_sequence_only(sequence, 1, 0);
    return status;
}
