/* Singular value decompositions of a batch of matrices in one sequence of launches, and how far the
 * products U diag(s) V^T are from the matrices. */
#include <invar/invar.h>

#include <math.h>

enum { BATCH = 100, M = 12, N = 8, K = N }; /* K = min(M, N) */

/* What is in the decompositions, on the host. */
static float a[BATCH * M * N], s[BATCH * K], u[BATCH * M * K], vt[BATCH * K * N];

/* |U diag(s) V^T - A| / |A|, Frobenius norms, of matrix b. */
static double error_of(size_t b) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < N; j++) {
            double product = 0;
            for (size_t k = 0; k < K; k++)
                product += (double)u[(b * M + i) * K + k] * s[b * K + k] * vt[(b * K + k) * N + j];
            const double entry = a[(b * M + i) * N + j];
            difference += (product - entry) * (product - entry);
            norm += entry * entry;
        }
    return sqrt(difference / norm);
}

static iv_status decompose(iv_context *context) {
    static const size_t bytes[] = {sizeof a, sizeof s, sizeof u, sizeof vt};
    float *const values[] = {a, s, u, vt};
    cl_mem buffers[4] = {NULL, NULL, NULL, NULL};
    iv_sequence *sequence = NULL;
    iv_status status = IV_OK;
    for (size_t i = 0; i < 4 && status == IV_OK; i++)
        status = iv_buffer_upload(context, values[i], bytes[i], &buffers[i]);
    if (status == IV_OK) status = iv_sequence_create(context, &sequence);
    if (status == IV_OK) {
        const iv_svd_desc desc = {.m = M,
                                  .n = N,
                                  .batch = BATCH,
                                  .a = {buffers[0], 0, M * N},
                                  .s = {buffers[1], 0, K},
                                  .u = {buffers[2], 0, M * K},
                                  .vt = {buffers[3], 0, K * N}};
        status = iv_svd(sequence, &desc);
    }
    if (status == IV_OK) status = iv_sequence_run(sequence, 0);
    for (size_t i = 1; i < 4 && status == IV_OK; i++)
        status = iv_buffer_read(context, buffers[i], 0, bytes[i], values[i]);
    iv_sequence_destroy(sequence);
    for (size_t i = 0; i < 4; i++) iv_buffer_release(context, buffers[i]);
    return status;
}

int main(void) {
    iv_error error = {0};
    iv_context *context;
    if (iv_context_create(NULL, false, &context, &error) != IV_OK) {
        fprintf(stderr, "%s\n", error.message);
        return iv_exit_status(error.status);
    }
    for (size_t i = 0; i < BATCH * M * N; i++) a[i] = (float)sin((double)(i * i % 1009));
    const iv_status status = decompose(context);
    if (status != IV_OK) fprintf(stderr, "%s\n", iv_context_error(context)->message);
    iv_context_destroy(context);
    if (status != IV_OK) return iv_exit_status(status);

    double worst = 0;
    for (size_t b = 0; b < BATCH; b++) worst = fmax(worst, error_of(b));
    printf("%d matrices of %d x %d, largest relative error of U S V^T: %.1e\n", BATCH, M, N, worst);
    return worst < 1e-5 ? 0 : 1;
}
