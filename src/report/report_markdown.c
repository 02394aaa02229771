/* report.md */
#include "report/report.h"

#include <stdlib.h>
#include <string.h>

/* A fence longer than any in the text. */
static void add_code(iv_text *text, const char *code) {
    size_t longest = 2, run = 0;
    for (const char *s = code; *s; s++) {
        run = *s == '`' ? run + 1 : 0;
        if (run > longest) longest = run;
    }
    for (size_t i = 0; i <= longest; i++) iv_text_add(text, "`");
    iv_text_add(text, "yaml\n");
    iv_text_add(text, code);
    if (*code && code[strlen(code) - 1] != '\n') iv_text_add(text, "\n");
    for (size_t i = 0; i <= longest; i++) iv_text_add(text, "`");
    iv_text_add(text, "\n");
}

static void add_claims(iv_text *text, const iv_results *results) {
    if (results->n_claims == 0) return;
    iv_text_add(text, "\n## Claims\n\n| Claim | Holds | Evidence |\n| --- | --- | --- |\n");
    for (size_t i = 0; i < results->n_claims; i++) {
        const iv_claim *claim = &results->claims[i];
        iv_text_add(text, "| ");
        iv_text_markdown(text, claim->claim);
        iv_text_format(text, " | %s | ", claim->holds ? "yes" : "**no**");
        iv_text_markdown(text, claim->evidence);
        iv_text_add(text, " |\n");
    }
}

/* Of a path, for the inside of < and >. */
static void add_destination(iv_text *text, const char *path) {
    for (const char *s = path; *s; s++)
        iv_text_format(text, strchr("<>\\%\r\n", *s) ? "%%%02X" : "%c", (unsigned char)*s);
}

static void add_figures(iv_text *text, const iv_report_section *section) {
    if (section->n_figures) iv_text_add(text, "\n## Figures\n");
    for (size_t i = 0; i < section->n_figures; i++) {
        const iv_report_figure *figure = &section->figures[i];
        iv_text_add(text, "\n");
        if (iv_report_has_picture(figure)) {
            /* Angle brackets allow spaces in the path. */
            iv_text_add(text, "![");
            iv_text_markdown(text, figure->caption);
            iv_text_add(text, "](<");
            add_destination(text, section->link);
            iv_text_add(text, "figures/");
            add_destination(text, figure->name);
            iv_text_format(text, ".%s>)\n", figure->has_svg ? "svg" : "png");
        } else {
            iv_text_markdown(text, figure->name);
            iv_text_add(text, ". ");
            iv_text_markdown(text, figure->remedy);
            iv_text_add(text, "\n");
        }
    }
}

static iv_status add_facts(iv_text *text, const iv_report_section *section, iv_error *error) {
    iv_report_fact facts[IV_REPORT_N_FACTS];
    size_t n;
    iv_status status = iv_report_facts(section, facts, &n, error);
    for (size_t i = 0; i < n; i++) {
        iv_text_format(text, "- %s: ", facts[i].label);
        iv_text_markdown(text, facts[i].value);
        iv_text_add(text, "\n");
        free(facts[i].value);
    }
    return status;
}

iv_status iv_report_add_markdown(iv_text *text, const iv_report_section *sections, size_t n,
                                 iv_error *error) {
    iv_status status = IV_OK;
    for (size_t i = 0; status == IV_OK && i < n; i++) {
        const iv_report_section *section = &sections[i];
        iv_text_add(text, i ? "\n# " : "# ");
        iv_text_markdown(text, section->run.name ? section->run.name : section->dir);
        iv_text_add(text, "\n\n");
        status = add_facts(text, section, error);

        if (section->tables.n)
            iv_text_format(text, "\n## Results\n\n%s\n", iv_report_note(section));
        for (size_t t = 0; t < section->tables.n; t++) {
            iv_text_add(text, "\n");
            iv_table_render(&section->tables.tables[t], IV_TABLE_MARKDOWN, text);
        }
        add_claims(text, &section->results);
        add_figures(text, section);
        if (section->spec) {
            iv_text_add(text, "\n## Spec\n\n");
            add_code(text, section->spec);
        }
    }
    return status;
}
