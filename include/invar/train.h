/* Populations in training: parameters, the optimizer, the loop, checkpoints.
 *
 * The parameters of all R members lie in one buffer [R, P], so that an optimizer is one pass over
 * it. */
#ifndef INVAR_TRAIN_H
#define INVAR_TRAIN_H

#include <invar/data.h>
#include <invar/graph.h>

#include <signal.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ parameters */

typedef struct iv_parameters iv_parameters;

enum { IV_PARAMETER_NAME = 48 };

typedef enum { IV_UNIFORM, IV_NORMAL } iv_distribution;

typedef struct {
    char name[IV_PARAMETER_NAME]; /* as in the model file: "layers.0.weight" */
    unsigned rank;
    size_t dims[IV_MAX_RANK];
    iv_distribution distribution; /* of the initial values */
    float scale; /* uniform on [-scale, scale), or normal with this standard deviation; 0: zeros */
    bool fixed;  /* never updated: needs no gradient */
    float relative_rate; /* times the learning rate; 0 means 1 */
} iv_parameter_desc;

/* Parameters of R members, all zero; the descriptions are copied. */
iv_status iv_parameters_create(iv_context *context, size_t n_members,
                               const iv_parameter_desc *descs, size_t n_parameters,
                               iv_parameters **parameters);
void iv_parameters_destroy(iv_parameters *parameters); /* NULL is fine */

/* Draw initial values: tensor number i of a member from (its seed, IV_STREAM_INITIAL, step i).
 * Element e takes word e % 4 of Philox index e / 4 if uniform (iv_uniform_symmetric); if normal,
 * elements 4 k and 4 k + 1 are iv_normal's two numbers of words 0 and 1 of index k, the next two
 * those of words 2 and 3. The host finds the same bits.
 *
 * seeds  [R] */
iv_status iv_parameters_initialize(iv_parameters *parameters, const uint32_t *seeds);

size_t iv_parameters_count(const iv_parameters *parameters);
const iv_parameter_desc *iv_parameters_desc(const iv_parameters *parameters, size_t i);

/* Parameter i as an input of a graph, and where it lies. */
iv_tensor *iv_parameters_tensor(const iv_parameters *parameters, iv_graph *graph, size_t i);
iv_view iv_parameters_view(const iv_parameters *parameters, size_t i);

/* ------------------------------------------------------------------ optimizers */

typedef enum {
    IV_OPTIMIZER_ADAM, /* Kingma and Ba 2015 with bias correction, without weight decay */
    IV_OPTIMIZER_SGD,  /* stochastic gradient descent, with or without momentum */
} iv_optimizer_kind;

/* Both kinds update as PyTorch's of the same name do. With g the gradient of step t = 1, 2, ...:
 *
 * Adam   m = beta1 m + (1 - beta1) g
 *        v = beta2 v + (1 - beta2) g^2
 *        p = p - rate / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
 * SGD    v = momentum v + g, so that the first step has v = g
 *        p = p - rate v
 *
 * m and v start at zero. A kind reads its own fields alone.
 *
 * With cosine_steps T, step s = 0, 1, ... takes the rate times (1 + cos(pi s / T)) / 2, and 0 from
 * s = T on: PyTorch's CosineAnnealingLR to zero, Loshchilov and Hutter 2017, equation 5. */
typedef struct {
    iv_optimizer_kind kind;
    const float *learning_rates; /* [R], copied */
    float beta1, beta2, epsilon; /* Adam; betas in [0, 1) */
    float momentum;              /* SGD; at least 0, and 0 keeps no v */
    uint32_t cosine_steps;       /* 0: constant rates; else T above */
} iv_optimizer_desc;

typedef struct iv_optimizer iv_optimizer;

/* Memory for the gradient and for what the kind keeps, a float each a parameter: two for Adam, one
 * for SGD with momentum, none for SGD without. `parameters` outlive the optimizer. IV_EINVAL if a
 * coefficient or a relative rate is out of its range. */
iv_status iv_optimizer_create(iv_parameters *parameters, const iv_optimizer_desc *desc,
                              iv_optimizer **optimizer);
void iv_optimizer_destroy(iv_optimizer *optimizer); /* NULL is fine */

/* Where the gradient of parameter i has to be: iv_place it there. */
iv_view iv_optimizer_gradient_view(const iv_optimizer *optimizer, size_t i);

/* Say how the gradient of parameter i reaches the optimizer, before the graph is compiled with it
 * among the outputs. Where an update needs the gradient alone (SGD without momentum at a constant
 * rate and a relative rate of 1) the plan makes it, see iv_add_to; else the gradient is placed as
 * above. */
void iv_optimizer_take(iv_optimizer *optimizer, size_t i, iv_tensor *gradient);

/* Append the update of all parameters of all members to a sequence: one launch for each run of
 * neighbours that are not fixed, not updated by the plan and learn at the same rate. The step
 * number of the sequence counts from 0. */
iv_status iv_optimizer_append(iv_optimizer *optimizer, iv_sequence *sequence);

/* ------------------------------------------------------------------ images on the device */

/* All images of a data set as they are, for iv_image_batch. */
typedef struct {
    cl_mem pixels; /* uchar [n_images, n_pixels] */
    cl_mem labels; /* uchar [n_images] */
    size_t n_images;
    size_t n_training; /* official training images, which come first */
    size_t n_pixels;   /* of all channels */
    size_t n_classes;
    bool mostly_zero; /* see iv_mostly_zero */
} iv_images;

/* Copy a data set to the device; it may be cleared then. Release with iv_images_release, also after
 * a failure. */
iv_status iv_images_upload(iv_context *context, const iv_dataset *dataset, iv_images *images);
void iv_images_release(iv_context *context, iv_images *images); /* a zeroed one is fine */

/* n_samples images from number `first` on, the same for all members, in order. For batches in a new
 * order every epoch set `seeds` and `shuffle`. */
iv_image_source iv_images_source(const iv_images *images, size_t first, size_t n_samples);

/* ------------------------------------------------------------------ the loop */

/* How far long work has come; called often, from the thread that works. */
typedef struct {
    void (*update)(void *state, const char *what, uint64_t done, uint64_t total);
    void *state;
} iv_progress;

void iv_progress_update(const iv_progress *progress, const char *what, uint64_t done,
                        uint64_t total); /* NULL progress or update is fine */

/* Run `plan` for steps *step .. end - 1, advancing *step and reporting progress towards `total`.
 * Keeps a bounded number of steps in the queue. Checks `stop` (may be NULL) and the clock after
 * each of those: returns IV_EINTERRUPTED with the queue empty if it became nonzero, and IV_OK
 * early, with *step below end, once `seconds` have passed (0: no limit), so that the caller can
 * save a checkpoint. */
iv_status iv_train(iv_context *context, iv_plan *plan, uint32_t *step, uint32_t end, uint32_t total,
                   double seconds, const volatile sig_atomic_t *stop, const iv_progress *progress,
                   const char *what);

/* ------------------------------------------------------------------ what is saved
 *
 * Whoever has numbers that outlive a process says which: parameters, an optimizer, or what
 * else trains. Files are made of lists of states. */

typedef struct iv_saved iv_saved;

/* A float tensor of all members. */
struct iv_saved {
    const char *name; /* in files */
    iv_view view;
    unsigned rank; /* in model files: the shape of a member */
    size_t dims[IV_MAX_RANK];

    /* Of an exported tensor that lies on the device in another form: how many elements a member has
     * there, and the two ways. NULL: in the form of the file. */
    size_t n_packed;
    void (*pack)(const iv_saved *tensor, const float *values, float *packed);
    void (*unpack)(const iv_saved *tensor, const float *packed, float *values);

    /* Write what is wrong with the values of a file ("NAME of class 1 is not lower triangular") and
     * return false. NULL: any value will do. */
    bool (*check)(const iv_saved *tensor, const float *values, char *what, size_t size);
};

typedef struct {
    iv_context *context;
    size_t n_members;
    const iv_saved *exported; /* to model files, one per member */
    size_t n_exported;
    const iv_saved *kept; /* in checkpoints, all members together: [R, stride of the view] from the
                             start of the view's buffer; shapes are not read */
    size_t n_kept;

    /* Of a state that exists in several kinds: what it is ("optimizer"), its own kind ("Adam"), and
     * which one a checkpoint holds, NULL if it cannot be said. NULL: there is one kind. */
    const char *what, *kind;
    const char *(*kind_in)(const iv_safetensors *checkpoint);

    /* After values were read, make what follows from them ready for training step `step`. NULL:
     * nothing does. */
    iv_status (*prepare)(void *owner, uint32_t step);
    void *owner;
} iv_state;

/* They live as long as what they are of. Parameters are exported and kept; what an optimizer has
 * beside them (Adam: two tensors, SGD with momentum: one) is kept. */
const iv_state *iv_parameters_state(const iv_parameters *parameters);
const iv_state *iv_optimizer_state(const iv_optimizer *optimizer);

/* Write one member's exported tensors of all states, in order, to a safetensors file. */
iv_status iv_model_write(const char *path, const iv_state *const *states, size_t n_states,
                         size_t member, const iv_metadata *metadata, size_t n_metadata);

/* Read one member from such a file. IV_EDATA if its tensors are not exactly those; nothing is
 * changed then. */
iv_status iv_model_read(const char *path, const iv_state *const *states, size_t n_states,
                        size_t member);

/* Write everything that a population needs to go on, which is all that its states keep, and texts
 * of the caller (step, position in the log). Written atomically. */
iv_status iv_checkpoint_write(const char *path, const iv_state *const *states, size_t n_states,
                              const iv_metadata *metadata, size_t n_metadata);

/* Read it back into a population of the same shape, with states of the same kinds. IV_EDATA if it
 * is of another one; nothing is changed then. iv_states_prepare follows. */
iv_status iv_checkpoint_read(const iv_safetensors *file, const iv_state *const *states,
                             size_t n_states);

/* Make all states ready for training step `step`. */
iv_status iv_states_prepare(const iv_state *const *states, size_t n_states, uint32_t step);

#ifdef __cplusplus
}
#endif

#endif
