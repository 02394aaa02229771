#include "readers.h"

#include "../onnx/evaluate.h"

#include "data/idx.h"
#include "data/png_read.h"
#include "data/tar.h"
#include "linalg/tune.h"
#include "report/log_read.h"
#include "report/run_json.h"
#include "runtime/cache.h"

#include <invar/audit.h>
#include <invar/bench.h>
#include <invar/data.h>
#include <invar/onnx.h>
#include <invar/report.h>
#include <invar/studies.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* ------------------------------------------------------------------ bytes as a file */

static void write_whole(const char *path, const uint8_t *bytes, size_t n) {
    FILE *file = fopen(path, "wb");
    if (!file || (n > 0 && fwrite(bytes, 1, n, file) != n) || fclose(file) != 0) abort();
}

enum { PATH = 128 };

/* One file, written over and over: readers want a path. It lies in a folder that is the cache directory
 * too, what an archive is unpacked into, and holds a run directory. */
static char folder[40], the_file[PATH], cached[PATH], run_folder[PATH];

static const char *in_folder(const char *name) {
    static char path[PATH];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Folders after what is in them. */
static void remove_all(void) {
    static const char *const names[] = {"file",          "unpacked",        "invar/kernels/fuzzed",
                                        "invar/kernels", "invar",           "run/results.json",
                                        "run/run.json",  "run/spec.yaml",   "run/report.csv",
                                        "run/report.md", "run/report.html", "run"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) remove(in_folder(names[i]));
    rmdir(folder);
}

static void make_folder(void) {
    if (*folder) return;
    const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(folder, sizeof folder, "%s/invar-fuzz-XXXXXX", parent);
    if (!mkdtemp(folder) || setenv("XDG_CACHE_HOME", folder, 1) != 0 ||
        setenv("INVAR_CACHE", "on", 1) != 0 || atexit(remove_all) != 0)
        abort();
    snprintf(the_file, sizeof the_file, "%s", in_folder("file"));
    snprintf(cached, sizeof cached, "%s", in_folder("invar/kernels/fuzzed"));
    snprintf(run_folder, sizeof run_folder, "%s", in_folder("run"));
    iv_cache_store("kernels", "fuzzed", "program", 7); /* makes its folders */
    if (mkdir(run_folder, 0700) != 0) abort();
}

static const char *as_file(const uint8_t *bytes, size_t n) {
    make_folder();
    write_whole(the_file, bytes, n);
    return the_file;
}

/* A reader's answer: what was read is given back by `clear`, a failure has a message. */
static void check(iv_status status, const iv_error *error) {
    if ((status != IV_OK) != (error->message[0] != '\0')) abort();
}

/* ------------------------------------------------------------------ specs */

static void read_spec(const uint8_t *bytes, size_t n) {
    iv_error error = {0};
    iv_spec *spec;
    check(iv_spec_parse("f", (const char *)bytes, n, NULL, 0, iv_study_schema, &spec, &error),
          &error);
    iv_spec_destroy(spec);
}

static void write_spec(FILE *good) {
    fputs("study: regularization\nname: r\nseeds: [4, 5]\n"
          "dataset: {name: digits, images: 200, train: 64, validation: 32, test: 32}\n"
          "group: {kind: rotation, order: 2}\nmodel: {hidden: 16, layers: 3}\n"
          "training: {batch: 32, epochs: 3, learning_rate: 8e-4}\n"
          "runs:\n  - {name: IR, method: regularization, sweep: {nu: [0.5, 1]}}\n"
          "metrics: {names: [accuracy, li]} # as published\n",
          good);
}

/* ------------------------------------------------------------------ safetensors */

static void read_safetensors(const uint8_t *bytes, size_t n) {
    iv_error error = {0};
    iv_safetensors *file;
    check(iv_safetensors_open(as_file(bytes, n), &file, &error), &error);
    for (size_t i = 0; file && i < iv_safetensors_count(file); i++) {
        const iv_tensor_entry *entry = iv_safetensors_get(file, i);
        if (iv_safetensors_find(file, entry->name) == NULL) abort();
    }
    if (file) (void)iv_safetensors_metadata(file, "run");
    iv_safetensors_close(file);
}

static void read_sealed(const uint8_t *bytes, size_t n) {
    iv_error error = {0};
    iv_safetensors *file;
    check(iv_safetensors_open_sealed(as_file(bytes, n), &file, &error), &error);
    iv_safetensors_close(file);
}

static void copy_of(const char *path, FILE *good) {
    uint8_t *bytes;
    size_t n;
    if (iv_read_file(path, SIZE_MAX / 2, &bytes, &n, NULL) != IV_OK) abort();
    if (fwrite(bytes, 1, n, good) != n) abort();
    free(bytes);
}

static void write_tensors(FILE *good, bool sealed) {
    static const float values[12] = {0, 1, 2, 3};
    const iv_tensor_entry tensors[] = {{"layers.0.weight", 2, {2, 3}, values},
                                       {"layers.0.bias", 1, {2}, values}};
    const iv_metadata metadata[] = {{"name", "IR"}, {"seed", "4"}};
    const char *path = as_file(NULL, 0);
    if ((sealed ? iv_safetensors_write_sealed : iv_safetensors_write)(path, tensors, 2, metadata, 2,
                                                                      NULL) != IV_OK)
        abort();
    copy_of(path, good);
}

static void write_safetensors(FILE *good) {
    write_tensors(good, false);
}

static void write_sealed(FILE *good) {
    write_tensors(good, true);
}

/* ------------------------------------------------------------------ arrays and images */

static void read_npy(const uint8_t *bytes, size_t n) {
    iv_error error = {0};
    iv_array array = {0};
    const iv_status status = iv_npy_read(as_file(bytes, n), &array, &error);
    check(status, &error);
    if (status == IV_OK) free(array.data);
}

static void write_npy(FILE *good) {
    int32_t values[6] = {5, 4, 3, 2, 1, 0};
    const iv_array array = {.type = IV_ARRAY_INT32, .rank = 2, .shape = {2, 3}, .data = values};
    const char *path = as_file(NULL, 0);
    if (iv_npy_write(path, &array, NULL) != IV_OK) abort();
    copy_of(path, good);
}

static void read_png(const uint8_t *bytes, size_t n) {
    iv_error error = {0};
    iv_png image;
    const iv_status status = iv_png_read(as_file(bytes, n), &image, &error);
    check(status, &error);
    if (status == IV_OK) free(image.pixels);
}

static void write_png(FILE *good) {
    static const uint8_t pixels[6 * 5 * 3] = {9, 99, 199};
    const char *path = as_file(NULL, 0);
    if (iv_png_write_rgb(path, pixels, 6, 5, NULL) != IV_OK) abort();
    copy_of(path, good);
}

static void read_idx(const uint8_t *bytes, size_t n) {
    iv_error error = {0};
    iv_idx idx = {0};
    const size_t any[4] = {0};
    const iv_status status = iv_idx_read(as_file(bytes, n), 3, any, &idx, &error);
    check(status, &error);
    free(idx.data);
}

static const uint8_t idx_file[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2,  0,  0,
                                   0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static void write_idx(FILE *good) {
    if (fwrite(idx_file, 1, sizeof idx_file, good) != sizeof idx_file) abort();
}

static void write_gzip(FILE *good) {
    const char *path = as_file(NULL, 0);
    gzFile file = gzopen(path, "wb");
    if (!file || gzwrite(file, idx_file, sizeof idx_file) != (int)sizeof idx_file ||
        gzclose(file) != Z_OK)
        abort();
    copy_of(path, good);
}

/* Two members, of which the second is wanted. */
static void read_archive(const uint8_t *bytes, size_t n) {
    static const char *const wanted[] = {"unpacked", NULL};
    iv_error error = {0};
    const char *archive = as_file(bytes, n);
    const iv_status status = iv_tar_unpack(archive, folder, wanted, &error);
    check(status, &error);
    if (remove(in_folder("unpacked")) != 0 && status == IV_OK) abort();
}

/* Of less than a block. */
static void add_member(FILE *archive, const char *name, const char *data) {
    char block[512] = "";
    unsigned sum = 8 * ' ';
    snprintf(block, 100, "%s", name);
    snprintf(block + 124, 12, "%011o", (unsigned)strlen(data));
    block[156] = '0';
    for (size_t i = 0; i < sizeof block; i++) sum += (unsigned char)block[i];
    snprintf(block + 148, 8, "%06o", sum);
    if (fwrite(block, sizeof block, 1, archive) != 1) abort();
    memset(block, 0, sizeof block);
    memcpy(block, data, strlen(data));
    if (fwrite(block, sizeof block, 1, archive) != 1) abort();
}

static void write_archive(FILE *good) {
    static const char nothing[1024] = "";
    add_member(good, "set/readme", "not wanted");
    add_member(good, "set/unpacked", "wanted");
    if (fwrite(nothing, sizeof nothing, 1, good) != 1) abort();
}

/* ------------------------------------------------------------------ JSON */

static void read_results(const uint8_t *bytes, size_t n) {
    iv_error error = {0};
    iv_results results = {0};
    check(iv_results_read(as_file(bytes, n), &results, &error), &error);
    iv_results_free(&results);
}

static void write_results(FILE *good) {
    fputs("{\"runs\": [{\"name\": \"IR\", \"seed\": 4, \"status\": \"done\", \"metrics\": "
          "{\"accuracy\": 0.5, \"eta\": [1, null]}, \"model\": \"models/IR-seed4.safetensors\"}], "
          "\"cells\": [{\"row\": \"rotation-2\", \"column\": \"IR\", \"metric\": \"accuracy\", "
          "\"mean\": 0.5, \"std\": null, \"n\": 1, \"published\": null, \"published_std\": null}], "
          "\"claims\": [{\"claim\": \"c\", \"holds\": true, \"evidence\": \"e\"}]}\n",
          good);
}

static void read_run(const uint8_t *bytes, size_t n) {
    iv_error error = {0};
    iv_run_json run;
    const iv_status status = iv_run_json_read(as_file(bytes, n), &run, &error);
    check(status, &error);
    if (status == IV_OK) iv_run_json_free(&run);
}

static void write_run(FILE *good) {
    fputs(
        "{\"name\": \"r\", \"version\": \"0.1.0\", \"device\": null, \"seeds\": [4], \"data\": "
        "[{\"file\": \"a\", \"sha256\": \"b\", \"published\": true}], \"processes\": [{\"device\": "
        "\"d\"}], \"start\": \"2026-01-01T00:00:00Z\", \"seconds\": 1.5, \"status\": \"done\"}\n",
        good);
}

/* A run directory: results.json, run.json and spec.yaml, each up to a NUL. */
static void read_report(const uint8_t *bytes, size_t n) {
    static const char *const names[] = {"run/results.json", "run/run.json", "run/spec.yaml"};
    iv_error error = {0};
    make_folder();
    for (size_t i = 0; i < 3; i++) {
        const uint8_t *end = n > 0 ? memchr(bytes, 0, n) : NULL;
        const size_t length = end && i < 2 ? (size_t)(end - bytes) : n;
        write_whole(in_folder(names[i]), bytes, length);
        bytes += length + (length < n);
        n -= length + (length < n);
    }
    const char *dirs[] = {run_folder};
    check(iv_report_write(dirs, 1, NULL, NULL, &error), &error);
}

static void write_report(FILE *good) {
    write_results(good);
    fputc(0, good);
    write_run(good);
    fputc(0, good);
    write_spec(good);
}

static void read_bench(const uint8_t *bytes, size_t n) {
    iv_error error = {0};
    iv_bench_report report;
    const iv_status status = iv_bench_report_read(as_file(bytes, n), &report, &error);
    check(status, &error);
    if (status == IV_OK) iv_bench_report_free(&report);
}

static void write_bench(FILE *good) {
    fputs(
        "{\"version\": \"0.1.0\", \"commit\": \"c\", \"opencl_headers\": \"1.2\", \"host\": \"h\", "
        "\"system\": \"s\", \"date\": \"d\", \"devices\": [{\"name\": \"n\", \"platform\": \"p\", "
        "\"driver\": \"1\", \"version\": \"v\", \"type\": \"cpu\", \"compute_units\": 2, "
        "\"peak_gflops\": 1.0, \"peak_gb_per_s\": null, \"items\": [{\"name\": \"i\", \"unit\": "
        "\"us\", \"better\": \"lower\", \"value\": 1.5, \"spread\": 0.1, \"repetitions\": 9, "
        "\"milliseconds\": 2.0, \"percent_of_peak\": null}]}]}\n",
        good);
}

static void read_log(const uint8_t *bytes, size_t n) {
    iv_error error = {0};
    json_t *points;
    check(iv_log_read(as_file(bytes, n), &points, &error), &error);
    json_decref(points);
}

static void write_log(FILE *good) {
    const char *path = as_file(NULL, 0);
    iv_log *log;
    if (iv_log_open(path, NULL, &log, NULL) != IV_OK) abort();
    for (uint64_t step = 0; step < 2; step++) {
        iv_log_begin(log, "IR", 4, step, 1, "train");
        iv_log_float(log, "loss", 0.5f);
        iv_log_floats(log, "eta", (const float[]){1, NAN}, 2);
        if (iv_log_end(log, NULL) != IV_OK) abort();
    }
    if (iv_log_close(log, NULL) != IV_OK) abort();
    copy_of(path, good);
}

/* ------------------------------------------------------------------ the cache */

static void read_tuning(const uint8_t *bytes, size_t n) {
    iv_tuning tuning;
    if (!iv_tuning_read(bytes, n, NULL, &tuning) && tuning.winners) abort();
    free(tuning.winners);
}

static void write_tuning(FILE *good) {
    fputs("{\"clblast\": {\"threshold\": [64], \"direct\": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "
          "\"packed\": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}, \"parameters\": "
          "{\"rich.ROWS\": 16}, \"winners\": [{\"engine\": \"panel\", \"panel\": [4, 3, 8], "
          "\"seconds\": 0.001, \"size\": [512, 128, 784], \"tiled\": [0, 0, 0, 0, 0], "
          "\"transpose_a\": false, \"transpose_b\": true, \"untuned_seconds\": 0.002}]}\n",
          good);
}

static void read_cached(const uint8_t *bytes, size_t n) {
    void *data;
    size_t n_read;
    make_folder();
    write_whole(cached, bytes, n);
    const bool good = iv_cache_load("kernels", "fuzzed", &data, &n_read);
    if (good != (data != NULL) || (good && n_read == 0)) abort();
    free(data);
}

static void write_cached(FILE *good) {
    make_folder();
    iv_cache_store("kernels", "fuzzed", "program", 7);
    copy_of(cached, good);
}

/* ------------------------------------------------------------------ networks from elsewhere */

static void read_network(const uint8_t *bytes, size_t n) {
    iv_error error = {0};
    iv_network network;
    check(iv_network_read(as_file(bytes, n), NULL, &network, &error), &error);
    for (size_t l = 1; l < network.n_layers; l++)
        if (network.layers[l].inputs != network.layers[l - 1].outputs) abort();
    iv_network_clear(&network);
}

static void write_network(FILE *good) {
    static const float values[12] = {0.5f, -1, 2};
    const iv_tensor_entry tensors[] = {{"net.0.weight", 2, {3, 4}, values},
                                       {"net.0.bias", 1, {3}, values},
                                       {"net.2.weight", 2, {2, 3}, values}};
    const iv_metadata metadata[] = {
        {"run", "{\"model\": {\"kind\": \"perceptron\"}, \"run\": {\"method\": \"weight-tying\"}, "
                "\"group\": {\"kind\": \"rotation\", \"order\": 2, \"axes\": \"x\"}}"}};
    const char *path = as_file(NULL, 0);
    if (iv_safetensors_write(path, tensors, 3, metadata, 1, NULL) != IV_OK) abort();
    copy_of(path, good);
}

/* What the list promises of its shapes is what the evaluator looks at, where it does not take long. */
static bool is_quick(const iv_onnx_model *model) {
    double cost = 0;
    for (size_t i = 0; i < model->n_nodes; i++) {
        const iv_onnx_node *node = &model->nodes[i];
        double each = 1;
        for (size_t k = 0; k < node->n_inputs; k++) {
            const iv_onnx_value *input = &model->values[node->inputs[k]];
            double n = 1;
            for (unsigned axis = 0; axis < input->rank; axis++) n *= (double)input->shape[axis];
            if (node->op == IV_ONNX_LINEAR || node->op == IV_ONNX_CONVOLVE)
                each *= n + 1;
            else
                each += n;
        }
        if (node->op == IV_ONNX_MAX_POOL || node->op == IV_ONNX_MEAN_POOL)
            each *= (double)node->image.window.size[0] * (double)node->image.window.size[1];
        for (unsigned axis = 0; axis < model->values[node->output].rank; axis++)
            each *= (double)model->values[node->output].shape[axis];
        cost += each;
    }
    return cost < 1e6;
}

static void read_onnx(const uint8_t *bytes, size_t n) {
    enum { IMAGES = 2 };
    iv_error error = {0};
    iv_onnx_model model;
    const iv_status status = iv_onnx_read(as_file(bytes, n), &model, &error);
    check(status, &error);
    if (status == IV_OK && is_quick(&model)) {
        double *images = calloc(IMAGES * model.n_pixels, sizeof *images);
        double *logits = calloc(IMAGES * model.n_classes, sizeof *logits);
        if (!images || !logits) abort();
        onnx_evaluate(&model, IMAGES, images, logits);
        free(images);
        free(logits);
    }
    iv_onnx_clear(&model);
}

static void write_onnx(FILE *good) {
    copy_of(ONNX_MODEL, good);
}

/* ------------------------------------------------------------------ all of them */

const reader readers[] = {
    {"spec", read_spec, write_spec},
    {"safetensors", read_safetensors, write_safetensors},
    {"sealed", read_sealed, write_sealed},
    {"npy", read_npy, write_npy},
    {"png", read_png, write_png},
    {"idx", read_idx, write_idx},
    {"gzip", read_idx, write_gzip},
    {"archive", read_archive, write_archive},
    {"results", read_results, write_results},
    {"run", read_run, write_run},
    {"report", read_report, write_report},
    {"bench", read_bench, write_bench},
    {"log", read_log, write_log},
    {"tuning", read_tuning, write_tuning},
    {"cached", read_cached, write_cached},
    {"network", read_network, write_network},
    {"onnx", read_onnx, write_onnx},
};
const size_t n_readers = sizeof readers / sizeof *readers;
