/* The kernel files embedded by cl/embed.py. */
#ifndef INVAR_RUNTIME_KERNELS_H
#define INVAR_RUNTIME_KERNELS_H

#include <stddef.h>

typedef struct {
    const char *name;         /* "loss" for cl/loss.cl */
    const char *const *lines; /* each ends in a newline; NULL after the last */
} iv_embedded_kernel;

/* Ends with a NULL name. */
extern const iv_embedded_kernel iv_embedded_kernels[];

#endif
