/* test_step.c: the implicit step and whole rollouts over double _Complex.
 *
 * The complex instantiation of rollout.h runs the same Newton iterations as the double one; a
 * coefficient or a start moved by i * STEP gives its derivative in the imaginary part. That is held
 * against the tangents of the library's scalar instantiation, for every kind of coefficient, marker
 * offsets and the initial state. The assembled gradient is held against the complex step of the
 * potential, the assembled Hessian against that of the gradient, in the chart of the trial. */
#define RGI_REAL_COMPLEX
#include "rollout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "grad_table.h"
#include "pack_fixture.h"
#include "probe_random.h"
#include "rods.h"

#define STEP 1e-150

enum { NODES = 9, FRAMES = 3, STEPS = 2 * FRAMES, STATE = RGI_NC + 2, DIRECTIONS = STATE + 1 };
enum grip { BOTH_ENDS, ONE_END, MIDDLE, NOWHERE, GRIPS };

static const char *const names[DIRECTIONS] = {"KL", "L",  "TS",   "K11", "K12", "K22", "KB1", "KB2", "TB",   "RM",
                                              "LM", "KT", "TBAR", "TT",  "M",   "C",   "O1",  "O2",  "start"};

typedef struct scene {
    int n, n_markers, substeps, bdf2, normalised;
    unsigned char fixed[NODES];
    int order[NODES], first[NODES], second[NODES], marker_vertices[NODES];
    int n_fixed_x, n_fixed_theta, fixed_x[NODES], fixed_theta[NODES];
    double coef[NODES * RGI_NC], offset[2 * NODES];
    double x0[3 * NODES], v0[3 * NODES], chord[3 * NODES], carried[3 * NODES]; /* directors there */
    double drive_x[STEPS * 3 * NODES], drive_m[STEPS * 3 * NODES];
    /* directions */
    double by[DIRECTIONS][RGI_NC * NODES + 2 * NODES]; /* of coef, then of offset */
    double dx0[3 * NODES], dv0[3 * NODES];
} scene;

static double between(uint64_t *seed, double a, double b) { return a + (b - a) * random_uniform(seed); }

static vec3 vec(const double *p) { return v3(p[0], p[1], p[2]); }

static void out(vec3 a, double *p)
{
    p[0] = creal(a.x);
    p[1] = creal(a.y);
    p[2] = creal(a.z);
}

static void make_grip(scene *s, enum grip grip)
{
    const int n = s->n < NODES ? s->n : NODES;
    for (int i = 0; i < n; i++)
        if ((grip == BOTH_ENDS && (i < 2 || i >= n - 2)) || (grip == ONE_END && i < 2) ||
            (grip == MIDDLE && i == n / 2)) {
            s->fixed[i] = RGI_FIXED_X;
            s->fixed_x[s->n_fixed_x++] = i;
        }
    for (int i = 0; i + 1 < n; i++)
        if ((s->fixed[i] & RGI_FIXED_X) && (s->fixed[i + 1] & RGI_FIXED_X)) {
            s->fixed[i] |= RGI_FIXED_THETA;
            s->fixed_theta[s->n_fixed_theta++] = i;
        }
    s->fixed[n - 1] |= RGI_FIXED_THETA;
}

/* a bent and twisted rod with edges of 3 to 7 cm, its directors carried from nearby chords */
static void make_start(scene *s, uint64_t *seed)
{
    double t[3], m[3], axis[3];
    random_unit(seed, t);
    random_perpendicular(seed, t, m);
    for (int i = 0; i + 1 < s->n; i++) {
        double *k = s->coef + RGI_NC * i, stretched = k[RGI_L] * between(seed, 0.97, 1.03);
        for (int d = 0; d < 3; d++) s->x0[3 * i + 3 + d] = s->x0[3 * i + d] + stretched * t[d];
        /* the chord lies up to 0.4 rad off the edge, unless both its ends are prescribed */
        random_perpendicular(seed, t, axis);
        double off = s->fixed[i] & RGI_FIXED_THETA ? 0.0 : between(seed, 0.0, 0.4);
        rotate(axis, off, t, s->chord + 3 * i);
        rotate(axis, off, m, s->carried + 3 * i);
        random_perpendicular(seed, t, axis);
        double next[3], turned[3], angle = between(seed, 0.1, 0.6);
        rotate(axis, angle, t, next);
        rotate(axis, angle, m, turned);
        memcpy(t, next, sizeof t);
        rotate(t, between(seed, -0.6, 0.6), turned, m);
    }
    for (int i = 0; i < 3 * s->n; i++) s->v0[i] = between(seed, -0.5, 0.5);
}

static void make_coefficients(scene *s, uint64_t *seed)
{
    for (int i = 0; i < s->n; i++) {
        double *k = s->coef + RGI_NC * i;
        k[RGI_KL] = between(seed, 200.0, 1000.0);
        k[RGI_L] = between(seed, 0.03, 0.07);
        k[RGI_TS] = between(seed, 0.001, 0.02);
        k[RGI_K11] = between(seed, 0.01, 0.03);
        k[RGI_K22] = between(seed, 0.01, 0.03);
        k[RGI_K12] = between(seed, -0.008, 0.008);
        k[RGI_KB1] = between(seed, -0.5, 0.5);
        k[RGI_KB2] = between(seed, -0.5, 0.5);
        k[RGI_TB] = between(seed, 0.001, 0.05);
        k[RGI_RM] = between(seed, 0.1, 1.0);
        k[RGI_LM] = between(seed, 1.0, 50.0);
        k[RGI_KT] = between(seed, 0.01, 0.03);
        k[RGI_TBAR] = between(seed, -0.5, 0.5);
        k[RGI_TT] = between(seed, 0.001, 0.05);
        /* some vertices carry a marker's mass on top */
        k[RGI_M] = between(seed, 0.001, 0.003) + (i % 2 ? 0.002 : 0.0);
        k[RGI_C] = between(seed, 0.1, 3.0);
    }
}

/* prescribed nodes move and turn as a rigid body by end of the rod; directors are carried along */
static void make_drive(scene *s, double h, uint64_t *seed)
{
    double speed[2][3], spin[2][3];
    for (int e = 0; e < 2; e++)
        for (int d = 0; d < 3; d++) {
            speed[e][d] = between(seed, -0.5, 0.5);
            spin[e][d] = between(seed, -3.0, 3.0);
        }
    double last[3 * NODES], m[3 * NODES];
    memcpy(last, s->x0, sizeof last);
    memcpy(m, s->carried, sizeof m);
    for (int step = 0; step < STEPS; step++) {
        double now[3 * NODES];
        for (int i = 0; i < s->n; i++) {
            int e = 2 * i >= s->n;
            const double *pivot = s->x0 + (e ? 3 * (s->n - 1) : 0);
            double arm[3], turned[3], axis[3], angle = h * (step + 1) * norm(spin[e]);
            for (int d = 0; d < 3; d++) arm[d] = s->x0[3 * i + d] - pivot[d];
            unit(spin[e], axis);
            rotate(axis, angle, arm, turned);
            for (int d = 0; d < 3; d++) now[3 * i + d] = pivot[d] + turned[d] + h * (step + 1) * speed[e][d];
        }
        for (int k = 0; k < s->n_fixed_x; k++)
            memcpy(s->drive_x + 3 * (step * s->n_fixed_x + k), now + 3 * s->fixed_x[k], 3 * sizeof(double));
        for (int k = 0; k < s->n_fixed_theta; k++) {
            int i = s->fixed_theta[k];
            vec3 from = v3_unit(v3_sub(vec(last + 3 * i + 3), vec(last + 3 * i)));
            vec3 to = v3_unit(v3_sub(vec(now + 3 * i + 3), vec(now + 3 * i)));
            out(v3_perpendicular(to, v3_transport(from, to, vec(m + 3 * i))), m + 3 * i);
            memcpy(s->drive_m + 3 * (step * s->n_fixed_theta + k), m + 3 * i, 3 * sizeof(double));
        }
        memcpy(last, now, sizeof last);
    }
}

static int of_edge(int kind) { return kind == RGI_KL || kind == RGI_L || kind == RGI_TS; }

/* every coefficient of a kind moves, each by its own share of its size */
static void make_directions(scene *s, uint64_t *seed)
{
    for (int kind = 0; kind < RGI_NC; kind++)
        for (int i = 0; i < s->n; i++) {
            int there = of_edge(kind) ? i < s->n - 1 : i > 0 && i < s->n - 1;
            if (kind == RGI_M || kind == RGI_C) there = 1;
            double value = random_signed(seed) * fabs(s->coef[RGI_NC * i + kind]);
            if (there) s->by[kind][RGI_NC * i + kind] = value;
        }
    for (int c = 0; c < 2; c++)
        for (int k = 0; k < s->n_markers; k++)
            s->by[RGI_NC + c][RGI_NC * NODES + 2 * k + c] = 0.01 * random_signed(seed);
    for (int i = 0; i < s->n; i++) {
        if (s->fixed[i] & RGI_FIXED_X) continue;
        for (int d = 0; d < 3; d++) {
            s->dx0[3 * i + d] = 0.01 * random_signed(seed);
            s->dv0[3 * i + d] = random_signed(seed);
        }
    }
}

static double frame_time(void) { return 0.01; }

static scene *make_scene(int n, enum grip grip, int bdf2, int substeps, uint64_t seed)
{
    scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->n = n;
    s->bdf2 = bdf2;
    s->substeps = substeps;
    for (int i = 0; i < n; i++) {
        s->order[i] = i;
        s->first[i] = i + 1 < n ? i + 1 : -1;
        s->second[i] = i + 2 < n ? i + 2 : -1;
    }
    /* markers at every vertex, or at every other and the last */
    for (int i = 0; i < n; i++)
        if (seed % 2 || i % 2 == 0 || i == n - 1) s->marker_vertices[s->n_markers++] = i;
    make_grip(s, grip);
    make_coefficients(s, &seed);
    make_start(s, &seed);
    for (int k = 0; k < 2 * s->n_markers; k++) s->offset[k] = between(&seed, -0.01, 0.01);
    make_drive(s, frame_time() / substeps, &seed);
    make_directions(s, &seed);
    return s;
}

/* directors of the start, carried from the chords to the edges */
static void start_directors(const scene *s, const real *x, real *m)
{
    for (int i = 0; i + 1 < s->n; i++) {
        vec3 t = v3_unit(v3_sub(v3_load(x + 3 * i + 3), v3_load(x + 3 * i)));
        v3_store(m + 3 * i, v3_transport(vec(s->chord + 3 * i), t, vec(s->carried + 3 * i)));
    }
    v3_store(m + 3 * (s->n - 1), vec((const double[3]){0.0, 0.0, 0.0}));
}

static void check_status(double flag, double step)
{
    if (flag != 0.0) fail_msg("the rod was flagged (%g) in step %g", flag, step);
}

/* a batch's pack of the rod, with the scene's coefficients and markers */
static pack_fixture *make_fixture(const scene *s)
{
    rg_model *model = rods_model((size_t)s->n, 1, s->fixed_x, (size_t)s->n_fixed_x, 1);
    if (s->normalised && rg_model_set_bend_measure(model, RG_BEND_NORMALISED, NULL) != RG_OK) fail();
    rg_batch_opts o = rg_batch_opts_default();
    o.rollout.scheme = s->bdf2 ? RG_SCHEME_BDF2 : RG_SCHEME_BE;
    o.rollout.substeps = s->substeps;
    o.rollout.gravity[0] = 1.0;
    /* far below what the comparison asks for: the error left is its square */
    o.rollout.tolerance_m = 1e-24;
    o.rollout.max_iterations = 60;
    o.dt_s = frame_time();
    o.n_frames = FRAMES;
    o.adjoint = 0;
    pack_fixture *f = pack_fixture_make(model, &o);
    rg_model_destroy(&model);
    real x0[3 * NODES], m[3 * NODES];
    double m0[3 * NODES];
    for (int i = 0; i < 3 * NODES; i++) x0[i] = s->x0[i];
    start_directors(s, x0, m);
    for (int i = 0; i < 3 * s->n; i++) m0[i] = creal(m[i]);
    const rg_batch_inputs in = {.x0 = s->x0, .v0 = s->v0, .m0 = m0, .clamp_x = s->drive_x, .clamp_m = s->drive_m};
    pack_fixture_forward(f, &in, NULL);
    f->pack->n_markers = s->n_markers;
    f->pack->marker_vertices = s->marker_vertices;
    memcpy(f->pack->coef, s->coef, (size_t)(RGI_NC * s->n) * sizeof *s->coef);
    memcpy(f->pack->offset, s->offset, (size_t)(2 * s->n_markers) * sizeof *s->offset);
    f->pack->out_markers.data = pack_fixture_take(f, (size_t)(3 * FRAMES * s->n_markers));
    f->pack->out_markers.step = 3 * s->n_markers;
    return f;
}

/* markers with everything moved by `by` of direction q, in the complex instantiation */
static void run_complex(const scene *s, const pack_fixture *f, pack_reals *r, int q, real by, real *markers)
{
    const rgi_kernel_pack *p = &r->pack;
    pack_reals_fill(r, f->pack);
    for (int i = 0; q >= 0 && i < RGI_NC * s->n; i++) p->coef[i] += by * s->by[q][i];
    for (int i = 0; q >= 0 && i < 2 * s->n_markers; i++) p->offset[i] += by * s->by[q][NODES * RGI_NC + i];
    for (int i = 0; q == STATE && i < 3 * s->n; i++) {
        p->x0[i] += by * s->dx0[i];
        p->v0[i] += by * s->dv0[i];
    }
    start_directors(s, p->x0, p->m0);
    rgi_run_all(p);
    check_status(creal(p->status[0]), creal(p->status[1]));
    memcpy(markers, p->out_markers.data, (size_t)(3 * FRAMES * s->n_markers) * sizeof *markers);
}

/* markers and all tangents of the library's scalar instantiation, in the fixture's pack */
static void run_scalar(const scene *s, pack_fixture *f)
{
    rgi_pack *p = f->pack;
    int begin[DIRECTIONS + 1], count = 0;
    rgi_pack_entry entries[DIRECTIONS * NODES];
    double values[DIRECTIONS * NODES];
    for (int q = 0; q < DIRECTIONS; q++) {
        begin[q] = count;
        for (int i = 0; i < NODES * RGI_NC + 2 * NODES; i++) {
            if (s->by[q][i] == 0.0) continue;
            int o = i - NODES * RGI_NC;
            entries[count].node = o < 0 ? i / RGI_NC : o / 2;
            entries[count].coefficient = o < 0 ? i % RGI_NC : (o % 2 ? RGI_O2 : RGI_O1);
            values[count++] = s->by[q][i];
        }
    }
    begin[DIRECTIONS] = count;
    const size_t row = 3 * (size_t)s->n;
    double *dx = pack_fixture_take(f, DIRECTIONS * row), *dv = pack_fixture_take(f, DIRECTIONS * row);
    memcpy(dx + STATE * row, s->dx0, row * sizeof *dx);
    memcpy(dv + STATE * row, s->dv0, row * sizeof *dv);
    p->n_directions = DIRECTIONS;
    p->entry_begin = begin;
    p->entries = entries;
    p->entry_values = (rgi_reals *)(void *)values;
    p->dx0 = dx;
    p->dv0 = dv;
    p->dturn0 = NULL;
    p->chord = pack_fixture_take(f, row);
    memcpy(p->chord, s->chord, row * sizeof *p->chord);
    p->markers_jvp = pack_fixture_take(f, (size_t)(3 * FRAMES * DIRECTIONS * s->n_markers));
    pack_fixture_run(f, rgi_pack_workspace_scalar, rgi_pack_run_scalar);
    p->n_directions = 0;
    check_status(p->status[0], p->status[1]);
}

/* largest difference of two arrays over the largest entry of the second */
static double difference(const double *a, const double *b, int n)
{
    double worst = 0.0, size = 0.0;
    for (int i = 0; i < n; i++) {
        if (!(fabs(a[i] - b[i]) <= worst)) worst = fabs(a[i] - b[i]);
        if (!(fabs(b[i]) <= size)) size = fabs(b[i]);
    }
    return worst / size;
}

static void check_scene(const scene *s, const char *what, double worst[2][DIRECTIONS])
{
    const int count = FRAMES * s->n_markers * 3, m = s->n_markers * 3;
    double mine[FRAMES * NODES * 3], theirs[FRAMES * NODES * 3];
    real moved[4][FRAMES * NODES * 3];
    pack_fixture *fixture = make_fixture(s);
    run_scalar(s, fixture);
    const double *markers = fixture->pack->out_markers.data, *jvp = fixture->pack->markers_jvp;
    pack_reals r = pack_reals_make(fixture->pack, pack_workspace(fixture->pack));
    run_complex(s, fixture, &r, -1, 0.0, moved[0]);
    for (int i = 0; i < count; i++) theirs[i] = creal(moved[0][i]);
    /* two compilations of one source: round-off of a solved step, times its condition number */
    double err = difference(markers, theirs, count);
    if (!(err <= 1e-11)) fail_msg("%s: markers of the two instantiations differ by %.1e", what, err);
    for (int q = 0; q < DIRECTIONS; q++) {
        for (int f = 0; f < FRAMES; f++) memcpy(mine + f * m, jvp + (f * DIRECTIONS + q) * m, (size_t)m * sizeof *mine);
        run_complex(s, fixture, &r, q, STEP * I, moved[0]);
        for (int i = 0; i < count; i++) theirs[i] = cimag(moved[0][i]) / STEP;
        /* the bar of the design: a step solved to round-off, times its condition number */
        err = difference(mine, theirs, count);
        if (!(err <= worst[0][q])) worst[0][q] = err;
        if (!(err <= 1e-10)) fail_msg("%s: tangent along %s is %.1e from the complex step", what, names[q], err);
        /* fourth order, so that its error (1e-4)^4 hides behind round-off 1e-14/1e-4 */
        const double h = 5e-4;
        for (int k = 0; k < 4; k++)
            run_complex(s, fixture, &r, q, h * (k < 2 ? 1.0 : 2.0) * (k % 2 ? -1.0 : 1.0), moved[k]);
        for (int i = 0; i < count; i++)
            theirs[i] = creal(8.0 * (moved[0][i] - moved[1][i]) - (moved[2][i] - moved[3][i])) / (12.0 * h);
        err = difference(mine, theirs, count);
        if (!(err <= worst[1][q])) worst[1][q] = err;
        if (!(err <= 1e-7)) fail_msg("%s: tangent along %s is %.1e from central differences", what, names[q], err);
    }
    free(r.memory);
    pack_fixture_free(fixture);
}

static void step_tangent_complex(void **state)
{
    (void)state;
    double worst[2][DIRECTIONS] = {{0.0}};
    int number = 0;
    for (int grip = 0; grip < 2 * GRIPS; grip++)
        for (int bdf2 = 0; bdf2 < 2; bdf2++)
            for (int substeps = 1; substeps <= 2; substeps++, number++) {
                char what[80];
                const int n = 5 + (number + grip) % 5, normalised = grip >= GRIPS;
                snprintf(what, sizeof what, "%d vertices, grip %d, %s, %d substeps%s", n, grip % GRIPS,
                         bdf2 ? "BDF2" : "BE", substeps, normalised ? ", normalised" : "");
                scene *s = make_scene(n, (enum grip)(grip % GRIPS), bdf2, substeps, 0x57e9u + 3u * (unsigned)number);
                s->normalised = normalised;
                check_scene(s, what, worst);
                free(s);
            }
    double most[2] = {0.0, 0.0};
    for (int q = 0; q < DIRECTIONS; q++) {
        print_message("%-5s complex step %.1e, central differences %.1e\n", names[q], worst[0][q], worst[1][q]);
        for (int k = 0; k < 2; k++) most[k] = worst[k][q] <= most[k] ? most[k] : worst[k][q];
    }
    grad_record("complex step", "tangents of 3-frame rollouts, implicit", most[0], 1e-10, GRAD_AT_MOST);
    grad_record("central differences", "tangents of 3-frame rollouts, implicit", most[1], 1e-7, GRAD_AT_MOST);
}

/* a rod in the middle of a motion: random histories, a trial away from all of them */
typedef struct bench {
    rgi_rod rod;
    real coef[NODES * RGI_NC], *work, *plain; /* plain: the trial, y then y1 */
} bench;

static void bench_reset(bench *b)
{
    memcpy(b->rod.y, b->plain, 3 * (size_t)b->rod.n * sizeof(real));
    memcpy(b->rod.y1, b->plain + 3 * b->rod.n, 3 * (size_t)b->rod.n * sizeof(real));
}

static bench make_bench(const scene *s, int bdf2, uint64_t seed)
{
    bench b;
    const int n = s->n;
    memset(&b, 0, sizeof b);
    b.rod.n = b.rod.plan.n = n;
    b.rod.plan.order = s->order;
    b.rod.plan.first = s->first;
    b.rod.plan.second = s->second;
    b.rod.fixed = s->fixed;
    b.work = calloc((size_t)rgi_rod_reals(n) + 6 * (size_t)n, sizeof *b.work);
    assert_non_null(b.work);
    rgi_rod_bind(&b.rod, b.work);
    b.plain = b.work + rgi_rod_reals(n);
    for (int i = 0; i < 3 * n; i++) {
        b.rod.x[i] = s->x0[i] + 0.003 * random_signed(&seed);
        b.rod.xp[i] = s->x0[i] + 0.003 * random_signed(&seed);
        b.rod.v[i] = random_signed(&seed);
        b.rod.vp[i] = random_signed(&seed);
        b.plain[i] = s->x0[i];
    }
    start_directors(s, b.plain, b.plain + 3 * n);
    for (int i = 0; i < n; i++) {
        b.rod.s[4 * i] = s->coef[RGI_NC * i + RGI_L];
        b.rod.sp[4 * i] = 1.02 * b.rod.s[4 * i];
        for (int k = 1; k < 4; k++) {
            b.rod.s[4 * i + k] = 0.5 * random_signed(&seed);
            b.rod.sp[4 * i + k] = 0.5 * random_signed(&seed);
        }
        for (int k = 0; k < 2; k++) {
            b.rod.z[2 * i + k] = 0.5 * random_signed(&seed);
            b.rod.zp[2 * i + k] = 0.5 * random_signed(&seed);
        }
    }
    const rgi_step step = {frame_time(), bdf2, {1.0, 2.0, -9.81}, 1e-11, 60, 0, 0, 0, 0.0, NULL};
    b.rod.coef = b.coef;
    b.rod.normalised = s->normalised;
    for (int i = 0; i < NODES * RGI_NC; i++) b.coef[i] = s->coef[i];
    rgi_step_prepare(&b.rod, &step);
    bench_reset(&b);
    return b;
}

static int prescribed(const scene *s, int u) { return s->fixed[u / 4] & (u % 4 < 3 ? RGI_FIXED_X : RGI_FIXED_THETA); }

/* Hessian blocks as a dense symmetric matrix */
static void dense(const rgi_rod *rod, double *h)
{
    const int size = 4 * rod->n;
    memset(h, 0, (size_t)(size * size) * sizeof *h);
    for (int k = 0; k < rod->n; k++) {
        const real *p = rod->hess + RGI_NH * k;
        int a = 4 * rod->plan.first[k], b = 4 * rod->plan.second[k], o = 4 * k;
        for (int c = 0; c < 4; c++) {
            for (int r = c; r < 4; r++) h[(o + r) * size + o + c] = h[(o + c) * size + o + r] = creal(p[RGI_TRI(r, c)]);
            for (int r = 0; r < 4 && a >= 0; r++)
                h[(a + r) * size + o + c] = h[(o + c) * size + a + r] = creal(p[10 + 4 * r + c]);
            for (int r = 0; r < 3 && b >= 0; r++)
                h[(b + r) * size + o + c] = h[(o + c) * size + b + r] = creal(p[26 + 4 * r + c]);
        }
    }
}

/* the gradient in the chart of base, when the trial is elsewhere: moving edge i by de turns its
 * director by -(s x t).de/(|e| (1 + s.t)) beyond the transport along its own path */
static void to_base_chart(const scene *s, const rgi_rod *rod, real *grad)
{
    for (int i = 0; i + 1 < s->n; i++) {
        if (s->fixed[i] & RGI_FIXED_THETA) continue;
        vec3 from = v3_unit(v3_sub(v3_load(rod->base + 3 * i + 3), v3_load(rod->base + 3 * i)));
        vec3 t = v3_load(rod->t + 4 * i);
        vec3 a = v3_scale(-rod->t[4 * i + 3] / (1.0 + v3_dot(from, t)), v3_cross(from, t));
        const real v[3] = {a.x, a.y, a.z};
        for (int d = 0; d < 3; d++) {
            if (!(s->fixed[i] & RGI_FIXED_X)) grad[4 * i + d] -= grad[4 * i + 3] * v[d];
            if (!(s->fixed[i + 1] & RGI_FIXED_X)) grad[4 * i + 4 + d] += grad[4 * i + 3] * v[d];
        }
    }
}

static void step_assembly_complex(void **state)
{
    (void)state;
    double worst[2] = {0.0, 0.0}, turned = 0.0;
    for (int number = 0; number < 80; number++) {
        scene *s = make_scene(5 + number % 5, (enum grip)(number % GRIPS), 1, 1, 0xa55e3b1eu + (unsigned)number);
        s->normalised = number >= 40;
        bench b = make_bench(s, number / GRIPS % 2, 77u + (unsigned)number);
        rgi_rod *rod = &b.rod;
        const int size = 4 * s->n;
        double h[16 * NODES * NODES], grad[4 * NODES];
        double unit_of[2] = {0.0, 0.0}, force_of[2] = {0.0, 0.0};
        (void)rgi_assemble(rod, rg_set1(1.0), rg_set1(0.0), 0);
        for (int u = 0; u < size; u++) grad[u] = creal(rod->grad[u]);
        dense(rod, h);
        /* natural sizes: the largest force and stiffness met by a position, by an angle */
        for (int u = 0; u < size; u++) {
            unit_of[u % 4 == 3] = fmax(unit_of[u % 4 == 3], fabs(h[u * size + u]));
            force_of[u % 4 == 3] = fmax(force_of[u % 4 == 3], fabs(grad[u]));
        }
        memcpy(rod->base, b.plain, 3 * (size_t)s->n * sizeof(real));
        memcpy(rod->base1, b.plain + 3 * s->n, 3 * (size_t)s->n * sizeof(real));
        for (int u = 0; u < size; u++) {
            double mine = unit_of[u % 4 == 3];
            if (prescribed(s, u)) {
                /* a prescribed unknown has left the problem */
                assert_true(grad[u] == 0.0);
                for (int w = 0; w < size; w++) assert_true(h[u * size + w] == 0.0);
                continue;
            }
            memset(rod->dy, 0, (size_t)size * sizeof(real));
            rod->dy[u] = STEP * I;
            bench_reset(&b);
            rgi_move(rod, rg_set1(1.0), 1);
            real moved = rgi_assemble(rod, rg_set1(1.0), rg_set1(0.0), 0);
            double err = fabs(grad[u] - cimag(moved) / STEP) / force_of[u % 4 == 3];
            if (!(err <= worst[0])) worst[0] = err;
            if (!(err <= 1e-12)) fail_msg("rod %d: gradient %d is off by %.1e", number, u, err);
            to_base_chart(s, rod, rod->grad);
            for (int w = 0; w < size; w++) {
                if (prescribed(s, w)) continue;
                double size_of = sqrt(mine * unit_of[w % 4 == 3]);
                err = fabs(h[w * size + u] - cimag(rod->grad[w]) / STEP) / size_of;
                if (!(err <= worst[1])) worst[1] = err;
                if (!(err <= 1e-12)) fail_msg("rod %d: Hessian (%d, %d) is off by %.1e", number, w, u, err);
            }
            turned = fmax(turned, fabs(grad[u | 3]));
        }
        free(b.work);
        free(s);
    }
    /* the term of the chart was there to be seen */
    assert_true(turned > 1e-3);
    print_message("gradient %.1e, Hessian %.1e of their natural size\n", worst[0], worst[1]);
    grad_record("complex step", "element: gradient of the step's potential", worst[0], 1e-12, GRAD_AT_MOST);
    grad_record("Hessian symmetric, equal to complex step of the gradient", "assembled step", worst[1], 1e-12,
                GRAD_AT_MOST);
}

/* without its geometric part (share 0) the Hessian has no negative direction */
static void step_safeguard_definite(void **state)
{
    (void)state;
    int indefinite = 0;
    for (int number = 0; number < 80; number++) {
        scene *s = make_scene(5 + number % 5, (enum grip)(number % GRIPS), 1, 1, 0x5afeu + (unsigned)number);
        s->normalised = number >= 40;
        /* slack or compressed: long rest lengths */
        for (int i = 0; i < s->n; i++) s->coef[RGI_NC * i + RGI_L] *= 2.0;
        bench b = make_bench(s, 0, 7u + (unsigned)number);
        (void)rgi_assemble(&b.rod, rg_set1(1.0), rg_set1(0.0), 0);
        indefinite += rgi_ldlt_factor(b.rod.plan, b.rod.hess);
        (void)rgi_assemble(&b.rod, rg_set1(0.0), rg_set1(0.0), 0);
        assert_false(rgi_ldlt_factor(b.rod.plan, b.rod.hess));
        free(b.work);
        free(s);
    }
    /* and the exact one had, often enough to show that the test can fail */
    assert_true(indefinite > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(step_assembly_complex),
        cmocka_unit_test(step_safeguard_definite),
        cmocka_unit_test(step_tangent_complex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
