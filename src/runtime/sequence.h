/* The inside of a sequence, shared by sequence.c (describe, run) and profile.c (run and time). */
#ifndef INVAR_RUNTIME_SEQUENCE_H
#define INVAR_RUNTIME_SEQUENCE_H

#include "runtime/context.h"

/* One launch, or one call of a library. */
typedef struct {
    char label[64];
    cl_kernel kernel; /* its own object: arguments stay bound; NULL for a call */
    unsigned rank;
    size_t global[3];
    size_t local[3];
    bool by_member;                /* the last dimension counts members */
    uint32_t period, phase;        /* runs in steps with step % period == phase */
    iv_sequence_function function; /* NULL for a launch */
    void *state;
} iv_entry;

/* An argument that gets the step number before each run. */
typedef struct {
    cl_kernel kernel;
    cl_uint index;
} iv_step_argument;

struct iv_launch {
    iv_sequence *sequence;
    iv_status status; /* the first failure since iv_launch_begin */
    cl_kernel kernel;
    cl_uint n_arguments; /* set so far */
    cl_uint n_wanted;    /* that the kernel has */
    size_t local_bytes;
    size_t divisor;                 /* of work-groups, which the device wants smaller */
    size_t n_step_arguments_before; /* of the sequence, to go back to if the launch fails */
    char label[64];
};

/* Memory that several launches take in turn. */
typedef struct {
    const char *use;
    size_t member_bytes, n_members;
    cl_mem buffer; /* one of the sequence's */
} iv_scratch;

struct iv_sequence {
    iv_context *context;
    iv_entry *entries;
    size_t n_entries, entries_capacity;
    iv_step_argument *step_arguments;
    size_t n_step_arguments, step_arguments_capacity;
    cl_mem *buffers;
    size_t n_buffers, buffers_capacity;
    iv_scratch *scratch;
    size_t n_scratch, scratch_capacity;
    size_t n_members;                       /* of launches that end by member; 0: not said */
    uint32_t period, phase, longest_period; /* of what is appended now; of all */
    unsigned n_runs;                        /* so far; counted to IV_SEQUENCE_FIRST_RUNS */
    iv_launch launch;                       /* the one being described */
};

/* PoCL before 6 keeps one loaded function of a kernel for launches from the origin and another for
 * those with an offset, as lanes have, but counts down the use of whichever it finds first. Where
 * two queues launch a kernel for the first time at once, a count can fall below zero, and the
 * process is ended ("found->ref_count > 0", mended in its commit c9ac4c0c3). A launch alone leaves
 * the count of its function one higher: lanes take turns in the first runs of a sequence. */
enum { IV_SEQUENCE_FIRST_RUNS = 2 };

/* Enqueue one entry; `event` (NULL for none) is that of a launch, untouched by a call. */
iv_status iv_sequence_enqueue(iv_context *context, const iv_entry *entry, cl_event *event);

/* Give every iv_arg_step argument its value. */
iv_status iv_sequence_set_step(iv_sequence *sequence, uint32_t step);

#endif
