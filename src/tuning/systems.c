/* Probes that are no graphs: updates of parameters, decompositions, systems of equations. */
#include "tuning/probe.h"

#include <invar/linalg.h>

#include <stdlib.h>

static void add_result(probe *p, iv_view view, size_t n) {
    p->results[p->n_results].view = view;
    p->results[p->n_results++].n = n;
}

static iv_status begin(probe *p) {
    const iv_status status = iv_sequence_create(p->context, &p->own_sequence);
    p->sequence = p->own_sequence;
    return status;
}

static iv_view view_of(cl_mem buffer, size_t stride) {
    return (iv_view){buffer, 0, stride};
}

/* Numbers on [-0.45, 0.45) into a view, the same for every member. */
static iv_status fill(probe *p, iv_view view, size_t n) {
    float *values = malloc(n * sizeof *values);
    if (!values) return iv_fail(iv_context_error(p->context), IV_ENOMEM, "no memory for the tuner");
    cl_mem from = probe_buffer(p, n);
    iv_status status = from ? iv_buffer_read(p->context, from, 0, n * sizeof *values, values)
                            : iv_context_error(p->context)->status;
    for (size_t k = 0; k < n && status == IV_OK; k++) values[k] -= 0.55f;
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++)
        status = iv_buffer_write(p->context, view.buffer,
                                 (view.offset + r * view.stride) * sizeof *values,
                                 n * sizeof *values, values);
    free(values);
    return status;
}

/* ------------------------------------------------------------------ updates */

static const float rates[] = {0.01f, 0.01f, 0.01f, 0.01f, 0.01f, 0.01f, 0.01f, 0.01f,
                              0.01f, 0.01f, 0.01f, 0.01f, 0.01f, 0.01f, 0.01f, 0.01f};
static const iv_optimizer_desc adam = {.kind = IV_OPTIMIZER_ADAM,
                                       .learning_rates = rates,
                                       .beta1 = 0.9f,
                                       .beta2 = 0.999f,
                                       .epsilon = 1e-8f};

static iv_status open_optimizer(probe *p) {
    const iv_parameter_desc weights = {.name = "weights", .rank = 2, .dims = {256, 784}};
    iv_status status = iv_parameters_create(p->context, p->n_members, &weights, 1, &p->parameters);
    if (status == IV_OK) status = iv_optimizer_create(p->parameters, &adam, &p->optimizer);
    if (status == IV_OK)
        status =
            fill(p, iv_optimizer_gradient_view(p->optimizer, 0), weights.dims[0] * weights.dims[1]);
    if (status == IV_OK) status = begin(p);
    if (status == IV_OK) status = iv_optimizer_append(p->optimizer, p->sequence);
    if (status == IV_OK)
        add_result(p, iv_parameters_view(p->parameters, 0), weights.dims[0] * weights.dims[1]);
    return status;
}

static iv_status open_posterior(probe *p) {
    uint32_t seeds[16];
    for (size_t r = 0; r < 16; r++) seeds[r] = (uint32_t)r + 1;
    const iv_posterior_desc desc = {.n_classes = 10,
                                    .n_features = 256,
                                    .n_data = 10000,
                                    .prior_variance = 1.0f,
                                    .initial_deviation = 0.5f,
                                    .seeds = seeds,
                                    .optimizer = adam};
    const size_t n = desc.n_classes * desc.n_features;
    iv_status status = iv_posterior_create(p->context, p->n_members, &desc, &p->posterior);
    if (status == IV_OK) status = iv_posterior_prepare(p->posterior, 0);
    if (status == IV_OK) status = fill(p, iv_posterior_gradient_view(p->posterior), n);
    if (status == IV_OK) status = begin(p);
    if (status == IV_OK) status = iv_posterior_append_update(p->posterior, p->sequence);
    if (status != IV_OK) return status;
    add_result(p, iv_posterior_sample_view(p->posterior), n);
    add_result(p, iv_posterior_kl_view(p->posterior), 1);
    return IV_OK;
}

/* ------------------------------------------------------------------ decompositions */

static iv_status open_svd(probe *p) {
    const size_t m = 10, n = 784, each = 64, batch = each * p->n_members;
    const cl_mem a = probe_buffer(p, batch * m * n), s = probe_buffer(p, batch * m);
    iv_status status = a && s ? begin(p) : iv_context_error(p->context)->status;
    if (status == IV_OK)
        status =
            iv_svd(p->sequence,
                   &(iv_svd_desc){
                       .m = m, .n = n, .batch = batch, .a = view_of(a, m * n), .s = view_of(s, m)});
    if (status == IV_OK) add_result(p, view_of(s, each * m), each * m);
    return status;
}

/* X of X L^T = B, L the identity and a little below it, so that numbers stay of their size: solving
 * overwrites B with what depends on the blocks. As in a regression, what is prepared once is for many rows;
 * the first ones' X is the result. */
static iv_status open_triangular(probe *p) {
    enum { N = 768, ROWS = 1024, SOLVES = 8 };
    float *values = calloc((size_t)N * N, sizeof *values);
    if (!values) return iv_fail(iv_context_error(p->context), IV_ENOMEM, "no memory for the tuner");
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < i; j++) values[i * N + j] = 0.1f / (float)N;
        values[i * N + i] = 1.0f;
    }
    const cl_mem l = probe_copy(p, (size_t)N * N * sizeof *values, values);
    cl_mem f, b[2], x[2];
    free(values);
    f = probe_buffer(p, (size_t)N * N);
    for (size_t i = 0; i < 2; i++) {
        b[i] = probe_buffer(p, (size_t)ROWS * N);
        x[i] = probe_buffer(p, (size_t)ROWS * N);
    }
    if (!l || !f || !b[0] || !x[0] || !b[1] || !x[1]) return iv_context_error(p->context)->status;
    iv_status status = begin(p);
    const iv_triangular_desc prepared = {
        .n = N, .batch = 1, .ldl = N, .l = view_of(l, 0), .f = view_of(f, 0)};
    if (status == IV_OK) status = iv_triangular_prepare(p->sequence, &prepared);
    for (size_t i = 0; i < SOLVES && status == IV_OK; i++) {
        const iv_triangular_solve_desc solve = {.n = N,
                                                .rows = ROWS,
                                                .batch = 1,
                                                .f = view_of(f, 0),
                                                .b = view_of(b[i > 0], 0),
                                                .x = view_of(x[i > 0], 0),
                                                .ldb = N,
                                                .ldx = N};
        status = iv_triangular_solve(p->sequence, &solve);
    }
    p->n_members = 1;
    if (status == IV_OK) add_result(p, view_of(x[0], 0), (size_t)ROWS * N);
    return status;
}

/* ------------------------------------------------------------------ regression */

/* The bound, from a pass over the data: there is none where the lengthscale is that of the last one. */
static iv_status pass(probe *p) {
    sgpr_hyper hyper = sgpr_get_hyper(p->regression);
    hyper.lengthscale = hyper.lengthscale == 1.5 ? 2.0 : 1.5;
    const iv_status status = sgpr_set_hyper(p->regression, hyper);
    return status == IV_OK ? sgpr_bound(p->regression, &p->number, NULL) : status;
}

static iv_status open_sgpr(probe *p) {
    enum { DATA = 16384, COLUMNS = 32 };
    static const uint8_t labels[DATA]; /* all 0 */
    const sgpr_desc desc = {
        .n_data = DATA, .n_columns = COLUMNS, .n_classes = 2, .n_inducing = 128, .seed = 1};
    const cl_mem x = probe_buffer(p, (size_t)DATA * COLUMNS);
    if (!x) return iv_context_error(p->context)->status;
    p->n_members = 1;
    p->run = pass;
    return sgpr_create(p->context, &desc, x, labels, &p->regression);
}

const probe_kind probe_systems[] = {
    {"optimizer", "CHUNK", NULL, open_optimizer}, {"optimizer", "VW", NULL, open_optimizer},
    {"posterior", "LANES", NULL, open_posterior}, {"sgpr", "CHUNK", NULL, open_sgpr},
    {"svd", "VECTORS", NULL, open_svd},           {"triangular", "BLOCK", NULL, open_triangular},
};
const size_t n_probe_systems = sizeof probe_systems / sizeof *probe_systems;
