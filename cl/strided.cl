/* Rows of results whose operands lie at strides of their own: a result has the axes [.., d1, d2, n],
 * and an operand's entry (i, j, k, m) lies at i s_0 + j s_1 + k s_2 + m s_3. A work-item makes VW
 * entries of a row, -DVW=n, so that divisions are few. Work-items: (vectors in a row, rows,
 * members).
 *
 * -DSTEP_k=0, 1 or 2: operand k stands still along a row, moves on by one, or by any s_3. */
#include "tensor.cl"

#define STRIDES(name)                                                                              \
    const uint name##_s0, const uint name##_s1, const uint name##_s2, const uint name##_s3
#define ROWS const uint d1, const uint d2, const uint rows, const uint n

/* The first entry of a work-item, its row, and the row's axes. Not %: compilers turn the pair into a
 * `freeze` that Oclgrind does not know. */
#define FIND_ROW                                                                                   \
    const size_t first = get_global_id(0) * VW, row = get_global_id(1), r = get_global_id(2);      \
    if (first >= n || row >= rows) return;                                                         \
    const size_t outer = row / d2, k = row - outer * d2, i = outer / d1, j = outer - i * d1;

/* Where an operand's entries of the work-item begin. */
#define AT(name)                                                                                   \
    (MEMBER(name, r) + i * name##_s0 + j * name##_s1 + k * name##_s2 + first * name##_s3)

#define FETCH_0(p, s) ((vector)((p)[0]))
#define FETCH_1(p, s) LOAD(p)
#define FETCH_2(p, s)                                                                              \
    ((vector)((p)[0], (p)[s], (p)[2 * (s)], (p)[3 * (s)], (p)[4 * (s)], (p)[5 * (s)],              \
              (p)[6 * (s)], (p)[7 * (s)]))

/* A vector of operand number k, called `name`. */
#define FETCH(k, name) PASTE(FETCH_, STEP_##k)(at_##name, (size_t)name##_s3)

#ifdef STEP_0
/* y = factor x. */
__kernel void copy_strided(TENSOR(const float, x), STRIDES(x), TENSOR(float, y), float factor,
                           ROWS) {
    FIND_ROW
    __global const float *at_x = AT(x);
    __global float *to = MEMBER(y, r) + row * n + first;
    if (first + VW <= n)
        STORE(factor * FETCH(0, x), to);
    else
        for (uint m = 0; first + m < n; m++) to[m] = factor * at_x[m * (size_t)x_s3];
}
#endif
