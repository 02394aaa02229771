/* Kernels: embedded sources built for the context's device, once a context and once a cache. */
#include "runtime/context.h"

#include "runtime/cache.h"
#include "runtime/pocl.h"
#include "runtime/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char cache_folder[] = "programs";

/* fast-relaxed-math is not among them: it would lose infinities, NaNs and reproducibility. */
static const char common_options[] = "-cl-std=CL1.2";

/* Warnings are for who writes kernels. Some drivers count them on standard error, also those about
 * their own headers. INVAR_BUILD_WARNINGS=on in the environment keeps them. */
static const char *warning_option(void) {
    const char *wanted = getenv("INVAR_BUILD_WARNINGS");
    return wanted && strcmp(wanted, "on") == 0 ? "" : " -w";
}

/* PoCL does not define FP_FAST_FMAF where fma is one instruction: then MULTIPLY_ADD of cl/tensor.cl
 * would be two. Vectors of 8 floats came with AVX, and with fma from the next generation on; the
 * device has to say that it has it. */
static bool has_silent_fma(const iv_context *context) {
    cl_device_fp_config config = 0;
    clGetDeviceInfo(context->device.device_id, CL_DEVICE_SINGLE_FP_CONFIG, sizeof config, &config,
                    NULL);
    return context->device.type == IV_DEVICE_CPU && context->device.float_vector_width >= 8 &&
           (config & CL_FP_FMA);
}

/* What files may use beside OpenCL C: FMA that the compiler does not tell of, and clang's
 * __builtin_prefetch. Mesa, whose compiler is clang too, ends the process where it meets that. */
static const char *extra_options_of(const iv_context *context) {
    const bool has_fma = has_silent_fma(context), has_prefetch = iv_is_pocl(&context->device);
    return has_fma && has_prefetch ? " -DINVAR_FAST_FMA -DINVAR_BUILTIN_PREFETCH"
           : has_fma               ? " -DINVAR_FAST_FMA"
           : has_prefetch          ? " -DINVAR_BUILTIN_PREFETCH"
                                   : "";
}

static size_t count_lines(const iv_embedded_kernel *embedded) {
    size_t n_lines = 0;
    while (embedded->lines[n_lines]) n_lines++;
    return n_lines;
}

/* ------------------------------------------------------------------ the key of the cache */

/* Everything that the binary depends on: source, options, device, driver. */
static bool program_key(const iv_context *context, const iv_embedded_kernel *embedded,
                        const char *options, char key[IV_SHA256_HEX]) {
    const iv_device_info *device = &context->device;
    char platform_version[256] = "";
    clGetPlatformInfo(device->platform_id, CL_PLATFORM_VERSION, sizeof platform_version - 1,
                      platform_version, NULL);

    const char *about[] = {options,        device->name,    device->vendor,   device->platform,
                           device->driver, device->version, platform_version, embedded->name};
    size_t n_about = sizeof about / sizeof *about, n_lines = count_lines(embedded);
    const char **strings = malloc((n_about + n_lines) * sizeof *strings);
    if (!strings) return false;
    memcpy(strings, about, sizeof about);
    memcpy(strings + n_about, embedded->lines, n_lines * sizeof *strings);
    bool good = iv_sha256_strings(strings, n_about + n_lines, key);
    free(strings);
    return good;
}

/* ------------------------------------------------------------------ building */

/* The program from a binary of an earlier build; NULL if there is none that the driver takes. */
static cl_program build_from_cache(iv_context *context, const char *key, const char *options) {
    void *binary;
    size_t bytes;
    if (!iv_cache_load(cache_folder, key, &binary, &bytes)) return NULL;

    cl_int code, accepted = CL_INVALID_BINARY;
    const unsigned char *binaries[] = {binary};
    cl_program program = clCreateProgramWithBinary(context->cl, 1, &context->device.device_id,
                                                   &bytes, binaries, &accepted, &code);
    free(binary);
    if (code == CL_SUCCESS && accepted == CL_SUCCESS &&
        clBuildProgram(program, 1, &context->device.device_id, options, NULL, NULL) == CL_SUCCESS)
        return program;

    if (code == CL_SUCCESS && program) clReleaseProgram(program);
    iv_cache_remove(cache_folder, key);
    return NULL;
}

/* PoCL keeps what it compiles itself. A binary for us it compiles once more, in a form that it does not
 * run: a first start takes two thirds longer (38 s instead of 23 on two cores, PoCL 3.1), and later
 * ones are 0.5 to 0.8 s shorter. */
static bool is_binary_kept(const iv_context *context) {
    return iv_cache_is_writable() && (iv_cache_keeps_all() || !iv_is_pocl(&context->device));
}

static void keep_binary(const iv_context *context, cl_program program, const char *key) {
    size_t bytes = 0;
    if (!is_binary_kept(context)) return;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof bytes, &bytes, NULL) ||
        bytes == 0)
        return;
    unsigned char *binary = malloc(bytes);
    if (!binary) return;
    unsigned char *binaries[] = {binary};
    if (clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binaries, binaries, NULL) ==
        CL_SUCCESS)
        iv_cache_store(cache_folder, key, binary, bytes);
    free(binary);
}

/* A kernel file as messages name it: "cl/loss.cl", or the name under which it was added. */
static const char *place_of(const iv_context *context, const char *file, char place[80]) {
    bool is_added = false;
    for (size_t i = 0; i < context->n_added; i++)
        is_added |= strcmp(context->added[i]->name, file) == 0;
    snprintf(place, 80, is_added ? "\"%.64s\"" : "cl/%.64s.cl", file);
    return place;
}

/* The message begins with the compiler's first error: warnings before it would fill it. */
static iv_status fail_build(iv_context *context, cl_program program, const char *file,
                            const char *options) {
    cl_device_id device = context->device.device_id;
    size_t bytes = 0;
    clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, 0, NULL, &bytes);
    char *log = calloc(1, bytes + 1);
    if (log && bytes)
        clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, bytes, log, NULL);

    const char *start = log ? log : "";
    const char *error = strstr(start, "error:");
    if (error) {
        while (error > start && error[-1] != '\n') error--;
        start = error;
    }
    while (*start == '\n' || *start == ' ') start++;
    char place[80];
    iv_status status =
        iv_fail(&context->error, IV_EFAILED, "%s does not build on %s with options \"%s\": %s",
                place_of(context, file, place), context->device.name, options,
                *start ? start : "the compiler gave no log");
    free(log);
    return status;
}

static iv_status build_from_source(iv_context *context, const iv_embedded_kernel *embedded,
                                   const char *options, cl_program *program) {
    cl_int code;
    *program = clCreateProgramWithSource(context->cl, (cl_uint)count_lines(embedded),
                                         (const char **)embedded->lines, NULL, &code);
    if (code != CL_SUCCESS) {
        *program = NULL;
        return iv_cl_check(context, code, "creating a program");
    }
    code = clBuildProgram(*program, 1, &context->device.device_id, options, NULL, NULL);
    if (code == CL_SUCCESS) return IV_OK;

    iv_status status = code == CL_BUILD_PROGRAM_FAILURE || code == CL_INVALID_BUILD_OPTIONS
                           ? fail_build(context, *program, embedded->name, options)
                           : iv_cl_check(context, code, "building a program");
    clReleaseProgram(*program);
    *program = NULL;
    return status;
}

static iv_status build(iv_context *context, const iv_embedded_kernel *embedded,
                       const char *extra_options, cl_program *program) {
    const char *beside = extra_options_of(context);
    const char *warnings = warning_option();
    size_t size =
        sizeof common_options + strlen(warnings) + strlen(beside) + 1 + strlen(extra_options);
    char *options = malloc(size);
    if (!options) return iv_fail(&context->error, IV_ENOMEM, "no memory to build a program");
    snprintf(options, size, "%s%s%s%s%s", common_options, warnings, beside,
             *extra_options ? " " : "", extra_options);

    char key[IV_SHA256_HEX];
    bool have_key = program_key(context, embedded, options, key);
    iv_status status = IV_OK;
    *program = have_key ? build_from_cache(context, key, options) : NULL;
    if (!*program) {
        status = build_from_source(context, embedded, options, program);
        if (status == IV_OK && have_key) keep_binary(context, *program, key);
    }
    free(options);
    return status;
}

/* ------------------------------------------------------------------ the context's programs */

static iv_status append_program(iv_context *context, const char *file, const char *options,
                                cl_program program) {
    size_t bytes = strlen(options) + 1;
    char *copy = malloc(bytes);
    iv_program *grown =
        realloc(context->programs, (context->n_programs + 1) * sizeof *context->programs);
    if (grown) context->programs = grown;
    if (!copy || !grown) {
        free(copy);
        return iv_fail(&context->error, IV_ENOMEM, "no memory for the table of programs");
    }
    memcpy(copy, options, bytes);
    grown[context->n_programs++] = (iv_program){file, copy, program};
    return IV_OK;
}

static iv_status find_program(iv_context *context, const char *file, const char *options,
                              cl_program *program) {
    for (size_t i = 0; i < context->n_programs; i++) {
        const iv_program *built = &context->programs[i];
        if (strcmp(built->file, file) || strcmp(built->options, options)) continue;
        *program = built->program;
        return IV_OK;
    }

    const iv_embedded_kernel *embedded = iv_kernel_source(context, file);
    if (!embedded)
        return iv_fail(&context->error, IV_EFAILED,
                       "no kernel file cl/%s.cl in this build, and none was added under that name",
                       file);
    iv_status status = build(context, embedded, options, program);
    if (status != IV_OK) return status;
    status = append_program(context, embedded->name, options, *program);
    if (status != IV_OK) clReleaseProgram(*program);
    return status;
}

void iv_programs_release(iv_context *context) {
    for (size_t i = 0; i < context->n_programs; i++) {
        clReleaseProgram(context->programs[i].program);
        free(context->programs[i].options);
    }
    free(context->programs);
    context->programs = NULL;
    context->n_programs = 0;
}

iv_status iv_kernel_create(iv_context *context, const char *file, const char *function,
                           const char *options, cl_kernel *kernel) {
    cl_program program = NULL;
    *kernel = NULL;
    iv_status status = find_program(context, file, options ? options : "", &program);
    if (status != IV_OK) return status;

    cl_int code;
    *kernel = clCreateKernel(program, function, &code);
    if (code == CL_SUCCESS) return IV_OK;
    *kernel = NULL;
    char place[80];
    if (code == CL_INVALID_KERNEL_NAME)
        return iv_fail(&context->error, IV_EFAILED, "no kernel %s in %s", function,
                       place_of(context, file, place));
    return iv_cl_check(context, code, "creating a kernel");
}

/* ------------------------------------------------------------------ work-groups that fit */

iv_status iv_kernel_items(iv_context *context, cl_kernel kernel, size_t *items) {
    *items = 0;
    const cl_int code = clGetKernelWorkGroupInfo(
        kernel, context->device.device_id, CL_KERNEL_WORK_GROUP_SIZE, sizeof *items, items, NULL);
    if (*items > context->device.max_work_group) *items = context->device.max_work_group;
    if (*items > context->max_work_items[0]) *items = context->max_work_items[0];
    return iv_cl_check(context, code, "asking for a kernel's largest work-group");
}

void iv_kernel_required(const iv_context *context, cl_kernel kernel, size_t sizes[3]) {
    memset(sizes, 0, 3 * sizeof *sizes);
    clGetKernelWorkGroupInfo(kernel, context->device.device_id, CL_KERNEL_COMPILE_WORK_GROUP_SIZE,
                             3 * sizeof *sizes, sizes, NULL);
}

static bool follows_most_items(const iv_context *context, const char *file) {
    const iv_embedded_kernel *source = iv_kernel_source(context, file);
    for (const char *const *line = source->lines; *line; line++)
        if (strstr(*line, "MOST_ITEMS")) return true;
    return false;
}

iv_status iv_kernel_create_fitting(iv_context *context, const char *file, const char *function,
                                   const char *options, cl_kernel *kernel, size_t *divisor) {
    *divisor = 1;
    iv_status status = iv_kernel_create(context, file, function, options, kernel);
    if (status != IV_OK) return status;
    size_t wanted[3], required[3], most;
    iv_kernel_required(context, *kernel, wanted);
    memcpy(required, wanted, sizeof required);
    while ((status = iv_kernel_items(context, *kernel, &most)) == IV_OK && most > 0 &&
           most < required[0] && follows_most_items(context, file)) {
        char fewer[512];
        size_t items = 1;
        while (2 * items <= most) items *= 2;
        const int length = snprintf(fewer, sizeof fewer, "%s%s-DMOST_ITEMS=%zu",
                                    options ? options : "", options ? " " : "", items);
        if (length >= (int)sizeof fewer) return IV_OK; /* iv_launch_end says what does not fit */
        clReleaseKernel(*kernel);
        status = iv_kernel_create(context, file, function, fewer, kernel);
        if (status != IV_OK) return status;
        const size_t before = required[0];
        iv_kernel_required(context, *kernel, required);
        if (required[0] == 0 || required[0] >= before) return IV_OK;
        *divisor = wanted[0] / required[0];
    }
    return status; /* the caller releases the kernel after a failure, too */
}
