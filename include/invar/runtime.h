/* OpenCL devices, contexts, kernels, buffers, and sequences of launches that are bound once and
 * replayed.
 *
 * Everything device-side in Invar is built from these: linalg, graph and train append launches to
 * an iv_sequence, and a training step is one iv_sequence_run. A context is used by one thread at a
 * time. */
#ifndef INVAR_RUNTIME_H
#define INVAR_RUNTIME_H

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#ifdef __APPLE__
#include <OpenCL/cl.h>
#else
#include <CL/cl.h>
#endif

#include <invar/status.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0", and the commit that it was built from ("unknown" outside a checkout). */
const char *iv_version(void);
const char *iv_commit(void);

/* ------------------------------------------------------------------ devices */

typedef enum { IV_DEVICE_CPU, IV_DEVICE_GPU, IV_DEVICE_OTHER } iv_device_type;

typedef struct {
    cl_platform_id platform_id;
    cl_device_id device_id;
    char name[256];
    char vendor[128];
    char platform[128];
    char driver[128];    /* CL_DRIVER_VERSION */
    char version[256];   /* CL_DEVICE_VERSION */
    char c_version[128]; /* CL_DEVICE_OPENCL_C_VERSION */
    char address[64];    /* what tells it from others of its name, where the driver says it: "PCI
                            0000:3b:00.0" or "UUID 3f2a..."; else "" */
    iv_device_type type;
    unsigned compute_units;
    unsigned clock_mhz;
    unsigned float_vector_width; /* native, in floats; 1 on most GPUs */
    size_t max_work_group;       /* work-items */
    size_t global_bytes;
    size_t max_alloc_bytes; /* largest single buffer */
    size_t local_bytes;
    size_t align_bytes; /* CL_DEVICE_MEM_BASE_ADDR_ALIGN, in bytes */
    bool unified_memory;
    bool available; /* and has a compiler and OpenCL 1.2 */
} iv_device_info;

/* Every OpenCL device of every platform, in the ICD loader's order; the index is what --device
 * takes. The caller frees *devices with free(). No platform at all is IV_OK with *n_devices = 0. */
iv_status iv_devices_list(iv_device_info **devices, size_t *n_devices, iv_error *error);

/* Which of `devices` a selector names. selector: NULL or "" (environment INVAR_DEVICE if set, else
 * the first GPU, else the first CPU, else the first device), an index, "cpu", "gpu", or a part of
 * the name, platform or address (case-insensitive). "all" is for callers that loop. Unavailable devices are
 * passed over. IV_ENODEVICE, with the list of what there is and how to install a driver, if none
 * fits. */
iv_status iv_device_select(const iv_device_info *devices, size_t n_devices, const char *selector,
                           size_t *index, iv_error *error);

/* ------------------------------------------------------------------ contexts */

typedef struct iv_context iv_context;

/* Open a device: an OpenCL context and an in-order queue on it (profiling enabled if asked: event
 * times then cost a little per launch). `error` gets the reason of a failure; later failures go to
 * the context's own error. */
iv_status iv_context_create(const char *selector, bool profiling, iv_context **context,
                            iv_error *error);
void iv_context_destroy(iv_context *context); /* NULL is fine */

const iv_device_info *iv_context_device(const iv_context *context);
iv_error *iv_context_error(iv_context *context);
cl_context iv_context_cl(const iv_context *context);
cl_command_queue iv_context_queue(const iv_context *context);

/* Bytes in buffers that live now, and the most there ever were. */
size_t iv_context_bytes(const iv_context *context);
size_t iv_context_peak_bytes(const iv_context *context);

/* Wait until the queue is empty. */
iv_status iv_context_finish(iv_context *context);

/* Turn an OpenCL error code into a status with a message: `what` was being done, the code's name,
 * and what to do about it. CL_SUCCESS is IV_OK. */
iv_status iv_cl_check(iv_context *context, cl_int code, const char *what);

/* ------------------------------------------------------------------ kernels */

/* Add kernels from outside the library: the text of an OpenCL C file, which iv_kernel_create and
 * iv_launch_begin know by `name` in this context. Lines `#include "tensor.cl"` take the library's
 * own files (cl/), each once. Compilers that heed #line name the lines of `source`.
 *
 * The same text may be added again. IV_EINVAL for a name that is not letters, digits, - and _, or
 * that other kernels have, and for an included file that does not exist. */
iv_status iv_program_add(iv_context *context, const char *name, const char *source);

/* A kernel from cl/FILE.cl (embedded in the library at build time) or from a file that was added,
 * built for the context's device
 * with `options` ("-DNAME=VALUE ..."; NULL for none). Each (file, options) is built once a context,
 * and its binary kept in the user's cache directory, keyed by source, options, device and driver:
 * safe against concurrent processes, and a damaged file is rebuilt. The caller releases the kernel.
 * IV_EFAILED with the compiler's log if it does not build. */
iv_status iv_kernel_create(iv_context *context, const char *file, const char *function,
                           const char *options, cl_kernel *kernel);

/* ------------------------------------------------------------------ buffers */

/* Device memory, uninitialised. IV_ENOMEM before asking the driver if it is larger than the
 * device's largest buffer or than what is left of its memory, with both sizes in the message. bytes
 * = 0 gives a buffer of one alignment unit. Release with iv_buffer_release. */
iv_status iv_buffer_create(iv_context *context, size_t bytes, cl_mem *buffer);

/* A buffer that holds a copy of `bytes` bytes of data; NULL on failure. */
iv_status iv_buffer_upload(iv_context *context, const void *data, size_t bytes, cl_mem *buffer);
void iv_buffer_release(iv_context *context, cl_mem buffer); /* NULL is fine */

/* Blocking copies between host and device; offsets and sizes in bytes. */
iv_status iv_buffer_write(iv_context *context, cl_mem buffer, size_t offset, size_t bytes,
                          const void *data);
iv_status iv_buffer_read(iv_context *context, cl_mem buffer, size_t offset, size_t bytes,
                         void *data);

/* Set every 32-bit word of a buffer region to `word` (bytes a multiple of 4). */
iv_status iv_buffer_fill(iv_context *context, cl_mem buffer, size_t offset, size_t bytes,
                         uint32_t word);

/* Where a tensor of a population lies: member r starts at element offset + r *
 * stride of `buffer`. In a kernel: TENSOR(float, x) in the argument list and
 * MEMBER(x, r) in the body (cl/tensor.cl). */
typedef struct {
    cl_mem buffer;
    size_t offset; /* elements */
    size_t stride; /* elements from one member to the next; 0 shares one copy among all members */
} iv_view;

/* ------------------------------------------------------------------ sequences */

/* A fixed list of kernel launches with their arguments bound, and calls into libraries that enqueue
 * their own. Running it replays the list in order; nothing is allocated, built or looked up. */
typedef struct iv_sequence iv_sequence;
typedef struct iv_launch iv_launch;

iv_status iv_sequence_create(iv_context *context, iv_sequence **sequence);
void iv_sequence_destroy(iv_sequence *sequence); /* NULL is fine */
iv_context *iv_sequence_context(const iv_sequence *sequence);
size_t iv_sequence_length(const iv_sequence *sequence);

/* Say that launches that end by member are about n_members of them. On a CPU device such members
 * are divided among a few queues, so that no thread waits at the end of every launch for the
 * others: results stay the same bits. INVAR_LANES=off forbids it. */
void iv_sequence_set_members(iv_sequence *sequence, size_t n_members);

/* Describe one launch: begin, its arguments in the kernel's order, end. A failure on the way
 * (unknown kernel, out of memory) is remembered and returned by iv_launch_end, so calls in between
 * need no checks; iv_launch_begin never returns NULL. */
iv_launch *iv_launch_begin(iv_sequence *sequence, const char *file, const char *function,
                           const char *options);
void iv_arg_buffer(iv_launch *launch, cl_mem buffer);
void iv_arg_view(iv_launch *launch, iv_view view); /* buffer, uint offset, uint stride */
void iv_arg_uint(iv_launch *launch, size_t value); /* uint; IV_EINVAL at the end if too large */
void iv_arg_float(iv_launch *launch, float value);
void iv_arg_local(iv_launch *launch, size_t bytes);
void iv_arg_step(iv_launch *launch); /* uint: the step number given to iv_sequence_run */

/* Most work-items of a group that the device allows for the kernel of the launch, which drivers
 * lower where it takes many registers; 0 after a failure. */
size_t iv_launch_items(iv_launch *launch);

/* Append the launch. global: work-items wanted in each of `rank` dimensions (1 to 3). local:
 * work-group sizes, or NULL for the runtime's choice: the kernel's reqd_work_group_size, else N x 1
 * x 1 with N a power of two that suits global[0], at most 64 (256 on CPU devices) and at most what
 * the device allows. Global sizes are rounded up to multiples of local: kernels check their bounds.
 * A global size of 0 appends nothing.
 *
 * A kernel that requires groups of ITEMS(n) work-items (cl/group_items.cl) gets smaller ones where
 * the device does not allow n: with `local`, as many groups; without, as many work-items.
 *
 * IV_EINVAL if the arguments are not as many as the kernel's; IV_ENODEVICE if the device cannot
 * take the work-group or its local memory. */
iv_status iv_launch_end(iv_launch *launch, unsigned rank, const size_t *global,
                        const size_t *local);

/* The same where the last dimension counts members and no member reads what a launch writes for
 * another one. Kernels take the member from get_global_id, not from get_group_id. Work-groups of
 * several members keep the launch from being divided. */
iv_status iv_launch_end_by_member(iv_launch *launch, unsigned rank, const size_t *global,
                                  const size_t *local);

/* Append a call that enqueues work of its own (CLBlast). `state` belongs to the sequence, which
 * frees it with free(). `label` names it in profiles and must outlive the sequence. */
typedef iv_status (*iv_sequence_function)(iv_context *context, cl_command_queue queue, void *state);
iv_status iv_sequence_call(iv_sequence *sequence, const char *label, iv_sequence_function function,
                           void *state);

/* Launches and calls that are appended from here on belong to the steps with step % period == phase
 * alone, and iv_sequence_run passes over them in others; period 1, phase 0: to all steps, as at the
 * start. phase < period. */
void iv_sequence_only(iv_sequence *sequence, uint32_t period, uint32_t phase);

/* After how many steps what is run repeats: the largest period that was asked for. */
uint32_t iv_sequence_period(const iv_sequence *sequence);

/* Device memory that lives as long as the sequence. */
iv_status iv_sequence_buffer(iv_sequence *sequence, size_t bytes, cl_mem *buffer);

/* Device memory for what a launch hands to the ones right after it, member_bytes for each of
 * n_members one after another: the same memory for all that ask for the same use and sizes, so that
 * it stays in the cache. Its contents last until the next launch of that use. Members that are
 * divided among queues (iv_sequence_set_members) do not meet in it. `use` must outlive the
 * sequence. */
iv_status iv_sequence_scratch(iv_sequence *sequence, const char *use, size_t member_bytes,
                              size_t n_members, cl_mem *buffer);

/* Seconds of a clock that only moves forward. */
double iv_seconds(void);

/* Enqueue the whole list; `step` reaches every iv_arg_step argument. Does not wait. */
iv_status iv_sequence_run(iv_sequence *sequence, uint32_t step);

/* ------------------------------------------------------------------ profiles */

/* A launch of a profiled run, or a call of a library, which may be any number of kernels. */
typedef struct {
    char label[64];    /* FILE.FUNCTION of the kernel, or the call's name */
    double start, end; /* microseconds by the device's clock, since the first one started */
    unsigned rank;     /* 0 for a call */
    uint32_t period;   /* it belongs to one of so many steps */
    size_t global[3], local[3];
} iv_profile_event;

/* What a run took, in the order of its launches. */
typedef struct {
    iv_profile_event *events;
    size_t n_events;
} iv_profile;

/* Run n_runs >= 1 times with an event a launch, steps `step`, step + 1, ..., and keep the fastest.
 * Each run has all launches, those of some steps alone (iv_sequence_only) too.
 * The context must have been made with profiling: IV_EINVAL otherwise. Launches follow one another
 * in one queue, not in lanes. Times are 0 where the driver says none. Waits. Free with
 * iv_profile_clear; empty after a failure. */
iv_status iv_sequence_profile(iv_sequence *sequence, uint32_t step, uint32_t n_runs,
                              iv_profile *profile);
void iv_profile_clear(iv_profile *profile); /* a zeroed one is fine */

/* Microseconds of a step, without what lies between launches; one that belongs to one of several steps
 * counts by its share. */
double iv_profile_total(const iv_profile *profile);

/* The launches of one kernel. */
typedef struct {
    const char *label; /* of the profile */
    size_t n_launches;
    double microseconds; /* of all of them, in a step */
} iv_profile_row;

/* Launches summed by kernel, longest first. The caller frees *rows. IV_ENOMEM. */
iv_status iv_profile_sum(const iv_profile *profile, iv_profile_row **rows, size_t *n_rows,
                         iv_error *error);

/* Profiles as a text in the Trace Event Format, which ui.perfetto.dev and chrome://tracing open: a
 * track each, named. The caller frees *text. IV_ENOMEM. */
iv_status iv_profile_trace(const char *device, const char *const *names, const iv_profile *profiles,
                           size_t n_profiles, char **text, iv_error *error);

#ifdef __cplusplus
}
#endif

#endif
