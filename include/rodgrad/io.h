/* rodgrad/io.h: recordings and models from and to files. These functions are in librodgrad_io, which also needs HDF5,
 * jansson and libcrypto; librodgrad alone does not have them.
 *
 * The sentences in rg_error are those of the program: they call dt_s, unit_m and axes --dt, --units and --axes. */
#ifndef RODGRAD_IO_H
#define RODGRAD_IO_H

#include <stddef.h>

#include "rodgrad/model.h"
#include "rodgrad/recording.h"
#include "rodgrad/rollout.h"
#include "rodgrad/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- recordings (docs/recording-format.md) ---- */

/* What a file of bare coordinates (CSV, NPY, pickle) does not say of itself. rodgrad's own HDF5 files say all of it. */
typedef struct rg_import_opts {
    size_t struct_size; /* sizeof(rg_import_opts), set by rg_import_opts_default; 0: of the first version */
    double dt_s;        /* time between frames where the file does not say [s]; default 0.01 */
    double unit_m;      /* metres per unit of the file's coordinates; default 1 */
    const char *axes;   /* how the file's axes map to ours (z up): three of +-x +-y +-z, comma-separated,
                           e.g. "-z,-x,y" for our x = -file z, y = -file x, z = file y; default "x,y,z" */
    const int *clamps;  /* [n_clamps] driving markers; negative counts from the end (-1 = last); default 0,1,-2,-1.
                           Other ones than the default replace those of an HDF5 file */
    size_t n_clamps;
    int detect_glitches;      /* default 1 */
    int dt_given, unit_given; /* default 0. 1: dt_s, unit_m were asked for, so that a file that says otherwise of itself
                                 is refused */
} rg_import_opts;

/* The default options into *opts, as far as it reaches: its struct_size says how far. The pointers in it are to static
 * storage. Thread-safe. */
void rg_import_opts_init(rg_import_opts *opts);

static inline rg_import_opts rg_import_opts_default(void)
{
    rg_import_opts opts;
    opts.struct_size = sizeof opts;
    rg_import_opts_init(&opts);
    return opts;
}

/* Read every recording under n paths: files, or folders, which stand for the recording files in them in natural order
 * of names. The order of paths is kept. A pickle is parsed and never executed. opts: NULL for the default.
 * *out is an array of *n_out recordings that the caller releases by rg_recordings_free; NULL and 0 on failure. All have
 * at least 2 frames, 3 markers, a free marker and finite coordinates, and no neighbouring markers that coincide.
 * RG_ERR_IO, RG_ERR_FORMAT, RG_ERR_SHAPE, RG_ERR_VALUE, RG_ERR_UNSUPPORTED, RG_ERR_ARGUMENT (no path, an empty folder,
 * options that are not allowed, a file whose own unit, axes or frame interval are other ones than asked for),
 * RG_ERR_MEMORY; the sentence names the file, and frame, marker, field or byte in it.
 * Thread-safe, with one condition. HDF5 files are read in a child process (fork), because a damaged one can crash
 * libhdf5; no other thread of the caller may be inside libhdf5 then. */
rg_status rg_recordings_read(const char *const *paths, size_t n, const rg_import_opts *opts, rg_recording **out,
                             size_t *n_out, rg_error *err);
/* Release an array that rg_recordings_read made. Accepts NULL. */
void rg_recordings_free(rg_recording *recordings, size_t n);

/* Write n recordings into one HDF5 file, in SI units. The file replaces what was at `path` when it is complete, and not
 * at all on failure. The recordings are only read; name, source, driving, valid and lost may be NULL.
 * RG_ERR_ARGUMENT (none, no positions, fewer than 2 frames or 3 markers, dt_s not positive), RG_ERR_IO, RG_ERR_MEMORY.
 * One thread at a time, with all other use of HDF5 in the process, unless libhdf5 was built to be thread-safe. */
rg_status rg_recordings_write_h5(const char *path, const rg_recording *recordings, size_t n, rg_error *err);

/* ---- model.json (docs/model-format.md) ---- */

typedef struct rg_model_file {
    rg_model *model;         /* owned */
    rg_rollout_opts rollout; /* stepper, sweeps, scheme, substeps and gravity as in "simulation"; the rest is default
                                and not written */
    double dt_s;             /* time between the frames that the model was fitted to [s] */
    char *fit;               /* the "fit" object as JSON text, NULL where there is none; owned: malloc, free */
} rg_model_file;

/* Read a model. *out is released by rg_model_file_clear, and zeroed on failure.
 * RG_ERR_IO, RG_ERR_FORMAT (not JSON: line and column; an unknown or missing member; a wrong type), RG_ERR_VALUE,
 * RG_ERR_SHAPE (wrong number of entries), RG_ERR_ARGUMENT (no path), RG_ERR_MEMORY. Thread-safe. */
rg_status rg_model_file_read(const char *path, rg_model_file *out, rg_error *err);
/* Write a model; what was read comes back the same, all doubles exactly. The file replaces what was at `path` when it
 * is complete, and not at all on failure. *file is only read, and the caller may fill it in by hand. RG_ERR_ARGUMENT
 * (no path or model), RG_ERR_VALUE (the model, the options or dt_s are not what a file may have), RG_ERR_FORMAT (`fit`
 * is not the text of a JSON object), RG_ERR_IO, RG_ERR_MEMORY. Thread-safe. */
rg_status rg_model_file_write(const char *path, const rg_model_file *file, rg_error *err);
/* Release what *file owns and zero it. Accepts NULL and a zeroed struct. */
void rg_model_file_clear(rg_model_file *file);

#ifdef __cplusplus
}
#endif
#endif
