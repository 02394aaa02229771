/* Kernel sources: the embedded files, and those that users add, whose includes are resolved as
 * cl/embed.py resolves those of the files. */
#include "runtime/context.h"

#include "runtime/kernels.h"
#include "runtime/text_builder.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const iv_embedded_kernel *find_embedded(const char *file) {
    for (const iv_embedded_kernel *embedded = iv_embedded_kernels; embedded->name; embedded++)
        if (!strcmp(embedded->name, file)) return embedded;
    return NULL;
}

const iv_embedded_kernel *iv_kernel_source(const iv_context *context, const char *file) {
    for (size_t i = 0; i < context->n_added; i++)
        if (!strcmp(context->added[i]->source.name, file)) return &context->added[i]->source;
    return find_embedded(file);
}

/* ------------------------------------------------------------------ resolving includes */

enum { FILE_NAME = 64 };

/* The text so far, and the files that are in it already. */
typedef struct {
    iv_text text;
    bool *seen; /* of each embedded file */
} resolved;

/* Whether a file is in the text now or was before; from then on it is. Names end in ".cl". */
static bool was_seen(resolved *r, const char *name) {
    char stem[FILE_NAME];
    snprintf(stem, sizeof stem, "%.*s", (int)strcspn(name, "."), name);
    const iv_embedded_kernel *file = find_embedded(stem);
    if (!file) return false;
    bool *seen = &r->seen[file - iv_embedded_kernels];
    const bool before = *seen;
    *seen = true;
    return before;
}

/* An embedded file holds what it includes: `#line 1 "FILE"` begins an included file, and another
 * number goes on in the one that includes it. What was seen is left out up to there. */
static void append_embedded(resolved *r, const iv_embedded_kernel *file) {
    char current[FILE_NAME] = "", skipped_from[FILE_NAME] = "";
    for (const char *const *line = file->lines; *line; line++) {
        char name[FILE_NAME];
        size_t number;
        if (sscanf(*line, "#line %zu \"%63[^\"]\"", &number, name) == 2) {
            if (!*skipped_from && number == 1 && was_seen(r, name))
                strcpy(skipped_from, *current ? current : "nothing");
            else if (number > 1 && strcmp(name, skipped_from) == 0)
                *skipped_from = '\0';
            if (!*skipped_from) strcpy(current, name);
        }
        if (!*skipped_from) iv_text_add(&r->text, *line);
    }
}

/* Where the name of `#include "NAME.cl"` begins, and how long it is; NULL for another line. */
static const char *included(const char *line, size_t *length) {
    while (*line == ' ' || *line == '\t') line++;
    if (*line++ != '#') return NULL;
    while (*line == ' ' || *line == '\t') line++;
    if (strncmp(line, "include", 7) != 0) return NULL;
    line += 7;
    while (*line == ' ' || *line == '\t') line++;
    if (*line++ != '"') return NULL;
    *length = strcspn(line, "\"\n");
    return line[*length] == '"' ? line : NULL;
}

static iv_status resolve(iv_context *context, const char *name, const char *source, resolved *r) {
    char mark[FILE_NAME + 32], file[FILE_NAME];
    snprintf(mark, sizeof mark, "#line 1 \"%s\"\n", name);
    iv_text_add(&r->text, mark);
    size_t number = 1;
    for (const char *line = source; *line; number++) {
        size_t n = strcspn(line, "\n"), length;
        const char *what = included(line, &length);
        if (what) {
            snprintf(file, sizeof file, "%.*s", (int)length, what);
            char *end = strstr(file, ".cl");
            if (end && !end[3]) *end = '\0';
            const iv_embedded_kernel *embedded = end ? find_embedded(file) : NULL;
            if (!embedded)
                return iv_fail(&context->error, IV_EINVAL,
                               "%s:%zu: there is no kernel file \"%.*s\" to include", name, number,
                               (int)length, what);
            append_embedded(r, embedded);
            snprintf(mark, sizeof mark, "#line %zu \"%s\"\n", number + 1, name);
            iv_text_add(&r->text, mark);
        } else {
            iv_text_add_bytes(&r->text, line, n);
            iv_text_add(&r->text, "\n");
        }
        line += n + (line[n] == '\n');
    }
    return IV_OK;
}

/* ------------------------------------------------------------------ adding */

static bool is_name(const char *name) {
    size_t n = 0;
    while (isalnum((unsigned char)name[n]) || name[n] == '_' || name[n] == '-') n++;
    return n > 0 && n < FILE_NAME && !name[n];
}

static iv_status no_memory(iv_context *context, const char *name) {
    return iv_fail(&context->error, IV_ENOMEM, "no memory for the kernels of \"%s\"", name);
}

/* Takes the text. */
static iv_status keep(iv_context *context, const char *name, char *text) {
    iv_added_program *added = calloc(1, sizeof *added);
    iv_added_program **grown =
        realloc(context->added, (context->n_added + 1) * sizeof *context->added);
    if (grown) context->added = grown;
    if (!added || !grown) {
        free(added);
        free(text);
        return no_memory(context, name);
    }
    strcpy(added->name, name);
    added->lines[0] = added->text = text;
    added->source = (iv_embedded_kernel){added->name, added->lines};
    grown[context->n_added++] = added;
    return IV_OK;
}

iv_status iv_program_add(iv_context *context, const char *name, const char *source) {
    if (!is_name(name))
        return iv_fail(&context->error, IV_EINVAL,
                       "\"%s\" cannot be the name of kernels: up to %d letters, digits, - and _",
                       name, FILE_NAME - 1);
    if (find_embedded(name))
        return iv_fail(&context->error, IV_EINVAL, "the library has kernels called \"%s\"", name);
    size_t n_embedded = 0;
    while (iv_embedded_kernels[n_embedded].name) n_embedded++;
    resolved r = {.seen = calloc(n_embedded, sizeof *r.seen)};
    iv_status status = r.seen ? resolve(context, name, source, &r) : no_memory(context, name);
    if (status == IV_OK && r.text.failed) status = no_memory(context, name);
    free(r.seen);
    const iv_embedded_kernel *known = status == IV_OK ? iv_kernel_source(context, name) : NULL;
    if (known && strcmp(known->lines[0], r.text.data) != 0)
        status =
            iv_fail(&context->error, IV_EINVAL,
                    "the context has other kernels called \"%s\": give these another name", name);
    if (status == IV_OK && !known) return keep(context, name, r.text.data);
    iv_text_free(&r.text);
    return status;
}

void iv_added_programs_release(iv_context *context) {
    for (size_t i = 0; i < context->n_added; i++) {
        free(context->added[i]->text);
        free(context->added[i]);
    }
    free(context->added);
    context->added = NULL;
    context->n_added = 0;
}
