/* step/implicit.h: one implicit step of one rod: prepare, solve, accept.
 *
 * The new positions x and directors minimise (docs/physics.md, section 3)
 *   Phi = sum m/(2 H^2) |x - xh|^2 + m c/(2 H) |x - xt|^2 + E(s) + D(s)
 * backward Euler: H = h,    xt = x_n,              xh = x_n + h v_n + h^2 g
 * BDF2:           H = 2h/3, xt = (4 x_n - x_o)/3,  xh = xt + H (4 v_n - v_o)/3 + H^2 g,  v = (x - xt)/H
 * E = 1/2 C (s - sb)^2. Kelvin-Voigt damping is 1/2 (T/H) C (s - st)^2 with st formed like xt. The
 * bending memory is a Maxwell branch of stiffness r C behind a dashpot, z' = (s - z)/tau_m; its step
 * z = o (zt + H/tau s), o = 1/(1 + H/tau), leaves the stress r o C (s - zt): a quadratic again. All of
 * them add up to 1/2 s.K s - b.s with K = phi C, phi = 1 + T/H + r o, b = C (sb + T/H st + r o zt).
 *
 * Newton runs in the chart of the current trial: a director is carried by parallel transport from the
 * last trial's tangent to the new one and turned by theta. The path does not matter: the potential
 * knows the configuration only, and free directors end where it is stationary. The turn is Cayley's,
 * angle = 2 atan(theta/2) = theta + O(theta^3), which leaves gradient and Hessian at theta = 0 exact.
 *
 * A stiff edge bounds the moves of a plain Newton method: where its vertices move sideways by d, its length grows by
 * d^2/2L and its tension w1 by K d^2/2L, thousands of times what it was. A search along the increment then halves it
 * again and again, and where the move is taken, the geometric stiffness w1/L holds the next one back. So the geometric
 * stiffness is made of the tension to which the move would lead if lengths were linear, N = w1 + K t.(de), from the
 * last step's to begin with: Newton's method on positions and tensions together, with the tensions eliminated
 * ("mixed integration points"; Magisano, Leonetti, Garcea 2017, Comput. Methods Appl. Mech. Engng 313, 986-1005).
 * Gradient and solution are the same, convergence is quadratic, and large moves need a few iterations instead of
 * hundreds. The potential climbs on the way: every trial is taken, and no edge turns by more than half a radian at
 * once. Where that has not led to the solution, iterations with the tension itself and a search along the increment
 * take turns with it; what the next move would be is not foretold from these.
 *
 * Static: the limit H -> infinity without momentum, Phi = E(s) - sum (m g + f).x with 1/H = 0 and o = 0, so that
 * only the velocity, (x - x_n)/h, knows the step's length. Nothing but E makes the Hessian then, which need not be
 * positive definite on the way: where it is not, a multiple of the identity is added that just makes it so
 * (Levenberg's; Nocedal & Wright 2006, section 3.4), and no edge turns by more than half a radian at once. A
 * solution with an indefinite Hessian is an unstable equilibrium.
 *
 * A step that must end before it is solved (rg_rollout_opts.at_limit) ends with the trial that the next iteration would
 * begin with: the last one, or where that is refused, the last one taken. Its potential is assembled once more,
 * which gives the residual that the step leaves. */
#ifndef RGI_IMPLICIT_H
#define RGI_IMPLICIT_H

#include "assemble.h"
#include "newton.h"

/* static: tries to make the Hessian positive definite, eightfold each: 27 decades; and how many times as many
 * iterations, because a step may be a long way */
enum { RGI_STATIC_TRIES = 30, RGI_STATIC_ITERATIONS = 25 };
/* mixed iterations, and those with a search along the increment that take turns with them; and after how many a part
 * of the geometric stiffness is tried where the whole leaves the Hessian indefinite, before none of it */
enum { RGI_MIXED_ITERATIONS = 15, RGI_SEARCH_ITERATIONS = 5, RGI_WHOLE_ITERATIONS = 5 };

typedef struct rgi_step {
    double h;          /* step [s] */
    int bdf2;          /* 0: backward Euler */
    double gravity[3]; /* [m/s^2] */
    double tolerance;  /* on the last Newton increment [m] */
    int max_iterations;
    int sweeps;            /* of the deform stepper's projection */
    int still;             /* every step ends in equilibrium */
    int continues;         /* past a step that Newton has not solved within its limit; not static */
    double deadline;       /* of one step's iterations [s], with clock */
    double (*clock)(void); /* time [s]; NULL: no deadline. On the CPU only */
} rgi_step;

/* the time [s] */
RG_FN double rgi_step_time(const rgi_step *step)
{
#if defined(__CUDACC__)
    (void)step;
    return 0.0;
#else
    return step->clock ? step->clock() : 0.0;
#endif
}
/* does a step whose iterations began at this time end with the present one? */
RG_FN int rgi_step_is_late(const rgi_step *step, double begin)
{
    return step->clock && !(rgi_step_time(step) - begin < step->deadline);
}

RG_FN double rgi_step_hat(const rgi_step *step) { return step->bdf2 ? step->h * 2.0 / 3.0 : step->h; }
/* 1/H in forces */
RG_FN real rgi_step_rate(const rgi_step *step)
{
    if (step->still) return rg_set1(0.0);
    return rg_set1(1.0) / rg_set1(rgi_step_hat(step));
}
/* o of a node's coefficients */
RG_FN real rgi_step_keep(const rgi_step *step, const real *coef)
{
    if (step->still) return rg_set1(0.0);
    return RG_C(1.0) / rg_fma(rg_set1(rgi_step_hat(step)), coef[RGI_LM], rg_set1(1.0));
}
/* what a quantity with past values q (now) and o (before) is compared with: xt, st, zt */
RG_FN real rgi_past(const rgi_step *step, real q, real o)
{
    if (!step->bdf2) return q;
    return rg_fms(rg_set1(4.0), q, o) * RG_C(0.33333333333333333333);
}

/* w of the step from the state */
RG_FN void rgi_stress_prepare(rgi_rod *rod, const rgi_step *step)
{
    const real one = rg_set1(1.0), rate = rgi_step_rate(step);
    RG_TEAM_ONE { rod->still = step->still; }
    RG_TEAM_FOR(i, 0, rod->n) {
        const real *k = rod->coef + RGI_NC * i, *s = rod->s + RGI_NS * i, *o = rod->sp + RGI_NS * i;
        real *w = rod->w + RGI_NW * i;
        real ts = k[RGI_TS] * rate, tb = k[RGI_TB] * rate, tt = k[RGI_TT] * rate;
        real memory = k[RGI_RM] * rgi_step_keep(step, k), phi = one + tb + memory;
        w[RGI_SL] = k[RGI_KL] * (one + ts);
        w[RGI_BL] = k[RGI_KL] * rg_fma(ts, rgi_past(step, s[0], o[0]), k[RGI_L]);
        w[RGI_S11] = phi * k[RGI_K11];
        w[RGI_S12] = phi * k[RGI_K12];
        w[RGI_S22] = phi * k[RGI_K22];
        real b1 = rg_fma(tb, rgi_past(step, s[1], o[1]), k[RGI_KB1]);
        real b2 = rg_fma(tb, rgi_past(step, s[2], o[2]), k[RGI_KB2]);
        b1 = rg_fma(memory, rgi_past(step, rod->z[2 * i], rod->zp[2 * i]), b1);
        b2 = rg_fma(memory, rgi_past(step, rod->z[2 * i + 1], rod->zp[2 * i + 1]), b2);
        w[RGI_B1] = rg_dot2(k[RGI_K11], b1, k[RGI_K12], b2);
        w[RGI_B2] = rg_dot2(k[RGI_K12], b1, k[RGI_K22], b2);
        w[RGI_ST] = k[RGI_KT] * (one + tt);
        w[RGI_BT] = k[RGI_KT] * rg_fma(tt, rgi_past(step, s[3], o[3]), k[RGI_TBAR]);
    }
    RG_TEAM_SYNC();
}

/* a, c and w of the step from the state */
RG_FN void rgi_step_prepare(rgi_rod *rod, const rgi_step *step)
{
    const real one = rg_set1(1.0), hat = rg_set1(rgi_step_hat(step)), rate = rgi_step_rate(step);
    RG_TEAM_FOR(i, 0, rod->n) {
        const real *k = rod->coef + RGI_NC * i;
        const real drag = k[RGI_C] * hat, share = one / (one + drag);
        rod->a[i] = k[RGI_M] * (one + drag) * rate * rate;
        for (int d = 0; d < 3; d++) {
            real xt = rgi_past(step, rod->x[3 * i + d], rod->xp[3 * i + d]);
            real vt = rgi_past(step, rod->v[3 * i + d], rod->vp[3 * i + d]);
            real xh = rg_fma(hat, rg_fma(hat, rg_set1(step->gravity[d]), vt), xt);
            if (step->still) {
                rod->c[3 * i + d] = k[RGI_M] * rg_set1(step->gravity[d]);
                if (rod->f) rod->c[3 * i + d] += rod->f[3 * i + d];
                continue;
            }
            rod->c[3 * i + d] = rg_fma(drag, xt, xh) * share;
            if (rod->f) rod->c[3 * i + d] += rod->f[3 * i + d] / rod->a[i];
        }
    }
    rgi_stress_prepare(rod, step);
}

/* director of an edge whose tangent goes from s to t: transported, turned by theta (Cayley), cleaned */
RG_FN vec3 rgi_director_move(vec3 s, vec3 t, real theta, vec3 m1)
{
    vec3 p = v3_transport(s, t, m1);
    real u = RG_C(0.25) * theta * theta, q = RG_C(1.0) / (RG_C(1.0) + u);
    vec3 r = v3_axpy(theta * q, v3_cross(t, p), v3_scale((RG_C(1.0) - u) * q, p));
    return v3_perpendicular(t, r);
}

/* trial = base moved by alpha dy, in lanes `move`; prescribed unknowns have dy = 0 */
RG_FN void rgi_move(rgi_rod *rod, real alpha, rmask move)
{
    RG_TEAM_FOR(i, 0, rod->n)
        for (int d = 0; d < 3; d++) {
            real to = rg_fma(alpha, rod->dy[RGI_NU * i + d], rod->base[3 * i + d]);
            rod->y[3 * i + d] = rg_select(move, to, rod->y[3 * i + d]);
        }
    RG_TEAM_SYNC();
    RG_TEAM_FOR(i, 0, rod->n - 1) {
        vec3 s = v3_unit(v3_sub(v3_load(rod->base + 3 * i + 3), v3_load(rod->base + 3 * i)));
        vec3 t = v3_unit(v3_sub(v3_load(rod->y + 3 * i + 3), v3_load(rod->y + 3 * i)));
        if (rod->fixed[i] & RGI_FIXED_THETA) continue;
        vec3 m = rgi_director_move(s, t, alpha * rod->dy[RGI_NU * i + 3], v3_load(rod->base1 + 3 * i));
        rod->y1[3 * i] = rg_select(move, m.x, rod->y1[3 * i]);
        rod->y1[3 * i + 1] = rg_select(move, m.y, rod->y1[3 * i + 1]);
        rod->y1[3 * i + 2] = rg_select(move, m.z, rod->y1[3 * i + 2]);
    }
    RG_TEAM_SYNC();
}

/* First trial: every free vertex goes on with its velocity (static: stays); prescribed positions are in y and
 * prescribed directors in y1 already. */
RG_FN void rgi_step_predict(rgi_rod *rod, const rgi_step *step)
{
    const real ahead = rg_set1(step->still ? 0.0 : step->h);
    RG_TEAM_FOR(i, 0, rod->n) {
        if (rod->fixed[i] & RGI_FIXED_X) continue;
        for (int d = 0; d < 3; d++) rod->y[3 * i + d] = rg_fma(ahead, rod->v[3 * i + d], rod->x[3 * i + d]);
    }
    RG_TEAM_SYNC();
    RG_TEAM_FOR(i, 0, rod->n - 1) {
        if (rod->fixed[i] & RGI_FIXED_THETA) continue;
        vec3 s = v3_unit(v3_sub(v3_load(rod->x + 3 * i + 3), v3_load(rod->x + 3 * i)));
        vec3 t = v3_unit(v3_sub(v3_load(rod->y + 3 * i + 3), v3_load(rod->y + 3 * i)));
        v3_store(rod->y1 + 3 * i, rgi_director_move(s, t, rg_set1(0.0), v3_load(rod->m1 + 3 * i)));
    }
    RG_TEAM_SYNC();
}

RG_FN rmask rgi_step_factor(rgi_rod *rod)
{
#if RGI_TEAM > 1
    return rgi_ldlt_factor_by_team(rod->plan, rod->hess);
#else
    return rgi_ldlt_factor(rod->plan, rod->hess);
#endif
}

/* y [n][RGI_NU] = H^-1 y, after rgi_step_factor; by the whole team */
RG_FN void rgi_step_backsolve(const rgi_rod *rod, real *y)
{
#if RGI_TEAM > 1
    rgi_ldlt_solve_by_team(rod->plan, rod->hess, y);
#else
    rgi_ldlt_solve(rod->plan, rod->hess, y);
#endif
}

/* dy = -(what the solve left in grad) in lanes `take`; the largest
 * increment [m] (an angle counts by its edge's length) */
RG_FN real rgi_newton_increment(rgi_rod *rod, rmask take)
{
    real largest = rg_set1(0.0);
    RG_TEAM_FOR(i, 0, rod->n) {
        real length = i < rod->n - 1 ? rod->sy[RGI_NS * i] : rg_set1(0.0);
        for (int d = 0; d < 4; d++) {
            real to = -rod->grad[RGI_NU * i + d];
            rod->dy[RGI_NU * i + d] = rg_select(take, to, rod->dy[RGI_NU * i + d]);
            real size = rg_abs(rod->dy[RGI_NU * i + d]);
            if (d == 3) size = size * length;
            largest = rg_max(largest, size);
        }
    }
    RG_TEAM_SYNC();
    return rg_team_max(largest);
}

/* static: what is first added to an indefinite Hessian [N/m], small against the softest joint's stiffness */
RG_FN real rgi_static_least(const rgi_rod *rod)
{
    real most = rg_set1(0.0); /* inverse of a stiffness */
    RG_TEAM_FOR(i, 1, rod->n - 1) {
        const real *k = rod->coef + RGI_NC * i;
        most = rg_max(most, k[RGI_L] * k[RGI_L] / (k[RGI_K11] + k[RGI_K22]));
    }
    return RG_C(1e-6) / rg_team_max(most);
}

/* the share of the increment by which no edge turns or stretches by more than half */
RG_FN real rgi_newton_reach(const rgi_rod *rod)
{
    real most = rg_set1(0.25); /* squared */
    RG_TEAM_FOR(i, 0, rod->n - 1) {
        const real *p = rod->dy + RGI_NU * i, inverse = rod->t[4 * i + 3];
        const vec3 d = v3_sub(v3_load(p + 4), v3_load(p));
        most = rg_max(most, rg_max(v3_dot(d, d) * inverse * inverse, p[3] * p[3]));
    }
    return RG_C(0.5) / rg_sqrt(rg_team_max(most));
}

/* the tensions with which a step begins: those of the last one */
RG_FN void rgi_tension_begin(rgi_rod *rod)
{
    RG_TEAM_FOR(i, 0, rod->n) {
        const real *w = rod->w + RGI_NW * i;
        rod->tension[i] = rg_fms(w[RGI_SL], rod->s[RGI_NS * i], w[RGI_BL]);
    }
    RG_TEAM_SYNC();
}

/* and those to which the share alpha of the increment leads in lanes `take`, before it is made */
RG_FN void rgi_tension_move(rgi_rod *rod, real alpha, rmask take)
{
    RG_TEAM_FOR(i, 0, rod->n - 1) {
        const real *w = rod->w + RGI_NW * i, *p = rod->dy + RGI_NU * i;
        const real longer = v3_dot(v3_load(rod->t + 4 * i), v3_sub(v3_load(p + 4), v3_load(p)));
        const real whole = rg_fms(w[RGI_SL], rod->sy[RGI_NS * i] + longer, w[RGI_BL]), now = rod->tension[i];
        rod->tension[i] = rg_select(take, rg_fma(alpha, whole - now, now), now);
    }
}

/* lanes whose trial is refused are back at the last one that was taken; are there any? */
RG_FN int rgi_step_return(rgi_rod *rod, rmask refused)
{
    if (!rg_any(refused)) return 0;
    RG_TEAM_FOR(i, 0, 3 * rod->n) {
        rod->y[i] = rg_select(refused, rod->base[i], rod->y[i]);
        rod->y1[i] = rg_select(refused, rod->base1[i], rod->y1[i]);
    }
    RG_TEAM_SYNC();
    return 1;
}

/* The step ends in lanes `open` with a trial that is no solution, whose gradient is in grad. It is finite where its
 * potential is. */
RG_FN void rgi_step_leave(const rgi_rod *rod, rmask open, rgi_outcome *out)
{
    real largest = rg_set1(0.0);
    RG_TEAM_FOR(i, 0, rod->n)
        for (int d = 0; d < 3; d++) largest = rg_max(largest, rg_abs(rod->grad[RGI_NU * i + d]));
    out->residual = rg_team_max(largest);
    out->unfinished = open;
}

/* Solve the step for the lanes `alive`; the trial ends at the solution, or with step->continues where Newton was when
 * its iterations or its time were up. Its strains are in sy where it is a solution. A lane's values never depend on its
 * neighbours: a lane that is done no longer moves. */
RG_FN rgi_outcome rgi_step_solve(rgi_rod *rod, const rgi_step *step, rmask alive)
{
    const real one = rg_set1(1.0), zero = rg_set1(0.0);
    const double begin = rgi_step_time(step);
    int most_iterations = step->max_iterations * (step->still ? RGI_STATIC_ITERATIONS : 1);
    real shift = zero; /* what the last trial's Hessian took, static */
    real part = zero;  /* share of the geometric stiffness that is tried after the whole of it */
    rgi_newton newton = rgi_newton_begin(alive);
    real least = zero;
    if (step->still) least = rgi_static_least(rod);
    if (step->still) rgi_newton_by_energy(&newton);
    rgi_tension_begin(rod);
    for (int iteration = 0; rg_any(newton.open); iteration++) {
        const int last = iteration >= most_iterations; /* the trial is looked at, and no other is made */
        if (last && !step->continues) break;
        const int turn = iteration % (RGI_MIXED_ITERATIONS + RGI_SEARCH_ITERATIONS);
        const int mixed = turn < RGI_MIXED_ITERATIONS;
        rmask take = rg_false();
        real share = one, add = zero;
        /* what is added first falls from iteration to iteration while it is enough: too much would make a rod creep */
        const real first = rg_select(rg_lt(zero, shift), RG_C(0.25) * shift, least);
        /* exact, and again where that is not positive definite */
        RG_ROLLED
        for (int again = 0; again < (step->still ? RGI_STATIC_TRIES : 3); again++) {
            real phi = rgi_assemble(rod, share, add, mixed);
            if (again == 0) {
                take = rgi_newton_take(&newton, phi, turn <= RGI_MIXED_ITERATIONS);
                RG_TEAM_FOR(i, 0, 3 * rod->n) {
                    rod->base[i] = rg_select(take, rod->y[i], rod->base[i]);
                    rod->base1[i] = rg_select(take, rod->y1[i], rod->base1[i]);
                }
                RG_TEAM_SYNC();
            }
            if (last) {
                if (again > 0 || !rgi_step_return(rod, rg_and(newton.open, rg_not(take)))) break;
                continue;
            }
            rmask indefinite = rg_and(rgi_step_factor(rod), take);
            if (!rg_any(indefinite)) break;
            if (step->still) add = rg_select(indefinite, rg_max(RG_C(8.0) * add, first), add);
            else share = rg_select(indefinite, again == 0 ? part : zero, share);
        }
        if (last) {
            rgi_step_leave(rod, newton.open, &newton.out);
            break;
        }
        shift = rg_select(take, add, shift);
        /* where a part was enough, more of it is tried next */
        if (iteration >= RGI_WHOLE_ITERATIONS)
            part = rg_select(take, rg_select(rg_lt(share, one), RG_C(0.5) * (one + share), zero), part);
        rgi_step_backsolve(rod, rod->grad);
        real largest = rgi_newton_increment(rod, take);
        real reach = one;
        if (step->still || mixed) reach = rgi_newton_reach(rod);
        const rmask whole = rg_not(rg_or(rg_lt(share, one), rg_lt(reach, one)));
        rgi_newton_aim(&newton, take, step->still || !mixed ? rg_false() : whole, largest, reach);
        rgi_tension_move(rod, newton.alpha, take);
        rgi_move(rod, newton.alpha, newton.open);
        rgi_newton_moved(&newton, take, step->tolerance);
        if (rgi_step_is_late(step, begin)) most_iterations = iteration + 1;
    }
    newton.out.saddle = rg_and(newton.out.converged, rg_lt(zero, shift));
    return newton.out;
}

/* after the last solve: exact Hessian at the solution, factored, for tangents and adjoints; strain
 * gradients in g, strains in sy. full [n][RGI_NH], unless NULL: the Hessian with prescribed unknowns. */
RG_FN void rgi_step_linearise(rgi_rod *rod, real *full)
{
    (void)rgi_assemble_all(rod, rg_set1(1.0), rg_set1(0.0), 0);
    RG_TEAM_FOR(i, 0, full ? RGI_NH * rod->n : 0) full[i] = rod->hess[i];
    RG_TEAM_SYNC();
    rgi_mask(rod);
    (void)rgi_step_factor(rod);
}

/* is a joint folded (chi below 1e-4: edges within 0.8 degrees of anti-parallel), or did a twist change by
 * so nearly half a turn (179.3 degrees) in one step that its direction is a guess? And the largest twist of a vertex
 * [rad], whose averaged directors are too short by cos(twist/2) (rod/normalised.h). */
RG_FN void rgi_step_inspect(rgi_rod *rod, rgi_outcome *out)
{
    rmask folded = rg_false(), wrapped = rg_false();
    real twist = rg_set1(0.0);
    RG_TEAM_FOR(i, 1, rod->n - 1) {
        real chi = RG_C(1.0) + v3_dot(v3_load(rod->t + 4 * i - 4), v3_load(rod->t + 4 * i));
        folded = rg_or(folded, rg_lt(chi, rg_set1(1e-4)));
        real turned = rod->sy[RGI_NS * i + 3] - rod->s[RGI_NS * i + 3];
        wrapped = rg_or(wrapped, rg_lt(rg_set1(3.13), rg_abs(turned)));
        const real size = rg_abs(rod->sy[RGI_NS * i + 3]);
        twist = rg_select(rg_lt(twist, size), size, twist);
    }
    out->twist = rg_team_max(twist);
    out->folded = rg_team_any(folded);
    out->wrapped = rg_team_any(wrapped);
}

/* the first vertex where a step that ended with `flag` (rg_rod_flag) went wrong, by lane; -1: none */
RG_FN real rgi_step_locate(const rgi_rod *rod, int flag)
{
    real node = rg_set1(-1.0), largest = rg_set1(-1.0);
    for (int i = rod->n - 1; i >= 0; i--) {
        const real *p = rod->dy + RGI_NU * i, *s = rod->sy + RGI_NS * i;
        real sum = rg_set1(0.0), size = sum;
        for (int d = 0; d < 3; d++) sum = sum + rod->y[3 * i + d] + rod->v[3 * i + d];
        for (int d = 0; d < 3 && rod->f; d++) sum = sum + rod->f[3 * i + d];
        for (int d = 0; d < 3 && i < rod->n - 1; d++) sum = sum + rod->y1[3 * i + d];
        /* strains that the start left infinite at a fold; an edge without length: 1/|e| */
        for (int d = 0; d < RGI_NS; d++) sum = sum + rod->s[RGI_NS * i + d];
        if (i < rod->n - 1) {
            vec3 e = v3_sub(v3_load(rod->y + 3 * i + 3), v3_load(rod->y + 3 * i));
            sum = sum + rg_sqrt(RG_C(1.0) / v3_dot(e, e));
        }
        for (int d = 0; d < RGI_NS && i < rod->n - 1; d++) sum = sum + s[d];
        for (int d = 0; d < RGI_NU; d++) size = rg_max(size, rg_abs(p[d]));
        rmask here = rg_not(rg_sane(sum));
        if (flag == 1) here = rg_not(rg_lt(size, largest));
        if (flag == 1) largest = rg_select(here, size, largest);
        if (flag > 2 && i > 0 && i < rod->n - 1) {
            real chi = RG_C(1.0) + v3_dot(v3_load(rod->t + 4 * i - 4), v3_load(rod->t + 4 * i));
            real turned = rg_abs(s[3] - rod->s[RGI_NS * i + 3]);
            here = flag == 3 ? rg_lt(chi, rg_set1(1e-4)) : rg_lt(rg_set1(3.13), turned);
        } else if (flag > 2) {
            here = rg_false();
        }
        node = rg_select(here, rg_set1(i), node);
    }
    return node;
}

/* the solution becomes the state in lanes `alive`; the others keep theirs */
RG_FN void rgi_step_accept(rgi_rod *rod, const rgi_step *step, rmask alive)
{
    const real rate = rg_set1(1.0) / rg_set1(rgi_step_hat(step));
    RG_TEAM_FOR(i, 0, rod->n) {
        const real keep = rgi_step_keep(step, rod->coef + RGI_NC * i);
        for (int d = 0; d < 3; d++) {
            real x = rod->x[3 * i + d], v = rod->v[3 * i + d], y = rod->y[3 * i + d];
            real to = (y - rgi_past(step, x, rod->xp[3 * i + d])) * rate;
            rod->x[3 * i + d] = rg_select(alive, y, x);
            rod->v[3 * i + d] = rg_select(alive, to, v);
            rod->xp[3 * i + d] = x;
            rod->vp[3 * i + d] = v;
            rod->m1[3 * i + d] = rg_select(alive, rod->y1[3 * i + d], rod->m1[3 * i + d]);
        }
        for (int d = 0; d < 2; d++) {
            real z = rod->z[2 * i + d], zt = rgi_past(step, z, rod->zp[2 * i + d]);
            real s = rod->sy[RGI_NS * i + 1 + d], to = rg_fma(keep, zt - s, s);
            rod->z[2 * i + d] = rg_select(alive, to, z);
            rod->zp[2 * i + d] = z;
        }
        for (int d = 0; d < RGI_NS; d++) {
            real s = rod->s[RGI_NS * i + d];
            rod->s[RGI_NS * i + d] = rg_select(alive, rod->sy[RGI_NS * i + d], s);
            rod->sp[RGI_NS * i + d] = s;
        }
    }
    RG_TEAM_SYNC();
}

#endif
