/* Batches of signals, with their codes or with partners. Kernels: cl/signal_batch.cl. */
#include "graph/ops/own.h"
#include "graph/signal.h"

#include <invar/random.h>

#include <stdio.h>
#include <stdlib.h>

/* Outputs: x, and codes or squared distances if wanted. */
enum { X, CODES, DISTANCES = CODES };

/* ------------------------------------------------------------------ building */

static node *batch_node(iv_graph *graph, const iv_op *op, const iv_signal_source *source,
                        size_t batch) {
    const iv_signal_set *set = source->set;
    if (graph->status != IV_OK) return NULL;
    if (!set || !set->signals || set->d < IV_MIN_SIGNAL || set->d > IV_MAX_SIGNAL) {
        iv_graph_fail(graph, "%s: a data set without signals", op->name);
        return NULL;
    }
    if (batch == 0 || batch >= (size_t)1 << 26 ||
        (source->shuffle && (batch > set->count || set->count > (size_t)1 << 31))) {
        iv_graph_fail(graph, "%s: a batch of %zu from %zu signals", op->name, batch, set->count);
        return NULL;
    }
    node *n = iv_graph_node(graph, op, 0, NULL, 0, sizeof(own_signals));
    if (!n) return NULL;
    *(own_signals *)n->own = (own_signals){.set = *set,
                                           .set_of_member = source->set_of_member,
                                           .seeds = source->seeds,
                                           .shuffle = source->shuffle,
                                           .fresh = source->fresh,
                                           .batch = batch,
                                           .lanes = iv_fourier_lanes(graph->context)};
    return n;
}

void iv_signal_batch(iv_graph *graph, const iv_signal_source *source, size_t batch, iv_tensor **x,
                     iv_tensor **codes) {
    *x = NULL;
    if (codes) *codes = NULL;
    if (graph->status == IV_OK && codes && !source->set->codes) {
        iv_graph_fail(graph, "signal batch: codes of a data set that has none");
        return;
    }
    node *n = batch_node(graph, &op_signal_batch, source, batch);
    if (!n) return;
    *x = iv_graph_output(n, IV_F32, 2, (const size_t[]){batch, source->set->d});
    if (!codes) return;
    *codes = iv_graph_output(n, IV_F32, 2, (const size_t[]){batch, source->set->code_size});
}

void iv_pair_batch(iv_graph *graph, const iv_signal_source *source, const iv_pair_desc *pairs,
                   size_t batch, iv_tensor **x, iv_tensor **squared_distances) {
    *x = *squared_distances = NULL;
    if (graph->status == IV_OK && pairs->distortion == IV_DISTORTION_CYCLE && !pairs->cycles) {
        iv_graph_fail(graph, "pair batch: shifts along a cycle without cycles");
        return;
    }
    node *n = batch_node(graph, &op_pair_batch, source, batch);
    if (!n) return;
    ((own_signals *)n->own)->pairs = *pairs;
    *x = iv_graph_output(n, IV_F32, 3, (const size_t[]){2, batch, source->set->d});
    *squared_distances = iv_graph_output(n, IV_F32, 1, &batch);
}

/* ------------------------------------------------------------------ launching */

/* Where a work-item computes a transform by itself it takes several samples in turn. */
static size_t samples_of_group(const emitter *e, const own_signals *own) {
    return own->lanes == 1 ? iv_kernel_value(e->graph->context, "signal_batch", "SAMPLES") : 1;
}

/* What both kernels end with, and the launch. */
static iv_status end_batch(emitter *e, const node *n, iv_launch *launch) {
    const own_signals *own = n->own;
    const size_t lanes = own->lanes, samples = samples_of_group(e, own);
    iv_arg_uint(launch, own->batch);
    iv_arg_uint(launch, own->set.count);
    iv_arg_step(launch);
    return iv_launch_end_by_member(
        launch, 3, (const size_t[]){lanes, (own->batch + samples - 1) / samples, e->n_members},
        (const size_t[]){lanes, 1, 1});
}

static iv_status signal_batch_forward(emitter *e, const node *n) {
    const own_signals *own = n->own;
    const iv_tensor *codes = n->n_outputs > CODES ? n->outputs[CODES] : NULL;
    char options[128], code[32] = "";
    if (codes) snprintf(code, sizeof code, " -DCODE=%zu", iv_columns(codes));
    snprintf(options, sizeof options,
             "-DD=%zu -DLANES=%zu -DCOLUMNS=%zu -DSAMPLES=%zu -DSHUFFLE=%d%s",
             iv_columns(n->outputs[X]), own->lanes,
             iv_fourier_columns(iv_columns(n->outputs[X]), own->lanes), samples_of_group(e, own),
             own->shuffle, code);
    iv_launch *launch = iv_launch_begin(e->sequence, "signal_batch", "take_signals", options);
    iv_arg_buffer(launch, own->set.signals);
    iv_arg_view(launch, own->set_of_member);
    iv_arg_view(launch, own->seeds);
    iv_arg_tensor(launch, n->outputs[X]);
    if (codes) {
        iv_arg_buffer(launch, own->set.codes);
        iv_arg_tensor(launch, codes);
    }
    return end_batch(e, n, launch);
}

/* The tables of the transforms whose moduli a distance compares, one after the other. */
static iv_status upload_tables(emitter *e, const node *n, size_t columns, cl_mem *buffer) {
    const size_t d = iv_columns(n->outputs[X]);
    const size_t bytes = (2 * d + 2) * columns * sizeof(float); /* d <= 256: no overflow */
    float *tables = calloc(1, bytes);
    if (!tables)
        return iv_fail(iv_context_error(e->graph->context), IV_ENOMEM,
                       "pair batch: no memory for a table");
    const own_signals *own = n->own;
    if (own->pairs.distortion == IV_DISTORTION_TWO_PART_SHIFT) {
        iv_fourier_table(d / 2, columns, tables);
        iv_fourier_table(d - d / 2, columns, tables + (2 * (d / 2) + 1) * columns);
    } else {
        iv_fourier_table(d, columns, tables);
    }
    iv_status status = iv_sequence_buffer(e->sequence, bytes, buffer);
    if (status == IV_OK) status = iv_buffer_write(e->graph->context, *buffer, 0, bytes, tables);
    free(tables);
    return status;
}

static iv_status pair_batch_forward(emitter *e, const node *n) {
    const own_signals *own = n->own;
    const size_t d = iv_columns(n->outputs[X]), lanes = own->lanes;
    const iv_distortion distortion = own->pairs.distortion;
    const size_t longest = distortion == IV_DISTORTION_TWO_PART_SHIFT ? d - d / 2 : d;
    const size_t columns = iv_fourier_columns(longest, lanes);
    cl_mem tables;
    const iv_status status = upload_tables(e, n, columns, &tables);
    if (status != IV_OK) return status;

    char options[192];
    snprintf(options, sizeof options,
             "-DD=%zu -DLANES=%zu -DSAMPLES=%zu -DCOLUMNS=%zu -DSHUFFLE=%d -DDISTORTION=%d "
             "-DSTREAM=%dU",
             d, lanes, samples_of_group(e, own), columns, own->shuffle, distortion,
             own->fresh ? IV_STREAM_EVALUATION : IV_STREAM_TRANSFORMATION);
    iv_launch *launch = iv_launch_begin(e->sequence, "signal_batch", "pair_signals", options);
    iv_arg_buffer(launch, own->set.signals);
    iv_arg_view(launch, own->set_of_member);
    iv_arg_view(launch, own->seeds);
    iv_arg_buffer(launch, tables);
    if (distortion == IV_DISTORTION_CYCLE) iv_arg_buffer(launch, own->pairs.cycles);
    iv_arg_tensor(launch, n->outputs[X]);
    iv_arg_tensor(launch, n->outputs[DISTANCES]);
    return end_batch(e, n, launch);
}

const iv_op op_signal_batch = {.name = "signal_batch", .forward = signal_batch_forward};
const iv_op op_pair_batch = {.name = "pair_batch", .forward = pair_batch_forward};
