/* What is particular to PoCL: the directory in which it compiles kernels and keeps them. */
#ifndef INVAR_RUNTIME_POCL_H
#define INVAR_RUNTIME_POCL_H

#include <invar/runtime.h>

bool iv_is_pocl(const iv_device_info *device);

/* Whether PoCL can work in its directory. Where it cannot, it ends the process: on a file system that
 * lets no programs run it aborts, and on a full one LLVM exits.
 *
 * has_devices  PoCL has listed its devices, and made the directory before: one that is not there is
 *              another one, of an environment that was changed since
 *
 * IV_EFAILED says what the directory lacks and how to give PoCL another. */
iv_status iv_pocl_cache_check(bool has_devices, iv_error *error);

#endif
