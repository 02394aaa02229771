/* A device to test on, and what lies on it. */
#ifndef INVAR_TESTS_KIT_DEVICE_H
#define INVAR_TESTS_KIT_DEVICE_H

#include "kit.h"

/* For main: true, with TAP that says so, where there is no device to test on. */
bool no_device_to_test(void);

/* A context on the default device; the test fails without one. */
iv_context *open_context(bool profiling);

/* A buffer with these bytes, to be released. */
cl_mem upload(iv_context *context, const void *data, size_t bytes);

/* The same in a buffer that goes with the sequence. */
cl_mem sequence_upload(iv_context *context, iv_sequence *sequence, const void *data, size_t bytes);

/* A device for all tests of a program.
 *
 * Oclgrind 21.10 takes a new buffer for one that was released before, if it is smaller, and reports
 * reads past the end of that as uninitialised. So small runs keep what they make to the end. */
typedef struct {
    iv_context *context;
    struct kept *kept;
    uint32_t n_draws; /* of the test's own numbers */
} program;

/* The set-up and the tear-down of a group of tests, whose state is then a program *. Oclgrind takes
 * what CLBlast and the tiled engine compute in registers for reads of uninitialised memory, though
 * it holds the right values: open_program has products done by the panel engine there.
 * open_any_engine leaves that to the tests. */
int open_program(void **state);
int open_any_engine(void **state);
int close_program(void **state);

/* Destroy at once, or when a small run ends, the last first. */
void program_release(program *p, void (*destroy)(void *object), void *object);

iv_sequence *begin_sequence(const program *p);
void end_sequence(program *p, iv_sequence *sequence);

/* Zeros, to free. */
float *new_floats(size_t n);
double *new_doubles(size_t n);

#endif
