/* Lanes: members of a population divided among the compute units of a CPU device. */
#include "runtime/lanes.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* More than this many lanes are never worth it: a population is not that large. */
enum { MAX_LANES = 64 };

struct iv_lanes {
    cl_device_id *devices; /* PoCL 3.1 frees a released sub-device under its queue */
    size_t n_devices, n;
    cl_command_queue queues[MAX_LANES];
};

static bool lanes_off(void) {
    const char *setting = getenv("INVAR_LANES");
    return setting && !strcasecmp(setting, "off");
}

static void release_devices(cl_device_id *devices, size_t n_devices) {
    for (size_t i = 0; i < n_devices; i++) clReleaseDevice(devices[i]);
    free(devices);
}

size_t iv_lane_devices(const iv_device_info *device, cl_device_id **devices) {
    *devices = NULL;
    if (device->type != IV_DEVICE_CPU || lanes_off()) return 0;
    cl_device_id units[MAX_LANES];
    cl_uint n = 0;
    const cl_device_partition_property one_each[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
    if (clCreateSubDevices(device->device_id, one_each, MAX_LANES, units, &n) != CL_SUCCESS)
        return 0;
    if (n >= 2 && (*devices = malloc(n * sizeof **devices))) {
        memcpy(*devices, units, n * sizeof **devices);
        return n;
    }
    for (cl_uint i = 0; i < n; i++) clReleaseDevice(units[i]);
    return 0;
}

iv_lanes *iv_lanes_create(cl_context context, cl_device_id *devices, size_t n_devices) {
    iv_lanes *lanes = n_devices > 0 && context ? calloc(1, sizeof *lanes) : NULL;
    if (!lanes) {
        release_devices(devices, n_devices);
        return NULL;
    }
    lanes->devices = devices;
    lanes->n_devices = n_devices;
    for (; lanes->n < n_devices; lanes->n++) {
        cl_int code;
        lanes->queues[lanes->n] = clCreateCommandQueue(context, devices[lanes->n], 0, &code);
        if (code == CL_SUCCESS) continue;
        iv_lanes_destroy(lanes);
        return NULL;
    }
    return lanes;
}

void iv_lanes_destroy(iv_lanes *lanes) {
    if (!lanes) return;
    for (size_t i = 0; i < lanes->n; i++) {
        clFinish(lanes->queues[i]);
        clReleaseCommandQueue(lanes->queues[i]);
    }
    release_devices(lanes->devices, lanes->n_devices);
    free(lanes);
}

size_t iv_lanes_count(const iv_lanes *lanes) {
    return lanes->n;
}

/* A tenth more work for the fullest lane is what meeting at every launch would cost too. */
bool iv_lanes_suit(const iv_lanes *lanes, size_t n_members) {
    if (!lanes || n_members < lanes->n) return false;
    const size_t most = (n_members + lanes->n - 1) / lanes->n;
    return 10 * most * lanes->n <= 11 * n_members;
}

iv_status iv_lanes_fork(iv_context *context) {
    cl_event marker = NULL;
    cl_int code = clEnqueueMarkerWithWaitList(context->queue, 0, NULL, &marker);
    if (code == CL_SUCCESS) code = clFlush(context->queue);
    for (size_t i = 0; i < context->lanes->n && code == CL_SUCCESS; i++)
        code = clEnqueueBarrierWithWaitList(context->lanes->queues[i], 1, &marker, NULL);
    if (marker) clReleaseEvent(marker);
    return iv_cl_check(context, code, "dividing the work among compute units");
}

iv_status iv_lanes_join(iv_context *context) {
    const iv_lanes *lanes = context->lanes;
    cl_event markers[MAX_LANES];
    size_t n = 0;
    cl_int code = CL_SUCCESS;
    for (; n < lanes->n && code == CL_SUCCESS; n++) {
        markers[n] = NULL;
        code = clEnqueueMarkerWithWaitList(lanes->queues[n], 0, NULL, &markers[n]);
        if (code == CL_SUCCESS) code = clFlush(lanes->queues[n]);
    }
    if (code == CL_SUCCESS)
        code = clEnqueueBarrierWithWaitList(context->queue, (cl_uint)n, markers, NULL);
    for (size_t i = 0; i < n; i++)
        if (markers[i]) clReleaseEvent(markers[i]);
    return iv_cl_check(context, code, "bringing the work of compute units together");
}

iv_status iv_lanes_enqueue(iv_context *context, const iv_entry *entry) {
    const iv_lanes *lanes = context->lanes;
    const unsigned axis = entry->rank - 1;
    const size_t n_members = entry->global[axis];
    cl_int code = CL_SUCCESS;
    for (size_t i = 0; i < lanes->n && code == CL_SUCCESS; i++) {
        const size_t first = n_members * i / lanes->n, end = n_members * (i + 1) / lanes->n;
        size_t offset[3] = {0}, global[3];
        memcpy(global, entry->global, sizeof global);
        offset[axis] = first;
        global[axis] = end - first;
        code = clEnqueueNDRangeKernel(lanes->queues[i], entry->kernel, entry->rank, offset, global,
                                      entry->local, 0, NULL, NULL);
    }
    return iv_cl_check(context, code, entry->label);
}
