/* invar audit: how invariant networks are that were trained anywhere. */
#include "cli/cli.h"

#include "runtime/text.h"

#include <invar/audit.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_MODELS = 1000, MOST_CHANNELS = 3, DEFAULT_WORST = 8 };

/* ------------------------------------------------------------------ numbers */

/* A whole number of at least `least`; false after saying what was wrong. */
static bool read_count(const cli_arguments *arguments, const char *name, size_t least,
                       size_t *number) {
    const char *text = cli_value(arguments, name);
    if (!text) return true;
    char *end;
    const unsigned long long value = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && *end == '\0' && value >= least && value <= UINT32_MAX) {
        *number = (size_t)value;
        return true;
    }
    cli_usage_error(arguments->command, "--%s is \"%s\", expected a whole number from %zu on", name,
                    text, least);
    return false;
}

/* One number for all channels, or one for each, with commas between them. */
static bool read_channels(const cli_arguments *arguments, const char *name, size_t channels,
                          float numbers[MOST_CHANNELS], const float **given) {
    const char *text = cli_value(arguments, name);
    *given = NULL;
    if (!text) return true;
    size_t n = 0;
    bool good = true;
    for (const char *at = text; good && n < MOST_CHANNELS;) {
        char *end;
        numbers[n++] = strtof(at, &end);
        good = end != at && isfinite(numbers[n - 1]) && (*end == ',' || *end == '\0');
        if (*end == '\0') break;
        at = end + 1;
        good &= n < MOST_CHANNELS;
    }
    if (good && n == 1)
        for (; n < channels; n++) numbers[n] = numbers[0];
    *given = numbers;
    if (good && n == channels) return true;
    cli_usage_error(arguments->command,
                    "--%s is \"%s\", expected a number, or %zu with commas between them", name,
                    text, channels);
    return false;
}

/* ------------------------------------------------------------------ what to audit on */

static bool is_folder(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

/* A known set, in the data directory or, as DIR/NAME, in another one; a folder of images; or the
 * name of a folder of images in the data directory. */
static iv_status load_images(const char *data, iv_dataset_part part, iv_dataset *images,
                             iv_error *error) {
    char directory[4096];
    const char *slash = strrchr(data, '/'), *name = slash ? slash + 1 : data;
    const bool known = iv_dataset_info_find(name);
    if (is_folder(data) && !known) {
        char shown[IV_DATASET_NAME];
        snprintf(shown, sizeof shown, "%.31s", *name ? name : data);
        return iv_own_images_load(data, shown, images, error);
    }
    iv_status status = IV_OK;
    if (slash && known)
        snprintf(directory, sizeof directory, "%.*s", (int)(slash - data), data);
    else
        status = iv_data_directory(NULL, directory, sizeof directory, error);
    if (status != IV_OK) return status;
    return iv_dataset_load_part(directory, known ? name : data, 0, part, images, error);
}

/* What has to be read for --part; a value that there is not is refused once it has been read. */
static iv_dataset_part asked_part(const cli_arguments *arguments) {
    const char *part = cli_value(arguments, "part");
    return !part || strcmp(part, "test") == 0 ? IV_PART_TEST
           : strcmp(part, "training") == 0    ? IV_PART_TRAINING
                                              : IV_PART_ALL;
}

/* Test images, or all of them where there is no test part. */
static bool choose_images(const cli_arguments *arguments, const iv_dataset *images,
                          iv_audit_options *options) {
    const char *part = cli_value(arguments, "part");
    const bool has_test = images->n_training < images->n_images;
    if (!part) part = has_test ? "test" : "all";
    if (strcmp(part, "test") == 0) {
        options->first = images->n_training;
        options->n_images = images->n_images - images->n_training;
    } else if (strcmp(part, "training") == 0) {
        options->n_images = images->n_training;
    } else if (strcmp(part, "all") == 0) {
        options->n_images = images->n_images;
    } else {
        cli_usage_error(arguments->command, "--part is \"%s\", expected test, training or all",
                        part);
        return false;
    }
    size_t most = options->n_images;
    if (!read_count(arguments, "images", 1, &most)) return false;
    if (most < options->n_images) options->n_images = most;
    return true;
}

/* ------------------------------------------------------------------ curves */

/* Angles all round; shifts from 0 on by half pixels; factors from 1/2 to 2, apart by one factor;
 * shears from 0 to 1. */
enum { N_CURVES = 4, MOST_POINTS = 1000 };

typedef struct {
    iv_curve_kind kinds[N_CURVES];
    size_t n_points[N_CURVES];
    double points[N_CURVES][MOST_POINTS];
    const double *at[N_CURVES];
    size_t n;
} curves;

static double point(iv_curve_kind kind, size_t k, size_t n) {
    if (kind == IV_CURVE_ANGLE) return 360.0 * (double)k / (double)n;
    if (kind == IV_CURVE_SHIFT) return 0.5 * (double)k;
    if (kind == IV_CURVE_SHEAR) return n > 1 ? (double)k / (double)(n - 1) : 0;
    return n > 1 ? exp2(2.0 * (double)k / (double)(n - 1) - 1) : 1;
}

static bool read_curves(const cli_arguments *arguments, curves *c) {
    static const char *const names[N_CURVES] = {"angles", "shifts", "scales", "shears"};
    for (int i = 0; i < N_CURVES; i++) {
        size_t n = 0;
        if (!read_count(arguments, names[i], 1, &n)) return false;
        if (n == 0) continue;
        if (i == IV_CURVE_SHIFT) n = 2 * n + 1;
        if (n > MOST_POINTS) {
            cli_usage_error(arguments->command, "--%s asks for %zu points, expected at most %d",
                            names[i], n, MOST_POINTS);
            return false;
        }
        c->kinds[c->n] = (iv_curve_kind)i;
        c->n_points[c->n] = n;
        c->at[c->n] = c->points[c->n];
        for (size_t k = 0; k < n; k++) c->points[c->n][k] = point((iv_curve_kind)i, k, n);
        c->n++;
    }
    return true;
}

/* ------------------------------------------------------------------ networks */

typedef struct {
    iv_network *items; /* [n] */
    size_t n;
} networks;

static void clear_networks(networks *all) {
    for (size_t i = 0; i < all->n; i++) iv_network_clear(&all->items[i]);
    free(all->items);
}

static bool has_like(const networks *all, size_t n, const iv_network *network) {
    for (size_t i = 0; i < n; i++)
        if (iv_network_same_architecture(&all->items[i], network)) return true;
    return false;
}

/* Files of one name are told apart by their paths. */
static iv_status tell_apart(networks *all, const char *const *paths, iv_error *error) {
    bool *shared = calloc(all->n + 1, sizeof *shared);
    iv_status status = shared ? IV_OK : iv_fail(error, IV_ENOMEM, "out of memory for networks");
    for (size_t i = 0; i < all->n && shared; i++)
        for (size_t k = 0; k < all->n; k++)
            shared[i] |= k != i && strcmp(all->items[i].name, all->items[k].name) == 0;
    for (size_t i = 0; i < all->n && status == IV_OK; i++) {
        if (!shared[i]) continue;
        free(all->items[i].name);
        all->items[i].name = strdup(paths[i]);
        if (!all->items[i].name) status = iv_fail(error, IV_ENOMEM, "out of memory for networks");
    }
    free(shared);
    return status;
}

/* Those of the command line, and then fresh ones, one for each architecture. */
static iv_status read_networks(const cli_arguments *arguments, networks *all, iv_error *error) {
    const iv_network_options options = {.activation = cli_value(arguments, "activation")};
    all->items = calloc(2 * arguments->n_words + 1, sizeof *all->items);
    if (!all->items) return iv_fail(error, IV_ENOMEM, "out of memory for networks");
    iv_status status = IV_OK;
    for (size_t i = 0; i < arguments->n_words && status == IV_OK; i++) {
        status = iv_network_read(arguments->words[i], &options, &all->items[all->n], error);
        if (status == IV_OK) all->n++;
    }
    if (status == IV_OK) status = tell_apart(all, arguments->words, error);
    for (size_t i = 0; cli_has(arguments, "baseline") && i < arguments->n_words; i++) {
        if (status != IV_OK || has_like(all, i, &all->items[i])) continue;
        status = iv_network_fresh(&all->items[i], 0, &all->items[all->n], error);
        if (status == IV_OK) all->n++;
    }
    return status;
}

/* ------------------------------------------------------------------ the subcommand */

/* Names come from files. */
static void say_name(const iv_audit_model *model) {
    char name[1024];
    snprintf(name, sizeof name, "%s", model->name);
    iv_tame(name);
    fprintf(stderr, "%s: %s\n", name, model->architecture);
}

static void say_notes(const iv_audit *audit) {
    for (size_t i = 0; i < audit->n_models; i++) {
        const iv_audit_model *model = &audit->models[i];
        say_name(model);
        for (const char *at = model->notes; *at;) {
            const size_t n = strcspn(at, "\n");
            fprintf(stderr, "    %.*s\n", (int)n, at);
            at += n + (at[n] == '\n');
        }
    }
}

static iv_status print(const cli_arguments *arguments, const iv_audit *audit, iv_error *error) {
    const char *out = cli_value(arguments, "out");
    const bool as_json = cli_has(arguments, "json");
    char *text = NULL;
    bool drawn = true;
    iv_status status = out ? iv_audit_write(audit, out, &drawn, error) : IV_OK;
    if (status == IV_OK)
        status = as_json ? iv_audit_json(audit, &text, error) : iv_audit_table(audit, &text, error);
    if (status == IV_OK) fputs(text, stdout);
    if (status == IV_OK && out && !as_json)
        printf("\nresults: %s (report.html, audit.json, audit.csv%s)\n", out,
               audit->n_curves > 0 ? ", curves and their figures" : "");
    if (status == IV_OK && !drawn) fprintf(stderr, "invar: %s\n", iv_gnuplot_missing);
    free(text);
    return status;
}

/* Measure, once everything has been read: networks, or what lies in a prepared directory. */
static iv_status measure(const cli_arguments *arguments, const char *prepared,
                         const iv_audit_options *asked, iv_error *error) {
    cli_progress progress;
    iv_context *context = NULL;
    iv_audit audit = {0};
    const iv_progress report = {cli_progress_update, &progress};
    cli_progress_init(&progress, cli_has(arguments, "quiet"));
    iv_audit_options options = *asked;
    options.stop = cli_catch_stop();
    options.progress = &report;
    iv_status status = iv_context_create(cli_value(arguments, "device"), false, &context, error);
    if (status == IV_OK) {
        status = prepared ? iv_audit_prepared(context, prepared, &options, &audit)
                          : iv_audit_run(context, &options, &audit);
        if (status != IV_OK) (void)iv_fail(error, status, "%s", iv_context_error(context)->message);
    }
    cli_progress_end(&progress);
    if (status == IV_OK && !progress.quiet) say_notes(&audit);
    if (status == IV_OK) status = print(arguments, &audit, error);
    iv_audit_clear(&audit);
    iv_context_destroy(context);
    return status;
}

static iv_status prepare(const cli_arguments *arguments, const iv_audit_options *options,
                         iv_error *error) {
    const char *directory = cli_value(arguments, "prepare");
    const iv_status status = iv_audit_prepare(options, 0, directory, error);
    if (status == IV_OK)
        printf("%s: %zu images of %s under %s; your program writes logits-0000.npy for "
               "images-0000.npy, and so on; then `invar audit %s`\n",
               directory, options->n_images, options->images->name, options->group_name, directory);
    return status;
}

/* On images: networks, or a directory for other programs. */
static int on_images(const cli_arguments *arguments, const iv_audit_options *asked) {
    iv_audit_options options = *asked;
    iv_error error = {0};
    iv_dataset images = {0};
    networks all = {0};
    iv_group *group = NULL;
    curves along = {.n = 0};
    float mean[MOST_CHANNELS], deviation[MOST_CHANNELS];
    iv_status status = read_networks(arguments, &all, &error);
    if (status == IV_OK)
        status = load_images(cli_value(arguments, "data"), asked_part(arguments), &images, &error);
    bool good = true;
    if (status == IV_OK)
        good = choose_images(arguments, &images, &options) && read_curves(arguments, &along) &&
               read_channels(arguments, "mean", images.channels, mean, &options.mean) &&
               read_channels(arguments, "std", images.channels, deviation, &options.deviation);
    if (status == IV_OK && good)
        status = iv_audit_group(options.group_name,
                                (iv_image_shape){images.channels, images.height, images.width},
                                &group, &error);
    if (status == IV_OK && good) {
        options.images = &images;
        options.networks = all.items;
        options.n_networks = all.n;
        options.group = group;
        options.kinds = along.kinds;
        options.n_points = along.n_points;
        options.at = along.at;
        options.n_curves = along.n;
        status = cli_has(arguments, "prepare") ? prepare(arguments, &options, &error)
                                               : measure(arguments, NULL, &options, &error);
    }
    iv_group_destroy(group);
    iv_dataset_clear(&images);
    clear_networks(&all);
    return !good ? 2 : status == IV_OK ? 0 : cli_fail(&error);
}

static int on_prepared(const cli_arguments *arguments, const iv_audit_options *options) {
    iv_error error = {0};
    if (arguments->n_words > 1)
        return cli_usage_error(arguments->command, "%s holds prepared images, expected it alone",
                               arguments->words[0]);
    if (cli_has(arguments, "data") || cli_has(arguments, "group"))
        return cli_usage_error(arguments->command,
                               "%s holds prepared images, expected neither --data nor --group",
                               arguments->words[0]);
    const iv_status status = measure(arguments, arguments->words[0], options, &error);
    return status == IV_OK ? 0 : cli_fail(&error);
}

static int run(const cli_arguments *arguments) {
    const char *group = cli_value(arguments, "group");
    const bool prepares = cli_has(arguments, "prepare");
    const bool keeps_images = cli_has(arguments, "out") || cli_has(arguments, "json");
    size_t seed = 0;
    iv_audit_options options = {.n_worst = keeps_images ? DEFAULT_WORST : 0,
                                .group_name = group ? group : "rotation:4",
                                .no_jacobians = cli_has(arguments, "no-jacobians"),
                                .directions = cli_has(arguments, "directions")};
    if (prepares && arguments->n_words > 0)
        return cli_usage_error(arguments->command, "--prepare takes no models, found \"%s\"",
                               arguments->words[0]);
    if (!prepares && arguments->n_words == 0)
        return cli_usage_error(
            arguments->command,
            "needs a model, a safetensors or ONNX file, or a prepared directory");
    if (!read_count(arguments, "jacobians", 1, &options.n_jacobians) ||
        !read_count(arguments, "resamples", 1, &options.n_resamples) ||
        !read_count(arguments, "worst", 0, &options.n_worst) ||
        !read_count(arguments, "seed", 0, &seed))
        return 2;
    options.seed = (uint32_t)seed;
    if (!prepares && iv_audit_is_prepared(arguments->words[0]))
        return on_prepared(arguments, &options);
    if (!cli_has(arguments, "data"))
        return cli_usage_error(arguments->command, "needs --data, images to audit on");
    return on_images(arguments, &options);
}

static const cli_option options[] = {
    {"data", "NAME|DIR",
     "images: a known set (`invar data list`), or a folder of your own (docs/own-images.md)"},
    {"group", "GROUP",
     "rotation:4 (the default), rotation:2, shift:ORDER:AXES, flip:2:AXES, dihedral, or FILE.npy "
     "with a permutation of the pixels for each element"},
    {"activation", "NAME",
     "between the layers, where a safetensors file does not say: relu, tanh, sigmoid, selu or "
     "none"},
    {"mean", "M",
     "the network was trained on (pixel / 255 - mean) / std; a number, or one for each channel"},
    {"std", "S", "see --mean"},
    {"baseline", NULL, "beside them, networks of the same architectures with fresh weights"},
    {"part", "PART", "test, training or all (default: test images where there are some)"},
    {"images", "N", "the first N of them (default: all)"},
    {"jacobians", "N", "take the Jacobians of the first N images (default: of all)"},
    {"no-jacobians", NULL, "take no Jacobians"},
    {"angles", "N", "curves over N angles all round, with the error of interpolation beside them"},
    {"shifts", "N", "curves over shifts to the right by 0, 1/2, 1, ... N pixels"},
    {"scales", "N", "curves over N scales from 1/2 to 2"},
    {"shears", "N", "curves over N shears from 0 to 1, by which upper rows go to the right"},
    {"directions", NULL,
     "directions of the affine algebra (LieGG), from the least sensitive one on"},
    {"resamples", "N", "of the intervals' bootstrap (default: 1000)"},
    {"seed", "N", "of the intervals' draws (default: 0)"},
    {"worst", "N",
     "show the N images that each network takes worst, in the report and in JSON (default: 8)"},
    {"out", "DIR",
     "write report.html, audit.json and audit.csv there, and curves with their figures"},
    {"prepare", "DIR", "write the images of the orbits there, for a program of your own"},
    {"json", NULL, "print JSON instead of a table"},
    CLI_DEVICE,
    CLI_QUIET,
    CLI_END,
};

const cli_command cli_audit = {
    .name = "audit",
    .summary = "measure how invariant networks are, whoever trained them",
    .synopsis = "MODEL... --data NAME|DIR [OPTIONS]\n"
                "--prepare DIR --data NAME|DIR [--group GROUP] [--images N]\n"
                "DIR [OPTIONS]",
    .description =
        "Measure networks on every image of the orbits of images under a group: accuracy, how far\n"
        "logits (LI) and distributions (DI) move, how far saliency maps agree (SI), and the\n"
        "singular values of the Jacobian, each with a 95% interval over images.\n"
        "A MODEL is an image classifier in an ONNX file (MODEL.onnx), or a safetensors file of a\n"
        "perceptron: one that Invar trained, or a PyTorch state_dict with weights [out, in]. Both\n"
        "can stand in one table.\n"
        "Of any other network, --prepare writes the images; your program writes its logits (and\n"
        "gradients, if it can) beside them; then `invar audit DIR` measures. docs/audit.md shows\n"
        "each way.\n",
    .notes =
        "Exit status: 0; 1 if measuring fails; 2 for bad usage; 3 if there is no usable device; 4\n"
        "if a model or data is missing, damaged, or does not fit; 130 if interrupted.\n",
    .most_words = MOST_MODELS,
    .options = options,
    .run = run,
};
