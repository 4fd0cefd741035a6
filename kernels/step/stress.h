/* step/stress.h: what strains and stresses of a step hang on: tangents and adjoints, for both steppers.
 *
 * A strain's stress is w1 = K s - b (implicit.h); at fixed configuration the past and the coefficients
 * move it: dw1 = -(C T/H d(st) + r o C d(zt)) + (d w1/d coefficient) d(coefficient). Stress of bending:
 * C p, p = (k - kb) + T/H (k - kt) + r o (k - zt); of length and twist likewise without the memory.
 * ds = G dy, and G^T takes stresses (or cotangents of strains) to the unknowns.
 * Adjoints: a cotangent has the layout of a tangent; every term that a cotangent takes in stands in
 * RG_TERM, so that a test can flip its sign (real/real.h). */
#ifndef RGI_STRESS_H
#define RGI_STRESS_H

#include "implicit.h"

/* one direction's state, or a cotangent of the state, by node: x, v, s, z, the one before, xp, vp, sp, zp (state.h) */
typedef struct rgi_tangent {
#define RGI_MEMBER(name, past, reals) real *name, *past;
    RGI_STATE_LIST(RGI_MEMBER)
#undef RGI_MEMBER
    real *theta; /* [n] turn of the directors at the current state */
} rgi_tangent;

/* A step writes the new state over the one before the last, and the two change places: `odd` after an odd
 * number of steps. */
RG_FN rgi_tangent rgi_tangent_at(real *p, int n, int odd)
{
    const int now = odd ? 1 : 0, before = 1 - now;
    rgi_tangent t;
#define RGI_AT(name, past, reals)                                                                                      \
    t.name = p + (reals)*n * now;                                                                                      \
    t.past = p + (reals)*n * before;                                                                                   \
    p += 2 * (reals)*n;
    RGI_STATE_LIST(RGI_AT)
#undef RGI_AT
    t.theta = p;
    return t;
}

/* d(inertia's force on vertex i, coordinate d)/d(mass): inertia is proportional to the mass, external
 * force is not */
RG_FN real rgi_inertia_per_mass(const rgi_rod *rod, int i, int d)
{
    real pull = rod->a[i] * (rod->y[3 * i + d] - rod->c[3 * i + d]);
    if (rod->still) pull = -rod->c[3 * i + d];
    if (rod->f) pull = pull + rod->f[3 * i + d];
    return pull / rod->coef[RGI_NC * i + RGI_M];
}

/* how a parameter moves one coefficient */
typedef struct rgi_entry { /* the same as rgi_pack_entry */
    int node, coefficient;
} rgi_entry;

/* a direction: its state, and how it moves coefficients, [n_entries] */
typedef struct rgi_course {
    rgi_tangent d;
    const rgi_entry *entries;
    const real *values;
    int n_entries;
} rgi_course;

/* a past value q (now), o (before) as rgi_past weighs them: its adjoint */
RG_FN real rgi_past_now(const rgi_step *step) { return rg_set1(step->bdf2 ? 4.0 / 3.0 : 1.0); }
RG_FN real rgi_past_before(const rgi_step *step) { return rg_set1(step->bdf2 ? -1.0 / 3.0 : 0.0); }

/* What the stresses of node i are made of: strains over their past (length l, bending u, twist t), bending
 * over its memory q, and p of the header's C p; keep: the memory's o. */
typedef struct rgi_strain_state {
    real hat, rate, keep;
    real l, t, u1, u2, q1, q2, p1, p2;
} rgi_strain_state;

RG_FN rgi_strain_state rgi_strain_state_of(const rgi_rod *rod, const rgi_step *step, int i)
{
    const real *k = rod->coef + RGI_NC * i, *y = rod->sy + RGI_NS * i;
    const real *s = rod->s + RGI_NS * i, *o = rod->sp + RGI_NS * i;
    rgi_strain_state r;
    r.hat = rg_set1(rgi_step_hat(step));
    r.rate = rgi_step_rate(step);
    r.keep = rgi_step_keep(step, k);
    r.l = y[0] - rgi_past(step, s[0], o[0]);
    r.t = y[3] - rgi_past(step, s[3], o[3]);
    r.u1 = y[1] - rgi_past(step, s[1], o[1]);
    r.u2 = y[2] - rgi_past(step, s[2], o[2]);
    r.q1 = y[1] - rgi_past(step, rod->z[2 * i], rod->zp[2 * i]);
    r.q2 = y[2] - rgi_past(step, rod->z[2 * i + 1], rod->zp[2 * i + 1]);
    real tb = k[RGI_TB] * r.rate, memory = k[RGI_RM] * r.keep;
    r.p1 = rg_fma(memory, r.q1, rg_fma(tb, r.u1, y[1] - k[RGI_KB1]));
    r.p2 = rg_fma(memory, r.q2, rg_fma(tb, r.u2, y[2] - k[RGI_KB2]));
    return r;
}

/* add what coefficient `e.coefficient` changing by `value` does at the solution: stress (of the node's
 * four strains) and force (on its vertex) at fixed configuration */
RG_FN void rgi_coefficient_jvp(const rgi_rod *rod, const rgi_step *step, rgi_entry e, real value, real *stress,
                               real *force)
{
    int i = e.node;
    const real *k = rod->coef + RGI_NC * i, *y = rod->sy + RGI_NS * i;
    const rgi_strain_state at = rgi_strain_state_of(rod, step, i);
    const real hat = at.hat, rate = at.rate, keep = at.keep;
    const real u1 = at.u1, u2 = at.u2, q1 = at.q1, q2 = at.q2, p1 = at.p1, p2 = at.p2;
    const real l = at.l, t = at.t;
    real r = value;
    switch (e.coefficient) {
    case RGI_KL: stress[0] += value * (y[0] - k[RGI_L] + k[RGI_TS] * rate * l); break;
    case RGI_L: stress[0] -= value * k[RGI_KL]; break;
    case RGI_TS: stress[0] += value * k[RGI_KL] * rate * l; break;
    case RGI_K11: stress[1] += value * p1; break;
    case RGI_K22: stress[2] += value * p2; break;
    case RGI_K12:
        stress[1] += value * p2;
        stress[2] += value * p1;
        break;
    case RGI_KB1:
        stress[1] -= value * k[RGI_K11];
        stress[2] -= value * k[RGI_K12];
        break;
    case RGI_KB2:
        stress[1] -= value * k[RGI_K12];
        stress[2] -= value * k[RGI_K22];
        break;
    case RGI_TB:
        stress[1] += value * rate * (k[RGI_K11] * u1 + k[RGI_K12] * u2);
        stress[2] += value * rate * (k[RGI_K12] * u1 + k[RGI_K22] * u2);
        break;
    case RGI_RM:
    case RGI_LM:
        /* d(r o) */
        r = e.coefficient == RGI_RM ? value * keep : -value * k[RGI_RM] * hat * keep * keep;
        stress[1] += r * (k[RGI_K11] * q1 + k[RGI_K12] * q2);
        stress[2] += r * (k[RGI_K12] * q1 + k[RGI_K22] * q2);
        break;
    case RGI_KT: stress[3] += value * (y[3] - k[RGI_TBAR] + k[RGI_TT] * rate * t); break;
    case RGI_TBAR: stress[3] -= value * k[RGI_KT]; break;
    case RGI_TT: stress[3] += value * k[RGI_KT] * rate * t; break;
    case RGI_M:
    case RGI_C:
        for (int d = 0; d < 3; d++) {
            real x = rod->y[3 * i + d], xt = rgi_past(step, rod->x[3 * i + d], rod->xp[3 * i + d]);
            if (e.coefficient == RGI_M) force[d] += value * rgi_inertia_per_mass(rod, i, d);
            else force[d] += value * k[RGI_M] * rate * (x - xt);
        }
        break;
    default: break;
    }
}

/* the adjoint, for all coefficients of node i at once: adds to bar [RGI_NC] what cotangents of stress
 * [4] and force [3] give; force_bar NULL leaves mass and drag out */
RG_FN void rgi_coefficient_adj(const rgi_rod *rod, const rgi_step *step, int i, const real *stress_bar,
                               const real *force_bar, real *bar)
{
    const real *k = rod->coef + RGI_NC * i, *y = rod->sy + RGI_NS * i, *w = stress_bar;
    const rgi_strain_state at = rgi_strain_state_of(rod, step, i);
    const real hat = at.hat, rate = at.rate, keep = at.keep;
    const real u1 = at.u1, u2 = at.u2, q1 = at.q1, q2 = at.q2, p1 = at.p1, p2 = at.p2;
    const real l = at.l, t = at.t;
    /* stiffness times cotangent of bending */
    real c1 = rg_dot2(k[RGI_K11], RG_TERM(w[1]), k[RGI_K12], RG_TERM(w[2]));
    real c2 = rg_dot2(k[RGI_K12], RG_TERM(w[1]), k[RGI_K22], RG_TERM(w[2]));
    bar[RGI_KL] += RG_TERM(w[0] * (y[0] - k[RGI_L] + k[RGI_TS] * rate * l));
    bar[RGI_L] -= RG_TERM(w[0] * k[RGI_KL]);
    bar[RGI_TS] += RG_TERM(w[0] * k[RGI_KL] * rate * l);
    bar[RGI_K11] += RG_TERM(w[1] * p1);
    bar[RGI_K12] += RG_TERM(w[1] * p2);
    bar[RGI_K12] += RG_TERM(w[2] * p1);
    bar[RGI_K22] += RG_TERM(w[2] * p2);
    bar[RGI_KB1] -= RG_TERM(c1);
    bar[RGI_KB2] -= RG_TERM(c2);
    bar[RGI_TB] += RG_TERM(rate * (c1 * u1 + c2 * u2));
    bar[RGI_RM] += RG_TERM(keep * (c1 * q1 + c2 * q2));
    bar[RGI_LM] -= RG_TERM(k[RGI_RM] * hat * keep * keep * (c1 * q1 + c2 * q2));
    bar[RGI_KT] += RG_TERM(w[3] * (y[3] - k[RGI_TBAR] + k[RGI_TT] * rate * t));
    bar[RGI_TBAR] -= RG_TERM(w[3] * k[RGI_KT]);
    bar[RGI_TT] += RG_TERM(w[3] * k[RGI_KT] * rate * t);
    if (!force_bar) return;
    for (int d = 0; d < 3; d++) {
        real x = rod->y[3 * i + d], xt = rgi_past(step, rod->x[3 * i + d], rod->xp[3 * i + d]);
        bar[RGI_M] += RG_TERM(force_bar[d] * rgi_inertia_per_mass(rod, i, d));
        bar[RGI_C] += RG_TERM(force_bar[d] * k[RGI_M] * rate * (x - xt));
    }
}

/* what node i's stresses keep of the past, whatever its direction */
typedef struct rgi_keeping {
    real stretch, twist;    /* of past length and twist */
    real k11, k12, k22, tb; /* of past bending */
    real memory, keep;      /* of past memory, in stress and in itself */
} rgi_keeping;

RG_DISSOLVED rgi_keeping rgi_keeping_of(const rgi_rod *rod, const rgi_step *step, int i)
{
    const real *k = rod->coef + RGI_NC * i, rate = rgi_step_rate(step);
    rgi_keeping r;
    r.keep = rgi_step_keep(step, k);
    r.memory = k[RGI_RM] * r.keep;
    r.tb = k[RGI_TB] * rate;
    r.k11 = k[RGI_K11];
    r.k12 = k[RGI_K12];
    r.k22 = k[RGI_K22];
    r.stretch = -k[RGI_KL] * k[RGI_TS] * rate;
    r.twist = -k[RGI_KT] * k[RGI_TT] * rate;
    return r;
}

/* change of node i's stresses, w [4], for the past's direction d */
RG_DISSOLVED void rgi_history_jvp(rgi_keeping of, const rgi_step *step, int i, rgi_tangent d, real *w)
{
    const real *s = d.s + RGI_NS * i, *o = d.sp + RGI_NS * i, *z = d.z + 2 * i, *zp = d.zp + 2 * i;
    const real h1 = rg_dot2(of.tb, rgi_past(step, s[1], o[1]), of.memory, rgi_past(step, z[0], zp[0]));
    const real h2 = rg_dot2(of.tb, rgi_past(step, s[2], o[2]), of.memory, rgi_past(step, z[1], zp[1]));
    const real past0 = rgi_past(step, s[0], o[0]), past3 = rgi_past(step, s[3], o[3]);
    w[0] = of.stretch * past0;
    w[1] = -rg_dot2(of.k11, h1, of.k12, h2);
    w[2] = -rg_dot2(of.k12, h1, of.k22, h2);
    w[3] = of.twist * past3;
}

/* what the cotangent w [4] of node i's stresses gives to past strains, adds to st [4], and to the past
 * memory, adds to zt [2] */
RG_FN void rgi_history_adj(const rgi_rod *rod, const rgi_step *step, int i, const real *w, real *st, real *zt)
{
    const real *k = rod->coef + RGI_NC * i;
    const real rate = rgi_step_rate(step);
    real memory = k[RGI_RM] * rgi_step_keep(step, k), tb = k[RGI_TB] * rate;
    real c1 = rg_dot2(k[RGI_K11], RG_TERM(w[1]), k[RGI_K12], RG_TERM(w[2]));
    real c2 = rg_dot2(k[RGI_K12], RG_TERM(w[1]), k[RGI_K22], RG_TERM(w[2]));
    st[0] -= RG_TERM(k[RGI_KL] * k[RGI_TS] * rate * w[0]);
    st[1] -= RG_TERM(tb * c1);
    st[2] -= RG_TERM(tb * c2);
    st[3] -= RG_TERM(k[RGI_KT] * k[RGI_TT] * rate * w[3]);
    zt[0] -= RG_TERM(memory * c1);
    zt[1] -= RG_TERM(memory * c2);
}

/* The step's strains ds [4] of node i and the past make the new state's s and z, over those before the last
 * (rgi_tangent_at). What the memory's rate changes is rgi_memory_accept_jvp's. */
RG_FN void rgi_strains_accept_jvp(rgi_keeping of, const rgi_step *step, int i, rgi_tangent d, const real *ds)
{
    for (int c = 0; c < 2; c++) {
        real zt = rgi_past(step, d.z[2 * i + c], d.zp[2 * i + c]);
        d.zp[2 * i + c] = rg_fma(of.keep, zt - ds[1 + c], ds[1 + c]);
    }
    for (int c = 0; c < RGI_NS; c++) d.sp[RGI_NS * i + c] = ds[c];
}

/* lanes that are not alive keep the state that they had */
RG_FN void rgi_tangent_freeze(rgi_tangent d, rmask alive, int i)
{
    for (int c = 0; c < 3; c++) {
        d.xp[3 * i + c] = rg_select(alive, d.xp[3 * i + c], d.x[3 * i + c]);
        d.vp[3 * i + c] = rg_select(alive, d.vp[3 * i + c], d.v[3 * i + c]);
    }
    for (int c = 0; c < RGI_NS; c++) d.sp[RGI_NS * i + c] = rg_select(alive, d.sp[RGI_NS * i + c], d.s[RGI_NS * i + c]);
    for (int c = 0; c < 2; c++) d.zp[2 * i + c] = rg_select(alive, d.zp[2 * i + c], d.z[2 * i + c]);
}

/* and the change of the new memory by those of its rate [1/s] among the entries */
RG_DISSOLVED void rgi_memory_accept_jvp(const rgi_rod *rod, const rgi_step *step, rgi_course course)
{
    const real hat = rg_set1(rgi_step_hat(step));
    for (int e = 0; e < course.n_entries; e++) {
        const int i = course.entries[e].node;
        if (course.entries[e].coefficient != RGI_LM || i >= rod->n) continue;
        const real keep = rgi_step_keep(step, rod->coef + RGI_NC * i);
        for (int c = 0; c < 2; c++) {
            real past = rgi_past(step, rod->z[2 * i + c], rod->zp[2 * i + c]);
            course.d.zp[2 * i + c] += course.values[e] * hat * keep * keep * (rod->sy[RGI_NS * i + 1 + c] - past);
        }
    }
}

/* First half of its adjoint: the cotangent s_bar [4] of the step's strains, written; d stays. */
RG_FN void rgi_strains_accept_adj(const rgi_rod *rod, const rgi_step *step, int i, rgi_tangent d, real *s_bar)
{
    const real gain = RG_C(1.0) - rgi_step_keep(step, rod->coef + RGI_NC * i);
    for (int c = 0; c < RGI_NS; c++) s_bar[c] = RG_TERM(d.s[RGI_NS * i + c]);
    for (int c = 0; c < 2; c++) s_bar[1 + c] += RG_TERM(gain * d.z[2 * i + c]);
}

/* Second half: d becomes the cotangent of the past, with w [4] the cotangent of the step's stresses; the
 * memory's rate adds to bar [RGI_NC]. A frozen lane's state went through unchanged. */
RG_FN void rgi_strains_past_adj(const rgi_rod *rod, const rgi_step *step, rmask alive, int i, rgi_tangent d,
                                const real *w, real *bar)
{
    const real zero = rg_set1(0.0);
    const real now = rgi_past_now(step), before = rgi_past_before(step);
    const real hat = rg_set1(rgi_step_hat(step)), keep = rgi_step_keep(step, rod->coef + RGI_NC * i);
    real st[RGI_NS] = {zero, zero, zero, zero}, zt[2];
    for (int c = 0; c < 2; c++) {
        real past = rgi_past(step, rod->z[2 * i + c], rod->zp[2 * i + c]);
        real z_bar = RG_TERM(d.z[2 * i + c]);
        bar[RGI_LM] += RG_TERM(z_bar * hat * keep * keep * (rod->sy[RGI_NS * i + 1 + c] - past));
        zt[c] = RG_TERM(keep * z_bar);
    }
    rgi_history_adj(rod, step, i, w, st, zt);
    for (int c = 0; c < RGI_NS; c++) {
        real *s = d.s + RGI_NS * i + c, *o = d.sp + RGI_NS * i + c;
        real frozen = RG_TERM(*s) + RG_TERM(*o);
        *s = rg_select(alive, RG_TERM(*o) + RG_TERM(now * st[c]), frozen);
        *o = rg_select(alive, RG_TERM(before * st[c]), zero);
    }
    for (int c = 0; c < 2; c++) {
        real *z = d.z + 2 * i + c, *o = d.zp + 2 * i + c;
        real frozen = RG_TERM(*z) + RG_TERM(*o);
        *z = rg_select(alive, RG_TERM(*o) + RG_TERM(now * zt[c]), frozen);
        *o = rg_select(alive, RG_TERM(before * zt[c]), zero);
    }
}

/* change of the strains of joint i for the displacement dy [n][RGI_NU]; of edge i in ds[0] */
RG_FN void rgi_strain_jvp(const rgi_rod *rod, int i, const real *dy, real *ds)
{
    const real *p = dy + RGI_NU * i;
    if (i < rod->n - 1) ds[0] = v3_dot(v3_load(rod->t + 4 * i), v3_sub(v3_load(p + 4), v3_load(p)));
    if (i < 1 || i >= rod->n - 1) return;
    vec3 e = v3_sub(v3_load(p), v3_load(p - 4)), f = v3_sub(v3_load(p + 4), v3_load(p));
    const real *g = rod->g + RGI_NG * i;
    for (int k = 0; k < 3; k++, g += 8)
        ds[1 + k] = rg_fma(g[7], p[3], rg_fma(g[6], p[-1], v3_dot(v3_load(g), e) + v3_dot(v3_load(g + 3), f)));
}

/* y_bar [n][RGI_NU] += scale G^T stress at node i: from the edges and joints around it */
RG_FN void rgi_strain_node_adj(const rgi_rod *rod, real scale, const real *stress, int i, real *y_bar)
{
    real *p = y_bar + RGI_NU * i;
    for (int j = i - 1; j <= i + 1; j++) {
        /* edge j: ends at node i, or starts there */
        if (j >= 0 && j <= i && j < rod->n - 1) {
            real w = RG_TERM(scale * stress[RGI_NS * j]), side = rg_set1(j == i ? -1.0 : 1.0);
            for (int c = 0; c < 3; c++) p[c] += RG_TERM(side * (w * rod->t[4 * j + c]));
        }
        if (j < 1 || j >= rod->n - 1) continue;
        const real *g = rod->g + RGI_NG * j, *w = stress + RGI_NS * j;
        real w1 = RG_TERM(scale * w[1]), w2 = RG_TERM(scale * w[2]);
        real w3 = RG_TERM(scale * w[3]);
        /* joint j between nodes j-1, j, j+1: e and f end and start here */
        for (int c = 0; c < 3; c++) {
            real de = rg_dot3(RG_TERM(w1), g[c], RG_TERM(w2), g[8 + c], RG_TERM(w3), g[16 + c]);
            real df = rg_dot3(RG_TERM(w1), g[3 + c], RG_TERM(w2), g[11 + c], RG_TERM(w3), g[19 + c]);
            if (j == i + 1) p[c] -= RG_TERM(de);
            if (j == i) p[c] += RG_TERM(de) - RG_TERM(df);
            if (j == i - 1) p[c] += RG_TERM(df);
        }
        if (j == i + 1) p[3] += rg_dot3(RG_TERM(w1), g[6], RG_TERM(w2), g[14], RG_TERM(w3), g[22]);
        if (j == i) p[3] += rg_dot3(RG_TERM(w1), g[7], RG_TERM(w2), g[15], RG_TERM(w3), g[23]);
    }
}

RG_FN void rgi_strain_adj(const rgi_rod *rod, real scale, const real *stress, real *y_bar)
{
    RG_TEAM_FOR(i, 0, rod->n) rgi_strain_node_adj(rod, scale, stress, i, y_bar);
    RG_TEAM_SYNC();
}

#endif
