/* invar data: what image sets there are, whether their files are sound, and how to get them. */
#include "cli/cli.h"

#include "runtime/text.h"

#include <invar/data.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096 };

typedef struct {
    char directory[PATH_BYTES];
    const char *const *names;
    size_t n_names;
    size_t n_images; /* for make */
} arguments;

/* ------------------------------------------------------------------ list */

static size_t count_present(const char *directory, const iv_dataset_info *info, size_t *n_files) {
    char path[PATH_BYTES];
    size_t n_present = 0;
    for (*n_files = 0; info->files[*n_files]; (*n_files)++)
        n_present += iv_dataset_file_find(directory, info, *n_files, path);
    return n_present;
}

static void list_files(const char *directory, const iv_dataset_info *info) {
    char path[PATH_BYTES], state[64];
    size_t n_files;
    const size_t n_present = count_present(directory, info, &n_files);
    if (n_present == n_files)
        snprintf(state, sizeof state, "present");
    else if (n_present > 0)
        snprintf(state, sizeof state, "%zu of %zu files", n_present, n_files);
    else
        snprintf(state, sizeof state, "missing");
    (void)iv_dataset_file_find(directory, info, 0, path);
    char *end = strrchr(path, '/');
    if (end) *end = '\0';
    printf("  %-14s %-14s %s\n", info->name, state, info->title);
    printf("  %-14s %-14s in %s/", "", "", path);
    if (n_present == n_files)
        printf("\n");
    else
        printf("; `invar data fetch %s`\n", info->name);
}

static int list(const arguments *given) {
    printf("Data directory: %s\n\n", given->directory);
    const iv_dataset_info *info;
    for (size_t i = 0; (info = iv_dataset_info_get(i)); i++)
        if (info->built_in)
            printf("  %-14s %-14s %s\n", info->name, "built in", info->title);
        else
            list_files(given->directory, info);
    printf("\nImages of your own: any folder of IDX, .npy or PNG files; docs/own-images.md.\n");
    return 0;
}

/* ------------------------------------------------------------------ verify */

/* Print one line a file and count those that are missing and those that are wrong. */
static void verify_set(const char *directory, const iv_dataset_info *info, size_t *n_missing,
                       size_t *n_wrong) {
    for (size_t file = 0; info->files[file]; file++) {
        char path[PATH_BYTES], sha256[65];
        iv_error error = {0};
        switch (iv_dataset_file_verify(directory, info, file, path, sha256, &error)) {
        case IV_FILE_GOOD: printf("good       %s\n", path); break;
        case IV_FILE_UNCHECKED:
            printf("readable   %s\n           SHA-256 %s; no published one is known\n", path,
                   sha256);
            break;
        case IV_FILE_MISSING:
            printf("missing    %s\n", path);
            (*n_missing)++;
            break;
        case IV_FILE_DAMAGED:
            printf("damaged    %s\n", error.message);
            (*n_wrong)++;
            break;
        case IV_FILE_DIFFERENT:
            printf("different  %s\n           SHA-256 of its uncompressed bytes\n"
                   "             found    %s\n             expected %s\n",
                   path, sha256, info->sha256s[file]);
            (*n_wrong)++;
            break;
        }
    }
}

static int verify(const arguments *given) {
    size_t n_missing = 0, n_wrong = 0, n_sets = 0;
    char names[256] = ""; /* of sets that have to be fetched */
    const iv_dataset_info *info;
    for (size_t i = 0; (info = iv_dataset_info_get(i)); i++) {
        size_t n_files;
        if (info->built_in) continue;
        bool wanted = given->n_names == 0 && count_present(given->directory, info, &n_files) > 0;
        for (size_t k = 0; k < given->n_names; k++)
            if (strcmp(given->names[k], info->name) == 0) wanted = true;
        if (!wanted) continue;
        n_sets++;
        const size_t before = n_missing + n_wrong, used = strlen(names);
        verify_set(given->directory, info, &n_missing, &n_wrong);
        if (n_missing + n_wrong == before) continue;
        snprintf(names + used, sizeof names - used, " %s", info->name);
    }

    iv_error error = {0};
    if (n_sets == 0)
        (void)iv_fail(&error, IV_EDATA,
                      "%s: holds no image set; `invar data list` says how to get one",
                      given->directory);
    else if (n_missing + n_wrong > 0)
        (void)iv_fail(
            &error, IV_EDATA, "%s: %zu files missing, %zu damaged or not the published ones%s%s%s",
            given->directory, n_missing, n_wrong, *names ? "; `invar data fetch" : "", names,
            *names == 0    ? ""
            : n_wrong == 0 ? "` replaces what is wrong"
                           : "` replaces what is wrong; files without .gz have to be moved "
                             "away first");
    return error.status == IV_OK ? 0 : cli_fail(&error);
}

/* ------------------------------------------------------------------ fetch */

/* What a signal handler may touch; the download stops at its next progress report. */
static volatile sig_atomic_t interrupted;

static void interrupt(int number) {
    (void)number;
    interrupted = 1;
}

static int show_progress(const char *file, uint64_t received, uint64_t total, void *state) {
    bool *shown = state;
    if (cli_redraws() && received > 0) {
        char line[256], of_total[32] = "";
        if (total > 0) snprintf(of_total, sizeof of_total, " of %.1f", (double)total / 1e6);
        snprintf(line, sizeof line, "  %.150s  %.1f%s MB", file, (double)received / 1e6, of_total);
        cli_redraw(line);
        *shown = true;
    }
    return interrupted;
}

static int fetch(const arguments *given) {
    const char *mirror = getenv("INVAR_DATA_MIRROR");
    if (mirror && !*mirror) mirror = NULL;

    struct sigaction action = {0}, before_interrupt, before_terminate;
    action.sa_handler = interrupt;
    sigaction(SIGINT, &action, &before_interrupt);
    sigaction(SIGTERM, &action, &before_terminate);

    iv_error error = {0};
    iv_status status = IV_OK;
    for (size_t i = 0; i < given->n_names && status == IV_OK; i++) {
        bool shown = false;
        const iv_dataset_info *info = iv_dataset_info_find(given->names[i]);
        status = iv_dataset_fetch(given->directory, info, mirror, show_progress, &shown, &error);
        if (shown) fprintf(stderr, "\r\033[K");
        if (status == IV_OK)
            printf("%s: all files are in %s/%s/%s\n", info->name, given->directory, info->name,
                   info->archive ? "" : " and have the published checksums");
    }

    sigaction(SIGINT, &before_interrupt, NULL);
    sigaction(SIGTERM, &before_terminate, NULL);
    return status == IV_OK ? 0 : cli_fail(&error);
}

/* ------------------------------------------------------------------ make */

static int make(const arguments *given) {
    iv_error error = {0};
    iv_dataset dataset = {0};
    char path[PATH_BYTES + 64];
    iv_status status =
        iv_dataset_load(given->directory, given->names[0], given->n_images, &dataset, &error);
    snprintf(path, sizeof path, "%s/%s", given->directory, given->names[0]);
    if (status == IV_OK) status = iv_dataset_write_idx(path, &dataset, &error);
    if (status == IV_OK)
        printf("%s: %zu training and %zu test images are in %s/\n", given->names[0],
               dataset.n_training, dataset.n_images - dataset.n_training, path);
    iv_dataset_clear(&dataset);
    return status == IV_OK ? 0 : cli_fail(&error);
}

/* ------------------------------------------------------------------ arguments */

static bool parse_count(const char *text, size_t *count) {
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    *count = (size_t)value;
    return errno == 0 && end != text && *end == '\0' && *text != '-' && value >= 2 &&
           value <= INT32_MAX;
}

/* Both: 0, or the exit status of a usage error that has been reported. */
static int check_name(const char *action, const char *name) {
    char names[256];
    const iv_dataset_info *info = iv_dataset_info_find(name);
    if (strcmp(action, "make") == 0 && (!info || !info->built_in))
        return cli_usage_error(
            &cli_data, "'%s' cannot be made, only %s can", name,
            iv_dataset_names(IV_DATASETS_BUILT_IN, ", ", " and ", names, sizeof names));
    if (strcmp(action, "make") == 0) return 0;
    if (!info)
        return cli_usage_error(
            &cli_data, "unknown image set '%s': expected %s", name,
            iv_dataset_names(IV_DATASETS_OF_FILES, ", ", " or ", names, sizeof names));
    if (info->built_in)
        return cli_usage_error(&cli_data, "'%s' is built in and needs no files", name);
    return 0;
}

static int check_names(const char *action, const arguments *given) {
    char names[256];
    if (strcmp(action, "list") == 0 && given->n_names > 0)
        return cli_usage_error(&cli_data, "unexpected argument '%s'", given->names[0]);
    if (strcmp(action, "fetch") == 0 && given->n_names == 0)
        return cli_usage_error(
            &cli_data, "fetch needs a name: %s",
            iv_dataset_names(IV_DATASETS_OF_FILES, ", ", " or ", names, sizeof names));
    if (strcmp(action, "make") == 0 && given->n_names != 1)
        return cli_usage_error(
            &cli_data, "make needs one name: %s",
            iv_dataset_names(IV_DATASETS_BUILT_IN, ", ", " or ", names, sizeof names));
    int usage_error = 0;
    for (size_t i = 0; i < given->n_names && usage_error == 0; i++)
        usage_error = check_name(action, given->names[i]);
    return usage_error;
}

static int run(const cli_arguments *words) {
    const char *action = words->words[0], *images = cli_value(words, "images");
    /* 70000 made images split like MNIST's. */
    arguments given = {.n_images = 70000, .names = words->words + 1, .n_names = words->n_words - 1};

    static const struct {
        const char *name;
        int (*run)(const arguments *given);
    } actions[] = {{"list", list}, {"verify", verify}, {"fetch", fetch}, {"make", make}};
    if (images && (strcmp(action, "make") != 0 || !parse_count(images, &given.n_images)))
        return cli_usage_error(&cli_data,
                               "--images takes a number from 2 to %ld, and only with make",
                               (long)INT32_MAX);
    const char *nearest = NULL;
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (iv_word_nearer(action, actions[i].name, &best)) nearest = actions[i].name;
        if (strcmp(actions[i].name, action) != 0) continue;
        const int usage_error = check_names(action, &given);
        if (usage_error != 0) return usage_error;
        iv_error error = {0};
        if (iv_data_directory(cli_value(words, "data"), given.directory, sizeof given.directory,
                              &error) != IV_OK)
            return cli_fail(&error);
        return actions[i].run(&given);
    }
    return cli_usage_error(
        &cli_data, "unknown action '%s': expected list, verify, fetch or make%s%s%s", action,
        nearest ? "; did you mean `" : "", nearest ? nearest : "", nearest ? "`?" : "");
}

static const cli_option options[] = {
    CLI_DATA,
    {"images", "N", "how many images to make (default: 70000, of which 60000 for training)"},
    CLI_END,
};

const cli_command cli_data = {
    .name = "data",
    .summary = "list, check, download or make image sets",
    .synopsis = "list | verify [NAME...] | fetch NAME... | make NAME [--images N]",
    .description =
        "    list      every image set, where it is expected, and whether it is there\n"
        "    verify    compare the files with the published SHA-256 checksums\n"
        "    fetch     download published sets; only files that are not already there and good, "
        "and\n"
        "              nothing is kept that does not have the published checksum; an archive is\n"
        "              unpacked\n"
        "    make      write a built-in set as IDX files for other programs; Invar itself needs "
        "no\n"
        "              files for it\n",
    .notes =
        "INVAR_DATA_MIRROR names another site to fetch from: files are at MIRROR/NAME/FILE.gz,\n"
        "archives at MIRROR/NAME/FILE.tar.gz.\n"
        "\n"
        "Exit status: 0; 2 bad usage; 4 data missing or damaged; 1 the network or disk failed;\n"
        "130 interrupted.\n",
    .needs = "one of list, verify, fetch or make",
    .least_words = 1,
    .most_words = SIZE_MAX,
    .options = options,
    .run = run,
};
