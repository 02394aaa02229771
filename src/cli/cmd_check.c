/* invar check: what a spec asks for and what it would take; starts nothing. */
#include "cli/cli.h"

#include "runtime/text.h"

#include <invar/data.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_runs(const iv_check_report *report) {
    const iv_node *root = iv_spec_root(report->spec);
    const iv_spec_expansion *all = &report->populations.expansion;
    const size_t n_seeds = iv_spec_length(root, "seeds");
    printf("%s: %s study, %zu run%s x %zu seed%s\n\n", iv_spec_string(root, "name"),
           iv_spec_string(root, "study"), all->n_runs, all->n_runs == 1 ? "" : "s", n_seeds,
           n_seeds == 1 ? "" : "s");
    for (size_t i = 0; i < all->n_runs; i++) printf("    %s\n", all->runs[i].name);
}

/* What will be measured of the runs, with what it means. */
static void print_metrics(const iv_check_report *report) {
    const iv_study *study = iv_study_of(report->spec);
    const iv_metric_def *metric;
    printf("\nmeasured:\n");
    for (size_t i = 0; (metric = study->schema->metric(i)); i++)
        if (iv_study_has_metric(study, &report->populations, i))
            printf("    %-20s %s\n", metric->name, metric->doc);
}

static void print_asked(void *state, const iv_check_report *report) {
    (void)state;
    print_runs(report);
    print_metrics(report);
    fflush(stdout); /* measuring takes a while */
}

static void print_estimates(const iv_check_report *report) {
    static const char all[] = "all, one after another";
    const iv_estimate *estimates = report->estimates;
    const size_t n = report->n_estimates;
    if (n == 0) {
        printf("\nmemory and time are not estimated: images of your own are read when a run "
               "begins, and their size decides\n");
        return;
    }
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
           width, all, "", most >> 20, text, report->device.name);
}

/* "1,2,8": what that many devices would take. False at what is no list of numbers. */
static bool next_number(const char **list, size_t *n) {
    char *end;
    if (**list < '1' || **list > '9') return false;
    const unsigned long number = strtoul(*list, &end, 10);
    if ((*end && *end != ',') || number > 1000000) return false;
    *n = number;
    *list = *end == ',' ? end + 1 : end;
    return *end != ',' || **list;
}

static bool is_list(const char *list) {
    size_t n;
    if (!*list) return false;
    while (*list)
        if (!next_number(&list, &n)) return false;
    return true;
}

static iv_status print_schedules(const iv_check_report *report, const char *list, iv_error *error) {
    const size_t n = report->n_estimates;
    if (n == 0) return IV_OK;
    double *seconds = malloc(n * sizeof *seconds), total = 0;
    if (!seconds) return iv_fail(error, IV_ENOMEM, "out of memory for a schedule");
    for (size_t i = 0; i < n; i++) total += seconds[i] = report->estimates[i].seconds;
    printf("\n%zu population%s, the longest first, by simulation (without start-up):\n\n"
           "devices  longest chain  of the time of one  busy\n",
           n, n == 1 ? "" : "s");
    iv_status status = IV_OK;
    while (*list && status == IV_OK) {
        size_t devices;
        double longest;
        char text[32];
        if (!next_number(&list, &devices)) break; /* it has been looked at */
        status = iv_schedule(seconds, n, devices, &longest, error);
        if (status != IV_OK) break;
        iv_format_duration(longest, text, sizeof text);
        printf("%7zu  %13s  %17.1f%%  %3.0f%%\n", devices, text, 100 * longest / total,
               100 * total / (longest * (double)devices));
    }
    free(seconds);
    return status;
}

static void print_profiles(const iv_check_report *report) {
    for (size_t i = 0; i < report->n_estimates; i++) {
        const iv_estimate *estimate = &report->estimates[i];
        if (estimate->profile.n_events == 0) continue;
        printf("\na training step of %s, %zu member%s:\n", estimate->name, estimate->n_members,
               estimate->n_members == 1 ? "" : "s");
        cli_print_profile(&estimate->profile, estimate->step_seconds);
    }
}

/* A track for each population. */
static iv_status write_trace(const iv_check_report *report, const char *path, iv_error *error) {
    const size_t n = report->n_estimates;
    const char **names = malloc((n + 1) * sizeof *names);
    iv_profile *profiles = malloc((n + 1) * sizeof *profiles);
    char *text = NULL;
    iv_status status =
        names && profiles ? IV_OK : iv_fail(error, IV_ENOMEM, "out of memory for a trace");
    for (size_t i = 0; i < n && status == IV_OK; i++) {
        names[i] = report->estimates[i].name;
        profiles[i] = report->estimates[i].profile;
    }
    if (status == IV_OK)
        status = iv_profile_trace(report->device.name, names, profiles, n, &text, error);
    if (status == IV_OK) status = iv_write_file_atomically(path, text, strlen(text), error);
    free(text);
    free(names);
    free(profiles);
    return status;
}

static int run(const cli_arguments *arguments) {
    iv_error error = {0};
    const char *trace = cli_value(arguments, "trace"), *ranks = cli_value(arguments, "ranks");
    cli_overrides overrides;
    iv_check_report report;
    if (ranks && !is_list(ranks))
        return cli_usage_error(&cli_check, "--ranks %s: expected numbers of devices such as 1,2,8",
                               ranks);
    if (!cli_overrides_read(arguments, &overrides)) {
        (void)iv_fail(&error, IV_ENOMEM, "out of memory");
        return cli_fail(&error);
    }
    const iv_run_options options = {.spec = arguments->words[0],
                                    .overrides = overrides.texts,
                                    .n_overrides = overrides.n,
                                    .device = cli_value(arguments, "device"),
                                    .profile = cli_has(arguments, "profile") || trace};
    iv_status status = iv_check(&options, print_asked, &report, &error);
    if (status == IV_OK && report.has_device)
        print_estimates(&report);
    else if (status == IV_OK)
        printf("\nno OpenCL device here: memory and time cannot be estimated\n");
    if (status == IV_OK && ranks) status = print_schedules(&report, ranks, &error);
    if (status == IV_OK && cli_has(arguments, "profile")) print_profiles(&report);
    if (status == IV_OK && trace) status = write_trace(&report, trace, &error);
    iv_check_clear(&report);
    free(overrides.texts);
    return status == IV_OK ? 0 : cli_fail(&error);
}

static const cli_option options[] = {
    CLI_SET,
    CLI_SEEDS,
    CLI_DEVICE,
    {"ranks", "N", "print what N devices like this one would take together; 1,2,8: for each"},
    {"profile", NULL, "print what the kernels of a training step take, one after another"},
    CLI_TRACE,
    CLI_END,
};

const cli_command cli_check = {
    .name = "check",
    .summary = "validate a spec; print its runs, memory and time; start nothing",
    .synopsis = "SPEC [OPTIONS]",
    .description =
        "Validate the spec and print every run it expands to, with the device memory and the\n"
        "time of each population. The time is estimated from a few measured steps.\n"
        "SPEC is a YAML file, or the name of a spec that comes with Invar; `invar check` alone\n"
        "lists them.\n",
    .notes =
        "Exit status: 0; 1 if measuring fails; 2 for a bad spec; 3 if there is no such device.\n",
    .needs = "a spec",
    .offer = cli_print_specs,
    .least_words = 1,
    .most_words = 1,
    .options = options,
    .run = run,
};
