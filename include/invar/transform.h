/* Exact finite groups acting on square images, as index tables.
 *
 * Element 0 is the identity. Rotations of order 2 and 4 turn the square counter-clockwise by
 * multiples of 360 / order degrees; shifts of order k roll the image by multiples of side / k,
 * after zero padding split evenly (the odd row and column at the end) to a side divisible by k.
 * Source: Moskalev et al. 2023, the groups R^2_4 and T^2_3.
 */
#ifndef INVAR_TRANSFORM_H
#define INVAR_TRANSFORM_H

#include <invar/runtime.h>

typedef enum { IV_GROUP_ROTATION, IV_GROUP_SHIFT } iv_group_kind;
typedef enum { IV_AXES_X = 1, IV_AXES_Y = 2, IV_AXES_XY = 3 } iv_group_axes;

typedef struct {
    iv_group_kind kind;
    size_t order;
    iv_group_axes axes; /* of a shift; both: element i * order + j moves i steps down, j right */
    size_t image_side;  /* of the images as stored */
    size_t pad_before;  /* zero rows above and columns left of the stored image */
    size_t side;        /* of the images that the group acts on, padding included */
    size_t n_elements;
    size_t n_pixels;   /* side^2 */
    uint16_t *source;  /* [n_elements, n_pixels]: (g x)[p] = x[source[g][p]] */
    uint16_t *inverse; /* [n_elements, n_pixels]: (g^-1 x)[p] = x[inverse[g][p]] */
} iv_group;

/* IV_EINVAL for an order that does not exist (rotation: 2, 4; shift: 2 to image_side), a shift
 * along no axis, or a padded side above 255. Free with iv_group_destroy. */
iv_status iv_group_create(iv_group_kind kind, size_t order, iv_group_axes axes, size_t image_side,
                          iv_group **group, iv_error *error);
void iv_group_destroy(iv_group *group); /* NULL is fine */

/* Copy n images [n, image_side^2] of bytes into padded images [n, side^2]. */
void iv_group_pad(const iv_group *group, const uint8_t *images, size_t n_images, uint8_t *padded);

#endif
