/* What a program of someone else's does first: list the devices. Built by ./check against the
 * installed library, and a starting point for one's own. */
#include <invar/runtime.h>

#include <stdlib.h>

int main(void) {
    iv_device_info *devices = NULL;
    size_t n_devices = 0;
    iv_error error = {0};
    if (iv_devices_list(&devices, &n_devices, &error) != IV_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    for (size_t i = 0; i < n_devices; i++) printf("%zu: %s\n", i, devices[i].name);
    free(devices);
    return 0;
}
