/* step/deform.h: one step of DEFORM (arXiv 2406.05931), with the twist solved and exact gradients.
 *
 * At the old positions x the free directors turn to where the potential of bending and twist, P =
 * sum 1/2 s.K s - b.s, is least (turn.h); P_x is the force there (envelope theorem), and then
 *   v* = v + h (g - c v + (f - P_x)/m),  x* = x + h v*,  y = projection of x* (projection.h),
 *   v_new = (y - x)/h; free directors go from x to y by parallel transport.
 * K and b (implicit.h) bring Kelvin-Voigt damping and the bending memory; s and z belong to x.
 * Tangent: with u = (dx, dtheta), r = H u + G^T dw1, H the Hessian of P and w1 the stresses, free
 * edges turn by H_tt dtheta = -r_t wherever they come from (but for one angle of a rod free to
 * spin, which stays), and dP_x = r_x. A free director turns, beyond the transports along its own
 * tangents s and t, by a.(ds + dt), a = -(s x t)/(1 + s.t): the transport's two ends.
 * Adjoint: q = -h/m v*_bar at free vertices, theta_bar += (H q + G^T s_bar)_t, mu = -H_tt^-1
 * theta_bar at free edges; then (x_bar, theta_bar) += H (q, mu), w1_bar = G (q, mu).
 * Wherever a director is prescribed, so are the edge's vertices: its P_t moves no free vertex. */
#ifndef RGI_DEFORM_H
#define RGI_DEFORM_H

#include <stddef.h>

#include "derivative.h"
#include "projection.h"
#include "turn.h"

typedef struct rgi_deform {
    rgi_turn turn;        /* after rgi_deform_linearise: factor of H_tt in diag, off */
    real *share;          /* [n] of a projection that the edge's first vertex takes */
    real *past;           /* [sweeps][n][4] the projection's updates */
    real *carry;          /* [n][4] a, and 1/|e| of the new edge */
    real *moved, *pull;   /* [n][RGI_NU] scratch of a direction */
    real *weigh, *length; /* [n] changes, or cotangents, of shares and rest lengths */
} rgi_deform;

/* reals of scratch: what a step works on (as rgi_rod_step_reals), what the turns alone do, and what a step
 * leaves for derivatives. The turns are done before the Hessian is asked for: they may have its place. */
RG_FN size_t rgi_deform_step_reals(int n) { return (size_t)n * (1 + 1 + 2 * RGI_NU); }
RG_FN size_t rgi_deform_turn_reals(int n) { return (size_t)n * (5 + 3 + 3 + 5); }
RG_FN size_t rgi_deform_kept_reals(int n, int sweeps) { return (size_t)n * (1 + 4 + 2 + 4 * (size_t)sweeps); }
RG_FN size_t rgi_deform_reals(int n, int sweeps)
{
    return rgi_deform_step_reals(n) + rgi_deform_turn_reals(n) + rgi_deform_kept_reals(n, sweeps);
}

RG_FN void rgi_deform_bind_step(rgi_deform *work, int n, real *turn, real *p)
{
    work->turn.joint = turn;
    work->turn.base = turn + 5 * n;
    work->turn.trial = turn + 8 * n;
    work->turn.part = turn + 11 * n;
    work->turn.diag = p;
    work->turn.off = p + n;
    work->moved = p + 2 * n;
    work->pull = p + (2 + RGI_NU) * n;
}
RG_FN void rgi_deform_bind_kept(rgi_deform *work, int n, real *p)
{
    work->share = p;
    work->carry = p + n;
    work->weigh = p + 5 * n;
    work->length = p + 6 * n;
    work->past = p + 7 * n;
}
/* an edge that no sweep touches leaves its places alone */
RG_FN void rgi_deform_clear(rgi_deform *work, int n, int sweeps)
{
    RG_TEAM_FOR(i, 0, 4 * sweeps * n) work->past[i] = rg_set1(0.0);
    RG_TEAM_SYNC();
}
RG_FN void rgi_deform_bind(rgi_deform *work, int n, int sweeps, real *p)
{
    rgi_deform_bind_step(work, n, p, p + rgi_deform_turn_reals(n));
    rgi_deform_bind_kept(work, n, p + rgi_deform_turn_reals(n) + rgi_deform_step_reals(n));
    rgi_deform_clear(work, n, sweeps);
}

/* stresses of joint i at its strains in sy: K s - b, in places 1 to 3 */
RG_FN void rgi_deform_stress(const rgi_rod *rod, int i, real *stress)
{
    const real *w = rod->w + RGI_NW * i, *s = rod->sy + RGI_NS * i;
    stress[1] = rg_dot2(w[RGI_S11], s[1], w[RGI_S12], s[2]) - w[RGI_B1];
    stress[2] = rg_dot2(w[RGI_S12], s[1], w[RGI_S22], s[2]) - w[RGI_B2];
    stress[3] = rg_fms(w[RGI_ST], s[3], w[RGI_BT]);
}

/* curvatures and strain gradients at x and the turned directors (base1), whose twist is in sy, into sy and g, P's
 * gradient into grad; joints in three colours, as in assemble.h */
RG_FN void rgi_deform_force(rgi_rod *rod)
{
    RG_TEAM_FOR(i, 0, RGI_NU * rod->n) rod->grad[i] = rg_set1(0.0);
    RG_TEAM_SYNC();
    RG_ROLLED
    for (int colour = 0; colour < 3; colour++) {
        RG_TEAM_FOR(k, 0, (rod->n - colour) / 3) {
            int i = 3 * k + colour + 1;
            if (i >= rod->n - 1) continue;
            real *g = rod->g + RGI_NG * i, *sy = rod->sy + RGI_NS * i, w[RGI_NS], d[8];
            rgi_joint j = rgi_rod_joint(rod, rod->base1, i);
            rgi_joint_grad(&j, g);
            sy[1] = j.kappa1;
            sy[2] = j.kappa2;
            rgi_deform_stress(rod, i, w);
            for (int c = 0; c < 8; c++) d[c] = rg_dot3(w[1], g[c], w[2], g[8 + c], w[3], g[16 + c]);
            rgi_scatter_gradient(rod->grad, i, d);
        }
        RG_TEAM_SYNC();
    }
}

/* (f - P_x)/m of vertex i, coordinate d [m/s^2] */
RG_FN real rgi_deform_pull(const rgi_rod *rod, int i, int d)
{
    real force = -rod->grad[RGI_NU * i + d];
    if (rod->f) force = force + rod->f[3 * i + d];
    return force / rod->coef[RGI_NC * i + RGI_M];
}

/* with the directors turned (base1, and its twist in sy): the force, and the new positions in y */
RG_FN void rgi_deform_move(rgi_rod *rod, const rgi_step *step, rgi_deform *work)
{
    const real h = rg_set1(step->h);
    rgi_deform_force(rod);
    RG_TEAM_FOR(i, 0, rod->n) {
        if (rod->fixed[i] & RGI_FIXED_X) continue;
        const real drag = rod->coef[RGI_NC * i + RGI_C];
        for (int d = 0; d < 3; d++) {
            real v = rod->v[3 * i + d], pull = rgi_deform_pull(rod, i, d);
            v = rg_fma(h, rg_fnma(drag, v, rg_set1(step->gravity[d])) + pull, v);
            rod->y[3 * i + d] = rg_fma(h, v, rod->x[3 * i + d]);
        }
    }
    rgi_projection_shares(rod, work->share);
    RG_TEAM_ONE { rgi_project(rod, step->sweeps, work->share, rod->y, work->past); }
    RG_TEAM_SYNC();
}

/* One step for the lanes `alive`, after rgi_stress_prepare and with prescribed positions and
 * directors in y and y1: new positions in y, new directors in y1; strains (sy), tangents (t) and
 * strain gradients (g) are those at x and the turned directors (base1). */
RG_FN rgi_outcome rgi_deform_solve(rgi_rod *rod, const rgi_step *step, rgi_deform *work, rmask alive)
{
    const real zero = rg_set1(0.0), one = rg_set1(1.0);
    rgi_outcome out = rgi_turn_solve(rod, step, &work->turn, alive);
    rgi_deform_move(rod, step, work);
    real bad = zero;
    RG_TEAM_FOR(i, 0, rod->n) {
        vec3 y = v3_load(rod->y + 3 * i);
        bad = rg_select(rg_sane(v3_dot(y, y)), bad, one);
        if (i == rod->n - 1) continue;
        vec3 e = v3_sub(v3_load(rod->y + 3 * i + 3), y);
        if (!(rod->fixed[i] & RGI_FIXED_THETA))
            v3_store(rod->y1 + 3 * i,
                     rgi_director_move(v3_load(rod->t + 4 * i), v3_unit(e), zero, v3_load(rod->base1 + 3 * i)));
        /* an edge without length, or a prescribed director that is none, ends the next step */
        vec3 m1 = v3_load(rod->y1 + 3 * i);
        rmask good = rg_and(rg_lt(rg_set1(1e-18), v3_dot(e, e)), rg_sane(v3_dot(m1, m1)));
        bad = rg_select(good, bad, one);
    }
    RG_TEAM_SYNC();
    out.finite = rg_and(out.finite, rg_lt(rg_team_max(bad), one));
    return out;
}

/* For the adjoint: the same step once more, from the directors y1 [n][3] and strains s [n][RGI_NS] that it ended
 * with, its turns and its twist known from them: the transport from x to y the other way round. Leaves what
 * rgi_deform_linearise and the adjoint need, not y1. */
RG_FN void rgi_deform_again(rgi_rod *rod, const rgi_step *step, rgi_deform *work, const real *y, const real *y1,
                            const real *s)
{
    rgi_edges(rod, rod->x);
    RG_TEAM_FOR(i, 0, rod->n - 1) {
        vec3 from = v3_unit(v3_sub(v3_load(y + 3 * i + 3), v3_load(y + 3 * i))), to = v3_load(rod->t + 4 * i);
        vec3 m = v3_perpendicular(to, v3_transport(from, to, v3_load(y1 + 3 * i)));
        v3_store(rod->base1 + 3 * i, rod->fixed[i] & RGI_FIXED_THETA ? v3_load(rod->m1 + 3 * i) : m);
        rod->sy[RGI_NS * i + 3] = s[RGI_NS * i + 3];
    }
    RG_TEAM_SYNC();
    rgi_deform_move(rod, step, work);
}

/* The trial becomes the state. Strains and memory go on too: the strains accepted are those at the
 * old positions, so s lags x by a step, always. Without BDF2 the implicit step's acceptance is this
 * one. */
RG_FN void rgi_deform_accept(rgi_rod *rod, const rgi_step *step, rmask alive) { rgi_step_accept(rod, step, alive); }

/* after rgi_deform_solve: H of P at x and the turned directors in hess, prescribed unknowns like
 * the others; its free angles' factor; how directors hang on the transport's ends */
RG_FN void rgi_deform_linearise(rgi_rod *rod, const rgi_step *step, rgi_deform *work)
{
    const real one = rg_set1(1.0);
    (void)step;
    RG_TEAM_FOR(i, 0, RGI_NH * rod->n) rod->hess[i] = rg_set1(0.0);
    RG_TEAM_SYNC();
    RG_ROLLED
    for (int colour = 0; colour < 3; colour++) {
        RG_TEAM_FOR(k, 0, (rod->n - colour) / 3) {
            int i = 3 * k + colour + 1;
            if (i >= rod->n - 1) continue;
            const real *w = rod->w + RGI_NW * i;
            real s[RGI_NS], h[RGI_NJ];
            rgi_joint j = rgi_rod_joint(rod, rod->base1, i);
            rgi_deform_stress(rod, i, s);
            rgi_joint_hess(&j, rod->g + RGI_NG * i, w[RGI_S11], w[RGI_S12], w[RGI_S22], w[RGI_ST], s[1], s[2], s[3], h);
            rgi_scatter_hessian(rod->hess, i, h);
        }
        RG_TEAM_SYNC();
    }
    RG_TEAM_FOR(i, 0, rod->n) {
        work->turn.diag[i] = rod->hess[RGI_NH * i + 9];
        work->turn.off[i] = rod->hess[RGI_NH * i + 25];
        if (i == rod->n - 1) continue;
        vec3 e = v3_sub(v3_load(rod->y + 3 * i + 3), v3_load(rod->y + 3 * i));
        real inverse = one / v3_norm(e);
        vec3 s = v3_load(rod->t + 4 * i), t = v3_scale(inverse, e);
        real *p = work->carry + 4 * i;
        v3_store(p, v3_scale(-one / (one + v3_dot(s, t)), v3_cross(s, t)));
        p[3] = inverse;
    }
    RG_TEAM_SYNC();
    RG_TEAM_ONE { (void)rgi_turn_factor(rod, work->turn.diag, work->turn.off); }
    RG_TEAM_SYNC();
}

/* out [n][RGI_NU] += H (0, theta), theta the angles of y [n][RGI_NU]. Without the angles' own
 * diagonal: an angle that is solved for takes no cotangent, and the others do not turn. */
RG_FN void rgi_deform_turned(const rgi_rod *rod, const real *y, real *out)
{
    RG_TEAM_FOR(i, 0, rod->n)
        for (int k = i - 2; k <= i + 1 && k < rod->n; k++) {
            if (k < 0) continue;
            /* theta of node k on the unknowns of node i: blocks of the earlier of the two */
            const real *p = rod->hess + RGI_NH * (k < i ? k : i), turn = RG_TERM(y[RGI_NU * k + 3]);
            real *to = out + RGI_NU * i;
            for (int c = 0; c < 3; c++) {
                if (k == i - 2) to[c] += RG_TERM(p[26 + 4 * c + 3] * turn);
                if (k == i - 1) to[c] += RG_TERM(p[10 + 4 * c + 3] * turn);
                if (k == i) to[c] += RG_TERM(p[RGI_TRI(3, c)] * turn);
                if (k == i + 1) to[c] += RG_TERM(p[10 + 4 * 3 + c] * turn);
            }
            if (k == i - 1 || k == i + 1) to[3] += RG_TERM(p[10 + 4 * 3 + 3] * turn);
        }
    RG_TEAM_SYNC();
}

/* One direction through the step just solved and linearised, before rgi_deform_accept; arguments as
 * of rgi_step_jvp_beside. */
RG_FN void rgi_deform_jvp(const rgi_rod *rod, const rgi_step *step, const rgi_deform *work, rmask alive,
                          rgi_course course, rgi_input_tangent in, real *stress, real *dy)
{
    const int n = rod->n;
    const rgi_tangent d = course.d;
    const real zero = rg_set1(0.0), one = rg_set1(1.0), h = rg_set1(step->h), rate = one / h;
    real *r = work->moved;
    RG_TEAM_FOR(i, 0, n) {
        for (int c = 0; c < 3; c++) dy[RGI_NU * i + c] = d.x[3 * i + c];
        rmask solved = rg_lt(zero, rg_abs(work->turn.diag[i]));
        dy[RGI_NU * i + 3] = rg_select(solved, zero, d.theta[i]);
        rgi_history_jvp(rgi_keeping_of(rod, step, i), step, i, d, stress + RGI_NS * i);
        work->weigh[i] = work->length[i] = zero;
        /* changes of v* by coefficients */
        for (int c = 0; c < RGI_NU; c++) work->pull[RGI_NU * i + c] = zero;
    }
    RG_TEAM_SYNC();
    RG_TEAM_ONE
    {
        for (int e = 0; e < course.n_entries; e++) {
            const int i = course.entries[e].node, kind = course.entries[e].coefficient;
            if (kind >= RGI_NC || i >= n) continue; /* of the observation; of a longer rod of the batch */
            const real *k = rod->coef + RGI_NC * i, value = course.values[e];
            real none[3] = {zero, zero, zero};
            if (kind == RGI_L) work->length[i] += value;
            for (int c = 0; c < 3 && kind == RGI_C; c++) work->pull[RGI_NU * i + c] -= h * value * rod->v[3 * i + c];
            for (int c = 0; c < 3 && kind == RGI_M; c++)
                work->pull[RGI_NU * i + c] -= h * value / k[RGI_M] * rgi_deform_pull(rod, i, c);
            if (kind == RGI_M) rgi_projection_shares_jvp(rod, work->share, i, value, work->weigh);
            if (kind != RGI_M && kind != RGI_C)
                rgi_coefficient_jvp(rod, step, course.entries[e], value, stress + RGI_NS * i, none);
        }
        rgi_blocks_times(rod->plan, rod->hess, dy, r);
    }
    RG_TEAM_SYNC();
    RG_TEAM_FOR(i, 0, n) stress[RGI_NS * i] = zero;
    RG_TEAM_SYNC();
    rgi_strain_adj(rod, one, stress, r);
    RG_TEAM_FOR(i, 0, n) stress[RGI_NU * i + 3] = -r[RGI_NU * i + 3];
    RG_TEAM_SYNC();
    RG_TEAM_ONE { rgi_turn_backsolve(rod, work->turn.diag, work->turn.off, stress); }
    RG_TEAM_SYNC();
    rgi_deform_turned(rod, stress, r);
    RG_TEAM_FOR(i, 0, n) {
        const real *k = rod->coef + RGI_NC * i;
        dy[RGI_NU * i + 3] += stress[RGI_NU * i + 3];
        for (int c = 0; c < RGI_NU; c++) {
            real *to = r + RGI_NU * i + c;
            if (c == 3 || (rod->fixed[i] & RGI_FIXED_X)) {
                *to = in.y ? in.y[RGI_NU * i + c] : zero;
                continue;
            }
            real force = -*to, v = d.v[3 * i + c];
            if (in.f) force = force + in.f[3 * i + c];
            v = rg_fma(h, rg_fnma(k[RGI_C], v, force / k[RGI_M]), v) + work->pull[RGI_NU * i + c];
            *to = rg_fma(h, v, d.x[3 * i + c]);
        }
    }
    RG_TEAM_SYNC();
    RG_TEAM_ONE { rgi_project_jvp(rod, step->sweeps, work->share, work->past, work->weigh, work->length, r); }
    RG_TEAM_SYNC();
    RG_TEAM_FOR(i, 0, n) {
        real ds[RGI_NS] = {zero, zero, zero, zero}, turn = r[RGI_NU * i + 3];
        rgi_strain_jvp(rod, i, dy, ds);
        if (!(rod->fixed[i] & RGI_FIXED_THETA)) {
            const real *a = work->carry + 4 * i, *was = dy + RGI_NU * i, *to = r + RGI_NU * i;
            turn = dy[RGI_NU * i + 3];
            for (int c = 0; c < 3; c++)
                turn = rg_fma(a[c], rg_dot2(rod->t[4 * i + 3], was[RGI_NU + c] - was[c], a[3], to[RGI_NU + c] - to[c]),
                              turn);
        }
        d.theta[i] = rg_select(alive, turn, d.theta[i]);
        for (int c = 0; c < 3; c++) {
            real x = d.x[3 * i + c], y = r[RGI_NU * i + c];
            d.xp[3 * i + c] = y;
            d.vp[3 * i + c] = (y - x) * rate;
        }
        rgi_strains_accept_jvp(rgi_keeping_of(rod, step, i), step, i, d, ds);
    }
    RG_TEAM_SYNC();
    RG_TEAM_ONE { rgi_memory_accept_jvp(rod, step, course); }
    RG_TEAM_SYNC();
    RG_TEAM_FOR(i, 0, rg_any(rg_not(alive)) ? n : 0) rgi_tangent_freeze(d, alive, i);
    RG_TEAM_SYNC();
}

/* The adjoint; arguments as of rgi_step_adj, the step solved and linearised as for the tangent. */
RG_FN void rgi_deform_adj(const rgi_rod *rod, const rgi_step *step, const rgi_deform *work, rmask alive, rgi_tangent d,
                          rgi_input_bar in, real *stress, real *dy)
{
    const int n = rod->n;
    const real zero = rg_set1(0.0), one = rg_set1(1.0), h = rg_set1(step->h), rate = one / h;
    real *bar = work->moved, *pull = work->pull; /* cotangents of (x, theta) at x; (q, mu) */
    RG_TEAM_FOR(i, 0, n) {
        rgi_strains_accept_adj(rod, step, i, d, stress + RGI_NS * i);
        for (int c = 0; c < 3; c++) {
            real sum = zero, was = zero;
            sum += RG_TERM(d.x[3 * i + c]);
            sum += RG_TERM(rate * d.v[3 * i + c]);
            was -= RG_TERM(rate * d.v[3 * i + c]);
            /* free directors of the edges that start and end here */
            for (int j = i; j >= 0 && j >= i - 1; j--) {
                if (rod->fixed[j] & RGI_FIXED_THETA) continue;
                const real *a = work->carry + 4 * j;
                real turn = RG_TERM(d.theta[j] * a[c]);
                if (j == i) sum -= RG_TERM(a[3] * turn);
                if (j < i) sum += RG_TERM(a[3] * turn);
                if (j == i) was -= RG_TERM(rod->t[4 * j + 3] * turn);
                if (j < i) was += RG_TERM(rod->t[4 * j + 3] * turn);
            }
            dy[RGI_NU * i + c] = sum;
            bar[RGI_NU * i + c] = was;
        }
        /* a prescribed director is an input, a free one what the twist's solution came to */
        dy[RGI_NU * i + 3] = bar[RGI_NU * i + 3] = zero;
        if (rod->fixed[i] & RGI_FIXED_THETA) dy[RGI_NU * i + 3] += RG_TERM(d.theta[i]);
        if (!(rod->fixed[i] & RGI_FIXED_THETA)) bar[RGI_NU * i + 3] += RG_TERM(d.theta[i]);
        work->weigh[i] = work->length[i] = zero;
    }
    RG_TEAM_SYNC();
    rgi_strain_adj(rod, one, stress, bar);
    RG_TEAM_ONE { rgi_project_adj(rod, step->sweeps, work->share, work->past, work->weigh, work->length, dy); }
    RG_TEAM_SYNC();
    RG_TEAM_FOR(i, 0, n) {
        const real scale = -h * h / rod->coef[RGI_NC * i + RGI_M];
        for (int c = 0; c < RGI_NU; c++) {
            int mine = rod->fixed[i] & (c < 3 ? RGI_FIXED_X : RGI_FIXED_THETA);
            real *p = dy + RGI_NU * i + c, *q = pull + RGI_NU * i + c;
            *q = zero;
            if (c < 3 && !mine) *q += RG_TERM(scale * *p);
            if (in.y) in.y[RGI_NU * i + c] = mine ? rg_select(alive, RG_TERM(*p), zero) : zero;
        }
    }
    RG_TEAM_SYNC();
    RG_TEAM_ONE { rgi_blocks_times(rod->plan, rod->hess, pull, stress); }
    RG_TEAM_SYNC();
    RG_TEAM_FOR(i, 0, RGI_NU * n) bar[i] += RG_TERM(stress[i]);
    RG_TEAM_SYNC();
    RG_TEAM_FOR(i, 0, n) pull[RGI_NU * i + 3] = -RG_TERM(bar[RGI_NU * i + 3]);
    RG_TEAM_SYNC();
    RG_TEAM_ONE { rgi_turn_backsolve(rod, work->turn.diag, work->turn.off, pull); }
    RG_TEAM_SYNC();
    rgi_deform_turned(rod, pull, bar);
    RG_TEAM_FOR(i, 0, n) {
        const real *k = rod->coef + RGI_NC * i;
        const int held = rod->fixed[i] & RGI_FIXED_X;
        real w[RGI_NS] = {zero, zero, zero, zero}, w_bar[RGI_NS], coef[RGI_NC];
        rgi_strain_jvp(rod, i, pull, w);
        w_bar[0] = zero; /* of a length there is no stress */
        for (int c = 1; c < RGI_NS; c++) w_bar[c] = RG_TERM(w[c]);
        for (int c = 0; c < RGI_NC; c++) coef[c] = zero;
        if (in.coef) rgi_coefficient_adj(rod, step, i, w_bar, 0, coef);
        for (int c = 0; c < 3; c++) {
            real *x = d.x + 3 * i + c, *v = d.v + 3 * i + c, *xp = d.xp + 3 * i + c, *vp = d.vp + 3 * i + c;
            real x_frozen = RG_TERM(*x) + RG_TERM(*xp), v_frozen = RG_TERM(*v) + RG_TERM(*vp);
            real star = held ? zero : RG_TERM(dy[RGI_NU * i + c]); /* cotangent of x* */
            real xt = zero, vt = zero, push = RG_TERM(h * h / k[RGI_M] * star);
            xt += RG_TERM(star);
            xt += RG_TERM(bar[RGI_NU * i + c]);
            vt += RG_TERM(h * star);
            vt -= RG_TERM(h * h * k[RGI_C] * star);
            coef[RGI_C] -= RG_TERM(h * h * star * rod->v[3 * i + c]);
            coef[RGI_M] -= RG_TERM(h * h * star * rgi_deform_pull(rod, i, c) / k[RGI_M]);
            if (in.f) in.f[3 * i + c] = rg_select(alive, push, zero);
            *x = rg_select(alive, RG_TERM(*xp) + RG_TERM(xt), x_frozen);
            *v = rg_select(alive, RG_TERM(*vp) + RG_TERM(vt), v_frozen);
            *xp = *vp = zero;
        }
        coef[RGI_L] += RG_TERM(work->length[i]);
        coef[RGI_M] += RG_TERM(rgi_projection_shares_adj(rod, work->share, i, work->weigh));
        rgi_strains_past_adj(rod, step, alive, i, d, w_bar, coef);
        for (int c = 0; in.coef && c < RGI_NC; c++) in.coef[RGI_NC * i + c] += rg_select(alive, RG_TERM(coef[c]), zero);
        rmask solved = rg_lt(zero, rg_abs(work->turn.diag[i]));
        real turn = rg_select(solved, zero, RG_TERM(bar[RGI_NU * i + 3]));
        d.theta[i] = rg_select(alive, turn, d.theta[i]);
    }
    RG_TEAM_SYNC();
}

#endif
