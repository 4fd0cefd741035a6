/* io/atomic_file.h: write a file so that a reader sees the old contents or the new, never neither.
 *
 * The contents go to a temporary file in the target's folder, which is fsynced and renamed over the
 * target; the folder is fsynced too. */
#ifndef RGI_ATOMIC_FILE_H
#define RGI_ATOMIC_FILE_H

#include <stddef.h>
#include <stdio.h>

#include "rodgrad/status.h"

typedef struct rgi_atomic_file {
    FILE *stream;    /* write here; NULL when the path alone is wanted (HDF5 opens it itself) */
    char *temporary; /* path of the temporary file; owned */
    char *target;    /* owned */
} rgi_atomic_file;

/* Create the temporary file beside `path`. with_stream = 0 leaves stream NULL (file exists, empty).
 * RG_ERR_ARGUMENT (no path, or one of something else than a file), RG_ERR_IO (names the path and errno's text),
 * RG_ERR_MEMORY; nothing is left behind then. */
rg_status rgi_atomic_open(rgi_atomic_file *file, const char *path, int with_stream, rg_error *err);
/* Flush, fsync, rename, fsync the folder; RG_ERR_IO if any fails (short write, full disk): the
 * temporary file is removed and the target is what it was. Releases *file either way. */
rg_status rgi_atomic_commit(rgi_atomic_file *file, rg_error *err);
/* Drop the temporary file. Accepts a zeroed struct. */
void rgi_atomic_abort(rgi_atomic_file *file);

/* All of it at once. */
rg_status rgi_atomic_write(const char *path, const void *bytes, size_t size, rg_error *err);

#endif
