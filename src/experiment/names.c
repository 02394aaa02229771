/* Names of rows, figures and populations. */
#include "experiment/experiment.h"

#include <ctype.h>
#include <string.h>

void experiment_label(const iv_experiment *x, size_t index, char label[EXPERIMENT_PATH]) {
    const iv_population *p = &x->populations.items[index];
    const iv_spec_run *run = p->members[0].run;
    snprintf(label, EXPERIMENT_PATH, "%.100s%s%.40s x %zu (%zu of %zu)", run->column,
             *run->variant ? " " : "", run->variant, p->n_members, index + 1, x->populations.n);
}

bool iv_name_remove(char *list, const char *piece) {
    const size_t length = strlen(piece);
    for (char *at = strstr(list, piece); at; at = strstr(at + 1, piece)) {
        char *end = at + length;
        if ((at > list && at[-1] != '-') || (*end != '-' && *end != '\0')) continue;
        if (*end == '-')
            end++;
        else if (at > list)
            at--;
        memmove(at, end, strlen(end) + 1);
        return true;
    }
    return false;
}

void iv_name_spaces(char *list) {
    /* a "-" before a digit is an exponent's sign */
    for (char *at = list; *at; at++)
        if (*at == '-' && !isdigit((unsigned char)at[1])) *at = ' ';
}

void iv_figure_name(const char *figure, const char *what, char name[IV_FIGURE_NAME]) {
    size_t n = (size_t)snprintf(name, IV_FIGURE_NAME, "%s-", figure);
    for (; *what && n + 1 < IV_FIGURE_NAME; what++)
        if (*what != '=') name[n++] = isalnum((unsigned char)*what) || *what == '.' ? *what : '-';
    name[n] = '\0';
}
