/* A driver in disguise: an OpenCL driver (ICD) that hands every call to another one, but makes its
 * devices look smaller than they are, and refuses what such devices would refuse. It shows what
 * Invar does on them where there are none; it says nothing about their compilers or their speed.
 *
 * The loader finds it by OCL_ICD_VENDORS, set to disguise.icd of the build. Environment:
 *
 *   INVAR_DISGUISE_DRIVER       the library of the driver behind it (libpocl.so.2)
 *   INVAR_DISGUISE_PLATFORM     the platform's name
 *   INVAR_DISGUISE_TYPE         gpu: devices are GPUs
 *   INVAR_DISGUISE_GROUP        work-items of a group, at most, on the device
 *   INVAR_DISGUISE_KERNEL       the same for a kernel (CL_KERNEL_WORK_GROUP_SIZE)
 *   INVAR_DISGUISE_KERNEL_NAME  ... for kernels of this name only
 *   INVAR_DISGUISE_LOCAL        bytes of local memory
 *   INVAR_DISGUISE_ALLOC        bytes of the largest buffer
 *   INVAR_DISGUISE_VECTOR       native floats of a vector
 *   INVAR_DISGUISE_SKIP         launches of kernels of this name do nothing
 *   INVAR_DISGUISE_REFUSE       programs with this text in them do not build
 *   INVAR_DISGUISE_LOG          a folder: a file there for each program that is built, its options
 *                               in the first line behind //
 *
 * Objects of a driver begin with a pointer to its table of functions, through which the loader
 * calls it. All objects of a driver have the same table, so that changing it changes them all. */
#include <CL/cl_icd.h>

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The driver's table before it was changed. */
static cl_icd_dispatch real;

static const char *setting(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* What the driver says, or what the environment says if that is less. */
static cl_ulong at_most(const char *name, cl_ulong value) {
    const char *wanted = setting(name);
    const cl_ulong most = wanted ? strtoull(wanted, NULL, 10) : value;
    return most < value ? most : value;
}

static void lower_size(const char *name, void *value) {
    size_t size;
    memcpy(&size, value, sizeof size);
    size = (size_t)at_most(name, size);
    memcpy(value, &size, sizeof size);
}

static void lower_ulong(const char *name, void *value) {
    cl_ulong number;
    memcpy(&number, value, sizeof number);
    number = at_most(name, number);
    memcpy(value, &number, sizeof number);
}

static bool is_gpu(void) {
    const char *type = setting("INVAR_DISGUISE_TYPE");
    return type && strcmp(type, "gpu") == 0;
}

/* ------------------------------------------------------------------ devices */

static cl_int CL_API_CALL get_device_ids(cl_platform_id platform, cl_device_type type, cl_uint n,
                                         cl_device_id *devices, cl_uint *found) {
    if (is_gpu())
        type = type & (CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_DEFAULT) ? CL_DEVICE_TYPE_ALL : 0;
    return type ? real.clGetDeviceIDs(platform, type, n, devices, found) : CL_DEVICE_NOT_FOUND;
}

static cl_int CL_API_CALL get_device_info(cl_device_id device, cl_device_info what, size_t size,
                                          void *value, size_t *size_needed) {
    size_t bytes = 0;
    const cl_int code = real.clGetDeviceInfo(device, what, size, value, &bytes);
    if (size_needed) *size_needed = bytes;
    if (code != CL_SUCCESS || !value) return code;

    switch (what) {
    case CL_DEVICE_TYPE:
        if (is_gpu()) memcpy(value, &(cl_device_type){CL_DEVICE_TYPE_GPU}, sizeof(cl_device_type));
        break;
    case CL_DEVICE_MAX_WORK_GROUP_SIZE: lower_size("INVAR_DISGUISE_GROUP", value); break;
    case CL_DEVICE_MAX_WORK_ITEM_SIZES:
        for (size_t at = 0; at < bytes; at += sizeof(size_t))
            lower_size("INVAR_DISGUISE_GROUP", (char *)value + at);
        break;
    case CL_DEVICE_LOCAL_MEM_SIZE: lower_ulong("INVAR_DISGUISE_LOCAL", value); break;
    case CL_DEVICE_MAX_MEM_ALLOC_SIZE: lower_ulong("INVAR_DISGUISE_ALLOC", value); break;
    case CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT:
    case CL_DEVICE_PREFERRED_VECTOR_WIDTH_FLOAT: {
        cl_uint width;
        memcpy(&width, value, sizeof width);
        width = (cl_uint)at_most("INVAR_DISGUISE_VECTOR", width);
        memcpy(value, &width, sizeof width);
        break;
    }
    default: break;
    }
    return code;
}

static cl_int CL_API_CALL get_platform_info(cl_platform_id platform, cl_platform_info what,
                                            size_t size, void *value, size_t *size_needed) {
    const char *name = what == CL_PLATFORM_NAME ? setting("INVAR_DISGUISE_PLATFORM") : NULL;
    if (!name) return real.clGetPlatformInfo(platform, what, size, value, size_needed);
    if (size_needed) *size_needed = strlen(name) + 1;
    if (value && size <= strlen(name)) return CL_INVALID_VALUE;
    if (value) memcpy(value, name, strlen(name) + 1);
    return CL_SUCCESS;
}

/* ------------------------------------------------------------------ kernels */

static bool is_kernel(cl_kernel kernel, const char *variable) {
    char name[256] = "";
    const char *wanted = setting(variable);
    return wanted &&
           real.clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL) ==
               CL_SUCCESS &&
           strcmp(name, wanted) == 0;
}

static cl_int CL_API_CALL get_kernel_work_group_info(cl_kernel kernel, cl_device_id device,
                                                     cl_kernel_work_group_info what, size_t size,
                                                     void *value, size_t *size_needed) {
    const cl_int code =
        real.clGetKernelWorkGroupInfo(kernel, device, what, size, value, size_needed);
    if (code != CL_SUCCESS || !value || what != CL_KERNEL_WORK_GROUP_SIZE) return code;
    lower_size("INVAR_DISGUISE_GROUP", value);
    if (!setting("INVAR_DISGUISE_KERNEL_NAME") || is_kernel(kernel, "INVAR_DISGUISE_KERNEL_NAME"))
        lower_size("INVAR_DISGUISE_KERNEL", value);
    return code;
}

/* What a device of the disguise's sizes says about a launch. */
static cl_int judge(cl_command_queue queue, cl_kernel kernel, cl_uint rank, const size_t *local) {
    cl_device_id device = NULL;
    size_t most = 0, items = 1;
    cl_ulong used = 0, present = 0;
    cl_int code = real.clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof device, &device, NULL);
    if (code == CL_SUCCESS)
        code = get_kernel_work_group_info(kernel, device, CL_KERNEL_WORK_GROUP_SIZE, sizeof most,
                                          &most, NULL);
    if (code == CL_SUCCESS)
        code = get_kernel_work_group_info(kernel, device, CL_KERNEL_LOCAL_MEM_SIZE, sizeof used,
                                          &used, NULL);
    if (code == CL_SUCCESS)
        code = get_device_info(device, CL_DEVICE_LOCAL_MEM_SIZE, sizeof present, &present, NULL);
    if (code != CL_SUCCESS) return code;
    for (cl_uint i = 0; local && i < rank; i++) {
        items *= local[i];
        if (local[i] > at_most("INVAR_DISGUISE_GROUP", local[i])) return CL_INVALID_WORK_ITEM_SIZE;
    }
    if (items > most) return CL_INVALID_WORK_GROUP_SIZE;
    return used > present ? CL_OUT_OF_RESOURCES : CL_SUCCESS;
}

static cl_int CL_API_CALL enqueue_kernel(cl_command_queue queue, cl_kernel kernel, cl_uint rank,
                                         const size_t *offset, const size_t *global,
                                         const size_t *local, cl_uint n_events,
                                         const cl_event *events, cl_event *event) {
    const cl_int code = judge(queue, kernel, rank, local);
    if (code != CL_SUCCESS) return code;
    if (is_kernel(kernel, "INVAR_DISGUISE_SKIP"))
        return real.clEnqueueMarkerWithWaitList(queue, n_events, events, event);
    return real.clEnqueueNDRangeKernel(queue, kernel, rank, offset, global, local, n_events, events,
                                       event);
}

/* The source of a program, to free; NULL without. */
static char *source_of(cl_program program) {
    size_t bytes = 0;
    if (real.clGetProgramInfo(program, CL_PROGRAM_SOURCE, 0, NULL, &bytes) != CL_SUCCESS ||
        bytes < 2)
        return NULL;
    char *source = calloc(1, bytes + 1);
    if (source &&
        real.clGetProgramInfo(program, CL_PROGRAM_SOURCE, bytes, source, NULL) == CL_SUCCESS)
        return source;
    free(source);
    return NULL;
}

/* Of the same name for the same program: FNV-1a. */
static void note(const char *folder, const char *options, const char *source) {
    cl_ulong hash = 0xcbf29ce484222325U;
    char path[1024];
    for (const char *at = options; *at; at++) hash = (hash ^ (unsigned char)*at) * 0x100000001b3U;
    for (const char *at = source; *at; at++) hash = (hash ^ (unsigned char)*at) * 0x100000001b3U;
    snprintf(path, sizeof path, "%s/%016llx.cl", folder, (unsigned long long)hash);
    FILE *file = fopen(path, "w");
    if (!file || fprintf(file, "// %s\n%s", options, source) < 0 || fclose(file) != 0)
        perror("disguise: a program's source");
}

static cl_int CL_API_CALL build_program(cl_program program, cl_uint n_devices,
                                        const cl_device_id *devices, const char *options,
                                        void(CL_CALLBACK *notify)(cl_program program, void *user),
                                        void *user) {
    const char *unwanted = setting("INVAR_DISGUISE_REFUSE"),
               *folder = setting("INVAR_DISGUISE_LOG");
    char *source = unwanted || folder ? source_of(program) : NULL;
    const bool is_refused = source && unwanted && strstr(source, unwanted);
    if (source && folder) note(folder, options ? options : "", source);
    free(source);
    return is_refused ? CL_BUILD_PROGRAM_FAILURE
                      : real.clBuildProgram(program, n_devices, devices, options, notify, user);
}

/* ------------------------------------------------------------------ memory */

static cl_mem CL_API_CALL create_buffer(cl_context context, cl_mem_flags flags, size_t size,
                                        void *host, cl_int *code) {
    if (size <= at_most("INVAR_DISGUISE_ALLOC", size))
        return real.clCreateBuffer(context, flags, size, host, code);
    if (code) *code = CL_INVALID_BUFFER_SIZE;
    return NULL;
}

/* ------------------------------------------------------------------ what the loader asks for */

typedef cl_int(CL_API_CALL *platform_lister)(cl_uint n, cl_platform_id *platforms, cl_uint *found);

CL_API_ENTRY cl_int CL_API_CALL clIcdGetPlatformIDsKHR(cl_uint n, cl_platform_id *platforms,
                                                       cl_uint *found);
CL_API_ENTRY void *CL_API_CALL clGetExtensionFunctionAddress(const char *name);
CL_API_ENTRY cl_int CL_API_CALL clGetPlatformInfo(cl_platform_id platform, cl_platform_info what,
                                                  size_t size, void *value, size_t *size_needed);

/* A table that the driver keeps among its constants becomes writable. */
static bool change(cl_icd_dispatch *table) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t before = (size_t)table % page;
    if (mprotect((char *)table - before, before + sizeof *table, PROT_READ | PROT_WRITE) != 0) {
        perror("disguise: the driver's table");
        return false;
    }
    real = *table;
    table->clGetPlatformInfo = get_platform_info;
    table->clGetDeviceIDs = get_device_ids;
    table->clGetDeviceInfo = get_device_info;
    table->clGetKernelWorkGroupInfo = get_kernel_work_group_info;
    table->clEnqueueNDRangeKernel = enqueue_kernel;
    table->clBuildProgram = build_program;
    table->clCreateBuffer = create_buffer;
    return true;
}

static platform_lister lister_of_driver(void) {
    const char *name = setting("INVAR_DISGUISE_DRIVER");
    void *driver = dlopen(name ? name : "libpocl.so.2", RTLD_NOW | RTLD_LOCAL);
    void *(CL_API_CALL * address)(const char *name) = NULL;
    platform_lister lister = NULL;
    if (driver) *(void **)&address = dlsym(driver, "clGetExtensionFunctionAddress");
    if (address) *(void **)&lister = address("clIcdGetPlatformIDsKHR");
    if (!lister) fprintf(stderr, "disguise: %s\n", driver ? "not an OpenCL driver" : dlerror());
    return lister;
}

cl_int CL_API_CALL clIcdGetPlatformIDsKHR(cl_uint n, cl_platform_id *platforms, cl_uint *found) {
    static platform_lister lister;
    if (!lister) lister = lister_of_driver();
    if (!lister) return CL_PLATFORM_NOT_FOUND_KHR;
    const cl_int code = lister(n, platforms, found);
    if (code != CL_SUCCESS || !platforms || real.clGetPlatformInfo) return code;
    return change(*(cl_icd_dispatch **)platforms[0]) ? code : CL_PLATFORM_NOT_FOUND_KHR;
}

cl_int CL_API_CALL clGetPlatformInfo(cl_platform_id platform, cl_platform_info what, size_t size,
                                     void *value, size_t *size_needed) {
    return real.clGetPlatformInfo(platform, what, size, value, size_needed);
}

void *CL_API_CALL clGetExtensionFunctionAddress(const char *name) {
    void *found = NULL;
    if (strcmp(name, "clIcdGetPlatformIDsKHR") == 0)
        memcpy(&found, &(platform_lister){clIcdGetPlatformIDsKHR}, sizeof found);
    return found;
}
