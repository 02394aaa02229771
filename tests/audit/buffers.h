/* Buffers on Oclgrind, which takes a new buffer for one that was released before, if it is smaller
 * (see tests/kit/device.h): an audit releases what it makes, so that here nothing is. */
#ifndef INVAR_TESTS_AUDIT_BUFFERS_H
#define INVAR_TESTS_AUDIT_BUFFERS_H

#include "../kit/device.h"

/* open_program; on Oclgrind, buffers are kept from then on to the end of the process. */
int open_keeping_buffers(void **state);

#endif
