/* A fourth study, beside those that are built in: see fourier_study.c. */
#ifndef INVAR_TESTS_STUDIES_FOURIER_STUDY_H
#define INVAR_TESTS_STUDIES_FOURIER_STUDY_H

#include <invar/experiment.h>

extern const iv_study fourier_study;

#endif
