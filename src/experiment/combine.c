/* Finished runs of one spec with different seeds to one: their models, their numbers as they were
 * measured, and their logs in the order in which one process would have written them. */
#include "experiment/experiment.h"

#include "report/json_file.h"
#include "report/log_read.h"
#include "runtime/open.h"
#include "runtime/text_builder.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 128 };

typedef struct {
    iv_experiment *x;
    const char *const *dirs; /* [n] */
    iv_results *results;     /* [n] of each */
    size_t n;
} combination;

static iv_status join(const combination *c, const char *dir, const char *name, char **path) {
    *path = iv_path_join(dir, name);
    return *path ? IV_OK : iv_no_memory(c->x->context);
}

/* DIR/NAME to the new run's NAME. */
static iv_status copy_file(const combination *c, const char *dir, const char *name) {
    iv_error *error = iv_context_error(c->x->context);
    uint8_t *bytes = NULL;
    size_t n = 0;
    char *from;
    iv_status status = join(c, dir, name, &from);
    if (status == IV_OK) status = iv_read_file(from, SIZE_MAX / 2, &bytes, &n, error);
    if (status == IV_OK) status = iv_run_dir_write(c->x->job->dir, name, bytes, n, error);
    free(bytes);
    free(from);
    return status;
}

/* ------------------------------------------------------------------ numbers */

static const iv_result_run *find_run(const combination *c, const iv_member *member, size_t *of) {
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < c->results[i].n_runs; k++) {
            const iv_result_run *run = &c->results[i].runs[k];
            if (run->seed != member->seed || strcmp(run->name, member->run->name) != 0) continue;
            *of = i;
            return run;
        }
    return NULL;
}

static const iv_metric *find_metric(const iv_result_run *run, const char *name) {
    for (size_t i = 0; i < run->n_metrics; i++)
        if (strcmp(run->metrics[i].name, name) == 0) return &run->metrics[i];
    return NULL;
}

/* The inverse of what results.c writes. False if a number is missing. */
static bool take_metric(const iv_experiment *x, const iv_result_run *run, const char *prefix,
                        size_t metric, size_t n, double *values) {
    const iv_metric_def *def = x->study->schema->metric(metric);
    char name[NAME_SIZE];
    if (!(def->flags & IV_METRIC_SEPARATE) || def->most == 0) {
        snprintf(name, sizeof name, "%.63s%.63s", prefix, def->name);
        const iv_metric *found = find_metric(run, name);
        if (!found || found->n != n) return false;
        memcpy(values, found->values, n * sizeof *values);
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%.63s%.40s.%zu", prefix, def->name, i);
        const iv_metric *found = find_metric(run, name);
        if (!found || found->n != 1) return false;
        values[i] = found->values[0];
    }
    return true;
}

static iv_status take_values(const combination *c, const iv_population *p, size_t r,
                             const iv_result_run *run, const char *dir, double *values) {
    const iv_experiment *x = c->x;
    iv_metric_set sets[IV_MAX_SETS];
    const size_t n_sets = experiment_sets(x->study, p, sets);
    for (size_t s = 0; s < n_sets; s++)
        for (size_t m = 0; x->study->schema->metric(m); m++) {
            if (x->study->schema->metric(m)->flags & IV_METRIC_CURVE_ONLY) continue;
            /* as results.c asks: of a run's first member */
            const size_t n = experiment_applies(x->study, p, &p->members[r], s, m, false);
            double *at = values + r * iv_values_size(x->study) + iv_value_index(x->study, s, m);
            if (n > 0 && !take_metric(x, run, sets[s].prefix, m, n, at))
                return iv_fail(iv_context_error(x->context), IV_EDATA,
                               "%s/results.json: %s seed %" PRIu64 " lacks %s%s", dir, run->name,
                               run->seed, sets[s].prefix, x->study->schema->metric(m)->name);
        }
    return IV_OK;
}

static iv_status take_epoch(const combination *c, const char *dir, const char *model,
                            uint32_t *epoch) {
    iv_safetensors *file = NULL;
    char *path;
    iv_status status = join(c, dir, model, &path);
    if (status == IV_OK) status = iv_safetensors_open(path, &file, iv_context_error(c->x->context));
    const char *text = file ? iv_safetensors_metadata(file, "diverged_from") : NULL;
    *epoch = text ? (uint32_t)strtoul(text, NULL, 10) : 0;
    iv_safetensors_close(file);
    free(path);
    return status;
}

static iv_status take_members(const combination *c, experiment_measured *all) {
    iv_experiment *x = c->x;
    iv_status status = IV_OK;
    for (size_t i = 0; i < x->populations.n; i++) {
        const iv_population *p = &x->populations.items[i];
        for (size_t r = 0; r < p->n_members && status == IV_OK; r++) {
            char model[EXPERIMENT_PATH];
            size_t of = 0;
            const iv_result_run *run = find_run(c, &p->members[r], &of);
            if (!run)
                return iv_fail(iv_context_error(x->context), IV_EDATA,
                               "%s seed %" PRIu32 " is in none of the runs",
                               p->members[r].run->name, p->members[r].seed);
            experiment_model_name(&p->members[r], model);
            status = take_values(c, p, r, run, c->dirs[of], all->values[i]);
            if (status == IV_OK) status = take_epoch(c, c->dirs[of], model, &all->diverged[i][r]);
            if (status == IV_OK) status = copy_file(c, c->dirs[of], model);
        }
    }
    return status;
}

/* ------------------------------------------------------------------ logs */

/* A line with its place: population, step, and then member before set, or set before member. */
typedef struct {
    size_t population, step, first, second, third, number;
    char *text;
} line;

typedef struct {
    line *items;
    size_t n, capacity;
} lines;

static int by_place(const void *a, const void *b) {
    const line *p = a, *q = b;
    const size_t keys[][2] = {{p->population, q->population}, {p->step, q->step},
                              {p->first, q->first},           {p->second, q->second},
                              {p->third, q->third},           {p->number, q->number}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (keys[i][0] != keys[i][1]) return keys[i][0] < keys[i][1] ? -1 : 1;
    return 0;
}

static bool find_member(const iv_experiment *x, const char *run, json_int_t seed,
                        size_t *population, size_t *member) {
    for (size_t i = 0; i < x->populations.n; i++)
        for (size_t r = 0; r < x->populations.items[i].n_members; r++) {
            const iv_member *m = &x->populations.items[i].members[r];
            if (m->seed != seed || strcmp(m->run->name, run) != 0) continue;
            *population = i;
            *member = r;
            return true;
        }
    return false;
}

static size_t split_rank(const char *split) {
    static const char *const order[] = {"train", "validation", "test"};
    for (size_t i = 0; split && i < 3; i++)
        if (strcmp(split, order[i]) == 0) return i;
    return 3;
}

/* `text` is kept in the list. */
static iv_status add_line(const combination *c, const char *dir, lines *all, char *text) {
    const iv_experiment *x = c->x;
    iv_error *error = iv_context_error(x->context);
    json_t *point = json_loads(text, 0, NULL);
    const char *run = json_string_value(json_object_get(point, "run"));
    const json_int_t seed = json_integer_value(json_object_get(point, "seed"));
    const json_int_t step = json_integer_value(json_object_get(point, "step"));
    const size_t split = split_rank(json_string_value(json_object_get(point, "split")));
    size_t population, member;
    if (all->n == all->capacity) {
        const size_t wanted = all->capacity ? 2 * all->capacity : 1024;
        line *grown = realloc(all->items, wanted * sizeof *grown);
        if (!grown) {
            free(text);
            json_decref(point);
            return iv_no_memory(x->context);
        }
        all->items = grown;
        all->capacity = wanted;
    }
    if (!run || step < 0 || !find_member(x, run, seed, &population, &member)) {
        json_decref(point);
        free(text);
        return iv_fail(error, IV_EDATA, "%s/metrics.jsonl: a line of no run of the spec", dir);
    }
    const bool by_set = x->study->measures->log_set_by_set;
    /* sets of one split follow each other as they were written */
    size_t same = 0;
    for (size_t i = all->n;
         i-- > 0 && all->items[i].population == population && all->items[i].step == (size_t)step;)
        same += (by_set ? all->items[i].third == member && all->items[i].first == split
                        : all->items[i].first == member && all->items[i].second == split);
    all->items[all->n] = by_set
                             ? (line){population, (size_t)step, split, same, member, all->n, text}
                             : (line){population, (size_t)step, member, split, same, all->n, text};
    all->n++;
    json_decref(point);
    return IV_OK;
}

static iv_status read_log(const combination *c, const char *dir, lines *all) {
    iv_error *error = iv_context_error(c->x->context);
    uint8_t *bytes = NULL;
    size_t n = 0;
    char *path;
    iv_status status = join(c, dir, "metrics.jsonl", &path);
    if (status == IV_OK) status = iv_read_file(path, SIZE_MAX / 2, &bytes, &n, error);
    for (char *at = (char *)bytes; at && *at && status == IV_OK;) {
        const size_t length = strcspn(at, "\n");
        char *text = malloc(length + 2);
        if (!text) {
            status = iv_no_memory(c->x->context);
            break;
        }
        memcpy(text, at, length);
        memcpy(text + length, "\n", 2);
        at += length + (at[length] == '\n');
        status = add_line(c, dir, all, text);
    }
    free(bytes);
    free(path);
    return status;
}

static iv_status merge_logs(const combination *c) {
    iv_error *error = iv_context_error(c->x->context);
    lines all = {0};
    iv_text text = {0};
    char *joined = NULL;
    iv_status status = IV_OK;
    for (size_t i = 0; i < c->n && status == IV_OK; i++) status = read_log(c, c->dirs[i], &all);
    if (all.n > 1) qsort(all.items, all.n, sizeof *all.items, by_place);
    for (size_t i = 0; i < all.n; i++) {
        if (status == IV_OK) iv_text_add(&text, all.items[i].text);
        free(all.items[i].text);
    }
    free(all.items);
    const size_t length = text.length;
    if (status == IV_OK) status = iv_text_take(&text, &joined, error);
    if (status == IV_OK)
        status = iv_run_dir_write(c->x->job->dir, "metrics.jsonl", joined, length, error);
    iv_text_free(&text);
    free(joined);
    return status;
}

/* For what draws figures, which look at it; nothing is added. */
static iv_status open_log(const combination *c) {
    iv_experiment *x = c->x;
    char *path = iv_run_dir_file(x->job->dir, "metrics.jsonl");
    const iv_status status = path ? iv_log_open_whole(path, &x->log, iv_context_error(x->context))
                                  : iv_no_memory(x->context);
    free(path);
    return status;
}

/* ------------------------------------------------------------------ all of it */

iv_status iv_experiment_combine(const iv_job *job, const char *const *dirs, iv_results *parts,
                                size_t n, iv_results *results) {
    iv_experiment x;
    experiment_measured all;
    iv_status status = experiment_open(job, false, &x);
    if (status != IV_OK) return status;
    const combination c = {.x = &x, .dirs = dirs, .results = parts, .n = n};
    x.training = true;
    status = experiment_measured_create(&x, &all);
    if (status == IV_OK) status = take_members(&c, &all);
    if (status == IV_OK) status = merge_logs(&c);
    if (status == IV_OK) status = open_log(&c);
    if (status == IV_OK) status = experiment_finish(&x, &all, results);
    status = experiment_close_log(&x, status);
    if (status == IV_OK && job->ended) status = job->ended(job->measured_state);
    experiment_measured_clear(&x, &all);
    experiment_close(&x);
    return status;
}
