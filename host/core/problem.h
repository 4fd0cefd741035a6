/* core/problem.h: recordings as inputs of a batch (include/rodgrad/batch.h), and inputs moved along
 * a direction.
 *
 * A frame of the batch is a frame interval of the recordings, lost frames included, from frame 1
 * on. All rods run as long as the longest recording; a shorter one rests at its end, as in takes.h.
 * Lengths of ropes that slipped in a gripper are the rod's own (motion.h). */
#ifndef RGI_PROBLEM_H
#define RGI_PROBLEM_H

#include "rodgrad/batch.h"
#include "rodgrad/recording.h"

typedef struct rgi_problem {
    size_t n, frames, steps; /* rods; frame intervals and steps of the longest */
    size_t vertices, edges, markers, clamped_vertices, clamped_edges;
    int *clamped_edge; /* [clamped_edges]; owned, and the next one with it */
    int *clamp_place;  /* [clamped_edges] of the edge's first vertex among the clamped */
    size_t *ticks;     /* [n] frame intervals of each recording */
    rg_rollout_opts rollout;
    double dt_s;
    double *x0, *v0, *m0, *clamp_x, *clamp_m; /* shapes of rg_batch_inputs; one block, owned */
    double *force;                            /* NULL until a move makes one */
    size_t doubles;                           /* of the block */
    rg_model **models;                        /* [n] of each rod; owned */
} rgi_problem;

/* RG_ERR_SHAPE, RG_ERR_VALUE, RG_ERR_MEMORY; the recordings are copied. */
rg_status rgi_problem_create(const rg_model *model, const rg_recording *recordings, size_t n,
                             const rg_rollout_opts *rollout, rgi_problem **out, rg_error *err);
void rgi_problem_destroy(rgi_problem **problem);

rg_batch_inputs rgi_problem_inputs(const rgi_problem *problem);

/* A batch of the problem's rods with their models; of opts, rollout, dt_s and n_frames are the
 * problem's. As rg_batch_create. */
rg_status rgi_problem_batch(const rgi_problem *problem, const rg_batch_opts *opts, rg_batch **out, rg_error *err);

/* A copy moved by scale times a direction: directors follow their edges by parallel transport and
 * turn. RG_ERR_VALUE where a field leaves its range or an edge its direction, RG_ERR_MEMORY. */
rg_status rgi_problem_move(const rgi_problem *problem, const rg_batch_tangents *by, double scale, rgi_problem **out,
                           rg_error *err);

/* numbers of a field, entries times components */
size_t rgi_field_numbers(const rg_model *model, int field);

#endif
