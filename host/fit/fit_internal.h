/* fit/fit_internal.h: what a fit holds, shared by fit.c, the methods, algebra.c, state.c and
 * uncertainty.c. */
#ifndef RGI_FIT_INTERNAL_H
#define RGI_FIT_INTERNAL_H

#include "fit/parameters.h"

/* Stages, in order: uniform rods from `starts` stiffnesses; all modes on a part of the recordings, where there are
 * many (the part of the uniform rods too); all modes on all of them. */
struct rg_fit {
    rg_fit_opts opts;
    rg_group_mode modes[RG_GROUP_COUNT]; /* of the last stage */
    double priors[RG_GROUP_COUNT];
    rg_recording *recordings;                                 /* [n] complete copies (core/recording.h); owned */
    size_t n, counted, capacity;                              /* parameters that arrays hold */
    rg_recording *part;                                       /* [n_part] views of those of the first stages; owned */
    size_t n_part;                                            /* 0: all stages take all */
    rgi_residuals *tangents, *part_tangents, *adjoint, *last; /* made when first needed; the one that ran last */
    rg_model *start, *model, *trial;
    rgi_parameters parameters;
    int stage, stage_iteration, iteration, fresh, small, done, failed;
    int stuck;         /* no step of the method, however short, lowers the cost (not saved) */
    int moved;         /* this stage has accepted a step */
    int attempt;       /* how many uniform rods the later stages have begun from, less one */
    int stopped;       /* rg_fit_stop_reason */
    int linearised;    /* rgi_fit_product is of u: it was evaluated last (not saved) */
    int formed;        /* the accepted normal equations are of u (not saved where they are on a device) */
    int parts;         /* the recordings' parts of it are where the tangents ran (not saved) */
    int with_tangents; /* of the last rollout: had it some? (not saved) */
    int whole;         /* take all recordings, whatever the stage, and weights as they are: rg_fit_parameters */
    double deadline;   /* of rg_fit_limit_time, by the monotonic clock [s]; 0: none (not saved) */
    double mu, weight, cost, l1;
    double rate, window_cost;       /* Adam: learning rate; Adam and L-BFGS: best cost when the window began */
    double *u, *to;                 /* [capacity] scaled: best, trial */
    double *start_u, *start_score;  /* [starts][START_ROOM], [starts] uniform rods; score: l1 (1 + failed rods) [m] */
    double *last_u;                 /* [capacity] where the last rollout was */
    double *normal, *gradient;      /* [2][capacity^2], [2][capacity]: at u, at the trial */
    double *diagonal;               /* [2][capacity] of the matrices where they are on a device */
    double *memory;                 /* [rgi_fit_memory] what a method keeps between its steps */
    double *matrix, *step;          /* [4][capacity^2], [capacity] scratch */
    double *spread;                 /* [3][capacity] scratch: priors' deviations, variances, resolutions */
    rg_fit_parameter *result;       /* [capacity] */
    double *singular, *correlation; /* [capacity], [capacity^2] */
    /* of the recordings that the stage takes, at u: loss (unweighted) [m], flag; factors of their parts of the normal
     * matrix; [n] each */
    double *losses, *factors, *rises; /* rises: scratch */
    int *flags;
    double *recording_l1;            /* [n] of all, where they were rolled out last; -1 before */
    rg_rod_status *recording_status; /* [n] */
};

enum { RGI_START_ROOM = 8 }; /* parameters of a uniform rod, at most */

/* Options (NULL: the default ones) into *own, which has the defaults, without the list of groups: that goes into modes
 * and priors [RG_GROUP_COUNT]. RG_ERR_ARGUMENT, RG_ERR_UNSUPPORTED. */
rg_status rgi_fit_opts_take(const rg_fit_opts *opts, rg_fit_opts *own, rg_group_mode *modes, double *priors,
                            rg_error *err);
/* as rg_fit_create leaves it */
rg_status rgi_fit_begin_anew(rg_fit *fit, rg_error *err);
/* the recordings that the stage takes, and their number */
const rg_recording *rgi_fit_taken(const rg_fit *fit);
size_t rgi_fit_recordings(const rg_fit *fit);
/* rollouts of them; NULL before they are made */
rgi_residuals *rgi_fit_tangents(const rg_fit *fit);
/* numbers in `memory` */
size_t rgi_fit_memory(const rg_fit *fit);
/* of parameter i's prior */
double rgi_fit_precision(const rg_fit *fit, size_t i);
/* is the time over? */
int rgi_fit_late(const rg_fit *fit);
/* there is nothing to gain any more */
void rgi_fit_note_converged(rg_fit *fit);
/* a step lowered the cost by `fall`: counts the small ones in a row */
void rgi_fit_note_fall(rg_fit *fit, double fall, double before);

/* the groups that a stage fits: a uniform rod's in the first stages */
void rgi_fit_stage_modes(const rg_fit *fit, int stage, rg_group_mode *modes);
/* number of coordinates of a recording that count: free markers, frames from 2 on, not masked */
double rgi_fit_coordinates(const rg_fit *fit, size_t recording);
/* Rollouts with a tangent for each parameter, or with what the adjoint needs: made once, at create or when
 * first asked for. */
rg_status rgi_fit_prepare_tangents(rg_fit *fit, rg_error *err);
rg_status rgi_fit_prepare_adjoint(rg_fit *fit, rg_error *err);
/* is the point of the last rollout, at this cost, better than the best so far? Not where more rods fail
 * than there: a rod that stops early can be near the recording by luck. */
int rgi_fit_better(const rg_fit *fit, double cost);
/* roll out at the scaled parameters u, by tangents: cost, normal matrix [p][p] and gradient [p] of the data
 * (unweighted). On a device the matrix is the trial's there (algebra.h) and `normal` not touched. */
rg_status rgi_fit_evaluate(rg_fit *fit, const double *u, double *cost, double *normal, double *gradient, rg_error *err);
/* was the last rollout one of `takes`, with or without tangents, at u? */
int rgi_fit_rolled(const rg_fit *fit, const rgi_residuals *takes, int with_tangents, const double *u);

/* the cost alone, without tangents */
rg_status rgi_fit_cost(rg_fit *fit, const double *u, double *cost, rg_error *err);
/* the same as rgi_fit_evaluate into the trial's half of fit->normal and fit->gradient */
rg_status rgi_fit_try(rg_fit *fit, const double *u, double *cost, rg_error *err);
/* roll out at the scaled parameters u: cost and its whole gradient, the priors' share included, by the
 * adjoint */
rg_status rgi_fit_gradient(rg_fit *fit, const double *u, double *cost, double *gradient, rg_error *err);
/* out = (w J^T W J + P) v where rgi_fit_gradient was last: a tangent and an adjoint run */
rg_status rgi_fit_product(rg_fit *fit, const double *v, double *out, rg_error *err);
/* errors, flags and losses of the recordings that the stage takes, from the last rollout */
void rgi_fit_note(rg_fit *fit);
/* the last rollout is the best so far: u, cost and gradient [p] are its, and so become the model,
 * errors and flags */
void rgi_fit_keep(rg_fit *fit, const double *u, double cost, const double *gradient);

/* One step of a method after u has been evaluated (`fresh` is over): sets `small`, and *accepted
 * when the best improved. fit->gradient is the whole gradient at u; Adam's is at `to`, its iterate.
 * rgi_fit_gauss_newton_begin: at the beginning of a stage, right after that evaluation. */
rg_status rgi_fit_lm_step(rg_fit *fit, int *accepted, rg_error *err);
rg_status rgi_fit_gauss_newton_begin(rg_fit *fit, rg_error *err);
rg_status rgi_fit_gauss_newton_step(rg_fit *fit, int *accepted, rg_error *err);
rg_status rgi_fit_lbfgs_step(rg_fit *fit, int *accepted, rg_error *err);
rg_status rgi_fit_adam_step(rg_fit *fit, int *accepted, rg_error *err);

#endif
