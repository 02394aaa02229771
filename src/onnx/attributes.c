/* Attributes and constant inputs of nodes. */
#include "onnx/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The field of an attribute that holds a value of the type; files of the first version of the format do
 * not say which it is. */
static bool has_type(const Onnx__AttributeProto *attribute,
                     Onnx__AttributeProto__AttributeType type) {
    return !attribute->has_type ||
           attribute->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED ||
           attribute->type == type;
}

const Onnx__AttributeProto *onnx_attribute(const onnx_state *s, const char *name) {
    for (size_t i = 0; i < s->node->n_attribute; i++)
        if (strcmp(s->node->attribute[i]->name, name) == 0) return s->node->attribute[i];
    return NULL;
}

iv_status onnx_integer(onnx_state *s, const char *name, int64_t otherwise, int64_t *value) {
    const Onnx__AttributeProto *found = onnx_attribute(s, name);
    *value = otherwise;
    if (!found) return IV_OK;
    if (!has_type(found, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT) || !found->has_i)
        return onnx_refuse(s, "its attribute %s is not an integer", name);
    *value = found->i;
    return IV_OK;
}

iv_status onnx_float(onnx_state *s, const char *name, float otherwise, float *value) {
    const Onnx__AttributeProto *found = onnx_attribute(s, name);
    *value = otherwise;
    if (!found) return IV_OK;
    if (!has_type(found, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT) || !found->has_f ||
        found->f != found->f)
        return onnx_refuse(s, "its attribute %s is not a float", name);
    *value = found->f;
    return IV_OK;
}

iv_status onnx_string(onnx_state *s, const char *name, const char *otherwise, char text[32]) {
    const Onnx__AttributeProto *found = onnx_attribute(s, name);
    snprintf(text, 32, "%s", otherwise);
    if (!found) return IV_OK;
    if (!has_type(found, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING) || !found->has_s)
        return onnx_refuse(s, "its attribute %s is not a string", name);
    snprintf(text, 32, "%.*s", (int)(found->s.len < 31 ? found->s.len : 31),
             (const char *)found->s.data);
    return IV_OK;
}

iv_status onnx_integers(onnx_state *s, const char *name, int64_t values[ONNX_MOST_AXES],
                        size_t *n) {
    const Onnx__AttributeProto *found = onnx_attribute(s, name);
    *n = 0;
    if (!found) return IV_OK;
    if (!has_type(found, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS))
        return onnx_refuse(s, "its attribute %s is not a list of integers", name);
    if (found->n_ints > ONNX_MOST_AXES)
        return onnx_refuse(s, "its attribute %s has %zu integers, expected at most %d", name,
                           found->n_ints, ONNX_MOST_AXES);
    *n = found->n_ints;
    if (*n > 0) memcpy(values, found->ints, *n * sizeof *values);
    return IV_OK;
}

iv_status onnx_axis(onnx_state *s, int64_t axis, unsigned rank, unsigned *place) {
    *place = 0;
    if (axis < -(int64_t)rank || axis >= (int64_t)rank)
        return onnx_refuse(s, "there is no axis %" PRId64 " in a tensor of %u axes", axis, rank);
    *place = (unsigned)(axis < 0 ? axis + rank : axis);
    return IV_OK;
}

/* ------------------------------------------------------------------ constant inputs */

static iv_status constant_input(onnx_state *s, size_t input, const onnx_constant **constant) {
    const onnx_name *name = input < s->n_inputs ? s->inputs[input] : NULL;
    *constant = onnx_constant_of(s, name);
    if (!name || *constant) return IV_OK;
    char text[ONNX_NODE_NAME];
    return onnx_refuse(s, "its input '%s' depends on the image, expected a constant",
                       onnx_tame(name->name, text));
}

iv_status onnx_input_integers(onnx_state *s, size_t input, int64_t values[ONNX_MOST_AXES],
                              uint8_t of_images[ONNX_MOST_AXES], size_t *n) {
    const onnx_constant *constant;
    *n = 0;
    const iv_status status = constant_input(s, input, &constant);
    if (status != IV_OK || !constant) return status;
    if (!constant->integers || constant->shape.rank > 1 || constant->n > ONNX_MOST_AXES)
        return onnx_refuse(s, "its input %zu is not a list of up to %d integers", input,
                           ONNX_MOST_AXES);
    *n = constant->n;
    memcpy(values, constant->integers, *n * sizeof *values);
    for (size_t i = 0; i < *n; i++) {
        const bool images = constant->of_images && constant->of_images[i];
        if (images && !of_images)
            return onnx_refuse(s, "what it does depends on the number of images");
        if (of_images) of_images[i] = images;
    }
    return IV_OK;
}

iv_status onnx_moved_integers(onnx_state *s, int64_t since, const char *name, size_t input,
                              int64_t values[ONNX_MOST_AXES], size_t *n) {
    if (s->opset < since && input < s->n_inputs)
        return onnx_refuse(s,
                           "has an input %zu, which is an attribute before operator set %" PRId64,
                           input, since);
    if (s->opset < since) return onnx_integers(s, name, values, n);
    if (onnx_attribute(s, name))
        return onnx_refuse(s, "has an attribute %s, which is an input since operator set %" PRId64,
                           name, since);
    return onnx_input_integers(s, input, values, NULL, n);
}

iv_status onnx_input_number(onnx_state *s, size_t input, double otherwise, double *number) {
    const onnx_constant *constant;
    *number = otherwise;
    const iv_status status = constant_input(s, input, &constant);
    if (status != IV_OK || !constant) return status;
    if (constant->n != 1 || constant->of_images)
        return onnx_refuse(s, "its input %zu is not one number", input);
    *number = onnx_number(constant, 0);
    return IV_OK;
}
