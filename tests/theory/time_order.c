/* time_order.c: order of accuracy in time, on a swing that a smooth hand drives, with every damping there
 * is: 1 for backward Euler and the deform stepper, 2 for BDF2.
 *
 * In the plane the mesh's equations of motion are written out here, angles instead of binormals, and
 * integrated by Runge-Kutta of fourth order: the errors judged are against them, not against the library's
 * own limit. In space, with twist, each scheme's errors are against the limit of another. Steps resolve
 * every mode: the fastest, 2 sqrt(EA/rho)/l, is 570/s. The deform stepper does not stretch: its limit is
 * that of BDF2 for 1e5 times the EA. */
#include "theory.h"

#include <math.h>
#include <string.h>

enum { SEGMENTS = 6, N = SEGMENTS + 2, LEVELS = 4, FIRST = 320 };

static const double duration = 0.16; /* [s] */
static const double up[3] = {0.0, 1.0, 0.0};
static const theory_rod swung = {.length = 0.3,
                                 .density = 0.05,
                                 .stretch = 10.0,
                                 .bend = 1e-3,
                                 .twist = 5e-4,
                                 .segments = SEGMENTS,
                                 .grip_begin = 1};
static const double stretch_time = 1e-3, bend_time = 2e-3, twist_time = 1e-3, drag = 2.0, memory = 0.4,
                    memory_time = 0.03;

/* the hand at time t: position of vertex 1, tilt of the gripper in the plane of x and z, and turn of its
 * director */
static void hand(double t, double at[3], double *tilt, double *turn)
{
    const double s = t / duration, rise = s * s * s * (1.0 - 0.5 * s);
    at[0] = 0.0;
    at[1] = 0.0;
    at[2] = 0.08 * rise;
    *tilt = 0.9 * rise;
    *turn = 3.0 * rise;
}

static void gripper(double t, double a[3], double b[3], double *turn)
{
    double tilt;
    hand(t, b, &tilt, turn);
    memcpy(a, b, 3 * sizeof *a);
    a[0] -= THEORY_GRIP * swung.length * cos(tilt);
    a[2] -= THEORY_GRIP * swung.length * sin(tilt);
}

/* the library's rod after `duration` in this many steps: x [N][3] */
static void swing(int steps, const rg_rollout_opts *how, double stretch, int twisted, double *x, const char *series)
{
    theory_rod rod = swung;
    rod.stretch = stretch;
    rg_model *model = theory_model(&rod, 0, 0);
    theory_set(model, RG_STRETCH_RELAXATION, stretch_time * swung.stretch / stretch);
    theory_set(model, RG_BEND_RELAXATION, bend_time);
    theory_set(model, RG_TWIST_RELAXATION, twist_time);
    theory_set(model, RG_BEND_MEMORY, memory);
    theory_set(model, RG_BEND_MEMORY_TIME, memory_time);
    theory_set(model, RG_DRAG, drag);
    if (twisted) {
        theory_set(model, RG_BEND_STIFFNESS_2, 1.6e-3);
        theory_set(model, RG_BEND_COUPLING, 2e-4);
        theory_set(model, RG_NATURAL_TWIST, 1.5);
        theory_set(model, RG_NATURAL_CURVATURE, 2.0);
    }
    double start[3 * N] = {0.0}, turn;
    gripper(0.0, start, start + 3, &turn);
    for (int i = 2; i < N; i++) start[3 * i] = theory_arc(&rod, i);
    const double h = duration / steps;
    theory_run *run = theory_run_make(model, start, up, steps, h);
    run->opts.rollout.gravity[2] = -THEORY_GRAVITY;
    run->opts.rollout.stepper = how->stepper;
    run->opts.rollout.scheme = how->scheme;
    /* round-off over inertia, 1e-16 m EA/l h^2/m, for the stiffest rod and longest step */
    if (stretch > swung.stretch) run->opts.rollout.tolerance_m = 1e-10;
    for (int step = 0; step < steps; step++) {
        double *to = run->clamp_x + 6 * step, t[3];
        gripper((step + 1) * h, to, to + 3, &turn);
        double length = 0.0;
        for (int c = 0; c < 3; c++) length += (to[3 + c] - to[c]) * (to[3 + c] - to[c]);
        for (int c = 0; c < 3; c++) t[c] = (to[3 + c] - to[c]) / sqrt(length);
        theory_turn(t, twisted ? turn : 0.0, up, run->clamp_m + 3 * step);
    }
    theory_forward(run);
    memcpy(x, run->x + (size_t)(steps - 1) * 3 * N, 3 * N * sizeof *x);
    for (int step = steps / 20 - 1; series && step < steps; step += steps / 20)
        theory_point("tip over time", series, (step + 1) * h, run->x[((size_t)step + 1) * 3 * N - 1]);
    theory_run_free(run);
}

/* positions (x, z), velocities and inner strains of the mesh in the plane */
typedef struct plane {
    double x[N][2], v[N][2], z[N];
} plane;

/* Rates of the mesh's state at time t. A joint of angle phi has curvature k = 2 tan(phi/2), and d phi = (f'
 * . df)/|f|^2 - (e' . de)/|e|^2, where a dash turns by a right angle. Moments are B/l (k + T dk/dt + r (k -
 * z)), dz/dt = (k - z)/tau; pulls EA ((|e| - L)/L + T d|e|/dt/L). */
static void rates(double t, plane *now, plane *d)
{
    double edge[N][2], speed[N][2], size[N], mass[N] = {0.0}, force[N][2] = {{0.0}}, at[2][3], turn;
    double tilt;
    hand(t, at[1], &tilt, &turn);
    gripper(t, at[0], at[1], &turn);
    /* the hand's speed */
    const double s = t / duration, rate = (3.0 * s * s - 2.0 * s * s * s) / duration;
    memset(d, 0, sizeof *d);
    for (int i = 0; i < 2; i++) {
        now->x[i][0] = at[i][0];
        now->x[i][1] = at[i][2];
        now->v[i][0] = 0.0;
        now->v[i][1] = 0.08 * rate;
    }
    now->v[0][0] += THEORY_GRIP * swung.length * sin(tilt) * 0.9 * rate;
    now->v[0][1] -= THEORY_GRIP * swung.length * cos(tilt) * 0.9 * rate;
    for (int i = 0; i + 1 < N; i++) {
        const double rest = theory_arc(&swung, i + 1) - theory_arc(&swung, i);
        for (int c = 0; c < 2; c++) {
            edge[i][c] = now->x[i + 1][c] - now->x[i][c];
            speed[i][c] = now->v[i + 1][c] - now->v[i][c];
        }
        size[i] = hypot(edge[i][0], edge[i][1]);
        mass[i] += 0.5 * swung.density * rest;
        mass[i + 1] += 0.5 * swung.density * rest;
        const double longer = (edge[i][0] * speed[i][0] + edge[i][1] * speed[i][1]) / size[i];
        const double pull = swung.stretch / rest * (size[i] - rest + stretch_time * longer);
        for (int c = 0; c < 2; c++) {
            force[i][c] += pull * edge[i][c] / size[i];
            force[i + 1][c] -= pull * edge[i][c] / size[i];
        }
    }
    for (int i = 1; i + 1 < N; i++) {
        const double *e = edge[i - 1], *f = edge[i], *p = speed[i - 1], *q = speed[i];
        const double phi = atan2(e[0] * f[1] - e[1] * f[0], e[0] * f[0] + e[1] * f[1]);
        const double ee = size[i - 1] * size[i - 1], ff = size[i] * size[i];
        const double by_e[2] = {e[1] / ee, -e[0] / ee}, by_f[2] = {-f[1] / ff, f[0] / ff};
        const double k = 2.0 * tan(0.5 * phi), slope = 1.0 + 0.25 * k * k;
        const double turning = by_e[0] * p[0] + by_e[1] * p[1] + by_f[0] * q[0] + by_f[1] * q[1];
        const double cell = 0.5 * (theory_arc(&swung, i + 1) - theory_arc(&swung, i - 1));
        const double moment = slope * swung.bend / cell * (k + bend_time * slope * turning + memory * (k - now->z[i]));
        d->z[i] = (k - now->z[i]) / memory_time;
        for (int c = 0; c < 2; c++) {
            force[i - 1][c] += moment * by_e[c];
            force[i][c] -= moment * (by_e[c] - by_f[c]);
            force[i + 1][c] -= moment * by_f[c];
        }
    }
    for (int i = 2; i < N; i++)
        for (int c = 0; c < 2; c++) {
            d->x[i][c] = now->v[i][c];
            d->v[i][c] = force[i][c] / mass[i] - drag * now->v[i][c] - (c == 1 ? THEORY_GRAVITY : 0.0);
        }
}

static void plane_add(plane *to, const plane *from, const plane *d, double h)
{
    for (int i = 0; i < N; i++) {
        for (int c = 0; c < 2; c++) {
            to->x[i][c] = from->x[i][c] + h * d->x[i][c];
            to->v[i][c] = from->v[i][c] + h * d->v[i][c];
        }
        to->z[i] = from->z[i] + h * d->z[i];
    }
}

/* x [N][3] after `duration` */
static void integrate(int steps, double *x, const char *series)
{
    plane at = {{{0.0}}, {{0.0}}, {0.0}};
    const double h = duration / steps;
    for (int i = 0; i < N; i++) at.x[i][0] = theory_arc(&swung, i);
    for (int step = 0; step < steps; step++) {
        plane k[4], trial = at;
        rates(step * h, &trial, &k[0]);
        for (int s = 1; s < 4; s++) {
            const double part = s == 3 ? h : 0.5 * h;
            plane_add(&trial, &at, &k[s - 1], part);
            rates(step * h + part, &trial, &k[s]);
        }
        for (int s = 0; s < 4; s++) plane_add(&at, &at, &k[s], h / 6.0 * (s == 0 || s == 3 ? 1.0 : 2.0));
        if (series && (step + 1) % (steps / 80) == 0)
            theory_point("tip over time", series, (step + 1) * h, at.x[N - 1][1]);
    }
    memset(x, 0, 3 * N * sizeof *x);
    for (int i = 2; i < N; i++) {
        x[3 * i] = at.x[i][0];
        x[3 * i + 2] = at.x[i][1];
    }
    double turn;
    gripper(duration, x, x + 3, &turn);
}

/* largest distance of a vertex [m] */
static double apart(const double *a, const double *b)
{
    double most = 0.0;
    for (int i = 0; i < N; i++) {
        double sum = 0.0;
        for (int c = 0; c < 3; c++) sum += (a[3 * i + c] - b[3 * i + c]) * (a[3 * i + c] - b[3 * i + c]);
        most = fmax(most, sqrt(sum));
    }
    return most;
}

static rg_rollout_opts way(int k)
{
    rg_rollout_opts how = rg_rollout_opts_default();
    if (k == 2) how.stepper = RG_STEPPER_DEFORM;
    else how.scheme = k == 0 ? RG_SCHEME_BE : RG_SCHEME_BDF2;
    return how;
}

static const char *const names[] = {"backward Euler", "BDF2", "deform stepper"};

/* BDF2's limit of this rod: the h^2 term, from two numbers of steps, taken off */
static void limit(int steps, double stretch, int twisted, double *x)
{
    const rg_rollout_opts how = way(1);
    double fine[3 * N], coarse[3 * N];
    swing(steps, &how, stretch, twisted, coarse, NULL);
    swing(2 * steps, &how, stretch, twisted, fine, NULL);
    for (int i = 0; i < 3 * N; i++) x[i] = (4.0 * fine[i] - coarse[i]) / 3.0;
}

/* errors of way k against x, judged */
static void judge_way(int k, double stretch, int twisted, const double *exact, const char *series)
{
    const rg_rollout_opts how = way(k);
    double errors[LEVELS], x[3 * N];
    for (int level = 0; level < LEVELS; level++) {
        swing(FIRST << level, &how, stretch, twisted, x, level == 0 ? series : NULL);
        errors[level] = apart(x, exact);
    }
    /* the next term of the error is a step's share of the fastest times above: a few percent */
    theory_order(names[k], errors, LEVELS, duration / FIRST, k == 1 ? 2.0 : 1.0, 0.1);
}

static void order_in_plane(void **state)
{
    (void)state;
    theory_case("time_order", "Order in time: a damped swing in the plane",
                "the mesh's equations of motion, by Runge-Kutta of fourth order");
    theory_panel("tip over time", "t, s", "height of the tip, m", 0);
    double exact[3 * N], coarse[3 * N], stiff[3 * N];
    integrate(1600, coarse, NULL);
    integrate(3200, exact, "exact (Runge-Kutta)");
    theory_judge("Runge-Kutta's own error [m]", apart(exact, coarse), 1e-10);
    judge_way(0, swung.stretch, 0, exact, names[0]);
    judge_way(1, swung.stretch, 0, exact, names[1]);
    limit(FIRST << LEVELS, 1e5 * swung.stretch, 0, stiff);
    judge_way(2, 1e5 * swung.stretch, 0, stiff, "deform stepper (inextensible)");
}

static void order_in_space(void **state)
{
    (void)state;
    theory_case("time_order_twisted", "Order in time: a damped, twisted swing", "the limit of the other scheme");
    theory_panel("tip over time", "t, s", "height of the tip, m", 0);
    double exact[3 * N], stiff[3 * N], euler[3][3 * N];
    const rg_rollout_opts how = way(0);
    limit(FIRST << LEVELS, swung.stretch, 1, exact);
    judge_way(0, swung.stretch, 1, exact, names[0]);
    /* backward Euler's limit: the terms of h and h^2 taken off */
    for (int k = 0; k < 3; k++) swing(FIRST << (LEVELS + k - 1), &how, swung.stretch, 1, euler[k], NULL);
    for (int i = 0; i < 3 * N; i++) euler[0][i] = (8.0 * euler[2][i] - 6.0 * euler[1][i] + euler[0][i]) / 3.0;
    theory_judge("limits of backward Euler and BDF2 apart [m]", apart(euler[0], exact), 1e-7);
    judge_way(1, swung.stretch, 1, euler[0], names[1]);
    limit(FIRST << LEVELS, 1e5 * swung.stretch, 1, stiff);
    judge_way(2, 1e5 * swung.stretch, 1, stiff, "deform stepper (inextensible)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_in_plane),
        cmocka_unit_test(order_in_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
