/* CIFAR-10's binary batches: 10000 records each of a label byte and 3072 pixel bytes (red, green,
 * blue planes of 32 x 32, row-major). */
#ifndef INVAR_DATA_CIFAR_H
#define INVAR_DATA_CIFAR_H

#include <invar/data.h>

/* The five training batches, then the test batch. `dataset` is zeroed before and may hold memory
 * after a failure. */
iv_status iv_cifar10_load(const char *directory, iv_dataset *dataset, iv_error *error);

#endif
