/* Images of the user's own: every format is read as its bytes say, and each way of being wrong is
 * refused with the file and the reason. */
#include "own_files.h"

#include <invar/data.h>

static iv_dataset dataset;
static iv_error error;

static void make(const char *folder) {
    assert_ok(&error, iv_make_directories(in(scratch, folder), &error));
}

static void loads(const char *folder) {
    assert_ok(&error, iv_own_images_load(in(scratch, folder), "mine", &dataset, &error));
    assert_string_equal(dataset.name, "mine");
}

#define REFUSED(folder, ...)                                                                       \
    assert_fails(&error, iv_own_images_load(in(scratch, folder), "mine", &dataset, &error),        \
                 IV_EDATA, __VA_ARGS__)

static void assert_shape(size_t n, size_t n_training, size_t n_classes, size_t channels,
                         size_t height, size_t width) {
    assert_int_equal(dataset.n_images, n);
    assert_int_equal(dataset.n_training, n_training);
    assert_int_equal(dataset.n_classes, n_classes);
    assert_int_equal(dataset.channels, channels);
    assert_int_equal(dataset.height, height);
    assert_int_equal(dataset.width, width);
}

static uint8_t counting[4096]; /* 0, 1, 2, ... */

/* ------------------------------------------------------------------ IDX */

#define IDX_IMAGES "idx/train-images-idx3-ubyte"
#define IDX_LABELS "idx/train-labels-idx1-ubyte"

static void write_idx_pair(const char *images, const char *labels, unsigned n, unsigned h,
                           unsigned w) {
    make("idx");
    write_idx(in(scratch, images), 3, (const unsigned[]){n, h, w}, counting);
    write_idx(in(scratch, labels), 1, (const unsigned[]){n}, counting);
}

static void idx_files_of_any_size_are_read(void **state) {
    (void)state;
    write_idx_pair(IDX_IMAGES, IDX_LABELS, 27, 3, 5);
    loads("idx");
    assert_shape(27, 27, 27, 1, 3, 5);
    assert_memory_equal(dataset.pixels, counting, 27 * 15);
    assert_memory_equal(dataset.labels, counting, 27);
    iv_dataset_clear(&dataset);

    write_idx_pair("idx/t10k-images-idx3-ubyte", "idx/t10k-labels-idx1-ubyte", 4, 3, 5);
    loads("idx");
    assert_shape(31, 27, 27, 1, 3, 5);
    assert_memory_equal(dataset.pixels + 27 * 15, counting, 4 * 15);
    assert_memory_equal(dataset.labels + 27, counting, 4);
    iv_dataset_clear(&dataset);
}

/* The value of channel c at pixel p of image i, channels last or as planes. */
static void idx_files_in_colour_are_read_in_either_order(void **state) {
    (void)state;
    enum { N = 2, H = 4, W = 5 };
    make("idx");
    write_idx(in(scratch, IDX_LABELS), 1, (const unsigned[]){N}, counting);
    for (int planes = 0; planes < 2; planes++) {
        const char *name = in(scratch, planes ? "idx/train-images-idx4-ubyte" : IDX_IMAGES);
        write_idx(name, 4, planes ? (const unsigned[]){N, 3, H, W} : (const unsigned[]){N, H, W, 3},
                  counting);
        loads("idx");
        assert_shape(N, N, N, 3, H, W);
        for (int i = 0; i < N; i++)
            for (int c = 0; c < 3; c++)
                for (int p = 0; p < H * W; p++)
                    assert_int_equal(dataset.pixels[(i * 3 + c) * H * W + p],
                                     planes ? (i * 3 + c) * H * W + p : (i * H * W + p) * 3 + c);
        iv_dataset_clear(&dataset);
        unlink(name);
    }
}

static void idx_files_that_do_not_fit_together_are_refused(void **state) {
    (void)state;
    write_idx_pair(IDX_IMAGES, IDX_LABELS, 6, 4, 4);
    write_idx(in(scratch, IDX_LABELS), 1, (const unsigned[]){5}, counting);
    REFUSED("idx", IDX_LABELS, "5 labels", "6 images", IDX_IMAGES);
    unlink(in(scratch, IDX_LABELS));
    REFUSED("idx", IDX_LABELS, "missing");

    write_idx_pair(IDX_IMAGES, IDX_LABELS, 6, 4, 4);
    write_idx_pair("idx/t10k-images-idx3-ubyte", "idx/t10k-labels-idx1-ubyte", 2, 4, 5);
    REFUSED("idx", "t10k-images-idx3-ubyte", "1 x 4 x 5", IDX_IMAGES, "1 x 4 x 4");
    write_idx_pair("idx/t10k-images-idx3-ubyte", "idx/t10k-labels-idx1-ubyte", 2, 4, 4);
    write_idx(in(scratch, "idx/t10k-labels-idx1-ubyte"), 1, (const unsigned[]){2}, "\1\6");
    REFUSED("idx", "t10k-labels-idx1-ubyte", "label 1 is 6", "less than 6");
    unlink(in(scratch, "idx/t10k-images-idx3-ubyte"));
    REFUSED("idx", "t10k-images-idx3-ubyte", "missing");

    assert_int_equal(truncate(in(scratch, IDX_IMAGES), 20), 0);
    REFUSED("idx", IDX_IMAGES, "truncated");
    write_idx(in(scratch, IDX_IMAGES), 4, (const unsigned[]){6, 4, 4, 4}, counting);
    REFUSED("idx", IDX_IMAGES, "4 channels", "1 (grey) or 3");
    write_idx(in(scratch, IDX_IMAGES), 3, (const unsigned[]){6, 1, 4}, counting);
    REFUSED("idx", IDX_IMAGES, "1 x 4 pixels", "2 to");
}

/* ------------------------------------------------------------------ NumPy */

static void write_pair(const char *images_shape, size_t n_bytes, const char *labels_type,
                       const void *labels, size_t n_label_bytes, unsigned n_labels) {
    char shape[32];
    snprintf(shape, sizeof shape, "(%u,)", n_labels);
    make("npy");
    write_npy(in(scratch, "npy/images.npy"), "|u1", "False", images_shape, counting, n_bytes);
    write_npy(in(scratch, "npy/labels.npy"), labels_type, "False", shape, labels, n_label_bytes);
}

static void labels_of_every_integer_type_are_read(void **state) {
    (void)state;
    static const struct {
        const char *descr;
        unsigned bytes;
    } types[] = {{"|u1", 1}, {"|i1", 1}, {"<u2", 2}, {"<i2", 2},
                 {"<u4", 4}, {"<i4", 4}, {"<u8", 8}, {"<i8", 8}};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        uint8_t labels[3 * 8] = {0}; /* 2, 0, 100 */
        labels[0] = 2;
        labels[2 * types[t].bytes] = 100;
        write_pair("(3, 2, 4)", 24, types[t].descr, labels, 3 * types[t].bytes, 3);
        loads("npy");
        assert_shape(3, 3, 101, 1, 2, 4);
        assert_memory_equal(dataset.labels, "\2\0\144", 3);
        assert_memory_equal(dataset.pixels, counting, 24);
        iv_dataset_clear(&dataset);
    }
}

static void arrays_in_colour_become_planes(void **state) {
    (void)state;
    enum { H = 3, W = 4 };
    write_pair("(2, 3, 4, 3)", 2 * H * W * 3, "|u1", "\0\1", 2, 2);
    loads("npy");
    assert_shape(2, 2, 2, 3, H, W);
    for (int i = 0; i < 2 * 3 * H * W; i++) {
        const int p = i % (H * W), c = i / (H * W) % 3, image = i / (3 * H * W);
        assert_int_equal(dataset.pixels[i], (image * H * W + p) * 3 + c);
    }
    iv_dataset_clear(&dataset);
}

/* To the nearest byte; half of a byte is 0.00196. */
static void numbers_between_0_and_1_become_bytes(void **state) {
    (void)state;
    const float values[] = {0, 1, 0.5f, 1.0f / 255, 0.00196f, 0.00197f, 254.4f / 255, 0.2f};
    static const uint8_t bytes[] = {0, 255, 128, 1, 0, 1, 254, 51};
    write_pair("(2, 2, 2)", 8, "|u1", "\0\1", 2, 2);
    write_npy(in(scratch, "npy/images.npy"), "<f4", "False", "(2, 2, 2)", values, sizeof values);
    loads("npy");
    assert_memory_equal(dataset.pixels, bytes, sizeof bytes);
    iv_dataset_clear(&dataset);
    const float beyond[] = {0, 1, 0.5f, 0, 0, 255, 0, 0};
    write_npy(in(scratch, "npy/images.npy"), "<f4", "False", "(2, 2, 2)", beyond, sizeof beyond);
    REFUSED("npy", "images.npy", "value 5 is 255", "[0, 1]");
}

static void arrays_may_come_in_two_parts(void **state) {
    (void)state;
    make("npy");
    for (int test = 0; test < 2; test++) {
        write_npy(in(scratch, test ? "npy/test-images.npy" : "npy/train-images.npy"), "|u1",
                  "False", test ? "(1, 2, 2)" : "(3, 2, 2)", counting + test, test ? 4 : 12);
        write_npy(in(scratch, test ? "npy/test-labels.npy" : "npy/train-labels.npy"), "<i8",
                  "False", test ? "(1,)" : "(3,)", "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2\0\0\0\0\0\0",
                  test ? 8 : 24);
    }
    loads("npy");
    assert_shape(4, 3, 3, 1, 2, 2);
    assert_memory_equal(dataset.labels, "\1\0\2\1", 4);
    assert_memory_equal(dataset.pixels + 12, counting + 1, 4);
    iv_dataset_clear(&dataset);
    write_npy(in(scratch, "npy/images.npy"), "|u1", "False", "(1, 2, 2)", counting, 4);
    REFUSED("npy", "train-images.npy and images.npy");
}

static void arrays_of_another_form_are_refused(void **state) {
    (void)state;
    static const int8_t negative[] = {0, -1};
    static const uint8_t large[] = {0, 0, 0, 1}; /* 256 */
    write_pair("(2, 2, 4)", 16, "|u1", "\0\1", 2, 2);
    write_npy(in(scratch, "npy/images.npy"), "<f8", "False", "(2, 2, 1)", counting, 32);
    REFUSED("npy", "images.npy", "type <f8", "float32");
    write_npy(in(scratch, "npy/images.npy"), "<i4", "False", "(2, 2, 1)", counting, 16);
    REFUSED("npy", "images.npy", "int32", "uint8");
    write_npy(in(scratch, "npy/images.npy"), "|u1", "True", "(2, 2, 4)", counting, 16);
    REFUSED("npy", "images.npy", "Fortran order", "ascontiguousarray");
    write_npy(in(scratch, "npy/images.npy"), "|u1", "False", "(2, 8)", counting, 16);
    REFUSED("npy", "images.npy", "2 dimensions", "[N, H, W]");
    write_npy(in(scratch, "npy/images.npy"), "|u1", "False", "(2, 2, 2, 2)", counting, 16);
    REFUSED("npy", "images.npy", "2 channels");
    write_npy(in(scratch, "npy/images.npy"), "|u1", "False", "(2, 2, 4)", counting, 15);
    REFUSED("npy", "images.npy", "truncated", "16 bytes", "found 15");
    write_npy(in(scratch, "npy/images.npy"), "|u1", "False", "(0, 2, 4)", counting, 0);
    REFUSED("npy", "images.npy", "no images");
    unlink(in(scratch, "npy/images.npy"));
    REFUSED("npy", "images.npy", "No such file");

    write_pair("(2, 2, 4)", 16, "|i1", negative, 2, 2);
    REFUSED("npy", "labels.npy", "label 1 is -1", "0 to 255");
    write_pair("(2, 2, 4)", 16, "<u2", large, 4, 2);
    REFUSED("npy", "labels.npy", "label 1 is 256", "0 to 255");
    write_pair("(2, 2, 4)", 16, "|u1", "\0\1\2", 3, 3);
    REFUSED("npy", "labels.npy", "3 labels", "2 images", "images.npy");
    write_pair("(2, 2, 4)", 16, "<f4", counting, 8, 2);
    REFUSED("npy", "labels.npy", "float32", "integers");
}

/* ------------------------------------------------------------------ PNG */

static const char *const animals[] = {"png/cat/2.png", "png/cat/10.png", "png/bird/a.PNG",
                                      "png/dog/1.png"};

/* Grey images of 4 x 3, of value 10, 11, ... */
static void write_animals(void) {
    make("png/cat");
    make("png/bird");
    make("png/dog");
    for (int i = 0; i < 4; i++) write_grey_png(in(scratch, animals[i]), 4, 3, (uint8_t)(10 + i));
    spill(in(scratch, "png/LICENSE"), "free");
    spill(in(scratch, "png/cat/.hidden"), "");
}

static void classes_and_files_are_taken_in_the_order_of_their_names(void **state) {
    (void)state;
    static const uint8_t values[] = {12, 11, 10, 13}; /* bird/a, cat/10, cat/2, dog/1 */
    write_animals();
    loads("png");
    assert_shape(4, 4, 3, 1, 3, 4);
    assert_memory_equal(dataset.labels, "\0\1\1\2", 4);
    for (int i = 0; i < 4 * 12; i++) assert_int_equal(dataset.pixels[i], values[i / 12]);
    iv_dataset_clear(&dataset);
}

static void folders_may_hold_a_test_part(void **state) {
    (void)state;
    make("parts/train/a");
    make("parts/train/b");
    make("parts/test/b");
    write_grey_png(in(scratch, "parts/train/a/1.png"), 2, 2, 1);
    write_grey_png(in(scratch, "parts/train/b/1.png"), 2, 2, 2);
    write_grey_png(in(scratch, "parts/test/b/1.png"), 2, 2, 3);
    loads("parts");
    assert_shape(3, 2, 2, 1, 2, 2);
    assert_memory_equal(dataset.labels, "\0\1\1", 3);
    assert_int_equal(dataset.pixels[8], 3);
    iv_dataset_clear(&dataset);

    make("parts/validation/b");
    REFUSED("parts", "parts/validation", "train/ and test/ alone");
    rmdir(in(scratch, "parts/validation/b"));
    rmdir(in(scratch, "parts/validation"));
    make("parts/test/c");
    write_grey_png(in(scratch, "parts/test/c/1.png"), 2, 2, 3);
    REFUSED("parts", "parts/test/c", "no class of the training images");
}

/* What one class with this image gives. */
static void load_one(const png_to_write *png) {
    make("one/class");
    write_png(in(scratch, "one/class/x.png"), png);
    loads("one");
}

static void colours_palettes_and_few_bits_are_expanded(void **state) {
    (void)state;
    static const uint8_t colours[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    static const uint8_t planes[] = {1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12};
    load_one(&(png_to_write){
        .width = 2, .height = 2, .depth = 8, .colour_type = 2, .rows = colours, .row_bytes = 6});
    assert_shape(1, 1, 1, 3, 2, 2);
    assert_memory_equal(dataset.pixels, planes, 12);
    iv_dataset_clear(&dataset);

    /* 2 bits a pixel: colours 0, 1 over 2, 3. */
    load_one(&(png_to_write){.width = 2,
                             .height = 2,
                             .depth = 2,
                             .colour_type = 3,
                             .rows = (const uint8_t *)"\x10\xb0",
                             .row_bytes = 1,
                             .palette = colours,
                             .n_colours = 4});
    assert_shape(1, 1, 1, 3, 2, 2);
    assert_memory_equal(dataset.pixels, planes, 12);
    iv_dataset_clear(&dataset);

    /* 1 bit a pixel. */
    load_one(&(png_to_write){
        .width = 2, .height = 2, .depth = 1, .rows = (const uint8_t *)"\x40\x80", .row_bytes = 1});
    assert_shape(1, 1, 1, 1, 2, 2);
    assert_memory_equal(dataset.pixels, "\0\xff\xff\0", 4);
    iv_dataset_clear(&dataset);
}

static void images_of_another_kind_are_refused(void **state) {
    (void)state;
    write_animals();
    char path[SCRATCH_PATH];
    snprintf(path, sizeof path, "%s/png/dog/1.png", scratch);
    const png_to_write deep = {
        .width = 4, .height = 3, .depth = 16, .rows = counting, .row_bytes = 8};
    png_to_write other = {.width = 4, .height = 3, .depth = 8, .rows = counting, .row_bytes = 4};
    write_png(path, &deep);
    REFUSED("png", "dog/1.png", "16 bits", "expected 8");
    other.transparent = true;
    write_png(path, &other);
    REFUSED("png", "dog/1.png", "transparency");
    other.transparent = false;
    other.colour_type = 4;
    other.row_bytes = 8;
    write_png(path, &other);
    REFUSED("png", "dog/1.png", "transparency");
    other.colour_type = 2;
    other.row_bytes = 12;
    write_png(path, &other);
    REFUSED("png", "dog/1.png", "3 x 3 x 4", "bird/a.PNG", "1 x 3 x 4");
    write_grey_png(path, 3, 4, 0);
    REFUSED("png", "dog/1.png", "1 x 4 x 3", "bird/a.PNG", "1 x 3 x 4");
}

static void every_damaged_image_is_refused(void **state) {
    (void)state;
    size_t n;
    write_animals();
    char path[SCRATCH_PATH];
    snprintf(path, sizeof path, "%s/png/dog/1.png", scratch);
    char *bytes = slurp(path, &n);
    for (size_t length = 0; length < n; length++) {
        write_bytes(path, bytes, length);
        REFUSED("png", "dog/1.png", length < 8 ? "not a PNG file" : "damaged");
    }
    /* A byte of the image, which its chunk's checksum tells. */
    bytes[n - 20] ^= 1;
    write_bytes(path, bytes, n);
    REFUSED("png", "dog/1.png", "damaged");
    free(bytes);
    write_bytes(path, "JFIF", 4);
    REFUSED("png", "dog/1.png", "not a PNG file");
}

static void what_is_no_image_is_refused(void **state) {
    (void)state;
    write_animals();
    make("png/elk");
    REFUSED("png", "png/elk", "empty class");
    write_grey_png(in(scratch, "png/elk/1.png"), 4, 3, 0);
    spill(in(scratch, "png/elk/notes.txt"), "");
    REFUSED("png", "elk/notes.txt", "not a .png file");
    unlink(in(scratch, "png/elk/notes.txt"));
    make("png/elk/young");
    REFUSED("png", "elk/young", "a folder");
}

/* ------------------------------------------------------------------ folders */

static void a_folder_without_images_says_what_it_should_hold(void **state) {
    (void)state;
    REFUSED("nowhere", "nowhere", "No such file", "folder with images");
    spill(in(scratch, "file"), "");
    REFUSED("file", "/file", "not a folder");
    make("empty");
    spill(in(scratch, "empty/readme"), "");
    REFUSED("empty", "/empty", "holds no images", "IDX", "images.npy", "PNG");
    write_idx_pair(IDX_IMAGES, IDX_LABELS, 2, 2, 2);
    write_npy(in(scratch, "idx/images.npy"), "|u1", "False", "(1, 2, 2)", counting, 4);
    REFUSED("idx", "IDX files and .npy files");
}

static void a_name_is_a_folder_of_the_data_directory(void **state) {
    (void)state;
    iv_dataset_info info;
    write_animals();
    assert_ok(&error, iv_dataset_load(scratch, "png", 0, &dataset, &error));
    assert_int_equal(dataset.n_images, 4);
    iv_dataset_clear(&dataset);
    assert_ok(&error, iv_dataset_describe(scratch, "png", &info, &error));
    assert_true(info.n_training == 4 && info.n_test == 0 && info.n_classes == 3 &&
                info.height == 3 && info.width == 4 && info.channels == 1);
    assert_fails(&error, iv_dataset_load(scratch, "fashion-mnits", 0, &dataset, &error), IV_EINVAL,
                 "unknown dataset 'fashion-mnits'", "mnist", "folder of that name",
                 "did you mean `fashion-mnist`?");
}

static void the_home_directory_is_known(void **state) {
    (void)state;
    char *home = getenv("HOME") ? strdup(getenv("HOME")) : NULL;
    write_animals();
    setenv("HOME", scratch, 1);
    assert_ok(&error, iv_own_images_load("~/png", "mine", &dataset, &error));
    iv_dataset_clear(&dataset);
    if (home)
        setenv("HOME", home, 1);
    else
        unsetenv("HOME");
    free(home);
}

/* ------------------------------------------------------------------ order */

/* Every image once, with its label, in its part; the order is the seed's. */
static void shuffling_keeps_images_whole_and_parts_apart(void **state) {
    (void)state;
    enum { N = 50, TEST = 20, D = 4 };
    uint8_t orders[3][N + TEST];
    for (uint32_t pass = 0; pass < 3; pass++) {
        iv_dataset set = {.n_images = N + TEST,
                          .n_training = N,
                          .channels = 1,
                          .height = 2,
                          .width = 2,
                          .pixels = malloc((N + TEST) * D),
                          .labels = malloc(N + TEST)};
        int seen[N + TEST] = {0};
        for (size_t i = 0; i < (N + TEST) * D; i++) set.pixels[i] = (uint8_t)(i / D);
        for (size_t i = 0; i < N + TEST; i++) set.labels[i] = (uint8_t)i;
        assert_ok(&error, iv_dataset_shuffle(&set, pass / 2, &error));
        for (size_t i = 0; i < N + TEST; i++) {
            for (size_t p = 0; p < D; p++) assert_int_equal(set.pixels[i * D + p], set.labels[i]);
            assert_int_equal(set.labels[i] < N, i < N);
            assert_int_equal(seen[set.labels[i]]++, 0);
        }
        memcpy(orders[pass], set.labels, N + TEST);
        iv_dataset_clear(&set);
    }
    assert_memory_equal(orders[0], orders[1], N + TEST);
    assert_memory_not_equal(orders[0], orders[2], N);
    assert_memory_not_equal(orders[0], counting, N);
}

int main(void) {
    for (size_t i = 0; i < sizeof counting; i++) counting[i] = (uint8_t)i;
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(idx_files_of_any_size_are_read),
        SCRATCH_TEST(idx_files_in_colour_are_read_in_either_order),
        SCRATCH_TEST(idx_files_that_do_not_fit_together_are_refused),
        SCRATCH_TEST(labels_of_every_integer_type_are_read),
        SCRATCH_TEST(arrays_in_colour_become_planes),
        SCRATCH_TEST(numbers_between_0_and_1_become_bytes),
        SCRATCH_TEST(arrays_may_come_in_two_parts),
        SCRATCH_TEST(arrays_of_another_form_are_refused),
        SCRATCH_TEST(classes_and_files_are_taken_in_the_order_of_their_names),
        SCRATCH_TEST(folders_may_hold_a_test_part),
        SCRATCH_TEST(colours_palettes_and_few_bits_are_expanded),
        SCRATCH_TEST(images_of_another_kind_are_refused),
        SCRATCH_TEST(every_damaged_image_is_refused),
        SCRATCH_TEST(what_is_no_image_is_refused),
        SCRATCH_TEST(a_folder_without_images_says_what_it_should_hold),
        SCRATCH_TEST(a_name_is_a_folder_of_the_data_directory),
        SCRATCH_TEST(the_home_directory_is_known),
        cmocka_unit_test(shuffling_keeps_images_whole_and_parts_apart),
    };
    return cmocka_run_group_tests_name("images of the user's own", tests, NULL, NULL);
}
