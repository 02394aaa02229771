/* YAML to nodes through libyaml's events, refusing early what a spec never needs. */
#include "spec/stages.h"

#include <string.h>
#include <yaml.h>

typedef struct {
    spec_context *context;
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; {0} before the first */
    const char *text;
    size_t n_bytes;
    const char *set_key;
} reader;

static spec_mark mark_at(const reader *r, yaml_mark_t mark) {
    return (spec_mark){r->context->file, (unsigned)mark.line + 1, (unsigned)mark.column + 1,
                       r->set_key, r->context->level};
}

static spec_mark mark_of_byte(const reader *r, size_t offset) {
    spec_mark mark = {r->context->file, 1, 1, r->set_key, r->context->level};
    for (size_t i = 0; i < offset && i < r->n_bytes; i++) {
        unsigned char c = (unsigned char)r->text[i];
        bool crlf = c == '\r' && i + 1 < r->n_bytes && r->text[i + 1] == '\n';
        if ((c == '\n' || c == '\r') && !crlf) {
            mark.line++;
            mark.column = 1;
        } else if ((c & 0xC0) != 0x80 && !crlf) { /* columns count characters, as libyaml's do */
            mark.column++;
        }
    }
    return mark;
}

/* Length of the valid UTF-8 sequence at `s`, of at most `n` bytes; 0 if there is none. */
static size_t utf8_length(const unsigned char *s, size_t n) {
    if (s[0] < 0x80) return 1;
    size_t length = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4 || length > n) return 0;
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0;
    }
    bool overlong = (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xF0 && s[1] < 0x90);
    bool not_a_character = (s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF4 && s[1] > 0x8F);
    return overlong || not_a_character ? 0 : length;
}

static iv_status check_bytes(reader *r) {
    const unsigned char *s = (const unsigned char *)r->text;
    size_t length;
    for (size_t i = 0; i < r->n_bytes; i += length) {
        length = utf8_length(s + i, r->n_bytes - i);
        if (length == 0 || s[i] == '\0') {
            return spec_fail(r->context, mark_of_byte(r, i), "%s, expected YAML text in UTF-8",
                             length == 0 ? "invalid UTF-8" : "a NUL byte");
        }
    }
    return IV_OK;
}

static iv_status next(reader *r) {
    yaml_event_delete(&r->event);
    memset(&r->event, 0, sizeof r->event);
    if (yaml_parser_parse(&r->parser, &r->event)) return IV_OK;

    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR) {
        return iv_fail(r->context->error, IV_ENOMEM, "out of memory for the spec");
    }
    spec_mark mark = p->error == YAML_READER_ERROR ? mark_of_byte(r, p->problem_offset)
                                                   : mark_at(r, p->problem_mark);
    return spec_fail(r->context, mark, "not YAML: %s%s%s, expected a map of keys and values",
                     p->problem ? p->problem : "unreadable", p->context ? " " : "",
                     p->context ? p->context : "");
}

/* What every node may not have. */
static iv_status refuse(reader *r, const yaml_char_t *anchor, const yaml_char_t *tag) {
    spec_mark mark = mark_at(r, r->event.start_mark);
    if (r->event.type == YAML_ALIAS_EVENT) {
        return spec_fail(r->context, mark, "an alias (*), expected the value itself written out");
    }
    if (anchor) {
        return spec_fail(r->context, mark, "an anchor (&%s), expected the value alone",
                         spec_shown(r->context, (const char *)anchor));
    }
    if (tag) {
        return spec_fail(r->context, mark, "a tag (%s), expected the value alone",
                         spec_shown(r->context, (const char *)tag));
    }
    return IV_OK;
}

static iv_status read_scalar(reader *r, const char **text, bool *quoted) {
    const yaml_event_t *event = &r->event;
    iv_status status =
        refuse(r, event->type == YAML_SCALAR_EVENT ? event->data.scalar.anchor : NULL,
               event->type == YAML_SCALAR_EVENT ? event->data.scalar.tag : NULL);
    if (status != IV_OK) return status;
    size_t length = event->data.scalar.length;
    if (memchr(event->data.scalar.value, '\0', length)) {
        return spec_fail(r->context, mark_at(r, event->start_mark),
                         "a text with a NUL character, expected one without");
    }
    *quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    *text = spec_copy(r->context, (const char *)event->data.scalar.value, length);
    return *text ? IV_OK : IV_ENOMEM;
}

static iv_status read_node(reader *r, unsigned depth, iv_node **node);

static iv_status read_list(reader *r, unsigned depth, iv_node *list) {
    iv_status status;
    while ((status = next(r)) == IV_OK && r->event.type != YAML_SEQUENCE_END_EVENT) {
        iv_node *element;
        status = read_node(r, depth, &element);
        if (status == IV_OK) status = spec_append(r->context, list, NULL, element->mark, element);
        if (status != IV_OK) break;
    }
    return status;
}

static iv_status read_key(reader *r, const iv_node *map, const char **key, spec_mark *mark) {
    bool quoted;
    *mark = mark_at(r, r->event.start_mark);
    if (r->event.type != YAML_SCALAR_EVENT && r->event.type != YAML_ALIAS_EVENT) {
        return spec_fail(r->context, *mark, "a list or map as a key, expected a word");
    }
    iv_status status = read_scalar(r, key, &quoted);
    if (status != IV_OK) return status;
    const spec_entry *earlier = spec_find(map, *key, strlen(*key));
    if (!earlier) return IV_OK;
    return spec_fail(r->context, *mark,
                     "duplicate key `%s`, expected once (it is also at line %u, column %u)",
                     spec_shown(r->context, *key), earlier->mark.line, earlier->mark.column);
}

static iv_status read_map(reader *r, unsigned depth, iv_node *map) {
    iv_status status;
    while ((status = next(r)) == IV_OK && r->event.type != YAML_MAPPING_END_EVENT) {
        const char *key;
        spec_mark mark;
        iv_node *value = NULL;
        status = read_key(r, map, &key, &mark);
        if (status == IV_OK) status = next(r);
        if (status == IV_OK) status = read_node(r, depth, &value);
        if (status == IV_OK) status = spec_append(r->context, map, key, mark, value);
        if (status != IV_OK) break;
    }
    return status;
}

/* Read the node that the current event begins. */
static iv_status read_node(reader *r, unsigned depth, iv_node **node) {
    const yaml_event_t *event = &r->event;
    spec_mark mark = mark_at(r, event->start_mark);
    bool is_list = event->type == YAML_SEQUENCE_START_EVENT;
    bool is_map = event->type == YAML_MAPPING_START_EVENT;

    *node = spec_node_new(r->context, is_list ? SPEC_LIST : is_map ? SPEC_MAP : SPEC_SCALAR, mark);
    if (!*node) return r->context->error->status;
    if (!is_list && !is_map) return read_scalar(r, &(*node)->text, &(*node)->quoted);

    iv_status status =
        is_list ? refuse(r, event->data.sequence_start.anchor, event->data.sequence_start.tag)
                : refuse(r, event->data.mapping_start.anchor, event->data.mapping_start.tag);
    if (status != IV_OK) return status;
    if (depth >= IV_SPEC_MAX_DEPTH) {
        return spec_fail(r->context, mark, "nested too deeply, expected at most %d levels",
                         IV_SPEC_MAX_DEPTH);
    }
    return is_list ? read_list(r, depth + 1, *node) : read_map(r, depth + 1, *node);
}

static iv_status read_stream(reader *r, iv_node **root) {
    iv_status status = next(r); /* stream start */
    if (status == IV_OK) status = next(r);
    if (status != IV_OK || r->event.type == YAML_STREAM_END_EVENT) return status;
    status = next(r);
    if (status == IV_OK) status = read_node(r, 0, root);
    if (status == IV_OK) status = next(r); /* document end */
    if (status == IV_OK) status = next(r);
    if (status == IV_OK && r->event.type != YAML_STREAM_END_EVENT) {
        status = spec_fail(r->context, mark_at(r, r->event.start_mark),
                           "a second document, expected one");
    }
    return status;
}

iv_status spec_read_text(spec_context *context, const char *text, size_t n_bytes,
                         const char *set_key, iv_node **root) {
    static const char mark[] = "\xEF\xBB\xBF"; /* some editors begin a text in UTF-8 with it */
    const size_t n_mark = n_bytes >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0;
    reader r = {
        .context = context, .text = text + n_mark, .n_bytes = n_bytes - n_mark, .set_key = set_key};
    *root = NULL;
    if (n_bytes > IV_SPEC_MAX_BYTES) {
        return spec_fail(context, (spec_mark){context->file, 1, 1, set_key, context->level},
                         "more than %d bytes, expected a smaller spec", IV_SPEC_MAX_BYTES);
    }
    iv_status status = check_bytes(&r);
    if (status != IV_OK) return status;
    if (!yaml_parser_initialize(&r.parser)) {
        return iv_fail(context->error, IV_ENOMEM, "out of memory for the spec");
    }
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)r.text, r.n_bytes);
    status = read_stream(&r, root);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    return status;
}
