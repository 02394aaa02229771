/* The studies that are built in. */
#ifndef INVAR_STUDIES_H
#define INVAR_STUDIES_H

#include <invar/experiment.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The i-th study, or NULL after the last; the one of that name, or NULL. */
const iv_study *iv_study_get(size_t i);
const iv_study *iv_study_find(const char *name);

/* The study of a spec that was loaded with iv_study_schema. */
const iv_study *iv_study_of(const iv_spec *spec);

/* The i-th study's schema, or NULL after the last: what iv_spec_load takes. */
const iv_schema *iv_study_schema(size_t i);

#ifdef __cplusplus
}
#endif

#endif
