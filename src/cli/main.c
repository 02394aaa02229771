/* The invar command: finds the subcommand and hands over. */
#include "cli/cli.h"

#include "runtime/text.h"

#include <invar/onnx.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_command *const commands[] = {
    &cli_run,    &cli_check, &cli_resume, &cli_status, &cli_submit,     &cli_eval,
    &cli_report, &cli_merge, &cli_export, &cli_audit,  &cli_devices,    &cli_bench,
    &cli_tune,   &cli_data,  &cli_spec,   &cli_cite,   &cli_completion, &cli_man,
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

const char *cli_program = "invar";

const cli_command *cli_command_get(size_t i) {
    return i < N_COMMANDS ? commands[i] : NULL;
}

int cli_fail(const iv_error *error) {
    fprintf(stderr, "invar: %s\n",
            error->message[0]
                ? error->message
                : "unknown error (please report it with the output of `invar devices`)");
    return iv_exit_status(error->status);
}

static void print_help(FILE *out) {
    fprintf(out, "invar: train and audit invariance in neural networks on any OpenCL device\n\n"
                 "usage: invar COMMAND [ARGUMENTS]\n\n");
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(out, "    %-12s%s\n", commands[i]->name, commands[i]->summary);
    fprintf(out, "\n`invar help COMMAND` explains a command. `invar --version` prints versions.\n");
}

static void print_version(void) {
    printf("invar %s (commit %s), OpenCL headers %d.%d, %s ONNX\n", iv_version(), iv_commit(),
           CL_TARGET_OPENCL_VERSION / 100, CL_TARGET_OPENCL_VERSION / 10 % 10,
           iv_onnx_is_built() ? "with" : "without");
}

static const cli_command *find_command(const char *name) {
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(name, commands[i]->name) == 0) return commands[i];
    return NULL;
}

static int unknown_command(const char *name) {
    const char *nearest = NULL;
    size_t best = SIZE_MAX;
    for (int i = 0; i < N_COMMANDS; i++)
        if (iv_word_nearer(name, commands[i]->name, &best)) nearest = commands[i]->name;
    fprintf(stderr, "invar: there is no command \"%s\"; ", name);
    if (nearest) {
        fprintf(stderr, "did you mean `%s`?", nearest);
    } else {
        fputs("the commands are", stderr);
        for (int i = 0; i < N_COMMANDS; i++)
            fprintf(stderr, "%s %s", i ? "," : "", commands[i]->name);
        fputc('.', stderr);
    }
    fputs(" Try `invar --help`.\n", stderr);
    return 2;
}

static bool is_help(const char *argument) {
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

/* `invar NAME ...`; help wins over everything else, wherever it stands. */
static int run_command(int argc, char **argv) {
    const cli_command *command = find_command(argv[0]);
    if (!command) return unknown_command(argv[0]);
    for (int k = 1; k < argc && strcmp(argv[k], "--") != 0; k++)
        if (is_help(argv[k])) {
            cli_print_help(stdout, command);
            return 0;
        }
    cli_arguments arguments;
    int exit_status = cli_arguments_read(command, argc, argv, &arguments);
    if (exit_status == 0) exit_status = command->run(&arguments);
    cli_arguments_free(&arguments);
    return exit_status;
}

static int dispatch(int argc, char **argv) {
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    if (is_help(argv[1]) || strcmp(argv[1], "help") == 0) {
        if (argc == 2) {
            print_help(stdout);
            return 0;
        }
        const cli_command *command = find_command(argv[2]);
        if (!command) return unknown_command(argv[2]);
        cli_print_help(stdout, command);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        print_version();
        return 0;
    }
    return run_command(argc - 1, argv + 1);
}

int main(int argc, char **argv) {
    cli_program = argv[0] ? argv[0] : "invar";
    if (!cli_settle_in()) return 1;
    const int exit_status = dispatch(argc, argv);
    if ((fflush(stdout) != 0 || ferror(stdout)) && exit_status == 0) {
        if (errno != EPIPE) fprintf(stderr, "invar: cannot write to standard output\n");
        return 1;
    }
    return exit_status;
}
