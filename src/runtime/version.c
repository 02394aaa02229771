/* Which Invar this is. */
#include "version.h"

#include <invar/runtime.h>

const char *iv_version(void) {
    return IV_VERSION;
}

const char *iv_commit(void) {
    return IV_COMMIT;
}
