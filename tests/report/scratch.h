/* Kept for tests that do not include the kit by its own name yet, and that name the error last. */
#ifndef INVAR_TESTS_REPORT_SCRATCH_H
#define INVAR_TESTS_REPORT_SCRATCH_H

#include "../kit/files.h"

#undef assert_ok
#define assert_ok(status, where) kit_assert_ok(kit_error(where), status, __FILE__, __LINE__)

#endif
