/* io/csv.c: recordings as text, one frame a line.
 *
 * Columns: x0,y0,z0,x1,... and before them, where there is one column more, the time [s]. The
 * separator is the first of comma, semicolon and tab that the first line has, else blanks. Empty
 * lines and lines that begin with # are skipped; the first other line may name the columns, and
 * then each name must begin or end with its axis, so that a file of other columns is not misread.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/words.h"
#include "io/formats.h"

/* recorded times are rounded and jitter; beyond a tenth of the interval, frames are missing */
static const double TIME_TOLERANCE = 0.1;

typedef struct table {
    const char *name;
    rg_error *err;
    char separator;   /* ' ' for runs of blanks */
    size_t n_columns; /* 0: not known yet */
    size_t line;      /* line being read, from 1 */
    double *numbers;  /* [n_rows][n_columns] */
    size_t n_rows, capacity;
} table;

static char find_separator(const char *line)
{
    for (const char *s = ",;\t"; *s != '\0'; s++) {
        if (strchr(line, *s) != NULL) return *s;
    }
    return ' ';
}

static char *trim(char *cell)
{
    while (isspace((unsigned char)*cell)) cell++;
    size_t n = strlen(cell);
    while (n > 0 && isspace((unsigned char)cell[n - 1])) n--;
    if (n >= 2 && cell[0] == '"' && cell[n - 1] == '"') {
        cell++;
        n -= 2;
    }
    cell[n] = '\0';
    return cell;
}

/* Cut the next cell off *rest; NULL after the last one. */
static char *next_cell(const table *t, char **rest)
{
    char *cell = *rest;
    if (cell == NULL) return NULL;
    if (t->separator == ' ') {
        cell += strspn(cell, " \r");
        if (*cell == '\0') return NULL;
        size_t n = strcspn(cell, " \r");
        *rest = cell[n] == '\0' ? NULL : cell + n + 1;
        cell[n] = '\0';
        return cell;
    }
    char *end = strchr(cell, t->separator);
    *rest = end == NULL ? NULL : end + 1;
    if (end != NULL) *end = '\0';
    return trim(cell);
}

static int is_number(const char *cell, double *value)
{
    char *end = NULL;
    *value = strtod(cell, &end);
    return end != cell && *end == '\0';
}

static int is_missing(const char *cell)
{
    return cell[0] == '\0' || strcasecmp(cell, "nan") == 0 || strcasecmp(cell, "-nan") == 0 ||
           strcasecmp(cell, "null") == 0 || strcasecmp(cell, "na") == 0;
}

static rg_status check_columns(table *t, size_t n)
{
    if (n % 3 == 2 || n < 3) {
        return RG_FAIL(t->err, RG_ERR_SHAPE,
                       "%s: line %zu has %zu column%s; give x, y, z of each marker, optionally after the "
                       "time.",
                       t->name, t->line, n, rgi_plural(n));
    }
    t->n_columns = n;
    return RG_OK;
}

static size_t count_cells(const table *t, const char *line)
{
    size_t n = 0;
    if (t->separator == ' ') {
        for (const char *c = line; *(c += strspn(c, " \r")) != '\0'; c += strcspn(c, " \r")) n++;
        return n;
    }
    for (const char *c = line; *c != '\0'; c++) n += *c == t->separator;
    return n + 1;
}

/* The line that names the columns. */
static rg_status read_names(table *t, char *line)
{
    size_t n = count_cells(t, line);
    RG_TRY(check_columns(t, n));
    size_t column = 0, skip = n % 3;
    for (char *rest = line, *cell; (cell = next_cell(t, &rest)) != NULL; column++) {
        if (column < skip) continue;
        char axis = "xyz"[(column - skip) % 3];
        size_t length = strlen(cell);
        if (length > 0 &&
            (tolower((unsigned char)cell[0]) == axis || tolower((unsigned char)cell[length - 1]) == axis)) {
            continue;
        }
        return RG_FAIL(t->err, RG_ERR_FORMAT,
                       "%s: column %zu is named \"%.40s\" where %c of marker %zu is due; order the columns "
                       "x0,y0,z0,x1,...",
                       t->name, column + 1, cell, axis, (column - skip) / 3);
    }
    return RG_OK;
}

static rg_status bad_cell(const table *t, size_t column, const char *cell)
{
    size_t skip = t->n_columns % 3;
    if (column < skip) {
        return RG_FAIL(t->err, RG_ERR_VALUE, "%s: line %zu (frame %zu) has no time: \"%.40s\".", t->name, t->line,
                       t->n_rows, cell);
    }
    if (is_missing(cell)) {
        return RG_FAIL(t->err, RG_ERR_VALUE,
                       "%s: frame %zu (line %zu), marker %zu has no %c; fill the gap or cut the recording "
                       "there.",
                       t->name, t->n_rows, t->line, (column - skip) / 3, "xyz"[(column - skip) % 3]);
    }
    return RG_FAIL(t->err, RG_ERR_FORMAT, "%s: frame %zu (line %zu), marker %zu: \"%.40s\" is not a number.", t->name,
                   t->n_rows, t->line, (column - skip) / 3, cell);
}

static rg_status read_row(table *t, char *line)
{
    size_t need = (t->n_rows + 1) * t->n_columns;
    if (need > t->capacity) {
        size_t grown = need > SIZE_MAX / 32 ? 0 : 2 * need;
        double *moved = grown == 0 ? NULL : realloc(t->numbers, grown * sizeof *moved);
        if (moved == NULL) {
            return RG_FAIL(t->err, RG_ERR_MEMORY, "%s: out of memory at line %zu.", t->name, t->line);
        }
        t->numbers = moved;
        t->capacity = grown;
    }
    double *row = t->numbers + t->n_rows * t->n_columns;
    size_t column = 0;
    for (char *rest = line, *cell; (cell = next_cell(t, &rest)) != NULL; column++) {
        if (column >= t->n_columns) continue;
        if (!is_number(cell, &row[column]) || !isfinite(row[column])) { return bad_cell(t, column, cell); }
    }
    if (column != t->n_columns) {
        return RG_FAIL(t->err, RG_ERR_SHAPE,
                       "%s: line %zu (frame %zu) has %zu column%s, those before have %zu; all frames need "
                       "the same.",
                       t->name, t->line, t->n_rows, column, rgi_plural(column), t->n_columns);
    }
    t->n_rows++;
    return RG_OK;
}

static rg_status read_line(table *t, char *line)
{
    if (t->n_columns > 0) return read_row(t, line);
    t->separator = find_separator(line);
    /* names, unless the first cell is a number or stands for a missing one */
    char saved[64];
    size_t n = strspn(line, " \r\t");
    size_t length = strcspn(line + n, ",; \t\r");
    double value;
    if (length >= sizeof saved) length = sizeof saved - 1;
    memcpy(saved, line + n, length);
    saved[length] = '\0';
    if (!is_number(trim(saved), &value) && !is_missing(saved)) return read_names(t, line);
    RG_TRY(check_columns(t, count_cells(t, line)));
    return read_row(t, line);
}

static rg_status read_lines(table *t, char *text)
{
    for (char *line = text; line != NULL;) {
        char *end = strchr(line, '\n');
        if (end != NULL) *end = '\0';
        t->line++;
        size_t blank = strspn(line, " \t\r");
        if (line[blank] != '\0' && line[blank] != '#') RG_TRY(read_line(t, line));
        line = end == NULL ? NULL : end + 1;
    }
    if (t->n_rows == 0) return RG_FAIL(t->err, RG_ERR_SHAPE, "%s holds no frames.", t->name);
    return RG_OK;
}

/* The frame interval of a time column; times must be even. */
static rg_status read_times(const table *t, double *dt_s)
{
    const double *time = t->numbers;
    size_t n = t->n_rows, step = t->n_columns;
    *dt_s = 0;
    if (n < 2) return RG_OK;
    double dt = (time[(n - 1) * step] - time[0]) / (double)(n - 1);
    for (size_t k = 1; k < n; k++) {
        double interval = time[k * step] - time[(k - 1) * step];
        if (dt > 0 && fabs(interval - dt) <= TIME_TOLERANCE * dt) continue;
        return RG_FAIL(t->err, RG_ERR_VALUE,
                       "%s: frame %zu comes %g s after the one before, %g s on average; resample to even "
                       "intervals or leave out the time column.",
                       t->name, k, interval, dt);
    }
    *dt_s = dt;
    return RG_OK;
}

rg_status rgi_csv_parse(const void *bytes, size_t size, const char *name, rgi_motion *out, rg_error *err)
{
    table t = {.name = name, .err = err};
    memset(out, 0, sizeof *out);
    const char *zero = size > 0 ? memchr(bytes, '\0', size) : NULL;
    if (zero != NULL) {
        return RG_FAIL(err, RG_ERR_FORMAT, "%s is neither text nor a format that is known: byte %zu is zero.", name,
                       (size_t)(zero - (const char *)bytes));
    }
    char *text = malloc(size + 1);
    if (text == NULL) return RG_FAIL(err, RG_ERR_MEMORY, "%s: out of memory.", name);
    if (size > 0) memcpy(text, bytes, size);
    text[size] = '\0';
    size_t mark = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* byte order mark */

    rg_status status = read_lines(&t, text + mark);
    free(text);
    size_t skip = t.n_columns % 3;
    if (status == RG_OK && skip == 1) status = read_times(&t, &out->dt_s);
    if (status != RG_OK) {
        free(t.numbers);
        memset(out, 0, sizeof *out);
        return status;
    }
    /* close up over the times */
    size_t width = t.n_columns - skip;
    for (size_t k = 0; k < t.n_rows; k++) {
        memmove(t.numbers + k * width, t.numbers + k * t.n_columns + skip, width * sizeof *t.numbers);
    }
    out->n_frames = t.n_rows;
    out->n_markers = width / 3;
    out->positions = t.numbers;
    return RG_OK;
}
