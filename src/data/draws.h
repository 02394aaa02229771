/* A row of random words for one thing that is made from many of them: Philox of (seed, stream,
 * step) with index 0, 1, 2, ... The state lives on the caller's stack and begins anew for each
 * thing. */
#ifndef INVAR_DATA_DRAWS_H
#define INVAR_DATA_DRAWS_H

#include <invar/random.h>

typedef struct {
    uint32_t seed, stream, step, index;
    uint32_t words[4];
    unsigned left;
} iv_draws;

static inline uint32_t iv_draw(iv_draws *draws) {
    if (draws->left == 0) {
        iv_philox(draws->seed, draws->stream, draws->step, draws->index++, draws->words);
        draws->left = 4;
    }
    return draws->words[--draws->left];
}

/* Integer on [low, high], uniform. */
static inline int32_t iv_draw_between(iv_draws *draws, int32_t low, int32_t high) {
    return low + (int32_t)iv_below(iv_draw(draws), (uint32_t)(high - low) + 1);
}

/* Integer on [-most, most], triangular: small ones more often. */
static inline int32_t iv_draw_around(iv_draws *draws, int32_t most) {
    const int32_t first = iv_draw_between(draws, -most, most);
    return (first + iv_draw_between(draws, -most, most)) / 2;
}

#endif
