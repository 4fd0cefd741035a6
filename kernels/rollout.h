/* rollout.h: many steps of one rod (or pack): drive, step, observe, differentiate.
 *
 * Per step: prescribed values in, the stepper to the solution, then, if asked, its linearisation there,
 * every direction through it, and at the end of a frame the outputs and the residuals' share of the
 * normal equations. */
#ifndef RGI_ROLLOUT_H
#define RGI_ROLLOUT_H

#include "run.h"

/* derivative of marker k's position in direction q, after rgi_step_accept */
RG_FN vec3 rgi_run_marker_jvp(const rgi_run *run, const rgi_pack *pack, int q, int k)
{
    const rgi_rod *rod = &run->rod;
    const real *offset = RGI_CREALS(pack->offset) + 2 * k;
    int i = pack->marker_vertices[k];
    rgi_tangent d = rgi_tangent_at(run->tangents + (size_t)q * (size_t)pack->n * RGI_NT, pack->n);
    vec3 r = v3_add(v3_load(d.x + 3 * i),
                    rgi_marker_arm_jvp(rod, rod->m1, i, offset[0], offset[1], d.x, d.theta));
    for (int e = pack->entry_begin[q]; e < pack->entry_begin[q + 1]; e++) {
        if (pack->entries[e].coefficient < RGI_NC || pack->entries[e].node != k) continue;
        real value = RGI_CREALS(pack->entry_values)[e], zero = rg_set1(0.0);
        int second = pack->entries[e].coefficient == RGI_O2;
        r = v3_add(r, rgi_marker_arm(rod, rod->m1, i, second ? zero : value, second ? value : zero));
    }
    return r;
}

/* loss, gradient and normal matrix of frame f (0 = the first predicted) */
RG_FN void rgi_run_fit(rgi_run *run, const rgi_pack *pack, int f)
{
    const rgi_rod *rod = &run->rod;
    const int rows = 3 * pack->n_free, p = pack->n_directions;
    const real floor_ = rg_set1(pack->floor), zero = rg_set1(0.0);
    real *weight = run->residual, *residual = weight + rows, *loss = RGI_REALS(pack->loss);
    for (int k = 0; k < pack->n_free; k++) {
        int m = pack->free_markers[k], i = pack->marker_vertices[m];
        const real *offset = RGI_CREALS(pack->offset) + 2 * m;
        const real *to = RGI_CREALS(pack->recorded) + (size_t)f * (size_t)rows + 3 * k;
        real used = RGI_CREALS(pack->weight)[(size_t)f * (size_t)pack->n_free + (size_t)k];
        vec3 at = v3_add(v3_load(rod->x + 3 * i),
                         rgi_marker_arm(rod, rod->m1, i, offset[0], offset[1]));
        const real r[3] = {at.x - to[0], at.y - to[1], at.z - to[2]};
        for (int c = 0; c < 3; c++) {
            real size = rg_abs(r[c]), inner = RG_C(0.5) * size * size / floor_;
            /* a failed rod still counts, where it stopped, but pulls no parameter */
            real w = rg_select(run->alive, used / rg_max(size, floor_), zero);
            loss[0] += used * rg_select(rg_lt(size, floor_), inner, size - RG_C(0.5) * floor_);
            loss[1] += used * size;
            loss[2] += used * rg_select(rg_lt(size, floor_), RG_C(1.0) / floor_, zero);
            loss[3] += w;
            weight[3 * k + c] = w;
            residual[3 * k + c] = w * r[c];
        }
    }
    if (p == 0) return;
    real *gradient = RGI_REALS(pack->gradients) + (size_t)(f / pack->block) * (size_t)p;
    for (int q = 0; q < p; q++) {
        real *j = run->jac + q * rows, *wj = run->weighted + q * rows, sum = zero;
        for (int k = 0; k < pack->n_free; k++)
            v3_store(j + 3 * k, rgi_run_marker_jvp(run, pack, q, pack->free_markers[k]));
        for (int r = 0; r < rows; r++) {
            j[r] = rg_select(run->alive, j[r], zero);
            wj[r] = weight[r] * j[r];
            sum += residual[r] * j[r];
        }
        gradient[q] += sum;
    }
    rgi_normal_add(run->jac, run->weighted, p, rows, RGI_REALS(pack->normal));
}

RG_FN vec3 rgi_run_marker(const rgi_run *run, const rgi_pack *pack, int k)
{
    const real *offset = RGI_CREALS(pack->offset) + 2 * k;
    int i = pack->marker_vertices[k];
    return v3_add(v3_load(run->rod.x + 3 * i),
                  rgi_marker_arm(&run->rod, run->rod.m1, i, offset[0], offset[1]));
}

RG_FN void rgi_run_frame(rgi_run *run, const rgi_pack *pack, int f)
{
    const rgi_rod *rod = &run->rod;
    const int n = pack->n, rods = pack->rods;
    /* markers hang on the state's tangents: a frozen rod's trial is not its state */
    rgi_edges(&run->rod, rod->x);
    rgi_put_many(&pack->out_x, rods, f, 3 * n, rod->x);
    rgi_put_many(&pack->out_v, rods, f, 3 * n, rod->v);
    rgi_put_many(&pack->out_m, rods, f, 3 * (n - 1), rod->m1);
    for (int k = 0; (pack->markers || pack->out_markers.data) && k < pack->n_markers; k++) {
        real at[3];
        v3_store(at, rgi_run_marker(run, pack, k));
        for (int c = 0; c < 3; c++) {
            if (pack->out_markers.data) rgi_put(&pack->out_markers, rods, f, 3 * k + c, at[c]);
            if (pack->markers)
                RGI_REALS(pack->markers)
                [3 * ((size_t)f * (size_t)pack->n_markers + (size_t)k) + (size_t)c] = at[c];
        }
    }
    if (pack->markers_jvp)
        for (int q = 0; q < pack->n_directions; q++)
            for (int k = 0; k < pack->n_markers; k++) {
                size_t at = ((size_t)f * (size_t)pack->n_directions + (size_t)q) *
                                (size_t)pack->n_markers + (size_t)k;
                v3_store(RGI_REALS(pack->markers_jvp) + 3 * at,
                         rgi_run_marker_jvp(run, pack, q, k));
            }
    if (pack->n_directions > 0) {
        rgi_tangent d = rgi_tangent_at(run->tangents, n);
        rgi_put_many(&pack->out_dx, rods, f, 3 * n, d.x);
        rgi_put_many(&pack->out_dv, rods, f, 3 * n, d.v);
        rgi_put_many(&pack->out_dturn, rods, f, n - 1, d.theta);
        for (int k = 0; pack->out_dmarkers.data && k < pack->n_markers; k++) {
            real at[3];
            v3_store(at, rgi_run_marker_jvp(run, pack, 0, k));
            for (int c = 0; c < 3; c++) rgi_put(&pack->out_dmarkers, rods, f, 3 * k + c, at[c]);
        }
    }
    if (pack->recorded) rgi_run_fit(run, pack, f);
}

/* The deform stepper is explicit in bending: where the step is too long for the stiffness, vertices fly
 * apart faster than the sweeps bring edges back to their lengths. */
RG_FN rmask rgi_run_unstable(const rgi_run *run, int i)
{
    const rgi_rod *rod = &run->rod;
    vec3 e = v3_sub(v3_load(rod->y + 3 * i + 3), v3_load(rod->y + 3 * i));
    real most = RG_C(1.5) * rod->coef[RGI_NC * i + RGI_L];
    return rg_lt(most * most, v3_dot(e, e));
}

/* flag the lanes that `bad` names, if they were well so far; status NULL: only stop them */
RG_FN void rgi_run_flag(rgi_run *run, real *status, rmask bad, int flag, int s)
{
    rmask hit = rg_and(bad, run->alive);
    run->alive = rg_and(run->alive, rg_not(hit));
    if (!status || !rg_any(hit)) return;
    status[0] = rg_select(hit, rg_set1(flag), status[0]);
    status[1] = rg_select(hit, rg_set1(s), status[1]);
    real node = rgi_step_locate(&run->rod, flag);
    for (int i = run->rod.n - 2; flag == 5 && i >= 0; i--)
        node = rg_select(rgi_run_unstable(run, i), rg_set1(i), node);
    status[5] = rg_select(hit, node, status[5]);
}

/* Step s up to its acceptance: the trial ends at the solution; lanes that failed are no longer alive.
 * status [6]: flags and counts, or NULL. */
RG_FN void rgi_run_step(rgi_run *run, const rgi_pack *pack, int s, int linearise, real *status)
{
    rgi_outcome out;
    const rgi_rod *rod = &run->rod;
    run->alive = rg_and(run->alive, rg_lt(rg_set1(s), *RGI_CREALS(pack->lane_steps)));
    /* the first step has one state behind it only */
    run->step.bdf2 = pack->bdf2 && !pack->deform && s > 0;
    rgi_run_drive(run, pack, s);
    rgi_step_prepare(&run->rod, run->step);
    if (pack->deform) {
        out = rgi_deform_solve(&run->rod, run->step, &run->deform, run->alive);
        if (linearise) rgi_deform_linearise(&run->rod, run->step, &run->deform);
    } else {
        rgi_step_predict(&run->rod, run->step);
        out = rgi_step_solve(&run->rod, run->step, run->alive);
        if (linearise)
            rgi_step_linearise(&run->rod, run->full);
        else
            rgi_strains(&run->rod, run->rod.y, run->rod.y1);
    }
    rgi_step_inspect(&run->rod, &out);
    rgi_run_flag(run, status, rg_not(out.finite), 2, s);
    rgi_run_flag(run, status, rg_not(out.converged), 1, s);
    rgi_run_flag(run, status, out.folded, 3, s);
    rgi_run_flag(run, status, out.wrapped, 4, s);
    rmask unstable = rg_false();
    for (int i = 0; pack->deform && i < pack->n - 1; i++) {
        /* grippers may hold an edge longer than it is */
        if ((rod->fixed[i] & rod->fixed[i + 1]) & RGI_FIXED_X) continue;
        unstable = rg_or(unstable, rgi_run_unstable(run, i));
    }
    rgi_run_flag(run, status, unstable, 5, s);
    if (!status) return;
    status[2] = status[2] + out.iterations;
    status[3] = rg_max(status[3], out.iterations);
    status[4] = rg_max(status[4], rg_select(run->alive, out.increment, rg_set1(0.0)));
}

RG_FN void rgi_run_accept(rgi_run *run, const rgi_pack *pack)
{
    if (pack->deform)
        rgi_deform_accept(&run->rod, run->step, run->alive);
    else
        rgi_step_accept(&run->rod, run->step, run->alive);
}

/* what the forward run keeps of the state that step s ends with (s = -1: the start) */
RG_FN void rgi_run_keep(const rgi_run *run, const rgi_pack *pack, int s, real *last)
{
    const rgi_plan *plan = pack->plan;
    const size_t size = (size_t)RGI_STATE * (size_t)pack->n + 1;
    real *kept = RGI_REALS(pack->kept);
    if (plan->levels == 1) {
        rgi_state_save(run, kept + (size_t)(s + 2) * size);
        if (s < 0) rgi_state_save(run, kept);
        return;
    }
    /* a checkpoint needs the state before as well: `last` holds it */
    if ((s + 1) % plan->length[1] == 0 && s + 1 < pack->n_steps) {
        real *p = kept + (size_t)((s + 1) / plan->length[1]) * 2u * size;
        rgi_state_save(run, p + size);
        for (size_t i = 0; i < size; i++) p[i] = s < 0 ? p[size + i] : last[i];
    }
    if ((s + 2) % plan->length[1] == 0) rgi_state_save(run, last);
}

RG_FN void rgi_run_all(const rgi_pack *pack)
{
    rgi_run run;
    const int n = pack->n, p = pack->n_directions;
    real *status = RGI_REALS(pack->status);
    rgi_run_init(&run, pack);
    for (int i = 0; i < 6; i++) status[i] = rg_set1(i == 5 ? -1.0 : 0.0);
    run.alive = rg_lt(rg_set1(0.0), *RGI_CREALS(pack->lane_steps));
    rgi_run_start(&run, pack);
    real *last = RGI_REALS(pack->pool);
    if (pack->plan) rgi_run_keep(&run, pack, -1, last);
    for (int s = 0; s < pack->n_steps; s++) {
        const rgi_input_tangent none = {0, 0}, in = rgi_run_drive_jvp(&run, pack, s);
        rgi_run_step(&run, pack, s, p > 0, status);
        for (int q = 0; q < p; q++) {
            int begin = pack->entry_begin[q], count = pack->entry_begin[q + 1] - begin;
            const rgi_entry *entries = (const rgi_entry *)(pack->entries + begin);
            const real *values = RGI_CREALS(pack->entry_values) + begin;
            rgi_tangent d = rgi_tangent_at(run.tangents + (size_t)q * (size_t)n * RGI_NT, n);
            if (pack->deform)
                rgi_deform_jvp(&run.rod, run.step, &run.deform, run.alive, d, q == 0 ? in : none,
                               entries, values, count, run.stress, run.dy);
            else
                rgi_step_jvp(&run.rod, run.step, run.alive, run.full, d, q == 0 ? in : none, entries,
                             values, count, run.stress, run.dy);
        }
        rgi_run_accept(&run, pack);
        if (pack->plan) rgi_run_keep(&run, pack, s, last);
        if ((s + 1) % pack->substeps == 0) rgi_run_frame(&run, pack, s / pack->substeps);
    }
}

#endif
