/* cli/bench_work.h: what a row of bench runs: a number of a scene's rods, simulated or differentiated in one
 * of some modes, set up once and called again and again (docs/bench.md). Needs the library alone: tests
 * count the same calls' operations and instructions. */
#ifndef RGC_BENCH_WORK_H
#define RGC_BENCH_WORK_H

#include "cli/bench_scene.h"
#include "core/packs.h"
#include "fit/residuals.h"

/* forward: markers. jvp: and theirs in one direction of bend stiffness. tangent: recordings simulated with
 * one rod's parameters, and the normal equations of some of these. adjoint: markers, and the gradient of the
 * sum of their squares with respect to bend stiffness and start */
typedef enum rgc_mode { RGC_FORWARD, RGC_JVP, RGC_TANGENT, RGC_ADJOINT, RGC_MODES } rgc_mode;
extern const char *const rgc_mode_names[RGC_MODES];

/* what all work on a scene has in common */
typedef struct rgc_setting {
    const rgc_scene *scene;
    rg_rollout_opts rollout;
    size_t frames;    /* that a rod is simulated for */
    double frame_s;   /* [s] */
    rg_memory memory; /* where the caller's arrays are, but for mode tangent, whose recordings are the host's */
} rgc_setting;

size_t rgc_setting_steps(const rgc_setting *setting); /* of a rod */
double rgc_setting_step_s(const rgc_setting *setting);

/* the caller's arrays, which all work on one scene and batch size uses in turn; made by the first that needs
 * them */
typedef struct rgc_arrays {
    size_t rods;
    rgc_scene_arrays scene;
    double *markers, *second;         /* [rods][F][V][3]; their tangents or cotangents */
    double *cotangents;               /* of copies alone: [rods][F][V][3] */
    double *direction;                /* [rods][V] of the bend stiffness */
    double *x0, *v0, *turn0, *b[3];   /* gradients: [rods][V][3], [rods][E], [rods][V] */
    rg_rod_status *statuses;          /* [rods] */
    rg_adjoint_status *back_statuses; /* [rods] */
    /* of mode tangent: rods at rest in frames 0 and 1, and F frames of what they do then */
    rg_recording *recordings; /* [rods] */
    double *positions;        /* [rods][F + 2][V][3] */
    uint8_t *valid;           /* [F + 2][V] */
    /* copies of all numbers above in the memory of this GPU, where batches take them from there; or NULL */
    struct rgc_arrays *copies;
    rgi_device *device;
} rgc_arrays;

/* the setting that they were made with */
void rgc_arrays_clear(const rgc_setting *setting, rgc_arrays *arrays);

typedef struct rgc_work {
    const rgc_setting *setting;
    rgc_arrays *arrays;
    rgc_mode mode;
    size_t parameters;        /* of mode tangent */
    rg_rollout_opts rollout;  /* the setting's, with this work's real and threads */
    rg_batch *batch;          /* of modes other than tangent */
    rgi_residuals *residuals; /* of mode tangent, with all below */
    rg_model *model;
    rgi_place *places;         /* [parameters] */
    rgi_direction *directions; /* [parameters] */
    double *normal, *gradient; /* [parameters]^2, [parameters] */
} rgc_work;

/* arrays->rods rods of the setting; both must outlive the work. RG_ERR_MEMORY and errors of rg_batch_create;
 * *out is to be cleared either way. */
rg_status rgc_work_create(const rgc_setting *setting, rgc_arrays *arrays, rgc_mode mode, size_t parameters,
                          rg_real real, int threads, rgc_work *out, rg_error *err);
void rgc_work_clear(rgc_work *work);

/* the instructions that its rods run on */
const char *rgc_work_isa(const rgc_work *work);
/* where its rods are on a GPU; NULL on the CPU */
const rgi_rollout *rgc_work_rollout(const rgc_work *work);

/* Everything once: what is timed. Statuses are the arrays' then, but those of mode tangent only after
 * rgc_work_statuses. */
rg_status rgc_work_run(const rgc_work *work, rg_error *err);
void rgc_work_statuses(const rgc_work *work);

/* what the library holds and keeps for it */
rg_batch_plan rgc_work_describe(const rgc_work *work);
/* Bytes of a rod-step that go through memory at the least, where nothing stays in a cache from one call to
 * the next (docs/bench.md). */
double rgc_work_bytes_per_step(const rgc_work *work);

#endif
