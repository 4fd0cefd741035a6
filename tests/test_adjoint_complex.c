/* test_adjoint_complex.c: the adjoint of whole rollouts against complex steps, number by number.
 *
 * A random linear functional of all outputs of a small random rod's rollout of 1 or 3 steps. Its
 * derivative with respect to every single number that goes in (mutation_scene.h) comes from the
 * library's scalar instantiation, run forward with a plan and then backwards, and from the complex
 * instantiation of rollout.h, run forward with that number moved by i * TINY; and from central
 * differences of it. A director's turn is measured against the director across it, b.dm with b = t
 * x m. */
#define RGI_REAL_COMPLEX
#include "rollout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "grad_table.h"
#include "mutation_scene.h"

#define TINY 1e-150

enum { NODES = MUTATION_NODES, MANY = MUTATION_STEPS * 3 * MUTATION_NODES };

/* a rollout, its functional and its gradient */
typedef struct trial {
    mutation_scene scene;
    mutation_bench bench;
    double across[MANY]; /* [frames][n-1][3] b of every director */
    double gradient[MUTATION_IN];
    real *workspace;
} trial;

static vec3 vec(const double *p) { return v3(p[0], p[1], p[2]); }

static vec3 tangent_of(const real *x) { return v3_unit(v3_sub(v3_load(x + 3), v3_load(x))); }

static vec3 tangent_was(const double *x)
{
    double t[3];
    mutation_tangent(x, t);
    return vec(t);
}

/* directors at the start x: from the chords, or carried along the edge's own way; turned by turn
 * [n] */
static void start_directors(const mutation_scene *s, const real *x, const real *turn, real *m)
{
    for (int i = 0; i < 3 * s->n; i++) m[i] = 0.0;
    for (int i = 0; i + 1 < s->n; i++) {
        vec3 t = tangent_of(x + 3 * i), from = tangent_was(s->x0 + 3 * i), at = vec(s->m0 + 3 * i);
        if (s->chord && !(s->fixed[i] & RGI_FIXED_THETA)) {
            from = vec(s->from + 3 * i);
            at = vec(s->carried + 3 * i);
        }
        v3_store(m + 3 * i, rgi_director_move(from, t, turn[i], at));
    }
}

/* prescribed directors: they go with their edges from where the scene has them, and turn */
static void drive_directors(const mutation_scene *s, const real *drive_x, const real *turn, real *m)
{
    for (int step = 0; step < s->steps; step++) {
        double was[3 * NODES] = {0.0};
        real now[3 * NODES] = {0.0};
        for (int k = 0; k < s->n_fixed_x; k++)
            for (int c = 0; c < 3; c++) {
                was[3 * s->fixed_x[k] + c] = s->drive_x[3 * (step * s->n_fixed_x + k) + c];
                now[3 * s->fixed_x[k] + c] = drive_x[3 * (step * s->n_fixed_x + k) + c];
            }
        for (int k = 0; k < s->n_fixed_theta; k++) {
            const int i = s->fixed_theta[k], at = step * s->n_fixed_theta + k;
            v3_store(m + 3 * at, rgi_director_move(tangent_was(was + 3 * i), tangent_of(now + 3 * i), turn[at],
                                                   vec(s->drive_m + 3 * at)));
        }
    }
}

/* the functional with input `which` moved by `by` */
static real functional(const trial *t, int which, real by)
{
    const mutation_scene *s = &t->scene;
    const int n = s->n, frames = mutation_frames(s), size = mutation_frame_size(s);
    int at[MUTATION_KINDS + 1];
    real coef[NODES * RGI_NC], offset[2 * NODES], x0[3 * NODES], v0[3 * NODES], m0[3 * NODES];
    real drive_x[MANY], drive_m[MANY], force[MANY], turn0[NODES], turn[MUTATION_STEPS * NODES];
    real status[RGI_STATUS], steps = s->last, x[MANY], v[MANY], m[MANY], markers[MANY], sum = 0.0;
    rgi_pack p = mutation_shape(s);
    mutation_places(s, at);
    for (int i = 0; i < NODES * RGI_NC; i++) coef[i] = s->coef[i];
    for (int i = 0; i < 2 * NODES; i++) offset[i] = s->offset[i];
    for (int i = 0; i < 3 * NODES; i++) {
        x0[i] = s->x0[i];
        v0[i] = s->v0[i];
    }
    for (int i = 0; i < MANY; i++) {
        drive_x[i] = s->drive_x[i];
        force[i] = s->force[i];
    }
    for (int i = 0; i < NODES; i++) turn0[i] = 0.0;
    for (int i = 0; i < MUTATION_STEPS * NODES; i++) turn[i] = 0.0;
    for (int q = 0; q < MUTATION_KINDS; q++) {
        const int k = which - at[q];
        real *to[] = {x0, v0, turn0, drive_x, turn, force};
        if (which < at[q] || which >= at[q + 1]) continue;
        if (q < RGI_NC) coef[RGI_NC * k + q] += by;
        else if (q < MUTATION_X0) offset[2 * k + q - MUTATION_O1] += by;
        else to[q - MUTATION_X0][k] += by;
    }
    start_directors(s, x0, turn0, m0);
    drive_directors(s, drive_x, turn, drive_m);
    p.lane_steps = (const double *)&steps;
    p.coef = (const double *)coef;
    p.offset = (const double *)offset;
    p.x0 = (const double *)x0;
    p.v0 = (const double *)v0;
    p.m0 = (const double *)m0;
    p.drive_x = mutation_series(drive_x, 3 * s->n_fixed_x);
    p.drive_m = mutation_series(drive_m, 3 * s->n_fixed_theta);
    p.force = mutation_series(force, 3 * n);
    p.out_x = mutation_series(x, 3 * n);
    p.out_v = mutation_series(v, 3 * n);
    p.out_m = mutation_series(m, 3 * n - 3);
    p.out_markers = mutation_series(markers, 3 * s->n_markers);
    p.status = (double *)status;
    p.workspace = (double *)t->workspace;
    rgi_run_all(&p);
    if (creal(status[0]) != 0.0) fail_msg("flag %g in step %g", creal(status[0]), creal(status[1]));
    for (int f = 0; f < frames; f++) {
        const double *w = t->bench.bar + f * size, *b = t->across + 3 * (n - 1) * f;
        for (int i = 0; i < 3 * n; i++) sum += w[i] * x[3 * n * f + i] + w[3 * n + i] * v[3 * n * f + i];
        for (int i = 0; i < 3 * n - 3; i++) sum += w[6 * n + i / 3] * b[i] * m[(3 * n - 3) * f + i];
        for (int i = 0; i < 3 * s->n_markers; i++) sum += w[7 * n - 1 + i] * markers[3 * s->n_markers * f + i];
    }
    return sum;
}

static trial *make_trial(mutation_scene scene, uint64_t seed)
{
    trial *t = calloc(1, sizeof *t);
    const double none[MUTATION_IN] = {0.0};
    assert_non_null(t);
    t->scene = scene;
    const mutation_scene *s = &t->scene;
    mutation_bench *b = &t->bench;
    mutation_bench_make(b, s, rgi_pack_workspace_scalar);
    mutation_cotangent(s, &seed, b->bar);
    int flag = mutation_forward(b, rgi_pack_run_scalar, none);
    if (flag) fail_msg("flag %d in step %g", flag, b->status[1]);
    mutation_backward(b, rgi_pack_reverse_scalar, t->gradient);
    for (int f = 0; f < mutation_frames(s); f++)
        for (int i = 0; i + 1 < s->n; i++) {
            double e[3];
            mutation_tangent(b->out + f * mutation_frame_size(s) + 3 * i, e);
            cross(e, b->m + 3 * ((s->n - 1) * f + i), t->across + 3 * ((s->n - 1) * f + i));
        }
    const rgi_pack p = mutation_shape(s);
    /* forces need room of their own */
    rgi_pack sized = p;
    sized.force = mutation_series(t, 0);
    t->workspace = calloc(rgi_run_bind(NULL, &sized, NULL, NULL), sizeof *t->workspace);
    assert_non_null(t->workspace);
    return t;
}

static void release(trial *t)
{
    free(t->bench.workspace);
    free(t->workspace);
    free(t);
}

/* every input of a scene; the worst error of each kind into worst: of complex steps, of differences
 */
static void check(const char *name, mutation_scene scene, uint64_t seed, double worst[2][MUTATION_KINDS])
{
    trial *t = make_trial(scene, seed);
    int at[MUTATION_KINDS + 1];
    mutation_places(&t->scene, at);
    for (int q = 0; q < MUTATION_KINDS; q++) {
        double size = 0.0;
        for (int i = at[q]; i < at[q + 1]; i++)
            if (!(fabs(t->gradient[i]) <= size)) size = fabs(t->gradient[i]);
        for (int i = at[q]; i < at[q + 1]; i++) {
            const double mine = t->gradient[i], theirs = cimag(functional(t, i, TINY * I)) / TINY;
            /* relative, but an entry below 1e-3 of its kind's largest is held against that */
            const double scale = fmax(fabs(theirs), 1e-3 * size);
            double err = mine == theirs ? 0.0 : fabs(mine - theirs) / scale;
            if (mutation_idle(&t->scene, q)) {
                /* the way to the solution is forgotten as far as Newton converged */
                if (mine != 0.0 || !(fabs(theirs) <= 1e-14))
                    fail_msg("%s: d/d %s[%d] is %.17g, complex step %.17g, not 0", name, mutation_names[q], i - at[q],
                             mine, theirs);
                continue;
            }
            if (!(err <= worst[0][q])) worst[0][q] = err;
            /* the bar of the design: steps solved to round-off, times their condition number */
            if (!(err <= 1e-10))
                fail_msg("%s: d/d %s[%d] is %.17g, complex step %.17g", name, mutation_names[q], i - at[q], mine,
                         theirs);
            /* fourth order: its error falls with h^4 to 2e-9 here, round-off with 1/h to 2e-9 */
            const double h = 5e-4 * mutation_natural(q);
            const double difference = creal(8.0 * (functional(t, i, h) - functional(t, i, -h)) -
                                            (functional(t, i, 2.0 * h) - functional(t, i, -2.0 * h))) /
                                      (12.0 * h);
            /* what a kind of input does to the functional; little is lost in its round-off */
            const double effect = size * mutation_natural(q);
            err = fabs(mine - difference) * mutation_natural(q) / fmax(effect, 1e-3);
            if (!(err <= worst[1][q])) worst[1][q] = err;
            if (!(err <= 1e-7))
                fail_msg("%s: d/d %s[%d] is %.17g, differences %.17g", name, mutation_names[q], i - at[q], mine,
                         difference);
        }
    }
    release(t);
}

static void check_scheme(const char *what, int deform, int scheme, int steps)
{
    double worst[2][MUTATION_KINDS] = {{0.0}};
    /* without inertia nothing keeps a free rod in its place */
    for (int grip = MUTATION_ENDS; grip <= (scheme == 2 ? MUTATION_MIDDLE : MUTATION_NOWHERE); grip++) {
        const uint64_t seed = 0xc0de + 16u * (unsigned)grip + (unsigned)(4 * deform + 2 * scheme + steps);
        const int n = 7 + (grip + steps) % 3, chord = (grip + steps) % 2;
        char name[64];
        snprintf(name, sizeof name, "%s, %d steps, grip %d", what, steps, grip);
        check(name, mutation_scene_make(n, (enum mutation_grip)grip, deform, scheme, chord, steps, 1, seed), seed + 1,
              worst);
    }
    double most[2] = {0.0, 0.0};
    int kind[2] = {0, 0};
    for (int k = 0; k < 2; k++)
        for (int q = 0; q < MUTATION_KINDS; q++)
            if (!(worst[k][q] <= most[k])) {
                most[k] = worst[k][q];
                kind[k] = q;
            }
    char over[64];
    snprintf(over, sizeof over, "adjoint, %s, %d-step rollout", what, steps);
    grad_record("complex step", over, most[0], 1e-10, GRAD_AT_MOST);
    grad_record("central differences", over, most[1], 1e-7, GRAD_AT_MOST);
    print_message("%s, %d steps: complex step %.1e (%s), central differences %.1e (%s)\n", what, steps, most[0],
                  mutation_names[kind[0]], most[1], mutation_names[kind[1]]);
}

static void adjoint_complex_euler(void **state)
{
    (void)state;
    check_scheme("Euler", 0, 0, 1);
    check_scheme("Euler", 0, 0, 3);
}

static void adjoint_complex_bdf2(void **state)
{
    (void)state;
    check_scheme("BDF2", 0, 1, 3);
}

static void adjoint_complex_static(void **state)
{
    (void)state;
    check_scheme("static", 0, 2, 1);
    check_scheme("static", 0, 2, 3);
}

static void adjoint_complex_deform(void **state)
{
    (void)state;
    check_scheme("deform", 1, 0, 1);
    check_scheme("deform", 1, 0, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adjoint_complex_euler),
        cmocka_unit_test(adjoint_complex_bdf2),
        cmocka_unit_test(adjoint_complex_static),
        cmocka_unit_test(adjoint_complex_deform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
