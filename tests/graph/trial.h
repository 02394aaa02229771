/* What the tests of the graph share: a graph under test with inputs that the host knows too.
 *
 * A trial owns everything that it makes. Small runs (INVAR_TEST_SMALL=1) keep it until the program
 * ends. */
#ifndef INVAR_TESTS_GRAPH_TRIAL_H
#define INVAR_TESTS_GRAPH_TRIAL_H

#include "../kit/device.h"

#include "graph/graph.h"

#include <invar/random.h>
#include <invar/transform.h>

#include <math.h>

enum { TRIAL_MAX = 48 };

/* How a tensor lies in memory. */
typedef enum {
    LIES_IN_PLAN,
    LIES_APART, /* in a buffer of the test, with an offset and gaps between members */
    LIES_SHARED /* one copy for all members, with an offset; inputs only */
} layout;

typedef struct {
    iv_tensor *tensor;
    double *values; /* [R, elements] */
    bool shared;
} known_input;

/* A buffer with gaps around a tensor's members that nobody may write to. */
typedef struct {
    iv_tensor *tensor;
    iv_view view;
    size_t n_buffer; /* elements */
} guarded;

/* A group on the host and on the device. */
typedef struct {
    iv_group *group;
    cl_mem source, inverse;
} known_group;

/* A pool of images on the host and on the device, and the batch that a graph takes from it. */
typedef struct {
    iv_image_source source;
    const known_group *group;
    uint8_t *pixels, *labels;
    int32_t *indices;
    uint32_t *seeds;
    size_t batch;
    iv_copies copies;
    iv_tensor *images;
} known_images;

typedef struct {
    iv_context *context;
    iv_graph *graph;
    iv_plan *plan;
    size_t n_members;
    size_t first_member; /* of the images' seeds: member r has that of number first_member + r */
    uint32_t seed, n_draws;
    known_input inputs[TRIAL_MAX];
    size_t n_inputs;
    guarded outputs[TRIAL_MAX];
    size_t n_outputs;
    known_group groups[2];
    size_t n_groups;
    known_images images;
    cl_mem buffers[2 * TRIAL_MAX];
    size_t n_buffers;
} trial;

trial *trial_begin(program *p, size_t n_members);
void trial_end(program *p, trial *t);

/* Uniform on [low, high). */
double trial_uniform(trial *t, double low, double high);

/* A buffer with these bytes; belongs to the trial. */
cl_mem trial_upload(trial *t, const void *data, size_t bytes);

/* Inputs with random values. */
iv_tensor *trial_floats(trial *t, layout where, unsigned rank, const size_t *dims, double low,
                        double high);
iv_tensor *trial_classes(trial *t, layout where, size_t n, size_t n_classes);
double *trial_values(const trial *t, const iv_tensor *input, size_t member);

/* Place a computed tensor in a guarded buffer. */
void trial_place(trial *t, iv_tensor *tensor);

const known_group *trial_group(trial *t, iv_group_kind kind, size_t order, iv_group_axes axes,
                               size_t image_side);

/* A group whose elements move nothing. */
const known_group *trial_idle_group(trial *t, size_t n_elements, size_t n_pixels);

/* A pool of n_pool images in 4 classes, and a batch of them for the graph; every byte is there if
 * the pool has at least 256 pixels. */
void trial_image_batch(trial *t, const known_group *group, size_t n_pool, size_t n_samples,
                       size_t batch, iv_copies copies, bool shuffle, iv_tensor **images,
                       iv_tensor **labels);

/* Compile, write the inputs, run once and wait. */
void trial_run(trial *t, iv_tensor *const *outputs, size_t n_outputs, uint32_t step);
void trial_write_inputs(trial *t);

/* [R, elements] of an output (float or int32 bits), to free; fails
 * if a guarded gap was written to. */
float *trial_read(trial *t, const iv_tensor *tensor);

#endif
