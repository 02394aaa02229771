/* The external plotting program, and what scripts for it have in common. */
#ifndef INVAR_REPORT_PLOT_H
#define INVAR_REPORT_PLOT_H

#include "runtime/text_builder.h"

#include <invar/status.h>

#include <stdbool.h>

/* Run `gnuplot NAME.gp` in `dir`, without a shell. *found (may be NULL) is false,
 * and the status IV_OK, if there is no gnuplot on the PATH. IV_EFAILED with what
 * gnuplot wrote on standard error. */
iv_status iv_gnuplot_run(const char *dir, const char *script, bool *found, iv_error *error);

/* Draw DIR/NAME.svg and DIR/NAME.png from DIR/NAME.gp; no picture is left behind if that fails. */
iv_status iv_figure_draw(const char *dir, const char *name, bool *found, iv_error *error);

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
