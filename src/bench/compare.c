/* How much faster: ratios of two or more devices' measurements, and their table. */
#include "bench/bench.h"

#include "runtime/text.h"
#include "runtime/text_builder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const iv_bench_item *bench_find(const iv_bench_device *device, const char *name) {
    for (size_t i = 0; i < device->n_items; i++)
        if (strcmp(device->items[i].name, name) == 0) return &device->items[i];
    return NULL;
}

double iv_bench_ratio(const iv_bench_column *columns, size_t i, const iv_bench_item *of_first) {
    const iv_bench_item *other = bench_find(columns[i].device, of_first->name);
    if (!other || strcmp(other->unit, of_first->unit) != 0 ||
        other->higher_is_better != of_first->higher_is_better)
        return NAN;
    const double ratio = of_first->higher_is_better ? other->value / of_first->value
                                                    : of_first->value / other->value;
    return isfinite(ratio) && ratio > 0 ? ratio : NAN;
}

iv_status bench_check_columns(const iv_bench_column *columns, size_t n_columns, iv_error *error) {
    if (n_columns < 2)
        return iv_fail(error, IV_EINVAL, "a comparison needs at least two devices or reports");
    for (size_t k = 0; k < columns[0].device->n_items; k++)
        for (size_t i = 1; i < n_columns; i++)
            if (!isnan(iv_bench_ratio(columns, i, &columns[0].device->items[k]))) return IV_OK;
    return iv_fail(error, IV_EINVAL, "the reports have no item in common with the first one");
}

const char *bench_label(const iv_bench_column *column) {
    return column->label ? column->label : column->device->name;
}

/* Three or four digits, whatever the size; the same width for all. */
static void add_value(iv_text *text, double value) {
    if (!isfinite(value))
        iv_text_format(text, " %10s", "-");
    else if (value >= 1000)
        iv_text_format(text, " %10.0f", value);
    else
        iv_text_format(text, " %10.*f", value >= 100 ? 1 : value >= 1 ? 2 : 4, value);
}

static void add_ratio(iv_text *text, double ratio) {
    if (isnan(ratio))
        iv_text_format(text, " %8s", "-");
    else
        iv_text_format(text, " %8.*f", ratio >= 100 ? 0 : ratio >= 10 ? 1 : 2, ratio);
}

static void add_means(iv_text *text, const iv_bench_column *columns, size_t n_columns, int width) {
    const iv_bench_device *first = columns[0].device;
    iv_text_format(text, "%-*s %-10s %10s", width, "geometric mean", "", "");
    for (size_t i = 1; i < n_columns; i++) {
        double sum = 0;
        size_t n = 0;
        for (size_t k = 0; k < first->n_items; k++) {
            const double ratio = iv_bench_ratio(columns, i, &first->items[k]);
            if (isnan(ratio)) continue;
            sum += log(ratio);
            n++;
        }
        iv_text_format(text, " %10s", "");
        add_ratio(text, n ? exp(sum / (double)n) : NAN);
    }
    iv_text_add(text, "\n");
}

iv_status iv_bench_compare_table(const iv_bench_column *columns, size_t n_columns, char **out,
                                 iv_error *error) {
    *out = NULL;
    const iv_status status = bench_check_columns(columns, n_columns, error);
    if (status != IV_OK) return status;

    iv_text text = {0};
    for (size_t i = 0; i < n_columns; i++)
        iv_text_format(&text, "[%zu] %s\n", i + 1, bench_label(&columns[i]));

    const iv_bench_device *first = columns[0].device;
    int width = (int)strlen("geometric mean");
    for (size_t k = 0; k < first->n_items; k++)
        if ((int)strlen(first->items[k].name) > width) width = (int)strlen(first->items[k].name);
    iv_text_format(&text, "\n%-*s %-10s %10s", width, "item", "unit", "[1]");
    for (size_t i = 1; i < n_columns; i++) {
        char number[24];
        snprintf(number, sizeof number, "[%zu]", i + 1);
        iv_text_format(&text, " %10s %8s", number, "ratio");
    }
    iv_text_add(&text, "\n");

    for (size_t k = 0; k < first->n_items; k++) {
        const iv_bench_item *item = &first->items[k];
        iv_text_format(&text, "%-*s %-10s", width, item->name, item->unit);
        add_value(&text, item->value);
        for (size_t i = 1; i < n_columns; i++) {
            const double ratio = iv_bench_ratio(columns, i, item);
            const iv_bench_item *other = bench_find(columns[i].device, item->name);
            add_value(&text, isnan(ratio) || !other ? NAN : other->value);
            add_ratio(&text, ratio);
        }
        iv_text_add(&text, "\n");
    }
    add_means(&text, columns, n_columns, width);
    iv_text_add(&text, "\nratio: how many times as fast as [1]\n");
    if (text.data) iv_tame(text.data);
    return iv_text_take(&text, out, error);
}
