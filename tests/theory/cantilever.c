/* cantilever.c: a rod held at one end. Small deflections under an end load and under its own weight, large
 * ones (the elastica and the heavy elastica), their order in space and what the place of the clamp plane does
 * to it; by the static scheme, and the elastica by damped motion of the deform stepper too.
 *
 * Lengths are in lengths of the rod, L = 1 m; P L^2/EI and w L^3/EI are the loads. EA L^2/EI is 1e7, which
 * leaves strains of 1e-6 and less. */
#include <math.h>
#include <string.h>

#include "theory.h"

static const double up[3] = {0.0, 1.0, 0.0};

/* where a point of the rod is */
typedef struct tip {
    double down, along; /* [m] */
} tip;

/* a cantilever along x, n segments from its clamp plane at 0, z up */
static theory_run *cantilever(int n, double bend, double density, int steps, double dt_s)
{
    const theory_rod rod = {1.0, density, 1e7 * bend, bend, bend, n, 1, 0};
    rg_model *m = theory_model(&rod, 0, 0);
    double x0[256] = {0.0};
    assert_true(n + 2 <= 85);
    for (int i = 0; i < n + 2; i++) x0[3 * i] = theory_arc(&rod, i);
    return theory_run_make(m, x0, up, steps, dt_s);
}

/* the same with the clamp plane at a vertex: the gripped edge is a segment like the others, before the rod */
static theory_run *cantilever_at_vertex(int n, double bend, double density)
{
    const theory_rod rod = {1.0, density, 1e7 * bend, bend, bend, n, 1, 0};
    rg_model *m = theory_model(&rod, 0, 0);
    rg_model_field_data(m, RG_REST_LENGTH)[0] = 1.0 / n;
    double x0[256] = {0.0};
    assert_true(n + 2 <= 85);
    for (int i = 0; i < n + 2; i++) x0[3 * i] = (i - 1) / (double)n;
    return theory_run_make(m, x0, up, 1, 1.0);
}

static tip tip_at(const theory_run *run, int step)
{
    const double *x = run->x + 3 * (step * run->n + run->n - 1);
    return (tip){-x[2], x[0]};
}

/* -- small deflections -------------------------------------------------------------------------------- */

enum { END_LOAD, OWN_WEIGHT };
static const double sag = 1e-4; /* in theory [m] */

/* sag of the tip over theory's, minus 1 */
static double small_error(int n, int load, int at_vertex)
{
    const double bend = 1.0, total = load == END_LOAD ? 3.0 * bend * sag : 8.0 * bend * sag;
    const double density = load == END_LOAD ? 1.0 : total / THEORY_GRAVITY;
    theory_run *run = at_vertex ? cantilever_at_vertex(n, bend, density) : cantilever(n, bend, density, 1, 1.0);
    run->opts.rollout.scheme = RG_SCHEME_STATIC;
    if (load == END_LOAD) run->force[3 * (run->n - 1) + 2] = -total;
    else run->opts.rollout.gravity[2] = -THEORY_GRAVITY;
    theory_forward(run);
    const double error = tip_at(run, 0).down / sag - 1.0;
    theory_run_free(run);
    return error;
}

/* Moments are statically determinate, P(L - s) or w(L - s)^2/2 at every joint, so the tip's sag is the
 * trapezoidal sum of moment times lever over the joints, the root's half weight being its half segment. Both
 * integrands are polynomials of degree <= 3, for which Euler-Maclaurin ends after its first term:
 *   P L^3/(3 EI) (1 + 1/(2 n^2)),  w L^4/(8 EI) (1 + 1/n^2)  with n segments,
 * but for the deflection's square (1e-8), the stretch (1e-8) and what Newton's tolerance, 1e-12 m, leaves of
 * a sag of 1e-4 m (1e-8 times a few): 2e-7. A clamp plane at a vertex makes the root's joint a whole segment:
 * M L^2/(2 n EI) more, 3/(2 n) and 2/n of the sag: 3.75 % and 5 % with 40 segments. The gripper's own half
 * edge adds that share too. */
static void cantilever_small(void **state)
{
    (void)state;
    static const int segments[] = {20, 40, 80};
    static const char *names[] = {"end load", "own weight"};
    const double of_n2[] = {0.5, 1.0}, of_n[] = {1.5, 2.0};
    theory_case("cantilever_small", "small sag of a cantilever, and the place of its clamp plane",
                "P L^3/(3 EI) and w L^4/(8 EI), Euler-Bernoulli; discrete sums by Euler-Maclaurin");
    for (int load = END_LOAD; load <= OWN_WEIGHT; load++) {
        double error[3], vertex[3], beyond = 0.0;
        char what[128];
        for (int k = 0; k < 3; k++) {
            const int n = segments[k];
            error[k] = small_error(n, load, 0);
            vertex[k] = small_error(n, load, 1);
            beyond = fmax(beyond, fabs(error[k] - of_n2[load] / (n * n) - of_n[load] * THEORY_GRIP));
        }
        (void)snprintf(what, sizeof what, "%s: sag with 40 segments, relative", names[load]);
        theory_judge(what, error[1], 1e-3);
        (void)snprintf(what, sizeof what, "%s: sag, less the discrete sum's", names[load]);
        theory_judge(what, beyond, 2e-7);
        (void)snprintf(what, sizeof what, "%s, clamp plane at mid-edge", names[load]);
        theory_order(what, error, 3, 1.0 / segments[0], 2.0, 0.05);
        /* the second-order term of before goes with it: 1/(3 n) of the first, 0.01 in the order */
        (void)snprintf(what, sizeof what, "%s, clamp plane at a vertex", names[load]);
        theory_order(what, vertex, 3, 1.0 / segments[0], 1.0, 0.05);
        (void)snprintf(what, sizeof what, "%s: clamp plane at a vertex, 40 segments, less %.4g %%", names[load],
                       100.0 * (of_n[load] / 40.0 + of_n2[load] / 1600.0));
        theory_judge(what, vertex[1] - of_n[load] / 40.0 - of_n2[load] / 1600.0, 1e-6);
    }
}

/* -- references for large deflections ----------------------------------------------------------------- */

/* Carlson's R_F and R_D by duplication (Carlson 1995, Numerical computation of real or complex elliptic
 * integrals) */
static double carlson_f(double x, double y, double z)
{
    for (;;) {
        const double a = (x + y + z) / 3.0, dx = 1.0 - x / a, dy = 1.0 - y / a, dz = 1.0 - z / a;
        if (fmax(fabs(dx), fmax(fabs(dy), fabs(dz))) < 2e-3) {
            const double e2 = dx * dy - dz * dz, e3 = dx * dy * dz;
            return (1.0 - e2 / 10.0 + e3 / 14.0 + e2 * e2 / 24.0 - 3.0 * e2 * e3 / 44.0) / sqrt(a);
        }
        const double l = sqrt(x * y) + sqrt(y * z) + sqrt(z * x);
        x = 0.25 * (x + l);
        y = 0.25 * (y + l);
        z = 0.25 * (z + l);
    }
}

static double carlson_d(double x, double y, double z)
{
    double sum = 0.0, power = 1.0;
    for (;;) {
        const double a = (x + y + 3.0 * z) / 5.0, dx = 1.0 - x / a, dy = 1.0 - y / a, dz = 1.0 - z / a;
        if (fmax(fabs(dx), fmax(fabs(dy), fabs(dz))) < 1e-3) {
            const double p = dx * dy, e2 = p - 6.0 * dz * dz, e3 = (3.0 * p - 8.0 * dz * dz) * dz,
                         e4 = 3.0 * (p - dz * dz) * dz * dz, e5 = p * dz * dz * dz;
            const double s = 1.0 - 3.0 * e2 / 14.0 + e3 / 6.0 + 9.0 * e2 * e2 / 88.0 - 3.0 * e4 / 22.0 -
                             9.0 * e2 * e3 / 52.0 + 3.0 * e5 / 26.0;
            return 3.0 * sum + power * s / (a * sqrt(a));
        }
        const double l = sqrt(x * y) + sqrt(y * z) + sqrt(z * x);
        sum += power / (sqrt(z) * (z + l));
        power *= 0.25;
        x = 0.25 * (x + l);
        y = 0.25 * (y + l);
        z = 0.25 * (z + l);
    }
}

/* Legendre's F and E at amplitude phi, given its sine; modulus k */
static double legendre_f(double sine, double k)
{
    const double c = 1.0 - sine * sine, d = 1.0 - k * k * sine * sine;
    return sine * carlson_f(c, d, 1.0);
}

static double legendre_e(double sine, double k)
{
    const double c = 1.0 - sine * sine, d = 1.0 - k * k * sine * sine;
    return legendre_f(sine, k) - k * k * sine * sine * sine * carlson_d(c, d, 1.0) / 3.0;
}

/* The elastica of a cantilever (Bisshopp and Drucker 1945). With a^2 = P L^2/EI and the angle t below the
 * horizontal, t'^2 = 2 a^2 (sin t_1 - sin t); k^2 = (1 + sin t_1)/2 and 1 + sin t = 2 k^2 sin^2 phi give
 *   a s = F(phi) - F(phi_0),  down = s - (2/a)(E(phi) - E(phi_0)),  sin phi_0 = 1/(k sqrt 2),
 *   along = (sqrt 2/a)(sqrt(sin t_1) - sqrt(sin t_1 - sin t)),  and a = K(k) - F(phi_0) gives t_1. */
typedef struct elastica {
    double load, a, sine, k; /* sine: of the tip's angle */
} elastica;

static elastica elastica_of(double load)
{
    elastica e = {load, sqrt(load), 0.0, 0.0};
    double lo = 0.0, hi = 1.0;
    for (int i = 0; i < 200; i++) {
        e.sine = 0.5 * (lo + hi);
        e.k = sqrt(0.5 * (1.0 + e.sine));
        if (legendre_f(1.0, e.k) - legendre_f(sqrt(0.5) / e.k, e.k) < e.a) lo = e.sine;
        else hi = e.sine;
    }
    return e;
}

/* where the angle's sine is `sine` */
static tip elastica_at(const elastica *e, double sine)
{
    const double first = sqrt(0.5) / e->k, here = fmin(1.0, sqrt(0.5 * (1.0 + sine)) / e->k);
    const double s = (legendre_f(here, e->k) - legendre_f(first, e->k)) / e->a;
    return (tip){s - 2.0 * (legendre_e(here, e->k) - legendre_e(first, e->k)) / e->a,
                 sqrt(2.0) / e->a * (sqrt(e->sine) - sqrt(fmax(0.0, e->sine - sine)))};
}

/* Backwards from the tip, u = 1 - s: t_uu = -(load + weight u) cos t, from t(0) = angle, t_u = 0;
 * classical Runge-Kutta. Returns t at the clamp; path [steps + 1]: down and along, from the clamp to the
 * tip, or NULL. */
enum { SHOTS = 2000 };

static double shoot(double load, double weight, double angle, tip *path)
{
    const double h = 1.0 / SHOTS;
    double y[4] = {angle, 0.0, 0.0, 0.0}; /* angle, its slope, down and along from the tip */
    if (path) path[SHOTS] = (tip){0.0, 0.0};
    for (int i = 0; i < SHOTS; i++) {
        static const double at[] = {0.0, 0.5, 0.5, 1.0}, share[] = {1.0, 2.0, 2.0, 1.0};
        double slope[4] = {0.0}, sum[4] = {0.0};
        for (int stage = 0; stage < 4; stage++) {
            double z[4];
            for (int c = 0; c < 4; c++) z[c] = y[c] + h * at[stage] * slope[c];
            slope[0] = z[1];
            slope[1] = -(load + weight * h * (i + at[stage])) * cos(z[0]);
            slope[2] = sin(z[0]);
            slope[3] = cos(z[0]);
            for (int c = 0; c < 4; c++) sum[c] += h / 6.0 * share[stage] * slope[c];
        }
        for (int c = 0; c < 4; c++) y[c] += sum[c];
        if (path) path[SHOTS - 1 - i] = (tip){y[2], y[3]};
    }
    if (path) {
        for (int i = SHOTS; i >= 0; i--) path[i] = (tip){y[2] - path[i].down, y[3] - path[i].along};
    }
    return y[0];
}

/* path [SHOTS + 1] of the rod that leaves the clamp horizontally */
static tip shooting(double load, double weight, tip *path)
{
    double lo = 0.0, hi = 0.5 * THEORY_PI;
    for (int i = 0; i < 100; i++) {
        const double angle = 0.5 * (lo + hi);
        if (shoot(load, weight, angle, NULL) < 0.0) lo = angle;
        else hi = angle;
    }
    (void)shoot(load, weight, lo, path);
    return path[SHOTS];
}

/* -- large deflections -------------------------------------------------------------------------------- */

static double gap(tip a, tip b) { return hypot(a.down - b.down, a.along - b.along); }

static void draw_shape(const char *panel, const char *series, const theory_run *run, int step)
{
    for (int i = 1; i < run->n; i++) {
        const double *x = run->x + 3 * (step * run->n + i);
        theory_point(panel, series, x[0], x[2]);
    }
}

enum { LOADS = 4, STEPS = 20 };
static const double loads[LOADS] = {1.0, 2.0, 5.0, 10.0};

static void draw_elastica(void)
{
    theory_panel("tip under an end load", "P L^2/EI", "tip, in lengths", 0);
    for (int i = 1; i <= 100; i++) {
        const elastica e = elastica_of(0.1 * i);
        const tip t = elastica_at(&e, e.sine);
        theory_point("tip under an end load", "exact down", e.load, t.down);
        theory_point("tip under an end load", "exact along", e.load, t.along);
    }
    theory_panel("shapes", "along, in lengths", "up, in lengths", 0);
    for (int l = 0; l < LOADS; l++) {
        const elastica e = elastica_of(loads[l]);
        char series[64];
        (void)snprintf(series, sizeof series, "exact, P L^2/EI = %g", loads[l]);
        for (int i = 0; i <= 50; i++) {
            /* even in phi rather than in the angle: the tip is where the angle hardly changes */
            const double share = sin(0.5 * THEORY_PI * i / 50.0);
            const tip t = elastica_at(&e, e.sine * share);
            theory_point("shapes", series, t.along, -t.down);
        }
    }
}

/* 1e-3 L is the project's bar. By theory: trapezoidal sums as for small deflections, 1/(2 n^2) = 3e-4 of the
 * sag, and joints' moments of (EI/l) 2 tan(phi/2)(1 + tan^2(phi/2)), phi^2/3 beyond EI phi/l: with phi up to
 * sqrt(2 P L^2/EI)/n, 4e-3 at the root of the heaviest load, where most of the rod is beyond the bend. */
static void cantilever_elastica(void **state)
{
    (void)state;
    /* Mattiasson 1981, Numerical results from large deflection beam and frame problems, to the digits
     * given */
    static const double published[LOADS] = {0.3017, 0.4935, 0.7138, 0.8106};
    static const int segments[] = {20, 40, 80};
    static tip path[SHOTS + 1];
    double error[LOADS][3];
    theory_case("cantilever_elastica", "the elastica: a cantilever bent far by an end load",
                "Bisshopp and Drucker 1945, elliptic integrals by Carlson's duplication; shooting");
    draw_elastica();
    double apart = 0.0, rounded = 0.0;
    for (int l = 0; l < LOADS; l++) {
        const elastica e = elastica_of(loads[l]);
        const tip exact = elastica_at(&e, e.sine);
        apart = fmax(apart, gap(exact, shooting(loads[l], 0.0, path)));
        rounded = fmax(rounded, fabs(exact.down - published[l]));
    }
    /* Runge-Kutta's 2000 steps: (a/2000)^4 */
    theory_judge("elliptic integrals less shooting", apart, 1e-11);
    theory_judge("elliptic integrals less published", rounded, 5e-5);
    for (int k = 0; k < 3; k++) {
        theory_run *run = cantilever(segments[k], 1.0, 1.0, STEPS, 1.0);
        run->opts.rollout.scheme = RG_SCHEME_STATIC;
        for (int step = 0; step < STEPS; step++) run->force[3 * (step * run->n + run->n - 1) + 2] = -0.5 * (step + 1);
        theory_forward(run);
        print_message("  %d segments: %d Newton iterations in %d steps, at most %d\n", segments[k],
                      run->status.iterations, STEPS, run->status.worst_iterations);
        assert_int_equal(run->status.unstable, -1);
        for (int l = 0; l < LOADS; l++) {
            const elastica e = elastica_of(loads[l]);
            const int step = (int)(2.0 * loads[l]) - 1;
            error[l][k] = gap(tip_at(run, step), elastica_at(&e, e.sine));
            char what[96];
            (void)snprintf(what, sizeof what, "40 segments, P L^2/EI = %g: tip", loads[l]);
            if (segments[k] == 40) theory_judge(what, error[l][k], 1e-3);
            (void)snprintf(what, sizeof what, "rodgrad, P L^2/EI = %g", loads[l]);
            if (segments[k] == 40) draw_shape("shapes", what, run, step);
        }
        for (int step = 0; segments[k] == 40 && step < STEPS; step++) {
            const tip t = tip_at(run, step);
            theory_point("tip under an end load", "rodgrad down", 0.5 * (step + 1), t.down);
            theory_point("tip under an end load", "rodgrad along", 0.5 * (step + 1), t.along);
        }
        theory_run_free(run);
    }
    for (int l = 0; l < LOADS; l++) {
        char what[96];
        (void)snprintf(what, sizeof what, "elastica in space, P L^2/EI = %g", loads[l]);
        theory_order(what, error[l], 3, 1.0 / segments[0], 2.0, 0.2);
    }
}

/* The same under its own weight, 1e-3 L again: the root's joints turn by up to sqrt(2 w L^3/EI)/n and less,
 * as before. Gravity acts at once: one static step from straight. */
static void cantilever_heavy(void **state)
{
    (void)state;
    enum { WEIGHTS = 3 };
    static const double weights[WEIGHTS] = {2.0, 10.0, 20.0};
    static const int segments[] = {20, 40, 80};
    static tip path[SHOTS + 1];
    theory_case("cantilever_heavy", "the heavy elastica: a cantilever bent far by its own weight",
                "EI t'' = -w (L - s) cos t by shooting, Runge-Kutta of order 4");
    theory_panel("shapes", "along, in lengths", "up, in lengths", 0);
    for (int w = 0; w < WEIGHTS; w++) {
        const tip exact = shooting(0.0, weights[w], path);
        char what[96];
        (void)snprintf(what, sizeof what, "exact, w L^3/EI = %g", weights[w]);
        for (int i = 0; i <= SHOTS; i += SHOTS / 50) theory_point("shapes", what, path[i].along, -path[i].down);
        double error[3];
        for (int k = 0; k < 3; k++) {
            const int n = segments[k];
            theory_run *run = cantilever(n, 1.0, weights[w] / THEORY_GRAVITY, 1, 1.0);
            run->opts.rollout.scheme = RG_SCHEME_STATIC;
            run->opts.rollout.gravity[2] = -THEORY_GRAVITY;
            theory_forward(run);
            assert_int_equal(run->status.unstable, -1);
            error[k] = gap(tip_at(run, 0), exact);
            (void)snprintf(what, sizeof what, "rodgrad, w L^3/EI = %g", weights[w]);
            if (n == 40) {
                draw_shape("shapes", what, run, 0);
                double worst = 0.0;
                for (int i = 1; i < run->n; i++) {
                    const double *x = run->x + 3 * i;
                    worst = fmax(worst, gap((tip){-x[2], x[0]}, path[(i - 1) * (SHOTS / n)]));
                }
                (void)snprintf(what, sizeof what, "40 segments, w L^3/EI = %g: any vertex", weights[w]);
                print_message("  %d Newton iterations, from straight in one step\n", run->status.iterations);
                theory_judge(what, worst, 1e-3);
            }
            theory_run_free(run);
        }
        (void)snprintf(what, sizeof what, "heavy elastica in space, w L^3/EI = %g", weights[w]);
        theory_order(what, error, 3, 1.0 / segments[0], 2.0, 0.2);
    }
}

/* Damped motion of the deform stepper: inextensible, the end load a force, bending waves explicit. Steps are
 * stable while h^2 16 EI/(l^3 m) < 4 (docs/physics.md, section 6): h < l^2/2 here; 0.4 l^2 is taken. At rest
 * each step's forces still move the vertices by h^2 f/m, which 10 sweeps undo but for a share that goes with
 * l^2 too. Drag of twice the first mode's rate (3.5/s); after 6 s exp(-20) is left of the motion. Out of this
 * stepper's reach are equilibria that are unstable, and stretch. */
static void cantilever_elastica_deform(void **state)
{
    (void)state;
    enum { FRAMES = 500 };
    static const double some[] = {1.0, 5.0};
    static const int segments[] = {10, 20, 40};
    theory_case("cantilever_elastica_deform", "the elastica by damped motion of the deform stepper",
                "Bisshopp and Drucker 1945, elliptic integrals by Carlson's duplication");
    theory_panel("tip on its way", "time [s]", "tip down, in lengths", 0);
    for (int l = 0; l < 2; l++) {
        const elastica e = elastica_of(some[l]);
        const tip exact = elastica_at(&e, e.sine);
        char what[96], series[96];
        double error[3];
        (void)snprintf(series, sizeof series, "exact, P L^2/EI = %g", some[l]);
        theory_point("tip on its way", series, 0.0, exact.down);
        theory_point("tip on its way", series, 6.0, exact.down);
        (void)snprintf(series, sizeof series, "rodgrad, P L^2/EI = %g", some[l]);
        for (int k = 0; k < 3; k++) {
            const int n = segments[k];
            const double dt = 0.4 / (n * n);
            theory_run *run = cantilever(n, 1.0, 1.0, FRAMES, dt);
            run->opts.rollout.stepper = RG_STEPPER_DEFORM;
            theory_set(run->model, RG_DRAG, 7.0);
            for (int step = 0; step < FRAMES; step++) run->force[3 * (step * run->n + run->n - 1) + 2] = -some[l];
            for (double time = 0.0; time < 6.0; time += FRAMES * dt) {
                theory_forward_on(run);
                for (int step = FRAMES / 4 - 1; n == 20 && step < FRAMES; step += FRAMES / 4)
                    theory_point("tip on its way", series, time + (step + 1) * dt, tip_at(run, step).down);
            }
            error[k] = gap(tip_at(run, FRAMES - 1), exact);
            theory_run_free(run);
        }
        (void)snprintf(what, sizeof what, "40 segments, P L^2/EI = %g: tip", some[l]);
        theory_judge(what, error[2], 1e-3);
        (void)snprintf(what, sizeof what, "elastica in space, deform stepper, P L^2/EI = %g", some[l]);
        theory_order(what, error, 3, 1.0 / segments[0], 2.0, 0.2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cantilever_small),
        cmocka_unit_test(cantilever_elastica),
        cmocka_unit_test(cantilever_heavy),
        cmocka_unit_test(cantilever_elastica_deform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
