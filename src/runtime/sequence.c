/* Sequences: launches with their arguments bound, replayed in order. */
#include "runtime/context.h"

#include "runtime/lanes.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Most work-items in a work-group when the caller leaves it to us. On CPUs a group is a loop that
 * is entered anew each time: 256 instead of 64 took an axpy of 2^14 from 5.8 to 3.6 us and of 2^20
 * from 125 to 84 us (PoCL, two cores), and more gained nothing. */
enum { LOCAL_SIZE = 64, LOCAL_SIZE_CPU = 256 };

/* Make room for one more element of an array that doubles. */
static void *grow(iv_sequence *sequence, void *array, size_t n, size_t *capacity, size_t bytes) {
    if (n < *capacity) return array;
    size_t wanted = *capacity ? 2 * *capacity : 16;
    void *grown = realloc(array, wanted * bytes);
    if (!grown) {
        (void)iv_fail(&sequence->context->error, IV_ENOMEM, "no memory for a sequence of %zu",
                      wanted);
        return NULL;
    }
    *capacity = wanted;
    return grown;
}

iv_status iv_sequence_create(iv_context *context, iv_sequence **sequence) {
    *sequence = calloc(1, sizeof **sequence);
    if (!*sequence) return iv_fail(&context->error, IV_ENOMEM, "no memory for a sequence");
    (*sequence)->context = context;
    (*sequence)->launch.sequence = *sequence;
    (*sequence)->period = (*sequence)->longest_period = 1;
    return IV_OK;
}

void iv_sequence_destroy(iv_sequence *sequence) {
    if (!sequence) return;
    if (sequence->launch.kernel) clReleaseKernel(sequence->launch.kernel);
    for (size_t i = 0; i < sequence->n_entries; i++) {
        if (sequence->entries[i].kernel) clReleaseKernel(sequence->entries[i].kernel);
        free(sequence->entries[i].state);
    }
    for (size_t i = 0; i < sequence->n_buffers; i++)
        iv_buffer_release(sequence->context, sequence->buffers[i]);
    free(sequence->entries);
    free(sequence->step_arguments);
    free(sequence->buffers);
    free(sequence->scratch);
    free(sequence);
}

iv_context *iv_sequence_context(const iv_sequence *sequence) {
    return sequence->context;
}

void iv_sequence_set_members(iv_sequence *sequence, size_t n_members) {
    sequence->n_members = n_members;
}

void iv_sequence_only(iv_sequence *sequence, uint32_t period, uint32_t phase) {
    assert(phase < period);
    sequence->period = period;
    sequence->phase = phase;
    if (period > sequence->longest_period) sequence->longest_period = period;
}

uint32_t iv_sequence_period(const iv_sequence *sequence) {
    return sequence->longest_period;
}

size_t iv_sequence_length(const iv_sequence *sequence) {
    return sequence->n_entries;
}

iv_status iv_sequence_buffer(iv_sequence *sequence, size_t bytes, cl_mem *buffer) {
    *buffer = NULL;
    void *grown = grow(sequence, sequence->buffers, sequence->n_buffers,
                       &sequence->buffers_capacity, sizeof *sequence->buffers);
    if (!grown) return IV_ENOMEM;
    sequence->buffers = grown;
    iv_status status = iv_buffer_create(sequence->context, bytes, buffer);
    if (status == IV_OK) sequence->buffers[sequence->n_buffers++] = *buffer;
    return status;
}

iv_status iv_sequence_scratch(iv_sequence *sequence, const char *use, size_t member_bytes,
                              size_t n_members, cl_mem *buffer) {
    *buffer = NULL;
    for (size_t i = 0; i < sequence->n_scratch; i++) {
        const iv_scratch *s = &sequence->scratch[i];
        if (s->member_bytes != member_bytes || s->n_members != n_members || strcmp(s->use, use))
            continue;
        *buffer = s->buffer;
        return IV_OK;
    }
    size_t bytes;
    iv_status status = iv_multiply_size(member_bytes, n_members, &bytes, &sequence->context->error);
    if (status != IV_OK) return status;
    void *grown = grow(sequence, sequence->scratch, sequence->n_scratch,
                       &sequence->scratch_capacity, sizeof *sequence->scratch);
    if (!grown) return IV_ENOMEM;
    sequence->scratch = grown;
    status = iv_sequence_buffer(sequence, bytes, buffer);
    if (status == IV_OK)
        sequence->scratch[sequence->n_scratch++] =
            (iv_scratch){use, member_bytes, n_members, *buffer};
    return status;
}

/* ------------------------------------------------------------------ describing a launch */

iv_launch *iv_launch_begin(iv_sequence *sequence, const char *file, const char *function,
                           const char *options) {
    iv_launch *launch = &sequence->launch;
    iv_context *context = sequence->context;
    if (launch->kernel) { /* begun and never ended */
        clReleaseKernel(launch->kernel);
        sequence->n_step_arguments = launch->n_step_arguments_before;
    }
    *launch =
        (iv_launch){.sequence = sequence, .n_step_arguments_before = sequence->n_step_arguments};
    snprintf(launch->label, sizeof launch->label, "%s.%s", file, function);
    launch->status = iv_kernel_create_fitting(context, file, function, options, &launch->kernel,
                                              &launch->divisor);
    if (launch->status == IV_OK)
        clGetKernelInfo(launch->kernel, CL_KERNEL_NUM_ARGS, sizeof launch->n_wanted,
                        &launch->n_wanted, NULL);
    return launch;
}

size_t iv_launch_items(iv_launch *launch) {
    size_t items = 0;
    if (launch->status == IV_OK)
        launch->status = iv_kernel_items(launch->sequence->context, launch->kernel, &items);
    return items;
}

static void set_argument(iv_launch *launch, size_t bytes, const void *value) {
    if (launch->status != IV_OK) return;
    cl_uint index = launch->n_arguments++;
    if (index >= launch->n_wanted) return; /* iv_launch_end says how many there are */
    cl_int code = clSetKernelArg(launch->kernel, index, bytes, value);
    if (code == CL_SUCCESS) return;
    char what[128];
    snprintf(what, sizeof what, "setting argument %u of %s", (unsigned)index, launch->label);
    launch->status = iv_cl_check(launch->sequence->context, code, what);
}

void iv_arg_buffer(iv_launch *launch, cl_mem buffer) {
    set_argument(launch, sizeof buffer, &buffer);
}

void iv_arg_view(iv_launch *launch, iv_view view) {
    size_t bytes = SIZE_MAX;
    if (view.buffer) clGetMemObjectInfo(view.buffer, CL_MEM_SIZE, sizeof bytes, &bytes, NULL);
    if (launch->status == IV_OK && view.offset >= bytes)
        launch->status = iv_fail(&launch->sequence->context->error, IV_EINVAL,
                                 "argument %u of %s begins at element %zu of a buffer of %zu bytes",
                                 (unsigned)launch->n_arguments, launch->label, view.offset, bytes);
    iv_arg_buffer(launch, view.buffer);
    iv_arg_uint(launch, view.offset);
    iv_arg_uint(launch, view.stride);
}

void iv_arg_uint(iv_launch *launch, size_t value) {
    if (launch->status == IV_OK && value > UINT32_MAX)
        launch->status = iv_fail(&launch->sequence->context->error, IV_EINVAL,
                                 "argument %u of %s is %zu, more than the 32 bits of a kernel's "
                                 "index; lower the batch size or the number of seeds",
                                 (unsigned)launch->n_arguments, launch->label, value);
    cl_uint word = (cl_uint)value;
    set_argument(launch, sizeof word, &word);
}

void iv_arg_float(iv_launch *launch, float value) {
    set_argument(launch, sizeof value, &value);
}

void iv_arg_local(iv_launch *launch, size_t bytes) {
    launch->local_bytes += bytes;
    set_argument(launch, bytes, NULL);
}

void iv_arg_step(iv_launch *launch) {
    iv_sequence *sequence = launch->sequence;
    if (launch->status != IV_OK) return;
    void *grown = grow(sequence, sequence->step_arguments, sequence->n_step_arguments,
                       &sequence->step_arguments_capacity, sizeof *sequence->step_arguments);
    if (!grown) {
        launch->status = IV_ENOMEM;
        return;
    }
    sequence->step_arguments = grown;
    sequence->step_arguments[sequence->n_step_arguments++] =
        (iv_step_argument){launch->kernel, launch->n_arguments};
    iv_arg_uint(launch, 0);
}

/* ------------------------------------------------------------------ work-group sizes */

static size_t round_up(size_t value, size_t multiple) {
    return value % multiple ? value + (multiple - value % multiple) : value;
}

/* One of two powers of two, since drivers of CPUs compile a kernel for each size that it is launched
 * with: the larger one on CPUs, where no more than an eighth of all work-items would have nothing to do. */
static size_t default_local(const iv_context *context, size_t global, size_t limit) {
    const bool is_wide = context->device.type == IV_DEVICE_CPU &&
                         round_up(global, LOCAL_SIZE_CPU) - global <= global / 8;
    size_t local = is_wide ? LOCAL_SIZE_CPU : LOCAL_SIZE;
    while (local > 1 && local > limit) local /= 2;
    return local;
}

/* The kernel's own reqd_work_group_size, else a default in the first dimension. */
static void choose_local(const iv_launch *launch, size_t global, size_t limit, size_t local[3]) {
    const iv_context *context = launch->sequence->context;
    size_t required[3];
    iv_kernel_required(context, launch->kernel, required);
    if (required[0])
        memcpy(local, required, sizeof required);
    else
        local[0] = default_local(context, global, limit);
}

static iv_status check_local(const iv_launch *launch, size_t limit, const size_t local[3]) {
    iv_context *context = launch->sequence->context;
    bool fits = local[0] && local[1] && local[2];
    for (int i = 0; i < 3; i++) fits = fits && local[i] <= context->max_work_items[i];
    /* Each factor is bounded by now, so that the product cannot overflow. */
    if (!fits || local[0] > limit || local[0] * local[1] > limit ||
        local[0] * local[1] * local[2] > limit)
        return iv_fail(&context->error, IV_ENODEVICE,
                       "%s wants work-groups of %zu x %zu x %zu; %s (driver %s) allows %zu "
                       "work-items for it; choose another device",
                       launch->label, local[0], local[1], local[2], context->device.name,
                       context->device.driver, limit);
    if (launch->local_bytes > context->device.local_bytes)
        return iv_fail(&context->error, IV_ENODEVICE,
                       "%s wants %zu bytes of local memory; %s (driver %s) has %zu; choose another "
                       "device",
                       launch->label, launch->local_bytes, context->device.name,
                       context->device.driver, context->device.local_bytes);
    return IV_OK;
}

static iv_status set_sizes(const iv_launch *launch, iv_entry *entry, const size_t *global,
                           const size_t *local) {
    iv_context *context = launch->sequence->context;
    size_t limit;
    iv_status status = iv_kernel_items(context, launch->kernel, &limit);
    if (status != IV_OK) return status;
    size_t chosen[3] = {1, 1, 1}, wanted[3] = {1, 1, 1};
    memcpy(wanted, global, entry->rank * sizeof *global);
    if (local)
        memcpy(chosen, local, entry->rank * sizeof *local);
    else
        choose_local(launch, global[0], limit, chosen);
    if (local && launch->divisor > 1 &&
        chosen[0] % launch->divisor == 0) { /* as many groups, of fewer work-items */
        const size_t groups = global[0] / chosen[0] + (global[0] % chosen[0] != 0);
        chosen[0] /= launch->divisor;
        wanted[0] = groups * chosen[0];
    }
    status = check_local(launch, limit, chosen);
    for (unsigned i = 0; i < entry->rank && status == IV_OK; i++) {
        entry->local[i] = chosen[i];
        entry->global[i] = round_up(wanted[i], chosen[i]);
        if (entry->global[i] < wanted[i])
            status = iv_fail(&context->error, IV_EINVAL, "%s: %zu work-items are too many",
                             launch->label, global[i]);
    }
    return status;
}

/* ------------------------------------------------------------------ appending */

static iv_status append_entry(iv_sequence *sequence, const iv_entry *entry) {
    void *grown = grow(sequence, sequence->entries, sequence->n_entries,
                       &sequence->entries_capacity, sizeof *sequence->entries);
    if (!grown) return IV_ENOMEM;
    sequence->entries = grown;
    iv_entry *appended = &sequence->entries[sequence->n_entries++];
    *appended = *entry;
    appended->period = sequence->period;
    appended->phase = sequence->phase;
    return IV_OK;
}

static iv_status end_launch(iv_launch *launch, unsigned rank, const size_t *global,
                            const size_t *local, bool by_member) {
    iv_sequence *sequence = launch->sequence;
    iv_context *context = sequence->context;
    iv_status status = launch->status;
    iv_entry entry = {.kernel = launch->kernel, .rank = rank};
    memcpy(entry.label, launch->label, sizeof entry.label);
    bool empty = false;

    if (status != IV_OK) goto done;
    if (rank < 1 || rank > 3) {
        status = iv_fail(&context->error, IV_EINVAL, "%s: a launch has 1 to 3 dimensions, not %u",
                         launch->label, rank);
        goto done;
    }
    if (launch->n_arguments != launch->n_wanted) {
        status = iv_fail(&context->error, IV_EINVAL, "%s takes %u arguments, not %u", launch->label,
                         (unsigned)launch->n_wanted, (unsigned)launch->n_arguments);
        goto done;
    }

    for (unsigned i = 0; i < rank; i++) empty = empty || global[i] == 0;
    if (empty) goto done;
    status = set_sizes(launch, &entry, global, local);
    /* a lane's share need not be a multiple of a work-group of several members */
    entry.by_member =
        by_member && entry.global[rank - 1] == sequence->n_members && entry.local[rank - 1] == 1;
    if (status == IV_OK) status = append_entry(sequence, &entry);

done:
    if (status != IV_OK || empty) {
        if (launch->kernel) clReleaseKernel(launch->kernel);
        sequence->n_step_arguments = launch->n_step_arguments_before;
    }
    launch->kernel = NULL;
    return status;
}

iv_status iv_launch_end(iv_launch *launch, unsigned rank, const size_t *global,
                        const size_t *local) {
    return end_launch(launch, rank, global, local, false);
}

iv_status iv_launch_end_by_member(iv_launch *launch, unsigned rank, const size_t *global,
                                  const size_t *local) {
    return end_launch(launch, rank, global, local, true);
}

iv_status iv_sequence_call(iv_sequence *sequence, const char *label, iv_sequence_function function,
                           void *state) {
    iv_entry entry = {.function = function, .state = state};
    snprintf(entry.label, sizeof entry.label, "%s", label);
    iv_status status = append_entry(sequence, &entry);
    if (status != IV_OK) free(state);
    return status;
}

/* ------------------------------------------------------------------ running */

iv_status iv_sequence_enqueue(iv_context *context, const iv_entry *entry, cl_event *event) {
    if (entry->function) return entry->function(context, context->queue, entry->state);
    cl_int code = clEnqueueNDRangeKernel(context->queue, entry->kernel, entry->rank, NULL,
                                         entry->global, entry->local, 0, NULL, event);
    return iv_cl_check(context, code, entry->label);
}

iv_status iv_sequence_set_step(iv_sequence *sequence, uint32_t step) {
    cl_uint word = step;
    for (size_t i = 0; i < sequence->n_step_arguments; i++) {
        const iv_step_argument *argument = &sequence->step_arguments[i];
        cl_int code = clSetKernelArg(argument->kernel, argument->index, sizeof word, &word);
        if (code != CL_SUCCESS) return iv_cl_check(sequence->context, code, "setting the step");
    }
    return IV_OK;
}

iv_status iv_sequence_run(iv_sequence *sequence, uint32_t step) {
    iv_context *context = sequence->context;
    const bool divide = iv_lanes_suit(context->lanes, sequence->n_members);
    const bool first = sequence->n_runs < IV_SEQUENCE_FIRST_RUNS;
    const size_t n_lanes = divide ? iv_lanes_count(context->lanes) : 1;
    bool divided = false;
    size_t n_launches = 0;
    iv_status status = iv_sequence_set_step(sequence, step);
    for (size_t i = 0; i < sequence->n_entries && status == IV_OK; i++) {
        const iv_entry *entry = &sequence->entries[i];
        if (step % entry->period != entry->phase) continue;
        const bool shared = divide && entry->by_member, wanted = shared && !first;
        if (wanted != divided) status = wanted ? iv_lanes_fork(context) : iv_lanes_join(context);
        divided = wanted;
        n_launches += shared ? n_lanes : 1;
        if (status == IV_OK)
            status = shared ? iv_lanes_enqueue(context, entry, wanted)
                            : iv_sequence_enqueue(context, entry, NULL);
    }
    if (first) sequence->n_runs++;
    if (divided) {
        const iv_status joined = iv_lanes_join(context);
        if (status == IV_OK) status = joined;
    }
    if (status != IV_OK) return status;

    /* Without a flush some drivers keep the commands until someone waits. */
    status = iv_cl_check(context, clFlush(context->queue), "submitting to the device");
    return status == IV_OK ? iv_context_throttle(context, n_launches) : status;
}
