/* cli/check.h: rodgrad check: what its parts share. Each part adds verdicts; details for a machine
 * go into the JSON object beside them. */
#ifndef RGC_CHECK_H
#define RGC_CHECK_H

#include "cli/inputs.h"
#include "cli/check_rods.h"

/* what one check came to */
typedef struct rgc_verdict {
    char name[40];
    double figure, bar; /* good while figure <= bar; NaN where there is none */
    int passed;
    char text[480];
} rgc_verdict;

enum { RGC_VERDICTS = 24 };

/* outputs, in two groups that are judged apart: how rods move; and their forces, which the deform stepper has none of,
 * with moments and energies */
enum {
    RGC_X,
    RGC_V,
    RGC_TURN,
    RGC_MARKERS,
    RGC_TENSION,
    RGC_REACTION,
    RGC_REACTION_MOMENT,
    RGC_MOMENT,
    RGC_ENERGY,
    RGC_OUTPUTS
};
enum { RGC_MOTION, RGC_FORCES, RGC_GROUPS };

typedef struct rgc_check_job {
    rgi_model_file file;
    rg_recording *recordings; /* [n_read] as read */
    size_t n_read;
    rg_recording *used; /* [n] those that are checked, cut to the frames; their memory is the others' */
    double *whole_s;    /* [n] how long each is uncut [s] */
    size_t n;
    rg_rollout_opts opts;
    rgc_rods *rods;            /* solved to round-off, once rgc_check_solve has been */
    rgc_rods *shaken;          /* the same, but for the last bits of its inputs; NULL: none can be made */
    rg_batch *batch;           /* of `rods` */
    int unsolved;              /* round-off is too large for that: steps are solved less far */
    size_t budget;             /* bytes for states kept for gradients */
    rg_rod_status *statuses;   /* [n] of the forward run */
    double scale[RGC_OUTPUTS]; /* of forces: 1/their root mean square over all rods and frames; of how rods move: 1 */
    unsigned long long random;
    rgc_verdict verdicts[RGC_VERDICTS];
    size_t n_verdicts;
    json_t *details;
    double mean_fit_m; /* mean distance of free markers from the recordings; NaN: unknown */
} rgc_check_job;

/* text: a printf format */
void rgc_check_add(rgc_check_job *job, const char *name, double figure, double bar, int passed, const char *text, ...)
    __attribute__((format(printf, 6, 7)));
/* Add a member to the details; steals the reference. RG_ERR_MEMORY. */
rg_status rgc_check_detail(rgc_check_job *job, const char *name, json_t *value, rg_error *err);
/* RG_ERR_INTERRUPTED after a signal */
rg_status rgc_check_go_on(rg_error *err);
/* uniform in -1 ... 1, the same from run to run */
double rgc_check_random(rgc_check_job *job);
/* numbers, null where not finite; NULL without memory */
json_t *rgc_check_numbers(const double *values, size_t n);
int rgc_check_rod_ok(const rgc_check_job *job, size_t rod);

/* Parts, in the order they run. RG_ERR_MEMORY, RG_ERR_INTERRUPTED; what a check finds is a verdict.
 */
rg_status rgc_check_rollout(rgc_check_job *job, rg_error *err);      /* check_gradient.c */
rg_status rgc_check_solve(rgc_check_job *job, rg_error *err);        /* check_round_off.c */
rg_status rgc_check_shake(rgc_check_job *job, rg_error *err);        /* check_round_off.c */
rg_status rgc_check_dot_products(rgc_check_job *job, rg_error *err); /* check_dot.c, by rgc_check_gradient */
rg_status rgc_check_gradient(rgc_check_job *job, rg_error *err);     /* check_gradient.c */
rg_status rgc_check_step_size(rgc_check_job *job, rg_error *err);    /* check_step.c */
rg_status rgc_check_stability(rgc_check_job *job, rg_error *err);    /* check_step.c */
rg_status rgc_check_health(rgc_check_job *job, rg_error *err);       /* check_health.c */
rg_status rgc_check_hessian(rgc_check_job *job, rg_error *err);      /* check_conditions.c */
rg_status rgc_check_parameters(rgc_check_job *job, rg_error *err);   /* check_conditions.c */

/* Directions in every input of the problem; owned by the caller (check_direction.c). */
typedef struct rgc_direction {
    double *x0, *v0, *turn0, *clamp_x, *clamp_turn, *force, *fields[RG_FIELD_COUNT];
    rg_field_values tangent_fields[RG_FIELD_COUNT]; /* lists of `fields` for the next two */
    rg_field_gradient gradient_fields[RG_FIELD_COUNT];
} rgc_direction;

/* kinds of input: the six arrays, then the fields */
enum { RGC_X0, RGC_V0, RGC_TURN0, RGC_CLAMP_X, RGC_CLAMP_TURN, RGC_FORCE, RGC_FIELDS };
enum { RGC_KINDS = RGC_FIELDS + RG_FIELD_COUNT };

/* Random where kinds[k], the rest NULL; values of the model's own size. `zero`: zeros instead
 * (places for gradients). RG_ERR_MEMORY. */
rg_status rgc_direction_create(rgc_check_job *job, const int kinds[RGC_KINDS], int zero, rgc_direction *out,
                               rg_error *err);
void rgc_direction_clear(rgc_direction *direction);
/* numbers of one kind and one rod, and where they are (NULL: none) */
size_t rgc_direction_size(const rgc_rods *rods, int kind);
double **rgc_direction_array(rgc_direction *direction, int kind);
/* good until the direction changes or moves */
rg_batch_tangents rgc_direction_tangents(rgc_direction *direction);
rg_batch_gradients rgc_direction_gradients(rgc_direction *direction);
const char *rgc_kind_name(int kind);

/* outputs of all rods, or their tangents or cotangents; owned by the caller (check_series.c) */
typedef struct rgc_series {
    double *of[RGC_OUTPUTS];  /* NULL: none of a rod */
    size_t size[RGC_OUTPUTS]; /* of a rod */
} rgc_series;

rg_status rgc_series_create(const rgc_rods *rods, rgc_series *series, rg_error *err);
void rgc_series_clear(rgc_series *series);
/* groups that the stepper puts out */
int rgc_check_groups(const rgc_rods *rods);
/* sets job->scale by a forward run of its batch; RG_ERR_MEMORY */
rg_status rgc_check_scales(rgc_check_job *job, rg_error *err);
rg_batch_outputs rgc_series_outputs(const rgc_series *series);
rg_batch_tangent_outputs rgc_series_tangents(const rgc_series *series);
rg_batch_cotangents rgc_series_cotangents(const rgc_series *series, int group);
/* a . b of a rod's outputs of a group */
double rgc_series_dot(const rgc_series *a, const rgc_series *b, size_t rod, int group);
/* |moved - base - e d| of a rod's outputs of a group, times their scales; of how rods move positions and markers [m].
 * moved, base NULL: zero. */
double rgc_series_remainder(const rgc_check_job *job, const rgc_series *moved, const rgc_series *base,
                            const rgc_series *d, size_t rod, double e, int group);
double rgc_check_dot(const double *a, const double *b, size_t n);

/* Words for round-off (check_round_off.c): the digits that a relative error leaves, and "the problem is
 * ill-conditioned, ". A gradient with an error of RGC_BEARABLE, not more, is good for fits and optimisation. */
int rgc_check_digits(double error);
const char *rgc_check_ill_conditioned(const rgc_check_job *job);
#define RGC_BEARABLE 1e-3

#endif
