/* An op from outside the library, through invar/op.h alone: its values, its gradient inside a graph
 * of the library's ops, and its mistakes. */
#include "trial.h"

#include <invar/op.h>

enum { MEMBERS = 3, ROWS = 4, COLUMNS = 5 };

static const char source[] =
    "#include \"tensor.cl\"\n"
    "__kernel void power(TENSOR(const float, x), TENSOR(float, y), float factor, uint n) {\n"
    "    const size_t i = get_global_id(0), r = get_global_id(1);\n"
    "    if (i < n) MEMBER(y, r)[i] = factor * MEMBER(x, r)[i] * MEMBER(x, r)[i];\n"
    "}\n"
    "__kernel void power_gradient(TENSOR(const float, dy), TENSOR(const float, x),\n"
    "                             TENSOR(float, dx), float factor, uint n) {\n"
    "    const size_t i = get_global_id(0), r = get_global_id(1);\n"
    "    if (i < n) MEMBER(dx, r)[i] = 2 * factor * MEMBER(x, r)[i] * MEMBER(dy, r)[i];\n"
    "}\n";

/* What the op keeps: more than numbers that fit a size_t. */
typedef struct {
    float factor;
    char check[8];
} own;

static iv_status forward(iv_emitter *e, const iv_node *n) {
    const own *mine = iv_node_own(n);
    const iv_tensor *x = iv_node_input(n, 0), *y = iv_node_output(n, 0);
    assert_string_equal(mine->check, "kept");
    assert_int_equal(iv_emitter_members(e), MEMBERS);
    assert_null(iv_node_input(n, 1));
    assert_null(iv_node_output(n, 1));
    iv_launch *launch = iv_launch_begin(iv_emitter_sequence(e), "own", "power", NULL);
    iv_arg_tensor(launch, x);
    iv_arg_tensor(launch, y);
    iv_arg_float(launch, mine->factor);
    iv_arg_uint(launch, iv_elements(y));
    return iv_launch_members(e, launch, iv_elements(y));
}

static iv_status gradient_forward(iv_emitter *e, const iv_node *n) {
    const own *mine = iv_node_own(n);
    const iv_tensor *dx = iv_node_output(n, 0);
    iv_launch *launch = iv_launch_begin(iv_emitter_sequence(e), "own", "power_gradient", NULL);
    iv_arg_tensor(launch, iv_node_input(n, 0));
    iv_arg_tensor(launch, iv_node_input(n, 1));
    iv_arg_tensor(launch, dx);
    iv_arg_float(launch, mine->factor);
    iv_arg_uint(launch, iv_elements(dx));
    return iv_launch_members(e, launch, iv_elements(dx));
}

static iv_tensor *output_like(iv_node *n, const iv_tensor *x) {
    size_t dims[IV_MAX_RANK];
    for (unsigned i = 0; i < iv_rank(x); i++) dims[i] = iv_dim(x, i);
    return iv_graph_output(n, IV_F32, iv_rank(x), dims);
}

static const iv_op op_power_gradient = {.name = "power_gradient", .forward = gradient_forward};

static void backward(iv_graph *graph, const iv_node *n, iv_tensor *gradient,
                     iv_tensor **gradients) {
    iv_tensor *inputs[] = {gradient, iv_node_input(n, 0)};
    iv_node *d = iv_graph_node(graph, &op_power_gradient, 2, inputs, 2, sizeof(own));
    if (d) memcpy(iv_node_own(d), iv_node_own(n), sizeof(own));
    gradients[0] = output_like(d, inputs[1]);
}

static const iv_op op_power = {.name = "power", .forward = forward, .backward = backward};

static iv_tensor *power(iv_graph *graph, iv_tensor *x, float factor) {
    iv_node *n = iv_graph_node(graph, &op_power, 1, &x, 1, sizeof(own));
    if (!n) return NULL;
    own *mine = iv_node_own(n);
    assert_int_equal(mine->check[0], 0); /* zeros to begin with */
    *mine = (own){factor, "kept"};
    return output_like(n, x);
}

/* loss = mean (3 x^2 - t)^2 over all entries: d loss / d x = 12 x (3 x^2 - t) / n. Numbers are
 * below 2, and ten operations of 2^-24 each on terms below 12 * 2 * 14 / 20 < 17 give an error
 * below 1.1e-5. */
static void an_op_from_outside_has_values_and_gradients(void **state) {
    trial *t = trial_begin(*state, MEMBERS);
    iv_context *context = t->context;
    float x_values[MEMBERS * ROWS * COLUMNS], t_values[MEMBERS * ROWS * COLUMNS];
    enum { N = ROWS * COLUMNS };
    for (int k = 0; k < MEMBERS * N; k++) {
        x_values[k] = (float)(k % 17) / 8.5f - 1.0f;
        t_values[k] = (float)(k % 5) / 4.0f;
    }
    const iv_view of_x = {trial_upload(t, x_values, sizeof x_values), 0, N};
    const iv_view of_t = {trial_upload(t, t_values, sizeof t_values), 0, N};
    assert_ok(context, iv_program_add(context, "own", source));
    iv_tensor *x = iv_input(t->graph, IV_F32, 2, (const size_t[]){ROWS, COLUMNS}, &of_x);
    iv_tensor *target = iv_input(t->graph, IV_F32, 2, (const size_t[]){ROWS, COLUMNS}, &of_t);
    iv_tensor *y = power(t->graph, x, 3.0f), *loss = iv_mean_square(t->graph, y, target);
    iv_tensor *outputs[3] = {y, loss, NULL};
    assert_ok(context, iv_gradient(t->graph, loss, &x, 1, &outputs[2]));
    iv_plan *plan;
    assert_ok(context, iv_graph_compile(t->graph, outputs, 3, &plan));
    assert_ok(context, iv_plan_run(plan, 0));
    float got[2][MEMBERS * N];
    assert_ok(context, iv_plan_read(plan, y, got[0]));
    assert_ok(context, iv_plan_read(plan, outputs[2], got[1]));
    for (int k = 0; k < MEMBERS * N; k++) {
        const double value = x_values[k], power_of = 3 * value * value;
        assert_true(fabs(got[0][k] - power_of) < 1e-6);
        assert_true(fabs(got[1][k] - 12 * value * (power_of - t_values[k]) / N) < 1.1e-5);
    }
    iv_plan_destroy(plan);
    trial_end(*state, t);
}

/* Without backward; more inputs and outputs than there can be; integers for floats; none at all. */
static void mistakes_of_an_op_are_named(void **state) {
    static const iv_op no_derivative = {.name = "rigid", .forward = forward};
    static const char *const parts[] = {"rigid",
                                        "rigid: 5 inputs, at most 4",
                                        "rigid: more than 5 outputs",
                                        "rigid: input 0 has to hold floats",
                                        "rigid: input 0 is missing",
                                        "of one's own is refused"};
    for (int k = 0; k < 6; k++) {
        trial *t = trial_begin(*state, MEMBERS);
        iv_graph *g = t->graph;
        iv_tensor *x = iv_input(g, IV_F32, 1, (const size_t[]){1}, NULL), *gradient;
        iv_tensor *integers = iv_input(g, IV_I32, 1, (const size_t[]){1}, NULL);
        iv_tensor *many[] = {x, x, x, x, x}, *nothing = NULL;
        iv_status status = IV_OK;
        iv_plan *plan;
        if (k == 0) {
            iv_tensor *y = output_like(iv_graph_node(g, &no_derivative, 1, &x, 1, 0), x);
            status = iv_gradient(g, y, &x, 1, &gradient);
        } else if (k == 1) {
            assert_null(iv_graph_node(g, &no_derivative, 5, many, 5, 0));
        } else if (k == 2) {
            iv_node *n = iv_graph_node(g, &no_derivative, 1, &x, 1, 0);
            for (int i = 0; i < IV_MAX_OUTPUTS; i++) assert_non_null(output_like(n, x));
            assert_null(output_like(n, x));
        } else if (k == 3) {
            assert_null(iv_graph_node(g, &no_derivative, 1, &integers, 1, 0));
        } else if (k == 4) {
            assert_null(iv_graph_node(g, &no_derivative, 1, &nothing, 1, 0));
        } else {
            assert_null(iv_graph_fail(g, "%s is refused", "of one's own"));
        }
        if (k > 0) {
            assert_null(iv_node_own(NULL));
            assert_null(iv_graph_output(NULL, IV_F32, 1, (const size_t[]){1}));
            status = iv_graph_compile(g, &x, 1, &plan);
        }
        iv_error *error = iv_context_error(t->context);
        assert_int_equal(status, IV_EINVAL);
        if (!strstr(error->message, parts[k])) fail_msg("%s", error->message);
        iv_error_clear(error);
        trial_end(*state, t);
    }
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_op_from_outside_has_values_and_gradients),
        cmocka_unit_test(mistakes_of_an_op_are_named),
    };
    return cmocka_run_group_tests_name("own op", tests, open_program, close_program);
}
