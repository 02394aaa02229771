/* Finding studies in the table. */
#include "studies/table.h"

#include <invar/studies.h>

#include <string.h>

const iv_study *iv_study_get(size_t i) {
    for (size_t k = 0; k < i; k++)
        if (!study_table[k]) return NULL;
    return study_table[i];
}

const iv_study *iv_study_find(const char *name) {
    const iv_study *study;
    for (size_t i = 0; (study = study_table[i]); i++)
        if (strcmp(study->schema->study, name) == 0) return study;
    return NULL;
}

const iv_study *iv_study_of(const iv_spec *spec) {
    return iv_study_find(iv_spec_schema(spec)->study);
}

const iv_schema *iv_study_schema(size_t i) {
    const iv_study *study = iv_study_get(i);
    return study ? study->schema : NULL;
}
