/* core/status.c: status texts, and filling in an rg_error. */
#include "rodgrad/status.h"

#include <stdarg.h>
#include <stdio.h>

const char *rg_status_text(rg_status status)
{
    switch (status) {
#define STATUS_TEXT(name, code, text)                                                                                  \
    case name: return text;
        RG_STATUS_LIST(STATUS_TEXT)
#undef STATUS_TEXT
    }
    return "an unknown status";
}

rg_status rg_error_set(rg_error *err, rg_status status, const char *file, int line, const char *format, ...)
{
    if (!err) return status;
    err->status = status;
    err->file = file;
    err->line = line;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(err->text, sizeof err->text, format, arguments);
    va_end(arguments);
    if (length < 0) snprintf(err->text, sizeof err->text, "%s", rg_status_text(status));
    /* the text may quote a path or a file's contents: keep it on one line */
    for (char *c = err->text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    return status;
}
