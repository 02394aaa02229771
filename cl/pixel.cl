/* byte / 255 of a float or a vector of floats, correctly rounded without a division: the product's
 * error is put back. */
#define PIXEL_VALUE(byte)                                                                          \
    fma(fma(-255.0f, (byte) * (1.0f / 255.0f), (byte)), 1.0f / 255.0f, (byte) * (1.0f / 255.0f))
