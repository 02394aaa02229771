/* Buffers: accounted, and refused early with a message instead of late with a code. */
#include "runtime/context.h"

#include <stdio.h>

static double mebibytes(size_t bytes) {
    return (double)bytes / (1024.0 * 1024.0);
}

static size_t buffer_bytes(cl_mem buffer) {
    size_t bytes = 0;
    clGetMemObjectInfo(buffer, CL_MEM_SIZE, sizeof bytes, &bytes, NULL);
    return bytes;
}

iv_status iv_buffer_create(iv_context *context, size_t bytes, cl_mem *buffer) {
    const iv_device_info *device = &context->device;
    *buffer = NULL;
    if (bytes == 0) bytes = device->align_bytes;

    if (bytes > device->max_alloc_bytes)
        return iv_fail(&context->error, IV_ENOMEM,
                       "a buffer of %.1f MiB is larger than the largest that %s allows, %.1f MiB; "
                       "lower the batch size or the number of seeds",
                       mebibytes(bytes), device->name, mebibytes(device->max_alloc_bytes));
    size_t left =
        context->live_bytes < device->global_bytes ? device->global_bytes - context->live_bytes : 0;
    if (bytes > left)
        return iv_fail(&context->error, IV_ENOMEM,
                       "a buffer of %.1f MiB does not fit in the memory of %s: %.1f MiB, of which "
                       "%.1f MiB are in use here; lower the batch size or the number of seeds",
                       mebibytes(bytes), device->name, mebibytes(device->global_bytes),
                       mebibytes(context->live_bytes));

    cl_int code;
    cl_mem created = clCreateBuffer(context->cl, CL_MEM_READ_WRITE, bytes, NULL, &code);
    if (code != CL_SUCCESS) {
        char what[80];
        snprintf(what, sizeof what, "allocating %.1f MiB (%.1f MiB in use here)", mebibytes(bytes),
                 mebibytes(context->live_bytes));
        return iv_cl_check(context, code, what);
    }

    context->live_bytes += bytes;
    if (context->live_bytes > context->peak_bytes) context->peak_bytes = context->live_bytes;
    *buffer = created;
    return IV_OK;
}

void iv_buffer_release(iv_context *context, cl_mem buffer) {
    if (!buffer) return;
    context->live_bytes -= buffer_bytes(buffer);
    clReleaseMemObject(buffer);
}

/* A region outside its buffer is a mistake of the caller's: name
 * both, which the driver does not. */
static iv_status check_region(iv_context *context, cl_mem buffer, size_t offset, size_t bytes,
                              const char *what) {
    size_t size = buffer ? buffer_bytes(buffer) : 0;
    if (offset <= size && bytes <= size - offset) return IV_OK;
    return iv_fail(&context->error, IV_EINVAL, "%s %zu bytes at %zu of a buffer of %zu bytes", what,
                   bytes, offset, size);
}

iv_status iv_buffer_write(iv_context *context, cl_mem buffer, size_t offset, size_t bytes,
                          const void *data) {
    iv_status status = check_region(context, buffer, offset, bytes, "writing");
    if (status != IV_OK || bytes == 0) return status;
    cl_int code =
        clEnqueueWriteBuffer(context->queue, buffer, CL_TRUE, offset, bytes, data, 0, NULL, NULL);
    return iv_cl_check(context, code, "writing to a buffer");
}

iv_status iv_buffer_read(iv_context *context, cl_mem buffer, size_t offset, size_t bytes,
                         void *data) {
    iv_status status = check_region(context, buffer, offset, bytes, "reading");
    if (status != IV_OK || bytes == 0) return status;
    cl_int code =
        clEnqueueReadBuffer(context->queue, buffer, CL_TRUE, offset, bytes, data, 0, NULL, NULL);
    return iv_cl_check(context, code, "reading from a buffer");
}

/* A kernel and not clEnqueueFillBuffer, which Oclgrind does not
 * count as initialising the memory. */
static iv_status enqueue_fill(iv_context *context, cl_mem buffer, cl_ulong first, cl_ulong n,
                              cl_uint word) {
    if (!context->fill_kernel) {
        iv_status status =
            iv_kernel_create(context, "fill", "fill_words", NULL, &context->fill_kernel);
        if (status != IV_OK) return status;
    }
    cl_kernel kernel = context->fill_kernel;
    size_t most, local = 64;
    const iv_status status = iv_kernel_items(context, kernel, &most);
    if (status != IV_OK) return status;
    while (local > 1 && local > most) local /= 2;
    size_t global = (size_t)(n + (local - n % local) % local);

    cl_int code = clSetKernelArg(kernel, 0, sizeof buffer, &buffer);
    if (code == CL_SUCCESS) code = clSetKernelArg(kernel, 1, sizeof first, &first);
    if (code == CL_SUCCESS) code = clSetKernelArg(kernel, 2, sizeof n, &n);
    if (code == CL_SUCCESS) code = clSetKernelArg(kernel, 3, sizeof word, &word);
    if (code == CL_SUCCESS)
        code =
            clEnqueueNDRangeKernel(context->queue, kernel, 1, NULL, &global, &local, 0, NULL, NULL);
    return iv_cl_check(context, code, "filling a buffer");
}

iv_status iv_buffer_fill(iv_context *context, cl_mem buffer, size_t offset, size_t bytes,
                         uint32_t word) {
    iv_status status = check_region(context, buffer, offset, bytes, "filling");
    if (status != IV_OK || bytes == 0) return status;
    if (offset % sizeof word || bytes % sizeof word)
        return iv_fail(&context->error, IV_EINVAL,
                       "filling %zu bytes at %zu of a buffer: both must be multiples of 4", bytes,
                       offset);
    return enqueue_fill(context, buffer, offset / sizeof word, bytes / sizeof word, word);
}

iv_status iv_buffer_upload(iv_context *context, const void *data, size_t bytes, cl_mem *buffer) {
    iv_status status = iv_buffer_create(context, bytes, buffer);
    if (status != IV_OK) return status;
    status = iv_buffer_write(context, *buffer, 0, bytes, data);
    if (status != IV_OK) {
        iv_buffer_release(context, *buffer);
        *buffer = NULL;
    }
    return status;
}
