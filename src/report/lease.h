/* Leases: the right to do one piece of work in a folder that several processes share, maybe on
 * several machines. Who holds one gives signs of life; who dies or falls silent loses it.
 *
 * A lease is a file claim-N in the folder of the work; the highest N counts. It is made whole, by
 * link(2), which one process alone can win, on network file systems too. Its holder rewrites it
 * every few seconds, with a count of the beats, and keeps it locked (flock). It is free
 *
 *   at once             if it says so, or if it is of this very boot of this machine and the lock can
 *                       be had: the kernel has seen its holder die
 *   after some silence  if its bytes stay the same for lease_seconds (INVAR_LEASE_SECONDS, 60), by
 *                       the clock of who looks. Clocks are never compared, nor is a lock of another
 *                       machine trusted: some file systems keep locks to one machine.
 *
 * Then whoever makes claim-(N+1) first has it. A holder that was only slow, or suspended, finds the
 * higher number at its next beat, and stops. Until then two may work on the same piece: what they
 * write must be the same bytes or lie in folders of their own, claim by claim. */
#ifndef INVAR_REPORT_LEASE_H
#define INVAR_REPORT_LEASE_H

#include <invar/status.h>

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct iv_lease iv_lease;

enum { IV_LEASE_BYTES = 1024 }; /* of a claim file, always */

/* What was last seen of somebody else's claim; zeroed to begin with, one for each folder. */
typedef struct {
    unsigned number;
    char bytes[IV_LEASE_BYTES];
    double since; /* iv_seconds() */
} iv_lease_watch;

/* Take the work in `folder`. *lease is NULL if somebody else has it, or was faster. IV_EFAILED if
 * nothing can be written there.
 *
 * stop  what asks this process to stop; NULL for nothing. See iv_lease_stop */
iv_status iv_lease_take(const char *folder, iv_lease_watch *watch,
                        const volatile sig_atomic_t *stop, iv_lease **lease, iv_error *error);

/* N of claim-N. */
unsigned iv_lease_number(const iv_lease *lease);

/* Nonzero once work has to stop: `stop` was, or the lease is lost. */
const volatile sig_atomic_t *iv_lease_stop(const iv_lease *lease);

/* Whether somebody else has taken the work over, or the folder is gone. */
bool iv_lease_is_lost(iv_lease *lease);

/* How far the work is, for `invar status`: told with the next beat. */
void iv_lease_say(iv_lease *lease, const char *what, uint64_t done, uint64_t total);

/* Give it back. why: what ended the work before it was done, in words; NULL if nothing did. NULL is
 * a fine lease. */
void iv_lease_release(iv_lease *lease, const char *why);

/* What the claims in a folder say. */
typedef struct {
    unsigned number; /* 0: nobody has taken it yet */
    bool held;       /* its holder has not given it back, */
    bool dead;       /* but is known to be dead */
    double age;      /* seconds since its last beat, by the file's time */
    char host[128], since[32], what[256], why[512];
    long process;
    uint64_t done, total;
} iv_lease_facts;

iv_status iv_lease_look(const char *folder, iv_lease_facts *facts, iv_error *error);

/* Silence after which a lease is lost. */
double iv_lease_seconds(void);

#endif
