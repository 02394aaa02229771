/* The studies there are. */
#include "studies/autoencoder/autoencoder.h"
#include "studies/marginal_likelihood/marginal_likelihood.h"
#include "studies/regularization/regularization.h"

#include <string.h>

static const iv_study studies[] = {
    {"regularization", reg_prepare, reg_run, reg_evaluate, reg_estimate, reg_steps},
    {"autoencoder", ae_prepare, ae_run_study, ae_evaluate, ae_estimate, ae_steps},
    {"marginal-likelihood", ml_prepare, ml_run_study, ml_evaluate, ml_estimate, ml_step_entries},
};

const iv_study *iv_study_get(size_t i) {
    return i < sizeof studies / sizeof *studies ? &studies[i] : NULL;
}

const iv_study *iv_study_find(const char *name) {
    for (size_t i = 0; i < sizeof studies / sizeof *studies; i++)
        if (strcmp(studies[i].name, name) == 0) return &studies[i];
    return NULL;
}
