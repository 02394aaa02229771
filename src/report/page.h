/* Pages of HTML that need no other file: what all of Invar's reports are made of. */
#ifndef INVAR_REPORT_PAGE_H
#define INVAR_REPORT_PAGE_H

#include "runtime/text_builder.h"

#include <stdbool.h>

/* Everything before and after a page's content. */
void iv_page_begin(iv_text *text, const char *title);
void iv_page_end(iv_text *text);

/* open, the content escaped, close */
void iv_page_element(iv_text *text, const char *open, const char *content, const char *close);

/* One line of a <dl>. */
void iv_page_fact(iv_text *text, const char *label, const char *value);

/* A box that scrolls sideways where its content is wider than the page, also by keyboard; ends with
 * </div>. label: of what is in it; NULL or "": results. */
void iv_page_open_box(iv_text *text, const char *label);

/* A PNG or an SVG file, by its ending, as an <img> that holds its bytes. pixels: they are not to be
 * blurred. IV_EDATA if it cannot be read. */
iv_status iv_page_add_picture(iv_text *text, const char *path, const char *alt, bool pixels,
                              iv_error *error);

#endif
