/* One-sided Jacobi rotations of small triangles (svd.cl) where a work-item takes PACK matrices at
 * once, one in each component of its vectors: on CPU devices the rotations of one small matrix are
 * too short to fill a vector and wait for each other's square roots, those of PACK matrices do
 * neither.
 *
 * A component that has converged turns by angle zero, so a matrix does not see its neighbours.
 * Built with -DPACK=16 -DMAX_K (rows at most) -DMAX_SWEEPS -DNEGLIGIBLE. */
#include "tensor.cl"

#if PACK != 16
#error "PACK must be 16"
#endif
typedef float16 pack_t;
typedef int16 mask_t;

/* Make rows p and q [k] orthogonal, the longer one first, in all matrices where they are not so
 * already to `tolerance` (a cosine); a mask of those. */
static mask_t rotate_pair(__global pack_t *p, __global pack_t *q, uint k, float tolerance) {
    pack_t pp = 0.0f, qq = 0.0f, pq = 0.0f;
    for (uint j = 0; j < k; j++) {
        const pack_t x = p[j], y = q[j];
        pp = MULTIPLY_ADD(x, x, pp);
        qq = MULTIPLY_ADD(y, y, qq);
        pq = MULTIPLY_ADD(x, y, pq);
    }
    const mask_t turns = (pp > NEGLIGIBLE) & (qq > NEGLIGIBLE) &
                         ((pq / pp) * (pq / qq) > (pack_t)(tolerance * tolerance));
    if (!any(turns)) return turns;

    const pack_t zero = 0.0f, one = 1.0f;
    const pack_t zeta = (qq - pp) / (2.0f * select(one, pq, turns));
    const pack_t near = copysign(one, zeta) / (fabs(zeta) + sqrt(one + zeta * zeta));
    const pack_t t = select(zero, select(near, 0.5f / zeta, fabs(zeta) > 1e9f), turns);
    const pack_t cosine = 1.0f / sqrt(one + t * t);
    const pack_t sine = t * cosine, half_tangent = sine / (1.0f + cosine);
    const mask_t swaps = turns & (pp < qq);
    for (uint j = 0; j < k; j++) {
        const pack_t x = p[j], y = q[j];
        const pack_t new_p = MULTIPLY_ADD(-sine, MULTIPLY_ADD(half_tangent, x, y), x);
        const pack_t new_q = MULTIPLY_ADD(sine, MULTIPLY_ADD(-half_tangent, y, x), y);
        p[j] = select(new_p, new_q, swaps);
        q[j] = select(new_q, new_p, swaps);
    }
    return turns;
}

/* Singular values of packed triangles.  Work-items: (ceil(batch / PACK)).
 *
 * triangles  [ceil(batch / PACK), k, k, PACK]
 * unscale    [batch]
 * s          [batch, k], largest first */
__kernel void svd_rotate_packed(const uint k, const uint batch, __global pack_t *triangles,
                                const float tolerance, __global const float *unscale,
                                TENSOR(float, s)) {
    const uint first_matrix = get_global_id(0) * PACK;
    if (first_matrix >= batch) return;
    __global pack_t *rows = triangles + get_global_id(0) * k * k;

    for (uint sweep = 0; sweep < MAX_SWEEPS; sweep++) {
        mask_t turns = 0;
        for (uint i = 0; i + 1 < k; i++) {
            for (uint j = i + 1; j < k; j++) {
                turns |= rotate_pair(rows + i * k, rows + j * k, k, tolerance);
            }
        }
        if (!any(turns)) break;
    }

    pack_t lengths[MAX_K];
    for (uint i = 0; i < k; i++) {
        pack_t square = 0.0f;
        for (uint j = 0; j < k; j++)
            square = MULTIPLY_ADD(rows[i * k + j], rows[i * k + j], square);
        lengths[i] = select((pack_t)(0.0f), sqrt(square), square > NEGLIGIBLE);
    }
    const uint n_members = min((uint)PACK, batch - first_matrix);
    for (uint member = 0; member < n_members; member++) {
        const uint matrix = first_matrix + member;
        for (uint i = 0; i < k; i++) {
            const float length = ((const float *)&lengths[i])[member];
            uint rank = 0;
            for (uint j = 0; j < k; j++) {
                const float other = ((const float *)&lengths[j])[member];
                rank += other > length || (other == length && j < i);
            }
            MEMBER(s, matrix)[rank] = length * unscale[matrix];
        }
    }
}
