/* Hand-made reports of `invar bench`. */
#ifndef INVAR_TESTS_BENCH_SAMPLES_H
#define INVAR_TESTS_BENCH_SAMPLES_H

#define SAMPLE_ITEM(name, unit, better, value)                                                     \
    "{\"name\": \"" name "\", \"unit\": \"" unit "\", \"better\": \"" better                       \
    "\", \"value\": " value                                                                        \
    ", \"spread\": 0.01, \"repetitions\": 20, \"milliseconds\": 1.5, \"percent_of_peak\": null}"

#define SAMPLE_REPORT(device, items)                                                               \
    "{\"version\": \"0.1.0\", \"commit\": \"abc\", \"opencl_headers\": \"1.2\", \"host\": \"h\", " \
    "\"system\": \"Linux\", \"date\": \"2024-01-01T00:00:00Z\", \"devices\": [{\"name\": "         \
    "\"" device                                                                                    \
    "\", \"platform\": \"P\", \"driver\": \"1\", \"version\": \"OpenCL 1.2\", \"type\": \"cpu\", " \
    "\"compute_units\": 2, \"peak_gflops\": 500.5, \"peak_gb_per_s\": null, \"items\": [" items    \
    "]}]}\n"

/* B is twice as fast at products, four times slower at steps, and lacks `alone`; it measures
 * `other` in another unit. */
static const char sample_a[] = SAMPLE_REPORT(
    "Slow", SAMPLE_ITEM("gemm/a", "GFLOP/s", "higher", "200.0") "," SAMPLE_ITEM(
                "step/b", "ms", "lower",
                "2.5") "," SAMPLE_ITEM("svd/alone", "ms", "lower",
                                       "3") "," SAMPLE_ITEM("svd/other", "ms", "lower", "3"));
static const char sample_b[] =
    SAMPLE_REPORT("Fast <&\\\"", SAMPLE_ITEM("gemm/a", "GFLOP/s", "higher", "400") "," SAMPLE_ITEM(
                                     "svd/other", "us", "lower",
                                     "3000") "," SAMPLE_ITEM("step/b", "ms", "lower", "10.0"));

#endif
