/* Where an affine transformation takes the pixels of an image: -DHEIGHT rows of -DWIDTH.
 *
 * t [6] = [t0 t1 t2; t3 t4 t5] acts on coordinates of [-1, 1] with corner pixels at the ends. Pixel
 * (i, j) goes to column u = HALF_W + m0 x + m1 y + m2 and row v = HALF_H + m3 x + m4 y + m5, with
 * x = j - HALF_W and y = i - HALF_H: the identity moves no pixel by a single bit. */
#include "tensor.cl"

#define PIXELS (HEIGHT * WIDTH)
#define HALF_W (0.5f * (WIDTH - 1))
#define HALF_H (0.5f * (HEIGHT - 1))

/* Pixels across for a pixel down, and the other way round. With one row or column the pixel that
 * there is lies at 0. */
#if WIDTH > 1 && HEIGHT > 1
#define ACROSS ((WIDTH - 1.0f) / (HEIGHT - 1.0f))
#define DOWN   ((HEIGHT - 1.0f) / (WIDTH - 1.0f))
#else
#define ACROSS 0.0f
#define DOWN   0.0f
#endif

typedef struct {
    float m[6];
    float poison; /* 0, or NaN if t holds what is not finite */
} pixel_map;

static pixel_map map_of(__global const float *t) {
    pixel_map map;
    map.m[0] = t[0];
    map.m[1] = t[1] * ACROSS;
    map.m[2] = t[2] * HALF_W;
    map.m[3] = t[3] * DOWN;
    map.m[4] = t[4];
    map.m[5] = t[5] * HALF_H;
    map.poison = 0.0f;
    for (uint k = 0; k < 6; k++) map.poison += t[k] * 0.0f;
    return map;
}

/* Column or row: k is 0 and half HALF_W, or 3 and HALF_H. */
#define PLACE(map, k, half, type, x, y)                                                            \
    (MULTIPLY_ADD((type)((map).m[k]), x,                                                           \
                  MULTIPLY_ADD((type)((map).m[k + 1]), y, (type)((map).m[k + 2]))) + (half))

/* What the derivatives by m turn into: by t. */
static void scale_to_t(float *d) {
    d[1] *= ACROSS;
    d[2] *= HALF_W;
    d[3] *= DOWN;
    d[5] *= HALF_H;
}
