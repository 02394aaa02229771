/* Rows of results whose operands lie at strides of their own: a result has the axes [.., d1, d2, n],
 * and an operand's entry (i, j, k, m) lies at i s_0 + j s_1 + k s_2 + m s_3. A work-item makes VW
 * entries of a row, -DVW=n, so that divisions are few. Work-items: (vectors in all rows, members).
 *
 * -DSTEP_k=0, 1 or 2: operand k stands still along a row, moves on by one, or by any s_3. */
#include "tensor.cl"

#define STRIDES(name)                                                                              \
    const uint name##_s0, const uint name##_s1, const uint name##_s2, const uint name##_s3
#define ROWS const uint d1, const uint d2, const uint rows, const uint n

/* The first entry of a work-item, its row, and the row's axes. Not %: compilers turn the pair into a
 * `freeze` that Oclgrind does not know. -DAXES=n: the last n axes alone are longer than 1. */
#if AXES == 1
#define FIND_AXES                                                                                  \
    const uint row = 0, i = 0, j = 0, k = 0;                                                       \
    const size_t first = (size_t)id * VW;                                                          \
    if (first >= n) return;
#else
#define FIND_AXES                                                                                  \
    const uint vectors = (n - 1) / VW + 1, row = id / vectors;                                     \
    if (row >= rows) return;                                                                       \
    const uint outer = AXES > 2 ? row / d2 : 0, k = row - outer * d2;                              \
    const uint i = AXES > 3 ? outer / d1 : 0, j = outer - i * d1;                                  \
    const size_t first = (size_t)(id - row * vectors) * VW;
#endif
#define FIND_ROW                                                                                   \
    const uint id = get_global_id(0);                                                              \
    const size_t r = get_global_id(1);                                                             \
    FIND_AXES

/* Where an operand's entries of the work-item begin. */
#define AT(name)                                                                                   \
    (MEMBER(name, r) + (size_t)i * name##_s0 + (size_t)j * name##_s1 + (size_t)k * name##_s2 +     \
     first * name##_s3)

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
    __global float *to = MEMBER(y, r) + (size_t)row * n + first;
    if (first + VW <= n)
        STORE(factor * FETCH(0, x), to);
    else
        for (uint m = 0; first + m < n; m++) to[m] = factor * at_x[m * (size_t)x_s3];
}
#endif
