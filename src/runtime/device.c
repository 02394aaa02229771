/* Devices: what there is, and which one a selector means. */
#include <invar/runtime.h>

#include "runtime/pocl.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the ICD loader answers when no driver is installed; from
 * cl_khr_icd, absent from plain cl.h. */
#define PLATFORM_NOT_FOUND (-1001)

static const char install_advice[] =
    "install an OpenCL driver: PoCL for any CPU (Debian: apt install pocl-opencl-icd, Fedora: dnf "
    "install pocl), or the GPU vendor's (AMD: ROCm, Intel: intel-opencl-icd, NVIDIA: its driver's "
    "OpenCL package); `clinfo -l` and `invar devices` list what is found";

/* ------------------------------------------------------------------ listing */

static void device_text(cl_device_id id, cl_device_info what, char *text, size_t size) {
    text[0] = '\0';
    /* A driver that has more text than fits answers with an error and no text. */
    char whole[1024];
    if (clGetDeviceInfo(id, what, sizeof whole, whole, NULL) != CL_SUCCESS) return;
    whole[sizeof whole - 1] = '\0';

    const char *start = whole;
    while (isspace((unsigned char)*start)) start++;
    snprintf(text, size, "%.*s", (int)size - 1, start);
    for (size_t end = strlen(text); end && isspace((unsigned char)text[end - 1]); end--)
        text[end - 1] = '\0';
}

static cl_uint device_uint(cl_device_id id, cl_device_info what) {
    cl_uint value = 0;
    clGetDeviceInfo(id, what, sizeof value, &value, NULL);
    return value;
}

static size_t device_ulong(cl_device_id id, cl_device_info what) {
    cl_ulong value = 0;
    clGetDeviceInfo(id, what, sizeof value, &value, NULL);
    return value > SIZE_MAX ? SIZE_MAX : (size_t)value;
}

static bool device_bool(cl_device_id id, cl_device_info what) {
    cl_bool value = CL_FALSE;
    clGetDeviceInfo(id, what, sizeof value, &value, NULL);
    return value != CL_FALSE;
}

/* "OpenCL 3.0 PoCL ..." or "OpenCL C 1.2": is it at least 1.2? */
static bool at_least_1_2(const char *version, const char *prefix) {
    int major = 0, minor = 0;
    size_t skip = strlen(prefix);
    if (strncmp(version, prefix, skip)) return false;
    if (sscanf(version + skip, "%d.%d", &major, &minor) != 2) return false;
    return major > 1 || (major == 1 && minor >= 2);
}

/* Numbers of extensions that old headers lack. */
enum {
    PCI_BUS_INFO_KHR = 0x410F,
    DEVICE_UUID_KHR = 0x106A,
    TOPOLOGY_AMD = 0x4037,
    PCI_BUS_ID_NV = 0x4008,
    PCI_SLOT_ID_NV = 0x4009,
    PCI_DOMAIN_ID_NV = 0x400A
};

static bool asks(cl_device_id id, cl_device_info what, void *value, size_t size) {
    size_t n = 0;
    return clGetDeviceInfo(id, what, size, value, &n) == CL_SUCCESS && n == size;
}

/* Where the device is plugged in, by whichever extension the driver has; else its UUID. */
static void find_address(cl_device_id id, char *text, size_t size) {
    cl_uint khr[4], bus, slot, domain = 0;
    unsigned char amd[24], uuid[16];
    text[0] = '\0';
    if (asks(id, PCI_BUS_INFO_KHR, khr, sizeof khr)) {
        snprintf(text, size, "PCI %04x:%02x:%02x.%x", khr[0], khr[1], khr[2], khr[3]);
    } else if (asks(id, PCI_BUS_ID_NV, &bus, sizeof bus) &&
               asks(id, PCI_SLOT_ID_NV, &slot, sizeof slot)) {
        (void)asks(id, PCI_DOMAIN_ID_NV, &domain, sizeof domain);
        snprintf(text, size, "PCI %04x:%02x:%02x.%x", domain, bus, slot >> 3, slot & 7);
    } else if (asks(id, TOPOLOGY_AMD, amd, sizeof amd)) {
        snprintf(text, size, "PCI %02x:%02x.%x", amd[21], amd[22], amd[23]);
    } else if (asks(id, DEVICE_UUID_KHR, uuid, sizeof uuid)) {
        int n = snprintf(text, size, "UUID ");
        for (size_t i = 0; i < sizeof uuid; i++)
            n += snprintf(text + n, size - (size_t)n, "%02x", uuid[i]);
    }
}

static void describe(cl_platform_id platform, cl_device_id id, iv_device_info *info) {
    memset(info, 0, sizeof *info);
    info->platform_id = platform;
    info->device_id = id;
    device_text(id, CL_DEVICE_NAME, info->name, sizeof info->name);
    device_text(id, CL_DEVICE_VENDOR, info->vendor, sizeof info->vendor);
    device_text(id, CL_DRIVER_VERSION, info->driver, sizeof info->driver);
    device_text(id, CL_DEVICE_VERSION, info->version, sizeof info->version);
    device_text(id, CL_DEVICE_OPENCL_C_VERSION, info->c_version, sizeof info->c_version);
    find_address(id, info->address, sizeof info->address);
    clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof info->platform - 1, info->platform, NULL);

    cl_device_type type = 0;
    clGetDeviceInfo(id, CL_DEVICE_TYPE, sizeof type, &type, NULL);
    info->type = type & CL_DEVICE_TYPE_GPU   ? IV_DEVICE_GPU
                 : type & CL_DEVICE_TYPE_CPU ? IV_DEVICE_CPU
                                             : IV_DEVICE_OTHER;

    info->compute_units = device_uint(id, CL_DEVICE_MAX_COMPUTE_UNITS);
    info->clock_mhz = device_uint(id, CL_DEVICE_MAX_CLOCK_FREQUENCY);
    info->float_vector_width = device_uint(id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT);
    info->align_bytes = device_uint(id, CL_DEVICE_MEM_BASE_ADDR_ALIGN) / 8;
    if (info->align_bytes == 0) info->align_bytes = 128;
    clGetDeviceInfo(id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof info->max_work_group,
                    &info->max_work_group, NULL);
    info->global_bytes = device_ulong(id, CL_DEVICE_GLOBAL_MEM_SIZE);
    info->max_alloc_bytes = device_ulong(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    info->local_bytes = device_ulong(id, CL_DEVICE_LOCAL_MEM_SIZE);
    info->unified_memory = device_bool(id, CL_DEVICE_HOST_UNIFIED_MEMORY);
    info->available =
        device_bool(id, CL_DEVICE_AVAILABLE) && device_bool(id, CL_DEVICE_COMPILER_AVAILABLE) &&
        at_least_1_2(info->version, "OpenCL ") && at_least_1_2(info->c_version, "OpenCL C ");
}

/* Append the devices of one platform. A platform that cannot list its devices has none. */
static iv_status append_platform(cl_platform_id platform, iv_device_info **devices,
                                 size_t *n_devices, iv_error *error) {
    cl_uint n_ids = 0;
    if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &n_ids) != CL_SUCCESS || n_ids == 0)
        return IV_OK;

    iv_status status = IV_OK;
    cl_device_id *ids = calloc(n_ids, sizeof *ids);
    iv_device_info *grown = realloc(*devices, (*n_devices + n_ids) * sizeof **devices);
    if (grown) *devices = grown;
    if (!ids || !grown) {
        status = iv_fail(error, IV_ENOMEM, "no memory for the list of OpenCL devices");
    } else if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, n_ids, ids, NULL) == CL_SUCCESS) {
        for (cl_uint i = 0; i < n_ids; i++) describe(platform, ids[i], &grown[(*n_devices)++]);
    }
    free(ids);
    return status;
}

iv_status iv_devices_list(iv_device_info **devices, size_t *n_devices, iv_error *error) {
    *devices = NULL;
    *n_devices = 0;

    cl_uint n_platforms = 0;
    cl_int code = clGetPlatformIDs(0, NULL, &n_platforms);
    if (code == PLATFORM_NOT_FOUND || (code == CL_SUCCESS && n_platforms == 0)) return IV_OK;
    if (code != CL_SUCCESS)
        return iv_fail(error, IV_EFAILED, "listing the OpenCL platforms failed with code %d; %s",
                       (int)code, install_advice);

    iv_status status = IV_OK;
    cl_platform_id *platforms = calloc(n_platforms, sizeof *platforms);
    if (!platforms || clGetPlatformIDs(n_platforms, platforms, NULL) != CL_SUCCESS)
        status = iv_fail(error, IV_EFAILED, "listing the OpenCL platforms failed");
    for (cl_uint i = 0; i < n_platforms && status == IV_OK; i++)
        status = append_platform(platforms[i], devices, n_devices, error);

    free(platforms);
    if (status != IV_OK) {
        free(*devices);
        *devices = NULL;
        *n_devices = 0;
    }
    return status;
}

/* ------------------------------------------------------------------ selection */

static bool contains_ignoring_case(const char *text, const char *part) {
    for (; *text; text++) {
        size_t i = 0;
        while (part[i] && tolower((unsigned char)text[i]) == tolower((unsigned char)part[i])) i++;
        if (!part[i]) return true;
    }
    return false;
}

static bool equal_ignoring_case(const char *a, const char *b) {
    return strlen(a) == strlen(b) && contains_ignoring_case(a, b);
}

static bool first_of_type(const iv_device_info *devices, size_t n_devices, iv_device_type type,
                          size_t *index) {
    for (size_t i = 0; i < n_devices; i++) {
        if (!devices[i].available || devices[i].type != type) continue;
        *index = i;
        return true;
    }
    return false;
}

static bool first_by_default(const iv_device_info *devices, size_t n_devices, size_t *index) {
    return first_of_type(devices, n_devices, IV_DEVICE_GPU, index) ||
           first_of_type(devices, n_devices, IV_DEVICE_CPU, index) ||
           first_of_type(devices, n_devices, IV_DEVICE_OTHER, index);
}

static bool first_by_name(const iv_device_info *devices, size_t n_devices, const char *part,
                          size_t *index) {
    for (size_t i = 0; i < n_devices; i++) {
        if (!devices[i].available) continue;
        if (!contains_ignoring_case(devices[i].name, part) &&
            !contains_ignoring_case(devices[i].platform, part) &&
            !contains_ignoring_case(devices[i].address, part))
            continue;
        *index = i;
        return true;
    }
    return false;
}

/* A number is an index if it is one of the list's; another may be part of a name ("1080"). */
static bool parse_index(const char *selector, size_t n_devices, size_t *index) {
    char *end;
    if (!isdigit((unsigned char)*selector)) return false;
    unsigned long long value = strtoull(selector, &end, 10);
    if (*end || value >= n_devices) return false;
    *index = (size_t)value;
    return true;
}

static void append(char *text, size_t size, const char *format, ...) IV_PRINTF(3, 4);

static void append(char *text, size_t size, const char *format, ...) {
    size_t length = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + length, size - length, format, arguments);
    va_end(arguments);
}

static iv_status fail_selection(const iv_device_info *devices, size_t n_devices,
                                const char *selector, iv_error *error) {
    if (n_devices == 0) {
        iv_error pocl = {0}; /* which has no device where it cannot make its directory */
        const bool works = iv_pocl_cache_check(false, &pocl) == IV_OK;
        return iv_fail(error, IV_ENODEVICE, "no OpenCL device found; %s%s%s",
                       works ? "" : pocl.message, works ? "" : "; or ", install_advice);
    }

    char list[512] = "";
    for (size_t i = 0; i < n_devices; i++)
        append(list, sizeof list, "%s%zu = %s%s", i ? ", " : "", i, devices[i].name,
               devices[i].available ? "" : " (unusable: Invar needs OpenCL 1.2 and a compiler)");
    if (!selector)
        return iv_fail(error, IV_ENODEVICE, "none of the OpenCL devices is usable: %s; %s", list,
                       install_advice);
    return iv_fail(
        error, IV_ENODEVICE,
        "no usable OpenCL device matches \"%s\"; there are: %s; give an index, a part of a "
        "name, cpu or gpu, or install a driver (`invar devices` has more)",
        selector, list);
}

iv_status iv_device_select(const iv_device_info *devices, size_t n_devices, const char *selector,
                           size_t *index, iv_error *error) {
    *index = 0;
    if (!selector || !*selector) selector = getenv("INVAR_DEVICE");
    if (!selector || !*selector)
        return first_by_default(devices, n_devices, index)
                   ? IV_OK
                   : fail_selection(devices, n_devices, NULL, error);

    if (equal_ignoring_case(selector, "all"))
        return iv_fail(error, IV_EINVAL,
                       "the device \"all\" stands where one device is wanted; "
                       "give an index, a part of a name, cpu or gpu");

    bool found;
    if (equal_ignoring_case(selector, "cpu"))
        found = first_of_type(devices, n_devices, IV_DEVICE_CPU, index);
    else if (equal_ignoring_case(selector, "gpu"))
        found = first_of_type(devices, n_devices, IV_DEVICE_GPU, index);
    else if (parse_index(selector, n_devices, index))
        found = devices[*index].available;
    else
        found = first_by_name(devices, n_devices, selector, index);
    return found ? IV_OK : fail_selection(devices, n_devices, selector, error);
}
