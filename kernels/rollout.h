/* rollout.h: many steps of one rod (or pack): drive, step, observe, differentiate.
 *
 * Per step: prescribed values in, the stepper to the solution, then, if asked, its linearisation there,
 * every direction through it, and at the end of a frame the outputs and the residuals' share of the
 * normal equations. */
#ifndef RGI_ROLLOUT_H
#define RGI_ROLLOUT_H

#include "outputs.h"

/* The deform stepper is explicit in bending: where the step is too long for the stiffness, vertices fly
 * apart faster than the sweeps bring edges back to their lengths. */
RG_FN rmask rgi_run_unstable(const rgi_run *run, int i)
{
    const rgi_rod *rod = &run->rod;
    vec3 e = v3_sub(v3_load(rod->y + 3 * i + 3), v3_load(rod->y + 3 * i));
    real most = RG_C(1.5) * rod->coef[RGI_NC * i + RGI_L];
    return rg_lt(most * most, v3_dot(e, e));
}

/* what place i of a status begins with: counts and sizes with 0, steps and vertices with -1, which is none */
RG_FN real rgi_run_status(int i) { return rg_set1(i < 5 || i == 7 || i == 9 || i == 11 || i == 13 ? 0.0 : -1.0); }

/* flag the lanes that `bad` names, if they were well so far; status NULL: only stop them. Returns those that
 * go on. */
RG_FN rmask rgi_run_flag(const rgi_run *run, rmask alive, real *status, rmask bad, int flag, int s)
{
    rmask hit = rg_and(bad, alive);
    alive = rg_and(alive, rg_not(hit));
    if (!status || !rg_any(hit)) return alive;
    real node = rgi_step_locate(&run->rod, flag);
    for (int i = run->rod.n - 2; flag == 5 && i >= 0; i--) node = rg_select(rgi_run_unstable(run, i), rg_set1(i), node);
    RG_TEAM_ONE
    {
        status[0] = rg_select(hit, rg_set1(flag), status[0]);
        status[1] = rg_select(hit, rg_set1(s), status[1]);
        status[5] = rg_select(hit, node, status[5]);
    }
    return alive;
}

/* The largest rotation of a gripped edge's material frame (t, m1, t x m1) in this step, as sin^2 of half its angle:
 * with R the rotation from frame to frame, trace R = 1 + 2 cos, and (t x m).(t' x m') = (t.t')(m.m') - (t.m')(m.t').
 * After the step's solution, before its acceptance. What is not finite counts as none. */
RG_APART real rgi_run_turn(const rgi_run *run, const rgi_kernel_pack *pack)
{
    const rgi_rod *rod = &run->rod;
    real most = rg_set1(0.0);
    RG_TEAM_FOR(k, 0, pack->n_fixed_theta) {
        const int i = pack->fixed_theta[k];
        const vec3 e = v3_sub(v3_load(rod->x + 3 * i + 3), v3_load(rod->x + 3 * i)), m = v3_load(rod->m1 + 3 * i);
        const vec3 to = v3_sub(v3_load(rod->y + 3 * i + 3), v3_load(rod->y + 3 * i)), n = v3_load(rod->y1 + 3 * i);
        const real inverse = RG_C(1.0) / rg_sqrt(v3_dot(e, e) * v3_dot(to, to)), mm = v3_dot(m, n);
        const real tt = v3_dot(e, to) * inverse, cross = v3_dot(e, n) * v3_dot(m, to) * inverse;
        const real s = RG_C(0.25) * (RG_C(3.0) - (tt + mm + tt * mm - cross));
        most = rg_select(rg_lt(most, s), s, most);
    }
    return rg_team_max(most);
}

/* keep the largest value in status[at] and its step in status[at + 1], for the lanes of `who` */
RG_FN void rgi_run_worst(real *status, int at, rmask who, real value, int s)
{
    const rmask more = rg_and(who, rg_lt(status[at], value));
    status[at] = rg_select(more, value, status[at]);
    status[at + 1] = rg_select(more, rg_set1(s), status[at + 1]);
}

/* step s ended without a solution in these lanes, which go on */
RG_FN void rgi_run_unfinished(real *status, rmask lanes, real residual, int s)
{
    const real zero = rg_set1(0.0);
    status[11] = status[11] + rg_select(lanes, rg_set1(1.0), zero);
    status[12] = rg_select(rg_and(lanes, rg_lt(status[12], zero)), rg_set1(s), status[12]);
    status[13] = rg_max(status[13], rg_select(lanes, residual, zero));
}

/* step s's solution and who lives after it: into pack->trace, or from there */
RG_FN void rgi_run_trace(const rgi_run *run, const rgi_kernel_pack *pack, int s)
{
    const int n = pack->n;
    real *to = pack->trace + (size_t)s * (6u * (size_t)n + 1u);
    RG_TEAM_FOR(i, 0, 3 * n) {
        to[i] = run->rod.y[i];
        to[3 * n + i] = run->rod.y1[i];
    }
    RG_TEAM_ONE { to[6 * n] = rg_select(run->alive, rg_set1(1.0), rg_set1(0.0)); }
    RG_TEAM_SYNC();
}
RG_FN void rgi_run_retrace(rgi_run *run, const rgi_kernel_pack *pack, int s)
{
    const int n = pack->n;
    const real *from = pack->trace + (size_t)s * (6u * (size_t)n + 1u);
    rgi_run_set_trial(run, from, from + 3 * n);
    rgi_run_set_alive(run, rg_lt(rg_set1(0.5), from[6 * n]));
}

/* Step s up to its acceptance: the trial ends at the solution; lanes that failed are no longer alive.
 * status [RGI_STATUS]: flags and counts, or NULL. */
RG_FN void rgi_run_step(rgi_run *run, const rgi_kernel_pack *pack, int s, int linearise, real *status)
{
    rgi_outcome out;
    const rgi_rod *rod = &run->rod;
    rmask alive = rg_and(run->alive, rg_lt(rg_set1(s), rgi_load(pack->lane_steps, 0)));
    /* the first step has one state behind it only */
    RG_TEAM_ONE { run->step.bdf2 = pack->bdf2 && !RGI_DEFORM(pack) && (s > 0 || run->carried); }
    RG_TEAM_SYNC();
    rgi_run_drive(run, pack, s);
    if (RGI_DEFORM(pack)) {
        rgi_stress_prepare(&run->rod, &run->step);
        out = rgi_deform_solve(&run->rod, &run->step, &run->deform, alive);
        if (linearise) rgi_deform_linearise(&run->rod, &run->step, &run->deform);
    } else {
        rgi_step_prepare(&run->rod, &run->step);
        if (pack->retrace) {
            rgi_run_retrace(run, pack, s);
            rgi_step_linearise(&run->rod, run->full);
            return;
        }
        rgi_step_predict(&run->rod, &run->step);
        out = rgi_step_solve(&run->rod, &run->step, alive);
        if (linearise) rgi_step_linearise(&run->rod, run->full);
        else rgi_strains(&run->rod, run->rod.y, run->rod.y1);
    }
    rgi_step_inspect(&run->rod, &out);
    if (status) {
        /* of all rods that take the step: it may be why one fails */
        const real turn = rgi_run_turn(run, pack);
        RG_TEAM_ONE { rgi_run_worst(status, 9, alive, turn, s); }
    }
    alive = rgi_run_flag(run, alive, status, rg_not(out.finite), 2, s);
    alive = rgi_run_flag(run, alive, status, rg_not(rg_or(out.converged, out.unfinished)), 1, s);
    alive = rgi_run_flag(run, alive, status, out.folded, 3, s);
    alive = rgi_run_flag(run, alive, status, out.wrapped, 4, s);
    rmask unstable = rg_false();
    RG_TEAM_FOR(i, 0, RGI_DEFORM(pack) ? pack->n - 1 : 0) {
        /* grippers may hold an edge longer than it is */
        if ((rod->fixed[i] & rod->fixed[i + 1]) & RGI_FIXED_X) continue;
        unstable = rg_or(unstable, rgi_run_unstable(run, i));
    }
    alive = rgi_run_flag(run, alive, status, rg_team_any(unstable), 5, s);
    rgi_run_set_alive(run, alive);
    if (pack->trace) rgi_run_trace(run, pack, s);
    if (!status) return;
    RG_TEAM_ONE
    {
        status[2] = status[2] + out.iterations;
        status[3] = rg_max(status[3], out.iterations);
        status[4] = rg_max(status[4], rg_select(alive, out.increment, rg_set1(0.0)));
        rmask first = rg_and(rg_and(alive, out.saddle), rg_lt(status[6], rg_set1(-0.5)));
        status[6] = rg_select(first, rg_set1(s), status[6]);
        rgi_run_worst(status, 7, alive, out.twist, s);
        const rmask unfinished = rg_and(alive, out.unfinished);
        if (rg_any(unfinished)) rgi_run_unfinished(status, unfinished, out.residual, s);
    }
}

RG_FN void rgi_run_accept(rgi_run *run, const rgi_kernel_pack *pack)
{
    (void)pack;
    if (RGI_DEFORM(pack)) rgi_deform_accept(&run->rod, &run->step, run->alive);
    else rgi_step_accept(&run->rod, &run->step, run->alive);
}

/* what the forward run keeps of the state that step s ends with (s = -1: the start) */
RG_FN void rgi_run_keep(const rgi_run *run, const rgi_kernel_pack *pack, int s, real *last)
{
    const rgi_plan *plan = pack->plan;
    const size_t size = (size_t)RGI_STATE_REALS * (size_t)pack->n + 1;
    real *kept = pack->kept;
    if (plan->levels == 1) {
        rgi_state_save(run, kept + (size_t)(s + 2) * size);
        if (s < 0) rgi_state_save(run, kept);
        return;
    }
    /* a checkpoint needs the state before as well: `last` holds it */
    if ((s + 1) % plan->length[1] == 0 && s + 1 < pack->n_steps) {
        real *p = kept + (size_t)((s + 1) / plan->length[1]) * 2u * size;
        rgi_state_save(run, p + size);
        RG_TEAM_FOR(i, 0, (int)size) p[i] = s < 0 ? p[(int)size + i] : last[i];
        RG_TEAM_SYNC();
    }
    if ((s + 2) % plan->length[1] == 0) rgi_state_save(run, last);
}

RG_DISSOLVED rgi_course rgi_run_course(const rgi_run *run, const rgi_kernel_pack *pack, int q)
{
    const int begin = pack->entry_begin[q];
    rgi_course course;
    course.d = rgi_run_tangent(run, q);
    course.entries = (const rgi_entry *)(pack->entries + begin);
    course.values = pack->entry_values + begin;
    course.n_entries = pack->entry_begin[q + 1] - begin;
    return course;
}

/* Changes of forces take code of their own among the directions: a GPU has one code for all, a CPU one for directions
 * without forces, which these would slow down, and one for a direction with them. */
#if defined(RGI_TEAM_DEVICE) || defined(__CUDACC__)
enum { RGI_FORCES_BESIDE = 1 };
#else
enum { RGI_FORCES_BESIDE = 0 };
RG_APART void rgi_run_jvp_forces(const rgi_run *run, const rgi_kernel_pack *pack, int q, rgi_input_tangent in,
                                 real *scratch)
{
    const rgi_forces forces = rgi_run_forces_along(run, q);
    const rgi_course course = rgi_run_course(run, pack, q);
    in = rgi_input_along(in, pack->n, q, &forces);
    rgi_step_jvp_beside(&run->rod, &run->step, run->alive, run->full, &course, 1, in, 1, scratch);
}
#endif

/* `count` directions, a constant, from q on through the step; in: of direction 0, the others follow */
RG_DISSOLVED void rgi_run_jvp(const rgi_run *run, const rgi_kernel_pack *pack, int q, const int count,
                              rgi_input_tangent in, real *scratch)
{
    const rgi_forces forces = rgi_run_forces_along(run, q);
    rgi_course courses[RGI_BESIDE];
    for (int k = 0; k < count; k++) courses[k] = rgi_run_course(run, pack, q + k);
    in = rgi_input_along(in, pack->n, q, in.forces ? &forces : 0);
    rgi_step_jvp_beside(&run->rod, &run->step, run->alive, run->full, courses, count, in, RGI_FORCES_BESIDE, scratch);
}

/* before the first step: tangents are after `begin` of them */
RG_FN void rgi_run_tangents_begin(rgi_run *run, const rgi_kernel_pack *pack, int begin)
{
    real *side = rgi_run_side(run);
    for (int k = 0; k < (pack->n_directions ? RGI_BESIDE * RGI_CHANGES * pack->n : 0); k++) side[k] = rg_set1(0.0);
    RG_TEAM_ONE { run->odd = begin % 2; }
    RG_TEAM_SYNC();
}

/* all directions through the step */
RG_FN void rgi_run_tangents(rgi_run *run, const rgi_kernel_pack *pack, rgi_input_tangent in)
{
    const int p = pack->n_directions;
    if (RGI_DEFORM(pack)) {
        for (int q = 0; q < p; q++) {
            rgi_deform_jvp(&run->rod, &run->step, &run->deform, run->alive, rgi_run_course(run, pack, q),
                           rgi_input_along(in, pack->n, q, 0), run->stress, run->dy);
        }
#if !defined(RGI_TEAM_DEVICE) && !defined(__CUDACC__)
    } else if (in.forces) {
        for (int q = 0; q < p; q++) rgi_run_jvp_forces(run, pack, q, in, rgi_run_side(run));
#endif
    } else {
        const int whole = p - p % RGI_BESIDE;
        for (int q = RG_TEAM_LANE * RGI_BESIDE; q < whole; q += RGI_TEAM * RGI_BESIDE)
            rgi_run_jvp(run, pack, q, RGI_BESIDE, in, rgi_run_side(run));
#if RGI_BESIDE > 1
        for (int q = whole; q < p; q++) rgi_run_jvp(run, pack, q, 1, in, rgi_run_side(run));
#endif
    }
    RG_TEAM_SYNC();
    RG_TEAM_ONE { run->odd = !run->odd; }
    RG_TEAM_SYNC();
}

/* the lanes that go on from the last run's end */
RG_FN rmask rgi_run_going(const rgi_kernel_pack *pack)
{
    const real *carried = pack->carried;
    return carried ? rg_lt(rg_set1(0.5), carried[2 * (RGI_STATE_REALS * pack->n + 1)]) : rg_false();
}

/* Before the first step: lanes in `going` have the last run's end, the others the start. A rod that failed stays where
 * it is, and says why. */
RG_FN void rgi_run_begin(rgi_run *run, const rgi_kernel_pack *pack, rmask going)
{
    const int size = RGI_STATE_REALS * pack->n + 1;
    const real *carried = pack->carried;
    real *status = pack->status;
    rmask alive = rg_lt(rg_set1(0.0), rgi_load(pack->lane_steps, 0));
    RG_TEAM_ONE
    {
        run->carried = rg_any(going);
        for (int i = 0; !pack->retrace && i < RGI_STATUS; i++)
            status[i] = rg_select(i < 2 || i == 5 ? going : rg_false(), status[i], rgi_run_status(i));
        for (int i = 0; pack->loss && i < 4; i++) rgi_store(pack->loss, (size_t)i, rg_set1(0.0));
    }
    RG_TEAM_SYNC();
    if (rg_any(rg_not(going))) rgi_run_start(run, pack);
    if (run->carried) {
        rgi_state_load_lanes(run, carried, carried + size, going);
        alive = rg_or(rg_and(alive, rg_not(going)), rg_and(rgi_state_alive(carried + size, pack->n), going));
    }
    rgi_run_set_alive(run, alive);
}

#if RGI_LANES > 1
/* A pack whose lanes neither all start nor all go on: the first step of BDF2 is another in lanes that start. Those that
 * go on, `now`, take it first, and the others wait; then the others. Acceptance overwrites the state before of
 * all lanes, so that those that are through leave theirs in pack->carried, where nothing is needed any more. */
RG_FN int rgi_run_is_mixed(const rgi_kernel_pack *pack, rmask going)
{
    return pack->bdf2 && !RGI_DEFORM(pack) && rg_any(going) && rg_any(rg_not(going));
}
/* Forces are made of w, a and c of a step (assemble.h), which the others' turn makes anew: kept, and taken again in
 * lanes that go on. */
RG_APART void rgi_run_first_keep(rgi_run *run, int n)
{
    real *to = run->first_turn;
    for (int i = 0; i < RGI_NW * n; i++) *to++ = run->rod.w[i];
    for (int i = 0; i < 3 * n; i++) *to++ = run->rod.c[i];
    for (int i = 0; i < n; i++) *to++ = run->rod.a[i];
}
RG_APART void rgi_run_first_take(rgi_run *run, int n, rmask going)
{
    const real *from = run->first_turn;
    for (int i = 0; i < RGI_NW * n; i++) run->rod.w[i] = rg_select(going, *from++, run->rod.w[i]);
    for (int i = 0; i < 3 * n; i++) run->rod.c[i] = rg_select(going, *from++, run->rod.c[i]);
    for (int i = 0; i < n; i++) run->rod.a[i] = rg_select(going, *from++, run->rod.a[i]);
}
/* lanes that go on have taken the step: the turn of the `others` */
RG_FN void rgi_run_first_swap(rgi_run *run, const rgi_kernel_pack *pack, rmask others)
{
    real *carried = pack->carried;
    rgi_state_save_before(run, carried);
    rgi_state_save(run, carried + RGI_STATE_REALS * pack->n + 1);
    for (int i = 0; i < 3 * pack->n; i++) run->rod.y1[i] = run->rod.m1[i];
    if (rgi_run_puts_forces(pack)) rgi_run_first_keep(run, pack->n);
    run->alive = others;
    run->carried = 0;
}
/* all have taken it */
RG_FN void rgi_run_first_merge(rgi_run *run, const rgi_kernel_pack *pack, rmask going)
{
    const real *before = pack->carried, *now = before + RGI_STATE_REALS * pack->n + 1;
    rgi_state_load_lanes(run, before, now, going);
    if (rgi_run_puts_forces(pack)) rgi_run_first_take(run, pack->n, going);
    run->alive = rg_or(run->alive, rg_and(rgi_state_alive(now, pack->n), going));
}
#endif

/* Steps begin ... end - 1; begin 0 starts, another goes on where the last call ended. fast: of
 * rgi_run_step_reals, or NULL (run.h) */
RG_FN void rgi_run_steps(rgi_run *run, const rgi_kernel_pack *pack, int begin, int end, real *fast)
{
    const int n = pack->n, p = pack->n_directions;
    real *status = pack->status;
    rgi_run_init(run, pack, fast);
    real *last = pack->pool;
    const int size = RGI_STATE_REALS * n + 1;
    real *carried = pack->carried;
    if (begin == 0) {
        rgi_run_begin(run, pack, rgi_run_going(pack));
        if (pack->plan) rgi_run_keep(run, pack, -1, last);
    } else {
        rgi_run_set_alive(run, rg_lt(status[0], rg_set1(0.5)));
        RG_TEAM_FOR(i, 0, 3 * n) run->rod.y1[i] = run->rod.m1[i];
        RG_TEAM_SYNC();
    }
    rgi_run_tangents_begin(run, pack, begin);
#if RGI_LANES > 1
    const rmask going = rgi_run_going(pack), others = rg_and(run->alive, rg_not(going));
    int waiting = begin == 0 && rgi_run_is_mixed(pack, going);
    const int mixed = waiting;
    if (mixed) run->alive = rg_and(run->alive, going);
#endif
    for (int s = begin; s < end && s < pack->n_steps; s++) {
        const rgi_input_tangent in = rgi_run_drive_jvp(run, pack, s);
        rgi_run_step(run, pack, s, p > 0, status);
        rgi_run_tangents(run, pack, in);
        rgi_run_accept(run, pack);
#if RGI_LANES > 1
        if (waiting) {
            rgi_run_first_swap(run, pack, others);
            waiting = 0;
            s--;
            continue;
        }
        if (mixed && s == 0) rgi_run_first_merge(run, pack, going);
#endif
        if (pack->plan) rgi_run_keep(run, pack, s, last);
        if ((s + 1) % pack->substeps == 0) rgi_run_frame(run, pack, s / pack->substeps);
    }
    if (!carried || end < pack->n_steps) return;
    rgi_state_save_before(run, carried);
    rgi_state_save(run, carried + size);
    RG_TEAM_ONE { carried[2 * size] = rg_set1(1.0); }
}

RG_FN void rgi_run_all(const rgi_kernel_pack *pack)
{
    rgi_run run;
    rgi_run_steps(&run, pack, 0, pack->n_steps, 0);
}

#endif
