/* Images of the user's own as PNG files in a folder for each class. */
#include "data/own.h"

#include "data/png_read.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* Names in a folder, in the order of their bytes, which no locale changes. */
typedef struct {
    struct dirent **entries;
    size_t n;
} listing;

static bool is_folder(const char *folder, const char *name) {
    char path[IV_PATH_BYTES];
    struct stat found;
    if (iv_path_within(folder, name, "", path, NULL) != IV_OK) return false;
    /* Where it cannot be told it is taken for one: listing it says why it cannot be read. */
    return stat(path, &found) == 0 ? S_ISDIR(found.st_mode) : errno != ENOENT;
}

static int is_shown(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void clear_listing(listing *names) {
    for (size_t i = 0; i < names->n; i++) free(names->entries[i]);
    free(names->entries);
    *names = (listing){0};
}

static iv_status list(const char *folder, listing *names, iv_error *error) {
    *names = (listing){0};
    const int n = scandir(folder, &names->entries, is_shown, by_bytes);
    if (n < 0) return iv_fail(error, IV_EDATA, "%s: cannot be read: %s", folder, strerror(errno));
    names->n = (size_t)n;
    return IV_OK;
}

/* Its folders alone: files beside the classes (a licence) are no images. */
static iv_status list_folders(const char *folder, listing *names, iv_error *error) {
    const iv_status status = list(folder, names, error);
    size_t n = 0;
    for (size_t i = 0; i < names->n; i++) {
        if (is_folder(folder, names->entries[i]->d_name))
            names->entries[n++] = names->entries[i];
        else
            free(names->entries[i]);
    }
    names->n = n;
    return status;
}

static bool holds_folders(const char *folder) {
    listing names;
    const bool some = list_folders(folder, &names, NULL) == IV_OK && names.n > 0;
    clear_listing(&names);
    return some;
}

/* ------------------------------------------------------------------ classes */

static bool find_class(const listing *names, const char *name, size_t *label) {
    for (*label = 0; *label < names->n; ++*label)
        if (strcmp(names->entries[*label]->d_name, name) == 0) return true;
    return false;
}

static iv_status check_png_name(const char *folder, const char *name, iv_error *error) {
    const size_t length = strlen(name);
    if (is_folder(folder, name))
        return iv_fail(error, IV_EDATA, "%s/%s: a folder, expected PNG files alone in a class",
                       folder, name);
    if (length < 5 || strcasecmp(name + length - 4, ".png") != 0)
        return iv_fail(error, IV_EDATA, "%s/%s: not a .png file, expected PNG files alone", folder,
                       name);
    return IV_OK;
}

static iv_status list_class(const char *folder, listing *files, iv_error *error) {
    iv_status status = list(folder, files, error);
    if (status == IV_OK && files->n == 0)
        status = iv_fail(error, IV_EDATA, "%s: an empty class, expected PNG files in it", folder);
    for (size_t i = 0; i < files->n && status == IV_OK; i++)
        status = check_png_name(folder, files->entries[i]->d_name, error);
    return status;
}

/* ------------------------------------------------------------------ images */

/* Room for one image more; the first decides the size of all. */
static iv_status make_room(iv_own_part *part, size_t *capacity, iv_error *error) {
    if (part->n_images < *capacity) return IV_OK;
    const size_t more = *capacity == 0 ? 256 : 2 * *capacity;
    size_t bytes;
    iv_status status =
        iv_multiply_size(more, part->channels * part->height * part->width, &bytes, error);
    if (status != IV_OK) return status;
    uint8_t *pixels = realloc(part->pixels, bytes);
    if (pixels) part->pixels = pixels;
    uint8_t *labels = realloc(part->labels, more);
    if (labels) part->labels = labels;
    if (!pixels || !labels) return iv_fail(error, IV_ENOMEM, "out of memory for %zu images", more);
    *capacity = more;
    return IV_OK;
}

static iv_status check_size(const char *path, const iv_png *image, iv_own_part *part,
                            iv_error *error) {
    if (part->n_images == 0) {
        part->channels = image->channels;
        part->height = image->height;
        part->width = image->width;
        snprintf(part->images_path, sizeof part->images_path, "%s", path);
        return iv_own_check_shape(path, part->channels, part->height, part->width, error);
    }
    if (image->channels == part->channels && image->height == part->height &&
        image->width == part->width)
        return IV_OK;
    return iv_fail(error, IV_EDATA,
                   "%s: %zu x %zu x %zu (channels, height, width), but %s is %zu x %zu x %zu; "
                   "expected images of one size, all grey or all in colour",
                   path, image->channels, image->height, image->width, part->images_path,
                   part->channels, part->height, part->width);
}

static iv_status add_image(const char *path, size_t label, iv_own_part *part, size_t *capacity,
                           iv_error *error) {
    iv_png image;
    iv_status status = iv_png_read(path, &image, error);
    if (status != IV_OK) return status;
    const size_t n_pixels = image.height * image.width;
    status = check_size(path, &image, part, error);
    if (status == IV_OK) status = make_room(part, capacity, error);
    if (status == IV_OK)
        status = iv_own_separate_planes(image.pixels, 1, n_pixels, image.channels, error);
    if (status == IV_OK) {
        memcpy(part->pixels + part->n_images * n_pixels * image.channels, image.pixels,
               n_pixels * image.channels);
        part->labels[part->n_images++] = (uint8_t)label;
    }
    free(image.pixels);
    return status;
}

static iv_status load_class(const char *folder, size_t label, iv_own_part *part, size_t *capacity,
                            iv_error *error) {
    char path[IV_PATH_BYTES];
    listing files;
    iv_status status = list_class(folder, &files, error);
    for (size_t i = 0; i < files.n && status == IV_OK; i++) {
        status = iv_path_within(folder, files.entries[i]->d_name, "", path, error);
        if (status == IV_OK) status = add_image(path, label, part, capacity, error);
    }
    clear_listing(&files);
    return status;
}

/* Every class of a folder; labels are places in `names`. */
static iv_status load_part(const char *folder, const listing *names, iv_own_part *part,
                           iv_error *error) {
    char path[IV_PATH_BYTES];
    listing own;
    size_t capacity = 0;
    iv_status status = list_folders(folder, &own, error);
    if (status == IV_OK && own.n == 0)
        status = iv_fail(error, IV_EDATA, "%s: holds no folder of a class", folder);
    for (size_t i = 0; i < own.n && status == IV_OK; i++) {
        const char *name = own.entries[i]->d_name;
        size_t label;
        status = iv_path_within(folder, name, "", path, error);
        if (status == IV_OK && !find_class(names, name, &label))
            status = iv_fail(error, IV_EDATA, "%s: no class of the training images", path);
        if (status == IV_OK) status = load_class(path, label, part, &capacity, error);
    }
    clear_listing(&own);
    return status;
}

/* ------------------------------------------------------------------ a folder */

/* TRAIN/CLASS/NAME.png and, if there is one, TEST/...; `test` is "" if there is none. */
static iv_status load_folders(const char *train, const char *test, iv_own_part parts[2],
                              iv_error *error) {
    listing names;
    iv_status status = list_folders(train, &names, error);
    if (status == IV_OK && names.n > IV_OWN_MOST_CLASSES)
        status = iv_fail(error, IV_EDATA, "%s: %zu folders of classes, expected at most %d", train,
                         names.n, IV_OWN_MOST_CLASSES);
    if (status == IV_OK) status = load_part(train, &names, &parts[0], error);
    if (status == IV_OK && *test) status = load_part(test, &names, &parts[1], error);
    clear_listing(&names);
    return status;
}

/* train/ holds folders where it is a part; as a class it holds images. */
static iv_status load(const char *folder, iv_own_part parts[2], iv_error *error) {
    char train[IV_PATH_BYTES], test[IV_PATH_BYTES];
    listing top;
    iv_status status = iv_path_within(folder, "train", "", train, error);
    if (status == IV_OK) status = iv_path_within(folder, "test", "", test, error);
    if (status != IV_OK) return status;
    if (!is_folder(folder, "train") || !holds_folders(train))
        return load_folders(folder, "", parts, error);
    status = list_folders(folder, &top, error);
    for (size_t i = 0; i < top.n && status == IV_OK; i++) {
        const char *name = top.entries[i]->d_name;
        if (strcmp(name, "train") != 0 && strcmp(name, "test") != 0)
            status = iv_fail(error, IV_EDATA,
                             "%s/%s: a folder beside train/, expected train/ and test/ alone",
                             folder, name);
    }
    if (!is_folder(folder, "test")) *test = '\0';
    clear_listing(&top);
    return status == IV_OK ? load_folders(train, test, parts, error) : status;
}

const iv_own_format iv_own_png = {"folders of PNG files", holds_folders, load};
