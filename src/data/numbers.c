#include "data/numbers.h"

#include <string.h>

uint64_t iv_bits_at(const uint8_t *from, size_t n_bytes) {
    uint64_t bits = 0;
    for (size_t i = 0; i < n_bytes; i++) bits |= (uint64_t)from[i] << (8 * i);
    return bits;
}

float iv_float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Numbers below 2^-14 are multiples of 2^-24. */
float iv_float_of_half(uint32_t half) {
    const uint32_t sign = (half & 0x8000U) << 16, exponent = half >> 10 & 31, rest = half & 0x3ffU;
    if (exponent == 0) return (sign ? -1.0f : 1.0f) * (float)rest * 0x1p-24f;
    return iv_float_of_bits(sign | (exponent == 31 ? 255U : exponent + 112) << 23 | rest << 13);
}

float iv_float_of_brain(uint32_t brain) {
    return iv_float_of_bits(brain << 16);
}

double iv_double_of_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void iv_floats_of_bytes(float *to, const uint8_t *from, size_t n) {
    const uint16_t probe = 1;
    const int little_endian = *(const uint8_t *)&probe == 1;
    if (little_endian && n > 0) memcpy(to, from, n * sizeof *to);
    for (size_t i = 0; i < n && !little_endian; i++)
        to[i] = iv_float_of_bits((uint32_t)iv_bits_at(from + i * sizeof *to, sizeof *to));
}
