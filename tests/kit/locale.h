/* A program with a decimal comma, as the library may be a part of. */
#ifndef INVAR_TESTS_KIT_LOCALE_H
#define INVAR_TESTS_KIT_LOCALE_H

#include "files.h"

#include <locale.h>

/* Choose a locale in which 0.5 is written 0,5: one of the system's, or one that is made in the
 * scratch folder. False if there is none. setlocale(LC_ALL, "C") ends it. */
bool choose_decimal_comma(void);

#endif
