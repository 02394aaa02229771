/* CIFAR's binary batches: records of a label byte and the pixels' bytes (CIFAR-10: red, green and
 * blue planes of 32 x 32, row-major). */
#ifndef INVAR_DATA_CIFAR_H
#define INVAR_DATA_CIFAR_H

#include <invar/data.h>

/* iv_dataset_info's `load`: batches of equally many images, those to train on first. */
iv_status iv_cifar_load(const iv_dataset_info *info, const char *directory, iv_dataset_part part,
                        iv_dataset *dataset, iv_error *error);

#endif
