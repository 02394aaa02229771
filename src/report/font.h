/* Dot-matrix characters for labels inside pictures: 5 x 7 dots and a descender row, in a 6 x 9
 * cell. */
#ifndef INVAR_REPORT_FONT_H
#define INVAR_REPORT_FONT_H

#include <stdint.h>

enum { IV_FONT_CELL_WIDTH = 6, IV_FONT_CELL_HEIGHT = 9 };

/* The five columns of a character, bit 0 the top dot. Anything but printable ASCII is a "?". */
const uint8_t *iv_font_columns(char character);

#endif
