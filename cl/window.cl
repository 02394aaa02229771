/* Windows in images: the numbers of an iv_window along y and x, as iv_arg_window gives them.
 *
 * -DSIZE_Y=n -DSIZE_X=n   the window's size
 *
 * Output i of an axis covers pixels i stride - before + t dilation, t < size. */
#include "tensor.cl"

#define AXIS_ARGUMENTS(axis)                                                                       \
    uint pixels_##axis, uint outputs_##axis, uint stride_##axis, uint dilation_##axis,             \
        uint before_##axis
#define WINDOW_ARGUMENTS AXIS_ARGUMENTS(y), AXIS_ARGUMENTS(x)

/* The pixel of output i under part t of the window; at least `pixels` where it lies beyond an edge,
 * on either side. */
#define PIXEL(axis, i, t) ((i) * stride_##axis + (t) * dilation_##axis - before_##axis)

/* The output whose window has part t on pixel p: at least `outputs` where there is none. */
static uint output_at(uint p, uint t, uint outputs, uint stride, uint dilation, uint before) {
    const uint place = p + before, part = t * dilation;
    if (place < part) return outputs;
    const uint i = (place - part) / stride;
    return i * stride == place - part ? i : outputs;
}
#define OUTPUT(axis, p, t)                                                                         \
    output_at(p, t, outputs_##axis, stride_##axis, dilation_##axis, before_##axis)
