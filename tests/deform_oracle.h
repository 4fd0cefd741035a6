/* deform_oracle.h: DEFORM's algorithm (arXiv 2406.05931) in plain double precision, for tests.
 *
 * Written from the conventions and formulas of the published goldens, not from rodgrad's kernels.
 * With every switch 0 a step is the published one with the exact curvature gradient, operation for
 * operation; each switch turns one convention of it into the one of rodgrad's deform stepper. */
#ifndef DEFORM_ORACLE_H
#define DEFORM_ORACLE_H

enum { ORACLE_VERTICES = 64 }; /* most a rod may have */

/* what the last edge's director does; the first edge's is always carried along it in time */
typedef enum oracle_far {
    ORACLE_FAR_BISHOP, /* untwisted from the first edge at each step; fixed as a force is found */
    ORACLE_FAR_FREE,   /* free to spin, also while a force is found */
    ORACLE_FAR_HELD    /* carried along its own edge in time: the grippers hold both ends */
} oracle_far;

typedef struct oracle_switches {
    int twist_solved;    /* 0: no twist on inner edges; 1: their angles minimise the energy */
    oracle_far far;      /* BISHOP is published */
    int current_lengths; /* 0: rest lengths; 1: |e|, in kb and in its turning of the frames */
    int exact_frames;    /* 0: frames copied where nearly straight, square roots floored, u not made
                            perpendicular to e, kb clamped; 1: none of it */
    int mean_curvature;  /* 0: energy of each vertex in both edges' frames; 1: of the mean kappa */
    int signed_twist;    /* 0: twist adds up without bound; 1: a signed angle, wrapping at pi */
    int commanded;       /* 0: sweeps move clamped vertices 1 and n-1; 1: sweeps leave both alone */
    int uncapped;        /* 0: forces above 5 N are cut to 5 N */
} oracle_switches;

/* all of rodgrad's conventions */
extern const oracle_switches oracle_all;

/* sides of an interior vertex k: 0 edge k-1, 1 edge k; entries of the end vertices are unused */
typedef struct oracle_rod {
    int n;                                /* vertices */
    double length[ORACLE_VERTICES];       /* rest lengths of the n-1 edges [m] */
    double mass[ORACLE_VERTICES];         /* [kg] */
    double bend[ORACLE_VERTICES][2][2];   /* vertex, side, B11 and B22 [N m^2] */
    double kbar[ORACLE_VERTICES][2][2];   /* vertex, side, natural curvature over l [1] */
    double twist[ORACLE_VERTICES];        /* GJ [N m^2] */
    double taubar[ORACLE_VERTICES];       /* natural twist over l [rad] */
    double gravity[3];                    /* [m/s^2] */
    double dt;                            /* [s] */
    int sweeps;                           /* of the inextensibility projection */
    unsigned char fixed[ORACLE_VERTICES]; /* 1: a clamped vertex */
} oracle_rod;

typedef struct oracle_state {
    double x[ORACLE_VERTICES][3], v[ORACLE_VERTICES][3];
    double near_u[3];              /* director of the first edge, at x */
    double far_u[3];               /* director of the last edge where it is held, at x */
    double theta[ORACLE_VERTICES]; /* directors of the edges over the untwisted frame */
} oracle_state;

/* at given directors m1, m2 and twists: the energy and its first and second derivatives */
typedef struct oracle_elastic {
    double energy;
    double bend_force[ORACLE_VERTICES][3];              /* -dE/dx at fixed directors and twists [N] */
    double turn[ORACLE_VERTICES];                       /* bending part of dE/dtheta of edge j [N m] */
    double moment[ORACLE_VERTICES];                     /* dE/dtau of vertex k */
    double grad[ORACLE_VERTICES];                       /* dE/dtheta */
    double diag[ORACLE_VERTICES], off[ORACLE_VERTICES]; /* d2E/dtheta2; off[k]: edges k-1 and k */
} oracle_elastic;

void oracle_evaluate(const oracle_rod *rod, const oracle_switches *sw, double (*x)[3], double (*m1)[3], double (*m2)[3],
                     const double *tau, oracle_elastic *out);

/* Force at state->x on every vertex [N], neither capped nor zeroed at clamps, and the energy; the
 * directors go to m1 where it is not NULL, their angles to state->theta. Returns the Newton
 * iterations of the twist, -1 if they did not converge. */
int oracle_force(const oracle_rod *rod, const oracle_switches *sw, oracle_state *state, double (*force)[3],
                 double *energy, double (*m1)[3]);

/* Frames of a start: near_u given, far_u untwisted from it, theta 0. */
void oracle_start(const oracle_rod *rod, const oracle_switches *sw, oracle_state *state);

/* One step: commanded [n][3], entries of free vertices ignored. Returns as oracle_force. */
int oracle_step(const oracle_rod *rod, const oracle_switches *sw, oracle_state *state, double (*commanded)[3]);

/* u carried along with an edge that moves from a to b, as the switches say. */
void oracle_transport(const oracle_switches *sw, const double *a, const double *b, const double *u, double *out);

/* Every switch on, on plain arrays, with any vertices clamped and a director per edge carried in
 * time by parallel transport: another road to the states that oracle_step reaches.
 * A step: twist solved at x, edges with two clamped ends held; F at x; v + h (F/m + g); clamps set;
 * sweeps; v = (x_new - x)/h; directors carried to the new tangents, those of held edges prescribed.
 * Strains: kappa1 = kb.(m2e+m2f)/2, kappa2 = -kb.(m1e+m1f)/2, tau the signed angle from the
 * transported m1e to m1f; natural values are integrated over l. No drag. */
typedef struct oracle_problem {
    int n;                       /* vertices, at most ORACLE_VERTICES */
    const double *length, *mass; /* [n-1] [m], [n] [kg] */
    const double *bend, *twist;  /* [n][2] B11, B22, and [n] GJ [N m^2]; end entries unused */
    const double *kbar;          /* [n][2] [1]; end entries unused */
    double gravity[3], dt;
    int steps, sweeps;
    const unsigned char *fixed; /* [n] */
    const double *x0, *v0;      /* [n][3] */
    const double *m0;           /* [n-1][3] unit directors m1 perpendicular to the edges of x0 */
    const double *commanded;    /* [steps][n][3]; only clamped vertices are read */
    const double *directors;    /* [steps][n-1][3]; only edges with two clamped ends are read */
} oracle_problem;

/* What a run writes, NULL where it is not wanted: states after each step, and of each step's twist
 * solve the largest |tau| and the Newton iterations. Where |tau| comes near pi, or the iterations
 * jump because a minimum has gone, the minimum found may depend on the way there. */
typedef struct oracle_track {
    double *x, *v;   /* [steps][n][3] */
    double *m1;      /* [steps][n-1][3] */
    double *tau;     /* [steps] [rad] */
    int *iterations; /* [steps] */
} oracle_track;

/* Returns 0, the number of the first step (from 1) whose twist did not converge, or -1 if n is less
 * than 3 or more than ORACLE_VERTICES. */
int oracle_run(const oracle_problem *problem, const oracle_track *track);

#endif
