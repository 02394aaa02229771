/* Gather run directories and write their report. */
#define _XOPEN_SOURCE 700 /* realpath */

#include "report/report.h"

#include "report/file.h"
#include "runtime/open.h"

#include <invar/data.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static iv_status no_memory(iv_error *error) {
    return iv_fail(error, IV_ENOMEM, "out of memory while writing a report");
}

/* ------------------------------------------------------------------ one run directory */

static void free_section(iv_report_section *section) {
    free(section->dir);
    free(section->link);
    iv_run_json_free(&section->run);
    iv_results_free(&section->results);
    iv_table_list_free(&section->tables);
    free(section->spec);
    iv_report_free_figures(section);
}

static iv_status set_link(iv_report_section *section, bool report_is_inside, iv_error *error) {
    iv_text link = {0};
    if (!report_is_inside) {
        char *absolute = realpath(section->dir, NULL);
        iv_text_format(&link, "%s/", absolute ? absolute : section->dir);
        free(absolute);
    }
    return iv_text_take(&link, &section->link, error);
}

/* The run.json of a run directory; *run is empty after a failure. */
static iv_status read_run(const char *dir, iv_run_json *run, iv_error *error) {
    struct stat info;
    bool exists;
    *run = (iv_run_json){0};
    if (stat(dir, &info) != 0)
        return iv_fail(error, IV_EDATA, "cannot read the run directory %s: %s", dir,
                       strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return iv_fail(error, IV_EDATA, "%s is not a directory; expected a run directory", dir);
    char *path = iv_path_join(dir, "run.json");
    iv_status status = path ? iv_path_exists(path, &exists, error) : no_memory(error);
    if (status == IV_OK && !exists)
        status =
            iv_fail(error, IV_EDATA, "%s is not a run directory: there is no run.json in it", dir);
    if (status == IV_OK) status = iv_run_json_read(path, run, error);
    free(path);
    return status;
}

static iv_status read_results(const char *dir, const iv_run_json *run, iv_results *results,
                              iv_error *error) {
    bool exists;
    char *path = iv_path_join(dir, "results.json");
    iv_status status = path ? iv_path_exists(path, &exists, error) : no_memory(error);
    if (status == IV_OK && !exists)
        status = iv_fail(error, IV_EDATA,
                         "%s has no results.json yet (status: %s); finish it with: invar resume %s",
                         dir, run->status, dir);
    if (status == IV_OK) status = iv_results_read(path, results, error);
    free(path);
    return status;
}

iv_status iv_results_of_run(const char *run_dir, iv_results *results, iv_error *error) {
    iv_run_json run;
    *results = (iv_results){0};
    iv_status status = read_run(run_dir, &run, error);
    if (status == IV_OK) status = read_results(run_dir, &run, results, error);
    iv_run_json_free(&run);
    return status;
}

static iv_status read_spec(const char *dir, char **spec, iv_error *error) {
    bool exists;
    char *path = iv_path_join(dir, "spec.yaml");
    iv_status status = path ? iv_path_exists(path, &exists, error) : no_memory(error);
    if (status == IV_OK && exists) status = iv_file_read(path, spec, NULL, error);
    free(path);
    return status;
}

static iv_status read_section(const char *dir, iv_report_section *section, iv_error *error) {
    section->dir = iv_string_copy(dir);
    iv_status status = section->dir ? read_run(dir, &section->run, error) : no_memory(error);
    if (status == IV_OK) status = read_results(dir, &section->run, &section->results, error);
    if (status == IV_OK) status = read_spec(dir, &section->spec, error);
    if (status == IV_OK)
        status = iv_table_list_make(&section->results, IV_TABLE_HTML, &section->tables, error);
    return status == IV_OK ? iv_report_gather_figures(section, error) : status;
}

const char *iv_report_note(const iv_report_section *section) {
    static const char *const notes[2][3] = {
        {"No results.", "One seed, so there is no standard deviation.",
         "Mean ± standard deviation over seeds."},
        {"No results; published numbers in parentheses.",
         "One seed, so there is no standard deviation; published numbers in parentheses.",
         "Mean ± standard deviation over seeds; published numbers in parentheses."}};
    bool published = false;
    size_t most_seeds = 0;
    for (size_t i = 0; i < section->results.n_cells; i++) {
        const iv_cell *cell = &section->results.cells[i];
        published |= isfinite(cell->published);
        if (cell->n > most_seeds) most_seeds = cell->n;
    }
    return notes[published][most_seeds > 2 ? 2 : most_seeds];
}

/* ------------------------------------------------------------------ writing */

static iv_status write_in(const char *dir, const char *name, iv_text *text, iv_error *error) {
    char *path = iv_path_join(dir, name);
    iv_status status = path ? iv_file_write_text(path, text, error) : no_memory(error);
    iv_text_free(text);
    free(path);
    return status;
}

iv_status iv_report_write(const char *const *run_dirs, size_t n_run_dirs, const char *out_dir,
                          bool *drawn, iv_error *error) {
    iv_status status = IV_OK;
    bool all_drawn = true;
    if (drawn) *drawn = true;
    if (n_run_dirs == 0) return iv_fail(error, IV_EINVAL, "a report needs a run directory");

    iv_report_section *sections = calloc(n_run_dirs, sizeof *sections);
    if (!sections) return no_memory(error);
    bool inside = !out_dir && n_run_dirs == 1;
    if (!out_dir) out_dir = n_run_dirs == 1 ? run_dirs[0] : ".";

    iv_text csv = {0}, markdown = {0}, html = {0};
    iv_table_add_csv_header(&csv, true);
    for (size_t i = 0; status == IV_OK && i < n_run_dirs; i++) {
        status = read_section(run_dirs[i], &sections[i], error);
        if (status == IV_OK) status = set_link(&sections[i], inside, error);
        for (size_t k = 0; status == IV_OK && k < sections[i].n_figures; k++)
            if (!iv_report_has_picture(&sections[i].figures[k])) all_drawn = false;
        if (status == IV_OK) iv_table_add_csv(&csv, run_dirs[i], &sections[i].results);
    }
    if (status == IV_OK) status = iv_report_add_markdown(&markdown, sections, n_run_dirs, error);
    if (status == IV_OK) status = iv_report_add_html(&html, sections, n_run_dirs, error);

    if (status == IV_OK) status = iv_make_directories(out_dir, error);
    if (status == IV_OK) status = write_in(out_dir, "report.csv", &csv, error);
    if (status == IV_OK) status = write_in(out_dir, "report.md", &markdown, error);
    if (status == IV_OK) status = write_in(out_dir, "report.html", &html, error);

    if (drawn) *drawn = all_drawn;
    iv_text_free(&csv);
    iv_text_free(&markdown);
    iv_text_free(&html);
    for (size_t i = 0; i < n_run_dirs; i++) free_section(&sections[i]);
    free(sections);
    return status;
}
