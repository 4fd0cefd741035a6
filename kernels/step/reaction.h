/* step/reaction.h: what holds prescribed unknowns: forces on vertices and moments about edges, with tangent and
 * adjoint.
 *
 * Phi (assemble.h) has zero gradient in the free unknowns at a step's solution. Its gradient in the prescribed ones,
 *   r_p = dPhi/dy_p = inertia + drag + internal force - gravity - external force,
 * is what the equation of motion lacks there: the force [N] with which the hold acts on vertex i, and the moment [N m]
 * with which it turns edge i about the tangent. The virtual work of the hold is r_x.dx + r_theta dtheta, where dtheta
 * counts on top of the parallel transport that follows the edge. A rigid rotation by w about a point c has dx = w x (x
 * - c) and dtheta = w.t, so that the moment of a hold about c is sum (x_i - c) x r_i + sum t_j r_theta_j.
 *
 * Tangent: dr = H dy + Phi_yq dq - A dx in the prescribed rows; dy is of all unknowns, the prescribed ones included.
 * H is the Hessian in one chart, where a director goes from the tangent t before the change to t' = t + dt in one
 * transport, and the gradient at the changed place is of another chart, which begins at t'. Moving t' by dt' turns the
 * first chart's director by -(t x t').dt'/(1 + t.t') more than the second's. Hence the two gradients differ by
 * r_theta (t x dt).dt'/2, and with dt = (1 - t t^T) de/|e|
 *   A dx = -(r_theta/(2 |e|^2)) t x de at the edge's end, and the opposite at its begin.
 * A is antisymmetric. Free edges have r_theta = 0, and the equations of a step need no such term.
 * Adjoint: with r_bar at prescribed unknowns, H r_bar adds to y_bar and lambda takes -r_bar in the prescribed rows
 * (derivative.h): then past, coefficients and external forces get Phi_yq^T r_bar from the terms that are there already,
 * and prescribed unknowns y_bar - H lambda - A^T r_bar. */
#ifndef RGI_REACTION_H
#define RGI_REACTION_H

#include "stress.h"

/* moments of joint i, two of bending and the twist's, w [3] [N m], with strains s [n][RGI_NS] */
RG_FN void rgi_joint_stress(const rgi_rod *rod, const real *s, int i, real *w)
{
    const real *k = rod->w + RGI_NW * i, *at = s + RGI_NS * i;
    w[0] = rg_dot2(k[RGI_S11], at[1], k[RGI_S12], at[2]) - k[RGI_B1];
    w[1] = rg_dot2(k[RGI_S12], at[1], k[RGI_S22], at[2]) - k[RGI_B2];
    w[2] = rg_fms(k[RGI_ST], at[3], k[RGI_BT]);
}

/* dPhi/dtheta of edge i with strains s and their gradients in rod->g */
RG_FN real rgi_edge_torque(const rgi_rod *rod, const real *s, int i)
{
    real torque = rg_set1(0.0), w[3];
    for (int j = i; j <= i + 1; j++) {
        if (j < 1 || j >= rod->n - 1) continue;
        const real *g = rod->g + RGI_NG * j + (j == i ? 7 : 6);
        rgi_joint_stress(rod, s, j, w);
        torque += rg_dot3(w[0], g[0], w[1], g[8], w[2], g[16]);
    }
    return torque;
}

/* dPhi/dx of vertex i, r [3], at the positions x with strains s; tangents in rod->t, strains' gradients in rod->g */
RG_APART void rgi_vertex_residual(const rgi_rod *rod, const real *x, const real *s, int i, real *r)
{
    real w[3];
    for (int c = 0; c < 3; c++) {
        r[c] = -rod->c[3 * i + c]; /* static: the load */
        if (!rod->still) r[c] = rod->a[i] * (x[3 * i + c] + r[c]);
    }
    for (int j = i - 1; j <= i + 1; j++) {
        if (j >= 0 && j <= i && j < rod->n - 1) {
            const real *k = rod->w + RGI_NW * j;
            const real tension = rg_fms(k[RGI_SL], s[RGI_NS * j], k[RGI_BL]);
            const real pull = rg_set1(j == i ? -1.0 : 1.0) * tension;
            for (int c = 0; c < 3; c++) r[c] += pull * rod->t[4 * j + c];
        }
        if (j < 1 || j >= rod->n - 1) continue;
        const real *g = rod->g + RGI_NG * j;
        rgi_joint_stress(rod, s, j, w);
        for (int c = 0; c < 3; c++) {
            const real e = rg_dot3(w[0], g[c], w[1], g[8 + c], w[2], g[16 + c]);
            const real f = rg_dot3(w[0], g[3 + c], w[1], g[11 + c], w[2], g[19 + c]);
            if (j == i + 1) r[c] -= e;
            if (j == i) r[c] += e - f;
            if (j == i - 1) r[c] += f;
        }
    }
}

/* r_theta/(2 |e|^2) of edge i at the step's solution, 0 of a free one */
RG_FN real rgi_edge_swing(const rgi_rod *rod, int i)
{
    if (!(rod->fixed[i] & RGI_FIXED_THETA)) return rg_set1(0.0);
    return RG_C(0.5) * rod->t[4 * i + 3] * rod->t[4 * i + 3] * rgi_edge_torque(rod, rod->sy, i);
}

/* Changes of the residual into r [n][RGI_NU], which holds -Phi_yq dq, after the solve for dy [n][RGI_NU]; meant are
 * those at prescribed unknowns. full: the Hessian with them; product [n][RGI_NU]: zeros again in the end. Plain code,
 * for one lane. */
RG_APART void rgi_reaction_jvp(const rgi_rod *rod, const real *full, const real *dy, real *product, real *r)
{
    rgi_blocks_times(rod->plan, full, dy, product);
    for (int k = 0; k < RGI_NU * rod->n; k++) {
        r[k] = product[k] - r[k];
        product[k] = rg_set1(0.0);
    }
    for (int i = 0; i < rod->n - 1; i++) {
        const real *p = dy + RGI_NU * i;
        const vec3 across = v3_cross(v3_load(rod->t + 4 * i), v3_sub(v3_load(p + 4), v3_load(p)));
        real d[3];
        v3_store(d, v3_scale(rgi_edge_swing(rod, i), across));
        for (int c = 0; c < 3; c++) {
            r[RGI_NU * i + c] -= d[c];
            r[RGI_NU * i + 4 + c] += d[c];
        }
    }
}

/* Before the adjoint's solve: the cotangent r_bar [n][RGI_NU], zero at free unknowns, gives H r_bar to y_bar
 * [n][RGI_NU] and -A^T r_bar to prescribed_bar [n][RGI_NU], unless that is NULL. product [n][RGI_NU]: scratch. */
RG_APART void rgi_reaction_adj(const rgi_rod *rod, const real *full, const real *r_bar, real *product, real *y_bar,
                               real *prescribed_bar)
{
    RG_TEAM_ONE
    {
        rgi_blocks_times(rod->plan, full, r_bar, product);
        for (int i = 0; prescribed_bar && i < rod->n - 1; i++) {
            const real *p = r_bar + RGI_NU * i, *t = rod->t + 4 * i, swing = rgi_edge_swing(rod, i);
            real apart[3], d[3];
            for (int c = 0; c < 3; c++) apart[c] = RG_TERM(p[4 + c]) - RG_TERM(p[c]);
            for (int c = 0; c < 3; c++) {
                const int u = (c + 1) % 3, v = (c + 2) % 3;
                d[c] = RG_TERM(swing * (apart[u] * t[v])) - RG_TERM(swing * (apart[v] * t[u]));
            }
            for (int c = 0; c < 3; c++) {
                prescribed_bar[RGI_NU * i + c] -= RG_TERM(d[c]);
                prescribed_bar[RGI_NU * i + 4 + c] += RG_TERM(d[c]);
            }
        }
    }
    RG_TEAM_SYNC();
    RG_TEAM_FOR(k, 0, RGI_NU * rod->n) y_bar[k] += RG_TERM(product[k]);
    RG_TEAM_SYNC();
}

#endif
