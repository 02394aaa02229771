/* Whole specs, from YAML to a run directory and a report: what the commands run, resume, eval,
 * check and report do.
 *
 * Messages of failures are those of the commands, and iv_exit_status gives their exit status.
 * Nothing here prints or waits for a person; files are written to the run directory alone.
 */
#ifndef INVAR_PROGRAM_H
#define INVAR_PROGRAM_H

#include <invar/studies.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ specs that come with Invar */

/* A spec file in iv_specs_directory. */
typedef struct {
    char *name;  /* its path there, without the ending: "regularization/table1-rotation" */
    char *title; /* the first sentence of the comment that it begins with, without a citation */
} iv_named_spec;

typedef struct {
    iv_named_spec *items; /* [n] by name */
    size_t n;
} iv_named_specs;

/* Where they are: $INVAR_SPECS, else where they were installed, else `configs` in the working
 * directory, as in Invar's own sources. */
const char *iv_specs_directory(void);

/* All of them; none if the directory is not there. Free with iv_named_specs_clear. IV_ENOMEM. */
iv_status iv_named_specs_list(iv_named_specs *specs, iv_error *error);
void iv_named_specs_clear(iv_named_specs *specs); /* a zeroed one is fine */

/* The path of a spec: `name` if it is the path of a file or ends in .yaml, else that of the spec of
 * this name that comes with Invar. The caller frees *path. IV_EINVAL, with the nearest name, if there
 * is neither. */
iv_status iv_named_spec_find(const char *name, char **path, iv_error *error);

/* ------------------------------------------------------------------ training and measuring */

/* What a run is, told before its first kernel is compiled. The texts are lent for the call. */
typedef struct {
    const char *name; /* of the spec */
    const char *spec; /* its path */
    const char *dir;  /* the run directory */
    const iv_device_info *device;
} iv_run_start;

/* Zeroed but for what is wanted. */
typedef struct {
    const char *spec; /* path of the YAML file, or the name of one that comes with Invar */
    const char *const *overrides; /* [n_overrides] "KEY=VALUE", as of --set; see iv_spec_load */
    size_t n_overrides;
    size_t seeds;       /* that many seeds, after the overrides; 0: as they say */
    const char *device; /* see iv_device_select; NULL: the default one */
    const char *data;   /* see iv_data_directory; NULL: the default one */
    const char *out;    /* the run directory; NULL: runs/NAME-DATE-TIME */
    bool resume;        /* go on with the unfinished run in `out`, of this very spec */
    bool join;    /* work on the run in `out` with other processes; begin it if there is none */
    bool leave;   /* with join: end where nothing is left to begin, also before the run is done */
    bool profile; /* iv_check: profile a training step of each population */

    /* Once this is nonzero: IV_EINTERRUPTED, with a checkpoint saved. NULL: never. */
    const volatile sig_atomic_t *stop;

    /* NULL for none. */
    const iv_progress *progress;
    void (*started)(void *state, const iv_run_start *start);
    void (*message)(void *state, const char *text); /* a line of news */
    void (*warning)(void *state, const char *text); /* a line that nobody should miss */
    void *state;                                    /* of these three */
} iv_run_options;

/* Train every run of a spec, measure it, write everything into the run directory (models, logs,
 * results.json, figures, report.html) and say in run.json how it ended. A figure or report that
 * cannot be written is a warning: by then the results are, and run.json says "done". A run that
 * `resume` finds finished, with its report, is left as it is: `started` is not called, and the
 * results are those of its results.json. What a killed process left undrawn is drawn.
 *
 * results  filled in on success, empty after a failure; the caller frees them (iv_results_free)
 *
 * With `join`, several processes on any number of machines share `out`: each trains populations that
 * no other does, and one of them writes what a single process would have written, byte for byte on
 * devices of one kind. A process that dies loses its populations to the others. `results` are those of
 * the whole run in all of them, but empty where `leave` ends one before.
 *
 * What cannot succeed is refused before a directory is made: IV_EINVAL for a bad spec, or one that
 * differs from that of the run to resume; IV_ENODEVICE; IV_EDATA for data that are missing or
 * damaged, or where there is no run to resume; IV_ENOMEM. */
iv_status iv_run(const iv_run_options *options, iv_results *results, iv_error *error);

/* Make the directory that a run has by default, runs/NAME-DATE-TIME, for processes that are to share it;
 * the spec is validated. The caller frees *path. */
iv_status iv_run_directory(const iv_run_options *options, char **path, iv_error *error);

/* Go on from the last checkpoint of the run in `dir`: on the same device the results are the same
 * bytes as those of a run that was never interrupted. spec, overrides, seeds, out and resume of the
 * options are not read. */
iv_status iv_resume(const char *dir, const iv_run_options *options, iv_results *results,
                    iv_error *error);

/* Make one run in options->out of finished runs that differ in their seeds alone. Of the options, out,
 * device, data, message, warning and state are read. Nothing is trained or measured again.
 *
 * results  as of iv_run
 *
 * IV_EINVAL, with the reason, if the runs do not fit together: another spec, version or data, or a seed
 * that is in two of them; IV_EDATA if one is missing, damaged or not finished. */
iv_status iv_merge(const iv_run_options *options, const char *const *dirs, size_t n_dirs,
                   iv_results *results, iv_error *error);

/* Recompute every metric of the finished run in `dir` from its exported models. Writes nothing. Of
 * the options, device, data, stop and progress are read.
 *
 * results  as of iv_run
 *
 * IV_EDATA if there is no run, or if a model or data are missing or damaged. */
iv_status iv_evaluate(const char *dir, const iv_run_options *options, iv_results *results,
                      iv_error *error);

/* ------------------------------------------------------------------ beforehand */

/* What a spec asks for and would take. */
typedef struct {
    iv_spec *spec;              /* resolved */
    iv_populations populations; /* which of its runs train together; runs in its expansion */
    bool has_device;            /* false: no OpenCL device is here, so that nothing is estimated */
    iv_device_info device;
    iv_estimate *estimates; /* [n_estimates], of each population in order */
    size_t n_estimates;
} iv_check_report;

/* Validate a spec and expand it, without a device: `spec` and `populations` of the report, which the
 * caller clears also after a failure. Of the options, spec, overrides and seeds are read. */
iv_status iv_expand(const iv_run_options *options, iv_check_report *report, iv_error *error);

/* Validate a spec and estimate what it takes, from a few measured steps; starts nothing. Of the
 * options, spec, overrides, seeds, device and profile are read. expanded: NULL, or called with
 * options->state once spec and populations are known; measuring takes a while.
 *
 * report  the caller clears it (iv_check_clear), also after a failure
 *
 * IV_ENODEVICE if the device that options->device names is not there. */
iv_status iv_check(const iv_run_options *options,
                   void (*expanded)(void *state, const iv_check_report *report),
                   iv_check_report *report, iv_error *error);
void iv_check_clear(iv_check_report *report); /* a zeroed one is fine */

/* How long n_devices devices of one kind take for populations of so many seconds, if each takes the
 * longest one that is left as soon as it is free: the largest sum of a device. Neither starting up nor
 * putting the parts together counts. IV_EINVAL without a device; IV_ENOMEM.
 *
 * seconds  [n]
 */
iv_status iv_schedule(const double *seconds, size_t n, size_t n_devices, double *longest,
                      iv_error *error);

/* ------------------------------------------------------------------ afterwards */

/* Write a report over finished runs (see iv_report_write for `out` and *drawn), and read their
 * results.
 *
 * results  NULL, or out [n_dirs] as of iv_run
 */
iv_status iv_report(const char *const *dirs, size_t n_dirs, const char *out, iv_results *results,
                    bool *drawn, iv_error *error);

#ifdef __cplusplus
}
#endif

#endif
