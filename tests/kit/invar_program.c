/* The program under test. A test of another one compiles this file itself, with its own
 * INVAR_PROGRAM, and so takes the place of the kit's. */
#include "process.h"

const char *const invar_program = INVAR_PROGRAM;
