/* What a list of measured times says. */
#include <invar/bench.h>

#include <stdlib.h>

double iv_bench_quantile(const double *ascending, size_t n, double q) {
    const double position = q * (double)(n - 1);
    const size_t below = (size_t)position;
    if (below + 1 >= n) return ascending[n - 1];
    const double part = position - (double)below;
    return ascending[below] + part * (ascending[below + 1] - ascending[below]);
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void iv_bench_summarize(double *values, size_t n, iv_bench_statistics *s) {
    qsort(values, n, sizeof *values, compare);
    s->n = n;
    s->minimum = values[0];
    s->maximum = values[n - 1];
    s->median = iv_bench_quantile(values, n, 0.5);
    const double range = iv_bench_quantile(values, n, 0.75) - iv_bench_quantile(values, n, 0.25);
    s->spread = s->median > 0 ? range / s->median : 0;
}
