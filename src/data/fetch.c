/* Downloading the files of an image set: each into a temporary file beside its place, checked,
 * renamed. */
#include "data/file.h"
#include "data/source.h"
#include "data/tar.h"
#include "data/verify.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Several times the largest published file. */
enum { MOST_BYTES = 256 << 20 };

typedef struct {
    const char *file;
    bool archive; /* whose checksum is of the bytes as they are */
    int descriptor;
    int write_error; /* an errno, once writing failed */
    uint64_t received;
    bool too_long;
    iv_fetch_progress progress;
    void *progress_state;
} transfer;

static size_t take_bytes(char *bytes, size_t size, size_t count, void *state) {
    transfer *to = state;
    const size_t n_bytes = size * count;
    to->received += n_bytes;
    to->too_long = to->received > MOST_BYTES;
    if (to->too_long) return 0;
    to->write_error = iv_file_write(to->descriptor, bytes, n_bytes);
    return to->write_error == 0 ? n_bytes : 0;
}

static int report_progress(void *state, curl_off_t total, curl_off_t received, curl_off_t a,
                           curl_off_t b) {
    const transfer *of = state;
    (void)a;
    (void)b;
    if (!of->progress) return 0;
    return of->progress(of->file, (uint64_t)received, (uint64_t)total, of->progress_state);
}

static iv_status explain(CURL *curl, CURLcode code, const transfer *of, const char *url,
                         const char *path, const char *reason, iv_error *error) {
    if (of->write_error != 0) return iv_file_fail(error, path, "write", of->write_error);
    if (of->too_long || code == CURLE_FILESIZE_EXCEEDED)
        return iv_fail(error, IV_EDATA, "%s: sends more than %d bytes; this is not the file", url,
                       MOST_BYTES);

    long response = 0;
    switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
        return iv_fail(error, IV_EINTERRUPTED, "%s: download stopped", url);
    case CURLE_HTTP_RETURNED_ERROR:
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &response);
        return iv_fail(
            error, IV_EFAILED,
            "%s: the server answers %ld%s; set INVAR_DATA_MIRROR to another site that has "
            "it, or put the file at %s by hand",
            url, response, response == 404 ? " (not found)" : "", path);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        return iv_fail(
            error, IV_EFAILED,
            "%s: no connection (%s); if this machine is offline, download the file elsewhere "
            "and put it at %s, or set INVAR_DATA_MIRROR",
            url, reason, path);
    default: return iv_fail(error, IV_EFAILED, "%s: download failed: %s", url, reason);
    }
}

static iv_status download(const char *url, const char *path, transfer *to, iv_error *error) {
    char reason[CURL_ERROR_SIZE] = "";
    CURL *curl = curl_easy_init();
    if (!curl) return iv_fail(error, IV_EFAILED, "%s: libcurl does not start", url);

    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "invar");
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https,file");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS | CURLPROTO_FILE);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 30L);
    /* Give up when less than 10 bytes a second arrive for a minute. */
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 10L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 60L);
    curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)MOST_BYTES);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, to);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, report_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, to);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);

    const CURLcode code = curl_easy_perform(curl);
    iv_status status = IV_OK;
    if (code != CURLE_OK)
        status =
            explain(curl, code, to, url, path, *reason ? reason : curl_easy_strerror(code), error);
    curl_easy_cleanup(curl);
    return status;
}

static iv_status sha256_of(const char *path, bool archive, char found[65], iv_error *error) {
    return archive ? iv_archive_sha256(path, found, error) : iv_file_sha256(path, found, error);
}

static iv_status check(const char *temporary, bool archive, const char *url, const char *expected,
                       iv_error *error) {
    char found[65];
    iv_error why = {0};
    if (sha256_of(temporary, archive, found, &why) != IV_OK)
        return iv_fail(error, IV_EDATA, "%s: what arrived is damaged (%s); try again", url,
                       why.message);
    if (strcmp(found, expected) != 0)
        return iv_fail(
            error, IV_EDATA,
            "%s: not the published file: SHA-256 of %s is %s, expected %s; try again or use "
            "another mirror",
            url, archive ? "it" : "the uncompressed bytes", found, expected);
    return IV_OK;
}

static iv_status fetch_file(const char *path, const char *url, const char *sha256, transfer *to,
                            iv_error *error) {
    char temporary[IV_PATH_BYTES + IV_FILE_SUFFIX_BYTES];
    to->descriptor = iv_file_create_beside(path, temporary, sizeof temporary);
    if (to->descriptor < 0)
        return iv_fail(error, IV_EFAILED, "%s: cannot be made; is its folder writable?", path);

    iv_status status = download(url, path, to, error);
    if (status == IV_OK) status = check(temporary, to->archive, url, sha256, error);
    if (status != IV_OK) {
        iv_file_abandon(to->descriptor, temporary);
        return status;
    }
    return iv_file_commit(to->descriptor, temporary, path, error);
}

static iv_status refuse_own(const char *path, iv_error *error) {
    return iv_fail(error, IV_EDATA, "%s: is there but is not the published file; move it away",
                   path);
}

/* Whether the file must be downloaded, and where to. */
static iv_status plan_file(const char *directory, const iv_dataset_info *info, size_t file,
                           char *path, bool *wanted, iv_error *error) {
    char sha256[65];
    const iv_file_state state = iv_dataset_file_verify(directory, info, file, path, sha256, NULL);
    *wanted = state != IV_FILE_GOOD;
    if (!*wanted) return IV_OK;

    const size_t length = strlen(path);
    const bool plain = length < 3 || strcmp(path + length - 3, ".gz") != 0;
    if (!plain) return IV_OK;
    /* A plain file is read before a compressed one, and it is not ours to delete. */
    if (state != IV_FILE_MISSING) return refuse_own(path, error);
    if (length + 4 > IV_PATH_BYTES)
        return iv_fail(error, IV_EINVAL, "%s: the path is too long", path);
    strcpy(path + length, ".gz");
    return IV_OK;
}

static iv_status address_of(const iv_dataset_info *info, const char *mirror, const char *file,
                            const char *suffix, char url[IV_PATH_BYTES], iv_error *error) {
    const int length =
        mirror ? snprintf(url, IV_PATH_BYTES, "%s/%s/%s%s", mirror, info->name, file, suffix)
               : snprintf(url, IV_PATH_BYTES, "%s/%s%s", info->base_url, file, suffix);
    if (length >= 0 && length < IV_PATH_BYTES) return IV_OK;
    return iv_fail(error, IV_EINVAL, "the mirror's address is too long");
}

static iv_status fetch_files(const char *directory, const iv_dataset_info *info, const char *mirror,
                             iv_fetch_progress progress, void *state, iv_error *error) {
    char path[IV_PATH_BYTES], url[IV_PATH_BYTES];
    iv_status status = IV_OK;
    for (size_t file = 0; info->files[file] && status == IV_OK; file++) {
        bool wanted;
        status = plan_file(directory, info, file, path, &wanted, error);
        if (status != IV_OK || !wanted) continue;
        status = address_of(info, mirror, info->files[file], ".gz", url, error);
        transfer to = {.file = info->files[file], .progress = progress, .progress_state = state};
        if (status == IV_OK) status = fetch_file(path, url, info->sha256s[file], &to, error);
    }
    return status;
}

/* ------------------------------------------------------------------ archives */

/* Whether a file is missing. Unpacking would replace those that are there, and files that are not the
 * published ones are not ours to delete. */
static iv_status plan_archive(const char *directory, const iv_dataset_info *info, bool *wanted,
                              iv_error *error) {
    char path[IV_PATH_BYTES], sha256[65];
    *wanted = false;
    for (size_t file = 0; info->files[file]; file++) {
        const iv_file_state state =
            iv_dataset_file_verify(directory, info, file, path, sha256, NULL);
        if (state == IV_FILE_DAMAGED || state == IV_FILE_DIFFERENT) return refuse_own(path, error);
        *wanted |= state == IV_FILE_MISSING;
    }
    return IV_OK;
}

/* An archive that is there already, put by hand or left where unpacking failed, is not downloaded
 * again. */
static iv_status fetch_archive(const char *directory, const iv_dataset_info *info,
                               const char *folder, const char *mirror, iv_fetch_progress progress,
                               void *state, iv_error *error) {
    char path[IV_PATH_BYTES], url[IV_PATH_BYTES], found[65];
    bool wanted;
    iv_status status = plan_archive(directory, info, &wanted, error);
    if (status != IV_OK || !wanted) return status;
    status = iv_path_within(folder, info->archive, "", path, error);
    if (status == IV_OK) status = address_of(info, mirror, info->archive, "", url, error);
    if (status != IV_OK) return status;
    const bool is_there =
        iv_archive_sha256(path, found, NULL) == IV_OK && strcmp(found, info->archive_sha256) == 0;
    transfer to = {
        .file = info->archive, .archive = true, .progress = progress, .progress_state = state};
    if (!is_there) status = fetch_file(path, url, info->archive_sha256, &to, error);
    if (status == IV_OK) status = iv_tar_unpack(path, folder, info->files, error);
    if (status == IV_OK) unlink(path);
    return status;
}

iv_status iv_dataset_fetch(const char *directory, const iv_dataset_info *info, const char *mirror,
                           iv_fetch_progress progress, void *state, iv_error *error) {
    if (info->built_in)
        return iv_fail(error, IV_EINVAL, "%s: is built in and needs no files", info->name);

    char folder[IV_PATH_BYTES];
    iv_status status = iv_path_within(directory, info->name, "", folder, error);
    if (status == IV_OK) status = iv_make_directories(folder, error);
    if (status != IV_OK) return status;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return iv_fail(error, IV_EFAILED, "libcurl does not start");
    status = info->archive ? fetch_archive(directory, info, folder, mirror, progress, state, error)
                           : fetch_files(directory, info, mirror, progress, state, error);
    curl_global_cleanup();
    return status;
}
