/* Direct convolutions: y and dx alike are sums over pixels of images with zeros around them, times
 * packed weights. Where windows advance by more than a pixel, pixels of dx that lie at the same
 * place between two windows are a grid of their own, with its own parts of the window: a phase.
 * Kernels: cl/convolve_direct.cl. */
#include "graph/ops/convolve.h"

#include <stdio.h>
#include <stdlib.h>

/* Fewer output channels than this leave most lanes of a vector idle: vectors lie along rows then. */
enum { FEW_CHANNELS = 8 };

/* A work-item computes up to so many tiles, so that its beginning counts little. */
enum { MOST_TILES = 8 };

/* What a work-item computes. */
typedef struct {
    size_t positions, vectors, width; /* -DMR -DNV -DVW */
} conv_tile;

/* One side of a layer, from images to images. */
typedef struct {
    const conv_layer *layer;
    bool gradient;
    const iv_tensor *from, *to;
    size_t from_channels, to_channels; /* of a group */
    size_t before[2], size[2];         /* of an image with its surroundings */
    bool surrounded;                   /* it is not there already */
    bool by_rows;                      /* vectors lie along rows */
    size_t panels;                     /* of a group, where vectors are channels */
    conv_tile tile;
} side;

/* The outputs of one phase along y and x. */
typedef struct {
    size_t at[2], grid[2];
    size_t k; /* terms of a sum */
    iv_view weights;
    cl_mem offsets, places; /* uint [k]: of a term's pixel, of its weight */
} phase;

static size_t divide_up(size_t a, size_t b) {
    return (a + b - 1) / b;
}

/* Accumulators, a row of weights and a pixel must fit the vector registers: 32 with AVX-512 and
 * NEON, 16 with AVX2. Weights stream through the first-level cache, so that many positions by few
 * vectors are better than the opposite. As few lanes as possible past the last channel. */
static conv_tile choose_tile(iv_context *context, size_t channels) {
    const size_t native = iv_context_device(context)->float_vector_width;
    const size_t width = native >= 16 ? 16 : native >= 8 ? 8 : 4;
    const size_t vectors = divide_up(channels, width);
    if (vectors == 1) return (conv_tile){8, 1, width};
    if (width == 8) return (conv_tile){6, 2, width};
    if (vectors == 2) return (conv_tile){8, 2, width};
    return vectors == 3 ? (conv_tile){8, 3, width} : (conv_tile){6, 4, width};
}

/* ------------------------------------------------------------------ where terms lie */

static size_t n_phases(const side *s, int axis) {
    const size_t stride = s->gradient ? s->layer->window.stride[axis] : 1;
    const size_t outputs = s->to->dims[IMAGE_Y + axis];
    return stride < outputs ? stride : outputs;
}

/* Where output 0 of a phase finds its pixel under part t of the window, along an axis of the image
 * without surroundings; false if the phase has no such part. */
static bool first_pixel(const side *s, int axis, size_t at, size_t t, long long *pixel) {
    const iv_window *w = &s->layer->window;
    const long long before = (long long)w->before[axis], stride = (long long)w->stride[axis],
                    part = (long long)(t * w->dilation[axis]);
    if (!s->gradient) {
        *pixel = part - before;
        return true;
    }
    const long long place = (long long)at + before - part;
    if (place % stride != 0) return false;
    *pixel = place / stride;
    return true;
}

static size_t grid_of(const side *s, int axis, size_t at) {
    return divide_up(s->to->dims[IMAGE_Y + axis] - at, n_phases(s, axis));
}

/* How much lies around an image, so that every term is a pixel of it. */
static void find_surroundings(side *s, int axis) {
    const size_t step = s->gradient ? 1 : s->layer->window.stride[axis];
    const long long pixels = (long long)s->from->dims[IMAGE_Y + axis];
    long long low = 0, end = 1, first;
    for (size_t at = 0; at < n_phases(s, axis); at++)
        for (size_t t = 0; t < s->layer->window.size[axis]; t++) {
            if (!first_pixel(s, axis, at, t, &first)) continue;
            const long long last = first + (long long)((grid_of(s, axis, at) - 1) * step);
            if (first < low) low = first;
            if (last + 1 > end) end = last + 1;
        }
    s->before[axis] = (size_t)-low;
    s->size[axis] = (size_t)(end - low);
    if (low < 0 || end > pixels) s->surrounded = true;
}

static side side_of(iv_context *context, const conv_layer *l, bool gradient) {
    side s = {.layer = l,
              .gradient = gradient,
              .from = gradient ? l->y : l->x,
              .to = gradient ? l->x : l->y,
              .from_channels = gradient ? l->outputs : l->inputs,
              .to_channels = gradient ? l->inputs : l->outputs};
    for (int axis = Y; axis <= X; axis++) find_surroundings(&s, axis);
    for (int axis = Y; axis <= X && !s.surrounded; axis++) {
        s.before[axis] = 0;
        s.size[axis] = s.from->dims[IMAGE_Y + axis];
    }
    s.tile = choose_tile(context, s.to_channels);
    s.by_rows = s.to_channels < FEW_CHANNELS;
    s.surrounded = s.surrounded || s.by_rows; /* it ends with room for a vector */
    s.panels = divide_up(s.to_channels, s.tile.vectors * s.tile.width);
    return s;
}

/* Parts of the window that a phase has. */
static size_t n_parts(const side *s, const size_t at[2]) {
    size_t n[2] = {0, 0};
    long long pixel;
    for (int axis = Y; axis <= X; axis++)
        for (size_t t = 0; t < s->layer->window.size[axis]; t++)
            n[axis] += first_pixel(s, axis, at[axis], t, &pixel);
    return n[Y] * n[X];
}

static size_t packed_elements(const side *s, size_t k) {
    return s->layer->groups * s->panels * (1 + k) * s->tile.vectors * s->tile.width;
}

/* How far along x outputs of a row are from one another, in the image before. */
static size_t step_x(const side *s) {
    return s->gradient ? 1 : s->layer->window.stride[X];
}

/* Elements past the images that vectors of a row reach. */
static size_t row_reach(const side *s) {
    return (s->tile.width + 1) * step_x(s);
}

void conv_direct_workspace(iv_context *context, const conv_layer *l, bool gradient,
                           size_t *of_weights, size_t *of_image) {
    const side s = side_of(context, l, gradient);
    *of_image = s.surrounded ? s.from->dims[1] * s.size[Y] * s.size[X] : 0;
    *of_weights = s.by_rows ? row_reach(&s) : 0;
    for (size_t y = 0; y < n_phases(&s, Y) && !s.by_rows; y++)
        for (size_t x = 0; x < n_phases(&s, X); x++)
            *of_weights +=
                packed_elements(&s, s.from_channels * n_parts(&s, (const size_t[]){y, x}));
    *of_image = s.surrounded ? s.from->dims[1] * s.size[Y] * s.size[X] : 0;
}

/* ------------------------------------------------------------------ weights */

/* The tables of a phase: terms go channel by channel, and along the rows of the window. */
static iv_status make_tables(emitter *e, const side *s, phase *p) {
    const conv_layer *l = s->layer;
    iv_context *context = e->graph->context;
    const size_t bytes = (p->k ? p->k : 1) * sizeof(cl_uint);
    cl_uint *tables = calloc(2, bytes), *offsets = tables,
            *places = tables + bytes / sizeof *tables;
    if (!tables)
        return iv_fail(iv_context_error(context), IV_ENOMEM, "out of memory for a convolution");
    size_t q = 0;
    for (size_t c = 0; c < s->from_channels; c++)
        for (size_t part = 0; part < l->parts; part++) {
            long long y, x;
            if (!first_pixel(s, Y, p->at[Y], part / l->window.size[X], &y) ||
                !first_pixel(s, X, p->at[X], part % l->window.size[X], &x))
                continue;
            offsets[q] = (cl_uint)(c * s->size[Y] * s->size[X] +
                                   (size_t)(y + (long long)s->before[Y]) * s->size[X] +
                                   (size_t)(x + (long long)s->before[X]));
            places[q++] = (cl_uint)((s->gradient ? c * l->inputs : c) * l->parts + part);
        }
    iv_status status = iv_sequence_buffer(e->sequence, bytes, &p->offsets);
    if (status == IV_OK) status = iv_sequence_buffer(e->sequence, bytes, &p->places);
    if (status == IV_OK) status = iv_buffer_write(context, p->offsets, 0, bytes, offsets);
    if (status == IV_OK) status = iv_buffer_write(context, p->places, 0, bytes, places);
    free(tables);
    return status;
}

/* One program for all kernels of a side. */
enum { OPTIONS = 160 };

static const iv_tensor *bias_of(const side *s, const node *n) {
    return s->gradient ? NULL : n->inputs[2];
}

static void side_options(const side *s, const node *n, char options[OPTIONS]) {
    char step[24] = "", activation[24] = "", gate[16] = "";
    if (s->by_rows) snprintf(step, sizeof step, " -DSTEP=%zu", step_x(s));
    if (n->activation != IV_ACTIVATION_NONE)
        snprintf(activation, sizeof activation, " -DACTIVATION=%u", (unsigned)n->activation % 10);
    if (n->gate) snprintf(gate, sizeof gate, " -DGATE=%u", (unsigned)n->gate_activation % 10);
    snprintf(options, OPTIONS, "-DMR=%zu -DNV=%zu -DVW=%zu -DTILES=%d%s%s%s%s", s->tile.positions,
             s->tile.vectors, s->tile.width, MOST_TILES, step, bias_of(s, n) ? " -DBIAS" : "",
             activation, gate);
}

static iv_launch *begin(emitter *e, const side *s, const node *n, const char *kernel) {
    char options[OPTIONS];
    side_options(s, n, options);
    return iv_launch_begin(e->sequence, "convolve_direct", kernel, options);
}

/* Elements of w from one output channel of the side to the next, and from group to group. */
static void arg_weight_strides(iv_launch *launch, const side *s) {
    const conv_layer *l = s->layer;
    iv_arg_uint(launch, s->gradient ? l->parts : l->inputs * l->parts);
    iv_arg_uint(launch, l->outputs * l->inputs * l->parts);
}

static iv_status append_pack(emitter *e, const node *n, const side *s, const phase *p) {
    const conv_layer *l = s->layer;
    const iv_tensor *bias = bias_of(s, n);
    iv_launch *launch = begin(e, s, n, "pack_weights");
    iv_arg_tensor(launch, l->w);
    iv_arg_view(launch, p->weights);
    if (bias) iv_arg_tensor(launch, bias);
    iv_arg_buffer(launch, p->places);
    iv_arg_uint(launch, p->k);
    iv_arg_uint(launch, s->panels);
    iv_arg_uint(launch, s->panels * l->groups);
    iv_arg_uint(launch, s->to_channels);
    iv_arg_uint(launch, s->gradient ? l->parts : l->inputs * l->parts);
    iv_arg_uint(launch, l->outputs * l->inputs * l->parts);
    return iv_launch_end_by_member(
        launch, 3,
        (const size_t[]){p->k ? divide_up(p->k, 16) : 1, s->panels * l->groups, e->n_members},
        (const size_t[]){1, 1, 1});
}

/* ------------------------------------------------------------------ images */

static iv_status append_surround(emitter *e, const node *n, const side *s, size_t first,
                                 size_t images, iv_view surrounded) {
    iv_launch *launch = begin(e, s, n, "surround");
    const size_t planes = images * s->from->dims[1];
    iv_arg_view(launch, conv_part(s->from, first, 0));
    iv_arg_view(launch, surrounded);
    iv_arg_uint(launch, planes);
    iv_arg_uint(launch, s->from->dims[IMAGE_Y]);
    iv_arg_uint(launch, s->from->dims[IMAGE_X]);
    iv_arg_uint(launch, s->before[Y]);
    iv_arg_uint(launch, s->before[X]);
    iv_arg_uint(launch, s->size[Y]);
    iv_arg_uint(launch, s->size[X]);
    iv_arg_uint(launch, s->by_rows ? row_reach(s) : 0);
    return iv_launch_end_by_member(launch, 2, (const size_t[]){planes, e->n_members},
                                   (const size_t[]){1, 1});
}

/* Where outputs of a phase begin, in `images`. */
static iv_view outputs_of(const side *s, const phase *p, const iv_tensor *images, size_t first) {
    iv_view view = conv_part(images, first, 0);
    view.offset += p->at[Y] * s->to->dims[IMAGE_X] + p->at[X];
    return view;
}

/* Arguments of both kernels: a phase's grid, and steps in the images before it and after. */
static void arg_steps(iv_launch *launch, const side *s, const phase *p) {
    const size_t plane = s->size[Y] * s->size[X], width = s->to->dims[IMAGE_X];
    iv_arg_uint(launch, p->grid[Y]);
    iv_arg_uint(launch, p->grid[X]);
    iv_arg_uint(launch, s->from->dims[1] * plane);
    iv_arg_uint(launch, s->from_channels * plane);
    iv_arg_uint(launch, (s->gradient ? 1 : s->layer->window.stride[Y]) * s->size[X]);
    if (!s->by_rows) iv_arg_uint(launch, step_x(s));
    iv_arg_uint(launch, s->to->n_elements / s->layer->images);
    iv_arg_uint(launch, s->to->dims[IMAGE_Y] * width);
    iv_arg_uint(launch, n_phases(s, Y) * width);
    iv_arg_uint(launch, n_phases(s, X));
}

static iv_status append_rows(emitter *e, const node *n, const side *s, const phase *p, iv_view from,
                             size_t first, size_t images) {
    const iv_tensor *bias = bias_of(s, n);
    iv_launch *launch = begin(e, s, n, "convolve_rows");
    iv_arg_view(launch, from);
    iv_arg_tensor(launch, s->layer->w);
    iv_arg_view(launch, outputs_of(s, p, s->to, first));
    if (bias) iv_arg_tensor(launch, bias);
    if (n->gate) iv_arg_view(launch, outputs_of(s, p, n->gate, first));
    iv_arg_buffer(launch, p->offsets);
    iv_arg_buffer(launch, p->places);
    iv_arg_uint(launch, p->k);
    arg_weight_strides(launch, s);
    iv_arg_uint(launch, s->layer->groups);
    iv_arg_uint(launch, s->to_channels);
    iv_arg_uint(launch, images);
    arg_steps(launch, s, p);
    return iv_launch_end_by_member(
        launch, 2, (const size_t[]){images * s->layer->groups * s->to_channels, e->n_members},
        (const size_t[]){1, 1});
}

/* The sums of a phase for some images, the first of which lie at `from`. */
static iv_status append_sums(emitter *e, const node *n, const side *s, const phase *p, iv_view from,
                             size_t first, size_t images) {
    if (s->by_rows) return append_rows(e, n, s, p, from, first, images);
    iv_launch *launch = begin(e, s, n, "convolve_direct");
    iv_arg_view(launch, from);
    iv_arg_view(launch, p->weights);
    iv_arg_view(launch, outputs_of(s, p, s->to, first));
    if (n->gate) iv_arg_view(launch, outputs_of(s, p, n->gate, first));
    iv_arg_buffer(launch, p->offsets);
    iv_arg_uint(launch, p->k);
    iv_arg_uint(launch, s->panels);
    iv_arg_uint(launch, s->to_channels);
    const size_t positions = images * p->grid[Y] * p->grid[X];
    const size_t n_tiles = divide_up(positions, s->tile.positions);
    const size_t tiles = n_tiles < 2 * MOST_TILES    ? 1
                         : n_tiles < 64 * MOST_TILES ? divide_up(n_tiles, 64)
                                                     : MOST_TILES;
    iv_arg_uint(launch, tiles);
    iv_arg_uint(launch, positions);
    arg_steps(launch, s, p);
    return iv_launch_end_by_member(
        launch, 3,
        (const size_t[]){divide_up(n_tiles, tiles), s->panels * s->layer->groups, e->n_members},
        (const size_t[]){1, 1, 1});
}

static iv_status append(emitter *e, const node *n, const conv_layer *l, const iv_tensor *workspace,
                        bool gradient) {
    const side s = side_of(e->graph->context, l, gradient);
    const size_t n_all = n_phases(&s, Y) * n_phases(&s, X);
    phase *phases = calloc(n_all, sizeof *phases);
    iv_status status = IV_OK;
    if (!phases)
        return iv_fail(iv_context_error(e->graph->context), IV_ENOMEM,
                       "out of memory for a convolution");
    iv_view rest = iv_tensor_view(workspace);
    for (size_t i = 0; i < n_all && status == IV_OK; i++) {
        phase *p = &phases[i];
        p->at[Y] = i / n_phases(&s, X);
        p->at[X] = i % n_phases(&s, X);
        for (int axis = Y; axis <= X; axis++) p->grid[axis] = grid_of(&s, axis, p->at[axis]);
        p->k = s.from_channels * n_parts(&s, p->at);
        status = make_tables(e, &s, p);
        if (status != IV_OK || s.by_rows) continue;
        p->weights = rest;
        rest.offset += packed_elements(&s, p->k);
        status = append_pack(e, n, &s, p);
    }
    for (size_t first = 0; first < l->images && status == IV_OK; first += l->at_a_time) {
        const size_t left = l->images - first, images = left < l->at_a_time ? left : l->at_a_time;
        iv_view from = conv_part(s.from, first, 0);
        if (s.surrounded) {
            status = append_surround(e, n, &s, first, images, rest);
            from = rest;
        }
        for (size_t i = 0; i < n_all && status == IV_OK; i++)
            status = append_sums(e, n, &s, &phases[i], from, first, images);
    }
    free(phases);
    return status;
}

iv_status conv_direct_forward(emitter *e, const node *n, const conv_layer *l,
                              const iv_tensor *workspace) {
    return append(e, n, l, workspace, false);
}

iv_status conv_direct_gradient(emitter *e, const node *n, const conv_layer *l,
                               const iv_tensor *workspace) {
    return append(e, n, l, workspace, true);
}
