/* Numbers in texts are written and read as C does, whatever locale the program has chosen that the
 * library is a part of: between begin and end, on this thread alone. Every function that others
 * call and that writes or reads such numbers stands between them; pairs may lie within others. */
#ifndef INVAR_RUNTIME_NUMERIC_H
#define INVAR_RUNTIME_NUMERIC_H

#include <locale.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif

typedef struct {
    locale_t plain, before;
} iv_numeric;

iv_numeric iv_numeric_begin(void);
void iv_numeric_end(iv_numeric numeric);

#endif
