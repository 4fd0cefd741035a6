/* theory.h: what the cases of rod theory share: judged figures, curves for the gallery, uniform rods and
 * their runs.
 *
 * A case computes its reference itself (closed forms, elliptic integrals, roots, exact discrete solutions),
 * runs the library through its public interface, and judges the difference. With RODGRAD_THEORY_DATA set to a
 * folder it also writes <name>.csv there, from which tools/gallery.py draws: rows of fields parted by '|',
 *   case|name|title|source   panel|panel|x label|y label|linear or log
 *   point|panel|series|x|y   figure|what|value|bar */
#ifndef THEORY_H
#define THEORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rodgrad/rodgrad.h"

#define THEORY_PI 3.14159265358979323846
#define THEORY_GRAVITY 9.81 /* [m/s^2] */
/* A gripper is an edge this long, in lengths of the rod: the clamp plane, which is an edge's middle, is then at
 * the rod's end. */
#define THEORY_GRIP 1e-6

/* begin a case: name as in the test, what it shows in a sentence, and the reference's source. Text without
 * '|' or line ends, here and below. */
void theory_case(const char *name, const char *title, const char *source);
/* a plot of this case; `log`: both axes logarithmic */
void theory_panel(const char *panel, const char *x_label, const char *y_label, int log);
/* a point of a plot. Series that begin with "exact" are drawn as lines, the others as markers. */
void theory_point(const char *panel, const char *series, double x, double y);

/* |value| <= bar, or the test fails; NaN fails */
void theory_judge(const char *what, double value, double bar);
/* errors [n >= 3], each at half the step of the one before: the order seen between the last two, judged to be
 * within bar of `expected`; the others are printed, and all are drawn against first, first/2, ... */
void theory_order(const char *what, const double *errors, int n, double first, double expected, double bar);

/* a straight, uniform, isotropic rod without damping or markers' masses */
typedef struct theory_rod {
    double length;                        /* [m], without grippers */
    double density, stretch, bend, twist; /* [kg/m], EA [N], EI [N m^2], GJ [N m^2] */
    int segments;                         /* of equal length */
    int grip_begin, grip_end;             /* whether an edge of THEORY_GRIP is added there, to be clamped */
} theory_rod;

/* Its model; every vertex is a marker. Clamped are the grippers' vertices (first two, last two), and `hold_begin`,
 * `hold_end` clamp the first and last vertex alone (a hinge) where there is no gripper. */
rg_model *theory_model(const theory_rod *rod, int hold_begin, int hold_end);
/* arc length [m] of vertex i, 0 at the rod's own beginning (the gripper's other vertex is before it) */
double theory_arc(const theory_rod *rod, int i);
/* all entries of a field */
void theory_set(rg_model *model, rg_field field, double value);

/* One rod's run: inputs and outputs as in rodgrad/batch.h, for one rod and frames of one step. */
typedef struct theory_run {
    rg_model *model;                    /* owned */
    rg_batch_opts opts;                 /* may be changed before theory_forward, but for n_frames and substeps */
    int n, steps, c, d;                 /* vertices, steps, clamped vertices and edges */
    const int *clamped, *clamped_edges; /* [c], [d] vertices and edges */
    double *x0, *v0, *m0;               /* [n][3], [n][3], [n-1][3] */
    double *clamp_x, *clamp_m, *force;  /* [steps][c][3], [steps][d][3], [steps][n][3] */
    double *x, *v, *m;                  /* [steps][n][3], [steps][n][3], [steps][n-1][3] */
    rg_rod_status status;
    rg_batch *batch; /* kept for `clamped`; owned */
} theory_run;

/* A run of `steps` steps of dt_s from positions x0 [n][3] (copied), at rest, held where it is, without force. The
 * first edge's director is across it towards `up` as far as it can be; the others are carried along the rod
 * without twist. Takes the model over. */
theory_run *theory_run_make(rg_model *model, const double *x0, const double up[3], int steps, double dt_s);
/* Simulate. A rod that fails fails the test, saying why. */
void theory_forward(theory_run *run);
/* Simulate, and make the end the next run's start. */
void theory_forward_on(theory_run *run);
void theory_run_free(theory_run *run);

/* u carried from unit tangent s to t by parallel transport; u across s */
void theory_transport(const double s[3], const double t[3], const double u[3], double out[3]);
/* u turned about unit axis t by angle [rad] */
void theory_turn(const double t[3], double angle, const double u[3], double out[3]);
/* twist [rad] at vertex i of positions x and directors m, in (-pi, pi] */
double theory_twist(const double *x, const double *m, int i);

#endif
