/* Profiles: one run of a sequence with the device's own times, summed by kernel. */
#include "runtime/sequence.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *label;
    size_t n_launches;
    double microseconds;
} profile_row;

/* Nanoseconds at which a command started or ended; 0 if the driver does not say. */
static cl_ulong event_time(cl_event event, cl_profiling_info what) {
    cl_ulong time = 0;
    clGetEventProfilingInfo(event, what, sizeof time, &time, NULL);
    return time;
}

/* A library's call may enqueue any number of commands: markers before and after bracket them. */
static iv_status enqueue_bracketed(iv_context *context, const iv_entry *entry, cl_event events[2]) {
    if (!entry->function) return iv_sequence_enqueue(context, entry, &events[0]);
    iv_status status = iv_cl_check(
        context, clEnqueueMarkerWithWaitList(context->queue, 0, NULL, &events[0]), entry->label);
    if (status == IV_OK) status = iv_sequence_enqueue(context, entry, NULL);
    if (status == IV_OK)
        status =
            iv_cl_check(context, clEnqueueMarkerWithWaitList(context->queue, 0, NULL, &events[1]),
                        entry->label);
    return status;
}

static double microseconds_between(const cl_event events[2]) {
    cl_ulong start =
        event_time(events[0], events[1] ? CL_PROFILING_COMMAND_END : CL_PROFILING_COMMAND_START);
    cl_ulong end = event_time(events[1] ? events[1] : events[0], CL_PROFILING_COMMAND_END);
    return end > start ? (double)(end - start) * 1e-3 : 0;
}

static void add_to_row(profile_row *rows, size_t *n_rows, const char *label, double microseconds) {
    size_t i = 0;
    while (i < *n_rows && strcmp(rows[i].label, label)) i++;
    if (i == *n_rows) rows[(*n_rows)++] = (profile_row){.label = label};
    rows[i].n_launches++;
    rows[i].microseconds += microseconds;
}

/* Longest first; by name among equals, so that the table's order is fixed. */
static int compare_rows(const void *a, const void *b) {
    const profile_row *left = a, *right = b;
    if (left->microseconds != right->microseconds)
        return left->microseconds < right->microseconds ? 1 : -1;
    return strcmp(left->label, right->label);
}

static void print_rows(const profile_row *rows, size_t n_rows, FILE *out) {
    double total = 0;
    size_t n_launches = 0;
    for (size_t i = 0; i < n_rows; i++) {
        total += rows[i].microseconds;
        n_launches += rows[i].n_launches;
    }
    fprintf(out, "%-40s %9s %14s %7s\n", "kernel", "launches", "microseconds", "share");
    for (size_t i = 0; i < n_rows; i++)
        fprintf(out, "%-40s %9zu %14.1f %6.1f%%\n", rows[i].label, rows[i].n_launches,
                rows[i].microseconds, total > 0 ? 100 * rows[i].microseconds / total : 0);
    fprintf(out, "%-40s %9zu %14.1f %6.1f%%\n", "total", n_launches, total, total > 0 ? 100.0 : 0);
}

iv_status iv_sequence_profile(iv_sequence *sequence, uint32_t step, FILE *out) {
    iv_context *context = sequence->context;
    size_t n = sequence->n_entries, n_rows = 0;
    if (!context->profiling)
        return iv_fail(&context->error, IV_EINVAL,
                       "a profile needs a context that was created with profiling");

    cl_event(*events)[2] = calloc(n ? n : 1, sizeof *events);
    profile_row *rows = calloc(n ? n : 1, sizeof *rows);
    iv_status status = events && rows
                           ? iv_sequence_set_step(sequence, step)
                           : iv_fail(&context->error, IV_ENOMEM, "no memory for a profile");
    for (size_t i = 0; i < n && status == IV_OK; i++)
        status = enqueue_bracketed(context, &sequence->entries[i], events[i]);
    if (status == IV_OK) status = iv_context_finish(context);

    if (status == IV_OK) {
        for (size_t i = 0; i < n; i++)
            add_to_row(rows, &n_rows, sequence->entries[i].label, microseconds_between(events[i]));
        qsort(rows, n_rows, sizeof *rows, compare_rows);
        print_rows(rows, n_rows, out);
    }

    for (size_t i = 0; events && i < n; i++)
        for (size_t j = 0; j < 2; j++)
            if (events[i][j]) clReleaseEvent(events[i][j]);
    free(events);
    free(rows);
    return status;
}
