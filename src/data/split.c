#include <invar/data.h>
#include <invar/random.h>

iv_status iv_split(uint32_t seed, size_t n_pool, size_t n_training, size_t n_validation,
                   size_t n_test, int32_t *out, iv_error *error) {
    if (n_pool > INT32_MAX)
        return iv_fail(error, IV_EINVAL, "a pool of %zu images is above %ld", n_pool,
                       (long)INT32_MAX);
    /* Subtractions, because a sum of sizes from a spec could overflow. */
    if (n_training > n_pool || n_validation > n_pool - n_training ||
        n_test > n_pool - n_training - n_validation)
        return iv_fail(error, IV_EINVAL,
                       "a split of %zu training, %zu validation and %zu test images does not fit "
                       "the %zu images there are",
                       n_training, n_validation, n_test, n_pool);
    iv_permutation(seed, IV_STREAM_SPLIT, (uint32_t)n_pool, out);
    return IV_OK;
}
