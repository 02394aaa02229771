/* report.html: one page with everything in it. */
#include "report/page.h"
#include "report/report.h"

#include <stdlib.h>

static const char *title_of(const iv_report_section *section) {
    return section->run.name ? section->run.name : section->dir;
}

static iv_status add_facts(iv_text *text, const iv_report_section *section, iv_error *error) {
    iv_report_fact facts[IV_REPORT_N_FACTS];
    size_t n;
    iv_status status = iv_report_facts(section, facts, &n, error);
    iv_text_add(text, "<dl>\n");
    for (size_t i = 0; i < n; i++) {
        iv_page_fact(text, facts[i].label, facts[i].value);
        free(facts[i].value);
    }
    iv_text_add(text, "</dl>\n");
    return status;
}

static void add_tables(iv_text *text, const iv_report_section *section) {
    if (section->tables.n == 0) return;
    iv_page_element(text, "<h2>Results</h2>\n<p class=\"note\">", iv_report_note(section),
                    "</p>\n");
    for (size_t t = 0; t < section->tables.n; t++) {
        iv_page_open_box(text, section->tables.tables[t].title);
        iv_table_render(&section->tables.tables[t], IV_TABLE_HTML, text);
        iv_text_add(text, "</div>\n");
    }
}

static void add_claims(iv_text *text, const iv_results *results) {
    if (results->n_claims == 0) return;
    iv_text_add(text, "<h2>Claims</h2>\n");
    iv_page_open_box(text, "Claims");
    iv_text_add(text, "<table class=\"claims\">\n<thead><tr>"
                      "<th scope=\"col\">Claim</th><th scope=\"col\">Holds</th>"
                      "<th scope=\"col\">Evidence</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < results->n_claims; i++) {
        const iv_claim *claim = &results->claims[i];
        iv_page_element(text, "<tr><td>", claim->claim, "</td>");
        iv_text_add(text, claim->holds ? "<td class=\"yes\">yes</td>" : "<td class=\"no\">no</td>");
        iv_page_element(text, "<td>", claim->evidence, "</td></tr>\n");
    }
    iv_text_add(text, "</tbody>\n</table></div>\n");
}

static iv_status add_picture(iv_text *text, const iv_report_section *section,
                             const iv_report_figure *figure, iv_error *error) {
    iv_text path = {0};
    iv_text_format(&path, "%s/figures/%s.%s", section->dir, figure->name,
                   figure->has_svg ? "svg" : "png");
    /* A picture without a plot is an image grid: its pixels are not to be blurred. */
    const iv_status status =
        path.failed
            ? iv_fail(error, IV_ENOMEM, "out of memory while writing a report")
            : iv_page_add_picture(text, path.data, figure->caption, !figure->has_svg, error);
    iv_text_free(&path);
    return status;
}

static iv_status add_figures(iv_text *text, const iv_report_section *section, iv_error *error) {
    iv_status status = IV_OK;
    if (section->n_figures) iv_text_add(text, "<h2>Figures</h2>\n");
    for (size_t i = 0; status == IV_OK && i < section->n_figures; i++) {
        const iv_report_figure *figure = &section->figures[i];
        iv_text_add(text, "<figure>\n");
        if (iv_report_has_picture(figure)) status = add_picture(text, section, figure, error);
        iv_page_element(text, "<figcaption>", figure->name, "");
        if (figure->remedy) iv_page_element(text, ". ", figure->remedy, "");
        iv_text_add(text, "</figcaption>\n</figure>\n");
    }
    return status;
}

iv_status iv_report_add_html(iv_text *text, const iv_report_section *sections, size_t n,
                             iv_error *error) {
    iv_status status = IV_OK;
    iv_page_begin(text, n == 1 ? title_of(&sections[0]) : "Invar report");
    for (size_t i = 0; status == IV_OK && i < n; i++) {
        const iv_report_section *section = &sections[i];
        iv_page_element(text, "<h1>", title_of(section), "</h1>\n");
        status = add_facts(text, section, error);
        add_tables(text, section);
        add_claims(text, &section->results);
        if (status == IV_OK) status = add_figures(text, section, error);
        if (section->spec)
            iv_page_element(text, "<h2>Spec</h2>\n<pre tabindex=\"0\">", section->spec, "</pre>\n");
    }
    iv_page_end(text);
    return status;
}
