/* What the learning rate of a step is made of. */

/* (1 + cos(pi step / cosine_steps)) / 2, 0 from cosine_steps on, and 1 at any step if that is 0.
 * Written as sin^2(pi (cosine_steps - step) / (2 cosine_steps)), which loses no digits near the
 * end, where the sum cancels. */
static inline float annealing(uint step, uint cosine_steps) {
    if (cosine_steps == 0) return 1.0f;
    const uint left = cosine_steps - min(step, cosine_steps);
    const float sine = sinpi(0.5f * (float)left / (float)cosine_steps);
    return sine * sine;
}

/* Adam's corrections 1 - beta^t of step t = 1, 2, ... are -expm1(t log beta): no cancellation at
 * small t. beta = 0 works too, since log 0 is minus infinity. */
static inline float adam_step_size(float rate, uint step, float log_beta1) {
    return rate / -expm1(((float)step + 1.0f) * log_beta1);
}

static inline float adam_variance_correction(uint step, float log_beta2) {
    return 1.0f / sqrt(-expm1(((float)step + 1.0f) * log_beta2));
}
