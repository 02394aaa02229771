/* Figures of the regularization study: curves against epochs, saliency maps over orbits. */
#include "studies/regularization/regularization.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ curves */

typedef struct {
    const char *split, *metric;
    size_t layer; /* of an array metric; SIZE_MAX for a number */
} quantity;

typedef struct {
    const iv_study_job *job;
    const reg_plan *plan;
    const study_points *points;
} drawing;

/* One plot of n_quantities for every run: the mean over seeds against the epoch. */
static iv_status draw(const drawing *d, const char *name, const char *title, const char *y_label,
                      bool log_y, const quantity *quantities, size_t n_quantities) {
    const size_t n = d->plan->expansion.n_runs * n_quantities;
    study_curve *curves = calloc(n, sizeof *curves);
    iv_series *series = calloc(n, sizeof *series);
    iv_status status = curves && series ? IV_OK : study_out_of_memory(d->job->context);
    for (size_t i = 0; i < n && status == IV_OK; i++) {
        const char *run = d->plan->expansion.runs[i / n_quantities].name;
        const quantity *q = &quantities[i % n_quantities];
        study_curve *c = &curves[i];
        if (q->layer == SIZE_MAX)
            snprintf(c->label, sizeof c->label, "%.100s", run);
        else
            snprintf(c->label, sizeof c->label, "%.100s layer %zu", run, q->layer);
        const study_quantity shown = {
            .run = run, .split = q->split, .metric = q->metric, .element = q->layer};
        status = study_curve_fill(d->job, d->points, &shown, c);
        series[i] = (iv_series){.label = c->label, .n = c->n, .x = c->x, .y = c->means};
    }
    if (status == IV_OK) {
        const iv_plot plot = {.title = title,
                              .x_label = "epoch",
                              .y_label = y_label,
                              .log_y = log_y,
                              .series = series,
                              .n_series = n};
        status = study_plot(d->job, &plot, name);
    }
    for (size_t i = 0; i < n && curves; i++) study_curve_clear(&curves[i]);
    free(curves);
    free(series);
    return status;
}

static iv_status draw_weights(const drawing *d) {
    quantity layers[REG_MAX_LAYERS];
    const size_t n = d->plan->populations[0].layers;
    for (size_t l = 0; l < n; l++) layers[l] = (quantity){"train", "sigma_max", l};
    return draw(d, "spectral-decay-weights", "Largest singular value of each layer",
                "sigma_max(W_l)", false, layers, n);
}

iv_status reg_figures_draw_curves(const iv_study_job *job, const reg_plan *plan) {
    const iv_node *root = iv_spec_root(job->spec);
    const bool accuracy = iv_spec_lists(root, "figures.names", "accuracy");
    const bool decay = iv_spec_lists(root, "figures.names", "spectral-decay");
    const bool drift = iv_spec_lists(root, "figures.names", "drift");
    if (!accuracy && !decay && !drift) return IV_OK;

    study_points *points;
    iv_status status = study_points_read(job, &points);
    const drawing d = {job, plan, points};
    if (status == IV_OK && accuracy)
        status = draw(&d, "accuracy", "Accuracy over the orbit, validation images", "accuracy",
                      false, &(quantity){"validation", "accuracy", SIZE_MAX}, 1);
    if (status == IV_OK && decay && plan->sigma_max_jacobian)
        status = draw(&d, "spectral-decay-jacobian", "Sensitivity to the input", "sigma_max(J)",
                      false, &(quantity){"validation", "sigma_max_jacobian", SIZE_MAX}, 1);
    if (status == IV_OK && decay && plan->sigma_max) status = draw_weights(&d);
    if (status == IV_OK && drift && plan->si)
        status = draw(&d, "saliency-similarity", "Saliency similarity, validation images", "SI",
                      false, &(quantity){"validation", "si", SIZE_MAX}, 1);
    study_points_free(points);
    return status;
}

/* ------------------------------------------------------------------ saliency */

/* figures/PREFIX-OF.png; figures/PREFIX.png if `of` is empty. */
static iv_status draw_grid(const iv_study_job *job, const char *prefix, const char *of,
                           const float *images, bool is_signed, size_t n_images, size_t n_elements,
                           const iv_group *group) {
    iv_error *error = iv_context_error(job->context);
    const size_t n_pixels = group->n_pixels;
    enum { MOST = 64 }; /* the schema's bound on images; groups have at most 49 elements */
    char name[256], labels[MOST][16], rows[MOST][16];
    const char *row_labels[MOST], *column_labels[MOST];
    float *grid = malloc(n_images * n_elements * n_pixels * sizeof *grid);
    if (!grid) return iv_fail(error, IV_ENOMEM, "out of memory for a figure");
    for (size_t b = 0; b < n_images; b++)
        for (size_t g = 0; g < n_elements; g++)
            memcpy(grid + (b * n_elements + g) * n_pixels, images + (g * n_images + b) * n_pixels,
                   n_pixels * sizeof *grid);
    for (size_t g = 0; g < n_elements; g++) {
        snprintf(labels[g], sizeof labels[g], "g%zu", g);
        column_labels[g] = labels[g];
    }
    for (size_t b = 0; b < n_images; b++) {
        snprintf(rows[b], sizeof rows[b], "%zu", b);
        row_labels[b] = rows[b];
    }
    snprintf(name, sizeof name, "figures/%s%s%s.png", prefix, *of ? "-" : "", of);
    char *path = iv_run_dir_file(job->dir, name);
    const iv_image_grid layout = {.images = grid,
                                  .rows = n_images,
                                  .columns = n_elements,
                                  .height = group->side,
                                  .width = group->side,
                                  .is_signed = is_signed,
                                  .row_labels = row_labels,
                                  .column_labels = column_labels};
    const iv_status status = path ? iv_image_grid_write(&layout, path, error)
                                  : iv_fail(error, IV_ENOMEM, "out of memory for a figure");
    free(path);
    free(grid);
    return status;
}

/* Saliency of the predicted class on every element's copy of the first test images. */
iv_status reg_figures_draw_saliency(const iv_study_job *job, const reg_model *model,
                                    const iv_image_source *images) {
    const reg_population *p = model->population;
    const size_t n_elements = model->group->n_elements, n_pixels = model->group->n_pixels;
    const size_t asked = (size_t)iv_spec_integer(p->config, "figures.saliency_images");
    const size_t n_images = asked < images->n_samples ? asked : images->n_samples;
    const size_t member_size = n_elements * n_images * n_pixels;
    const uint32_t first_seed =
        (uint32_t)iv_spec_integer(iv_spec_element(iv_spec_root(job->spec), "seeds", 0), "");
    iv_graph *g = NULL;
    iv_plan *plan = NULL;
    float *maps = malloc(p->n_members * member_size * sizeof *maps);
    iv_status status = maps ? iv_graph_create(job->context, p->n_members, &g)
                            : iv_fail(iv_context_error(job->context), IV_ENOMEM,
                                      "out of memory for the saliency maps");
    iv_tensor *parameters[2 * REG_MAX_LAYERS], *orbit = NULL, *labels, *saliency = NULL;
    if (status == IV_OK) {
        reg_model_tensors(model, g, parameters);
        iv_image_batch(g, images, n_images, IV_COPIES_ORBIT, &orbit, &labels);
        iv_tensor *x = iv_reshape(g, orbit, 2, (const size_t[]){n_elements * n_images, n_pixels});
        iv_tensor *logits = reg_model_logits(model, g, parameters, x, NULL);
        iv_tensor *by_element =
            iv_reshape(g, logits, 3, (const size_t[]){n_elements, n_images, REG_CLASSES});
        iv_tensor *predicted = iv_argmax(g, iv_slice(g, by_element, 0, 1));
        iv_gradient(g, iv_class_logit_sum(g, logits, predicted), &x, 1, &saliency);
        status = iv_graph_compile(g, (iv_tensor *[]){orbit, saliency}, 2, &plan);
    }
    if (status == IV_OK) status = iv_plan_run(plan, 0);
    iv_tensor *const drawn[] = {orbit, saliency};
    for (size_t i = 0; i < 2 && status == IV_OK; i++) {
        status = iv_plan_read(plan, drawn[i], maps);
        for (size_t r = 0; r < p->n_members && status == IV_OK; r++) {
            /* All runs of a configuration see the same images: its first run draws them. */
            const iv_spec_run *run = p->members[r].run;
            if (p->members[r].seed == first_seed && (i == 1 || run->base_index == 0))
                status = draw_grid(job, i == 0 ? "images" : "saliency",
                                   i == 0 ? run->variant : run->name, maps + r * member_size,
                                   i == 1, n_images, n_elements, model->group);
        }
    }
    iv_plan_destroy(plan);
    iv_graph_destroy(g);
    free(maps);
    return status;
}
