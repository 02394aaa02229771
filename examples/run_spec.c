/* Run a spec and print what it found: run_spec SPEC.yaml RUN_DIR. */
#include <invar/invar.h>

int main(int argc, char **argv) {
    iv_error error = {0};
    iv_results results;
    const iv_run_options options = {.spec = argc > 1 ? argv[1] : NULL,
                                    .out = argc > 2 ? argv[2] : NULL};
    if (iv_run(&options, &results, &error) != IV_OK) {
        fprintf(stderr, "%s\n", error.message);
        return iv_exit_status(error.status);
    }
    for (size_t i = 0; i < results.n_cells; i++)
        printf("%s %s: %s %.4f\n", results.cells[i].row, results.cells[i].column,
               results.cells[i].metric, results.cells[i].mean);
    iv_results_free(&results);
    return 0;
}
