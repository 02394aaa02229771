/* The run directory and run.json. */
#include <invar/data.h>
#include <invar/report.h>

#include "report/file.h"
#include "report/run_json.h"
#include "runtime/text_builder.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

struct iv_run_dir {
    char *path;
    char *name;
    char *device; /* NULL if none was given */
    char *platform;
    char *driver;
    uint64_t *seeds;
    size_t n_seeds;
    iv_run_json previous;  /* of the process that this one resumes; empty if new */
    char start[32];        /* of the first process */
    struct timespec began; /* of this process, for the seconds */
};

static void utc_now(char *out, size_t n) {
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(out, n, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

static double seconds_since(struct timespec began) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - began.tv_sec) + 1e-9 * (double)(now.tv_nsec - began.tv_nsec);
}

static void add_member(iv_text *text, const char *key, const char *value) {
    iv_text_format(text, "  \"%s\": ", key);
    if (value)
        iv_text_json(text, value);
    else
        iv_text_add(text, "null");
    iv_text_add(text, ",\n");
}

/* `end` NULL while the run goes on. */
static iv_status write_run_json(const iv_run_dir *dir, const char *status, const char *end,
                                iv_error *error) {
    iv_text text = {0};
    struct utsname system;
    if (uname(&system) != 0) {
        memset(&system, 0, sizeof system);
    }
    double seconds = dir->previous.seconds + (end ? seconds_since(dir->began) : 0);

    iv_text_add(&text, "{\n");
    add_member(&text, "name", dir->name);
    add_member(&text, "version", iv_version());
    add_member(&text, "commit", iv_commit());
    add_member(&text, "host", system.nodename);
    iv_text os = {0};
    iv_text_format(&os, "%s %s %s", system.sysname, system.release, system.machine);
    add_member(&text, "system", os.data);
    iv_text_free(&os);
    add_member(&text, "device", dir->device);
    add_member(&text, "platform", dir->platform);
    add_member(&text, "driver", dir->driver);
    iv_text_add(&text, "  \"seeds\": [");
    for (size_t i = 0; i < dir->n_seeds; i++) {
        iv_text_format(&text, "%s%" PRIu64, i ? ", " : "", dir->seeds[i]);
    }
    iv_text_add(&text, "],\n");
    add_member(&text, "start", dir->start);
    add_member(&text, "end", end);
    iv_text_add(&text, "  \"seconds\": ");
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

/* ------------------------------------------------------------------ creation */

/* Only names a shell user can type: the rest of a spec's name becomes dashes. */
static void add_file_name(iv_text *text, const char *name) {
    for (const char *s = name; *s; s++) {
        bool plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
                     (*s >= '0' && *s <= '9') || *s == '_' || *s == '-' || (*s == '.' && s > name);
        iv_text_add_bytes(text, plain ? s : "-", 1);
    }
}

static iv_status make_default_directory(const char *name, char **path, iv_error *error) {
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

static iv_status look_for_earlier_run(iv_run_dir *dir, bool resume, iv_error *error) {
    iv_status status = IV_OK;
    char *path = iv_run_dir_file(dir, "run.json");
    if (!path) return iv_fail(error, IV_ENOMEM, "out of memory while opening %s", dir->path);

    if (!iv_file_exists(path)) {
        if (resume) {
            status = iv_fail(error, IV_EDATA,
                             "%s holds no run to resume: there is no run.json in it", dir->path);
        }
    } else {
        status = iv_run_json_read(path, &dir->previous, error);
        if (status == IV_OK && !resume) {
            bool done = strcmp(dir->previous.status, "done") == 0;
            status =
                iv_fail(error, IV_EINVAL,
                        done ? "%s already holds a finished run: give another --out"
                             : "%s already holds an unfinished run: go on with it by --resume, or "
                               "give another --out",
                        dir->path);
        }
    }
    free(path);
    return status;
}

static iv_status make_folders(const iv_run_dir *dir, iv_error *error) {
    static const char *const folders[] = {"models", "splits", "checkpoint", "figures"};
    iv_status status = iv_make_directories(dir->path, error);
    for (size_t i = 0; status == IV_OK && i < sizeof folders / sizeof *folders; i++) {
        char *path = iv_run_dir_file(dir, folders[i]);
        status = path ? iv_make_directories(path, error)
                      : iv_fail(error, IV_ENOMEM, "out of memory while making %s", dir->path);
        free(path);
    }
    return status;
}

static iv_status copy_options(iv_run_dir *dir, const iv_run_dir_options *options, iv_error *error) {
    const char *name = options->name && *options->name ? options->name : "run";
    size_t bytes;
    iv_status status = iv_multiply_size(options->n_seeds, sizeof *dir->seeds, &bytes, error);
    if (status != IV_OK) return status;

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
    if (options->path) {
        dir->path = iv_string_copy(options->path);
        failed = failed || !dir->path;
        for (size_t n = failed ? 0 : strlen(dir->path); n > 1 && dir->path[n - 1] == '/'; n--) {
            dir->path[n - 1] = '\0';
        }
    }
    return failed ? iv_fail(error, IV_ENOMEM, "out of memory while making a run directory") : IV_OK;
}

iv_status iv_run_dir_create(const iv_run_dir_options *options, iv_run_dir **dir, iv_error *error) {
    *dir = NULL;
    if (options->path && !*options->path) {
        return iv_fail(error, IV_EINVAL, "the run directory's name is empty");
    }
    iv_run_dir *made = calloc(1, sizeof *made);
    if (!made) return iv_fail(error, IV_ENOMEM, "out of memory while making a run directory");

    iv_status status = copy_options(made, options, error);
    if (status != IV_OK) goto done;
    if (!made->path) {
        status = make_default_directory(made->name, &made->path, error);
    } else {
        status = look_for_earlier_run(made, options->resume, error);
    }
    if (status != IV_OK) goto done;

    clock_gettime(CLOCK_MONOTONIC, &made->began);
    utc_now(made->start, sizeof made->start);
    if (made->previous.start && strlen(made->previous.start) < sizeof made->start) {
        memcpy(made->start, made->previous.start, strlen(made->previous.start) + 1);
    }
    status = make_folders(made, error);
    if (status == IV_OK) status = write_run_json(made, "running", NULL, error);
done:
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
    char *run_json = iv_run_dir_file(dir, "run.json");
    iv_status status = IV_OK;
    if (!run_json)
        status = iv_fail(error, IV_ENOMEM, "out of memory for a run directory");
    else if (iv_file_exists(run_json))
        status = iv_run_json_read(run_json, &dir->previous, error);
    free(run_json);
    if (status == IV_OK)
        *out = dir;
    else
        iv_run_dir_destroy(dir);
    return status;
}

void iv_run_dir_destroy(iv_run_dir *dir) {
    if (!dir) return;
    free(dir->path);
    free(dir->name);
    free(dir->device);
    free(dir->platform);
    free(dir->driver);
    free(dir->seeds);
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
        strcmp(status, "failed") != 0) {
        return iv_fail(error, IV_EINVAL, "a run cannot end with status \"%s\"", status);
    }
    char end[32];
    utc_now(end, sizeof end);
    return write_run_json(dir, status, end, error);
}
