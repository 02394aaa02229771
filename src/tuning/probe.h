/* Inside the tuning room: a probe is a small piece of work around a kernel whose number is tuned, at the
 * studies' sizes. It is opened anew for every number that is tried.
 *
 *   kernels.c   the tuner
 *   selftest.c  the self-test of a device, which compares some of them in two forms
 *   probe.c     opening, running and comparing probes, and what they are made of
 *   graphs.c    probes that are graphs around an op
 *   systems.c   the others: updates, decompositions, systems of equations */
#ifndef INVAR_TUNING_PROBE_H
#define INVAR_TUNING_PROBE_H

#include "regression/sgpr.h"

#include <invar/affine.h>
#include <invar/posterior.h>
#include <invar/signal.h>
#include <invar/tuning.h>

enum { PROBE_INPUTS = 8, PROBE_OUTPUTS = 2, PROBE_BUFFERS = 12 };

typedef struct probe probe;

/* One of build and open. What fails in build is left in the graph's status. */
typedef struct {
    const char *kernel, *name; /* of a row of iv_kernel_parameters */
    void (*build)(probe *p);   /* makes p->outputs in p->graph */
    iv_status (*open)(probe *p);
} probe_kind;

struct probe {
    iv_context *context;
    size_t n_members;

    /* What is run: a sequence, its own or a plan's; or a function. */
    iv_sequence *sequence;
    iv_status (*run)(probe *p);

    /* What it computes: floats on the device, or a number. */
    struct {
        iv_view view; /* of the first member */
        size_t n;     /* of a member */
    } results[PROBE_OUTPUTS];
    size_t n_results;
    double number; /* what `run` found */

    /* What it is made of, which probe_close releases; what is not used is zeros. */
    iv_graph *graph;
    iv_plan *plan;
    iv_tensor *inputs[PROBE_INPUTS], *outputs[PROBE_OUTPUTS];
    iv_dtype types[PROBE_INPUTS];
    size_t n_inputs;
    iv_sequence *own_sequence;
    cl_mem buffers[PROBE_BUFFERS];
    size_t n_buffers;
    iv_parameters *parameters;
    iv_optimizer *optimizer;
    iv_posterior *posterior;
    iv_signal_set signals;
    sgpr *regression;
};

/* Open a probe in a context with the numbers that it uses, and run it once. To be closed also after a
 * failure. */
iv_status probe_open(iv_context *context, const probe_kind *kind, probe *p);
void probe_close(probe *p);

/* Numbers of all results of all members. */
size_t probe_size(const probe *p);
iv_status probe_read(const probe *p, float *values); /* [probe_size] */

/* Whether what was read is what is right but for rounding: within 1e-4 of the largest entry of a result,
 * sums of a few thousand floats in another order. */
bool probe_agrees(const probe *p, const float *right, const float *values);

/* Seconds of a run: the least of a few within about `budget` seconds. */
iv_status probe_time(probe *p, double budget, double *seconds);

/* The probe of a row of iv_kernel_parameters; every row has one. */
const probe_kind *probe_of(const char *kernel, const char *name);

/* ------------------------------------------------------------------ for those who open probes
 * Numbers are on [0.1, 1), the same at every call with the same arguments in the same place. A failure
 * is left in the context, and buffers are NULL then. */

/* An input of the graph, written before it runs; integers are below 10. */
iv_tensor *probe_floats(probe *p, unsigned rank, const size_t *dims);
iv_tensor *probe_labels(probe *p, size_t n);

cl_mem probe_buffer(probe *p, size_t n_floats);                  /* of such numbers */
cl_mem probe_copy(probe *p, size_t bytes, const void *contents); /* of the host's */
cl_mem probe_bytes(probe *p, size_t n, unsigned below);          /* random bytes */
iv_view probe_seeds(probe *p);                                   /* uint [R, 1] */

#define PROBE_DIMS(...) ((const size_t[]){__VA_ARGS__})

/* ------------------------------------------------------------------ their tables */

extern const probe_kind probe_graphs[], probe_systems[];
extern const size_t n_probe_graphs, n_probe_systems;

#endif
