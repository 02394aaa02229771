/* The published image sets, where INVAR_DATA_DIR has them: reading, checking, and fetching them
 * from a mirror on this machine. */
#include "fixture.h"

#include <math.h>
#include <signal.h>
#include <sys/wait.h>

static const char *directory;
static char *folder;

static int make_it(void **state) {
    (void)state;
    folder = make_folder();
    return 0;
}

static int remove_it(void **state) {
    (void)state;
    remove_folder(folder);
    return 0;
}

/* Mean and standard deviation of the training images' pixels, as everyone quotes them to four
 * digits. */
static void assert_moments(const char *name, double expected_mean, double expected_deviation) {
    iv_dataset dataset;
    iv_error error = {0};
    assert_ok(iv_dataset_load(directory, name, 0, &dataset, &error), &error);
    assert_true(dataset.n_images == 70000 && dataset.n_training == 60000 &&
                dataset.n_classes == 10);
    assert_true(dataset.channels == 1 && dataset.height == 28 && dataset.width == 28);
    assert_int_equal(iv_mostly_zero(dataset.pixels, dataset.n_images * 28 * 28),
                     iv_dataset_info_find(name)->mostly_zero);
    double sum = 0, squares = 0;
    const size_t n = dataset.n_training * 28 * 28;
    for (size_t i = 0; i < n; i++) {
        const double value = dataset.pixels[i] / 255.0;
        sum += value;
        squares += value * value;
    }
    const double mean = sum / (double)n, deviation = sqrt(squares / (double)n - mean * mean);
    if (fabs(mean - expected_mean) > 0.5e-4 || fabs(deviation - expected_deviation) > 0.5e-4)
        fail_msg("%s: mean %.5f, deviation %.5f", name, mean, deviation);
    iv_dataset_clear(&dataset);
}

static void the_sets_have_their_known_mean_and_deviation(void **state) {
    (void)state;
    assert_moments("mnist", 0.1307, 0.3081);
    assert_moments("fashion-mnist", 0.2860, 0.3530);
}

/* The first labels of MNIST, from any page about it. */
static void images_and_labels_are_in_the_official_order(void **state) {
    (void)state;
    iv_dataset dataset;
    iv_error error = {0};
    static const uint8_t training[] = {5, 0, 4, 1, 9, 2, 1, 3, 1, 4},
                         test[] = {7, 2, 1, 0, 4, 1, 4, 9, 5, 9};
    assert_ok(iv_dataset_load(directory, "mnist", 0, &dataset, &error), &error);
    assert_memory_equal(dataset.labels, training, sizeof training);
    assert_memory_equal(dataset.labels + 60000, test, sizeof test);
    iv_dataset_clear(&dataset);
}

static void assert_state(const char *where, const char *set, size_t file, iv_file_state expected) {
    char path[4096], sha256[65];
    const iv_dataset_info *info = iv_dataset_info_find(set);
    assert_non_null(info);
    assert_int_equal(iv_dataset_file_verify(where, info, file, path, sha256, NULL), expected);
    if (expected == IV_FILE_GOOD) assert_string_equal(sha256, info->sha256s[file]);
}

static void the_files_have_their_published_checksums(void **state) {
    (void)state;
    for (size_t file = 0; file < 4; file++) {
        assert_state(directory, "mnist", file, IV_FILE_GOOD);
        assert_state(directory, "fashion-mnist", file, IV_FILE_GOOD);
        assert_state(folder, "mnist", file, IV_FILE_MISSING);
    }
}

static void copy_file(const char *from, const char *to, long flip_at) {
    uint8_t *bytes;
    size_t n_bytes;
    iv_error error = {0};
    assert_ok(iv_read_file(from, 1 << 28, &bytes, &n_bytes, &error), &error);
    if (flip_at >= 0) bytes[flip_at] ^= 0x10;
    write_bytes(to, bytes, n_bytes);
    free(bytes);
}

static void damaged_and_exchanged_files_are_told_apart(void **state) {
    (void)state;
    iv_dataset dataset;
    iv_error error = {0};
    assert_int_equal(mkdir(in(folder, "mnist"), 0777), 0);
    const char *from = in(directory, "mnist/t10k-labels-idx1-ubyte.gz");
    const char *to = in(folder, "mnist/t10k-labels-idx1-ubyte.gz");
    copy_file(from, to, -1);
    assert_state(folder, "mnist", 3, IV_FILE_GOOD);
    copy_file(from, to, 2000);
    assert_state(folder, "mnist", 3, IV_FILE_DAMAGED);
    copy_file(in(directory, "fashion-mnist/t10k-labels-idx1-ubyte.gz"), to, -1);
    assert_state(folder, "mnist", 3, IV_FILE_DIFFERENT);

    /* In the middle of the images, where only the checksum at the end can tell. */
    copy_file(in(directory, "mnist/train-images-idx3-ubyte.gz"),
              in(folder, "mnist/train-images-idx3-ubyte.gz"), 5000000);
    assert_fails(iv_dataset_load(folder, "mnist", 0, &dataset, &error), IV_EDATA, &error,
                 "train-images-idx3-ubyte.gz", "damaged gzip", NULL);
}

static iv_status fetch(const char *set, const char *mirror, iv_error *error) {
    return iv_dataset_fetch(folder, iv_dataset_info_find(set), mirror, NULL, NULL, error);
}

/* A mirror is a folder laid out like the data directory: also one on this disk. */
static const char *mirror_of(const char *path) {
    static char url[2048];
    char absolute[1024];
    if (path[0] == '/') {
        snprintf(url, sizeof url, "file://%s", path);
    } else {
        assert_non_null(getcwd(absolute, sizeof absolute));
        snprintf(url, sizeof url, "file://%s/%s", absolute, path);
    }
    return url;
}

static int count_calls(const char *file, uint64_t received, uint64_t total, void *state) {
    (void)file;
    (void)received;
    (void)total;
    ++*(int *)state;
    return 0;
}

static int cancel(const char *file, uint64_t received, uint64_t total, void *state) {
    (void)file;
    (void)total;
    (void)state;
    return received > 0;
}

static void a_set_is_fetched_once(void **state) {
    (void)state;
    int n_calls = 0;
    iv_error error = {0};
    const iv_dataset_info *mnist = iv_dataset_info_find("mnist");
    assert_ok(fetch("mnist", mirror_of(directory), &error), &error);
    for (size_t file = 0; file < 4; file++) assert_state(folder, "mnist", file, IV_FILE_GOOD);
    assert_int_equal(count_files(in(folder, "mnist")), 4);
    assert_ok(iv_dataset_fetch(folder, mnist, "file:///nowhere", count_calls, &n_calls, &error),
              &error);
    assert_int_equal(n_calls, 0);
}

static void a_damaged_file_is_fetched_again_and_a_plain_one_is_not_touched(void **state) {
    (void)state;
    iv_error error = {0};
    assert_ok(fetch("mnist", mirror_of(directory), &error), &error);
    copy_file(in(directory, "mnist/t10k-labels-idx1-ubyte.gz"),
              in(folder, "mnist/t10k-labels-idx1-ubyte.gz"), 2000);
    assert_ok(fetch("mnist", mirror_of(directory), &error), &error);
    assert_state(folder, "mnist", 3, IV_FILE_GOOD);
    write_bytes(in(folder, "mnist/t10k-labels-idx1-ubyte"), "mine", 4);
    assert_fails(fetch("mnist", mirror_of(directory), &error), IV_EDATA, &error, "move it away",
                 NULL);
    assert_int_equal(count_files(in(folder, "mnist")), 5);
}

static void nothing_is_kept_of_a_file_that_is_not_the_published_one(void **state) {
    (void)state;
    iv_error error = {0};
    assert_ok(iv_make_directories(in(folder, "mirror/mnist"), &error), &error);
    const char *served = in(folder, "mirror/mnist/train-images-idx3-ubyte.gz");
    const char *mirror = mirror_of(in(folder, "mirror"));
    copy_file(in(directory, "mnist/t10k-images-idx3-ubyte.gz"), served, -1);
    assert_fails(fetch("mnist", mirror, &error), IV_EDATA, &error, "not the published file",
                 "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                 "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", NULL);
    copy_file(in(directory, "mnist/t10k-images-idx3-ubyte.gz"), served, 800000);
    assert_fails(fetch("mnist", mirror, &error), IV_EDATA, &error, "damaged", NULL);
    unlink(served);
    assert_fails(fetch("mnist", mirror, &error), IV_EFAILED, &error, "train-images", NULL);
    assert_int_equal(count_files(in(folder, "mnist")), 0);
}

static void a_cancelled_download_leaves_nothing(void **state) {
    (void)state;
    iv_error error = {0};
    assert_fails(iv_dataset_fetch(folder, iv_dataset_info_find("mnist"), mirror_of(directory),
                                  cancel, NULL, &error),
                 IV_EINTERRUPTED, &error, "stopped", NULL);
    assert_int_equal(count_files(in(folder, "mnist")), 0);
}

static void what_cannot_be_fetched_says_how_to_get_it(void **state) {
    (void)state;
    iv_error error = {0};
    assert_fails(fetch("cifar10", NULL, &error), IV_EINVAL, &error, "cifar-10-binary.tar.gz", NULL);
    assert_fails(fetch("digits", NULL, &error), IV_EINVAL, &error, "built in", NULL);
}

/* A port nobody listens on: 1, which only the superuser could open. */
static void being_offline_is_explained(void **state) {
    (void)state;
    iv_error error = {0};
    assert_fails(fetch("mnist", "http://127.0.0.1:1", &error), IV_EFAILED, &error, "no connection",
                 "INVAR_DATA_MIRROR", NULL);
    assert_fails(fetch("mnist", "gopher://127.0.0.1", &error), IV_EFAILED, &error, NULL);
    assert_int_equal(count_files(in(folder, "mnist")), 0);
}

/* Python's web server on a free port of this machine, or 0 where there is no Python. */
static pid_t serve(const char *path, int *port) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        if (chdir(path) == 0)
            execlp("python3", "python3", "-u", "-m", "http.server", "--bind", "127.0.0.1", "0",
                   (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    char line[256] = "";
    const char *at = fgets(line, sizeof line, output) ? strstr(line, "port ") : NULL;
    if (at && sscanf(at, "port %d", port) == 1) return child;
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
    return 0;
}

static void a_web_server_is_fetched_from(void **state) {
    (void)state;
    int port = 0;
    char mirror[64];
    iv_error error = {0};
    const pid_t server = serve(directory, &port);
    if (server == 0) {
        print_message("# skipped: no python3 to serve files with\n");
        return;
    }
    snprintf(mirror, sizeof mirror, "http://127.0.0.1:%d/none", port);
    const iv_status not_found = fetch("mnist", mirror, &error);
    iv_error not_found_error = error;
    iv_error_clear(&error);
    snprintf(mirror, sizeof mirror, "http://127.0.0.1:%d", port);
    const iv_status found = fetch("mnist", mirror, &error);
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);

    assert_fails(not_found, IV_EFAILED, &not_found_error, "404", "not found", NULL);
    assert_ok(found, &error);
    for (size_t file = 0; file < 4; file++) assert_state(folder, "mnist", file, IV_FILE_GOOD);
    assert_int_equal(count_files(in(folder, "mnist")), 4);
}

#define TEST_CASE(name) cmocka_unit_test_setup_teardown(name, make_it, remove_it)

int main(void) {
    directory = real_data();
    if (!directory) return 0;
    const struct CMUnitTest tests[] = {
        TEST_CASE(the_sets_have_their_known_mean_and_deviation),
        TEST_CASE(images_and_labels_are_in_the_official_order),
        TEST_CASE(the_files_have_their_published_checksums),
        TEST_CASE(damaged_and_exchanged_files_are_told_apart),
        TEST_CASE(a_set_is_fetched_once),
        TEST_CASE(a_damaged_file_is_fetched_again_and_a_plain_one_is_not_touched),
        TEST_CASE(nothing_is_kept_of_a_file_that_is_not_the_published_one),
        TEST_CASE(a_cancelled_download_leaves_nothing),
        TEST_CASE(what_cannot_be_fetched_says_how_to_get_it),
        TEST_CASE(being_offline_is_explained),
        TEST_CASE(a_web_server_is_fetched_from),
    };
    return cmocka_run_group_tests_name("published sets", tests, NULL, NULL);
}
