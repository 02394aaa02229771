/* Inside the audit room.
 *
 *   network.c     perceptrons from safetensors files
 *   layers.c      which tensors are layers, and in what order
 *   onnx_network.c  networks from ONNX files
 *   group.c       groups by name, and from files
 *   population.c  networks of one architecture on the device
 *   onnx.c        those of ONNX files
 *   jacobian.c    Jacobians of either
 *   measure.c     numbers of single images; the studies measure through it
 *   bootstrap.c   means over images, and their intervals
 *   audit.c       an audit from networks and images
 *   prepare.c     orbits of images for other programs
 *   prepared.c    an audit from what they made of them
 *   given.c       numbers of single images from logits and gradients that are given
 *   curve.c       what transformations that resample do
 *   directions.c  the generators to which networks are insensitive
 *   worst.c       predictions that change, and the images whose predictions change most
 *   results.c     as a table, JSON and CSV
 *   curves.c      the same of curves, and figures
 *   words.c       as sentences
 *   page.c        as a page of HTML with pictures
 */
#ifndef INVAR_AUDIT_AUDIT_H
#define INVAR_AUDIT_AUDIT_H

#include "audit/measure.h"
#include "runtime/text_builder.h"

#include <invar/audit.h>

/* IV_ENOMEM with a message. */
iv_status audit_no_memory(iv_context *context);

/* ------------------------------------------------------------------ files to networks */

/* Find the layers of a perceptron among a file's tensors, in order, and copy them. notes: what had
 * to be decided. Fails as iv_network_read does. */
iv_status audit_layers_read(const char *path, const iv_safetensors *file, iv_network *network,
                            iv_error *error);

/* Add a line to the notes of a network. IV_ENOMEM. */
iv_status audit_note(iv_network *network, iv_error *error, const char *format, ...) IV_PRINTF(3, 4);

/* The same of an ONNX file. */
iv_status audit_onnx_read(const char *path, iv_network *network, iv_error *error);

/* Whether networks of ONNX files differ in their constants alone; a network like one with fresh
 * weights; what one is, in words. */
bool audit_onnx_same(const iv_onnx_model *a, const iv_onnx_model *b);
iv_status audit_onnx_fresh(const iv_network *like, uint32_t seed, iv_network *network,
                           iv_error *error);
void audit_onnx_describe(iv_text *text, const iv_onnx_model *model);

/* Entries of a value's shape. */
size_t audit_onnx_elements(const iv_onnx_value *value);

/* n numbers uniform on +-1 / sqrt(inputs), of tensor number `tensor` as iv_parameters_initialize
 * draws it, to be freed; NULL: there is no memory. */
float *audit_draw(uint32_t seed, uint32_t tensor, size_t n, size_t inputs);

/* "relu" */
const char *audit_activation_name(iv_activation activation);

/* "784-128-10 relu"; the caller frees *text. */
iv_status audit_architecture(const iv_network *network, char **text, iv_error *error);

/* ------------------------------------------------------------------ on the device */

/* Networks of one architecture, the members of a population. */
typedef struct {
    iv_context *context;
    const iv_network *first; /* what they have in common */
    size_t n_members;
    cl_mem weights[IV_NETWORK_MOST_LAYERS], biases[IV_NETWORK_MOST_LAYERS]; /* [R, ...] each */
    iv_group *tied;                                                         /* NULL: not tied */
    cl_mem source, inverse;                                                 /* its tables */
    /* of ONNX files */
    cl_mem *constants; /* [n_values] of [R, ...]; NULL: computed */
    cl_mem standard;   /* [2, planes]: a factor for each channel, and what is added then */
    cl_mem classes;    /* int [n_classes]: 0, 1, 2, ... */
    size_t planes;     /* of the images */
} audit_population;

/* mean, deviation: see iv_audit_options, become a part of the first layer. shape: of the images
 * that networks see. The population is cleared also after a failure. */
iv_status audit_population_create(iv_context *context, const iv_network *const *networks,
                                  size_t n_networks, iv_image_shape shape, const float *mean,
                                  const float *deviation, audit_population *population);
void audit_population_clear(audit_population *population); /* a zeroed one is fine */

/* The population as measuring sees it. */
iv_measured audit_population_measured(const audit_population *population);

/* The same of networks of ONNX files: population.c passes them on. */
iv_status audit_onnx_upload(audit_population *population, const iv_network *const *networks,
                            iv_image_shape shape, const float *mean, const float *deviation);
void audit_onnx_clear(audit_population *population);
iv_measured audit_onnx_measured(const audit_population *population);

/* The Jacobian of logits [B, C] by x [B, D] (or the first layer's sums), [B, C, D]. */
iv_tensor *audit_jacobian(const iv_measured *networks, iv_graph *graph, iv_tensor *logits,
                          iv_tensor *x);

/* How many of `most` images, of `copies` copies each, pass the networks at once in little memory. */
size_t audit_fitting_batch(const iv_measured *networks, size_t copies, size_t most);

/* ------------------------------------------------------------------ parts of an audit */

enum { AUDIT_N_ORBIT_METRICS = IV_AUDIT_SIGMA };
extern iv_orbit_metric *const audit_orbit_metrics[AUDIT_N_ORBIT_METRICS];

size_t audit_resamples(const iv_audit_options *options);

/* Refuse images that there are not, and a group that has the identity alone. */
iv_status audit_check_images(const iv_audit_options *options, iv_error *error);

/* Whether a network's classes can be those of images: as many, or more where labels alone say how
 * many there are, as of images of the user's own. */
bool audit_classes_fit(size_t n_classes, size_t n_of_images, const char *images);

/* Numbers of single images, their means, and those of classes: room for what n_images say, by
 * metric. */
iv_status audit_allocate(iv_audit *audit, iv_audit_model *model, iv_error *error);

/* Means and intervals of all that was measured. labels [n_images] */
iv_status audit_find_intervals(iv_audit *audit, const uint8_t *labels, uint32_t seed,
                               iv_error *error);

/* What each element makes of an image, in words; group NULL: it is not known how it acts. */
iv_status audit_describe_elements(iv_audit *audit, const iv_group *group, iv_error *error);

/* ------------------------------------------------------------------ predictions */

/* Of n images with logits [G, batch, C]: changed [n, G] is 1 where the class predicted at g x is not
 * that at x, else 0; size [n] is 0.5 |f(x)|^2. The first one among equal logits is predicted. */
void audit_predictions(const float *logits, size_t n_elements, size_t batch, size_t n_classes,
                       size_t n, float *changed, float *size);
size_t audit_predicted(const float *logits, size_t n_classes);

/* The softmax of the class predicted, in double. */
double audit_probability(const float *logits, size_t n_classes);

/* The n_worst images of a network that has been measured, by their DI: those with the largest, and
 * of equal ones the first. labels [n_images]. Their logits are zero until they are filled in. */
iv_status audit_choose_worst(const iv_audit *audit, iv_audit_model *model, size_t n_worst,
                             const uint8_t *labels, iv_error *error);

/* Of one of them whose logits are filled in: choose what is pictured, and make room for it. */
iv_status audit_show_worst(const iv_audit *audit, const iv_audit_model *model,
                           iv_audit_worst *worst, bool with_pixels, bool with_saliency,
                           iv_error *error);
void audit_free_worst(iv_audit_model *model);

/* What was audited on, as the device and the host have it. */
typedef struct {
    const iv_group *group;
    const uint8_t *pixels, *labels; /* [n_images, n_pixels], padded; [n_images] */
    cl_mem source;                  /* ushort [G, n_pixels] */
} audit_images;

/* Fill in the worst images of member number `member` of a population. */
iv_status audit_measure_worst(const iv_measured *networks, size_t member,
                              const audit_images *images, const iv_audit *audit,
                              iv_audit_model *model);

/* ------------------------------------------------------------------ logits that are given */

/* Metrics on orbits of at most `batch` images at a time; D 0: there are no gradients. */
typedef struct audit_given audit_given;
typedef struct {
    size_t n_elements, batch, n_classes, n_pixels;
    cl_mem inverse; /* ushort [G, D]; not read without gradients */
} audit_given_shape;

iv_status audit_given_create(iv_context *context, const audit_given_shape *shape,
                             audit_given **given);
void audit_given_destroy(audit_given *given); /* NULL is fine */

/* Of n images: logits [G, n, C], gradients [G, n, D] or NULL, labels [n]; values[m] [n] for each
 * metric, NULL where it is not wanted. */
iv_status audit_given_run(audit_given *given, size_t n, const float *logits, const float *gradients,
                          const uint8_t *labels, float *const values[AUDIT_N_ORBIT_METRICS]);

/* ------------------------------------------------------------------ curves and directions */

/* Images that they are measured on. */
typedef struct {
    const uint8_t *pixels; /* [n_images, planes, height, width] */
    const uint8_t *labels; /* [n_images] */
    size_t n_images;
    iv_image_shape shape;
    iv_status (*go_on)(void *state, size_t n_images); /* a failure: stop */
    void *state;
} audit_curve_images;

/* One curve of a population: points[r] [n_points] of member r; `at` is filled in. */
iv_status audit_curve(const iv_measured *networks, const audit_curve_images *images,
                      iv_curve_kind kind, size_t n_points, iv_curve_point *const *points);

/* directions[r] [IV_N_GENERATORS] of member r. */
iv_status audit_directions(const iv_measured *networks, const audit_curve_images *images,
                           iv_audit_direction *const *directions);

/* All curves of one network as a JSON object; CSV and figures of all networks. */
void audit_add_curves(iv_text *text, const iv_audit *audit, size_t model);
iv_status audit_write_curves(const iv_audit *audit, const char *directory, bool *drawn,
                             iv_error *error);
iv_status audit_write_text(const char *directory, const char *name, const char *text,
                           iv_error *error);

/* Whether a metric is a list of numbers, and not one. */
bool audit_is_list(size_t metric);

/* Names of a curve's numbers by their place, for figures; NULL after the last. */
const char *audit_curve_number(size_t i);

/* A number as tables show it, in percent if that is the metric's scale; "n/a" if it is not finite. */
enum { AUDIT_CELL = 96 };
void audit_format(char text[AUDIT_CELL], double value, iv_audit_metric metric);
void audit_format_interval(char text[AUDIT_CELL], const iv_audit_model *model,
                           iv_audit_metric metric);

/* What a network does, as paragraphs of HTML. */
void audit_add_words(iv_text *text, const iv_audit *audit, const iv_audit_model *model);

/* report.html, and the pictures of the worst images. Figures of curves are there already. */
iv_status audit_write_page(const iv_audit *audit, const char *directory, iv_error *error);

/* ------------------------------------------------------------------ files of prepared images */

/* FOLDER/NAME-0000.npy; FOLDER/NAME where number is SIZE_MAX. The caller frees *path. IV_ENOMEM. */
iv_status audit_path(const char *folder, const char *name, size_t number, char **path,
                     iv_error *error);

/* ------------------------------------------------------------------ statistics */

/* Numbers of single images, and where their means and intervals go. */
typedef struct {
    const float *values; /* [n_images, width] */
    size_t width;
    iv_audit_number *all;     /* [width] */
    iv_audit_number *classes; /* [n_classes, width] */
} audit_sample;

/* Means over all images and over those of each class, with intervals from n_resamples resamples
 * (iv_audit_run has the draws). labels [n_images], below n_classes. */
iv_status audit_bootstrap(const audit_sample *samples, size_t n_samples, size_t n_images,
                          const uint8_t *labels, size_t n_classes, size_t n_resamples,
                          uint32_t seed, iv_error *error);

#endif
