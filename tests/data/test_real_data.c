/* The published image sets, where this machine has them: reading, checking, and fetching them from
 * a mirror on this machine. INVAR_DATA_DIR names their folder; without it, Debian's package
 * dataset-fashion-mnist is looked for. One of MNIST and Fashion-MNIST does for most tests. */
#include "../kit/files.h"

#include <invar/data.h>

#include <math.h>
#include <signal.h>
#include <sys/wait.h>

enum { N_SETS = 2, TRAIN_IMAGES = 0, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS };

/* What everyone quotes of a set: mean and standard deviation of the training images' pixels to four
 * digits, the first labels; and the checksums of its images' files. */
typedef struct {
    const char *name;
    double mean, deviation;
    uint8_t training[10], test[10];
    const char *train_images, *test_images;
} published_set;

static const published_set sets[N_SETS] = {
    {.name = "mnist",
     .mean = 0.1307,
     .deviation = 0.3081,
     .training = {5, 0, 4, 1, 9, 2, 1, 3, 1, 4},
     .test = {7, 2, 1, 0, 4, 1, 4, 9, 5, 9},
     .train_images = "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
     .test_images = "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
    {.name = "fashion-mnist",
     .mean = 0.2860,
     .deviation = 0.3530,
     .training = {9, 0, 0, 3, 0, 2, 7, 2, 5, 5},
     .test = {9, 2, 1, 1, 6, 1, 4, 6, 5, 7},
     .train_images = "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
     .test_images = "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
};

static const char *directory;        /* of the sets */
static const published_set *present; /* the first of them, NULL if there is none */

/* FOLDER/SET/NAME.gz. */
static const char *file_of(const char *folder, const published_set *set, size_t file) {
    static const char *const names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                        "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
    char name[64];
    snprintf(name, sizeof name, "%s/%s.gz", set->name, names[file]);
    return in(folder, name);
}

static bool is_here(const published_set *set) {
    return exists(file_of(directory, set, TRAIN_IMAGES));
}

static void look_for_sets(void) {
    directory = getenv("INVAR_DATA_DIR");
    if (!directory || !*directory) directory = "/usr/share/datasets";
    for (size_t i = N_SETS; i-- > 0;)
        if (is_here(&sets[i])) present = &sets[i];
}

#define NEEDS_A_SET                                                                                \
    if (!present) SKIP_BECAUSE("neither MNIST nor Fashion-MNIST is in INVAR_DATA_DIR")

/* ------------------------------------------------------------------ reading */

static void assert_moments(const published_set *set) {
    iv_dataset dataset;
    iv_error error = {0};
    assert_ok(&error, iv_dataset_load(directory, set->name, 0, &dataset, &error));
    assert_true(dataset.n_images == 70000 && dataset.n_training == 60000 &&
                dataset.n_classes == 10);
    assert_true(dataset.channels == 1 && dataset.height == 28 && dataset.width == 28);
    assert_int_equal(iv_mostly_zero(dataset.pixels, dataset.n_images * 28 * 28),
                     iv_dataset_info_find(set->name)->mostly_zero);
    double sum = 0, squares = 0;
    const size_t n = dataset.n_training * 28 * 28;
    for (size_t i = 0; i < n; i++) {
        const double value = dataset.pixels[i] / 255.0;
        sum += value;
        squares += value * value;
    }
    const double mean = sum / (double)n, deviation = sqrt(squares / (double)n - mean * mean);
    if (fabs(mean - set->mean) > 0.5e-4 || fabs(deviation - set->deviation) > 0.5e-4)
        fail_msg("%s: mean %.5f, deviation %.5f", set->name, mean, deviation);
    iv_dataset_clear(&dataset);
}

static void the_sets_have_their_known_mean_and_deviation(void **state) {
    (void)state;
    NEEDS_A_SET;
    for (size_t i = 0; i < N_SETS; i++)
        if (is_here(&sets[i])) assert_moments(&sets[i]);
}

static void images_and_labels_are_in_the_official_order(void **state) {
    (void)state;
    NEEDS_A_SET;
    for (size_t i = 0; i < N_SETS; i++) {
        iv_dataset dataset;
        iv_error error = {0};
        if (!is_here(&sets[i])) continue;
        assert_ok(&error, iv_dataset_load(directory, sets[i].name, 0, &dataset, &error));
        assert_memory_equal(dataset.labels, sets[i].training, sizeof sets[i].training);
        assert_memory_equal(dataset.labels + 60000, sets[i].test, sizeof sets[i].test);
        iv_dataset_clear(&dataset);
    }
}

/* ------------------------------------------------------------------ checking */

static void assert_state(const char *where, const char *set, size_t file, iv_file_state expected) {
    char path[4096], sha256[65];
    const iv_dataset_info *info = iv_dataset_info_find(set);
    assert_non_null(info);
    assert_int_equal(iv_dataset_file_verify(where, info, file, path, sha256, NULL), expected);
    if (expected == IV_FILE_GOOD) assert_string_equal(sha256, info->sha256s[file]);
}

static void the_files_have_their_published_checksums(void **state) {
    (void)state;
    NEEDS_A_SET;
    for (size_t i = 0; i < N_SETS; i++) {
        const iv_dataset_info *info = iv_dataset_info_find(sets[i].name);
        assert_string_equal(info->sha256s[TRAIN_IMAGES], sets[i].train_images);
        assert_string_equal(info->sha256s[TEST_IMAGES], sets[i].test_images);
        for (size_t file = 0; file < 4; file++) {
            if (is_here(&sets[i])) assert_state(directory, sets[i].name, file, IV_FILE_GOOD);
            assert_state(scratch, sets[i].name, file, IV_FILE_MISSING);
        }
    }
}

static void copy_file(const char *from, const char *to, long flip_at) {
    uint8_t *bytes;
    size_t n_bytes;
    iv_error error = {0};
    assert_ok(&error, iv_read_file(from, 1 << 28, &bytes, &n_bytes, &error));
    if (flip_at >= 0) bytes[flip_at] ^= 0x10;
    write_bytes(to, bytes, n_bytes);
    free(bytes);
}

/* A whole file that is another one: of the other set, or of this one. */
static const char *other_labels(void) {
    const published_set *other = present == &sets[0] ? &sets[1] : &sets[0];
    return is_here(other) ? file_of(directory, other, TEST_LABELS)
                          : file_of(directory, present, TRAIN_LABELS);
}

static void damaged_and_exchanged_files_are_told_apart(void **state) {
    (void)state;
    NEEDS_A_SET;
    iv_dataset dataset;
    iv_error error = {0};
    const char *set = present->name;
    assert_int_equal(mkdir(in(scratch, set), 0777), 0);
    const char *from = file_of(directory, present, TEST_LABELS);
    const char *to = file_of(scratch, present, TEST_LABELS);
    copy_file(from, to, -1);
    assert_state(scratch, set, TEST_LABELS, IV_FILE_GOOD);
    copy_file(from, to, 2000);
    assert_state(scratch, set, TEST_LABELS, IV_FILE_DAMAGED);
    copy_file(other_labels(), to, -1);
    assert_state(scratch, set, TEST_LABELS, IV_FILE_DIFFERENT);

    /* In the middle of the images, where only the checksum at the end can tell. */
    copy_file(file_of(directory, present, TRAIN_IMAGES), file_of(scratch, present, TRAIN_IMAGES),
              5000000);
    assert_fails(&error, iv_dataset_load(scratch, set, 0, &dataset, &error), IV_EDATA,
                 "train-images-idx3-ubyte.gz", "damaged gzip");
}

/* ------------------------------------------------------------------ fetching */

static iv_status fetch(const char *set, const char *mirror, iv_error *error) {
    return iv_dataset_fetch(scratch, iv_dataset_info_find(set), mirror, NULL, NULL, error);
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
    NEEDS_A_SET;
    int n_calls = 0;
    iv_error error = {0};
    const iv_dataset_info *info = iv_dataset_info_find(present->name);
    assert_ok(&error, fetch(present->name, mirror_of(directory), &error));
    for (size_t file = 0; file < 4; file++)
        assert_state(scratch, present->name, file, IV_FILE_GOOD);
    assert_int_equal(count_entries(in(scratch, present->name)), 4);
    assert_ok(&error,
              iv_dataset_fetch(scratch, info, "file:///nowhere", count_calls, &n_calls, &error));
    assert_int_equal(n_calls, 0);
}

static void a_damaged_file_is_fetched_again_and_a_plain_one_is_not_touched(void **state) {
    (void)state;
    NEEDS_A_SET;
    char plain[64];
    iv_error error = {0};
    assert_ok(&error, fetch(present->name, mirror_of(directory), &error));
    copy_file(file_of(directory, present, TEST_LABELS), file_of(scratch, present, TEST_LABELS),
              2000);
    assert_ok(&error, fetch(present->name, mirror_of(directory), &error));
    assert_state(scratch, present->name, TEST_LABELS, IV_FILE_GOOD);
    snprintf(plain, sizeof plain, "%s/t10k-labels-idx1-ubyte", present->name);
    write_bytes(in(scratch, plain), "mine", 4);
    assert_fails(&error, fetch(present->name, mirror_of(directory), &error), IV_EDATA,
                 "move it away");
    assert_int_equal(count_entries(in(scratch, present->name)), 5);
}

static void nothing_is_kept_of_a_file_that_is_not_the_published_one(void **state) {
    (void)state;
    NEEDS_A_SET;
    iv_error error = {0};
    const char *mirror_folder = in(scratch, "mirror"), *set = present->name;
    assert_ok(&error, iv_make_directories(in(mirror_folder, set), &error));
    const char *from = file_of(directory, present, TEST_IMAGES);
    const char *served = file_of(mirror_folder, present, TRAIN_IMAGES);
    const char *mirror = mirror_of(mirror_folder);
    copy_file(from, served, -1);
    assert_fails(&error, fetch(set, mirror, &error), IV_EDATA, "not the published file",
                 present->test_images, present->train_images);
    copy_file(from, served, 800000);
    assert_fails(&error, fetch(set, mirror, &error), IV_EDATA, "damaged");
    unlink(served);
    assert_fails(&error, fetch(set, mirror, &error), IV_EFAILED, "train-images");
    assert_int_equal(count_entries(in(scratch, set)), 0);
}

static void a_cancelled_download_leaves_nothing(void **state) {
    (void)state;
    NEEDS_A_SET;
    iv_error error = {0};
    assert_fails(&error,
                 iv_dataset_fetch(scratch, iv_dataset_info_find(present->name),
                                  mirror_of(directory), cancel, NULL, &error),
                 IV_EINTERRUPTED, "stopped");
    assert_int_equal(count_entries(in(scratch, present->name)), 0);
}

static void what_is_built_in_is_not_fetched(void **state) {
    (void)state;
    iv_error error = {0};
    assert_fails(&error, fetch("digits", NULL, &error), IV_EINVAL, "built in");
}

/* A port nobody listens on: 1, which only the superuser could open. */
static void being_offline_is_explained(void **state) {
    (void)state;
    iv_error error = {0};
    assert_fails(&error, fetch("mnist", "http://127.0.0.1:1", &error), IV_EFAILED, "no connection",
                 "INVAR_DATA_MIRROR");
    assert_fails(&error, fetch("mnist", "gopher://127.0.0.1", &error), IV_EFAILED, "");
    assert_int_equal(count_entries(in(scratch, "mnist")), 0);
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
    NEEDS_A_SET;
    int port = 0;
    char mirror[64];
    iv_error error = {0};
    const pid_t server = serve(directory, &port);
    if (server == 0) SKIP_BECAUSE("no python3 to serve files with");
    snprintf(mirror, sizeof mirror, "http://127.0.0.1:%d/none", port);
    const iv_status not_found = fetch(present->name, mirror, &error);
    iv_error not_found_error = error;
    iv_error_clear(&error);
    snprintf(mirror, sizeof mirror, "http://127.0.0.1:%d", port);
    const iv_status found = fetch(present->name, mirror, &error);
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);

    assert_fails(&not_found_error, not_found, IV_EFAILED, "404", "not found");
    assert_ok(&error, found);
    for (size_t file = 0; file < 4; file++)
        assert_state(scratch, present->name, file, IV_FILE_GOOD);
    assert_int_equal(count_entries(in(scratch, present->name)), 4);
}

int main(void) {
    look_for_sets();
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(the_sets_have_their_known_mean_and_deviation),
        SCRATCH_TEST(images_and_labels_are_in_the_official_order),
        SCRATCH_TEST(the_files_have_their_published_checksums),
        SCRATCH_TEST(damaged_and_exchanged_files_are_told_apart),
        SCRATCH_TEST(a_set_is_fetched_once),
        SCRATCH_TEST(a_damaged_file_is_fetched_again_and_a_plain_one_is_not_touched),
        SCRATCH_TEST(nothing_is_kept_of_a_file_that_is_not_the_published_one),
        SCRATCH_TEST(a_cancelled_download_leaves_nothing),
        SCRATCH_TEST(what_is_built_in_is_not_fetched),
        SCRATCH_TEST(being_offline_is_explained),
        SCRATCH_TEST(a_web_server_is_fetched_from),
    };
    return cmocka_run_group_tests_name("published sets", tests, NULL, NULL);
}
