/* Kept for tests that do not include the kit by its own name yet. */
#ifndef INVAR_TESTS_CLI_PROCESS_H
#define INVAR_TESTS_CLI_PROCESS_H

#include "../kit/process.h"
#include "../report/scratch.h"

#endif
