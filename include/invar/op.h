/* Ops of one's own: what an op consists of, and what its functions may do. The library's ops are
 * made of the same.
 *
 * An op is an iv_op, which lives as long as the graphs that use it, and a builder: a function that
 * checks shapes, calls iv_graph_node and then iv_graph_output for every output.
 * examples/own_kernel_and_op.c is a complete one. Kernels from outside the library: iv_program_add.
 */
#ifndef INVAR_OP_H
#define INVAR_OP_H

#include <invar/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { IV_MAX_INPUTS = 4, IV_MAX_OUTPUTS = 5 };

typedef struct iv_node iv_node;       /* one use of an op in a graph */
typedef struct iv_emitter iv_emitter; /* where its launches go */

/* What an op can do besides computing its outputs; the library's own can do more. */
enum {
    /* backward also takes NULL for a gradient of 1, of an output of one number a member. */
    IV_OP_TAKES_ONE = 1 << 0,
    /* A gradient of 1 is one of 1 for each input to which backward gives none then. */
    IV_OP_PASSES_ONE = 1 << 1,
};

typedef struct {
    const char *name; /* for messages */

    /* Append the launches that compute the outputs to iv_emitter_sequence. NULL: nothing to launch.
     */
    iv_status (*forward)(iv_emitter *emitter, const iv_node *node);

    /* Given dL/d output 0, set gradients[i], NULL to begin with, for every input that has one, by
     * building what computes it. NULL: the op has no derivative. */
    void (*backward)(iv_graph *graph, const iv_node *node, iv_tensor *gradient,
                     iv_tensor **gradients);

    unsigned can; /* IV_OP_..., or-ed */

    /* Of the library's ops only. Of one that is an activation or the gate of one: which. */
    iv_activation (*activation)(const iv_node *node);

    /* Likewise, of one that puts its inputs side by side: at which element of output 0 input i
     * lies; SIZE_MAX for one that does not lie there in one piece. An input that nothing else reads is
     * then computed there, and the op finds that its base is the output. NULL for other ops. */
    size_t (*place_of_input)(const iv_node *node, size_t i);

    /* Bit i: input i holds integers (IV_I32), all others floats. IV_ANY_INPUT: either. */
    unsigned integer_inputs;
} iv_op;

#define IV_ANY_INPUT (~0U)

/* ------------------------------------------------------------------ building */

/* A new node; NULL after a failure. The first n_required inputs must be there, the others may be
 * NULL. It keeps own_bytes, zero to begin with, for what its op needs later (constants, buffers of
 * the caller's): see iv_node_own. IV_EINVAL if an input is missing, of another graph or of the wrong
 * type, or if there are more than IV_MAX_INPUTS. */
iv_node *iv_graph_node(iv_graph *graph, const iv_op *op, size_t n_inputs, iv_tensor *const *inputs,
                       size_t n_required, size_t own_bytes);

/* Its next output; NULL after a failure, also of iv_graph_node. */
iv_tensor *iv_graph_output(iv_node *node, iv_dtype dtype, unsigned rank, const size_t *dims);

/* What a node keeps, to be filled while it is built; NULL for 0 bytes, and after a failure. */
void *iv_node_own(const iv_node *node);

/* Record a failure of building, with its message, and return NULL. */
iv_tensor *iv_graph_fail(iv_graph *graph, const char *format, ...) IV_PRINTF(2, 3);

/* ------------------------------------------------------------------ reading a node */

iv_tensor *iv_node_input(const iv_node *node, size_t i);  /* NULL where there is none */
iv_tensor *iv_node_output(const iv_node *node, size_t i); /* likewise */

/* ------------------------------------------------------------------ launching */

iv_sequence *iv_emitter_sequence(const iv_emitter *emitter);
size_t iv_emitter_members(const iv_emitter *emitter);

/* A tensor of the node as the next argument: TENSOR(float, x) of the kernel. */
void iv_arg_tensor(iv_launch *launch, const iv_tensor *tensor);

/* End a launch of n work-items for each member: global size (n, R). See iv_launch_end_by_member for
 * what its kernel has to keep. */
iv_status iv_launch_members(iv_emitter *emitter, iv_launch *launch, size_t n);

#ifdef __cplusplus
}
#endif

#endif
