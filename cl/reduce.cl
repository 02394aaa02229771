/* Sums in a fixed order. */
#include "group_sum.cl"
#include "tensor.cl"

/* sum[c] = sum over rows of x[row][c].  Work-items: (columns, members). */
__kernel void column_sum(TENSOR(const float, x), TENSOR(float, sum), uint rows, uint columns) {
    const size_t c = get_global_id(0), r = get_global_id(1);
    if (c >= columns) return;
    __global const float *column = MEMBER(x, r) + c;
    float total[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    uint row = 0;
    for (; row + 4 <= rows; row += 4)
        for (uint k = 0; k < 4; k++) total[k] += column[(size_t)(row + k) * columns];
    for (; row < rows; row++) total[0] += column[(size_t)row * columns];
    MEMBER(sum, r)[c] = (total[0] + total[1]) + (total[2] + total[3]);
}

#define LANES ITEMS(64)

/* mean[0] = mean of n values.  Work-groups: one of LANES a member. */
__attribute__((reqd_work_group_size(LANES, 1, 1)))
__kernel void mean(TENSOR(const float, values), TENSOR(float, result), uint n) {
    const size_t lane = get_local_id(0), r = get_global_id(1);
    __local float partial[LANES];
    float sum = 0.0f;
    for (uint i = lane; i < n; i += LANES) sum += MEMBER(values, r)[i];
    partial[lane] = sum;
    GROUP_SUM(partial, lane, LANES)
    if (lane == 0) MEMBER(result, r)[0] = partial[0] / n;
}
