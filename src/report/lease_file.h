/* The files behind leases: claim-N, IV_LEASE_BYTES of JSON and blanks. */
#ifndef INVAR_REPORT_LEASE_FILE_H
#define INVAR_REPORT_LEASE_FILE_H

#include "report/lease.h"

/* What a claim says. */
typedef struct {
    bool held;
    char host[128], boot[64], since[32], what[256], why[512];
    long process;
    uint64_t beat, done, total;
} iv_lease_note;

/* Who this process is. */
void iv_lease_file_introduce(iv_lease_note *note);
bool iv_lease_file_is_of_this_boot(const iv_lease_note *note);

/* The highest N of the folder's claims, 0 if there are none. IV_EFAILED if it cannot be read. */
iv_status iv_lease_file_highest(const char *folder, unsigned *highest, iv_error *error);

/* Make claim-N, locked and whole; *descriptor is -1 if somebody else has made it. */
iv_status iv_lease_file_make(const char *folder, unsigned number, const iv_lease_note *note,
                             int *descriptor, iv_error *error);

/* Replace what it says. False if that cannot be written. */
bool iv_lease_file_write(int descriptor, const iv_lease_note *note);

/* All bytes of claim-N (zeros after its end), whether somebody holds its lock (true where it cannot
 * be told) and, unless NULL, its age. */
iv_status iv_lease_file_read(const char *folder, unsigned number, char bytes[IV_LEASE_BYTES],
                             bool *locked, double *age, iv_error *error);

/* False if the bytes are none of a claim: while it is being rewritten they may be mixed. */
bool iv_lease_file_parse(const char bytes[IV_LEASE_BYTES], iv_lease_note *note);

#endif
