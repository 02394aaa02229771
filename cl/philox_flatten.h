/* Random123's Philox, flattened by the C preprocessor into philox.cl: kernels see the library's own
 * code without needing its headers at run time. */
#include <Random123/philox.h>
