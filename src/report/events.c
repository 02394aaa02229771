/* Logs as TensorBoard reads them: event files, which are TensorFlow's records of protocol buffers.
 *
 *   record   uint64 length, uint32 masked CRC-32C of it, bytes, uint32 masked CRC-32C of them
 *   Event    1: double wall_time, 2: int64 step, 3: string file_version, 5: Summary
 *   Summary  1: Value, repeated
 *   Value    1: string tag, 2: float simple_value
 *
 * All in little-endian order (tensorboard/compat/proto/event.proto, summary.proto). */
#include "report/file.h"
#include "report/log_read.h"

#include <invar/data.h>
#include <invar/report.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ bytes */

static void add_little_endian(iv_text *bytes, uint64_t value, size_t n) {
    char buffer[8];
    for (size_t i = 0; i < n; i++) buffer[i] = (char)(value >> 8 * i & 255);
    iv_text_add_bytes(bytes, buffer, n);
}

static void add_varint(iv_text *bytes, uint64_t value) {
    for (; value > 127; value >>= 7) add_little_endian(bytes, (value & 127) | 128, 1);
    add_little_endian(bytes, value, 1);
}

typedef enum { VARINT = 0, DOUBLE = 1, BYTES = 2, FLOAT = 5 } wire_type;

static void add_key(iv_text *bytes, unsigned field, wire_type type) {
    add_varint(bytes, field << 3 | (unsigned)type);
}

static void add_field_bytes(iv_text *bytes, unsigned field, const char *content, size_t n) {
    add_key(bytes, field, BYTES);
    add_varint(bytes, n);
    iv_text_add_bytes(bytes, content, n);
}

/* A message as a field of another one; freed. */
static void add_message(iv_text *bytes, unsigned field, iv_text *message) {
    add_field_bytes(bytes, field, message->data ? message->data : "", message->length);
    bytes->failed |= message->failed;
    iv_text_free(message);
}

/* CRC-32C (Castagnoli), as records mask it. */
static uint32_t masked_crc(const char *bytes, size_t n) {
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned char)bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xa282ead8;
}

static void add_record(iv_text *file, iv_text *event) {
    char length[8];
    for (size_t i = 0; i < 8; i++) length[i] = (char)((uint64_t)event->length >> 8 * i & 255);
    iv_text_add_bytes(file, length, sizeof length);
    add_little_endian(file, masked_crc(length, sizeof length), 4);
    iv_text_add_bytes(file, event->data ? event->data : "", event->length);
    add_little_endian(file, masked_crc(event->data ? event->data : "", event->length), 4);
    file->failed |= event->failed;
    iv_text_free(event);
}

/* ------------------------------------------------------------------ events */

/* An event begins with its wall time, 0. */
static void begin_event(iv_text *event) {
    add_key(event, 1, DOUBLE);
    add_little_endian(event, 0, 8);
}

static void add_version(iv_text *file) {
    static const char version[] = "brain.Event:2";
    iv_text event = {0};
    begin_event(&event);
    add_field_bytes(&event, 3, version, sizeof version - 1);
    add_record(file, &event);
}

static void add_value(iv_text *summary, const char *tag, double number) {
    const float rounded = (float)number;
    uint32_t word;
    memcpy(&word, &rounded, sizeof word);
    iv_text value = {0};
    add_field_bytes(&value, 1, tag, strlen(tag));
    add_key(&value, 2, FLOAT);
    add_little_endian(&value, word, 4);
    add_message(summary, 1, &value);
}

/* A metric of a point; null, which stands for what is not finite, is NaN. */
static void add_metric(iv_text *summary, const char *split, const char *name, const json_t *value) {
    char tag[256];
    const char *slash = *split ? "/" : "";
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            const json_t *entry = json_array_get(value, i);
            snprintf(tag, sizeof tag, "%.60s%s%.120s/%zu", split, slash, name, i);
            add_value(summary, tag, json_is_number(entry) ? json_number_value(entry) : (double)NAN);
        }
    } else if (json_is_number(value) || json_is_null(value)) {
        snprintf(tag, sizeof tag, "%.60s%s%.120s", split, slash, name);
        add_value(summary, tag, json_is_number(value) ? json_number_value(value) : (double)NAN);
    }
}

static void add_point(iv_text *file, json_t *point) {
    static const char *const keys[] = {"run", "seed", "step", "epoch", "split"};
    enum { N_KEYS = sizeof keys / sizeof *keys };
    const char *split = json_string_value(json_object_get(point, "split")), *name;
    json_t *value;
    iv_text event = {0}, summary = {0};
    begin_event(&event);
    add_key(&event, 2, VARINT);
    add_varint(&event, (uint64_t)json_integer_value(json_object_get(point, "step")));
    json_object_foreach(point, name, value) {
        size_t i = 0;
        while (i < N_KEYS && strcmp(name, keys[i]) != 0) i++;
        if (i == N_KEYS) add_metric(&summary, split ? split : "", name, value);
    }
    add_message(&event, 5, &summary);
    add_record(file, &event);
}

/* ------------------------------------------------------------------ files */

/* One run and seed of a log. */
typedef struct {
    const char *run; /* the log's */
    json_int_t seed;
    iv_text file;
} stream;

typedef struct {
    stream *items; /* [n] */
    size_t n;
} streams;

static stream *find_stream(streams *all, const char *run, json_int_t seed) {
    for (size_t i = 0; i < all->n; i++)
        if (all->items[i].seed == seed && strcmp(all->items[i].run, run) == 0)
            return &all->items[i];
    stream *items = realloc(all->items, (all->n + 1) * sizeof *items);
    if (!items) return NULL;
    all->items = items;
    items[all->n] = (stream){.run = run, .seed = seed};
    add_version(&items[all->n].file);
    return &items[all->n++];
}

/* The runs of a log come from a file: none of them may name another folder. */
static bool is_name(const char *run) {
    return run && *run && *run != '.' && !strchr(run, '/');
}

static iv_status take_points(const json_t *points, const char *path, streams *all,
                             iv_error *error) {
    for (size_t i = 0; i < json_array_size(points); i++) {
        json_t *point = json_array_get(points, i);
        const char *run = json_string_value(json_object_get(point, "run"));
        if (!is_name(run))
            return iv_fail(error, IV_EDATA, "%s:%zu: damaged: names no run", path, i + 1);
        stream *s = find_stream(all, run, json_integer_value(json_object_get(point, "seed")));
        if (!s) return iv_fail(error, IV_ENOMEM, "out of memory for events");
        add_point(&s->file, point);
    }
    return IV_OK;
}

static iv_status write_stream(stream *s, const char *out_dir, iv_error *error) {
    iv_text path = {0};
    if (s->file.failed) return iv_fail(error, IV_ENOMEM, "out of memory for events");
    iv_text_format(&path, "%s/%s-seed%" JSON_INTEGER_FORMAT, out_dir, s->run, s->seed);
    iv_status status = path.failed ? iv_fail(error, IV_ENOMEM, "out of memory for a path")
                                   : iv_make_directories(path.data, error);
    iv_text_add(&path, "/events.out.tfevents.0.invar");
    if (status == IV_OK && path.failed)
        status = iv_fail(error, IV_ENOMEM, "out of memory for a path");
    if (status == IV_OK)
        status = iv_write_file_atomically(path.data, s->file.data, s->file.length, error);
    iv_text_free(&path);
    return status;
}

iv_status iv_events_write(const char *run_dir, const char *out_dir, iv_error *error) {
    streams all = {0};
    json_t *points = NULL;
    iv_run_dir *dir = NULL;
    char *path = iv_path_join(run_dir, "metrics.jsonl");
    iv_status status = path ? iv_run_dir_open(run_dir, &dir, error)
                            : iv_fail(error, IV_ENOMEM, "out of memory for a path");
    if (status == IV_OK && !iv_run_dir_previous_status(dir))
        status = iv_fail(error, IV_EDATA, "%s holds no run: there is no run.json in it", run_dir);
    if (status == IV_OK) status = iv_log_read(path, &points, error);
    if (status == IV_OK) status = take_points(points, path, &all, error);
    for (size_t i = 0; i < all.n; i++) {
        if (status == IV_OK) status = write_stream(&all.items[i], out_dir, error);
        iv_text_free(&all.items[i].file);
    }
    free(all.items);
    json_decref(points);
    iv_run_dir_destroy(dir);
    free(path);
    return status;
}
