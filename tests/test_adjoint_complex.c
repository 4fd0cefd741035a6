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
    mutation_scene *scene;
    double across[MANY]; /* [frames][n-1][3] b of every director */
    double gradient[MUTATION_IN];
    pack_reals moved; /* the scene's pack without directions */
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
    for (int i = 0; i + 1 < s->n; i++) {
        vec3 t = tangent_of(x + 3 * i), from = tangent_was(s->rod->x0 + 3 * i), at = vec(s->rod->m0 + 3 * i);
        if (s->opts.chord && !(s->pack->fixed[i] & RGI_FIXED_THETA)) {
            from = vec(s->chord + 3 * i);
            at = vec(s->carried + 3 * i);
        }
        v3_store(m + 3 * i, rgi_director_move(from, t, turn[i], at));
    }
}

/* prescribed directors: they go with their edges from where the scene has them, and turn */
static void drive_directors(const mutation_scene *s, const real *drive_x, const real *turn, real *m)
{
    const int clamped = s->pack->n_fixed_x, held = s->pack->n_fixed_theta;
    for (int at = 0; at < held * s->opts.steps; at++) {
        int place = at / held * clamped;
        while (s->pack->fixed_x[place % clamped] != s->pack->fixed_theta[at % held]) place++;
        v3_store(m + 3 * at,
                 rgi_director_move(tangent_was(s->rod->clamp_x + 3 * place), tangent_of(drive_x + 3 * place), turn[at],
                                   vec(s->rod->clamp_m + 3 * at)));
    }
}

/* the functional with input `which` moved by `by` */
static real functional(trial *t, int which, real by)
{
    const mutation_scene *s = t->scene;
    const rgi_kernel_pack *p = &t->moved.pack;
    real turn0[NODES] = {0.0}, turn[MUTATION_STEPS * NODES] = {0.0}, sum = 0.0;
    int at[MUTATION_PARTS + 1], q = 0;
    pack_reals_fill(&t->moved, s->pack);
    while (which >= s->begin[q + 1]) q++;
    const int k = which - s->begin[q];
    real *to[] = {p->x0, p->v0, turn0, pack_reals_in(p->drive_x.data), turn, pack_reals_in(p->force.data)};
    if (q < RGI_NC) p->coef[RGI_NC * k + q] += by;
    else if (q < MUTATION_X0) p->offset[2 * k + q - MUTATION_O1] += by;
    else to[q - MUTATION_X0][k] += by;
    start_directors(s, p->x0, turn0, p->m0);
    drive_directors(s, pack_reals_in(p->drive_x.data), turn, pack_reals_in(p->drive_m.data));
    rgi_run_all(p);
    const real *status = p->status, *m = pack_reals_in(p->out_m.data);
    if (creal(status[0]) != 0.0) fail_msg("flag %g in step %g", creal(status[0]), creal(status[1]));
    mutation_parts(s, at);
    const real *parts[MUTATION_PARTS] = {
        pack_reals_in(p->out_x.data),       pack_reals_in(p->out_v.data),       NULL,
        pack_reals_in(p->out_markers.data), pack_reals_in(p->out_tension.data), pack_reals_in(p->out_reaction.data),
        pack_reals_in(p->out_torque.data),  pack_reals_in(p->out_moment.data),  pack_reals_in(p->out_energy.data)};
    for (int part = 0; part < MUTATION_PARTS; part++)
        for (int i = at[part]; parts[part] && i < at[part + 1]; i++) sum += s->bar[i] * parts[part][i - at[part]];
    for (int i = 0; i < 3 * (at[3] - at[2]); i++) sum += s->bar[at[2] + i / 3] * t->across[i] * m[i];
    return sum;
}

static trial *make_trial(mutation_opts opts, uint64_t seed)
{
    trial *t = calloc(1, sizeof *t);
    const double none[MUTATION_IN] = {0.0};
    assert_non_null(t);
    mutation_scene *s = t->scene = mutation_scene_make(opts);
    mutation_cotangent(s, &seed, s->bar);
    int flag = mutation_forward(s, rgi_pack_workspace_scalar, rgi_pack_run_scalar, none);
    if (flag) fail_msg("flag %d in step %g", flag, s->pack->status[1]);
    mutation_backward(s, rgi_pack_workspace_scalar, rgi_pack_reverse_scalar, t->gradient);
    for (int f = 0; f < s->frames; f++)
        for (int i = 0; i + 1 < s->n; i++) {
            const int at = 3 * ((s->n - 1) * f + i);
            double e[3];
            mutation_tangent(s->out + 3 * (s->n * f + i), e);
            cross(e, s->m + at, t->across + at);
        }
    const rg_batch_inputs in = mutation_inputs(s);
    const rg_batch_outputs out = mutation_outputs(s);
    pack_fixture_forward(s->fixture, &in, &out);
    s->pack->plan = NULL;
    t->moved = pack_reals_make(s->pack, pack_workspace(s->pack));
    return t;
}

static void release(trial *t)
{
    mutation_scene_free(t->scene);
    free(t->moved.memory);
    free(t);
}

/* every input of a scene; the worst error of each kind into worst: of complex steps, of differences
 */
static void check(const char *name, mutation_opts opts, uint64_t seed, double worst[2][MUTATION_KINDS])
{
    trial *t = make_trial(opts, seed);
    const int *at = t->scene->begin;
    for (int q = 0; q < MUTATION_KINDS; q++) {
        double size = 0.0;
        for (int i = at[q]; i < at[q + 1]; i++)
            if (!(fabs(t->gradient[i]) <= size)) size = fabs(t->gradient[i]);
        for (int i = at[q]; i < at[q + 1]; i++) {
            const double mine = t->gradient[i], theirs = cimag(functional(t, i, TINY * I)) / TINY;
            /* relative, but an entry below 1e-3 of its kind's largest is held against that */
            const double scale = fmax(fabs(theirs), 1e-3 * size);
            double err = mine == theirs ? 0.0 : fabs(mine - theirs) / scale;
            if (mutation_idle(t->scene, q)) {
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
            /* fourth order: its error falls with h^4 to 2e-9 here; round-off rises with 1/h to 2e-8 */
            const double h = 5e-4 * t->scene->natural[q];
            const double difference = creal(8.0 * (functional(t, i, h) - functional(t, i, -h)) -
                                            (functional(t, i, 2.0 * h) - functional(t, i, -2.0 * h))) /
                                      (12.0 * h);
            /* what a kind of input does to the functional; little is lost in its round-off */
            const double effect = size * t->scene->natural[q];
            err = fabs(mine - difference) * t->scene->natural[q] / fmax(effect, 1e-3);
            if (!(err <= worst[1][q])) worst[1][q] = err;
            if (!(err <= 1e-7))
                fail_msg("%s: d/d %s[%d] is %.17g, differences %.17g", name, mutation_names[q], i - at[q], mine,
                         difference);
        }
    }
    release(t);
}

static void check_scheme(const char *what, int stepper, int steps)
{
    static const grad_grip grips[] = {GRAD_ENDS, GRAD_MIXED, GRAD_MIDDLE, GRAD_NOWHERE};
    double worst[2][MUTATION_KINDS] = {{0.0}};
    /* without inertia nothing keeps a free rod in its place */
    for (int grip = 0; grip < (stepper == GRAD_STATIC ? 3 : 4); grip++) {
        const uint64_t seed = 0xc0de + 16u * (unsigned)grip + (unsigned)(4 * stepper + steps);
        const int n = 7 + (grip + steps) % 3, chord = (grip + steps) % 2;
        const mutation_opts opts = {n, stepper, grips[grip], chord, 1, steps, 0, RGI_BAR_GIVEN, seed};
        char name[64];
        snprintf(name, sizeof name, "%s, %d steps, %s", what, steps, grad_grip_name(grips[grip]));
        check(name, opts, seed + 1, worst);
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
    check_scheme("Euler", GRAD_EULER, 1);
    check_scheme("Euler", GRAD_EULER, 3);
}

static void adjoint_complex_bdf2(void **state)
{
    (void)state;
    check_scheme("BDF2", GRAD_BDF2, 3);
}

static void adjoint_complex_static(void **state)
{
    (void)state;
    check_scheme("static", GRAD_STATIC, 1);
    check_scheme("static", GRAD_STATIC, 3);
}

static void adjoint_complex_deform(void **state)
{
    (void)state;
    check_scheme("deform", GRAD_DEFORM, 1);
    check_scheme("deform", GRAD_DEFORM, 3);
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
