/* Under which conditions a run was made, as label and value. */
#include "report/report.h"

#include "runtime/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void add_duration(iv_text *text, double seconds) {
    char duration[40];
    iv_format_duration(seconds, duration, sizeof duration);
    iv_text_add(text, duration);
}

static void add_seeds(iv_text *text, const json_t *seeds) {
    for (size_t i = 0; i < json_array_size(seeds); i++) {
        iv_text_format(text, "%s%" JSON_INTEGER_FORMAT, i ? ", " : "",
                       json_integer_value(json_array_get(seeds, i)));
    }
}

/* "15", or "15, of which: DA seed 3 not finite". */
static void add_runs(iv_text *text, const iv_results *results) {
    size_t shown = 0;
    iv_text_format(text, "%zu", results->n_runs);
    for (size_t i = 0; i < results->n_runs; i++) {
        const iv_result_run *run = &results->runs[i];
        if (strcmp(run->status, "done") == 0) continue;
        iv_text_format(text, "%s%s seed %" PRIu64 " %s", shown++ ? ", " : ", of which: ", run->name,
                       run->seed, run->status);
    }
}

/* "mnist/t10k-labels-idx1-ubyte is not the published file"; nothing if all may be. */
static void add_unpublished(iv_text *text, const json_t *data) {
    size_t index;
    const json_t *file;
    json_array_foreach(data, index, file) {
        const char *name = json_string_value(json_object_get(file, "file"));
        if (!name || !json_is_false(json_object_get(file, "published"))) continue;
        iv_text_format(text, "%s%s is not the published file", text->length ? ", " : "", name);
    }
}

/* "on device B (was A)": where a process worked under other conditions than the one before it. */
static void add_changes(iv_text *text, const json_t *processes) {
    static const char *const keys[] = {"device", "platform", "driver",
                                       "engine", "version",  "commit"};
    for (size_t i = 1; i < json_array_size(processes); i++)
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            const char *was =
                json_string_value(json_object_get(json_array_get(processes, i - 1), keys[k]));
            const char *is =
                json_string_value(json_object_get(json_array_get(processes, i), keys[k]));
            if (!was || !is || strcmp(was, is) == 0) continue;
            iv_text_format(text, "%s%s %s (was %s)", text->length ? ", " : "on another ", keys[k],
                           is, was);
        }
}

static void add_joined(iv_text *text, const char *first, const char *separator, const char *second,
                       const char *after) {
    iv_text_add(text, first);
    if (second && *second) iv_text_format(text, "%s%s%s", separator, second, after);
}

iv_status iv_report_facts(const iv_report_section *section, iv_report_fact facts[IV_REPORT_N_FACTS],
                          size_t *n, iv_error *error) {
    static const char *const labels[IV_REPORT_N_FACTS] = {"Status", "Runs", "Seeds",  "Device",
                                                          "Driver", "Host", "Invar",  "Start (UTC)",
                                                          "Time",   "Data", "Resumed"};
    const iv_run_json *run = &section->run;
    iv_text values[IV_REPORT_N_FACTS] = {{0}};
    size_t k = 0;

    iv_text_add(&values[k++], run->status);
    add_runs(&values[k++], &section->results);
    add_seeds(&values[k++], run->seeds);
    if (run->device) add_joined(&values[k], run->device, " (", run->platform, ")");
    k++;
    if (run->driver) iv_text_add(&values[k], run->driver);
    k++;
    if (run->host) add_joined(&values[k], run->host, ", ", run->system, "");
    k++;
    if (run->version) add_joined(&values[k], run->version, " (", run->commit, ")");
    k++;
    if (run->start) iv_text_add(&values[k], run->start);
    k++;
    if (run->seconds > 0) add_duration(&values[k], run->seconds);
    k++;
    add_unpublished(&values[k++], json_object_get(run->root, "data"));
    add_changes(&values[k++], json_object_get(run->root, "processes"));

    iv_status status = IV_OK;
    *n = 0;
    for (size_t i = 0; i < IV_REPORT_N_FACTS; i++) {
        if (status == IV_OK && (values[i].length || values[i].failed)) {
            facts[*n].label = labels[i];
            status = iv_text_take(&values[i], &facts[*n].value, error);
            if (status == IV_OK) ++*n;
        }
        iv_text_free(&values[i]);
    }
    return status;
}
