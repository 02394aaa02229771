/* Graphs under test: their inputs, groups, images; running them; guarded buffers. */
#include "trial.h"

enum { OFFSET = 5, GAP = 3, GUARD = 0x12345678, N_LABELS = 4 };

static void destroy(void *object) {
    trial *t = object;
    iv_plan_destroy(t->plan);
    iv_graph_destroy(t->graph);
    for (size_t i = 0; i < t->n_buffers; i++) iv_buffer_release(t->context, t->buffers[i]);
    for (size_t i = 0; i < t->n_inputs; i++) free(t->inputs[i].values);
    for (size_t i = 0; i < t->n_groups; i++) iv_group_destroy(t->groups[i].group);
    free(t->images.pixels);
    free(t->images.labels);
    free(t->images.indices);
    free(t->images.seeds);
    free(t);
}

trial *trial_begin(program *p, size_t n_members) {
    trial *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->context = p->context;
    t->n_members = n_members;
    t->seed = ++p->n_draws;
    assert_ok(p->context, iv_graph_create(p->context, n_members, &t->graph));
    return t;
}

void trial_end(program *p, trial *t) {
    program_release(p, destroy, t);
}

double trial_uniform(trial *t, double low, double high) {
    uint32_t words[4];
    iv_philox(t->seed, IV_STREAM_TEST, 0, t->n_draws++, words);
    return low + (high - low) * iv_uniform(words[0]);
}

static cl_mem new_buffer(trial *t, size_t bytes) {
    cl_mem buffer;
    assert_true(t->n_buffers < 2 * TRIAL_MAX);
    assert_ok(t->context, iv_buffer_create(t->context, bytes, &buffer));
    t->buffers[t->n_buffers++] = buffer;
    return buffer;
}

cl_mem trial_upload(trial *t, const void *data, size_t bytes) {
    assert_true(t->n_buffers < 2 * TRIAL_MAX);
    return t->buffers[t->n_buffers++] = upload(t->context, data, bytes);
}

/* ------------------------------------------------------------------ inputs and outputs */

static iv_view guarded_view(trial *t, size_t n_elements, layout where, size_t *n_buffer) {
    const size_t stride = where == LIES_SHARED ? 0 : n_elements + GAP;
    *n_buffer = OFFSET + (t->n_members - 1) * stride + n_elements + GAP;
    const iv_view view = {new_buffer(t, *n_buffer * sizeof(float)), OFFSET, stride};
    assert_ok(t->context,
              iv_buffer_fill(t->context, view.buffer, 0, *n_buffer * sizeof(float), GUARD));
    return view;
}

static known_input *new_input(trial *t, layout where, iv_dtype dtype, unsigned rank,
                              const size_t *dims) {
    size_t n = 1, n_buffer;
    for (unsigned i = 0; i < rank; i++) n *= dims[i];
    iv_view view = {NULL, 0, 0};
    if (where != LIES_IN_PLAN) view = guarded_view(t, n, where, &n_buffer);
    assert_true(t->n_inputs < TRIAL_MAX);
    known_input *input = &t->inputs[t->n_inputs++];
    input->tensor = iv_input(t->graph, dtype, rank, dims, where == LIES_IN_PLAN ? NULL : &view);
    input->values = calloc(t->n_members * n, sizeof *input->values);
    input->shared = where == LIES_SHARED;
    assert_non_null(input->tensor);
    assert_non_null(input->values);
    return input;
}

/* The values of shared inputs are those of member 0. */
static void share_values(const trial *t, const known_input *input) {
    const size_t n = iv_elements(input->tensor);
    for (size_t r = 1; r < t->n_members && input->shared; r++)
        memcpy(input->values + r * n, input->values, n * sizeof *input->values);
}

iv_tensor *trial_floats(trial *t, layout where, unsigned rank, const size_t *dims, double low,
                        double high) {
    known_input *input = new_input(t, where, IV_F32, rank, dims);
    for (size_t i = 0; i < t->n_members * iv_elements(input->tensor); i++)
        input->values[i] = (float)trial_uniform(t, low, high);
    share_values(t, input);
    return input->tensor;
}

iv_tensor *trial_classes(trial *t, layout where, size_t n, size_t n_classes) {
    known_input *input = new_input(t, where, IV_I32, 1, &n);
    for (size_t i = 0; i < t->n_members * n; i++)
        input->values[i] = floor(trial_uniform(t, 0.0, (double)n_classes));
    share_values(t, input);
    return input->tensor;
}

double *trial_values(const trial *t, const iv_tensor *input, size_t member) {
    for (size_t i = 0; i < t->n_inputs; i++)
        if (t->inputs[i].tensor == input) return t->inputs[i].values + member * iv_elements(input);
    return NULL;
}

void trial_place(trial *t, iv_tensor *tensor) {
    assert_non_null(tensor);
    assert_true(t->n_outputs < TRIAL_MAX);
    guarded *g = &t->outputs[t->n_outputs++];
    g->tensor = tensor;
    g->view = guarded_view(t, iv_elements(tensor), LIES_APART, &g->n_buffer);
    iv_place(tensor, g->view);
}

/* ------------------------------------------------------------------ groups and images */

const known_group *trial_group(trial *t, iv_group_kind kind, size_t order, iv_group_axes axes,
                               size_t image_side) {
    assert_true(t->n_groups < 2);
    known_group *g = &t->groups[t->n_groups++];
    assert_ok(t->context,
              iv_group_create(kind, order, axes, (iv_image_shape){1, image_side, image_side},
                              &g->group, iv_context_error(t->context)));
    const size_t bytes = g->group->n_elements * g->group->n_pixels * sizeof(uint16_t);
    g->source = trial_upload(t, g->group->source, bytes);
    g->inverse = trial_upload(t, g->group->inverse, bytes);
    return g;
}

const known_group *trial_idle_group(trial *t, size_t n_elements, size_t n_pixels) {
    assert_true(t->n_groups < 2);
    known_group *g = &t->groups[t->n_groups++];
    g->group = calloc(1, sizeof *g->group);
    assert_non_null(g->group);
    const size_t n = n_elements * n_pixels, bytes = n * sizeof(uint16_t);
    g->group->n_elements = n_elements;
    g->group->n_pixels = n_pixels;
    g->group->source = malloc(bytes);
    g->group->inverse = malloc(bytes);
    assert_true(g->group->source && g->group->inverse);
    for (size_t i = 0; i < n; i++)
        g->group->source[i] = g->group->inverse[i] = (uint16_t)(i % n_pixels);
    g->source = trial_upload(t, g->group->source, bytes);
    g->inverse = trial_upload(t, g->group->inverse, bytes);
    return g;
}

void trial_image_batch(trial *t, const known_group *group, size_t n_pool, size_t n_samples,
                       size_t batch, iv_copies copies, bool shuffle, iv_tensor **images,
                       iv_tensor **labels) {
    enum { FIRST = 2 }; /* entries of a member's permutation before its samples */
    const size_t n_pixels = group->group->n_pixels, R = t->n_members;
    known_images *k = &t->images;
    assert_true(FIRST + n_samples <= n_pool);
    k->pixels = malloc(n_pool * n_pixels);
    k->labels = malloc(n_pool);
    k->indices = malloc(R * n_pool * sizeof *k->indices);
    k->seeds = malloc(R * sizeof *k->seeds);
    assert_true(k->pixels && k->labels && k->indices && k->seeds);
    for (size_t i = 0; i < n_pool * n_pixels; i++) k->pixels[i] = (uint8_t)(i * 167 + i / 256);
    for (size_t i = 0; i < n_pool; i++) k->labels[i] = (uint8_t)(i % N_LABELS);
    for (size_t r = 0; r < R; r++) {
        k->seeds[r] = 1000 + 77 * (uint32_t)(t->first_member + r);
        iv_permutation(k->seeds[r], IV_STREAM_SPLIT, (uint32_t)n_pool, k->indices + r * n_pool);
    }

    k->group = group;
    k->batch = batch;
    k->copies = copies;
    k->source = (iv_image_source){
        .pixels = trial_upload(t, k->pixels, n_pool * n_pixels),
        .labels = trial_upload(t, k->labels, n_pool),
        .indices = {trial_upload(t, k->indices, R * n_pool * sizeof *k->indices), FIRST, n_pool},
        .n_samples = n_samples,
        .source = group->source,
        .n_elements = group->group->n_elements,
        .n_pixels = n_pixels,
        .seeds = {trial_upload(t, k->seeds, R * sizeof *k->seeds), 0, 1},
        .shuffle = shuffle,
    };
    iv_image_batch(t->graph, &k->source, batch, copies, images, labels);
    k->images = *images;
}

/* ------------------------------------------------------------------ running */

/* One write a buffer, gaps included: Oclgrind 21.10 forgets what is initialised around a part that
 * the host writes. */
static void write_input(trial *t, const known_input *input, iv_view view) {
    const size_t n = iv_elements(input->tensor);
    size_t bytes = 0;
    assert_int_equal(clGetMemObjectInfo(view.buffer, CL_MEM_SIZE, sizeof bytes, &bytes, NULL), 0);
    uint32_t *words = malloc(bytes);
    assert_non_null(words);
    for (size_t i = 0; i < bytes / sizeof *words; i++) words[i] = GUARD;
    for (size_t r = 0; r < t->n_members; r++)
        for (size_t e = 0; e < n; e++) {
            const float value = (float)input->values[r * n + e];
            uint32_t *word = &words[view.offset + r * view.stride + e];
            if (input->tensor->dtype == IV_I32)
                *word = (uint32_t)value;
            else
                memcpy(word, &value, sizeof value);
        }
    assert_ok(t->context, iv_buffer_write(t->context, view.buffer, 0, bytes, words));
    free(words);
}

void trial_write_inputs(trial *t) {
    for (size_t i = 0; i < t->n_inputs; i++) {
        const iv_view view = iv_plan_view(t->plan, t->inputs[i].tensor);
        if (view.buffer) write_input(t, &t->inputs[i], view); /* else it is not needed */
    }
}

void trial_run(trial *t, iv_tensor *const *outputs, size_t n_outputs, uint32_t step) {
    assert_ok(t->context, iv_graph_compile(t->graph, outputs, n_outputs, &t->plan));
    trial_write_inputs(t);
    assert_ok(t->context, iv_plan_run(t->plan, step));
    assert_ok(t->context, iv_context_finish(t->context));
}

static void check_guards(trial *t, const guarded *g) {
    const size_t n = iv_elements(g->tensor);
    uint32_t *words = malloc(g->n_buffer * sizeof *words);
    assert_non_null(words);
    assert_ok(t->context,
              iv_buffer_read(t->context, g->view.buffer, 0, g->n_buffer * sizeof *words, words));
    for (size_t i = 0; i < g->n_buffer; i++) {
        const bool inside = i >= OFFSET && (i - OFFSET) % g->view.stride < n;
        if (!inside && words[i] != GUARD) fail_msg("word %zu of a guarded buffer was written", i);
    }
    free(words);
}

float *trial_read(trial *t, const iv_tensor *tensor) {
    float *values = malloc(t->n_members * iv_elements(tensor) * sizeof *values);
    assert_non_null(values);
    assert_ok(t->context, iv_plan_read(t->plan, tensor, values));
    for (size_t i = 0; i < t->n_outputs; i++)
        if (t->outputs[i].tensor == tensor) check_guards(t, &t->outputs[i]);
    return values;
}
