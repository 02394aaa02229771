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
    size_t *offsets;    /* [n_parameters] of each tensor in a member, in elements */
    size_t stride;      /* elements of a member, padding included */
    cl_mem values;      /* [n_members, stride] */
    iv_saved *exported; /* [n_parameters] */
    iv_saved kept;      /* all of them as they lie */
    iv_state state;
};

enum { IV_MAX_OPTIMIZER_STATES = 2 };

/* What an optimizer keeps beside the parameters: a buffer like theirs for every state. */
typedef struct {
    const char *title; /* "Adam" */
    size_t n_states;
    const char *states[IV_MAX_OPTIMIZER_STATES]; /* as checkpoints name them: "adam.mean" */
} iv_optimizer_method;

struct iv_optimizer {
    iv_parameters *parameters;
    const iv_optimizer_method *method;
    iv_optimizer_desc desc; /* learning_rates lie on the device instead */
    cl_mem learning_rates;  /* [n_members] */
    cl_mem descents;        /* [n_members] rates with their sign changed, for the plan's updates */
    bool *taken;            /* [n_parameters] updated by the plan */
    cl_mem gradient;        /* [n_members, stride] like the values */
    cl_mem states[IV_MAX_OPTIMIZER_STATES];
    iv_saved kept[IV_MAX_OPTIMIZER_STATES];
    iv_state state;
};

/* Device memory set to zero. */
iv_status iv_create_zeros(iv_context *context, size_t bytes, cl_mem *buffer);

size_t iv_parameter_elements(const iv_parameter_desc *desc);

#endif
