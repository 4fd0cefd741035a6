/* run.h: one rod's (or pack's) run: its workspace, where inputs come from and outputs go to, its start, and
 * its states as checkpoints hold them.
 *
 * The arrays of a pack are read and written as `real`: [..][W] numbers are one real; series stay where the
 * caller has them and are gathered lane by lane. */
#ifndef RGI_RUN_H
#define RGI_RUN_H

#include "pack.h"
#include "series.h"
#include "step/deform.h"
#include "step/energy.h"
#include "step/observe.h"

/* a GPU has kernels for each stepper */
#ifndef RGI_DEFORM
#define RGI_DEFORM(pack) ((pack)->deform)
#endif

/* Real k of an array of kind NUMBER: read it, write it, add to it. The host's are doubles, so that a pack of floats
 * converts, and its sums over frames lose nothing; a device has copies in what it computes in. */
#if defined(RGI_REAL_FLOAT) && !defined(__CUDACC__) && !defined(RGI_SHIM)
#define RGI_HOST_DOUBLES 1
typedef double rgi_stored;
RG_FN real rgi_load(const rgi_stored *p, size_t k)
{
    real r;
    for (int i = 0; i < RGI_LANES; i++) RG_LANE(r, i) = (rg_scalar)p[k * RGI_LANES + (size_t)i];
    return r;
}
RG_FN void rgi_store(rgi_stored *p, size_t k, real value)
{
    for (int i = 0; i < RGI_LANES; i++) p[k * RGI_LANES + (size_t)i] = (double)RG_LANE(value, i);
}
RG_FN void rgi_add(rgi_stored *p, size_t k, real value)
{
    for (int i = 0; i < RGI_LANES; i++) p[k * RGI_LANES + (size_t)i] += (double)RG_LANE(value, i);
}
#else
#define RGI_HOST_DOUBLES 0
typedef real rgi_stored;
RG_FN real rgi_load(const rgi_stored *p, size_t k) { return p[k]; }
RG_FN void rgi_store(rgi_stored *p, size_t k, real value) { p[k] = value; }
RG_FN void rgi_add(rgi_stored *p, size_t k, real value) { p[k] += value; }
#endif
RG_FN vec3 rgi_load3(const rgi_stored *p, size_t k)
{
    return v3(rgi_load(p, k), rgi_load(p, k + 1), rgi_load(p, k + 2));
}

/* a pack as kernels see it: the host's, or a device's, with the arrays' types */
#define RGI_ARRAY_NUMBER rgi_stored *
#define RGI_ARRAY_IN real *
#define RGI_ARRAY_IO real *
#define RGI_ARRAY_OWN real *
typedef struct rgi_kernel_pack {
#include "pack_members.h"
} rgi_kernel_pack;
#undef RGI_ARRAY_NUMBER
#undef RGI_ARRAY_IN
#undef RGI_ARRAY_IO
#undef RGI_ARRAY_OWN

#if !defined(__cplusplus)
_Static_assert(sizeof(rgi_kernel_pack) == sizeof(rgi_pack), "structs of one layout");
_Static_assert(sizeof(rgi_device_pack) == sizeof(rgi_pack), "structs of one layout");
#endif
#if !defined(__CUDACC__)
#include <string.h>
/* The host's pack for kernels of doubles, or with the arrays that a run works on in place still to be replaced. */
static inline rgi_kernel_pack rgi_kernel_pack_of(const rgi_pack *pack)
{
    rgi_kernel_pack to;
    memcpy(&to, pack, sizeof to); /* structs of one layout */
    return to;
}
#endif

/* Frames whose rows, about so many, wait until the normal matrix, larger than a cache, takes them all at once */
enum { RGI_NORMAL_ROWS = 108 };
RG_FN int rgi_run_normal_frames(const rgi_kernel_pack *pack)
{
    const int rows = 3 * pack->n_free;
    return rows > 0 && rows < RGI_NORMAL_ROWS ? RGI_NORMAL_ROWS / rows : 1;
}

/* One for a team, in memory that its lanes share: written by one lane between barriers. */
typedef struct rgi_run {
    rgi_rod rod;
    rgi_step step;
    rgi_deform deform;
    rmask alive;
    int carried;         /* the lanes that take the first step go on from the last run's end */
    real *force;         /* [n][3] */
    real *full;          /* [n][RGI_NH], or NULL */
    real *din_y, *din_f; /* [directions][n][4], [directions][n][3] changes, or [n] cotangents, of a step's inputs */
    real *tangents;      /* [directions][n][RGI_NT] */
    int odd;             /* of them (rgi_tangent_at) */
    real *bar;           /* [n][RGI_NT] cotangent of the state */
    real *stress, *dy;   /* [n][4] scratch of one direction */
    rgi_forces forces;   /* changes in direction 0 (rgi_run_forces_along), or cotangents */
    real *first_turn;    /* [n][RGI_TURN_REALS] of lanes that took the first step before the others, or NULL */
    real *side;          /* [RGI_SIDES][n][RGI_JVP_SCRATCH] scratch of directions next to each other */
    real *jac;           /* [directions][frames][3 n_free] derivatives times sqrt(weight) */
    real *residual;      /* [2][3 n_free]: weight times residual, sqrt(weight) */
    real *spare_offset;  /* [2] */
} rgi_run;

/* what direction q has of a series of tangents */
RG_FN rgi_series_in rgi_in_along(const rgi_kernel_pack *pack, const rgi_series_in *a, int q)
{
    rgi_series_in to = *a;
    if (a->data) to.data = rgi_numbers_in(a->data, a->single, (ptrdiff_t)q * pack->all_rods * a->rod);
    return to;
}
RG_FN rgi_series_out rgi_out_along(const rgi_kernel_pack *pack, const rgi_series_out *a, int q)
{
    rgi_series_out to = *a;
    if (a->data) to.data = rgi_numbers_out(a->data, a->single, (ptrdiff_t)q * pack->all_rods * a->rod);
    return to;
}

/* are changes or cotangents of reactions asked for? */
RG_FN int rgi_run_needs_reactions(const rgi_kernel_pack *pack)
{
    return pack->out_dreaction.data || pack->out_dtorque.data || pack->reaction_bar.data || pack->torque_bar.data;
}

/* is the Hessian with prescribed unknowns? */
RG_FN int rgi_run_needs_full(const rgi_kernel_pack *pack)
{
    return pack->ddrive_x.data || pack->ddrive_turn.data || pack->drive_x_bar.data || pack->drive_turn_bar.data ||
           rgi_run_needs_reactions(pack);
}

/* are forces among the outputs, or among their changes or cotangents? */
RG_FN int rgi_run_puts_forces(const rgi_kernel_pack *pack)
{
    return pack->out_tension.data || pack->out_reaction.data || pack->out_torque.data || pack->out_moment.data;
}
RG_FN int rgi_run_needs_forces(const rgi_kernel_pack *pack)
{
    return pack->out_dtension.data || pack->tension_bar.data || pack->out_dmoment.data || pack->moment_bar.data ||
           rgi_run_needs_reactions(pack);
}
/* are changes of outputs along the directions asked for? */
RG_FN int rgi_run_puts_tangents(const rgi_kernel_pack *pack)
{
    int any = 0;
#define RGI_ANY(name, rows, width, source, ...)                                                                        \
    any = any || (RGI_OF_##source == RGI_OF_tangent_outputs && pack->name.data);
    RGI_PACK_SERIES(RGI_ANY)
#undef RGI_ANY
    return any;
}
/* directions that have a step's inputs, and forces, of their own in memory; cotangents count as one */
RG_FN int rgi_run_inputs_along(const rgi_kernel_pack *pack)
{
    const int any = pack->ddrive_x.data || pack->ddrive_turn.data || pack->dforce.data;
    return any && pack->n_directions > 1 ? pack->n_directions : 1;
}
/* must lanes of a pack keep what the first step's forces are made of (rgi_run_first_swap)? */
RG_FN int rgi_run_needs_first(const rgi_kernel_pack *pack)
{
    return RGI_LANES > 1 && pack->carried && rgi_run_puts_forces(pack);
}

/* reals that a step works on: what a GPU keeps on its multiprocessor */
RG_FN size_t rgi_run_step_reals(const rgi_kernel_pack *pack)
{
    return (size_t)rgi_rod_step_reals(pack->n) + 8 * (size_t)pack->n +
           (RGI_DEFORM(pack) ? rgi_deform_step_reals(pack->n) : 0);
}

/* directions that have scratch of their own at a time */
enum { RGI_SIDES = RGI_TEAM * RGI_BESIDE };

/* reals a node that a step's forces are made of: w, a, c; of rgi_forces */
enum { RGI_TURN_REALS = RGI_NW + 4, RGI_FORCE_REALS = 1 + RGI_NU + 3 };

/* hand out the rest of the workspace from p, with scratch for `sides` directions; with run NULL only counts. Returns
 * reals used. */
RG_FN size_t rgi_run_bind_rest(rgi_run *run, const rgi_kernel_pack *pack, real *p, size_t sides)
{
    const size_t n = (size_t)pack->n, q = (size_t)pack->n_directions;
    const size_t rows = pack->recorded ? 3 * (size_t)pack->n_free : 0, in = (size_t)rgi_run_inputs_along(pack);
    const size_t sizes[] = {(size_t)rgi_rod_state_reals(pack->n),
                            RGI_DEFORM(pack) ? rgi_deform_kept_reals(pack->n, pack->sweeps) : 0,
                            pack->force.data ? 3 * n : 0,
                            rgi_run_needs_full(pack)    ? RGI_NH * n
                            : rgi_run_needs_first(pack) ? RGI_TURN_REALS * n
                                                        : 0,
                            4 * n * in,
                            3 * n * in,
                            q * n * RGI_NT,
                            pack->plan ? n * RGI_NT : 0,
                            q ? sides * RGI_JVP_SCRATCH * n : 0,
                            pack->rows ? 0 : q * rows * (size_t)rgi_run_normal_frames(pack),
                            2 * rows,
                            2,
                            rgi_run_needs_forces(pack) ? RGI_FORCE_REALS * n * (q > 1 ? q : 1) : 0};
    size_t at[sizeof sizes / sizeof *sizes], used = 0;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        at[k] = used;
        used += sizes[k];
    }
    if (!run) return used;
    rgi_rod_bind_state(&run->rod, p + at[0]);
    if (RGI_DEFORM(pack)) rgi_deform_bind_kept(&run->deform, pack->n, p + at[1]);
    run->force = pack->force.data ? p + at[2] : 0;
    run->full = rgi_run_needs_full(pack) ? p + at[3] : 0;
    run->din_y = p + at[4];
    run->din_f = p + at[5];
    run->tangents = p + at[6];
    run->bar = p + at[7];
    run->side = p + at[8];
    run->jac = p + at[9];
    run->residual = p + at[10];
    run->spare_offset = p + at[11];
    run->first_turn = p + at[3];
    run->forces.tension = pack->out_dtension.data || pack->tension_bar.data ? p + at[12] : 0;
    run->forces.reaction = rgi_run_needs_reactions(pack) ? p + at[12] + n : 0;
    run->forces.moment = pack->out_dmoment.data || pack->moment_bar.data ? p + at[12] + (1 + RGI_NU) * n : 0;
    return used;
}

/* the whole workspace in one; `fast`: of rgi_run_step_reals, or NULL to take them from p as well */
RG_FN size_t rgi_run_bind(rgi_run *run, const rgi_kernel_pack *pack, real *p, real *fast)
{
    const size_t rest = rgi_run_bind_rest(0, pack, 0, RGI_SIDES), n = (size_t)pack->n;
    if (!run) return rest + rgi_run_step_reals(pack);
    run->rod.n = pack->n;
    (void)rgi_run_bind_rest(run, pack, p, RGI_SIDES);
    if (!fast) fast = p + rest;
    rgi_rod_bind_step(&run->rod, fast);
    fast += rgi_rod_step_reals(pack->n);
    run->stress = fast;
    run->dy = fast + 4 * n;
    if (RGI_DEFORM(pack)) rgi_deform_bind_step(&run->deform, pack->n, run->rod.hess, fast + 8 * n);
    return rest + rgi_run_step_reals(pack);
}

/* each lane's scratch for directions of its own */
RG_FN real *rgi_run_side(const rgi_run *run)
{
    return run->side + (size_t)RG_TEAM_LANE * RGI_BESIDE * RGI_JVP_SCRATCH * (size_t)run->rod.n;
}

/* direction q's state */
RG_FN rgi_tangent rgi_run_tangent(const rgi_run *run, int q)
{
    const int n = run->rod.n;
    return rgi_tangent_at(run->tangents + (size_t)q * (size_t)n * RGI_NT, n, run->odd);
}

/* where changes of forces in direction q go */
RG_FN rgi_forces rgi_run_forces_along(const rgi_run *run, int q)
{
    const size_t apart = (size_t)q * RGI_FORCE_REALS * (size_t)run->rod.n;
    rgi_forces to = run->forces;
    if (to.tension) to.tension += apart;
    if (to.reaction) to.reaction += apart;
    if (to.moment) to.moment += apart;
    return to;
}

/* which lanes of a pack go on */
RG_FN void rgi_run_set_alive(rgi_run *run, rmask alive)
{
    RG_TEAM_SYNC();
    RG_TEAM_ONE { run->alive = alive; }
    RG_TEAM_SYNC();
}

/* the trial is where a step ended: positions and directors [n][3] */
RG_FN void rgi_run_set_trial(rgi_run *run, const real *y, const real *y1)
{
    RG_TEAM_FOR(i, 0, 3 * run->rod.n) {
        run->rod.y[i] = y[i];
        run->rod.y1[i] = y1[i];
    }
    RG_TEAM_SYNC();
}

/* everything of a run but the state */
RG_FN void rgi_run_init(rgi_run *run, const rgi_kernel_pack *pack, real *fast)
{
    RG_TEAM_ONE
    {
        (void)rgi_run_bind(run, pack, pack->workspace, fast);
        run->rod.plan.n = pack->n;
        run->rod.plan.order = pack->order;
        run->rod.plan.first = pack->first;
        run->rod.plan.second = pack->second;
        run->rod.fixed = pack->fixed;
        run->rod.coef = pack->coef;
        run->rod.f = run->force;
        run->rod.normalised = pack->normalised;
        run->carried = run->odd = 0;
        run->step.h = pack->h;
        run->step.bdf2 = 0;
        run->step.still = pack->still;
        run->step.tolerance = pack->tolerance;
        run->step.max_iterations = pack->max_iterations;
        run->step.continues = pack->continues;
        run->step.deadline = pack->deadline;
        run->step.clock = pack->clock;
        run->step.sweeps = pack->sweeps;
        for (int i = 0; i < 3; i++) run->step.gravity[i] = pack->gravity[i];
    }
    RG_TEAM_SYNC();
    if (RGI_DEFORM(pack)) rgi_deform_clear(&run->deform, pack->n, pack->sweeps);
    const int along = pack->n * rgi_run_inputs_along(pack);
    RG_TEAM_FOR(i, 0, RGI_NU * along) run->din_y[i] = rg_set1(0.0);
    RG_TEAM_FOR(i, 0, 3 * along) run->din_f[i] = rg_set1(0.0);
    RG_TEAM_SYNC();
}

/* A director that came from the chord c by finite transport: moving the edge e turns it by
 * -(c x t).dt/(1 + c.t), dt = de/|e|, beyond the transport along t's own path; the factor of de. */
RG_FN vec3 rgi_run_chord_turn(const rgi_run *run, const rgi_kernel_pack *pack, int i)
{
    vec3 c = rgi_load3(pack->chord, 3 * (size_t)i), t = v3_load(run->rod.t + 4 * i);
    return v3_scale(-run->rod.t[4 * i + 3] / (RG_C(1.0) + v3_dot(c, t)), v3_cross(c, t));
}

/* strains and memory of the initial state, and its tangents */
RG_FN void rgi_run_start(rgi_run *run, const rgi_kernel_pack *pack)
{
    rgi_rod *rod = &run->rod;
    const int n = pack->n;
    RG_TEAM_FOR(i, 0, 3 * n) {
        rod->x[i] = rod->xp[i] = rod->y[i] = rod->base[i] = rgi_load(pack->x0, (size_t)i);
        rod->v[i] = rod->vp[i] = rgi_load(pack->v0, (size_t)i);
        rod->m1[i] = rod->y1[i] = rod->base1[i] = rgi_load(pack->m0, (size_t)i);
    }
    RG_TEAM_FOR(i, 0, 4 * n) rod->sy[i] = rod->s[i] = rg_set1(0.0);
    RG_TEAM_SYNC();
    rgi_strains(rod, rod->x, rod->m1);
    RG_TEAM_FOR(i, 0, n) {
        for (int k = 0; k < RGI_NS; k++) rod->s[RGI_NS * i + k] = rod->sp[RGI_NS * i + k] = rod->sy[RGI_NS * i + k];
        for (int k = 0; k < 2; k++) rod->z[2 * i + k] = rod->zp[2 * i + k] = rod->sy[RGI_NS * i + 1 + k];
    }
    RG_TEAM_FOR(i, 0, n * RGI_NT * pack->n_directions) run->tangents[i] = rg_set1(0.0);
    RG_TEAM_SYNC();
    if (pack->n_directions == 0 || !pack->dx0) return;
    rgi_strain_gradients(rod, rod->x, rod->m1);
    RG_TEAM_FOR(q, 0, pack->n_directions) {
        real *dy = rgi_run_side(run);
        rgi_tangent d = rgi_run_tangent(run, q);
        const size_t first = (size_t)q * 3u * (size_t)n;
        for (int i = 0; i < 3 * n; i++) {
            d.x[i] = d.xp[i] = rgi_load(pack->dx0, first + (size_t)i);
            d.v[i] = d.vp[i] = rgi_load(pack->dv0, first + (size_t)i);
        }
        for (int i = 0; i < n; i++) {
            for (int k = 0; k < 3; k++) dy[RGI_NU * i + k] = d.x[3 * i + k];
            dy[RGI_NU * i + 3] = rg_set1(0.0);
            if (i == n - 1) continue;
            if (pack->dturn0) dy[RGI_NU * i + 3] = rgi_load(pack->dturn0, (size_t)q * (size_t)n + (size_t)i);
            if (!pack->chord || (rod->fixed[i] & RGI_FIXED_THETA)) continue;
            vec3 turn = rgi_run_chord_turn(run, pack, i);
            dy[RGI_NU * i + 3] += v3_dot(turn, v3_sub(v3_load(d.x + 3 * i + 3), v3_load(d.x + 3 * i)));
        }
        for (int i = 0; i < n; i++) {
            real ds[RGI_NS] = {rg_set1(0.0), rg_set1(0.0), rg_set1(0.0), rg_set1(0.0)};
            rgi_strain_jvp(rod, i, dy, ds);
            for (int k = 0; k < RGI_NS; k++) d.s[RGI_NS * i + k] = d.sp[RGI_NS * i + k] = ds[k];
            for (int k = 0; k < 2; k++) d.z[2 * i + k] = d.zp[2 * i + k] = ds[1 + k];
            d.theta[i] = dy[RGI_NU * i + 3];
        }
    }
    RG_TEAM_SYNC();
}

/* what a step takes: prescribed positions and directors into the trial, external forces */
RG_FN void rgi_run_drive(rgi_run *run, const rgi_kernel_pack *pack, int s)
{
    const int rods = pack->rods;
    rgi_get_row(&pack->drive_x, rods, s, pack->n_fixed_x, pack->fixed_x, 3, 3, run->rod.y);
    rgi_get_row(&pack->drive_m, rods, s, pack->n_fixed_theta, pack->fixed_theta, 3, 3, run->rod.y1);
    if (run->force) rgi_get_row(&pack->force, rods, s, 3 * pack->n, 0, 1, 1, run->force);
    RG_TEAM_SYNC();
}

/* changes of these inputs in every direction */
RG_FN rgi_input_tangent rgi_run_drive_jvp(rgi_run *run, const rgi_kernel_pack *pack, int s)
{
    rgi_input_tangent in = {0, 0, 0};
    const int rods = pack->rods, n = pack->n;
    for (int q = 0; q < rgi_run_inputs_along(pack); q++) {
        const rgi_series_in x = rgi_in_along(pack, &pack->ddrive_x, q), f = rgi_in_along(pack, &pack->dforce, q);
        const rgi_series_in turn = rgi_in_along(pack, &pack->ddrive_turn, q);
        real *y = run->din_y + RGI_NU * q * n, *to = run->din_f + 3 * q * n;
        if (x.data) rgi_get_row(&x, rods, s, pack->n_fixed_x, pack->fixed_x, 3, RGI_NU, y);
        if (turn.data) rgi_get_row(&turn, rods, s, pack->n_fixed_theta, pack->fixed_theta, 1, RGI_NU, y + 3);
        if (f.data) rgi_get_row(&f, rods, s, 3 * n, 0, 1, 1, to);
    }
    RG_TEAM_SYNC();
    if (pack->ddrive_x.data || pack->ddrive_turn.data) in.y = run->din_y;
    if (pack->dforce.data) in.f = run->din_f;
    if (rgi_run_needs_forces(pack) && (s + 1) % pack->substeps == 0) in.forces = &run->forces;
    return in;
}

/* Save the current state to p [RGI_STATE_REALS n + 1], `alive` last. rgi_state_save_before saves the previous one;
 * variables without a past keep their current values. */
#define RGI_SAVE(name, reals)                                                                                          \
    RG_TEAM_FOR(i, 0, (reals)*n) p[i] = run->rod.name[i];                                                              \
    p += (reals)*n;
#define RGI_SAVE_NOW(name, past, reals) RGI_SAVE(name, reals)
#define RGI_SAVE_PAST(name, past, reals) RGI_SAVE(past, reals)
RG_FN void rgi_state_save(const rgi_run *run, real *p)
{
    const int n = run->rod.n;
    RGI_STATE_LIST(RGI_SAVE_NOW)
    RGI_STATE_NOW_LIST(RGI_SAVE)
    RG_TEAM_ONE { *p = rg_select(run->alive, rg_set1(1.0), rg_set1(0.0)); }
    RG_TEAM_SYNC();
}
RG_FN void rgi_state_save_before(const rgi_run *run, real *p)
{
    const int n = run->rod.n;
    RGI_STATE_LIST(RGI_SAVE_PAST)
    RGI_STATE_NOW_LIST(RGI_SAVE)
    RG_TEAM_ONE { *p = rg_select(run->alive, rg_set1(1.0), rg_set1(0.0)); }
    RG_TEAM_SYNC();
}
#undef RGI_SAVE
#undef RGI_SAVE_NOW
#undef RGI_SAVE_PAST

RG_FN rmask rgi_state_alive(const real *p, int n) { return rg_lt(rg_set1(0.5), p[RGI_STATE_REALS * n]); }

/* the state `now` with `before` behind it, in these lanes */
RG_FN void rgi_state_load_lanes(rgi_run *run, const real *before, const real *now, rmask lanes)
{
    rgi_rod *rod = &run->rod;
    const int n = rod->n;
#define RGI_LOAD(name, past, reals)                                                                                    \
    RG_TEAM_FOR(i, 0, (reals)*n) {                                                                                     \
        rod->name[i] = rg_select(lanes, now[i], rod->name[i]);                                                         \
        rod->past[i] = rg_select(lanes, before[i], rod->past[i]);                                                      \
    }                                                                                                                  \
    now += (reals)*n;                                                                                                  \
    before += (reals)*n;
    RGI_STATE_LIST(RGI_LOAD)
#undef RGI_LOAD
#define RGI_LOAD(name, reals)                                                                                          \
    RG_TEAM_FOR(i, 0, (reals)*n) rod->name[i] = rg_select(lanes, now[i], rod->name[i]);                                \
    now += (reals)*n;
    RGI_STATE_NOW_LIST(RGI_LOAD)
#undef RGI_LOAD
    /* each lane of the team copies the entries that it wrote above: no barrier */
    RG_TEAM_FOR(i, 0, 3 * n) rod->y1[i] = rod->m1[i];
    RG_TEAM_SYNC();
}
/* in all lanes */
RG_FN void rgi_state_load(rgi_run *run, const real *before, const real *now)
{
    rgi_state_load_lanes(run, before, now, rg_not(rg_false()));
    rgi_run_set_alive(run, rgi_state_alive(now, run->rod.n));
}

#endif
