/* The studies there are. */
#include "studies/regularization.h"

#include <string.h>

static const iv_study studies[] = {
    {"regularization", reg_run, reg_evaluate, reg_estimate},
};

const iv_study *iv_study_find(const char *name) {
    for (size_t i = 0; i < sizeof studies / sizeof *studies; i++)
        if (strcmp(studies[i].name, name) == 0) return &studies[i];
    return NULL;
}
