/* report/encode.c: forecast, zigzag varint, base64 (encode.h). */
#include "report/encode.h"

#include <math.h>
#include <stdlib.h>

/* base64 written as it grows: three bytes are held back until they are complete */
typedef struct writer {
    char *text;
    size_t n, room;
    uint32_t held;
    int n_held;
    int failed;
} writer;

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* the held bytes as four characters, '=' for what is missing */
static void put_group(writer *w)
{
    if (w->n + 5 > w->room) {
        size_t room = w->room ? w->room + w->room / 2 : 4096;
        char *text = room > w->room ? realloc(w->text, room) : NULL;
        if (!text) {
            w->failed = 1;
            return;
        }
        w->text = text;
        w->room = room;
    }
    uint32_t group = w->held << (8 * (3 - w->n_held));
    for (int k = 0; k < 4; k++) w->text[w->n++] = k <= w->n_held ? digits[(group >> (18 - 6 * k)) & 63] : '=';
    w->text[w->n] = '\0';
    w->held = 0;
    w->n_held = 0;
}

static void put_byte(writer *w, unsigned byte)
{
    w->held = w->held << 8 | (byte & 255);
    if (++w->n_held == 3) put_group(w);
}

static void put_varint(writer *w, int64_t value)
{
    uint64_t zigzag = value < 0 ? 2 * (uint64_t) - (value + 1) + 1 : 2 * (uint64_t)value;
    for (; zigzag >= 128; zigzag >>= 7) put_byte(w, (unsigned)(zigzag & 127) | 128);
    put_byte(w, (unsigned)zigzag);
}

/* tenths of a millimetre; differences of such numbers stay exact in the page's doubles */
static int64_t quantise(double value_m, int64_t before)
{
    if (!isfinite(value_m)) return before;
    return llround(fmax(-1e6, fmin(1e6, value_m)) * 1e4);
}

char *rgi_encode_positions(const double *positions, size_t n_frames, size_t n_markers, const uint8_t *skip)
{
    writer w = {0};
    size_t width = 3 * n_markers;
    int64_t *last = calloc(2 * width + 1, sizeof *last); /* one frame ago, two frames ago */
    if (!last) return NULL;
    for (size_t f = 0; f < n_frames && !w.failed; f++) {
        for (size_t c = 0; c < width; c++) {
            if (skip && skip[c / 3]) continue;
            int64_t a = last[c], b = f > 1 ? last[width + c] : a;
            int64_t value = quantise(positions[f * width + c], a);
            put_varint(&w, f > 0 ? value - (2 * a - b) : value);
            last[width + c] = a;
            last[c] = value;
        }
    }
    if (w.n_held || !w.n) put_group(&w);
    free(last);
    if (w.failed) {
        free(w.text);
        return NULL;
    }
    return w.text;
}
