/* A library that was built without what reads ONNX. */
#include <invar/onnx.h>

bool iv_onnx_is_built(void) {
    return false;
}

iv_status iv_onnx_read(const char *path, iv_onnx_model *model, iv_error *error) {
    *model = (iv_onnx_model){0};
    return iv_fail(
        error, IV_EFAILED,
        "%s: built without ONNX: install protoc-c, libprotobuf-c and onnx.proto (Debian: "
        "protobuf-c-compiler libprotobuf-c-dev libonnx-dev), and build again with meson's "
        "option -Donnx=enabled",
        path);
}
