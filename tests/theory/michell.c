/* michell.c: Michell's ring. A rod that is straight at rest is bent into a closed ring, its ends are
 * turned against each other by R turns and joined; at R = sqrt(3) EI/GJ the ring leaves its plane.
 *
 * Second variation at radius 1, tangent (cos a cos b, sin a cos b, sin b) with a = s + u(s) and b small,
 * moment M = GJ R:  B/2 int u'^2 + b'^2 - b^2 ds - M int b u' ds. The last term is the area between the
 * tangents and the equator of the sphere, which is what parallel transport takes from the twist. That the
 * ring stays closed excludes n = 0 of b and n = 1 of u, and n = 1 of b is a rotation; with u = A sin(n s),
 * b = C cos(n s) the form is positive while (M/B)^2 < n^2 - 1: n = 2 goes first (Michell 1889; Zajac 1962;
 * Goriely 2006). A rod of finite EA gives way to the force M along the axis that an edge feels, which
 * takes M^2/EA from n^2 - 1: (M/B)^2 = 3/(1 + B/(EA r^2)). 2 pi sqrt(3 EI/GJ) of the end's angle, which is
 * also in use, agrees at GJ = EI only.
 *
 * The regular polygon of N edges that turn by d = 2 pi/N, each vertex twisted by T = 2 pi R/N, is in
 * equilibrium exactly: moments of all vertices are alike, and edges are as long as at rest. Its threshold
 * is exact as well. A vertex has the energy V = (B cos^2(T/2) k + GJ T^2)/(2 l), k = 4 tan^2(angle/2), as
 * curvature is measured along the mean of both edges' directors; the area between neighbours is 2
 * atan(tan(turn/2) sin((b + b')/2)/cos((b - b')/2)). With D of the turns u_j - u_{j-1}, M = dV/dT and
 * twists that give way to them locally, a vertex has on average
 *   p D^2 + q C^2 - r D C,   r = M/2 sec^2(d/2) cos(n d/2),
 *   q = B cos^2(T/2)/(2 l) sec^4(d/2) (cos d - cos(n d)),
 *   p = B cos^2(T/2)/(4 l) sec^4(d/2) (2 - cos d) - (V_kT sin d 2 sec^4(d/2))^2/(4 V_TT),
 * and is at the threshold at r^2 = 4 p q, n = 2; EA takes (M tan(d/2))^2/(EA l) from q. The polygon's
 * first edge is its last as well, held at the same place twice with directors of its own; the modes above
 * leave it in place but for a rigid motion. */
#include "theory.h"

#include <math.h>

#define EDGE_RADIUS 0.15 /* [m], of the circle around the vertices */
#define BEND 0.02        /* [N m^2] */

enum { ROUNDS = 24, MOST = 160, LEVELS = 3 };

#define STRETCH (1e4 * BEND / (EDGE_RADIUS * EDGE_RADIUS)) /* [N] */

/* An isotropic ring can turn about the edge that is held, all directors turning back about their edges, at
 * no energy. Dead forces on the vertices, outwards, keep it from that without bending it: they put every
 * edge under a tension along its place in the polygon. T r^2/B of this size raises the threshold by half
 * of it. */
#define TENSION 1e-5

/* 4 p q - r^2 of a polygon of n edges turned by `turns`, positive where it is stable in mode `mode`; B = l
 * = 1 */
static double margin(int n, int mode, double ratio, double turns)
{
    const double d = 2.0 * THEORY_PI / n, twist = turns * d, half = 1.0 / pow(cos(0.5 * d), 2.0);
    const double bend = pow(cos(0.5 * twist), 2.0), k = 4.0 * pow(tan(0.5 * d), 2.0);
    const double moment = ratio * twist - 0.25 * k * sin(twist), v_kt = -0.25 * sin(twist),
                 v_tt = ratio - 0.25 * k * cos(twist);
    const double stretch = STRETCH / BEND * pow(2.0 * EDGE_RADIUS * sin(0.5 * d), 2.0);
    const double p =
        0.25 * bend * half * half * (2.0 - cos(d)) - pow(v_kt * sin(d) * 2.0 * half * half, 2.0) / (4.0 * v_tt);
    const double q = 0.5 * bend * half * half * (cos(d) - cos(mode * d)) - pow(moment * tan(0.5 * d), 2.0) / stretch;
    const double r = 0.5 * moment * half * cos(0.5 * mode * d);
    return 4.0 * p * q - r * r;
}

/* turns at the threshold of the polygon */
static double discrete_turns(int n, int mode, double ratio)
{
    double lo = 0.0, hi = 2.0 * sqrt(mode * mode - 1.0) / ratio;
    for (int i = 0; i < 60; i++) {
        const double middle = 0.5 * (lo + hi);
        if (margin(n, mode, ratio, middle) > 0.0) lo = middle;
        else hi = middle;
    }
    return lo;
}

/* A closed polygon of n edges and its first edge again, turned by `turns` and held there; steps of the
 * static scheme. */
static theory_run *ring(int n, double twist, double turns, int steps)
{
    const int clamps[4] = {0, 1, n, n + 1};
    const double d = 2.0 * THEORY_PI / n, up[3] = {0.0, 0.0, 1.0};
    rg_model *m = NULL;
    rg_error err = {0};
    if (rg_model_create((size_t)n + 2, 1, clamps, 4, &m, &err) != RG_OK) fail_msg("%s", err.text);
    for (int field = 0; field < RG_FIELD_COUNT; field++)
        if (field != RG_REST_LENGTH && field != RG_BEND_MEMORY_TIME) theory_set(m, (rg_field)field, 0.0);
    theory_set(m, RG_REST_LENGTH,
               2.0 * EDGE_RADIUS * sin(0.5 * d) / (1.0 + TENSION * BEND / (EDGE_RADIUS * EDGE_RADIUS * STRETCH)));
    theory_set(m, RG_MASS_PER_LENGTH, 0.1);
    theory_set(m, RG_STRETCH_STIFFNESS, STRETCH);
    theory_set(m, RG_BEND_STIFFNESS_1, BEND);
    theory_set(m, RG_BEND_STIFFNESS_2, BEND);
    theory_set(m, RG_TWIST_STIFFNESS, twist);
    double x[(MOST + 2) * 3];
    for (int i = 0; i < n + 2; i++) {
        const double angle = d * (i % n - 0.5);
        x[3 * i] = EDGE_RADIUS * cos(angle);
        x[3 * i + 1] = EDGE_RADIUS * sin(angle);
        x[3 * i + 2] = 0.0;
    }
    theory_run *run = theory_run_make(m, x, up, steps, 1.0);
    run->opts.rollout.scheme = RG_SCHEME_STATIC;
    run->opts.rollout.tolerance_m = 1e-9;
    const double pull = TENSION * BEND / (EDGE_RADIUS * EDGE_RADIUS) / (EDGE_RADIUS * 2.0 * sin(0.5 * d));
    for (int k = 0; k < steps; k++)
        for (int i = 3; i < 3 * n; i++) run->force[3 * k * run->n + i] = pull * (2.0 * x[i] - x[i - 3] - x[i + 3]);
    for (int j = 0; j < n + 1; j++) {
        double t[3] = {0.0};
        for (int k = 0; k < 3; k++) t[k] = (x[3 * j + 3 + k] - x[3 * j + k]) / (2.0 * EDGE_RADIUS * sin(0.5 * d));
        theory_turn(t, 2.0 * THEORY_PI * turns * j / n, up, run->m0 + 3 * j);
    }
    return run;
}

/* Whether the polygon of n edges with these turns is an unstable equilibrium. So near to the threshold
 * that rounding errors grow from one Newton step to the next, the rod may end elsewhere or nowhere:
 * unstable too. */
static int unstable(int n, double twist, double turns)
{
    theory_run *run = ring(n, twist, turns, 1);
    const double t[3] = {0.0, 1.0, 0.0}, up[3] = {0.0, 0.0, 1.0};
    theory_turn(t, 2.0 * THEORY_PI * turns, up, run->clamp_m + 3 * (run->d - 1));
    rg_error err = {0};
    rg_batch *batch = NULL;
    const rg_batch_inputs in = {.x0 = run->x0,
                                .v0 = run->v0,
                                .m0 = run->m0,
                                .clamp_x = run->clamp_x,
                                .clamp_m = run->clamp_m,
                                .force = run->force};
    const rg_batch_outputs out = {.x = run->x, .m = run->m};
    if (rg_batch_create(run->model, 1, &run->opts, &batch, &err) != RG_OK ||
        rg_batch_forward(batch, &in, &out, &run->status, &err) != RG_OK)
        fail_msg("%s", err.text);
    rg_batch_destroy(&batch);
    double off = 0.0;
    for (int i = 0; i < 3 * run->n; i++) off = fmax(off, fabs(run->x[i] - run->x0[i]) / EDGE_RADIUS);
    for (int i = 1; i <= n; i++)
        off = fmax(off, fabs(theory_twist(run->x, run->m, i) * n / (2.0 * THEORY_PI * turns) - 1.0));
    const int stable = run->status.flag == RG_ROD_OK && run->status.unstable < 0 && off <= 1e-6;
    theory_run_free(run);
    return !stable;
}

/* turns at the threshold between lo and hi, by bisection */
static double located(int n, double twist, double lo, double hi)
{
    assert_true(!unstable(n, twist, lo) && unstable(n, twist, hi));
    for (int round = 0; round < ROUNDS; round++) {
        const double middle = 0.5 * (lo + hi);
        if (unstable(n, twist, middle)) hi = middle;
        else lo = middle;
    }
    return 0.5 * (lo + hi);
}

static void michell_thresholds(void **state)
{
    (void)state;
    static const int segments[LEVELS] = {40, 80, 160};
    static const double ratios[] = {0.5, 1.0, 2.0, 3.0};
    theory_case("michell", "a ring of a straight rod leaves its plane at sqrt(3) EI/GJ turns",
                "Michell 1889; Zajac, J. Appl. Mech. 29 (1962); Goriely, J. Elasticity 84 (2006)");
    theory_panel("threshold", "GJ / EI", "turns", 0);
    for (int i = 0; i <= 60; i++) {
        const double ratio = 0.4 + 2.8 * i / 60.0;
        theory_point("threshold", "exact", ratio, sqrt(3.0) / ratio);
    }
    for (size_t i = 0; i < sizeof ratios / sizeof *ratios; i++) {
        const double twist = ratios[i] * BEND,
                     exact = sqrt(3.0 / (1.0 + BEND / (STRETCH * EDGE_RADIUS * EDGE_RADIUS))) / ratios[i];
        double errors[LEVELS], off = 0.0;
        char what[128];
        for (int k = 0; k < LEVELS; k++) {
            const double found = located(segments[k], twist, 0.9 * exact, 1.1 * exact);
            errors[k] = found / exact - 1.0;
            off = fmax(off, fabs(found / discrete_turns(segments[k], 2, ratios[i]) - 1.0));
            if (segments[k] == 160) theory_point("threshold", "rodgrad, 160 edges", ratios[i], found);
        }
        /* its leading term is d^2 (19/24 - 3/4 (EI/GJ)^2): the second from the twist that a vertex has */
        (void)snprintf(what, sizeof what, "GJ/EI = %g: turns at the threshold, 160 edges, relative error", ratios[i]);
        theory_judge(what, errors[2], 5e-3);
        /* what the tension and rounding errors do */
        (void)snprintf(what, sizeof what, "GJ/EI = %g: against the polygon's own threshold", ratios[i]);
        theory_judge(what, off, 1e-5);
        /* what is left is about the square of the error with 80 edges */
        (void)snprintf(what, sizeof what, "GJ/EI = %g: extrapolated from 80 and 160 edges", ratios[i]);
        theory_judge(what, (4.0 * errors[2] - errors[1]) / 3.0, 1.1e-4);
        (void)snprintf(what, sizeof what, "threshold at GJ/EI = %g", ratios[i]);
        theory_order(what, errors, LEVELS, 1.0 / segments[0], 2.0, 0.2);
    }
}

/* At GJ/EI = 3 the ring leaves its plane gradually (at 0.5 and 1 it snaps). Pushed by dead forces f cos(2
 * s) across its plane on every vertex, the ring's deflection A sin(2 s) or cos(2 s) obeys A = f r^4/(12 B
 * l) / (1 - (R/R_c)^2) below the threshold: the form above, minimal in u, against the forces' work. */
static void michell_branch(void **state)
{
    (void)state;
    enum { N = 80, STEPS = 60 };
    const double ratio = 3.0, turns = discrete_turns(N, 2, ratio), step = 1.2 / STEPS;
    const double force = 1e-6 * BEND / (EDGE_RADIUS * EDGE_RADIUS), d = 2.0 * THEORY_PI / N;
    const double t[3] = {0.0, 1.0, 0.0}, up[3] = {0.0, 0.0, 1.0};
    theory_case("michell_branch",
                "a ring that is pushed across its plane a little, turned below and beyond the threshold",
                "second variation, as for the threshold");
    theory_run *run = ring(N, ratio * BEND, 0.0, STEPS);
    for (int k = 0; k < STEPS; k++) {
        theory_turn(t, 2.0 * THEORY_PI * turns * step * (k + 1), up, run->clamp_m + 3 * (k * run->d + run->d - 1));
        for (int i = 1; i <= N; i++) run->force[3 * (k * run->n + i) + 2] = force * cos(2.0 * d * (i - 0.5));
    }
    theory_forward(run);
    print_message("  %.1f iterations a step, %d at most\n", run->status.iterations / (double)STEPS,
                  run->status.worst_iterations);
    assert_int_equal(run->status.unstable, -1);
    theory_panel("below", "turns / threshold", "deflection / that without turns", 0);
    theory_panel("beyond", "turns / threshold", "deflection / radius", 0);
    const double still = force * pow(EDGE_RADIUS, 3.0) / (12.0 * BEND * 2.0 * sin(0.5 * d));
    double off = 0.0, square[STEPS];
    for (int k = 0; k < STEPS; k++) {
        double wave[2] = {0.0, 0.0};
        const double w = step * (k + 1);
        for (int i = 1; i <= N; i++) {
            const double z = run->x[3 * (k * run->n + i) + 2] * 2.0 / N;
            wave[0] += z * cos(2.0 * d * (i - 0.5));
            wave[1] += z * sin(2.0 * d * (i - 0.5));
        }
        const double size = hypot(wave[0], wave[1]);
        square[k] = size * size;
        theory_point("beyond", "rodgrad, 80 edges", w, size / EDGE_RADIUS);
        if (w > 0.95) continue;
        off = fmax(off, fabs(size / still * (1.0 - w * w) - 1.0));
        theory_point("below", "exact", w, 1.0 / (1.0 - w * w));
        theory_point("below", "rodgrad, 80 edges", w, size / still);
    }
    /* the polygon's own error at its threshold is 5e-3 */
    theory_judge("deflection up to 0.95 of the threshold, 80 edges, relative error", off, 5e-3);
    /* the square of the deflection grows from the threshold on; 1.02 and 1.04 of it */
    const int near = STEPS * 102 / 120 - 1;
    const double slope = (square[near + 1] - square[near]) / step;
    theory_judge("threshold seen from beyond, over the polygon's, less 1", 1.02 - square[near] / slope - 1.0, 1e-3);
    theory_run_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(michell_thresholds), cmocka_unit_test(michell_branch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
