/* step/derivative.h: tangent (jvp) and adjoint of the implicit step.
 *
 * At the solution y = (x, theta), Phi_y(y, q) = 0 for q = (state, parameters, inputs), so for the free
 * unknowns H dy = -Phi_yq dq. Every strain enters as w1(s, q) ds/dy, hence Phi_yq dq = G^T dw1 +
 * d(a (x - c)) - df, with dw1 the change of the strain's stress at fixed strain (stress.h); prescribed
 * unknowns p add H_fp dp. After the solve ds = G dy and the state follows from dy and the past.
 * Adjoint: y_bar gathers the state's cotangents (s by G^T), lambda = H^-1 y_bar with zeros at prescribed
 * unknowns; then p_bar = y_bar - H_pf lambda, f_bar = lambda, w1_bar = -G lambda, and a (x - c) gives the
 * past positions and velocities theirs. H and its factor are the tangent's.
 * Directors: dtheta at the solution is their whole change, because the chart is centred there. */
#ifndef RGI_DERIVATIVE_H
#define RGI_DERIVATIVE_H

#include <stddef.h>

#include "reaction.h"

/* changes, or cotangents, of forces that a step puts out; NULL where not asked for */
typedef struct rgi_forces {
    real *tension;  /* [n] of edges [N] */
    real *moment;   /* [n][3] of joints [N m]; cotangents are zero at the ends */
    real *reaction; /* [n][RGI_NU] at prescribed unknowns [N], [N m]; cotangents are zero at free ones */
} rgi_forces;

/* changes of what a step takes, next to the state and the coefficients, and of what it puts out; NULL for none. Those
 * of further directions follow. */
typedef struct rgi_input_tangent {
    const real *y;            /* [n][RGI_NU] of prescribed positions and directors, 0 elsewhere */
    const real *f;            /* [n][3] of external forces [N] */
    const rgi_forces *forces; /* where they go, of one direction; reactions with full */
} rgi_input_tangent;

/* as direction q has it, with these forces */
RG_DISSOLVED rgi_input_tangent rgi_input_along(rgi_input_tangent in, int n, int q, const rgi_forces *forces)
{
    if (in.y) in.y += (size_t)(RGI_NU * n) * (size_t)q;
    if (in.f) in.f += (size_t)(3 * n) * (size_t)q;
    in.forces = forces;
    return in;
}

/* cotangents of what a step takes next to the state, and of what it puts out; NULL where not asked for, or zero */
typedef struct rgi_input_bar {
    real *coef;               /* [n][RGI_NC] added to */
    real *y;                  /* [n][RGI_NU] written, prescribed unknowns only */
    real *f;                  /* [n][3] written */
    const rgi_forces *forces; /* given; reactions with full */
} rgi_input_bar;

RG_FN void rgi_mask_fixed_node(const rgi_rod *rod, int i, real *y)
{
    for (int c = 0; c < RGI_NU; c++)
        if (rod->fixed[i] & (c < 3 ? RGI_FIXED_X : RGI_FIXED_THETA)) y[RGI_NU * i + c] = rg_set1(0.0);
}

RG_FN void rgi_mask_fixed(const rgi_rod *rod, real *y)
{
    RG_TEAM_FOR(i, 0, rod->n) rgi_mask_fixed_node(rod, i, y);
    RG_TEAM_SYNC();
}

/* reals a node of what rgi_step_jvp_beside works on for each direction: changes of stress (RGI_NS) and force (3),
 * zero between calls, and the solution (RGI_NU) */
enum { RGI_CHANGES = RGI_NS + 3, RGI_JVP_SCRATCH = RGI_CHANGES + RGI_NU };

/* what entries change at fixed configuration, into changes [n][RGI_CHANGES]; is any of it a force? */
RG_FN int rgi_course_changes(const rgi_rod *rod, const rgi_step *step, rgi_course course, real *changes)
{
    int forces = 0;
    for (int e = 0; e < course.n_entries; e++) {
        const rgi_entry entry = course.entries[e];
        /* of the observation, not of the step; of a longer rod of the batch */
        if (entry.coefficient >= RGI_NC || entry.node >= rod->n) continue;
        real *to = changes + RGI_CHANGES * entry.node;
        forces = forces || entry.coefficient == RGI_M || entry.coefficient == RGI_C;
        rgi_coefficient_jvp(rod, step, entry, course.values[e], to, to + RGI_NS);
    }
    return forces;
}

RG_FN void rgi_course_clear(const rgi_rod *rod, rgi_course course, real *changes)
{
    for (int e = 0; e < course.n_entries; e++)
        for (int c = 0; course.entries[e].node < rod->n && c < RGI_CHANGES; c++)
            changes[RGI_CHANGES * course.entries[e].node + c] = rg_set1(0.0);
}

/* Changes of the edges' tensions, K l - b, into tension [n]: by the lengths that dy [n][RGI_NU] changes, by the past,
 * which is still that before the step, and by coefficients among the entries. Plain code, for one lane. */
RG_APART void rgi_tension_jvp(const rgi_rod *rod, const rgi_step *step, rgi_course course, const real *dy,
                              real *tension)
{
    const real zero = rg_set1(0.0);
    tension[rod->n - 1] = zero;
    for (int i = 0; i < rod->n - 1; i++) {
        real w[RGI_NS], ds[RGI_NS] = {zero, zero, zero, zero};
        rgi_history_jvp(rgi_keeping_of(rod, step, i), step, i, course.d, w);
        rgi_strain_jvp(rod, i, dy, ds);
        tension[i] = rg_fma(rod->w[RGI_NW * i + RGI_SL], ds[0], w[0]);
    }
    for (int e = 0; e < course.n_entries; e++) {
        const rgi_entry entry = course.entries[e];
        if (entry.coefficient >= RGI_NC || entry.node >= rod->n) continue;
        real stress[RGI_NS] = {zero, zero, zero, zero}, force[3] = {zero, zero, zero};
        rgi_coefficient_jvp(rod, step, entry, course.values[e], stress, force);
        tension[entry.node] += stress[0];
    }
}

/* Likewise of the joints' moments, into moment [n][3], which is zero at the ends. */
RG_APART void rgi_moment_jvp(const rgi_rod *rod, const rgi_step *step, rgi_course course, const real *dy, real *moment)
{
    const real zero = rg_set1(0.0);
    for (int k = 0; k < 3; k++) moment[k] = moment[3 * (rod->n - 1) + k] = zero;
    for (int i = 1; i < rod->n - 1; i++) {
        const real *k = rod->w + RGI_NW * i;
        real w[RGI_NS], ds[RGI_NS] = {zero, zero, zero, zero}, *m = moment + 3 * i;
        rgi_history_jvp(rgi_keeping_of(rod, step, i), step, i, course.d, w);
        rgi_strain_jvp(rod, i, dy, ds);
        m[0] = rg_dot2(k[RGI_S11], ds[1], k[RGI_S12], ds[2]) + w[1];
        m[1] = rg_dot2(k[RGI_S12], ds[1], k[RGI_S22], ds[2]) + w[2];
        m[2] = rg_fma(k[RGI_ST], ds[3], w[3]);
    }
    for (int e = 0; e < course.n_entries; e++) {
        const rgi_entry entry = course.entries[e];
        if (entry.coefficient >= RGI_NC || entry.node < 1 || entry.node >= rod->n - 1) continue;
        real stress[RGI_NS] = {zero, zero, zero, zero}, force[3] = {zero, zero, zero};
        rgi_coefficient_jvp(rod, step, entry, course.values[e], stress, force);
        for (int c = 0; c < 3; c++) moment[3 * entry.node + c] += stress[1 + c];
    }
}

/* Changes of forces: what the right-hand side dy [n][RGI_NU] has before prescribed unknowns leave it, and the rest
 * after the solve for dy. product [n][RGI_NU]: zeros before and after. */
RG_APART void rgi_forces_begin_jvp(const rgi_rod *rod, const real *dy, const rgi_forces *to)
{
    for (int k = 0; to->reaction && k < RGI_NU * rod->n; k++) to->reaction[k] = dy[k];
}
RG_APART void rgi_forces_jvp(const rgi_rod *rod, const rgi_step *step, rgi_course course, const real *full,
                             const real *dy, real *product, const rgi_forces *to)
{
    if (to->tension) rgi_tension_jvp(rod, step, course, dy, to->tension);
    if (to->moment) rgi_moment_jvp(rod, step, course, dy, to->moment);
    if (to->reaction) rgi_reaction_jvp(rod, full, dy, product, to->reaction);
}

/* Cotangents of forces: of the step's strains, added to stress [n][RGI_NS], and of node i's stresses, to w_bar
 * [RGI_NS]. Reactions have rgi_reaction_adj. */
RG_APART void rgi_forces_strain_adj(const rgi_rod *rod, const rgi_forces *of, real *stress)
{
    RG_TEAM_FOR(i, 0, of->tension ? rod->n : 0)
        stress[RGI_NS * i] += RG_TERM(rod->w[RGI_NW * i + RGI_SL] * of->tension[i]);
    RG_TEAM_FOR(i, 0, of->moment ? rod->n : 0) {
        const real *k = rod->w + RGI_NW * i, *m = of->moment + 3 * i;
        real *to = stress + RGI_NS * i;
        to[1] += RG_TERM(k[RGI_S11] * m[0]) + RG_TERM(k[RGI_S12] * m[1]);
        to[2] += RG_TERM(k[RGI_S12] * m[0]) + RG_TERM(k[RGI_S22] * m[1]);
        to[3] += RG_TERM(k[RGI_ST] * m[2]);
    }
}
RG_APART void rgi_forces_stress_adj(const rgi_forces *of, int i, real *w_bar)
{
    if (of->tension) w_bar[0] += RG_TERM(of->tension[i]);
    for (int c = 0; of->moment && c < 3; c++) w_bar[1 + c] += RG_TERM(of->moment[3 * i + c]);
}

/* What a step's inputs change in the right-hand side dy: external forces at n nodes; prescribed unknowns y [n][RGI_NU]
 * through the Hessian `full`. product [n][RGI_NU]: zeros before and after. Plain code, for one lane. */
RG_APART void rgi_inputs_force_jvp(const real *f, int n, real *dy)
{
    for (int i = 0; i < n; i++)
        for (int c = 0; c < 3; c++) dy[RGI_NU * i + c] += f[3 * i + c];
}
RG_APART void rgi_inputs_fixed_jvp(const rgi_rod *rod, const real *full, const real *y, real *dy, real *product)
{
    rgi_blocks_times(rod->plan, full, y, product);
    for (int k = 0; k < RGI_NU * rod->n; k++) {
        dy[k] -= product[k];
        product[k] = rg_set1(0.0);
    }
}

/* `count` directions, a constant, through the step just solved and linearised, before rgi_step_accept. Plain
 * code, for one lane: a team's lanes take directions of their own. What all directions need, the factor above
 * all, is read once for them. The new states are written over those before the last (rgi_tangent_at). in: of
 * the first, the others follow; its forces with `with_forces`, a constant, and one direction. full: the Hessian before
 * prescribed unknowns went, with in.y and reactions. scratch: [RGI_BESIDE][n][RGI_CHANGES], zeros before and after, and
 * [RGI_BESIDE][n][RGI_NU].
 *
 * The right-hand side, -(G^T dw1 + d(a (x - c))), node by node: a joint's stresses pull on the edges before and
 * after it, and node i takes the pull of edge i - 1 less that of edge i, which is whole once joint i + 1 has
 * been there. */
RG_DISSOLVED void rgi_step_jvp_beside(const rgi_rod *rod, const rgi_step *step, rmask alive, const real *full,
                                      const rgi_course *courses, const int count, rgi_input_tangent in,
                                      const int with_forces, real *scratch)
{
    const int n = rod->n, apart = RGI_NU * n;
    const real zero = rg_set1(0.0), rate = RG_C(1.0) / rg_set1(rgi_step_hat(step));
    const real force_rate = rgi_step_rate(step), now = rgi_past_now(step), before = rgi_past_before(step);
    real *dy = scratch + RGI_BESIDE * RGI_CHANGES * n;
    real pull[RGI_BESIDE][3], last[RGI_BESIDE][3], turn[RGI_BESIDE]; /* edges i - 2 and i - 1; theta of i - 1 */
    int forces[RGI_BESIDE];
    for (int q = 0; q < count; q++) {
        forces[q] = rgi_course_changes(rod, step, courses[q], scratch + q * RGI_CHANGES * n);
        for (int c = 0; c < 3; c++) pull[q][c] = last[q][c] = zero;
        turn[q] = zero;
    }
    for (int i = 0; i <= n; i++) {
        const int edge = i < n - 1, joint = edge && i > 0, node = i > 0 ? i - 1 : 0;
        const rgi_keeping keeping = rgi_keeping_of(rod, step, edge ? i : 0);
        const real drag = rod->coef[RGI_NC * node + RGI_C];
        const real inertia = rod->coef[RGI_NC * node + RGI_M] * force_rate;
        for (int q = 0; q < count; q++) {
            const rgi_tangent d = courses[q].d;
            const real *changes = scratch + (q * n + i) * RGI_CHANGES;
            real next[3] = {zero, zero, zero}, spin = zero;
            if (edge) {
                real w[RGI_NS];
                rgi_history_jvp(keeping, step, i, d, w);
                for (int k = 0; k < RGI_NS; k++) w[k] = -(w[k] + changes[k]);
                for (int c = 0; c < 3; c++) next[c] = w[0] * rod->t[4 * i + c];
                const real *g = rod->g + RGI_NG * i;
                for (int c = 0; joint && c < 3; c++) {
                    last[q][c] += rg_dot3(w[1], g[c], w[2], g[8 + c], w[3], g[16 + c]);
                    next[c] += rg_dot3(w[1], g[3 + c], w[2], g[11 + c], w[3], g[19 + c]);
                }
                if (joint) {
                    turn[q] += rg_dot3(w[1], g[6], w[2], g[14], w[3], g[22]);
                    spin = rg_dot3(w[1], g[7], w[2], g[15], w[3], g[23]);
                }
            }
            if (i > 0) {
                real *r = dy + q * apart + RGI_NU * node;
                for (int c = 0; c < 3; c++) {
                    real xt = rg_dot2(now, d.x[3 * node + c], before, d.xp[3 * node + c]);
                    real vt = rg_dot2(now, d.v[3 * node + c], before, d.vp[3 * node + c]);
                    vt = rg_fma(drag, xt, rg_fma(force_rate, xt, vt));
                    r[c] = rg_fma(inertia, vt, pull[q][c] - last[q][c]);
                    if (forces[q]) r[c] -= scratch[(q * n + node) * RGI_CHANGES + RGI_NS + c];
                }
                r[3] = turn[q];
            }
            for (int c = 0; c < 3; c++) {
                pull[q][c] = last[q][c];
                last[q][c] = next[c];
            }
            turn[q] = spin;
        }
    }
    for (int q = 0; q < count; q++) rgi_course_clear(rod, courses[q], scratch + q * RGI_CHANGES * n);
    if (in.f) rgi_inputs_force_jvp(in.f, n * count, dy);
    if (with_forces && in.forces) rgi_forces_begin_jvp(rod, dy, in.forces);
    for (int q = 0; in.y && q < count; q++) rgi_inputs_fixed_jvp(rod, full, in.y + q * apart, dy + q * apart, scratch);
    for (int i = 0; i < n; i++)
        for (int q = 0; q < count; q++) rgi_mask_fixed_node(rod, i, dy + q * apart);
    rgi_ldlt_solve_beside(rod->plan, rod->hess, dy, count, apart);
    for (int k = 0; in.y && k < apart * count; k++) dy[k] += in.y[k];
    if (with_forces && in.forces) rgi_forces_jvp(rod, step, courses[0], full, dy, scratch, in.forces);
    for (int i = 0; i < n; i++) {
        const rgi_keeping keeping = rgi_keeping_of(rod, step, i);
        for (int q = 0; q < count; q++) {
            const rgi_tangent d = courses[q].d;
            const real *moved = dy + q * apart;
            real ds[RGI_NS] = {zero, zero, zero, zero};
            rgi_strain_jvp(rod, i, moved, ds);
            for (int c = 0; c < 3; c++) {
                real y = moved[RGI_NU * i + c];
                real to = (y - rg_dot2(now, d.x[3 * i + c], before, d.xp[3 * i + c])) * rate;
                d.xp[3 * i + c] = y;
                d.vp[3 * i + c] = to;
            }
            rgi_strains_accept_jvp(keeping, step, i, d, ds);
            d.theta[i] = rg_select(alive, moved[RGI_NU * i + 3], d.theta[i]);
        }
    }
    for (int q = 0; q < count; q++) {
        rgi_memory_accept_jvp(rod, step, courses[q]);
        for (int i = 0; rg_any(rg_not(alive)) && i < n; i++) rgi_tangent_freeze(courses[q].d, alive, i);
    }
}

/* The adjoint: d holds the cotangent of the state after the step and gets that of the state before, the
 * step linearised as for the tangent. Lanes not alive pass through. stress [n][RGI_NS], dy [n][RGI_NU]:
 * scratch; dy ends as lambda. */
RG_FN void rgi_step_adj(const rgi_rod *rod, const rgi_step *step, rmask alive, const real *full, rgi_tangent d,
                        rgi_input_bar in, real *stress, real *dy)
{
    const real zero = rg_set1(0.0), rate = RG_C(1.0) / rg_set1(rgi_step_hat(step));
    const real force_rate = rgi_step_rate(step);
    const real now = rgi_past_now(step), before = rgi_past_before(step);
    RG_TEAM_FOR(i, 0, rod->n) {
        rgi_strains_accept_adj(rod, step, i, d, stress + RGI_NS * i);
        for (int c = 0; c < 3; c++) dy[RGI_NU * i + c] = RG_TERM(d.x[3 * i + c]) + RG_TERM(rate * d.v[3 * i + c]);
        dy[RGI_NU * i + 3] = RG_TERM(d.theta[i]);
    }
    if (in.forces) rgi_forces_strain_adj(rod, in.forces, stress);
    RG_TEAM_SYNC();
    rgi_strain_adj(rod, rg_set1(1.0), stress, dy);
    RG_TEAM_FOR(i, 0, in.y ? RGI_NU * rod->n : 0) in.y[i] = RG_TERM(dy[i]);
    RG_TEAM_SYNC();
    const real *reaction = in.forces ? in.forces->reaction : 0;
    if (reaction) rgi_reaction_adj(rod, full, reaction, stress, dy, in.y);
    rgi_mask_fixed(rod, dy);
    rgi_step_backsolve(rod, dy);
    RG_TEAM_FOR(i, 0, reaction ? RGI_NU * rod->n : 0) dy[i] -= RG_TERM(reaction[i]);
    RG_TEAM_FOR(i, 0, RGI_NU * rod->n) dy[i] = rg_select(alive, dy[i], zero);
    RG_TEAM_SYNC();
    if (in.y) {
        RG_TEAM_ONE { rgi_blocks_times(rod->plan, full, dy, stress); }
        RG_TEAM_SYNC();
        RG_TEAM_FOR(i, 0, rod->n)
            for (int c = 0; c < RGI_NU; c++) {
                int k = RGI_NU * i + c, mine = rod->fixed[i] & (c < 3 ? RGI_FIXED_X : RGI_FIXED_THETA);
                real to = RG_TERM(in.y[k]) - RG_TERM(stress[k]);
                in.y[k] = mine ? rg_select(alive, to, zero) : zero;
            }
    }
    RG_TEAM_FOR(i, 0, rod->n) {
        const real *k = rod->coef + RGI_NC * i, *lambda = dy + RGI_NU * i;
        real w[RGI_NS] = {zero, zero, zero, zero}, w_bar[RGI_NS], pull[3], bar[RGI_NC];
        rgi_strain_jvp(rod, i, dy, w);
        for (int c = 0; c < RGI_NC; c++) bar[c] = zero;
        for (int c = 0; c < RGI_NS; c++) w_bar[c] = -RG_TERM(w[c]);
        if (in.forces) rgi_forces_stress_adj(in.forces, i, w_bar);
        for (int c = 0; c < 3; c++) pull[c] = -RG_TERM(lambda[c]);
        if (in.coef) rgi_coefficient_adj(rod, step, i, w_bar, pull, bar);
        for (int c = 0; in.f && c < 3; c++) in.f[3 * i + c] = RG_TERM(lambda[c]);
        for (int c = 0; c < 3; c++) {
            real *x = d.x + 3 * i + c, *v = d.v + 3 * i + c, *xp = d.xp + 3 * i + c, *vp = d.vp + 3 * i + c;
            real x_frozen = RG_TERM(*x) + RG_TERM(*xp), v_frozen = RG_TERM(*v) + RG_TERM(*vp);
            real vt = RG_TERM(k[RGI_M] * force_rate * lambda[c]), xt = zero;
            xt -= RG_TERM(rate * *v);
            xt += RG_TERM(k[RGI_M] * force_rate * (force_rate + k[RGI_C]) * lambda[c]);
            *x = rg_select(alive, RG_TERM(*xp) + RG_TERM(now * xt), x_frozen);
            *xp = rg_select(alive, RG_TERM(before * xt), zero);
            *v = rg_select(alive, RG_TERM(*vp) + RG_TERM(now * vt), v_frozen);
            *vp = rg_select(alive, RG_TERM(before * vt), zero);
        }
        rgi_strains_past_adj(rod, step, alive, i, d, w_bar, bar);
        for (int c = 0; in.coef && c < RGI_NC; c++) in.coef[RGI_NC * i + c] += rg_select(alive, RG_TERM(bar[c]), zero);
        d.theta[i] = rg_select(alive, zero, d.theta[i]);
    }
    RG_TEAM_SYNC();
}

#endif
