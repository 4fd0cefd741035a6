/* study/ridge.h: predictions without physics, to compare a simulation with.
 *
 * Both see of the recording that they predict what a simulation sees: frames 0 and 1 and the
 * driving markers. Both return driving markers and frames 0 and 1 as recorded. */
#ifndef RGI_RIDGE_H
#define RGI_RIDGE_H

#include <stddef.h>

#include "rodgrad/recording.h"
#include "rodgrad/status.h"

/* Free markers stay where frame 0 has them. out: [n_frames][n_markers][3] [m]. */
void rgi_hold_predict(const rg_recording *recording, double *out);

typedef struct rgi_ridge rgi_ridge;

/* Ridge regression of the free markers on where the driving markers were up to 32 frames ago. The
 * penalty, and whether the start shape helps, are chosen by cross-validation over the n training
 * recordings, which must agree in markers, clamps and frame interval.
 * RG_ERR_ARGUMENT (none, or no driving marker), RG_ERR_SHAPE (they differ, or are too many for
 * dense algebra), RG_ERR_NUMERIC, RG_ERR_MEMORY; *out is NULL then. */
rg_status rgi_ridge_train(const rg_recording *recordings, size_t n, rgi_ridge **out, rg_error *err);
/* out: [n_frames][n_markers][3] [m]. RG_ERR_SHAPE when the recording is not like those trained on.
 */
rg_status rgi_ridge_predict(const rgi_ridge *ridge, const rg_recording *recording, double *out, rg_error *err);
/* Free and null *ridge. Accepts a pointer to NULL. */
void rgi_ridge_destroy(rgi_ridge **ridge);

#endif
