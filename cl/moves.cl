/* Entries at other places: moved along axes, and parts side by side in a whole. */
#include "strided.cl"

/* Place p of axis i of the result is place p - b_i of x, of n_i, or `value` where x has none.
 * Work-items: see strided.cl. */
__kernel void move(TENSOR(const float, x), TENSOR(float, y), uint b0, uint b1, uint b2, uint b3,
                   uint n0, uint n1, uint n2, uint n3, float value, ROWS) {
    FIND_ROW
    const uint from_i = i - b0, from_j = j - b1, from_k = k - b2;
    const bool inside = from_i < n0 && from_j < n1 && from_k < n2;
    __global const float *from =
        MEMBER(x, r) + (inside ? (((size_t)from_i * n1 + from_j) * n2 + from_k) * n3 : 0);
    __global float *to = MEMBER(y, r) + (size_t)row * n;
    for (size_t m = first; m < first + VW && m < n; m++) {
        const uint place = (uint)m - b3;
        to[m] = inside && place < n3 ? from[place] : value;
    }
}
