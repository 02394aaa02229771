/* Tables as LaTeX, with the packages booktabs and siunitx. */
#include "report/table.h"

#include <math.h>
#include <string.h>

/* Of the letters that labels have beyond ASCII, those that LaTeX does not know as they are. */
static const struct {
    const char *letter, *command;
} letters[] = {
    {"#", "\\#"},
    {"$", "\\$"},
    {"%", "\\%"},
    {"&", "\\&"},
    {"_", "\\_"},
    {"{", "\\{"},
    {"}", "\\}"},
    {"~", "\\textasciitilde{}"},
    {"^", "\\textasciicircum{}"},
    {"\\", "\\textbackslash{}"},
    {"°", "\\ensuremath{^\\circ}"},
    {"σ", "\\ensuremath{\\sigma}"},
    {"λ", "\\ensuremath{\\lambda}"},
    {"ν", "\\ensuremath{\\nu}"},
    {"η", "\\ensuremath{\\eta}"},
    {"±", "\\ensuremath{\\pm}"},
};
enum { N_LETTERS = sizeof letters / sizeof *letters };

void iv_text_latex(iv_text *text, const char *string) {
    while (*string) {
        size_t i = 0, n = 1;
        while (i < N_LETTERS && strncmp(string, letters[i].letter, strlen(letters[i].letter)) != 0)
            i++;
        if (i < N_LETTERS) {
            n = strlen(letters[i].letter);
            iv_text_add(text, letters[i].command);
        } else if ((unsigned char)*string < ' ') {
            iv_text_add(text,
                        " "); /* a line end would end a cell's line, or begin a comment's next */
        } else {
            iv_text_add_bytes(text, string, n);
        }
        string += n;
    }
}

/* siunitx takes an uncertainty before an exponent only, so that numbers with one stand alone. */
static void add_pair(iv_text *text, double mean, double std, const iv_metric_style *style) {
    iv_text number = {0}, deviation = {0};
    iv_table_number(&number, mean, style);
    if (isfinite(std)) iv_table_deviation(&deviation, mean, std, style);
    text->failed |= number.failed || deviation.failed || !number.data;
    if (!text->failed && !deviation.data)
        iv_text_format(text, "\\num{%s}", number.data);
    else if (!text->failed && !strchr(number.data, 'e') && !strchr(deviation.data, 'e'))
        iv_text_format(text, "\\num{%s +- %s}", number.data, deviation.data);
    else if (!text->failed)
        iv_text_format(text, "\\num{%s} \\ensuremath{\\pm} \\num{%s}", number.data, deviation.data);
    iv_text_free(&number);
    iv_text_free(&deviation);
}

void iv_table_cell_latex(iv_text *text, const iv_results *results, const iv_cell *cell,
                         bool with_published) {
    const iv_metric_style style = iv_metric_style_of(results, cell->metric);
    if (cell->n == 0)
        iv_text_add(text, "--");
    else if (!isfinite(cell->mean))
        iv_text_add(text, "not finite");
    else
        add_pair(text, cell->mean, cell->std, &style);
    if (!with_published) return;
    iv_text_add(text, " & ");
    if (isfinite(cell->published)) add_pair(text, cell->published, cell->published_std, &style);
}

void iv_table_render_latex(const iv_table *table, iv_text *text) {
    const size_t width = table->with_published ? 2 : 1;
    iv_text_add(text, "\\begin{table}\n  \\centering\n  \\caption{");
    iv_text_latex(text, table->title ? table->title : "");
    iv_text_add(text, "}\n  \\begin{tabular}{l");
    for (size_t c = 0; c < width * (table->n_columns - 1); c++) iv_text_add(text, "r");
    iv_text_add(text, "}\n    \\toprule\n   ");
    for (size_t c = 1; c < table->n_columns; c++) {
        iv_text_add(text, width > 1 ? " & \\multicolumn{2}{c}{" : " & ");
        iv_text_latex(text, table->strings[c]);
        if (width > 1) iv_text_add(text, "}");
    }
    iv_text_add(text, " \\\\\n");
    if (width > 1) {
        iv_text_add(text, "   ");
        for (size_t c = 1; c < table->n_columns; c++)
            iv_text_format(text, " \\cmidrule(lr){%zu-%zu}", 2 * c, 2 * c + 1);
        iv_text_add(text, "\n   ");
        for (size_t c = 1; c < table->n_columns; c++) iv_text_add(text, " & ours & published");
        iv_text_add(text, " \\\\\n");
    }
    iv_text_add(text, "    \\midrule\n");
    for (size_t line = 1; line < table->n_lines; line++) {
        char *const *strings = table->strings + line * table->n_columns;
        iv_text_add(text, "    ");
        iv_text_latex(text, strings[0]);
        for (size_t c = 1; c < table->n_columns; c++) {
            iv_text_add(text, " & ");
            iv_text_add(text, *strings[c] || width == 1 ? strings[c] : " & ");
        }
        iv_text_add(text, " \\\\\n");
    }
    iv_text_add(text, "    \\bottomrule\n  \\end{tabular}\n\\end{table}\n");
}
