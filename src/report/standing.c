/* How far a run is, from what its processes have left in its directory. Nothing is written, and what
 * is read may be being written. */
#include <invar/data.h>
#include <invar/report.h>

#include "report/file.h"
#include "report/json_file.h"
#include "report/lease.h"
#include "report/run_json.h"
#include "runtime/open.h"
#include "runtime/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { MOST_PARTS = 1000000 };

static iv_status no_memory(iv_error *error) {
    return iv_fail(error, IV_ENOMEM, "out of memory for what is known of a run");
}

static void take_text(char *to, size_t size, const char *from) {
    snprintf(to, size, "%s", from ? from : "");
    iv_tame(to);
    for (size_t n = strlen(to); n > 0 && !iv_is_utf8(to);) to[--n] = '\0'; /* cut in a character */
}

/* Whether some process has the directory's lock. */
static bool is_locked(const char *dir) {
    char *path = iv_path_join(dir, "lock");
    const int descriptor = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW) : -1;
    const bool locked = descriptor >= 0 && flock(descriptor, LOCK_EX | LOCK_NB) != 0;
    if (descriptor >= 0) close(descriptor);
    free(path);
    return locked;
}

static iv_status has(const char *folder, const char *name, bool *exists, iv_error *error) {
    char *path = iv_path_join(folder, name);
    const iv_status status = path ? iv_path_exists(path, exists, error) : no_memory(error);
    free(path);
    return status;
}

/* ------------------------------------------------------------------ parts */

static iv_part_state state_of(const iv_lease_facts *facts) {
    if (facts->number == 0) return IV_PART_WAITING;
    if (facts->held && (facts->dead || facts->age > iv_lease_seconds())) return IV_PART_LOST;
    if (facts->held) return IV_PART_RUNNING;
    if (*facts->why && strcmp(facts->why, "interrupted") != 0) return IV_PART_FAILED;
    return IV_PART_WAITING;
}

static iv_status look_at(const char *folder, iv_part_standing *part, iv_error *error) {
    iv_lease_facts facts = {0};
    bool begun = false, done = false;
    iv_status status = iv_path_exists(folder, &begun, error);
    if (status != IV_OK || !begun) return status;
    status = has(folder, "measured.safetensors", &done, error);
    if (status == IV_OK) status = iv_lease_look(folder, &facts, error);
    if (status != IV_OK) return status;
    part->state = done ? IV_PART_DONE : state_of(&facts);
    part->claims = facts.number;
    part->process = facts.process;
    part->age = facts.age;
    part->done = facts.done;
    part->total = facts.total;
    take_text(part->host, sizeof part->host, facts.host);
    take_text(part->since, sizeof part->since, facts.since);
    take_text(part->why, sizeof part->why, facts.why);
    return IV_OK;
}

static iv_status read_parts(const char *dir, iv_standing *s, iv_error *error) {
    json_t *root;
    char *path = iv_path_join(dir, "parts/plan.json");
    iv_status status = path ? iv_json_read(path, &root, error) : no_memory(error);
    free(path);
    if (status != IV_OK) return status;
    const json_t *list = json_object_get(root, "populations");
    const size_t n = json_array_size(list);
    s->parts = n <= MOST_PARTS ? calloc(n + 1, sizeof *s->parts) : NULL;
    if (!s->parts) status = no_memory(error);
    for (size_t i = 0; i < n && status == IV_OK; i++) {
        const json_t *entry = json_array_get(list, i);
        iv_part_standing *part = &s->parts[s->n_parts++];
        char name[64];
        take_text(part->name, sizeof part->name, json_string_value(json_object_get(entry, "name")));
        const json_int_t members = json_integer_value(json_object_get(entry, "members"));
        part->n_members = members > 0 ? (size_t)members : 0;
        part->operations = json_number_value(json_object_get(entry, "operations"));
        snprintf(name, sizeof name, "parts/%zu", i + 1);
        char *folder = iv_path_join(dir, name);
        status = folder ? look_at(folder, part, error) : no_memory(error);
        free(folder);
    }
    json_decref(root);
    return status;
}

static void count(iv_standing *s) {
    double all = 0, done = 0;
    for (size_t i = 0; i < s->n_parts; i++) {
        const iv_part_standing *p = &s->parts[i];
        double share = p->total > 0 ? (double)p->done / (double)p->total : 0;
        if (!(share <= 1)) share = 1;
        s->n_of[p->state]++;
        all += p->operations;
        done += p->operations * (p->state == IV_PART_DONE ? 1 : share);
        s->at_work |= p->state == IV_PART_RUNNING;
    }
    s->share = all > 0 ? done / all : 0;
}

/* ------------------------------------------------------------------ the run */

/* Of one process that works alone: how far its checkpoint is. */
static void read_checkpoint(const char *dir, iv_standing *s) {
    iv_safetensors *file = NULL;
    iv_error unread = {0};
    char *path = iv_path_join(dir, "checkpoint/population.safetensors");
    if (path && iv_safetensors_open(path, &file, &unread) == IV_OK) {
        const char *population = iv_safetensors_metadata(file, "population");
        const char *step = iv_safetensors_metadata(file, "step");
        if (population && step)
            snprintf(s->saved, sizeof s->saved, "population %lu at step %lu",
                     strtoul(population, NULL, 10) + 1, strtoul(step, NULL, 10));
    }
    iv_safetensors_close(file);
    free(path);
}

iv_status iv_standing_read(const char *dir, iv_standing *s, iv_error *error) {
    iv_run_json run = {0};
    bool parts = false, begun = false;
    *s = (iv_standing){0};
    iv_status status = has(dir, "run.json", &begun, error);
    if (status == IV_OK && !begun)
        status = iv_fail(error, IV_EDATA, "%s holds no run: there is no run.json in it", dir);
    char *path = iv_path_join(dir, "run.json");
    if (status == IV_OK && !path) status = no_memory(error);
    if (status == IV_OK) status = iv_run_json_read(path, &run, error);
    free(path);
    if (status == IV_OK) {
        take_text(s->name, sizeof s->name, run.name);
        take_text(s->status, sizeof s->status, run.status);
        s->at_work = is_locked(dir);
        status = has(dir, "parts/plan.json", &parts, error);
    }
    s->finished = strcmp(s->status, "done") == 0;
    if (status == IV_OK && parts) {
        status = read_parts(dir, s, error);
        if (status != IV_OK) { /* put together meanwhile? */
            iv_error unread = {0};
            bool still = true;
            if (has(dir, "parts/plan.json", &still, &unread) == IV_OK && !still) {
                iv_run_json_free(&run);
                iv_standing_clear(s);
                iv_error_clear(error);
                return iv_standing_read(dir, s, error);
            }
        }
    }
    if (status == IV_OK && !parts && !s->finished) read_checkpoint(dir, s);
    iv_run_json_free(&run);
    if (status == IV_OK)
        count(s);
    else
        iv_standing_clear(s);
    return status;
}

void iv_standing_clear(iv_standing *s) {
    free(s->parts);
    *s = (iv_standing){0};
}
