/* The built-in digits: glyphs written by an unsteady hand.
 *
 * Positions are integers of 1/4096 pixel and everything is integer arithmetic, so that the bytes
 * are the same on every machine. Image i is made from Philox of (seed, i) alone. */
#include "data/draws.h"
#include "data/glyphs.h"
#include "data/images.h"

#include <string.h>

enum {
    SIDE = 28,
    ONE = 4096,                  /* a pixel, or a ratio of 1 */
    GLYPH_UNIT = 20 * ONE / 100, /* the glyphs' box of 100 becomes 20 pixels */
    STEPS = 6,                   /* straight pieces between two points of a stroke */
    MOST_PIECES = IV_GLYPH_MOST_POINTS * STEPS,
    NODES = 7,              /* of the elastic displacement, a side */
    NODE_SPACING = 8 * ONE, /* so they reach 24 pixels from the centre */
    ELASTIC = ONE * 7 / 4,  /* largest displacement of a node */
    JITTER = 8,             /* of a glyph's point, in its units */
};

typedef struct {
    int32_t x, y;
} point;

/* One hand: what distorts a whole image. */
typedef struct {
    int32_t xx, xy, yx, yy; /* linear map, in 1/4096 */
    point shift;
    int32_t radius; /* of the pen */
    int32_t ink;    /* brightness of a full stroke, to 255 */
    point nodes[NODES][NODES];
} hand;

static int32_t times(int32_t a, int32_t b) {
    return (int32_t)((int64_t)a * b / ONE);
}

/* Largest integer whose square is at most n, for n below 2^62. */
static int32_t square_root(int64_t n) {
    int64_t root = 0;
    for (int64_t bit = (int64_t)1 << 30; bit > 0; bit >>= 1)
        if ((root + bit) * (root + bit) <= n) root += bit;
    return (int32_t)root;
}

static void draw_hand(iv_draws *draws, hand *out) {
    /* Rotation from the tangent of half the angle, which needs no sine: up to 16 degrees. */
    const int32_t t = iv_draw_around(draws, ONE * 14 / 100);
    const int32_t t2 = times(t, t);
    const int32_t cosine = (int32_t)((int64_t)(ONE - t2) * ONE / (ONE + t2));
    const int32_t sine = (int32_t)((int64_t)2 * t * ONE / (ONE + t2));

    const int32_t slant = iv_draw_around(draws, ONE * 40 / 100) - ONE * 8 / 100;
    const int32_t width = iv_draw_between(draws, ONE * 62 / 100, ONE * 105 / 100);
    const int32_t height = iv_draw_between(draws, ONE * 80 / 100, ONE * 108 / 100);

    /* rotation * slant * size */
    out->xx = times(cosine, width);
    out->yx = times(sine, width);
    out->xy = times(times(cosine, slant) - sine, height);
    out->yy = times(times(sine, slant) + cosine, height);

    out->shift.x = iv_draw_around(draws, 2 * ONE);
    out->shift.y = iv_draw_around(draws, 2 * ONE);
    out->radius = iv_draw_between(draws, ONE * 60 / 100, ONE * 150 / 100);
    out->ink = iv_draw_between(draws, 205, 255);
    for (int row = 0; row < NODES; row++)
        for (int column = 0; column < NODES; column++) {
            out->nodes[row][column].x = iv_draw_around(draws, ELASTIC);
            out->nodes[row][column].y = iv_draw_around(draws, ELASTIC);
        }
}

/* Weights of the four nodes around a point of a uniform cubic B-spline, in 1/4096.
 * f  the point's place between the second and third, in 1/64 */
static void spline_weights(int32_t f, int32_t weights[4]) {
    /* The textbook polynomials over 6, with f cubed in units of 64^3. */
    const int32_t g = 64 - f;
    const int64_t cube = 64 * 64 * 64;
    const int64_t sixfold[4] = {
        (int64_t)g * g * g,
        3 * (int64_t)f * f * f - 6 * 64 * (int64_t)f * f + 4 * cube,
        3 * (int64_t)g * g * g - 6 * 64 * (int64_t)g * g + 4 * cube,
        (int64_t)f * f * f,
    };
    for (int i = 0; i < 4; i++) weights[i] = (int32_t)(sixfold[i] * ONE / (6 * cube));
}

static int clamp_node(int64_t node) {
    return node < 0 ? 0 : node >= NODES ? NODES - 1 : (int)node;
}

/* Where the hand puts a point of the glyph's plane (origin in the centre). */
static point place(const hand *by, point at) {
    const point moved = {times(by->xx, at.x) + times(by->xy, at.y),
                         times(by->yx, at.x) + times(by->yy, at.y)};

    /* Offset by a whole number of nodes first, so that the divisions are of positive numbers. */
    const int64_t reach = (int64_t)(NODES / 2) * NODE_SPACING;
    int64_t x = moved.x + reach, y = moved.y + reach;
    x = x < 0 ? 0 : x > 2 * reach ? 2 * reach : x;
    y = y < 0 ? 0 : y > 2 * reach ? 2 * reach : y;
    int32_t weights_x[4], weights_y[4];
    spline_weights((int32_t)(x % NODE_SPACING / (NODE_SPACING / 64)), weights_x);
    spline_weights((int32_t)(y % NODE_SPACING / (NODE_SPACING / 64)), weights_y);

    int64_t elastic_x = 0, elastic_y = 0;
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            const point *node = &by->nodes[clamp_node(y / NODE_SPACING + i - 1)]
                                          [clamp_node(x / NODE_SPACING + j - 1)];
            const int64_t weight = (int64_t)weights_y[i] * weights_x[j];
            elastic_x += weight * node->x;
            elastic_y += weight * node->y;
        }
    const int64_t unit = (int64_t)ONE * ONE;
    return (point){moved.x + by->shift.x + (int32_t)(elastic_x / unit),
                   moved.y + by->shift.y + (int32_t)(elastic_y / unit)};
}

/* Catmull-Rom through b and c, at k / STEPS of the way. */
static int32_t curve(int32_t a, int32_t b, int32_t c, int32_t d, int32_t k) {
    const int64_t n = STEPS, k2 = (int64_t)k * k, k3 = k2 * k;
    const int64_t weighted = (-k * n * n + 2 * k2 * n - k3) * a +
                             (2 * n * n * n - 5 * k2 * n + 3 * k3) * b +
                             (k * n * n + 4 * k2 * n - 3 * k3) * c + (k3 - k2 * n) * d;
    return (int32_t)(weighted / (2 * n * n * n));
}

/* Raise `coverage` (in 1/4096) to what a pen that moves straight from `from` to `to` leaves: full
 * within its radius less half a pixel, none beyond it plus half a pixel. */
static void draw_piece(int32_t coverage[SIDE][SIDE], point from, point to, int32_t from_radius,
                       int32_t to_radius) {
    const int32_t reach = (from_radius > to_radius ? from_radius : to_radius) + ONE;
    const int32_t left = (from.x < to.x ? from.x : to.x) - reach;
    const int32_t right = (from.x > to.x ? from.x : to.x) + reach;
    const int32_t top = (from.y < to.y ? from.y : to.y) - reach;
    const int32_t bottom = (from.y > to.y ? from.y : to.y) + reach;
    const int64_t dx = to.x - from.x, dy = to.y - from.y;
    const int64_t length2 = dx * dx + dy * dy;

    for (int row = top < 0 ? 0 : top / ONE; row < SIDE && row * ONE <= bottom; row++)
        for (int column = left < 0 ? 0 : left / ONE; column < SIDE && column * ONE <= right;
             column++) {
            const int64_t px = column * ONE + ONE / 2 - from.x, py = row * ONE + ONE / 2 - from.y;
            int64_t along = length2 > 0 ? (px * dx + py * dy) * ONE / length2 : 0;
            along = along < 0 ? 0 : along > ONE ? ONE : along;

            const int64_t ex = px - dx * along / ONE, ey = py - dy * along / ONE;
            const int64_t radius = from_radius + (to_radius - from_radius) * along / ONE;
            const int64_t outer = radius + ONE / 2;
            const int64_t distance2 = ex * ex + ey * ey;
            if (distance2 >= outer * outer) continue;
            const int64_t covered = outer - square_root(distance2);
            const int32_t value = covered > ONE ? ONE : (int32_t)covered;
            if (value > coverage[row][column]) coverage[row][column] = value;
        }
}

static void draw_stroke(int32_t coverage[SIDE][SIDE], const hand *by, const iv_glyph_stroke *stroke,
                        iv_draws *draws) {
    /* The hand misses each point a little; both copies of a corner alike. */
    point points[IV_GLYPH_MOST_POINTS];
    const int n = stroke->n_points;
    for (int i = 0; i < n; i++) {
        const int8_t *at = stroke->points[i];
        if (i > 0 && memcmp(at, stroke->points[i - 1], sizeof stroke->points[i]) == 0) {
            points[i] = points[i - 1];
            continue;
        }
        points[i].x = (at[0] - 50 + iv_draw_around(draws, JITTER)) * GLYPH_UNIT;
        points[i].y = (at[1] - 50 + iv_draw_around(draws, JITTER)) * GLYPH_UNIT;
    }

    /* The pen's pressure at the start, in the middle and at the end. */
    int32_t pressure[3];
    for (int i = 0; i < 3; i++)
        pressure[i] = iv_draw_between(draws, ONE * 75 / 100, ONE * 115 / 100);

    point last = {0, 0};
    int32_t last_radius = 0;
    const int n_pieces = (n - 1) * STEPS;
    for (int piece = 0; piece <= n_pieces; piece++) {
        const int i = piece < n_pieces ? piece / STEPS : n - 2, k = piece - i * STEPS;
        const point a = points[i > 0 ? i - 1 : 0], b = points[i], c = points[i + 1];
        const point d = points[i + 2 < n ? i + 2 : n - 1];
        const point on = {curve(a.x, b.x, c.x, d.x, k), curve(a.y, b.y, c.y, d.y, k)};
        point now = place(by, on);
        now.x += SIDE / 2 * ONE;
        now.y += SIDE / 2 * ONE;

        const int second = 2 * piece >= n_pieces;
        const int32_t within = second ? 2 * piece - n_pieces : 2 * piece;
        const int32_t pressed =
            pressure[second] + (pressure[second + 1] - pressure[second]) * within / n_pieces;
        const int32_t radius = times(by->radius, pressed);
        if (piece > 0) draw_piece(coverage, last, now, last_radius, radius);
        last = now;
        last_radius = radius;
    }
}

static void draw_digit(uint32_t seed, uint32_t image, uint8_t *pixels, uint8_t *label) {
    iv_draws draws = {.seed = seed, .stream = IV_STREAM_DIGITS, .step = image};
    const int digit = iv_draw_between(&draws, 0, 9);
    const iv_glyph_family *family = &iv_glyphs[digit];
    const iv_glyph *way = &family->ways[iv_draw_between(&draws, 0, family->n_ways - 1)];

    hand by;
    int32_t coverage[SIDE][SIDE] = {{0}};
    draw_hand(&draws, &by);
    for (int i = 0; i < way->n_strokes; i++) draw_stroke(coverage, &by, &way->strokes[i], &draws);

    for (int row = 0; row < SIDE; row++)
        for (int column = 0; column < SIDE; column++) {
            const int32_t grain = iv_draw_around(&draws, 12);
            const int32_t value = coverage[row][column] * by.ink / ONE + grain;
            pixels[row * SIDE + column] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
        }
    *label = (uint8_t)digit;
}

iv_status iv_digits_make(uint32_t seed, size_t n_images, iv_dataset *dataset, iv_error *error) {
    *dataset = (iv_dataset){.name = "digits",
                            .n_images = n_images,
                            .n_training = iv_usual_training(n_images),
                            .n_classes = 10,
                            .channels = 1,
                            .height = SIDE,
                            .width = SIDE};
    const iv_status status = iv_dataset_allocate(dataset, error);
    if (status != IV_OK) return status;
    for (size_t i = 0; i < n_images; i++)
        draw_digit(seed, (uint32_t)i, dataset->pixels + i * SIDE * SIDE, dataset->labels + i);
    return IV_OK;
}
