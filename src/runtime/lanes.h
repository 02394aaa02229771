/* Lanes: a few in-order queues on a CPU device, each for some members of a population.
 *
 * Threads that share a launch wait for each other at its end, and what sleeps wakes up late: some
 * 15 us a launch, as long as a small product takes. Members do not depend on each other, so each
 * lane holds the launches of its own members, a thread that has nothing left to do in one lane
 * goes on in another, and lanes meet only where a launch is not divided by members. */
#ifndef INVAR_RUNTIME_LANES_H
#define INVAR_RUNTIME_LANES_H

#include "runtime/sequence.h"

typedef struct iv_lanes iv_lanes;

/* NULL (no lanes) for a device that is no CPU or has one compute unit, if INVAR_LANES=off, or if no
 * queue can be had. */
iv_lanes *iv_lanes_create(cl_context context, const iv_device_info *device);
void iv_lanes_destroy(iv_lanes *lanes); /* NULL is fine */

size_t iv_lanes_count(const iv_lanes *lanes);

/* Whether every lane would have members. */
bool iv_lanes_suit(const iv_lanes *lanes, size_t n_members);

/* Let the lanes go on after what the main queue holds, and the main queue after what they hold. */
iv_status iv_lanes_fork(iv_context *context);
iv_status iv_lanes_join(iv_context *context);

/* Enqueue a launch that ends by member, each lane its share: all at once, or one after another in
 * the main queue. */
iv_status iv_lanes_enqueue(iv_context *context, const iv_entry *entry, bool at_once);

#endif
