/* Numbers as files hold them, in little-endian bytes. */
#ifndef INVAR_DATA_NUMBERS_H
#define INVAR_DATA_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

/* Bits of one number of n_bytes, 8 at most. */
uint64_t iv_bits_at(const uint8_t *from, size_t n_bytes);

float iv_float_of_bits(uint32_t bits);
float iv_float_of_half(uint32_t half);   /* IEEE 754 half precision: exact */
float iv_float_of_brain(uint32_t brain); /* bfloat16: exact */
double iv_double_of_bits(uint64_t bits);

/* n floats, as they are where the host has that order of bytes. */
void iv_floats_of_bytes(float *to, const uint8_t *from, size_t n);

#endif
