#define _GNU_SOURCE /* RTLD_NEXT */
#include "buffers.h"

#include <dlfcn.h>

static bool keeps;

int open_keeping_buffers(void **state) {
    if (open_program(state) != 0) return -1;
    const program *p = *state;
    keeps = strstr(iv_context_device(p->context)->name, "Oclgrind");
    return 0;
}

/* In the place of the loader's, for everything in this program. */
cl_int clReleaseMemObject(cl_mem buffer) {
    cl_int (*release)(cl_mem);
    void *found = dlsym(RTLD_NEXT, "clReleaseMemObject");
    memcpy(&release, &found, sizeof release);
    return keeps ? CL_SUCCESS : release(buffer);
}
