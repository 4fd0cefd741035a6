/* io/recording_h5.c: rodgrad's HDF5 recordings are written here, as docs/recording-format.md describes them.
 * io/recording_h5_read.c reads them. */
#include "io/recording_h5.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/recording.h"
#include "io/atomic_file.h"
#include "io/recording_io.h"

static int write_text(hid_t object, const char *name, const char *text)
{
    size_t n = strlen(text);
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    int ok = type >= 0 && space >= 0 && H5Tset_size(type, n > 0 ? n : 1) >= 0 &&
             H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0;
    hid_t attribute = ok ? H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT) : -1;
    ok = attribute >= 0 && H5Awrite(attribute, type, text) >= 0;
    if (attribute >= 0) ok = H5Aclose(attribute) >= 0 && ok;
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    return ok;
}

static int write_scalar(hid_t object, const char *name, hid_t stored, hid_t memory, const void *value)
{
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = space >= 0 ? H5Acreate2(object, name, stored, space, H5P_DEFAULT, H5P_DEFAULT) : -1;
    int ok = attribute >= 0 && H5Awrite(attribute, memory, value) >= 0;
    if (attribute >= 0) ok = H5Aclose(attribute) >= 0 && ok;
    if (space >= 0) H5Sclose(space);
    return ok;
}

static int write_array(hid_t group, const char *name, int rank, const hsize_t *shape, hid_t stored, hid_t memory,
                       const void *data, const char *unit)
{
    hid_t space = H5Screate_simple(rank, shape, NULL);
    hid_t set = space >= 0 ? H5Dcreate2(group, name, stored, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT) : -1;
    hsize_t count = 1;
    for (int i = 0; i < rank; i++) count *= shape[i];
    int ok = set >= 0 && (count == 0 || H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    if (ok && unit != NULL) ok = write_text(set, "unit", unit);
    if (set >= 0) ok = H5Dclose(set) >= 0 && ok;
    if (space >= 0) H5Sclose(space);
    return ok;
}

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
    ok = ok && write_text(group, "name", r->name);
    ok = ok && write_text(group, "source", r->source);
    ok = ok && write_text(group, "sha256", r->sha256);
    ok = ok && write_scalar(group, "dt_s", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &r->dt_s);
    hsize_t all[3] = {r->n_frames, r->n_markers, 3}, some[3] = {r->n_frames, r->n_clamps, 3};
    ok = ok && write_array(group, "clamps", 1, &some[1], H5T_STD_I32LE, H5T_NATIVE_INT, r->clamps, NULL);
    ok = ok && write_array(group, "positions", 3, all, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, r->positions, "m");
    ok = ok && write_array(group, "driving", 3, some, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, driving, "m");
    ok = ok && write_array(group, "valid", 2, all, H5T_STD_U8LE, H5T_NATIVE_UINT8, r->valid, NULL);
    ok =
        ok && write_array(group, "lost", 1, all, H5T_STD_I32LE, H5T_NATIVE_INT, r->lost != NULL ? r->lost : none, NULL);
    free(none);
    free(driving);
    if (group >= 0) ok = H5Gclose(group) >= 0 && ok;
    return ok;
}

static int write_contents(hid_t file, const rg_recording *recordings, size_t n)
{
    int version = RGI_H5_VERSION;
    int ok = write_text(file, "format", RGI_H5_FORMAT) &&
             write_scalar(file, "version", H5T_STD_I32LE, H5T_NATIVE_INT, &version) && write_text(file, "up", "z");
    hid_t parent = ok ? H5Gcreate2(file, "recordings", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT) : -1;
    ok = parent >= 0;
    for (size_t i = 0; i < n && ok; i++) ok = write_recording(parent, i, &recordings[i]);
    if (parent >= 0) ok = H5Gclose(parent) >= 0 && ok;
    return ok && H5Fflush(file, H5F_SCOPE_LOCAL) >= 0;
}

/* The bytes of the HDF5 file, made in memory: a full disk then fails our write, whose errors are
 * precise, and not one inside HDF5, which could not release the file any more. */
static void *make_image(const rg_recording *recordings, size_t n, size_t *size)
{
    void *image = NULL;
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    hid_t file = -1;
    /* grows by 1 MiB; 0: nothing goes to a disk, so the name is a label only */
    if (access >= 0 && H5Pset_fapl_core(access, (size_t)1 << 20, 0) >= 0)
        file = H5Fcreate("recordings.h5", H5F_ACC_TRUNC, H5P_DEFAULT, access);
    if (file >= 0 && write_contents(file, recordings, n)) {
        ssize_t bytes = H5Fget_file_image(file, NULL, 0);
        if (bytes > 0) image = malloc((size_t)bytes);
        if (image != NULL && H5Fget_file_image(file, image, (size_t)bytes) != bytes) {
            free(image);
            image = NULL;
        }
        *size = bytes > 0 ? (size_t)bytes : 0;
    }
    if (file >= 0) H5Fclose(file);
    if (access >= 0) H5Pclose(access);
    return image;
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
    const rgi_h5_quiet q = rgi_h5_quiet_begin();
    size_t size = 0;
    void *image = make_image(complete, n, &size);
    rgi_h5_quiet_end(q);
    free(complete);
    if (image == NULL) { return RG_FAIL(err, RG_ERR_MEMORY, "%s: out of memory for %zu recordings.", path, n); }
    rg_status status = rgi_atomic_write(path, image, size, err);
    free(image);
    return status;
}
