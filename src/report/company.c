/* Several processes in one run directory: each writes of itself to a file of its own, so that none
 * overwrites what another says. run.json takes it all in when the run is done, or when the last
 * process leaves. */
#include "report/run_dir_inside.h"

#include "report/file.h"
#include "report/json_file.h"
#include "runtime/open.h"

#include <invar/data.h>

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char folder[] = "parts/processes";

static iv_status no_memory(iv_error *error) {
    return iv_fail(error, IV_ENOMEM, "out of memory for the processes of a run");
}

/* ------------------------------------------------------------------ of itself */

iv_status run_dir_enter_company(iv_run_dir *dir, iv_error *error) {
    struct utsname system;
    char name[256];
    char *path = iv_run_dir_file(dir, folder);
    iv_status status = path ? iv_make_directories(path, error) : no_memory(error);
    free(path);
    if (status != IV_OK) return status;
    snprintf(name, sizeof name, "%s/%s-%.100s-%ld.json", folder, dir->own_start,
             uname(&system) == 0 ? system.nodename : "unknown", (long)getpid());
    for (char *at = name + sizeof folder; *at; at++)
        if (*at == '/' || *at == ':') *at = '.';
    dir->process_file = iv_string_copy(name);
    if (!dir->process_file) return no_memory(error);
    return run_dir_write_process(dir, "running", NULL, error);
}

iv_status run_dir_write_process(const iv_run_dir *dir, const char *status, const char *end,
                                iv_error *error) {
    iv_text text = {0};
    iv_text_add(&text, "{");
    run_dir_add_conditions(&text, dir, ", ");
    run_dir_add_value(&text, "start", dir->own_start);
    iv_text_add(&text, ", ");
    run_dir_add_value(&text, "end", end);
    iv_text_add(&text, ", ");
    run_dir_add_value(&text, "status", status);
    iv_text_add(&text, ", \"seconds\": ");
    iv_text_double(&text, round((iv_seconds() - dir->began) * 1000) / 1000, "null");
    iv_text_add(&text, ", ");
    run_dir_add_value(&text, "file", dir->process_file);
    iv_text_add(&text, ", ");
    run_dir_add_data(&text, dir);
    iv_text_add(&text, "}\n");
    char *path = iv_run_dir_file(dir, dir->process_file);
    const iv_status result = path ? iv_file_write_text(path, &text, error) : no_memory(error);
    iv_text_free(&text);
    free(path);
    return result;
}

/* ------------------------------------------------------------------ of all */

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names begin with the time of a process's beginning. */
static iv_status list_files(const char *path, char ***names, size_t *n, iv_error *error) {
    *names = NULL;
    *n = 0;
    DIR *opened = opendir(path);
    if (!opened && errno == ENOENT) return IV_OK;
    if (!opened) return iv_fail(error, IV_EFAILED, "%s: cannot be read: %s", path, strerror(errno));
    iv_status status = IV_OK;
    for (const struct dirent *entry; status == IV_OK && (entry = readdir(opened));) {
        const size_t length = strlen(entry->d_name);
        if (length < 6 || strcmp(entry->d_name + length - 5, ".json") != 0) continue;
        char **grown = realloc(*names, (*n + 1) * sizeof *grown);
        if (grown) *names = grown;
        if (!grown || !(grown[*n] = iv_path_join(path, entry->d_name)))
            status = no_memory(error);
        else
            ++*n;
    }
    closedir(opened);
    if (*n > 1) qsort(*names, *n, sizeof **names, by_name);
    return status;
}

iv_status run_dir_read_company(const iv_run_dir *dir, json_t **processes, iv_error *error) {
    char **names = NULL;
    size_t n = 0;
    char *path = iv_run_dir_file(dir, folder);
    *processes = json_array();
    iv_status status = path && *processes ? list_files(path, &names, &n, error) : no_memory(error);
    for (size_t i = 0; i < n && status == IV_OK; i++) {
        json_t *process;
        status = iv_json_read(names[i], &process, error);
        if (status == IV_OK && json_array_append_new(*processes, process) != 0)
            status = no_memory(error);
    }
    for (size_t i = 0; i < n; i++) free(names[i]);
    free(names);
    free(path);
    if (status == IV_OK) return IV_OK;
    json_decref(*processes);
    *processes = NULL;
    return status;
}

iv_status run_dir_compare_data(const iv_run_dir *dir, const char *file, const char *sha256,
                               iv_error *error) {
    size_t index, k;
    const json_t *process, *entry;
    json_t *company;
    iv_status status = run_dir_read_company(dir, &company, error);
    if (status != IV_OK) return status;
    json_array_foreach(company, index, process)
        json_array_foreach(json_object_get(process, "data"), k, entry) {
        const char *other = json_string_value(json_object_get(entry, "file"));
        const char *of = json_string_value(json_object_get(entry, "sha256"));
        if (!other || !of || strcmp(other, file) != 0 || strcmp(of, sha256) == 0) continue;
        const char *host = json_string_value(json_object_get(process, "host"));
        status = iv_fail(error, IV_EDATA,
                         "%s: not the file that the process on %s works with: its SHA-256 is "
                         "%s, and there %s; the same data are needed everywhere",
                         file, host ? host : "another machine", sha256, of);
    }
    json_decref(company);
    return status;
}

/* What the others have read, and this process perhaps has not. */
static iv_status take_over_data(iv_run_dir *dir, iv_error *error) {
    size_t index, k;
    const json_t *process, *entry;
    json_t *company;
    iv_status status = run_dir_read_company(dir, &company, error);
    if (status != IV_OK) return status;
    json_array_foreach(company, index, process)
        json_array_foreach(json_object_get(process, "data"), k, entry) {
        const char *file = json_string_value(json_object_get(entry, "file"));
        const char *sha256 = json_string_value(json_object_get(entry, "sha256"));
        size_t i = 0;
        while (i < dir->n_data && file && strcmp(dir->data[i].file, file) != 0) i++;
        if (file && sha256 && i == dir->n_data && status == IV_OK)
            status = run_dir_keep_data(dir, file, sha256,
                                       !json_is_false(json_object_get(entry, "published")), error);
    }
    json_decref(company);
    return status;
}

/* A failure to write of itself, after the others have put the run together, is none. */
static iv_status unless_finished(const iv_run_dir *dir, iv_status status, iv_error *error) {
    bool exists = true;
    iv_error unread = {0};
    if (status == IV_OK) return IV_OK;
    char *plan = iv_run_dir_file(dir, "parts/plan.json");
    if (!plan || iv_path_exists(plan, &exists, &unread) != IV_OK || exists) {
        free(plan);
        return status;
    }
    free(plan);
    iv_error_clear(error);
    return IV_OK;
}

iv_status run_dir_leave_company(iv_run_dir *dir, const char *status, const char *end,
                                iv_error *error) {
    if (!dir->process_file) return IV_OK; /* it found the run finished */
    const bool done = strcmp(status, "done") == 0;
    iv_status result = run_dir_write_process(dir, status, end, error);
    if (result != IV_OK) return unless_finished(dir, result, error);
    if (!done && !iv_lock_is_last(dir->lock)) return IV_OK;
    result = take_over_data(dir, error);
    return result == IV_OK ? run_dir_write_json(dir, status, end, error) : result;
}

iv_status iv_run_dir_pause(iv_run_dir *dir, bool pauses, iv_error *error) {
    const iv_status status =
        run_dir_write_process(dir, pauses ? "waiting" : "running", NULL, error);
    return unless_finished(dir, status, error);
}

/* ------------------------------------------------------------------ parts */

iv_status iv_run_dir_write_once(const iv_run_dir *dir, const char *name, const void *data,
                                size_t bytes, iv_error *error) {
    struct utsname system;
    char own[256];
    snprintf(own, sizeof own, "%.100s.of-%.60s-%ld", name,
             uname(&system) == 0 ? system.nodename : "unknown", (long)getpid());
    char *fresh = iv_run_dir_file(dir, own), *path = iv_run_dir_file(dir, name);
    iv_status status =
        fresh && path ? iv_write_file_atomically(fresh, data, bytes, error) : no_memory(error);
    if (status == IV_OK && link(fresh, path) != 0 && errno != EEXIST) {
        /* a file system without links: the last one stays */
        if (rename(fresh, path) != 0)
            status = iv_fail(error, IV_EFAILED, "%s: cannot be written: %s", path, strerror(errno));
    }
    if (fresh) unlink(fresh);
    free(fresh);
    free(path);
    return status;
}

/* A folder with everything in it; links are not followed. */
static void remove_all(const char *path, int depth) {
    DIR *opened = depth < 8 ? opendir(path) : NULL;
    if (!opened) return;
    for (const struct dirent *entry; (entry = readdir(opened));) {
        struct stat found;
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        char *inner = iv_path_join(path, name);
        if (inner && lstat(inner, &found) == 0 && S_ISDIR(found.st_mode))
            remove_all(inner, depth + 1);
        else if (inner)
            unlink(inner);
        free(inner);
    }
    closedir(opened);
    rmdir(path);
}

iv_status iv_run_dir_remove_parts(const char *dir, iv_error *error) {
    iv_status status = IV_OK;
    static const char *const folders[] = {"models", "splits", "figures"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders && status == IV_OK; i++) {
        char *path = iv_path_join(dir, folders[i]);
        status = path ? iv_remove_temporaries(path, error) : no_memory(error);
        free(path);
    }
    char *parts = iv_path_join(dir, "parts"), *finished = iv_path_join(dir, "parts-finished");
    if (status == IV_OK && (!parts || !finished)) status = no_memory(error);
    if (status == IV_OK) {
        remove_all(finished, 0); /* of one that was killed here */
        /* all at once, so that nobody takes a half for the whole */
        if (rename(parts, finished) == 0) remove_all(finished, 0);
    }
    free(parts);
    free(finished);
    return status;
}
