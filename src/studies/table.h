/* The table of studies; ends with NULL. */
#ifndef INVAR_STUDIES_TABLE_H
#define INVAR_STUDIES_TABLE_H

#include <invar/experiment.h>

extern const iv_study *const study_table[];

#endif
