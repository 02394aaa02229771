/* Text that several rooms show to people: "did you mean", text of strangers, durations. */
#ifndef INVAR_RUNTIME_TEXT_H
#define INVAR_RUNTIME_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Insertions, deletions, replacements and swaps of neighbours that turn one word into the other;
 * SIZE_MAX if one of them is longer than 64 bytes. */
size_t iv_word_distance(const char *a, const char *b);

/* Whether `candidate` is near enough to `text` to ask "did you mean", and nearer than *best, which
 * it lowers then. Begin with *best = SIZE_MAX. */
bool iv_word_nearer(const char *text, const char *candidate, size_t *best);

/* Put ? in the place of characters that control a terminal, of ASCII and of UTF-8 alike, but for line
 * ends and tabs: text from a file may hold them. */
void iv_tame(char *text);

/* "1 h 02 min", "3 min 10 s", "42 s", "3.2 s"; what is not above 0 is "0 s". */
void iv_format_duration(double seconds, char *text, size_t size);

#endif
