/* Figures of the regularization study: curves against epochs, saliency maps over orbits. */
#include "studies/regularization/regularization.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ curves */

/* A number measured on the validation images, every run's against epochs. */
static iv_status draw_number(iv_chart *chart, const iv_trained_runs *all, const char *figure,
                             const char *title, const char *y_label, reg_metric metric) {
    const iv_plot plot = {.title = title, .x_label = "epoch", .y_label = y_label};
    iv_status status = IV_OK;
    for (size_t i = 0; i < all->n && status == IV_OK; i++) {
        const char *run = all->runs[i].run->name;
        const iv_quantity number = {.run = run,
                                    .split = "validation",
                                    .metric = reg_metric_def(metric)->name,
                                    .element = SIZE_MAX};
        status = iv_chart_add(chart, &number, "%.100s", run);
    }
    return status == IV_OK ? iv_chart_draw(chart, &plot, figure, NULL) : status;
}

static iv_status draw_weights(iv_chart *chart, const iv_trained_runs *all) {
    const size_t n_layers = reg_setting_of(all->runs[0].population)->layers;
    const iv_plot plot = {.title = "Largest singular value of each layer",
                          .x_label = "epoch",
                          .y_label = "sigma_max(W_l)"};
    iv_status status = IV_OK;
    for (size_t i = 0; i < all->n * n_layers && status == IV_OK; i++) {
        const char *run = all->runs[i / n_layers].run->name;
        const iv_quantity layer = {.run = run,
                                   .split = "train",
                                   .metric = reg_metric_def(REG_SIGMA_MAX)->name,
                                   .element = i % n_layers};
        status = iv_chart_add(chart, &layer, "%.100s layer %zu", run, layer.element);
    }
    return status == IV_OK ? iv_chart_draw(chart, &plot, "spectral-decay-weights", NULL) : status;
}

static bool asked(const iv_experiment *x, reg_metric metric) {
    return iv_spec_lists(iv_spec_root(x->job->spec), "metrics.names", reg_metric_def(metric)->name);
}

iv_status reg_draw(const iv_experiment *x, const iv_trained_runs *all) {
    const bool accuracy = iv_experiment_draws(x, "accuracy"),
               drift = iv_experiment_draws(x, "drift") && asked(x, REG_SI),
               decay = iv_experiment_draws(x, "spectral-decay"),
               weights = decay && asked(x, REG_SIGMA_MAX),
               jacobian = decay && asked(x, REG_SIGMA_JACOBIAN);
    if (!accuracy && !drift && !weights && !jacobian) return IV_OK;

    iv_chart *chart;
    iv_status status = iv_chart_open(x, &chart);
    if (status == IV_OK && accuracy)
        status = draw_number(chart, all, "accuracy", "Accuracy over the orbit, validation images",
                             "accuracy", REG_ACCURACY);
    if (status == IV_OK && jacobian)
        status = draw_number(chart, all, "spectral-decay-jacobian", "Sensitivity to the input",
                             "sigma_max(J)", REG_SIGMA_JACOBIAN);
    if (status == IV_OK && weights) status = draw_weights(chart, all);
    if (status == IV_OK && drift)
        status = draw_number(chart, all, "saliency-similarity",
                             "Saliency similarity, validation images", "SI", REG_SI);
    iv_chart_close(chart);
    return status;
}

/* ------------------------------------------------------------------ saliency */

/* figures/PREFIX-OF.png; figures/PREFIX.png if `of` is empty. */
static iv_status draw_grid(const iv_experiment *x, const char *prefix, const char *of,
                           const float *images, bool is_signed, size_t n_images, size_t n_elements,
                           const iv_group *group) {
    iv_error *error = iv_context_error(x->context);
    const size_t n_pixels = group->n_pixels;
    enum { MOST = 64 }; /* the schema's bound on images; groups have at most 64 elements */
    char name[256], labels[MOST][16], rows[MOST][16];
    const char *row_labels[MOST], *column_labels[MOST];
    float *grid = malloc(n_images * n_elements * n_pixels * sizeof *grid);
    if (!grid) return iv_no_memory(x->context);
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
    char *path = iv_run_dir_file(x->job->dir, name);
    const iv_image_grid layout = {.images = grid,
                                  .rows = n_images,
                                  .columns = n_elements,
                                  .planes = group->padded.planes,
                                  .height = group->padded.height,
                                  .width = group->padded.width,
                                  .is_signed = is_signed,
                                  .row_labels = row_labels,
                                  .column_labels = column_labels};
    const iv_status status =
        path ? iv_image_grid_write(&layout, path, error) : iv_no_memory(x->context);
    free(path);
    free(grid);
    return status;
}

/* The images of an orbit and the saliency of the class predicted for the first of them. */
static iv_status build(const reg_model *model, iv_graph *g, size_t n_images, iv_tensor *drawn[2]) {
    const size_t n_elements = model->group->n_elements, n_pixels = model->group->n_pixels;
    const iv_image_source images = reg_images(model, true);
    iv_tensor *parameters[2 * REG_MAX_LAYERS], *labels;
    reg_model_tensors(model, g, parameters);
    iv_image_batch(g, &images, n_images, IV_COPIES_ORBIT, &drawn[0], &labels);
    iv_tensor *x = iv_reshape(g, drawn[0], 2, (const size_t[]){n_elements * n_images, n_pixels});
    iv_tensor *logits = reg_model_logits(model, g, parameters, x, NULL);
    iv_tensor *by_element = iv_reshape(
        g, logits, 3, (const size_t[]){n_elements, n_images, model->setting->images.n_classes});
    iv_tensor *predicted = iv_argmax(g, iv_slice(g, by_element, 0, 1));
    return iv_gradient(g, iv_class_logit_sum(g, logits, predicted), &x, 1, &drawn[1]);
}

/* Saliency of the predicted class on every element's copy of the first test images. All runs of a
 * configuration see the same images: its first run draws them. */
iv_status reg_draw_population(iv_experiment *x, iv_model *base) {
    const reg_model *model = (const reg_model *)base;
    const iv_population *p = base->population;
    if (!iv_experiment_draws(x, "saliency")) return IV_OK;
    const size_t asked_for = (size_t)iv_spec_integer(p->config, "figures.saliency_images");
    const size_t n_test = model->setting->n_test, n = asked_for < n_test ? asked_for : n_test;
    const size_t size = model->group->n_elements * n * model->group->n_pixels;
    iv_graph *g = NULL;
    iv_plan *plan = NULL;
    iv_tensor *drawn[2];
    float *maps = malloc(p->n_members * size * sizeof *maps);
    iv_status status =
        maps ? iv_graph_create(x->context, p->n_members, &g) : iv_no_memory(x->context);
    if (status == IV_OK) status = build(model, g, n, drawn);
    if (status == IV_OK) status = iv_graph_compile(g, drawn, 2, &plan);
    if (status == IV_OK) status = iv_plan_run(plan, 0);
    for (size_t i = 0; i < 2 && status == IV_OK; i++) {
        status = iv_plan_read(plan, drawn[i], maps);
        for (size_t r = 0; r < p->n_members && status == IV_OK; r++) {
            const iv_spec_run *run = p->members[r].run;
            if (iv_experiment_shows(x, &p->members[r]) && (i == 1 || run->base_index == 0))
                status =
                    draw_grid(x, i == 0 ? "images" : "saliency", i == 0 ? run->variant : run->name,
                              maps + r * size, i == 1, n, model->group->n_elements, model->group);
        }
    }
    iv_plan_destroy(plan);
    iv_graph_destroy(g);
    free(maps);
    return status;
}
