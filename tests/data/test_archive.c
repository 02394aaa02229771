/* Sets that are published as one archive: fetched from a mirror on this disk, checked, unpacked, and
 * found where people leave the files. */
#include "own_files.h"

#include <invar/data.h>

#include "data/tar.h"
#include "data/verify.h"

static iv_error error;
enum { BYTES = 30730 }; /* no multiple of tar's blocks */

static const char *const members[] = {"cifar-10-batches-bin/",
                                      "cifar-10-batches-bin/data_batch_1.bin",
                                      "cifar-10-batches-bin/readme.html",
                                      "cifar-10-batches-bin/data_batch_2.bin",
                                      "cifar-10-batches-bin/data_batch_3.bin",
                                      "cifar-10-batches-bin/data_batch_4.bin",
                                      "cifar-10-batches-bin/data_batch_5.bin",
                                      "cifar-10-batches-bin/test_batch.bin",
                                      NULL};

/* CIFAR-10's row with the checksum of an archive of our own at MIRROR/cifar10/, and none of its files. */
static iv_dataset_info serve(char sha256[65]) {
    iv_dataset_info info = *iv_dataset_info_find("cifar10");
    assert_ok(&error, iv_make_directories(in(scratch, "mirror/cifar10"), &error));
    const char *path = in(scratch, "mirror/cifar10/cifar-10-binary.tar.gz");
    write_tar_gz(path, members, BYTES);
    assert_ok(&error, iv_archive_sha256(path, sha256, &error));
    info.archive_sha256 = sha256;
    memset(info.sha256s, 0, sizeof info.sha256s);
    return info;
}

static iv_status fetch(const iv_dataset_info *info) {
    char mirror[SCRATCH_PATH + 32];
    snprintf(mirror, sizeof mirror, "file://%s/mirror", scratch);
    return iv_dataset_fetch(in(scratch, "data"), info, mirror, NULL, NULL, &error);
}

static void an_archive_is_fetched_and_unpacked_once(void **state) {
    (void)state;
    char sha256[65];
    iv_dataset_info info = serve(sha256);
    assert_ok(&error, fetch(&info));
    assert_int_equal(count_entries(in(scratch, "data/cifar10")), 6); /* and nothing else */
    static const uint8_t numbers[] = {1, 3, 4, 5, 6, 7};             /* places in the archive */
    for (size_t file = 0; info.files[file]; file++) {
        char name[64];
        size_t n;
        snprintf(name, sizeof name, "data/cifar10/%s", info.files[file]);
        char *bytes = slurp(in(scratch, name), &n);
        assert_int_equal(n, BYTES);
        assert_int_equal(bytes[0], numbers[file]);
        assert_int_equal(bytes[BYTES - 1], 0);
        free(bytes);
    }
    remove_tree(in(scratch, "mirror"));
    assert_ok(&error, fetch(&info));
}

static void another_archive_is_refused(void **state) {
    (void)state;
    char sha256[65];
    serve(sha256);
    assert_fails(&error, fetch(iv_dataset_info_find("cifar10")), IV_EDATA, "not the published file",
                 sha256, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd");
    assert_int_equal(count_entries(in(scratch, "data/cifar10")), 0);
}

static void an_archive_put_there_by_hand_is_unpacked(void **state) {
    (void)state;
    char sha256[65];
    const iv_dataset_info info = serve(sha256);
    assert_ok(&error, iv_make_directories(in(scratch, "data/cifar10"), &error));
    assert_int_equal(rename(in(scratch, "mirror/cifar10/cifar-10-binary.tar.gz"),
                            in(scratch, "data/cifar10/cifar-10-binary.tar.gz")),
                     0);
    assert_ok(&error, fetch(&info));
    assert_int_equal(count_entries(in(scratch, "data/cifar10")), 6);
}

/* Five files are ours, one is missing: the archive has all six. */
static void files_that_are_not_the_published_ones_are_left_alone(void **state) {
    (void)state;
    char sha256[65];
    iv_dataset_info info = serve(sha256);
    assert_ok(&error, fetch(&info));
    memcpy(info.sha256s, iv_dataset_info_find("cifar10")->sha256s, sizeof info.sha256s);
    assert_int_equal(unlink(in(scratch, "data/cifar10/test_batch.bin")), 0);
    assert_fails(&error, fetch(&info), IV_EDATA, "data_batch_1.bin", "not the published file");
    assert_int_equal(count_entries(in(scratch, "data/cifar10")), 5);
}

static void archives_that_are_none_or_lack_a_file_are_refused(void **state) {
    (void)state;
    static const char *const wanted[] = {"data_batch_1.bin", "data_batch_6.bin", NULL};
    char sha256[65];
    size_t n;
    serve(sha256);
    const char *path = in(scratch, "mirror/cifar10/cifar-10-binary.tar.gz");
    assert_fails(&error, iv_tar_unpack(path, scratch, wanted, &error), IV_EDATA,
                 "no data_batch_6.bin");
    char *bytes = slurp(path, &n);
    write_bytes(path, bytes, n / 2);
    assert_fails(&error, iv_tar_unpack(path, scratch, wanted, &error), IV_EDATA, "tar.gz");
    free(bytes);
    char noise[1024];
    memset(noise, 'x', sizeof noise);
    write_bytes(path, noise, sizeof noise);
    assert_fails(&error, iv_tar_unpack(path, scratch, wanted, &error), IV_EDATA,
                 "not a tar archive");
    write_bytes(path, noise, 100);
    assert_fails(&error, iv_tar_unpack(path, scratch, wanted, &error), IV_EDATA, "truncated");
}

/* ------------------------------------------------------------------ where the files are */

static void expect_found(const char *folder) {
    const iv_dataset_info *info = iv_dataset_info_find("cifar10");
    char path[4096];
    assert_ok(&error, iv_make_directories(in(scratch, folder), &error));
    for (size_t file = 0; info->files[file]; file++) {
        char name[128];
        snprintf(name, sizeof name, "%s/%s", folder, info->files[file]);
        assert_false(iv_dataset_file_find(scratch, info, file, path));
        spill(in(scratch, name), "");
        assert_true(iv_dataset_file_find(scratch, info, file, path));
        assert_string_equal(path, in(scratch, name));
    }
    remove_tree(in(scratch, folder));
}

static void files_are_found_where_an_archive_unpacks_to(void **state) {
    (void)state;
    expect_found("cifar10");
    expect_found("cifar10/cifar-10-batches-bin");
    expect_found("cifar-10-batches-bin");
}

static void the_python_version_is_named_as_such(void **state) {
    (void)state;
    static const char *const folders[] = {"cifar10", "cifar10/cifar-10-batches-py",
                                          "cifar-10-batches-py"};
    for (int i = 0; i < 3; i++) {
        char name[128];
        iv_dataset dataset;
        assert_ok(&error, iv_make_directories(in(scratch, folders[i]), &error));
        snprintf(name, sizeof name, "%s/data_batch_1", folders[i]);
        spill(in(scratch, name), "");
        assert_fails(&error, iv_dataset_load(scratch, "cifar10", 0, &dataset, &error), IV_EDATA,
                     name, "Python version", "invar data fetch cifar10", "cifar-10-binary.tar.gz");
        remove_tree(in(scratch, folders[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(an_archive_is_fetched_and_unpacked_once),
        SCRATCH_TEST(another_archive_is_refused),
        SCRATCH_TEST(an_archive_put_there_by_hand_is_unpacked),
        SCRATCH_TEST(files_that_are_not_the_published_ones_are_left_alone),
        SCRATCH_TEST(archives_that_are_none_or_lack_a_file_are_refused),
        SCRATCH_TEST(files_are_found_where_an_archive_unpacks_to),
        SCRATCH_TEST(the_python_version_is_named_as_such),
    };
    return cmocka_run_group_tests_name("archives of image sets", tests, NULL, NULL);
}
