/* rodgrad/fit.h: identify a rod's parameters from recordings.
 *
 * minimise  (N_eff / N) / b  sum rho(simulated - recorded)  +  1/2 sum ((p - p0)/sigma0)^2
 * over recordings, frames, free markers and coordinates; rho is absolute error with a quadratic
 * floor (Huber), b the mean |error| of the uniform rod from which the parameters along the rod begin, and N_eff/N =
 * 1/100 (opts.correlation) allows for the correlation of residuals in time; for independent noise it makes the reported
 * deviations too large. Exact derivatives of whole rollouts, all recordings in one batch; the
 * method is Levenberg-Marquardt unless the options name another. A fit goes through stages: a
 * uniform rod first, from several stiffnesses, then the parameters along the rod; with 32 recordings or
 * more these stages take a part of them, and a last stage takes all. Derivation: docs/physics.md, section 5. */
#ifndef RODGRAD_FIT_H
#define RODGRAD_FIT_H

#include <stddef.h>

#include "rodgrad/batch.h"
#include "rodgrad/model.h"
#include "rodgrad/recording.h"
#include "rodgrad/rollout.h"
#include "rodgrad/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* groups of parameters: id, name, unit, scale (1 logarithmic), default mode, prior's standard
 * deviation (of the logarithm where the scale is logarithmic), lowest, highest value */
#define RG_GROUP_LIST(X)                                                                                               \
    X(RG_GROUP_BEND, "bend_stiffness", "N m^2", 1, RG_ALONG, 1.0, 1e-7, 10.0)                                          \
    X(RG_GROUP_ANISOTROPY, "bend_anisotropy", "1", 0, RG_ALONG, 0.2, -0.7, 0.7)                                        \
    X(RG_GROUP_CURVATURE, "natural_curvature", "1/m", 0, RG_ALONG, 5.0, -60.0, 60.0)                                   \
    X(RG_GROUP_TWIST, "twist_stiffness", "N m^2", 1, RG_UNIFORM, 1.0, 1e-7, 10.0)                                      \
    X(RG_GROUP_NATURAL_TWIST, "natural_twist", "rad/m", 0, RG_ALONG, 2.0, -60.0, 60.0)                                 \
    X(RG_GROUP_STRETCH, "stretch_stiffness", "N", 1, RG_UNIFORM, 1.0, 1.0, 1e5)                                        \
    X(RG_GROUP_LENGTH, "rest_length", "m", 1, RG_ALONG, 0.02, 1e-4, 10.0)                                              \
    X(RG_GROUP_BEND_TIME, "bend_relaxation", "s", 1, RG_ALONG, 1.0, 1e-4, 2.0)                                         \
    X(RG_GROUP_TWIST_TIME, "twist_relaxation", "s", 1, RG_UNIFORM, 1.0, 1e-4, 2.0)                                     \
    X(RG_GROUP_STRETCH_TIME, "stretch_relaxation", "s", 1, RG_UNIFORM, 1.0, 1e-4, 2.0)                                 \
    X(RG_GROUP_MEMORY, "bend_memory", "1", 1, RG_ALONG, 1.0, 1e-3, 20.0)                                               \
    X(RG_GROUP_MEMORY_TIME, "bend_memory_time", "s", 1, RG_UNIFORM, 1.0, 1e-2, 30.0)                                   \
    X(RG_GROUP_DRAG, "drag", "1/s", 1, RG_UNIFORM, 1.0, 1e-4, 20.0)                                                    \
    X(RG_GROUP_MASS, "mass_per_length", "kg/m", 1, RG_HELD, 1.0, 1e-4, 10.0)                                           \
    X(RG_GROUP_MARKER_MASS, "marker_mass", "kg", 1, RG_ALONG, 1.0, 1e-6, 1.0)                                          \
    X(RG_GROUP_OFFSET, "marker_offset", "m", 0, RG_ALONG, 0.002, -0.03, 0.03)

typedef enum rg_group {
#define RG_GROUP_ENUM(id, name, unit, log, mode, prior, low, high) id,
    RG_GROUP_LIST(RG_GROUP_ENUM)
#undef RG_GROUP_ENUM
        RG_GROUP_COUNT
} rg_group;

typedef enum rg_group_mode {
    RG_HELD,    /* as in the start model */
    RG_UNIFORM, /* one value for the rod */
    RG_ALONG    /* one value for each marker (vertex fields, linear between) or marker interval (edge
                   fields) */
} rg_group_mode;

/* "bend_stiffness", ...; NULL when there is no such group. Thread-safe. */
const char *rg_group_name(rg_group group);
/* The group of this name into *out: 1; 0 when there is none, NULL too, and *out stays. Thread-safe. */
int rg_group_find(const char *name, rg_group *out);

/* methods of minimisation: id, name. Levenberg-Marquardt solves with the whole normal matrix; the
 * others need only gradients and products with it. Gauss-Newton-CG is Levenberg-Marquardt with its
 * system solved by conjugate gradients. L-BFGS and Adam are for very many parameters. */
#define RG_METHOD_LIST(X)                                                                                              \
    X(RG_METHOD_LM, "lm")                                                                                              \
    X(RG_METHOD_GAUSS_NEWTON_CG, "gauss-newton-cg")                                                                    \
    X(RG_METHOD_LBFGS, "lbfgs")                                                                                        \
    X(RG_METHOD_ADAM, "adam")

typedef enum rg_fit_method {
#define RG_METHOD_ENUM(id, name) id,
    RG_METHOD_LIST(RG_METHOD_ENUM)
#undef RG_METHOD_ENUM
        RG_METHOD_COUNT
} rg_fit_method;

/* "lm", ...; NULL when there is no such method. Thread-safe. */
const char *rg_fit_method_name(rg_fit_method method);
/* The method of this name into *out: 1; 0 when there is none, NULL too, and *out stays. Thread-safe. */
int rg_fit_method_find(const char *name, rg_fit_method *out);

typedef struct rg_group_choice {
    rg_group group;
    rg_group_mode mode;
    double prior; /* standard deviation of its prior, as in RG_GROUP_LIST; larger = weaker. 0: the default */
} rg_group_choice;

typedef struct rg_fit_opts {
    size_t struct_size; /* sizeof(rg_fit_opts), set by rg_fit_opts_default; 0: of the first version */
    rg_rollout_opts rollout;
    /* [n_groups] what the last stage fits where that is not RG_GROUP_LIST's default, each group once. Copied. The
     * deform stepper, which has no stretch, holds its stiffness and relaxation. */
    const rg_group_choice *groups;
    size_t n_groups;
    int only_groups;     /* 1: groups that are not in the list are held (default 0) */
    int refine;          /* edges per marker interval, without a start model */
    size_t budget_bytes; /* for the states that the adjoint's methods keep, as in rg_batch_opts */
    rg_fit_method method;
    int max_iterations; /* of the last stage; 0: 60 with Levenberg-Marquardt, 40 with Gauss-Newton-CG, 1000 with L-BFGS,
                           2000 with Adam */
    double tolerance;   /* relative fall of the cost at which the fit has converged: twice in a row, with L-BFGS in 20
                           iterations (or when one promises less than a thousandth of it), with Adam in three windows
                           of 50 iterations in a row. Negative, the default: 1e-2 with Levenberg-Marquardt, 1.5e-4 with
                           the others */
    double learning_rate;         /* Adam's, in standard deviations of the priors an iteration; it falls by
                                     half after each window that brought less than the tolerance */
    double floor_m;               /* of the loss [m] */
    double correlation;           /* N / N_eff */
    unsigned long long seed;      /* 0: factors 1, 4, 1/4, 16, ...; else random ones, set by the seed */
    int starts;                   /* stiffnesses to start the uniform stage from */
    rg_bend_measure bend_measure; /* of the model, without a start model (default RG_BEND_AVERAGED) */
} rg_fit_opts;

/* The default options into *opts, as far as it reaches: its struct_size and that of its rollout say how far.
 * Thread-safe. */
void rg_fit_opts_init(rg_fit_opts *opts);

static inline rg_fit_opts rg_fit_opts_default(void)
{
    rg_fit_opts opts;
    opts.struct_size = sizeof opts;
    opts.rollout.struct_size = sizeof opts.rollout;
    rg_fit_opts_init(&opts);
    return opts;
}

typedef struct rg_fit rg_fit;

/* A fit of n recordings of one rod (same markers, clamps and frame interval; they stay the caller's
 * and must outlive the fit). start: where to start and what RG_HELD groups keep, or NULL for a
 * uniform straight rod with lengths taken from the recordings; copied. RG_ERR_ARGUMENT,
 * RG_ERR_SHAPE, RG_ERR_VALUE, RG_ERR_MEMORY. One thread at a time per fit. */
rg_status rg_fit_create(const rg_recording *recordings, size_t n, const rg_model *start, const rg_fit_opts *opts,
                        rg_fit **out, rg_error *err);
void rg_fit_destroy(rg_fit **fit);

/* why a fit is over: id, name */
#define RG_STOP_LIST(X)                                                                                                \
    X(RG_STOP_NONE, "not over")                                                                                        \
    X(RG_STOP_TOLERANCE, "tolerance")   /* it has converged: the cost hardly falls any more */                         \
    X(RG_STOP_STUCK, "no better point") /* no step of the method lowers the cost, though it has a slope */             \
    X(RG_STOP_ITERATIONS, "iterations") /* rg_fit_opts.max_iterations */                                               \
    X(RG_STOP_TIME, "time")             /* rg_fit_limit_time, or the caller's rg_fit_end */

typedef enum rg_fit_stop_reason {
#define RG_STOP_ENUM(id, name) id,
    RG_STOP_LIST(RG_STOP_ENUM)
#undef RG_STOP_ENUM
        RG_STOP_COUNT
} rg_fit_stop_reason;

/* NULL when there is no such reason */
const char *rg_fit_stop_name(rg_fit_stop_reason reason);

typedef struct rg_fit_progress {
    int stage, n_stages, iteration; /* iteration: of the whole fit */
    double cost, train_l1_m;        /* mean |error| over free markers that count, of the stage's recordings [m] */
    int failed_rods;                /* whose rollout was flagged at the current parameters */
    int accepted;                   /* the last trial improved the cost */
    int done;
    int converged; /* done, and by RG_STOP_TOLERANCE */
    rg_fit_stop_reason stopped_by;
} rg_fit_progress;

/* Where a fit is: the stage of the next step, and the errors and failures of the recordings that its stage takes; after
 * rg_fit_parameters those of all recordings at the best model. `accepted` is 0. */
void rg_fit_describe(const rg_fit *fit, rg_fit_progress *progress);

/* From now on at most so many seconds: rg_fit_step ends the fit when they are over, between two rollouts. Zero or
 * less: as long as it takes, the default. */
void rg_fit_limit_time(rg_fit *fit, double seconds);
/* End a fit with the best model so far, by RG_STOP_TIME or RG_STOP_ITERATIONS. Nothing where it has ended already.
 * RG_ERR_ARGUMENT, RG_ERR_MEMORY. */
rg_status rg_fit_end(rg_fit *fit, rg_fit_stop_reason reason, rg_error *err);

/* One iteration of the method: with Levenberg-Marquardt some rollouts and the tangents of the best (on the CPU and with
 * the implicit stepper the last rollout's steps are kept for them, 6 reals a vertex and step, if all of them take up to
 * 1 GiB), with Adam a rollout and its gradient, with L-BFGS mostly the same, up to 24 of them where its line search
 * takes long, some products more with Gauss-Newton-CG. When progress->done is set there is nothing left to do. */
rg_status rg_fit_step(rg_fit *fit, rg_fit_progress *progress, rg_error *err);

/* The state between two steps as numbers, to save and resume: the resumed fit goes on with the same
 * bits. state NULL: only *count is set. rg_fit_resume refuses (RG_ERR_SHAPE, RG_ERR_VALUE) what is
 * not a state of a fit with the same recordings' shapes, options and method. */
void rg_fit_state(const rg_fit *fit, double *state, size_t *count);
rg_status rg_fit_resume(rg_fit *fit, const double *state, size_t count, rg_error *err);

/* What the methods that go by the adjoint keep for it, into *plan: decided at create. 0 when the method
 * keeps nothing (RG_METHOD_LM). */
int rg_fit_plan(const rg_fit *fit, rg_batch_plan *plan);

/* What the last stage does with a group: as the options and the stepper say. RG_HELD for a group that there is not. */
rg_group_mode rg_fit_group_mode(const rg_fit *fit, rg_group group);

/* The best model so far; lives as long as the fit, changes with rg_fit_step. */
const rg_model *rg_fit_model(const rg_fit *fit);

typedef struct rg_fit_parameter {
    rg_group group;
    int element; /* marker or interval, -1 when uniform */
    int component;
    int logarithmic;
    double value;      /* in the group's unit */
    double std;        /* of the value; NaN when it cannot be given */
    double low, high;  /* 95 % interval, along the scale that was fitted */
    double prior_std;  /* of the scaled parameter */
    double resolution; /* share of the information that the data gave, not the prior: 0 ... 1 */
    int identifiable;  /* resolution above 1/2 and not at a bound */
    int at_bound;
} rg_fit_parameter;

/* Parameters, count of them in *n; owned by the fit, valid until the next call on it. Covariance:
 * sandwich over blocks of frames (docs/physics.md, section 5). */
rg_status rg_fit_parameters(rg_fit *fit, const rg_fit_parameter **out, size_t *n, rg_error *err);
/* [n] singular values of the scaled Jacobian, descending (unit: prior standard deviations);
 * correlation matrix [n][n] of the estimates. Owned by the fit, set by rg_fit_parameters. */
const double *rg_fit_singular_values(const rg_fit *fit);
const double *rg_fit_correlations(const rg_fit *fit);
/* Mean |error| of recording i over its counted free markers [m], at the best model, and its status
 * there; NaN before a stage or rg_fit_parameters has taken all recordings. */
double rg_fit_recording_l1(const rg_fit *fit, size_t i, rg_rod_status *status);

#ifdef __cplusplus
}
#endif
#endif
