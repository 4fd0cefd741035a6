/* io/formats.h: the readers behind rg_recordings_read, one a format.
 *
 * Each turns the bytes of a file into plain motion or refuses with a sentence that names the file
 * (`name`) and the place in it. None of them knows units, axes, clamps or glitches. */
#ifndef RGI_FORMATS_H
#define RGI_FORMATS_H

#include <stddef.h>

#include "io/child.h"
#include "rodgrad/recording.h"
#include "rodgrad/status.h"

/* What a file of bare coordinates holds, in the file's own units and axes. */
typedef struct rgi_motion {
    size_t n_frames;
    size_t n_markers;
    double dt_s;       /* time between frames [s]; 0 when the file does not say */
    double *positions; /* [n_frames][n_markers][3]; owned: free() */
} rgi_motion;

/* A pickle (protocol 2 to 5) of nested lists or tuples of numbers, [frame][axis][marker]. Nothing
 * is executed: an opcode that such a file does not need is an error. Memory is at most a constant
 * times `size`. RG_ERR_FORMAT (file and byte offset), RG_ERR_SHAPE (frame and axis),
 * RG_ERR_MEMORY; *out is zeroed then. */
rg_status rgi_pickle_parse(const void *bytes, size_t size, const char *name, rgi_motion *out, rg_error *err);

/* Text: one frame a line, 3 n numbers x0,y0,z0,x1,..., before them the time [s] where the number of
 * columns is 3 n + 1; separated by commas, semicolons, tabs or blanks; a header line is optional.
 * RG_ERR_FORMAT, RG_ERR_SHAPE, RG_ERR_VALUE (missing cell: frame and marker; uneven times),
 * RG_ERR_MEMORY. */
rg_status rgi_csv_parse(const void *bytes, size_t size, const char *name, rgi_motion *out, rg_error *err);

/* NPY 1.0 or 2.0: float32 or float64, little endian, C order, shape (frames, markers, 3).
 * RG_ERR_FORMAT, RG_ERR_SHAPE, RG_ERR_UNSUPPORTED, RG_ERR_MEMORY. */
rg_status rgi_npy_parse(const void *bytes, size_t size, const char *name, rgi_motion *out, rg_error *err);

/* Reads HDF5 files in a process of its own, which starts with the first file and serves those after it.
 * Zero-initialise, and close when done. One thread at a time; other readers, and other threads, may run meanwhile. */
typedef struct rgi_h5_reader {
    rgi_child child;
    int runs;
    size_t files; /* that this child has read */
} rgi_h5_reader;

/* Every recording of one of our HDF5 files, complete (docs/recording-format.md). unit_m: metres of the unit that the
 * caller expects, 0: any. *out: array of *n_out, owned by the caller: rg_recordings_free. RG_ERR_IO when the file
 * cannot be opened, or when it is so damaged that the process crashed, came to no end or ran out of memory;
 * RG_ERR_FORMAT (an unknown unit too), RG_ERR_ARGUMENT (another unit), RG_ERR_SHAPE, RG_ERR_UNSUPPORTED,
 * RG_ERR_MEMORY. */
rg_status rgi_h5_read(rgi_h5_reader *reader, const char *path, double unit_m, rg_recording **out, size_t *n_out,
                      rg_error *err);
void rgi_h5_reader_close(rgi_h5_reader *reader);

#endif
