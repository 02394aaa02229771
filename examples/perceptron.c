/* Train a perceptron on images and count the test images it gets right: perceptron [NAME], a data set
 * of IDX files in the data directory, or else the built-in digits. */
#include <invar/invar.h>

#include <stdlib.h>

enum { HIDDEN = 64, BATCH = 100, EPOCHS = 10 };
static const uint32_t seed = 1;
static const float rate = 0.002f;

static void need(iv_status status, const iv_error *error) {
    if (status == IV_OK) return;
    fprintf(stderr, "%s\n", error->message);
    exit(iv_exit_status(status));
}

/* Logits of a batch; p: the parameters as inputs of this graph. */
static iv_tensor *forward(iv_graph *graph, const iv_image_source *source, size_t batch,
                          const iv_parameters *parameters, iv_tensor *p[4], iv_tensor **labels) {
    iv_tensor *x;
    iv_image_batch(graph, source, batch, IV_COPIES_IDENTITY, &x, labels);
    for (size_t i = 0; i < 4; i++) p[i] = iv_parameters_tensor(parameters, graph, i);
    x = iv_linear(graph, iv_slice(graph, x, 0, 1), p[0], p[1]); /* the only copy of each image */
    return iv_linear(graph, iv_activate(graph, x, IV_ACTIVATION_RELU), p[2], p[3]);
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "digits";
    iv_error error = {0}, *e = &error;
    iv_context *context;
    iv_dataset data;
    char folder[4096];
    need(iv_context_create(NULL, false, &context, e), e);
    need(iv_data_directory(NULL, folder, sizeof folder, e), e);
    need(iv_dataset_load(folder, name, 7000, &data, e), e);
    e = iv_context_error(context); /* what works on the device reports there */
    iv_images images;
    need(iv_images_upload(context, &data, &images), e);
    const iv_parameter_desc layers[4] = {
        {.name = "layers.0.weight", .rank = 2, .dims = {HIDDEN, images.n_pixels}, .scale = 0.05f},
        {.name = "layers.0.bias", .rank = 1, .dims = {HIDDEN}},
        {.name = "layers.1.weight", .rank = 2, .dims = {images.n_classes, HIDDEN}, .scale = 0.1f},
        {.name = "layers.1.bias", .rank = 1, .dims = {images.n_classes}}};
    iv_parameters *parameters;
    need(iv_parameters_create(context, 1, layers, 4, &parameters), e);
    need(iv_parameters_initialize(parameters, &seed), e);
    iv_optimizer *optimizer;
    const iv_optimizer_desc adam = {
        .learning_rates = &rate, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f};
    need(iv_optimizer_create(parameters, &adam, &optimizer), e);

    const size_t n_train = images.n_training, n_test = images.n_images - n_train;
    iv_image_source source = iv_images_source(&images, 0, n_train);
    need(iv_buffer_upload(context, &seed, sizeof seed, &source.seeds.buffer), e);
    source.shuffle = true;
    iv_graph *graph;
    iv_plan *plan;
    iv_tensor *labels, *p[4], *outputs[5];
    need(iv_graph_create(context, 1, &graph), e);
    iv_tensor *logits = forward(graph, &source, BATCH, parameters, p, &labels);
    outputs[4] = iv_cross_entropy(graph, logits, labels);
    need(iv_gradient(graph, outputs[4], p, 4, outputs), e);
    for (size_t i = 0; i < 4; i++) iv_optimizer_take(optimizer, i, outputs[i]);
    need(iv_graph_compile(graph, outputs, 5, &plan), e);
    need(iv_optimizer_append(optimizer, iv_plan_sequence(plan)), e);
    for (uint32_t i = 0; i < n_train / BATCH * EPOCHS; i++) need(iv_plan_run(plan, i), e);

    source = iv_images_source(&images, n_train, n_test);
    need(iv_graph_create(context, 1, &graph), e);
    outputs[0] = iv_argmax(graph, forward(graph, &source, n_test, parameters, p, &labels));
    need(iv_graph_compile(graph, outputs, 1, &plan), e);
    int32_t *classes = malloc(n_test * sizeof *classes);
    need(classes ? iv_plan_run(plan, 0) : iv_fail(e, IV_ENOMEM, "out of memory"), e);
    need(iv_plan_read(plan, outputs[0], classes), e);
    size_t n_right = 0;
    for (size_t i = 0; i < n_test; i++) n_right += classes[i] == data.labels[n_train + i];
    printf("%s: %zu of %zu test images are right\n", name, n_right, n_test);
    return 0; /* the end of the process frees everything */
}
