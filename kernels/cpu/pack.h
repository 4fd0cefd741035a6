/* cpu/pack.h: a pack of rods as the host sees it: plain doubles, lane innermost.
 *
 * W lanes, one rod each, of one shape: the same vertices, clamps and markers. Every array below
 * that ends in [W] is filled by the host, aligned to 64 bytes. rgi_pack_run_<isa> runs all steps of
 * the pack: forward, and with n_directions > 0 its tangents and the normal equations of a fit.
 * Nothing is allocated; the same bits come out whatever else runs. */
#ifndef RGI_PACK_H
#define RGI_PACK_H

#include <stddef.h>

enum { RGI_PACK_MAX_LANES = 8 };

typedef struct rgi_pack_entry {
    int node, coefficient; /* as rgi_entry */
} rgi_pack_entry;

typedef struct rgi_pack {
    /* shape */
    int n;                             /* vertices */
    const int *order, *first, *second; /* [n] elimination schedule */
    const unsigned char *fixed;        /* [n] */
    int n_markers;
    const int *marker_vertices; /* [n_markers] */
    /* scheme */
    double h, gravity[3], tolerance;
    int bdf2, max_iterations, substeps;
    int n_steps;              /* of the longest rod; a multiple of substeps */
    const double *lane_steps; /* [W] steps of each rod; 0 for an empty lane */
    /* parameters and initial state */
    const double *coef;    /* [n][RGI_NC][W] */
    const double *offset;  /* [n_markers][2][W] [m] */
    const double *x0, *v0; /* [n][3][W] */
    const double *m0;      /* [n][3][W] directors; the last node's are not used */
    /* drive: prescribed positions and directors at the end of every step */
    int n_fixed_x, n_fixed_theta;
    const int *fixed_x, *fixed_theta; /* nodes */
    const double *drive_x;            /* [n_steps][n_fixed_x][3][W] */
    const double *drive_m;            /* [n_steps][n_fixed_theta][3][W] */
    /* outputs, NULL when not wanted */
    double *markers; /* [n_steps/substeps][n_markers][3][W] at every frame interval's end */
    /* per rod: flag (rg_rod_flag), first bad step, iterations, worst iterations, worst increment
     * [m] */
    double *status; /* [5][W] */
    /* tangents */
    int n_directions;
    const int *entry_begin; /* [n_directions + 1] */
    const rgi_pack_entry *entries;
    const double *entry_values; /* [entries][W] */
    const double *dx0, *dv0;    /* [n_directions][n][3][W], or NULL for zero */
    const double *chord;        /* [n][3][W] unit vectors that m0 was carried from, with dx0 */
    double *markers_jvp;        /* [frames][n_directions][n_markers][3][W], or NULL (tests) */
    /* normal equations, with n_directions > 0 and recorded set */
    int n_free;              /* observed markers */
    const int *free_markers; /* [n_free] */
    const double *recorded;  /* [frames][n_free][3][W] [m] */
    const double *weight;    /* [frames][n_free][W] 1, or 0 where masked */
    double floor;            /* of the loss [m] */
    int block;               /* frames in a block of gradients */
    double *normal;          /* [p(p+1)/2][W] sum of J^T W J */
    double *gradients;       /* [blocks][p][W] sum of J^T w r by block */
    double *loss;            /* [4][W] sums of loss [m], |r| [m], loss'' [1/m], weights [1/m] */
    double *workspace;       /* rgi_pack_workspace_<isa> doubles */
} rgi_pack;

#define RGI_PACK_DECLARE(isa)                                                                      \
    size_t rgi_pack_workspace_##isa(const rgi_pack *pack);                                         \
    void rgi_pack_run_##isa(const rgi_pack *pack)
RGI_PACK_DECLARE(scalar);
RGI_PACK_DECLARE(sse2);
RGI_PACK_DECLARE(avx2);
RGI_PACK_DECLARE(avx512);

#endif
