/* The table of studies of `invar-with-study`: the built-in ones and fourier_study.c. It takes the
 * place of src/studies/table.c, which is linked only where no other table is. */
#include "studies/table.h"

#include "studies/autoencoder/autoencoder.h"
#include "studies/marginal_likelihood/marginal_likelihood.h"
#include "studies/regularization/regularization.h"

#include "fourier_study.h"

const iv_study *const study_table[] = {&reg_study, &ae_study, &ml_study, &fourier_study, NULL};
