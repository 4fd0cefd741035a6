/* reverse.h: a rollout backwards, from cotangents of its outputs to those of all that went in.
 *
 * For the steps in reverse: the state before and after (kept, or run again from a checkpoint: plan.h),
 * at a frame's end the cotangents of its outputs, the step's linearisation, its adjoint. Of a step only
 * what its adjoint needs is recomputed: the implicit one's Hessian at the solution, which is the state
 * after; the deform step but for its turns, which the state after tells. The arithmetic does not know
 * which states were kept, so every plan gives the same bits. */
#ifndef RGI_REVERSE_H
#define RGI_REVERSE_H

#include "rollout.h"

/* what frame f's outputs give to the cotangent d of the state (y, y1) that it shows */
RG_FN void rgi_reverse_frame(rgi_run *run, const rgi_kernel_pack *pack, int f, rgi_tangent d)
{
    const int n = pack->n, rods = pack->rods;
    real *offset_bar = pack->want_coef ? pack->offset_bar : 0;
    RG_TEAM_FOR(i, 0, pack->x_bar.data ? 3 * n : 0) d.x[i] += RG_TERM(rgi_get(&pack->x_bar, rods, f, i));
    RG_TEAM_FOR(i, 0, pack->v_bar.data ? 3 * n : 0) d.v[i] += RG_TERM(rgi_get(&pack->v_bar, rods, f, i));
    RG_TEAM_FOR(i, 0, pack->turn_bar.data ? n - 1 : 0) d.theta[i] += RG_TERM(rgi_get(&pack->turn_bar, rods, f, i));
    RG_TEAM_SYNC();
    if (pack->bar == RGI_BAR_GIVEN && !pack->markers_bar.data) return;
    rgi_edges(&run->rod, run->rod.y);
    /* one lane: markers of neighbouring vertices share edges */
    RG_TEAM_ONE
    for (int k = 0; k < pack->n_markers; k++) {
        int i = pack->marker_vertices[k];
        vec3 r = rgi_run_residual_adj(run, pack, f, k);
        d.x[3 * i] += RG_TERM(r.x);
        d.x[3 * i + 1] += RG_TERM(r.y);
        d.x[3 * i + 2] += RG_TERM(r.z);
        rgi_marker_arm_adj(&run->rod, run->rod.y1, i, pack->offset + 2 * k, r, d.x, d.theta,
                           offset_bar ? offset_bar + 2 * k : run->spare_offset);
    }
    RG_TEAM_SYNC();
}

/* cotangents of frame f's forces, by node */
RG_APART void rgi_reverse_forces(rgi_run *run, const rgi_kernel_pack *pack, int f)
{
    const int n = pack->n, rods = pack->rods;
    const rgi_forces *to = &run->forces;
    RG_TEAM_FOR(i, 0, to->tension ? n : 0)
        to->tension[i] = i < n - 1 ? rgi_get(&pack->tension_bar, rods, f, i) : rg_set1(0.0);
    RG_TEAM_FOR(i, 0, to->moment ? n : 0)
        for (int c = 0; c < 3; c++)
            to->moment[3 * i + c] = i > 0 && i < n - 1 ? rgi_get(&pack->moment_bar, rods, f, 3 * i + c) : rg_set1(0.0);
    if (!to->reaction) return;
    RG_TEAM_FOR(i, 0, RGI_NU * n) to->reaction[i] = rg_set1(0.0);
    RG_TEAM_SYNC();
    RG_TEAM_FOR(k, 0, pack->reaction_bar.data ? pack->n_fixed_x : 0)
        for (int c = 0; c < 3; c++)
            to->reaction[RGI_NU * pack->fixed_x[k] + c] = rgi_get(&pack->reaction_bar, rods, f, 3 * k + c);
    RG_TEAM_FOR(k, 0, pack->torque_bar.data ? pack->n_fixed_theta : 0)
        to->reaction[RGI_NU * pack->fixed_theta[k] + 3] = rgi_get(&pack->torque_bar, rods, f, k);
}

/* what frame f's energies give to the cotangent d of the state `after` that it shows, and to coefficients, in lanes
 * that are alive: what stopped the others may not be finite */
RG_APART void rgi_reverse_energy(rgi_run *run, const rgi_kernel_pack *pack, int f, const real *after, rgi_tangent d)
{
    enum { X = 0, V = 3, S = 6, Z = S + RGI_NS, END = Z + 2 };
    const int n = pack->n;
    const real zero = rg_set1(0.0);
    real *coef_bar = pack->want_coef ? pack->coef_bar : 0, e_bar[RGI_ENERGIES], own[END];
    for (int k = 0; k < RGI_ENERGIES; k++)
        e_bar[k] = rg_select(run->alive, rgi_get(&pack->energy_bar, pack->rods, f, k), zero);
    RG_TEAM_FOR(i, 0, n) {
        const rgi_seen now = {own + X, own + V, own + S, own + Z};
        for (int c = 0; c < 3; c++) {
            own[X + c] = rg_select(run->alive, after[RGI_AT_x * n + 3 * i + c], zero);
            own[V + c] = rg_select(run->alive, after[RGI_AT_v * n + 3 * i + c], zero);
        }
        for (int c = 0; c < RGI_NS; c++) own[S + c] = rg_select(run->alive, after[RGI_AT_s * n + RGI_NS * i + c], zero);
        for (int c = 0; c < 2; c++) own[Z + c] = rg_select(run->alive, after[RGI_AT_z * n + 2 * i + c], zero);
        rgi_energy_adj(&run->rod, &run->step, now, i, e_bar, d, coef_bar ? coef_bar + RGI_NC * i : 0);
    }
}

/* size of the cotangent of the state that s steps lead to, with what its frame's outputs but forces give: positions,
 * and velocities in frame intervals [1/m of the outputs' unit] */
RG_FN void rgi_reverse_growth(const rgi_run *run, const rgi_kernel_pack *pack, int s)
{
    if (!pack->growth.data || s % pack->growth_every != 0) return;
    rgi_tangent d = rgi_tangent_at(run->bar, pack->n, 0);
    real sum = rg_set1(0.0), rate = rg_set1(1.0 / (pack->h * pack->substeps));
    RG_TEAM_FOR(i, 0, 3 * pack->n) {
        real x = d.x[i] + d.xp[i], v = rate * (d.v[i] + d.vp[i]);
        sum += x * x + v * v;
    }
    sum = rg_team_sum(sum);
    RG_TEAM_ONE { rgi_put(&pack->growth, pack->rods, s / pack->growth_every, 0, rg_sqrt(sum)); }
}

/* note the first (last in time) step whose adjoint is not finite, or beyond any sane size, and where */
RG_FN void rgi_reverse_watch(const rgi_run *run, const rgi_kernel_pack *pack, int s)
{
    real *status = pack->adjoint_status, node = rg_set1(-1.0);
    for (int i = pack->n - 1; i >= 0; i--) {
        real here = rg_set1(0.0);
        for (int c = 0; c < RGI_NU; c++) here += rg_abs(run->dy[RGI_NU * i + c]);
        node = rg_select(rg_sane(here), node, rg_set1(i));
    }
    rmask bad = rg_and(rg_lt(rg_set1(-0.5), node), rg_lt(status[0], rg_set1(0.5)));
    RG_TEAM_SYNC();
    if (!rg_any(bad)) return;
    RG_TEAM_ONE
    {
        status[0] = rg_select(bad, rg_set1(2.0), status[0]);
        status[1] = rg_select(bad, rg_set1(s), status[1]);
        status[2] = rg_select(bad, node, status[2]);
    }
    RG_TEAM_SYNC();
}

/* step s backwards; the states before, at its begin and at its end */
RG_FN void rgi_reverse_step(rgi_run *run, const rgi_kernel_pack *pack, int s, const real *before, const real *now,
                            const real *after)
{
    const int n = pack->n;
    rgi_rod *rod = &run->rod;
    rgi_tangent d = rgi_tangent_at(run->bar, n, 0);
    rgi_input_bar in = {pack->want_coef ? pack->coef_bar : 0, 0, 0, 0};
    if (pack->drive_x_bar.data || pack->drive_turn_bar.data) in.y = run->din_y;
    if (pack->force_bar.data) in.f = run->din_f;
    rgi_state_load(run, before, now);
    if ((s + 1) % pack->substeps == 0) {
        rgi_run_set_trial(run, after + RGI_AT_x * n, after + RGI_AT_m1 * n);
        rgi_run_set_alive(run, rgi_state_alive(after, n));
        rgi_reverse_frame(run, pack, s / pack->substeps, d);
        if (pack->energy_bar.data) rgi_reverse_energy(run, pack, s / pack->substeps, after, d);
        if (rgi_run_needs_forces(pack)) {
            rgi_reverse_forces(run, pack, s / pack->substeps);
            in.forces = &run->forces;
        }
        rgi_run_set_alive(run, rgi_state_alive(now, n));
    }
    rgi_reverse_growth(run, pack, s + 1);
    RG_TEAM_ONE { run->step.bdf2 = pack->bdf2 && !RGI_DEFORM(pack) && s > 0; }
    RG_TEAM_SYNC();
    rgi_run_drive(run, pack, s);
    rgi_run_set_alive(run, rgi_state_alive(after, n));
    if (RGI_DEFORM(pack)) {
        rgi_stress_prepare(rod, &run->step);
        rgi_deform_again(rod, &run->step, &run->deform, after + RGI_AT_x * n, after + RGI_AT_m1 * n,
                         after + RGI_AT_s * n);
        rgi_deform_linearise(rod, &run->step, &run->deform);
        rgi_deform_adj(rod, &run->step, &run->deform, run->alive, d, in, run->stress, run->dy);
    } else {
        rgi_step_prepare(rod, &run->step);
        rgi_run_set_trial(run, after + RGI_AT_x * n, after + RGI_AT_m1 * n);
        rgi_step_linearise(rod, run->full);
        rgi_step_adj(rod, &run->step, run->alive, run->full, d, in, run->stress, run->dy);
    }
    RG_TEAM_FOR(k, 0, pack->drive_x_bar.data ? pack->n_fixed_x : 0)
        for (int c = 0; c < 3; c++)
            rgi_put(&pack->drive_x_bar, pack->rods, s, 3 * k + c, RG_TERM(run->din_y[RGI_NU * pack->fixed_x[k] + c]));
    RG_TEAM_FOR(k, 0, pack->drive_turn_bar.data ? pack->n_fixed_theta : 0)
        rgi_put(&pack->drive_turn_bar, pack->rods, s, k, RG_TERM(run->din_y[RGI_NU * pack->fixed_theta[k] + 3]));
    rgi_put_many(&pack->force_bar, pack->rods, s, 3 * n, run->din_f);
    rgi_reverse_watch(run, pack, s);
    RG_TEAM_FOR(i, 0, pack->window > 0 && s > 0 && s % pack->window == 0 ? RGI_NT * n : 0) run->bar[i] = rg_set1(0.0);
    RG_TEAM_SYNC();
}

/* the start's share: strains and memory came from positions and directors. The first step does not look
 * behind the start, so nothing is asked of what lies there. */
RG_FN void rgi_reverse_start(rgi_run *run, const rgi_kernel_pack *pack)
{
    const int n = pack->n;
    const real zero = rg_set1(0.0);
    rgi_tangent d = rgi_tangent_at(run->bar, n, 0);
    if (!pack->want_start) return;
    rgi_run_start(run, pack);
    rgi_strain_gradients(&run->rod, run->rod.x, run->rod.m1);
    RG_TEAM_FOR(i, 0, n) {
        for (int c = 0; c < RGI_NS; c++) run->stress[RGI_NS * i + c] = RG_TERM(d.s[RGI_NS * i + c]);
        for (int c = 0; c < 2; c++) run->stress[RGI_NS * i + 1 + c] += RG_TERM(d.z[2 * i + c]);
        for (int c = 0; c < 3; c++) run->dy[RGI_NU * i + c] = RG_TERM(d.x[3 * i + c]);
        run->dy[RGI_NU * i + 3] = i < n - 1 ? RG_TERM(d.theta[i]) : zero;
    }
    RG_TEAM_SYNC();
    rgi_strain_adj(&run->rod, rg_set1(1.0), run->stress, run->dy);
    RG_TEAM_ONE
    for (int i = 0; pack->chord && i < n - 1; i++) {
        if (run->rod.fixed[i] & RGI_FIXED_THETA) continue;
        vec3 turn = rgi_run_chord_turn(run, pack, i);
        const real by[3] = {turn.x, turn.y, turn.z};
        for (int c = 0; c < 3; c++) {
            run->dy[RGI_NU * i + c] -= RG_TERM(run->dy[RGI_NU * i + 3] * by[c]);
            run->dy[RGI_NU * i + 4 + c] += RG_TERM(run->dy[RGI_NU * i + 3] * by[c]);
        }
    }
    RG_TEAM_SYNC();
    RG_TEAM_FOR(i, 0, n) {
        for (int c = 0; c < 3; c++) {
            pack->x0_bar[3 * i + c] = RG_TERM(run->dy[RGI_NU * i + c]);
            pack->v0_bar[3 * i + c] = RG_TERM(d.v[3 * i + c]);
        }
        pack->turn0_bar[i] = RG_TERM(run->dy[RGI_NU * i + 3]);
    }
}

/* run steps begin ... end - 1 again from the checkpoint (before, now); keep checkpoints of pieces of
 * `length` steps, or with length 0 every state, in `to` */
RG_FN void rgi_reverse_again(rgi_run *run, const rgi_kernel_pack *pack, int begin, int end, int length,
                             const real *before, const real *now, real *to)
{
    const size_t size = (size_t)RGI_STATE_REALS * (size_t)pack->n + 1;
    RG_TEAM_FOR(i, 0, length == 0 ? (int)size : 0) {
        to[i] = before[i];
        to[(int)size + i] = now[i];
    }
    rgi_state_load(run, before, now);
    for (int s = begin; s < end; s++) {
        if (length > 0 && (s - begin) % length == 0) {
            real *p = to + (size_t)((s - begin) / length) * 2u * size;
            rgi_state_save(run, p + size);
            RG_TEAM_FOR(i, 0, s == begin ? (int)size : 0) p[i] = before[i];
            RG_TEAM_SYNC();
        }
        /* the state before a later checkpoint */
        if (length > 0 && (s + 1 - begin) % length == 0 && s + 1 < end)
            rgi_state_save(run, to + (size_t)((s + 1 - begin) / length) * 2u * size);
        rgi_run_step(run, pack, s, 0, 0);
        rgi_run_accept(run, pack);
        if (length == 0) rgi_state_save(run, to + (size_t)(s + 2 - begin) * size);
    }
}

/* pack->plan and what the forward run kept in hand: all steps backwards. fast: as for rgi_run_steps */
RG_FN void rgi_reverse_steps(rgi_run *run, const rgi_kernel_pack *pack, real *fast)
{
    const rgi_plan *plan = pack->plan;
    const int levels = plan->levels, n = pack->n;
    const size_t size = (size_t)RGI_STATE_REALS * (size_t)n + 1;
    real *storage[RGI_PLAN_LEVELS];
    int begins[RGI_PLAN_LEVELS]; /* of the piece that a level's storage holds */
    rgi_run_init(run, pack, fast);
    storage[0] = pack->kept;
    storage[1] = pack->pool;
    for (int k = 2; k < levels; k++) storage[k] = storage[k - 1] + (size_t)rgi_plan_states(plan, k - 1) * size;
    for (int k = 0; k < levels; k++) begins[k] = k == 0 ? 0 : -1;
    RG_TEAM_FOR(i, 0, RGI_NT * n) run->bar[i] = rg_set1(0.0);
    RG_TEAM_FOR(i, 0, 2) run->spare_offset[i] = rg_set1(0.0);
    RG_TEAM_FOR(i, 0, 3) pack->adjoint_status[i] = rg_set1(i == 2 ? -1.0 : 0.0);
    RG_TEAM_FOR(i, 0, pack->want_coef ? RGI_NC * n : 0) pack->coef_bar[i] = rg_set1(0.0);
    RG_TEAM_FOR(i, 0, pack->want_coef ? 2 * pack->n_markers : 0) pack->offset_bar[i] = rg_set1(0.0);
    RG_TEAM_SYNC();
    for (int end = pack->n_steps; end > 0;) {
        int begin = 0, stop = pack->n_steps;
        /* down to the piece of the last level that ends here; what its levels keep, where that is not yet
         * there */
        for (int k = 1; k < levels; k++) {
            const int piece = (end - 1 - begin) / plan->length[k];
            const real *from = storage[k - 1] + (size_t)piece * 2u * size;
            begin += piece * plan->length[k];
            if (plan->length[k] < stop - begin) stop = begin + plan->length[k];
            if (begins[k] == begin) continue;
            rgi_reverse_again(run, pack, begin, stop, k == levels - 1 ? 0 : plan->length[k + 1], from, from + size,
                              storage[k]);
            begins[k] = begin;
            for (int deeper = k + 1; deeper < levels; deeper++) begins[deeper] = -1;
        }
        const real *states = storage[levels - 1];
        for (int s = end - 1; s >= begin; s--) {
            const real *at = states + (size_t)(s - begin) * size;
            rgi_reverse_step(run, pack, s, at, at + size, at + 2 * size);
        }
        end = begin;
    }
    rgi_reverse_growth(run, pack, 0);
    rgi_reverse_start(run, pack);
}

RG_FN void rgi_reverse_all(const rgi_kernel_pack *pack)
{
    rgi_run run;
    rgi_reverse_steps(&run, pack, 0);
}

#endif
