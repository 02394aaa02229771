/* Groups by name: KIND[:ORDER[:AXES]]. */
#include <invar/transform.h>

#include "runtime/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The kind that the first `length` letters name, and its number. */
static const iv_group_kind_info *find_kind(const char *text, size_t length, iv_group_kind *kind) {
    const iv_group_kind_info *info;
    for (size_t i = 0; (info = iv_group_kind_get(i)); i++)
        if (strlen(info->name) == length && strncmp(info->name, text, length) == 0) {
            *kind = (iv_group_kind)i;
            return info;
        }
    return NULL;
}

static iv_status unknown_kind(const char *text, size_t length, iv_error *error) {
    char word[64], names[256] = "";
    const iv_group_kind_info *info, *nearest = NULL;
    size_t best = SIZE_MAX, used = 0;
    snprintf(word, sizeof word, "%.*s", (int)(length < 60 ? length : 60), text);
    for (size_t i = 0; (info = iv_group_kind_get(i)); i++) {
        if (iv_word_nearer(word, info->name, &best)) nearest = info;
        if (used < sizeof names)
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                                     info->name);
    }
    if (nearest)
        return iv_fail(error, IV_EINVAL, "there is no group \"%s\"; did you mean `%s`?", word,
                       nearest->name);
    return iv_fail(error, IV_EINVAL, "there is no group \"%s\", expected one of %s", word, names);
}

static size_t largest_order(const iv_group_kind_info *info) {
    size_t largest = 0;
    for (size_t i = 0; i < sizeof info->orders / sizeof *info->orders && info->orders[i]; i++)
        if (info->orders[i] > largest) largest = info->orders[i];
    return largest;
}

/* ":ORDER" at *at, which moves past it. */
static iv_status read_order(const char *text, const iv_group_kind_info *info, const char **at,
                            size_t *order, iv_error *error) {
    *order = largest_order(info);
    if (**at == ':' && (*at)[1] >= '0' && (*at)[1] <= '9') {
        char *end;
        const unsigned long number = strtoul(*at + 1, &end, 10);
        *order = number < 65536 ? number : 65536;
        *at = end;
    }
    if (*order > 0) return IV_OK;
    return iv_fail(error, IV_EINVAL, "group \"%s\" has no order, expected %s:ORDER, as in %s:4",
                   text, info->name, info->name);
}

iv_status iv_group_parse_name(const char *text, iv_group *group, iv_error *error) {
    const size_t length = strcspn(text, ":");
    const char *at = text + length;
    *group = (iv_group){.axes = IV_AXES_X};
    const iv_group_kind_info *info = find_kind(text, length, &group->kind);
    if (!info) return unknown_kind(text, length, error);
    const iv_status status = read_order(text, info, &at, &group->order, error);
    if (status != IV_OK) return status;
    if (info->has_axes && *at) {
        group->axes = strcmp(at, ":xy") == 0  ? IV_AXES_XY
                      : strcmp(at, ":y") == 0 ? IV_AXES_Y
                                              : IV_AXES_X;
        if (group->axes != IV_AXES_X || strcmp(at, ":x") == 0) at += strlen(at);
    }
    if (*at)
        return iv_fail(error, IV_EINVAL, "group \"%s\": \"%s\" is not understood, expected %s%s",
                       text, at, "KIND:ORDER",
                       info->has_axes ? ":AXES, where axes are x, y or xy" : "");
    return IV_OK;
}

iv_status iv_group_parse(const char *text, iv_image_shape shape, iv_group **group,
                         iv_error *error) {
    iv_group name;
    *group = NULL;
    const iv_status status = iv_group_parse_name(text, &name, error);
    if (status != IV_OK) return status;
    return iv_group_create(name.kind, name.order, name.axes, shape, group, error);
}
