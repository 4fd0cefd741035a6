/* io/h5_write.h: what the writers of rodgrad's HDF5 files share. Functions that return int return 0 on failure. */
#ifndef RGI_H5_WRITE_H
#define RGI_H5_WRITE_H

#include <stddef.h>

#include <hdf5.h>

/* attributes: a text of fixed length, and one number */
int rgi_h5_write_text(hid_t object, const char *name, const char *text);
int rgi_h5_write_scalar(hid_t object, const char *name, hid_t stored, hid_t memory, const void *value);
/* a dataset with the attribute `unit` (NULL: without one) */
int rgi_h5_write_array(hid_t group, const char *name, int rank, const hsize_t *shape, hid_t stored, hid_t memory,
                       const void *data, const char *unit);

/* The bytes of a file that `contents` fills, allocated by malloc; NULL when memory is out. */
void *rgi_h5_image(int (*contents)(hid_t file, const void *data), const void *data, size_t *size);

#endif
