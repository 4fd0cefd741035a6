/* rod/layout.h: how a rod's arrays are laid out, for every kernel.
 *
 * A rod of n vertices has n nodes; node i holds vertex i and, for i < n-1, edge i (from vertex i to
 * i+1). Unknowns of a node: x_i (3) and theta^i, the turn of edge i's director about its tangent (1);
 * the last node's theta does not exist and is marked prescribed.
 * Strains of a node: { |e_i| (edge i) [m], kappa1_i, kappa2_i, tau_i (vertex i, interior only) }.
 * Stretch is measured by the length itself, so that no strain depends on a parameter. */
#ifndef RGI_LAYOUT_H
#define RGI_LAYOUT_H

/* coefficients of a node: what the energies need, already integrated over the element */
enum {
    RGI_KL,   /* EA / L of edge i [N/m] */
    RGI_L,    /* rest length of edge i [m] */
    RGI_TS,   /* relaxation time of stretch, edge i [s] */
    RGI_K11,  /* B11 / l_i of vertex i [N m] */
    RGI_K12,  /* B12 / l_i [N m] */
    RGI_K22,  /* B22 / l_i [N m] */
    RGI_KB1,  /* natural curvature, first component, times l_i [1] */
    RGI_KB2,  /* second component [1] */
    RGI_TB,   /* relaxation time of bending [s] */
    RGI_RM,   /* stiffness of the bending memory over that of bending [1] */
    RGI_LM,   /* rate at which the memory forgets, 1/tau_m [1/s] */
    RGI_KT,   /* GJ / l_i [N m] */
    RGI_TBAR, /* natural twist times l_i [rad] */
    RGI_TT,   /* relaxation time of twist [s] */
    RGI_M,    /* mass of vertex i [kg] */
    RGI_C,    /* mass-proportional drag of vertex i [1/s] */
    RGI_NC
};

/* where a list of coefficient changes means a marker's offset: its node is then the marker */
enum { RGI_O1 = RGI_NC, RGI_O2 };

/* what a step makes of them: the potential is sum 1/2 s.K s - b.s over strains */
enum { RGI_SL, RGI_S11, RGI_S12, RGI_S22, RGI_ST, RGI_BL, RGI_B1, RGI_B2, RGI_BT, RGI_NW };

enum { RGI_NS = 4 };  /* strains per node */
enum { RGI_NU = 4 };  /* unknowns per node */
enum { RGI_NG = 24 }; /* strain gradients per interior vertex: 3 strains x (e 3, f 3, theta_e, theta_f) */
enum { RGI_NJ = 36 }; /* joint Hessian: ee 6, ff 6, ef 9, e.theta 6, f.theta 6, theta.theta 3 */
enum { RGI_NH = 38 }; /* Hessian blocks of a node: diagonal 10, to first 16, to second neighbour 12 */

/* prescribed unknowns of a node */
enum { RGI_FIXED_X = 1, RGI_FIXED_THETA = 2 };

#endif
