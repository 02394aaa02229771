/* The schemas of the studies there are. */
#include "studies/schemas.h"

#include <invar/studies.h>

static const iv_schema *const schemas[] = {&reg_schema, &ae_schema, &ml_schema, NULL};

const iv_schema *iv_study_schema(size_t i) {
    return i < sizeof schemas / sizeof *schemas ? schemas[i] : NULL;
}
