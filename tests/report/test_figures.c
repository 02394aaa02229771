/* Plots, their data and scripts, and pictures. */
#include "../kit/files.h"

#include "report/plot.h"

#include <invar/report.h>

#include <png.h>

#include <math.h>

static bool have_gnuplot(void) {
    return system("gnuplot --version >/dev/null 2>&1") == 0;
}

/* ------------------------------------------------------------------ plots */

static const double x[] = {1, 10, 100}, y[] = {0.5, 0.25, 0.125}, low[] = {0.4, 0.2, 0.1},
                    high[] = {0.6, 0.3, 0.15}, gap[] = {1, NAN, 3}, x_other[] = {2, 3};

static void the_csv_has_one_x_for_series_that_share_it(void **state) {
    iv_error error = {0};
    const iv_series series[] = {
        {.label = "WT, it's", .n = 3, .x = x, .y = y, .low = low, .high = high},
        {.label = "DA", .n = 3, .x = x, .y = gap}};
    const iv_plot plot = {.series = series, .n_series = 2};
    assert_ok(&error, iv_plot_write(&plot, *state, "fig3", NULL, &error));
    char *text = slurp(in_scratch(state, "fig3.csv"), NULL);
    assert_string_equal(text, "x,\"WT, it's\",\"WT, it's low\",\"WT, it's high\",DA\n"
                              "1,0.5,0.4,0.6,1\n10,0.25,0.2,0.3,nan\n100,0.125,0.1,0.15,3\n");
    free(text);
    text = slurp(in_scratch(state, "fig3.gp"), NULL);
    assert_contains(text, "data = 'fig3.csv'");
    assert_contains(text, "using 1:3:4 with filledcurves");
    assert_contains(text, "using 1:2 with lines");
    assert_contains(text, "title 'WT, it''s'");
    assert_contains(text, "using 1:5 with lines");
    free(text);
}

static void series_with_different_x_have_columns_of_their_own(void **state) {
    iv_error error = {0};
    const iv_series series[] = {{.label = "a", .n = 3, .x = x, .y = y},
                                {.label = "b", .n = 2, .x = x_other, .y = y}};
    const iv_plot plot = {.series = series, .n_series = 2};
    assert_ok(&error, iv_plot_write(&plot, *state, "f", NULL, &error));
    char *text = slurp(in_scratch(state, "f.csv"), NULL);
    assert_string_equal(text, "a x,a,b x,b\n1,0.5,2,0.5\n10,0.25,3,0.25\n100,0.125,,\n");
    free(text);
    text = slurp(in_scratch(state, "f.gp"), NULL);
    assert_contains(text, "using 3:4 with lines");
    free(text);
}

static void gnuplot_draws_every_kind_of_plot(void **state) {
    if (!have_gnuplot()) SKIP_BECAUSE("gnuplot is not installed");
    iv_error error = {0};
    const double nothing[] = {NAN, NAN, NAN}, constant[] = {2, 2, 2};
    const iv_series full[] = {{.label = "WT_1 it's \"x\" {/Bold $a} `date`",
                               .n = 3,
                               .x = x,
                               .y = y,
                               .low = low,
                               .high = high},
                              {.label = "DA", .n = 3, .x = x, .y = gap, .style = IV_SERIES_POINTS},
                              {.label = "b",
                               .n = 2,
                               .x = x_other,
                               .y = y,
                               .style = IV_SERIES_LINE_AND_POINTS,
                               .dashed = true}};
    const iv_series empty[] = {{.n = 3, .x = x, .y = nothing}},
                    flat[] = {{.n = 3, .x = x, .y = constant}};
    const iv_series single[] = {{.n = 1, .x = x, .y = y}};
    const iv_plot plots[] = {
        {.title = "It's\na title",
         .x_label = "step",
         .y_label = "σmax(J)",
         .series = full,
         .n_series = 3},
        {.log_x = true, .log_y = true, .series = full, .n_series = 3},
        {.series = empty, .n_series = 1},
        {.log_y = true, .series = empty, .n_series = 1},
        {.series = flat, .n_series = 1},
        {.log_y = true, .series = flat, .n_series = 1},
        {.series = single, .n_series = 1},
    };
    for (size_t i = 0; i < sizeof plots / sizeof *plots; i++) {
        bool drawn;
        size_t n;
        assert_ok(&error, iv_plot_write(&plots[i], *state, "figure", &drawn, &error));
        assert_true(drawn);
        char *svg = slurp(in_scratch(state, "figure.svg"), &n);
        assert_contains(svg, "</svg>");
        if (i == 0) assert_contains(svg, "WT_1 it's");
        free(svg);
        char *png = slurp(in_scratch(state, "figure.png"), &n);
        assert_true(n > 1000);
        assert_memory_equal(png, "\x89PNG\r\n\x1a\n", 8);
        assert_int_equal(remove(in_scratch(state, "figure.svg")), 0);
        assert_int_equal(remove(in_scratch(state, "figure.png")), 0);
        free(png);
    }
}

/* The kept script and data are all a user needs. */
static void the_script_runs_again_in_another_folder(void **state) {
    if (!have_gnuplot()) SKIP_BECAUSE("gnuplot is not installed");
    iv_error error = {0};
    const iv_series series[] = {{.label = "a", .n = 3, .x = x, .y = y}};
    const iv_plot plot = {.series = series, .n_series = 1};
    char command[4 * SCRATCH_PATH];
    assert_ok(&error, iv_plot_write(&plot, *state, "f", NULL, &error));
    snprintf(command, sizeof command,
             "mkdir '%s/b' && cp '%s/f.gp' '%s/f.csv' '%s/b' && cd '%s/b' && gnuplot f.gp",
             (char *)*state, (char *)*state, (char *)*state, (char *)*state, (char *)*state);
    assert_int_equal(system(command), 0);
    assert_true(exists(in_scratch(state, "b/f.svg")));
    assert_true(exists(in_scratch(state, "b/f.png")));
    char *first = slurp(in_scratch(state, "f.svg"), NULL);
    char *second = slurp(in_scratch(state, "b/f.svg"), NULL);
    assert_string_equal(first, second);
    free(first);
    free(second);
}

static void without_gnuplot_the_script_is_still_there(void **state) {
    iv_error error = {0};
    bool drawn = true;
    const iv_series series[] = {{.label = "a", .n = 3, .x = x, .y = y}};
    const iv_plot plot = {.series = series, .n_series = 1};
    char *path = strdup(getenv("PATH") ? getenv("PATH") : "");
    setenv("PATH", *state, 1);
    iv_status status = iv_plot_write(&plot, *state, "f", &drawn, &error);
    setenv("PATH", path, 1);
    free(path);
    assert_ok(&error, status);
    assert_false(drawn);
    assert_true(exists(in_scratch(state, "f.csv")));
    assert_true(exists(in_scratch(state, "f.gp")));
    assert_int_equal(count_entries(*state), 2);
}

static void a_failing_gnuplot_is_reported_with_its_message(void **state) {
    iv_error error = {0};
    bool drawn = true;
    const iv_series series[] = {{.label = "a", .n = 3, .x = x, .y = y}};
    const iv_plot plot = {.series = series, .n_series = 1};
    spill(in_scratch(state, "gnuplot"),
          "#!/bin/sh\n: > f.svg\necho 'line 3: something is wrong' >&2\nexit 1\n");
    assert_int_equal(chmod(in_scratch(state, "gnuplot"), 0755), 0);
    char *path = strdup(getenv("PATH") ? getenv("PATH") : "");
    setenv("PATH", *state, 1);
    iv_status status = iv_plot_write(&plot, *state, "f", &drawn, &error);
    setenv("PATH", path, 1);
    free(path);
    assert_int_equal(status, IV_EFAILED);
    assert_false(drawn);
    assert_contains(error.message, "something is wrong");
    assert_false(exists(in_scratch(state, "f.svg")));
}

/* One that hangs before it says anything, and one after it has closed its messages. */
static void a_gnuplot_that_hangs_is_ended(void **state) {
    static const char *const programs[] = {"#!/bin/sh\nexec sleep 100\n",
                                           "#!/bin/sh\nexec 2>&-\nexec sleep 100\n"};
    spill(in_scratch(state, "f.gp"), "\n");
    char *path = strdup(getenv("PATH") ? getenv("PATH") : "");
    for (size_t i = 0; i < 2; i++) {
        iv_error error = {0};
        bool found;
        char paths[SCRATCH_PATH + 32];
        spill(in_scratch(state, "gnuplot"), programs[i]);
        assert_int_equal(chmod(in_scratch(state, "gnuplot"), 0755), 0);
        snprintf(paths, sizeof paths, "%s:/bin:/usr/bin", (const char *)*state);
        setenv("PATH", paths, 1);
        const iv_status status = iv_gnuplot_run(*state, "f.gp", 1, &found, &error);
        setenv("PATH", path, 1);
        assert_fails(&error, status, IV_EFAILED, "f.gp", "after 1 seconds");
    }
    free(path);
}

/* Settings of the user's, as gnuplot reads them from its start-up file and from the environment,
 * would change the picture or worse. A gnuplot that only looks stands in for the real one. */
static void gnuplot_is_run_without_settings_on_the_script_just_written(void **state) {
    iv_error error = {0};
    const iv_series series[] = {{.label = "a", .n = 3, .x = x, .y = y}};
    const iv_plot plot = {.series = series, .n_series = 1};
    spill(
        in_scratch(state, "gnuplot"),
        "#!/bin/sh\necho \"$*\" > asked\necho \"$GNUPLOT_LIB$GNUTERM$FIT_SCRIPT$OTHER\" >> asked\n"
        "while read -r line; do echo \"$line\"; done < \"$2\" > seen\n");
    assert_int_equal(chmod(in_scratch(state, "gnuplot"), 0755), 0);
    spill(in_scratch(state, "f.gp"), "system('touch ran')\n");
    char *path = strdup(getenv("PATH") ? getenv("PATH") : "");
    setenv("GNUPLOT_LIB", "lib", 1);
    setenv("GNUTERM", "term", 1);
    setenv("FIT_SCRIPT", "fit", 1);
    setenv("OTHER", "other", 1);
    setenv("PATH", *state, 1);
    iv_status status = iv_plot_write(&plot, *state, "f", NULL, &error);
    setenv("PATH", path, 1);
    free(path);
    assert_ok(&error, status);
    char *text = slurp(in_scratch(state, "asked"), NULL);
    assert_string_equal(text, "-d f.gp\nother\n");
    free(text);
    text = slurp(in_scratch(state, "seen"), NULL);
    assert_lacks(text, "system");
    assert_contains(text, "set output 'f.svg'");
    free(text);
    assert_string_equal(getenv("GNUTERM"), "term");

    /* What is no file of its own could hold something else by the time it is read. */
    assert_int_equal(remove(in_scratch(state, "f.gp")), 0);
    assert_int_equal(symlink(in_scratch(state, "seen"), in_scratch(state, "f.gp")), 0);
    assert_int_equal(iv_plot_write(&plot, *state, "f", NULL, &error), IV_EFAILED);
    assert_contains(error.message, "f.gp");
    unsetenv("GNUPLOT_LIB");
    unsetenv("GNUTERM");
    unsetenv("FIT_SCRIPT");
    unsetenv("OTHER");
}

static void impossible_plots_are_refused(void **state) {
    const iv_series series[] = {{.n = 3, .x = x, .y = y, .low = low}};
    const iv_plot empty = {.n_series = 0}, half_band = {.series = series, .n_series = 1};
    iv_error error = {0};
    assert_int_equal(iv_plot_write(&empty, *state, "f", NULL, &error), IV_EINVAL);
    iv_error_clear(&error);
    assert_int_equal(iv_plot_write(&half_band, *state, "f", NULL, &error), IV_EINVAL);
    iv_error_clear(&error);
    assert_int_equal(iv_plot_write(&half_band, *state, "../f", NULL, &error), IV_EINVAL);
    assert_contains(error.message, "../f");
    assert_int_equal(count_entries(*state), 0);
}

/* ------------------------------------------------------------------ pictures */

/* libpng's simplified reader, as RGB. */
static uint8_t *decode(const char *path, unsigned *width, unsigned *height) {
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_file(&image, path));
    image.format = PNG_FORMAT_RGB;
    uint8_t *pixels = malloc(PNG_IMAGE_SIZE(image));
    assert_true(png_image_finish_read(&image, NULL, pixels, 0, NULL));
    *width = image.width;
    *height = image.height;
    return pixels;
}

static void pictures_decode_to_the_same_pixels(void **state) {
    enum { WIDTH = 13, HEIGHT = 7 };
    iv_error error = {0};
    uint8_t pixels[HEIGHT * WIDTH * 3];
    unsigned width, height;
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 37 + i / 11);
    const char *path = in_scratch(state, "a.png");

    assert_ok(&error, iv_png_write_rgb(path, pixels, WIDTH, HEIGHT, &error));
    uint8_t *back = decode(path, &width, &height);
    assert_int_equal(width, WIDTH);
    assert_int_equal(height, HEIGHT);
    assert_memory_equal(back, pixels, sizeof pixels);
    free(back);

    assert_ok(&error, iv_png_write_gray(path, pixels, WIDTH, HEIGHT, &error));
    back = decode(path, &width, &height);
    assert_int_equal(width, WIDTH);
    for (size_t i = 0; i < WIDTH * HEIGHT; i++) {
        for (size_t c = 0; c < 3; c++) assert_int_equal(back[3 * i + c], pixels[i]);
    }
    free(back);
}

static void pictures_that_cannot_be_written_are_reported(void **state) {
    iv_error error = {0};
    uint8_t pixel[3] = {0};
    assert_int_equal(iv_png_write_rgb(in_scratch(state, "no/a.png"), pixel, 1, 1, &error),
                     IV_EFAILED);
    assert_contains(error.message, "no/a.png");
    iv_error_clear(&error);
    assert_int_equal(iv_png_write_gray(in_scratch(state, "a.png"), pixel, 0, 1, &error), IV_EINVAL);
    assert_int_equal(count_entries(*state), 0);
}

static const uint8_t *pixel_at(const uint8_t *pixels, unsigned width, size_t px, size_t py) {
    return pixels + (py * width + px) * 3;
}

/* Two images of 1 x 3 pixels, zoomed five times: their colours in order, whatever lies between. */
static void grids_are_normalised_image_by_image(void **state) {
    iv_error error = {0};
    const float images[] = {0, 10, 20, 5, 5, NAN};
    const iv_image_grid grid = {
        .images = images, .rows = 2, .columns = 1, .height = 1, .width = 3, .zoom = 5};
    const char *path = in_scratch(state, "grid.png");
    unsigned width, height;
    assert_ok(&error, iv_image_grid_write(&grid, path, &error));
    uint8_t *pixels = decode(path, &width, &height);

    /* 10 is half-way from 0 to 20, and 255 / 2 rounds to 128; a constant image is middle grey. */
    const uint8_t expected[6][3] = {{0, 0, 0},       {128, 128, 128}, {255, 255, 255},
                                    {128, 128, 128}, {128, 128, 128}, {255, 0, 255}};
    const size_t margin = 4, step = 5 + 4;
    for (size_t i = 0; i < 6; i++) {
        const uint8_t *p =
            pixel_at(pixels, width, margin + i % 3 * 5 + 2, margin + i / 3 * step + 2);
        assert_memory_equal(p, expected[i], 3);
    }
    free(pixels);
}

static void signed_grids_are_white_at_zero_and_symmetric(void **state) {
    iv_error error = {0};
    const float images[] = {-2, 0, 1, 2};
    const iv_image_grid grid = {.images = images,
                                .rows = 1,
                                .columns = 1,
                                .height = 1,
                                .width = 4,
                                .zoom = 3,
                                .is_signed = true};
    const char *path = in_scratch(state, "grid.png");
    unsigned width, height;
    assert_ok(&error, iv_image_grid_write(&grid, path, &error));
    uint8_t *pixels = decode(path, &width, &height);
    const uint8_t *p[4];
    for (size_t i = 0; i < 4; i++) p[i] = pixel_at(pixels, width, 4 + 3 * i + 1, 4 + 1);
    assert_true(p[0][2] > p[0][0]); /* minus is blue */
    assert_true(p[1][0] == 255 && p[1][1] == 255 && p[1][2] == 255);
    assert_true(p[3][0] > p[3][2]); /* plus is red */
    for (size_t c = 0; c < 3; c++) {
        /* 1 is half-way between white and the end; rounding moves either by at most one half. */
        assert_true(abs(2 * p[2][c] - 255 - p[3][c]) <= 1);
    }
    free(pixels);
}

/* Two images of 3 planes x 1 x 2 pixels: one range for all planes
 * of an image, whatever their own. */
static void colours_share_the_range_of_their_image(void **state) {
    iv_error error = {0};
    const float images[] = {0, 10, 20, 0, 0, NAN, /* */ -2, 0, 1, 0, 2, 0};
    iv_image_grid grid = {
        .images = images, .rows = 2, .columns = 1, .planes = 3, .height = 1, .width = 2, .zoom = 5};
    const char *path = in_scratch(state, "grid.png");
    /* The first unsigned, from 0 to 20; the second signed, from -2 to 2: (v + 2) / 4 * 255,
     * rounded. */
    const uint8_t expected[4][3] = {{0, 255, 0}, {255, 0, 255}, {0, 191, 255}, {128, 128, 128}};
    for (size_t i = 0; i < 2; i++) {
        unsigned width, height;
        grid.is_signed = i > 0;
        grid.images = images + 6 * i;
        grid.rows = 1;
        assert_ok(&error, iv_image_grid_write(&grid, path, &error));
        uint8_t *pixels = decode(path, &width, &height);
        for (size_t k = 0; k < 2; k++)
            assert_memory_equal(pixel_at(pixels, width, 4 + 5 * k + 2, 4 + 2), expected[2 * i + k],
                                3);
        free(pixels);
    }
    grid.rows = 2; /* each image starts where the three planes before it end */
    grid.images = images;
    grid.is_signed = true;
    unsigned width, height;
    assert_ok(&error, iv_image_grid_write(&grid, path, &error));
    uint8_t *pixels = decode(path, &width, &height);
    assert_memory_equal(pixel_at(pixels, width, 4 + 2, 4 + 9 + 2), expected[2], 3);
    free(pixels);
    grid.planes = 2;
    assert_int_equal(iv_image_grid_write(&grid, path, &error), IV_EINVAL);
}

static void labels_do_not_cover_images(void **state) {
    iv_error error = {0};
    const float images[4] = {1, 1, 1, 1};
    const char *const rows[] = {"a long row label", "b"}, *const columns[] = {"a long column", "c"};
    iv_image_grid grid = {.images = images,
                          .rows = 2,
                          .columns = 2,
                          .height = 1,
                          .width = 1,
                          .zoom = 9,
                          .is_signed = true};
    unsigned width, height, plain_width, plain_height;
    const char *path = in_scratch(state, "grid.png");
    assert_ok(&error, iv_image_grid_write(&grid, path, &error));
    free(decode(path, &plain_width, &plain_height));
    grid.row_labels = rows;
    grid.column_labels = columns;
    assert_ok(&error, iv_image_grid_write(&grid, path, &error));
    uint8_t *pixels = decode(path, &width, &height);
    assert_true(width > plain_width && height > plain_height);
    size_t full = 0, dark = 0;
    for (size_t i = 0; i < (size_t)width * height; i++) {
        full += pixels[3 * i] == 0xb2 && pixels[3 * i + 1] == 0x18 && pixels[3 * i + 2] == 0x2b;
        dark += pixels[3 * i] < 0x40;
    }
    assert_int_equal(full, 4 * 9 * 9);
    assert_true(dark > 100);
    free(pixels);
}

/* ------------------------------------------------------------------ contours */

static iv_contour example_contour(const double *values, const iv_series *points, size_t n_points) {
    static const double levels[] = {0.25, 0.5};
    return (iv_contour){.title = "it's",
                        .rows = 2,
                        .columns = 3,
                        .left = -1,
                        .right = 1,
                        .bottom = 0,
                        .top = 4,
                        .values = values,
                        .high = 1,
                        .levels = levels,
                        .n_levels = 2,
                        .points = points,
                        .n_points = n_points};
}

static void contours_write_where_each_value_lies(void **state) {
    iv_error error = {0};
    const double values[] = {0, 0.25, 0.5, 0.75, 1, NAN};
    const iv_series points[] = {{.label = "one, 1", .n = 2, .x = x_other, .y = y},
                                {.label = "two", .n = 1, .x = x, .y = y}};
    const iv_contour contour = example_contour(values, points, 2);
    assert_ok(&error, iv_contour_write(&contour, *state, "toy", NULL, &error));
    char *text = slurp(in_scratch(state, "toy.csv"), NULL);
    assert_string_equal(text,
                        "x,y,value\n-1,0,0\n0,0,0.25\n1,0,0.5\n\n-1,4,0.75\n0,4,1\n1,4,nan\n");
    free(text);
    text = slurp(in_scratch(state, "toy-points.csv"), NULL);
    assert_string_equal(text, "x,y,label\n2,0.5,\"one, 1\"\n3,0.25,\"one, 1\"\n1,0.5,two\n");
    free(text);
    text = slurp(in_scratch(state, "toy.gp"), NULL);
    assert_contains(text, "levels discrete 0.25, 0.5");
    assert_contains(text, "every ::2::2 using 1:2"); /* the last point's series */
    assert_contains(text, "set xrange [-1.5:1.5]");  /* half a cell beyond the points */
    free(text);
}

static void gnuplot_draws_contours(void **state) {
    if (!have_gnuplot()) SKIP_BECAUSE("gnuplot is not installed");
    iv_error error = {0};
    const double slope[] = {0, 0.25, 0.5, 0.5, 0.75, 1}, gone[] = {NAN, NAN, NAN, NAN, NAN, NAN},
                 flat[] = {0.5, 0.5, 0.5, 0.5, 0.5, 0.5};
    const double *const all[] = {slope, gone, flat};
    const iv_series points[] = {{.label = "o", .n = 2, .x = x_other, .y = y}, {.label = "none"}};
    for (size_t i = 0; i < 3; i++) {
        const iv_contour contour = example_contour(all[i], points, 2);
        bool drawn;
        size_t n;
        assert_ok(&error, iv_contour_write(&contour, *state, "toy", &drawn, &error));
        assert_true(drawn);
        char *svg = slurp(in_scratch(state, "toy.svg"), &n);
        assert_contains(svg, "</svg>");
        free(svg);
        char *png = slurp(in_scratch(state, "toy.png"), &n);
        assert_true(n > 1000);
        free(png);
        assert_int_equal(remove(in_scratch(state, "toy.svg")), 0);
        assert_int_equal(remove(in_scratch(state, "toy.png")), 0);
    }
}

static void impossible_contours_are_refused(void **state) {
    const double values[6] = {0};
    iv_contour contours[4];
    for (size_t i = 0; i < 4; i++) contours[i] = example_contour(values, NULL, 0);
    contours[0].rows = 1;
    contours[1].right = contours[1].left;
    contours[2].top = NAN;
    contours[3].high = contours[3].low;
    for (size_t i = 0; i < 4; i++) {
        iv_error error = {0};
        assert_int_equal(iv_contour_write(&contours[i], *state, "toy", NULL, &error), IV_EINVAL);
    }
    assert_int_equal(count_entries(*state), 0);
}

/* ------------------------------------------------------------------ limits */

static void impossible_grids_are_refused(void **state) {
    const float image[1] = {0};
    const iv_image_grid empty = {.images = image, .rows = 0, .columns = 1, .height = 1, .width = 1};
    const iv_image_grid huge = {
        .images = image, .rows = SIZE_MAX, .columns = 2, .height = SIZE_MAX, .width = 1};
    iv_error error = {0};
    assert_int_equal(iv_image_grid_write(&empty, in_scratch(state, "g.png"), &error), IV_EINVAL);
    iv_error_clear(&error);
    assert_int_equal(iv_image_grid_write(&huge, in_scratch(state, "g.png"), &error), IV_EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(the_csv_has_one_x_for_series_that_share_it),
        SCRATCH_TEST(series_with_different_x_have_columns_of_their_own),
        SCRATCH_TEST(gnuplot_draws_every_kind_of_plot),
        SCRATCH_TEST(the_script_runs_again_in_another_folder),
        SCRATCH_TEST(without_gnuplot_the_script_is_still_there),
        SCRATCH_TEST(gnuplot_is_run_without_settings_on_the_script_just_written),
        SCRATCH_TEST(a_gnuplot_that_hangs_is_ended),
        SCRATCH_TEST(a_failing_gnuplot_is_reported_with_its_message),
        SCRATCH_TEST(impossible_plots_are_refused),
        SCRATCH_TEST(pictures_decode_to_the_same_pixels),
        SCRATCH_TEST(pictures_that_cannot_be_written_are_reported),
        SCRATCH_TEST(grids_are_normalised_image_by_image),
        SCRATCH_TEST(signed_grids_are_white_at_zero_and_symmetric),
        SCRATCH_TEST(colours_share_the_range_of_their_image),
        SCRATCH_TEST(labels_do_not_cover_images),
        SCRATCH_TEST(contours_write_where_each_value_lies),
        SCRATCH_TEST(gnuplot_draws_contours),
        SCRATCH_TEST(impossible_contours_are_refused),
        SCRATCH_TEST(impossible_grids_are_refused),
    };
    return cmocka_run_group_tests_name("figures", tests, NULL, NULL);
}
