/* How people write the ten digits: for each a few ways, each way one or two strokes of the pen,
 * each stroke a smooth curve through its points. */
#ifndef INVAR_DATA_GLYPHS_H
#define INVAR_DATA_GLYPHS_H

#include <stdint.h>

enum { IV_GLYPH_MOST_POINTS = 14, IV_GLYPH_MOST_STROKES = 2, IV_GLYPH_MOST_WAYS = 4 };

/* Points in a box of 100 x 100, y down. A point given twice in a row is a corner. */
typedef struct {
    uint8_t n_points;
    int8_t points[IV_GLYPH_MOST_POINTS][2];
} iv_glyph_stroke;

typedef struct {
    uint8_t n_strokes;
    iv_glyph_stroke strokes[IV_GLYPH_MOST_STROKES];
} iv_glyph;

typedef struct {
    uint8_t n_ways;
    iv_glyph ways[IV_GLYPH_MOST_WAYS];
} iv_glyph_family;

extern const iv_glyph_family iv_glyphs[10];

#endif
