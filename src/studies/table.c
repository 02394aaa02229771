/* The studies that are built in: one line each, and nothing else, so that a program can bring a
 * table of its own. */
#include "studies/table.h"

#include "studies/autoencoder/autoencoder.h"
#include "studies/marginal_likelihood/marginal_likelihood.h"
#include "studies/regularization/regularization.h"

const iv_study *const study_table[] = {&reg_study, &ae_study, &ml_study, NULL};
