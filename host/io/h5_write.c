/* io/h5_write.c: see h5_write.h. */
#include "io/h5_write.h"

#include <stdlib.h>
#include <string.h>

#include "io/recording_h5.h"

int rgi_h5_write_text(hid_t object, const char *name, const char *text)
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

int rgi_h5_write_scalar(hid_t object, const char *name, hid_t stored, hid_t memory, const void *value)
{
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = space >= 0 ? H5Acreate2(object, name, stored, space, H5P_DEFAULT, H5P_DEFAULT) : -1;
    int ok = attribute >= 0 && H5Awrite(attribute, memory, value) >= 0;
    if (attribute >= 0) ok = H5Aclose(attribute) >= 0 && ok;
    if (space >= 0) H5Sclose(space);
    return ok;
}

int rgi_h5_write_array(hid_t group, const char *name, int rank, const hsize_t *shape, hid_t stored, hid_t memory,
                       const void *data, const char *unit)
{
    hid_t space = H5Screate_simple(rank, shape, NULL);
    hid_t set = space >= 0 ? H5Dcreate2(group, name, stored, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT) : -1;
    hsize_t count = 1;
    for (int i = 0; i < rank; i++) count *= shape[i];
    int ok = set >= 0 && (count == 0 || H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    if (ok && unit != NULL) ok = rgi_h5_write_text(set, "unit", unit);
    if (set >= 0) ok = H5Dclose(set) >= 0 && ok;
    if (space >= 0) H5Sclose(space);
    return ok;
}

/* made in memory: a full disk then fails our write, whose errors are precise, and not one inside HDF5, which could not
 * release the file any more */
static void *make_image(int (*contents)(hid_t file, const void *data), const void *data, size_t *size)
{
    void *image = NULL;
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    hid_t file = -1;
    /* grows by 1 MiB; 0: nothing goes to a disk, so the name is a label only */
    if (access >= 0 && H5Pset_fapl_core(access, (size_t)1 << 20, 0) >= 0)
        file = H5Fcreate("recordings.h5", H5F_ACC_TRUNC, H5P_DEFAULT, access);
    if (file >= 0 && contents(file, data) && H5Fflush(file, H5F_SCOPE_LOCAL) >= 0) {
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

void *rgi_h5_image(int (*contents)(hid_t file, const void *data), const void *data, size_t *size)
{
    const rgi_h5_quiet q = rgi_h5_quiet_begin();
    void *image = make_image(contents, data, size);
    rgi_h5_quiet_end(q);
    return image;
}
