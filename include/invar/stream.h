/* What a random number is for: the `stream` of invar/random.h. */
#ifndef INVAR_STREAM_H
#define INVAR_STREAM_H

/* What a number is for. Values are part of the meaning of a seed: never change or reuse one. */
enum {
    IV_STREAM_SPLIT = 1,          /* permutation of the pooled images */
    IV_STREAM_INITIAL = 2,        /* initial parameters; step: tensor, index: element */
    IV_STREAM_BATCH_ORDER = 3,    /* iv_shuffle of the training set; step: epoch */
    IV_STREAM_AUGMENTATION = 4,   /* group elements drawn a sample; step: training step */
    IV_STREAM_TRANSFORMATION = 6, /* eps of sampled Lie transformations */
    IV_STREAM_POSTERIOR = 7,      /* samples of a variational posterior */
    IV_STREAM_EVALUATION = 8,     /* whatever an evaluation draws */
    IV_STREAM_SIGNAL = 9,         /* generated signals; index: sample */
    IV_STREAM_DIGITS = 10,        /* the built-in digits; step: image */
    IV_STREAM_NOISE = 11,         /* the built-in noise images */
    IV_STREAM_TEST = 12,          /* tests */
    IV_STREAM_CYCLE = 13,         /* hidden cycles over a signal's dimensions */
    IV_STREAM_DATASET = 14,       /* fixed transformations of a data set; index: image */
    IV_STREAM_BOOTSTRAP = 15,     /* images drawn again; step: resample */
};

#endif
