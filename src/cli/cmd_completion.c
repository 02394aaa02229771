/* invar completion: what a shell needs to complete commands, options and names of specs, written from the commands' own
 * tables. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static bool takes_spec(const cli_command *command) {
    return command->offer == cli_print_specs;
}

/* ------------------------------------------------------------------ bash */

static void print_commands(const char *before) {
    for (size_t i = 0; cli_command_get(i); i++)
        printf("%s%s", i ? " " : before, cli_command_get(i)->name);
}

static void bash(void) {
    puts("# bash completion for invar; in ~/.bashrc: source <(invar completion bash)\n"
         "_invar() {\n"
         "    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} known=\n"
         "    COMPREPLY=()");
    print_commands("    local commands='");
    puts(" help'\n"
         "    case $command:$COMP_CWORD:$word in\n"
         "    *:1:*|help:2:*) known=$commands ;;");
    for (size_t i = 0; cli_command_get(i); i++) {
        const cli_command *command = cli_command_get(i);
        printf("    %s:*:-*) known='--help", command->name);
        for (const cli_option *option = command->options; option && option->name; option++)
            printf(" --%s", option->name);
        puts("' ;;");
        if (takes_spec(command))
            printf("    %s:2:*) known=$(\"${COMP_WORDS[0]}\" spec --names 2>/dev/null) ;;\n",
                   command->name);
    }
    puts("    esac\n"
         "    COMPREPLY=($(compgen -W \"$known\" -- \"$word\"))\n"
         "}\n"
         "complete -o default -F _invar invar");
}

/* ------------------------------------------------------------------ zsh */

/* In single quotes, with a backslash before characters that end a part of a description. */
static void print_zsh(const char *text, const char *special) {
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            printf("%s%c", strchr(special, *text) ? "\\" : "", *text);
    }
}

static void zsh(void) {
    puts("#compdef invar\n"
         "# zsh completion for invar; as _invar in a folder of $fpath: invar completion zsh\n"
         "_invar() {\n"
         "    local -a commands specs\n"
         "    commands=(");
    for (size_t i = 0; cli_command_get(i); i++) {
        printf("        '%s:", cli_command_get(i)->name);
        print_zsh(cli_command_get(i)->summary, ":\\");
        puts("'");
    }
    puts("        'help:explain a command'\n"
         "    )\n"
         "    if (( CURRENT == 2 )) || [[ $words[2] == help ]]; then\n"
         "        _describe command commands\n"
         "        return\n"
         "    fi\n"
         "    specs=(${(f)\"$($words[1] spec --names 2>/dev/null)\"})\n"
         "    local command=$words[2]\n"
         "    shift words\n"
         "    (( CURRENT-- ))\n"
         "    case $command in");
    for (size_t i = 0; cli_command_get(i); i++) {
        const cli_command *command = cli_command_get(i);
        printf("    %s) _arguments '--help[explain the command]'", command->name);
        for (const cli_option *option = command->options; option && option->name; option++) {
            printf(" \\\n        '*--%s[", option->name);
            print_zsh(option->help, "[]\\");
            printf(option->metavar ? "]:%s:_files'" : "]'", option->metavar);
        }
        printf(" \\\n        %s ;;\n",
               takes_spec(command) ? "'1:spec:{ compadd -a specs; _files }'" : "'*:file:_files'");
    }
    puts("    esac\n"
         "}\n"
         "_invar \"$@\"");
}

/* ------------------------------------------------------------------ fish */

static void print_fish(const char *text) {
    putchar('\'');
    for (; *text; text++) printf("%s%c", *text == '\'' || *text == '\\' ? "\\" : "", *text);
    putchar('\'');
}

static void fish(void) {
    puts("# fish completion for invar; in ~/.config/fish/completions/invar.fish:\n"
         "# invar completion fish");
    for (size_t i = 0; cli_command_get(i); i++) {
        const cli_command *command = cli_command_get(i);
        printf("complete -c invar -n __fish_use_subcommand -f -a %s -d ", command->name);
        print_fish(command->summary);
        putchar('\n');
        for (const cli_option *option = command->options; option && option->name; option++) {
            printf("complete -c invar -n '__fish_seen_subcommand_from %s' -l %s%s -d ",
                   command->name, option->name, option->metavar ? " -r" : "");
            print_fish(option->help);
            putchar('\n');
        }
        if (takes_spec(command))
            printf("complete -c invar -n '__fish_seen_subcommand_from %s' -a "
                   "'(invar spec --names 2>/dev/null)'\n",
                   command->name);
    }
}

/* ------------------------------------------------------------------ the subcommand */

static int run(const cli_arguments *arguments) {
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        if (strcmp(arguments->words[0], shells[i].name) == 0) {
            shells[i].print();
            return 0;
        }
    return cli_usage_error(arguments->command,
                           "there is no shell \"%s\", expected bash, zsh or fish",
                           arguments->words[0]);
}

static const cli_option options[] = {CLI_END};

const cli_command cli_completion = {
    .name = "completion",
    .summary = "print what a shell needs to complete commands, options and specs",
    .synopsis = "bash|zsh|fish",
    .description =
        "Print a script for a shell, which then completes commands, options and the names of\n"
        "specs:\n"
        "\n"
        "    source <(invar completion bash)                    in ~/.bashrc\n"
        "    invar completion zsh >FOLDER/_invar                a folder of $fpath\n"
        "    invar completion fish >~/.config/fish/completions/invar.fish\n",
    .needs = "a shell: bash, zsh or fish",
    .least_words = 1,
    .most_words = 1,
    .options = options,
    .run = run,
};
