/* test_deform_step.c: the deform stepper's kernels: step, tangent and adjoint.
 *
 * The complex instantiation (deform_probe.h) runs the same step as the double one; an input moved
 * by i * TINY gives its derivative in the imaginary part. That is held against the tangent for
 * every kind of coefficient, the state and the inputs; the adjoint of the double instantiation
 * against its tangent; a pack against single rods, bit by bit. */
#define RGI_REAL_COMPLEX
#define PROBE(name) complex_##name
#include "deform_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "grad_table.h"
#include "joint_between.h"
#include "probe_random.h"

#define TINY 1e-150

#define DOUBLE(name) double_##name
#define PACK2(name) pack2_##name
#define MUTANT(name) mutant_##name
/* deform_mutant.c: the sign of term `mutant_term` of its adjoint is flipped; terms of the deform
 * kernels */
extern int mutant_term;
extern const int mutant_first, mutant_last;
PROBE_DECLARE(DOUBLE, double);
PROBE_DECLARE(PACK2, double);
PROBE_DECLARE(MUTANT, double);

enum grip { BOTH_ENDS, ONE_END, MIDDLE, NOWHERE, GRIPS };
enum { D_X = RGI_NC, D_V, D_TURN, D_S, D_Z, D_DRIVE, D_DRIVE_TURN, D_FORCE, DIRECTIONS };
static const char *const names[DIRECTIONS] = {"KL", "L",  "TS",   "K11", "K12",  "K22",   "KB1",        "KB2",
                                              "TB", "RM", "LM",   "KT",  "TBAR", "TT",    "M",          "C",
                                              "x",  "v",  "turn", "s",   "z",    "drive", "drive turn", "force"};

enum { MOST_IN = PROBE_IN(PROBE_NODES, PROBE_STEPS), MOST_OUT = PROBE_OUT(PROBE_NODES) };
/* where the parts of a tangent, and of a probed state, begin, over n (state.h) */
#define AT(name, past, reals)                                                                                          \
    AT_##name, AT_##name##_END = AT_##name + (reals)-1, AT_##past, AT_##past##_END = AT_##past + (reals)-1,
enum { RGI_STATE_LIST(AT) AT_theta };

enum { MOST_D = PROBE_D(PROBE_NODES, PROBE_STEPS), MOST_T = PROBE_NODES * RGI_NT };

typedef struct scene {
    probe_job job;
    double in[MOST_IN];
} scene;

/* places in the flat arrays */
static int in_of(int n, int part)
{
    const int before[] = {0, RGI_NC, RGI_NC + 3, RGI_NC + 6, RGI_NC + 9, RGI_NC + 13};
    return n * before[part];
}
enum { IN_COEF, IN_X, IN_V, IN_M1, IN_S, IN_Z };
static int in_step(int n, int s) { return n * (RGI_NC + PROBE_STATE + 9 * s); }
static int d_step(int n, int s) { return n * (RGI_NT + RGI_NC + 7 * s); }

static double between(uint64_t *seed, double a, double b) { return a + (b - a) * random_uniform(seed); }

static void make_grip(probe_job *job, enum grip grip)
{
    const int n = job->n < PROBE_NODES ? job->n : PROBE_NODES;
    for (int i = 0; i < n; i++)
        if ((grip == BOTH_ENDS && (i < 2 || i >= n - 2)) || (grip == ONE_END && i < 2) ||
            (grip == MIDDLE && (i == n / 2 || i == n / 2 + 1)))
            job->fixed[i] = RGI_FIXED_X;
    /* and a vertex held without its edges' directors */
    if (grip == ONE_END && n > 7) job->fixed[n - 2] = RGI_FIXED_X;
    for (int i = 0; i + 1 < n; i++)
        if (job->fixed[i] & job->fixed[i + 1] & RGI_FIXED_X) job->fixed[i] |= RGI_FIXED_THETA;
    job->fixed[n - 1] |= RGI_FIXED_THETA;
}

static void make_coefficients(scene *s, int round, uint64_t *seed)
{
    for (int i = 0; i < s->job.n; i++) {
        double *k = s->in + RGI_NC * i;
        k[RGI_KL] = between(seed, 200.0, 1000.0);
        k[RGI_L] = between(seed, 0.03, 0.07);
        k[RGI_TS] = between(seed, 0.001, 0.02);
        k[RGI_K11] = between(seed, 0.002, 0.006);
        k[RGI_K22] = between(seed, 0.002, 0.006);
        k[RGI_K12] = between(seed, -0.0015, 0.0015);
        k[RGI_KB1] = between(seed, -0.5, 0.5);
        k[RGI_KB2] = between(seed, -0.5, 0.5);
        k[RGI_TB] = between(seed, 0.001, 0.01);
        k[RGI_RM] = between(seed, 0.1, 1.0);
        k[RGI_LM] = between(seed, 1.0, 50.0);
        k[RGI_KT] = between(seed, 0.002, 0.006);
        k[RGI_TBAR] = between(seed, -0.5, 0.5);
        k[RGI_TT] = between(seed, 0.001, 0.01);
        k[RGI_M] = between(seed, 0.001, 0.003) + (i % 2 ? 0.002 : 0.0);
        k[RGI_C] = between(seed, 0.1, 3.0);
        if (!round) continue;
        /* round and straight at rest, without past: free to spin about itself */
        k[RGI_K22] = k[RGI_K11];
        k[RGI_K12] = k[RGI_KB1] = k[RGI_KB2] = k[RGI_TB] = k[RGI_RM] = 0.0;
    }
}

/* a bent and twisted rod of edges a few per cent off their rest lengths, its past near its strains
 */
static void make_state(scene *s, uint64_t *seed)
{
    const int n = s->job.n;
    double *x = s->in + in_of(n, IN_X), *v = s->in + in_of(n, IN_V), *m1 = s->in + in_of(n, IN_M1);
    double *strain = s->in + in_of(n, IN_S), *z = s->in + in_of(n, IN_Z), t[3], m[3], axis[3];
    random_unit(seed, t);
    random_perpendicular(seed, t, m);
    for (int i = 0; i + 1 < n; i++) {
        double stretched = s->in[RGI_NC * i + RGI_L] * between(seed, 0.97, 1.03);
        for (int d = 0; d < 3; d++) x[3 * i + 3 + d] = x[3 * i + d] + stretched * t[d];
        memcpy(m1 + 3 * i, m, sizeof m);
        double next[3], turned[3], angle = between(seed, 0.1, 0.6);
        random_perpendicular(seed, t, axis);
        rotate(axis, angle, t, next);
        rotate(axis, angle, m, turned);
        memcpy(t, next, sizeof t);
        rotate(t, between(seed, -0.6, 0.6), turned, m);
    }
    for (int i = 0; i < 3 * n; i++) v[i] = between(seed, -0.5, 0.5);
    for (int i = 0; i < 4 * n; i++) strain[i] = i % 4 ? between(seed, -0.6, 0.6) : s->in[RGI_NC * (i / 4) + RGI_L];
    for (int i = 0; i < 2 * n; i++) z[i] = between(seed, -0.6, 0.6);
}

/* prescribed vertices move and turn as a rigid body by end of the rod, directors carried along */
static void make_drive(scene *s, uint64_t *seed)
{
    const int n = s->job.n;
    const double *x = s->in + in_of(n, IN_X), *m1 = s->in + in_of(n, IN_M1);
    double speed[2][3], axis[2][3];
    for (int e = 0; e < 2; e++) {
        random_unit(seed, axis[e]);
        for (int d = 0; d < 3; d++) speed[e][d] = between(seed, -0.5, 0.5);
    }
    for (int step = 0; step < s->job.steps; step++) {
        double *y = s->in + in_step(n, step), *y1 = y + 3 * n, *f = y1 + 3 * n, arm[3];
        double time = s->job.h * (step + 1);
        for (int i = 0; i < n; i++) {
            int e = 2 * i >= n;
            for (int d = 0; d < 3; d++) {
                arm[d] = x[3 * i + d] - x[e ? 3 * n - 3 + d : d];
                f[3 * i + d] = 0.02 * random_signed(seed);
            }
            /* what is not prescribed must not be read */
            for (int d = 0; d < 3; d++) y[3 * i + d] = y1[3 * i + d] = NAN;
            if (s->job.fixed[i] & RGI_FIXED_X) {
                rotate(axis[e], 4.0 * time, arm, y + 3 * i);
                for (int d = 0; d < 3; d++) y[3 * i + d] += x[e ? 3 * n - 3 + d : d] + time * speed[e][d];
            }
            if (i < n - 1 && (s->job.fixed[i] & RGI_FIXED_THETA)) rotate(axis[e], 4.0 * time, m1 + 3 * i, y1 + 3 * i);
        }
        /* a pair in the middle counts to the far end */
        for (int i = 0; i + 1 < n; i++)
            if (s->job.fixed[i] & RGI_FIXED_THETA) {
                double e[3], t[3];
                for (int d = 0; d < 3; d++) e[d] = y[3 * i + 3 + d] - y[3 * i + d];
                unit(e, t);
                double along = dot(t, y1 + 3 * i);
                for (int d = 0; d < 3; d++) y1[3 * i + d] -= along * t[d];
                unit(y1 + 3 * i, y1 + 3 * i);
            }
    }
}

static scene *make_scene(int n, enum grip grip, int round, int steps, uint64_t seed)
{
    scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->job.n = n;
    s->job.steps = steps;
    s->job.sweeps = 10;
    s->job.max_iterations = 60;
    s->job.h = 0.004;
    /* Newton to round-off: what it leaves is of the order of its square */
    s->job.tolerance = 1e-24;
    s->job.gravity[0] = 1.0;
    s->job.gravity[2] = -9.81;
    make_grip(&s->job, grip);
    make_coefficients(s, round, &seed);
    make_state(s, &seed);
    make_drive(s, &seed);
    return s;
}

/* direction `kind` of size about 1 in the quantity's own unit; -1: all of them */
static void make_direction(const scene *s, int kind, double *d, uint64_t *seed)
{
    const int n = s->job.n, size = PROBE_D(n, s->job.steps);
    /* in a tangent, over n: where, and how many */
    const int places[5][2] = {{AT_x, 3}, {AT_v, 3}, {AT_theta, 1}, {AT_s, 4}, {AT_z, 2}};
    const double scales[5] = {0.01, 1.0, 0.3, 0.3, 0.3};
    memset(d, 0, (size_t)size * sizeof *d);
    for (int q = 0; q < DIRECTIONS; q++) {
        if (kind >= 0 && kind != q) continue;
        for (int i = 0; i < n && q < RGI_NC; i++)
            d[n * RGI_NT + RGI_NC * i + q] = random_signed(seed) * fabs(s->in[RGI_NC * i + q]);
        for (int k = 0; q >= D_X && q <= D_Z && k < n * places[q - D_X][1]; k++)
            d[n * places[q - D_X][0] + k] = scales[q - D_X] * random_signed(seed);
        for (int step = 0; q >= D_DRIVE && step < s->job.steps; step++)
            for (int i = 0; i < n; i++) {
                double *y = d + d_step(n, step) + RGI_NU * i, *f = d + d_step(n, step) + 4 * n + 3 * i;
                for (int c = 0; c < 3; c++) {
                    if (q == D_FORCE) f[c] = 0.02 * random_signed(seed);
                    if (q == D_DRIVE && (s->job.fixed[i] & RGI_FIXED_X)) y[c] = 0.01 * random_signed(seed);
                }
                if (q == D_DRIVE_TURN && i < n - 1 && (s->job.fixed[i] & RGI_FIXED_THETA))
                    y[3] = 0.3 * random_signed(seed);
            }
    }
    /* a last edge there is not */
    d[RGI_NT * n - 1] = 0.0;
}

static vec3 tangent_of(const real *x, int i) { return v3_unit(v3_sub(v3_load(x + 3 * i + 3), v3_load(x + 3 * i))); }

/* the scene's input with `by` of a direction added: directors carried along and turned */
static void perturb(const scene *s, const double *d, real by, real *in)
{
    const int n = s->job.n, parts[][2] = {{IN_X, AT_x}, {IN_V, AT_v}, {IN_S, AT_s}, {IN_Z, AT_z}};
    const int counts[] = {3, 3, 4, 2};
    real was[3 * PROBE_NODES];
    for (int i = 0; i < PROBE_IN(n, s->job.steps); i++) in[i] = s->in[i];
    for (int i = 0; i < 3 * n; i++) was[i] = in[in_of(n, IN_X) + i];
    for (int i = 0; i < n * RGI_NC; i++) in[i] += by * d[n * RGI_NT + i];
    for (int p = 0; p < 4; p++)
        for (int i = 0; i < counts[p] * n; i++) in[in_of(n, parts[p][0]) + i] += by * d[n * parts[p][1] + i];
    const real *x = in + in_of(n, IN_X);
    for (int i = 0; i + 1 < n; i++) {
        real *m = in + in_of(n, IN_M1) + 3 * i;
        v3_store(m, rgi_director_move(tangent_of(was, i), tangent_of(x, i), by * d[AT_theta * n + i], v3_load(m)));
    }
    for (int step = 0; step < s->job.steps; step++) {
        const double *dy = d + d_step(n, step);
        real *y = in + in_step(n, step), *y1 = y + 3 * n, *f = y1 + 3 * n;
        for (int i = 0; i < 3 * n; i++) {
            was[i] = y[i];
            y[i] += by * dy[RGI_NU * (i / 3) + i % 3];
            f[i] += by * dy[4 * n + i];
        }
        for (int i = 0; i + 1 < n; i++)
            if (s->job.fixed[i] & RGI_FIXED_THETA)
                v3_store(y1 + 3 * i, rgi_director_move(tangent_of(was, i), tangent_of(y, i), by * dy[RGI_NU * i + 3],
                                                       v3_load(y1 + 3 * i)));
    }
}

/* what an imaginary move made of the state, as a tangent */
static void imaginary(const scene *s, const real *out, double *d)
{
    const int n = s->job.n;
    const real *m1 = out + AT_theta * n;
    for (int i = 0; i < AT_theta * n; i++) d[i] = cimag(out[i]) / TINY;
    for (int i = 0; i < n; i++) {
        d[AT_theta * n + i] = 0.0;
        if (i == n - 1) continue;
        real x[6];
        for (int c = 0; c < 6; c++) x[c] = creal(out[3 * i + c]);
        vec3 m = v3(creal(m1[3 * i]), creal(m1[3 * i + 1]), creal(m1[3 * i + 2]));
        vec3 dm = v3(cimag(m1[3 * i]), cimag(m1[3 * i + 1]), cimag(m1[3 * i + 2]));
        d[AT_theta * n + i] = creal(v3_dot(v3_cross(tangent_of(x, 0), m), dm)) / TINY;
    }
}

/* largest difference over the largest entry, of the worst part of two tangents; an entry below 1e-3
 * of what a direction's own size gives (x, v, ..., in SI) is held against that */
static double difference(const double *a, const double *b, int n)
{
    const int ends[] = {AT_x, AT_xp, AT_v, AT_vp, AT_s, AT_sp, AT_z, AT_zp, AT_theta, RGI_NT};
    const double natural[] = {0.01, 0.01, 1.0, 1.0, 0.3, 0.3, 0.3, 0.3, 0.3};
    double most = 0.0;
    for (int p = 0; p < 9; p++) {
        double worst = 0.0, size = 1e-3 * natural[p];
        for (int i = n * ends[p]; i < n * ends[p + 1]; i++) {
            if (!(fabs(a[i] - b[i]) <= worst)) worst = fabs(a[i] - b[i]);
            if (!(fabs(b[i]) <= size)) size = fabs(b[i]);
        }
        if (!(worst / size <= most)) most = worst / size;
    }
    return most;
}

static void check_ends(const double *ends, const char *what)
{
    if (ends[0] != 1.0 || ends[1] != 1.0)
        fail_msg("%s: converged %g, finite %g, %g iterations", what, ends[0], ends[1], ends[2]);
}

static void check_tangents(const scene *s, const char *what, double *worst, uint64_t seed)
{
    const int n = s->job.n;
    real in[MOST_IN], out[MOST_OUT];
    double ends[MOST_OUT], d[MOST_D], mine[MOST_T], theirs[MOST_T];
    for (int q = 0; q < DIRECTIONS; q++) {
        make_direction(s, q, d, &seed);
        double_run(&s->job, s->in, ends, d, mine, NULL, NULL);
        check_ends(ends + PROBE_OUT(n) - 3, what);
        perturb(s, d, TINY * I, in);
        complex_run(&s->job, in, out, NULL, NULL, NULL, NULL);
        imaginary(s, out, theirs);
        double err = difference(mine, theirs, n);
        if (!(err <= worst[q])) worst[q] = err;
        /* a step solved to round-off, times its condition number */
        if (!(err <= 1e-10)) fail_msg("%s: tangent along %s is %.1e from the complex step", what, names[q], err);
    }
}

static void deform_tangent_complex(void **state)
{
    (void)state;
    double worst[DIRECTIONS] = {0.0};
    for (int number = 0; number < 24; number++) {
        char what[80];
        int n = 7 + number % 3, grip = number % GRIPS, steps = number / GRIPS % 2 ? 3 : 1;
        snprintf(what, sizeof what, "%d vertices, grip %d, %d steps", n, grip, steps);
        scene *s = make_scene(n, (enum grip)grip, 0, steps, 0xdef0u + (unsigned)number);
        check_tangents(s, what, worst, 17u + (unsigned)number);
        free(s);
    }
    double most = 0.0;
    for (int q = 0; q < DIRECTIONS; q++) {
        print_message("%-10s %.1e\n", names[q], worst[q]);
        most = worst[q] <= most ? most : worst[q];
    }
    grad_record("complex step", "tangents of 1 and 3 steps, deform", most, 1e-10, GRAD_AT_MOST);
}

/* a round rod that nothing holds keeps its spin: its directors' turn before the step is in the one
 * after */
static void deform_tangent_spin(void **state)
{
    (void)state;
    double worst[DIRECTIONS] = {0.0}, d[MOST_D] = {0.0}, out[MOST_OUT], after[MOST_T];
    for (int number = 0; number < 8; number++) {
        scene *s = make_scene(7, NOWHERE, 1, number % 2 ? 3 : 1, 0x5b1u + (unsigned)number);
        check_tangents(s, "round rod", worst, 3u + (unsigned)number);
        for (int i = 0; i < 6; i++) d[24 * 7 + i] = 1.0;
        double_run(&s->job, s->in, out, d, after, NULL, NULL);
        for (int i = 0; i < 6; i++)
            if (!(fabs(after[AT_theta * 7 + i] - 1.0) <= 1e-12))
                fail_msg("edge %d turns by %.15f of the rod's spin", i, after[AT_theta * 7 + i]);
        free(s);
    }
}

/* <w, J d> = <J^T w, d> for every kind of d; returns the difference over the terms' sizes */
static double dot_error(const scene *s, int kind, int mutant, uint64_t *seed, double *size)
{
    const int n = s->job.n, size_d = PROBE_D(n, s->job.steps);
    double d[MOST_D], bar[MOST_T], out[MOST_OUT], jd[MOST_T], back[MOST_D];
    double left = 0.0, right = 0.0, sum = 0.0;
    make_direction(s, kind, d, seed);
    for (int i = 0; i < n * RGI_NT; i++) bar[i] = random_signed(seed);
    /* weights that make each part of the state count alike: v is dx/h */
    for (int i = 0; i < 3 * n; i++) {
        bar[AT_x * n + i] *= 100.0;
        bar[AT_xp * n + i] *= 100.0;
    }
    bar[RGI_NT * n - 1] = 0.0;
    double_run(&s->job, s->in, out, d, jd, mutant ? NULL : bar, back);
    check_ends(out + PROBE_OUT(n) - 3, names[kind < 0 ? 0 : kind]);
    if (mutant) mutant_run(&s->job, s->in, out, NULL, NULL, bar, back);
    for (int i = 0; i < n * RGI_NT; i++) {
        left += jd[i] * bar[i];
        sum += fabs(jd[i] * bar[i]);
    }
    for (int i = 0; i < size_d; i++) {
        right += d[i] * back[i];
        sum += fabs(d[i] * back[i]);
    }
    *size = sum;
    /* an angle that is solved for takes nothing from where it was, but for round-off */
    return fabs(left - right) / (sum + 1e-3);
}

static void deform_adjoint_dot(void **state)
{
    (void)state;
    double worst = 0.0, size;
    uint64_t seed = 99;
    for (int number = 0; number < 32; number++) {
        int round = number % 8 == 7;
        scene *s = make_scene(7 + number % 3, (enum grip)(number % GRIPS), round, number / GRIPS % 2 ? 3 : 1,
                              0xd07u + (unsigned)number);
        for (int kind = -1; kind < DIRECTIONS; kind++) {
            double err = dot_error(s, kind, 0, &seed, &size);
            if (!(err <= worst)) worst = err;
            /* round-off of sums of some thousand terms */
            if (!(err <= 1e-12))
                fail_msg("scene %d, %s: dot products differ by %.1e", number, kind < 0 ? "all" : names[kind], err);
            /* stretch has no stress here, and a rod not held no drive; the rest counts */
            if (kind != RGI_KL && kind != RGI_TS && kind != D_DRIVE && kind != D_DRIVE_TURN && kind != D_TURN &&
                !round && size == 0.0)
                fail_msg("scene %d: %s changes nothing", number, names[kind < 0 ? 0 : kind]);
        }
        free(s);
    }
    print_message("dot products differ by %.1e at most\n", worst);
    grad_record("dot product", "1 and 3 steps, deform", worst, 1e-12, GRAD_AT_MOST);
}

/* with the sign of any one term of the adjoint flipped, some dot product is wrong */
static void deform_adjoint_terms(void **state)
{
    (void)state;
    double size;
    assert_true(mutant_last - mutant_first > 30);
    for (int term = mutant_first; term < mutant_last; term++) {
        int caught = 0;
        uint64_t seed = 5;
        mutant_term = term;
        for (int number = 0; number < 6 && !caught; number++) {
            scene *s =
                make_scene(8, number >= 4 ? NOWHERE : (enum grip)number, number == 4, 1, 0x3a7u + (unsigned)number);
            s->job.dead[0] = number == 5; /* what stands still has terms of its own */
            for (int kind = 0; kind < DIRECTIONS && !caught; kind++)
                caught = !(dot_error(s, kind, 1, &seed, &size) <= 1e-10);
            free(s);
        }
        if (!caught) fail_msg("term %d can have the other sign unseen", term - mutant_first);
    }
    /* and none flipped, it is the adjoint */
    mutant_term = -1;
    uint64_t seed = 5;
    scene *s = make_scene(8, BOTH_ENDS, 0, 3, 0x3a7u);
    assert_true(dot_error(s, -1, 1, &seed, &size) <= 1e-12);
    free(s);
    print_message("%d terms\n", mutant_last - mutant_first);
}

/* largest component of sum m a x move over the two vertices of an edge, or of sum m move without a
 */
static double momentum_of(const double *m, const double *a, double (*moves)[3], double *size)
{
    double sum[3] = {0.0, 0.0, 0.0}, most = 0.0, r[3];
    for (int i = 0; i < 2; i++) {
        memcpy(r, moves[i], sizeof r);
        if (a) cross(a + 3 * i, moves[i], r);
        for (int c = 0; c < 3; c++) {
            sum[c] += m[i] * r[c];
            *size = fmax(*size, fabs(m[i] * r[c]));
        }
    }
    for (int c = 0; c < 3; c++) most = fmax(most, fabs(sum[c]));
    return most;
}

/* every update of a loose edge keeps momentum and angular momentum, and the sweeps are those
 * updates */
static void deform_projection_momentum(void **state)
{
    (void)state;
    uint64_t seed = 4;
    for (int number = 0; number < 20; number++) {
        scene *s = make_scene(9, NOWHERE, 0, 1, 0x707u + (unsigned)number);
        probe_bench b;
        const int n = s->job.n;
        real in[MOST_IN], y[3 * PROBE_NODES], whole[3 * PROBE_NODES], past[4 * PROBE_NODES];
        double off[2] = {0.0, 0.0}, drift[3] = {0.0}, total = 0.0;
        for (int i = 0; i < PROBE_IN(n, 1); i++) in[i] = s->in[i];
        probe_make(&b, &s->job);
        probe_start(&b, &s->job, in);
        rgi_projection_shares(&b.rod, b.work.share);
        for (int i = 0; i < 3 * n; i++) whole[i] = y[i] = b.rod.x[i] + 0.005 * random_signed(&seed);
        for (int sweep = 0; sweep < 10; sweep++)
            for (int k = 0; k + 1 < n; k++) {
                rgi_rod pair = b.rod;
                double m[2], at[6], moves[2][3], size = 0.0;
                pair.n = 2;
                pair.coef = b.rod.coef + RGI_NC * k;
                for (int c = 0; c < 6; c++) at[c] = creal(y[3 * k + c]);
                rgi_project(&pair, 1, b.work.share + k, y + 3 * k, past);
                for (int c = 0; c < 6; c++) {
                    m[c / 3] = creal(pair.coef[RGI_NC * (c / 3) + RGI_M]);
                    moves[c / 3][c % 3] = creal(y[3 * k + c]) - at[c];
                }
                /* a move is rounded like the position it leads to */
                double least = 2e-16 * (m[0] + m[1]), err = momentum_of(m, NULL, moves, &size);
                if (!(err <= 1e-13 * size + least)) fail_msg("momentum changes by %.1e", err);
                size = 0.0;
                err = momentum_of(m, at, moves, &size);
                if (!(err <= 1e-13 * size + least)) fail_msg("angular momentum changes by %.1e of %.1e", err, size);
            }
        for (int i = 0; i + 1 < n; i++) {
            double e[3], rest = creal(b.coef[RGI_NC * i + RGI_L]);
            for (int c = 0; c < 3; c++) e[c] = creal(whole[3 * i + 3 + c] - whole[3 * i + c]);
            off[0] += fabs(norm(e) - rest);
            for (int c = 0; c < 3; c++) e[c] = creal(y[3 * i + 3 + c] - y[3 * i + c]);
            off[1] += fabs(norm(e) - rest);
        }
        if (!(off[1] <= 0.3 * off[0])) fail_msg("lengths are off by %g, were by %g", off[1], off[0]);
        for (int i = 0; i < 3 * n; i++) drift[i % 3] -= creal(b.coef[RGI_NC * (i / 3) + RGI_M] * whole[i]);
        rgi_project(&b.rod, 10, b.work.share, whole, b.work.past);
        for (int i = 0; i < 3 * n; i++) {
            double part = creal(b.coef[RGI_NC * (i / 3) + RGI_M] * whole[i]);
            drift[i % 3] += part;
            total += fabs(part);
            assert_true(whole[i] == y[i]);
        }
        /* of ten sweeps together: some hundred roundings */
        for (int c = 0; c < 3; c++) assert_true(fabs(drift[c]) <= 1e-14 * total);
        free(b.memory);
        free(s);
    }
}

/* bending and twist energy of the joints at x and the turned directors, each turned further by `by`
 */
static double potential(const rgi_rod *rod, const double *by)
{
    double sum = 0.0;
    real m[3 * PROBE_NODES];
    for (int i = 0; i + 1 < rod->n; i++) {
        vec3 t = v3_load(rod->t + 4 * i), a = v3_load(rod->base1 + 3 * i);
        v3_store(m + 3 * i, v3_axpy(sin(by[i]), v3_cross(t, a), v3_scale(cos(by[i]), a)));
    }
    for (int i = 1; i + 1 < rod->n; i++) {
        const real *x = rod->x + 3 * i, *w = rod->w + RGI_NW * i;
        rgi_joint j = joint_between(v3_sub(v3_load(x), v3_load(x - 3)), v3_sub(v3_load(x + 3), v3_load(x)),
                                    v3_load(m + 3 * i - 3), v3_load(m + 3 * i));
        real k = j.kappa1, l = j.kappa2, t = rgi_twist_branch(rod, i, rgi_joint_twist(&j));
        sum += creal(0.5 * (w[RGI_S11] * k * k + 2.0 * w[RGI_S12] * k * l + w[RGI_S22] * l * l + w[RGI_ST] * t * t) -
                     w[RGI_B1] * k - w[RGI_B2] * l - w[RGI_BT] * t);
    }
    return sum;
}

/* the turned directors minimise the potential: no slope, and no lower neighbour, near or not so
 * near */
static void deform_twist_minimal(void **state)
{
    (void)state;
    uint64_t seed = 8;
    double worst = 0.0, iterations = 0.0;
    for (int number = 0; number < 40; number++) {
        scene *s =
            make_scene(7 + number % 3, (enum grip)(number % GRIPS), number % 5 == 0, 1, 0x3141u + (unsigned)number);
        probe_bench b;
        real in[MOST_IN];
        double none[PROBE_NODES] = {0.0}, by[PROBE_NODES] = {0.0};
        for (int i = 0; i < PROBE_IN(s->job.n, 1); i++) in[i] = s->in[i];
        probe_make(&b, &s->job);
        probe_start(&b, &s->job, in);
        rgi_outcome out = probe_step(&b, &s->job, in, 0);
        assert_true(out.converged && out.finite);
        iterations = fmax(iterations, creal(out.iterations));
        const rgi_rod *rod = &b.rod;
        double least = potential(rod, none);
        for (int i = 0; i + 1 < rod->n; i++) {
            if (rod->fixed[i] & RGI_FIXED_THETA) continue;
            /* of a moment of some 1e-3 N m, the round-off that the tolerance leaves */
            double slope = fabs(creal(rod->grad[RGI_NU * i + 3]));
            if (!(slope <= worst)) worst = slope;
            if (!(slope <= 1e-16)) fail_msg("rod %d: moment %.1e about edge %d", number, slope, i);
        }
        for (int trial = 0; trial < 200; trial++) {
            for (int i = 0; i + 1 < rod->n; i++)
                by[i] = rod->fixed[i] & RGI_FIXED_THETA ? 0.0 : (trial % 2 ? 0.3 : 1e-3) * random_signed(&seed);
            double there = potential(rod, by);
            if (!(there >= least - 1e-17)) fail_msg("rod %d: %.17g, and near it %.17g", number, least, there);
        }
        free(b.memory);
        free(s);
    }
    print_message("moments about free edges: %.1e N m; at most %g iterations\n", worst, iterations);
}

/* a rod that hangs, bends and swings in a plane stays there, and untwisted */
static void deform_plane(void **state)
{
    (void)state;
    const int n = 9;
    scene *s = make_scene(n, ONE_END, 1, PROBE_STEPS, 1);
    double *x = s->in + in_of(n, IN_X), *m1 = s->in + in_of(n, IN_M1), out[MOST_OUT];
    memset(s->in + in_of(n, IN_V), 0, (size_t)(3 * n) * sizeof(double));
    memset(s->in + in_of(n, IN_S), 0, (size_t)(6 * n) * sizeof(double));
    memset(m1, 0, (size_t)(3 * n) * sizeof(double));
    s->job.fixed[n - 2] = 0;
    for (int i = 0; i < n; i++) {
        s->in[RGI_NC * i + RGI_TBAR] = 0.0;
        /* horizontal at first: it will fall, and sway with what pulls along x */
        for (int c = 0; c < 3; c++) x[3 * i + c] = c == 0 ? 0.05 * i : 0.0;
        m1[3 * i + 1] = i < n - 1 ? 1.0 : 0.0;
        for (int step = 0; step < PROBE_STEPS; step++) {
            double *y = s->in + in_step(n, step);
            memcpy(y, x, (size_t)(3 * n) * sizeof *y);
            memcpy(y + 3 * n, m1, (size_t)(3 * n) * sizeof *y);
            memset(y + 6 * n, 0, (size_t)(3 * n) * sizeof *y);
        }
    }
    for (int round = 0; round < 100; round++) {
        double_run(&s->job, s->in, out, NULL, NULL, NULL, NULL);
        check_ends(out + PROBE_OUT(n) - 3, "hanging rod");
        memcpy(s->in + in_of(n, IN_X), out + AT_x * n, (size_t)(3 * n) * sizeof *out);
        memcpy(s->in + in_of(n, IN_V), out + AT_v * n, (size_t)(3 * n) * sizeof *out);
        memcpy(m1, out + AT_theta * n, (size_t)(3 * n) * sizeof *out);
        memcpy(s->in + in_of(n, IN_S), out + AT_s * n, (size_t)(4 * n) * sizeof *out);
        memcpy(s->in + in_of(n, IN_Z), out + AT_z * n, (size_t)(2 * n) * sizeof *out);
    }
    /* every product with a component across the plane is zero */
    for (int i = 0; i < n; i++) assert_true(out[3 * i + 1] == 0.0 && out[AT_s * n + 4 * i + 3] == 0.0);
    assert_true(out[3 * n - 1] < -0.05);
    free(s);
}

static int same(const double *a, const double *b, int n) { return memcmp(a, b, (size_t)n * sizeof *a) == 0; }

/* Each lane of a pack is a rod alone, to the bit, whatever its neighbour holds; a lane that takes
 * no step hands its state, tangent and cotangent through. */
static void deform_lanes_independent(void **state)
{
    (void)state;
    uint64_t seed = 12;
    assert_int_equal(pack2_lanes(), 2);
    for (int number = 0; number < 16; number++) {
        const int n = 7 + number % 3, steps = number % 2 ? 3 : 1, hurt = number / 4 % 4;
        const int in = PROBE_IN(n, steps), out = PROBE_OUT(n), d = PROBE_D(n, steps), t = n * RGI_NT;
        double ins[2][MOST_IN], ds[2][MOST_D], bars[2][MOST_T], two_in[2 * MOST_IN];
        double two_d[2 * MOST_D], two_bar[2 * MOST_T], two_out[2 * MOST_OUT], two_jd[2 * MOST_T];
        double two_back[2 * MOST_D], one_out[MOST_OUT], one_jd[MOST_T], one_back[MOST_D];
        probe_job job;
        for (int l = 0; l < 2; l++) {
            scene *s =
                make_scene(n, (enum grip)(number % GRIPS), 0, steps, 0x1a4eu + 2u * (unsigned)number + (unsigned)l);
            memcpy(ins[l], s->in, sizeof s->in);
            make_direction(s, -1, ds[l], &seed);
            for (int i = 0; i < t; i++) bars[l][i] = random_signed(&seed);
            job = s->job;
            free(s);
        }
        /* what may befall a neighbour: a position, a stiffness, a force that is no number */
        if (hurt == 1) ins[1][in_of(n, IN_X) + 5] = NAN;
        if (hurt == 2) ins[1][RGI_NC * 3 + RGI_K11] = INFINITY;
        if (hurt == 3) ins[1][in_step(n, 0) + 7 * n] = NAN;
        for (int l = 0; l < 2; l++) {
            memcpy(two_in + l * in, ins[l], (size_t)in * sizeof(double));
            memcpy(two_d + l * d, ds[l], (size_t)d * sizeof(double));
            memcpy(two_bar + l * t, bars[l], (size_t)t * sizeof(double));
        }
        pack2_run(&job, two_in, two_out, two_d, two_jd, two_bar, two_back);
        for (int l = 0; l < (hurt ? 1 : 2); l++) {
            double_run(&job, ins[l], one_out, ds[l], one_jd, bars[l], one_back);
            check_ends(one_out + out - 3, "lane");
            assert_true(same(one_out, two_out + l * out, out));
            assert_true(same(one_jd, two_jd + l * t, t));
            assert_true(same(one_back, two_back + l * d, d));
        }
        if (hurt) {
            /* found out at the first step already */
            job.steps = 1;
            for (int l = 0; l < 2; l++)
                memcpy(two_in + l * PROBE_IN(n, 1), ins[l], (size_t)PROBE_IN(n, 1) * sizeof(double));
            pack2_run(&job, two_in, two_out, NULL, NULL, NULL, NULL);
            assert_true(two_out[out - 2] == 1.0 && two_out[2 * out - 2] == 0.0);
            continue;
        }
        job.dead[1] = 1;
        pack2_run(&job, two_in, two_out, two_d, two_jd, two_bar, two_back);
        double_run(&job, ins[0], one_out, ds[0], one_jd, bars[0], one_back);
        job.dead[1] = 0;
        const double *x = ins[1] + in_of(n, IN_X), *v = ins[1] + in_of(n, IN_V), *frozen = two_out + out,
                     *back = two_back + d;
        assert_true(same(frozen + AT_x * n, x, 3 * n) && same(frozen + AT_xp * n, x, 3 * n));
        assert_true(same(frozen + AT_v * n, v, 3 * n) && same(frozen + AT_vp * n, v, 3 * n));
        assert_true(same(frozen + AT_theta * n, ins[1] + in_of(n, IN_M1), 3 * n));
        assert_true(same(frozen + AT_s * n, ins[1] + in_of(n, IN_S), 4 * n));
        assert_true(same(frozen + AT_z * n, ins[1] + in_of(n, IN_Z), 2 * n));
        assert_true(same(two_jd + t + AT_x * n, ds[1] + AT_x * n, 3 * n));
        assert_true(same(two_jd + t + AT_v * n, ds[1] + AT_v * n, 3 * n));
        assert_true(same(two_jd + t + AT_theta * n, ds[1] + AT_theta * n, n));
        assert_true(same(two_jd + t + AT_s * n, ds[1] + AT_s * n, 4 * n));
        /* now and before are one state that does not move; nothing else is asked of it */
        static const int pairs[2][2] = {{AT_x, AT_xp}, {AT_v, AT_vp}};
        for (int k = 0; k < 2; k++)
            for (int i = 0; i < 3 * n; i++) {
                const int now = pairs[k][0] * n + i, before = pairs[k][1] * n + i;
                assert_true(back[now] == bars[1][now] + bars[1][before] && back[before] == 0.0);
            }
        assert_true(same(back + AT_theta * n, bars[1] + AT_theta * n, n));
        for (int i = t; i < d; i++) assert_true(back[i] == 0.0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deform_tangent_complex),
        cmocka_unit_test(deform_tangent_spin),
        cmocka_unit_test(deform_adjoint_dot),
        cmocka_unit_test(deform_adjoint_terms),
        cmocka_unit_test(deform_projection_momentum),
        cmocka_unit_test(deform_twist_minimal),
        cmocka_unit_test(deform_plane),
        cmocka_unit_test(deform_lanes_independent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
