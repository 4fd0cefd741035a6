/* io/npy.c: NumPy's NPY files, versions 1.0 and 2.0.
 *
 * Layout: "\x93NUMPY", two version bytes, the header's length (2 bytes, in 2.0 4 bytes, little
 * endian), the header: a Python dictionary with descr, fortran_order and shape; then the numbers.
 * The header is read by a parser of its own that knows just such dictionaries. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/atomic_file.h"
#include "io/formats.h"
#include "io/recording_io.h"

static const char MAGIC[] = "\x93NUMPY";
enum { MAGIC_SIZE = 6, ALIGNMENT = 64, DIMENSIONS = 3 };

typedef struct header {
    int is_float32;
    uint64_t shape[DIMENSIONS];
    int has_descr, has_order, has_shape;
} header;

typedef struct cursor {
    const char *at, *end;
    const char *name;
    rg_error *err;
} cursor;

static rg_status malformed(const cursor *c, const char *what)
{
    return RG_FAIL(c->err, RG_ERR_FORMAT, "%s: the NPY header %s; save it again with numpy.save.", c->name, what);
}

/* Skip blanks, then take `symbol` if it is next. */
static int take(cursor *c, char symbol)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n')) c->at++;
    if (c->at >= c->end || *c->at != symbol) return 0;
    c->at++;
    return 1;
}

/* A quoted string without escapes. */
static rg_status take_string(cursor *c, char *text, size_t size)
{
    char quote = take(c, '\'') ? '\'' : '"';
    if (quote == '"' && !take(c, '"')) return malformed(c, "lacks a quoted word");
    size_t n = 0;
    while (c->at < c->end && *c->at != quote && n + 1 < size) text[n++] = *c->at++;
    text[n] = '\0';
    if (c->at >= c->end || *c->at != quote) return malformed(c, "has a word that is too long");
    c->at++;
    return RG_OK;
}

static int take_word(cursor *c, const char *word)
{
    size_t n = strlen(word);
    take(c, '\0'); /* blanks only: the header holds no zero bytes, which is checked first */
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) return 0;
    c->at += n;
    return 1;
}

static rg_status take_shape(cursor *c, header *h)
{
    size_t n = 0;
    if (!take(c, '(')) return malformed(c, "has a shape that is no tuple");
    while (!take(c, ')')) {
        uint64_t value = 0;
        size_t digits = 0;
        for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++, digits++) {
            if (value > UINT64_MAX / 10 - 1) return malformed(c, "has a size beyond 64 bits");
            value = value * 10 + (uint64_t)(*c->at - '0');
        }
        if (digits == 0) return malformed(c, "has a size that is not a number");
        if (n < DIMENSIONS) h->shape[n] = value;
        n++;
        if (!take(c, ',')) {
            if (!take(c, ')')) return malformed(c, "has a shape that does not end");
            break;
        }
    }
    if (n != DIMENSIONS || h->shape[2] != 3) {
        return RG_FAIL(c->err, RG_ERR_SHAPE,
                       "%s: the array has %zu dimensions%s; save it with shape (frames, markers, 3).", c->name, n,
                       n == DIMENSIONS ? " and the last one is not 3" : "");
    }
    return RG_OK;
}

static rg_status take_entry(cursor *c, header *h)
{
    char key[32], descr[16];
    RG_TRY(take_string(c, key, sizeof key));
    if (!take(c, ':')) return malformed(c, "lacks a colon");
    if (strcmp(key, "descr") == 0) {
        RG_TRY(take_string(c, descr, sizeof descr));
        if (strcmp(descr, "<f8") != 0 && strcmp(descr, "<f4") != 0) {
            return RG_FAIL(c->err, RG_ERR_UNSUPPORTED,
                           "%s: numbers of type \"%s\" are not read; save little-endian float64.", c->name, descr);
        }
        h->is_float32 = descr[2] == '4';
        h->has_descr = 1;
        return RG_OK;
    }
    if (strcmp(key, "fortran_order") == 0) {
        if (take_word(c, "True")) {
            return RG_FAIL(c->err, RG_ERR_UNSUPPORTED,
                           "%s: the array is in Fortran order; save numpy.ascontiguousarray of it.", c->name);
        }
        if (!take_word(c, "False")) return malformed(c, "has an order that is no truth value");
        h->has_order = 1;
        return RG_OK;
    }
    if (strcmp(key, "shape") == 0) {
        h->has_shape = 1;
        return take_shape(c, h);
    }
    return malformed(c, "has an entry besides descr, fortran_order and shape");
}

static rg_status parse_header(cursor *c, header *h)
{
    if (memchr(c->at, '\0', (size_t)(c->end - c->at)) != NULL) return malformed(c, "holds zero bytes");
    if (!take(c, '{')) return malformed(c, "is no dictionary");
    while (!take(c, '}')) {
        RG_TRY(take_entry(c, h));
        if (take(c, ',')) continue;
        if (!take(c, '}')) return malformed(c, "does not end");
        break;
    }
    take(c, '\n');
    if (c->at != c->end) return malformed(c, "goes on behind its dictionary");
    if (!h->has_descr || !h->has_order || !h->has_shape) { return malformed(c, "lacks descr, fortran_order or shape"); }
    return RG_OK;
}

static double number_at(const unsigned char *bytes, int is_float32)
{
    uint64_t bits = 0;
    for (int i = is_float32 ? 3 : 7; i >= 0; i--) bits = bits << 8 | bytes[i];
    if (is_float32) {
        uint32_t low = (uint32_t)bits;
        float single;
        memcpy(&single, &low, sizeof single);
        return (double)single;
    }
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

rg_status rgi_npy_parse(const void *bytes, size_t size, const char *name, rgi_motion *out, rg_error *err)
{
    const unsigned char *b = bytes;
    memset(out, 0, sizeof *out);
    if (size < 10 || memcmp(b, MAGIC, MAGIC_SIZE) != 0) {
        return RG_FAIL(err, RG_ERR_FORMAT, "%s is not an NPY file: its first bytes differ.", name);
    }
    if ((b[6] != 1 && b[6] != 2) || b[7] != 0) {
        return RG_FAIL(err, RG_ERR_UNSUPPORTED, "%s: NPY version %u.%u is not read; save 1.0 or 2.0.", name, b[6],
                       b[7]);
    }
    size_t start = b[6] == 1 ? 10 : 12, length = 0;
    if (size >= start) {
        for (size_t i = start; i > 8; i--) length = length << 8 | b[i - 1];
    }
    if (size < start || length > size - start) {
        return RG_FAIL(err, RG_ERR_FORMAT, "%s ends within its NPY header, at byte %zu.", name, size);
    }

    header h = {0};
    cursor c = {(const char *)b + start, (const char *)b + start + length, name, err};
    RG_TRY(parse_header(&c, &h));
    size_t rest = size - start - length, width = h.is_float32 ? 4 : 8, numbers = rest / width;
    int fits = rest % width == 0 &&
               (h.shape[0] == 0 || h.shape[1] == 0 ? numbers == 0
                                                   : h.shape[1] <= numbers / 3 && numbers % (3 * h.shape[1]) == 0 &&
                                                         numbers / (3 * h.shape[1]) == h.shape[0]);
    if (!fits) {
        return RG_FAIL(err, RG_ERR_FORMAT,
                       "%s: %zu bytes of numbers follow the header, which do not make %llu x %llu x 3 "
                       "of %zu bytes; copy the file again.",
                       name, rest, (unsigned long long)h.shape[0], (unsigned long long)h.shape[1], width);
    }
    if (numbers == 0) { return RG_FAIL(err, RG_ERR_SHAPE, "%s: the array holds no frames or no markers.", name); }
    if (numbers > SIZE_MAX / sizeof(double) || (out->positions = malloc(numbers * sizeof(double))) == NULL) {
        return RG_FAIL(err, RG_ERR_MEMORY, "%s: out of memory for %zu numbers.", name, numbers);
    }
    for (size_t i = 0; i < numbers; i++) {
        out->positions[i] = number_at(b + start + length + i * width, h.is_float32);
    }
    out->n_frames = (size_t)h.shape[0];
    out->n_markers = (size_t)h.shape[1];
    return RG_OK;
}

rg_status rgi_npy_write(const char *path, const double *data, size_t frames, size_t markers, rg_error *err)
{
    if (frames == 0 || markers == 0 || markers > SIZE_MAX / 24 / frames) {
        return RG_FAIL(err, RG_ERR_ARGUMENT, "%s: %zu frames of %zu markers cannot be written.", path, frames, markers);
    }
    char text[2 * ALIGNMENT];
    int n = snprintf(text, sizeof text, "{'descr': '<f8', 'fortran_order': False, 'shape': (%zu, %zu, 3), }", frames,
                     markers);
    unsigned char head[MAGIC_SIZE + 4 + sizeof text];
    size_t prefix = MAGIC_SIZE + 4;
    /* blanks up to a multiple of 64 bytes, so that the numbers can be mapped */
    size_t total = (prefix + (size_t)n + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    memset(head, ' ', sizeof head);
    memcpy(head, MAGIC, MAGIC_SIZE);
    head[6] = 1;
    head[7] = 0;
    head[8] = (unsigned char)((total - prefix) & 0xff);
    head[9] = (unsigned char)((total - prefix) >> 8);
    memcpy(head + prefix, text, (size_t)n);
    head[total - 1] = '\n';

    rgi_atomic_file file;
    RG_TRY(rgi_atomic_open(&file, path, 1, err));
    int written = fwrite(head, 1, total, file.stream) == total;
    for (size_t i = 0; written && i < frames * markers * 3; i++) {
        uint64_t bits;
        unsigned char little[8];
        memcpy(&bits, &data[i], sizeof bits);
        for (int k = 0; k < 8; k++) little[k] = (unsigned char)(bits >> (8 * k));
        written = fwrite(little, 1, sizeof little, file.stream) == sizeof little;
    }
    if (!written) {
        int reason = errno;
        rgi_atomic_abort(&file);
        return RG_FAIL(err, RG_ERR_IO, "%s cannot be written: %s.", path, strerror(reason));
    }
    return rgi_atomic_commit(&file, err);
}
