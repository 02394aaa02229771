/* A data set on the device: which image is which. */
#include "setup.h"

static void a_data_set_is_on_the_device_as_it_is(void **state) {
    program *p = *state;
    enum { N = 42, BATCH = 4 };
    iv_dataset digits;
    iv_images images;
    assert_int_equal(iv_digits_make(3, N, &digits, NULL), IV_OK);
    assert_ok(p->context, iv_images_upload(p->context, &digits, &images));
    assert_int_equal(images.n_images, N);
    assert_int_equal(images.n_training, digits.n_training);
    assert_int_equal(images.n_pixels, 28 * 28);
    assert_int_equal(images.n_classes, 10);
    assert_int_equal(images.mostly_zero, iv_dataset_info_find("digits")->mostly_zero);

    /* the test images, in order, the last of them again where they end */
    const size_t first = digits.n_training, n_test = N - first;
    assert_int_equal(n_test, 6);
    const iv_image_source source = iv_images_source(&images, first, n_test);
    iv_graph *graph;
    iv_plan *plan;
    iv_tensor *outputs[2];
    assert_ok(p->context, iv_graph_create(p->context, 1, &graph));
    iv_image_batch(graph, &source, BATCH, IV_COPIES_IDENTITY, &outputs[0], &outputs[1]);
    assert_ok(p->context, iv_graph_compile(graph, outputs, 2, &plan));
    for (uint32_t step = 0; step < 2; step++) {
        float values[BATCH * 28 * 28];
        int32_t labels[BATCH];
        assert_ok(p->context, iv_plan_run(plan, step));
        assert_ok(p->context, iv_plan_read(plan, outputs[0], values));
        assert_ok(p->context, iv_plan_read(plan, outputs[1], labels));
        for (size_t b = 0; b < BATCH; b++) {
            const size_t sample = step * BATCH + b < n_test ? step * BATCH + b : n_test - 1;
            assert_int_equal(labels[b], digits.labels[first + sample]);
            for (size_t k = 0; k < 28 * 28; k++)
                assert_true(values[b * 28 * 28 + k] ==
                            (float)digits.pixels[(first + sample) * 28 * 28 + k] / 255.0f);
        }
    }
    iv_plan_destroy(plan);
    iv_graph_destroy(graph);
    iv_images_release(p->context, &images);
    assert_null(images.pixels);
    iv_dataset_clear(&digits);
}

static void a_data_set_without_images_is_refused(void **state) {
    program *p = *state;
    iv_images images;
    const iv_dataset none = {.name = "nothing", .channels = 1, .height = 2, .width = 2};
    assert_fails(p->context, iv_images_upload(p->context, &none, &images), IV_EINVAL,
                 "nothing has no images");
    iv_images_release(p->context, &images);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_data_set_is_on_the_device_as_it_is),
        cmocka_unit_test(a_data_set_without_images_is_refused),
    };
    return cmocka_run_group_tests_name("images", tests, open_program, close_program);
}
