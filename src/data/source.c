/* Every image set that Invar knows, and where files are.
 *
 * A new image set is a row of this table. What is made has a function of its own beside it; what
 * comes in files of a format that no reader here knows has a new reader, as idx_set.c and cifar.c
 * are. Nothing else names an image set.
 */
#include "data/source.h"

#include "data/cifar.h"
#include "data/idx_set.h"
#include "runtime/open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const iv_dataset_info table[] = {
    {
        .name = "mnist",
        .title = "handwritten digits, 70000 of 28 x 28 (LeCun, Cortes, Burges)",
        .reference = "@article{lecun1998gradient,\n"
                     "  author  = {LeCun, Yann and Bottou, L{\\'e}on and Bengio, Yoshua and\n"
                     "             Haffner, Patrick},\n"
                     "  title   = {Gradient-Based Learning Applied to Document Recognition},\n"
                     "  journal = {Proceedings of the IEEE},\n"
                     "  volume  = {86},\n"
                     "  number  = {11},\n"
                     "  pages   = {2278--2324},\n"
                     "  year    = {1998}\n"
                     "}\n",
        .channels = 1,
        .height = 28,
        .width = 28,
        .n_classes = 10,
        .n_training = 60000,
        .n_test = 10000,
        .mostly_zero = true,
        .load = iv_idx_set_load,
        .base_url = "https://ossci-datasets.s3.amazonaws.com/mnist",
        .files = {IV_IDX_NAMES},
        .sha256s = {"ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"},
    },
    {
        .name = "fashion-mnist",
        .title = "articles of clothing, 70000 of 28 x 28 (Xiao, Rasul, Vollgraf 2017)",
        .reference = "@misc{xiao2017fashion,\n"
                     "  author = {Xiao, Han and Rasul, Kashif and Vollgraf, Roland},\n"
                     "  title  = {Fashion-{MNIST}: a Novel Image Dataset for Benchmarking Machine\n"
                     "            Learning Algorithms},\n"
                     "  year   = {2017},\n"
                     "  eprint = {1708.07747},\n"
                     "  archiveprefix = {arXiv}\n"
                     "}\n",
        .channels = 1,
        .height = 28,
        .width = 28,
        .n_classes = 10,
        .n_training = 60000,
        .n_test = 10000,
        .load = iv_idx_set_load,
        /* The site has no certificate for this name; the checksums below are what is trusted. */
        .base_url = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        .files = {IV_IDX_NAMES},
        .sha256s = {"c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"},
    },
    {
        .name = "cifar10",
        .title = "photographs of ten kinds, 60000 of 3 x 32 x 32 (Krizhevsky 2009)",
        .reference = "@techreport{krizhevsky2009learning,\n"
                     "  author      = {Krizhevsky, Alex},\n"
                     "  title       = {Learning Multiple Layers of Features from Tiny Images},\n"
                     "  institution = {University of Toronto},\n"
                     "  year        = {2009}\n"
                     "}\n",
        .channels = 3,
        .height = 32,
        .width = 32,
        .n_classes = 10,
        .n_training = 50000,
        .n_test = 10000,
        .load = iv_cifar_load,
        .base_url = "https://www.cs.toronto.edu/~kriz",
        .archive = "cifar-10-binary.tar.gz",
        .archive_sha256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        .unpacked = "cifar-10-batches-bin",
        .mistaken_folder = "cifar-10-batches-py",
        .mistaken_file = "data_batch_1",
        .files = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                  "data_batch_5.bin", "test_batch.bin"},
        .sha256s = {"cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
                    "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
                    "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
                    "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
                    "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
                    "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"},
    },
    {
        .name = "digits",
        .title = "drawn digits, as many as wanted, of 28 x 28",
        .channels = 1,
        .height = 28,
        .width = 28,
        .n_classes = 10,
        .built_in = true,
        .make = iv_digits_make,
    },
    {
        .name = "noise",
        .title = "random bytes with arbitrary labels, of 28 x 28",
        .channels = 1,
        .height = 28,
        .width = 28,
        .n_classes = 10,
        .built_in = true,
        .meaningless = true,
        .make = iv_noise_make,
    },
};

const iv_dataset_info *iv_dataset_info_get(size_t i) {
    return i < sizeof table / sizeof *table ? &table[i] : NULL;
}

const iv_dataset_info *iv_dataset_info_find(const char *name) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, name) == 0) return &table[i];
    return NULL;
}

const iv_dataset_info *iv_dataset_info_match(bool (*fits)(const iv_dataset_info *info), size_t i) {
    for (size_t k = 0; k < sizeof table / sizeof *table; k++)
        if (fits(&table[k]) && i-- == 0) return &table[k];
    return NULL;
}

static iv_status compose(char *path, size_t size, iv_error *error, const char *base,
                         const char *tail) {
    const int length = snprintf(path, size, "%s%s", base, tail);
    if (length < 0 || (size_t)length >= size)
        return iv_fail(error, IV_EINVAL, "the data directory's path is longer than %zu bytes",
                       size);
    return IV_OK;
}

iv_status iv_data_directory(const char *override, char *path, size_t size, iv_error *error) {
    if (override && *override) return compose(path, size, error, override, "");
    const char *value = getenv("INVAR_DATA_DIR");
    if (value && *value) return compose(path, size, error, value, "");
    value = getenv("XDG_DATA_HOME");
    /* The XDG specification: relative paths in its variables are to be ignored. */
    if (value && *value == '/') return compose(path, size, error, value, "/invar");
    value = getenv("HOME");
    if (value && *value) return compose(path, size, error, value, "/.local/share/invar");
    return iv_fail(error, IV_EDATA,
                   "no data directory: give --data DIR or set INVAR_DATA_DIR (HOME is not set)");
}

iv_status iv_path_within(const char *folder, const char *file, const char *suffix,
                         char path[IV_PATH_BYTES], iv_error *error) {
    const int length = snprintf(path, IV_PATH_BYTES, "%s/%s%s", folder, file, suffix);
    if (length >= 0 && length < IV_PATH_BYTES) return IV_OK;
    return iv_fail(error, IV_EINVAL, "the path of %.100s is longer than %d bytes", file,
                   IV_PATH_BYTES);
}

iv_status iv_file_path(const char *folder, const char *file, char *path, bool *exists,
                       iv_error *error) {
    static const char *const suffixes[] = {"", ".gz", ""};
    iv_status status = IV_OK;
    *exists = false;
    for (int i = 0; i < 3 && !*exists && status == IV_OK; i++) {
        status = iv_path_within(folder, file, suffixes[i], path, error);
        if (status == IV_OK && i < 2) status = iv_path_exists(path, exists, error);
    }
    return status;
}

iv_status iv_dataset_path(const char *directory, const iv_dataset_info *info, const char *file,
                          char *path, bool *exists, iv_error *error) {
    char own[IV_PATH_BYTES], folder[IV_PATH_BYTES];
    iv_status status = iv_path_within(directory, info->name, "", own, error);
    *exists = false;
    const char *const above[] = {own, directory}; /* of what an archive unpacks to */
    for (int i = 0; i < 2 && info->unpacked && status == IV_OK && !*exists; i++) {
        status = iv_path_within(above[i], info->unpacked, "", folder, error);
        if (status == IV_OK) status = iv_file_path(folder, file, path, exists, error);
    }
    if (status != IV_OK || *exists) return status;
    return iv_file_path(own, file, path, exists, error);
}

/* Where the files of another version lie instead; false if nowhere. */
static bool find_mistaken(const char *directory, const iv_dataset_info *info,
                          char path[IV_PATH_BYTES]) {
    char own[IV_PATH_BYTES], below[IV_PATH_BYTES], beside[IV_PATH_BYTES];
    bool exists = false;
    if (!info->mistaken_file || iv_path_within(directory, info->name, "", own, NULL) != IV_OK ||
        iv_path_within(own, info->mistaken_folder, "", below, NULL) != IV_OK ||
        iv_path_within(directory, info->mistaken_folder, "", beside, NULL) != IV_OK)
        return false;
    const char *const folders[] = {own, below, beside};
    for (int i = 0; i < 3 && !exists; i++)
        if (iv_file_path(folders[i], info->mistaken_file, path, &exists, NULL) != IV_OK)
            exists = false;
    return exists;
}

iv_status iv_dataset_fail_missing(const char *directory, const iv_dataset_info *info,
                                  const char *path, iv_error *error) {
    char mistaken[IV_PATH_BYTES];
    if (find_mistaken(directory, info, mistaken))
        return iv_fail(error, IV_EDATA,
                       "%s: missing; %s is of the Python version of %s, expected the binary "
                       "version: run `invar data fetch %s`, or unpack %s/%s",
                       path, mistaken, info->name, info->name, info->base_url, info->archive);
    if (info->archive)
        return iv_fail(error, IV_EDATA,
                       "%s: missing (nor is there %s.gz); run `invar data fetch %s`, or unpack "
                       "%s/%s into %s/%s/",
                       path, path, info->name, info->base_url, info->archive, directory,
                       info->name);
    return iv_fail(error, IV_EDATA,
                   "%s: missing (nor is there %s.gz); run `invar data fetch %s`, or say with "
                   "--data or INVAR_DATA_DIR where %s/ is",
                   path, path, info->name, info->name);
}
