/* rod/normalised.h: bending against normalised directors (RG_BEND_NORMALISED; docs/physics.md, section 2).
 *
 * kb is perpendicular to both tangents, so that the parallel transport te -> tf keeps it. Let its components along
 * m1, m2 of edge f be |kb| (cos alpha, sin alpha). Along those of edge e, which are the twist tau behind, they are
 * |kb| (cos, sin)(alpha + tau). The means, kappa2 (but for its sign) and kappa1 of bend_twist.h, are
 * cos(tau/2) |kb| (cos, sin)(alpha + tau/2): averaged directors are shorter by cos(tau/2). Against the directors
 * half-way, of unit length,
 *   kappa'_i = sigma kappa_i,  sigma = 1/cos(tau/2),  kappa'_1^2 + kappa'_2^2 = |kb|^2.
 * With u = tan(tau/2): sigma = +-sqrt(1 + u^2), sigma_tau = sigma u/2, sigma_tau_tau = sigma (1 + 2u^2)/4. tau is the
 * twist with its whole turns, so that kappa' stays continuous where it passes half a turn: after an odd number of them
 * sigma is negative. At half a turn itself kappa' is 0 times infinity.
 *
 * Gradients and Hessians, with g the gradients of kappa_i and t that of tau (bend_twist.h):
 *   g'_i = sigma (g_i + (u/2) kappa_i t)
 *   d2 kappa'_i = sigma d2 kappa_i + sigma_tau (g_i t^T + t g_i^T) + kappa_i (sigma_tau_tau t t^T + sigma_tau d2 tau).
 * In the sum over i with the potential's derivatives s_i, p = s_1 g'_1 + s_2 g'_2, k = s_1 kappa'_1 + s_2 kappa'_2:
 *   sum_i s_i d2 kappa'_i = sum_i (sigma s_i) d2 kappa_i + (u/2) k d2 tau + v t^T + t v^T,  v = (u/2) p + (k/8) t,
 * since sigma_tau g_i = (u/2) (g'_i - (u/2) kappa'_i t) and sigma_tau_tau - 2 sigma (u/2)^2 = sigma/4. */
#ifndef RGI_NORMALISED_H
#define RGI_NORMALISED_H

#include "bend_twist.h"

typedef struct rgi_normaliser {
    real sigma, slope; /* 1/cos(tau/2); sigma_tau / sigma = tan(tau/2)/2 */
} rgi_normaliser;

/* of joint j, whose twist is tau with its whole turns */
RG_FN rgi_normaliser rgi_normaliser_of(const rgi_joint *j, real tau)
{
    const double inverse_turn = 0.1591549430918953357689;
    const real u = rgi_joint_half_tangent(j), half = RG_C(0.5) * rg_round(tau * rg_set1(inverse_turn));
    rgi_normaliser r;
    /* half is whole, or by 1/2 off a whole number after an odd number of turns */
    r.sigma = (RG_C(1.0) - RG_C(4.0) * rg_abs(half - rg_round(half))) * rg_sqrt(RG_C(1.0) + u * u);
    r.slope = RG_C(0.5) * u;
    return r;
}

/* what rgi_joint_grad wrote into g, with kappa1 and kappa2 the joint's, becomes that of kappa' */
RG_FN void rgi_normalise_grad(rgi_normaliser by, real kappa1, real kappa2, real *g)
{
    const real add1 = by.slope * kappa1, add2 = by.slope * kappa2;
    for (int c = 0; c < 8; c++) {
        g[c] = by.sigma * (g[c] + add1 * g[16 + c]);
        g[8 + c] = by.sigma * (g[8 + c] + add2 * g[16 + c]);
    }
}

/* h [RGI_NJ] as rgi_joint_hess has it: v t^T + t v^T. g: the gradients of kappa'; s1, s2: derivatives of the potential
 * in kappa', times the share of the geometric part; k = s1 kappa'_1 + s2 kappa'_2 */
RG_FN void rgi_normalise_hess(rgi_normaliser by, const real *g, real s1, real s2, real k, real *h)
{
    const real *t = g + 16, eighth = RG_C(0.125) * k;
    real v[8];
    for (int c = 0; c < 8; c++) v[c] = by.slope * (s1 * g[c] + s2 * g[8 + c]) + eighth * t[c];
    int m = 0;
    for (int r = 0; r < 3; r++)
        for (int c = 0; c <= r; c++, m++) {
            h[m] = v[r] * t[c] + t[r] * v[c];
            h[6 + m] = v[3 + r] * t[3 + c] + t[3 + r] * v[3 + c];
        }
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 3; c++) h[12 + 3 * r + c] = v[r] * t[3 + c] + t[r] * v[3 + c];
    for (int r = 0; r < 3; r++) {
        h[21 + r] = v[r] * t[6] + t[r] * v[6];
        h[24 + r] = v[r] * t[7] + t[r] * v[7];
        h[27 + r] = v[3 + r] * t[6] + t[3 + r] * v[6];
        h[30 + r] = v[3 + r] * t[7] + t[3 + r] * v[7];
    }
    h[33] = RG_C(2.0) * v[6] * t[6];
    h[34] = v[6] * t[7] + t[6] * v[7];
    h[35] = RG_C(2.0) * v[7] * t[7];
}

#endif
