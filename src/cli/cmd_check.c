/* invar check: what a spec asks for and what it would take; starts nothing. */
#include "cli/cli.h"

#include "runtime/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static iv_status print_runs(const iv_spec *spec, iv_error *error) {
    iv_spec_expansion expansion = {0};
    const iv_status status = iv_spec_expand(spec, &expansion, error);
    if (status != IV_OK) return status;
    const iv_node *root = iv_spec_root(spec);
    const size_t n_seeds = iv_spec_length(root, "seeds");
    printf("%s: %s study, %zu run%s x %zu seed%s\n\n", iv_spec_string(root, "name"),
           iv_spec_string(root, "study"), expansion.n_runs, expansion.n_runs == 1 ? "" : "s",
           n_seeds, n_seeds == 1 ? "" : "s");
    for (size_t i = 0; i < expansion.n_runs; i++) printf("    %s\n", expansion.runs[i].name);
    iv_spec_expansion_release(&expansion);
    return IV_OK;
}

/* What will be measured of the runs, with what it means. */
static iv_status print_metrics(const iv_spec *spec, iv_error *error) {
    const iv_study *study = iv_study_of(spec);
    iv_populations populations = {0};
    const iv_status status = iv_populations_create(study, spec, &populations, error);
    if (status != IV_OK) return status;
    const iv_metric_def *metric;
    printf("\nmeasured:\n");
    for (size_t i = 0; (metric = study->schema->metric(i)); i++)
        if (iv_study_has_metric(study, &populations, i))
            printf("    %-20s %s\n", metric->name, metric->doc);
    iv_populations_clear(&populations);
    return IV_OK;
}

static iv_status print_estimates(const iv_spec *spec, iv_context *context) {
    iv_estimate *estimates;
    size_t n;
    const iv_job job = {.spec = spec, .study = iv_study_of(spec), .context = context};
    const iv_status status = iv_experiment_estimate(&job, &estimates, &n);
    if (status != IV_OK) return status;
    static const char all[] = "all, one after another";
    double total = 0;
    size_t most = 0, longest = strlen(all);
    char text[32];
    for (size_t i = 0; i < n; i++) {
        const size_t length = strlen(estimates[i].name);
        if (length > longest) longest = length;
    }
    const int width = (int)longest;
    printf("\n%-*s %8s %12s %16s\n", width, "population", "members", "memory", "time");
    for (size_t i = 0; i < n; i++) {
        iv_format_duration(estimates[i].seconds, text, sizeof text);
        printf("%-*s %8zu %8zu MiB %16s\n", width, estimates[i].name, estimates[i].n_members,
               estimates[i].bytes >> 20, text);
        total += estimates[i].seconds;
        if (estimates[i].bytes > most) most = estimates[i].bytes;
    }
    iv_format_duration(total, text, sizeof text);
    printf("%-*s %8s %8zu MiB %16s\n\non %s, from a few measured steps and parts of the "
           "measuring\n",
           width, all, "", most >> 20, text, iv_context_device(context)->name);
    free(estimates);
    return IV_OK;
}

static int run(const cli_arguments *arguments) {
    const char *device = cli_value(arguments, "device");
    cli_overrides overrides;
    iv_spec *spec = NULL;
    iv_context *context = NULL;
    iv_error error = {0};
    int exit_status = 0;
    iv_status status = cli_overrides_read(arguments, &overrides)
                           ? iv_spec_load(arguments->words[0], overrides.texts, overrides.n,
                                          iv_study_schema, &spec, &error)
                           : iv_fail(&error, IV_ENOMEM, "out of memory");
    if (status == IV_OK) status = print_runs(spec, &error);
    if (status == IV_OK) status = print_metrics(spec, &error);
    fflush(stdout); /* measuring takes a while */
    if (status == IV_OK) {
        status = iv_context_create(device, false, &context, &error);
        if (status == IV_ENODEVICE && !device) {
            printf("\nno OpenCL device here: memory and time cannot be estimated\n");
            goto done;
        }
    }
    if (status == IV_OK) {
        status = print_estimates(spec, context);
        if (status != IV_OK) error = *iv_context_error(context);
    }
    if (status != IV_OK) exit_status = cli_fail(&error);

done:
    iv_context_destroy(context);
    iv_spec_destroy(spec);
    free(overrides.texts);
    return exit_status;
}

static const cli_option options[] = {CLI_SET, CLI_SEEDS, CLI_DEVICE, CLI_END};

const cli_command cli_check = {
    .name = "check",
    .summary = "validate a spec; print its runs, memory and time; start nothing",
    .synopsis = "SPEC.yaml [OPTIONS]",
    .description =
        "Validate the spec and print every run it expands to, with the device memory and the\n"
        "time of each population. The time is estimated from a few measured steps.\n"
        "The repository's specs are in configs/STUDY/ and configs/STUDY/quick/.\n",
    .notes =
        "Exit status: 0; 1 if measuring fails; 2 for a bad spec; 3 if there is no such device.\n",
    .needs = "a spec file",
    .least_words = 1,
    .most_words = 1,
    .options = options,
    .run = run,
};
