/* invar man: the manual page, written from the commands' own tables. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

/* Text as roff wants it: nothing of it is a request or an escape, dashes are those of the keyboard. */
static void print_text(const char *text, size_t length) {
    bool begins = true;
    for (size_t i = 0; i < length; i++) {
        const char c = text[i];
        if (begins && (c == '.' || c == '\'')) fputs("\\&", stdout);
        if (c == '\\')
            fputs("\\e", stdout);
        else if (c == '-')
            fputs("\\-", stdout);
        else
            putchar(c);
        begins = c == '\n';
    }
}

static void print_whole(const char *text) {
    print_text(text, strlen(text));
}

/* Lines that are laid out by hand stay as they are. */
static void print_lines(const char *text) {
    puts(".nf");
    print_whole(text);
    if (*text && text[strlen(text) - 1] != '\n') putchar('\n');
    puts(".fi");
}

static void print_synopsis(const cli_command *command) {
    const char *form = command->synopsis;
    do {
        const size_t length = strcspn(form, "\n");
        printf(".br\n.B invar %s\n", command->name);
        if (length > 0) {
            print_text(form, length);
            putchar('\n');
        }
        form = form[length] ? form + length + 1 : NULL;
    } while (form);
}

static void print_options(const cli_option *option) {
    for (; option && option->name; option++) {
        fputs(".TP\n.BR \\-\\-", stdout);
        print_whole(option->name);
        if (option->metavar) {
            fputs(" \" ", stdout);
            print_whole(option->metavar);
            putchar('"');
        }
        putchar('\n');
        print_whole(option->help);
        putchar('\n');
    }
}

static void print_command(const cli_command *command) {
    fputs(".SS invar ", stdout);
    print_whole(command->name);
    putchar('\n');
    print_whole(command->summary);
    puts(".\n.PP");
    print_synopsis(command);
    puts(".PP");
    print_lines(command->description);
    print_options(command->options);
    if (!command->notes) return;
    puts(".PP");
    print_lines(command->notes);
}

static int run(const cli_arguments *arguments) {
    (void)arguments;
    printf(".TH INVAR 1 \"\" \"invar %s\" \"Invar\"\n"
           ".SH NAME\n"
           "invar \\- train and audit invariance in neural networks on any OpenCL device\n"
           ".SH SYNOPSIS\n"
           ".B invar\n"
           ".I COMMAND\n"
           "[ARGUMENTS]\n"
           ".br\n"
           ".B invar help\n"
           ".I COMMAND\n"
           ".br\n"
           ".B invar \\-\\-version\n"
           ".SH COMMANDS\n",
           iv_version());
    for (size_t i = 0; cli_command_get(i); i++) print_command(cli_command_get(i));
    puts(".SH EXIT STATUS\n"
         "0 when done, 1 for a failure while running, 2 for bad usage or a bad spec, 3 for no "
         "usable\n"
         "device, 4 for data that are missing or damaged, 130 when interrupted, with a checkpoint "
         "saved.");
    return 0;
}

static const cli_option options[] = {CLI_END};

const cli_command cli_man = {
    .name = "man",
    .summary = "print the manual page",
    .synopsis = "",
    .description = "Print invar(1), all commands on one page, for man and roff:\n"
                   "invar man > invar.1 && man ./invar.1\n",
    .options = options,
    .run = run,
};
