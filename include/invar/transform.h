/* Exact finite groups acting on images, as index tables; affine maps of the plane.
 *
 * Element 0 is the identity. Rotations of order 2 and 4 turn the image counter-clockwise by
 * multiples of 360 / order degrees, those of order 4 squares alone; shifts of order k roll it by
 * multiples of height / k and width / k, after zero padding split evenly (the odd row and column at
 * the end) to sides divisible by k. Flips mirror the image along x (left and right change places),
 * along y, or both: then element 2 i + j mirrors i times along y and j times along x. The dihedral
 * group of order 8 has all symmetries of the square: element 4 i + j mirrors i times along x, then
 * turns j quarters. All planes of an image are moved alike.
 * Source: Moskalev et al. 2023, the groups R^2_4 and T^2_3. */
#ifndef INVAR_TRANSFORM_H
#define INVAR_TRANSFORM_H

#include <invar/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An image's shape: D = planes * height * width values, plane after plane, rows from the top. */
typedef struct {
    size_t planes, height, width;
} iv_image_shape;

/* Values of an image. */
static inline size_t iv_image_values(iv_image_shape shape) {
    return shape.planes * shape.height * shape.width;
}

typedef enum {
    IV_GROUP_LISTED = -1, /* permutations of one's own: iv_group_from_tables */
    IV_GROUP_ROTATION,
    IV_GROUP_SHIFT,
    IV_GROUP_FLIP,
    IV_GROUP_DIHEDRAL,
} iv_group_kind;
typedef enum { IV_AXES_X = 1, IV_AXES_Y = 2, IV_AXES_XY = 3 } iv_group_axes;

typedef struct {
    iv_group_kind kind;
    size_t order;
    iv_group_axes axes;   /* of shifts and flips; both: element i * order + j moves i steps down, j
                             right, or mirrors so often along y and along x */
    iv_image_shape image; /* of the images as stored */
    size_t pad_top, pad_left; /* zero rows above and columns left of the stored image */
    iv_image_shape padded;    /* of the images that the group acts on, padding included */
    size_t n_elements;
    size_t n_pixels;   /* values of a padded image, all planes together */
    uint16_t *source;  /* [n_elements, n_pixels]: (g x)[p] = x[source[g][p]] */
    uint16_t *inverse; /* [n_elements, n_pixels]: (g^-1 x)[p] = x[inverse[g][p]] */
} iv_group;

/* A kind of group: one row of a table, at the index of its iv_group_kind. */
typedef struct {
    const char *name; /* as specs write it: "rotation" */
    const char *doc;  /* one line: what the elements do, and what the order counts */
    size_t orders[4]; /* those that exist, up to a 0; none listed: 2 to the image's smaller side */
    const char *why;  /* there is no other order, for messages */

    /* Why one of these does not act on images of that height and width; NULL if it does. The
     * function may be NULL: all of them act on all images. */
    const char *(*why_not)(size_t order, size_t height, size_t width);

    bool has_axes; /* iv_group_axes matters */
    bool pads;     /* images are padded to a side that the order divides */
    size_t (*n_elements)(size_t order, iv_group_axes axes);

    /* source [height, width]: the map of an element in a plane, of a group that has all but its
     * tables. */
    void (*map)(const iv_group *group, size_t element, uint16_t *source);

    /* What an element but the first makes of an image: "turned by 90 degrees". */
    void (*describe)(const iv_group *group, size_t element, char *words, size_t n);
} iv_group_kind_info;

/* The i-th kind, which is (iv_group_kind)i, or NULL after the last; or the kind of that name, or
 * NULL. */
const iv_group_kind_info *iv_group_kind_get(size_t i);
const iv_group_kind_info *iv_group_kind_find(const char *name);

/* Whether the order exists on images of that shape. If not, `expected` (NULL: not wanted) says what
 * does: "2 or 4 for a rotation: others do not map square pixels onto each other". */
enum { IV_GROUP_EXPECTED = 160 };
bool iv_group_order_allowed(iv_group_kind kind, size_t order, iv_image_shape shape,
                            char expected[IV_GROUP_EXPECTED]);

/* What a group of an order that exists has: elements, and the side of its images with padding. */
size_t iv_group_elements(iv_group_kind kind, size_t order, iv_group_axes axes);
size_t iv_group_side(iv_group_kind kind, size_t order, size_t image_side);
iv_image_shape iv_group_padded(iv_group_kind kind, size_t order, iv_image_shape shape);

/* IV_EINVAL for a kind or an order that does not exist, axes that do not where they matter, or more
 * than 65535 values of a padded image. Free with iv_group_destroy. */
iv_status iv_group_create(iv_group_kind kind, size_t order, iv_group_axes axes,
                          iv_image_shape shape, iv_group **group, iv_error *error);
void iv_group_destroy(iv_group *group); /* NULL is fine */

/* A group of permutations: element g of an image x has at p what x has at source[g][p].
 *
 * source  [n_elements, n], n the values of an image, or of a plane: every plane is then moved alike
 * name    in messages
 *
 * IV_EINVAL, with the element that is wrong, unless they are permutations, the first is the
 * identity, no two are the same and the product of any two is among them. */
iv_status iv_group_from_tables(const int64_t *source, size_t n_elements, size_t n,
                               iv_image_shape shape, const char *name, iv_group **group,
                               iv_error *error);

/* The group that a text names, KIND[:ORDER[:AXES]]: "rotation:4", "shift:3:xy". Without an order a
 * kind has the largest that it lists; axes are x, y or xy, x where they are left out. IV_EINVAL,
 * with what was expected, for other texts, and as iv_group_create says. */
iv_status iv_group_parse(const char *text, iv_image_shape shape, iv_group **group, iv_error *error);

/* Its kind, order and axes alone; *group has nothing to destroy. IV_EINVAL for other texts. */
iv_status iv_group_parse_name(const char *text, iv_group *group, iv_error *error);

/* What an element makes of an image, in words that follow "the image": "as it is", "turned by 90
 * degrees", "shifted by 7 to the right"; "under element 3" of permutations of one's own. Tables are
 * not read. */
enum { IV_GROUP_WORDS = 80 };
void iv_group_describe(const iv_group *group, size_t element, char words[IV_GROUP_WORDS]);

/* Copy n images of bytes into padded images: [n, planes, height, width] each. */
void iv_group_pad(const iv_group *group, const uint8_t *images, size_t n_images, uint8_t *padded);

/* ------------------------------------------------------------------ affine maps
 * T = expm(sum_i a_i G_i), stored as its first two rows [t0 t1 t2; t3 t4 t5]:
 * x' = t0 x + t1 y + t2, y' = t3 x + t4 y + t5, x to the right and y down in normalised coordinates
 * ([-1, 1], corner pixels at the ends).
 * Source: van der Ouderaa and van der Wilk 2022, appendix E. */

enum { IV_N_GENERATORS = 6 };

/* The order of eta, eps and masks. */
typedef enum {
    IV_GENERATOR_TRANSLATION_X,
    IV_GENERATOR_TRANSLATION_Y,
    IV_GENERATOR_ROTATION, /* in radians: [0 -1; 1 0] */
    IV_GENERATOR_SCALE_X,
    IV_GENERATOR_SCALE_Y,
    IV_GENERATOR_SHEAR, /* [0 1; 1 0] */
} iv_generator;

typedef enum {
    IV_AFFINE_NONE,
    IV_AFFINE_ROTATION,
    IV_AFFINE_TRANSLATION, /* x and y */
    IV_AFFINE_SCALE,       /* x and y */
    IV_AFFINE_ALL,
} iv_affine_family;

/* mask [6]: 1 for the family's generators, 0 for the others. */
void iv_affine_mask(iv_affine_family family, float mask[IV_N_GENERATORS]);

/* expm(sum_i a_i G_i), its first two rows; errors below 1e-12 of the
 * largest entry. |a_i| up to 20. */
void iv_affine_exponential(const double a[IV_N_GENERATORS], double t[6]);

/* Equally spaced eps in the place of draws: the midpoints of n equal parts of [-1, 1] along each
 * generator whose mask is not 0, and their Cartesian product with the last generator running
 * fastest; 0 along the others. At eta = pi a rotation thus counts no angle twice.
 *
 * eps  [n_samples, 6]
 *
 * IV_EINVAL, with the counts nearby that fit, unless n_samples = n^k for k generators (1 if there
 * are none) and is at most 2^20. Source: van der Ouderaa and van der Wilk 2022, section 3.4. */
iv_status iv_affine_points(const float mask[IV_N_GENERATORS], size_t n_samples, float *eps,
                           iv_error *error);

#ifdef __cplusplus
}
#endif

#endif
