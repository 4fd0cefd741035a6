/* io/json_print.c: JSON for people to read and edit.
 *
 * A value that fits into the rest of its line stays on it; a longer object gets a line per member,
 * a longer list fills lines with its items. Whether a value fits is found by printing it into a
 * buffer of one line that stops when full: the cost is linear in the document at any nesting. */
#include "io/json_print.h"

#include <stdlib.h>
#include <string.h>

enum { LINE_WIDTH = 96, INDENT = 2 };

/* text of a value that has to fit into one line; `full` once it does not */
typedef struct line {
    char text[LINE_WIDTH + 1];
    size_t used, limit;
    int full;
} line;

static void line_put(line *out, const char *text)
{
    size_t n = strlen(text);
    if (out->full || out->used + n > out->limit) {
        out->full = 1;
        return;
    }
    memcpy(out->text + out->used, text, n + 1);
    out->used += n;
}

/* the fewest digits that read back as the same double; marked as a real for readers that care */
static void format_real(double value, char text[40])
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, 36, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    if (!strpbrk(text, ".e")) strcat(text, ".0");
}

/* text of a scalar, or of an object's key; NULL without memory. Free it. */
static char *scalar_text(const json_t *value)
{
    if (json_is_real(value)) {
        char *text = malloc(40);
        if (text) format_real(json_real_value(value), text);
        return text;
    }
    return json_dumps(value, JSON_ENCODE_ANY);
}

static char *key_text(const char *key)
{
    json_t *string = json_string(key);
    char *text = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
    json_decref(string);
    return text;
}

/* stops as soon as the line is full, so the cost is that of a line and not of the value */
static void line_value(line *out, json_t *value)
{
    const char *key;
    json_t *item;
    size_t i;
    if (out->full) return;
    if (json_is_object(value)) {
        line_put(out, "{");
        int first = 1;
        json_object_foreach(value, key, item) {
            char *text = key_text(key);
            if (!first) line_put(out, ", ");
            line_put(out, text ? text : "");
            line_put(out, ": ");
            line_value(out, item);
            if (!text) out->full = 1;
            free(text);
            first = 0;
            if (out->full) return;
        }
        line_put(out, "}");
    } else if (json_is_array(value)) {
        line_put(out, "[");
        json_array_foreach(value, i, item) {
            if (i) line_put(out, ", ");
            line_value(out, item);
            if (out->full) return;
        }
        line_put(out, "]");
    } else {
        char *text = scalar_text(value);
        line_put(out, text ? text : "");
        if (!text) out->full = 1;
        free(text);
    }
}

static int write_value(FILE *stream, json_t *value, int indent, size_t column);

static int write_object(FILE *stream, json_t *object, int indent)
{
    const char *key;
    json_t *item;
    if (fputs("{", stream) < 0) return 0;
    const char *separator = "";
    json_object_foreach(object, key, item) {
        char *text = key_text(key);
        int ok = text && fprintf(stream, "%s\n%*s%s: ", separator, indent + INDENT, "", text) > 0 &&
                 write_value(stream, item, indent + INDENT, (size_t)(indent + INDENT) + strlen(text) + 2);
        free(text);
        separator = ",";
        if (!ok) return 0;
    }
    return fprintf(stream, "\n%*s}", indent, "") > 0;
}

/* items fill lines; one that is longer than a line gets lines of its own */
static int write_array(FILE *stream, json_t *array, int indent)
{
    size_t i, column = LINE_WIDTH;
    json_t *item;
    if (fputs("[", stream) < 0) return 0;
    json_array_foreach(array, i, item) {
        line text = {.limit = LINE_WIDTH - 2};
        line_value(&text, item);
        size_t needed = text.full ? LINE_WIDTH : text.used;
        int wraps = column + 1 + needed + 1 > LINE_WIDTH;
        if (i && fputs(",", stream) < 0) return 0;
        if (wraps ? fprintf(stream, "\n%*s", indent + INDENT, "") < 0 : fputs(" ", stream) < 0) return 0;
        column = wraps ? (size_t)(indent + INDENT) + needed : column + 1 + needed;
        column += 1; /* the comma that follows */
        if (text.full ? !write_value(stream, item, indent + INDENT, (size_t)(indent + INDENT))
                      : fputs(text.text, stream) < 0)
            return 0;
    }
    return fprintf(stream, "\n%*s]", indent, "") > 0;
}

/* 1 when written, 0 on a full disk or without memory */
static int write_value(FILE *stream, json_t *value, int indent, size_t column)
{
    line text = {.limit = column + 8 < LINE_WIDTH ? LINE_WIDTH - column - 1 : 7};
    line_value(&text, value);
    if (!text.full) return fputs(text.text, stream) >= 0;
    if (json_is_object(value)) return write_object(stream, value, indent);
    if (json_is_array(value)) return write_array(stream, value, indent);
    char *scalar = scalar_text(value);
    int ok = scalar && fputs(scalar, stream) >= 0;
    free(scalar);
    return ok;
}

int rgi_json_print(FILE *stream, json_t *value)
{
    return write_value(stream, value, 0, LINE_WIDTH) && fputs("\n", stream) >= 0;
}
