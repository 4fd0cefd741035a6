/* recording_files.h: small recordings for the tests, as memory and as bytes of each format. */
#ifndef RECORDING_FILES_H
#define RECORDING_FILES_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* a growing array of bytes */
typedef struct bytes {
    unsigned char *data;
    size_t size, capacity;
} bytes;

static inline void bytes_add(bytes *b, const void *data, size_t n)
{
    if (b->size + n > b->capacity) {
        b->capacity = 2 * (b->size + n);
        b->data = realloc(b->data, b->capacity);
        if (!b->data) abort();
    }
    if (n > 0) memcpy(b->data + b->size, data, n);
    b->size += n;
}

static inline void bytes_byte(bytes *b, int byte)
{
    unsigned char c = (unsigned char)byte;
    bytes_add(b, &c, 1);
}

static inline void bytes_free(bytes *b)
{
    free(b->data);
    memset(b, 0, sizeof *b);
}

/* coordinate of a hanging, swinging row of markers 0.1 m apart */
static inline double made_coordinate(size_t frame, size_t marker, size_t axis)
{
    double t = 0.01 * (double)frame, s = (double)marker;
    if (axis == 0) return 0.1 * s + 0.02 * sin(3 * t);
    if (axis == 1) return 0.05 * sin(4 * t + 0.3 * s);
    return 0.6 - 0.01 * s * (4 - s) + 0.03 * cos(2 * t + 0.2 * s);
}

static inline void pickle_float(bytes *b, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bytes_byte(b, 'G');
    for (int i = 7; i >= 0; i--) bytes_byte(b, (int)(bits >> (8 * i) & 0xff));
}

/* The pickle Python writes for [frame][axis][marker]: protocol 2 puts lists into the memo by
 * number, 4 and 5 by MEMOIZE, within one FRAME. */
static inline bytes make_pickle(int protocol, size_t frames, size_t markers)
{
    bytes body = {0}, b = {0};
    unsigned memo = 0;
#define REMEMBER()                                                                                                     \
    do {                                                                                                               \
        if (protocol >= 4) {                                                                                           \
            bytes_byte(&body, 0x94);                                                                                   \
        } else if (memo < 256) {                                                                                       \
            bytes_byte(&body, 'q');                                                                                    \
            bytes_byte(&body, (int)memo++);                                                                            \
        } else {                                                                                                       \
            bytes_byte(&body, 'r');                                                                                    \
            for (int i_ = 0; i_ < 4; i_++) bytes_byte(&body, (int)(memo >> (8 * i_) & 0xff));                          \
            memo++;                                                                                                    \
        }                                                                                                              \
    } while (0)
    bytes_byte(&body, ']');
    REMEMBER();
    bytes_byte(&body, '(');
    for (size_t k = 0; k < frames; k++) {
        bytes_byte(&body, ']');
        REMEMBER();
        bytes_byte(&body, '(');
        for (size_t a = 0; a < 3; a++) {
            bytes_byte(&body, ']');
            REMEMBER();
            bytes_byte(&body, '(');
            for (size_t m = 0; m < markers; m++) pickle_float(&body, made_coordinate(k, m, a));
            bytes_byte(&body, 'e');
        }
        bytes_byte(&body, 'e');
    }
    bytes_byte(&body, 'e');
    bytes_byte(&body, '.');
#undef REMEMBER
    bytes_byte(&b, 0x80);
    bytes_byte(&b, protocol);
    if (protocol >= 4) {
        bytes_byte(&b, 0x95);
        for (int i = 0; i < 8; i++) bytes_byte(&b, (int)((uint64_t)body.size >> (8 * i) & 0xff));
    }
    bytes_add(&b, body.data, body.size);
    bytes_free(&body);
    return b;
}

static inline void write_bytes(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0) abort();
}

#endif
