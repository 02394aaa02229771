/* Discrete Fourier transforms of short real signals of at most D entries, and how a work-group
 * shares them: its LANES work-items take coefficients side by side (GPUs), or a single one takes 8
 * at a time in a vector (LANES = 1, CPUs, and where a device
 * allows no more). Either way WIDTH coefficients are computed together.
 *
 * Table for a transform of n entries: [2 n + 1, COLUMNS]: cosines, then sines, of 2 pi j k / n at
 * row j and column k, then how many coefficients have the modulus of number k (1 or 2: k and
 * n - k); 0 in columns k > n / 2. COLUMNS is a multiple of WIDTH. */
#include "group_items.cl"
#include "tensor.cl"

#define GROUP ITEMS(LANES)
#if LANES > 1
#define OF_GROUP __attribute__((reqd_work_group_size(GROUP, 1, 1)))
#else
#define OF_GROUP
#endif

#if GROUP == 1
#define WIDTH 8
#define SHARED
#define SYNC()
typedef float8 coefficients;
#define TABLE(table, j, chunk) vload8((j) * (COLUMNS / 8) + (chunk), table)
#define KEEP(sums, value) vstore8(value, 0, sums)
#else
#define WIDTH GROUP
#define SHARED __local
#define SYNC() barrier(CLK_LOCAL_MEM_FENCE)
typedef float coefficients;
#define TABLE(table, j, chunk) (table)[(j) * COLUMNS + (chunk) * GROUP + get_local_id(0)]
#define KEEP(sums, value) (sums)[get_local_id(0)] = (value)
#endif

/* Real part and minus the imaginary part of the coefficients of one chunk. No `restrict`: inlined,
 * it becomes an intrinsic that Oclgrind 21.10 does not know. */
static void transform(const SHARED float *x, __global const float *table, uint n, uint chunk,
                      coefficients *real, coefficients *imaginary) {
    coefficients re = 0.0f, im = 0.0f;
    for (uint j = 0; j < n; j++) {
        const coefficients v = (coefficients)(x[j]);
        re = MULTIPLY_ADD(v, TABLE(table, j, chunk), re);
        im = MULTIPLY_ADD(v, TABLE(table + n * COLUMNS, j, chunk), im);
    }
    *real = re;
    *imaginary = im;
}
