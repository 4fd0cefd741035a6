/* io/forces_h5.h: forces of simulated recordings as an HDF5 file (docs/forces-format.md). */
#ifndef RGI_FORCES_H5_H
#define RGI_FORCES_H5_H

#include "rodgrad/model.h"
#include "rodgrad/recording.h"
#include "rodgrad/rollout.h"

/* The bytes of a file with the forces of n recordings (forces and statuses [n], all arrays there), allocated by malloc.
 * RG_ERR_ARGUMENT (a recording without positions), RG_ERR_MEMORY; *image is NULL then. One thread at a time, with all
 * other use of HDF5 in the process. */
rg_status rgi_forces_image(const rg_model *model, const rg_recording *recordings, size_t n, const rg_forces *forces,
                           const rg_rod_status *statuses, void **image, size_t *size, rg_error *err);

#endif
