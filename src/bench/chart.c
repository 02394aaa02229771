/* Ratios as a chart: a group of bars an item, a bar a device, from 1 to the ratio on a logarithmic
 * scale. Written as SVG directly, because the shapes are a few rectangles and texts. */
#include "bench/bench.h"

#include "runtime/text_builder.h"

#include <math.h>
#include <stdio.h>

/* Okabe and Ito's colours: told apart with any colour vision. */
static const char *const colours[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                      "#E69F00", "#56B4E9", "#000000"};
enum { N_COLOURS = sizeof colours / sizeof *colours };

/* Pixels. */
enum { LEFT = 330, PLOT = 480, RIGHT = 70, BAR = 12, GROUP_GAP = 8, LINE = 18, MARGIN = 14 };

typedef struct {
    int low, high; /* powers of `base` at the ends of the axis */
    double base;
} scale;

static double x_of(const scale *s, double ratio) {
    const double power = log(ratio) / log(s->base);
    return LEFT + PLOT * (power - s->low) / (s->high - s->low);
}

static scale choose_scale(const iv_bench_column *columns, size_t n_columns) {
    double low = 1, high = 1;
    const iv_bench_device *first = columns[0].device;
    for (size_t k = 0; k < first->n_items; k++)
        for (size_t i = 1; i < n_columns; i++) {
            const double ratio = iv_bench_ratio(columns, i, &first->items[k]);
            if (ratio < low) low = ratio;
            if (ratio > high) high = ratio;
        }
    scale s = {.base = high / low > 300 ? 10 : 2};
    s.low = (int)floor(log(low) / log(s.base) + 1e-9);
    s.high = (int)ceil(log(high) / log(s.base) - 1e-9);
    if (s.low == s.high) s.high++;
    return s;
}

static void add_text(iv_text *svg, double x, double y, const char *anchor, const char *string) {
    iv_text_format(svg, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    iv_text_html(svg, string);
    iv_text_add(svg, "</text>\n");
}

/* What the bars stand for, and a line of text for the device that they are compared with. */
static double add_legend(iv_text *svg, const iv_bench_column *columns, size_t n_columns) {
    double y = MARGIN + 12;
    iv_text title = {0};
    iv_text_format(&title, "How many times as fast as %s", bench_label(&columns[0]));
    if (title.failed)
        svg->failed = true;
    else
        add_text(svg, MARGIN, y, "start", title.data);
    iv_text_free(&title);
    for (size_t i = 1; i < n_columns; i++) {
        y += LINE;
        iv_text_format(svg, "<rect x=\"%d\" y=\"%.1f\" width=\"14\" height=\"10\" fill=\"%s\"/>\n",
                       MARGIN, y - 9, colours[(i - 1) % N_COLOURS]);
        add_text(svg, MARGIN + 20, y, "start", bench_label(&columns[i]));
    }
    return y + LINE;
}

static void add_axis(iv_text *svg, const scale *s, double top, double bottom) {
    for (int power = s->low; power <= s->high; power++) {
        const double x = x_of(s, pow(s->base, power));
        char label[32];
        snprintf(label, sizeof label, "%.4g", pow(s->base, power));
        iv_text_format(svg,
                       "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", x,
                       top, x, bottom, power == 0 ? "#000000" : "#cccccc");
        add_text(svg, x, bottom + 14, "middle", label);
    }
}

static void add_bar(iv_text *svg, const scale *s, double ratio, double y, const char *colour) {
    const double one = x_of(s, 1), end = x_of(s, ratio);
    char label[32];
    iv_text_format(svg,
                   "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" "
                   "fill=\"%s\"/>\n",
                   ratio < 1 ? end : one, y, fabs(end - one), BAR - 2, colour);
    snprintf(label, sizeof label, "%.3g", ratio);
    add_text(svg, (ratio < 1 ? one : end) + 4, y + BAR - 3, "start", label);
}

static bool is_shared(const iv_bench_column *columns, size_t n_columns, const iv_bench_item *item) {
    for (size_t i = 1; i < n_columns; i++)
        if (!isnan(iv_bench_ratio(columns, i, item))) return true;
    return false;
}

iv_status iv_bench_compare_svg(const iv_bench_column *columns, size_t n_columns, char **out,
                               iv_error *error) {
    *out = NULL;
    const iv_status status = bench_check_columns(columns, n_columns, error);
    if (status != IV_OK) return status;

    const iv_bench_device *first = columns[0].device;
    const scale s = choose_scale(columns, n_columns);
    const double group = (double)((n_columns - 1) * BAR + GROUP_GAP);
    size_t n_groups = 0;
    for (size_t k = 0; k < first->n_items; k++)
        n_groups += is_shared(columns, n_columns, &first->items[k]);
    const double top = MARGIN + 12 + (double)n_columns * LINE;
    const double bottom = top + group * (double)n_groups + GROUP_GAP;

    iv_text svg = {0};
    iv_text_format(&svg,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" "
                   "font-family=\"sans-serif\" font-size=\"11\">\n"
                   "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
                   LEFT + PLOT + RIGHT, bottom + 14 + MARGIN);
    double y = add_legend(&svg, columns, n_columns);
    add_axis(&svg, &s, y - GROUP_GAP, bottom);
    for (size_t k = 0; k < first->n_items; k++) {
        const iv_bench_item *item = &first->items[k];
        if (!is_shared(columns, n_columns, item)) continue;
        add_text(&svg, LEFT - 8, y + (group - GROUP_GAP) / 2 + 4, "end", item->name);
        for (size_t i = 1; i < n_columns; i++, y += BAR) {
            const double ratio = iv_bench_ratio(columns, i, item);
            if (!isnan(ratio)) add_bar(&svg, &s, ratio, y, colours[(i - 1) % N_COLOURS]);
        }
        y += GROUP_GAP;
    }
    iv_text_add(&svg, "</svg>\n");
    return iv_text_take(&svg, out, error);
}
