/* The invar command: finds the subcommand and hands over. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_command *const commands[] = {
    &cli_run,     &cli_check, &cli_resume, &cli_eval, &cli_report,
    &cli_devices, &cli_bench, &cli_tune,   &cli_data,
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

int cli_fail(const iv_error *error) {
    fprintf(stderr, "invar: %s\n",
            error->message[0]
                ? error->message
                : "unknown error (please report it with the output of `invar devices`)");
    return iv_exit_status(error->status);
}

int cli_usage_error(const cli_command *command, const char *format, ...) {
    va_list arguments;
    fprintf(stderr, "invar %s: ", command->name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nTry `invar %s --help`.\n", command->name);
    return 2;
}

int cli_option(int argc, char **argv, int *i, const char *name, const char **value) {
    const char *argument = argv[*i];
    const size_t length = strlen(name);
    if (strncmp(argument, "--", 2) != 0 || strncmp(argument + 2, name, length) != 0) return 0;
    const char *rest = argument + 2 + length;
    if (*rest == '=') {
        *value = rest + 1;
        return 1;
    }
    if (*rest) return 0;
    if (*i + 1 >= argc) return -1;
    *value = argv[++*i];
    return 1;
}

int cli_override(int argc, char **argv, int *i, cli_overrides *overrides) {
    const char *value;
    int taken = cli_option(argc, argv, i, "set", &value);
    if (taken == 1) {
        overrides->texts[overrides->n++] = value;
    } else if (taken == 0 && (taken = cli_option(argc, argv, i, "seeds", &value)) == 1) {
        snprintf(overrides->seeds, sizeof overrides->seeds, "seeds=%.50s", value);
        overrides->texts[overrides->n++] = overrides->seeds;
    }
    return taken;
}

char *cli_path(const char *dir, const char *name) {
    const size_t size = strlen(dir) + strlen(name) + 2;
    char *path = malloc(size);
    if (path) snprintf(path, size, "%s/%s", dir, name);
    return path;
}

static void print_help(FILE *out) {
    fprintf(out, "invar: train and audit invariance in neural networks on any OpenCL device\n\n"
                 "usage: invar COMMAND [ARGUMENTS]\n\n");
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(out, "    %-10s%s\n", commands[i]->name, commands[i]->summary);
    fprintf(out,
            "\n`invar COMMAND --help` explains a command. `invar --version` prints versions.\n");
}

static void print_version(void) {
    printf("invar %s (commit %s), OpenCL headers %d.%d\n", iv_version(), iv_commit(),
           CL_TARGET_OPENCL_VERSION / 100, CL_TARGET_OPENCL_VERSION / 10 % 10);
}

static int dispatch(int argc, char **argv) {
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        print_version();
        return 0;
    }
    for (int i = 0; i < N_COMMANDS; i++) {
        if (strcmp(argv[1], commands[i]->name) != 0) continue;
        for (int k = 2; k < argc && strcmp(argv[k], "--") != 0; k++)
            if (strcmp(argv[k], "--help") == 0 || strcmp(argv[k], "-h") == 0) {
                fputs(commands[i]->usage, stdout);
                return 0;
            }
        return commands[i]->run(argc - 1, argv + 1);
    }
    fprintf(stderr, "invar: there is no command \"%s\". Try `invar --help`.\n", argv[1]);
    return 2;
}

int main(int argc, char **argv) {
    const int exit_status = dispatch(argc, argv);
    if ((fflush(stdout) != 0 || ferror(stdout)) && exit_status == 0) {
        fprintf(stderr, "invar: cannot write to standard output\n");
        return 1;
    }
    return exit_status;
}
