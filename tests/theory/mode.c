/* mode.c: the first mode of a clamped-free rod: its frequency, and its decay with Kelvin-Voigt damping.
 *
 * Every stepper turns the motion of one mode into a sum of powers z^n of a few complex numbers. The largest
 * z is read off the simulated tip and put into the stepper's own difference formula, which gives the rod's
 * rate lambda (x ~ exp(lambda t)) without any error of the step: what is left is the mesh. Where the step's
 * own error belongs to the result (the plot), it is small by choice. */
#include "theory.h"

#include <complex.h>
#include <math.h>

#define ROOT 1.87510406871196117 /* first root of cosh b cos b = -1 */

enum { MOST = 90 };

/* of the tip, in lengths: nonlinear terms are 1e-8 of the linear ones */
static const double amplitude = 1e-4;
static const double up[3] = {0.0, 0.0, 1.0};

/* one metre, omega = ROOT^2 / s */
static theory_rod cantilever(int segments)
{
    const theory_rod rod = {.length = 1.0,
                            .density = 0.05,
                            .stretch = 100.0,
                            .bend = 0.05,
                            .twist = 0.05,
                            .segments = segments,
                            .grip_begin = 1};
    return rod;
}

/* The mesh's own first mode w [segments + 2], 1 at the tip, and its frequency: inverse iteration. The
 * inverse of the stiffness needs no matrix: loads F give joint i the moment M = sum over k > i of F_k (s_k
 * - s_i), which turns it by M l_i/EI, and those turns give the deflections. */
static double mesh_mode(const theory_rod *rod, double *w)
{
    const int n = rod->segments + 2;
    double s[MOST], m[MOST] = {0.0}, next[MOST] = {0.0}, ratio = 0.0;
    for (int i = 0; i < n; i++) s[i] = theory_arc(rod, i);
    for (int i = 0; i + 1 < n; i++)
        for (int k = 0; k < 2; k++) m[i + k] += 0.5 * rod->density * (s[i + 1] - s[i]);
    for (int i = 0; i < n; i++) w[i] = i < 2 ? 0.0 : s[i] * s[i];
    for (int sweep = 0; sweep < 40; sweep++) {
        for (int k = 0; k < n; k++) next[k] = 0.0;
        for (int i = 1; i + 1 < n; i++) {
            double moment = 0.0;
            for (int k = i + 1; k < n; k++) moment += m[k] * w[k] * (s[k] - s[i]);
            const double turn = moment * 0.5 * (s[i + 1] - s[i - 1]) / rod->bend;
            for (int k = i + 1; k < n; k++) next[k] += turn * (s[k] - s[i]);
        }
        ratio = w[n - 1] / next[n - 1];
        for (int k = 0; k < n; k++) w[k] = next[k] / next[n - 1];
    }
    return sqrt(ratio);
}

/* the tip's deflection over `steps` steps, of amplitude 1, from rest in the mesh's mode; relaxation T [s] */
static double *swing(const theory_rod *rod, double relaxation, double dt_s, int steps, const rg_rollout_opts *how)
{
    double w[MOST], x[3 * MOST] = {0.0};
    (void)mesh_mode(rod, w);
    for (int i = 0; i < rod->segments + 2; i++) {
        /* edges keep their lengths, also where the mode tilts them */
        const double edge = i ? theory_arc(rod, i) - theory_arc(rod, i - 1) : 0.0;
        const double rise = i ? amplitude * (w[i] - w[i - 1]) : 0.0;
        x[3 * i] = i ? x[3 * i - 3] + sqrt(edge * edge - rise * rise) : 0.0;
        x[3 * i + 1] = amplitude * w[i];
    }
    rg_model *model = theory_model(rod, 0, 0);
    theory_set(model, RG_BEND_RELAXATION, relaxation);
    theory_run *run = theory_run_make(model, x, up, steps, dt_s);
    run->opts.rollout.stepper = how->stepper;
    run->opts.rollout.scheme = how->scheme;
    theory_forward(run);
    double *tip = malloc((size_t)steps * sizeof *tip);
    if (!tip) abort();
    for (int k = 0; k < steps; k++) tip[k] = run->x[3 * ((k + 1) * run->n - 1) + 1] / amplitude;
    theory_run_free(run);
    return tip;
}

/* z: the pair z, conj(z) of y[n + 2q] = a y[n + q] + b y[n], by least squares; q samples are near a sixth
 * of a period, which says which root of order q is meant */
static double complex multiplier(const double *y, int begin, int end, int q)
{
    double aa = 0.0, ab = 0.0, bb = 0.0, ya = 0.0, yb = 0.0;
    for (int n = begin; n + 2 * q < end; n++) {
        aa += y[n + q] * y[n + q];
        ab += y[n + q] * y[n];
        bb += y[n] * y[n];
        ya += y[n + 2 * q] * y[n + q];
        yb += y[n + 2 * q] * y[n];
    }
    const double det = aa * bb - ab * ab, a = (ya * bb - yb * ab) / det, b = (yb * aa - ya * ab) / det;
    const double complex power = 0.5 * a + I * sqrt(-b - 0.25 * a * a);
    return cexp(clog(power) / q);
}

typedef struct rate {
    double omega, zeta;
} rate;

/* The rod's own omega and zeta behind z: lambda^2 + omega^2 T lambda + omega^2 = 0 has |lambda| = omega and
 * zeta = -Re lambda/omega = omega T/2. Backward Euler and BDF2 replace d/dt by (1 - 1/z)/h and (3 - 4/z +
 * 1/z^2)/(2h), in the damping as well. The deform stepper's mode obeys z - 2 + 1/z = -h^2 omega^2 (1 +
 * (T/h) (1 - 1/z)), docs/physics.md section 6: two real equations. */
static rate behind(double complex z, double h, const rg_rollout_opts *how)
{
    rate r;
    if (how->stepper == RG_STEPPER_DEFORM) {
        const double complex left = -(z - 2.0 + 1.0 / z) / (h * h), with = (1.0 - 1.0 / z) / h;
        const double damping = cimag(left) / cimag(with), square = creal(left) - damping * creal(with);
        r.omega = sqrt(square);
        r.zeta = 0.5 * damping / r.omega;
        return r;
    }
    const double complex lambda =
        how->scheme == RG_SCHEME_BE ? (1.0 - 1.0 / z) / h : (1.5 - 2.0 / z + 0.5 / (z * z)) / h;
    r.omega = cabs(lambda);
    r.zeta = -creal(lambda) / r.omega;
    return r;
}

static double theory_omega(const theory_rod *rod)
{
    return ROOT * ROOT * sqrt(rod->bend / rod->density) / (rod->length * rod->length);
}

static void judge_orders(const char *name, const double *errors, int levels)
{
    char what[96];
    (void)snprintf(what, sizeof what, "frequency over the mesh, %s", name);
    theory_order(what, errors, levels, 0.1, 2.0, 0.05);
}

/* Euler-Bernoulli: EI w'''' = rho omega^2 w, w = w' = 0 at the clamp, w'' = w''' = 0 at the tip (Rao 2007,
 * Vibration of Continuous Systems, section 11.5). Masses are points, so there is no rotary inertia, and
 * there is no shear: the mesh tends to exactly this, with an error of second order. 40 segments: 1e-3 is
 * the bar of all cases; against the mesh's own frequency only terms of second order in amplitude/length,
 * 1e-8, are left. */
static void mode_implicit(void **state)
{
    (void)state;
    enum { LEVELS = 4, PERIOD = 120, STEPS = 6 * PERIOD };
    theory_case("mode", "First mode of a clamped-free rod, with Kelvin-Voigt damping",
                "Euler-Bernoulli beam; Rao 2007, Vibration of Continuous Systems, 11.5");
    theory_panel("tip over time", "t omega / 2 pi", "tip / amplitude", 0);
    const double zeta = 0.02;
    for (int scheme = RG_SCHEME_BE; scheme <= RG_SCHEME_BDF2; scheme++) {
        double errors[LEVELS];
        for (int level = 0; level < LEVELS; level++) {
            const theory_rod rod = cantilever(10 << level);
            const double omega = theory_omega(&rod), dt_s = 2.0 * THEORY_PI / omega / PERIOD;
            double w[MOST], *tip;
            rg_rollout_opts how = rg_rollout_opts_default();
            how.scheme = (rg_scheme)scheme;
            tip = swing(&rod, 2.0 * zeta / omega, dt_s, STEPS, &how);
            /* the scheme's other roots, from its first step, are below 1/2 */
            const rate seen = behind(multiplier(tip, 60, STEPS, PERIOD / 6), dt_s, &how);
            errors[level] = seen.omega / omega - 1.0;
            const char *name = scheme == RG_SCHEME_BE ? "backward Euler" : "BDF2";
            char what[96];
            if (rod.segments == 40) {
                (void)snprintf(what, sizeof what, "omega / theory - 1, 40 segments, %s", name);
                theory_judge(what, errors[level], 1e-3);
                (void)snprintf(what, sizeof what, "zeta / (omega T / 2) - 1, 40 segments, %s", name);
                theory_judge(what, seen.zeta / zeta - 1.0, 1e-3);
            }
            (void)snprintf(what, sizeof what, "omega / the mesh's own - 1, %d segments, %s", rod.segments, name);
            theory_judge(what, seen.omega / mesh_mode(&rod, w) - 1.0, 1e-7);
            for (int k = 0; rod.segments == 40 && k < 3 * PERIOD; k += 3) {
                const double t = (k + 1.0) / PERIOD, fast = sqrt(1.0 - zeta * zeta), angle = 2.0 * THEORY_PI * t;
                const double exact = exp(-zeta * angle) * (cos(fast * angle) + zeta / fast * sin(fast * angle));
                if (scheme == RG_SCHEME_BDF2) theory_point("tip over time", "exact", t, exact);
                if (k % 6 == 0) theory_point("tip over time", name, t, tip[k]);
                /* BDF2 is late by (omega h)^2/3 and damps by (omega h)^3/4, the mesh by its error: over six
                 * radians and three periods below 0.03 */
                if (scheme == RG_SCHEME_BDF2 && !(fabs(tip[k] - exact) <= 0.03))
                    fail_msg("tip %.4f, not %.4f, at %.2f periods", tip[k], exact, t);
            }
            free(tip);
        }
        judge_orders(scheme == RG_SCHEME_BE ? "backward Euler" : "BDF2", errors, LEVELS);
    }
}

/* The deform stepper. Its limit: with the mesh's largest frequency, close to 4 sqrt(EI/rho)/l^2 at segments
 * l, h^2 w^2 (1 + 2 T/h) < 4 must hold, which at 40 segments takes 5700 steps per period without damping,
 * and more with T: hence a damping that is light where the mesh is fine. */
static void mode_deform(void **state)
{
    (void)state;
    enum { LEVELS = 3 };
    theory_case("mode_deform", "First mode of a clamped-free rod, with Kelvin-Voigt damping, deform stepper",
                "Euler-Bernoulli beam; Rao 2007, Vibration of Continuous Systems, 11.5");
    theory_panel("tip over time", "t omega / 2 pi", "tip / amplitude", 0);
    double errors[LEVELS];
    for (int level = 0; level < LEVELS; level++) {
        const theory_rod rod = cantilever(10 << level);
        const double omega = theory_omega(&rod), edge = rod.length / rod.segments;
        const double most = 4.0 * sqrt(rod.bend / rod.density) / (edge * edge);
        const double zeta = 0.0048 / (1 << (2 * level)), relaxation = 2.0 * zeta / omega;
        /* 0.9 of the limit, h^2 + 2 T h = 4/most^2 */
        const double limit = sqrt(relaxation * relaxation + 4.0 / (most * most)) - relaxation;
        const int period = 6 * (int)ceil(2.0 * THEORY_PI / omega / (0.9 * limit) / 6.0), steps = 2 * period;
        const double dt_s = 2.0 * THEORY_PI / omega / period;
        rg_rollout_opts how = rg_rollout_opts_default();
        how.stepper = RG_STEPPER_DEFORM;
        double w[MOST], *tip = swing(&rod, relaxation, dt_s, steps, &how);
        const rate seen = behind(multiplier(tip, 6, steps, period / 6), dt_s, &how);
        char what[96];
        print_message("  %d segments: %d steps per period\n", rod.segments, period);
        errors[level] = seen.omega / omega - 1.0;
        (void)snprintf(what, sizeof what, "omega / the mesh's own - 1, %d segments", rod.segments);
        theory_judge(what, seen.omega / mesh_mode(&rod, w) - 1.0, 1e-7);
        (void)snprintf(what, sizeof what, "zeta / (T / 2 of the mesh's omega) - 1, %d segments", rod.segments);
        theory_judge(what, seen.zeta / (0.5 * relaxation * seen.omega) - 1.0, 1e-5);
        if (rod.segments == 40) theory_judge("omega / theory - 1, 40 segments", errors[level], 1e-3);
        for (int k = 0; rod.segments == 40 && k < steps; k += period / 60) {
            const double t = (k + 1.0) / period, angle = 2.0 * THEORY_PI * t;
            theory_point("tip over time", "exact", t, exp(-zeta * angle) * (cos(angle) + zeta * sin(angle)));
            theory_point("tip over time", "deform stepper", t, tip[k]);
        }
        free(tip);
    }
    judge_orders("deform stepper", errors, LEVELS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mode_implicit),
        cmocka_unit_test(mode_deform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
