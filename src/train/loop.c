/* The training loop: replays a plan, in pieces short enough to be interrupted. */
#include "train/train.h"

#include "runtime/stop.h"

enum { FIRST_PIECE = 8, MAX_PIECE = 256 };
static const double piece_seconds = 0.1; /* between looks at the clock and the stop flag */

void iv_progress_update(const iv_progress *progress, const char *what, uint64_t done,
                        uint64_t total) {
    if (progress && progress->update) progress->update(progress->state, what, done, total);
}

iv_status iv_train(iv_context *context, iv_plan *plan, uint32_t *step, uint32_t end, uint32_t total,
                   double seconds, const volatile sig_atomic_t *stop, const iv_progress *progress,
                   const char *what) {
    const double start = iv_seconds();
    uint32_t piece = FIRST_PIECE;
    while (*step < end) {
        if (iv_stop_is_asked(stop))
            return iv_fail(iv_context_error(context), IV_EINTERRUPTED, "interrupted");
        if (seconds > 0 && iv_seconds() - start >= seconds) return IV_OK;

        const double before = iv_seconds();
        const uint32_t until = end - *step > piece ? *step + piece : end;
        iv_status status = IV_OK;
        while (*step < until && status == IV_OK) {
            status = iv_plan_run(plan, *step);
            ++*step;
        }
        if (status == IV_OK) status = iv_context_finish(context);
        if (status != IV_OK) return status;

        const double taken = iv_seconds() - before;
        if (taken < piece_seconds / 2 && piece < MAX_PIECE) piece *= 2;
        if (taken > piece_seconds * 2 && piece > 1) piece /= 2;
        iv_progress_update(progress, what, *step, total);
    }
    return IV_OK;
}
