/* Reports: where and when they were made, and their JSON. */
#include "bench/bench.h"

#include "report/json_file.h"

#include <invar/data.h>

#include <jansson.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

void iv_bench_report_begin(iv_bench_report *report) {
    memset(report, 0, sizeof *report);
    snprintf(report->version, sizeof report->version, "%s", iv_version());
    snprintf(report->commit, sizeof report->commit, "%s", iv_commit());
    snprintf(report->opencl_headers, sizeof report->opencl_headers, "%d.%d",
             CL_TARGET_OPENCL_VERSION / 100, CL_TARGET_OPENCL_VERSION / 10 % 10);
    struct utsname system;
    if (uname(&system) == 0) {
        snprintf(report->host, sizeof report->host, "%s", system.nodename);
        snprintf(report->system, sizeof report->system, "%.80s %.80s %.80s", system.sysname,
                 system.release, system.machine);
    }
    const time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(report->date, sizeof report->date, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

void iv_bench_report_free(iv_bench_report *report) {
    for (size_t i = 0; i < report->n_devices; i++) free(report->devices[i].items);
    free(report->devices);
    memset(report, 0, sizeof *report);
}

/* ------------------------------------------------------------------ writing */

/* Names come from drivers and may hold bytes that are no UTF-8. */
static json_t *text_json(const char *text) {
    json_t *string = json_string(text);
    if (string) return string;
    char copy[256];
    snprintf(copy, sizeof copy, "%s", text);
    for (char *at = copy; *at; at++)
        if ((unsigned char)*at > 126) *at = '?';
    return json_string(copy);
}

static json_t *number_json(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *item_json(const iv_bench_item *item) {
    return json_pack("{so ss ss so so sI so so}", "name", text_json(item->name), "unit", item->unit,
                     "better", item->higher_is_better ? "higher" : "lower", "value",
                     number_json(item->value), "spread", number_json(item->spread), "repetitions",
                     (json_int_t)item->repetitions, "milliseconds", number_json(item->milliseconds),
                     "percent_of_peak", number_json(item->percent_of_peak));
}

/* NULL if memory runs out, which the array that it is put into notices. */
static json_t *device_json(const iv_bench_device *device) {
    json_t *items = json_array();
    for (size_t i = 0; i < device->n_items; i++) {
        if (json_array_append_new(items, item_json(&device->items[i])) == 0) continue;
        json_decref(items);
        return NULL;
    }
    return json_pack("{so so so so ss sI so so so}", "name", text_json(device->name), "platform",
                     text_json(device->platform), "driver", text_json(device->driver), "version",
                     text_json(device->version), "type", device->type, "compute_units",
                     (json_int_t)device->compute_units, "peak_gflops",
                     number_json(device->peak_gflops), "peak_gb_per_s",
                     number_json(device->peak_gb_per_s), "items", items);
}

iv_status iv_bench_report_write(const iv_bench_report *report, const char *path, iv_error *error) {
    json_t *devices = json_array();
    bool whole = devices != NULL;
    for (size_t i = 0; i < report->n_devices && whole; i++)
        whole = json_array_append_new(devices, device_json(&report->devices[i])) == 0;
    json_t *root =
        json_pack("{so so so so so so so}", "version", text_json(report->version), "commit",
                  text_json(report->commit), "opencl_headers", text_json(report->opencl_headers),
                  "host", text_json(report->host), "system", text_json(report->system), "date",
                  text_json(report->date), "devices", devices);
    char *text = root && whole ? json_dumps(root, JSON_INDENT(1)) : NULL;
    json_decref(root);
    if (!text) return iv_fail(error, IV_ENOMEM, "out of memory while writing %s", path);

    const size_t n = strlen(text);
    text[n] = '\n'; /* in the place of the NUL, which the file does not need */
    const iv_status status = iv_write_file_atomically(path, text, n + 1, error);
    free(text);
    return status;
}

/* ------------------------------------------------------------------ reading */

typedef struct {
    const char *path;
    iv_error *error;
    bool failed;
} reader;

static void complain(reader *r, const char *key, const char *expected) {
    if (!r->failed)
        (void)iv_fail(r->error, IV_EDATA, "%s: no report of `invar bench`: \"%s\" is not %s",
                      r->path, key, expected);
    r->failed = true;
}

static void read_text(reader *r, const json_t *object, const char *key, char *out, size_t size) {
    const char *text = json_string_value(json_object_get(object, key));
    if (!text)
        complain(r, key, "a string");
    else if (strlen(text) >= size)
        complain(r, key, "that short");
    else
        memcpy(out, text, strlen(text) + 1);
}

/* null is NaN. */
static double read_number(reader *r, const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value) && !json_is_null(value)) complain(r, key, "a number or null");
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static size_t read_count(reader *r, const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        complain(r, key, "a count");
        return 0;
    }
    return (size_t)json_integer_value(value);
}

static const json_t *read_list(reader *r, const json_t *object, const char *key, size_t bytes_each,
                               void **room, size_t *n) {
    const json_t *list = json_object_get(object, key);
    *n = 0;
    *room = NULL;
    if (!json_is_array(list)) {
        complain(r, key, "a list");
        return NULL;
    }
    *room = calloc(json_array_size(list) + 1, bytes_each);
    if (!*room) {
        (void)iv_fail(r->error, IV_ENOMEM, "out of memory while reading %s", r->path);
        r->failed = true;
        return NULL;
    }
    *n = json_array_size(list);
    return list;
}

static void read_item(reader *r, const json_t *object, iv_bench_item *item) {
    char better[16] = "";
    read_text(r, object, "name", item->name, sizeof item->name);
    read_text(r, object, "unit", item->unit, sizeof item->unit);
    read_text(r, object, "better", better, sizeof better);
    if (strcmp(better, "higher") != 0 && strcmp(better, "lower") != 0)
        complain(r, "better", "\"higher\" or \"lower\"");
    item->higher_is_better = strcmp(better, "higher") == 0;
    item->value = read_number(r, object, "value");
    item->spread = read_number(r, object, "spread");
    item->repetitions = read_count(r, object, "repetitions");
    item->milliseconds = read_number(r, object, "milliseconds");
    item->percent_of_peak = read_number(r, object, "percent_of_peak");
}

static void read_device(reader *r, const json_t *object, iv_bench_device *device) {
    read_text(r, object, "name", device->name, sizeof device->name);
    read_text(r, object, "platform", device->platform, sizeof device->platform);
    read_text(r, object, "driver", device->driver, sizeof device->driver);
    read_text(r, object, "version", device->version, sizeof device->version);
    read_text(r, object, "type", device->type, sizeof device->type);
    device->compute_units = (unsigned)read_count(r, object, "compute_units");
    device->peak_gflops = read_number(r, object, "peak_gflops");
    device->peak_gb_per_s = read_number(r, object, "peak_gb_per_s");
    void *items;
    const json_t *list =
        read_list(r, object, "items", sizeof *device->items, &items, &device->n_items);
    device->items = items;
    for (size_t i = 0; list && i < device->n_items; i++)
        read_item(r, json_array_get(list, i), &device->items[i]);
}

iv_status iv_bench_report_read(const char *path, iv_bench_report *report, iv_error *error) {
    memset(report, 0, sizeof *report);
    json_t *root;
    const iv_status status = iv_json_read(path, &root, error);
    if (status != IV_OK) return status;

    reader r = {path, error, false};
    read_text(&r, root, "version", report->version, sizeof report->version);
    read_text(&r, root, "commit", report->commit, sizeof report->commit);
    read_text(&r, root, "opencl_headers", report->opencl_headers, sizeof report->opencl_headers);
    read_text(&r, root, "host", report->host, sizeof report->host);
    read_text(&r, root, "system", report->system, sizeof report->system);
    read_text(&r, root, "date", report->date, sizeof report->date);
    void *devices;
    const json_t *list =
        read_list(&r, root, "devices", sizeof *report->devices, &devices, &report->n_devices);
    report->devices = devices;
    for (size_t i = 0; list && i < report->n_devices; i++)
        read_device(&r, json_array_get(list, i), &report->devices[i]);
    json_decref(root);
    if (!r.failed) return IV_OK;
    iv_bench_report_free(report);
    return error ? error->status : IV_EDATA;
}
