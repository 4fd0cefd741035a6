/* fit/fit_internal.h: what a fit holds, shared by fit.c, state.c and uncertainty.c. */
#ifndef RGI_FIT_INTERNAL_H
#define RGI_FIT_INTERNAL_H

#include "fit/parameters.h"

struct rg_fit {
    rg_fit_opts opts;
    const rg_recording *recordings;
    size_t n, counted, capacity; /* parameters that arrays hold */
    rgi_takes *batch;
    rg_model *start, *model, *trial;
    rgi_parameters parameters;
    int stage, stage_iteration, iteration, fresh, small, done, failed;
    double mu, weight, cost, l1, best_l1, best_start_cost;
    double *u, *to, *start_u;        /* [capacity] scaled: best, trial, best start's */
    double *normal, *gradient;       /* [2][capacity^2], [2][capacity]: at u, at the trial */
    double *matrix, *step;           /* [4][capacity^2], [capacity] scratch */
    rg_fit_parameter *result;        /* [capacity] */
    double *singular, *correlation;  /* [capacity], [capacity^2] */
    double *recording_l1;            /* [n] */
    rg_rod_status *recording_status; /* [n] */
};

/* the groups that a stage fits: a uniform rod's in the first stages */
void rgi_fit_stage_modes(const rg_fit *fit, int stage, rg_group_mode *modes);
/* number of coordinates of a recording that count: free markers, frames from 2 on, not masked */
double rgi_fit_coordinates(const rg_fit *fit, size_t recording);
/* roll out at the scaled parameters u: cost, normal matrix and gradient of the data (unweighted) */
rg_status rgi_fit_evaluate(rg_fit *fit, const double *u, double *cost, double *normal,
                           double *gradient, rg_error *err);

#endif
