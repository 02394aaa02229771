/* Contexts: one device, one in-order queue, and the error that
 * everything on the device reports to. */
#include "runtime/context.h"

#include "runtime/attachment.h"

#include "runtime/lanes.h"
#include "runtime/pocl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Commands between two waits of the throttle: enough to keep any
 * device busy, few enough to store. */
enum { THROTTLE_LAUNCHES = 2048 };

/* Drivers call this from threads of their own, for errors and for mere remarks, so it only takes
 * notes. */
static void CL_CALLBACK take_notice(const char *text, const void *data, size_t data_bytes,
                                    void *user) {
    (void)data, (void)data_bytes;
    iv_context *context = user;
    if (!context) return; /* Oclgrind passes the user's pointer in the place of the data */
    pthread_mutex_lock(&context->notice_lock);
    snprintf(context->notice, sizeof context->notice, "%s", text ? text : "");
    pthread_mutex_unlock(&context->notice_lock);
}

static iv_status check_create(const iv_context *context, cl_int code, const char *what,
                              iv_error *error) {
    const char *advice;
    iv_status status = iv_cl_error_status(code, &advice);
    if (status == IV_OK) return IV_OK;
    return iv_fail(error, status, "%s on %s: %s (%d)%s%s", what, context->device.name,
                   iv_cl_error_name(code), (int)code, *advice ? "; " : "", advice);
}

static iv_status find_device(const char *selector, iv_device_info *device, iv_error *error) {
    iv_device_info *devices = NULL;
    size_t n_devices, index;
    iv_status status = iv_devices_list(&devices, &n_devices, error);
    if (status == IV_OK) status = iv_device_select(devices, n_devices, selector, &index, error);
    if (status == IV_OK) *device = devices[index];
    free(devices);
    if (status == IV_OK && iv_is_pocl(device)) status = iv_pocl_cache_check(true, error);
    return status;
}

iv_status iv_context_create(const char *selector, bool profiling, iv_context **context,
                            iv_error *error) {
    *context = NULL;
    iv_context *opened = calloc(1, sizeof *opened);
    if (!opened) return iv_fail(error, IV_ENOMEM, "no memory for an OpenCL context");
    pthread_mutex_init(&opened->notice_lock, NULL);
    opened->profiling = profiling;

    iv_status status = find_device(selector, &opened->device, error);
    if (status != IV_OK) goto fail;

    cl_device_id device = opened->device.device_id;
    size_t sizes[16] = {1, 1, 1};
    clGetDeviceInfo(device, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof sizes, sizes, NULL);
    memcpy(opened->max_work_items, sizes, sizeof opened->max_work_items);

    cl_int code;
    cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                          (cl_context_properties)opened->device.platform_id, 0};
    opened->cl = clCreateContext(properties, 1, &device, take_notice, opened, &code);
    status = check_create(opened, code, "creating an OpenCL context", error);
    if (status != IV_OK) goto fail;

    opened->queue =
        clCreateCommandQueue(opened->cl, device, profiling ? CL_QUEUE_PROFILING_ENABLE : 0, &code);
    status = check_create(opened, code, "creating a command queue", error);
    if (status != IV_OK) goto fail;
    if (!profiling) opened->lanes = iv_lanes_create(opened->cl, &opened->device);

    *context = opened;
    return IV_OK;

fail:
    iv_context_destroy(opened);
    return status;
}

void iv_context_destroy(iv_context *context) {
    if (!context) return;
    if (context->queue) clFinish(context->queue);
    iv_lanes_destroy(context->lanes);
    for (size_t i = 0; i < context->n_attachments; i++) {
        context->attachments[i].destroy(context->attachments[i].object);
        free(context->attachments[i].key);
    }
    free(context->attachments);
    if (context->queued_event) clReleaseEvent(context->queued_event);
    if (context->fill_kernel) clReleaseKernel(context->fill_kernel);
    iv_programs_release(context);
    iv_added_programs_release(context);
    if (context->queue) clReleaseCommandQueue(context->queue);
    if (context->cl) clReleaseContext(context->cl);
    pthread_mutex_destroy(&context->notice_lock);
    free(context);
}

const iv_device_info *iv_context_device(const iv_context *context) {
    return &context->device;
}

iv_error *iv_context_error(iv_context *context) {
    return &context->error;
}

cl_context iv_context_cl(const iv_context *context) {
    return context->cl;
}

cl_command_queue iv_context_queue(const iv_context *context) {
    return context->queue;
}

size_t iv_context_bytes(const iv_context *context) {
    return context->live_bytes;
}

size_t iv_context_peak_bytes(const iv_context *context) {
    return context->peak_bytes;
}

iv_status iv_context_finish(iv_context *context) {
    if (context->queued_event) clReleaseEvent(context->queued_event);
    context->queued_event = NULL;
    context->n_queued = 0;
    return iv_cl_check(context, clFinish(context->queue), "waiting for the device");
}

static iv_attachment *find_attachment(const iv_context *context, const char *key) {
    for (size_t i = 0; i < context->n_attachments; i++)
        if (strcmp(context->attachments[i].key, key) == 0) return &context->attachments[i];
    return NULL;
}

iv_status iv_context_attach(iv_context *context, const char *key, void *object,
                            void (*destroy)(void *object)) {
    iv_attachment *old = find_attachment(context, key);
    if (old) {
        old->destroy(old->object);
        old->object = object;
        old->destroy = destroy;
        return IV_OK;
    }
    char *copy = malloc(strlen(key) + 1);
    iv_attachment *grown =
        realloc(context->attachments, (context->n_attachments + 1) * sizeof *context->attachments);
    if (grown) context->attachments = grown;
    if (!copy || !grown) {
        free(copy);
        destroy(object);
        return iv_fail(&context->error, IV_ENOMEM, "no memory to keep \"%s\" with a context", key);
    }
    strcpy(copy, key);
    grown[context->n_attachments++] = (iv_attachment){copy, object, destroy};
    return IV_OK;
}

void *iv_context_attached(const iv_context *context, const char *key) {
    const iv_attachment *found = find_attachment(context, key);
    return found ? found->object : NULL;
}

iv_status iv_context_throttle(iv_context *context, size_t n_launches) {
    context->n_queued += n_launches;
    if (context->n_queued < THROTTLE_LAUNCHES) return IV_OK;
    context->n_queued = 0;

    /* Wait for the marker before this one: the device never runs dry meanwhile. */
    cl_event marker = NULL;
    cl_int code = clEnqueueMarkerWithWaitList(context->queue, 0, NULL, &marker);
    if (code == CL_SUCCESS && context->queued_event) {
        code = clWaitForEvents(1, &context->queued_event);
        clReleaseEvent(context->queued_event);
    }
    context->queued_event = marker;
    return iv_cl_check(context, code, "waiting for the device");
}

iv_status iv_cl_check(iv_context *context, cl_int code, const char *what) {
    if (code == CL_SUCCESS) return IV_OK;

    char notice[sizeof context->notice];
    pthread_mutex_lock(&context->notice_lock);
    memcpy(notice, context->notice, sizeof notice);
    context->notice[0] = '\0';
    pthread_mutex_unlock(&context->notice_lock);

    const char *advice;
    iv_status status = iv_cl_error_status(code, &advice);
    return iv_fail(&context->error, status, "%s on %s: %s (%d)%s%s%s%s", what, context->device.name,
                   iv_cl_error_name(code), (int)code, *notice ? "; the driver says: " : "", notice,
                   *advice ? "; " : "", advice);
}
