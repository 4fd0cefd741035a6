/* cli/bench_scene.h: the named scenes that speed is measured on (docs/bench.md).
 *
 * A rod of 1 m hangs in an arc between two grippers, each of which holds its end's two vertices, sways on a
 * path of its own and turns a little. Every vertex is a marker. Rod k of a scene is the same rod in every
 * batch: its stiffness, natural curvature and motion follow from k alone, by formulas. */
#ifndef RGC_BENCH_SCENE_H
#define RGC_BENCH_SCENE_H

#include <stddef.h>

#include "rodgrad/batch.h"

typedef struct rgc_scene {
    const char *name;
    size_t vertices; /* V; clamped are 0, 1, V - 2 and V - 1 */
} rgc_scene;

enum { RGC_SCENES = 5, RGC_SCENE_CLAMPS = 4, RGC_SCENE_CLAMPED_EDGES = 2 };

/* rope12, rope25, rope50, rope100, rope200, with as many vertices */
extern const rgc_scene rgc_scenes[RGC_SCENES];

/* Rod `rod` as this stepper gets it; the caller's. RG_ERR_MEMORY. */
rg_status rgc_scene_model(const rgc_scene *scene, rg_stepper stepper, size_t rod, rg_model **out, rg_error *err);
/* Substeps of a frame of dt_s that keep the stepper stable on the scene: 1 for implicit. RG_ERR_ARGUMENT
 * where deform would need more than 1000. */
rg_status rgc_scene_substeps(const rgc_scene *scene, rg_stepper stepper, double dt_s, int *substeps, rg_error *err);
/* Positions x0 [V][3] [m] and directors m0 [V - 1][3] at time 0, where everything is at rest. */
void rgc_scene_start(const rgc_scene *scene, double *x0, double *m0);
/* Positions of the clamped vertices of rod `rod` after 1 ... n_steps steps: clamp_x [n_steps][4][3] [m] */
void rgc_scene_drive(const rgc_scene *scene, size_t rod, double step_s, size_t n_steps, double *clamp_x);

/* what a batch of a scene is run with; owned */
typedef struct rgc_scene_arrays {
    double *x0, *v0, *m0, *clamp_x, *clamp_m; /* as in rg_batch_inputs */
} rgc_scene_arrays;

/* Give rods 0 ... n_rods - 1 of a batch their models. RG_ERR_MEMORY. */
rg_status rgc_scene_set_models(const rgc_scene *scene, rg_stepper stepper, rg_batch *batch, size_t n_rods,
                               rg_error *err);
/* The inputs of n_rods rods over n_steps steps of step_s; `batch`: one rod of this scene over as many steps, whose
 * arrays are the host's. RG_ERR_MEMORY; *out is to be cleared either way. */
rg_status rgc_scene_arrays_create(const rgc_scene *scene, const rg_batch *batch, size_t n_rods, size_t n_steps,
                                  double step_s, rgc_scene_arrays *out, rg_error *err);
void rgc_scene_arrays_clear(rgc_scene_arrays *arrays);
rg_batch_inputs rgc_scene_inputs(const rgc_scene_arrays *arrays);

#endif
