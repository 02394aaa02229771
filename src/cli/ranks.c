/* Started by mpirun: the ranks share one run as `--join` has it. MPI gives them their start, a device
 * each, one directory, and a common end; it carries no results. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef IV_MPI
#include <mpi.h>
#endif

/* Of the launchers of Open MPI and of MPICH and its kin. */
size_t cli_launched_copies(void) {
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *text = getenv(names[i]);
        const long n = text ? strtol(text, NULL, 10) : 0;
        if (n > 1) return (size_t)n;
    }
    return 1;
}

#ifndef IV_MPI

bool cli_has_mpi(void) {
    return false;
}

iv_status cli_ranks_begin(const iv_run_options *options, bool makes, cli_ranks *ranks,
                          iv_error *error) {
    (void)options;
    (void)makes;
    *ranks = (cli_ranks){.n = 1};
    return iv_fail(error, IV_EFAILED, "this invar is built without MPI");
}

int cli_ranks_end(cli_ranks *ranks, int status) {
    free(ranks->dir);
    return status;
}

#else

bool cli_has_mpi(void) {
    return true;
}

/* The directory that rank 0 makes, to all; none if that failed. */
static iv_status share_directory(const iv_run_options *options, cli_ranks *ranks, iv_error *error) {
    iv_status status = IV_OK;
    char *made = NULL;
    int length = 0;
    if (ranks->rank == 0) status = iv_run_directory(options, &made, error);
    if (made) length = (int)strlen(made);
    MPI_Bcast(&length, 1, MPI_INT, 0, MPI_COMM_WORLD);
    ranks->dir = calloc((size_t)length + 1, 1);
    if (made && ranks->dir) memcpy(ranks->dir, made, (size_t)length);
    int lacking = !ranks->dir;
    MPI_Allreduce(MPI_IN_PLACE, &lacking, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    if (!lacking) MPI_Bcast(ranks->dir, length, MPI_CHAR, 0, MPI_COMM_WORLD);
    free(made);
    if (lacking) return iv_fail(error, IV_ENOMEM, "out of memory");
    if (length == 0 && status == IV_OK)
        return iv_fail(error, IV_EFAILED, "rank 0 could not make the run directory");
    return status;
}

iv_status cli_ranks_begin(const iv_run_options *options, bool makes, cli_ranks *ranks,
                          iv_error *error) {
    MPI_Comm node;
    *ranks = (cli_ranks){.n = 1};
    if (MPI_Init(NULL, NULL) != MPI_SUCCESS)
        return iv_fail(error, IV_EFAILED, "MPI cannot be started");
    ranks->begun = true;
    MPI_Comm_rank(MPI_COMM_WORLD, &ranks->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks->n);
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, ranks->rank, MPI_INFO_NULL, &node);
    MPI_Comm_rank(node, &ranks->local);
    MPI_Comm_free(&node);
    iv_status status = makes ? share_directory(options, ranks, error) : IV_OK;
    if (status == IV_OK)
        status = cli_pick_device(options->device, (size_t)ranks->local, ranks->device,
                                 sizeof ranks->device, error);
    return status;
}

/* All wait for each other: who ends early and badly would take the others along. */
int cli_ranks_end(cli_ranks *ranks, int status) {
    if (ranks->begun) MPI_Finalize();
    free(ranks->dir);
    return status;
}

#endif
