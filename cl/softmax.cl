/* Log of the sum of exponentials of C values, shifted by the largest so that nothing overflows. */
static float log_sum_exp(__global const float *values, uint n) {
    float largest = values[0];
    for (uint c = 1; c < n; c++) largest = fmax(largest, values[c]);
    float sum = 0.0f;
    for (uint c = 0; c < n; c++) sum += exp(values[c] - largest);
    return largest + log(sum);
}
