#include "report/lease.h"

#include "report/file.h"
#include "report/lease_file.h"
#include "runtime/stop.h"

#include <invar/runtime.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { BEATS = 12 /* within lease_seconds */ };
static const double look_seconds = 0.05; /* at requests to stop */

struct iv_lease {
    char *folder;
    int descriptor;
    unsigned number;
    const volatile sig_atomic_t *outer; /* asks the process to stop */
    volatile sig_atomic_t stop;         /* asks the work to stop */
    pthread_t thread;
    pthread_mutex_t mutex; /* for what follows */
    pthread_cond_t changed;
    bool ending, lost;
    iv_lease_note note;
};

double iv_lease_seconds(void) {
    const char *text = getenv("INVAR_LEASE_SECONDS");
    char *end = NULL;
    const double seconds = text ? strtod(text, &end) : 0;
    return end && end != text && !*end && seconds >= 0.1 && seconds < 1e6 ? seconds : 60;
}

/* ------------------------------------------------------------------ signs of life */

/* Under the mutex. A beat that cannot be written is one missed. */
static void beat(iv_lease *lease) {
    unsigned highest;
    iv_error unread = {0};
    lease->note.beat++;
    (void)iv_lease_file_write(lease->descriptor, &lease->note);
    if (iv_lease_file_highest(lease->folder, &highest, &unread) != IV_OK ||
        highest != lease->number) {
        lease->lost = true;
        iv_stop_ask(&lease->stop);
    }
}

static void wait_a_moment(iv_lease *lease) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)(look_seconds * 1e9);
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&lease->changed, &lease->mutex, &until);
}

static void *keep_alive(void *state) {
    iv_lease *lease = state;
    const double every = iv_lease_seconds() / BEATS;
    double last = iv_seconds();
    pthread_mutex_lock(&lease->mutex);
    while (!lease->ending) {
        wait_a_moment(lease);
        if (iv_stop_is_asked(lease->outer)) iv_stop_ask(&lease->stop);
        if (lease->ending || iv_seconds() - last < every) continue;
        last = iv_seconds();
        beat(lease);
    }
    pthread_mutex_unlock(&lease->mutex);
    return NULL;
}

/* ------------------------------------------------------------------ taking */

/* Whether claim number `number` may be followed by the next. */
static iv_status is_free(const char *folder, unsigned number, iv_lease_watch *watch, bool *is,
                         iv_error *error) {
    char bytes[IV_LEASE_BYTES];
    iv_lease_note note;
    bool locked;
    *is = number == 0;
    if (*is) return IV_OK;
    iv_status status = iv_lease_file_read(folder, number, bytes, &locked, NULL, error);
    if (status != IV_OK) return status;
    const bool told = iv_lease_file_parse(bytes, &note);
    if (told && (!note.held || (iv_lease_file_is_of_this_boot(&note) && !locked))) {
        *is = true;
        return IV_OK;
    }
    if (watch->number != number || memcmp(watch->bytes, bytes, sizeof bytes) != 0) {
        watch->number = number;
        memcpy(watch->bytes, bytes, sizeof bytes);
        watch->since = iv_seconds();
    }
    *is = iv_seconds() - watch->since >= iv_lease_seconds();
    return IV_OK;
}

static iv_status begin(iv_lease *lease, iv_error *error) {
    pthread_mutex_init(&lease->mutex, NULL);
    pthread_cond_init(&lease->changed, NULL);
    const int code = pthread_create(&lease->thread, NULL, keep_alive, lease);
    if (code == 0) return IV_OK;
    pthread_cond_destroy(&lease->changed);
    pthread_mutex_destroy(&lease->mutex);
    return iv_fail(error, IV_EFAILED, "%s: no thread for its signs of life: %s", lease->folder,
                   strerror(code));
}

iv_status iv_lease_take(const char *folder, iv_lease_watch *watch,
                        const volatile sig_atomic_t *stop, iv_lease **out, iv_error *error) {
    unsigned highest = 0;
    bool is = false;
    *out = NULL;
    iv_status status = iv_lease_file_highest(folder, &highest, error);
    if (status == IV_OK) status = is_free(folder, highest, watch, &is, error);
    if (status != IV_OK || !is) return status;

    iv_lease *lease = calloc(1, sizeof *lease);
    if (!lease || !(lease->folder = iv_string_copy(folder))) {
        free(lease);
        return iv_fail(error, IV_ENOMEM, "out of memory for a lease");
    }
    lease->number = highest + 1;
    lease->outer = stop;
    iv_lease_file_introduce(&lease->note);
    status = iv_lease_file_make(folder, lease->number, &lease->note, &lease->descriptor, error);
    const bool made = status == IV_OK && lease->descriptor >= 0;
    if (made) status = begin(lease, error);
    if (made && status == IV_OK) {
        *out = lease;
        return IV_OK;
    }
    if (made) close(lease->descriptor);
    free(lease->folder);
    free(lease);
    return status;
}

/* ------------------------------------------------------------------ holding */

unsigned iv_lease_number(const iv_lease *lease) {
    return lease->number;
}

const volatile sig_atomic_t *iv_lease_stop(const iv_lease *lease) {
    return &lease->stop;
}

bool iv_lease_is_lost(iv_lease *lease) {
    pthread_mutex_lock(&lease->mutex);
    if (!lease->lost) beat(lease);
    const bool lost = lease->lost;
    pthread_mutex_unlock(&lease->mutex);
    return lost;
}

void iv_lease_say(iv_lease *lease, const char *what, uint64_t done, uint64_t total) {
    pthread_mutex_lock(&lease->mutex);
    snprintf(lease->note.what, sizeof lease->note.what, "%s", what ? what : "");
    lease->note.done = done;
    lease->note.total = total;
    pthread_mutex_unlock(&lease->mutex);
}

void iv_lease_release(iv_lease *lease, const char *why) {
    if (!lease) return;
    pthread_mutex_lock(&lease->mutex);
    lease->ending = true;
    pthread_cond_signal(&lease->changed);
    pthread_mutex_unlock(&lease->mutex);
    pthread_join(lease->thread, NULL);
    lease->note.held = false;
    snprintf(lease->note.why, sizeof lease->note.why, "%s", why ? why : "");
    if (!lease->lost) (void)iv_lease_file_write(lease->descriptor, &lease->note);
    close(lease->descriptor);
    pthread_cond_destroy(&lease->changed);
    pthread_mutex_destroy(&lease->mutex);
    free(lease->folder);
    free(lease);
}

/* ------------------------------------------------------------------ looking */

iv_status iv_lease_look(const char *folder, iv_lease_facts *facts, iv_error *error) {
    char bytes[IV_LEASE_BYTES];
    iv_lease_note note;
    bool locked;
    *facts = (iv_lease_facts){0};
    iv_status status = iv_lease_file_highest(folder, &facts->number, error);
    if (status != IV_OK || facts->number == 0) return status;
    status = iv_lease_file_read(folder, facts->number, bytes, &locked, &facts->age, error);
    if (status != IV_OK) return status;
    facts->held = true; /* where it is just being written */
    if (!iv_lease_file_parse(bytes, &note)) return IV_OK;
    facts->held = note.held;
    facts->dead = note.held && iv_lease_file_is_of_this_boot(&note) && !locked;
    facts->process = note.process;
    facts->done = note.done;
    facts->total = note.total;
    snprintf(facts->host, sizeof facts->host, "%s", note.host);
    snprintf(facts->since, sizeof facts->since, "%s", note.since);
    snprintf(facts->what, sizeof facts->what, "%s", note.what);
    snprintf(facts->why, sizeof facts->why, "%s", note.why);
    return IV_OK;
}
