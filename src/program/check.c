/* What a spec asks for and what it would take. */
#include "program/program.h"

#include <stdlib.h>

static iv_status estimate(const iv_run_options *options, iv_check_report *report, iv_error *error) {
    iv_context *context;
    iv_status status = iv_context_create(options->device, options->profile, &context, error);
    if (status == IV_ENODEVICE && !options->device) {
        iv_error_clear(error);
        return IV_OK;
    }
    if (status != IV_OK) return status;
    report->has_device = true;
    report->device = *iv_context_device(context);
    const iv_job job = {.spec = report->spec,
                        .study = iv_study_of(report->spec),
                        .context = context,
                        .profile = options->profile};
    status = iv_experiment_estimate(&job, &report->estimates, &report->n_estimates);
    iv_pass_on(context, status, error);
    iv_context_destroy(context);
    return status;
}

iv_status iv_expand(const iv_run_options *options, iv_check_report *report, iv_error *error) {
    *report = (iv_check_report){0};
    const iv_status status = iv_load_spec(options, &report->spec, error);
    if (status != IV_OK) return status;
    return iv_populations_create(iv_study_of(report->spec), report->spec, &report->populations,
                                 error);
}

iv_status iv_check(const iv_run_options *options,
                   void (*expanded)(void *state, const iv_check_report *report),
                   iv_check_report *report, iv_error *error) {
    const iv_status status = iv_expand(options, report, error);
    if (status == IV_OK && expanded) expanded(options->state, report);
    return status == IV_OK ? estimate(options, report, error) : status;
}

void iv_check_clear(iv_check_report *report) {
    iv_estimates_destroy(report->estimates, report->n_estimates);
    iv_populations_clear(&report->populations);
    iv_spec_destroy(report->spec);
    *report = (iv_check_report){0};
}
