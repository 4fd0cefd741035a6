/* cli/inputs.h: a model, and the recordings that it is to predict. */
#ifndef RGC_INPUTS_H
#define RGC_INPUTS_H

#include "cli/cli.h"
#include "rodgrad/recording.h"
#include "rodgrad/rollout.h"

/* Read the recordings under n paths for the model that was loaded from model_path: clamps and frame
 * interval are the model's where the command line does not give them. RG_ERR_SHAPE when a recording
 * has other markers or clamps than the model, or fewer than 3 frames, RG_ERR_UNSUPPORTED when
 * --refine asks for another mesh, RG_ERR_ARGUMENT as rgc_check_steps; else as
 * rg_recordings_read. Free with rg_recordings_free. */
rg_status rgc_read_recordings(const char *const *paths, size_t n, const rgc_common *common, const rgi_model_file *file,
                              const char *model_path, rg_recording **out, size_t *n_out, rg_error *err);

/* Refuse an output that is an input, by whatever name: the same file, or a file of a folder among them. Each of n paths
 * may be NULL. RG_ERR_ARGUMENT. */
rg_status rgc_check_output(const char *output, const char *const *inputs, size_t n, rg_error *err);

/* Do two names of files that are to be written stand for one file? */
int rgc_same_output(const char *a, const char *b);

/* RGC_DONE where an output's name ends in one of these suffixes (NULL: not one), else RGC_USAGE after a sentence: a
 * name that promises another format would be believed. */
int rgc_check_suffix(const char *command, const char *output, const char *first, const char *second, const char *third);

/* A warning where two of these recordings hold the same motion, which then counts twice. kind: "" or, for example,
 * "training ". */
void rgc_warn_twice(const char *command, const char *kind, const rg_recording *recordings, size_t n);

/* A warning where some of n > 1 recordings start straight: nothing tells the roll of their rods then. */
void rgc_warn_straight(const char *command, const rg_recording *recordings, size_t n);

/* What a batch of simulated recordings took and came to. */
typedef struct rgc_batch {
    double **predicted;      /* [n][n_frames_i][n_markers][3]; owned */
    rg_rod_status *statuses; /* [n]; owned */
    rg_forces *forces;       /* [n] with all arrays, or NULL: nobody asked for them; owned */
    size_t n;
    double wall_s; /* of the simulation alone */
    double steps;  /* over all rods */
} rgc_batch;

/* rg_simulate, or with forces rg_simulate_forces, with arrays of its own. *batch is zeroed on failure. */
rg_status rgc_simulate_all(const rgi_model_file *file, const rg_recording *recordings, size_t n,
                           const rg_rollout_opts *opts, int forces, rgc_batch *batch, rg_error *err);
void rgc_batch_clear(rgc_batch *batch);

/* "ok", "ok, but" and what is wrong all the same, or the step and the reason: "step 12: Newton did not converge". */
void rgc_rod_text(const rg_rod_status *status, char *text, size_t size);
/* The same for a batch: "ok", or its first rod that failed: "rod 3 (58.pkl), step 12: ...". */
void rgc_batch_text(const rgc_batch *batch, const rg_recording *recordings, char *text, size_t size);
/* Warnings of n simulated recordings that did not fail and may be wrong (docs/physics.md, section 9): unstable
 * equilibria (RG_SCHEME_STATIC), steps too long for the deform stepper, steps that were not solved (RG_LIMIT_CONTINUE),
 * grippers that turn too far in a step, too much twist for the mesh. One of each kind at most. */
void rgc_warn_rods(const char *command, const rg_model *model, const rg_rod_status *statuses,
                   const rg_recording *recordings, size_t n, const rg_rollout_opts *opts);

/* Add to a JSON object a rod's unfinished_steps, first_unfinished_step (null: none) and worst_residual_n. 0 without
 * memory. */
int rgc_add_unfinished_json(json_t *object, const rg_rod_status *status);
/* Add to a JSON object what every simulating command reports: status, steps, wall_s,
 * rod_steps_per_s, backend, isa, real, scheme, substeps, gravity_m_s2. 0 without memory. */
int rgc_add_batch_json(json_t *object, const rgc_batch *batch, const rg_recording *recordings,
                       const rg_rollout_opts *opts);
/* A number, or null where it is not finite (JSON has no NaN). */
json_t *rgc_json_number(double value);
/* A string; where it is not UTF-8 (a file name may be anything), its bytes beyond ASCII become "?".
 */
json_t *rgc_json_text(const char *text);

#endif
