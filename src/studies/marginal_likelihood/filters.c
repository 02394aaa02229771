/* Filter banks: hidden units' filters under the transformations that a network averages over.
 *
 * Rotations are shown at equally spaced angles from -eta to eta, whatever else at the first
 * transformations that evaluation draws. Through training, a few filters are kept as files among
 * the figures, so that a resumed run has them all. */
#include "studies/marginal_likelihood/figures.h"

#include "runtime/open.h"

#include <invar/random.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    COLUMNS = 7, /* transformations shown */
    AT_END = 8,  /* filters shown after training, */
    TRACKED = 2, /* and through it, */
    KEPT = 16,   /* of those kept, which are the first hidden units' */
    MOMENTS = 6, /* through training, denser at its begin */
    LABEL = 64,
};

/* ------------------------------------------------------------------ warp and blur */

static double pixel(const float *plane, iv_image_shape shape, double x, double y) {
    if (x < 0 || y < 0 || x > (double)shape.width - 1 || y > (double)shape.height - 1) return 0;
    return (double)plane[(size_t)y * shape.width + (size_t)x];
}

/* At column x and row y; each of the four neighbours counts if it lies inside. */
static double sample(const float *plane, iv_image_shape shape, double x, double y) {
    const double left = floor(x), top = floor(y), fx = x - left, fy = y - top;
    return (1 - fy) * ((1 - fx) * pixel(plane, shape, left, top) +
                       fx * pixel(plane, shape, left + 1, top)) +
           fy * ((1 - fx) * pixel(plane, shape, left, top + 1) +
                 fx * pixel(plane, shape, left + 1, top + 1));
}

void ml_filter_warp(const float *filter, iv_image_shape shape, const double t[6], float *out) {
    const double half_x = ((double)shape.width - 1) / 2, half_y = ((double)shape.height - 1) / 2;
    const size_t n_pixels = shape.height * shape.width;
    for (size_t row = 0; row < shape.height; row++)
        for (size_t column = 0; column < shape.width; column++) {
            const double x = half_x > 0 ? (double)column / half_x - 1 : 0;
            const double y = half_y > 0 ? (double)row / half_y - 1 : 0;
            const double to_x = (t[0] * x + t[1] * y + t[2] + 1) * half_x;
            const double to_y = (t[3] * x + t[4] * y + t[5] + 1) * half_y;
            const bool finite = isfinite(to_x) && isfinite(to_y);
            for (size_t plane = 0; plane < shape.planes; plane++)
                out[plane * n_pixels + row * shape.width + column] =
                    finite ? (float)sample(filter + plane * n_pixels, shape, to_x, to_y) : NAN;
        }
}

/* One row or column of n values, `stride` apart. */
static void blur_line(float *line, size_t n, size_t stride, const double *weights, size_t radius,
                      double *copy) {
    for (size_t i = 0; i < n; i++) copy[i] = (double)line[i * stride];
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t k = 0; k <= 2 * radius; k++)
            if (i + k >= radius && i + k - radius < n) sum += weights[k] * copy[i + k - radius];
        line[i * stride] = (float)sum;
    }
}

void ml_filter_blur(float *filter, iv_image_shape shape, double sigma) {
    enum { LARGEST = 64 };
    double weights[2 * LARGEST + 1], copy[4096], sum = 0;
    if (!(sigma > 0) || shape.width > 4096 || shape.height > 4096) return;
    const double reach = ceil(6 * sigma); /* beyond it a weight is below 2e-8 of the largest */
    const size_t radius = reach < LARGEST ? (size_t)reach : LARGEST;
    for (size_t k = 0; k <= 2 * radius; k++) {
        const double distance = ((double)k - (double)radius) / sigma;
        sum += weights[k] = exp(-0.5 * distance * distance);
    }
    for (size_t k = 0; k <= 2 * radius; k++) weights[k] /= sum;
    for (size_t plane = 0; plane < shape.planes; plane++) {
        float *first = filter + plane * shape.height * shape.width;
        for (size_t row = 0; row < shape.height; row++)
            blur_line(first + row * shape.width, shape.width, 1, weights, radius, copy);
        for (size_t column = 0; column < shape.width; column++)
            blur_line(first + column, shape.height, shape.width, weights, radius, copy);
    }
}

/* ------------------------------------------------------------------ transformations */

static bool rotates_only(const iv_member *member) {
    return strcmp(iv_spec_string(member->run->config, "run.invariance"), "rotation") == 0;
}

/* t [COLUMNS][6]; labels: angles in degrees, of rotations. */
static void transformations(const iv_member *member, const float eta[IV_N_GENERATORS],
                            double t[COLUMNS][6], char labels[COLUMNS][LABEL]) {
    for (uint32_t s = 0; s < COLUMNS; s++) {
        uint32_t words[8];
        double a[IV_N_GENERATORS];
        iv_philox(member->seed, IV_STREAM_EVALUATION, 0, 2 * s, words);
        iv_philox(member->seed, IV_STREAM_EVALUATION, 0, 2 * s + 1, words + 4);
        bool finite = true;
        for (size_t i = 0; i < IV_N_GENERATORS; i++) {
            const double eps = rotates_only(member) ? 2.0 * s / (COLUMNS - 1) - 1
                                                    : (double)iv_uniform_symmetric(words[i]);
            a[i] = eps * (double)eta[i];
            finite &= (bool)isfinite(a[i]);
        }
        labels[s][0] = '\0';
        if (rotates_only(member))
            snprintf(labels[s], LABEL, a[ML_ROTATION] == 0 ? "%.0f" : "%+.0f",
                     57.29577951308232 * a[ML_ROTATION]);
        if (finite)
            iv_affine_exponential(a, t[s]);
        else
            for (size_t i = 0; i < 6; i++) t[s][i] = NAN;
    }
}

/* One filter under every transformation -> out [COLUMNS, D]. */
static void draw_bank(const iv_population *p, float *filter, double t[COLUMNS][6], float *out) {
    const ml_setting *s = ml_setting_of(p);
    ml_filter_blur(filter, s->images.shape, (double)s->blur);
    for (size_t k = 0; k < COLUMNS; k++)
        ml_filter_warp(filter, s->images.shape, t[k], out + k * ml_columns(s));
}

/* ------------------------------------------------------------------ filters */

/* Squared size of what a blur leaves of a filter: noise, which every filter begins as, goes. */
static double structure(const float *filter, const iv_population *p, float *copy) {
    const ml_setting *s = ml_setting_of(p);
    const size_t columns = ml_columns(s);
    double sum = 0;
    memcpy(copy, filter, columns * sizeof *copy);
    ml_filter_blur(copy, s->images.shape, 1);
    for (size_t j = 0; j < columns; j++) sum += (double)copy[j] * (double)copy[j];
    return isfinite(sum) ? sum : 0;
}

/* Which of n filters [n, D] have the most structure, most first; the first of equals first. */
static iv_status choose_filters(const iv_experiment *x, const iv_population *p,
                                const float *filters, size_t n, size_t *chosen, size_t n_chosen) {
    const ml_setting *s = ml_setting_of(p);
    float *copy = malloc(ml_columns(s) * sizeof *copy);
    double *values = malloc(n * sizeof *values);
    const iv_status status = copy && values ? IV_OK : iv_no_memory(x->context);
    for (size_t i = 0; i < n && status == IV_OK; i++)
        values[i] = structure(filters + i * ml_columns(s), p, copy);
    for (size_t k = 0; k < n_chosen && status == IV_OK; k++) {
        size_t found = 0;
        for (size_t i = 1; i < n; i++)
            if (values[i] > values[found]) found = i;
        chosen[k] = found;
        values[found] = -1;
    }
    free(copy);
    free(values);
    return status;
}

static iv_status read_filters(const ml_model *m, size_t r, size_t n, float *filters) {
    const iv_view view = iv_parameters_view(m->base.parameters, ML_WEIGHT);
    return iv_buffer_read(m->base.context, view.buffer,
                          (view.offset + r * view.stride) * sizeof *filters,
                          n * ml_columns(m->setting) * sizeof *filters, filters);
}

static iv_status write_grid(const iv_experiment *x, const iv_image_grid *grid, const char *figure,
                            const char *run) {
    char name[IV_FIGURE_NAME], file[IV_FIGURE_NAME + 16];
    iv_figure_name(figure, run, name);
    snprintf(file, sizeof file, "figures/%s.png", name);
    char *path = iv_run_dir_file(x->job->dir, file);
    const iv_status status = path ? iv_image_grid_write(grid, path, iv_context_error(x->context))
                                  : iv_no_memory(x->context);
    free(path);
    return status;
}

/* ------------------------------------------------------------------ after training */

static iv_status draw_end(const iv_experiment *x, const ml_model *model, size_t r,
                          const float eta[IV_N_GENERATORS]) {
    const iv_population *p = model->base.population;
    const ml_setting *s = ml_setting_of(p);
    const iv_member *member = &p->members[r];
    const size_t columns = ml_columns(s), rows = s->hidden < AT_END ? s->hidden : AT_END;
    double t[COLUMNS][6];
    char column_labels[COLUMNS][LABEL], row_labels[AT_END][LABEL];
    const char *column_texts[COLUMNS], *row_texts[AT_END];
    size_t chosen[AT_END];
    float *filters = malloc(s->hidden * columns * sizeof *filters);
    float *images = malloc(rows * COLUMNS * columns * sizeof *images);
    iv_status status =
        filters && images ? read_filters(model, r, s->hidden, filters) : iv_no_memory(x->context);
    if (status != IV_OK) goto done;

    transformations(member, eta, t, column_labels);
    status = choose_filters(x, p, filters, s->hidden, chosen, rows);
    if (status != IV_OK) goto done;
    for (size_t k = 0; k < COLUMNS; k++) column_texts[k] = column_labels[k];
    for (size_t k = 0; k < rows; k++) {
        draw_bank(p, filters + chosen[k] * columns, t, images + k * COLUMNS * columns);
        snprintf(row_labels[k], LABEL, "unit %zu", chosen[k]);
        row_texts[k] = row_labels[k];
    }
    const iv_image_grid grid = {.images = images,
                                .rows = rows,
                                .columns = COLUMNS,
                                .planes = s->images.shape.planes,
                                .height = s->images.shape.height,
                                .width = s->images.shape.width,
                                .is_signed = true,
                                .row_labels = row_texts,
                                .column_labels = rotates_only(member) ? column_texts : NULL};
    status = write_grid(x, &grid, "filters", member->run->name);
done:
    free(filters);
    free(images);
    return status;
}

/* ------------------------------------------------------------------ through training */

static size_t n_kept(const iv_population *p) {
    const ml_setting *s = ml_setting_of(p);
    return s->hidden < KEPT ? s->hidden : KEPT;
}

/* The step of a moment: at (i / (MOMENTS - 1))^2 of the training, at a point of the curves. */
static size_t moment_step(const iv_population *p, size_t i) {
    const size_t steps = iv_population_steps(p), every = iv_population_point_steps(p);
    const size_t last = MOMENTS - 1;
    if (i == last) return steps;
    return (steps / every) * i * i / (last * last) * every;
}

static char *snapshot_path(const iv_experiment *x, const iv_member *member, size_t step) {
    char what[256], name[IV_FIGURE_NAME], file[IV_FIGURE_NAME + 32];
    snprintf(what, sizeof what, "%.150s-seed%" PRIu32 "-step%zu", member->run->name, member->seed,
             step);
    iv_figure_name("filters", what, name);
    snprintf(file, sizeof file, "figures/%s.safetensors", name);
    return iv_run_dir_file(x->job->dir, file);
}

static iv_status keep(const iv_experiment *x, const ml_model *model, size_t r, size_t step) {
    const iv_population *p = model->base.population;
    const ml_setting *s = ml_setting_of(p);
    const size_t n = n_kept(p), columns = ml_columns(s);
    float *filters = malloc(n * columns * sizeof *filters);
    float *eta = malloc(p->n_members * IV_N_GENERATORS * sizeof *eta);
    char *path = snapshot_path(x, &p->members[r], step);
    iv_status status =
        filters && eta && path ? read_filters(model, r, n, filters) : iv_no_memory(x->context);
    if (status == IV_OK) status = ml_model_eta(model, eta);
    if (status == IV_OK) {
        const iv_tensor_entry tensors[] = {
            {"hidden.weight", 2, {n, columns}, filters},
            {"eta", 1, {IV_N_GENERATORS}, eta + r * IV_N_GENERATORS},
        };
        status = iv_safetensors_write(path, tensors, 2, NULL, 0, iv_context_error(x->context));
    }
    free(filters);
    free(eta);
    free(path);
    return status;
}

static bool has_filters(const iv_experiment *x, const iv_population *p) {
    const ml_setting *s = ml_setting_of(p);
    return iv_experiment_draws(x, "filters") && !s->sgpr && !s->rings && s->invariant;
}

iv_status ml_snapshot(const iv_experiment *x, const ml_model *model, size_t step) {
    const iv_population *p = model->base.population;
    bool due = false;
    for (size_t i = 0; i < MOMENTS; i++) due |= step == moment_step(p, i);
    if (!due || !has_filters(x, p)) return IV_OK;
    iv_status status = IV_OK;
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++)
        if (iv_experiment_shows(x, &p->members[r])) status = keep(x, model, r, step);
    return status;
}

/* What was kept, moment by moment: files of the moments there were (none after a training that was
 * given up). */
typedef struct {
    iv_safetensors *files[MOMENTS];
    size_t steps[MOMENTS];
    size_t n;
} history;

static const float *tensor_of(const iv_safetensors *file, const char *name, size_t n) {
    const iv_tensor_entry *entry = iv_safetensors_find(file, name);
    size_t elements = 1;
    for (unsigned i = 0; entry && i < entry->rank; i++) elements *= entry->shape[i];
    return entry && elements == n ? entry->data : NULL;
}

static iv_status open_history(const iv_experiment *x, const iv_population *p, size_t r,
                              history *h) {
    const ml_setting *s = ml_setting_of(p);
    const size_t n_values = n_kept(p) * ml_columns(s);
    for (size_t i = 0; i < MOMENTS; i++) {
        const size_t step = moment_step(p, i);
        if (h->n > 0 && h->steps[h->n - 1] == step) continue;
        iv_error *error = iv_context_error(x->context);
        iv_safetensors *file = NULL;
        bool exists = false;
        char *path = snapshot_path(x, &p->members[r], step);
        iv_status status = path ? iv_path_exists(path, &exists, error) : iv_no_memory(x->context);
        if (status == IV_OK && exists) status = iv_safetensors_open(path, &file, error);
        if (file && (!tensor_of(file, "hidden.weight", n_values) ||
                     !tensor_of(file, "eta", IV_N_GENERATORS)))
            status = iv_fail(error, IV_EDATA, "%s: not the filters of this run", path);
        free(path);
        if (status != IV_OK) {
            iv_safetensors_close(file);
            return status;
        }
        if (!file) continue;
        h->files[h->n] = file;
        h->steps[h->n++] = step;
    }
    return IV_OK;
}

static iv_status draw_history(const iv_experiment *x, const iv_population *p, size_t r,
                              const history *h) {
    const ml_setting *s = ml_setting_of(p);
    const size_t columns = ml_columns(s), n = n_kept(p), width = TRACKED * COLUMNS;
    const size_t tracked = n < TRACKED ? n : TRACKED;
    char row_labels[MOMENTS][LABEL], column_labels[COLUMNS][LABEL];
    const char *row_texts[MOMENTS];
    size_t chosen[TRACKED] = {0};
    float *images = calloc(h->n * width * columns, sizeof *images);
    float *filter = malloc(columns * sizeof *filter);
    iv_status status = images && filter ? IV_OK : iv_no_memory(x->context);
    if (status != IV_OK) goto done;

    status = choose_filters(x, p, tensor_of(h->files[h->n - 1], "hidden.weight", n * columns), n,
                            chosen, tracked);
    if (status != IV_OK) goto done;
    for (size_t i = 0; i < h->n; i++) {
        const float *filters = tensor_of(h->files[i], "hidden.weight", n * columns);
        const float *eta = tensor_of(h->files[i], "eta", IV_N_GENERATORS);
        double t[COLUMNS][6];
        transformations(&p->members[r], eta, t, column_labels);
        for (size_t k = 0; k < tracked; k++) {
            memcpy(filter, filters + chosen[k] * columns, columns * sizeof *filter);
            draw_bank(p, filter, t, images + (i * width + k * COLUMNS) * columns);
        }
        size_t length = (size_t)snprintf(row_labels[i], LABEL, "step %zu", h->steps[i]);
        if (rotates_only(&p->members[r]) && length < LABEL)
            snprintf(row_labels[i] + length, LABEL - length, ": %.0f deg",
                     ml_degrees((double)eta[ML_ROTATION]));
        row_texts[i] = row_labels[i];
    }
    const iv_image_grid grid = {.images = images,
                                .rows = h->n,
                                .columns = width,
                                .planes = s->images.shape.planes,
                                .height = s->images.shape.height,
                                .width = s->images.shape.width,
                                .is_signed = true,
                                .row_labels = row_texts};
    status = write_grid(x, &grid, "filters-training", p->members[r].run->name);
done:
    free(images);
    free(filter);
    return status;
}

static iv_status draw_training(const iv_experiment *x, const iv_population *p, size_t r) {
    history h = {.n = 0};
    iv_status status = open_history(x, p, r, &h);
    if (status == IV_OK && h.n > 0) status = draw_history(x, p, r, &h);
    for (size_t i = 0; i < h.n; i++) iv_safetensors_close(h.files[i]);
    return status;
}

iv_status ml_filters_draw(const iv_experiment *x, const ml_model *model) {
    const iv_population *p = model->base.population;
    if (!has_filters(x, p)) return IV_OK;
    float *eta = malloc(p->n_members * IV_N_GENERATORS * sizeof *eta);
    iv_status status = eta ? ml_model_eta(model, eta) : iv_no_memory(x->context);
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++) {
        if (!iv_experiment_shows(x, &p->members[r])) continue;
        status = draw_end(x, model, r, eta + r * IV_N_GENERATORS);
        if (status == IV_OK) status = draw_training(x, p, r);
    }
    free(eta);
    return status;
}
