/* What a report is made of, gathered before any format is written. */
#ifndef INVAR_REPORT_REPORT_H
#define INVAR_REPORT_REPORT_H

#include "report/run_json.h"
#include "report/table.h"
#include "runtime/text_builder.h"

#include <invar/report.h>

typedef struct {
    char *name; /* without extension */
    bool has_script, has_svg, has_png;
    char *caption; /* one sentence on what it shows */
    char *remedy;  /* NULL if it has a picture; else one sentence with the command that draws it */
} iv_report_figure;

/* One run directory. */
typedef struct {
    char *dir;
    char *link; /* how OUT_DIR/report.md reaches it: "" or "/absolute/dir/" */
    iv_run_json run;
    iv_results results;
    iv_table_list tables;
    char *spec; /* NULL if there is no spec.yaml */
    iv_report_figure *figures;
    size_t n_figures;
} iv_report_section;

/* One line on a run's conditions, e.g. {"device", "..."}; value is freed by the caller. */
typedef struct {
    const char *label;
    char *value;
} iv_report_fact;

enum { IV_REPORT_N_FACTS = 11 };

/* Version, device, driver, host, seeds, start, time, status, runs: only those that are known. */
iv_status iv_report_facts(const iv_report_section *section, iv_report_fact facts[IV_REPORT_N_FACTS],
                          size_t *n, iv_error *error);

/* List the figures of a run directory by name. Scripts are read for their titles and never run: the
 * directory may come from somebody else. */
iv_status iv_report_gather_figures(iv_report_section *section, iv_error *error);
void iv_report_free_figures(iv_report_section *section);
bool iv_report_has_picture(const iv_report_figure *figure);

/* One or two sentences on how the numbers in the tables are to be read. */
const char *iv_report_note(const iv_report_section *section);

iv_status iv_report_add_markdown(iv_text *text, const iv_report_section *sections, size_t n,
                                 iv_error *error);

/* The whole page. Reads the figures' pictures. */
iv_status iv_report_add_html(iv_text *text, const iv_report_section *sections, size_t n,
                             iv_error *error);

#endif
