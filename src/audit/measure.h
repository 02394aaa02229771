/* Measuring a population of networks on images: accuracy and invariance on orbits, spectra of
 * Jacobians. This finds the numbers of single images; means of them are others' work. */
#ifndef INVAR_AUDIT_MEASURE_H
#define INVAR_AUDIT_MEASURE_H

#include <invar/graph.h>

/* ------------------------------------------------------------------ metrics on orbits */

/* A batch of images under every element of a group, in a graph. */
typedef struct {
    iv_tensor *labels;   /* int [B] */
    iv_tensor *logits;   /* [G, B, C]; element 0 is the identity */
    iv_tensor *saliency; /* [G, B, D]: gradient of the logit of the class predicted at x */
    cl_mem inverse;      /* ushort [G, D]: the group's inverse tables */
} iv_orbit_batch;

/* A metric that is a mean over images: its values for a batch, [B]. */
typedef iv_tensor *iv_orbit_metric(iv_graph *graph, const iv_orbit_batch *orbit);

iv_orbit_metric iv_metric_accuracy, iv_metric_logit_invariance, iv_metric_distribution_invariance,
    iv_metric_saliency_invariance;

/* What they mean, and the spectrum of Jacobians, for those who list metrics. */
#define IV_DOC_ACCURACY "share of images and group elements that are classified rightly"
#define IV_DOC_LI       "logit invariance error: mean over x and g != e of 0.5 |f(x) - f(g x)|^2"
#define IV_DOC_DI                                                                                  \
    "distribution invariance error: mean over x and g != e of "                                    \
    "KL(softmax f(x) || softmax f(g x)), in nats"
#define IV_DOC_SI                                                                                  \
    "saliency invariance similarity: mean over x and g != e of the cosine "                        \
    "between the saliency maps of x and g x, the latter turned back"
#define IV_DOC_SIGMA_JACOBIAN "mean over x of the largest singular value of d f / d x"
#define IV_DOC_SPECTRUM       "mean over x of each singular value of d f / d x, largest first"
#define IV_DOC_CHANGES                                                                             \
    "for each element g, the share of images x whose predicted class at g x is not that at x"
#define IV_DOC_SIZE "mean over x of 0.5 |f(x)|^2, to compare li with"

/* ------------------------------------------------------------------ networks */

/* A population as measuring sees it. What it points to outlives the measuring. */
typedef struct {
    iv_context *context;
    size_t n_members, n_pixels, n_classes;
    const void *networks; /* handed to these two */

    /* Logits [rows, C] of images x [rows, D]. *sums (may be NULL): the first layer's sums before
     * its activation, [rows, width], or [n_copies, rows, width]. */
    iv_tensor *(*logits)(const void *networks, iv_graph *graph, iv_tensor *x, iv_tensor **sums);

    /* The first layer's weights, [width, D]. */
    iv_tensor *(*filters)(const void *networks, iv_graph *graph);
    size_t width; /* of the first layer; 0: Jacobians are not to be taken through it */

    /* How many copies of each image the first layer sees, under the elements of a group with these
     * tables, ushort [n_copies, D]; 1, and no tables, where it sees the image alone. */
    size_t n_copies;
    cl_mem source, inverse;

    /* Numbers that the network computes for an image on the way to the logits, all layers together;
     * 0: about as many as the image has. Batches are so small that these find room. */
    size_t n_entries;

    /* int [n_classes], 0, 1, 2, ..., where its ops take one product at a time: a Jacobian is then
     * put together from the gradient of each logit. NULL: they take several at once. */
    cl_mem classes;
} iv_measured;

/* ------------------------------------------------------------------ measuring */

typedef struct iv_measure iv_measure;

/* Numbers of images first .. first + n_images - 1 of a member: [n_images, width]. metric: its place
 * in the list; n_metrics for singular values. */
typedef void (*iv_measure_take)(void *state, size_t metric, size_t member, size_t first,
                                size_t n_images, size_t width, const float *values);

/* Prepare to measure n_metrics metrics on the orbits of all images of a source, and, of the first
 * n_jacobians of them, the singular values of d f / d x: min(C, D) each, largest first.
 *
 * inverse  ushort [G, D], the inverse tables of the source's group
 * measure  destroyed by iv_measure_destroy */
iv_status iv_measure_create(const iv_measured *networks, const iv_image_source *images,
                            cl_mem inverse, iv_orbit_metric *const *metrics, size_t n_metrics,
                            size_t n_jacobians, iv_measure **measure);
void iv_measure_destroy(iv_measure *m); /* NULL is fine */

/* How many batches there are; the numbers of one of them, all members one after the other, metric
 * by metric. */
size_t iv_measure_orbit_batches(const iv_measure *m);
iv_status iv_measure_orbits(iv_measure *m, size_t batch, iv_measure_take take, void *state);

/* The logits of the batch that ran last, of all members: *logits [R, G, *batch, C], until the next
 * call; of a last batch that is not full, those past its images are of no image. */
iv_status iv_measure_logits(iv_measure *m, const float **logits, size_t *batch);

/* The same of Jacobians; iv_measure_prepare comes first wherever weights may have changed. */
size_t iv_measure_jacobian_batches(const iv_measure *m);
iv_status iv_measure_prepare(iv_measure *m);
iv_status iv_measure_jacobians(iv_measure *m, size_t batch, iv_measure_take take, void *state);

/* Of all n images of a source, which are few: logits [R, G, n, C] and, unless NULL, saliency maps
 * [R, G, n, D], at g x the gradient of the logit of the class predicted at x. */
iv_status iv_measure_orbits_of(const iv_measured *networks, const iv_image_source *images,
                               float *logits, float *saliency);

#endif
