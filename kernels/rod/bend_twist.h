/* rod/bend_twist.h: bending and twist at an interior vertex, between edges e (before), f (after).
 *
 *   kb = 2 te x tf / chi,  chi = 1 + te.tf           curvature binormal (Bergou et al. 2008, eq. 1)
 *   kappa1 = kb.(m2e + m2f)/2, kappa2 = -kb.(m1e + m1f)/2
 *   tau    = signed angle about tf from P(te -> tf) m1e to m1f
 * Variables: e, f and the director angles theta_e, theta_f. The chart at a configuration carries
 * each director from its own current tangent by parallel transport, held fixed as the source, then
 * turns it by theta. The strains are functions on the manifold of framed curves and Newton needs no
 * reference frame: below are the exact gradient and the exact, symmetric Hessian in that chart.
 * In a chart of other sources s (a step's old tangents) theta differs by an angle of derivative
 * a = -(s x t)/(|e| (1 + s.t)): the gradient gains V_theta a, and where V_theta = 0, as at a
 * solution, the Hessian changes by theta -> theta + a.de on both sides. Solutions and their
 * derivatives are the same; off them, do not mix derivatives taken in different charts.
 * Gradients (t~ = (te+tf)/chi, q~ = (qe+qf)/chi), for K = kb.(qe+qf)/2 with q fixed in the frames:
 *   dK/de = (-K t~ + tf x q~)/|e|,  dK/df = (-K t~ - te x q~)/|f|;   dtau/de = kb/(2|e|) etc.
 * Second derivatives of K: Jawed, Novelia, O'Reilly 2018 (primer), chapter 7, for one director, by
 * linearity for any q = sigma1 m2 - sigma2 m1; re-derived and checked by complex step in
 * tests/test_elements.c. kb grows without bound as chi -> 0: the energy itself is the barrier that
 * keeps a converged step from folding. */
#ifndef RGI_BEND_TWIST_H
#define RGI_BEND_TWIST_H

#include "../real/angle.h"
#include "../real/vec3.h"
#include "layout.h"

typedef struct rgi_joint {
    vec3 te, tf, m1e, m2e, m1f, m2f; /* unit tangents and directors */
    vec3 kb, tt;                     /* curvature binormal, (te+tf)/chi */
    real ie, jf;                     /* 1/|e|, 1/|f| [1/m] */
    real ichi;                       /* 1/chi */
    real kappa1, kappa2;
} rgi_joint;

/* e, f [4]: unit tangent and 1/length of the edges, as rgi_edges leaves them */
RG_FN rgi_joint rgi_joint_make(const real *e, const real *f, vec3 m1e, vec3 m1f)
{
    rgi_joint j;
    j.ie = e[3];
    j.jf = f[3];
    j.te = v3_load(e);
    j.tf = v3_load(f);
    j.m1e = m1e;
    j.m1f = m1f;
    j.m2e = v3_cross(j.te, m1e);
    j.m2f = v3_cross(j.tf, m1f);
    j.ichi = RG_C(1.0) / (RG_C(1.0) + v3_dot(j.te, j.tf));
    j.kb = v3_scale(RG_C(2.0) * j.ichi, v3_cross(j.te, j.tf));
    j.tt = v3_scale(j.ichi, v3_add(j.te, j.tf));
    j.kappa1 = RG_C(0.5) * v3_dot(j.kb, v3_add(j.m2e, j.m2f));
    j.kappa2 = RG_C(-0.5) * v3_dot(j.kb, v3_add(j.m1e, j.m1f));
    return j;
}

/* tan(tau/2) */
RG_DISSOLVED real rgi_joint_half_tangent(const rgi_joint *j)
{
    /* P m1e has components (cos, sin) = (P m1e.m1f, -P m1e.m2f) seen from m1f; half-angle form */
    vec3 p = v3_axpy(-v3_dot(j->m1e, j->tf), j->tt, j->m1e);
    real c = v3_dot(p, j->m1f), s = -v3_dot(p, j->m2f);
    return s / (RG_C(1.0) + c);
}

/* tau, between minus half a turn and half a turn */
RG_FN real rgi_joint_twist(const rgi_joint *j) { return RG_C(2.0) * rg_atan(rgi_joint_half_tangent(j)); }

/* gradient of kb.(qe+qf)/2 with value k: writes d/de, d/df */
RG_FN void rgi_joint_curvature_grad(const rgi_joint *j, real k, vec3 q, vec3 *de, vec3 *df)
{
    *de = v3_scale(j->ie, v3_axpy(-k, j->tt, v3_cross(j->tf, q)));
    *df = v3_scale(-j->jf, v3_axpy(k, j->tt, v3_cross(j->te, q)));
}

/* g [RGI_NG]: for kappa1, kappa2, tau in turn { d/de 3, d/df 3, d/dtheta_e, d/dtheta_f } */
RG_FN void rgi_joint_grad(const rgi_joint *j, real *g)
{
    vec3 de, df;
    rgi_joint_curvature_grad(j, j->kappa1, v3_scale(j->ichi, v3_add(j->m2e, j->m2f)), &de, &df);
    v3_store(g, de);
    v3_store(g + 3, df);
    g[6] = RG_C(-0.5) * v3_dot(j->kb, j->m1e);
    g[7] = RG_C(-0.5) * v3_dot(j->kb, j->m1f);
    rgi_joint_curvature_grad(j, j->kappa2, v3_scale(-j->ichi, v3_add(j->m1e, j->m1f)), &de, &df);
    v3_store(g + 8, de);
    v3_store(g + 11, df);
    g[14] = RG_C(-0.5) * v3_dot(j->kb, j->m2e);
    g[15] = RG_C(-0.5) * v3_dot(j->kb, j->m2f);
    v3_store(g + 16, v3_scale(RG_C(0.5) * j->ie, j->kb));
    v3_store(g + 19, v3_scale(RG_C(0.5) * j->jf, j->kb));
    g[22] = rg_set1(-1.0);
    g[23] = rg_set1(1.0);
}

/* Hessian of sum over strains of the joint potential, h [RGI_NJ]:
 *   k11, k12, k22, k33: second derivatives of the potential in the strains (Gauss-Newton part);
 *   s1, s2, s3: its first derivatives, already times the share of the geometric part wanted (1, or
 *   0 for the positive semidefinite part alone). g is what rgi_joint_grad wrote.
 * Blocks: ee and ff lower triangles by rows, ef full (row e), then e.theta_e 3, e.theta_f 3,
 * f.theta_e 3, f.theta_f 3, theta: ee, ef, ff. */
RG_FN void rgi_joint_hess(const rgi_joint *j, const real *g, real k11, real k12, real k22, real k33, real s1, real s2,
                          real s3, real *h)
{
    const real o = rg_set1(0.0);
    /* q = s1 m2 - s2 m1 and its angle derivative -p, p = s1 m1 + s2 m2 */
    vec3 qe = v3_axpy(-s2, j->m1e, v3_scale(s1, j->m2e));
    vec3 qf = v3_axpy(-s2, j->m1f, v3_scale(s1, j->m2f));
    vec3 pe = v3_axpy(s2, j->m2e, v3_scale(s1, j->m1e));
    vec3 pf = v3_axpy(s2, j->m2f, v3_scale(s1, j->m1f));
    vec3 q = v3_scale(j->ichi, v3_add(qe, qf));
    real k = rg_dot2(s1, j->kappa1, s2, j->kappa2), kc = k * j->ichi;
    vec3 kt = v3_scale(k, j->tt);
    /* of e and f: t~, kb and the tangent over the length */
    real te[3], tf[3], be[3], bf[3], ae[3], af[3];
    v3_store(te, v3_scale(j->ie, j->tt));
    v3_store(tf, v3_scale(j->jf, j->tt));
    v3_store(be, v3_scale(j->ie, j->kb));
    v3_store(bf, v3_scale(j->jf, j->kb));
    v3_store(ae, v3_scale(j->ie, j->te));
    v3_store(af, v3_scale(j->jf, j->tf));
    /* what t~ is multiplied by; and kb, by q/4 (bending), -s3 (t + t~)/4 (twist) and k33 kb/8: half of the twist's
     * part in the strains' own second derivatives, whose gradient is kb/2 */
    real ue[3], uf[3], we[3], wf[3], x[3];
    v3_store(ue, v3_scale(j->ie, v3_sub(kt, v3_cross(j->tf, q))));
    v3_store(uf, v3_scale(j->jf, v3_add(kt, v3_cross(j->te, q))));
    vec3 quarter = v3_axpy(-s3, v3_add(j->te, j->tt), qe);
    v3_store(we, v3_scale(j->ie, v3_axpy(RG_C(0.125) * k33, j->kb, v3_scale(rg_set1(0.25), quarter))));
    quarter = v3_axpy(-s3, v3_add(j->tf, j->tt), qf);
    v3_store(wf, v3_scale(j->jf, v3_axpy(RG_C(0.125) * k33, j->kb, v3_scale(rg_set1(0.25), quarter))));
    v3_store(x, v3_scale(j->jf, v3_axpy(RG_C(0.25) * k33, j->kb, v3_scale(RG_C(-0.5) * s3, j->tt))));
    /* products of bending gradients with their stiffness: ck = K grad */
    real c1[8], c2[8];
    for (int i = 0; i < 8; i++) {
        c1[i] = rg_dot2(k11, g[i], k12, g[8 + i]);
        c2[i] = rg_dot2(k12, g[i], k22, g[8 + i]);
    }
    const real dee = kc * j->ie * j->ie, dff = kc * j->jf * j->jf, def = j->ie * j->jf;
    int m = 0;
    for (int r = 0; r < 3; r++) {
        for (int c = 0; c <= r; c++, m++) {
            real ee = rg_dot4(ue[r], te[c], te[r], ue[c], be[r], we[c], we[r], be[c]);
            real ff = rg_dot4(uf[r], tf[c], tf[r], uf[c], bf[r], wf[c], wf[r], bf[c]);
            ee = rg_fma(c1[r], g[c], rg_fma(kc * ae[r], ae[c], ee));
            ff = rg_fma(c1[3 + r], g[3 + c], rg_fma(kc * af[r], af[c], ff));
            h[m] = rg_fma(c2[r], g[8 + c], ee) - (r == c ? dee : o);
            h[6 + m] = rg_fma(c2[3 + r], g[11 + c], ff) - (r == c ? dff : o);
        }
    }
    /* the antisymmetric part of ef: [s3/chi te - q~]x */
    vec3 v = v3_scale(def, v3_sub(v3_scale(s3 * j->ichi, j->te), q));
    const real diagonal = -kc * def;
    const real rest[9] = {diagonal, -v.z, v.y, v.z, diagonal, -v.x, -v.y, v.x, diagonal};
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 3; c++) {
            real sum = rg_fma(ue[r], tf[c], rg_fma(te[r], uf[c], rest[3 * r + c]));
            sum = rg_fnma(kc * ae[r], af[c], rg_fma(be[r], x[c], sum));
            h[12 + 3 * r + c] = rg_fma(c2[r], g[11 + c], rg_fma(c1[r], g[3 + c], sum));
        }
    real kpe = RG_C(0.5) * v3_dot(j->kb, pe), kpf = RG_C(0.5) * v3_dot(j->kb, pf);
    real re = j->ie * j->ichi, rf = j->jf * j->ichi, half = RG_C(0.5) * k33;
    real fe[3], ff[3], ee[3], ef[3];
    v3_store(fe, v3_scale(re, v3_cross(j->tf, pe)));
    v3_store(ff, v3_scale(re, v3_cross(j->tf, pf)));
    v3_store(ee, v3_scale(rf, v3_cross(j->te, pe)));
    v3_store(ef, v3_scale(rf, v3_cross(j->te, pf)));
    for (int r = 0; r < 3; r++) {
        const real a = rg_fma(c1[r], g[6], rg_fms(kpe, te[r], fe[r])), *ct = c1 + 3, *cf = c2 + 3;
        const real b = rg_fma(c1[r], g[7], rg_fms(kpf, te[r], ff[r]));
        h[21 + r] = rg_fnma(half, be[r], rg_fma(c2[r], g[14], a));
        h[24 + r] = rg_fma(half, be[r], rg_fma(c2[r], g[15], b));
        const real c = rg_fma(ct[r], g[6], rg_fma(kpe, tf[r], ee[r]));
        const real d = rg_fma(ct[r], g[7], rg_fma(kpf, tf[r], ef[r]));
        h[27 + r] = rg_fnma(half, bf[r], rg_fma(cf[r], g[14], c));
        h[30 + r] = rg_fma(half, bf[r], rg_fma(cf[r], g[15], d));
    }
    h[33] = rg_fma(c2[6], g[14], rg_fma(c1[6], g[6], RG_C(-0.5) * v3_dot(j->kb, qe))) + k33;
    h[34] = rg_dot2(c1[6], g[7], c2[6], g[15]) - k33;
    h[35] = rg_fma(c2[7], g[15], rg_fma(c1[7], g[7], RG_C(-0.5) * v3_dot(j->kb, qf))) + k33;
}

#endif
