/* Groups as users name them. */
#include "audit/audit.h"

#include <stdlib.h>
#include <string.h>

static iv_status read_group(const char *path, iv_image_shape shape, iv_group **group,
                            iv_error *error) {
    iv_array array;
    iv_status status = iv_npy_read(path, &array, error);
    if (status != IV_OK) return status;
    size_t n = 1, n_elements = array.rank > 0 ? array.shape[0] : 0;
    for (unsigned i = 1; i < array.rank; i++) n *= array.shape[i];
    int64_t *source = NULL;
    if (array.rank < 2 || array.type == IV_ARRAY_FLOAT32)
        status =
            iv_fail(error, IV_EDATA,
                    "%s: an array of %s of %u dimensions, expected integers [elements, pixels]",
                    path, iv_array_type_name(array.type), array.rank);
    if (status == IV_OK && !(source = malloc((n_elements * n + 1) * sizeof *source)))
        status = iv_fail(error, IV_ENOMEM, "%s: no memory to read it", path);
    for (size_t i = 0; i < n_elements * n && status == IV_OK; i++)
        source[i] = iv_array_integer(&array, i);
    if (status == IV_OK)
        status = iv_group_from_tables(source, n_elements, n, shape, path, group, error);
    free(source);
    free(array.data);
    return status;
}

iv_status iv_audit_group(const char *text, iv_image_shape shape, iv_group **group,
                         iv_error *error) {
    static const char ending[] = ".npy";
    const size_t n = strlen(text);
    *group = NULL;
    if (n >= sizeof ending && strcmp(text + n - (sizeof ending - 1), ending) == 0)
        return read_group(text, shape, group, error);
    return iv_group_parse(text, shape, group, error);
}
