/* Kernels that test the runtime itself: arguments of every kind, includes, random bits, a build failure.
 * A diamond of includes on purpose: random.cl includes philox.cl too. */
#include "philox.cl"
#include "random.cl"
#include "tensor.cl"

/* Lets a test tell two builds of this file apart by what they compute. */
#ifndef SELFTEST_SCALE
#define SELFTEST_SCALE 1
#endif

/* out[r][i] = SELFTEST_SCALE * value * i + step for i < count.  Work-items: (count, members). */
__kernel void selftest_arguments(TENSOR(float, out), const uint count, const float value,
                                 const uint step) {
    const uint i = get_global_id(0);
    const uint r = get_global_id(1);
    if (i >= count) return;
    MEMBER(out, r)[i] = SELFTEST_SCALE * value * (float)i + (float)step;
}

/* y = a * x + y, n values.  Work-items: n. */
__kernel void selftest_axpy(__global float *restrict y, __global const float *restrict x, const float a,
                            const uint n) {
    const uint i = get_global_id(0);
    if (i < n) y[i] = MULTIPLY_ADD(a, x[i], y[i]);
}

/* Reverse each work-group's stretch of `data` through local memory.  Work-items: n, a multiple of the
 * work-group; scratch holds an int a work-item. */
__kernel void selftest_reverse(__global int *restrict data, __local int *restrict scratch) {
    const uint i = get_local_id(0);
    const uint size = get_local_size(0);
    scratch[i] = data[get_global_id(0)];
    barrier(CLK_LOCAL_MEM_FENCE);
    data[get_global_id(0)] = scratch[size - 1 - i];
}

/* out[0..3] = global and local sizes as the device sees them: global 0, global 1, local 0, local 1. */
__kernel void selftest_sizes(__global uint *restrict out) {
    if (get_global_id(0) || get_global_id(1)) return;
    out[0] = get_global_size(0);
    out[1] = get_global_size(1);
    out[2] = get_local_size(0);
    out[3] = get_local_size(1);
}

/* The same for a kernel that insists on its work-group. */
__kernel __attribute__((reqd_work_group_size(8, 2, 1))) void
selftest_required_sizes(__global uint *restrict out) {
    if (get_global_id(0) || get_global_id(1)) return;
    out[0] = get_global_size(0);
    out[1] = get_global_size(1);
    out[2] = get_local_size(0);
    out[3] = get_local_size(1);
}

/* out [n, 4] = Philox4x32-10 of counters (i, 1, 2, 3) and key (key0, key1).  Work-items: n. */
__kernel void selftest_philox(__global uint *restrict out, const uint n, const uint key0,
                              const uint key1) {
    const uint i = get_global_id(0);
    if (i >= n) return;
    philox4x32_ctr_t counter = {{i, 1, 2, 3}};
    philox4x32_key_t key = {{key0, key1}};
    counter = philox4x32_R(10, counter, key);
    for (uint word = 0; word < 4; word++) out[4 * i + word] = counter.v[word];
}

#ifdef SELFTEST_BROKEN
__kernel void selftest_broken(__global float *out) { out[0] = undeclared_on_purpose; }
#endif
