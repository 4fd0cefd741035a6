/* fit/algebra.h: what a fit does with the normal equations of its tangents, where they are.
 *
 * On the CPU N = J^T W J is in fit->normal and LAPACK works on it. With tangents on a device N stays there
 * (cuda/normal.h), the host keeps its diagonal and the gradient. Two sets, as there: of u, and of the trial.
 */
#ifndef RGI_ALGEBRA_H
#define RGI_ALGEBRA_H

#include "cuda/normal.h"
#include "fit/fit_internal.h"

/* are the tangents on a device? */
int rgi_algebra_on_device(const rg_fit *fit);

/* After a run of the tangents: N into normal [p][p], or the device's trial set; the data's gradient
 * (unweighted) into gradient [p]. RG_ERR_DEVICE. */
rg_status rgi_algebra_take(rg_fit *fit, double *normal, double *gradient, rg_error *err);
/* the trial's N (rgi_fit_try) is u's from now on; the gradient goes by rgi_fit_keep */
void rgi_algebra_accept(rg_fit *fit);
/* Multiply the recordings' parts of u's N by factors [n], which are in fit->factors already: without another run
 * where they are on the host and of u still. As rgi_fit_try otherwise. */
rg_status rgi_algebra_reweigh(rg_fit *fit, const double *factors, rg_error *err);
/* N_ii of the trial, or of u */
double rgi_algebra_diagonal(const rg_fit *fit, int trial, size_t i);

/* With the right-hand side in fit->step [p] and priors' deviations in fit->spread [p]: step becomes the solution of
 * (A + mu diag(A)) x = step at u, A = w N + P. *solved is 0 where the matrix is not positive definite. RG_ERR_DEVICE.
 */
rg_status rgi_algebra_solve(rg_fit *fit, double mu, int *solved, rg_error *err);

/* The sandwich, resolutions and singular values at u (uncertainty.c), after rgi_fit_try and
 * rgi_algebra_accept there. RG_ERR_NUMERIC (not positive definite, no convergence), RG_ERR_DEVICE. */
rg_status rgi_algebra_uncertainty(rg_fit *fit, const rgi_normal_spread *spread, rg_error *err);

#endif
