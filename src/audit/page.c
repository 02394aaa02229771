/* report.html: what was asked, what each network does in words, the table, curves, and pictures of
 * the images whose predictions change most. */
#include "audit/audit.h"

#include "report/page.h"
#include "report/table.h"
#include "runtime/numeric.h"

#include <invar/report.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static iv_status no_memory(iv_error *error) {
    return iv_fail(error, IV_ENOMEM, "out of memory while writing a report");
}

/* ------------------------------------------------------------------ facts and tables */

static void add_fact(iv_text *page, const char *label, iv_text *value) {
    if (value->data) iv_page_fact(page, label, value->data);
    page->failed |= value->failed;
    iv_text_free(value);
}

static void add_facts(iv_text *page, const iv_audit *audit) {
    iv_text value = {0};
    iv_text_add(page, "<dl>\n");
    iv_text_format(&value, "%zu of %s, %zu x %zu%s, %zu classes", audit->n_images, audit->data,
                   audit->shape.height, audit->shape.width,
                   audit->shape.planes == 3 ? " in colour" : "", audit->n_classes);
    add_fact(page, "Images", &value);
    iv_text_format(&value, "%s, %zu elements", audit->group, audit->n_elements);
    add_fact(page, "Group", &value);
    iv_text_format(&value, "%zu", audit->n_models);
    add_fact(page, "Networks", &value);
    iv_text_format(&value, "95%% over images, from %zu resamples", audit->n_resamples);
    add_fact(page, "Intervals", &value);
    iv_page_fact(page, "Invar", iv_version());
    iv_text_add(page, "</dl>\n");
}

/* Strings of a table by line and column; they are pointers into what outlives it. */
static void add_table(iv_text *page, const char *label, size_t n_lines, size_t n_columns,
                      char **strings) {
    const iv_table table = {.n_lines = n_lines, .n_columns = n_columns, .strings = strings};
    iv_page_open_box(page, label);
    iv_table_render(&table, IV_TABLE_HTML, page);
    iv_text_add(page, "</div>\n");
}

/* The metrics of all networks side by side; then what changes under each element. */
static iv_status add_tables(iv_text *page, const iv_audit *audit, iv_error *error) {
    enum { N = 1 + IV_AUDIT_SPECTRUM };
    const size_t n_lines = audit->n_models + 1, n_elements = audit->n_elements;
    const size_t n_columns = n_elements > N ? n_elements : N, n = n_lines * n_columns;
    char(*cells)[AUDIT_CELL] = calloc(n, sizeof *cells), **strings = calloc(n, sizeof *strings);
    if (!cells || !strings) {
        free(cells);
        free(strings);
        return no_memory(error);
    }
    for (size_t i = 0; i < n_lines; i++)
        for (size_t c = 0; c < N; c++) {
            char *cell = strings[i * N + c] = cells[i * N + c];
            const iv_audit_metric metric = (iv_audit_metric)(c - 1);
            if (i == 0 && c > 0)
                snprintf(cell, AUDIT_CELL, "%s", iv_audit_metric_get(metric)->label);
            if (i > 0 && c > 0) audit_format_interval(cell, &audit->models[i - 1], metric);
            if (i > 0 && c == 0) strings[i * N] = audit->models[i - 1].name;
        }
    iv_text_add(page, "<h2>Metrics</h2>\n");
    add_table(page, "Metrics", n_lines, N, strings);

    for (size_t g = 0; g < n_elements; g++) strings[g] = g == 0 ? (char *)"" : audit->elements[g];
    for (size_t i = 1; i < n_lines; i++)
        for (size_t g = 0; g < n_elements; g++) {
            const iv_audit_model *model = &audit->models[i - 1];
            char *cell = cells[i * n_elements + g];
            audit_format(cell, model->all[IV_AUDIT_CHANGES][g].value, IV_AUDIT_CHANGES);
            strings[i * n_elements + g] = g == 0 ? model->name : cell;
        }
    iv_text_add(page,
                "<h2>Predictions that change</h2>\n<p class=\"note\">Percent of the images "
                "whose predicted class under an element is not that of the image itself.</p>\n");
    add_table(page, "Predictions that change", n_lines, n_elements, strings);
    free(cells);
    free(strings);
    return IV_OK;
}

/* The largest singular values of the Jacobians, of networks whose Jacobians were taken. */
static void add_spectra(iv_text *page, const iv_audit *audit) {
    enum { MOST = 10 };
    size_t most = 0;
    for (size_t i = 0; i < audit->n_models; i++) {
        const iv_audit_model *model = &audit->models[i];
        const size_t n = model->n_images[IV_AUDIT_SPECTRUM] ? model->width[IV_AUDIT_SPECTRUM] : 0;
        if (n > most) most = n < MOST ? n : MOST;
    }
    if (most == 0) return;
    iv_text_add(page, "<h2>Singular values of the Jacobian</h2>\n");
    iv_page_open_box(page, "Singular values");
    iv_text_add(page, "<table>\n<thead><tr><th scope=\"col\"></th>");
    for (size_t k = 0; k < most; k++) iv_text_format(page, "<th scope=\"col\">%zu</th>", k + 1);
    iv_text_add(page, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < audit->n_models; i++) {
        const iv_audit_model *model = &audit->models[i];
        if (model->n_images[IV_AUDIT_SPECTRUM] == 0) continue;
        iv_page_element(page, "<tr><th scope=\"row\">", model->name, "</th>");
        for (size_t k = 0; k < most && k < model->width[IV_AUDIT_SPECTRUM]; k++)
            iv_text_format(page, "<td>%.3g</td>", model->all[IV_AUDIT_SPECTRUM][k].value);
        iv_text_add(page, "</tr>\n");
    }
    iv_text_add(page, "</tbody>\n</table>\n</div>\n");
}

/* ------------------------------------------------------------------ directions and curves */

static void add_directions(iv_text *page, const iv_audit_model *model) {
    if (!model->directions) return;
    iv_page_element(page, "<h3>Directions of ", model->name, "</h3>\n");
    iv_page_open_box(page, "Directions");
    iv_text_add(page, "<table>\n<thead><tr><th scope=\"col\">Sensitivity</th>");
    for (size_t g = 0; g < IV_N_GENERATORS; g++)
        iv_page_element(page, "<th scope=\"col\">", iv_generator_name((iv_generator)g), "</th>");
    iv_text_add(page, "</tr></thead>\n<tbody>\n");
    for (size_t k = 0; k < IV_N_GENERATORS; k++) {
        iv_text_format(page, "<tr><th scope=\"row\">%.3g</th>", model->directions[k].sensitivity);
        for (size_t g = 0; g < IV_N_GENERATORS; g++)
            iv_text_format(page, "<td>%+.2f</td>", model->directions[k].generators[g]);
        iv_text_add(page, "</tr>\n");
    }
    iv_text_add(page, "</tbody>\n</table>\n</div>\n");
}

static iv_status add_curves(iv_text *page, const iv_audit *audit, const char *figures,
                            iv_error *error) {
    const char *name;
    iv_status status = IV_OK;
    if (audit->n_curves > 0)
        iv_text_add(page,
                    "<h2>Curves</h2>\n<p class=\"note\">Solid: images transformed by more and "
                    "more. Dashed: transformed and transformed back, which is what resampling "
                    "alone does. Only what lies beyond the dashed line is a lack of "
                    "invariance.</p>\n");
    for (size_t i = 0; i < audit->n_curves; i++)
        for (size_t c = 0; (name = audit_curve_number(c)) && status == IV_OK; c++) {
            const char *kind = iv_curve_get(audit->curves[i].kind)->name;
            char file[64], alt[128], *path = NULL;
            struct stat about;
            snprintf(file, sizeof file, "%s-%s.svg", kind, name);
            snprintf(alt, sizeof alt, "%s by %s", name, kind);
            status = audit_path(figures, file, SIZE_MAX, &path, error);
            iv_text_add(page, "<figure>\n");
            if (status == IV_OK && stat(path, &about) == 0)
                status = iv_page_add_picture(page, path, alt, false, error);
            else if (status == IV_OK)
                iv_text_format(page,
                               "<p class=\"note\">Not drawn: <code>gnuplot %s-%s.gp</code> in "
                               "figures/ draws it.</p>\n",
                               kind, name);
            iv_page_element(page, "<figcaption>", alt, "</figcaption>\n</figure>\n");
            free(path);
        }
    return status;
}

/* ------------------------------------------------------------------ the worst images */

enum { LABEL = 16, PICTURE = 84, MOST_SIDE = 1000 }; /* characters; pixels of a side */

/* Write a row of pictures [n, planes, height, width] and put it on the page. */
static iv_status add_row(iv_text *page, const iv_audit *audit, const iv_audit_worst *worst,
                         bool saliency, const char *const *labels, const char *alt,
                         const char *path, iv_error *error) {
    const iv_image_shape shape = audit->shape;
    const size_t side = shape.height > shape.width ? shape.height : shape.width;
    if ((shape.planes != 1 && shape.planes != 3) || side > MOST_SIDE) return IV_OK;
    const iv_image_grid grid = {.images = saliency ? worst->saliency : worst->pixels,
                                .rows = 1,
                                .columns = worst->n_shown,
                                .height = shape.height,
                                .width = shape.width,
                                .planes = shape.planes,
                                .is_signed = saliency,
                                .zoom = side < PICTURE ? (unsigned)(PICTURE / side) : 1,
                                .column_labels = labels};
    const iv_status status = iv_image_grid_write(&grid, path, error);
    return status == IV_OK ? iv_page_add_picture(page, path, alt, true, error) : status;
}

static void add_caption(iv_text *page, const iv_audit *audit, const iv_audit_model *model,
                        const iv_audit_worst *worst) {
    iv_text_format(page, "<figcaption>Image %zu, of class %zu, DI %.3g.", worst->image,
                   worst->label, (double)worst->di);
    for (size_t k = 0; k < worst->n_shown; k++) {
        const float *logits = worst->logits + worst->shown[k] * model->n_outputs;
        iv_text_add(page, k == 0 ? " It is taken for " : ", ");
        iv_text_format(page, "%zu (%.1f%%) ", audit_predicted(logits, model->n_outputs),
                       100 * audit_probability(logits, model->n_outputs));
        iv_text_html(page, audit->elements[worst->shown[k]]);
    }
    iv_text_add(page, ".</figcaption>\n");
}

static iv_status add_image(iv_text *page, const iv_audit *audit, size_t i, size_t k,
                           const char *figures, iv_error *error) {
    const iv_audit_model *model = &audit->models[i];
    const iv_audit_worst *worst = &model->worst[k];
    char labels[IV_AUDIT_MOST_SHOWN][LABEL], alt[80], file[80];
    const char *columns[IV_AUDIT_MOST_SHOWN];
    for (size_t s = 0; s < worst->n_shown; s++) {
        const float *logits = worst->logits + worst->shown[s] * model->n_outputs;
        snprintf(labels[s], LABEL, "%zu %.0f%%", audit_predicted(logits, model->n_outputs) % 100000,
                 100 * audit_probability(logits, model->n_outputs));
        columns[s] = labels[s];
    }
    iv_status status = IV_OK;
    iv_text_add(page, "<figure>\n");
    for (int saliency = 0; saliency < 2 && status == IV_OK; saliency++) {
        char *path = NULL;
        if (!(saliency ? worst->saliency : worst->pixels)) continue;
        snprintf(file, sizeof file, "worst-%zu-%zu%s.png", i + 1, k + 1,
                 saliency ? "-saliency" : "");
        snprintf(alt, sizeof alt, "%s image %zu under %zu elements.",
                 saliency ? "Saliency maps of" : "The orbit of", worst->image, worst->n_shown);
        status = audit_path(figures, file, SIZE_MAX, &path, error);
        if (status == IV_OK)
            status = add_row(page, audit, worst, saliency, columns, alt, path, error);
        free(path);
    }
    add_caption(page, audit, model, worst);
    iv_text_add(page, "</figure>\n");
    return status;
}

static iv_status add_worst(iv_text *page, const iv_audit *audit, size_t i, const char *figures,
                           iv_error *error) {
    const iv_audit_model *model = &audit->models[i];
    iv_status status = IV_OK;
    if (model->n_worst == 0) return IV_OK;
    iv_page_element(page, "<h3>Worst images of ", model->name, "</h3>\n<div class=\"gallery\">\n");
    for (size_t k = 0; k < model->n_worst && status == IV_OK; k++)
        status = add_image(page, audit, i, k, figures, error);
    iv_text_add(page, "</div>\n");
    return status;
}

/* ------------------------------------------------------------------ the page */

static bool has_worst(const iv_audit *audit) {
    for (size_t i = 0; i < audit->n_models; i++)
        if (audit->models[i].n_worst > 0) return true;
    return false;
}

static void add_networks(iv_text *page, const iv_audit *audit) {
    for (size_t i = 0; i < audit->n_models; i++) {
        const iv_audit_model *model = &audit->models[i];
        iv_page_element(page, "<h3>", model->name, "</h3>\n");
        iv_page_element(page, "<p class=\"note\">", model->architecture, "</p>\n");
        audit_add_words(page, audit, model);
        if (*model->notes) iv_page_element(page, "<p class=\"note\">", model->notes, "</p>\n");
    }
}

static iv_status add_page(iv_text *page, const iv_audit *audit, const char *figures,
                          iv_error *error) {
    iv_text title = {0};
    iv_text_format(&title, "Audit on %s under %s", audit->data, audit->group);
    if (title.failed) return no_memory(error);
    iv_page_begin(page, title.data);
    iv_page_element(page, "<h1>", title.data, "</h1>\n");
    iv_text_free(&title);
    add_facts(page, audit);
    iv_text_add(page, "<h2>In words</h2>\n");
    add_networks(page, audit);
    iv_status status = add_tables(page, audit, error);
    add_spectra(page, audit);
    if (status == IV_OK) status = add_curves(page, audit, figures, error);
    if (audit->n_models > 0 && audit->models[0].directions)
        iv_text_add(page, "<h2>Directions of the affine algebra</h2>\n");
    for (size_t i = 0; i < audit->n_models; i++) add_directions(page, &audit->models[i]);
    if (has_worst(audit))
        iv_text_format(
            page,
            "<h2>Worst images</h2>\n<p class=\"note\">The images whose class "
            "distributions move most (DI), with the predicted class and its "
            "probability under each element; below, where that is known, the saliency "
            "maps of the class predicted at the image itself: %s.</p>\n",
            audit->shape.planes == 3
                ? "a colour is lighter than grey where more of it raises the logit of "
                  "that class, darker where it lowers it"
                : "red where a brighter pixel raises the logit of that class, blue where "
                  "it lowers it");
    for (size_t i = 0; i < audit->n_models && status == IV_OK; i++)
        status = add_worst(page, audit, i, figures, error);
    iv_text_add(page, "<h2>What the metrics mean</h2>\n<dl>\n");
    for (size_t m = 0; m < IV_AUDIT_N_METRICS; m++)
        iv_page_fact(page, iv_audit_metric_get((iv_audit_metric)m)->label,
                     iv_audit_metric_get((iv_audit_metric)m)->doc);
    iv_text_add(page, "</dl>\n");
    iv_page_end(page);
    return status;
}

iv_status audit_write_page(const iv_audit *audit, const char *directory, iv_error *error) {
    const iv_numeric numeric = iv_numeric_begin();
    iv_text page = {0};
    char *figures = NULL, *text = NULL;
    iv_status status = audit_path(directory, "figures", SIZE_MAX, &figures, error);
    if (status == IV_OK && has_worst(audit)) status = iv_make_directories(figures, error);
    if (status == IV_OK) status = add_page(&page, audit, figures, error);
    if (status == IV_OK) status = iv_text_take(&page, &text, error);
    if (status == IV_OK) status = audit_write_text(directory, "report.html", text, error);
    iv_text_free(&page);
    free(figures);
    free(text);
    iv_numeric_end(numeric);
    return status;
}
