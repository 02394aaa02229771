#include "report/run_json.h"

#include "report/json_file.h"

iv_status iv_run_json_read(const char *path, iv_run_json *run, iv_error *error) {
    *run = (iv_run_json){0};
    iv_status status = iv_json_read(path, &run->root, error);
    if (status != IV_OK) return status;

#define STRING(member) run->member = json_string_value(json_object_get(run->root, #member))
    STRING(name);
    STRING(version);
    STRING(commit);
    STRING(host);
    STRING(system);
    STRING(device);
    STRING(platform);
    STRING(driver);
    STRING(start);
    STRING(end);
    STRING(status);
#undef STRING
    run->seconds = json_number_value(json_object_get(run->root, "seconds"));
    const json_t *seeds = json_object_get(run->root, "seeds");
    run->seeds = json_is_array(seeds) ? seeds : NULL;
    if (!run->status) {
        status = iv_fail(error, IV_EDATA, "%s: damaged: no \"status\" in it", path);
        iv_run_json_free(run);
    }
    return status;
}

void iv_run_json_free(iv_run_json *run) {
    json_decref(run->root);
    *run = (iv_run_json){0};
}
