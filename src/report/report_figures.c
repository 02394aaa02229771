/* The figures of a run directory: which there are, what they show, and how to draw what is missing.
 * A script found there may be a stranger's, so it is read as text and never run. */
#include "report/report.h"

#include "report/file.h"
#include "report/plot.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static iv_status no_memory(iv_error *error) {
    return iv_fail(error, IV_ENOMEM, "out of memory while writing a report");
}

bool iv_report_has_picture(const iv_report_figure *figure) {
    return figure->has_svg || figure->has_png;
}

/* ------------------------------------------------------------------ listing */

static int compare_figures(const void *a, const void *b) {
    return strcmp(((const iv_report_figure *)a)->name, ((const iv_report_figure *)b)->name);
}

static iv_status add_figure_file(iv_report_section *section, const char *file, iv_error *error) {
    const char *dot = strrchr(file, '.');
    bool script = dot && strcmp(dot, ".gp") == 0;
    bool svg = dot && strcmp(dot, ".svg") == 0;
    bool png = dot && strcmp(dot, ".png") == 0;
    if (dot == file || !(script || svg || png)) return IV_OK;

    size_t length = (size_t)(dot - file);
    iv_report_figure *figure = NULL;
    for (size_t i = 0; i < section->n_figures && !figure; i++) {
        const char *name = section->figures[i].name;
        if (strlen(name) == length && memcmp(name, file, length) == 0)
            figure = &section->figures[i];
    }
    if (!figure) {
        iv_report_figure *figures =
            realloc(section->figures, (section->n_figures + 1) * sizeof *figures);
        if (!figures) return no_memory(error);
        section->figures = figures;
        figure = &figures[section->n_figures];
        *figure = (iv_report_figure){.name = iv_string_copy(file)};
        if (!figure->name) return no_memory(error);
        figure->name[length] = '\0';
        section->n_figures++;
    }
    figure->has_script |= script;
    figure->has_svg |= svg;
    figure->has_png |= png;
    return IV_OK;
}

/* ------------------------------------------------------------------ sentences */

/* Add what a script of Invar's sets: the string of the line `set SETTING 'STRING'`, where '' stands
 * for one quote. False if there is no such line. */
static bool add_setting(iv_text *text, const char *script, const char *setting) {
    const size_t length = strlen(setting);
    for (const char *line = script; line; line = (line = strchr(line, '\n')) ? line + 1 : NULL) {
        if (strncmp(line, "set ", 4) != 0 || strncmp(line + 4, setting, length) != 0 ||
            strncmp(line + 4 + length, " '", 2) != 0)
            continue;
        for (const char *s = line + 6 + length; *s && *s != '\n'; s++) {
            if (*s == '\'' && *++s != '\'') break;
            iv_text_add_bytes(text, s, 1);
        }
        return true;
    }
    return false;
}

/* "Plot of accuracy against epoch: Accuracy over the orbit." */
static iv_status describe_plot(const iv_report_section *section, iv_report_figure *figure,
                               iv_error *error) {
    iv_text path = {0}, text = {0}, title = {0}, x = {0}, y = {0};
    char *script = NULL;
    iv_error unread = {0}; /* what cannot be read is described by its name */
    iv_text_format(&path, "%s/figures/%s.gp", section->dir, figure->name);
    if (!path.failed && figure->has_script) (void)iv_file_read(path.data, &script, NULL, &unread);
    const char *lines = script ? script : "";
    iv_text_add(&text, "Plot");
    if (add_setting(&y, lines, "ylabel") && add_setting(&x, lines, "xlabel") && x.data && y.data)
        iv_text_format(&text, " of %s against %s", y.data, x.data);
    const bool titled = add_setting(&title, lines, "title") && title.data;
    iv_text_format(&text, ": %s.", titled ? title.data : figure->name);
    text.failed |= title.failed || x.failed || y.failed;
    const iv_status status = iv_text_take(&text, &figure->caption, error);
    iv_text_free(&text);
    iv_text_free(&path);
    iv_text_free(&title);
    iv_text_free(&x);
    iv_text_free(&y);
    free(script);
    return status;
}

/* A picture without a script is a grid of images, whose name alone says what it shows. */
static iv_status describe(const iv_report_section *section, iv_report_figure *figure,
                          iv_error *error) {
    if (figure->has_script || figure->has_svg) return describe_plot(section, figure, error);
    iv_text text = {0};
    iv_text_format(&text, "Grid of images: %s.", figure->name);
    const iv_status status = iv_text_take(&text, &figure->caption, error);
    iv_text_free(&text);
    return status;
}

static void add_quoted(iv_text *text, const char *path) {
    iv_text_add(text, "'");
    for (const char *s = path; *s; s++)
        iv_text_add_bytes(text, *s == '\'' ? "'\\''" : s, *s == '\'' ? 4 : 1);
    iv_text_add(text, "'");
}

static iv_status advise(const iv_report_section *section, iv_report_figure *figure,
                        iv_error *error) {
    iv_text text = {0};
    iv_error name = {0};
    if (iv_plot_check_name(figure->name, &name) != IV_OK || *figure->name == '-') {
        iv_text_add(&text, "Not drawn: its script has a name that Invar does not give.");
    } else {
        iv_text_add(&text, "Not drawn. If this run is yours, or you have read the script, draw it "
                           "with: cd ");
        add_quoted(&text, section->dir);
        iv_text_format(&text, "/figures && gnuplot %s.gp", figure->name);
    }
    const iv_status status = iv_text_take(&text, &figure->remedy, error);
    iv_text_free(&text);
    return status;
}

/* ------------------------------------------------------------------ figures */

iv_status iv_report_gather_figures(iv_report_section *section, iv_error *error) {
    iv_status status = IV_OK;
    char *path = iv_path_join(section->dir, "figures");
    if (!path) return no_memory(error);

    DIR *folder = opendir(path);
    if (!folder && errno != ENOENT)
        status = iv_fail(error, IV_EDATA, "cannot read %s: %s", path, strerror(errno));
    for (struct dirent *entry; folder && status == IV_OK;) {
        errno = 0;
        entry = readdir(folder);
        if (!entry && errno != 0)
            status = iv_fail(error, IV_EDATA, "cannot read %s: %s", path, strerror(errno));
        if (!entry) break;
        status = add_figure_file(section, entry->d_name, error);
    }
    if (folder) closedir(folder);
    free(path);
    if (section->n_figures > 1)
        qsort(section->figures, section->n_figures, sizeof *section->figures, compare_figures);

    for (size_t i = 0; status == IV_OK && i < section->n_figures; i++) {
        iv_report_figure *figure = &section->figures[i];
        status = describe(section, figure, error);
        if (status == IV_OK && !iv_report_has_picture(figure))
            status = advise(section, figure, error);
    }
    return status;
}

void iv_report_free_figures(iv_report_section *section) {
    for (size_t i = 0; i < section->n_figures; i++) {
        free(section->figures[i].name);
        free(section->figures[i].caption);
        free(section->figures[i].remedy);
    }
    free(section->figures);
}
