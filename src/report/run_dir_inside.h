/* Inside a run directory: what its files share.
 *
 *   run_dir.c   making, opening and closing it
 *   run_file.c  run.json
 *   company.c   several processes in one directory
 */
#ifndef INVAR_REPORT_RUN_DIR_INSIDE_H
#define INVAR_REPORT_RUN_DIR_INSIDE_H

#include "report/lock.h"
#include "report/run_json.h"
#include "runtime/text_builder.h"

#include <invar/report.h>

/* One file of data as this run read it. */
typedef struct {
    char *file, *sha256;
    bool published;
} run_data_file;

struct iv_run_dir {
    char *path;
    char *name;
    char *spec; /* NULL if none was given; so on to engine */
    char *device;
    char *platform;
    char *driver;
    char *engine;
    uint64_t *seeds;
    size_t n_seeds;
    iv_run_json previous; /* of the process that this one resumes; empty if new */
    char start[32];       /* of the first process */
    char own_start[32];   /* of this one */
    double began;         /* iv_seconds(), of this process, for the seconds */
    run_data_file *data;
    size_t n_data;
    iv_lock *lock;      /* NULL if it is only read */
    bool joined;        /* one of several processes at work */
    char *process_file; /* its own file in parts/processes/, if joined */
};

/* "2026-01-31T23:59:59Z", now. */
void run_dir_now(char *out, size_t n);

/* "KEY": VALUE, or null. */
void run_dir_add_value(iv_text *text, const char *key, const char *value);

/* `"data": [...],` of a process's files, and the keys of one process: "version" to "driver". */
void run_dir_add_data(iv_text *text, const iv_run_dir *dir);
void run_dir_add_conditions(iv_text *text, const iv_run_dir *dir, const char *between);

/* Write run.json; `end` NULL while the run goes on. */
iv_status run_dir_write_json(const iv_run_dir *dir, const char *status, const char *end,
                             iv_error *error);

/* Remember a file of data. */
iv_status run_dir_keep_data(iv_run_dir *dir, const char *file, const char *sha256, bool published,
                            iv_error *error);

/* ------------------------------------------------------------------ several processes */

/* What joined processes have written of themselves, in the order of their beginnings: an array to
 * json_decref. */
iv_status run_dir_read_company(const iv_run_dir *dir, json_t **processes, iv_error *error);

/* Begin a file of this process; and write it anew. */
iv_status run_dir_enter_company(iv_run_dir *dir, iv_error *error);
iv_status run_dir_write_process(const iv_run_dir *dir, const char *status, const char *end,
                                iv_error *error);

/* The end of this process: written of itself, and in run.json if it has done the run, or if no other
 * process is left. */
iv_status run_dir_leave_company(iv_run_dir *dir, const char *status, const char *end,
                                iv_error *error);

/* IV_EDATA if another process of the run has read another file under this name. */
iv_status run_dir_compare_data(const iv_run_dir *dir, const char *file, const char *sha256,
                               iv_error *error);

#endif
