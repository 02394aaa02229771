/* Inside the train room. */
#ifndef INVAR_TRAIN_TRAIN_H
#define INVAR_TRAIN_TRAIN_H

#include <invar/train.h>

enum { IV_PARAMETER_VECTOR = 16 }; /* the stride of a member is a multiple of it */

struct iv_parameters {
    iv_context *context;
    size_t n_members;
    iv_parameter_desc *descs;
    size_t n_parameters;
    size_t *offsets; /* [n_parameters] of each tensor in a member, in elements */
    size_t stride;   /* elements of a member, padding included */
    cl_mem values;   /* [n_members, stride] */
};

struct iv_adam {
    iv_parameters *parameters;
    iv_adam_desc desc;               /* learning_rates lie on the device instead */
    cl_mem learning_rates;           /* [n_members] */
    cl_mem gradient, mean, variance; /* [n_members, stride] like the values */
};

size_t iv_parameter_elements(const iv_parameter_desc *desc);

#endif
