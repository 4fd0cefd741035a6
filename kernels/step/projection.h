/* step/projection.h: the deform stepper's inextensibility: Gauss-Seidel sweeps over the edges.
 *
 * A sweep takes the edges in ascending order, e = x_{k+1} - x_k as it is by then, and corrects it:
 *   l = 1 - 2 L^2/(L^2 + e.e),  x_k += w l e,  x_{k+1} -= (1 - w) l e,
 *   w = m_{k+1}/(m_k + m_{k+1}), 0 or 1 beside a prescribed vertex; no correction between two.
 * Being along the edge and weighted by mass, it keeps momentum and angular momentum.
 * Tangent: with q = 1/(L^2 + e.e), c = dl e + l de,
 *   dl = 4 L^2 q^2 e.de - 4 L q (1 - L^2 q) dL,  dw = ((1 - w) dm_{k+1} - w dm_k)/(m_k + m_{k+1}),
 *   dx_k += w c + dw l e,  dx_{k+1} -= (1 - w) c - dw l e.
 * Adjoint, last update first: c_bar = w x_bar_k - (1 - w) x_bar_{k+1}, l_bar = c_bar.e,
 *   w_bar += (x_bar_k + x_bar_{k+1}).(l e),  e_bar = l c_bar + 4 L^2 q^2 l_bar e,
 *   x_bar_{k+1} += e_bar,  x_bar_k -= e_bar.
 * Every update's e and q are kept, past [sweeps][n][4].
 * An update needs the one before it in its sweep, and of the sweep before those of its own and the next edge. Sweeps
 * go in twos, the second two edges behind the first, where they have no vertex in common: a processor works on both
 * at a time, and every value is as if one came after the other. */
#ifndef RGI_PROJECTION_H
#define RGI_PROJECTION_H

#include "assemble.h"

/* are both ends of edge k prescribed? one of them? */
RG_FN int rgi_edge_held(const rgi_rod *rod, int k) { return rod->fixed[k] & rod->fixed[k + 1] & RGI_FIXED_X; }
RG_FN int rgi_edge_loose(const rgi_rod *rod, int k) { return !((rod->fixed[k] | rod->fixed[k + 1]) & RGI_FIXED_X); }

/* share [n]: w of every edge */
RG_FN void rgi_projection_shares(const rgi_rod *rod, real *share)
{
    RG_TEAM_FOR(k, 0, rod->n - 1) {
        real before = rod->coef[RGI_NC * k + RGI_M], after = rod->coef[RGI_NC * (k + 1) + RGI_M];
        share[k] = rg_set1(rod->fixed[k] & RGI_FIXED_X ? 0.0 : 1.0);
        if (rgi_edge_loose(rod, k)) share[k] = after / (before + after);
    }
    RG_TEAM_SYNC();
}

/* adds to dshare what the mass of vertex i changing by dm does to the edges around it */
RG_FN void rgi_projection_shares_jvp(const rgi_rod *rod, const real *share, int i, real dm, real *dshare)
{
    const real *m = rod->coef + RGI_NC * i + RGI_M;
    if (i < rod->n - 1 && rgi_edge_loose(rod, i)) dshare[i] -= dm * share[i] / (m[0] + m[RGI_NC]);
    if (i > 0 && rgi_edge_loose(rod, i - 1)) dshare[i - 1] += dm * (RG_C(1.0) - share[i - 1]) / (m[-RGI_NC] + m[0]);
}

/* its adjoint: the cotangent of that mass */
RG_FN real rgi_projection_shares_adj(const rgi_rod *rod, const real *share, int i, const real *share_bar)
{
    const real *m = rod->coef + RGI_NC * i + RGI_M;
    real bar = rg_set1(0.0);
    if (i < rod->n - 1 && rgi_edge_loose(rod, i)) bar -= RG_TERM(share_bar[i] * share[i] / (m[0] + m[RGI_NC]));
    if (i > 0 && rgi_edge_loose(rod, i - 1))
        bar += RG_TERM(share_bar[i - 1] * (RG_C(1.0) - share[i - 1]) / (m[-RGI_NC] + m[0]));
    return bar;
}

/* one update; past [4] keeps its e and q */
RG_FN void rgi_project_edge(const rgi_rod *rod, const real *share, int k, real *y, real *past)
{
    if (rgi_edge_held(rod, k)) return;
    const real one = rg_set1(1.0);
    vec3 a = v3_load(y + 3 * k), b = v3_load(y + 3 * k + 3), e = v3_sub(b, a);
    real rest = rod->coef[RGI_NC * k + RGI_L], square = rest * rest, w = share[k];
    real q = one / (square + v3_dot(e, e)), l = rg_fnma(RG_C(2.0) * square, q, one);
    v3_store(past, e);
    past[3] = q;
    if (!(rod->fixed[k] & RGI_FIXED_X)) v3_store(y + 3 * k, v3_axpy(w * l, e, a));
    if (!(rod->fixed[k + 1] & RGI_FIXED_X)) v3_store(y + 3 * k + 3, v3_axpy((w - one) * l, e, b));
}

/* the sweeps, on y [n][3] */
RG_FN void rgi_project(const rgi_rod *rod, int sweeps, const real *share, real *y, real *past)
{
    const int n = rod->n;
    for (int sweep = 0; sweep < sweeps; sweep += 2, past += 8 * n)
        for (int k = 0; k < n + 1; k++) {
            if (k < n - 1) rgi_project_edge(rod, share, k, y, past + 4 * k);
            if (k > 1 && sweep + 1 < sweeps) rgi_project_edge(rod, share, k - 2, y, past + 4 * (n + k - 2));
        }
}

/* one update in one direction */
RG_FN void rgi_project_edge_jvp(const rgi_rod *rod, const real *share, const real *past, const real *dshare,
                                const real *dlength, int k, real *dy)
{
    if (rgi_edge_held(rod, k)) return;
    const real one = rg_set1(1.0);
    real *a = dy + RGI_NU * k, *b = a + RGI_NU;
    vec3 e = v3_load(past), de = v3_sub(v3_load(b), v3_load(a));
    real rest = rod->coef[RGI_NC * k + RGI_L], q = past[3], w = share[k];
    real part = rest * rest * q, l = one - RG_C(2.0) * part;
    real dl = RG_C(4.0) * q * rg_fms(part, v3_dot(e, de), rest * (one - part) * dlength[k]);
    vec3 c = v3_axpy(l, de, v3_scale(dl, e)), p = v3_scale(dshare[k] * l, e);
    v3_store(a, v3_add(v3_axpy(w, c, v3_load(a)), p));
    v3_store(b, v3_add(v3_axpy(w - one, c, v3_load(b)), p));
}

/* one direction: dy [n][RGI_NU], changes dshare and dlength [n] of every edge's w and rest length */
RG_FN void rgi_project_jvp(const rgi_rod *rod, int sweeps, const real *share, const real *past, const real *dshare,
                           const real *dlength, real *dy)
{
    const int n = rod->n;
    for (int sweep = 0; sweep < sweeps; sweep += 2, past += 8 * n)
        for (int k = 0; k < n + 1; k++) {
            if (k < n - 1) rgi_project_edge_jvp(rod, share, past + 4 * k, dshare, dlength, k, dy);
            if (k > 1 && sweep + 1 < sweeps)
                rgi_project_edge_jvp(rod, share, past + 4 * (n + k - 2), dshare, dlength, k - 2, dy);
        }
}

/* one update backwards */
RG_FN void rgi_project_edge_adj(const rgi_rod *rod, const real *share, const real *past, int k, real *share_bar,
                                real *length_bar, real *y_bar)
{
    if (rgi_edge_held(rod, k)) return;
    const real one = rg_set1(1.0);
    real *a = y_bar + RGI_NU * k, *b = a + RGI_NU;
    vec3 e = v3_load(past), at = v3_load(a), bt = v3_load(b);
    real rest = rod->coef[RGI_NC * k + RGI_L], q = past[3], w = share[k];
    real part = rest * rest * q, l = one - RG_C(2.0) * part;
    real from[3], l_bar = rg_set1(0.0);
    for (int d = 0; d < 3; d++) {
        from[d] = rg_fms(w, RG_TERM(a[d]), RG_TERM((one - w) * b[d]));
        l_bar = rg_fma(RG_TERM(from[d]), past[d], l_bar);
    }
    real along = RG_TERM(RG_C(4.0) * q * part * l_bar);
    share_bar[k] += RG_TERM(l * v3_dot(v3_add(at, bt), e));
    length_bar[k] -= RG_TERM(RG_C(4.0) * rest * q * (one - part) * l_bar);
    for (int d = 0; d < 3; d++) {
        real e_bar = rg_dot2(l, RG_TERM(from[d]), RG_TERM(along), past[d]);
        a[d] -= RG_TERM(e_bar);
        b[d] += RG_TERM(e_bar);
    }
}

/* the adjoint: y_bar [n][RGI_NU] becomes that of the positions before, of prescribed vertices too;
 * adds to share_bar and length_bar [n] */
RG_FN void rgi_project_adj(const rgi_rod *rod, int sweeps, const real *share, const real *past, real *share_bar,
                           real *length_bar, real *y_bar)
{
    const int n = rod->n;
    for (int sweep = (sweeps - 1) / 2 * 2; sweep >= 0; sweep -= 2) {
        const real *was = past + 4 * sweep * n;
        for (int k = n; k >= 0; k--) {
            if (k > 1 && sweep + 1 < sweeps)
                rgi_project_edge_adj(rod, share, was + 4 * (n + k - 2), k - 2, share_bar, length_bar, y_bar);
            if (k < n - 1) rgi_project_edge_adj(rod, share, was + 4 * k, k, share_bar, length_bar, y_bar);
        }
    }
}

#endif
