/* Profiles: one run of a sequence with the device's own times, their sums, and a trace of them. */
#include "runtime/sequence.h"
#include "runtime/text_builder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ running */

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

static void find_times(const cl_event events[2], cl_ulong *start, cl_ulong *end) {
    *start =
        event_time(events[0], events[1] ? CL_PROFILING_COMMAND_END : CL_PROFILING_COMMAND_START);
    *end = event_time(events[1] ? events[1] : events[0], CL_PROFILING_COMMAND_END);
    if (*end < *start) *end = *start;
}

static void fill_in(const iv_sequence *sequence, cl_event (*events)[2], iv_profile *profile) {
    cl_ulong origin = 0, start, end;
    for (size_t i = 0; i < profile->n_events; i++) {
        const iv_entry *entry = &sequence->entries[i];
        iv_profile_event *event = &profile->events[i];
        find_times(events[i], &start, &end);
        if (i == 0) origin = start;
        *event = (iv_profile_event){.start = 1e-3 * (double)(start - origin),
                                    .end = 1e-3 * (double)(end - origin),
                                    .rank = entry->function ? 0 : entry->rank,
                                    .period = entry->period};
        memcpy(event->label, entry->label, sizeof event->label);
        memcpy(event->global, entry->global, sizeof event->global);
        memcpy(event->local, entry->local, sizeof event->local);
    }
}

static iv_status profile_once(iv_sequence *sequence, uint32_t step, iv_profile *profile) {
    iv_context *context = sequence->context;
    const size_t n = sequence->n_entries;
    cl_event(*events)[2] = calloc(n + 1, sizeof *events);
    *profile = (iv_profile){calloc(n + 1, sizeof *profile->events), 0};
    iv_status status = events && profile->events
                           ? iv_sequence_set_step(sequence, step)
                           : iv_fail(&context->error, IV_ENOMEM, "no memory for a profile");
    for (size_t i = 0; i < n && status == IV_OK; i++)
        status = enqueue_bracketed(context, &sequence->entries[i], events[i]);
    if (status == IV_OK) status = iv_context_finish(context);
    if (status == IV_OK) {
        profile->n_events = n;
        fill_in(sequence, events, profile);
    }
    for (size_t i = 0; events && i < n; i++)
        for (size_t j = 0; j < 2; j++)
            if (events[i][j]) clReleaseEvent(events[i][j]);
    free(events);
    return status;
}

iv_status iv_sequence_profile(iv_sequence *sequence, uint32_t step, uint32_t n_runs,
                              iv_profile *profile) {
    *profile = (iv_profile){0};
    if (!sequence->context->profiling)
        return iv_fail(&sequence->context->error, IV_EINVAL,
                       "a profile needs a context that was created with profiling");
    iv_status status = IV_OK;
    for (uint32_t i = 0; i < n_runs && status == IV_OK; i++) {
        iv_profile slower;
        status = profile_once(sequence, step + i, &slower);
        if (i == 0 || iv_profile_total(&slower) < iv_profile_total(profile)) {
            const iv_profile faster = slower;
            slower = *profile;
            *profile = faster;
        }
        iv_profile_clear(&slower);
    }
    if (status != IV_OK) iv_profile_clear(profile);
    return status;
}

void iv_profile_clear(iv_profile *profile) {
    free(profile->events);
    *profile = (iv_profile){0};
}

/* ------------------------------------------------------------------ sums */

static double of_a_step(const iv_profile_event *event) {
    return (event->end - event->start) / event->period;
}

double iv_profile_total(const iv_profile *profile) {
    double total = 0;
    for (size_t i = 0; i < profile->n_events; i++) total += of_a_step(&profile->events[i]);
    return total;
}

/* Longest first; by name among equals, so that the order is fixed. */
static int compare_rows(const void *a, const void *b) {
    const iv_profile_row *left = a, *right = b;
    if (left->microseconds != right->microseconds)
        return left->microseconds < right->microseconds ? 1 : -1;
    return strcmp(left->label, right->label);
}

iv_status iv_profile_sum(const iv_profile *profile, iv_profile_row **out, size_t *n_rows,
                         iv_error *error) {
    iv_profile_row *rows = *out = calloc(profile->n_events + 1, sizeof *rows);
    *n_rows = 0;
    if (!rows) return iv_fail(error, IV_ENOMEM, "no memory for a profile");
    for (size_t i = 0; i < profile->n_events; i++) {
        const iv_profile_event *event = &profile->events[i];
        size_t k = 0;
        while (k < *n_rows && strcmp(rows[k].label, event->label) != 0) k++;
        if (k == *n_rows) rows[(*n_rows)++].label = event->label;
        rows[k].n_launches++;
        rows[k].microseconds += of_a_step(event);
    }
    qsort(rows, *n_rows, sizeof *rows, compare_rows);
    return IV_OK;
}

/* ------------------------------------------------------------------ traces */

static void add_name(iv_text *text, const char *what, size_t track, const char *name) {
    iv_text_format(text, "{\"ph\": \"M\", \"name\": \"%s\", \"pid\": 1, \"tid\": %zu, ", what,
                   track);
    iv_text_add(text, "\"args\": {\"name\": ");
    iv_text_json(text, name);
    iv_text_add(text, "}}");
}

static void add_sizes(iv_text *text, const char *name, const size_t *sizes, unsigned rank) {
    iv_text_format(text, "\"%s\": [", name);
    for (unsigned i = 0; i < rank; i++) iv_text_format(text, "%s%zu", i ? ", " : "", sizes[i]);
    iv_text_add(text, "]");
}

/* Microseconds, to the nearest thousandth: what the device said. */
static double nanoseconds(double microseconds) {
    return nearbyint(1e3 * microseconds) / 1e3;
}

static void add_event(iv_text *text, size_t track, const iv_profile_event *event) {
    iv_text_add(text, ",\n{\"ph\": \"X\", \"name\": ");
    iv_text_json(text, event->label);
    iv_text_format(text, ", \"cat\": \"%s\", \"pid\": 1, \"tid\": %zu, \"ts\": ",
                   event->rank ? "kernel" : "call", track);
    iv_text_double(text, nanoseconds(event->start), "0");
    iv_text_add(text, ", \"dur\": ");
    iv_text_double(text, nanoseconds(event->end - event->start), "0");
    if (event->rank) {
        iv_text_add(text, ", \"args\": {");
        add_sizes(text, "global", event->global, event->rank);
        iv_text_add(text, ", ");
        add_sizes(text, "local", event->local, event->rank);
        iv_text_add(text, "}");
    }
    iv_text_add(text, "}");
}

iv_status iv_profile_trace(const char *device, const char *const *names, const iv_profile *profiles,
                           size_t n_profiles, char **out, iv_error *error) {
    iv_text text = {0};
    iv_text_add(&text, "{\"displayTimeUnit\": \"ns\", \"traceEvents\": [\n");
    add_name(&text, "process_name", 0, device);
    for (size_t i = 0; i < n_profiles; i++) {
        iv_text_add(&text, ",\n");
        add_name(&text, "thread_name", i + 1, names[i]);
        for (size_t k = 0; k < profiles[i].n_events; k++)
            add_event(&text, i + 1, &profiles[i].events[k]);
    }
    iv_text_add(&text, "\n]}\n");
    return iv_text_take(&text, out, error);
}
