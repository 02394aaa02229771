/* Largest singular values of a population's weights. */
#include "studies/regularization/regularization.h"

#include <invar/linalg.h>

#include <string.h>

iv_status reg_weight_norms_create(const reg_model *model, reg_weight_norms *norms) {
    memset(norms, 0, sizeof *norms);
    norms->context = model->base.context;
    norms->n_layers = model->setting->layers;
    norms->n_members = model->base.population->n_members;
    iv_status status = iv_sequence_create(model->base.context, &norms->sequence);
    for (size_t l = 0; l < norms->n_layers && status == IV_OK; l++) {
        const iv_parameter_desc *weight = iv_parameters_desc(model->base.parameters, 2 * l);
        const size_t m = weight->dims[0], n = weight->dims[1];
        norms->widths[l] = m < n ? m : n;
        status = iv_buffer_create(model->base.context,
                                  norms->n_members * norms->widths[l] * sizeof(float),
                                  &norms->values[l]);
        if (status == IV_OK)
            status = iv_svd(norms->sequence,
                            &(iv_svd_desc){.m = m,
                                           .n = n,
                                           .batch = norms->n_members,
                                           .a = iv_parameters_view(model->base.parameters, 2 * l),
                                           .s = {norms->values[l], 0, norms->widths[l]}});
    }
    if (status != IV_OK) reg_weight_norms_clear(norms);
    return status;
}

void reg_weight_norms_clear(reg_weight_norms *norms) {
    iv_sequence_destroy(norms->sequence);
    for (size_t l = 0; l < norms->n_layers; l++)
        iv_buffer_release(norms->context, norms->values[l]);
    memset(norms, 0, sizeof *norms);
}

iv_status reg_weight_norms_run(reg_weight_norms *norms, double *values) {
    const size_t size = iv_values_size(&reg_study);
    const size_t first = iv_value_index(&reg_study, REG_WEIGHTS, REG_SIGMA_MAX);
    iv_status status = iv_sequence_run(norms->sequence, 0);
    for (size_t l = 0; l < norms->n_layers; l++)
        for (size_t r = 0; r < norms->n_members && status == IV_OK; r++) {
            float largest;
            status =
                iv_buffer_read(norms->context, norms->values[l],
                               r * norms->widths[l] * sizeof largest, sizeof largest, &largest);
            values[r * size + first + l] = (double)largest;
        }
    return status;
}
