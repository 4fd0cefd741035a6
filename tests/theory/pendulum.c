/* pendulum.c: a stiff rod hinged at its end, let go at an angle in the shape that it is stretched to there.
 *
 * A uniform heavy rod rather than a light one with a marker's mass at its end: masses of like size suit the
 * deform stepper's sweeps, and what it is not, rigid, is of first order in rho g L/EA and, with a factor
 * below 1e-3, in rho g L^3/EI, which are made 1e-7 and 1e-5. (Released at its rest length a soft rod would
 * also bounce along itself.)
 *
 * A rigid body of moment I about the hinge, whose mass M is at distance d from it, swings to angle a with
 * period 4 K(sin(a/2)) sqrt(I/(M g d)) (Landau and Lifshitz, Mechanics, section 11, problem 1); I = M
 * L^2/3, d = L/2 for the uniform rod, and I (1 + 1/(2 N^2)) for the masses of N edges: the mesh's error is
 * known and of second order. */
#include "theory.h"

#include <math.h>
#include <string.h>

enum { PERIODS = 3, MOST = 45 };

static const double up[3] = {0.0, 1.0, 0.0};

static theory_rod stiff(int segments, double softness)
{
    theory_rod rod = {.length = 1.0, .density = 0.05, .segments = segments};
    rod.stretch = rod.density * THEORY_GRAVITY * rod.length / 1e-7;
    rod.bend = rod.twist = rod.density * THEORY_GRAVITY * pow(rod.length, 3) / softness;
    return rod;
}

/* 4 K sqrt(2 L/(3 g)), K = pi/2 / AGM(1, cos(a/2)); with the masses of `segments` edges, or (0) spread out */
static double period(double length, double angle, int segments)
{
    double a = 1.0, b = cos(0.5 * angle);
    for (int k = 0; k < 8; k++) {
        const double mean = 0.5 * (a + b);
        b = sqrt(a * b);
        a = mean;
    }
    const double lumps = segments ? 1.0 + 0.5 / ((double)segments * segments) : 1.0;
    return 2.0 * THEORY_PI / a * sqrt(2.0 * length / (3.0 * THEORY_GRAVITY) * lumps);
}

/* from rest at this angle to the vertical; edges as stretched as their part of the weight pulls them there
 * (there is no speed yet): vertex i carries the half of edge i and what is below */
static theory_run *release(const theory_rod *rod, double angle, int steps, double dt_s, const rg_rollout_opts *how)
{
    const int n = rod->segments + 1;
    const double edge = rod->length / rod->segments;
    double x[3 * MOST] = {0.0}, along = 0.0;
    for (int i = 1; i < n; i++) {
        const double below = edge * (n - 1 - i) + 0.5 * edge;
        const double pull = rod->density * below * THEORY_GRAVITY * cos(angle);
        along += edge * (how->stepper == RG_STEPPER_DEFORM ? 1.0 : 1.0 + pull / rod->stretch);
        x[3 * i] = along * sin(angle);
        x[3 * i + 2] = -along * cos(angle);
    }
    theory_run *run = theory_run_make(theory_model(rod, 1, 0), x, up, steps, dt_s);
    run->opts.rollout.gravity[2] = -THEORY_GRAVITY;
    run->opts.rollout.stepper = how->stepper;
    run->opts.rollout.scheme = how->scheme;
    /* the stiff edges' round-off, 1e-16 m times EA/L, moves a vertex of mass m by that times h^2/m */
    run->opts.rollout.tolerance_m = 1e-11;
    theory_forward(run);
    return run;
}

/* the angle of the line from the hinge to the tip */
static double tilt(const theory_run *run, int step)
{
    const double *tip = run->x + 3 * ((step + 1) * run->n - 1);
    return atan2(tip[0], -tip[2]);
}

/* mean time of a swing, from first to last passage downwards (of falling angle), each on the cubic through
 * four steps: its error is of fourth order */
static double seen_period(const theory_run *run, double dt_s)
{
    double first = 0.0, last = 0.0;
    int found = 0;
    for (int k = 1; k + 2 < run->steps; k++) {
        if (!(tilt(run, k) > 0.0 && tilt(run, k + 1) <= 0.0)) continue;
        double y[4], lo = 0.0, hi = 1.0;
        for (int j = 0; j < 4; j++) y[j] = tilt(run, k - 1 + j);
        for (int again = 0; again < 60; again++) {
            const double s = 0.5 * (lo + hi);
            const double at = -s * (s - 1.0) * (s - 2.0) / 6.0 * y[0] + (s + 1.0) * (s - 1.0) * (s - 2.0) / 2.0 * y[1] -
                              (s + 1.0) * s * (s - 2.0) / 2.0 * y[2] + (s + 1.0) * s * (s - 1.0) / 6.0 * y[3];
            if (at > 0.0) lo = s;
            else hi = s;
        }
        last = (k + lo) * dt_s;
        if (!found++) first = last;
    }
    assert_true(found >= 2);
    return (last - first) / (found - 1);
}

/* motion, weight (0 where the rod hangs), stretch and bending [J], after this step */
static double energy(const theory_rod *rod, const theory_run *run, int step)
{
    const double edge = rod->length / rod->segments;
    const double *x = step < 0 ? run->x0 : run->x + (size_t)step * 3 * run->n;
    const double *v = step < 0 ? run->v0 : run->v + (size_t)step * 3 * run->n;
    double sum = rod->density * THEORY_GRAVITY * 0.5 * rod->length * rod->length, before[3] = {0.0};
    for (int i = 0; i < run->n; i++) {
        const double mass = rod->density * edge * (i == 0 || i == run->n - 1 ? 0.5 : 1.0);
        double e[3], length = 0.0, along = 0.0, turn = 0.0;
        for (int c = 0; c < 3; c++) sum += 0.5 * mass * v[3 * i + c] * v[3 * i + c];
        sum += mass * THEORY_GRAVITY * x[3 * i + 2];
        if (i == run->n - 1) break;
        for (int c = 0; c < 3; c++) e[c] = x[3 * i + 3 + c] - x[3 * i + c];
        length = sqrt(e[0] * e[0] + e[1] * e[1] + e[2] * e[2]);
        for (int c = 0; c < 3; c++) along += before[c] * (e[c] /= length);
        for (int c = 0; c < 3; c++) turn += (e[c] - before[c]) * (e[c] - before[c]);
        if (run->opts.rollout.stepper == RG_STEPPER_IMPLICIT)
            sum += 0.5 * rod->stretch / edge * (length - edge) * (length - edge);
        /* |kappa b|^2 = 4 tan^2(phi/2) = 2 |t - s|^2/(1 + t.s) */
        if (i > 0) sum += rod->bend / edge * turn / (1.0 + along);
        memcpy(before, e, sizeof before);
    }
    return sum;
}

/* the logarithm of the energy's ratio to the start's: the largest over the run, and what is lost from the
 * end of the first period to that of the last. The rod is at its largest angle then, where what the schemes
 * do to position and speed to and fro is as one period before. */
static void changes(const theory_rod *rod, const theory_run *run, double *largest, double *lost)
{
    const double start = energy(rod, run, -1);
    *largest = 0.0;
    for (int k = 0; k < run->steps; k++) *largest = fmax(*largest, fabs(log(energy(rod, run, k) / start)));
    *lost = log(energy(rod, run, run->steps / PERIODS - 1) / energy(rod, run, run->steps - 1));
}

static void judge_period(const char *name, double angle, double seen, double exact, double bar)
{
    char what[128];
    (void)snprintf(what, sizeof what, "period from %.0f degrees / exact - 1, %s", angle * 180.0 / THEORY_PI, name);
    theory_judge(what, seen / exact - 1.0, bar);
}

static void draw(const theory_run *run, const char *series, double dt_s, double exact, int every)
{
    for (int k = 0; k < run->steps; k += every)
        theory_point("angle over time", series, (k + 1) * dt_s / exact, tilt(run, k) * 180.0 / THEORY_PI);
}

/* theta'' = -3 g/(2 L) sin theta by Runge-Kutta, 4000 steps a period */
static void draw_exact(double angle, double exact)
{
    const double square = 1.5 * THEORY_GRAVITY, h = exact / 4000.0;
    double a = angle, b = 0.0;
    for (int k = 0; k < 4000 * PERIODS; k++) {
        double ka[4], kb[4];
        for (int s = 0; s < 4; s++) {
            const double part = s == 0 ? 0.0 : s == 3 ? h : 0.5 * h;
            ka[s] = b + (s ? part * kb[s - 1] : 0.0);
            kb[s] = -square * sin(a + (s ? part * ka[s - 1] : 0.0));
        }
        if (k % 80 == 0) theory_point("angle over time", "exact", k / 4000.0, a * 180.0 / THEORY_PI);
        a += h / 6.0 * (ka[0] + 2.0 * ka[1] + 2.0 * ka[2] + ka[3]);
        b += h / 6.0 * (kb[0] + 2.0 * kb[1] + 2.0 * kb[2] + kb[3]);
    }
}

/* BDF2's modified equation is reversible up to h^2: its energy goes to and fro with h^2 (and its first
 * step, backward Euler, shifts it by h^2 once), and is lost with h^3. Backward Euler loses h w^2 of it per
 * time. A period of BDF2 is too long by about (w h)^2/3, and 2400 steps make that 2.3e-6: the rest is the
 * mesh's, 1/(4 N^2). */
static void pendulum_implicit(void **state)
{
    (void)state;
    enum { LEVELS = 3, SEGMENTS = 40 };
    static const double angles[] = {THEORY_PI / 36.0, THEORY_PI / 3.0};
    theory_case("pendulum", "Hinged stiff rod, released stretched",
                "complete elliptic integral; Landau and Lifshitz, Mechanics, section 11");
    theory_panel("angle over time", "t / exact period", "angle to the vertical, degrees", 0);
    const theory_rod rod = stiff(SEGMENTS, 1e-5);
    draw_exact(angles[1], period(rod.length, angles[1], 0));
    for (int scheme = RG_SCHEME_BE; scheme <= RG_SCHEME_BDF2; scheme++) {
        const char *name = scheme == RG_SCHEME_BE ? "backward Euler" : "BDF2";
        rg_rollout_opts how = rg_rollout_opts_default();
        how.scheme = (rg_scheme)scheme;
        for (int a = 0; a < 2; a++) {
            double late[LEVELS], largest[LEVELS], lost[LEVELS];
            const double exact = period(rod.length, angles[a], 0), mesh = period(rod.length, angles[a], SEGMENTS);
            char what[96];
            for (int level = 0; level < LEVELS; level++) {
                const int each = 600 << level;
                theory_run *run = release(&rod, angles[a], PERIODS * each, mesh / each, &how);
                const double seen = seen_period(run, mesh / each);
                late[level] = seen / mesh - 1.0;
                changes(&rod, run, &largest[level], &lost[level]);
                if (a == 1 && level == 0) draw(run, name, mesh / each, exact, 36);
                if (scheme == RG_SCHEME_BDF2 && level == LEVELS - 1)
                    judge_period("BDF2, 40 segments", angles[a], seen, exact, 2e-4);
                theory_run_free(run);
            }
            const double degrees = angles[a] * 180.0 / THEORY_PI;
            (void)snprintf(what, sizeof what, "period from %.0f degrees, %s", degrees, name);
            if (scheme == RG_SCHEME_BDF2) theory_order(what, late, LEVELS, 1.0 / 600.0, 2.0, 0.1);
            (void)snprintf(what, sizeof what, "largest change of energy from %.0f degrees, %s", degrees, name);
            theory_order(what, largest, LEVELS, 1.0 / 600.0, scheme == RG_SCHEME_BE ? 1.0 : 2.0, 0.1);
            (void)snprintf(what, sizeof what, "energy lost in later periods from %.0f degrees, %s", degrees, name);
            theory_order(what, lost, LEVELS, 1.0 / 600.0, scheme == RG_SCHEME_BE ? 1.0 : 3.0, 0.1);
        }
    }
}

/* periods over the mesh, the step's error extrapolated away */
static void pendulum_mesh(void **state)
{
    (void)state;
    enum { LEVELS = 3 };
    theory_case("pendulum_mesh", "Hinged stiff rod, released stretched: mesh",
                "complete elliptic integral; Landau and Lifshitz, Mechanics, section 11");
    const double angle = THEORY_PI / 3.0, exact = period(1.0, angle, 0);
    const rg_rollout_opts how = rg_rollout_opts_default();
    double errors[LEVELS];
    for (int level = 0; level < LEVELS; level++) {
        const theory_rod rod = stiff(10 << level, 1e-5);
        double seen[2];
        for (int k = 0; k < 2; k++) {
            const int each = 600 << k;
            theory_run *run = release(&rod, angle, PERIODS * each, exact / each, &how);
            seen[k] = seen_period(run, exact / each);
            theory_run_free(run);
        }
        const double limit = (4.0 * seen[1] - seen[0]) / 3.0;
        errors[level] = limit / exact - 1.0;
        char what[96];
        (void)snprintf(what, sizeof what, "period / exact of the mesh's masses - 1, %d segments", rod.segments);
        /* what is not rigid, 1e-7, and the step's next term, 1e-6: 7e-4 of the coarser step's 1e-3 */
        theory_judge(what, limit / period(1.0, angle, rod.segments) - 1.0, 1.5e-6);
    }
    theory_judge("period from 60 degrees / exact - 1, 40 segments, no step's error", errors[LEVELS - 1], 2e-4);
    theory_order("period over the mesh, BDF2", errors, LEVELS, 0.1, 2.0, 0.05);
}

/* The deform stepper moves freely and then puts edges back along where they point after the move: like an
 * implicit step of a stiff edge, which loses energy with h, so that the angle and with it the period fall
 * with h as well. Bending is explicit, h^2 16 EI/(rho l^4) < 4: a stiff rod is for coarse meshes here, and
 * 1e-3 for rho g L^3/EI. */
static void pendulum_deform(void **state)
{
    (void)state;
    enum { LEVELS = 4, SEGMENTS = 4 };
    theory_case("pendulum_deform", "Hinged stiff rod, deform stepper",
                "complete elliptic integral; Landau and Lifshitz, Mechanics, section 11");
    theory_panel("angle over time", "t / exact period", "angle to the vertical, degrees", 0);
    const theory_rod rod = stiff(SEGMENTS, 1e-3);
    const double angle = THEORY_PI / 3.0, mesh = period(rod.length, angle, SEGMENTS);
    rg_rollout_opts how = rg_rollout_opts_default();
    how.stepper = RG_STEPPER_DEFORM;
    double late[LEVELS], largest[LEVELS], lost[LEVELS];
    for (int level = 0; level < LEVELS; level++) {
        const int each = 6000 << level;
        theory_run *run = release(&rod, angle, PERIODS * each, mesh / each, &how);
        late[level] = seen_period(run, mesh / each) / mesh - 1.0;
        changes(&rod, run, &largest[level], &lost[level]);
        if (level == 0) draw(run, "deform stepper", mesh / each, mesh, 200);
        theory_run_free(run);
    }
    theory_order("period from 60 degrees", late, LEVELS, 1.0 / 6000.0, 1.0, 0.1);
    theory_order("largest change of energy from 60 degrees", largest, LEVELS, 1.0 / 6000.0, 1.0, 0.1);
    theory_order("energy lost in later periods", lost, LEVELS, 1.0 / 6000.0, 1.0, 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pendulum_implicit),
        cmocka_unit_test(pendulum_mesh),
        cmocka_unit_test(pendulum_deform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
