/* NumPy's .npy files: "\x93NUMPY", version, header length, a Python dictionary, then the data. */
#include <invar/data.h>

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char magic[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};

static const struct {
    const char *descr;
    size_t bytes;
    const char *name;
} types[] = {
    [IV_ARRAY_UINT8] = {"|u1", 1, "uint8"},     [IV_ARRAY_INT32] = {"<i4", 4, "int32"},
    [IV_ARRAY_FLOAT32] = {"<f4", 4, "float32"}, [IV_ARRAY_INT8] = {"|i1", 1, "int8"},
    [IV_ARRAY_INT16] = {"<i2", 2, "int16"},     [IV_ARRAY_UINT16] = {"<u2", 2, "uint16"},
    [IV_ARRAY_UINT32] = {"<u4", 4, "uint32"},   [IV_ARRAY_INT64] = {"<i8", 8, "int64"},
    [IV_ARRAY_UINT64] = {"<u8", 8, "uint64"},
};

const char *iv_array_type_name(iv_array_type type) {
    return types[type].name;
}

int64_t iv_array_integer(const iv_array *array, size_t i) {
    switch (array->type) {
    case IV_ARRAY_INT8: return ((const int8_t *)array->data)[i];
    case IV_ARRAY_UINT8: return ((const uint8_t *)array->data)[i];
    case IV_ARRAY_INT16: return ((const int16_t *)array->data)[i];
    case IV_ARRAY_UINT16: return ((const uint16_t *)array->data)[i];
    case IV_ARRAY_INT32: return ((const int32_t *)array->data)[i];
    case IV_ARRAY_UINT32: return ((const uint32_t *)array->data)[i];
    case IV_ARRAY_INT64: return ((const int64_t *)array->data)[i];
    case IV_ARRAY_UINT64: {
        const uint64_t value = ((const uint64_t *)array->data)[i];
        return value > INT64_MAX ? INT64_MAX : (int64_t)value;
    }
    case IV_ARRAY_FLOAT32: break;
    }
    return -1;
}

/* Elements are stored little-endian, whatever the machine. */
static void swap_if_big_endian(void *data, size_t n_elements, size_t element_bytes) {
    const uint16_t probe = 1;
    uint8_t *bytes = data;
    if (*(const uint8_t *)&probe == 1 || element_bytes == 1) return;
    for (size_t i = 0; i < n_elements; i++, bytes += element_bytes)
        for (size_t k = 0; k < element_bytes / 2; k++) {
            const uint8_t kept = bytes[k];
            bytes[k] = bytes[element_bytes - 1 - k];
            bytes[element_bytes - 1 - k] = kept;
        }
}

static iv_status count_elements(const iv_array *array, size_t *n_elements, size_t *n_bytes,
                                iv_error *error) {
    *n_elements = 1;
    for (unsigned i = 0; i < array->rank; i++) {
        const iv_status status = iv_multiply_size(*n_elements, array->shape[i], n_elements, error);
        if (status != IV_OK) return status;
    }
    return iv_multiply_size(*n_elements, types[array->type].bytes, n_bytes, error);
}

/* The whole header, padded with spaces so that the data starts at a multiple of 64. */
static size_t compose_header(const iv_array *array, char *header, size_t size) {
    size_t length = (size_t)snprintf(header + 10, size - 10,
                                     "{'descr': '%s', 'fortran_order': False, 'shape': (",
                                     types[array->type].descr) +
                    10;
    for (unsigned i = 0; i < array->rank; i++)
        length += (size_t)snprintf(header + length, size - length,
                                   i + 1 < array->rank ? "%zu, " : "%zu", array->shape[i]);
    /* A tuple of one needs its comma. */
    length += (size_t)snprintf(header + length, size - length, array->rank == 1 ? ",), }" : "), }");
    while ((length + 1) % 64 != 0) header[length++] = ' ';
    header[length++] = '\n';

    memcpy(header, magic, sizeof magic);
    header[6] = 1;
    header[7] = 0;
    header[8] = (char)((length - 10) & 0xff);
    header[9] = (char)((length - 10) >> 8);
    return length;
}

iv_status iv_npy_write(const char *path, const iv_array *array, iv_error *error) {
    if (array->rank > IV_ARRAY_MAX_RANK)
        return iv_fail(error, IV_EINVAL, "%s: %u dimensions, at most %d can be written", path,
                       array->rank, IV_ARRAY_MAX_RANK);
    size_t n_elements, n_bytes;
    iv_status status = count_elements(array, &n_elements, &n_bytes, error);
    if (status != IV_OK) return status;

    char header[512];
    const size_t header_bytes = compose_header(array, header, sizeof header);
    uint8_t *data = malloc(n_bytes + 1);
    if (!data) return iv_fail(error, IV_ENOMEM, "%s: no memory to write it", path);
    if (n_bytes > 0) memcpy(data, array->data, n_bytes);
    swap_if_big_endian(data, n_elements, types[array->type].bytes);

    const iv_file_part parts[] = {{header, header_bytes}, {data, n_bytes}};
    status = iv_write_parts_atomically(path, parts, 2, error);
    free(data);
    return status;
}

static const char *skip_spaces(const char *at) {
    while (*at == ' ' || *at == '\n') at++;
    return at;
}

/* What a header is refused for, if it is one of the usual things. */
typedef struct {
    char type[16]; /* the type's description, if it is none of ours */
    bool fortran;
} refusal;

static const char *parse_type(const char *at, iv_array *array, refusal *why) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const size_t length = strlen(types[i].descr);
        if ((*at == '\'' || *at == '"') && strncmp(at + 1, types[i].descr, length) == 0 &&
            at[1 + length] == at[0]) {
            array->type = (iv_array_type)i;
            return at + length + 2;
        }
    }
    const size_t length = *at == '\'' || *at == '"' ? strcspn(at + 1, "'\"\n") : 0;
    snprintf(why->type, sizeof why->type, "%.*s", length < 15 ? (int)length : 15, at + 1);
    return NULL;
}

static const char *parse_shape(const char *at, iv_array *array) {
    if (*at++ != '(') return NULL;
    array->rank = 0;
    for (at = skip_spaces(at); *at != ')'; at = skip_spaces(at)) {
        if (array->rank == IV_ARRAY_MAX_RANK || !isdigit((unsigned char)*at)) return NULL;
        size_t size = 0;
        for (; isdigit((unsigned char)*at); at++) {
            const size_t digit = (size_t)(*at - '0');
            if (size > (SIZE_MAX - digit) / 10) return NULL;
            size = size * 10 + digit;
        }
        array->shape[array->rank++] = size;
        at = skip_spaces(at);
        if (*at == ',')
            at++;
        else if (*at != ')')
            return NULL;
    }
    return at + 1;
}

/* The dictionary, its three keys in any order, nothing else. */
static bool parse_header(const char *at, iv_array *array, refusal *why) {
    bool has_type = false, has_order = false, has_shape = false;
    at = skip_spaces(at);
    if (*at++ != '{') return false;
    for (at = skip_spaces(at); *at != '}'; at = skip_spaces(at)) {
        const char quote = *at;
        if (quote != '\'' && quote != '"') return false;
        const char *key = ++at;
        while (*at && *at != quote) at++;
        const size_t length = (size_t)(at - key);
        if (*at++ != quote) return false;
        at = skip_spaces(at);
        if (*at++ != ':') return false;
        at = skip_spaces(at);

        if (length == 5 && strncmp(key, "descr", 5) == 0) {
            at = parse_type(at, array, why);
            has_type = true;
        } else if (length == 13 && strncmp(key, "fortran_order", 13) == 0) {
            why->fortran = strncmp(at, "True", 4) == 0;
            at = strncmp(at, "False", 5) == 0 ? at + 5 : NULL;
            has_order = true;
        } else if (length == 5 && strncmp(key, "shape", 5) == 0) {
            at = parse_shape(at, array);
            has_shape = true;
        } else {
            return false;
        }
        if (!at) return false;
        at = skip_spaces(at);
        if (*at == ',')
            at++;
        else if (*at != '}')
            return false;
    }
    return has_type && has_order && has_shape && *skip_spaces(at + 1) == '\0';
}

static iv_status refuse_header(const char *path, const refusal *why, iv_error *error) {
    if (why->fortran)
        return iv_fail(error, IV_EDATA,
                       "%s: an array in Fortran order, expected C order: save "
                       "numpy.ascontiguousarray(array)",
                       path);
    if (*why->type)
        return iv_fail(error, IV_EDATA,
                       "%s: an array of type %s, expected integers or float32, little-endian: "
                       "save array.astype('%s'), say",
                       path, why->type, strchr(why->type, 'f') ? "float32" : "uint8");
    return iv_fail(error, IV_EDATA,
                   "%s: not understood, expected an array of integers or float32, little-endian, "
                   "in C order, of at most %d dimensions",
                   path, IV_ARRAY_MAX_RANK);
}

static iv_status parse_file(const char *path, const uint8_t *bytes, size_t size, iv_array *array,
                            iv_error *error) {
    if (size < 10 || memcmp(bytes, magic, sizeof magic) != 0 || bytes[6] < 1 || bytes[6] > 3)
        return iv_fail(error, IV_EDATA, "%s: not a NumPy .npy file", path);
    size_t prefix = 10, header_bytes = bytes[8] | (size_t)bytes[9] << 8;
    if (bytes[6] > 1) {
        prefix = 12;
        if (size < prefix) return iv_fail(error, IV_EDATA, "%s: truncated in its header", path);
        header_bytes |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    }
    if (header_bytes > size - prefix)
        return iv_fail(error, IV_EDATA, "%s: truncated in its header", path);

    char *header = malloc(header_bytes + 1);
    if (!header) return iv_fail(error, IV_ENOMEM, "%s: no memory to read it", path);
    memcpy(header, bytes + prefix, header_bytes);
    header[header_bytes] = '\0';
    refusal why = {0};
    const bool understood = strlen(header) == header_bytes && parse_header(header, array, &why);
    free(header);
    if (!understood) return refuse_header(path, &why, error);

    size_t n_elements, n_bytes;
    const size_t found = size - prefix - header_bytes;
    if (count_elements(array, &n_elements, &n_bytes, NULL) != IV_OK)
        return iv_fail(error, IV_EDATA, "%s: its header does not fit its %zu bytes of data", path,
                       found);
    if (n_bytes != found)
        return iv_fail(error, IV_EDATA, "%s: %s: its header promises %zu bytes of data, found %zu",
                       path, found < n_bytes ? "truncated" : "too long", n_bytes, found);
    array->data = malloc(n_bytes + 1);
    if (!array->data)
        return iv_fail(error, IV_ENOMEM, "%s: no memory for %zu bytes", path, n_bytes);
    memcpy(array->data, bytes + prefix + header_bytes, n_bytes);
    swap_if_big_endian(array->data, n_elements, types[array->type].bytes);
    return IV_OK;
}

iv_status iv_npy_read(const char *path, iv_array *array, iv_error *error) {
    uint8_t *bytes = NULL;
    size_t size;
    *array = (iv_array){0};
    iv_status status = iv_read_file(path, SIZE_MAX / 2, &bytes, &size, error);
    if (status == IV_OK) status = parse_file(path, bytes, size, array, error);
    free(bytes);
    return status;
}
