/* report.html: one page with everything in it. Pictures are data URIs, so that neither their ids
 * nor anything else in them meets the page. */
#include "report/report.h"

#include "report/file.h"

#include <stdlib.h>

static const char style[] =
    "body{font:16px/1.5 system-ui,sans-serif;color:#222;background:#fff;max-width:84rem;"
    "margin:2rem auto;padding:0 1rem}\n"
    "p,dl,pre,figcaption,.claims{max-width:60rem}\n"
    "h1{font-size:1.7rem;margin:2.5rem 0 .5rem}\n"
    "h2{font-size:1.2rem;margin:2rem 0 .5rem;border-bottom:1px solid #ddd}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;font-size:.9rem}\n"
    "dt{color:#666}dd{margin:0;overflow-wrap:anywhere}\n"
    ".scroll{overflow-x:auto}\n"
    "table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}\n"
    "caption{text-align:left;font-weight:600;padding-bottom:.3rem}\n"
    "th,td{padding:.25rem .9rem .25rem 0;text-align:left;vertical-align:top}\n"
    "thead th{border-bottom:2px solid #444}tbody tr+tr>*{border-top:1px solid #eee}\n"
    "td{white-space:nowrap}.claims td{white-space:normal}\n"
    ".published{display:block;color:#666;font-size:.85em}\n"
    ".yes{color:#00694d}.no{color:#a63c00;font-weight:600}\n"
    "figure{margin:1.5rem 0}figure img{width:100%;max-width:48rem;height:auto}\n"
    "figure img.pixels{width:auto;max-width:100%;image-rendering:pixelated}\n"
    "figcaption,.note{color:#666;font-size:.9rem}\n"
    "pre{background:#f6f6f6;padding:1rem;overflow-x:auto;font-size:.85rem}\n"
    /* Paper does not scroll: nothing may stick out of the page. */
    "@media print{body{max-width:none;margin:0}.scroll,pre{overflow:visible}\n"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere}table{font-size:.8rem}\n"
    "td,th{white-space:normal;padding-right:.5rem}figure,tr{break-inside:avoid}}\n";

/* A box that scrolls sideways if it must is reached by the keyboard too. */
static void open_scroll_box(iv_text *text, const char *label) {
    iv_text_add(text, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"");
    iv_text_html(text, label && *label ? label : "Results");
    iv_text_add(text, "\">");
}

static void add_element(iv_text *text, const char *open, const char *content, const char *close) {
    iv_text_add(text, open);
    iv_text_html(text, content);
    iv_text_add(text, close);
}

static const char *title_of(const iv_report_section *section) {
    return section->run.name ? section->run.name : section->dir;
}

static iv_status add_facts(iv_text *text, const iv_report_section *section, iv_error *error) {
    iv_report_fact facts[IV_REPORT_N_FACTS];
    size_t n;
    iv_status status = iv_report_facts(section, facts, &n, error);
    iv_text_add(text, "<dl>\n");
    for (size_t i = 0; i < n; i++) {
        add_element(text, "<dt>", facts[i].label, "</dt>");
        add_element(text, "<dd>", facts[i].value, "</dd>\n");
        free(facts[i].value);
    }
    iv_text_add(text, "</dl>\n");
    return status;
}

static void add_tables(iv_text *text, const iv_report_section *section) {
    if (section->tables.n == 0) return;
    add_element(text, "<h2>Results</h2>\n<p class=\"note\">", iv_report_note(section), "</p>\n");
    for (size_t t = 0; t < section->tables.n; t++) {
        open_scroll_box(text, section->tables.tables[t].title);
        iv_table_render(&section->tables.tables[t], IV_TABLE_HTML, text);
        iv_text_add(text, "</div>\n");
    }
}

static void add_claims(iv_text *text, const iv_results *results) {
    if (results->n_claims == 0) return;
    iv_text_add(text, "<h2>Claims</h2>\n");
    open_scroll_box(text, "Claims");
    iv_text_add(text, "<table class=\"claims\">\n<thead><tr>"
                      "<th scope=\"col\">Claim</th><th scope=\"col\">Holds</th>"
                      "<th scope=\"col\">Evidence</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < results->n_claims; i++) {
        const iv_claim *claim = &results->claims[i];
        add_element(text, "<tr><td>", claim->claim, "</td>");
        iv_text_add(text, claim->holds ? "<td class=\"yes\">yes</td>" : "<td class=\"no\">no</td>");
        add_element(text, "<td>", claim->evidence, "</td></tr>\n");
    }
    iv_text_add(text, "</tbody>\n</table></div>\n");
}

static iv_status add_picture(iv_text *text, const iv_report_section *section,
                             const iv_report_figure *figure, iv_error *error) {
    char *bytes = NULL;
    size_t n = 0;
    iv_text path = {0};
    iv_text_format(&path, "%s/figures/%s.%s", section->dir, figure->name,
                   figure->has_svg ? "svg" : "png");
    iv_status status = path.failed
                           ? iv_fail(error, IV_ENOMEM, "out of memory while writing a report")
                           : iv_file_read(path.data, &bytes, &n, error);
    if (status == IV_OK) {
        /* A picture without a plot is an image grid: its pixels are not to be blurred. */
        add_element(text, figure->has_svg ? "<img alt=\"" : "<img class=\"pixels\" alt=\"",
                    figure->caption, "\" src=\"data:image/");
        iv_text_add(text, figure->has_svg ? "svg+xml;base64," : "png;base64,");
        iv_text_base64(text, (const unsigned char *)bytes, n);
        iv_text_add(text, "\">\n");
    }
    free(bytes);
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
        add_element(text, "<figcaption>", figure->name, "");
        if (figure->remedy) add_element(text, ". ", figure->remedy, "");
        iv_text_add(text, "</figcaption>\n</figure>\n");
    }
    return status;
}

iv_status iv_report_add_html(iv_text *text, const iv_report_section *sections, size_t n,
                             iv_error *error) {
    iv_status status = IV_OK;
    iv_text_add(text, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    add_element(text, "<title>", n == 1 ? title_of(&sections[0]) : "Invar report", "</title>\n");
    iv_text_format(text, "<style>\n%s</style>\n</head>\n<body>\n", style);
    for (size_t i = 0; status == IV_OK && i < n; i++) {
        const iv_report_section *section = &sections[i];
        add_element(text, "<h1>", title_of(section), "</h1>\n");
        status = add_facts(text, section, error);
        add_tables(text, section);
        add_claims(text, &section->results);
        if (status == IV_OK) status = add_figures(text, section, error);
        if (section->spec)
            add_element(text, "<h2>Spec</h2>\n<pre tabindex=\"0\">", section->spec, "</pre>\n");
    }
    iv_text_add(text, "</body>\n</html>\n");
    return status;
}
