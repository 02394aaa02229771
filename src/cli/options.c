/* Options, as each command's table declares them: reading them, and the text of --help. */
#include "cli/cli.h"

#include "runtime/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cli_usage_error(const cli_command *command, const char *format, ...) {
    va_list arguments;
    fprintf(stderr, "invar %s: ", command->name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nTry `invar %s --help`.\n", command->name);
    return 2;
}

/* ------------------------------------------------------------------ reading */

/* "NAME" of --NAME and --NAME=VALUE, compared with `length` bytes of an argument. */
static const cli_option *find_option(const cli_command *command, const char *name, size_t length) {
    for (const cli_option *option = command->options; option && option->name; option++)
        if (strlen(option->name) == length && strncmp(option->name, name, length) == 0)
            return option;
    return NULL;
}

static int unknown_option(const cli_command *command, const char *argument) {
    char name[64];
    const char *nearest = NULL, *start = argument + strspn(argument, "-");
    size_t best = SIZE_MAX;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(start, "="), start);
    for (const cli_option *option = command->options; option && option->name; option++)
        if (iv_word_nearer(name, option->name, &best)) nearest = option->name;
    if (iv_word_nearer(name, "help", &best)) nearest = "help";
    if (nearest)
        return cli_usage_error(command, "there is no option \"%s\"; did you mean `--%s`?", argument,
                               nearest);
    return cli_usage_error(command, "there is no option \"%s\"", argument);
}

/* One option and its value; *i moves past both. 0, or the exit status of a usage error. */
static int read_option(int argc, char **argv, int *i, cli_arguments *arguments) {
    const char *argument = argv[*i];
    const size_t length = strcspn(argument, "=");
    const cli_option *option =
        argument[1] == '-' ? find_option(arguments->command, argument + 2, length - 2) : NULL;
    if (!option) return unknown_option(arguments->command, argument);

    const char *value = argument[length] ? argument + length + 1 : NULL;
    if (!option->metavar) {
        if (value) return cli_usage_error(arguments->command, "--%s takes no value", option->name);
    } else if (!value) {
        if (*i + 1 >= argc)
            return cli_usage_error(arguments->command, "--%s needs a value: --%s %s", option->name,
                                   option->name, option->metavar);
        value = argv[++*i];
    }
    arguments->given[arguments->n_given++] = (cli_given){option, value};
    return 0;
}

int cli_arguments_read(const cli_command *command, int argc, char **argv,
                       cli_arguments *arguments) {
    *arguments = (cli_arguments){.command = command,
                                 .words = calloc((size_t)argc + 1, sizeof *arguments->words),
                                 .given = calloc((size_t)argc + 1, sizeof *arguments->given)};
    if (!arguments->words || !arguments->given) {
        const iv_error error = {IV_ENOMEM, "out of memory while reading the arguments"};
        return cli_fail(&error);
    }
    bool only_words = false;
    for (int i = 1; i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (!only_words && argv[i][0] == '-' && argv[i][1]) {
            const int wrong = read_option(argc, argv, &i, arguments);
            if (wrong) return wrong;
        } else {
            if (arguments->n_words == command->most_words)
                return cli_usage_error(command, "unexpected argument \"%s\"", argv[i]);
            arguments->words[arguments->n_words++] = argv[i];
        }
    }
    if (arguments->n_words >= command->least_words) return 0;
    const int wrong = cli_usage_error(command, "needs %s", command->needs);
    if (command->offer) command->offer(stderr);
    return wrong;
}

void cli_arguments_free(cli_arguments *arguments) {
    free(arguments->words);
    free(arguments->given);
    *arguments = (cli_arguments){0};
}

static const cli_given *last_given(const cli_arguments *arguments, const char *name) {
    for (size_t i = arguments->n_given; i-- > 0;)
        if (strcmp(arguments->given[i].option->name, name) == 0) return &arguments->given[i];
    return NULL;
}

const char *cli_value(const cli_arguments *arguments, const char *name) {
    const cli_given *given = last_given(arguments, name);
    return given ? given->value : NULL;
}

bool cli_has(const cli_arguments *arguments, const char *name) {
    return last_given(arguments, name) != NULL;
}

bool cli_overrides_read(const cli_arguments *arguments, cli_overrides *overrides) {
    overrides->n = 0;
    overrides->texts = calloc(arguments->n_given + 1, sizeof *overrides->texts);
    if (!overrides->texts) return false;
    for (size_t i = 0; i < arguments->n_given; i++) {
        const cli_given *given = &arguments->given[i];
        if (strcmp(given->option->name, "set") == 0) {
            overrides->texts[overrides->n++] = given->value;
        } else if (strcmp(given->option->name, "seeds") == 0) {
            snprintf(overrides->seeds, sizeof overrides->seeds, "seeds=%.50s", given->value);
            overrides->texts[overrides->n++] = overrides->seeds;
        }
    }
    return true;
}

/* ------------------------------------------------------------------ help */

enum { LINE_WIDTH = 79, INDENT = 4, GAP = 2 };

/* Words from `column` on, broken so that no line is longer than LINE_WIDTH. */
static void print_wrapped(FILE *out, const char *text, int column) {
    int at = column;
    while (*text) {
        const int length = (int)strcspn(text, " ");
        if (at > column && at + 1 + length > LINE_WIDTH) {
            fprintf(out, "\n%*s", column, "");
            at = column;
        } else if (at > column) {
            fputc(' ', out);
            at++;
        }
        fprintf(out, "%.*s", length, text);
        at += length;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static int option_width(const cli_option *option) {
    return (int)(strlen(option->name) + 2 + (option->metavar ? strlen(option->metavar) + 1 : 0));
}

static void print_options(FILE *out, const cli_option *options) {
    int width = 0;
    for (const cli_option *option = options; option->name; option++)
        if (option_width(option) > width) width = option_width(option);
    for (const cli_option *option = options; option->name; option++) {
        fprintf(out, "%*s--%s%s%s%*s", INDENT, "", option->name, option->metavar ? " " : "",
                option->metavar ? option->metavar : "", width - option_width(option) + GAP, "");
        print_wrapped(out, option->help, INDENT + width + GAP);
    }
}

void cli_print_help(FILE *out, const cli_command *command) {
    const char *form = command->synopsis;
    for (const char *lead = "usage:"; form; lead = "      ") {
        fprintf(out, "%s invar %s %.*s\n", lead, command->name, (int)strcspn(form, "\n"), form);
        form = strchr(form, '\n');
        if (form) form++;
    }
    fprintf(out, "\n%s", command->description);
    if (command->options && command->options->name) {
        fputc('\n', out);
        print_options(out, command->options);
    }
    if (command->notes) fprintf(out, "\n%s", command->notes);
}
