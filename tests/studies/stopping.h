/* Stopping a run at a chosen moment. */
#ifndef INVAR_TESTS_STUDIES_STOPPING_H
#define INVAR_TESTS_STUDIES_STOPPING_H

#include "../kit/process.h"

#include <signal.h>

/* Training of a population has come to a step. */
typedef struct {
    size_t population, step;
    const char *model; /* or: this model is written, so its metrics are being measured */
} moment;

/* Start `invar ARGUMENTS...`, which writes to SCRATCH/run, let it run until the moment, then send
 * it a signal. It must not have ended before. */
void stop(void **state, const char *const *arguments, const moment *m, int number);

/* The same; false if it had ended well before. */
bool stop_unless_ended(void **state, const char *const *arguments, const moment *m, int number);

/* Whether SCRATCH/run has come to a moment, running or stopped. */
bool has_come(void **state, const moment *m);

#endif
