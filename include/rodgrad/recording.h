/* rodgrad/recording.h: recorded motion of one rod in memory.
 *
 * A recording is what a motion-capture system gives: marker positions over time. Some markers are
 * gripped ("driving" markers, also called clamps): they are the input of a simulation in every
 * frame. The others are what a simulation predicts. z points up, SI units.
 *
 * Only positions, and clamps where n_clamps is not 0, must be there: without them every function that takes a recording
 * returns RG_ERR_ARGUMENT. The comment of each other pointer says what NULL stands for. */
#ifndef RODGRAD_RECORDING_H
#define RODGRAD_RECORDING_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rg_recording {
    char *name;        /* base name of the file, e.g. "54.pkl"; NULL: "recording 3" in messages, by its place in the
                          call's array, from 0; owned */
    char *source;      /* path it was read from, or a sentence on its origin; NULL: unknown; owned */
    char sha256[65];   /* of the file's bytes, lower-case hex; empty if made in memory */
    size_t n_frames;   /* >= 2 */
    size_t n_markers;  /* >= 3 */
    double dt_s;       /* time between frames [s] */
    double *positions; /* [n_frames][n_markers][3] [m], z up, as recorded; the metric counts these; owned */
    double *driving;   /* same shape [m]: positions with glitches of the driving markers repaired;
                          the columns of the other markers equal `positions`; NULL: nothing was repaired, the
                          positions drive; owned */
    uint8_t *valid;    /* [n_frames][n_markers]: 1 trusted; 0 = glitch: masked in a fit (free
                          markers) or repaired in `driving` (driving markers); NULL: all trusted; owned */
    int *lost;         /* [n_frames] frames that the camera lost before this one, so that (1 + lost[k]) dt_s
                          passed between frames k-1 and k; lost[0] = 0; NULL: none; owned */
    size_t n_lost;     /* their sum */
    size_t n_clamps;   /* driving markers */
    int *clamps;       /* [n_clamps] marker indices, ascending; owned */
    size_t n_repaired; /* marker frames of driving markers replaced in `driving` */
    size_t n_masked;   /* marker frames of free markers with valid = 0 */
} rg_recording;

/* Release what *recording owns and zero it. Accepts NULL and a zeroed struct. */
void rg_recording_clear(rg_recording *recording);

#ifdef __cplusplus
}
#endif
#endif
