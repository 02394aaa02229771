/* Running the invar program as a user does, for the tests of the
 * command line and of the studies. */
#ifndef INVAR_TESTS_CLI_PROCESS_H
#define INVAR_TESTS_CLI_PROCESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../report/scratch.h"

#include <sys/types.h>

enum { MOST_ARGUMENTS = 24 };

/* What a program left: its exit status (-N if signal N ended it) and all it wrote. */
typedef struct {
    int status;
    char *out, *err;
} outcome;

typedef struct {
    pid_t pid;
    char out[SCRATCH_PATH + 32], err[SCRATCH_PATH + 32];
} process;

/* Run `invar ARGUMENTS...` (up to a NULL) to its end. Its output lies in the scratch folder until
 * outcome_free. */
outcome invar(void **state, ...);

/* The same for a whole argument list, argv[0] left out, with changes made by `prepare` (NULL for
 * none) in the new process before the program starts. */
outcome invar_with(void **state, void (*prepare)(void), const char *const *arguments);

/* Start it, and wait for it later. */
process invar_start(void **state, const char *const *arguments);
outcome invar_wait(const process *running);

void outcome_free(outcome *o);

/* The status, with what the program said if it is another one. */
void assert_status(const outcome *o, int status);

/* Run to success, saying nothing of it. */
void invar_succeeds(void **state, const char *const *arguments);

/* Run, expect the status and each of the texts (up to a NULL) on standard error. */
void invar_fails(void **state, const char *const *arguments, int status, ...);

/* For main: nonzero, with TAP that says so, where there is no device to run on. */
int run_without_device(void);

/* Both files hold the same bytes. */
void assert_same_file(const char *a, const char *b);

#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
