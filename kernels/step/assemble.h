/* step/assemble.h: the step's potential at a configuration: value, gradient, Hessian blocks.
 *
 *   Phi = sum_i a_i/2 |x_i - c_i|^2 + sum_strains (1/2 s.K s - b.s)
 * or, static, - c_i.x_i with c_i the load in place of its first term.
 * Inertia, drag, gravity and history sit in a and c; elasticity, damping and memory in K and b
 * (step/implicit.h makes them). Joints add to the nodes of three colours in turn, so that a team
 * never has two writers at a node and every node is summed in the same order everywhere. */
#ifndef RGI_ASSEMBLE_H
#define RGI_ASSEMBLE_H

#include "../rod/bend_twist.h"
#include "../rod/layout.h"
#include "../rod/normalised.h"
#include "../rod/stretch.h"
#include "../state.h"
#include "ldlt.h"

/* One rod (one lane each of a pack), all arrays by node. Workspace: see rgi_rod_bind. */
typedef struct rgi_rod {
    rgi_schedule plan;
    int n;
    const unsigned char *fixed; /* [n] RGI_FIXED_X | RGI_FIXED_THETA */
    const real *coef;           /* [n][RGI_NC] */
#define RGI_MEMBER(name, past, reals) real *name, *past;
    RGI_STATE_LIST(RGI_MEMBER) /* the state and the one before: x, v, s, z and xp, vp, sp, zp (state.h) */
#undef RGI_MEMBER
#define RGI_MEMBER(name, reals) real *name;
    RGI_STATE_NOW_LIST(RGI_MEMBER) /* m1: directors [n][3] */
#undef RGI_MEMBER
    real *w;            /* [n][RGI_NW] step stiffness and bias */
    const real *f;      /* [n][3] external force on vertices [N], or NULL */
    real *a;            /* [n] inertia [N/m] */
    real *c;            /* [n][3] where inertia would take the vertex [m]; static: its load [N] */
    int still;          /* static */
    int normalised;     /* bending against normalised directors (rod/normalised.h): s, sy and g are of kappa' */
    real *y, *y1;       /* [n][3] trial positions and directors */
    real *base, *base1; /* [n][3] the last accepted trial */
    real *sy;           /* [n][RGI_NS] strains of the trial */
    real *t;            /* [n][4] tangent and 1/length of the trial's edges */
    real *g;            /* [n][RGI_NG] strain gradients of the trial */
    real *grad, *dy;    /* [n][RGI_NU] gradient; Newton increment */
    real *tension;      /* [n] of edges, to which the last move would lead if their lengths were linear [N] */
    real *hess;         /* [n][RGI_NH] Hessian blocks, then their factor */
} rgi_rod;

/* reals for n nodes: of the state, which lasts from step to step, and of what a step works on. A GPU keeps
 * the latter, which is read and written many times a step, on its multiprocessor. */
RG_FN int rgi_rod_state_reals(int n) { return n * (RGI_STATE_REALS + RGI_STATE_PAIRS); }
RG_FN int rgi_rod_step_reals(int n) { return n * (RGI_NW + 2 + 3 * 5 + RGI_NS + 4 + RGI_NG + 2 * RGI_NU + RGI_NH); }
RG_FN int rgi_rod_reals(int n) { return rgi_rod_state_reals(n) + rgi_rod_step_reals(n); }

/* hand them out; plan, n, fixed, coef and f are the caller's */
RG_FN void rgi_rod_bind_state(rgi_rod *rod, real *p)
{
    const int n = rod->n;
#define RGI_BIND(name, past, reals)                                                                                    \
    rod->name = p;                                                                                                     \
    rod->past = p + (reals)*n;                                                                                         \
    p += 2 * (reals)*n;
    RGI_STATE_LIST(RGI_BIND)
#undef RGI_BIND
#define RGI_BIND(name, reals)                                                                                          \
    rod->name = p;                                                                                                     \
    p += (reals)*n;
    RGI_STATE_NOW_LIST(RGI_BIND)
#undef RGI_BIND
}
RG_FN void rgi_rod_bind_step(rgi_rod *rod, real *p)
{
    const int n = rod->n;
    rod->c = p;
    rod->y = p + 3 * n;
    rod->y1 = p + 6 * n;
    rod->base = p + 9 * n;
    rod->base1 = p + 12 * n;
    rod->sy = p + 15 * n;
    rod->t = p + 19 * n;
    rod->grad = p + 23 * n;
    rod->dy = p + 27 * n;
    rod->a = p + 31 * n;
    rod->tension = p + 32 * n;
    rod->w = p + 33 * n;
    rod->g = p + (33 + RGI_NW) * n;
    rod->hess = p + (33 + RGI_NW + RGI_NG) * n;
}
RG_FN void rgi_rod_bind(rgi_rod *rod, real *p)
{
    rgi_rod_bind_state(rod, p);
    rgi_rod_bind_step(rod, p + rgi_rod_state_reals(rod->n));
}

RG_FN void rgi_edges(rgi_rod *rod, const real *x)
{
    RG_TEAM_FOR(i, 0, rod->n - 1) {
        vec3 e = v3_sub(v3_load(x + 3 * i + 3), v3_load(x + 3 * i));
        real length = v3_norm(e), inverse = RG_C(1.0) / length;
        v3_store(rod->t + 4 * i, v3_scale(inverse, e));
        rod->t[4 * i + 3] = inverse;
        rod->sy[RGI_NS * i] = length;
    }
    RG_TEAM_SYNC();
}

/* the force in edge i of length sy [N]: elastic, and viscous where the step has a past */
RG_FN real rgi_edge_tension(const rgi_rod *rod, int i)
{
    const real *w = rod->w + RGI_NW * i;
    return rg_fms(w[RGI_SL], rod->sy[RGI_NS * i], w[RGI_BL]);
}

/* joint i of the edges in rod->t with directors m1 [n][3] */
RG_FN rgi_joint rgi_rod_joint(const rgi_rod *rod, const real *m1, int i)
{
    return rgi_joint_make(rod->t + 4 * i - 4, rod->t + 4 * i, v3_load(m1 + 3 * i - 3), v3_load(m1 + 3 * i));
}

/* joint i's twist without the jump at half a turn: the branch nearest to the last step's */
RG_FN real rgi_twist_branch(const rgi_rod *rod, int i, real tau)
{
    const double turn = 6.283185307179586476925;
    return rg_fma(rg_set1(turn), rg_round((rod->s[RGI_NS * i + 3] - tau) * rg_set1(1.0 / turn)), tau);
}

/* strains of the configuration (x, m1) into rod->sy, tangents into rod->t */
RG_FN void rgi_strains(rgi_rod *rod, const real *x, const real *m1)
{
    rgi_edges(rod, x);
    RG_TEAM_FOR(i, 1, rod->n - 1) {
        rgi_joint j = rgi_rod_joint(rod, m1, i);
        real *sy = rod->sy + RGI_NS * i;
        sy[1] = j.kappa1;
        sy[2] = j.kappa2;
        sy[3] = rgi_twist_branch(rod, i, rgi_joint_twist(&j));
        if (!rod->normalised) continue;
        const real sigma = rgi_normaliser_of(&j, sy[3]).sigma;
        sy[1] = sigma * j.kappa1;
        sy[2] = sigma * j.kappa2;
    }
    RG_TEAM_SYNC();
}

/* the strains' gradients in x and m1 into rod->g, tangents and lengths into rod->t and rod->sy */
RG_FN void rgi_strain_gradients(rgi_rod *rod, const real *x, const real *m1)
{
    rgi_edges(rod, x);
    RG_TEAM_FOR(i, 1, rod->n - 1) {
        rgi_joint j = rgi_rod_joint(rod, m1, i);
        rgi_joint_grad(&j, rod->g + RGI_NG * i);
        if (!rod->normalised) continue;
        const rgi_normaliser by = rgi_normaliser_of(&j, rgi_twist_branch(rod, i, rgi_joint_twist(&j)));
        rgi_normalise_grad(by, j.kappa1, j.kappa2, rod->g + RGI_NG * i);
    }
    RG_TEAM_SYNC();
}

/* add joint i's gradient d = { d/de 3, d/df 3, d/dtheta_e, d/dtheta_f } to the nodes' */
RG_FN void rgi_scatter_gradient(real *grad, int i, const real *d)
{
    real *p = grad + RGI_NU * (i - 1), *q = grad + RGI_NU * i, *r = grad + RGI_NU * (i + 1);
    for (int k = 0; k < 3; k++) {
        p[k] -= d[k];
        q[k] += d[k] - d[3 + k];
        r[k] += d[3 + k];
    }
    p[3] += d[6];
    q[3] += d[7];
}

/* lower-triangle place of (r, c), r >= c */
#define RGI_TRI(r, c) ((r) * ((r) + 1) / 2 + (c))

/* add joint i's Hessian h [RGI_NJ] to the nodes' blocks: x_{i-1} = -e, x_i = e - f, x_{i+1} = f */
RG_FN void rgi_scatter_hessian(real *blocks, int i, const real *h)
{
    real *p = blocks + RGI_NH * (i - 1), *q = blocks + RGI_NH * i, *s = blocks + RGI_NH * (i + 1);
    const real *ef = h + 12, *eu = h + 21, *ew = h + 24, *fu = h + 27, *fw = h + 30;
    for (int r = 0; r < 3; r++) {
        for (int c = 0; c <= r; c++) {
            real ee = h[RGI_TRI(r, c)], ff = h[6 + RGI_TRI(r, c)];
            p[RGI_TRI(r, c)] += ee;
            q[RGI_TRI(r, c)] += ee + ff - ef[3 * r + c] - ef[3 * c + r];
            s[RGI_TRI(r, c)] += ff;
        }
        for (int c = 0; c < 3; c++) {
            int tri = r >= c ? RGI_TRI(r, c) : RGI_TRI(c, r);
            real fe = ef[3 * c + r];
            p[10 + 4 * r + c] += fe - h[tri];
            p[26 + 4 * r + c] -= fe;
            q[10 + 4 * r + c] += fe - h[6 + tri];
        }
        p[RGI_TRI(3, r)] -= eu[r];
        p[10 + 4 * r + 3] += eu[r] - fu[r];
        p[26 + 4 * r + 3] += fu[r];
        p[10 + 4 * 3 + r] -= ew[r];
        q[RGI_TRI(3, r)] += ew[r] - fw[r];
        q[10 + 4 * r + 3] += fw[r];
    }
    p[RGI_TRI(3, 3)] += h[33];
    p[10 + 4 * 3 + 3] += h[34];
    q[RGI_TRI(3, 3)] += h[35];
}

/* make the prescribed unknowns of node k, and its coupling to prescribed neighbours, disappear */
RG_FN void rgi_mask_node(rgi_rod *rod, int k)
{
    int a = rod->plan.first[k], b = rod->plan.second[k], mine = rod->fixed[k];
    int first = a < 0 ? 0 : rod->fixed[a], second = b < 0 ? 0 : rod->fixed[b];
    real *p = rod->hess + RGI_NH * k, *d = rod->grad + RGI_NU * k;
    for (int c = 0; c < 4; c++) {
        int gone = c < 3 ? mine & RGI_FIXED_X : mine & RGI_FIXED_THETA;
        if (gone) {
            for (int r = 0; r < 4; r++) p[r >= c ? RGI_TRI(r, c) : RGI_TRI(c, r)] = rg_set1(0.0);
            d[c] = rg_set1(0.0);
        }
        for (int r = 0; r < 4; r++)
            if (gone || (r < 3 ? first & RGI_FIXED_X : first & RGI_FIXED_THETA)) p[10 + 4 * r + c] = rg_set1(0.0);
        for (int r = 0; r < 3; r++)
            if (gone || (second & RGI_FIXED_X)) p[26 + 4 * r + c] = rg_set1(0.0);
    }
}

/* what vertices and edges have of rgi_assemble_all */
RG_DISSOLVED real rgi_assemble_edges(rgi_rod *rod, real share, real add, int mixed)
{
    const real zero = rg_set1(0.0);
    real phi = zero;
    rgi_edges(rod, rod->y);
    RG_TEAM_FOR(i, 0, rod->n) {
        real *p = rod->hess + RGI_NH * i, *d = rod->grad + RGI_NU * i;
        vec3 off = v3_sub(v3_load(rod->y + 3 * i), v3_load(rod->c + 3 * i));
        real a = rod->a[i];
        RG_UNROLLED
        for (int k = 0; k < RGI_NH; k++) p[k] = zero;
        p[RGI_TRI(0, 0)] = p[RGI_TRI(1, 1)] = p[RGI_TRI(2, 2)] = a + add;
        v3_store(d, v3_scale(a, off));
        d[3] = zero;
        if (rod->still) {
            const real length = i < rod->n - 1 ? rod->sy[RGI_NS * i] : zero;
            vec3 load = v3_load(rod->c + 3 * i);
            p[RGI_TRI(3, 3)] = add * length * length;
            v3_store(d, v3_scale(rg_set1(-1.0), load));
            off = v3_sub(v3_load(rod->y + 3 * i), v3_load(rod->x + 3 * i));
            if (!(rod->fixed[i] & RGI_FIXED_X)) phi -= v3_dot(load, off);
            continue;
        }
        if (!(rod->fixed[i] & RGI_FIXED_X)) phi = rg_fma(RG_C(0.5) * a, v3_dot(off, off), phi);
    }
    RG_TEAM_SYNC();
    /* edges in two colours */
    RG_ROLLED
    for (int colour = 0; colour < 2; colour++) {
        RG_TEAM_FOR(k, 0, (rod->n - colour) / 2) {
            int i = 2 * k + colour;
            const real *w = rod->w + RGI_NW * i;
            vec3 t = v3_load(rod->t + 4 * i);
            real s = rod->sy[RGI_NS * i], w1 = rg_fms(w[RGI_SL], s, w[RGI_BL]), h[6];
            /* without the constant -b^2/2K, whose rounding errors are larger than what a step changes */
            phi += RG_C(0.5) * w1 * w1 / w[RGI_SL];
            const real tension = mixed ? rod->tension[i] : w1;
            const real lateral = rg_select(rg_lt(tension, zero), share * tension, tension);
            rgi_stretch_hess(t, rod->t[4 * i + 3], lateral, w[RGI_SL], h);
            real *p = rod->hess + RGI_NH * i, *q = p + RGI_NH;
            real *dp = rod->grad + RGI_NU * i, *dq = dp + RGI_NU;
            const real n[3] = {w1 * t.x, w1 * t.y, w1 * t.z};
            for (int r = 0; r < 3; r++) {
                dp[r] -= n[r];
                dq[r] += n[r];
                for (int c = 0; c < 3; c++) {
                    real v = h[r >= c ? RGI_TRI(r, c) : RGI_TRI(c, r)];
                    p[10 + 4 * r + c] -= v;
                    if (c > r) continue;
                    p[RGI_TRI(r, c)] += v;
                    q[RGI_TRI(r, c)] += v;
                }
            }
        }
        RG_TEAM_SYNC();
    }
    return phi;
}

/* the joints' on top of phi */
RG_DISSOLVED real rgi_assemble_joints(rgi_rod *rod, real share, real phi, int normalised)
{
    RG_ROLLED
    for (int colour = 0; colour < 3; colour++) {
        RG_TEAM_FOR(k, 0, (rod->n - colour) / 3) {
            int i = 3 * k + colour + 1;
            if (i >= rod->n - 1) continue;
            const real *w = rod->w + RGI_NW * i;
            real *g = rod->g + RGI_NG * i, *sy = rod->sy + RGI_NS * i;
            rgi_joint j = rgi_rod_joint(rod, rod->y1, i);
            const real tau = rgi_twist_branch(rod, i, rgi_joint_twist(&j));
            rgi_joint_grad(&j, g);
            real kappa1 = j.kappa1, kappa2 = j.kappa2;
            rgi_normaliser by = {kappa1, kappa2}; /* any values */
            if (normalised) {
                by = rgi_normaliser_of(&j, tau);
                rgi_normalise_grad(by, j.kappa1, j.kappa2, g);
                kappa1 = by.sigma * j.kappa1;
                kappa2 = by.sigma * j.kappa2;
            }
            real c1 = rg_dot2(w[RGI_S11], kappa1, w[RGI_S12], kappa2);
            real c2 = rg_dot2(w[RGI_S12], kappa1, w[RGI_S22], kappa2);
            real ct = w[RGI_ST] * tau;
            const real linear = rg_dot3(w[RGI_B1], kappa1, w[RGI_B2], kappa2, w[RGI_BT], tau);
            phi += rg_fms(rg_set1(0.5), rg_dot3(c1, kappa1, c2, kappa2, ct, tau), linear);
            real s1 = c1 - w[RGI_B1], s2 = c2 - w[RGI_B2], s3 = ct - w[RGI_BT];
            real d[8], h[RGI_NJ];
            for (int q = 0; q < 8; q++) d[q] = rg_dot3(s1, g[q], s2, g[8 + q], s3, g[16 + q]);
            rgi_scatter_gradient(rod->grad, i, d);
            real geometric1 = share * s1, geometric2 = share * s2, geometric3 = share * s3;
            if (normalised) {
                const real along = geometric1 * kappa1 + geometric2 * kappa2;
                rgi_normalise_hess(by, g, geometric1, geometric2, along, h);
                rgi_scatter_hessian(rod->hess, i, h);
                geometric1 = by.sigma * geometric1;
                geometric2 = by.sigma * geometric2;
                geometric3 = geometric3 + by.slope * along;
            }
            rgi_joint_hess(&j, g, w[RGI_S11], w[RGI_S12], w[RGI_S22], w[RGI_ST], geometric1, geometric2, geometric3, h);
            rgi_scatter_hessian(rod->hess, i, h);
            sy[1] = kappa1;
            sy[2] = kappa2;
            sy[3] = tau;
        }
        RG_TEAM_SYNC();
    }
    return phi;
}
RG_APART real rgi_assemble_joints_normalised(rgi_rod *rod, real share, real phi)
{
    return rgi_assemble_joints(rod, share, phi, 1);
}

/* Phi at the trial (rod->y, rod->y1); writes sy, t, g, grad, hess, prescribed unknowns like the others.
 * share: 1 for the exact Hessian, 0 (by lane) to leave out the geometric part of joints and compressed
 * edges, which makes it positive definite. add: to its diagonal [N/m], times length^2 for an angle. mixed: edges'
 * geometric part is of rod->tension. */
RG_FN real rgi_assemble_all(rgi_rod *rod, real share, real add, int mixed)
{
    real phi = rgi_assemble_edges(rod, share, add, mixed);
#if defined(__CUDACC__)
    phi = rgi_assemble_joints(rod, share, phi, rod->normalised); /* once in the code */
#else
    if (rod->normalised) phi = rgi_assemble_joints_normalised(rod, share, phi);
    else phi = rgi_assemble_joints(rod, share, phi, 0);
#endif
    return rg_team_sum(phi);
}

RG_FN void rgi_mask(rgi_rod *rod)
{
    RG_TEAM_FOR(i, 0, rod->n) rgi_mask_node(rod, i);
    RG_TEAM_SYNC();
}

/* the same for the free unknowns alone, as Newton wants it */
RG_FN real rgi_assemble(rgi_rod *rod, real share, real add, int mixed)
{
    real phi = rgi_assemble_all(rod, share, add, mixed);
    rgi_mask(rod);
    return phi;
}

#endif
