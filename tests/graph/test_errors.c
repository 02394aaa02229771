/* Mistakes in building a graph: every builder refuses what it cannot compute, and says why. */
#include "trial.h"

#include <invar/image_ops.h>
#include <invar/tensor_ops.h>

/* Tensors to make mistakes with. */
typedef struct {
    trial *t;
    iv_graph *g;
    iv_tensor *scalar, *row, *matrix, *wide, *cube, *deep, *images, *weights, *classes, *labels;
} stock;

typedef struct {
    const char *name, *part; /* of the message */
    iv_tensor *(*build)(stock *s);
} mistake;

#define MISTAKE(name, call)                                                                        \
    static iv_tensor *name(stock *s) {                                                             \
        return call;                                                                               \
    }

MISTAKE(linear_columns, iv_linear(s->g, s->matrix, s->wide, NULL))
MISTAKE(linear_weights_of_rank_3, iv_linear(s->g, s->matrix, s->cube, NULL))
MISTAKE(linear_bias, iv_linear(s->g, s->matrix, s->matrix, s->row))
MISTAKE(linear_without_weights, iv_linear(s->g, s->matrix, NULL, NULL))
MISTAKE(linear_of_integers, iv_linear(s->g, s->classes, s->matrix, NULL))
MISTAKE(relu_of_nothing, iv_activate(s->g, NULL, IV_ACTIVATION_RELU))
MISTAKE(unknown_activation, iv_activate(s->g, s->matrix, (iv_activation)(IV_ACTIVATION_TANH + 1)))
MISTAKE(relu_of_integers, iv_activate(s->g, s->classes, IV_ACTIVATION_RELU))
MISTAKE(orbit_of_rank_3, iv_orbit(s->g, s->cube, NULL, NULL, 4))
MISTAKE(orbit_of_no_element, iv_orbit(s->g, s->matrix, NULL, NULL, 0))
MISTAKE(orbit_mean_of_rank_2, iv_orbit_mean(s->g, s->matrix))
MISTAKE(orbit_mean_of_65, iv_orbit_mean(s->g, s->deep))
MISTAKE(feature_mean_of_rank_3, iv_orbit_mean_of_features(s->g, s->cube, 2))
MISTAKE(feature_mean_of_odd_parts, iv_orbit_mean_of_features(s->g, s->matrix, 3))
MISTAKE(feature_mean_of_no_element, iv_orbit_mean_of_features(s->g, s->matrix, 0))
MISTAKE(feature_mean_of_nothing, iv_orbit_mean_of_features(s->g, NULL, 2))
MISTAKE(slice_past_the_end, iv_slice(s->g, s->matrix, 2, 2))
MISTAKE(slice_far_past_the_end, iv_slice(s->g, s->matrix, 1, SIZE_MAX))
MISTAKE(slice_of_nothing, iv_slice(s->g, s->matrix, 1, 0))
MISTAKE(slice_of_one_number, iv_slice(s->g, s->row, 1, 1))
MISTAKE(reshape_to_another_size, iv_reshape(s->g, s->matrix, 2, DIMS(2, 4)))
MISTAKE(reshape_to_no_axis, iv_reshape(s->g, s->matrix, 0, DIMS(1)))
MISTAKE(reshape_to_five_axes, iv_reshape(s->g, s->matrix, 5, DIMS(3, 1, 1, 1, 4)))
MISTAKE(add_of_two_shapes, iv_add(s->g, s->matrix, s->wide))
MISTAKE(add_of_two_ranks, iv_add(s->g, s->matrix, s->cube))
MISTAKE(scale_by_a_row, iv_scale(s->g, s->matrix, s->row))
MISTAKE(sum_of_two_shapes, iv_binary(s->g, IV_ADD, s->matrix, s->wide))
MISTAKE(unknown_binary, iv_binary(s->g, (iv_binary_kind)(IV_MAXIMUM + 1), s->matrix, s->matrix))
MISTAKE(unknown_function, iv_unary(s->g, &(const iv_function){.kind = IV_N_FUNCTIONS}, s->matrix))
MISTAKE(mean_over_no_axis, iv_mean_over(s->g, s->matrix, 0, true))
MISTAKE(mean_over_a_third_axis, iv_mean_over(s->g, s->matrix, 4, true))
MISTAKE(order_with_an_axis_twice, iv_permute(s->g, s->matrix, (const unsigned[]){1, 1}))
MISTAKE(order_past_the_axes, iv_permute(s->g, s->matrix, (const unsigned[]){2, 0}))
MISTAKE(repeated_to_less, iv_repeat(s->g, s->matrix, 2, DIMS(1, 4)))
MISTAKE(repeated_to_fewer_axes, iv_repeat(s->g, s->matrix, 1, DIMS(4)))
MISTAKE(joined_along_other_axes, iv_concatenate(s->g, 2, (iv_tensor *[]){s->matrix, s->wide}, 0))
MISTAKE(joined_along_a_third_axis,
        iv_concatenate(s->g, 2, (iv_tensor *[]){s->matrix, s->matrix}, 2))
MISTAKE(joined_nothing, iv_concatenate(s->g, 0, NULL, 0))
MISTAKE(part_past_the_end, iv_part(s->g, s->matrix, 1, 3, 2))
MISTAKE(part_of_nothing, iv_part(s->g, NULL, 1, 0, 1))
MISTAKE(pad_without_end, iv_pad(s->g, s->matrix, DIMS(0, SIZE_MAX), DIMS(0, 1), 0.0f))
MISTAKE(cross_entropy_of_rank_3, iv_cross_entropy(s->g, s->cube, s->labels))
MISTAKE(cross_entropy_with_float_labels, iv_cross_entropy(s->g, s->matrix, s->row))
MISTAKE(cross_entropy_with_too_many_labels, iv_cross_entropy(s->g, s->matrix, s->classes))
MISTAKE(logit_distance_of_two_shapes, iv_logit_distance(s->g, s->matrix, s->wide))
MISTAKE(logit_distance_of_rows, iv_logit_distance(s->g, s->row, s->row))
MISTAKE(rich_layer_of_other_rows, iv_rich(s->g, s->matrix, s->wide))
MISTAKE(rich_layer_of_other_ranks, iv_rich(s->g, s->cube, s->matrix))
MISTAKE(rich_layer_of_odd_columns, iv_rich(s->g, s->wide, s->wide))
MISTAKE(rich_layer_without_columns, iv_rich(s->g, s->wide, NULL))
MISTAKE(mean_square_of_two_shapes, iv_mean_square(s->g, s->matrix, s->wide))
MISTAKE(mean_square_of_rank_3, iv_mean_square(s->g, s->cube, s->cube))
MISTAKE(error_sums_of_two_shapes, iv_square_error_sums(s->g, s->matrix, s->wide, 9))
MISTAKE(pairs_of_rank_2, iv_pair_loss(s->g, s->matrix, 1, s->row, s->scalar, s->scalar))
MISTAKE(pairs_of_65, iv_pair_loss(s->g, s->deep, 1, s->scalar, s->scalar, s->scalar))
MISTAKE(pairs_of_other_distances, iv_pair_loss(s->g, s->cube, 1, s->matrix, s->scalar, s->scalar))
MISTAKE(pairs_without_invariant, iv_pair_loss(s->g, s->cube, 0, s->row, s->scalar, s->scalar))
MISTAKE(pairs_too_narrow, iv_pair_sums(s->g, s->cube, 5, s->row, s->scalar, s->scalar, 9))
MISTAKE(pairs_with_a_delta_each, iv_pair_loss(s->g, s->cube, 4, s->row, s->row, s->scalar))
MISTAKE(pairs_without_alpha, iv_pair_sums(s->g, s->cube, 4, s->row, s->scalar, NULL, 9))
MISTAKE(weighted_sum_of_matrices, iv_weighted_sum(s->g, s->matrix, s->scalar, s->scalar))
MISTAKE(weighted_sum_without_weight, iv_weighted_sum(s->g, s->scalar, s->scalar, NULL))
MISTAKE(class_logit_of_other_rows, iv_class_logit_sum(s->g, s->matrix, s->classes))
MISTAKE(class_logit_with_float_classes, iv_class_logit_sum(s->g, s->matrix, s->row))
MISTAKE(argmax_of_rank_3, iv_argmax(s->g, s->cube))
MISTAKE(accuracy_of_rank_2, iv_orbit_accuracy(s->g, s->matrix, s->labels))
MISTAKE(accuracy_without_labels, iv_orbit_accuracy(s->g, s->cube, NULL))
MISTAKE(accuracy_of_other_labels, iv_orbit_accuracy(s->g, s->cube, s->classes))
MISTAKE(logit_invariance_of_one_copy,
        iv_orbit_logit_invariance(s->g, iv_reshape(s->g, s->matrix, 3, DIMS(1, 3, 4))))
MISTAKE(distribution_invariance_of_rank_2, iv_orbit_distribution_invariance(s->g, s->matrix))
MISTAKE(similarity_of_rank_2, iv_orbit_saliency_similarity(s->g, s->matrix, NULL))
MISTAKE(input_of_no_axis, iv_input(s->g, IV_F32, 0, DIMS(1), NULL))
MISTAKE(input_of_five_axes, iv_input(s->g, IV_F32, 5, DIMS(1, 1, 1, 1, 1), NULL))
MISTAKE(input_with_an_empty_axis, iv_input(s->g, IV_F32, 2, DIMS(3, 0), NULL))
MISTAKE(input_of_2_to_the_32, iv_input(s->g, IV_F32, 2, DIMS(65536, 65536), NULL))
MISTAKE(input_that_overflows, iv_input(s->g, IV_F32, 2, DIMS(SIZE_MAX, 2), NULL))
MISTAKE(jacobian_of_other_rows, iv_jacobian(s->g, s->wide, s->matrix))

/* Windows of 3 x 3, which the weights have, in images of 4 x 5; the other numbers are those of x. */
static const iv_window around = {{3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
static iv_tensor *convolution(stock *s, iv_window window) {
    return iv_convolve(s->g, s->images, s->weights, NULL, &window, 1);
}
static iv_tensor *pooled(stock *s, iv_window window) {
    return iv_max_pool(s->g, s->images, &window);
}
MISTAKE(convolution_of_a_matrix, iv_convolve(s->g, s->matrix, s->weights, NULL, &around, 1))
MISTAKE(convolution_without_weights, iv_convolve(s->g, s->images, NULL, NULL, &around, 1))
MISTAKE(convolution_with_a_matrix, iv_convolve(s->g, s->images, s->matrix, NULL, &around, 1))
MISTAKE(convolution_with_another_window,
        convolution(s, (iv_window){{3, 2}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}))
MISTAKE(convolution_of_no_group, iv_convolve(s->g, s->images, s->weights, NULL, &around, 0))
MISTAKE(convolution_of_odd_groups, iv_convolve(s->g, s->images, s->weights, NULL, &around, 2))
MISTAKE(convolution_of_more_groups, iv_convolve(s->g, s->images, s->weights, NULL, &around, 3))
MISTAKE(convolution_with_a_bias_each, iv_convolve(s->g, s->images, s->weights, s->row, &around, 1))
MISTAKE(convolution_of_integers, iv_convolve(s->g, s->labels, s->weights, NULL, &around, 1))
MISTAKE(convolution_past_the_border,
        convolution(s, (iv_window){{3, 3}, {1, 1}, {1, 3}, {1, 0}, {1, 1}}))
MISTAKE(window_without_a_stride,
        convolution(s, (iv_window){{3, 3}, {1, 0}, {1, 1}, {1, 1}, {1, 1}}))
MISTAKE(window_without_dilation, pooled(s, (iv_window){{3, 3}, {1, 1}, {0, 1}, {1, 1}, {1, 1}}))
MISTAKE(window_without_a_size, pooled(s, (iv_window){{3, 0}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}))
MISTAKE(window_that_overflows,
        pooled(s, (iv_window){{3, 3}, {1, 1}, {SIZE_MAX / 2 + 1, 1}, {1, 1}, {1, 1}}))
MISTAKE(window_with_an_endless_border,
        pooled(s, (iv_window){{3, 3}, {1, 1}, {1, 1}, {1, SIZE_MAX}, {1, 1}}))
MISTAKE(window_of_too_many_parts,
        pooled(s, (iv_window){{1 << 13, 3}, {1, 1}, {1 << 12, 1}, {1, 1}, {1, 1}}))
MISTAKE(images_that_overflow,
        iv_mean_pool(s->g, s->images,
                     &(iv_window){{1, 1}, {1, 1}, {1, 1}, {1 << 20, 1 << 20}, {0, 0}}, true))
MISTAKE(pool_beside_the_image, pooled(s, (iv_window){{2, 2}, {1, 1}, {1, 1}, {0, 0}, {2, 0}}))
MISTAKE(mean_beside_the_image,
        iv_mean_pool(s->g, s->images, &(iv_window){{1, 2}, {1, 2}, {1, 7}, {0, 1}, {0, 3}}, false))
MISTAKE(pool_of_a_cube, iv_max_pool(s->g, s->cube, &around))
MISTAKE(pool_of_nothing, iv_mean_pool(s->g, NULL, &around, true))

static iv_tensor *batch(stock *s, size_t size, size_t n_samples, bool shuffle) {
    const iv_image_source source = {
        .n_samples = n_samples, .n_elements = 4, .n_pixels = 9, .shuffle = shuffle};
    iv_tensor *images, *labels;
    iv_image_batch(s->g, &source, size, IV_COPIES_PAIR, &images, &labels);
    return images;
}
MISTAKE(batch_of_nothing, batch(s, 0, 7, false))
MISTAKE(batch_of_more_than_an_epoch, batch(s, 8, 7, true))
MISTAKE(shuffled_batch_without_seeds, batch(s, 3, 7, true))

static iv_tensor *gradient_of(stock *s, iv_tensor *y, iv_tensor *x) {
    iv_tensor *gradient = NULL;
    (void)iv_gradient(s->g, y, &x, 1, &gradient);
    return gradient;
}
static iv_tensor *loss_of(stock *s, iv_tensor *x) {
    return iv_cross_entropy(s->g, x, s->labels);
}
static iv_tensor *product_of(stock *s, iv_tensor *y, iv_tensor *seed, iv_tensor *x) {
    iv_tensor *gradient = NULL;
    (void)iv_vector_jacobian(s->g, y, seed, &x, 1, &gradient);
    return gradient;
}
static iv_tensor *twice_placed(stock *s) {
    iv_tensor *y = iv_activate(s->g, s->matrix, IV_ACTIVATION_RELU);
    const cl_mem buffer = trial_upload(s->t, (const float[64]){0.0f}, 64 * sizeof(float));
    iv_place(y, (iv_view){buffer, 0, 12});
    iv_place(y, (iv_view){buffer, 4, 12});
    return y;
}
static iv_tensor *placed_slice(stock *s) {
    iv_tensor *y = iv_slice(s->g, s->matrix, 0, 1);
    iv_place(y, (iv_view){NULL, 0, 4});
    return y;
}
static iv_tensor *added(iv_tensor *tensor) {
    iv_add_to(tensor, (iv_view){NULL, 0, 4}, (iv_view){NULL, 0, 1});
    return tensor;
}
static iv_tensor *placed_and_added(stock *s) {
    iv_tensor *y = iv_activate(s->g, s->matrix, IV_ACTIVATION_RELU);
    iv_place(y, (iv_view){NULL, 0, 12});
    return added(y);
}
static iv_tensor *added_and_placed(stock *s) {
    iv_tensor *y = added(iv_activate(s->g, s->matrix, IV_ACTIVATION_RELU));
    iv_place(y, (iv_view){NULL, 0, 12});
    return y;
}
MISTAKE(added_slice, added(iv_slice(s->g, s->matrix, 0, 1)))
MISTAKE(added_input, added(s->matrix))
MISTAKE(added_twice, added(added(iv_activate(s->g, s->matrix, IV_ACTIVATION_RELU))))
MISTAKE(gradient_of_a_matrix, gradient_of(s, s->matrix, s->matrix))
MISTAKE(gradient_of_nothing, gradient_of(s, NULL, s->matrix))
MISTAKE(gradient_to_nothing, gradient_of(s, loss_of(s, s->matrix), NULL))
MISTAKE(gradient_to_something_unrelated, gradient_of(s, loss_of(s, s->matrix), s->wide))
MISTAKE(gradient_through_a_gradient,
        loss_of(s, gradient_of(s, loss_of(s, s->matrix), s->matrix))
            ? gradient_of(s, loss_of(s, gradient_of(s, loss_of(s, s->matrix), s->matrix)),
                          s->matrix)
            : NULL)
MISTAKE(gradient_through_a_metric,
        product_of(s, iv_orbit_logit_invariance(s->g, s->cube), s->row, s->cube))
MISTAKE(gradient_to_a_factor,
        product_of(s, iv_scale(s->g, s->matrix, s->scalar), s->matrix, s->scalar))
MISTAKE(gradient_to_a_pairs_delta,
        gradient_of(s, iv_pair_loss(s->g, s->cube, 4, s->row, s->scalar, s->scalar), s->scalar))
MISTAKE(gradient_of_sums_of_errors,
        product_of(s, iv_square_error_sums(s->g, s->matrix, s->matrix, 3), s->row, s->matrix))
MISTAKE(product_with_another_shape, product_of(s, s->matrix, s->wide, s->matrix))
MISTAKE(products_with_the_axis_in_front,
        product_of(s, iv_activate(s->g, s->matrix, IV_ACTIVATION_RELU), s->cube, s->matrix))
MISTAKE(several_products_of_a_sum,
        product_of(s, iv_binary(s->g, IV_ADD, s->matrix, s->row),
                   iv_input(s->g, IV_F32, 3, DIMS(3, 2, 4), NULL), s->matrix))
MISTAKE(several_products_to_weights,
        product_of(s, iv_linear(s->g, s->matrix, s->matrix, NULL),
                   iv_input(s->g, IV_F32, 3, DIMS(3, 2, 3), NULL), s->matrix))

MISTAKE(gradient_to_a_convolutions_weights,
        product_of(s, convolution(s, around), iv_input(s->g, IV_F32, 4, DIMS(2, 6, 4, 5), NULL),
                   s->weights))
MISTAKE(several_products_through_a_row_of_images,
        product_of(s, iv_reshape(s->g, iv_max_pool(s->g, s->images, &around), 2, DIMS(24, 5)),
                   iv_input(s->g, IV_F32, 3, DIMS(24, 2, 5), NULL), s->images))
MISTAKE(several_products_through_one_image,
        product_of(s, iv_slice(s->g, s->images, 1, 1),
                   iv_input(s->g, IV_F32, 4, DIMS(3, 4, 2, 5), NULL), s->images))

static const mistake mistakes[] = {
#define ENTRY(name, part)                                                                          \
    { #name, part, name }
    ENTRY(linear_columns, "4 features meet weights of 5 columns"),
    ENTRY(linear_weights_of_rank_3, "linear"),
    ENTRY(linear_bias, "3 outputs meet 4 biases"),
    ENTRY(linear_without_weights, "linear: input 1 is missing"),
    ENTRY(linear_of_integers, "linear: input 0 has to hold floats"),
    ENTRY(relu_of_nothing, "activate: input 0 is missing"),
    ENTRY(unknown_activation, "activate: there is no activation 5"),
    ENTRY(relu_of_integers, "activate: input 0 has to hold floats"),
    ENTRY(orbit_of_rank_3, "orbit: needs images [B, D]"),
    ENTRY(orbit_of_no_element, "orbit"),
    ENTRY(orbit_mean_of_rank_2, "orbit mean: needs [G, B, H]"),
    ENTRY(orbit_mean_of_65, "at most 64"),
    ENTRY(feature_mean_of_rank_3, "orbit mean: needs [B, G H]"),
    ENTRY(feature_mean_of_odd_parts, "orbit mean: needs [B, G H]"),
    ENTRY(feature_mean_of_no_element, "orbit mean: needs [B, G H]"),
    ENTRY(feature_mean_of_nothing, "orbit_mean: input 0 is missing"),
    ENTRY(slice_past_the_end, "slice: 2 to 4 of an axis of 3"),
    ENTRY(slice_far_past_the_end, "slice"),
    ENTRY(slice_of_nothing, "slice: 1 to 1 of an axis of 3"),
    ENTRY(slice_of_one_number, "nothing would be left"),
    ENTRY(reshape_to_another_size, "12 elements into 8"),
    ENTRY(reshape_to_no_axis, "1 to 4 axes, not 0"),
    ENTRY(reshape_to_five_axes, "1 to 4 axes, not 5"),
    ENTRY(add_of_two_shapes, "add: the shapes differ"),
    ENTRY(add_of_two_ranks, "add: the shapes differ"),
    ENTRY(scale_by_a_row, "one number a member"),
    ENTRY(sum_of_two_shapes, "add: the shapes do not fit"),
    ENTRY(unknown_binary, "binary: there is no kind 7"),
    ENTRY(unknown_function, "unary: there is no function 16"),
    ENTRY(mean_over_no_axis, "mean: needs some of 2 axes"),
    ENTRY(mean_over_a_third_axis, "mean: needs some of 2 axes"),
    ENTRY(order_with_an_axis_twice, "each of 2 axes once"),
    ENTRY(order_past_the_axes, "each of 2 axes once"),
    ENTRY(repeated_to_less, "repeat: the shapes do not fit"),
    ENTRY(repeated_to_fewer_axes, "repeat: the shapes do not fit"),
    ENTRY(joined_along_other_axes, "tensor 1 does not fit the first"),
    ENTRY(joined_along_a_third_axis, "tensor 0 does not fit the first"),
    ENTRY(joined_nothing, "concatenate: no tensors"),
    ENTRY(part_past_the_end, "part: 3 to 5 of an axis of 4"),
    ENTRY(part_of_nothing, "part: input 0 is missing"),
    ENTRY(pad_without_end, "pad: "),
    ENTRY(cross_entropy_of_rank_3, "needs logits [B, C]"),
    ENTRY(cross_entropy_with_float_labels, "cross_entropy: input 1 has to hold integers"),
    ENTRY(cross_entropy_with_too_many_labels, "needs logits [B, C] and integer labels [B]"),
    ENTRY(logit_distance_of_two_shapes, "two tensors of shape [B, C]"),
    ENTRY(logit_distance_of_rows, "two tensors of shape [B, C]"),
    ENTRY(rich_layer_of_other_rows, "rich layer: the rows of o [.., N] and X [.., M] differ"),
    ENTRY(rich_layer_of_other_ranks, "rich layer: the rows"),
    ENTRY(rich_layer_of_odd_columns, "rich layer: X has 5 columns"),
    ENTRY(rich_layer_without_columns, "rich: input 1 is missing"),
    ENTRY(mean_square_of_two_shapes, "mean square: needs two tensors of shape [B, C]"),
    ENTRY(mean_square_of_rank_3, "mean square: needs two tensors of shape [B, C]"),
    ENTRY(error_sums_of_two_shapes, "square error sums: needs two tensors"),
    ENTRY(pairs_of_rank_2, "pair_loss: needs codes [2, B, C]"),
    ENTRY(pairs_of_65, "pair_loss: needs codes [2, B, C]"),
    ENTRY(pairs_of_other_distances, "and B squared distances"),
    ENTRY(pairs_without_invariant, "pair_loss: 0 invariant columns of 4"),
    ENTRY(pairs_too_narrow, "pair_sums: 5 invariant columns of 4"),
    ENTRY(pairs_with_a_delta_each, "delta and alpha are one number a member"),
    ENTRY(pairs_without_alpha, "pair_sums: input 3 is missing"),
    ENTRY(weighted_sum_of_matrices, "weighted sum: needs one number a member"),
    ENTRY(weighted_sum_without_weight, "weighted_sum: input 2 is missing"),
    ENTRY(class_logit_of_other_rows, "3 rows of logits meet 5 classes"),
    ENTRY(class_logit_with_float_classes, "class_logit_sum: input 1 has to hold integers"),
    ENTRY(argmax_of_rank_3, "argmax: needs logits [B, C]"),
    ENTRY(accuracy_of_rank_2, "orbit_accuracy: needs [G, B, ...]"),
    ENTRY(accuracy_without_labels, "the labels are missing"),
    ENTRY(accuracy_of_other_labels, "one integer label a sample"),
    ENTRY(logit_invariance_of_one_copy, "G at least 2"),
    ENTRY(distribution_invariance_of_rank_2, "orbit_distribution_invariance: needs [G, B, ...]"),
    ENTRY(similarity_of_rank_2, "orbit_saliency_similarity: needs [G, B, ...]"),
    ENTRY(input_of_no_axis, "1 to 4 axes, not 0"),
    ENTRY(input_of_five_axes, "1 to 4 axes, not 5"),
    ENTRY(input_with_an_empty_axis, "axis 1 of a tensor is empty"),
    ENTRY(input_of_2_to_the_32, "more than 2^32 - 1 elements"),
    ENTRY(input_that_overflows, "more than 2^32 - 1 elements"),
    ENTRY(jacobian_of_other_rows, "Jacobian: needs logits [B, C] of inputs [B, D]"),
    ENTRY(convolution_of_a_matrix, "convolution: needs images [B, C, H, W], not 2 axes"),
    ENTRY(convolution_without_weights, "convolve: input 1 is missing"),
    ENTRY(convolution_with_a_matrix, "needs weights [O, C / groups, 3, 3]"),
    ENTRY(convolution_with_another_window, "needs weights [O, C / groups, 3, 2]"),
    ENTRY(convolution_of_no_group, "3 channels in 0 groups"),
    ENTRY(convolution_of_odd_groups, "3 channels in 2 groups"),
    ENTRY(convolution_of_more_groups, "3 channels in 3 groups meet weights of 6 outputs by 3"),
    ENTRY(convolution_with_a_bias_each, "6 outputs meet 4 biases"),
    ENTRY(convolution_of_integers, "convolve: input 0 has to hold floats"),
    ENTRY(convolution_past_the_border,
          "convolution: along x the window covers 7 pixels, the image and its borders have 6"),
    ENTRY(window_without_a_stride,
          "along x the window's size, stride and dilation (3, 0, 1) must be at least 1"),
    ENTRY(window_without_dilation, "along y the window's size, stride and dilation (3, 1, 0)"),
    ENTRY(window_without_a_size, "along x the window's size, stride and dilation (0, 1, 1)"),
    ENTRY(window_that_overflows, "along y the image or the window has more than 2^24 pixels"),
    ENTRY(window_with_an_endless_border, "along x the image or the window has more than 2^24"),
    ENTRY(window_of_too_many_parts, "along y the image or the window has more than 2^24"),
    ENTRY(images_that_overflow, "the image and its borders have more than 2^31 - 1 pixels"),
    ENTRY(pool_beside_the_image, "max pool: a window lies beside the image"),
    ENTRY(mean_beside_the_image, "mean pool: a window lies beside the image"),
    ENTRY(pool_of_a_cube, "max pool: needs images [B, C, H, W], not 3 axes"),
    ENTRY(pool_of_nothing, "mean_pool: input 0 is missing"),
    ENTRY(batch_of_nothing, "a batch of 0 from 7 samples"),
    ENTRY(batch_of_more_than_an_epoch, "a batch of 8 from 7 samples"),
    ENTRY(shuffled_batch_without_seeds, "a shuffled order needs seeds"),
    ENTRY(twice_placed, "already has another place"),
    ENTRY(placed_slice, "a slice lies in its base's memory"),
    ENTRY(added_slice, "a slice lies in its base's memory"),
    ENTRY(added_input, "an input is not computed"),
    ENTRY(added_twice, "already has a place"),
    ENTRY(placed_and_added, "already has a place"),
    ENTRY(added_and_placed, "already has another place"),
    ENTRY(gradient_of_a_matrix, "one number a member"),
    ENTRY(gradient_of_nothing, "one number a member"),
    ENTRY(gradient_to_nothing, "tensor 0 is missing"),
    ENTRY(gradient_to_something_unrelated, "does not depend on tensor 0"),
    ENTRY(gradient_through_a_gradient, "output 1 of cross_entropy has no derivative"),
    ENTRY(gradient_through_a_metric, "orbit_logit_invariance has no derivative"),
    ENTRY(gradient_to_a_factor, "scale has no derivative to its input 1"),
    ENTRY(gradient_to_a_pairs_delta, "pair_loss has no derivative to its input 2"),
    ENTRY(gradient_of_sums_of_errors, "square_error_sums has no derivative"),
    ENTRY(product_with_another_shape, "the seed does not fit"),
    ENTRY(products_with_the_axis_in_front, "the seed does not fit"),
    ENTRY(several_products_of_a_sum, "binary: takes one product at a time"),
    ENTRY(several_products_to_weights, "linear has no derivative to its input 1"),
    ENTRY(gradient_to_a_convolutions_weights, "convolve has no derivative to its input 1"),
    ENTRY(several_products_through_a_row_of_images, "reshape: several products at once need"),
    ENTRY(several_products_through_one_image, "slice: several products at once need"),
};

static stock open_stock(void **state) {
    stock s = {.t = trial_begin(*state, 2)};
    s.g = s.t->graph;
    s.scalar = trial_floats(s.t, LIES_IN_PLAN, 1, DIMS(1), -1.0, 1.0);
    s.row = trial_floats(s.t, LIES_IN_PLAN, 1, DIMS(4), -1.0, 1.0);
    s.matrix = trial_floats(s.t, LIES_IN_PLAN, 2, DIMS(3, 4), -1.0, 1.0);
    s.wide = trial_floats(s.t, LIES_IN_PLAN, 2, DIMS(2, 5), -1.0, 1.0);
    s.cube = trial_floats(s.t, LIES_IN_PLAN, 3, DIMS(2, 4, 4), -1.0, 1.0);
    s.deep = trial_floats(s.t, LIES_IN_PLAN, 3, DIMS(65, 2, 2), -1.0, 1.0);
    s.images = trial_floats(s.t, LIES_IN_PLAN, 4, DIMS(2, 3, 4, 5), -1.0, 1.0);
    s.weights = trial_floats(s.t, LIES_IN_PLAN, 4, DIMS(6, 3, 3, 3), -1.0, 1.0);
    s.classes = trial_classes(s.t, LIES_IN_PLAN, 5, 4);
    s.labels = trial_classes(s.t, LIES_IN_PLAN, 3, 4);
    return s;
}

/* The builder returns NULL (or what it had before the mistake), what is built on it is NULL, and
 * compiling reports the message, with nothing left on the device. */
static void every_builder_refuses_what_it_cannot_compute(void **state) {
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        stock s = open_stock(state);
        const size_t before = iv_context_bytes(s.t->context);
        iv_tensor *wrong = mistakes[i].build(&s);
        assert_null(iv_activate(s.g, wrong ? wrong : s.matrix, IV_ACTIVATION_RELU));
        iv_plan *plan;
        iv_tensor *good = s.matrix;
        const iv_status status = iv_graph_compile(s.g, &good, 1, &plan);
        iv_error *error = iv_context_error(s.t->context);
        assert_null(plan);
        if (status != IV_EINVAL) fail_msg("%s: status %d", mistakes[i].name, (int)status);
        if (strncmp(error->message, "graph: ", 7) != 0 || !strstr(error->message, mistakes[i].part))
            fail_msg("%s: the message lacks \"%s\": %s", mistakes[i].name, mistakes[i].part,
                     error->message);
        if (mistakes[i].build != twice_placed)
            assert_int_equal(iv_context_bytes(s.t->context), before);
        iv_error_clear(error);
        trial_end(*state, s.t);
    }
}

static void the_first_mistake_is_the_one_reported(void **state) {
    stock s = open_stock(state);
    iv_tensor *wrong = iv_add(s.g, s.matrix, s.wide);
    iv_slice(s.g, wrong, 99, 1);
    iv_argmax(s.g, s.cube);
    iv_plan *plan;
    assert_int_equal(iv_graph_compile(s.g, &wrong, 1, &plan), IV_EINVAL);
    assert_string_equal(iv_context_error(s.t->context)->message, "graph: add: the shapes differ");
    iv_error_clear(iv_context_error(s.t->context));
    trial_end(*state, s.t);
}

static void tensors_of_another_graph_are_refused(void **state) {
    stock s = open_stock(state), other = open_stock(state);
    assert_null(iv_add(s.g, s.matrix, other.matrix));
    assert_non_null(strstr(iv_context_error(s.t->context)->message, "belongs to another graph"));
    iv_error_clear(iv_context_error(s.t->context));
    trial_end(*state, s.t);
    trial_end(*state, other.t);
}

/* Whoever takes them must be able to tell that there are none. */
static void a_failed_differentiation_leaves_no_gradients(void **state) {
    stock s = open_stock(state);
    iv_tensor *const wrt[] = {s.matrix, s.row};
    iv_tensor *loss = iv_cross_entropy(s.g, s.matrix, s.labels);
    assert_null(iv_add(s.g, s.matrix, s.wide));
    iv_tensor *gradients[] = {s.wide, s.wide}, *products[] = {s.wide, s.wide};
    assert_int_equal(iv_gradient(s.g, loss, wrt, 2, gradients), IV_EINVAL);
    assert_int_equal(iv_vector_jacobian(s.g, s.matrix, s.matrix, wrt, 2, products), IV_EINVAL);
    for (size_t i = 0; i < 2; i++) {
        assert_null(gradients[i]);
        assert_null(products[i]);
    }
    iv_error_clear(iv_context_error(s.t->context));
    trial_end(*state, s.t);
}

static void a_missing_output_is_named(void **state) {
    stock s = open_stock(state);
    iv_tensor *outputs[] = {s.matrix, NULL};
    iv_plan *plan;
    size_t bytes;
    assert_int_equal(iv_graph_bytes(s.g, outputs, 2, &bytes), IV_EINVAL);
    assert_int_equal(bytes, 0);
    assert_int_equal(iv_graph_compile(s.g, outputs, 2, &plan), IV_EINVAL);
    assert_non_null(strstr(iv_context_error(s.t->context)->message, "output 1 is missing"));
    iv_error_clear(iv_context_error(s.t->context));
    trial_end(*state, s.t);
}

static void a_graph_of_no_member_is_refused(void **state) {
    program *p = *state;
    iv_graph *graph;
    assert_int_equal(iv_graph_create(p->context, 0, &graph), IV_EINVAL);
    assert_null(graph);
    assert_non_null(strstr(iv_context_error(p->context)->message, "at least one member"));
    iv_error_clear(iv_context_error(p->context));
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_builder_refuses_what_it_cannot_compute),
        cmocka_unit_test(the_first_mistake_is_the_one_reported),
        cmocka_unit_test(tensors_of_another_graph_are_refused),
        cmocka_unit_test(a_failed_differentiation_leaves_no_gradients),
        cmocka_unit_test(a_missing_output_is_named),
        cmocka_unit_test(a_graph_of_no_member_is_refused),
    };
    return cmocka_run_group_tests_name("errors", tests, open_program, close_program);
}
