/* core/inputs.h: recordings as inputs of rods (include/rodgrad/batch.h): all that is known of a recording before it is
 * simulated (motion.h), and the derivative of the start by marker offsets.
 *
 * A frame of a rod is a frame interval of its recording, lost frames included, from frame 1 on. Rows are as long as the
 * longest recording; the inputs of a shorter one rest at its end. Lengths of ropes that slipped in a gripper are the
 * rod's own. */
#ifndef RGI_INPUTS_H
#define RGI_INPUTS_H

#include "core/motion.h"
#include "rodgrad/batch.h"

/* by how much a recording's grippers turn from frame to frame (rgi_motion_turn) */
typedef struct rgi_gripper_turn {
    double rad;
    int step;
} rgi_gripper_turn;

typedef struct rgi_inputs {
    size_t n, frames, steps;  /* rods; frame intervals and steps of the longest */
    rgi_shape *shape;         /* owned, as all here */
    rg_recording *recordings; /* [n] complete copies (core/recording.h); their arrays stay the caller's */
    rg_rollout_opts rollout;
    double dt_s;
    size_t *own_frames;                       /* [n] frame intervals of each recording */
    int *frame_of;                            /* [n][frames] the recording's frame that a rod's frame is, or -1 */
    rgi_gripper_turn *turns;                  /* [n] */
    double *x0, *v0, *m0, *clamp_x, *clamp_m; /* shapes of rg_batch_inputs; one block */
    double *chords;                           /* [n][V][3] unit vectors that m0 was carried from */
    double *offset_directions;                /* [n][M][2][6] that offsets act along in frames 0 and 1 */
    size_t doubles;                           /* of the block from x0 on */
    double *weights;                          /* [n][V][RGI_SUPPORT] of marker vertices (motion.h) */
    rg_model *model;                          /* the one that rgi_inputs_model hands out */
    double *lengths;                          /* [E] rest lengths of rgi_inputs_set_model's */
    unsigned char *slipped;                   /* [V] where the handed out model has others */
} rgi_inputs;

/* The recordings that a rollout with these options can start from and be driven by, and their starts with the model's
 * offsets. RG_ERR_ARGUMENT, RG_ERR_SHAPE, RG_ERR_VALUE, RG_ERR_UNSUPPORTED, RG_ERR_MEMORY; *out is NULL then. */
rg_status rgi_inputs_create(const rg_model *model, const rg_recording *recordings, size_t n,
                            const rg_rollout_opts *rollout, rgi_inputs **out, rg_error *err);
void rgi_inputs_destroy(rgi_inputs **inputs);

rg_batch_inputs rgi_inputs_arrays(const rgi_inputs *inputs);

/* Rods of another model of the same shape: their starts with its offsets of markers. RG_ERR_VALUE for an offset of a
 * driving marker, RG_ERR_MEMORY. */
rg_status rgi_inputs_set_model(rgi_inputs *inputs, const rg_model *model, rg_error *err);
/* That model as it is for one rod: lengths are the rod's own where its rope slipped. Until the next call. */
const rg_model *rgi_inputs_model(rgi_inputs *inputs, size_t rod);

/* What marker_offset[entry][component], times scale, moves of a rod's start: adds to dx, dv [V][3], whose numbers lie
 * `apart` apart. */
void rgi_inputs_start_jvp(const rgi_inputs *inputs, size_t rod, size_t entry, int component, double scale, size_t apart,
                          double *dx, double *dv);
/* Its adjoint: adds to *sum what cotangents x_bar, v_bar of the start say about that number. */
void rgi_inputs_start_adj(const rgi_inputs *inputs, size_t rod, size_t entry, int component, double scale, size_t apart,
                          const double *x_bar, const double *v_bar, double *sum);

/* What the recording says about a rod's status beyond its run: steps cut the way between two frames into shares, which
 * need not be in doubt where the whole is. */
void rgi_inputs_add_status(const rgi_inputs *inputs, size_t rod, rg_rod_status *status);

/* The rows [..][row] of a rod's first `frames` frames to those of its recording's frames, of which out begins with
 * number `first`; frames that the recording lost have none. */
void rgi_inputs_give_rows(const rgi_inputs *inputs, size_t rod, const double *rows, size_t row, size_t frames,
                          size_t first, double *out);

/* A batch of the rods with their models (rgi_inputs_set_model), each as long as its recording; of opts, rollout, dt_s
 * and n_frames are the inputs'. As rg_batch_create. */
rg_status rgi_inputs_batch(rgi_inputs *inputs, const rg_batch_opts *opts, rg_batch **out, rg_error *err);

#endif
