/* Lanes: members of a population divided among queues of a CPU device. */
#include "runtime/lanes.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Enough for threads that wait in one lane to find work in another. */
enum { MAX_LANES = 4 };

struct iv_lanes {
    size_t n;
    cl_command_queue queues[MAX_LANES];
};

static bool lanes_off(void) {
    const char *setting = getenv("INVAR_LANES");
    return setting && !strcasecmp(setting, "off");
}

iv_lanes *iv_lanes_create(cl_context context, const iv_device_info *device) {
    const size_t n = device->compute_units < MAX_LANES ? device->compute_units : MAX_LANES;
    if (device->type != IV_DEVICE_CPU || n < 2 || lanes_off()) return NULL;
    iv_lanes *lanes = calloc(1, sizeof *lanes);
    if (!lanes) return NULL;
    for (; lanes->n < n; lanes->n++) {
        cl_int code;
        lanes->queues[lanes->n] = clCreateCommandQueue(context, device->device_id, 0, &code);
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
    free(lanes);
}

size_t iv_lanes_count(const iv_lanes *lanes) {
    return lanes->n;
}

bool iv_lanes_suit(const iv_lanes *lanes, size_t n_members) {
    return lanes && n_members >= lanes->n;
}

iv_status iv_lanes_fork(iv_context *context) {
    cl_event marker = NULL;
    cl_int code = clEnqueueMarkerWithWaitList(context->queue, 0, NULL, &marker);
    if (code == CL_SUCCESS) code = clFlush(context->queue);
    for (size_t i = 0; i < context->lanes->n && code == CL_SUCCESS; i++)
        code = clEnqueueBarrierWithWaitList(context->lanes->queues[i], 1, &marker, NULL);
    if (marker) clReleaseEvent(marker);
    return iv_cl_check(context, code, "dividing the work among lanes");
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
    return iv_cl_check(context, code, "bringing the work of lanes together");
}

iv_status iv_lanes_enqueue(iv_context *context, const iv_entry *entry, bool at_once) {
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
        code = clEnqueueNDRangeKernel(at_once ? lanes->queues[i] : context->queue, entry->kernel,
                                      entry->rank, offset, global, entry->local, 0, NULL, NULL);
    }
    return iv_cl_check(context, code, entry->label);
}
