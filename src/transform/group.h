/* Inside the transform room. */
#ifndef INVAR_TRANSFORM_GROUP_H
#define INVAR_TRANSFORM_GROUP_H

#include <invar/transform.h>

enum { IV_GROUP_MOST_PIXELS = 65535 }; /* a uint16_t counts them */

/* A group with room for its tables, and with what follows from the sizes of its images: padding and
 * n_pixels. NULL if memory runs out. */
iv_group *iv_group_allocate(iv_group like);

#endif
