/* freefall.c: a rod that nothing holds: bent, twisted by nature, turning and swinging, with every damping
 * but drag.
 *
 * Whatever goes on inside, its centre of mass follows the scheme's own solution of free fall to round-off:
 * internal forces add up to nothing. Its angular momentum about the centre is kept as well as the scheme
 * can: forces exert no torque about the positions where they are evaluated, which are not those that the
 * scheme's momentum is taken at; what that leaves is an identity for backward Euler and BDF2, judged to
 * round-off, and drift at the scheme's order. Directors carry no inertia: a free rod's twisting moment is
 * balanced along it at every time, and they take no part in the momentum. */
#include "theory.h"

#include <math.h>
#include <string.h>

enum { SEGMENTS = 16, N = SEGMENTS + 1 };

static const double up[3] = {0.0, 0.0, 1.0};
static const double gravity[3] = {0.3, -0.2, -9.81};

static double mass_of(const theory_rod *rod, int i)
{
    return rod->density * rod->length / rod->segments * (i == 0 || i == rod->segments ? 0.5 : 1.0);
}

static void add_cross(const double *a, const double *b, double weight, double *out)
{
    out[0] += weight * (a[1] * b[2] - a[2] * b[1]);
    out[1] += weight * (a[2] * b[0] - a[0] * b[2]);
    out[2] += weight * (a[0] * b[1] - a[1] * b[0]);
}

static double size_of(const double *a) { return sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2]); }

/* sum m q / sum m of positions or velocities q [n][3] */
static void mean(const theory_rod *rod, const double *q, double out[3])
{
    memset(out, 0, 3 * sizeof *out);
    for (int i = 0; i <= rod->segments; i++)
        for (int c = 0; c < 3; c++) out[c] += mass_of(rod, i) * q[3 * i + c] / (rod->density * rod->length);
}

/* sum m (x - mean) x (v - mean) */
static void spin(const theory_rod *rod, const double *x, const double *v, double out[3])
{
    double at[3], along[3];
    mean(rod, x, at);
    mean(rod, v, along);
    memset(out, 0, 3 * sizeof *out);
    for (int i = 0; i <= rod->segments; i++) {
        double r[3], w[3];
        for (int c = 0; c < 3; c++) {
            r[c] = x[3 * i + c] - at[c];
            w[c] = v[3 * i + c] - along[c];
        }
        add_cross(r, w, mass_of(rod, i), out);
    }
}

/* A soft ribbon, one metre long, half again as stiff one way as the other, curved and twisted by nature
 * otherwise than it starts: an open helix that turns about a slanted axis and flies, with a ripple of
 * velocity. */
static const theory_rod ribbon = {
    .length = 1.0, .density = 0.05, .stretch = 20.0, .bend = 2e-3, .twist = 1e-3, .segments = SEGMENTS};

static theory_run *toss(int steps, double dt_s, const rg_rollout_opts *how, int dampers)
{
    rg_model *model = theory_model(&ribbon, 0, 0);
    theory_set(model, RG_BEND_STIFFNESS_2, 3e-3);
    theory_set(model, RG_BEND_COUPLING, 5e-4);
    theory_set(model, RG_NATURAL_TWIST, 2.0);
    for (int i = 0; i < N; i++) rg_model_field_data(model, RG_NATURAL_CURVATURE)[2 * i] = 1.0 + 0.1 * i;
    if (dampers) {
        theory_set(model, RG_STRETCH_RELAXATION, 2e-3);
        theory_set(model, RG_BEND_RELAXATION, 5e-3);
        theory_set(model, RG_TWIST_RELAXATION, 5e-3);
        theory_set(model, RG_BEND_MEMORY, 0.5);
        theory_set(model, RG_BEND_MEMORY_TIME, 0.02);
    }
    double x[3 * N] = {0.0};
    const double edge = ribbon.length / SEGMENTS;
    for (int i = 1; i < N; i++) {
        const double s = (i - 0.5) * edge, t[3] = {0.8, 0.6 * cos(4.0 * s), 0.6 * sin(4.0 * s)};
        for (int c = 0; c < 3; c++) x[3 * i + c] = x[3 * i - 3 + c] + edge * t[c];
    }
    theory_run *run = theory_run_make(model, x, up, steps, dt_s);
    /* directors that turn along the rod beyond the transport */
    for (int j = 0; j + 1 < N; j++) {
        double t[3], length;
        for (int c = 0; c < 3; c++) t[c] = x[3 * j + 3 + c] - x[3 * j + c];
        length = size_of(t);
        for (int c = 0; c < 3; c++) t[c] /= length;
        double m[3];
        memcpy(m, run->m0 + 3 * j, sizeof m);
        theory_turn(t, 0.1 * j, m, run->m0 + 3 * j);
    }
    for (int i = 0; i < N; i++) {
        static const double axis[3] = {0.5, 2.0, 3.0};
        double *v = run->v0 + 3 * i;
        add_cross(axis, x + 3 * i, 1.0, v);
        v[0] += 0.7;
        v[1] -= 0.4;
        v[2] += 1.0 + 0.3 * sin(9.0 * i * edge);
    }
    memcpy(run->opts.rollout.gravity, gravity, sizeof gravity);
    run->opts.rollout.stepper = how->stepper;
    run->opts.rollout.scheme = how->scheme;
    theory_forward(run);
    return run;
}

static const char *name_of(const rg_rollout_opts *how)
{
    if (how->stepper == RG_STEPPER_DEFORM) return "deform stepper";
    return how->scheme == RG_SCHEME_BE ? "backward Euler" : "BDF2";
}

static rg_rollout_opts way(int k)
{
    rg_rollout_opts how = rg_rollout_opts_default();
    if (k == 2) how.stepper = RG_STEPPER_DEFORM;
    else how.scheme = k == 0 ? RG_SCHEME_BE : RG_SCHEME_BDF2;
    return how;
}

/* The same difference formulas, for one point that falls: backward Euler and the deform stepper v+ = v + h
 * g, x+ = x + h v+; BDF2, but for its first step, with H = 2h/3 v+ = (4v - v_o)/3 + H g, x+ = (4x - x_o)/3
 * + H v+. Round-off: in n steps every new position, of up to 2 m, is rounded by up to 2^-53 of that and its
 * velocity by as much over h; these add up to at most n 2^-52/h in the velocity and n^2/2 2^-52 in the
 * position. */
static void freefall_centre(void **state)
{
    (void)state;
    enum { STEPS = 400 };
    theory_case("freefall", "Free fall of a bent, twisted, turning rod: centre of mass",
                "exact solution of each scheme's difference equations");
    theory_panel("fall", "t, s", "height of the centre of mass, m", 0);
    const double h = 1e-3, rounding = 2.2e-16;
    for (int k = 0; k < 3; k++) {
        const rg_rollout_opts how = way(k);
        theory_run *run = toss(STEPS, h, &how, 1);
        const double total = ribbon.density * ribbon.length;
        double x[3], v[3], xo[3] = {0.0}, vo[3] = {0.0}, off = 0.0, pushed = 0.0, start[3], bent = 0.0;
        mean(&ribbon, run->x0, x);
        mean(&ribbon, run->v0, v);
        memcpy(start, x, sizeof start);
        for (int step = 0; step < STEPS; step++) {
            const int two = k == 1 && step > 0;
            for (int c = 0; c < 3; c++) {
                const double xw = x[c], vw = v[c], hat = two ? 2.0 * h / 3.0 : h;
                v[c] = (two ? (4.0 * v[c] - vo[c]) / 3.0 : v[c]) + hat * gravity[c];
                x[c] = (two ? (4.0 * x[c] - xo[c]) / 3.0 : x[c]) + hat * v[c];
                xo[c] = xw;
                vo[c] = vw;
            }
            double at[3], along[3];
            mean(&ribbon, run->x + (size_t)step * 3 * N, at);
            mean(&ribbon, run->v + (size_t)step * 3 * N, along);
            for (int c = 0; c < 3; c++) {
                off = fmax(off, fabs(at[c] - x[c]));
                pushed = fmax(pushed, total * fabs(along[c] - v[c]));
            }
            const double t = (step + 1) * h;
            if (k == 0 && step % 10 == 9) {
                double fall = start[2], speed[3];
                mean(&ribbon, run->v0, speed);
                fall += t * speed[2] + 0.5 * t * t * gravity[2];
                theory_point("fall", "exact", t, fall);
            }
            if (step % 20 == 19) {
                theory_point("fall", name_of(&how), t, at[2]);
                theory_point("fall",
                             k == 0   ? "an end, backward Euler"
                             : k == 1 ? "an end, BDF2"
                                      : "an end, deform",
                             t, run->x[(size_t)step * 3 * N + 2]);
            }
        }
        /* it does deform: its ends change their distance */
        double gap[3];
        for (int c = 0; c < 3; c++)
            gap[c] = run->x[(size_t)STEPS * 3 * N - 3 + c] - run->x[(size_t)(STEPS - 1) * 3 * N + c];
        bent = size_of(gap);
        for (int c = 0; c < 3; c++) gap[c] = run->x0[3 * N - 3 + c] - run->x0[c];
        if (!(fabs(bent - size_of(gap)) > 0.02)) fail_msg("the rod hardly deforms: %.4f m", bent - size_of(gap));
        char what[96];
        (void)snprintf(what, sizeof what, "centre of mass off the scheme's solution [m], %s", name_of(&how));
        theory_judge(what, off, 0.5 * STEPS * STEPS * rounding);
        (void)snprintf(what, sizeof what, "momentum off the scheme's solution [kg m/s], %s", name_of(&how));
        theory_judge(what, pushed, total * STEPS * rounding / h);
        theory_run_free(run);
    }
}

/* The new velocities obey m dv = F(x+), with dv the scheme's difference of velocities, and F, which comes
 * from a potential that turns do not change once free directors are stationary, exerts no torque about x+
 * (nor do damping and memory: their potentials know strains only). So sum m (x+ - centre) x (v+ - vt) = 0,
 * vt = v or (4v - v_o)/3, in every step. Backward Euler's momentum L = sum m x x v therefore changes by h
 * sum m v+ x v per step, of h^2. */
static void freefall_torque(void **state)
{
    (void)state;
    enum { STEPS = 300 };
    theory_case("freefall_torque", "Free fall of a bent, twisted, turning rod: no torque from within",
                "rotational invariance of the incremental potential");
    theory_panel("angular momentum, backward Euler", "t, s", "change of the size, kg m^2/s", 0);
    const double h = 1e-3;
    for (int k = 0; k < 2; k++) {
        const rg_rollout_opts how = way(k);
        theory_run *run = toss(STEPS, h, &how, 1);
        double worst = 0.0, all = 0.0, told[3], start, off = 0.0;
        spin(&ribbon, run->x0, run->v0, told);
        start = size_of(told);
        for (int step = k; step < STEPS; step++) {
            const double *x = run->x + (size_t)step * 3 * N, *v = run->v + (size_t)step * 3 * N;
            const double *was = step ? v - 3 * N : run->v0, *before = step > 1 ? was - 3 * N : run->v0;
            double at[3], sum[3] = {0.0}, largest = 0.0;
            mean(&ribbon, x, at);
            for (int i = 0; i < N; i++) {
                double r[3], dv[3], one[3] = {0.0};
                for (int c = 0; c < 3; c++) {
                    const double past = k ? (4.0 * was[3 * i + c] - before[3 * i + c]) / 3.0 : was[3 * i + c];
                    r[c] = x[3 * i + c] - at[c];
                    dv[c] = v[3 * i + c] - past;
                }
                add_cross(r, dv, mass_of(&ribbon, i), one);
                add_cross(r, dv, mass_of(&ribbon, i), sum);
                largest = fmax(largest, size_of(one));
            }
            worst = fmax(worst, size_of(sum));
            all = fmax(all, largest);
            if (k == 1) continue;
            /* h sum m v+ x v, about the centre */
            double now[3], along[3], last[3];
            mean(&ribbon, v, along);
            mean(&ribbon, was, last);
            for (int i = 0; i < N; i++) {
                double w[3], u[3];
                for (int c = 0; c < 3; c++) {
                    w[c] = v[3 * i + c] - along[c];
                    u[c] = was[3 * i + c] - last[c];
                }
                add_cross(w, u, h * mass_of(&ribbon, i), told);
            }
            spin(&ribbon, x, v, now);
            if (step % 5 == 4) {
                theory_point("angular momentum, backward Euler", "exact", (step + 1) * h, size_of(told) - start);
                theory_point("angular momentum, backward Euler", "rodgrad", (step + 1) * h, size_of(now) - start);
            }
            for (int c = 0; c < 3; c++) off = fmax(off, fabs(now[c] - told[c]));
        }
        /* a step's bar, below, in every step */
        if (k == 0) theory_judge("angular momentum off backward Euler's identity [kg m^2/s]", off, STEPS * 2e-14);
        char what[96];
        (void)snprintf(what, sizeof what, "torque from within times a step [kg m^2/s], %s", name_of(&how));
        print_message("  of single vertices up to %.1e kg m^2/s\n", all);
        /* velocities are positions, rounded by 1e-16 m, over h: m r 1e-13 m/s = 1e-15 in each of 17
         * vertices */
        theory_judge(what, worst, 2e-14);
        theory_run_free(run);
    }
}

/* drift over 0.2 s, in which it turns by a third of a turn and bends; with and without what damps it */
static void freefall_spin(void **state)
{
    (void)state;
    enum { LEVELS = 4 };
    static const char *const titles[] = {"angular momentum", "angular momentum, damped within"};
    theory_case("freefall_spin", "Free fall of a bent, twisted, turning rod: angular momentum",
                "conserved; each scheme's order");
    theory_panel("angular momentum about the centre", "t, s", "change / start", 0);
    for (int k = 0; k < 3; k++)
        for (int dampers = 0; dampers < 2; dampers++) {
            const rg_rollout_opts how = way(k);
            double drift[LEVELS], start[3];
            for (int level = 0; level < LEVELS; level++) {
                const int steps = 200 << level;
                theory_run *run = toss(steps, 0.2 / steps, &how, dampers);
                spin(&ribbon, run->x0, run->v0, start);
                for (int step = steps / 40 - 1; step < steps; step += steps / 40) {
                    double now[3];
                    spin(&ribbon, run->x + (size_t)step * 3 * N, run->v + (size_t)step * 3 * N, now);
                    for (int c = 0; c < 3; c++) now[c] -= start[c];
                    drift[level] = size_of(now) / size_of(start);
                    if (dampers && level == 0)
                        theory_point("angular momentum about the centre", name_of(&how), 0.2 * (step + 1) / steps,
                                     drift[level]);
                }
                theory_run_free(run);
            }
            if (k == 0 && dampers)
                for (int p = 0; p <= 20; p++) theory_point("angular momentum about the centre", "exact", 0.01 * p, 0.0);
            char what[96];
            (void)snprintf(what, sizeof what, "drift of %s, %s", titles[dampers], name_of(&how));
            theory_order(what, drift, LEVELS, 1e-3, k == 1 ? 2.0 : 1.0, 0.1);
        }
}

/* Each sweep of the deform stepper's projection, taken apart. The k-th sweep's moves are what a step with k
 * sweeps leaves less what one with k - 1 does (none: x + h v). A sweep visits the edges in turn, each
 * moving both its ends: vertex 0's move is edge 0's; if edge 0 exerts no force, vertex 1 has m_0/m_1 of it,
 * reversed, and the rest of its move is edge 1's; ... and after the last vertex nothing must be left over:
 * no force. Each of the impulses lies along its edge, as that is when it is visited: no torque. Bending and
 * twist are made 1e-30 for this. */
static void freefall_sweeps(void **state)
{
    (void)state;
    enum { SWEEPS = 10 };
    theory_case("freefall_sweeps", "Deform stepper: no force and no torque from any sweep",
                "Newton's third law, edge by edge");
    theory_panel("sweeps", "sweep", "largest impulse of an edge, kg m/s", 0);
    const double h = 0.01;
    theory_rod chain = ribbon;
    chain.bend = chain.twist = 1e-30;
    double x[3 * N] = {0.0}, y[SWEEPS + 1][3 * N], force = 0.0, torque = 0.0, last = 0.0;
    for (int i = 1; i < N; i++) {
        x[3 * i] = x[3 * i - 3] + 0.06;
        x[3 * i + 1] = 0.05 * sin(1.3 * i);
        x[3 * i + 2] = 0.04 * cos(2.1 * i);
    }
    for (int sweeps = 0; sweeps <= SWEEPS; sweeps++) {
        rg_model *model = theory_model(&chain, 0, 0);
        for (int i = 0; i + 1 < N; i++) {
            double e[3];
            for (int c = 0; c < 3; c++) e[c] = x[3 * i + 3 + c] - x[3 * i + c];
            rg_model_field_data(model, RG_REST_LENGTH)[i] = size_of(e);
            /* edges of one mass, masses that differ */
            rg_model_field_data(model, RG_MASS_PER_LENGTH)[i] = (1.0 + 0.05 * i) * chain.density;
        }
        theory_run *run = theory_run_make(model, x, up, 1, h);
        run->opts.rollout.stepper = RG_STEPPER_DEFORM;
        run->opts.rollout.sweeps = sweeps ? sweeps : 1;
        for (int i = 0; i < 3 * N; i++) run->v0[i] = 0.6 * sin(1.7 * i) + (i % 3 == 2 ? 1.0 : 0.0);
        for (int i = 0; i < 3 * N; i++) y[0][i] = x[i] + h * run->v0[i];
        if (sweeps) {
            theory_forward(run);
            memcpy(y[sweeps], run->x, sizeof y[sweeps]);
            double m[N] = {0.0};
            for (int i = 0; i + 1 < N; i++)
                for (int p = 0; p < 2; p++)
                    m[i + p] += 0.5 * rg_model_field_data(model, RG_REST_LENGTH)[i] *
                                rg_model_field_data(model, RG_MASS_PER_LENGTH)[i];
            double taken[3] = {0.0}, most = 0.0;
            for (int i = 0; i < N; i++) {
                double at[3], impulse[3], e[3], twisted[3] = {0.0};
                for (int c = 0; c < 3; c++) {
                    at[c] = y[sweeps - 1][3 * i + c] - taken[c] / m[i];
                    impulse[c] = m[i] * (y[sweeps][3 * i + c] - at[c]);
                    if (i + 1 < N) e[c] = y[sweeps - 1][3 * i + 3 + c] - at[c];
                    taken[c] = impulse[c];
                }
                if (i == N - 1) {
                    force = fmax(force, size_of(impulse) / h);
                    break;
                }
                add_cross(e, impulse, 1.0 / h, twisted);
                torque = fmax(torque, size_of(twisted) / size_of(e));
                most = fmax(most, size_of(impulse) / h);
            }
            theory_point("sweeps", "deform stepper", sweeps, most);
            last = most;
        }
        theory_run_free(run);
    }
    print_message("  the last sweep still exerts %.1e kg m/s\n", last);
    /* far above round-off, so that there is something to judge */
    assert_true(last > 1e-9);
    /* impulses of 16 edges, m/h times positions that are rounded by 1e-16 m: 4e-3 kg/0.01 s */
    theory_judge("force of a sweep, times the step [kg m/s]", force, 16 * 0.4 * 1.2e-16);
    theory_judge("torque of an edge, times the step, over its length [kg m/s]", torque, 16 * 0.4 * 1.2e-16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(freefall_centre),
        cmocka_unit_test(freefall_torque),
        cmocka_unit_test(freefall_spin),
        cmocka_unit_test(freefall_sweeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
