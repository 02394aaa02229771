/* What root may do beyond others, and how a process does without. */
#if defined __linux__
#define _DEFAULT_SOURCE /* syscall */
#endif

#include "process.h"

#if defined __linux__
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* Linux divides root's rights into capabilities. A program that root starts has those of the
 * bounding set, and those that it inherits. */
static bool renounce(void) {
    static const int rights[] = {CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH};
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, sets) != 0) return false;
    for (size_t i = 0; i < sizeof rights / sizeof *rights; i++) {
        const uint32_t bit = CAP_TO_MASK(rights[i]);
        if (prctl(PR_CAPBSET_DROP, rights[i], 0, 0, 0) != 0) return false;
        sets[CAP_TO_INDEX(rights[i])].inheritable &= ~bit;
    }
    return syscall(SYS_capset, &header, sets) == 0;
}
#else
static bool renounce(void) {
    return false;
}
#endif

void renounce_privileges(void) {
    if (geteuid() == 0 && !renounce()) _exit(STILL_PRIVILEGED);
}
