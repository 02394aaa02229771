/* All of Invar. */
#ifndef INVAR_INVAR_H
#define INVAR_INVAR_H

#include <invar/affine.h>
#include <invar/bench.h>
#include <invar/data.h>
#include <invar/experiment.h>
#include <invar/graph.h>
#include <invar/linalg.h>
#include <invar/op.h>
#include <invar/posterior.h>
#include <invar/program.h>
#include <invar/random.h>
#include <invar/report.h>
#include <invar/runtime.h>
#include <invar/schema.h>
#include <invar/signal.h>
#include <invar/spec.h>
#include <invar/status.h>
#include <invar/studies.h>
#include <invar/train.h>
#include <invar/transform.h>
#include <invar/tune.h>

#endif
