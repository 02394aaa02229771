/* Lanes: an in-order queue for each compute unit of a CPU device.
 *
 * Threads that share a launch wait for each other at its end, and what sleeps wakes up late: some
 * 15 us a launch, as long as a small product takes. Members of a population do not depend on each
 * other, so each lane runs the launches of its own members one after another, and lanes meet only
 * where a launch is not divided by members.
 */
#ifndef INVAR_RUNTIME_LANES_H
#define INVAR_RUNTIME_LANES_H

#include "runtime/sequence.h"

typedef struct iv_lanes iv_lanes;

/* The sub-devices of a device, one a compute unit, to be named when the context is made. Returns
 * how many: 0 if the device cannot be divided, is no CPU, or INVAR_LANES=off. iv_lanes_create
 * takes *devices. */
size_t iv_lane_devices(const iv_device_info *device, cl_device_id **devices);

/* Queues on the sub-devices of the context. NULL (no lanes, and the sub-devices released) if that
 * fails or there is no context. */
iv_lanes *iv_lanes_create(cl_context context, cl_device_id *devices, size_t n_devices);
void iv_lanes_destroy(iv_lanes *lanes); /* NULL is fine */

size_t iv_lanes_count(const iv_lanes *lanes);

/* Whether every lane would have about the same number of n_members. */
bool iv_lanes_suit(const iv_lanes *lanes, size_t n_members);

/* Let the lanes go on after what the main queue holds, and the main queue after what they hold. */
iv_status iv_lanes_fork(iv_context *context);
iv_status iv_lanes_join(iv_context *context);

/* Enqueue a launch that ends by member, each lane its share. */
iv_status iv_lanes_enqueue(iv_context *context, const iv_entry *entry);

#endif
