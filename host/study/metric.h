/* study/metric.h: how far a prediction is from a recording.
 *
 * The published metric of the DEFORM recordings is the mean of |predicted - recorded| over frames 2
 * and later, all markers (driven ones included) and the three coordinates. Beside it: distances of
 * the free markers, which are what a simulation predicts. Frames 0 and 1 are given and never count;
 * every marker counts as recorded, glitches too. A NaN in a prediction makes every number NaN. */
#ifndef RGI_METRIC_H
#define RGI_METRIC_H

#include <stddef.h>

#include "rodgrad/recording.h"

/* sums over one or more recordings; zero-initialise, then add */
typedef struct rgi_error_sums {
    double absolute; /* of |coordinate error| over all markers [m] */
    size_t n_absolute;
    double square; /* of squared distances over free markers [m^2] */
    size_t n_free;
    double largest; /* distance of a free marker [m] */
} rgi_error_sums;

/* predicted: [n_frames][n_markers][3] [m] */
void rgi_error_add(rgi_error_sums *sums, const rg_recording *recording, const double *predicted);
/* add what another sum holds */
void rgi_error_merge(rgi_error_sums *sums, const rgi_error_sums *other);

/* The published metric, the root mean square and the largest distance of free markers [m]; NaN
 * where nothing was added. */
double rgi_error_l1(const rgi_error_sums *sums);
double rgi_error_rmse_free(const rgi_error_sums *sums);
double rgi_error_max(const rgi_error_sums *sums);

/* Mean distance of the free markers in each frame: out[n_frames] [m]; frames 0 and 1 as predicted.
 */
void rgi_error_over_time(const rg_recording *recording, const double *predicted, double *out);
/* Mean distance of each marker over frames 2 and later: out[n_markers] [m]. */
void rgi_error_along_rod(const rg_recording *recording, const double *predicted, double *out);

#endif
