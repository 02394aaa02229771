/* PoCL as it is on a processor without AVX-512, on one that has it: kernels for AVX2 and vectors of 8.
 *
 *     mkdir -p /tmp/avx2/pocl /tmp/avx2/cache
 *     cc -shared -fPIC -o /tmp/avx2/libpocl-avx2.so tools/without_avx512.c -Wl,--no-as-needed -l:libpocl.so.2 -ldl
 *     echo /tmp/avx2/libpocl-avx2.so >/tmp/avx2/pocl.icd
 *     OCL_ICD_VENDORS=/tmp/avx2 POCL_CACHE_DIR=/tmp/avx2/pocl XDG_CACHE_HOME=/tmp/avx2/cache invar devices
 *
 * then shows a device `pthread-haswell`. The library is a driver in front of libpocl: what LLVM is asked about the
 * processor is answered here, since symbols are looked up in the library that was loaded first. This works with the
 * LLVM that PoCL 3.1 of Debian 12 has (15), whose StringMap has the layout below. Caches in folders
 * of their own keep kernels of the two kinds apart.
 * Others: OPENBLAS_CORETYPE=Haswell, XLA_FLAGS=--xla_cpu_max_isa=AVX2. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct text { /* llvm::StringRef */
    const char *start;
    size_t length;
};

struct entry { /* llvm::StringMapEntry<bool>, and behind it the key */
    size_t length;
    bool value;
};

struct map { /* llvm::StringMap<bool> */
    struct entry **entries;
    unsigned n_entries, n_used, n_removed, entry_size;
};

#define FEATURES "_ZN4llvm3sys18getHostCPUFeaturesERNS_9StringMapIbNS_15MallocAllocatorEEE"

struct text host_processor(void) __asm__("_ZN4llvm3sys14getHostCPUNameEv");
bool host_features(struct map *features) __asm__(FEATURES);

struct text host_processor(void) {
    return (struct text){"haswell", strlen("haswell")};
}

bool host_features(struct map *features) {
    bool (*real)(struct map *) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, FEATURES);
    if (!real || !real(features)) return false;
    struct entry *removed =
        (struct entry *)(~(size_t)0 << 3); /* what LLVM puts in a removed entry's place */
    for (unsigned i = 0; i < features->n_entries; i++) {
        struct entry *entry = features->entries[i];
        if (!entry || entry == removed) continue;
        const char *name = (const char *)entry + features->entry_size;
        if (strncmp(name, "avx512", 6) == 0 || strncmp(name, "amx", 3) == 0) entry->value = false;
    }
    return true;
}
