/* io/recording_h5.h: what the writer and the reader of rodgrad's HDF5 recordings share. */
#ifndef RGI_RECORDING_H5_H
#define RGI_RECORDING_H5_H

#include <hdf5.h>

#define RGI_H5_FORMAT "rodgrad-recording"
enum { RGI_H5_VERSION = 1 };

/* HDF5 prints its own error stack by default; that is switched off while we are inside. */
typedef struct rgi_h5_quiet {
    H5E_auto2_t print;
    void *data;
} rgi_h5_quiet;

static inline rgi_h5_quiet rgi_h5_quiet_begin(void)
{
    rgi_h5_quiet q = {NULL, NULL};
    H5Eget_auto2(H5E_DEFAULT, &q.print, &q.data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return q;
}

static inline void rgi_h5_quiet_end(rgi_h5_quiet q) { H5Eset_auto2(H5E_DEFAULT, q.print, q.data); }

#endif
