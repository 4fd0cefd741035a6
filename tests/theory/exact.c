/* exact.c: configurations whose discrete solution is known exactly, to round-off. Rods bent and twisted by
 * nature (arc, helix; anisotropic too), which rest at no energy; a straight rod bent uniformly between two
 * grippers; an uneven rod twisted by turns; and the free fall of an arc and a helix, which do not deform.
 *
 * A joint of Voronoi length d turns by phi about the unit vector b = cos(beta) m1 + sin(beta) m2 (directors
 * of the edge before it), and the next edge's directors are carried over and turn by tau. Then
 *   kappa = 2 tan(phi/2) cos(tau/2) (sin(beta - tau/2), -cos(beta - tau/2)),
 * so that no energy, kappa = kappa_bar d and tau = tau_bar d, means
 *   beta = tau/2 + atan2(kappa_1, -kappa_2),  tan(phi/2) = |kappa|/(2 cos(tau/2)).
 * Unless said otherwise rods are L = 1 m long, EI = 1 N m^2, GJ = 0.7 N m^2, EA = 1e5 N. */
#include <math.h>
#include <string.h>

#include "theory.h"

enum { MOST = 84 };

/* bending and twist by nature [1/m], [rad/m] */
typedef struct nature {
    double kappa[2], tau;
} nature;

static const nature straight = {{0.0, 0.0}, 0.0};

static double dot(const double *a, const double *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

static void cross(const double *a, const double *b, double *out)
{
    out[0] = a[1] * b[2] - a[2] * b[1];
    out[1] = a[2] * b[0] - a[0] * b[2];
    out[2] = a[0] * b[1] - a[1] * b[0];
}

static double apart(const double *a, const double *b)
{
    const double d[3] = {a[0] - b[0], a[1] - b[1], a[2] - b[2]};
    return sqrt(dot(d, d));
}

/* the farthest that any of n points is from its place */
static double farthest(const double *a, const double *b, int n)
{
    double worst = 0.0;
    for (int i = 0; i < n; i++) worst = fmax(worst, apart(a + 3 * i, b + 3 * i));
    return worst;
}

/* one joint: from edge (t, m) to the next, in place */
static void joint(const nature *w, double d, double t[3], double m[3])
{
    const double tau = w->tau * d, size = hypot(w->kappa[0], w->kappa[1]) * d;
    const double beta = 0.5 * tau + atan2(w->kappa[0], -w->kappa[1]), phi = 2.0 * atan(0.5 * size / cos(0.5 * tau));
    double m2[3], b[3], next[3], carried[3];
    cross(t, m, m2);
    for (int c = 0; c < 3; c++) b[c] = cos(beta) * m[c] + sin(beta) * m2[c];
    theory_turn(b, phi, t, next);
    theory_transport(t, next, m, carried);
    theory_turn(next, tau, carried, m);
    memcpy(t, next, 3 * sizeof *t);
}

/* vertices x and directors m of a rod at rest, its first edge along x with director `up`, which begins at the
 * origin (with a gripper, before it) */
static void at_rest(const theory_rod *rod, const nature *w, const double up[3], double *x, double *m)
{
    const int n = rod->segments + 1 + rod->grip_begin + rod->grip_end;
    double t[3] = {1.0, 0.0, 0.0}, now[3] = {up[0], up[1], up[2]};
    for (int c = 0; c < 3; c++) x[c] = 0.0;
    x[0] = theory_arc(rod, 0);
    for (int i = 0; i + 1 < n; i++) {
        const double edge = theory_arc(rod, i + 1) - theory_arc(rod, i);
        if (i > 0) joint(w, 0.5 * (edge + theory_arc(rod, i) - theory_arc(rod, i - 1)), t, now);
        for (int c = 0; c < 3; c++) {
            m[3 * i + c] = now[c];
            x[3 * i + 3 + c] = x[3 * i + c] + edge * t[c];
        }
    }
}

static theory_rod uniform(int n, int grip_begin, int grip_end)
{
    return (theory_rod){1.0, 1.0, 1e5, 1.0, 0.7, n, grip_begin, grip_end};
}

/* a model with this nature; anisotropic: bending stiffnesses with a ratio of 5 and a coupling */
static rg_model *natural(const theory_rod *rod, const nature *w, int anisotropic)
{
    rg_model *m = theory_model(rod, 0, 0);
    double *kappa = rg_model_field_data(m, RG_NATURAL_CURVATURE);
    for (size_t i = 0; i < rg_model_field_entries(m, RG_NATURAL_CURVATURE); i++)
        for (int c = 0; c < 2; c++) kappa[2 * i + (size_t)c] = w->kappa[c];
    theory_set(m, RG_NATURAL_TWIST, w->tau);
    if (anisotropic) {
        theory_set(m, RG_BEND_STIFFNESS_1, 2.5 * rod->bend);
        theory_set(m, RG_BEND_STIFFNESS_2, 0.5 * rod->bend);
        theory_set(m, RG_BEND_COUPLING, 0.3 * rod->bend);
    }
    return m;
}

static void draw_two(const char *panel, const char *series, const double *x, int n, int horizontal, int vertical)
{
    for (int i = 0; i < n; i++) theory_point(panel, series, x[3 * i + horizontal], x[3 * i + vertical]);
}

/* The bars of statics here, 1e-10: Newton's last increment is below 1e-12 m, and its next one is round-off,
 * 1e-16 EA over the softest mode's 2 EI/L^3: some 1e-11. */
static const double round_off = 1e-10;

/* One static step from a straight start, the first edge held: the arc that its nature wants, 3/4 of a circle;
 * and with anisotropic bending and a nature that is tilted against its axes. With both ends held where the
 * arc has them, directors too, from an arc whose inside is bumped by a tenth. */
static void exact_arc(void **state)
{
    (void)state;
    enum { N = 40 };
    static const double up[3] = {0.0, 0.0, 1.0};
    static const nature natures[] = {{{0.0, -1.5 * THEORY_PI}, 0.0}, {{2.5, -3.5}, 0.0}};
    static const char *names[] = {"isotropic", "anisotropic and tilted"};
    theory_case("exact_arc", "rods bent by nature rest as the exact polygon",
                "discrete elastic rods: no energy, tan(phi/2) = kappa_bar d/2 at every joint");
    theory_panel("from straight to the arc", "x, in lengths", "y, in lengths", 0);
    for (int k = 0; k < 2; k++) {
        double exact[3 * MOST], m[3 * MOST], start[3 * MOST];
        char what[96];
        theory_rod rod = uniform(N, 1, 0);
        at_rest(&rod, &straight, up, start, m);
        theory_run *run = theory_run_make(natural(&rod, &natures[k], k), start, up, 1, 1.0);
        run->opts.rollout.scheme = RG_SCHEME_STATIC;
        theory_forward(run);
        at_rest(&rod, &natures[k], up, exact, m);
        print_message("  %s: %d Newton iterations from straight\n", names[k], run->status.iterations);
        assert_int_equal(run->status.unstable, -1);
        (void)snprintf(what, sizeof what, "%s, one end held: any vertex [m]", names[k]);
        theory_judge(what, farthest(run->x, exact, run->n), round_off);
        (void)snprintf(what, sizeof what, "%s, one end held: any director", names[k]);
        theory_judge(what, farthest(run->m, m, run->n - 1), round_off);
        (void)snprintf(what, sizeof what, "rodgrad, %s", names[k]);
        draw_two("from straight to the arc", what, run->x + 3, run->n - 1, 0, 1);
        (void)snprintf(what, sizeof what, "exact, %s", names[k]);
        draw_two("from straight to the arc", what, exact + 3, run->n - 1, 0, 1);
        theory_run_free(run);

        rod = uniform(N, 1, 1);
        at_rest(&rod, &natures[k], up, exact, m);
        const int n = N + 3;
        memcpy(start, exact, sizeof start);
        for (int i = 2; i + 2 < n; i++) {
            const double s = theory_arc(&rod, i), bump = 0.1 * pow(sin(THEORY_PI * s), 2);
            start[3 * i + 2] += bump;
            start[3 * i + 1] -= 0.5 * bump * sin(7.0 * s);
        }
        run = theory_run_make(natural(&rod, &natures[k], k), start, up, 1, 1.0);
        run->opts.rollout.scheme = RG_SCHEME_STATIC;
        /* the far gripper's director is the arc's own */
        memcpy(run->m0 + 3 * (n - 2), m + 3 * (n - 2), 3 * sizeof *m);
        memcpy(run->clamp_m + 3 * (run->d - 1), m + 3 * (n - 2), 3 * sizeof *m);
        theory_forward(run);
        print_message("  %s: %d Newton iterations from a bumped arc\n", names[k], run->status.iterations);
        assert_int_equal(run->status.unstable, -1);
        (void)snprintf(what, sizeof what, "%s, both ends held: any vertex [m]", names[k]);
        theory_judge(what, farthest(run->x, exact, n), round_off);
        (void)snprintf(what, sizeof what, "%s, both ends held: any director", names[k]);
        theory_judge(what, farthest(run->m, m, n - 1), round_off);
        theory_run_free(run);
    }
}

/* Straight by nature, bent between two grippers that hold the ends of an arc: with the moment M the same
 * at all joints, M = (2 EI/d) u (1 + u^2), u = tan(phi/2), no edge carries a force, and this is an exact
 * discrete equilibrium. The two joints at the grippers have half the length: with the others' v they have
 * u + u^3 = (v + v^3)/2, but for the gripper's own 1e-6 of a length. Anisotropic: about the softer axis. */
static double bent(const theory_rod *rod, double v, double *x)
{
    const double l = 1.0 / rod->segments, d = 0.5 * (l + THEORY_GRIP), c = (v + v * v * v) * d / l;
    double u = c, angle = 0.0;
    for (int i = 0; i < 60; i++) u -= (u + u * u * u - c) / (1.0 + 3.0 * u * u);
    for (int k = 0; k < 3; k++) x[k] = 0.0;
    x[0] = -THEORY_GRIP;
    for (int i = 1; i < rod->segments + 3; i++) {
        const double edge = theory_arc(rod, i) - theory_arc(rod, i - 1);
        if (i > 1) angle += 2.0 * atan(i == 2 || i == rod->segments + 2 ? u : v);
        x[3 * i] = x[3 * i - 3] + edge * cos(angle);
        x[3 * i + 1] = x[3 * i - 2] + edge * sin(angle);
        x[3 * i + 2] = 0.0;
    }
    return angle;
}

static void exact_bend(void **state)
{
    (void)state;
    enum { N = 40, STEPS = 12 };
    static const double up[3] = {0.0, 0.0, 1.0};
    static const char *names[] = {"isotropic", "anisotropic"};
    theory_case("exact_bend", "a straight rod bent by its two ends into a uniform arc",
                "discrete elastic rods: the same moment at every joint and no force");
    theory_panel("between two grippers", "x, in lengths", "y, in lengths", 0);
    for (int k = 0; k < 2; k++) {
        const theory_rod rod = uniform(N, 1, 1);
        double x[3 * MOST], turned = 0.0, worst = 0.0, out = 0.0;
        (void)bent(&rod, 0.0, x);
        rg_model *model = natural(&rod, &straight, 0);
        if (k) theory_set(model, RG_BEND_STIFFNESS_1, 4.0);
        theory_run *run = theory_run_make(model, x, up, STEPS, 1.0);
        run->opts.rollout.scheme = RG_SCHEME_STATIC;
        for (int step = 0; step < STEPS; step++) {
            /* up to 3/4 of a circle; directors stay across the plane */
            turned = bent(&rod, tan(0.75 * THEORY_PI / N * (step + 1) / STEPS), x);
            for (int j = 0; j < run->c; j++)
                memcpy(run->clamp_x + 3 * (step * run->c + j), x + 3 * run->clamped[j], 3 * sizeof *x);
        }
        theory_forward(run);
        for (int step = 0; step < STEPS; step++) {
            (void)bent(&rod, tan(0.75 * THEORY_PI / N * (step + 1) / STEPS), x);
            const double *now = run->x + 3 * step * run->n;
            worst = fmax(worst, farthest(now, x, run->n));
            for (int i = 0; i + 1 < run->n; i++) out = fmax(out, apart(run->m + 3 * (step * (run->n - 1) + i), up));
            char series[64];
            (void)snprintf(series, sizeof series, "rodgrad, step %d", step + 1);
            if (k == 0 && step % 4 == 3) draw_two("between two grippers", series, now, run->n, 0, 1);
            (void)snprintf(series, sizeof series, "exact, step %d", step + 1);
            if (k == 0 && step % 4 == 3) draw_two("between two grippers", series, x, run->n, 0, 1);
        }
        print_message("  %s: turned by %.3f, %d Newton iterations in %d steps, at most %d\n", names[k], turned,
                      run->status.iterations, STEPS, run->status.worst_iterations);
        assert_int_equal(run->status.unstable, -1);
        char what[96];
        (void)snprintf(what, sizeof what, "%s: any vertex, any step [m]", names[k]);
        theory_judge(what, worst, round_off);
        (void)snprintf(what, sizeof what, "%s: any director, any step", names[k]);
        theory_judge(what, out, round_off);
        theory_run_free(run);
    }
}

/* One end of an uneven straight rod is turned, by three turns in all. Equilibrium has one moment, GJ_i
 * tau_i/d_i = M = turn/sum(d_i/GJ_i), at every joint, and the rod stays straight: with GJ <= 0.4 EI, M is at
 * most 2.4 pi EI/L, below the 2.86 pi EI/L (Greenhill, clamped ends without tension) at which it would
 * buckle. */
static void exact_twist(void **state)
{
    (void)state;
    enum { N = 20, STEPS = 60 };
    static const double up[3] = {0.0, 0.0, 1.0};
    const double turns = 6.0 * THEORY_PI;
    theory_case("exact_twist", "an uneven rod twisted by three turns has one moment",
                "discrete elastic rods: GJ tau/d the same at every joint");
    const theory_rod rod = uniform(N, 1, 1);
    double x[3 * MOST] = {0.0}, soft = 0.0;
    rg_model *model = theory_model(&rod, 0, 0);
    double *length = rg_model_field_data(model, RG_REST_LENGTH), *gj = rg_model_field_data(model, RG_TWIST_STIFFNESS);
    const int n = (int)rg_model_vertices(model);
    for (int i = 1; i + 2 < n; i++) length[i] = (1.0 + 0.6 * sin(1.9 * i)) / N;
    for (int i = 1; i + 1 < n; i++) {
        gj[i] = 0.25 + 0.15 * cos(2.3 * i);
        soft += 0.5 * (length[i - 1] + length[i]) / gj[i];
    }
    for (int i = 1; i < n; i++) x[3 * i] = x[3 * i - 3] + length[i - 1];
    theory_run *run = theory_run_make(model, x, up, STEPS, 1.0);
    run->opts.rollout.scheme = RG_SCHEME_STATIC;
    static const double axis[3] = {1.0, 0.0, 0.0};
    for (int step = 0; step < STEPS; step++)
        theory_turn(axis, turns * (step + 1) / STEPS, up, run->clamp_m + 3 * (step * run->d + 1));
    theory_forward(run);
    theory_panel("twist along the rod", "x [m]", "angle [rad]", 0);
    double moment = 0.0, sum = 0.0, bent_by = 0.0;
    for (int step = 0; step < STEPS; step++) {
        const double *now = run->x + 3 * step * n, *m = run->m + 3 * step * (n - 1);
        const double turn = turns * (step + 1) / STEPS;
        double angle = 0.0, exact = 0.0;
        bent_by = fmax(bent_by, farthest(now, x, n));
        char name[64];
        for (int i = 1; i + 1 < n; i++) {
            const double d = 0.5 * (length[i - 1] + length[i]), tau = theory_twist(now, m, i);
            moment = fmax(moment, fabs(gj[i] * tau / d * soft / turn - 1.0));
            angle += tau;
            exact += turn / soft * d / gj[i];
            if (step % 20 != 19) continue;
            const double middle = 0.5 * (x[3 * i] + x[3 * i + 3]);
            (void)snprintf(name, sizeof name, "exact, %d turns", step / 20 + 1);
            theory_point("twist along the rod", name, middle, exact);
            (void)snprintf(name, sizeof name, "rodgrad, %d turns", step / 20 + 1);
            theory_point("twist along the rod", name, middle, angle);
        }
        sum = fmax(sum, fabs(angle / turn - 1.0));
    }
    print_message("  %d Newton iterations in %d steps, at most %d\n", run->status.iterations, STEPS,
                  run->status.worst_iterations);
    assert_int_equal(run->status.unstable, -1);
    /* round-off of directors over the first step's twists, 1e-16/0.01, and of the solve */
    theory_judge("moment of any joint, any step, relative", moment, 1e-9);
    theory_judge("sum of twists over the end's turn, less 1", sum, 1e-12);
    theory_judge("any vertex off the line [m]", bent_by, round_off);
    theory_run_free(run);
}

/* Bent and twisted by nature: a helix of two coils, in one static step from straight, its first edge held.
 * Against the continuous rod, whose frame turns at the constant rate D = tau t + kappa_1 m2 - kappa_2 m1, in
 * space and in the frame, so that with the unit vector a along D, and t' what of t is across it,
 *   x(s) = s (t.a) a + sin(|D| s)/|D| t' + (1 - cos(|D| s))/|D| a x t': order 2. */
static void smooth(const nature *w, double s, const double up[3], double *x)
{
    const double t[3] = {1.0, 0.0, 0.0};
    double m2[3], d[3], across[3], aside[3];
    cross(t, up, m2);
    for (int c = 0; c < 3; c++) d[c] = w->tau * t[c] + w->kappa[0] * m2[c] - w->kappa[1] * up[c];
    const double rate = sqrt(dot(d, d));
    for (int c = 0; c < 3; c++) d[c] /= rate;
    for (int c = 0; c < 3; c++) across[c] = t[c] - dot(t, d) * d[c];
    cross(d, across, aside);
    for (int c = 0; c < 3; c++)
        x[c] = s * dot(t, d) * d[c] + sin(rate * s) / rate * across[c] + (1.0 - cos(rate * s)) / rate * aside[c];
}

static const nature coiled = {{6.0, -9.0}, 6.0}; /* |D| = 12.4/m */

static void exact_helix(void **state)
{
    (void)state;
    static const double up[3] = {0.0, 0.0, 1.0};
    static const int segments[] = {20, 40, 80};
    double error[3];
    theory_case("exact_helix", "a rod bent and twisted by nature rests as a helix",
                "discrete elastic rods: no energy at any joint; constant Darboux vector");
    theory_panel("helix", "x, in lengths", "y, in lengths", 0);
    for (int i = 0; i <= 150; i++) {
        double x[3];
        smooth(&coiled, i / 150.0, up, x);
        theory_point("helix", "exact, continuous", x[0], x[1]);
    }
    for (int k = 0; k < 3; k++) {
        double exact[3 * MOST], m[3 * MOST], start[3 * MOST], tip[3];
        const theory_rod rod = uniform(segments[k], 1, 0);
        at_rest(&rod, &straight, up, start, m);
        theory_run *run = theory_run_make(natural(&rod, &coiled, 1), start, up, 1, 1.0);
        run->opts.rollout.scheme = RG_SCHEME_STATIC;
        theory_forward(run);
        at_rest(&rod, &coiled, up, exact, m);
        print_message("  %d segments: %d Newton iterations from straight\n", segments[k], run->status.iterations);
        assert_int_equal(run->status.unstable, -1);
        char what[96];
        (void)snprintf(what, sizeof what, "%d segments: any vertex, from the discrete helix [m]", segments[k]);
        theory_judge(what, farthest(run->x, exact, run->n), round_off);
        (void)snprintf(what, sizeof what, "%d segments: any director", segments[k]);
        theory_judge(what, farthest(run->m, m, run->n - 1), round_off);
        smooth(&coiled, 1.0, up, tip);
        error[k] = apart(run->x + 3 * (run->n - 1), tip);
        if (k == 1) draw_two("helix", "rodgrad, 40 segments", run->x + 3, run->n - 1, 0, 1);
        theory_run_free(run);
    }
    theory_order("helix in space, tip", error, 3, 1.0 / segments[0], 2.0, 0.2);
}

/* The same rest shapes by damped motion of the deform stepper, from straight. At rest no joint pulls, so the
 * projection has nothing to undo, and the discrete solution is the exact one for this stepper too. Steps of
 * 0.4 l^2 (docs/physics.md, section 6: below l^2/2, by sqrt(2.5) less for the stiffer bending); drag of twice
 * a straight rod's first rate, 3.5/s. Bent, rods are shorter and faster: 16 s leave less than exp(-30). */
static void exact_natural_deform(void **state)
{
    (void)state;
    enum { N = 16, FRAMES = 500 };
    static const double up[3] = {0.0, 0.0, 1.0};
    static const nature natures[] = {{{0.0, -1.5 * THEORY_PI}, 0.0}, {{3.0, -4.0}, 4.0}};
    static const char *names[] = {"arc", "helix, anisotropic"};
    theory_case("exact_natural_deform", "rods bent by nature come to rest as the exact polygon, deform",
                "discrete elastic rods: no energy at any joint");
    theory_panel("on its way to the arc", "x, in lengths", "y, in lengths", 0);
    for (int k = 0; k < 2; k++) {
        const theory_rod rod = uniform(N, 1, 0);
        const double dt = (k ? 0.25 : 0.4) / (N * N);
        double exact[3 * MOST], m[3 * MOST], start[3 * MOST];
        at_rest(&rod, &straight, up, start, m);
        theory_run *run = theory_run_make(natural(&rod, &natures[k], k), start, up, FRAMES, dt);
        run->opts.rollout.stepper = RG_STEPPER_DEFORM;
        theory_set(run->model, RG_DRAG, 7.0);
        at_rest(&rod, &natures[k], up, exact, m);
        const size_t last = FRAMES - 1, n = (size_t)run->n;
        char what[96];
        for (double time = 0.0; time < 16.0; time += FRAMES * dt) {
            theory_forward(run);
            for (int step = 24; k == 0 && time == 0.0 && step < 125; step += 50) {
                (void)snprintf(what, sizeof what, "rodgrad after %.2g s", (step + 1) * dt);
                draw_two("on its way to the arc", what, run->x + 3 * (size_t)step * n + 3, N + 1, 0, 1);
            }
            memcpy(run->x0, run->x + 3 * last * n, 3 * n * sizeof *run->x);
            memcpy(run->v0, run->v + 3 * last * n, 3 * n * sizeof *run->v);
            memcpy(run->m0, run->m + 3 * last * (n - 1), 3 * (n - 1) * sizeof *run->m);
        }
        if (k == 0) draw_two("on its way to the arc", "exact", exact + 3, N + 1, 0, 1);
        if (k == 0) draw_two("on its way to the arc", "rodgrad at rest", run->x0 + 3, N + 1, 0, 1);
        (void)snprintf(what, sizeof what, "%s: any vertex [m]", names[k]);
        theory_judge(what, farthest(run->x0, exact, run->n), round_off);
        (void)snprintf(what, sizeof what, "%s: any director", names[k]);
        theory_judge(what, farthest(run->m0, m, run->n - 1), round_off);
        theory_run_free(run);
    }
}

/* Nothing holds an arc and a helix that are at rest: they fall as the schemes' own solution of x'' = g, and
 * do not deform. With dt = h, backward Euler and the deform stepper have x = h^2 g k(k + 1)/2 after k steps;
 * BDF2 is its recursion. Stiffnesses are low enough for the explicit stepper: h^2 16 EI/(l^3 m) = 0.5. */
static void fall(rg_scheme scheme, int steps, double h, double *z)
{
    double x[2] = {0.0, 0.0}, v[2] = {0.0, 0.0}; /* now, before */
    for (int k = 0; k < steps; k++) {
        const int two = scheme == RG_SCHEME_BDF2 && k > 0;
        const double span = two ? 2.0 * h / 3.0 : h;
        const double from = two ? (4.0 * x[0] - x[1]) / 3.0 : x[0], speed = two ? (4.0 * v[0] - v[1]) / 3.0 : v[0];
        x[1] = x[0];
        v[1] = v[0];
        v[0] = speed - span * THEORY_GRAVITY;
        x[0] = from + span * v[0];
        z[k] = x[0];
    }
}

static void exact_free_fall(void **state)
{
    (void)state;
    enum { N = 16, STEPS = 40 };
    static const double up[3] = {0.0, 0.0, 1.0};
    static const char *steppers[] = {"backward Euler", "BDF2", "deform"};
    const nature arc = {{0.0, -5.0}, 0.0}, helix = {{3.0, -4.0}, 4.0};
    theory_case("exact_free_fall", "an arc and a helix fall without deforming",
                "x'' = g by the scheme's own recursion; no energy at any joint");
    theory_panel("height of the first vertex", "time [s]", "z [m]", 0);
    for (int way = 0; way < 3; way++)
        for (int k = 0; k < 2; k++) {
            const nature *w = k ? &helix : &arc;
            theory_rod rod = uniform(N, 0, 0);
            const double h = 5e-3;
            rod.bend = 0.5 / (h * h * 16.0) * pow(N, -4.0);
            rod.twist = 0.7 * rod.bend;
            rod.stretch = 1e3;
            double x[3 * MOST], m[3 * MOST], z[STEPS], deformed = 0.0, fell = 0.0, turned = 0.0;
            at_rest(&rod, w, up, x, m);
            theory_run *run = theory_run_make(natural(&rod, w, 1), x, up, STEPS, h);
            memcpy(run->m0, m, 3 * (size_t)(run->n - 1) * sizeof *m);
            run->opts.rollout.gravity[2] = -THEORY_GRAVITY;
            run->opts.rollout.scheme = way == 1 ? RG_SCHEME_BDF2 : RG_SCHEME_BE;
            run->opts.rollout.stepper = way == 2 ? RG_STEPPER_DEFORM : RG_STEPPER_IMPLICIT;
            theory_forward(run);
            fall(run->opts.rollout.scheme, STEPS, h, z);
            char name[96];
            for (int step = 0; step < STEPS; step++) {
                const double *now = run->x + 3 * step * run->n;
                for (int i = 0; i < run->n; i++)
                    for (int c = 0; c < 3; c++) {
                        const double off = now[3 * i + c] - x[3 * i + c] - (c == 2 ? z[step] : 0.0);
                        const double rel = now[3 * i + c] - now[c] - (x[3 * i + c] - x[c]);
                        fell = fmax(fell, fabs(off));
                        deformed = fmax(deformed, fabs(rel));
                    }
                turned = fmax(turned, farthest(run->m + 3 * step * (run->n - 1), m, run->n - 1));
                if (k) continue;
                const double time = (step + 1) * h;
                (void)snprintf(name, sizeof name, "rodgrad, %s", steppers[way]);
                if (step % 4 == 3) theory_point("height of the first vertex", name, time, now[2]);
                const double exact = -0.5 * THEORY_GRAVITY * time * time;
                if (way == 0) theory_point("height of the first vertex", "exact, continuous", time, exact);
            }
            /* round-off, 1e-16 m in a position, times stiffness over inertia h^2 EA/(l m) = 6 and the steps'
             * square */
            (void)snprintf(name, sizeof name, "%s, %s: deformed by [m]", steppers[way], k ? "helix" : "arc");
            theory_judge(name, deformed, 1e-11);
            (void)snprintf(name, sizeof name, "%s, %s: fall, less the scheme's [m]", steppers[way],
                           k ? "helix" : "arc");
            theory_judge(name, fell, 1e-11);
            (void)snprintf(name, sizeof name, "%s, %s: any director", steppers[way], k ? "helix" : "arc");
            theory_judge(name, turned, 1e-10);
            assert_true(run->x[3 * (STEPS * run->n - run->n) + 2] < -0.19);
            theory_run_free(run);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_arc),   cmocka_unit_test(exact_bend),           cmocka_unit_test(exact_twist),
        cmocka_unit_test(exact_helix), cmocka_unit_test(exact_natural_deform), cmocka_unit_test(exact_free_fall),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
