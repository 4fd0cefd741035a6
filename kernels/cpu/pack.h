/* cpu/pack.h: a pack of rods as the host sees it: plain numbers, lane innermost.
 *
 * W lanes, one rod each, of one shape: the same vertices, clamps and markers. Every array below
 * that ends in [W] is filled by the host, aligned to 64 bytes. rgi_pack_run_<isa> runs all steps of
 * the pack: forward, and with n_directions > 0 its tangents and the normal equations of a fit.
 * rgi_pack_reverse_<isa> follows a forward run with a plan and runs the steps backwards, from the
 * outputs' cotangents to those of everything that went in (reverse.h).
 * Nothing is allocated; the same bits come out whatever else runs.
 *
 * Numbers are doubles whatever the pack computes in, but for what only packs look at: kept, pool, workspace,
 * and entry_values, which are its own reals. */
#ifndef RGI_PACK_H
#define RGI_PACK_H

#include <stddef.h>

#include "../plan.h"

typedef struct rgi_pack_entry {
    int node, coefficient; /* as rgi_entry */
} rgi_pack_entry;

/* numbers (rg_number: doubles, whatever the pack computes in) by rod, step and item that stay where the
 * caller has them, distances in numbers; data NULL: none. Output frames count as steps here. */
typedef struct rgi_series {
    void *data; /* of the pack's first rod */
    ptrdiff_t rod, step, item;
} rgi_series;

/* where cotangents of markers come from */
enum {
    RGI_BAR_GIVEN, /* markers_bar */
    RGI_BAR_LOSS,  /* the loss's derivative in the residuals */
    RGI_BAR_NORMAL /* weights times what direction 0 moved markers by: a Gauss-Newton product */
};

enum { RGI_STATUS = 11 };

typedef struct rgi_pack {
    /* shape */
    int n;                             /* vertices */
    const int *order, *first, *second; /* [n] elimination schedule */
    const unsigned char *fixed;        /* [n] */
    int n_markers;
    const int *marker_vertices; /* [n_markers] */
    int rods;                   /* lanes in use; the others repeat the first for no step */
    /* scheme */
    double h, gravity[3], tolerance;
    int deform, bdf2, still, normalised, max_iterations, sweeps;
    int substeps;             /* steps of a frame */
    int n_steps;              /* of the longest rod; a multiple of substeps */
    const double *lane_steps; /* [W] steps of each rod; 0 for an empty lane */
    /* parameters and initial state */
    const double *coef;    /* [n][RGI_NC][W] */
    const double *offset;  /* [n_markers][2][W] [m] */
    const double *x0, *v0; /* [n][3][W] */
    const double *m0;      /* [n][3][W] directors; the last node's are not used */
    /* inputs of every step: prescribed positions and directors at its end, external forces [N] */
    int n_fixed_x, n_fixed_theta;
    const int *fixed_x, *fixed_theta; /* nodes */
    rgi_series drive_x, drive_m;      /* items [n_fixed_x][3], [n_fixed_theta][3] */
    rgi_series force;                 /* items [n][3] */
    /* outputs at every frame's end */
    double *markers;                /* [frames][n_markers][3][W], or NULL */
    rgi_series out_x, out_v, out_m; /* items [n][3], [n][3], [n-1][3] */
    rgi_series out_markers;         /* items [n_markers][3] */
    /* per rod: flag (rg_rod_flag), first bad step, iterations, worst iterations, worst increment
     * [m], vertex of the first bad value or -1, first step with an unstable equilibrium or -1; largest twist of a
     * vertex [rad] and its step or -1; of a gripped edge's material frame in one step sin^2 of half the largest
     * rotation, and its step or -1 */
    double *status; /* [RGI_STATUS][W] */
    /* tangents */
    int n_directions;
    const int *entry_begin; /* [n_directions + 1] */
    const rgi_pack_entry *entries;
    const double *entry_values; /* [entries][W] in the pack's reals */
    const double *dx0, *dv0;    /* [n_directions][n][3][W], or NULL for zero */
    const double *dturn0;       /* [n_directions][n][W] turns of the directors, or NULL: as chord says */
    const double *chord;        /* [n][3][W] unit vectors that m0 was carried from, with dx0; or NULL */
    double *markers_jvp;        /* [frames][n_directions][n_markers][3][W], or NULL */
    /* of direction 0: inputs (turn: items [n_fixed_theta]) and outputs (turn: items [n-1]) */
    rgi_series ddrive_x, ddrive_turn, dforce;
    rgi_series out_dx, out_dv, out_dturn, out_dmarkers;
    /* normal equations, with n_directions > 0 and recorded set */
    int n_free;              /* observed markers */
    const int *free_markers; /* [n_free] */
    const double *recorded;  /* [frames][n_free][3][W] [m] */
    const double *weight;    /* [frames][n_free][W] 1, or 0 where masked */
    double floor;            /* of the loss [m] */
    const double *share;     /* [2][W] what weights are multiplied by in J^T W J, up to the floor and beyond it */
    int block;               /* frames in a block of gradients */
    double *normal;          /* [p(p+1)/2][W] sum of J^T W J */
    double *gradients;       /* [blocks][p][W] sum of J^T w r by block */
    double *loss;            /* [4][W] sums of loss [m], |r| [m], loss'' [1/m], weights [1/m] */
    /* W = 1: instead of normal and gradients, the factors they are products of, for one block of frames:
     * rows sqrt(W) J of direction q from rows + q * rows_apart on, sqrt(W) r after the last direction;
     * doubles */
    double *rows;
    ptrdiff_t rows_apart;
    /* Where every step ended, for a run with directions of the same parameters after one without: it need not
     * solve the steps again. Implicit stepper only. NULL: not kept */
    double *trace; /* [n_steps][6 n + 1][W] reals */
    int retrace;   /* go along it; the status stays */
    /* the reverse run */
    const rgi_plan *plan;                           /* NULL: forward only */
    double *kept;                                   /* [rgi_plan_kept][W] reals: what the forward run leaves behind */
    double *pool;                                   /* [rgi_plan_pool][W] reals: scratch, the thread's */
    int bar;                                        /* RGI_BAR_... */
    rgi_series x_bar, v_bar, turn_bar, markers_bar; /* cotangents of outputs, items as there */
    int window;                                     /* steps after which the state's cotangent is dropped; 0: never */
    /* forward runs without directions: the state before the last and the last of each rod's last run, and 1 where
     * the next run goes on from there; NULL: every run starts anew */
    double *carried; /* [2 (RGI_STATE_REALS n + 1) + 1][W] */
    /* results: sums over steps [..][W], where wanted; series by step, data NULL where not asked for */
    int want_coef, want_start;
    double *coef_bar, *offset_bar;       /* as coef, offset */
    double *x0_bar, *v0_bar, *turn0_bar; /* [n][3][W], [n][3][W], [n][W] */
    rgi_series drive_x_bar, drive_turn_bar, force_bar;
    int growth_every;       /* steps */
    rgi_series growth;      /* by step / growth_every: size of the state's cotangent */
    double *adjoint_status; /* [3][W] flag, step and vertex of the first value that is not finite */
    double *workspace;      /* rgi_pack_workspace_<isa> doubles */
} rgi_pack;

#define RGI_PACK_DECLARE(isa)                                                                                          \
    size_t rgi_pack_workspace_##isa(const rgi_pack *pack);                                                             \
    void rgi_pack_run_##isa(const rgi_pack *pack);                                                                     \
    void rgi_pack_reverse_##isa(const rgi_pack *pack)
RGI_PACK_DECLARE(scalar);
RGI_PACK_DECLARE(sse2);
RGI_PACK_DECLARE(fma);
RGI_PACK_DECLARE(avx2);
RGI_PACK_DECLARE(avx512);
RGI_PACK_DECLARE(scalar_float);
RGI_PACK_DECLARE(sse2_float);
RGI_PACK_DECLARE(fma_float);
RGI_PACK_DECLARE(avx2_float);
RGI_PACK_DECLARE(avx512_float);

#endif
