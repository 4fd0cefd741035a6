/* cuda/rollout_call.h: what the rollout's kernels are given, as host and device see it. */
#ifndef RGI_ROLLOUT_CALL_H
#define RGI_ROLLOUT_CALL_H

#include "../cpu/pack.h"

/* threads of the largest block, whatever the team's width */
enum { RGI_BLOCK_THREADS = 64 };
/* integers that a module says of itself: sizes of rgi_pack, rgi_run, rgi_plan, rgi_rollout_call, rgi_rollout_starts and
 * a real [bytes], threads of a team */
enum { RGI_LAYOUT = 7 };

/* What differs from call to call of a batch: for all rods, pointers and series of rod 0, those of the others `rod`
 * numbers further. NULL: leave alone (starts), none (series). */
typedef struct rgi_rollout_call {
    const double *x0, *v0, *m0, *dx0, *dv0, *dturn0; /* rows of 3 vertices, 3 vertices, 3 edges, ..., edges numbers */
    int vertices;                                    /* of these rows: a rod may have fewer */
    int set_tangents;                                /* write dx0, dv0, dturn0: zero where NULL */
    int n_directions, bar, want_coef, want_start, growth_every;
    rgi_series drive_x, drive_m, force, out_x, out_v, out_m, out_markers;
    rgi_series ddrive_x, ddrive_turn, dforce, out_dx, out_dv, out_dturn, out_dmarkers;
    rgi_series x_bar, v_bar, turn_bar, markers_bar;
    rgi_series drive_x_bar, drive_turn_bar, force_bar, growth;
} rgi_rollout_call;

/* where a reverse run's start goes: rows as above, or NULL */
typedef struct rgi_rollout_starts {
    double *x0, *v0, *turn0;
    int vertices;
} rgi_rollout_starts;

#endif
