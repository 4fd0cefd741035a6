/* step/turn.h: the deform stepper's twist: angles of free edges that minimise bending and twist.
 *
 * With positions fixed, kb and the tangents of a joint stay, and its strains hang on the turns
 * theta_e, theta_f of two directors alone: with a = kb.m1, b = kb.m2 of an edge, turned
 *   a' = c a + s b,  b' = c b - s a,  c = cos theta, s = sin theta,
 *   kappa1 = (b'_e + b'_f)/2, kappa2 = -(a'_e + a'_f)/2, tau = tau_0 + theta_f - theta_e,
 *   dkappa1/dtheta = -a'/2, dkappa2/dtheta = -b'/2, and once more -b'/2, a'/2.
 * Newton's matrix is tridiagonal over the edges, and safeguarded like the implicit step's: without
 * the second derivatives of strains where it is indefinite, halving a trial that climbs. A move is
 * Cayley's, its angle 2 atan(theta/2), so that cosine, sine and twist belong to the same turn.
 * A pivot that vanishes yields no motion, as in ldlt.h: the last angle of a rod free to spin. */
#ifndef RGI_TURN_H
#define RGI_TURN_H

#include "implicit.h"

typedef struct rgi_turn {
    real *joint;        /* [n][5] a_e, b_e, a_f, b_f, tau before any turn */
    real *base, *trial; /* [n][3] cosine, sine and angle of every edge's turn */
    real *part;         /* [n][5] of every joint: slopes e, f; second derivatives ee, ef, ff */
    real *diag, *off;   /* [n] the matrix; factored: 1/d and L */
} rgi_turn;

/* Factor the free edges' matrix, diag [n] and off [n] (edge and the next), in place. Returns the
 * lanes in which a pivot was negative. */
RG_FN rmask rgi_turn_factor(const rgi_rod *rod, real *diag, real *off)
{
    const real zero = rg_set1(0.0), one = rg_set1(1.0);
    rmask indefinite = rg_false();
    real spin = zero, take = zero; /* the largest diagonal so far; what edge j-1 takes from j's */
    for (int j = 0; j < rod->n - 1; j++) {
        if (rod->fixed[j] & RGI_FIXED_THETA) {
            diag[j] = off[j] = take = zero;
            continue;
        }
        real pivot = diag[j] - take;
        spin = rg_max(spin, rg_abs(diag[j]));
        rmask tiny = rg_lt(rg_abs(pivot), RGI_PIVOT_ANGLE * spin + RG_C(1e-30));
        indefinite = rg_or(indefinite, rg_and(rg_lt(pivot, zero), rg_not(tiny)));
        diag[j] = rg_select(tiny, zero, one / rg_select(tiny, one, pivot));
        real l = off[j] * diag[j];
        take = l * off[j];
        off[j] = l;
    }
    return indefinite;
}

/* solve in place for the angles of y [n][RGI_NU]; those of prescribed edges become 0 */
RG_FN void rgi_turn_backsolve(const rgi_rod *rod, const real *diag, const real *off, real *y)
{
    for (int j = 0; j < rod->n - 1; j++) {
        real *v = y + RGI_NU * j + 3;
        if (j > 0) *v = rg_fnma(off[j - 1], v[-RGI_NU], *v);
        if (rod->fixed[j] & RGI_FIXED_THETA) *v = rg_set1(0.0);
    }
    for (int j = rod->n - 2; j >= 0; j--) {
        real *v = y + RGI_NU * j + 3;
        *v = *v * diag[j];
        if (j < rod->n - 2) *v = rg_fnma(off[j], v[RGI_NU], *v);
    }
    y[RGI_NU * rod->n - 1] = rg_set1(0.0);
}

/* tangents of x, and the joints there; no turn yet */
RG_FN void rgi_turn_start(rgi_rod *rod, rgi_turn *work)
{
    rgi_edges(rod, rod->x);
    RG_TEAM_FOR(i, 0, rod->n) {
        real *p = work->joint + 5 * i, *base = work->base + 3 * i, *trial = work->trial + 3 * i;
        for (int c = 0; c < 3; c++) base[c] = trial[c] = rg_set1(c == 0 ? 1.0 : 0.0);
        for (int c = 0; c < RGI_NU; c++) rod->dy[RGI_NU * i + c] = rg_set1(0.0);
        for (int c = 0; c < 5; c++) work->part[5 * i + c] = rg_set1(0.0);
        if (i < 1 || i >= rod->n - 1) continue;
        rgi_joint j = rgi_rod_joint(rod, rod->m1, i);
        p[0] = v3_dot(j.kb, j.m1e);
        p[1] = v3_dot(j.kb, j.m2e);
        p[2] = v3_dot(j.kb, j.m1f);
        p[3] = v3_dot(j.kb, j.m2f);
        p[4] = rgi_joint_twist(&j);
    }
    RG_TEAM_SYNC();
}

/* joint i's twist at the trial */
RG_FN real rgi_turn_twist(const rgi_rod *rod, const rgi_turn *work, int i)
{
    const real *f = work->trial + 3 * i;
    return rgi_twist_branch(rod, i, work->joint[5 * i + 4] + (f[2] - f[-1]));
}

/* the potential at the trial, and every joint's share of its derivatives; share: as
 * rgi_assemble_all */
RG_FN real rgi_turn_assemble(const rgi_rod *rod, const rgi_turn *work, real share)
{
    const real half = rg_set1(0.5);
    real phi = rg_set1(0.0);
    RG_TEAM_FOR(i, 1, rod->n - 1) {
        const real *q = work->joint + 5 * i, *e = work->trial + 3 * i - 3, *f = e + 3;
        const real *w = rod->w + RGI_NW * i;
        real *p = work->part + 5 * i;
        real ae = rg_dot2(e[0], q[0], e[1], q[1]), be = rg_fms(e[0], q[1], e[1] * q[0]);
        real af = rg_dot2(f[0], q[2], f[1], q[3]), bf = rg_fms(f[0], q[3], f[1] * q[2]);
        real k1 = half * (be + bf), k2 = -half * (ae + af);
        real tau = rgi_turn_twist(rod, work, i);
        real c1 = rg_dot2(w[RGI_S11], k1, w[RGI_S12], k2), c2 = rg_dot2(w[RGI_S12], k1, w[RGI_S22], k2);
        real ct = w[RGI_ST] * tau;
        const real linear = rg_dot3(w[RGI_B1], k1, w[RGI_B2], k2, w[RGI_BT], tau);
        phi += rg_fms(half, rg_dot3(c1, k1, c2, k2, ct, tau), linear);
        real s1 = c1 - w[RGI_B1], s2 = c2 - w[RGI_B2], s3 = ct - w[RGI_BT];
        /* stiffness times (a, b): the strains' slopes are -a/2 and -b/2 */
        real e1 = rg_dot2(w[RGI_S11], ae, w[RGI_S12], be), e2 = rg_dot2(w[RGI_S12], ae, w[RGI_S22], be);
        real f1 = rg_dot2(w[RGI_S11], af, w[RGI_S12], bf), f2 = rg_dot2(w[RGI_S12], af, w[RGI_S22], bf);
        const real quarter = rg_set1(0.25), geometric = half * share;
        p[0] = rg_fms(-half, rg_dot2(s1, ae, s2, be), s3);
        p[1] = rg_fma(-half, rg_dot2(s1, af, s2, bf), s3);
        p[2] = rg_fma(quarter, rg_dot2(e1, ae, e2, be), w[RGI_ST]);
        p[2] = rg_fma(geometric, rg_fms(s2, ae, s1 * be), p[2]);
        p[3] = rg_fms(quarter, rg_dot2(e1, af, e2, bf), w[RGI_ST]);
        p[4] = rg_fma(quarter, rg_dot2(f1, af, f2, bf), w[RGI_ST]);
        p[4] = rg_fma(geometric, rg_fms(s2, af, s1 * bf), p[4]);
    }
    RG_TEAM_SYNC();
    return rg_team_sum(phi);
}

/* gather the joints' shares by edge and factor; the slopes go to rod->grad */
RG_FN rmask rgi_turn_matrix(rgi_rod *rod, rgi_turn *work)
{
    rmask bad = rg_false();
    RG_TEAM_FOR(j, 0, rod->n - 1) {
        const real *before = work->part + 5 * j, *after = before + 5;
        rod->grad[RGI_NU * j + 3] = before[1] + after[0];
        work->diag[j] = before[4] + after[2];
        work->off[j] = after[3];
    }
    RG_TEAM_SYNC();
    RG_TEAM_ONE { bad = rgi_turn_factor(rod, work->diag, work->off); }
    RG_TEAM_SYNC();
    return rg_team_first(bad);
}

/* trial = base turned by alpha dy, in lanes `move` */
RG_FN void rgi_turn_move(const rgi_rod *rod, rgi_turn *work, real alpha, rmask move)
{
    const real one = rg_set1(1.0);
    RG_TEAM_FOR(j, 0, rod->n - 1) {
        if (rod->fixed[j] & RGI_FIXED_THETA) continue;
        const real *base = work->base + 3 * j;
        real *trial = work->trial + 3 * j;
        real half = RG_C(0.5) * alpha * rod->dy[RGI_NU * j + 3], u = half * half, q = one / (one + u);
        real c = (one - u) * q, s = RG_C(2.0) * half * q;
        trial[0] = rg_select(move, rg_fms(base[0], c, base[1] * s), trial[0]);
        trial[1] = rg_select(move, rg_dot2(base[0], s, base[1], c), trial[1]);
        trial[2] = rg_select(move, base[2] + RG_C(2.0) * rg_atan(half), trial[2]);
    }
    RG_TEAM_SYNC();
}

/* dy = -(what the solve left in grad) in lanes `take`; the largest increment [m], angle times
 * length */
RG_FN real rgi_turn_increment(rgi_rod *rod, rmask take)
{
    real largest = rg_set1(0.0);
    RG_TEAM_FOR(j, 0, rod->n - 1) {
        real *dy = rod->dy + RGI_NU * j + 3, to = -rod->grad[RGI_NU * j + 3];
        *dy = rg_select(take, to, *dy);
        largest = rg_max(largest, rg_abs(*dy) * rod->sy[RGI_NS * j]);
    }
    RG_TEAM_SYNC();
    return rg_team_max(largest);
}

/* Turn the free directors at x to where the potential is smallest, for the lanes `alive`: into
 * base1, those of prescribed edges as they are. Tangents, lengths and twist are left in t and sy.
 * Lanes go each their own way, as in rgi_step_solve. */
RG_FN rgi_outcome rgi_turn_solve(rgi_rod *rod, const rgi_step *step, rgi_turn *work, rmask alive)
{
    const real one = rg_set1(1.0), zero = rg_set1(0.0);
    rgi_newton newton = rgi_newton_begin(alive);
    rgi_turn_start(rod, work);
    for (int iteration = 0; iteration < step->max_iterations && rg_any(newton.open); iteration++) {
        rmask take = rg_false(), indefinite = rg_false(), exact = rg_false();
        /* exact, and once more where that is not positive definite; one code for both, so that a lane's bits
         * do not hang on whether another one needs it */
        RG_ROLLED
        for (int again = 0; again < 2; again++) {
            real phi = rgi_turn_assemble(rod, work, rg_select(indefinite, zero, one));
            if (again == 0) {
                take = rgi_newton_take(&newton, phi, 0);
                RG_TEAM_FOR(i, 0, 3 * rod->n) work->base[i] = rg_select(take, work->trial[i], work->base[i]);
                RG_TEAM_SYNC();
            }
            indefinite = rgi_turn_matrix(rod, work);
            if (again == 0) exact = rg_not(indefinite);
            if (!rg_any(rg_and(indefinite, take))) break;
        }
        RG_TEAM_ONE { rgi_turn_backsolve(rod, work->diag, work->off, rod->grad); }
        RG_TEAM_SYNC();
        real largest = rgi_turn_increment(rod, take);
        rgi_newton_aim(&newton, take, exact, largest, rg_set1(1.0));
        rgi_turn_move(rod, work, newton.alpha, newton.open);
        rgi_newton_moved(&newton, take, step->tolerance);
    }
    RG_TEAM_FOR(j, 0, rod->n - 1) {
        const real *turn = work->trial + 3 * j;
        vec3 t = v3_load(rod->t + 4 * j), m = v3_load(rod->m1 + 3 * j);
        vec3 to = v3_perpendicular(t, v3_axpy(turn[1], v3_cross(t, m), v3_scale(turn[0], m)));
        v3_store(rod->base1 + 3 * j, rod->fixed[j] & RGI_FIXED_THETA ? m : to);
        if (j > 0) rod->sy[RGI_NS * j + 3] = rgi_turn_twist(rod, work, j);
    }
    RG_TEAM_SYNC();
    return newton.out;
}

#endif
