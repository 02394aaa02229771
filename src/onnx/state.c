/* Messages, shapes and constants of a file that is being lowered. */
#include "onnx/state.h"

#include "runtime/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ messages */

const char *onnx_tame(const char *name, char text[ONNX_NODE_NAME]) {
    snprintf(text, ONNX_NODE_NAME, "%.120s%s", name ? name : "",
             name && strlen(name) > 120 ? "..." : "");
    iv_tame(text);
    for (char *at = text; *at; at++)
        if (*at == '\n' || *at == '\t') *at = '?';
    return text;
}

void onnx_node_name(const Onnx__NodeProto *node, char name[ONNX_NODE_NAME]) {
    char type[ONNX_NODE_NAME], of[ONNX_NODE_NAME];
    const bool named = node->name && *node->name;
    const char *output = node->n_output > 0 ? node->output[0] : "";
    onnx_tame(node->op_type, type);
    onnx_tame(named ? node->name : output, of);
    snprintf(name, ONNX_NODE_NAME, "%.40s %s'%.128s'", type, named ? "" : "of ", of);
}

iv_status onnx_refuse(onnx_state *s, const char *format, ...) {
    char what[512], name[ONNX_NODE_NAME];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    if (!s->node) return iv_fail(s->error, IV_EDATA, "%s: %s", s->path, what);
    onnx_node_name(s->node, name);
    return iv_fail(s->error, IV_EDATA, "%s: %s: %s", s->path, name, what);
}

iv_status onnx_mixes(onnx_state *s) {
    return onnx_refuse(s, "it mixes the images of a batch");
}

void onnx_note(onnx_state *s, const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (s->notes.length > 0) iv_text_add(&s->notes, "\n");
    iv_text_add(&s->notes, line);
}

const char *onnx_shape_text(const onnx_shape *shape, char text[ONNX_SHAPE_TEXT]) {
    size_t n = (size_t)snprintf(text, ONNX_SHAPE_TEXT, "[");
    for (unsigned i = 0; i < shape->rank && n < ONNX_SHAPE_TEXT - 24; i++)
        n += (size_t)snprintf(text + n, ONNX_SHAPE_TEXT - n, "%s%zu", i > 0 ? ", " : "",
                              shape->axes[i]);
    snprintf(text + n, ONNX_SHAPE_TEXT - n, "]");
    return text;
}

/* ------------------------------------------------------------------ shapes */

bool onnx_count(const onnx_shape *shape, size_t *n) {
    *n = 1;
    for (unsigned i = 0; i < shape->rank; i++)
        if (iv_multiply_size(*n, shape->axes[i], n, NULL) != IV_OK || *n > ONNX_MOST_ENTRIES)
            return false;
    return true;
}

bool onnx_same_shape(const onnx_shape *a, const onnx_shape *b) {
    return a->rank == b->rank && memcmp(a->axes, b->axes, a->rank * sizeof *a->axes) == 0;
}

bool onnx_broadcast(const onnx_shape *a, const onnx_shape *b, onnx_shape *both) {
    *both = (onnx_shape){.rank = a->rank > b->rank ? a->rank : b->rank};
    for (unsigned i = 1; i <= both->rank; i++) {
        const size_t of_a = i <= a->rank ? a->axes[a->rank - i] : 1;
        const size_t of_b = i <= b->rank ? b->axes[b->rank - i] : 1;
        if (of_a != of_b && of_a != 1 && of_b != 1) return false;
        both->axes[both->rank - i] = of_a == 1 ? of_b : of_a;
    }
    return true;
}

onnx_walk onnx_walk_begin(const onnx_shape *of, const onnx_shape *to) {
    onnx_walk walk = {.rank = to->rank};
    size_t stride = 1;
    for (unsigned i = 1; i <= to->rank; i++) {
        const size_t length = i <= of->rank ? of->axes[of->rank - i] : 1;
        walk.axes[to->rank - i] = to->axes[to->rank - i];
        walk.strides[to->rank - i] = length == 1 ? 0 : stride;
        stride *= length;
    }
    return walk;
}

void onnx_walk_next(onnx_walk *walk) {
    for (unsigned i = walk->rank; i-- > 0;) {
        walk->offset += walk->strides[i];
        if (++walk->at[i] < walk->axes[i]) return;
        walk->offset -= walk->strides[i] * walk->axes[i];
        walk->at[i] = 0;
    }
}

onnx_shape onnx_shape_in_file(const onnx_state *s, const onnx_name *name) {
    if (name->constant != ONNX_NOTHING) return s->constants[name->constant].shape;
    const onnx_shape *shape = &s->values[name->value].shape;
    if (!name->batched) return *shape;
    onnx_shape whole = {.rank = shape->rank + 1, .axes = {1}};
    memcpy(whole.axes + 1, shape->axes, shape->rank * sizeof *shape->axes);
    return whole;
}

/* ------------------------------------------------------------------ constants */

iv_status onnx_make_constant(onnx_state *s, const onnx_shape *shape, bool integers,
                             onnx_constant **constant) {
    onnx_constant made = {.shape = *shape, .name = ""};
    *constant = NULL;
    if (!onnx_count(shape, &made.n)) {
        char text[ONNX_SHAPE_TEXT];
        return onnx_refuse(s, "a constant of shape %s is too large", onnx_shape_text(shape, text));
    }
    /* Integers take twice the memory of floats. */
    const size_t cost = integers ? 2 * made.n : made.n;
    if (cost > s->entries_left)
        return onnx_refuse(s, "its constants are too large for a file of its size");
    if (s->n_constants == s->room_constants) {
        const size_t room = s->room_constants ? 2 * s->room_constants : 64;
        onnx_constant *grown = realloc(s->constants, room * sizeof *grown);
        if (!grown) return iv_fail(s->error, IV_ENOMEM, "%s: no memory to read it", s->path);
        s->constants = grown;
        s->room_constants = room;
    }
    if (integers)
        made.integers = calloc(made.n + 1, sizeof *made.integers);
    else
        made.floats = calloc(made.n + 1, sizeof *made.floats);
    if (!made.integers && !made.floats)
        return iv_fail(s->error, IV_ENOMEM, "%s: no memory to read it", s->path);
    s->entries_left -= cost;
    *constant = &s->constants[s->n_constants++];
    **constant = made;
    return IV_OK;
}

iv_status onnx_mark_images(onnx_state *s, onnx_constant *constant) {
    if (!constant->of_images) constant->of_images = calloc(constant->n + 1, 1);
    if (constant->of_images) return IV_OK;
    return iv_fail(s->error, IV_ENOMEM, "%s: no memory to read it", s->path);
}

const onnx_constant *onnx_constant_of(const onnx_state *s, const onnx_name *name) {
    return name && name->constant != ONNX_NOTHING ? &s->constants[name->constant] : NULL;
}

double onnx_number(const onnx_constant *constant, size_t i) {
    return constant->floats ? (double)constant->floats[i] : (double)constant->integers[i];
}
