/* How invariant is a network, whoever trained it, on images of one's own?
 *
 * A network is read from a safetensors or ONNX file or filled in by hand, images come from invar/data.h, the
 * group from invar/transform.h. An audit has, for each network, the metrics that docs/metrics.md
 * defines for invariance: over all images and for each class, with intervals.
 *
 *     iv_network network;
 *     iv_audit audit;
 *     iv_network_read("mlp.safetensors", &(iv_network_options){.activation = "relu"}, &network, &e);
 *     iv_audit_run(context, &(iv_audit_options){.networks = &network, .n_networks = 1,
 *                                               .images = &images, .n_images = images.n_images,
 *                                               .group = group}, &audit);
 *     iv_audit_write(&audit, "audit", NULL, &e);
 */
#ifndef INVAR_AUDIT_H
#define INVAR_AUDIT_H

#include <invar/data.h>
#include <invar/linalg.h>
#include <invar/onnx.h>
#include <invar/train.h>
#include <invar/transform.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ networks */

/* y = x w^T + b */
typedef struct {
    char *name; /* of the weight in its file: "fc1.weight"; may be NULL */
    size_t inputs, outputs;
    float *weight; /* [outputs, inputs] */
    float *bias;   /* [outputs]; NULL: none */
} iv_network_layer;

/* A network: an ONNX file's, or a perceptron, linear layers with an activation between them; the last one gives the logits. */
typedef struct {
    char *name; /* for tables: of its file, without folders and ending */
    iv_network_layer *layers;
    size_t n_layers;
    iv_activation activation;

    /* Whether the first layer sees each image under every element of a group, and the network goes
     * on with the mean of its activations. */
    bool tied;
    iv_group_kind tied_kind;
    size_t tied_order;
    iv_group_axes tied_axes;

    /* Of an ONNX file (invar/onnx.h), belonging to the network: of what stands above, the name alone
     * counts then. NULL: a perceptron. */
    iv_onnx_model *onnx;

    char *notes; /* what reading it had to decide or to change, in lines; "" for nothing */
} iv_network;

/* Zeroed but for what is wanted. */
typedef struct {
    const char *activation; /* "relu", "tanh", "sigmoid", "selu", "none"; NULL: as the file says */
} iv_network_options;

enum { IV_NETWORK_MOST_LAYERS = 64 };

/* Read a network: an image classifier from a file that ends in ".onnx", as iv_onnx_read does, or a
 * perceptron from a safetensors file, one that Invar trained or a PyTorch state_dict.
 *
 * Of a perceptron:
 * Weights are the tensors of two dimensions [out, in] whose names end in "weight"; NAME.bias [out]
 * belongs to NAME.weight and may be missing. Layers are in the order of their names, with numbers
 * compared as numbers; where that does not fit their shapes, in the order that the shapes give.
 * Numbers in half, bfloat16 or double precision become floats. The activation comes from the
 * options, from the file's metadata ("activation"), or from Invar's own description of a run.
 *
 * IV_EINVAL for an unknown activation, or if nobody says which it is. IV_EDATA for a damaged file,
 * tensors that no perceptron has, layers that do not follow one another or whose order cannot be
 * told, and numbers that are not finite; and as iv_onnx_read. Free with iv_network_clear. */
iv_status iv_network_read(const char *path, const iv_network_options *options, iv_network *network,
                          iv_error *error);
void iv_network_clear(iv_network *network); /* a zeroed one is fine */

/* Whether two networks differ in their weights alone. */
bool iv_network_same_architecture(const iv_network *a, const iv_network *b);

/* A network of the same architecture with fresh weights: weights and biases uniform on
 * +-1 / sqrt(inputs), PyTorch's default, tensor number i (weight, bias, weight, ...) drawn as
 * iv_parameters_initialize draws it. Its name is "fresh" and the architecture.
 *
 * Of an ONNX file's network the weights and biases of its convolutions and linear layers are drawn so,
 * by the inputs that one of their outputs has, each as tensor number v where it is value number v.
 * Factors and summands of normalisation become 1 and 0, unless a convolution or linear layer has
 * taken them up; other constants stay. Its name is "fresh" and the other's.
 * IV_ENOMEM. */
iv_status iv_network_fresh(const iv_network *like, uint32_t seed, iv_network *network,
                           iv_error *error);

/* ------------------------------------------------------------------ groups */

/* The group that a text names: as iv_group_parse says, or, if it ends in ".npy", permutations in a
 * file: integers [G, height width] or [G, planes height width], in any number of dimensions, for
 * iv_group_from_tables. IV_EDATA if the file is damaged or holds no integers, IV_EINVAL if they are
 * no group. */
iv_status iv_audit_group(const char *text, iv_image_shape shape, iv_group **group, iv_error *error);

/* ------------------------------------------------------------------ curves
 * What becomes of a network's answers as images are transformed by more and more: T x beside x.
 * T is bilinear, about the image's centre, with zeros outside. Resampling alone changes images: what
 * T^-1 T x does in the place of T x stands beside it. */

typedef enum {
    IV_CURVE_ANGLE, /* turned counter-clockwise, in degrees */
    IV_CURVE_SHIFT, /* to the right, in pixels */
    IV_CURVE_SCALE, /* larger by that factor */
    IV_CURVE_SHEAR, /* a row goes to the right by that times its height above the centre */
} iv_curve_kind;

typedef struct {
    const char *name;  /* in files: "angle" */
    const char *label; /* of axes */
} iv_curve_info;
const iv_curve_info *iv_curve_get(iv_curve_kind kind); /* NULL if there is no such kind */

/* Means over images of T x beside x: the share that is classified rightly, 0.5 |f(x) - f(T x)|^2,
 * KL(softmax f(x) || softmax f(T x)), and the cosine of s(x) and T^-1 s(T x). */
typedef struct {
    double accuracy, li, di, si;
} iv_curve_numbers;

typedef struct {
    double at;                      /* angle, shift or scale */
    iv_curve_numbers moved, undone; /* of T x, of T^-1 T x (its saliency as it is) */
    double error;                   /* mean of |T^-1 T x - x| / |x| */
} iv_curve_point;

typedef struct {
    iv_curve_kind kind;
    size_t n_points;
    iv_curve_point *points; /* [n_models, n_points] */
} iv_curve;

/* ------------------------------------------------------------------ directions
 * d f(x at T_t p) / dt at t = 0, T_t = expm(t sum_i a_i G_i) (invar/transform.h): |M a|, M with a row
 * for each image and logit, and a column for each generator. The slope of an image is half the
 * difference of a pixel's neighbours.
 * Source: Moskalev et al. 2022, "LieGG: Studying Learned Lie Group Generators". */

/* A right singular vector of M, its largest entry positive, and its singular value over the root of
 * the number of images. */
typedef struct {
    double sensitivity;
    double generators[IV_N_GENERATORS];
} iv_audit_direction;

/* "translation_x" */
const char *iv_generator_name(iv_generator generator);

/* ------------------------------------------------------------------ audits */

enum { IV_AUDIT_MOST_SHOWN = 8 }; /* elements in pictures of an image's orbit */

/* A mean over images, and the interval in which 95 of 100 means over images that were drawn again
 * lie (the percentile bootstrap; Efron and Tibshirani 1993, section 13.3). NaN where no image is. */
typedef struct {
    double value, low, high;
} iv_audit_number;

typedef enum {
    IV_AUDIT_ACCURACY,
    IV_AUDIT_LI,
    IV_AUDIT_DI,
    IV_AUDIT_SI,
    IV_AUDIT_SIGMA,    /* sigma_max_jacobian */
    IV_AUDIT_SPECTRUM, /* jacobian_spectrum: min(classes, inputs) values */
    IV_AUDIT_CHANGES,  /* prediction_changes: one value for each element of the group */
    IV_AUDIT_SIZE,     /* logit_size */
    IV_AUDIT_N_METRICS,
} iv_audit_metric;

/* How a metric is called. */
typedef struct {
    const char *name;  /* in files: "li" */
    const char *label; /* in tables */
    double scale;      /* tables show the value times this */
    const char *doc;
} iv_audit_metric_info;
const iv_audit_metric_info *iv_audit_metric_get(iv_audit_metric metric);

/* One of the images whose class distributions move farthest under the group. */
typedef struct {
    size_t image; /* its number among the audited ones, from 0 on */
    size_t label;
    float di;      /* of this image */
    float *logits; /* [n_elements, n_outputs] at g x */

    /* The elements that are pictured, in order: the identity, and those whose distributions are
     * farthest from the one at x. */
    size_t n_shown, shown[IV_AUDIT_MOST_SHOWN];
    float *pixels;   /* [n_shown, values of an image] of g x, in [0, 1]; NULL: not known */
    float *saliency; /* the same of the logit of the class predicted at x; NULL: not known */
} iv_audit_worst;

/* What was measured of one network. */
typedef struct {
    char *name, *architecture, *notes;            /* architecture: "784-128-10 relu" */
    size_t n_outputs;                             /* logits */
    size_t n_images[IV_AUDIT_N_METRICS];          /* measured; 0: the metric was not */
    size_t width[IV_AUDIT_N_METRICS];             /* values of each image; 1 but for the spectrum */
    iv_audit_number *all[IV_AUDIT_N_METRICS];     /* [width] */
    iv_audit_number *classes[IV_AUDIT_N_METRICS]; /* [n_classes, width]: images of each class */
    float *images[IV_AUDIT_N_METRICS];            /* [n_images, width]: of single images */
    iv_audit_direction *directions; /* [IV_N_GENERATORS], least sensitive first; NULL: not asked */
    iv_audit_worst *worst;          /* [n_worst], the worst first */
    size_t n_worst;
} iv_audit_model;

typedef struct {
    char *data, *group; /* what was audited on, by name */
    size_t n_images, n_elements, n_classes;
    iv_image_shape shape;             /* of the images that networks see */
    char (*elements)[IV_GROUP_WORDS]; /* [n_elements] what each makes of an image, in words */
    size_t n_resamples;
    iv_audit_model *models;
    size_t n_models;
    iv_curve *curves;
    size_t n_curves;
} iv_audit;

/* Zeroed but for what is wanted. */
typedef struct {
    const iv_network *networks; /* [n_networks] */
    size_t n_networks;
    const iv_dataset *images;
    size_t first, n_images; /* which of them: in order, from number `first` on */
    const iv_group *group;
    const char *group_name; /* for the results; NULL: its kind and order */

    /* Networks see (pixel / 255 - mean) / deviation, channel by channel; [channels], NULL: 0 and 1.
     * It counts as a part of the network: derivatives are by pixel / 255. */
    const float *mean, *deviation;

    size_t n_jacobians; /* of how many of the images, the first ones, Jacobians are taken; 0: all */
    bool no_jacobians;

    bool directions; /* are asked for */
    size_t n_worst;  /* images to keep of those that each network takes worst; 0: none */

    /* Curves to measure: of kind kinds[i] at n_points[i] points, at[i]; factors above 0. */
    const iv_curve_kind *kinds; /* [n_curves] */
    const size_t *n_points;
    const double *const *at;
    size_t n_curves;

    size_t n_resamples; /* of the bootstrap; 0: 1000 */
    uint32_t seed;      /* of the bootstrap's draws */

    const volatile sig_atomic_t *stop; /* IV_EINTERRUPTED once it is nonzero; NULL: never */
    const iv_progress *progress;       /* NULL: none */
} iv_audit_options;

/* Measure networks on the orbits of images. Networks of one architecture are measured together;
 * their order does not change a number. Draw number i of resample number b is
 * iv_below(word, n), word i % 4 of (seed, IV_STREAM_BOOTSTRAP, step b, index i / 4), the same for
 * all networks. Errors are in the context's error.
 *
 * IV_EINVAL for layers that do not follow one another, a deviation or a factor that is not above 0, and images that there are not; IV_EDATA if a
 * network does not take these images, or has other classes. Free with iv_audit_clear. */
iv_status iv_audit_run(iv_context *context, const iv_audit_options *options, iv_audit *audit);
void iv_audit_clear(iv_audit *audit); /* a zeroed one is fine */

/* ------------------------------------------------------------------ any network at all */

/* Write the orbits of images for a program of the user's own: into `directory`, which is made and
 * holds no others yet, manifest.json and images-0000.npy, images-0001.npy, ..., float32 [G, n,
 * planes, height, width] in [0, 1] with the identity first, n = batch but in the last one (0: 256).
 * docs/audit.md has the files. Of the options, images, first, n_images, group and group_name are
 * read. IV_EINVAL if the directory holds prepared images, and as iv_audit_run. */
iv_status iv_audit_prepare(const iv_audit_options *options, size_t batch, const char *directory,
                           iv_error *error);

/* Whether a directory holds prepared images. */
bool iv_audit_is_prepared(const char *directory);

/* Measure what a program made of prepared images: logits-0000.npy, ..., float32 [G, n, C] or
 * [G n, C], and, if it can, gradients-0000.npy, ..., of the images' shape: at g x, the gradient of
 * the logit of the class predicted at x. Where they lie in the directory they are of a network with
 * its name; every folder in it that has logits is a network of the folder's name. Accuracy, LI and
 * DI are measured, SI where there are gradients. Of the options, n_resamples, seed, n_worst, stop
 * and progress are read.
 *
 * IV_EDATA for files that are missing, damaged, or not of the shape that the manifest says, and for
 * numbers that are not finite. Of the worst images, pixels and saliency are those of
 * images-0000.npy and gradients-0000.npy, as far as these are there. Errors are in the context's
 * error. */
iv_status iv_audit_prepared(iv_context *context, const char *directory,
                            const iv_audit_options *options, iv_audit *audit);

/* ------------------------------------------------------------------ results */

/* Networks side by side, a line each, in text. The caller frees *text. */
iv_status iv_audit_table(const iv_audit *audit, char **text, iv_error *error);

/* All numbers as JSON (docs/audit.md has the form). The caller frees *text. */
iv_status iv_audit_json(const iv_audit *audit, char **text, iv_error *error);

/* Write audit.json, audit.csv and report.html into a directory, which is made if it does not exist;
 * of each curve KIND.csv, and figures/KIND-li.svg and so on (see iv_plot_write for *drawn); of the
 * worst images figures/worst-M-K.png and worst-M-K-saliency.png, M the network's number and K the
 * image's place, both from 1 on. The report needs no other file. IV_EFAILED. */
iv_status iv_audit_write(const iv_audit *audit, const char *directory, bool *drawn,
                         iv_error *error);

#ifdef __cplusplus
}
#endif

#endif
