/* run.h: one rod's (or pack's) run: its workspace, where inputs come from and outputs go to, its start, and
 * its states as checkpoints hold them.
 *
 * The arrays of rgi_pack are read and written as `real`: [..][W] doubles are one real; series stay where the
 * caller has them and are gathered lane by lane. */
#ifndef RGI_RUN_H
#define RGI_RUN_H

#include "cpu/pack.h"
#include "step/deform.h"
#include "step/observe.h"

#define RGI_REALS(p) ((real *)(void *)(p))
#define RGI_CREALS(p) ((const real *)(const void *)(p))

/* a state: x 3, v 3, m1 3, s 4, z 2 a node, and one real for `alive` */
enum { RGI_STATE = RGI_STATE_REALS };

typedef struct rgi_run {
    rgi_rod rod;
    rgi_step step;
    rgi_deform deform;
    rmask alive;
    real *force;          /* [n][3] */
    real *full;           /* [n][RGI_NH], or NULL */
    real *din_y, *din_f;  /* [n][4], [n][3] changes, or cotangents, of a step's inputs */
    real *tangents;       /* [directions][n][RGI_NT] */
    real *bar;            /* [n][RGI_NT] cotangent of the state */
    real *stress, *dy;    /* [n][4] scratch of one direction */
    real *jac, *weighted; /* [directions][3 n_free] */
    real *residual;       /* [2][3 n_free]: weight, residual */
    real *spare_offset;   /* [2] */
} rgi_run;

/* item of a series, lane by lane; lanes not in use repeat the first */
RG_FN real rgi_get(const rgi_series *a, int rods, int step, int item)
{
    real r;
    const rg_scalar *p = (const rg_scalar *)a->data + step * a->step + item * a->item;
    for (int i = 0; i < RGI_LANES; i++) RG_LANE(r, i) = p[(i < rods ? i : 0) * a->rod];
    return r;
}
RG_FN void rgi_put(const rgi_series *a, int rods, int step, int item, real value)
{
    rg_scalar *p = (rg_scalar *)a->data + step * a->step + item * a->item;
    for (int i = 0; i < rods && i < RGI_LANES; i++) p[i * a->rod] = RG_LANE(value, i);
}
RG_FN void rgi_put_many(const rgi_series *a, int rods, int step, int count, const real *values)
{
    for (int k = 0; a->data && k < count; k++) rgi_put(a, rods, step, k, values[k]);
}

RG_FN int rgi_run_needs_full(const rgi_pack *pack)
{
    return pack->ddrive_x.data || pack->ddrive_turn.data || pack->drive_x_bar.data ||
           pack->drive_turn_bar.data;
}

/* hand out the workspace from p; with run NULL only counts. Returns reals used. */
RG_FN size_t rgi_run_bind(rgi_run *run, const rgi_pack *pack, real *p)
{
    const size_t n = (size_t)pack->n, q = (size_t)pack->n_directions;
    const size_t rows = 3 * (size_t)pack->n_free;
    const size_t sizes[] = {(size_t)rgi_rod_reals(pack->n),
                            pack->deform ? rgi_deform_reals(pack->n, pack->sweeps) : 0,
                            pack->force.data ? 3 * n : 0,
                            rgi_run_needs_full(pack) ? RGI_NH * n : 0,
                            4 * n,
                            3 * n,
                            q * n * RGI_NT,
                            pack->plan ? n * RGI_NT : 0,
                            4 * n,
                            4 * n,
                            q * rows,
                            q * rows,
                            2 * rows,
                            2};
    size_t at[sizeof sizes / sizeof *sizes], used = 0;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        at[k] = used;
        used += sizes[k];
    }
    if (!run) return used;
    run->rod.n = pack->n;
    rgi_rod_bind(&run->rod, p + at[0]);
    if (pack->deform) rgi_deform_bind(&run->deform, pack->n, pack->sweeps, p + at[1]);
    run->force = pack->force.data ? p + at[2] : 0;
    run->full = rgi_run_needs_full(pack) ? p + at[3] : 0;
    run->din_y = p + at[4];
    run->din_f = p + at[5];
    run->tangents = p + at[6];
    run->bar = p + at[7];
    run->stress = p + at[8];
    run->dy = p + at[9];
    run->jac = p + at[10];
    run->weighted = p + at[11];
    run->residual = p + at[12];
    run->spare_offset = p + at[13];
    return used;
}

/* everything of a run but the state */
RG_FN void rgi_run_init(rgi_run *run, const rgi_pack *pack)
{
    (void)rgi_run_bind(run, pack, RGI_REALS(pack->workspace));
    run->rod.plan.n = pack->n;
    run->rod.plan.order = pack->order;
    run->rod.plan.first = pack->first;
    run->rod.plan.second = pack->second;
    run->rod.fixed = pack->fixed;
    run->rod.coef = RGI_CREALS(pack->coef);
    run->rod.f = run->force;
    run->step.h = pack->h;
    run->step.bdf2 = 0;
    run->step.tolerance = pack->tolerance;
    run->step.max_iterations = pack->max_iterations;
    run->step.sweeps = pack->sweeps;
    for (int i = 0; i < 3; i++) run->step.gravity[i] = pack->gravity[i];
    for (int i = 0; i < RGI_NU * pack->n; i++) run->din_y[i] = rg_set1(0.0);
    for (int i = 0; i < 3 * pack->n; i++) run->din_f[i] = rg_set1(0.0);
}

/* strain gradients and tangents at the start: any step matrices will do, assembly leaves g and t */
RG_FN void rgi_run_start_gradients(rgi_run *run)
{
    const real *force = run->rod.f;
    run->rod.f = 0;
    rgi_step_prepare(&run->rod, run->step);
    (void)rgi_assemble(&run->rod, rg_set1(1.0));
    run->rod.f = force;
}

/* A director that came from the chord c by finite transport: moving the edge e turns it by
 * -(c x t).dt/(1 + c.t), dt = de/|e|, beyond the transport along t's own path; the factor of de. */
RG_FN vec3 rgi_run_chord_turn(const rgi_run *run, const rgi_pack *pack, int i)
{
    vec3 c = v3_load(RGI_CREALS(pack->chord) + 3 * i), t = v3_load(run->rod.t + 4 * i);
    return v3_scale(-run->rod.t[4 * i + 3] / (RG_C(1.0) + v3_dot(c, t)), v3_cross(c, t));
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
    rgi_run_start_gradients(run);
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
            if (i == n - 1) continue;
            if (pack->dturn0)
                run->dy[RGI_NU * i + 3] =
                    RGI_CREALS(pack->dturn0)[(size_t)q * (size_t)n + (size_t)i];
            if (!pack->chord || (rod->fixed[i] & RGI_FIXED_THETA)) continue;
            vec3 turn = rgi_run_chord_turn(run, pack, i);
            run->dy[RGI_NU * i + 3] +=
                v3_dot(turn, v3_sub(v3_load(dx + 3 * i + 3), v3_load(dx + 3 * i)));
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

/* what a step takes: prescribed positions and directors into the trial, external forces */
RG_FN void rgi_run_drive(rgi_run *run, const rgi_pack *pack, int s)
{
    for (int k = 0; k < pack->n_fixed_x; k++)
        for (int c = 0; c < 3; c++)
            run->rod.y[3 * pack->fixed_x[k] + c] = rgi_get(&pack->drive_x, pack->rods, s, 3 * k + c);
    for (int k = 0; k < pack->n_fixed_theta; k++)
        for (int c = 0; c < 3; c++)
            run->rod.y1[3 * pack->fixed_theta[k] + c] =
                rgi_get(&pack->drive_m, pack->rods, s, 3 * k + c);
    for (int i = 0; run->force && i < 3 * pack->n; i++)
        run->force[i] = rgi_get(&pack->force, pack->rods, s, i);
}

/* changes of these inputs in direction 0 */
RG_FN rgi_input_tangent rgi_run_drive_jvp(rgi_run *run, const rgi_pack *pack, int s)
{
    rgi_input_tangent in = {0, 0};
    for (int k = 0; pack->ddrive_x.data && k < pack->n_fixed_x; k++)
        for (int c = 0; c < 3; c++)
            run->din_y[RGI_NU * pack->fixed_x[k] + c] =
                rgi_get(&pack->ddrive_x, pack->rods, s, 3 * k + c);
    for (int k = 0; pack->ddrive_turn.data && k < pack->n_fixed_theta; k++)
        run->din_y[RGI_NU * pack->fixed_theta[k] + 3] = rgi_get(&pack->ddrive_turn, pack->rods, s, k);
    for (int i = 0; pack->dforce.data && i < 3 * pack->n; i++)
        run->din_f[i] = rgi_get(&pack->dforce, pack->rods, s, i);
    if (pack->ddrive_x.data || pack->ddrive_turn.data) in.y = run->din_y;
    if (pack->dforce.data) in.f = run->din_f;
    return in;
}

/* the state now, into p [RGI_STATE n + 1] */
RG_FN void rgi_state_save(const rgi_run *run, real *p)
{
    const rgi_rod *rod = &run->rod;
    const int n = rod->n;
    RG_TEAM_FOR(i, 0, 3 * n)
    {
        p[i] = rod->x[i];
        p[3 * n + i] = rod->v[i];
        p[6 * n + i] = rod->m1[i];
    }
    RG_TEAM_FOR(i, 0, 4 * n) p[9 * n + i] = rod->s[i];
    RG_TEAM_FOR(i, 0, 2 * n) p[13 * n + i] = rod->z[i];
    p[RGI_STATE * n] = rg_select(run->alive, rg_set1(1.0), rg_set1(0.0));
}

RG_FN rmask rgi_state_alive(const real *p, int n)
{
    return rg_lt(rg_set1(0.5), p[RGI_STATE * n]);
}

/* the state `now` with `before` behind it */
RG_FN void rgi_state_load(rgi_run *run, const real *before, const real *now)
{
    rgi_rod *rod = &run->rod;
    const int n = rod->n;
    RG_TEAM_FOR(i, 0, 3 * n)
    {
        rod->x[i] = now[i];
        rod->v[i] = now[3 * n + i];
        rod->m1[i] = rod->y1[i] = now[6 * n + i];
        rod->xp[i] = before[i];
        rod->vp[i] = before[3 * n + i];
    }
    RG_TEAM_FOR(i, 0, 4 * n)
    {
        rod->s[i] = now[9 * n + i];
        rod->sp[i] = before[9 * n + i];
    }
    RG_TEAM_FOR(i, 0, 2 * n)
    {
        rod->z[i] = now[13 * n + i];
        rod->zp[i] = before[13 * n + i];
    }
    run->alive = rgi_state_alive(now, n);
    RG_TEAM_SYNC();
}

#endif
