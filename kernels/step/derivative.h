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

#include "stress.h"

/* changes of what a step takes beside the state and the coefficients; NULL for none */
typedef struct rgi_input_tangent {
    const real *y; /* [n][RGI_NU] of prescribed positions and directors, 0 elsewhere */
    const real *f; /* [n][3] of external forces [N] */
} rgi_input_tangent;

/* cotangents of what a step takes beside the state; NULL where not asked for */
typedef struct rgi_input_bar {
    real *coef; /* [n][RGI_NC] added to */
    real *y;    /* [n][RGI_NU] written, prescribed unknowns only */
    real *f;    /* [n][3] written */
} rgi_input_bar;

RG_FN void rgi_mask_fixed_node(const rgi_rod *rod, int i, real *y)
{
    for (int c = 0; c < RGI_NU; c++)
        if (rod->fixed[i] & (c < 3 ? RGI_FIXED_X : RGI_FIXED_THETA))
            y[RGI_NU * i + c] = rg_set1(0.0);
}

RG_FN void rgi_mask_fixed(const rgi_rod *rod, real *y)
{
    RG_TEAM_FOR(i, 0, rod->n) rgi_mask_fixed_node(rod, i, y);
    RG_TEAM_SYNC();
}

/* a direction: its state, and how it moves coefficients, [n_entries] */
typedef struct rgi_course {
    rgi_tangent d;
    const rgi_entry *entries;
    const real *values;
    int n_entries;
} rgi_course;

/* `count` directions, a constant, through the step just solved and linearised, before rgi_step_accept. Plain
 * code, for one lane: a team's lanes take directions of their own. What all directions need, the factor above
 * all, is read once for them. in: of the first; full: the Hessian before prescribed unknowns went, with in.y.
 * scratch [2][count][n][4]. */
RG_DISSOLVED void rgi_step_jvp_beside(const rgi_rod *rod, const rgi_step *step, rmask alive, const real *full,
                                      const rgi_course *courses, const int count, rgi_input_tangent in,
                                      real *scratch)
{
    const int n = rod->n, apart = RGI_NU * n;
    const real zero = rg_set1(0.0), rate = RG_C(1.0) / rg_set1(rgi_step_hat(step));
    const real force_rate = rgi_step_rate(step), now = rgi_past_now(step), before = rgi_past_before(step);
    real *stress = scratch, *dy = scratch + count * apart;
    for (int k = 0; k < count * apart; k++) dy[k] = zero;
    if (in.y) {
        rgi_blocks_times(rod->plan, full, in.y, dy);
        for (int k = 0; k < apart; k++) dy[k] = -dy[k];
    }
    for (int i = 0; in.f && i < n; i++)
        for (int c = 0; c < 3; c++) dy[RGI_NU * i + c] += in.f[3 * i + c];
    for (int i = 0; i < n; i++) {
        const rgi_keeping keeping = rgi_keeping_of(rod, step, i);
        const real drag = rod->coef[RGI_NC * i + RGI_C];
        const real inertia = rod->coef[RGI_NC * i + RGI_M] * force_rate;
        for (int q = 0; q < count; q++) {
            const rgi_tangent d = courses[q].d;
            real *r = dy + q * apart + RGI_NU * i;
            rgi_history_jvp(keeping, step, i, d, stress + q * apart + RGI_NS * i);
            for (int c = 0; c < 3; c++) {
                real xt = now * d.x[3 * i + c] + before * d.xp[3 * i + c];
                real vt = now * d.v[3 * i + c] + before * d.vp[3 * i + c];
                r[c] += inertia * (force_rate * xt + vt + drag * xt);
            }
        }
    }
    for (int q = 0; q < count; q++)
        for (int e = 0; e < courses[q].n_entries; e++) {
            const rgi_entry entry = courses[q].entries[e];
            /* of the observation, not of the step; of a longer rod of the batch */
            if (entry.coefficient >= RGI_NC || entry.node >= n) continue;
            real force[3] = {zero, zero, zero};
            rgi_coefficient_jvp(rod, step, entry, courses[q].values[e],
                                stress + q * apart + RGI_NS * entry.node, force);
            for (int c = 0; c < 3; c++) dy[q * apart + RGI_NU * entry.node + c] -= force[c];
        }
    for (int k = 0; k < count * apart; k++) stress[k] = -stress[k];
    rgi_strain_adj_alone(rod, stress, dy, count, apart);
    for (int i = 0; i < n; i++)
        for (int q = 0; q < count; q++) rgi_mask_fixed_node(rod, i, dy + q * apart);
    rgi_ldlt_solve_beside(rod->plan, rod->hess, dy, count, apart);
    for (int k = 0; in.y && k < apart; k++) dy[k] += in.y[k];
    for (int i = 0; i < n; i++) {
        const rgi_keeping keeping = rgi_keeping_of(rod, step, i);
        for (int q = 0; q < count; q++) {
            const rgi_tangent d = courses[q].d;
            const real *moved = dy + q * apart;
            real ds[RGI_NS] = {zero, zero, zero, zero};
            rgi_strain_jvp(rod, i, moved, ds);
            for (int c = 0; c < 3; c++) {
                real x = d.x[3 * i + c], v = d.v[3 * i + c], y = moved[RGI_NU * i + c];
                real to = (y - (now * x + before * d.xp[3 * i + c])) * rate;
                d.x[3 * i + c] = rg_select(alive, y, x);
                d.v[3 * i + c] = rg_select(alive, to, v);
                d.xp[3 * i + c] = x;
                d.vp[3 * i + c] = v;
            }
            rgi_strains_accept_jvp(keeping, step, alive, i, d, ds);
            d.theta[i] = rg_select(alive, moved[RGI_NU * i + 3], d.theta[i]);
        }
    }
    for (int q = 0; q < count; q++)
        rgi_memory_accept_jvp(rod, step, alive, courses[q].d, courses[q].entries, courses[q].values,
                              courses[q].n_entries);
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
    RG_TEAM_FOR(i, 0, rod->n)
    {
        rgi_strains_accept_adj(rod, step, i, d, stress + RGI_NS * i);
        for (int c = 0; c < 3; c++)
            dy[RGI_NU * i + c] = RG_TERM(d.x[3 * i + c]) + RG_TERM(rate * d.v[3 * i + c]);
        dy[RGI_NU * i + 3] = RG_TERM(d.theta[i]);
    }
    RG_TEAM_SYNC();
    rgi_strain_adj(rod, rg_set1(1.0), stress, dy);
    RG_TEAM_FOR(i, 0, in.y ? RGI_NU * rod->n : 0) in.y[i] = RG_TERM(dy[i]);
    RG_TEAM_SYNC();
    rgi_mask_fixed(rod, dy);
    rgi_step_backsolve(rod, dy);
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
    RG_TEAM_FOR(i, 0, rod->n)
    {
        const real *k = rod->coef + RGI_NC * i, *lambda = dy + RGI_NU * i;
        real w[RGI_NS] = {zero, zero, zero, zero}, w_bar[RGI_NS], pull[3], bar[RGI_NC];
        rgi_strain_jvp(rod, i, dy, w);
        for (int c = 0; c < RGI_NC; c++) bar[c] = zero;
        for (int c = 0; c < RGI_NS; c++) w_bar[c] = -RG_TERM(w[c]);
        for (int c = 0; c < 3; c++) pull[c] = -RG_TERM(lambda[c]);
        if (in.coef) rgi_coefficient_adj(rod, step, i, w_bar, pull, bar);
        for (int c = 0; in.f && c < 3; c++) in.f[3 * i + c] = RG_TERM(lambda[c]);
        for (int c = 0; c < 3; c++) {
            real *x = d.x + 3 * i + c, *v = d.v + 3 * i + c, *xp = d.xp + 3 * i + c,
                 *vp = d.vp + 3 * i + c;
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
        for (int c = 0; in.coef && c < RGI_NC; c++)
            in.coef[RGI_NC * i + c] += rg_select(alive, RG_TERM(bar[c]), zero);
        d.theta[i] = rg_select(alive, zero, d.theta[i]);
    }
    RG_TEAM_SYNC();
}

#endif
