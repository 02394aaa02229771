/* A library to preload into a program: it makes one call of it fail, or kills it there.
 *
 *   INVAR_FAULT=KIND:N     the N-th call of KIND fails: memory, write, flush, rename, open, make, read,
 *                          opencl
 *   INVAR_FAULT_KILL=HOW   it is not failed, but the program killed: before, after, torn (a write or
 *                          rename of which half is done)
 *   INVAR_FAULT_LOG=FILE   at the end, how many calls of each kind there were
 *
 * Only calls from the program itself and from the libraries that read and write its files count, as
 * drivers and compilers make their own in thousands, whose failures are not the program's. */
#define _GNU_SOURCE
#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ------------------------------------------------------------------ whose calls count */

typedef struct {
    uintptr_t begin, end;
} range;

static range ranges[32];
static int n_ranges;
static const char *const kinds[] = {"memory", "write", "flush", "rename",
                                    "open",   "make",  "read",  "opencl"};
enum { N_KINDS = sizeof kinds / sizeof *kinds };
static long counts[N_KINDS];

static char kind[16], how[16], log_path[1024];
static long wanted;
static bool ready;

static int note_object(struct dl_phdr_info *info, size_t size, void *state) {
    static const char *const libraries[] = {"libjansson", "libyaml", "libpng", "libz."};
    const char *name = info->dlpi_name;
    bool ours = !*name; /* the program */
    (void)size;
    (void)state;
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        ours |= strstr(name, libraries[i]) != NULL;
    for (int i = 0; ours && i < info->dlpi_phnum && n_ranges < 32; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X)) continue;
        const uintptr_t begin = info->dlpi_addr + segment->p_vaddr;
        ranges[n_ranges++] = (range){begin, begin + segment->p_memsz};
    }
    return 0;
}

static void take(const char *name, char *text, size_t size) {
    const char *value = getenv(name);
    snprintf(text, size, "%s", value ? value : "");
}

__attribute__((constructor)) static void begin(void) {
    char fault[64];
    take("INVAR_FAULT", fault, sizeof fault);
    take("INVAR_FAULT_KILL", how, sizeof how);
    take("INVAR_FAULT_LOG", log_path, sizeof log_path);
    char *colon = strchr(fault, ':');
    /* what the program starts, gnuplot, inherits the environment */
    if (!colon || strcmp(program_invocation_short_name, "invar") != 0) return;
    *colon = '\0';
    snprintf(kind, sizeof kind, "%.15s", fault);
    wanted = strtol(colon + 1, NULL, 10);
    dl_iterate_phdr(note_object, NULL);
    ready = true;
}

__attribute__((destructor)) static void end(void) {
    if (!ready || !*log_path) return;
    ready = false;
    FILE *log = fopen(log_path, "w");
    for (int i = 0; log && i < N_KINDS; i++) fprintf(log, "%s %ld\n", kinds[i], counts[i]);
    if (log) fclose(log);
}

/* Whether this is the call. */
static bool is_due(const char *of, const void *caller) {
    if (!ready) return false;
    const uintptr_t from = (uintptr_t)caller;
    bool ours = false;
    for (int i = 0; i < n_ranges; i++) ours |= from >= ranges[i].begin && from < ranges[i].end;
    if (!ours) return false;
    int k = 0;
    while (strcmp(kinds[k], of) != 0) k++;
    const long number = __atomic_add_fetch(&counts[k], 1, __ATOMIC_RELAXED);
    return number == wanted && strcmp(of, kind) == 0;
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Fails, kills before or lets through to be killed after. */
static bool fails(const char *of, const void *caller, bool *kills) {
    *kills = false;
    if (!is_due(of, caller)) return false;
    if (!*how) return true;
    if (strcmp(how, "before") == 0) die();
    *kills = true;
    return false;
}

#define CALLER     __builtin_return_address(0)
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* A call of the system: its result, or -1 with a reason. */
#define SYSTEM_CALL(of, reason, call)                                                              \
    bool kills;                                                                                    \
    if (fails(of, CALLER, &kills)) {                                                               \
        errno = reason;                                                                            \
        return -1;                                                                                 \
    }                                                                                              \
    const __typeof__(call) result = call;                                                          \
    if (kills) die();                                                                              \
    return result

/* ------------------------------------------------------------------ memory */

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);

void *malloc(size_t bytes) {
    bool kills;
    if (!fails("memory", CALLER, &kills)) return __libc_malloc(bytes);
    errno = ENOMEM;
    return NULL;
}

void *calloc(size_t n, size_t bytes) {
    bool kills;
    if (!fails("memory", CALLER, &kills)) return __libc_calloc(n, bytes);
    errno = ENOMEM;
    return NULL;
}

void *realloc(void *memory, size_t bytes) {
    bool kills;
    if (!fails("memory", CALLER, &kills)) return __libc_realloc(memory, bytes);
    errno = ENOMEM;
    return NULL;
}

char *strdup(const char *text) {
    bool kills;
    if (fails("memory", CALLER, &kills)) {
        errno = ENOMEM;
        return NULL;
    }
    const size_t n = strlen(text) + 1;
    char *copy = __libc_malloc(n);
    return copy ? memcpy(copy, text, n) : NULL;
}

/* ------------------------------------------------------------------ files */

ssize_t write(int file, const void *bytes, size_t n) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = REAL(write);
    bool kills;
    if (fails("write", CALLER, &kills)) {
        errno = ENOSPC;
        return -1;
    }
    const ssize_t written = real(file, bytes, kills && strcmp(how, "torn") == 0 ? n / 2 : n);
    if (kills) die();
    return written;
}

ssize_t read(int file, void *bytes, size_t n) {
    static ssize_t (*real)(int, void *, size_t);
    if (!real) real = REAL(read);
    SYSTEM_CALL("read", EIO, real(file, bytes, n));
}

int fsync(int file) {
    SYSTEM_CALL("flush", EIO, REAL(fsync)(file));
}

int ftruncate64(int file, off64_t length) {
    SYSTEM_CALL("flush", EIO, REAL(ftruncate64)(file, length));
}

int rename(const char *from, const char *to) {
    SYSTEM_CALL("rename", EIO, REAL(rename)(from, to));
}

int unlink(const char *path) {
    SYSTEM_CALL("rename", EIO, REAL(unlink)(path));
}

int mkdir(const char *path, mode_t mode) {
    SYSTEM_CALL("make", EACCES, REAL(mkdir)(path, mode));
}

static mode_t mode_of(int flags, va_list arguments) {
    return flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
}

int open64(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    SYSTEM_CALL("open", EMFILE, REAL(open64)(path, flags, mode));
}

int open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    SYSTEM_CALL("open", EMFILE, REAL(open)(path, flags, mode));
}

/* ------------------------------------------------------------------ OpenCL */

#define RETURNS_STATUS(name, error, parameters, ...)                                               \
    CL_API_ENTRY cl_int CL_API_CALL name parameters {                                              \
        bool kills;                                                                                \
        if (fails("opencl", CALLER, &kills)) return error;                                         \
        const cl_int status = REAL(name)(__VA_ARGS__);                                             \
        if (kills) die();                                                                          \
        return status;                                                                             \
    }

#define RETURNS_OBJECT(type, name, error, parameters, ...)                                         \
    CL_API_ENTRY type CL_API_CALL name parameters {                                                \
        bool kills;                                                                                \
        if (fails("opencl", CALLER, &kills)) {                                                     \
            if (reason) *reason = error;                                                           \
            return NULL;                                                                           \
        }                                                                                          \
        const type object = REAL(name)(__VA_ARGS__);                                               \
        if (kills) die();                                                                          \
        return object;                                                                             \
    }

RETURNS_STATUS(clGetPlatformIDs, CL_OUT_OF_HOST_MEMORY,
               (cl_uint n, cl_platform_id *ids, cl_uint *m), n, ids, m)
RETURNS_STATUS(clGetDeviceIDs, CL_OUT_OF_HOST_MEMORY,
               (cl_platform_id p, cl_device_type t, cl_uint n, cl_device_id *ids, cl_uint *m), p, t,
               n, ids, m)
RETURNS_STATUS(clGetDeviceInfo, CL_OUT_OF_RESOURCES,
               (cl_device_id d, cl_device_info i, size_t n, void *v, size_t *m), d, i, n, v, m)
RETURNS_STATUS(clBuildProgram, CL_BUILD_PROGRAM_FAILURE,
               (cl_program p, cl_uint n, const cl_device_id *d, const char *o,
                void(CL_CALLBACK *f)(cl_program, void *), void *u),
               p, n, d, o, f, u)
RETURNS_STATUS(clSetKernelArg, CL_OUT_OF_HOST_MEMORY,
               (cl_kernel k, cl_uint i, size_t n, const void *v), k, i, n, v)
RETURNS_STATUS(clFinish, CL_OUT_OF_RESOURCES, (cl_command_queue q), q)
RETURNS_STATUS(clFlush, CL_OUT_OF_RESOURCES, (cl_command_queue q), q)
RETURNS_STATUS(clWaitForEvents, CL_OUT_OF_RESOURCES, (cl_uint n, const cl_event *e), n, e)
RETURNS_STATUS(clEnqueueNDRangeKernel, CL_OUT_OF_RESOURCES,
               (cl_command_queue q, cl_kernel k, cl_uint d, const size_t *o, const size_t *g,
                const size_t *l, cl_uint n, const cl_event *w, cl_event *e),
               q, k, d, o, g, l, n, w, e)
RETURNS_STATUS(clEnqueueReadBuffer, CL_OUT_OF_RESOURCES,
               (cl_command_queue q, cl_mem b, cl_bool s, size_t o, size_t m, void *p, cl_uint n,
                const cl_event *w, cl_event *e),
               q, b, s, o, m, p, n, w, e)
RETURNS_STATUS(clEnqueueWriteBuffer, CL_OUT_OF_RESOURCES,
               (cl_command_queue q, cl_mem b, cl_bool s, size_t o, size_t m, const void *p,
                cl_uint n, const cl_event *w, cl_event *e),
               q, b, s, o, m, p, n, w, e)
RETURNS_STATUS(clEnqueueFillBuffer, CL_OUT_OF_RESOURCES,
               (cl_command_queue q, cl_mem b, const void *v, size_t vn, size_t o, size_t m,
                cl_uint n, const cl_event *w, cl_event *e),
               q, b, v, vn, o, m, n, w, e)
RETURNS_OBJECT(cl_context, clCreateContext, CL_OUT_OF_HOST_MEMORY,
               (const cl_context_properties *p, cl_uint n, const cl_device_id *d,
                void(CL_CALLBACK *f)(const char *, const void *, size_t, void *), void *u,
                cl_int *reason),
               p, n, d, f, u, reason)
RETURNS_OBJECT(cl_command_queue, clCreateCommandQueue, CL_OUT_OF_HOST_MEMORY,
               (cl_context c, cl_device_id d, cl_command_queue_properties p, cl_int *reason), c, d,
               p, reason)
RETURNS_OBJECT(cl_mem, clCreateBuffer, CL_MEM_OBJECT_ALLOCATION_FAILURE,
               (cl_context c, cl_mem_flags f, size_t n, void *p, cl_int *reason), c, f, n, p,
               reason)
RETURNS_OBJECT(cl_program, clCreateProgramWithSource, CL_OUT_OF_HOST_MEMORY,
               (cl_context c, cl_uint n, const char **t, const size_t *l, cl_int *reason), c, n, t,
               l, reason)
RETURNS_OBJECT(cl_program, clCreateProgramWithBinary, CL_OUT_OF_HOST_MEMORY,
               (cl_context c, cl_uint n, const cl_device_id *d, const size_t *l,
                const unsigned char **b, cl_int *s, cl_int *reason),
               c, n, d, l, b, s, reason)
RETURNS_OBJECT(cl_kernel, clCreateKernel, CL_OUT_OF_HOST_MEMORY,
               (cl_program p, const char *n, cl_int *reason), p, n, reason)
