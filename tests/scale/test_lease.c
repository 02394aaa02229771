/* Leases: one holder at a time, free when it dies or falls silent. */
#include "../kit/files.h"

#include "report/lease.h"
#include "report/lease_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { WORKERS = 8, FOLDERS = 12, ROUNDS = 4 };

static void pause_ms(long ms) {
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static iv_lease *take(const char *folder, iv_lease_watch *watch) {
    iv_error error = {0};
    iv_lease *lease;
    assert_ok(&error, iv_lease_take(folder, watch, NULL, &lease, &error));
    return lease;
}

/* Each folder's work is done ROUNDS times, by whoever gets it; a file that must not be there already
 * tells of two at once. 0 if all was well. */
static int work(const char *folder) {
    iv_error error = {0};
    for (int left = FOLDERS; left > 0;) {
        left = FOLDERS;
        for (int i = 0; i < FOLDERS; i++) {
            char piece[SCRATCH_PATH], busy[SCRATCH_PATH + 16], done[SCRATCH_PATH + 16];
            struct stat info;
            iv_lease_watch watch = {0};
            iv_lease *lease;
            snprintf(piece, sizeof piece, "%s/%d", folder, i);
            snprintf(busy, sizeof busy, "%s/busy", piece);
            snprintf(done, sizeof done, "%s/done", piece);
            if (stat(done, &info) == 0 && info.st_size >= ROUNDS) {
                left--;
                continue;
            }
            if (iv_lease_take(piece, &watch, NULL, &lease, &error) != IV_OK) return 2;
            if (!lease) continue;
            const int descriptor = open(busy, O_CREAT | O_EXCL | O_WRONLY, 0600);
            if (descriptor < 0) return 3;
            close(descriptor);
            if (stat(done, &info) != 0 || info.st_size < ROUNDS) {
                const int file = open(done, O_CREAT | O_APPEND | O_WRONLY, 0600);
                if (file < 0 || write(file, "x", 1) != 1) return 4;
                close(file);
            }
            if (unlink(busy) != 0) return 5;
            iv_lease_release(lease, NULL);
        }
    }
    return 0;
}

static void two_never_hold_one(void **state) {
    pid_t workers[WORKERS];
    char name[32];
    for (int i = 0; i < FOLDERS; i++) {
        snprintf(name, sizeof name, "%d", i);
        assert_int_equal(mkdir(in_scratch(state, name), 0700), 0);
    }
    fflush(NULL);
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = fork();
        assert_true(workers[i] >= 0);
        if (workers[i] == 0) {
            alarm(60);
            _exit(work(*state));
        }
    }
    for (int i = 0; i < WORKERS; i++) {
        int how;
        assert_int_equal(waitpid(workers[i], &how, 0), workers[i]);
        assert_true(WIFEXITED(how));
        assert_int_equal(WEXITSTATUS(how), 0);
    }
    for (int i = 0; i < FOLDERS; i++) {
        size_t n;
        snprintf(name, sizeof name, "%d/done", i);
        free(slurp(in_scratch(state, name), &n));
        assert_int_equal(n, ROUNDS);
    }
}

static void what_is_held_is_not_given(void **state) {
    iv_lease_watch watch = {0};
    iv_error error = {0};
    iv_lease_facts facts;
    assert_ok(&error, iv_lease_look(*state, &facts, &error));
    assert_int_equal(facts.number, 0);
    iv_lease *lease = take(*state, &watch);
    assert_non_null(lease);
    assert_int_equal(iv_lease_number(lease), 1);
    assert_null(take(*state, &watch));
    iv_lease_say(lease, "a \"name\"\n", 3, 7);
    assert_false(iv_lease_is_lost(lease)); /* beats, too */
    assert_ok(&error, iv_lease_look(*state, &facts, &error));
    assert_true(facts.held);
    assert_false(facts.dead);
    assert_int_equal(facts.process, getpid());
    assert_int_equal(facts.done, 3);
    assert_int_equal(facts.total, 7);
    iv_lease_release(lease, "no room");
    assert_ok(&error, iv_lease_look(*state, &facts, &error));
    assert_false(facts.held);
    assert_string_equal(facts.why, "no room");
    lease = take(*state, &watch);
    assert_non_null(lease);
    assert_int_equal(iv_lease_number(lease), 2);
    iv_lease_release(lease, NULL);
}

/* The longest texts still fit, with all that JSON has to escape. */
static void every_text_fits(void **state) {
    iv_lease_watch watch = {0};
    iv_error error = {0};
    iv_lease_facts facts;
    char text[600];
    memset(text, '"', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    iv_lease *lease = take(*state, &watch);
    iv_lease_say(lease, text, UINT64_MAX / 4, UINT64_MAX / 4);
    assert_false(iv_lease_is_lost(lease));
    iv_lease_release(lease, text);
    assert_ok(&error, iv_lease_look(*state, &facts, &error));
    assert_false(facts.held);
    assert_true(strlen(facts.what) > 50 && strlen(facts.why) > 50);
}

static void the_dead_lose_theirs_at_once(void **state) {
    iv_lease_watch watch = {0};
    iv_lease_facts facts;
    iv_error error = {0};
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        iv_lease_watch own = {0};
        iv_lease *lease;
        if (iv_lease_take(*state, &own, NULL, &lease, &error) != IV_OK || !lease) _exit(1);
        kill(getpid(), SIGKILL);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how));
    assert_ok(&error, iv_lease_look(*state, &facts, &error));
    assert_true(facts.held);
    assert_true(facts.dead);
    iv_lease *lease = take(*state, &watch); /* the default lease: 60 s */
    assert_non_null(lease);
    assert_int_equal(iv_lease_number(lease), 2);
    iv_lease_release(lease, NULL);
}

/* A claim of another machine, whose lock says nothing: it lives as long as its bytes change. */
static void another_machine_is_watched(void **state) {
    iv_lease_watch watch = {0};
    iv_lease_note note;
    iv_error error = {0};
    int descriptor;
    setenv("INVAR_LEASE_SECONDS", "0.4", 1);
    iv_lease_file_introduce(&note);
    strcpy(note.host, "elsewhere");
    strcpy(note.boot, "00000000-0000-0000-0000-000000000000");
    assert_ok(&error, iv_lease_file_make(*state, 1, &note, &descriptor, &error));
    assert_true(descriptor >= 0);
    close(descriptor); /* no lock any more */
    for (int i = 0; i < 8; i++) {
        assert_null(take(*state, &watch));
        note.beat++;
        descriptor = open(in_scratch(state, "claim-1"), O_RDWR);
        assert_true(iv_lease_file_write(descriptor, &note));
        close(descriptor);
        pause_ms(100);
    }
    assert_null(take(*state, &watch)); /* sees the last beat */
    pause_ms(500);
    iv_lease *lease = take(*state, &watch);
    assert_non_null(lease);
    assert_int_equal(iv_lease_number(lease), 2);
    iv_lease_release(lease, NULL);
    unsetenv("INVAR_LEASE_SECONDS");
}

/* Its clock is years away: only changes count. */
static void clocks_are_not_compared(void **state) {
    iv_lease_watch watch = {0};
    iv_lease_note note;
    iv_error error = {0};
    int descriptor;
    iv_lease_file_introduce(&note);
    strcpy(note.host, "elsewhere");
    assert_ok(&error, iv_lease_file_make(*state, 1, &note, &descriptor, &error));
    const struct timespec old[2] = {{0, 0}, {0, 0}};
    assert_int_equal(futimens(descriptor, old), 0);
    close(descriptor);
    assert_null(take(*state, &watch));
}

static void who_is_overtaken_is_told_to_stop(void **state) {
    iv_lease_watch watch = {0};
    iv_lease_note note;
    iv_error error = {0};
    int descriptor;
    setenv("INVAR_LEASE_SECONDS", "0.4", 1);
    iv_lease *lease = take(*state, &watch);
    iv_lease_file_introduce(&note);
    assert_ok(&error, iv_lease_file_make(*state, 2, &note, &descriptor, &error));
    close(descriptor);
    for (int i = 0; i < 200 && !*iv_lease_stop(lease); i++) pause_ms(10);
    assert_true(*iv_lease_stop(lease));
    assert_true(iv_lease_is_lost(lease));
    iv_lease_release(lease, NULL);
    unsetenv("INVAR_LEASE_SECONDS");
}

/* As a file system without links leaves it for a moment, or a process that was killed then. */
static void an_empty_claim_is_waited_for(void **state) {
    iv_lease_watch watch = {0};
    setenv("INVAR_LEASE_SECONDS", "0.2", 1);
    spill(in_scratch(state, "claim-1"), "");
    assert_null(take(*state, &watch));
    pause_ms(300);
    iv_lease *lease = take(*state, &watch);
    assert_non_null(lease);
    iv_lease_release(lease, NULL);
    unsetenv("INVAR_LEASE_SECONDS");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(two_never_hold_one),
        SCRATCH_TEST(what_is_held_is_not_given),
        SCRATCH_TEST(every_text_fits),
        SCRATCH_TEST(the_dead_lose_theirs_at_once),
        SCRATCH_TEST(another_machine_is_watched),
        SCRATCH_TEST(clocks_are_not_compared),
        SCRATCH_TEST(who_is_overtaken_is_told_to_stop),
        SCRATCH_TEST(an_empty_claim_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
