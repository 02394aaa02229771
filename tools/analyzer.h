/* For static analysers, which see one file at a time: these functions return a failure, and never that all is well. Put
 * before every file by `-include`; see check_sources in ./check. */
#include <invar/experiment.h>
#define iv_fail(error, status, ...) ((void)(iv_fail)(error, status, __VA_ARGS__), (status))
#define iv_no_memory(context)       ((void)(iv_no_memory)(context), IV_ENOMEM)
