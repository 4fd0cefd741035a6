/* rollout.h: many steps of one rod (or pack): drive, step, observe, differentiate.
 *
 * Per step: prescribed values in, Newton to the solution, then, if asked, the exact Hessian there,
 * every direction through it, and at the end of a frame the residuals' share of the normal equations.
 * The arrays of rgi_pack are read and written as `real`: [..][W] doubles are one real. */
#ifndef RGI_ROLLOUT_H
#define RGI_ROLLOUT_H

#include "cpu/pack.h"
#include "step/observe.h"

#define RGI_REALS(p) ((real *)(void *)(p))
#define RGI_CREALS(p) ((const real *)(const void *)(p))

typedef struct rgi_run {
    rgi_rod rod;
    rgi_step step;
    rmask alive;
    real *tangents;       /* [directions][n][RGI_NT] */
    real *stress, *dy;    /* [n][4] scratch of one direction */
    real *jac, *weighted; /* [directions][3 n_free] */
    real *residual;       /* [2][3 n_free]: weight, residual */
} rgi_run;

RG_FN size_t rgi_run_reals(const rgi_pack *pack)
{
    size_t n = (size_t)pack->n, p = (size_t)pack->n_directions, rows = 3 * (size_t)pack->n_free;
    return (size_t)rgi_rod_reals(pack->n) + p * n * RGI_NT + 8 * n + 2 * p * rows + 2 * rows + 16;
}

/* strains and memory of the initial state, and its tangents */
RG_FN void rgi_run_start(rgi_run *run, const rgi_pack *pack)
{
    rgi_rod *rod = &run->rod;
    const int n = pack->n;
    for (int i = 0; i < 3 * n; i++) {
        rod->x[i] = rod->xp[i] = rod->y[i] = rod->base[i] = RGI_CREALS(pack->x0)[i];
        rod->v[i] = rod->vp[i] = RGI_CREALS(pack->v0)[i];
        rod->m1[i] = rod->y1[i] = rod->base1[i] = RGI_CREALS(pack->m0)[i];
    }
    for (int i = 0; i < 4 * n; i++) rod->sy[i] = rod->s[i] = rg_set1(0.0);
    rgi_strains(rod, rod->x, rod->m1);
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < RGI_NS; k++)
            rod->s[RGI_NS * i + k] = rod->sp[RGI_NS * i + k] = rod->sy[RGI_NS * i + k];
        for (int k = 0; k < 2; k++)
            rod->z[2 * i + k] = rod->zp[2 * i + k] = rod->sy[RGI_NS * i + 1 + k];
    }
    for (int i = 0; i < n * RGI_NT * pack->n_directions; i++) run->tangents[i] = rg_set1(0.0);
    if (pack->n_directions == 0 || !pack->dx0) return;
    /* strain gradients at the start: any step matrices will do, assembly leaves g and t */
    rgi_step_prepare(rod, run->step);
    (void)rgi_assemble(rod, rg_set1(1.0));
    for (int q = 0; q < pack->n_directions; q++) {
        rgi_tangent d = rgi_tangent_at(run->tangents + (size_t)q * (size_t)n * RGI_NT, n);
        const real *dx = RGI_CREALS(pack->dx0) + (size_t)q * 3u * (size_t)n;
        const real *dv = RGI_CREALS(pack->dv0) + (size_t)q * 3u * (size_t)n;
        for (int i = 0; i < 3 * n; i++) {
            d.x[i] = d.xp[i] = dx[i];
            d.v[i] = d.vp[i] = dv[i];
        }
        for (int i = 0; i < n; i++) {
            for (int k = 0; k < 3; k++) run->dy[RGI_NU * i + k] = dx[3 * i + k];
            run->dy[RGI_NU * i + 3] = rg_set1(0.0);
            if (i == n - 1 || (rod->fixed[i] & RGI_FIXED_THETA)) continue;
            /* the director came from the chord c by finite transport: moving t by dt turns it by
             * -(c x t).dt/(1 + c.t) beyond the transport along t's own path */
            vec3 c = v3_load(RGI_CREALS(pack->chord) + 3 * i), t = v3_load(rod->t + 4 * i);
            vec3 dt = v3_scale(rod->t[4 * i + 3],
                               v3_sub(v3_load(dx + 3 * i + 3), v3_load(dx + 3 * i)));
            run->dy[RGI_NU * i + 3] =
                -v3_dot(v3_cross(c, t), dt) / (RG_C(1.0) + v3_dot(c, t));
        }
        for (int i = 0; i < n; i++) {
            real ds[RGI_NS] = {rg_set1(0.0), rg_set1(0.0), rg_set1(0.0), rg_set1(0.0)};
            rgi_strain_jvp(rod, i, run->dy, ds);
            for (int k = 0; k < RGI_NS; k++) d.s[RGI_NS * i + k] = d.sp[RGI_NS * i + k] = ds[k];
            for (int k = 0; k < 2; k++) d.z[2 * i + k] = d.zp[2 * i + k] = ds[1 + k];
            d.theta[i] = run->dy[RGI_NU * i + 3];
        }
    }
}

RG_FN void rgi_run_drive(rgi_run *run, const rgi_pack *pack, int s)
{
    const real *x = RGI_CREALS(pack->drive_x) + (size_t)s * 3u * (size_t)pack->n_fixed_x;
    const real *m = RGI_CREALS(pack->drive_m) + (size_t)s * 3u * (size_t)pack->n_fixed_theta;
    for (int k = 0; k < pack->n_fixed_x; k++)
        v3_store(run->rod.y + 3 * pack->fixed_x[k], v3_load(x + 3 * k));
    for (int k = 0; k < pack->n_fixed_theta; k++)
        v3_store(run->rod.y1 + 3 * pack->fixed_theta[k], v3_load(m + 3 * k));
}

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

RG_FN void rgi_run_frame(rgi_run *run, const rgi_pack *pack, int f)
{
    const rgi_rod *rod = &run->rod;
    /* markers hang on the state's tangents: a frozen rod's trial is not its state */
    rgi_edges(&run->rod, rod->x);
    if (pack->markers)
        for (int k = 0; k < pack->n_markers; k++) {
            const real *offset = RGI_CREALS(pack->offset) + 2 * k;
            int i = pack->marker_vertices[k];
            vec3 at = v3_add(v3_load(rod->x + 3 * i),
                             rgi_marker_arm(rod, rod->m1, i, offset[0], offset[1]));
            v3_store(RGI_REALS(pack->markers) +
                         3 * ((size_t)f * (size_t)pack->n_markers + (size_t)k), at);
        }
    if (pack->markers_jvp)
        for (int q = 0; q < pack->n_directions; q++)
            for (int k = 0; k < pack->n_markers; k++) {
                size_t at = ((size_t)f * (size_t)pack->n_directions + (size_t)q) *
                                (size_t)pack->n_markers + (size_t)k;
                v3_store(RGI_REALS(pack->markers_jvp) + 3 * at,
                         rgi_run_marker_jvp(run, pack, q, k));
            }
    if (pack->recorded) rgi_run_fit(run, pack, f);
}

/* flag the lanes that `bad` names, if they were well so far */
RG_FN void rgi_run_flag(rgi_run *run, const rgi_pack *pack, rmask bad, int flag, int s)
{
    real *status = RGI_REALS(pack->status);
    rmask hit = rg_and(bad, run->alive);
    status[0] = rg_select(hit, rg_set1(flag), status[0]);
    status[1] = rg_select(hit, rg_set1(s), status[1]);
    run->alive = rg_and(run->alive, rg_not(hit));
}

RG_FN void rgi_run_all(const rgi_pack *pack)
{
    rgi_run run;
    real *work = RGI_REALS(pack->workspace);
    const int n = pack->n, p = pack->n_directions;
    const rgi_input_tangent none = {0, 0};
    run.rod.n = n;
    run.rod.plan.n = n;
    run.rod.plan.order = pack->order;
    run.rod.plan.first = pack->first;
    run.rod.plan.second = pack->second;
    run.rod.fixed = pack->fixed;
    run.rod.coef = RGI_CREALS(pack->coef);
    run.rod.f = 0;
    rgi_rod_bind(&run.rod, work);
    work += rgi_rod_reals(n);
    run.tangents = work, work += (size_t)p * (size_t)n * RGI_NT;
    run.stress = work, work += 4 * n;
    run.dy = work, work += 4 * n;
    run.jac = work, work += (size_t)p * 3u * (size_t)pack->n_free;
    run.weighted = work, work += (size_t)p * 3u * (size_t)pack->n_free;
    run.residual = work;
    run.step.h = pack->h;
    run.step.bdf2 = 0;
    run.step.tolerance = pack->tolerance;
    run.step.max_iterations = pack->max_iterations;
    for (int i = 0; i < 3; i++) run.step.gravity[i] = pack->gravity[i];

    real *status = RGI_REALS(pack->status);
    const real steps = *RGI_CREALS(pack->lane_steps);
    for (int i = 0; i < 5; i++) status[i] = rg_set1(0.0);
    run.alive = rg_lt(rg_set1(0.0), steps);
    rgi_run_start(&run, pack);
    for (int s = 0; s < pack->n_steps; s++) {
        run.alive = rg_and(run.alive, rg_lt(rg_set1(s), steps));
        /* the first step has one state behind it only */
        run.step.bdf2 = pack->bdf2 && s > 0;
        rgi_step_prepare(&run.rod, run.step);
        rgi_run_drive(&run, pack, s);
        rgi_step_predict(&run.rod, run.step);
        rgi_outcome out = rgi_step_solve(&run.rod, run.step, run.alive);
        if (p > 0)
            rgi_step_linearise(&run.rod, 0);
        else
            rgi_strains(&run.rod, run.rod.y, run.rod.y1);
        rgi_step_inspect(&run.rod, &out);
        rgi_run_flag(&run, pack, rg_not(out.finite), 2, s);
        rgi_run_flag(&run, pack, rg_not(out.converged), 1, s);
        rgi_run_flag(&run, pack, out.folded, 3, s);
        rgi_run_flag(&run, pack, out.wrapped, 4, s);
        status[2] = status[2] + out.iterations;
        status[3] = rg_max(status[3], out.iterations);
        status[4] = rg_max(status[4], rg_select(run.alive, out.increment, rg_set1(0.0)));
        for (int q = 0; q < p; q++) {
            int begin = pack->entry_begin[q], end = pack->entry_begin[q + 1];
            rgi_step_jvp(&run.rod, run.step, run.alive, 0,
                         rgi_tangent_at(run.tangents + (size_t)q * (size_t)n * RGI_NT, n), none,
                         (const rgi_entry *)(pack->entries + begin),
                         RGI_CREALS(pack->entry_values) + begin, end - begin, run.stress, run.dy);
        }
        rgi_step_accept(&run.rod, run.step, run.alive);
        if ((s + 1) % pack->substeps == 0) rgi_run_frame(&run, pack, s / pack->substeps);
    }
}

#endif
