#include "report/lease_file.h"

#include "report/file.h"
#include "runtime/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static const char prefix[] = "claim-";

/* ------------------------------------------------------------------ who */

/* Of this start of the machine's kernel, which no other machine shares; "" if it does not say. */
static void read_boot(char *text, size_t size) {
    text[0] = '\0';
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (!file) return;
    if (!fgets(text, (int)size, file)) text[0] = '\0';
    fclose(file);
    text[strcspn(text, "\n")] = '\0';
}

static void read_host(char *text, size_t size) {
    struct utsname system;
    snprintf(text, size, "%.100s", uname(&system) == 0 ? system.nodename : "unknown");
}

void iv_lease_file_introduce(iv_lease_note *note) {
    struct tm parts;
    const time_t now = time(NULL);
    *note = (iv_lease_note){.held = true, .process = (long)getpid()};
    read_host(note->host, sizeof note->host);
    read_boot(note->boot, sizeof note->boot);
    gmtime_r(&now, &parts);
    strftime(note->since, sizeof note->since, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

bool iv_lease_file_is_of_this_boot(const iv_lease_note *note) {
    char host[128], boot[64];
    read_host(host, sizeof host);
    read_boot(boot, sizeof boot);
    return *boot && strcmp(boot, note->boot) == 0 && strcmp(host, note->host) == 0;
}

/* ------------------------------------------------------------------ bytes */

/* Strings are cut so that the whole always fits. */
static bool to_bytes(const iv_lease_note *note, char bytes[IV_LEASE_BYTES]) {
    iv_text text = {0};
    char what[100], why[160];
    snprintf(what, sizeof what, "%.99s", note->what);
    snprintf(why, sizeof why, "%.159s", note->why);
    iv_tame(what);
    iv_tame(why);
    iv_text_format(&text, "{\"state\": \"%s\", \"host\": ", note->held ? "held" : "free");
    iv_text_json(&text, note->host);
    iv_text_format(&text, ", \"boot\": \"%.40s\", \"process\": %ld, \"since\": \"%s\"", note->boot,
                   note->process, note->since);
    iv_text_format(&text, ", \"beat\": %llu, \"done\": %llu, \"total\": %llu, \"what\": ",
                   (unsigned long long)note->beat, (unsigned long long)note->done,
                   (unsigned long long)note->total);
    iv_text_json(&text, what);
    iv_text_add(&text, ", \"why\": ");
    iv_text_json(&text, why);
    iv_text_add(&text, "}");
    const bool fits = !text.failed && text.length < IV_LEASE_BYTES;
    if (fits) {
        memset(bytes, ' ', IV_LEASE_BYTES);
        memcpy(bytes, text.data, text.length);
        bytes[IV_LEASE_BYTES - 1] = '\n';
    }
    iv_text_free(&text);
    return fits;
}

static void take_text(const json_t *root, const char *key, char *text, size_t size) {
    const char *value = json_string_value(json_object_get(root, key));
    snprintf(text, size, "%s", value ? value : "");
}

static uint64_t take_count(const json_t *root, const char *key) {
    const json_int_t value = json_integer_value(json_object_get(root, key));
    return value > 0 ? (uint64_t)value : 0;
}

bool iv_lease_file_parse(const char bytes[IV_LEASE_BYTES], iv_lease_note *note) {
    json_error_t reason;
    json_t *root = json_loadb(bytes, IV_LEASE_BYTES, JSON_REJECT_DUPLICATES, &reason);
    const char *state = json_string_value(json_object_get(root, "state"));
    *note = (iv_lease_note){0};
    const bool good = state && (strcmp(state, "held") == 0 || strcmp(state, "free") == 0);
    if (good) {
        note->held = strcmp(state, "held") == 0;
        note->process = (long)json_integer_value(json_object_get(root, "process"));
        note->beat = take_count(root, "beat");
        note->done = take_count(root, "done");
        note->total = take_count(root, "total");
        take_text(root, "host", note->host, sizeof note->host);
        take_text(root, "boot", note->boot, sizeof note->boot);
        take_text(root, "since", note->since, sizeof note->since);
        take_text(root, "what", note->what, sizeof note->what);
        take_text(root, "why", note->why, sizeof note->why);
    }
    json_decref(root);
    return good;
}

bool iv_lease_file_write(int descriptor, const iv_lease_note *note) {
    char bytes[IV_LEASE_BYTES];
    if (!to_bytes(note, bytes)) return false;
    /* flushed, so that other machines see it */
    return pwrite(descriptor, bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes &&
           fsync(descriptor) == 0;
}

/* ------------------------------------------------------------------ files */

static iv_status claim_path(const char *folder, unsigned number, char **path, iv_error *error) {
    char name[32];
    snprintf(name, sizeof name, "%s%u", prefix, number);
    *path = iv_path_join(folder, name);
    return *path ? IV_OK : iv_fail(error, IV_ENOMEM, "out of memory for a lease");
}

iv_status iv_lease_file_highest(const char *folder, unsigned *highest, iv_error *error) {
    *highest = 0;
    DIR *opened = opendir(folder);
    if (!opened)
        return iv_fail(error, IV_EFAILED, "%s: cannot be read: %s", folder, strerror(errno));
    for (const struct dirent *entry; (entry = readdir(opened));) {
        char *end;
        if (strncmp(entry->d_name, prefix, sizeof prefix - 1) != 0) continue;
        const char *digits = entry->d_name + sizeof prefix - 1;
        const unsigned long number = strtoul(digits, &end, 10);
        if (end != digits && !*end && number < 1000000000 && number > *highest)
            *highest = (unsigned)number;
    }
    closedir(opened);
    return IV_OK;
}

/* Without links, as on some file systems: the file may be seen before it says anything. */
static int make_plainly(const char *path, const iv_lease_note *note) {
    const int descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor < 0) return -1;
    (void)flock(descriptor, LOCK_EX | LOCK_NB);
    if (iv_lease_file_write(descriptor, note)) return descriptor;
    const int reason = errno;
    unlink(path);
    close(descriptor);
    errno = reason;
    return -1;
}

iv_status iv_lease_file_make(const char *folder, unsigned number, const iv_lease_note *note,
                             int *descriptor, iv_error *error) {
    char *path, name[192];
    *descriptor = -1;
    iv_status status = claim_path(folder, number, &path, error);
    if (status != IV_OK) return status;
    snprintf(name, sizeof name, ".new-%.100s-%ld-%u", note->host, note->process, number);
    char *fresh = iv_path_join(folder, name);
    if (!fresh) {
        free(path);
        return iv_fail(error, IV_ENOMEM, "out of memory for a lease");
    }
    int made = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    bool won = made >= 0;
    /* locked before it has its name: nobody sees it without */
    if (won) (void)flock(made, LOCK_EX | LOCK_NB);
    won = won && iv_lease_file_write(made, note) && link(fresh, path) == 0;
    int reason = errno;
    if (made >= 0) unlink(fresh);
    if (!won && made >= 0) close(made);
    if (!won && made >= 0 &&
        (reason == EPERM || reason == ENOTSUP || reason == EOPNOTSUPP || reason == ENOSYS)) {
        made = make_plainly(path, note);
        won = made >= 0;
        reason = errno;
    }
    if (won)
        *descriptor = made;
    else if (reason != EEXIST)
        status = iv_fail(error, IV_EFAILED, "%s: cannot be written: %s", path, strerror(reason));
    free(fresh);
    free(path);
    return status;
}

iv_status iv_lease_file_read(const char *folder, unsigned number, char bytes[IV_LEASE_BYTES],
                             bool *locked, double *age, iv_error *error) {
    char *path;
    iv_status status = claim_path(folder, number, &path, error);
    if (status != IV_OK) return status;
    memset(bytes, 0, IV_LEASE_BYTES);
    *locked = true;
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (descriptor < 0) {
        status = iv_fail(error, IV_EFAILED, "%s: cannot be read: %s", path, strerror(errno));
    } else {
        struct stat found;
        /* shared, so that two who look do not take each other for the holder */
        *locked = flock(descriptor, LOCK_SH | LOCK_NB) != 0;
        if (pread(descriptor, bytes, IV_LEASE_BYTES, 0) < 0)
            status = iv_fail(error, IV_EFAILED, "%s: cannot be read: %s", path, strerror(errno));
        if (age) *age = fstat(descriptor, &found) == 0 ? difftime(time(NULL), found.st_mtime) : 0;
        close(descriptor);
    }
    free(path);
    return status;
}
