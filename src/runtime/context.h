/* What the files of the runtime share: the context's inside. Other rooms use invar/runtime.h. */
#ifndef INVAR_RUNTIME_CONTEXT_H
#define INVAR_RUNTIME_CONTEXT_H

#include "runtime/kernels.h"

#include <invar/runtime.h>

#include <pthread.h>

/* A kernel file built for the device with one set of options. */
typedef struct {
    const char *file; /* the name of its source */
    char *options;    /* as the caller gave them; "" for none */
    cl_program program;
} iv_program;

/* A kernel file from outside the library, as one text with what it includes. */
typedef struct {
    char name[64];
    char *text;
    const char *lines[2]; /* the text, NULL */
    iv_embedded_kernel source;
} iv_added_program;

/* What another room keeps with the context. */
typedef struct {
    char *key;
    void *object;
    void (*destroy)(void *object);
} iv_attachment;

struct iv_context {
    iv_device_info device;
    size_t max_work_items[3]; /* CL_DEVICE_MAX_WORK_ITEM_SIZES of the first three dimensions */
    cl_context cl;
    cl_command_queue queue;
    bool profiling;
    struct iv_lanes *lanes; /* see runtime/lanes.h; NULL if the device has none */
    iv_error error;

    iv_program *programs;
    size_t n_programs;
    iv_added_program **added;
    size_t n_added;
    cl_kernel fill_kernel; /* made by the first iv_buffer_fill */

    iv_attachment *attachments;
    size_t n_attachments;

    size_t live_bytes;
    size_t peak_bytes;

    /* What the driver reported from a thread of its own since the last failure. */
    pthread_mutex_t notice_lock;
    char notice[256];

    /* Bounds the work that is queued and not done: see iv_context_throttle. */
    size_t n_queued;
    cl_event queued_event;
};

/* "CL_OUT_OF_RESOURCES" for -5; "unknown OpenCL error" for a code that is none of OpenCL 1.2. */
const char *iv_cl_error_name(cl_int code);

/* The status that an OpenCL code means, and what the user can do
 * about it ("" if nothing is known). */
iv_status iv_cl_error_status(cl_int code, const char **advice);

/* Say that n_launches were enqueued. Waits for old work where a great deal of it is outstanding, so
 * that a training loop that never waits does not fill the host's memory with queued commands. */
iv_status iv_context_throttle(iv_context *context, size_t n_launches);

/* The source of a kernel file, embedded or added; NULL if there is none of that name. */
const iv_embedded_kernel *iv_kernel_source(const iv_context *context, const char *file);

/* Most work-items of a group in the first dimension that the device allows for the kernel; the sizes
 * that its reqd_work_group_size says, zeros without. */
iv_status iv_kernel_items(iv_context *context, cl_kernel kernel, size_t *items);
void iv_kernel_required(const iv_context *context, cl_kernel kernel, size_t sizes[3]);

/* iv_kernel_create, with groups made smaller where the device does not allow what the kernel
 * requires, and its file can be built for fewer: cl/group_items.cl. They have a `divisor`-th of the
 * work-items then. */
iv_status iv_kernel_create_fitting(iv_context *context, const char *file, const char *function,
                                   const char *options, cl_kernel *kernel, size_t *divisor);

/* Release every built program; then every source that was added. */
void iv_programs_release(iv_context *context);
void iv_added_programs_release(iv_context *context);

#endif
