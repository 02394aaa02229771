/* Pages of HTML. Pictures are data URIs, so that neither their ids nor anything else in them meets
 * the page. */
#include "report/page.h"

#include "report/file.h"

#include <stdlib.h>
#include <string.h>

static const char style[] =
    ":root{color-scheme:light dark}\n"
    "body{font:16px/1.5 system-ui,sans-serif;color:#222;background:#fff;max-width:84rem;"
    "margin:2rem auto;padding:0 1rem}\n"
    "p,dl,pre,figcaption,.claims{max-width:60rem}\n"
    "h1{font-size:1.7rem;margin:2.5rem 0 .5rem;overflow-wrap:anywhere}\n"
    "h2{font-size:1.2rem;margin:2rem 0 .5rem;border-bottom:1px solid #ddd}\n"
    "h2,h3,p,figcaption{overflow-wrap:anywhere}h3{font-size:1rem;margin:1.5rem 0 .3rem}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;font-size:.9rem}\n"
    "dt{color:#666}dd{margin:0;overflow-wrap:anywhere}\n"
    ".scroll{overflow-x:auto}\n"
    "table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}\n"
    "caption{text-align:left;font-weight:600;padding-bottom:.3rem}\n"
    "th,td{padding:.25rem .9rem .25rem 0;text-align:left;vertical-align:top}\n"
    "thead th{border-bottom:2px solid #444}tbody tr+tr>*{border-top:1px solid #eee}\n"
    "td{white-space:nowrap}.claims td{white-space:normal}\n"
    ".published{display:block;color:#666;font-size:.85em}\n"
    ".yes{color:#00694d}.no{color:#a63c00;font-weight:600}\n"
    "figure{margin:1.5rem 0}figure img{width:100%;max-width:48rem;height:auto}\n"
    "figure img.pixels{width:auto;max-width:100%;image-rendering:pixelated;display:block}\n"
    "figcaption,.note{color:#666;font-size:.9rem}\n"
    ".gallery{display:flex;flex-wrap:wrap;gap:1rem 2rem}.gallery figure{margin:0;max-width:24rem}\n"
    "pre{background:#f6f6f6;padding:1rem;overflow-x:auto;font-size:.85rem}\n"
    "@media (max-width:40rem){dl{grid-template-columns:1fr}dt{margin-top:.4rem}\n"
    "figure{margin:1rem 0}body{margin:1rem auto}}\n"
    /* Pictures stay black on white. */
    "@media screen and (prefers-color-scheme:dark){body{color:#ddd;background:#16181c}\n"
    "h2,tbody tr+tr>*{border-color:#3a3f46}thead th{border-color:#999}a{color:#8ab4f8}\n"
    "dt,.published,figcaption,.note{color:#a0a6ad}.yes{color:#5fcfa5}.no{color:#ff9d6b}\n"
    "pre{background:#22252a}figure img{background:#fff}}\n"
    /* Paper does not scroll: nothing may stick out of the page. */
    "@media print{body{max-width:none;margin:0}.scroll,pre{overflow:visible}\n"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere}table{font-size:.8rem}\n"
    "td,th{white-space:normal;padding-right:.5rem}figure,tr{break-inside:avoid}}\n";

void iv_page_begin(iv_text *text, const char *title) {
    iv_text_add(text, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    iv_page_element(text, "<title>", title, "</title>\n");
    iv_text_format(text, "<style>\n%s</style>\n</head>\n<body>\n", style);
}

void iv_page_end(iv_text *text) {
    iv_text_add(text, "</body>\n</html>\n");
}

void iv_page_element(iv_text *text, const char *open, const char *content, const char *close) {
    iv_text_add(text, open);
    iv_text_html(text, content);
    iv_text_add(text, close);
}

void iv_page_fact(iv_text *text, const char *label, const char *value) {
    iv_page_element(text, "<dt>", label, "</dt>");
    iv_page_element(text, "<dd>", value, "</dd>\n");
}

void iv_page_open_box(iv_text *text, const char *label) {
    iv_page_element(text, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"",
                    label && *label ? label : "Results", "\">");
}

iv_status iv_page_add_picture(iv_text *text, const char *path, const char *alt, bool pixels,
                              iv_error *error) {
    const size_t length = strlen(path);
    const bool is_svg = length > 4 && strcmp(path + length - 4, ".svg") == 0;
    char *bytes = NULL;
    size_t n = 0;
    const iv_status status = iv_file_read(path, &bytes, &n, error);
    if (status == IV_OK) {
        iv_page_element(text, pixels ? "<img class=\"pixels\" alt=\"" : "<img alt=\"", alt,
                        "\" src=\"data:image/");
        iv_text_add(text, is_svg ? "svg+xml;base64," : "png;base64,");
        iv_text_base64(text, (const unsigned char *)bytes, n);
        iv_text_add(text, "\">\n");
    }
    free(bytes);
    return status;
}
