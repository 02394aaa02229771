/* invar devices: what OpenCL finds, which device would be used, and what its driver gets wrong. */
#include "cli/cli.h"

#include <invar/tuning.h>

#include <jansson.h>

#include <stdlib.h>
#include <string.h>

const char *cli_type_name(iv_device_type type) {
    switch (type) {
    case IV_DEVICE_CPU: return "cpu";
    case IV_DEVICE_GPU: return "gpu";
    case IV_DEVICE_OTHER: return "other";
    }
    return "other";
}

/* ------------------------------------------------------------------ the table */

enum { N_COLUMNS = 12, CELL_BYTES = 128 };

typedef struct {
    char cells[N_COLUMNS][CELL_BYTES];
} table_row;

static const table_row heading = {{"#", "name", "type", "platform", "driver", "units", "clock",
                                   "memory", "largest", "local", "vector", "address"}};

static void format_bytes(char *text, size_t bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++) value /= 1024;
    snprintf(text, CELL_BYTES, value < 10 && unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void fill_row(table_row *row, size_t index, const iv_device_info *device) {
    snprintf(row->cells[0], CELL_BYTES, "%zu", index);
    snprintf(row->cells[1], CELL_BYTES, "%.*s%s", CELL_BYTES - 16, device->name,
             device->available ? "" : " (unusable)");
    snprintf(row->cells[2], CELL_BYTES, "%s", cli_type_name(device->type));
    snprintf(row->cells[3], CELL_BYTES, "%.*s", CELL_BYTES - 1, device->platform);
    snprintf(row->cells[4], CELL_BYTES, "%.*s", CELL_BYTES - 1, device->driver);
    snprintf(row->cells[5], CELL_BYTES, "%u", device->compute_units);
    snprintf(row->cells[6], CELL_BYTES, "%u MHz", device->clock_mhz);
    format_bytes(row->cells[7], device->global_bytes);
    format_bytes(row->cells[8], device->max_alloc_bytes);
    format_bytes(row->cells[9], device->local_bytes);
    snprintf(row->cells[10], CELL_BYTES, "%u", device->float_vector_width);
    snprintf(row->cells[11], CELL_BYTES, "%s", *device->address ? device->address : "-");
}

static void print_row(const table_row *row, const int widths[N_COLUMNS], bool chosen) {
    printf("%c", chosen ? '*' : ' ');
    for (int column = 0; column < N_COLUMNS - 1; column++)
        printf(" %-*s ", widths[column], row->cells[column]);
    printf(" %s\n", row->cells[N_COLUMNS - 1]);
}

/* chosen: the index to mark, n_devices for none. */
static iv_status print_table(const iv_device_info *devices, size_t n_devices, size_t chosen,
                             iv_error *error) {
    int widths[N_COLUMNS];
    table_row *rows = calloc(n_devices, sizeof *rows);
    if (!rows) return iv_fail(error, IV_ENOMEM, "no memory for the table of devices");

    for (size_t i = 0; i < n_devices; i++) fill_row(&rows[i], i, &devices[i]);
    for (int column = 0; column < N_COLUMNS; column++) {
        widths[column] = (int)strlen(heading.cells[column]);
        for (size_t i = 0; i < n_devices; i++)
            if ((int)strlen(rows[i].cells[column]) > widths[column])
                widths[column] = (int)strlen(rows[i].cells[column]);
    }

    print_row(&heading, widths, false);
    for (size_t i = 0; i < n_devices; i++) print_row(&rows[i], widths, i == chosen);
    if (chosen < n_devices) printf("\n* is used where --device does not say otherwise.\n");
    free(rows);
    return IV_OK;
}

/* ------------------------------------------------------------------ JSON */

/* Names are the driver's: bytes outside ASCII may be in any encoding, and JSON is UTF-8. */
static json_t *driver_text(const char *text) {
    json_t *string = json_string(text);
    if (string) return string;
    char copy[sizeof((iv_device_info *)0)->name];
    snprintf(copy, sizeof copy, "%s", text);
    for (char *at = copy; *at; at++)
        if ((unsigned char)*at > 126) *at = '?';
    return json_string(copy);
}

static json_t *device_json(size_t index, const iv_device_info *device, bool chosen) {
    return json_pack(
        "{si so so so so so so ss ss si si si sI sI sI sI sI sb sb sb}", "index", (int)index,
        "name", driver_text(device->name), "vendor", driver_text(device->vendor), "platform",
        driver_text(device->platform), "driver", driver_text(device->driver), "version",
        driver_text(device->version), "c_version", driver_text(device->c_version), "type",
        cli_type_name(device->type), "address", device->address, "compute_units",
        (int)device->compute_units, "clock_mhz", (int)device->clock_mhz, "float_vector_width",
        (int)device->float_vector_width, "max_work_group", (json_int_t)device->max_work_group,
        "global_bytes", (json_int_t)device->global_bytes, "max_alloc_bytes",
        (json_int_t)device->max_alloc_bytes, "local_bytes", (json_int_t)device->local_bytes,
        "align_bytes", (json_int_t)device->align_bytes, "unified_memory",
        (int)device->unified_memory, "available", (int)device->available, "default", (int)chosen);
}

static iv_status print_json(const iv_device_info *devices, size_t n_devices, size_t chosen,
                            iv_error *error) {
    json_t *list = json_array();
    bool whole = list != NULL;
    for (size_t i = 0; i < n_devices && whole; i++)
        whole = json_array_append_new(list, device_json(i, &devices[i], i == chosen)) == 0;
    json_t *root = json_pack("{so so}", "default",
                             chosen < n_devices ? json_integer((json_int_t)chosen) : json_null(),
                             "devices", list);

    iv_status status = IV_OK;
    if (!root || !whole || json_dumpf(root, stdout, JSON_INDENT(2)))
        status = iv_fail(error, IV_EFAILED, "writing the list of devices as JSON failed");
    else
        putchar('\n');
    json_decref(root);
    return status;
}

/* ------------------------------------------------------------------ the self-test */

static void print_outcome(void *user, const iv_test_result *r) {
    static const char *const outcomes[] = {
        [IV_TEST_RIGHT] = "right", [IV_TEST_WRONG] = "WRONG", [IV_TEST_FAILED] = "FAILED"};
    (void)user;
    printf("  %-30s %-7s %5.1f s%s%s\n", r->part, outcomes[r->outcome], r->seconds,
           *r->problem ? "  " : "", r->problem);
    fflush(stdout);
}

static int test(const char *selector) {
    iv_error error = {0};
    iv_context *context;
    if (iv_context_create(selector, false, &context, &error) != IV_OK) return cli_fail(&error);
    const iv_device_info *device = iv_context_device(context);
    printf("%s (%s, driver %s)\n", device->name, device->platform, device->driver);
    fflush(stdout);
    size_t n_right = 0;
    const iv_status status = iv_device_test(context, print_outcome, NULL, &n_right);
    if (status == IV_OK) printf("%zu of %zu parts are right.\n", n_right, n_right);
    const int exit_status = status == IV_OK ? 0 : cli_fail(iv_context_error(context));
    iv_context_destroy(context);
    return exit_status;
}

/* ------------------------------------------------------------------ the subcommand */

static int run(const cli_arguments *arguments) {
    const bool as_json = cli_has(arguments, "json");
    if (cli_has(arguments, "test")) {
        if (as_json) return cli_usage_error(&cli_devices, "--test and --json exclude each other");
        return test(cli_value(arguments, "device"));
    }
    if (cli_value(arguments, "device"))
        return cli_usage_error(&cli_devices, "--device is for --test; all devices are listed");
    iv_error error = {0}, selection = {0};
    iv_device_info *devices = NULL;
    size_t n_devices = 0, chosen = 0;
    iv_status status = iv_devices_list(&devices, &n_devices, &error);
    if (status != IV_OK) return cli_fail(&error);

    /* INVAR_DEVICE=all is fine for programs that loop over devices, and marks none here. */
    iv_status selected = iv_device_select(devices, n_devices, NULL, &chosen, &selection);
    if (selected != IV_OK) chosen = n_devices;

    if (as_json)
        status = print_json(devices, n_devices, chosen, &error);
    else if (n_devices)
        status = print_table(devices, n_devices, chosen, &error);
    free(devices);
    if (status != IV_OK) return cli_fail(&error);
    return selected == IV_ENODEVICE ? cli_fail(&selection) : 0;
}

static const cli_option options[] = {
    {"test", NULL, "run each kind of kernel on small work and say what the driver gets wrong"},
    CLI_DEVICE,
    {"json", NULL, "every property as JSON: {\"default\": INDEX or null, \"devices\": [...]}"},
    CLI_END,
};

const cli_command cli_devices = {
    .name = "devices",
    .summary = "list the OpenCL devices and mark the one that is used by default",
    .synopsis = "[--json]\n--test [--device SEL]",
    .description =
        "List every OpenCL device: its index (what --device takes), name, type, platform,\n"
        "driver, compute units, clock, memory, largest single buffer, local memory and native\n"
        "vector width in floats. The one that is used by default is marked: $INVAR_DEVICE if\n"
        "set, else the first GPU, else the first CPU.\n\n"
        "With --test, try a device: random numbers, matrix products, singular values and\n"
        "Cholesky factors are compared with the host, other kernels with themselves in another\n"
        "form. It takes seconds, most of them to compile.\n",
    .notes = "Exit status: 0; 1 if a part of the test is wrong or fails; 3 if there is no usable\n"
             "device.\n",
    .options = options,
    .run = run,
};
