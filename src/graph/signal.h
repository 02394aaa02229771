/* What generating signals and taking batches of them share: tables of Fourier transforms and how
 * kernels divide one. Kernels: cl/fourier.cl. */
#ifndef INVAR_GRAPH_SIGNAL_H
#define INVAR_GRAPH_SIGNAL_H

#include <invar/signal.h>

/* Work-items that compute one transform side by side: 1 on CPU devices, which use vectors. */
size_t iv_fourier_lanes(iv_context *context);

/* Columns of a table for transforms of up to n entries. */
size_t iv_fourier_columns(size_t n, size_t lanes);

/* The table of cl/fourier.cl for n entries, values correctly rounded and with exact symmetries.
 * table [2 n + 1, columns]. */
void iv_fourier_table(size_t n, size_t columns, float *table);

/* The codes of the signals that a set holds. */
iv_status iv_signal_encode(iv_context *context, const iv_signal_set *set, iv_code code,
                           size_t lanes);

#endif
