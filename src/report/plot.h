/* The external plotting program, and what scripts for it have in common. */
#ifndef INVAR_REPORT_PLOT_H
#define INVAR_REPORT_PLOT_H

#include "runtime/text_builder.h"

#include <invar/status.h>

#include <stdbool.h>

/* Write the script as DIR/NAME.gp and let gnuplot draw DIR/NAME.svg and DIR/NAME.png from it,
 * without a shell, without the user's settings. Nothing else runs gnuplot: a script that
 * lay there before, perhaps a stranger's, is replaced and never run. The script is freed whatever
 * happens. *found (may be NULL) is false, and the status IV_OK, if there is no gnuplot on the PATH.
 * IV_EFAILED with what gnuplot wrote on standard error; no picture is left behind then. */
iv_status iv_figure_draw(const char *dir, const char *name, iv_text *script, bool *found,
                         iv_error *error);

/* Run `gnuplot -d SCRIPT` in `dir`, without a shell and at most for `seconds`. *found (may be NULL)
 * is false, and the status IV_OK, if there is no gnuplot on the PATH. IV_EFAILED with what gnuplot
 * wrote on standard error, or if it was ended. Of iv_figure_draw, and apart from it for tests. */
iv_status iv_gnuplot_run(const char *dir, const char *script, int seconds, bool *found,
                         iv_error *error);

/* ------------------------------------------------------------------ scripts */

/* IV_EINVAL if a figure's name is not letters, digits, dots, dashes and underscores. */
iv_status iv_plot_check_name(const char *name, iv_error *error);

/* A script is: begin_script, settings, begin_picture, a plot command, end_script. It names its data
 * `data`, and makes NAME.svg and NAME.png of the same plot. */
void iv_plot_begin_script(iv_text *text, const char *name);
void iv_plot_begin_picture(iv_text *text, const char *name);
void iv_plot_end_script(iv_text *text, const char *name);

/* `set SETTING 'VALUE'`; nothing if the value is NULL or empty. */
void iv_plot_add_setting(iv_text *text, const char *setting, const char *value);

/* Write DIR/NAME followed by `ending`; the text is freed whatever happens. */
iv_status iv_plot_write_beside(const char *dir, const char *name, const char *ending, iv_text *text,
                               iv_error *error);

#endif
