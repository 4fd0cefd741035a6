/* test_adjoint_elements.c: dot products of the parts that a step's adjoint is made of.
 *
 * Each element's tangent and adjoint in the middle of a rollout of mutation_scene.h: strains,
 * markers' arms, coefficients, the past, the projection's shares and sweeps. <J v, w> and <v, J^T
 * w> are the same few dozen products summed in another order, and differ by round-off of their
 * absolute sum. */
#define RGI_REAL_DOUBLE
#include "reverse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "grad_table.h"
#include "mutation_scene.h"

enum { N = MUTATION_NODES, STEP = 1, SWEEPS = 10 };

/* a step solved and linearised, and random numbers */
typedef struct element {
    mutation_scene *scene;
    rgi_run run;
    uint64_t seed;
} element;

/* two sums that must agree, and the sum of absolute values */
typedef struct sums {
    double left, right, size;
} sums;

static void left(sums *s, double a, double b)
{
    s->left += a * b;
    s->size += fabs(a * b);
}

static void right(sums *s, double a, double b)
{
    s->right += a * b;
    s->size += fabs(a * b);
}

static double error_of(sums s) { return s.left == s.right ? 0.0 : fabs(s.left - s.right) / s.size; }

static element *make_element(int number)
{
    const double none[MUTATION_IN] = {0.0};
    element *e = calloc(1, sizeof *e);
    assert_non_null(e);
    e->seed = 0xe1eu + (unsigned)number;
    static const grad_grip grips[4] = {GRAD_ENDS, GRAD_MIXED, GRAD_MIDDLE, GRAD_NOWHERE};
    const int stepper = number % 2 ? GRAD_DEFORM : number % 4 == 0 ? GRAD_BDF2 : GRAD_EULER;
    const mutation_opts opts = {7 + number % 3, stepper, grips[number % 4], number % 3 == 0, 1,
                                MUTATION_STEPS, 0,       RGI_BAR_GIVEN,     e->seed};
    e->scene = mutation_scene_make(opts);
    int flag = mutation_forward(e->scene, pack_workspace, pack_run, none);
    if (flag) fail_msg("scene %d: flag %d", number, flag);
    const rgi_kernel_pack kernel = rgi_kernel_pack_of(e->scene->pack), *pack = &kernel;
    const size_t size = (size_t)RGI_STATE_REALS * (size_t)pack->n + 1;
    rgi_run_init(&e->run, pack, NULL);
    rgi_state_load(&e->run, pack->kept + STEP * size, pack->kept + (STEP + 1) * size);
    rgi_run_step(&e->run, pack, STEP, 1, NULL);
    return e;
}

static void fill(element *e, double *p, int n)
{
    for (int i = 0; i < n; i++) p[i] = random_signed(&e->seed);
}

static double strain(element *e)
{
    const int n = e->scene->n;
    double dy[RGI_NU * N] = {0.0}, w[RGI_NS * N] = {0.0}, y_bar[RGI_NU * N] = {0.0};
    sums s = {0.0, 0.0, 0.0};
    fill(e, dy, RGI_NU * n);
    fill(e, w, RGI_NS * n);
    for (int i = 0; i < n; i++) {
        double ds[RGI_NS] = {0.0};
        rgi_strain_jvp(&e->run.rod, i, dy, ds);
        for (int c = 0; c < RGI_NS; c++) left(&s, ds[c], w[RGI_NS * i + c]);
    }
    rgi_strain_adj(&e->run.rod, 1.0, w, y_bar);
    for (int i = 0; i < RGI_NU * n; i++) right(&s, dy[i], y_bar[i]);
    return error_of(s);
}

static double marker(element *e)
{
    const rgi_rod *rod = &e->run.rod;
    const int n = e->scene->n;
    double worst = 0.0;
    rgi_edges(&e->run.rod, rod->y);
    for (int i = 0; i < n; i++) {
        double dx[3 * N], theta[N], offset[2], by[2], r[3];
        double x_bar[3 * N] = {0.0}, theta_bar[N] = {0.0}, offset_bar[2] = {0.0};
        sums s = {0.0, 0.0, 0.0};
        fill(e, dx, 3 * n);
        fill(e, theta, n);
        fill(e, offset, 2);
        fill(e, by, 2);
        fill(e, r, 3);
        const rgi_marker_arms arms = rgi_marker_arms_of(rod, rod->y1, i, offset[0], offset[1]);
        vec3 arm = rgi_marker_arm_jvp(&arms, dx, theta);
        arm = v3_add(arm, rgi_marker_arm(rod, rod->y1, i, by[0], by[1]));
        left(&s, arm.x, r[0]);
        left(&s, arm.y, r[1]);
        left(&s, arm.z, r[2]);
        rgi_marker_arm_adj(rod, rod->y1, i, offset, v3(r[0], r[1], r[2]), x_bar, theta_bar, offset_bar);
        for (int k = 0; k < 3 * n; k++) right(&s, dx[k], x_bar[k]);
        for (int k = 0; k < n; k++) right(&s, theta[k], theta_bar[k]);
        for (int k = 0; k < 2; k++) right(&s, by[k], offset_bar[k]);
        worst = fmax(worst, error_of(s));
    }
    return worst;
}

static double coefficient(element *e)
{
    double worst = 0.0;
    for (int i = 1; i + 1 < e->scene->n; i++) {
        double w[RGI_NS], pull[3], bar[RGI_NC] = {0.0};
        fill(e, w, RGI_NS);
        fill(e, pull, 3);
        rgi_coefficient_adj(&e->run.rod, &e->run.step, i, w, pull, bar);
        for (int c = 0; c < RGI_NC; c++) {
            const rgi_entry entry = {i, c};
            double stress[RGI_NS] = {0.0}, force[3] = {0.0}, value = random_signed(&e->seed);
            sums s = {0.0, 0.0, 0.0};
            rgi_coefficient_jvp(&e->run.rod, &e->run.step, entry, value, stress, force);
            for (int k = 0; k < RGI_NS; k++) left(&s, stress[k], w[k]);
            for (int k = 0; k < 3; k++) left(&s, force[k], pull[k]);
            right(&s, value, bar[c]);
            worst = fmax(worst, error_of(s));
        }
    }
    return worst;
}

static double history(element *e)
{
    const rgi_step *step = &e->run.step;
    double worst = 0.0;
    for (int i = 1; i + 1 < e->scene->n; i++) {
        double p[RGI_NT * N], w[RGI_NS], moved[RGI_NS], st[RGI_NS] = {0.0}, zt[2] = {0.0};
        sums s = {0.0, 0.0, 0.0};
        fill(e, p, RGI_NT * e->scene->n);
        fill(e, w, RGI_NS);
        rgi_tangent d = rgi_tangent_at(p, e->scene->n, 0);
        rgi_history_jvp(rgi_keeping_of(&e->run.rod, step, i), step, i, d, moved);
        for (int c = 0; c < RGI_NS; c++) left(&s, moved[c], w[c]);
        rgi_history_adj(&e->run.rod, step, i, w, st, zt);
        for (int c = 0; c < RGI_NS; c++) right(&s, rgi_past(step, d.s[RGI_NS * i + c], d.sp[RGI_NS * i + c]), st[c]);
        for (int c = 0; c < 2; c++) right(&s, rgi_past(step, d.z[2 * i + c], d.zp[2 * i + c]), zt[c]);
        worst = fmax(worst, error_of(s));
    }
    return worst;
}

/* masses to shares, and the sweeps from positions, shares and lengths to positions */
static double projection(element *e)
{
    const rgi_rod *rod = &e->run.rod;
    const int n = e->scene->n;
    double share[N], past[4 * N * SWEEPS], y[3 * N], dm[N], dshare[N] = {0.0}, share_bar[N];
    sums masses = {0.0, 0.0, 0.0}, sweeps = {0.0, 0.0, 0.0};
    rgi_projection_shares(rod, share);
    fill(e, dm, n);
    fill(e, share_bar, n);
    for (int i = 0; i < n; i++) rgi_projection_shares_jvp(rod, share, i, dm[i], dshare);
    for (int k = 0; k + 1 < n; k++) left(&masses, dshare[k], share_bar[k]);
    for (int i = 0; i < n; i++) right(&masses, dm[i], rgi_projection_shares_adj(rod, share, i, share_bar));

    double dy[RGI_NU * N], out[RGI_NU * N], bar[RGI_NU * N], dlength[N], length_bar[N] = {0.0};
    double back[RGI_NU * N];
    for (int i = 0; i < 3 * n; i++) y[i] = rod->y[i] + 0.004 * random_signed(&e->seed);
    rgi_project(rod, SWEEPS, share, y, past);
    fill(e, dy, RGI_NU * n);
    fill(e, bar, RGI_NU * n);
    fill(e, dlength, n);
    fill(e, dshare, n);
    memset(share_bar, 0, sizeof share_bar);
    for (int i = 0; i < RGI_NU * n; i++) {
        out[i] = dy[i];
        back[i] = bar[i];
    }
    rgi_project_jvp(rod, SWEEPS, share, past, dshare, dlength, out);
    rgi_project_adj(rod, SWEEPS, share, past, share_bar, length_bar, back);
    for (int i = 0; i < RGI_NU * n; i++) {
        left(&sweeps, out[i], bar[i]);
        right(&sweeps, dy[i], back[i]);
    }
    for (int k = 0; k + 1 < n; k++) {
        right(&sweeps, dshare[k], share_bar[k]);
        right(&sweeps, dlength[k], length_bar[k]);
    }
    return fmax(error_of(masses), error_of(sweeps));
}

static void adjoint_elements_dot(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double (*error)(element *);
    } parts[] = {{"strains", strain},
                 {"markers' arms", marker},
                 {"coefficients", coefficient},
                 {"the past", history},
                 {"the projection", projection}};
    double most = 0.0;
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
        double worst = 0.0;
        for (int number = 0; number < 40; number++) {
            element *e = make_element(number);
            double err = parts[k].error(e);
            if (!(err <= worst)) worst = err;
            mutation_scene_free(e->scene);
            free(e);
        }
        print_message("%s: %.1e\n", parts[k].name, worst);
        /* the bar of the design: a few hundred roundings */
        if (!(worst <= 1e-13)) fail_msg("%s: dot products differ by %.1e", parts[k].name, worst);
        if (!(worst <= most)) most = worst;
    }
    grad_record("dot product", "elements: strains, arms, coefficients, past, projection", most, 1e-13, GRAD_AT_MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(adjoint_elements_dot)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
