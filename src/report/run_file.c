/* run.json of a run directory. */
#include "report/run_dir_inside.h"

#include "report/file.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

void run_dir_now(char *out, size_t n) {
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(out, n, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

/* ------------------------------------------------------------------ run.json */

void run_dir_add_value(iv_text *text, const char *key, const char *value) {
    iv_text_format(text, "\"%s\": ", key);
    if (value)
        iv_text_json(text, value);
    else
        iv_text_add(text, "null");
}

/* How a process works: what may differ between those that work on one run. */
void run_dir_add_conditions(iv_text *text, const iv_run_dir *dir, const char *between) {
    struct utsname system;
    if (uname(&system) != 0) memset(&system, 0, sizeof system);
    iv_text os = {0};
    iv_text_format(&os, "%s %s %s", system.sysname, system.release, system.machine);
    text->failed |= os.failed;
    const char *const pairs[][2] = {{"version", iv_version()}, {"commit", iv_commit()},
                                    {"host", system.nodename}, {"system", os.data},
                                    {"device", dir->device},   {"platform", dir->platform},
                                    {"driver", dir->driver},   {"engine", dir->engine}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        run_dir_add_value(text, pairs[i][0], pairs[i][1]);
        iv_text_add(text, between);
    }
    iv_text_free(&os);
}

static void add_process(iv_text *text, const iv_run_dir *dir, const char *status, const char *end) {
    iv_text_add(text, "    {");
    run_dir_add_conditions(text, dir, ", ");
    run_dir_add_value(text, "start", dir->own_start);
    iv_text_add(text, ", ");
    run_dir_add_value(text, "end", end);
    iv_text_add(text, ", ");
    run_dir_add_value(text, "status", status);
    iv_text_add(text, "}");
}

static bool add_list(iv_text *text, const json_t *list) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        char *process = json_dumps(json_array_get(list, i), JSON_ENCODE_ANY);
        if (!process) return false;
        iv_text_format(text, "    %s,\n", process);
        free(process);
    }
    return true;
}

/* The processes before this one, as they stand in the file that it found. Before there was such a
 * list the file told of one process alone. */
static bool add_earlier(iv_text *text, const iv_run_dir *dir) {
    static const char *const keys[] = {"version",  "commit", "host",  "system", "device",
                                       "platform", "driver", "start", "end",    "status"};
    const json_t *root = dir->previous.root, *list = json_object_get(root, "processes");
    if (!root) return true;
    if (!json_is_array(list)) {
        iv_text_add(text, "    {");
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            if (i > 0) iv_text_add(text, ", ");
            run_dir_add_value(text, keys[i], json_string_value(json_object_get(root, keys[i])));
        }
        iv_text_add(text, "},\n");
    }
    return add_list(text, list);
}

void run_dir_add_data(iv_text *text, const iv_run_dir *dir) {
    iv_text_add(text, "\"data\": [");
    for (size_t i = 0; i < dir->n_data; i++) {
        iv_text_add(text, i ? ",\n    {" : "\n    {");
        run_dir_add_value(text, "file", dir->data[i].file);
        iv_text_add(text, ", ");
        run_dir_add_value(text, "sha256", dir->data[i].sha256);
        iv_text_format(text, ", \"published\": %s}", dir->data[i].published ? "true" : "false");
    }
    iv_text_add(text, "]");
}

static bool is_own(const iv_run_dir *dir, const json_t *process) {
    const char *file = json_string_value(json_object_get(process, "file"));
    return file && dir->process_file && strcmp(file, dir->process_file) == 0;
}

/* The other processes of a run that several have joined; *seconds: what they have worked. */
static json_t *others(const iv_run_dir *dir, const json_t *company, double *seconds) {
    size_t index;
    json_t *process, *list = json_array();
    *seconds = 0;
    json_array_foreach(company, index, process) {
        if (is_own(dir, process)) continue;
        *seconds += json_number_value(json_object_get(process, "seconds"));
        json_t *entry = json_copy(process);
        static const char *const inner[] = {"file", "seconds", "data"};
        for (size_t i = 0; i < sizeof inner / sizeof *inner; i++) json_object_del(entry, inner[i]);
        /* one that waits has done its share */
        const char *status = json_string_value(json_object_get(entry, "status"));
        if (status && strcmp(status, "waiting") == 0)
            json_object_set_new(entry, "status", json_string("done"));
        if (!list || json_array_append_new(list, entry) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static iv_status write_with(const iv_run_dir *dir, json_t *list, double before, const char *status,
                            const char *end, iv_error *error) {
    iv_text text = {0};
    const double seconds = before + (end ? iv_seconds() - dir->began : 0);

    iv_text_add(&text, "{\n  ");
    run_dir_add_value(&text, "name", dir->name);
    iv_text_add(&text, ",\n  ");
    run_dir_add_conditions(&text, dir, ",\n  ");
    iv_text_add(&text, "\"seeds\": [");
    for (size_t i = 0; i < dir->n_seeds; i++) {
        iv_text_format(&text, "%s%" PRIu64, i ? ", " : "", dir->seeds[i]);
    }
    iv_text_add(&text, "],\n");
    iv_text_add(&text, "  ");
    run_dir_add_data(&text, dir);
    iv_text_add(&text, ",\n  \"processes\": [\n");
    text.failed |= !(dir->joined ? add_list(&text, list) : add_earlier(&text, dir));
    add_process(&text, dir, status, end);
    iv_text_add(&text, "\n  ],\n  ");
    run_dir_add_value(&text, "start", dir->start);
    iv_text_add(&text, ",\n  ");
    run_dir_add_value(&text, "end", end);
    iv_text_add(&text, ",\n  \"seconds\": ");
    iv_text_double(&text, round(seconds * 1000) / 1000, "null");
    iv_text_add(&text, ",\n  \"status\": ");
    iv_text_json(&text, status);
    iv_text_add(&text, "\n}\n");

    char *path = iv_run_dir_file(dir, "run.json");
    iv_status result = path ? iv_file_write_text(path, &text, error)
                            : iv_fail(error, IV_ENOMEM, "out of memory while writing run.json");
    iv_text_free(&text);
    free(path);
    return result;
}

iv_status run_dir_write_json(const iv_run_dir *dir, const char *status, const char *end,
                             iv_error *error) {
    if (!dir->joined) return write_with(dir, NULL, dir->previous.seconds, status, end, error);
    json_t *company = NULL, *list = NULL;
    double seconds = 0;
    iv_status result = run_dir_read_company(dir, &company, error);
    if (result == IV_OK && !(list = others(dir, company, &seconds)))
        result = iv_fail(error, IV_ENOMEM, "out of memory while writing run.json");
    if (result == IV_OK) result = write_with(dir, list, seconds, status, end, error);
    json_decref(company);
    json_decref(list);
    return result;
}
