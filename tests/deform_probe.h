/* deform_probe.h: steps of the deform kernels seen through plain arrays, one instantiation each.
 *
 * A translation unit defines RGI_REAL_* and PROBE(name), then includes this file. Arrays are lane
 * by lane, of doubles, or of complex numbers in the complex instantiation: in  [lanes][PROBE_IN]:
 * coef, x, v, m1, s, z; then of every step prescribed y, y1 and force f out [lanes][PROBE_OUT]: x,
 * v, xp, vp, s, sp, z, zp, m1 after the last step; of the last step converged, finite, iterations
 *   direction [lanes][PROBE_D]: a tangent (rgi_tangent_at); coef; then of every step y and f
 * din -> dout [lanes][RGI_NT n] is the tangent, bar [lanes][RGI_NT n] -> bar_in [lanes][PROBE_D]
 * the adjoint over all steps; either pair may be NULL. */
#ifndef DEFORM_PROBE_H
#define DEFORM_PROBE_H

#include <stdlib.h>
#include <string.h>

#include "step/deform.h"
#include "tangent_exchange.h"

enum { PROBE_NODES = 12, PROBE_STEPS = 3 };
enum { PROBE_STATE = 3 * 3 + 4 + 2 }; /* x, v, m1, s, z of a node */

typedef struct probe_job {
    int n, steps, sweeps, max_iterations;
    double h, tolerance, gravity[3];
    unsigned char fixed[PROBE_NODES];
    unsigned char dead[8]; /* lanes that take no step */
} probe_job;

#define PROBE_IN(n, steps) ((n) * (RGI_NC + PROBE_STATE + 9 * (steps)))
#define PROBE_OUT(n) ((n) * (4 * 3 + 2 * 4 + 2 * 2 + 3) + 3)
#define PROBE_D(n, steps) ((n) * (RGI_NT + RGI_NC + 7 * (steps)))

#define PROBE_DECLARE(probe, scalar)                                                                                   \
    int probe(lanes)(void);                                                                                            \
    void probe(run)(const probe_job *job, const scalar *in, scalar *out, const scalar *din, scalar *dout,              \
                    const scalar *bar, scalar *bar_in)

#ifdef PROBE
PROBE_DECLARE(PROBE, rg_scalar);

int PROBE(lanes)(void) { return RGI_LANES; }

typedef struct probe_bench {
    rgi_rod rod;
    rgi_step step;
    rgi_deform work;
    rmask alive;
    int order[PROBE_NODES], first[PROBE_NODES], second[PROBE_NODES];
    real *memory, *coef, *force;
} probe_bench;

static void *probe_alloc(size_t reals)
{
    void *p = aligned_alloc(64, (reals * sizeof(real) / 64 + 1) * 64);
    if (!p) abort();
    memset(p, 0, reals * sizeof(real));
    return p;
}

/* `count` numbers from place `at` of arrays of `size`, lane by lane */
static void probe_get(real *r, const rg_scalar *in, int size, int at, int count)
{
    for (int i = 0; i < count; i++)
        for (int l = 0; l < RGI_LANES; l++) RG_LANE(r[i], l) = in[size * l + at + i];
}
static void probe_put(const real *r, rg_scalar *out, int size, int at, int count)
{
    for (int i = 0; i < count; i++)
        for (int l = 0; l < RGI_LANES; l++) out[size * l + at + i] = RG_LANE(r[i], l);
}

static void probe_make(probe_bench *b, const probe_job *job)
{
    const int n = job->n;
    memset(b, 0, sizeof *b);
    for (int i = 0; i < n; i++) {
        b->order[i] = i;
        b->first[i] = i + 1 < n ? i + 1 : -1;
        b->second[i] = i + 2 < n ? i + 2 : -1;
    }
    b->rod.plan.n = b->rod.n = n;
    b->rod.plan.order = b->order;
    b->rod.plan.first = b->first;
    b->rod.plan.second = b->second;
    b->rod.fixed = job->fixed;
    size_t rod = (size_t)rgi_rod_reals(n), work = rgi_deform_reals(n, job->sweeps);
    b->memory = probe_alloc(rod + work + (size_t)(n * (RGI_NC + 3)));
    rgi_rod_bind(&b->rod, b->memory);
    rgi_deform_bind(&b->work, n, job->sweeps, b->memory + rod);
    b->coef = b->memory + rod + work;
    b->force = b->coef + n * RGI_NC;
    b->rod.coef = b->coef;
    b->rod.f = b->force;
    b->step.h = job->h;
    b->step.tolerance = job->tolerance;
    b->step.max_iterations = job->max_iterations;
    b->step.sweeps = job->sweeps;
    for (int d = 0; d < 3; d++) b->step.gravity[d] = job->gravity[d];
    real live = rg_set1(1.0);
    for (int l = 0; l < RGI_LANES; l++)
        if (job->dead[l]) RG_LANE(live, l) = 0.0;
    b->alive = rg_lt(rg_set1(0.5), live);
}

static void probe_start(probe_bench *b, const probe_job *job, const rg_scalar *in)
{
    const int n = job->n, size = PROBE_IN(n, job->steps);
    rgi_rod *rod = &b->rod;
    int at = 0;
    real *to[] = {b->coef, rod->x, rod->v, rod->m1, rod->s, rod->z};
    const int count[] = {RGI_NC, 3, 3, 3, 4, 2};
    for (int k = 0; k < 6; k++) {
        probe_get(to[k], in, size, at, count[k] * n);
        at += count[k] * n;
    }
    for (int i = 0; i < 3 * n; i++) {
        rod->xp[i] = rod->x[i];
        rod->vp[i] = rod->v[i];
    }
    for (int i = 0; i < 4 * n; i++) rod->sp[i] = rod->s[i];
    for (int i = 0; i < 2 * n; i++) rod->zp[i] = rod->z[i];
}

static rgi_outcome probe_step(probe_bench *b, const probe_job *job, const rg_scalar *in, int s)
{
    const int n = job->n, size = PROBE_IN(n, job->steps);
    const int at = n * (RGI_NC + PROBE_STATE + 9 * s);
    probe_get(b->rod.y, in, size, at, 3 * n);
    probe_get(b->rod.y1, in, size, at + 3 * n, 3 * n);
    probe_get(b->force, in, size, at + 6 * n, 3 * n);
    rgi_stress_prepare(&b->rod, &b->step);
    return rgi_deform_solve(&b->rod, &b->step, &b->work, b->alive);
}

/* the state now, all arrays of it one after the other: variables with their pasts, then m1 (state.h) */
static void probe_state(rgi_rod *rod, real *copy, int load)
{
    const int n = rod->n;
#define PROBE_PART(name, reals)                                                                                        \
    memcpy(load ? rod->name : copy, load ? copy : rod->name, (size_t)((reals)*n) * sizeof(real));                      \
    copy += (reals)*n;
#define PROBE_PAIR(name, past, reals) PROBE_PART(name, reals) PROBE_PART(past, reals)
    RGI_STATE_LIST(PROBE_PAIR)
    RGI_STATE_NOW_LIST(PROBE_PART)
}

/* every coefficient is an entry */
static void probe_tangent(probe_bench *b, const probe_job *job, const rg_scalar *din, int s, rgi_tangent d,
                          real *stress, real *dy)
{
    const int n = job->n, size = PROBE_D(n, job->steps), at = n * (RGI_NT + RGI_NC + 7 * s);
    rgi_entry entries[PROBE_NODES * RGI_NC + 1];
    real values[PROBE_NODES * RGI_NC + 1], in_y[RGI_NU * PROBE_NODES], in_f[3 * PROBE_NODES];
    for (int i = 0; i < n * RGI_NC; i++) {
        entries[i].node = i / RGI_NC;
        entries[i].coefficient = i % RGI_NC;
    }
    probe_get(values, din, size, n * RGI_NT, n * RGI_NC);
    /* a marker's offset is none of the step's business, and its node is not one of the rod */
    entries[n * RGI_NC].node = 1000000;
    entries[n * RGI_NC].coefficient = RGI_O1;
    values[n * RGI_NC] = rg_set1(1.0);
    probe_get(in_y, din, size, at, RGI_NU * n);
    probe_get(in_f, din, size, at + RGI_NU * n, 3 * n);
    const rgi_input_tangent in = {in_y, in_f, NULL};
    const rgi_course course = {d, entries, values, n * RGI_NC + 1};
    rgi_deform_jvp(&b->rod, &b->step, &b->work, b->alive, course, in, stress, dy);
}

void PROBE(run)(const probe_job *job, const rg_scalar *in, rg_scalar *out, const rg_scalar *din, rg_scalar *dout,
                const rg_scalar *bar, rg_scalar *bar_in)
{
    const int n = job->n, whole = PROBE_OUT(n) - 3, size_d = PROBE_D(n, job->steps);
    probe_bench b;
    rgi_outcome outcome = {0};
    probe_make(&b, job);
    probe_start(&b, job, in);
    real *memory = probe_alloc((size_t)(whole * (job->steps + 1) + 2 * n * RGI_NT + 8 * n));
    real *d = memory + whole * (job->steps + 1), *stress = d + 2 * n * RGI_NT, *dy = stress + 4 * n;
    if (din) probe_get(d, din, size_d, 0, n * RGI_NT);
    for (int s = 0; s < job->steps; s++) {
        probe_state(&b.rod, memory + whole * s, 0);
        outcome = probe_step(&b, job, in, s);
        if (din) {
            rgi_deform_linearise(&b.rod, &b.step, &b.work);
            probe_tangent(&b, job, din, s, rgi_tangent_at(d, n, s % 2), stress, dy);
        }
        rgi_deform_accept(&b.rod, &b.step, b.alive);
    }
    real *last = memory + whole * job->steps, ends[3];
    probe_state(&b.rod, last, 0);
    probe_put(last, out, PROBE_OUT(n), 0, whole);
    ends[0] = rg_select(outcome.converged, rg_set1(1.0), rg_set1(0.0));
    ends[1] = rg_select(outcome.finite, rg_set1(1.0), rg_set1(0.0));
    ends[2] = outcome.iterations;
    probe_put(ends, out, PROBE_OUT(n), whole, 3);
    if (din && job->steps % 2) tangent_exchange(d, n);
    if (din) probe_put(d, dout, n * RGI_NT, 0, n * RGI_NT);
    if (bar) {
        real coef[PROBE_NODES * RGI_NC], in_y[RGI_NU * PROBE_NODES], in_f[3 * PROBE_NODES];
        const rgi_input_bar to = {coef, in_y, in_f, NULL};
        for (int i = 0; i < n * RGI_NC; i++) coef[i] = rg_set1(0.0);
        probe_get(d, bar, n * RGI_NT, 0, n * RGI_NT);
        for (int s = job->steps - 1; s >= 0; s--) {
            const int at = n * (RGI_NT + RGI_NC + 7 * s);
            probe_state(&b.rod, memory + whole * s, 1);
            (void)probe_step(&b, job, in, s);
            rgi_deform_linearise(&b.rod, &b.step, &b.work);
            rgi_deform_adj(&b.rod, &b.step, &b.work, b.alive, rgi_tangent_at(d, n, 0), to, stress, dy);
            probe_put(in_y, bar_in, size_d, at, RGI_NU * n);
            probe_put(in_f, bar_in, size_d, at + RGI_NU * n, 3 * n);
        }
        probe_put(d, bar_in, size_d, 0, n * RGI_NT);
        probe_put(coef, bar_in, size_d, n * RGI_NT, n * RGI_NC);
    }
    free(memory);
    free(b.memory);
}
#endif

#endif
