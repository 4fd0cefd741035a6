/* step/tangent.h: derivative of the implicit step in directions of state and parameters (jvp).
 *
 * At the solution y = (x, theta), Phi_y(y, q) = 0 for q = (state, parameters), so H dy = -Phi_yq dq.
 * Every strain enters as w1(s, q) ds/dy, hence Phi_yq dq = G^T dw1 + d(a (x - c)), with dw1 the change of
 * the strain's stress at fixed strain. Stress of bending: C p, p = (k - kb) + T/H (k - kt) + r o (k - zt)
 * (implicit.h); of length and twist likewise without the memory.
 * A parameter changes coefficients: a list of (node, coefficient, value). After the solve ds = G dy.
 * Directors: dtheta at the solution is their whole change, because the chart is centred there. */
#ifndef RGI_TANGENT_H
#define RGI_TANGENT_H

#include "implicit.h"

/* one direction's state, by node */
typedef struct rgi_tangent {
    real *x, *v, *xp, *vp; /* [n][3] */
    real *s, *sp;          /* [n][RGI_NS] */
    real *z, *zp;          /* [n][2] */
    real *theta;           /* [n] turn of the directors at the current state */
} rgi_tangent;

enum { RGI_NT = 25 }; /* reals of a direction per node */

RG_FN rgi_tangent rgi_tangent_at(real *p, int n)
{
    rgi_tangent t;
    t.x = p;
    t.v = p + 3 * n;
    t.xp = p + 6 * n;
    t.vp = p + 9 * n;
    t.s = p + 12 * n;
    t.sp = p + 16 * n;
    t.z = p + 20 * n;
    t.zp = p + 22 * n;
    t.theta = p + 24 * n;
    return t;
}

/* how a parameter moves one coefficient */
typedef struct rgi_entry { /* the same as rgi_pack_entry */
    int node, coefficient;
} rgi_entry;

/* add what coefficient `e.coefficient` changing by `value` does at the solution: stress (of the node's
 * four strains) and force (on its vertex) at fixed configuration */
RG_FN void rgi_coefficient_jvp(const rgi_rod *rod, rgi_step step, rgi_entry e, real value,
                               real *stress, real *force)
{
    int i = e.node;
    const real *k = rod->coef + RGI_NC * i, *y = rod->sy + RGI_NS * i;
    const real *s = rod->s + RGI_NS * i, *o = rod->sp + RGI_NS * i;
    const real one = rg_set1(1.0), hat = rg_set1(rgi_step_hat(step)), rate = one / hat;
    real keep = one / (one + hat * k[RGI_LM]), tb = k[RGI_TB] * rate;
    real u1 = y[1] - rgi_past(step, s[1], o[1]), u2 = y[2] - rgi_past(step, s[2], o[2]);
    real q1 = y[1] - rgi_past(step, rod->z[2 * i], rod->zp[2 * i]);
    real q2 = y[2] - rgi_past(step, rod->z[2 * i + 1], rod->zp[2 * i + 1]);
    real p1 = y[1] - k[RGI_KB1] + tb * u1 + k[RGI_RM] * keep * q1;
    real p2 = y[2] - k[RGI_KB2] + tb * u2 + k[RGI_RM] * keep * q2;
    real l = y[0] - rgi_past(step, s[0], o[0]), t = y[3] - rgi_past(step, s[3], o[3]);
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
            if (e.coefficient == RGI_M) /* a (x - c) is proportional to the mass */
                force[d] += value * rod->a[i] * (x - rod->c[3 * i + d]) / k[RGI_M];
            else
                force[d] += value * k[RGI_M] * rate * (x - xt);
        }
        break;
    default: break;
    }
}

/* change of the strains of joint i for the displacement dy [n][RGI_NU]; of edge i in ds[0] */
RG_FN void rgi_strain_jvp(const rgi_rod *rod, int i, const real *dy, real *ds)
{
    const real *p = dy + RGI_NU * i;
    if (i < rod->n - 1)
        ds[0] = v3_dot(v3_load(rod->t + 4 * i), v3_sub(v3_load(p + 4), v3_load(p)));
    if (i < 1 || i >= rod->n - 1) return;
    vec3 e = v3_sub(v3_load(p), v3_load(p - 4)), f = v3_sub(v3_load(p + 4), v3_load(p));
    const real *g = rod->g + RGI_NG * i;
    for (int k = 0; k < 3; k++, g += 8)
        ds[1 + k] = v3_dot(v3_load(g), e) + v3_dot(v3_load(g + 3), f) + g[6] * p[-1] + g[7] * p[3];
}

/* add -G^T stress to the right-hand side of the solve, rhs [n][RGI_NU] */
RG_FN void rgi_stress_adj(const rgi_rod *rod, const real *stress, real *rhs)
{
    for (int i = 0; i < rod->n - 1; i++) {
        const real *w = stress + RGI_NS * i;
        vec3 f = v3_scale(w[0], v3_load(rod->t + 4 * i));
        real *p = rhs + RGI_NU * i;
        p[0] += f.x, p[1] += f.y, p[2] += f.z;
        p[4] -= f.x, p[5] -= f.y, p[6] -= f.z;
        if (i == 0) continue;
        const real *g = rod->g + RGI_NG * i;
        real d[8];
        for (int q = 0; q < 8; q++) d[q] = -(w[1] * g[q] + w[2] * g[8 + q] + w[3] * g[16 + q]);
        rgi_scatter_gradient(rhs, i, d);
    }
}

/* One direction through the step just solved and linearised, before rgi_step_accept. entries/values
 * [n_entries]: its coefficient changes. stress [n][RGI_NS], dy [n][RGI_NU]: scratch. */
RG_FN void rgi_step_jvp(const rgi_rod *rod, rgi_step step, rgi_tangent d, const rgi_entry *entries,
                        const real *values, int n_entries, real *stress, real *dy)
{
    const int n = rod->n;
    const real one = rg_set1(1.0), hat = rg_set1(rgi_step_hat(step)), rate = one / hat;
    for (int i = 0; i < n; i++) {
        const real *k = rod->coef + RGI_NC * i;
        real keep = one / (one + hat * k[RGI_LM]), memory = k[RGI_RM] * keep, tb = k[RGI_TB] * rate;
        real *w = stress + RGI_NS * i, *r = dy + RGI_NU * i;
        const real *s = d.s + RGI_NS * i, *o = d.sp + RGI_NS * i;
        real h1 = tb * rgi_past(step, s[1], o[1]) + memory * rgi_past(step, d.z[2 * i], d.zp[2 * i]);
        real h2 = tb * rgi_past(step, s[2], o[2]) +
                  memory * rgi_past(step, d.z[2 * i + 1], d.zp[2 * i + 1]);
        w[0] = -k[RGI_KL] * k[RGI_TS] * rate * rgi_past(step, s[0], o[0]);
        w[1] = -(k[RGI_K11] * h1 + k[RGI_K12] * h2);
        w[2] = -(k[RGI_K12] * h1 + k[RGI_K22] * h2);
        w[3] = -k[RGI_KT] * k[RGI_TT] * rate * rgi_past(step, s[3], o[3]);
        for (int c = 0; c < 3; c++) {
            real xt = rgi_past(step, d.x[3 * i + c], d.xp[3 * i + c]);
            real vt = rgi_past(step, d.v[3 * i + c], d.vp[3 * i + c]);
            r[c] = k[RGI_M] * rate * (rate * (xt + hat * vt) + k[RGI_C] * xt);
        }
        r[3] = rg_set1(0.0);
    }
    for (int e = 0; e < n_entries; e++) {
        if (entries[e].coefficient >= RGI_NC) continue; /* of the observation, not of the step */
        real force[3] = {rg_set1(0.0), rg_set1(0.0), rg_set1(0.0)};
        int i = entries[e].node;
        rgi_coefficient_jvp(rod, step, entries[e], values[e], stress + RGI_NS * i, force);
        for (int c = 0; c < 3; c++) dy[RGI_NU * i + c] -= force[c];
    }
    rgi_stress_adj(rod, stress, dy);
    for (int i = 0; i < n; i++) {
        if (rod->fixed[i] & RGI_FIXED_X)
            for (int c = 0; c < 3; c++) dy[RGI_NU * i + c] = rg_set1(0.0);
        if (rod->fixed[i] & RGI_FIXED_THETA) dy[RGI_NU * i + 3] = rg_set1(0.0);
    }
    rgi_ldlt_solve(rod->plan, rod->hess, dy);
    /* the new state's direction; the coefficients of the memory's update last */
    for (int i = 0; i < n; i++) {
        const real *k = rod->coef + RGI_NC * i;
        real keep = one / (one + hat * k[RGI_LM]);
        real ds[RGI_NS] = {rg_set1(0.0), rg_set1(0.0), rg_set1(0.0), rg_set1(0.0)};
        rgi_strain_jvp(rod, i, dy, ds);
        for (int c = 0; c < 3; c++) {
            real x = d.x[3 * i + c], v = d.v[3 * i + c];
            d.v[3 * i + c] = (dy[RGI_NU * i + c] - rgi_past(step, x, d.xp[3 * i + c])) * rate;
            d.x[3 * i + c] = dy[RGI_NU * i + c];
            d.xp[3 * i + c] = x;
            d.vp[3 * i + c] = v;
        }
        for (int c = 0; c < 2; c++) {
            real z = d.z[2 * i + c], zt = rgi_past(step, z, d.zp[2 * i + c]);
            d.z[2 * i + c] = keep * (zt + hat * k[RGI_LM] * ds[1 + c]);
            d.zp[2 * i + c] = z;
        }
        for (int c = 0; c < RGI_NS; c++) {
            d.sp[RGI_NS * i + c] = d.s[RGI_NS * i + c];
            d.s[RGI_NS * i + c] = ds[c];
        }
        d.theta[i] = dy[RGI_NU * i + 3];
    }
    for (int e = 0; e < n_entries; e++) {
        if (entries[e].coefficient != RGI_LM) continue;
        int i = entries[e].node;
        real keep = one / (one + hat * rod->coef[RGI_NC * i + RGI_LM]);
        for (int c = 0; c < 2; c++) {
            real zt = rgi_past(step, rod->z[2 * i + c], rod->zp[2 * i + c]);
            d.z[2 * i + c] += values[e] * hat * keep * keep * (rod->sy[RGI_NS * i + 1 + c] - zt);
        }
    }
}

#endif
