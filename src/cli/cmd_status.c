/* invar status: how far a run is, who works on it, and what a script has to do. */
#include "cli/cli.h"

#include "runtime/text.h"

#include <jansson.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DONE = 0, FAILED = 1, AT_WORK = 10, ABANDONED = 11 };

static const char *const words[IV_PART_STATES] = {"waiting", "running", "done", "failed", "lost"};

static int exit_status(const iv_standing *s) {
    if (s->finished && (!s->n_parts || !s->at_work)) return DONE;
    if (s->at_work) return AT_WORK;
    return s->n_of[IV_PART_FAILED] > 0 || strcmp(s->status, "failed") == 0 ? FAILED : ABANDONED;
}

static const char *state_word(const iv_standing *s) {
    switch (exit_status(s)) {
    case DONE: return "done";
    case AT_WORK: return "running";
    case FAILED: return "failed";
    default: return "unfinished";
    }
}

/* ------------------------------------------------------------------ for people */

static void print_part(size_t number, int width, const iv_part_standing *p) {
    char since[32];
    printf("%5zu  %-*s  %-8s", number, width, p->name, words[p->state]);
    if (p->state != IV_PART_DONE && p->total > 0)
        printf(" %3.0f%%", 100 * (double)p->done / (double)p->total);
    else
        printf("     ");
    switch (p->state) {
    case IV_PART_RUNNING:
        iv_format_duration(p->age > 0 ? p->age : 0, since, sizeof since);
        printf("  process %ld on %s since %s", p->process, p->host, p->since);
        break;
    case IV_PART_LOST:
        iv_format_duration(p->age, since, sizeof since);
        printf("  process %ld on %s, silent for %s", p->process, p->host, since);
        break;
    case IV_PART_FAILED: printf("  on %s: %s", p->host, p->why); break;
    default:
        if (p->claims > 1) printf("  process number %u", p->claims);
    }
    putchar('\n');
}

static void print_standing(const char *dir, const iv_standing *s) {
    printf("%s: %s", s->name, state_word(s));
    if (s->n_parts > 0) {
        printf(", %.0f%%; of %zu populations", 100 * s->share, s->n_parts);
        static const iv_part_state order[] = {IV_PART_DONE, IV_PART_RUNNING, IV_PART_FAILED,
                                              IV_PART_LOST, IV_PART_WAITING};
        const char *between = " ";
        for (size_t i = 0; i < IV_PART_STATES; i++) {
            if (s->n_of[order[i]] == 0) continue;
            printf("%s%zu %s", between, s->n_of[order[i]], words[order[i]]);
            between = ", ";
        }
    } else if (*s->saved) {
        printf(", %s", s->saved);
    }
    putchar('\n');
    int width = 10;
    for (size_t i = 0; i < s->n_parts; i++)
        if ((int)strlen(s->parts[i].name) > width) width = (int)strlen(s->parts[i].name);
    for (size_t i = 0; i < s->n_parts; i++) print_part(i + 1, width, &s->parts[i]);
    if (exit_status(s) == ABANDONED || exit_status(s) == FAILED)
        printf("nobody works on it: `invar resume %s` goes on\n", dir);
}

/* ------------------------------------------------------------------ for programs */

static iv_status print_json(const iv_standing *s) {
    json_t *list = json_array();
    for (size_t i = 0; i < s->n_parts; i++) {
        const iv_part_standing *p = &s->parts[i];
        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:I, s:i, s:s, s:I, s:s, s:f, s:I, s:I, s:s}", "name", p->name,
                      "state", words[p->state], "members", (json_int_t)p->n_members, "claims",
                      (int)p->claims, "host", p->host, "process", (json_int_t)p->process, "since",
                      p->since, "silent_seconds", p->age, "done", (json_int_t)p->done, "total",
                      (json_int_t)p->total, "why", p->why));
    }
    json_t *root = json_pack("{s:s, s:s, s:s, s:b, s:f, s:o}", "name", s->name, "state",
                             state_word(s), "status", s->status, "at_work", (int)s->at_work,
                             "share", s->share, "populations", list);
    const bool printed =
        root && json_dumpf(root, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF;
    json_decref(root);
    return printed ? IV_OK : IV_EFAILED;
}

static int run(const cli_arguments *arguments) {
    const char *dir = arguments->words[0];
    iv_standing standing;
    iv_error error = {0};
    iv_status status = iv_standing_read(dir, &standing, &error);
    if (status != IV_OK) return cli_fail(&error);
    const int result = exit_status(&standing);
    if (cli_has(arguments, "json"))
        status = print_json(&standing);
    else
        print_standing(dir, &standing);
    iv_standing_clear(&standing);
    if (status != IV_OK) (void)iv_fail(&error, status, "the standing cannot be written");
    return status == IV_OK ? result : cli_fail(&error);
}

static const cli_option options[] = {{"json", NULL, "print it as JSON"}, CLI_END};

const cli_command cli_status = {
    .name = "status",
    .summary = "how far a run is, and who works on it",
    .synopsis = "RUN_DIR [--json]",
    .description =
        "Print what of a run is done, running (where, since when), failed and waiting. Writes\n"
        "nothing, and may be asked while processes work on the run.\n",
    .notes =
        "Exit status, for scripts: 0 if the run is done; 10 if somebody works on it; 11 if it\n"
        "is unfinished and nobody does (go on with `invar resume RUN_DIR`); 1 if, moreover,\n"
        "something failed; 4 if there is no run.\n",
    .needs = "a run directory",
    .least_words = 1,
    .most_words = 1,
    .options = options,
    .run = run,
};
