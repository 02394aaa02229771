/* The tuner's winners: as JSON in the user's cache, and with the context that uses them. */
#include "linalg/tune.h"

#include "runtime/attachment.h"
#include "runtime/cache.h"
#include "runtime/sha256.h"

#include <jansson.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char cache_folder[] = "tuning";
static const char attachment[] = "tuning";

enum { FORMAT = 1, MAX_WINNERS = 4096 };

/* ------------------------------------------------------------------ with a context */

static void destroy(void *object) {
    iv_tuning *tuning = object;
    free(tuning->winners);
    free(tuning);
}

/* Takes the winners that `tuning` points to. */
static iv_tuning *attach(iv_context *context, iv_tuning tuning) {
    iv_tuning *kept = malloc(sizeof *kept);
    if (!kept) {
        free(tuning.winners);
        (void)iv_fail(iv_context_error(context), IV_ENOMEM, "no memory for the tuner's results");
        return NULL;
    }
    *kept = tuning;
    return iv_context_attach(context, attachment, kept, destroy) == IV_OK ? kept : NULL;
}

iv_status iv_tuning_attach(iv_context *context, const iv_tuning *tuning) {
    iv_tuning copy = *tuning;
    copy.winners = calloc(tuning->n_winners + 1, sizeof *copy.winners);
    if (!copy.winners)
        return iv_fail(iv_context_error(context), IV_ENOMEM, "no memory for the tuner's results");
    if (tuning->n_winners)
        memcpy(copy.winners, tuning->winners, tuning->n_winners * sizeof *copy.winners);
    return attach(context, copy) ? IV_OK : IV_ENOMEM;
}

/* ------------------------------------------------------------------ finding */

/* Half octaves. */
static int class_of(size_t size) {
    return (int)lround(2.0 * log2((double)size));
}

static int distance(const iv_winner *w, const iv_gemm_desc *d, int *total) {
    const int apart[] = {abs(class_of(w->m) - class_of(d->m)), abs(class_of(w->n) - class_of(d->n)),
                         abs(class_of(w->k) - class_of(d->k))};
    int most = 0;
    *total = 0;
    for (int i = 0; i < 3; i++) {
        *total += apart[i];
        if (apart[i] > most) most = apart[i];
    }
    return most;
}

const iv_winner *iv_tuning_find(const iv_tuning *tuning, const iv_gemm_desc *desc) {
    const iv_winner *nearest = NULL;
    int least = 0;
    for (size_t i = 0; i < tuning->n_winners; i++) {
        const iv_winner *w = &tuning->winners[i];
        int total;
        if (w->transpose_a != desc->transpose_a || w->transpose_b != desc->transpose_b) continue;
        if (distance(w, desc, &total) > 2) continue;
        if (nearest && total >= least) continue;
        nearest = w;
        least = total;
    }
    return nearest;
}

/* ------------------------------------------------------------------ what a file is about */

/* Text of a driver in any encoding, as JSON takes it. */
static void ascii(char *to, size_t bytes, const char *from) {
    snprintf(to, bytes, "%s", from);
    for (char *at = to; *at; at++)
        if ((unsigned char)*at < 32 || (unsigned char)*at > 126) *at = '?';
}

static json_t *about(const iv_context *context) {
    const iv_device_info *device = iv_context_device(context);
    char name[sizeof device->name], vendor[sizeof device->vendor];
    char platform[sizeof device->platform], driver[sizeof device->driver];
    char version[sizeof device->version];
    ascii(name, sizeof name, device->name);
    ascii(vendor, sizeof vendor, device->vendor);
    ascii(platform, sizeof platform, device->platform);
    ascii(driver, sizeof driver, device->driver);
    ascii(version, sizeof version, device->version);
    return json_pack("{si ss ss ss ss ss ss}", "format", FORMAT, "invar", iv_version(), "device",
                     name, "vendor", vendor, "platform", platform, "driver", driver,
                     "device_version", version);
}

bool iv_tuning_name(const iv_context *context, char *name, size_t name_bytes) {
    char hex[IV_SHA256_HEX];
    json_t *object = about(context);
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    const bool good = text && iv_sha256_strings((const char *const[]){text}, 1, hex);
    if (good) snprintf(name, name_bytes, "%s.json", hex);
    free(text);
    json_decref(object);
    return good;
}

/* ------------------------------------------------------------------ JSON */

static const char *const engine_names[] = {[IV_ENGINE_AUTO] = "",
                                           [IV_ENGINE_CLBLAST] = "clblast",
                                           [IV_ENGINE_PANEL] = "panel",
                                           [IV_ENGINE_TILED] = "tiled"};

/* NULL if memory runs out, which an object or array that it is put into notices. */
static json_t *numbers(const size_t *values, size_t n) {
    json_t *array = json_array();
    bool good = array != NULL;
    for (size_t i = 0; i < n && good; i++)
        good = json_array_append_new(array, json_integer((json_int_t)values[i])) == 0;
    if (good) return array;
    json_decref(array);
    return NULL;
}

/* The object, or NULL if the value is missing or does not fit in; both are taken over. */
static json_t *with(json_t *object, const char *key, json_t *value) {
    if (json_object_set_new(object, key, value) == 0) return object;
    json_decref(object);
    return NULL;
}

/* True if `array` holds n numbers that a size of ours can be; missing: zeros. */
static bool read_numbers(const json_t *array, size_t *values, size_t n) {
    memset(values, 0, n * sizeof *values);
    if (!array) return true;
    if (json_array_size(array) != n) return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *number = json_array_get(array, i);
        if (!json_is_integer(number)) return false;
        const json_int_t value = json_integer_value(number);
        if (value < 0 || value > (1 << 20)) return false;
        values[i] = (size_t)value;
    }
    return true;
}

static json_t *winner_json(const iv_winner *w) {
    const iv_panel_tile *p = &w->choice.panel;
    const iv_gemm_tile *t = &w->choice.tiled;
    json_t *object =
        json_pack("{so sb sb ss sf sf}", "size", numbers((const size_t[]){w->m, w->n, w->k}, 3),
                  "transpose_a", (int)w->transpose_a, "transpose_b", (int)w->transpose_b, "engine",
                  engine_names[w->choice.engine], "seconds", w->seconds, "untuned_seconds",
                  w->untuned_seconds);
    if (object && p->rows)
        object = with(object, "panel", numbers((const size_t[]){p->rows, p->vectors, p->width}, 3));
    if (object && t->rows)
        object = with(
            object, "tiled",
            numbers((const size_t[]){t->rows, t->columns, t->depth, t->item_rows, t->item_columns},
                    5));
    return object;
}

static bool panel_makes_sense(const iv_panel_tile *p) {
    const bool is_default = p->rows == 0 && p->vectors == 0 && p->width == 0;
    const bool is_vector = p->width == 4 || p->width == 8 || p->width == 16;
    return is_default ||
           (p->rows >= 1 && p->rows <= 16 && p->vectors >= 1 && p->vectors <= 4 && is_vector);
}

static bool read_winner(const json_t *object, iv_winner *w) {
    size_t size[3], panel[3], tiled[5];
    int transpose_a, transpose_b;
    const char *engine;
    *w = (iv_winner){0};
    if (json_unpack((json_t *)object, "{sb sb ss sF sF}", "transpose_a", &transpose_a,
                    "transpose_b", &transpose_b, "engine", &engine, "seconds", &w->seconds,
                    "untuned_seconds", &w->untuned_seconds))
        return false;
    if (!read_numbers(json_object_get(object, "size"), size, 3) ||
        !read_numbers(json_object_get(object, "panel"), panel, 3) ||
        !read_numbers(json_object_get(object, "tiled"), tiled, 5))
        return false;
    w->m = size[0], w->n = size[1], w->k = size[2];
    w->transpose_a = transpose_a, w->transpose_b = transpose_b;
    w->choice.panel = (iv_panel_tile){panel[0], panel[1], panel[2]};
    w->choice.tiled = (iv_gemm_tile){tiled[0], tiled[1], tiled[2], tiled[3], tiled[4]};
    for (int i = IV_ENGINE_CLBLAST; i <= IV_ENGINE_TILED; i++)
        if (strcmp(engine, engine_names[i]) == 0) w->choice.engine = (iv_gemm_engine)i;
    return w->choice.engine != IV_ENGINE_AUTO && w->m && w->n && w->k &&
           panel_makes_sense(&w->choice.panel) &&
           (w->choice.tiled.rows == 0 || iv_gemm_tile_fits(&w->choice.tiled));
}

/* Those that are tuned: {"rich.ROWS": 16, ...}. */
static json_t *parameters_json(const iv_tuning *tuning) {
    const iv_kernel_parameter *rows;
    const size_t n = iv_kernel_parameters(&rows);
    json_t *object = json_object();
    for (size_t i = 0; i < n && object; i++) {
        char name[64];
        if (!tuning->parameters[i]) continue;
        snprintf(name, sizeof name, "%s.%s", rows[i].kernel, rows[i].name);
        object = with(object, name, json_integer((json_int_t)tuning->parameters[i] - 1));
    }
    return object;
}

/* True if every entry is a candidate of a number that there is; missing: none is tuned. */
static bool read_parameters(json_t *object, iv_tuning *tuning) {
    const char *key;
    json_t *number;
    if (!object) return true;
    if (!json_is_object(object)) return false;
    json_object_foreach(object, key, number) {
        char kernel[64];
        const char *dot = strchr(key, '.');
        const iv_kernel_parameter *rows;
        if (!dot || (size_t)(dot - key) >= sizeof kernel || !json_is_integer(number)) return false;
        memcpy(kernel, key, (size_t)(dot - key));
        kernel[dot - key] = 0;
        const size_t row = iv_kernel_row(kernel, dot + 1);
        const json_int_t value = json_integer_value(number);
        if (row == iv_kernel_parameters(&rows) || value < 0 ||
            !iv_kernel_allows(row, (size_t)value))
            return false;
        tuning->parameters[row] = (size_t)value + 1;
    }
    return true;
}

/* ------------------------------------------------------------------ the file */

iv_status iv_tuning_store(iv_context *context, const iv_tuning *tuning) {
    char name[IV_SHA256_HEX + 8];
    const iv_clblast_parameters *c = &tuning->clblast;
    json_t *root = about(context), *winners = json_array();
    for (size_t i = 0; i < tuning->n_winners && winners; i++) {
        if (json_array_append_new(winners, winner_json(&tuning->winners[i])) == 0) continue;
        json_decref(winners);
        winners = NULL;
    }
    json_t *clblast = json_pack("{so so so}", "threshold", numbers(&c->threshold, 1), "direct",
                                numbers(c->direct, IV_CLBLAST_N_DIRECT), "packed",
                                numbers(c->packed, IV_CLBLAST_N_PACKED));
    root = with(root, "clblast", clblast);
    root = with(root, "winners", winners);
    root = with(root, "parameters", parameters_json(tuning));
    char *text = root ? json_dumps(root, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;

    iv_status status = IV_OK;
    if (!text)
        status = iv_fail(iv_context_error(context), IV_ENOMEM, "no memory for the tuner's results");
    else if (iv_tuning_name(context, name, sizeof name))
        iv_cache_store(cache_folder, name, text, strlen(text));
    free(text);
    json_decref(root);
    return status;
}

/* Whether a file says that it is about this device, driver and version. */
static bool is_ours(const iv_context *context, const json_t *root) {
    json_t *wanted = about(context), *value;
    const char *key;
    bool good = wanted != NULL;
    json_object_foreach(wanted, key, value) good =
        good && json_equal(value, json_object_get(root, key));
    json_decref(wanted);
    return good;
}

static bool read_tuning(const json_t *root, iv_tuning *tuning) {
    const json_t *clblast = json_object_get(root, "clblast");
    const json_t *winners = json_object_get(root, "winners");
    const size_t n = json_array_size(winners);
    iv_clblast_parameters *c = &tuning->clblast;
    bool good = json_is_object(clblast) && json_is_array(winners) && n <= MAX_WINNERS &&
                read_numbers(json_object_get(clblast, "threshold"), &c->threshold, 1) &&
                read_numbers(json_object_get(clblast, "direct"), c->direct, IV_CLBLAST_N_DIRECT) &&
                read_numbers(json_object_get(clblast, "packed"), c->packed, IV_CLBLAST_N_PACKED);
    good = good && read_parameters(json_object_get(root, "parameters"), tuning);
    tuning->winners = good ? calloc(n + 1, sizeof *tuning->winners) : NULL;
    for (size_t i = 0; i < n && tuning->winners && good; i++)
        good = read_winner(json_array_get(winners, i), &tuning->winners[i]);
    tuning->n_winners = n;
    return good && tuning->winners;
}

bool iv_tuning_read(const void *text, size_t bytes, const iv_context *context, iv_tuning *tuning) {
    *tuning = (iv_tuning){0};
    json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
    const bool good = root && (!context || is_ours(context, root)) && read_tuning(root, tuning);
    json_decref(root);
    if (good) return true;
    free(tuning->winners);
    *tuning = (iv_tuning){0};
    return false;
}

const iv_tuning *iv_tuning_of(iv_context *context) {
    const iv_tuning *known = iv_context_attached(context, attachment);
    if (known) return known;

    char name[IV_SHA256_HEX + 8];
    void *text = NULL;
    size_t bytes;
    iv_tuning tuning = {0};
    if (iv_tuning_name(context, name, sizeof name) &&
        iv_cache_load(cache_folder, name, &text, &bytes) &&
        iv_tuning_read(text, bytes, context, &tuning))
        (void)iv_sha256_bytes(text, bytes, tuning.sha256);
    free(text);
    return attach(context, tuning);
}

/* ------------------------------------------------------------------ in words */

void iv_choice_describe(const iv_gemm_choice *choice, char *text, size_t text_bytes) {
    const iv_panel_tile *p = &choice->panel;
    const iv_gemm_tile *t = &choice->tiled;
    const char *name = engine_names[choice->engine];
    if (choice->engine == IV_ENGINE_PANEL && p->rows)
        snprintf(text, text_bytes, "%s %zux%zux%zu", name, p->rows, p->vectors, p->width);
    else if (choice->engine == IV_ENGINE_TILED && t->rows)
        snprintf(text, text_bytes, "%s %zux%zux%zu by %zux%zu", name, t->rows, t->columns, t->depth,
                 t->item_rows, t->item_columns);
    else
        snprintf(text, text_bytes, "%s", name);
}
