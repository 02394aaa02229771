/* What follows a matrix product whose engine has no epilogue of its own, in iv_gemm's order:
 * bias, activation, gate.  -DBIAS -DRELU -DGATE.  Work-items: (columns, rows, members). */
#include "tensor.cl"

__kernel void epilogue(TENSOR(float, c),
#ifdef BIAS
                       TENSOR(const float, bias),
#endif
#ifdef GATE
                       TENSOR(const float, gate), uint gate_rows,
#endif
                       uint m, uint n, uint ldc) {
    const size_t j = get_global_id(0), i = get_global_id(1), r = get_global_id(2);
    if (i >= m || j >= n) return;
    __global float *entry = MEMBER(c, r) + i * ldc + j;
    float value = *entry;
#ifdef BIAS
    value += MEMBER(bias, r)[j];
#endif
#ifdef RELU
    value = value <= 0.0f ? 0.0f : value;
#endif
#ifdef GATE
    value = MEMBER(gate, r)[i / gate_rows * n + j] > 0.0f ? value : 0.0f;
#endif
    *entry = value;
}
