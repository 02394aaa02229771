/* The external plotting program. */
#ifndef INVAR_REPORT_PLOT_H
#define INVAR_REPORT_PLOT_H

#include <invar/status.h>

#include <stdbool.h>

/* Run `gnuplot NAME.gp` in `dir`, without a shell. *found (may be NULL) is false, and the status
 * IV_OK, if there is no gnuplot on the PATH. IV_EFAILED with what gnuplot wrote on standard error.
 */
iv_status iv_gnuplot_run(const char *dir, const char *script, bool *found, iv_error *error);

/* Draw DIR/NAME.svg and DIR/NAME.png from DIR/NAME.gp; no picture is left behind if that fails. */
iv_status iv_figure_draw(const char *dir, const char *name, bool *found, iv_error *error);

#endif
