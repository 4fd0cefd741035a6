/* io/recording_io.h: what the readers and writers of recordings share with the program, in addition to rodgrad/io.h. */
#ifndef RGI_RECORDING_IO_H
#define RGI_RECORDING_IO_H

#include "rodgrad/io.h"

/* Metres of a unit by its name: m, cm, mm, in; 0 for any other. */
double rgi_unit_metres(const char *name);

/* Whether a path ends in `suffix`, letters of either case, and has more than it. */
int rgi_has_suffix(const char *path, const char *suffix);

/* float64 [frames][markers][3], C order, NPY version 1.0, atomically. */
rg_status rgi_npy_write(const char *path, const double *data, size_t frames, size_t markers, rg_error *err);

/* Find glitches and lost frames: fill valid, driving, lost, n_repaired, n_masked, n_lost of a
 * recording whose positions, clamps and dt_s are set (arrays allocated; lost is allocated here).
 * Exposed for `plant` and the tests. */
rg_status rgi_glitches_find(rg_recording *recording, rg_error *err);

#endif
