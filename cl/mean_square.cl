/* Mean square error of a batch [rows, columns], its gradient, and sums of square errors. */
#include "group_sum.cl"
#include "tensor.cl"

/* loss = mean of (a - b)^2 over n entries, and with -DGRADIENT da = 2 (a - b) / n, scale = 2 / n.
 * One work-group of LANES work-items a member; entry i counts towards sum i mod 256, and the 256
 * sums are added in pairs. They lie in parts of WIDTH neighbours: one on GPUs, a vector on CPUs; a
 * work-item has a part, or several where the device allows no more than a few.
 * LANES is 16, 64 or 256.  Work-items: (LANES, members). */
#ifdef LANES
#define GROUP  ITEMS(LANES)
#define N_SUMS 256
#define WIDTH  (GROUP < 16 ? 16 : N_SUMS / GROUP)
#if WIDTH == 1
#define VECTOR            float
#define LOAD(p)           (*(p))
#define STORE(value, p)   (*(p) = (value))
#else
#if WIDTH == 2
#define VECTOR            float2
#define LOAD(p)           vload2(0, p)
#define STORE(value, p)   vstore2(value, 0, p)
#elif WIDTH == 4
#define VECTOR            float4
#define LOAD(p)           vload4(0, p)
#define STORE(value, p)   vstore4(value, 0, p)
#elif WIDTH == 8
#define VECTOR            float8
#define LOAD(p)           vload8(0, p)
#define STORE(value, p)   vstore8(value, 0, p)
#else
#define VECTOR            float16
#define LOAD(p)           vload16(0, p)
#define STORE(value, p)   vstore16(value, 0, p)
#endif
#endif

__attribute__((reqd_work_group_size(GROUP, 1, 1)))
__kernel void mean_square(TENSOR(const float, a), TENSOR(const float, b), TENSOR(float, loss),
#ifdef GRADIENT
                          TENSOR(float, da),
#endif
                          uint n, float scale) {
    const size_t lane = get_local_id(0), r = get_global_id(1);
    __global const float *first = MEMBER(a, r), *second = MEMBER(b, r);
#ifdef GRADIENT
    __global float *gradient = MEMBER(da, r);
#endif
    __local float partial[N_SUMS];

    for (size_t start = lane * WIDTH; start < N_SUMS; start += GROUP * WIDTH) {
        VECTOR sum = (VECTOR)(0.0f);
        size_t i = start;
        for (; i + WIDTH <= n; i += N_SUMS) {
            const VECTOR difference = LOAD(first + i) - LOAD(second + i);
            sum = MULTIPLY_ADD(difference, difference, sum);
#ifdef GRADIENT
            STORE(scale * difference, gradient + i);
#endif
        }
        STORE(sum, partial + start);
        for (size_t k = i; k < min(i + WIDTH, (size_t)n); k++) {
            const float difference = first[k] - second[k];
            partial[k - i + start] =
                MULTIPLY_ADD(difference, difference, partial[k - i + start]);
#ifdef GRADIENT
            gradient[k] = scale * difference;
#endif
        }
    }
    for (uint width = N_SUMS / 2; width > 0; width /= 2) { /* GROUP_SUM of more sums than lanes */
        barrier(CLK_LOCAL_MEM_FENCE);
        for (size_t k = lane; k < width; k += GROUP) partial[k] += partial[k + width];
    }
    if (lane == 0) MEMBER(loss, r)[0] = partial[0] / n;
}
#endif

/* sums[c] = sum of (a - b)^2 over the rows that are samples: row i of batch number `step` is number
 * step x rows + i of n_rows.  Work-groups: one of ROW_LANES a column and member. */
#ifdef ROW_LANES
#define ROW_GROUP ITEMS(ROW_LANES)
__attribute__((reqd_work_group_size(ROW_GROUP, 1, 1)))
__kernel void square_error_sums(TENSOR(const float, a), TENSOR(const float, b), TENSOR(float, sums),
                                uint rows, uint columns, uint n_rows, uint step) {
    const size_t lane = get_local_id(0), c = get_group_id(1), r = get_global_id(2);
    __local float partial[ROW_GROUP];
    const ulong before = (ulong)step * rows;
    const uint end = before < n_rows ? min((ulong)rows, n_rows - before) : 0;
    float sum = 0.0f;
    for (uint row = lane; row < end; row += ROW_GROUP) {
        const size_t i = (size_t)row * columns + c;
        const float difference = MEMBER(a, r)[i] - MEMBER(b, r)[i];
        sum = MULTIPLY_ADD(difference, difference, sum);
    }
    partial[lane] = sum;
    GROUP_SUM(partial, lane, ROW_GROUP)
    if (lane == 0) MEMBER(sums, r)[c] = partial[0];
}
#endif
