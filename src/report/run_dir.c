/* The run directory and run.json. */
#include <invar/data.h>
#include <invar/report.h>

#include "report/file.h"
#include "report/lock.h"
#include "report/run_dir_inside.h"
#include "runtime/open.h"
#include "runtime/text_builder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ------------------------------------------------------------------ creation */

/* Only names a shell user can type: the rest of a spec's name becomes dashes. */
static void add_file_name(iv_text *text, const char *name) {
    for (const char *s = name; *s; s++) {
        bool plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
                     (*s >= '0' && *s <= '9') || *s == '_' || *s == '-' || (*s == '.' && s > name);
        iv_text_add_bytes(text, plain ? s : "-", 1);
    }
}

iv_status iv_run_dir_default(const char *name, char **path, iv_error *error) {
    time_t now = time(NULL);
    struct tm parts;
    char stamp[32];
    localtime_r(&now, &parts);
    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &parts);

    *path = NULL;
    iv_status status = iv_make_directories("runs", error);
    for (unsigned attempt = 1; status == IV_OK; attempt++) {
        iv_text text = {0};
        iv_text_add(&text, "runs/");
        add_file_name(&text, name);
        iv_text_format(&text, "-%s", stamp);
        if (attempt > 1) iv_text_format(&text, "-%u", attempt);
        status = iv_text_take(&text, path, error);
        if (status != IV_OK) break;
        if (mkdir(*path, 0777) == 0) return IV_OK;
        /* Another run of the same spec began in this second: mkdir decides whose name it is. */
        if (errno != EEXIST) {
            status = iv_fail(error, IV_EFAILED, "cannot make the run directory %s: %s", *path,
                             strerror(errno));
        }
        free(*path);
        *path = NULL;
    }
    return status;
}

/* What is in a directory counts as a run once run.json is there; it is written after spec.yaml. */
static iv_status look_for_earlier_run(iv_run_dir *dir, bool resume, iv_error *error) {
    const bool join = dir->joined;
    bool exists = false, has_spec = false;
    char *path = iv_run_dir_file(dir, "run.json"), *spec = iv_run_dir_file(dir, "spec.yaml");
    iv_run_json_free(&dir->previous);
    iv_status status = path && spec
                           ? iv_path_exists(path, &exists, error)
                           : iv_fail(error, IV_ENOMEM, "out of memory while opening %s", dir->path);
    if (status == IV_OK) status = iv_path_exists(spec, &has_spec, error);
    if (status == IV_OK && resume && !exists && !join)
        status = iv_fail(error, IV_EDATA, "%s holds no run to resume: there is no run.json in it",
                         dir->path);
    if (status == IV_OK && exists && (resume || has_spec))
        status = iv_run_json_read(path, &dir->previous, error);
    if (status == IV_OK && !resume && !join && dir->previous.root) {
        bool done = strcmp(dir->previous.status, "done") == 0;
        status = iv_fail(error, IV_EINVAL,
                         done ? "%s already holds a finished run: give another --out"
                              : "%s already holds an unfinished run: go on with it by --resume or "
                                "--join, or give another --out",
                         dir->path);
    }
    free(path);
    free(spec);
    return status;
}

static const char *const folders[] = {"models", "splits", "checkpoint", "figures"};
enum { N_FOLDERS = sizeof folders / sizeof *folders };

static iv_status in_folders(const iv_run_dir *dir, iv_status (*act)(const char *, iv_error *),
                            iv_error *error) {
    iv_status status = act(dir->path, error);
    for (size_t i = 0; status == IV_OK && i < N_FOLDERS; i++) {
        char *path = iv_run_dir_file(dir, folders[i]);
        status = path ? act(path, error)
                      : iv_fail(error, IV_ENOMEM, "out of memory while making %s", dir->path);
        free(path);
    }
    return status;
}

static iv_status take_lock(iv_run_dir *dir, bool *alone, iv_error *error) {
    char *path = iv_run_dir_file(dir, "lock");
    const iv_status status =
        !path         ? iv_fail(error, IV_ENOMEM, "out of memory while opening %s", dir->path)
        : dir->joined ? iv_lock_share(path, dir->path, &dir->lock, alone, error)
                      : iv_lock_take(path, dir->path, &dir->lock, error);
    free(path);
    return status;
}

static iv_status copy_options(iv_run_dir *dir, const iv_run_dir_options *options, iv_error *error) {
    const char *name = options->name && *options->name ? options->name : "run";
    size_t bytes;
    iv_status status = iv_multiply_size(options->n_seeds, sizeof *dir->seeds, &bytes, error);
    if (status != IV_OK) return status;

    dir->joined = options->join;
    dir->name = iv_string_copy(name);
    dir->seeds = malloc(bytes ? bytes : 1);
    bool failed = !dir->name || !dir->seeds;
    if (!failed && bytes) memcpy(dir->seeds, options->seeds, bytes);
    dir->n_seeds = options->n_seeds;
    if (options->device) {
        dir->device = iv_string_copy(options->device->name);
        dir->platform = iv_string_copy(options->device->platform);
        dir->driver = iv_string_copy(options->device->driver);
        failed = failed || !dir->device || !dir->platform || !dir->driver;
    }
    dir->spec = iv_string_copy(options->spec);
    dir->engine = iv_string_copy(options->engine);
    failed = failed || (options->spec && !dir->spec) || (options->engine && !dir->engine);
    if (options->path) {
        dir->path = iv_string_copy(options->path);
        failed = failed || !dir->path;
        for (size_t n = failed ? 0 : strlen(dir->path); n > 1 && dir->path[n - 1] == '/'; n--) {
            dir->path[n - 1] = '\0';
        }
    }
    return failed ? iv_fail(error, IV_ENOMEM, "out of memory while making a run directory") : IV_OK;
}

iv_status run_dir_keep_data(iv_run_dir *dir, const char *file, const char *sha256, bool published,
                            iv_error *error) {
    run_data_file *grown = realloc(dir->data, (dir->n_data + 1) * sizeof *grown);
    if (grown) dir->data = grown;
    run_data_file added = {iv_string_copy(file), iv_string_copy(sha256), published};
    if (!grown || !added.file || !added.sha256) {
        free(added.file);
        free(added.sha256);
        return iv_fail(error, IV_ENOMEM, "out of memory for the names of data files");
    }
    dir->data[dir->n_data++] = added;
    return IV_OK;
}

/* What the processes before this one have read. */
static iv_status keep_earlier_data(iv_run_dir *dir, iv_error *error) {
    iv_status status = IV_OK;
    size_t index;
    const json_t *before;
    json_array_foreach(json_object_get(dir->previous.root, "data"), index, before) {
        const char *file = json_string_value(json_object_get(before, "file"));
        const char *sha256 = json_string_value(json_object_get(before, "sha256"));
        const bool published = !json_is_false(json_object_get(before, "published"));
        if (file && sha256 && status == IV_OK)
            status = run_dir_keep_data(dir, file, sha256, published, error);
    }
    return status;
}

/* Whether the work of several processes lies there, not yet put together. */
static iv_status has_parts(const iv_run_dir *dir, bool *has, iv_error *error) {
    char *path = iv_run_dir_file(dir, "parts/plan.json");
    const iv_status status =
        path ? iv_path_exists(path, has, error)
             : iv_fail(error, IV_ENOMEM, "out of memory while opening %s", dir->path);
    free(path);
    return status;
}

/* Under the lock: the run may have been begun or finished since the first look. What declares a
 * state is written last. */
static iv_status begin(iv_run_dir *dir, bool resume, bool alone, iv_error *error) {
    iv_status status = look_for_earlier_run(dir, resume, error);
    /* of processes on other machines the lock may not tell: who puts a shared run together cleans up */
    if (status == IV_OK && !dir->joined) status = in_folders(dir, iv_remove_temporaries, error);
    if (status == IV_OK && !dir->joined) status = keep_earlier_data(dir, error);
    if (status != IV_OK) return status;

    dir->began = iv_seconds();
    run_dir_now(dir->own_start, sizeof dir->own_start);
    const char *start = dir->previous.start;
    if (!start || strlen(start) >= sizeof dir->start) start = dir->own_start;
    memcpy(dir->start, start, strlen(start) + 1);
    bool parts = false;
    if (dir->joined) status = has_parts(dir, &parts, error);
    if (status != IV_OK) return status;
    if (!parts && dir->previous.status && strcmp(dir->previous.status, "done") == 0)
        return IV_OK; /* there is nothing to join */
    if (dir->joined) status = run_dir_enter_company(dir, error);
    if (status != IV_OK || (dir->joined && dir->previous.root && !alone)) return status;
    if (dir->spec) status = iv_run_dir_write(dir, "spec.yaml", dir->spec, strlen(dir->spec), error);
    return status == IV_OK ? run_dir_write_json(dir, "running", NULL, error) : status;
}

iv_status iv_run_dir_create(const iv_run_dir_options *options, iv_run_dir **dir, iv_error *error) {
    *dir = NULL;
    if (options->path && !*options->path) {
        return iv_fail(error, IV_EINVAL, "the run directory's name is empty");
    }
    iv_run_dir *made = calloc(1, sizeof *made);
    if (!made) return iv_fail(error, IV_ENOMEM, "out of memory while making a run directory");

    iv_status status = copy_options(made, options, error);
    if (status == IV_OK)
        status = made->path ? look_for_earlier_run(made, options->resume, error)
                            : iv_run_dir_default(made->name, &made->path, error);
    if (status == IV_OK) status = in_folders(made, iv_make_directories, error);
    bool alone = true;
    if (status == IV_OK) status = take_lock(made, &alone, error);
    if (status == IV_OK) status = begin(made, options->resume, alone, error);
    if (status == IV_OK && made->joined) status = iv_lock_let_others(made->lock, error);
    if (status == IV_OK)
        *dir = made;
    else
        iv_run_dir_destroy(made);
    return status;
}

iv_status iv_run_dir_open(const char *path, iv_run_dir **out, iv_error *error) {
    struct stat info;
    *out = NULL;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return iv_fail(error, IV_EDATA, "%s is not a directory with a run in it", path);
    iv_run_dir *dir = calloc(1, sizeof *dir);
    if (!dir || !(dir->path = strdup(path))) {
        free(dir);
        return iv_fail(error, IV_ENOMEM, "out of memory for a run directory");
    }
    bool exists = false;
    char *run_json = iv_run_dir_file(dir, "run.json");
    iv_status status = run_json ? iv_path_exists(run_json, &exists, error)
                                : iv_fail(error, IV_ENOMEM, "out of memory for a run directory");
    if (status == IV_OK && exists) status = iv_run_json_read(run_json, &dir->previous, error);
    free(run_json);
    if (status == IV_OK)
        *out = dir;
    else
        iv_run_dir_destroy(dir);
    return status;
}

void iv_run_dir_destroy(iv_run_dir *dir) {
    if (!dir) return;
    iv_lock_release(dir->lock);
    for (size_t i = 0; i < dir->n_data; i++) {
        free(dir->data[i].file);
        free(dir->data[i].sha256);
    }
    free(dir->data);
    free(dir->path);
    free(dir->name);
    free(dir->spec);
    free(dir->engine);
    free(dir->device);
    free(dir->platform);
    free(dir->driver);
    free(dir->seeds);
    free(dir->process_file);
    iv_run_json_free(&dir->previous);
    free(dir);
}

/* ------------------------------------------------------------------ use */

const char *iv_run_dir_path(const iv_run_dir *dir) {
    return dir->path;
}

const char *iv_run_dir_previous_status(const iv_run_dir *dir) {
    return dir->previous.status;
}

/* What of the processes before this one is otherwise than in it: a word for each. */
iv_status iv_run_dir_changes(const iv_run_dir *dir, char **changes, iv_error *error) {
    const char *const conditions[][3] = {
        {"device", dir->previous.device, dir->device},
        {"platform", dir->previous.platform, dir->platform},
        {"driver", dir->previous.driver, dir->driver},
        {"engine", json_string_value(json_object_get(dir->previous.root, "engine")), dir->engine},
        {"version", dir->previous.version, iv_version()},
        {"commit", dir->previous.commit, iv_commit()}};
    iv_text text = {0};
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        const char *before = conditions[i][1], *now = conditions[i][2];
        if (!before || !now || strcmp(before, now) == 0) continue;
        iv_text_format(&text, "%s%s %s (was %s)", text.length ? ", " : "", conditions[i][0], now,
                       before);
    }
    return iv_text_take(&text, changes, error);
}

/* As if they had worked on this run before. */
iv_status iv_run_dir_add_earlier(iv_run_dir *dir, const char *other, iv_error *error) {
    iv_run_json run;
    char *path = iv_path_join(other, "run.json");
    iv_status status = path ? iv_run_json_read(path, &run, error)
                            : iv_fail(error, IV_ENOMEM, "out of memory for the processes of a run");
    free(path);
    if (status != IV_OK) return status;
    if (!dir->previous.root) {
        dir->previous = run;
        return keep_earlier_data(dir, error);
    }
    size_t index;
    json_t *process;
    dir->previous.seconds += run.seconds;
    json_array_foreach(json_object_get(run.root, "processes"), index, process)
        json_array_append(json_object_get(dir->previous.root, "processes"), process);
    iv_run_json_free(&run);
    return IV_OK;
}

iv_status iv_run_dir_add_data(iv_run_dir *dir, const char *file, const char *sha256, bool published,
                              iv_error *error) {
    for (size_t i = 0; i < dir->n_data; i++) {
        if (strcmp(dir->data[i].file, file) != 0) continue;
        if (strcmp(dir->data[i].sha256, sha256) == 0) return IV_OK;
        return iv_fail(error, IV_EDATA,
                       "%s: not the file that the run began with: its SHA-256 is %s, and was %s; "
                       "put the former file back, or begin a new run",
                       file, sha256, dir->data[i].sha256);
    }
    iv_status status = dir->joined ? run_dir_compare_data(dir, file, sha256, error) : IV_OK;
    if (status == IV_OK) status = run_dir_keep_data(dir, file, sha256, published, error);
    if (status != IV_OK) return status;
    return dir->joined ? run_dir_write_process(dir, "running", NULL, error)
                       : run_dir_write_json(dir, "running", NULL, error);
}

char *iv_run_dir_file(const iv_run_dir *dir, const char *name) {
    return iv_path_join(dir->path, name);
}

iv_status iv_run_dir_write(const iv_run_dir *dir, const char *name, const void *data, size_t bytes,
                           iv_error *error) {
    char *path = iv_run_dir_file(dir, name);
    iv_status status = path ? iv_write_file_atomically(path, data, bytes, error)
                            : iv_fail(error, IV_ENOMEM, "out of memory while writing %s", name);
    free(path);
    return status;
}

iv_status iv_run_dir_finish(iv_run_dir *dir, const char *status, iv_error *error) {
    if (strcmp(status, "done") != 0 && strcmp(status, "interrupted") != 0 &&
        strcmp(status, "failed") != 0 && !(dir->joined && strcmp(status, "waiting") == 0)) {
        return iv_fail(error, IV_EINVAL, "a run cannot end with status \"%s\"", status);
    }
    char end[32];
    run_dir_now(end, sizeof end);
    if (dir->joined) return run_dir_leave_company(dir, status, end, error);
    return run_dir_write_json(dir, status, end, error);
}
