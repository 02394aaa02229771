/* The list that is being made: values and nodes. */
#include "onnx/state.h"

#include <stdlib.h>
#include <string.h>

static iv_status no_memory(onnx_state *s) {
    return iv_fail(s->error, IV_ENOMEM, "%s: no memory to read it", s->path);
}

/* ------------------------------------------------------------------ values */

static iv_status add_value(onnx_state *s, const onnx_shape *shape, size_t constant, size_t node,
                           size_t *value) {
    char text[ONNX_SHAPE_TEXT];
    size_t n;
    if (shape->rank > ONNX_MOST_AXES - 1)
        return onnx_refuse(s, "a tensor of shape %s for each image has too many axes",
                           onnx_shape_text(shape, text));
    if (!onnx_count(shape, &n) || n == 0)
        return onnx_refuse(s, "a tensor of shape %s for each image is %s",
                           onnx_shape_text(shape, text), n == 0 ? "empty" : "too large");
    if (s->n_values == s->room_values) {
        const size_t room = s->room_values ? 2 * s->room_values : 64;
        onnx_value *grown = realloc(s->values, room * sizeof *grown);
        if (!grown) return no_memory(s);
        s->values = grown;
        s->room_values = room;
    }
    *value = s->n_values++;
    s->values[*value] =
        (onnx_value){.name = "", .shape = *shape, .constant = constant, .node = node};
    return IV_OK;
}

iv_status onnx_add_image(onnx_state *s, const onnx_shape *shape, size_t *value) {
    return add_value(s, shape, ONNX_NOTHING, ONNX_NOTHING, value);
}

iv_status onnx_use_constant(onnx_state *s, size_t constant, const onnx_shape *shape,
                            size_t *value) {
    onnx_constant *of = &s->constants[constant];
    const bool same = onnx_same_shape(shape, &of->shape);
    if (!of->floats) return onnx_refuse(s, "takes integers where floats are expected");
    if (same && of->has_value) {
        *value = of->value;
        return IV_OK;
    }
    const iv_status status = add_value(s, shape, constant, ONNX_NOTHING, value);
    if (status == IV_OK) s->values[*value].name = of->name;
    if (status == IV_OK && same) {
        of->has_value = true;
        of->value = *value;
    }
    return status;
}

iv_status onnx_use_floats(onnx_state *s, const onnx_shape *shape, const float *floats,
                          size_t *value) {
    onnx_constant *made;
    const iv_status status = onnx_make_constant(s, shape, false, &made);
    if (status != IV_OK) return status;
    memcpy(made->floats, floats, made->n * sizeof *floats);
    return onnx_use_constant(s, (size_t)(made - s->constants), shape, value);
}

iv_status onnx_use_number(onnx_state *s, double number, size_t *value) {
    const float as_float = (float)number;
    return onnx_use_floats(s, &(onnx_shape){.rank = 1, .axes = {1}}, &as_float, value);
}

/* ------------------------------------------------------------------ nodes */

iv_status onnx_append(onnx_state *s, const iv_onnx_node *with, const size_t *inputs,
                      size_t n_inputs, const onnx_shape *shape, size_t *value) {
    if (s->n_nodes == s->room_nodes) {
        const size_t room = s->room_nodes ? 2 * s->room_nodes : 64;
        iv_onnx_node *grown = realloc(s->nodes, room * sizeof *grown);
        if (!grown) return no_memory(s);
        s->nodes = grown;
        s->room_nodes = room;
    }
    char name[ONNX_NODE_NAME] = "the file";
    if (s->node) onnx_node_name(s->node, name);
    iv_onnx_node node = *with;
    node.name = strdup(name);
    node.inputs = malloc((n_inputs + 1) * sizeof *inputs); /* a bias may come later */
    node.n_inputs = n_inputs;
    iv_status status = node.name && node.inputs ? IV_OK : no_memory(s);
    if (status == IV_OK) status = add_value(s, shape, ONNX_NOTHING, s->n_nodes, &node.output);
    if (status != IV_OK) {
        free(node.name);
        free(node.inputs);
        return status;
    }
    memcpy(node.inputs, inputs, n_inputs * sizeof *inputs);
    for (size_t i = 0; i < n_inputs; i++) s->values[inputs[i]].n_uses++;
    s->nodes[s->n_nodes++] = node;
    *value = node.output;
    return IV_OK;
}

/* The node that makes a value, if it has this op. */
static const iv_onnx_node *made_by(const onnx_state *s, size_t value, iv_onnx_op op) {
    const size_t node = s->values[value].node;
    return node != ONNX_NOTHING && s->nodes[node].op == op ? &s->nodes[node] : NULL;
}

iv_status onnx_append_reshape(onnx_state *s, size_t x, const onnx_shape *shape, size_t *value) {
    const iv_onnx_node *before;
    while ((before = made_by(s, x, IV_ONNX_RESHAPE))) x = before->inputs[0];
    *value = x;
    if (onnx_same_shape(shape, &s->values[x].shape)) return IV_OK;
    return onnx_append(s, &(iv_onnx_node){.op = IV_ONNX_RESHAPE}, &x, 1, shape, value);
}

iv_status onnx_append_unary(onnx_state *s, iv_function function, size_t x, size_t *value) {
    const onnx_shape shape = s->values[x].shape;
    return onnx_append(s, &(iv_onnx_node){.op = IV_ONNX_UNARY, .unary = function}, &x, 1, &shape,
                       value);
}

/* Ones before a shape, to that rank. */
static onnx_shape raised(const onnx_shape *shape, unsigned rank) {
    onnx_shape made = {.rank = rank};
    for (unsigned i = 0; i < rank; i++)
        made.axes[i] = i + shape->rank < rank ? 1 : shape->axes[i + shape->rank - rank];
    return made;
}

iv_status onnx_append_binary(onnx_state *s, iv_binary_kind kind, size_t a, size_t b,
                             size_t *value) {
    size_t sides[2] = {a, b};
    onnx_shape both;
    if (!onnx_broadcast(&s->values[a].shape, &s->values[b].shape, &both)) {
        char of_a[ONNX_SHAPE_TEXT], of_b[ONNX_SHAPE_TEXT];
        return onnx_refuse(s, "shapes %s and %s for each image do not fit each other",
                           onnx_shape_text(&s->values[a].shape, of_a),
                           onnx_shape_text(&s->values[b].shape, of_b));
    }
    for (int i = 0; i < 2; i++) {
        const onnx_shape shape = s->values[sides[i]].shape;
        if (s->values[sides[i]].constant != ONNX_NOTHING || shape.rank == both.rank) continue;
        const onnx_shape wanted = raised(&shape, both.rank);
        const iv_status status = onnx_append_reshape(s, sides[i], &wanted, &sides[i]);
        if (status != IV_OK) return status;
    }
    return onnx_append(s, &(iv_onnx_node){.op = IV_ONNX_BINARY, .binary = kind}, sides, 2, &both,
                       value);
}

iv_status onnx_append_number(onnx_state *s, iv_binary_kind kind, double number, size_t *value) {
    size_t constant;
    const iv_status status = onnx_use_number(s, number, &constant);
    return status == IV_OK ? onnx_append_binary(s, kind, *value, constant, value) : status;
}

/* ------------------------------------------------------------------ nodes that move entries */

/* Axes, with that of the batch, that stay side by side are one: a permutation of few axes. */
static void join_axes(const onnx_shape *shape, const unsigned *order, onnx_shape *joined,
                      unsigned *joined_order) {
    unsigned first[ONNX_MOST_AXES], n = 0; /* of each run, in the order of the result */
    bool begins[ONNX_MOST_AXES + 1] = {false};
    for (unsigned i = 1; i < shape->rank; i++) {
        if (i > 1 && order[i] == order[i - 1] + 1) continue;
        begins[order[i]] = true;
        first[n++] = order[i];
    }
    *joined = (onnx_shape){.rank = n + 1, .axes = {1}};
    joined_order[0] = 0;
    unsigned place[ONNX_MOST_AXES] = {0}, run = 0;
    for (unsigned axis = 1; axis < shape->rank; axis++) {
        if (begins[axis]) {
            place[axis] = ++run;
            joined->axes[run] = 1;
        }
        joined->axes[run] *= shape->axes[axis];
    }
    for (unsigned i = 0; i < n; i++) joined_order[i + 1] = place[first[i]];
}

static onnx_shape without_batch(const onnx_shape *whole) {
    onnx_shape rest = {.rank = whole->rank - 1};
    memcpy(rest.axes, whole->axes + 1, rest.rank * sizeof *rest.axes);
    return rest;
}

/* A shape without the axes of length 1, and the order of what is left. */
static void drop_ones(onnx_shape *whole, unsigned *order) {
    unsigned place[ONNX_MOST_AXES] = {0}, n = 1, kept = 1;
    onnx_shape rest = {.rank = 1, .axes = {1}};
    for (unsigned axis = 1; axis < whole->rank; axis++)
        if (whole->axes[axis] != 1) {
            place[axis] = n;
            rest.axes[n++] = whole->axes[axis];
        }
    for (unsigned i = 1; i < whole->rank; i++)
        if (whole->axes[order[i]] != 1) order[kept++] = place[order[i]];
    rest.rank = n;
    *whole = rest;
}

iv_status onnx_append_permute(onnx_state *s, size_t x, const unsigned *order, size_t *value) {
    unsigned whole_order[ONNX_MOST_AXES] = {0}, joined_order[ONNX_MOST_AXES];
    const iv_onnx_node *before = made_by(s, x, IV_ONNX_PERMUTE);
    const unsigned rank = s->values[x].shape.rank + 1;
    memcpy(whole_order, order, rank * sizeof *order);
    if (before) {
        for (unsigned i = 0; i < rank; i++) whole_order[i] = before->order[order[i]];
        x = before->inputs[0];
    }
    const onnx_shape from = s->values[x].shape;
    onnx_shape whole = {.rank = rank, .axes = {1}}, joined, to = {.rank = from.rank};
    memcpy(whole.axes + 1, from.axes, from.rank * sizeof *from.axes);
    for (unsigned i = 1; i < rank; i++) to.axes[i - 1] = whole.axes[whole_order[i]];

    /* As few axes as it takes, and no node where all stay. */
    drop_ones(&whole, whole_order);
    join_axes(&whole, whole_order, &joined, joined_order);
    bool stays = true;
    for (unsigned i = 0; i < joined.rank; i++) stays = stays && joined_order[i] == i;
    if (stays) return onnx_append_reshape(s, x, &to, value);

    iv_onnx_node node = {.op = IV_ONNX_PERMUTE};
    if (from.rank < IV_ONNX_MAX_RANK) { /* plainly, as the file has it */
        for (unsigned i = 1; i < rank; i++)
            node.order[i] = before ? before->order[order[i]] : order[i];
        return onnx_append(s, &node, &x, 1, &to, value);
    }
    if (joined.rank > IV_ONNX_MAX_RANK)
        return onnx_refuse(s, "moves more than %d axes among one another", IV_ONNX_MAX_RANK - 1);
    onnx_shape few = without_batch(&joined), moved = {.rank = joined.rank - 1};
    for (unsigned i = 1; i < joined.rank; i++) {
        node.order[i] = joined_order[i];
        moved.axes[i - 1] = joined.axes[joined_order[i]];
    }
    iv_status status = onnx_append_reshape(s, x, &few, &x);
    if (status == IV_OK) status = onnx_append(s, &node, &x, 1, &moved, &x);
    if (status == IV_OK) status = onnx_append_reshape(s, x, &to, value);
    return status;
}

iv_status onnx_append_part(onnx_state *s, size_t x, unsigned axis, size_t first, size_t count,
                           size_t *value) {
    const onnx_shape from = s->values[x].shape;
    onnx_shape to = from;
    to.axes[axis - 1] = count;
    *value = x;
    if (count == from.axes[axis - 1]) return IV_OK;
    iv_onnx_node node = {.op = IV_ONNX_PART, .part = {axis, first, count}};
    if (from.rank < IV_ONNX_MAX_RANK) return onnx_append(s, &node, &x, 1, &to, value);

    onnx_shape joined = {.rank = 3, .axes = {1, from.axes[axis - 1], 1}};
    for (unsigned i = 0; i < from.rank; i++)
        if (i != axis - 1) joined.axes[i < axis - 1 ? 0 : 2] *= from.axes[i];
    node.part.axis = 2;
    iv_status status = onnx_append_reshape(s, x, &joined, &x);
    joined.axes[1] = count;
    if (status == IV_OK) status = onnx_append(s, &node, &x, 1, &joined, &x);
    if (status == IV_OK) status = onnx_append_reshape(s, x, &to, value);
    return status;
}

/* ------------------------------------------------------------------ names */

static onnx_name *output_name(const onnx_state *s, size_t k) {
    return k < s->node->n_output ? onnx_find(s, s->node->output[k]) : NULL;
}

void onnx_bind(onnx_state *s, onnx_name *name, size_t value, bool batched) {
    onnx_value *of = &s->values[value];
    name->value = value;
    name->batched = batched;
    of->n_uses_in_file += name->n_uses;
    if (*of->name)
        of->n_uses_in_file--; /* the use that this binding is */
    else
        of->name = name->name;
}

void onnx_bind_value(onnx_state *s, size_t k, size_t value, bool batched) {
    onnx_name *name = output_name(s, k);
    if (name) onnx_bind(s, name, value, batched);
}

void onnx_bind_constant(onnx_state *s, size_t k, const onnx_constant *constant) {
    onnx_name *name = output_name(s, k);
    if (name) name->constant = (size_t)(constant - s->constants);
}

void onnx_bind_same(onnx_state *s, size_t k, const onnx_name *as) {
    onnx_name *name = output_name(s, k);
    if (!name) return;
    name->constant = as->constant;
    if (as->value != ONNX_NOTHING) onnx_bind(s, name, as->value, as->batched);
}
