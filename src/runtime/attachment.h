/* What other rooms keep with a context. */
#ifndef INVAR_RUNTIME_ATTACHMENT_H
#define INVAR_RUNTIME_ATTACHMENT_H

#include <invar/runtime.h>

/* Keep an object of another room with the context, which destroys it (also if this fails). It
 * replaces what was attached under the key before. */
iv_status iv_context_attach(iv_context *context, const char *key, void *object,
                            void (*destroy)(void *object));

/* What is attached under the key; NULL if nothing is. */
void *iv_context_attached(const iv_context *context, const char *key);

#endif
