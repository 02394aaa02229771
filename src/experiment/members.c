/* What members have of their own, on the host and on the device. */
#include "experiment/experiment.h"

#include <stdlib.h>

double iv_member_number(const iv_member *member, const char *path) {
    return iv_spec_number(member->run->config, path);
}

float iv_member_float(const iv_member *member, const char *path) {
    return (float)iv_spec_number(member->run->config, path);
}

uint32_t *iv_member_seeds(const iv_population *p) {
    uint32_t *seeds = malloc(p->n_members * sizeof *seeds);
    for (size_t r = 0; r < p->n_members && seeds; r++) seeds[r] = p->members[r].seed;
    return seeds;
}

iv_status iv_member_upload(iv_context *context, const iv_population *p, const char *path,
                           cl_mem *buffer) {
    *buffer = NULL;
    float *numbers = malloc(p->n_members * sizeof *numbers);
    if (!numbers) return iv_no_memory(context);
    for (size_t r = 0; r < p->n_members; r++) numbers[r] = iv_member_float(&p->members[r], path);
    const iv_status status =
        iv_buffer_upload(context, numbers, p->n_members * sizeof *numbers, buffer);
    free(numbers);
    return status;
}

iv_status iv_member_upload_seeds(iv_context *context, const iv_population *p, cl_mem *buffer) {
    *buffer = NULL;
    uint32_t *seeds = iv_member_seeds(p);
    if (!seeds) return iv_no_memory(context);
    const iv_status status = iv_buffer_upload(context, seeds, p->n_members * sizeof *seeds, buffer);
    free(seeds);
    return status;
}
