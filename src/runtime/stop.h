/* Requests to stop, which a signal handler or another thread makes while work goes on. */
#ifndef INVAR_RUNTIME_STOP_H
#define INVAR_RUNTIME_STOP_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether *stop was set; never if it is NULL. An atomic access, as a plain one may race with the
 * thread that sets it. */
static inline bool iv_stop_is_asked(const volatile sig_atomic_t *stop) {
    return stop && __atomic_load_n(stop, __ATOMIC_RELAXED) != 0;
}

static inline void iv_stop_ask(volatile sig_atomic_t *stop) {
    __atomic_store_n(stop, 1, __ATOMIC_RELAXED);
}

#endif
