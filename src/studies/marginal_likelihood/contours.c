/* What networks predict over the plane that rings lie in, with the points that they learned from:
 * figure 1 of the paper. */
#include "studies/marginal_likelihood/figures.h"

#include <math.h>
#include <stdlib.h>

enum { SIDE = 81 /* grid points */, SHOWN = 90 /* training points */, CLASS = 1 /* drawn */ };

static const double extent = 2.5; /* to either side; the arcs end at 1.2 */

static double coordinate(size_t i) {
    return extent * (2 * (double)i / (SIDE - 1) - 1);
}

/* ------------------------------------------------------------------ predictions */

typedef struct {
    iv_graph *graph;
    iv_plan *plan;
    iv_tensor *logits; /* [SIDE, C], of one row of the grid */
    cl_mem row;        /* [SIDE, 2], the same for all members */
    float *values;     /* [R, SIDE, C] */
} predictor;

static iv_status open_predictor(const ml_model *model, predictor *f) {
    const iv_population *p = model->base.population;
    const ml_setting *s = ml_setting_of(p);
    iv_tensor *tensors[ML_N_PARAMETERS];
    f->values = malloc(p->n_members * SIDE * s->images.n_classes * sizeof *f->values);
    iv_status status = f->values ? IV_OK : iv_no_memory(model->base.context);
    if (status == IV_OK)
        status = iv_buffer_create(model->base.context, SIDE * 2 * sizeof(float), &f->row);
    if (status == IV_OK) status = iv_graph_create(model->base.context, p->n_members, &f->graph);
    if (status != IV_OK) return status;
    const iv_view view = {f->row, 0, 0};
    iv_tensor *x = iv_input(f->graph, IV_F32, 2, (const size_t[]){SIDE, 2}, &view);
    ml_model_tensors(model, f->graph, tensors);
    f->logits = ml_model_logits(
        model, f->graph, ml_model_features(model, f->graph, tensors, x, IV_STREAM_EVALUATION),
        false);
    return iv_graph_compile(f->graph, &f->logits, 1, &f->plan);
}

static void close_predictor(const ml_model *model, predictor *f) {
    iv_plan_destroy(f->plan);
    iv_graph_destroy(f->graph);
    iv_buffer_release(model->base.context, f->row);
    free(f->values);
}

static double probability(const float *logits, size_t n_classes) {
    double sum = 0;
    for (size_t c = 0; c < n_classes; c++) sum += exp((double)logits[c] - (double)logits[CLASS]);
    return 1 / sum;
}

/* probabilities [R, SIDE, SIDE], bottom row first. Every row has the transformations of step 0. */
static iv_status predict(const ml_model *model, predictor *f, double *probabilities) {
    const iv_population *p = model->base.population;
    const ml_setting *s = ml_setting_of(p);
    iv_status status = IV_OK;
    for (size_t row = 0; row < SIDE && status == IV_OK; row++) {
        float points[SIDE][2];
        for (size_t i = 0; i < SIDE; i++) {
            points[i][0] = (float)coordinate(i);
            points[i][1] = (float)coordinate(row);
        }
        status = iv_buffer_write(model->base.context, f->row, 0, sizeof points, points);
        if (status == IV_OK) status = iv_plan_run(f->plan, 0);
        if (status == IV_OK) status = iv_plan_read(f->plan, f->logits, f->values);
        for (size_t r = 0; r < p->n_members && status == IV_OK; r++)
            for (size_t i = 0; i < SIDE; i++)
                probabilities[(r * SIDE + row) * SIDE + i] = probability(
                    f->values + (r * SIDE + i) * s->images.n_classes, s->images.n_classes);
    }
    return status;
}

/* ------------------------------------------------------------------ drawing */

/* The first training points, by class. */
typedef struct {
    double x[2][SHOWN], y[2][SHOWN];
    iv_series series[2];
} shown_points;

static void gather_points(const iv_population *p, const ml_data *data, shown_points *shown) {
    static const char *const labels[2] = {"class 0", "class 1"};
    for (size_t c = 0; c < 2; c++)
        shown->series[c] = (iv_series){.label = labels[c], .x = shown->x[c], .y = shown->y[c]};
    for (size_t i = 0; i < p->n_train && i < SHOWN; i++) {
        const size_t c = data->host_labels[i];
        if (c > 1) continue;
        const size_t k = shown->series[c].n++;
        shown->x[c][k] = (double)data->host_points[2 * i];
        shown->y[c][k] = (double)data->host_points[2 * i + 1];
    }
}

static iv_status draw(const iv_experiment *x, const iv_member *member, const double *probabilities,
                      const shown_points *shown) {
    static const double levels[] = {0.1, 0.3, 0.5, 0.7, 0.9};
    char name[IV_FIGURE_NAME];
    iv_figure_name("contours", member->run->name, name);
    const iv_contour contour = {.title = member->run->name,
                                .x_label = "x",
                                .y_label = "y",
                                .rows = SIDE,
                                .columns = SIDE,
                                .left = -extent,
                                .right = extent,
                                .bottom = -extent,
                                .top = extent,
                                .values = probabilities,
                                .low = 0,
                                .high = 1,
                                .levels = levels,
                                .n_levels = sizeof levels / sizeof *levels,
                                .points = shown->series,
                                .n_points = 2};
    bool drawn;
    char *folder = iv_run_dir_file(x->job->dir, "figures");
    if (!folder) return iv_no_memory(x->context);
    const iv_status status =
        iv_contour_write(&contour, folder, name, &drawn, iv_context_error(x->context));
    iv_experiment_plotted(x, name, status, drawn);
    free(folder);
    return IV_OK;
}

iv_status ml_contours_draw(const iv_experiment *x, const ml_model *model) {
    const iv_population *p = model->base.population;
    if (!iv_experiment_draws(x, "contours") || !model->setting->rings) return IV_OK;
    predictor f = {.graph = NULL};
    shown_points shown;
    double *probabilities = malloc(p->n_members * SIDE * SIDE * sizeof *probabilities);
    iv_status status = probabilities ? IV_OK : iv_no_memory(x->context);
    if (status == IV_OK) status = open_predictor(model, &f);
    if (status == IV_OK) status = predict(model, &f, probabilities);
    gather_points(p, model->data, &shown);
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++)
        if (iv_experiment_shows(x, &p->members[r]))
            status = draw(x, &p->members[r], probabilities + r * SIDE * SIDE, &shown);
    close_predictor(model, &f);
    free(probabilities);
    return status;
}
