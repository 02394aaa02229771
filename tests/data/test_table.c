/* The table of image sets: every row is whole, and its set is what the row says. */
#include "../kit/files.h"

#include <invar/data.h>

#include "data/idx_set.h"

#include <ctype.h>

static size_t count_of(const iv_dataset_info *info) {
    size_t n = 0;
    while (info->files[n]) n++;
    return n;
}

/* ------------------------------------------------------------------ rows */

static void names_differ_and_are_found(void **state) {
    (void)state;
    const iv_dataset_info *info;
    size_t n_rows = 0;
    for (; (info = iv_dataset_info_get(n_rows)); n_rows++) {
        assert_ptr_equal(iv_dataset_info_find(info->name), info); /* the first of that name */
        assert_in_range(strlen(info->name), 1, IV_DATASET_NAME - 1);
    }
    assert_true(n_rows > 0);
    assert_null(iv_dataset_info_get(n_rows + 1));
    assert_null(iv_dataset_info_find(""));
    assert_null(iv_dataset_info_find("mnis"));
}

static void assert_checksum(const char *sha256) {
    assert_non_null(sha256);
    assert_int_equal(strlen(sha256), 64);
    for (size_t i = 0; i < 64; i++)
        assert_true(isdigit((unsigned char)sha256[i]) || (sha256[i] >= 'a' && sha256[i] <= 'f'));
}

/* What is made needs nothing else; what is fetched is checked, and the rest says how to get it. */
static void a_row_says_all_that_its_kind_needs(void **state) {
    (void)state;
    const iv_dataset_info *info;
    for (size_t i = 0; (info = iv_dataset_info_get(i)); i++) {
        const size_t n_files = count_of(info);
        assert_true(info->title && *info->title);
        assert_true(info->channels > 0 && info->height > 0 && info->width > 0);
        assert_in_range(info->n_classes, 1, 256);
        if (info->built_in) {
            assert_true(info->make && !info->load && !info->base_url);
            assert_true(n_files == 0 && info->n_training == 0 && info->n_test == 0);
            continue;
        }
        assert_true(info->load && !info->make && info->n_training > 0 && info->n_test > 0);
        assert_true(n_files > 0 && n_files < sizeof info->files / sizeof *info->files);
        assert_non_null(info->base_url);
        for (size_t file = 0; file < n_files; file++)
            if (!info->archive || info->sha256s[file]) assert_checksum(info->sha256s[file]);
        if (info->archive) {
            assert_checksum(info->archive_sha256);
            assert_non_null(info->unpacked);
        }
        assert_null(info->sha256s[n_files]);
    }
}

static bool is_chosen(const iv_dataset_info *info, iv_dataset_choice choice) {
    return choice == IV_DATASETS_ALL || info->built_in == (choice == IV_DATASETS_BUILT_IN);
}

/* In the table's order, those of the kind asked for and no others. */
static void messages_list_the_rows_of_a_kind(void **state) {
    (void)state;
    char text[256], short_text[8];
    for (int choice = IV_DATASETS_ALL; choice <= IV_DATASETS_OF_FILES; choice++) {
        const iv_dataset_info *info;
        const char *at = iv_dataset_names((iv_dataset_choice)choice, "|", "!", text, sizeof text);
        assert_ptr_equal(at, text);
        char before = '|';
        for (size_t i = 0; (info = iv_dataset_info_get(i)); i++) {
            if (!is_chosen(info, (iv_dataset_choice)choice)) continue;
            assert_int_equal(before, strchr(at, '!') || strchr(at, '|') ? '|' : '!');
            const size_t length = strlen(info->name);
            assert_memory_equal(at, info->name, length);
            before = at[length];
            at += length + (before != '\0');
        }
        assert_int_equal(*at, '\0');
    }
    iv_dataset_names(IV_DATASETS_BUILT_IN, ", ", " or ", text, sizeof text);
    assert_string_equal(text, "digits or noise");
    iv_dataset_names(IV_DATASETS_BUILT_IN, ", ", " or ", short_text, sizeof short_text);
    assert_string_equal(short_text, "digits ");
}

/* ------------------------------------------------------------------ what is made */

static void assert_shape(const iv_dataset *images, const iv_dataset_info *info) {
    assert_string_equal(images->name, info->name);
    assert_int_equal(images->channels, info->channels);
    assert_int_equal(images->height, info->height);
    assert_int_equal(images->width, info->width);
    assert_int_equal(images->n_classes, info->n_classes);
    for (size_t i = 0; i < images->n_images; i++) assert_true(images->labels[i] < info->n_classes);
}

static void what_is_built_in_is_what_its_row_says(void **state) {
    (void)state;
    const iv_dataset_info *info;
    for (size_t i = 0; (info = iv_dataset_info_get(i)); i++) {
        if (!info->built_in) continue;
        iv_dataset images, other;
        iv_error error = {0};
        const size_t n_bytes = 70 * info->channels * info->height * info->width;
        assert_ok(&error, iv_dataset_load(NULL, info->name, 70, &images, &error));
        assert_shape(&images, info);
        assert_int_equal(images.n_images, 70);
        assert_int_equal(images.n_training, 60);
        assert_int_equal(iv_mostly_zero(images.pixels, n_bytes), info->mostly_zero);
        assert_ok(&error, info->make(0, 70, &other, &error));
        assert_memory_equal(other.pixels, images.pixels, n_bytes);
        iv_dataset_clear(&other);
        assert_ok(&error, info->make(1, 70, &other, &error));
        assert_shape(&other, info);
        assert_memory_not_equal(other.pixels, images.pixels, n_bytes);
        iv_dataset_clear(&other);
        iv_dataset_clear(&images);
    }
}

/* ------------------------------------------------------------------ what is read */

/* CIFAR's batches: a label, then the pixels, for each image. */
static void write_batches(const iv_dataset_info *info, const iv_dataset *images) {
    const size_t n_files = count_of(info), n_records = images->n_images / n_files;
    const size_t image_bytes = info->channels * info->height * info->width;
    for (size_t file = 0; file < n_files; file++) {
        char name[128];
        snprintf(name, sizeof name, "%s/%s", info->name, info->files[file]);
        FILE *to = fopen(in(scratch, name), "wb");
        assert_non_null(to);
        for (size_t i = file * n_records; i < (file + 1) * n_records; i++) {
            assert_int_equal(fputc(images->labels[i], to), images->labels[i]);
            assert_int_equal(fwrite(images->pixels + i * image_bytes, 1, image_bytes, to),
                             image_bytes);
        }
        assert_int_equal(fclose(to), 0);
    }
}

static void assert_states(const iv_dataset_info *info, iv_file_state known, iv_file_state unknown) {
    for (size_t file = 0; file < count_of(info); file++) {
        char path[4096], sha256[65], name[128];
        const iv_file_state found = iv_dataset_file_verify(scratch, info, file, path, sha256, NULL);
        assert_int_equal(found, info->sha256s[file] ? known : unknown);
        snprintf(name, sizeof name, "%s/%s", info->name, info->files[file]);
        assert_string_equal(path, in(scratch, name));
    }
}

/* Images of the row's shape and number in the row's files: they are read back byte by byte, verify
 * looks at the same files, and without any one of them there is nothing to read. */
static void what_is_read_is_what_its_row_says(void **state) {
    (void)state;
    const iv_dataset_info *info;
    for (size_t row = 0; (info = iv_dataset_info_get(row)); row++) {
        if (info->built_in) continue;
        iv_dataset written, read;
        iv_error error = {0};
        assert_states(info, IV_FILE_MISSING, IV_FILE_MISSING);
        assert_ok(&error, iv_make_directories(in(scratch, info->name), &error));
        assert_ok(&error,
                  iv_synthetic_images(info, info->n_training + info->n_test, &written, &error));
        written.n_training = info->n_training;
        if (info->load == iv_idx_set_load)
            assert_ok(&error, iv_dataset_write_idx(in(scratch, info->name), &written, &error));
        else
            write_batches(info, &written);
        assert_int_equal(count_entries(in(scratch, info->name)), count_of(info));

        assert_ok(&error, iv_dataset_load(scratch, info->name, 0, &read, &error));
        assert_shape(&read, info);
        assert_int_equal(read.n_training, info->n_training);
        assert_int_equal(read.n_images, written.n_images);
        assert_memory_equal(read.labels, written.labels, written.n_images);
        assert_memory_equal(read.pixels, written.pixels,
                            written.n_images * info->channels * info->height * info->width);
        assert_states(info, IV_FILE_DIFFERENT, IV_FILE_UNCHECKED);
        iv_dataset_clear(&read);
        iv_dataset_clear(&written);

        for (size_t file = 0; file < count_of(info); file++) {
            char name[128];
            snprintf(name, sizeof name, "%s/%s", info->name, info->files[file]);
            const char *path = in(scratch, name), *away = in(scratch, "away");
            assert_int_equal(rename(path, away), 0);
            assert_fails(&error, iv_dataset_load(scratch, info->name, 0, &read, &error), IV_EDATA,
                         info->files[file], "missing");
            assert_null(read.pixels);
            assert_int_equal(rename(away, path), 0);
        }
        remove_tree(in(scratch, info->name));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_differ_and_are_found),
        cmocka_unit_test(a_row_says_all_that_its_kind_needs),
        cmocka_unit_test(messages_list_the_rows_of_a_kind),
        cmocka_unit_test(what_is_built_in_is_what_its_row_says),
        SCRATCH_TEST(what_is_read_is_what_its_row_says),
    };
    return cmocka_run_group_tests_name("table of image sets", tests, NULL, NULL);
}
