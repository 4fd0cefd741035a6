/* io/recording_io.h: recordings from and to files.
 *
 * Formats: a DEFORM pickle (list of frames of 3 lists of n floats), CSV, NPY, rodgrad's HDF5; a
 * folder stands for every recording file in it, in natural order of names. No pickle is ever
 * executed: the reader parses the opcodes that such files use and refuses all others. */
#ifndef RGI_RECORDING_IO_H
#define RGI_RECORDING_IO_H

#include "rodgrad/recording.h"
#include "rodgrad/status.h"

typedef struct rgi_import_opts {
    double dt_s;       /* time between frames where the file does not say [s]; default 0.01 */
    double unit_m;     /* metres per unit of the file's coordinates; default 1 */
    const char *axes;  /* how the file's axes map to ours (z up): three of +-x +-y +-z, comma-separated,
                          e.g. "-z,-x,y" for our x = -file z, y = -file x, z = file y; default "x,y,z" */
    const int *clamps; /* driving markers; negative counts from the end (-1 = last); default 0,1,-2,-1 */
    size_t n_clamps;
    int detect_glitches;      /* default 1 */
    int dt_given, unit_given; /* dt_s, unit_m are what somebody asked for, not a default: a file that says
                                 otherwise of itself is refused */
} rgi_import_opts;

rgi_import_opts rgi_import_opts_default(void);

/* Metres of a unit by its name: m, cm, mm, in; 0 for any other. */
double rgi_unit_metres(const char *name);

/* Whether a path ends in `suffix`, letters of either case, and has more than it. */
int rgi_has_suffix(const char *path, const char *suffix);

/* Read every recording under n paths (files or folders, order kept). *out is an array of *n_out,
 * owned by the caller: rgi_recordings_free. All have at least 2 frames, 3 markers, a free marker
 * and finite coordinates, and no neighbouring markers that coincide. RG_ERR_IO, RG_ERR_FORMAT,
 * RG_ERR_SHAPE, RG_ERR_VALUE, RG_ERR_ARGUMENT (empty folder, bad clamps or axes, a file whose own unit, axes
 * or frame interval are other ones than asked for), RG_ERR_MEMORY;
 * the sentence names file and frame, marker, field or byte offset. */
rg_status rgi_recordings_read(const char *const *paths, size_t n, const rgi_import_opts *opts, rg_recording **out,
                              size_t *n_out, rg_error *err);
void rgi_recordings_free(rg_recording *recordings, size_t n);

/* Write n recordings into one HDF5 file (format: docs/recording-format.md), atomically. */
rg_status rgi_recordings_write_h5(const char *path, const rg_recording *recordings, size_t n, rg_error *err);
/* float64 [frames][markers][3], C order, NPY version 1.0, atomically. */
rg_status rgi_npy_write(const char *path, const double *data, size_t frames, size_t markers, rg_error *err);

/* Find glitches and lost frames: fill valid, driving, lost, n_repaired, n_masked, n_lost of a
 * recording whose positions, clamps and dt_s are set (arrays allocated; lost is allocated here).
 * Exposed for `plant` and the tests. */
rg_status rgi_glitches_find(rg_recording *recording, rg_error *err);

#endif
