/* What each study declares in its folder: keys.c, metrics.c, and checks.c where rows cannot tell.
 */
#ifndef INVAR_STUDIES_SCHEMAS_H
#define INVAR_STUDIES_SCHEMAS_H

#include <invar/schema.h>

extern const iv_schema ae_schema, ml_schema, reg_schema;

/* The i-th metric, NULL past the last. */
const iv_metric_def *ae_metric_def(size_t i);
const iv_metric_def *ml_metric_def(size_t i);
const iv_metric_def *reg_metric_def(size_t i);

iv_status ae_check_run(iv_spec_check *check, const iv_node *config);
iv_status ml_check_run(iv_spec_check *check, const iv_node *config);
iv_status ml_check_spec(iv_spec_check *check, const iv_node *root);
iv_status reg_check_run(iv_spec_check *check, const iv_node *config);
iv_status reg_check_spec(iv_spec_check *check, const iv_node *root);

#endif
