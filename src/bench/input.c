/* Gathering batches: bytes to floats, in a new order every epoch, under a group's action. */
#include "bench/bench.h"

#include <invar/random.h>
#include <invar/transform.h>

#include <stdio.h>
#include <stdlib.h>

enum { POOL = 10240, BATCH = 512, IMAGE_SIDE = 28 };

typedef struct {
    const char *name;
    iv_group_kind kind;
    size_t order;
    iv_copies copies;
} gather;

static const gather gathers[] = {
    {"input/identity", IV_GROUP_ROTATION, 4, IV_COPIES_IDENTITY},
    {"input/rotation-4-random", IV_GROUP_ROTATION, 4, IV_COPIES_RANDOM},
    {"input/rotation-4-pair", IV_GROUP_ROTATION, 4, IV_COPIES_PAIR},
    {"input/rotation-4-orbit", IV_GROUP_ROTATION, 4, IV_COPIES_ORBIT},
    {"input/shift-3-random", IV_GROUP_SHIFT, 3, IV_COPIES_RANDOM},
};

typedef struct {
    iv_group *group;
    cl_mem pixels, labels, indices, source, seeds;
    iv_graph *graph;
    iv_plan *plan;
    size_t n_copies;
} input;

static iv_status upload(bench *b, const void *data, size_t bytes, cl_mem *buffer) {
    iv_status status = iv_buffer_create(b->context, bytes, buffer);
    if (status == IV_OK) status = iv_buffer_write(b->context, *buffer, 0, bytes, data);
    return status;
}

/* A pool of random bytes, and every image in it in order. */
static iv_status upload_pool(bench *b, input *in) {
    const size_t n_words = POOL * in->group->n_pixels / 4; /* POOL is a multiple of 4 */
    uint32_t *words = malloc(n_words * sizeof *words);
    int32_t *indices = malloc(POOL * sizeof *indices);
    iv_status status = IV_OK;
    if (!words || !indices)
        status = iv_fail(iv_context_error(b->context), IV_ENOMEM, "out of memory for images");
    for (size_t i = 0; i < n_words && status == IV_OK; i += 4) {
        uint32_t four[4];
        iv_philox(7, IV_STREAM_TEST, 0, (uint32_t)i, four);
        for (size_t k = 0; k < 4 && i + k < n_words; k++) words[i + k] = four[k];
    }
    for (size_t i = 0; i < POOL && status == IV_OK; i++) indices[i] = (int32_t)i;

    if (status == IV_OK) status = upload(b, words, n_words * sizeof *words, &in->pixels);
    if (status == IV_OK) status = iv_buffer_create(b->context, POOL, &in->labels);
    if (status == IV_OK) status = iv_buffer_fill(b->context, in->labels, 0, POOL, 0);
    if (status == IV_OK) status = upload(b, indices, POOL * sizeof *indices, &in->indices);
    free(words);
    free(indices);
    return status;
}

static iv_status open_input(bench *b, const gather *what, input *in) {
    iv_status status = iv_group_create(what->kind, what->order, IV_AXES_XY,
                                       (iv_image_shape){1, IMAGE_SIDE, IMAGE_SIDE}, &in->group,
                                       iv_context_error(b->context));
    if (status == IV_OK) status = upload_pool(b, in);
    if (status == IV_OK)
        status = upload(b, in->group->source,
                        in->group->n_elements * in->group->n_pixels * sizeof *in->group->source,
                        &in->source);
    if (status == IV_OK) status = upload(b, &(uint32_t){0}, sizeof(uint32_t), &in->seeds);
    if (status == IV_OK) status = iv_graph_create(b->context, 1, &in->graph);
    if (status != IV_OK) return status;

    const iv_image_source source = {
        .pixels = in->pixels,
        .labels = in->labels,
        .indices = {in->indices, 0, POOL},
        .n_samples = POOL,
        .source = in->source,
        .n_elements = in->group->n_elements,
        .n_pixels = in->group->n_pixels,
        .seeds = {in->seeds, 0, 1},
        .shuffle = true,
    };
    iv_tensor *outputs[2] = {NULL, NULL};
    iv_image_batch(in->graph, &source, BATCH, what->copies, &outputs[0], &outputs[1]);
    if (outputs[0]) in->n_copies = iv_dim(outputs[0], 0);
    return iv_graph_compile(in->graph, outputs, 2, &in->plan);
}

static void close_input(bench *b, input *in) {
    iv_plan_destroy(in->plan);
    iv_graph_destroy(in->graph);
    iv_buffer_release(b->context, in->pixels);
    iv_buffer_release(b->context, in->labels);
    iv_buffer_release(b->context, in->indices);
    iv_buffer_release(b->context, in->source);
    iv_buffer_release(b->context, in->seeds);
    iv_group_destroy(in->group);
}

static iv_status replay_plan(void *state, uint32_t step) {
    return iv_plan_run(state, step);
}

static iv_status measure(bench *b, const gather *what) {
    char images_name[72];
    snprintf(images_name, sizeof images_name, "%s-images", what->name);
    if (!bench_wants(b, what->name) && !bench_wants(b, images_name)) return IV_OK;

    input in = {0};
    iv_bench_statistics statistics;
    iv_status status = open_input(b, what, &in);
    if (status == IV_OK) status = bench_time_item(b, what->name, replay_plan, in.plan, &statistics);
    if (status == IV_OK) {
        /* each image read once as bytes, each copy written as floats */
        const double images = (double)(BATCH * in.n_copies);
        const double pixels = (double)in.group->n_pixels;
        const double bytes = BATCH * pixels + images * pixels * sizeof(float);
        status = bench_add(b,
                           &(bench_work){.name = what->name,
                                         .unit = "GB/s",
                                         .is_rate = true,
                                         .scale = 1e-9 * bytes,
                                         .bytes = bytes},
                           &statistics, false);
        if (status == IV_OK)
            status = bench_add(
                b,
                &(bench_work){
                    .name = images_name, .unit = "images/s", .is_rate = true, .scale = images},
                &statistics, false);
    }
    close_input(b, &in);
    return status;
}

iv_status bench_input(bench *b) {
    iv_status status = IV_OK;
    for (size_t i = 0; i < sizeof gathers / sizeof *gathers && status == IV_OK; i++)
        status = measure(b, &gathers[i]);
    return status;
}
