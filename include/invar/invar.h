/* All of Invar, in three tiers. A tier needs those above it and none below, and OpenCL's headers
 * are all that any of them needs from elsewhere; invar/random.h, which needs Random123's, is left
 * out.
 *
 * core         status, runtime, linalg, tune, graph, image_ops, tensor_ops, op, data, train:
 *              devices and tuning them, products, networks that train on one's own data, with
 *              kernels and ops of one's own
 * invariance   transform, affine, posterior, signal, stream, random, tuning, onnx, audit: groups
 *              and learned transformations, what the studies are about, tuning their kernels,
 *              networks of others, and how invariant a network is
 * experiments  schema, spec, report, experiment, studies, program, bench: whole specs, from YAML to
 *              a report; measuring a device
 */
#ifndef INVAR_INVAR_H
#define INVAR_INVAR_H

/* core */
#include <invar/data.h>
#include <invar/graph.h>
#include <invar/image_ops.h>
#include <invar/linalg.h>
#include <invar/op.h>
#include <invar/runtime.h>
#include <invar/status.h>
#include <invar/tensor_ops.h>
#include <invar/train.h>
#include <invar/tune.h>

/* invariance */
#include <invar/affine.h>
#include <invar/audit.h>
#include <invar/onnx.h>
#include <invar/posterior.h>
#include <invar/signal.h>
#include <invar/stream.h>
#include <invar/transform.h>
#include <invar/tuning.h>

/* experiments */
#include <invar/bench.h>
#include <invar/experiment.h>
#include <invar/program.h>
#include <invar/report.h>
#include <invar/schema.h>
#include <invar/spec.h>
#include <invar/studies.h>

#endif
