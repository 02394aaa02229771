/* Running programs as a user does: their exit status, and all that they write. The folder in
 * *state takes their output while they run. */
#ifndef INVAR_TESTS_KIT_PROCESS_H
#define INVAR_TESTS_KIT_PROCESS_H

#include "files.h"

#include <sys/types.h>

enum { MOST_ARGUMENTS = 24 };

/* What a program left: its exit status (-N if signal N ended it) and all it wrote. */
typedef struct {
    int status;
    char *out, *err;
} outcome;

typedef struct {
    pid_t pid;
    char out[SCRATCH_PATH], err[SCRATCH_PATH];
} process;

#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Start a program, by its path or by its name on the PATH, with arguments (up to a NULL, without
 * argv[0]), with changes made by `prepare` (NULL for none) in the new process before the program
 * begins. */
process process_start(void **state, const char *program, void (*prepare)(void),
                      const char *const *arguments);
outcome process_wait(const process *running);
void outcome_free(outcome *o);

/* For `prepare`: root may write anywhere. Without that right, directories that nobody may write to
 * stop it too, and it still reads its own files. Where this cannot be had, the program ends with
 * the status STILL_PRIVILEGED. */
enum { STILL_PRIVILEGED = 125 };
void renounce_privileges(void);

/* The status, with what the program said if it is another one. */
void assert_status(const outcome *o, int status);

/* A Python that can import these modules: the first on the PATH, or the system's; NULL if neither
 * can. */
const char *python_with(const char *modules);

/* ------------------------------------------------------------------ invar */

extern const char *const invar_program;

/* Run `invar ARGUMENTS...` (up to a NULL) to its end. */
outcome invar(void **state, ...);
outcome invar_with(void **state, void (*prepare)(void), const char *const *arguments);

/* Start it, and wait for it later. */
process invar_start(void **state, const char *const *arguments);
outcome invar_wait(const process *running);

/* Run to success, whatever it says. */
void invar_succeeds(void **state, const char *const *arguments);

/* Run, expect the status and each of the texts (up to a NULL) on standard error. */
void invar_fails(void **state, const char *const *arguments, int status, ...);

/* For main: nonzero, with TAP that says so, where there is no device to run on. */
int run_without_device(void);

#endif
