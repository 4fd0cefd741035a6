/* io/recording_h5.c: rodgrad's HDF5 recordings are written here, as docs/recording-format.md describes them.
 * io/recording_h5_read.c reads them. */
#include "io/recording_h5.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/recording.h"
#include "io/atomic_file.h"
#include "io/h5_write.h"
#include "io/recording_io.h"

/* The driving markers' columns of a recording, [n_frames][n_clamps][3]; NULL when memory is out. */
static double *gather_driving(const rg_recording *r)
{
    size_t n = r->n_clamps;
    double *columns = malloc((r->n_frames * n * 3 + 1) * sizeof *columns);
    if (columns == NULL) return NULL;
    for (size_t k = 0; k < r->n_frames; k++) {
        for (size_t c = 0; c < n; c++) {
            memcpy(columns + (k * n + c) * 3, r->driving + (k * r->n_markers + (size_t)r->clamps[c]) * 3,
                   3 * sizeof *columns);
        }
    }
    return columns;
}

static int write_recording(hid_t parent, size_t index, const rg_recording *r)
{
    char label[32];
    snprintf(label, sizeof label, "%06zu", index);
    hid_t group = H5Gcreate2(parent, label, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    double *driving = gather_driving(r);
    int *none = r->lost == NULL ? calloc(r->n_frames, sizeof *none) : NULL;
    int ok = group >= 0 && driving != NULL && (r->lost != NULL || none != NULL);
    ok = ok && rgi_h5_write_text(group, "name", r->name);
    ok = ok && rgi_h5_write_text(group, "source", r->source);
    ok = ok && rgi_h5_write_text(group, "sha256", r->sha256);
    ok = ok && rgi_h5_write_scalar(group, "dt_s", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &r->dt_s);
    hsize_t all[3] = {r->n_frames, r->n_markers, 3}, some[3] = {r->n_frames, r->n_clamps, 3};
    ok = ok && rgi_h5_write_array(group, "clamps", 1, &some[1], H5T_STD_I32LE, H5T_NATIVE_INT, r->clamps, NULL);
    ok = ok && rgi_h5_write_array(group, "positions", 3, all, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, r->positions, "m");
    ok = ok && rgi_h5_write_array(group, "driving", 3, some, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, driving, "m");
    ok = ok && rgi_h5_write_array(group, "valid", 2, all, H5T_STD_U8LE, H5T_NATIVE_UINT8, r->valid, NULL);
    ok = ok && rgi_h5_write_array(group, "lost", 1, all, H5T_STD_I32LE, H5T_NATIVE_INT,
                                  r->lost != NULL ? r->lost : none, NULL);
    free(none);
    free(driving);
    if (group >= 0) ok = H5Gclose(group) >= 0 && ok;
    return ok;
}

typedef struct contents {
    const rg_recording *recordings;
    size_t n;
} contents;

static int write_contents(hid_t file, const void *given)
{
    const contents *c = given;
    int version = RGI_H5_VERSION;
    int ok = rgi_h5_write_text(file, "format", RGI_H5_FORMAT) &&
             rgi_h5_write_scalar(file, "version", H5T_STD_I32LE, H5T_NATIVE_INT, &version) &&
             rgi_h5_write_text(file, "up", "z");
    hid_t parent = ok ? H5Gcreate2(file, "recordings", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT) : -1;
    ok = parent >= 0;
    for (size_t i = 0; i < c->n && ok; i++) ok = write_recording(parent, i, &c->recordings[i]);
    if (parent >= 0) ok = H5Gclose(parent) >= 0 && ok;
    return ok;
}

rg_status rg_recordings_write_h5(const char *path, const rg_recording *recordings, size_t n, rg_error *err)
{
    rg_recording *complete = NULL;
    if (path == NULL) return RG_FAIL(err, RG_ERR_ARGUMENT, "no file is named for the recordings.");
    if (n == 0 || recordings == NULL) {
        return RG_FAIL(err, RG_ERR_ARGUMENT, "%s: there is no recording to write.", path);
    }
    RG_TRY(rgi_recordings_complete(recordings, n, &complete, err));
    for (size_t i = 0; i < n; i++) {
        const rg_recording *r = &complete[i];
        if (r->n_frames >= 2 && r->n_markers >= 3 && r->dt_s > 0) continue;
        free(complete);
        return RG_FAIL(err, RG_ERR_ARGUMENT, "%s: recording %zu is not complete.", path, i);
    }
    const contents whole = {complete, n};
    size_t size = 0;
    void *image = rgi_h5_image(write_contents, &whole, &size);
    free(complete);
    if (image == NULL) { return RG_FAIL(err, RG_ERR_MEMORY, "%s: out of memory for %zu recordings.", path, n); }
    rg_status status = rgi_atomic_write(path, image, size, err);
    free(image);
    return status;
}
