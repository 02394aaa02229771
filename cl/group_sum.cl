/* Sums over the work-items of a group, in pairs and in a fixed order. */
#include "group_items.cl"
#include "tensor.cl"

/* partial[0] = the sum of `lanes` values, a power of two, of which every work-item has stored its
 * own in local memory: `lane` is its number. The result is there for the work-item that added it,
 * number 0, and for others after a barrier. All work-items of the group come here. */
#define GROUP_SUM(partial, lane, lanes)                                                            \
    GROUP_FOLD(lane, lanes, width, (partial)[lane] += (partial)[(lane) + width])

/* The same for whatever is combined: `statement` takes what lies `width` further on in. */
#define GROUP_FOLD(lane, lanes, width, statement)                                                  \
    for (uint width = (lanes) / 2; width > 0; width /= 2) {                                        \
        barrier(CLK_LOCAL_MEM_FENCE);                                                              \
        if ((lane) < width) statement;                                                             \
    }
