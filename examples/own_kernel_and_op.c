/* A kernel and an op from outside the library: y = x^3, entry by entry, with its derivative, inside
 * a graph of the library's ops. loss = mean (x^3 - t)^2; its gradient is compared with the formula
 * 6 x^2 (x^3 - t) / n. */
#include <invar/invar.h>

#include <math.h>

enum { MEMBERS = 2, N = 6 };

/* TENSOR and MEMBER come from the library's cl/tensor.cl. */
static const char kernels[] =
    "#include \"tensor.cl\"\n"
    "__kernel void cube(TENSOR(const float, x), TENSOR(float, y), uint n) {\n"
    "    const size_t i = get_global_id(0), r = get_global_id(1);\n"
    "    if (i < n) MEMBER(y, r)[i] = MEMBER(x, r)[i] * MEMBER(x, r)[i] * MEMBER(x, r)[i];\n"
    "}\n"
    "__kernel void cube_gradient(TENSOR(const float, dy), TENSOR(const float, x),\n"
    "                            TENSOR(float, dx), uint n) {\n"
    "    const size_t i = get_global_id(0), r = get_global_id(1);\n"
    "    if (i < n) MEMBER(dx, r)[i] = 3 * MEMBER(x, r)[i] * MEMBER(x, r)[i] * MEMBER(dy, r)[i];\n"
    "}\n";

/* All inputs, then the output, then its size. */
static iv_status launch(iv_emitter *emitter, const iv_node *node, const char *kernel) {
    const iv_tensor *output = iv_node_output(node, 0), *input;
    iv_launch *l = iv_launch_begin(iv_emitter_sequence(emitter), "example", kernel, NULL);
    for (size_t i = 0; (input = iv_node_input(node, i)); i++) iv_arg_tensor(l, input);
    iv_arg_tensor(l, output);
    iv_arg_uint(l, iv_elements(output));
    return iv_launch_members(emitter, l, iv_elements(output));
}

static iv_status cube_forward(iv_emitter *emitter, const iv_node *node) {
    return launch(emitter, node, "cube");
}

static iv_status gradient_forward(iv_emitter *emitter, const iv_node *node) {
    return launch(emitter, node, "cube_gradient");
}

/* The shape rule of both: the output is like x. */
static iv_tensor *output_like(iv_node *node, const iv_tensor *x) {
    size_t dims[IV_MAX_RANK];
    if (!node) return NULL; /* building failed before; compiling says why */
    for (unsigned i = 0; i < iv_rank(x); i++) dims[i] = iv_dim(x, i);
    return iv_graph_output(node, IV_F32, iv_rank(x), dims);
}

static const iv_op op_cube_gradient = {.name = "cube_gradient", .forward = gradient_forward};

static void cube_backward(iv_graph *graph, const iv_node *node, iv_tensor *gradient,
                          iv_tensor **gradients) {
    iv_tensor *inputs[] = {gradient, iv_node_input(node, 0)};
    gradients[0] = output_like(iv_graph_node(graph, &op_cube_gradient, 2, inputs, 2, 0), inputs[1]);
}

static const iv_op op_cube = {.name = "cube", .forward = cube_forward, .backward = cube_backward};

static iv_tensor *cube(iv_graph *graph, iv_tensor *x) {
    return output_like(iv_graph_node(graph, &op_cube, 1, &x, 1, 0), x);
}

int main(void) {
    static const float x_values[MEMBERS * N] = {-1.5f, -1, -0.5f, 0, 0.5f, 1,
                                                1.5f,  2,  0.1f,  3, -2,   0.7f};
    static const float t_values[N] = {1, -1, 0.5f, 2, 0, -3}; /* shared by both members */
    const size_t dims[] = {1, N};
    float gradient[MEMBERS * N];
    iv_error error = {0};
    iv_context *context;
    if (iv_context_create(NULL, false, &context, &error) != IV_OK) {
        fprintf(stderr, "%s\n", error.message);
        return iv_exit_status(error.status);
    }
    cl_mem x_buffer = NULL, t_buffer = NULL;
    iv_graph *graph = NULL;
    iv_plan *plan = NULL;
    iv_status status = iv_program_add(context, "example", kernels);
    if (status == IV_OK) status = iv_buffer_upload(context, x_values, sizeof x_values, &x_buffer);
    if (status == IV_OK) status = iv_buffer_upload(context, t_values, sizeof t_values, &t_buffer);
    if (status == IV_OK) status = iv_graph_create(context, MEMBERS, &graph);
    if (status == IV_OK) {
        const iv_view of_x = {x_buffer, 0, N}, of_t = {t_buffer, 0, 0};
        iv_tensor *x = iv_input(graph, IV_F32, 2, dims, &of_x), *output = NULL;
        iv_tensor *target = iv_input(graph, IV_F32, 2, dims, &of_t);
        iv_tensor *loss = iv_mean_square(graph, cube(graph, x), target);
        status = iv_gradient(graph, loss, &x, 1, &output);
        if (status == IV_OK) status = iv_graph_compile(graph, &output, 1, &plan);
        if (status == IV_OK) status = iv_plan_run(plan, 0);
        if (status == IV_OK) status = iv_plan_read(plan, output, gradient);
    }
    double worst = 0;
    for (int i = 0; i < MEMBERS * N && status == IV_OK; i++) {
        const double x = x_values[i], t = t_values[i % N];
        const double expected = 6 * x * x * (x * x * x - t) / N;
        worst = fmax(worst, fabs(gradient[i] - expected) / fmax(1, fabs(expected)));
    }
    if (status == IV_OK)
        printf("largest relative error of the gradient: %.1e\n", worst);
    else
        fprintf(stderr, "%s\n", iv_context_error(context)->message);
    iv_plan_destroy(plan);
    iv_graph_destroy(graph);
    iv_buffer_release(context, x_buffer);
    iv_buffer_release(context, t_buffer);
    iv_context_destroy(context);
    return status != IV_OK ? iv_exit_status(status) : worst < 1e-5 ? 0 : 1;
}
