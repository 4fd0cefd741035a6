/* test_batch_ragged.c: rods of several meshes in one batch are, to the bit, those rods alone.
 *
 * Outputs, tangents (in one direction and in several), gradients and statuses of both steppers and schemes, with rows
 * of NaN where a rod has fewer vertices, clamps or markers than another: those are not read, and of results not
 * written. All of it in double and in float; RODGRAD_TEST_BACKEND=cuda runs it on a GPU. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend.h"
#include "directions.h"

/* shapes whose vertices, clamped edges and markers are most in different ones */
enum {
    FEW,
    MANY_MARKERS,
    LONG,
    SHAPES,
    FRAMES = 6,
    SUBSTEPS = 2,
    STEPS = FRAMES * SUBSTEPS,
    EVERY = 4,
    DIRECTIONS = 3
};
static const struct {
    size_t markers, refine, rods;
    grad_grip grip;
} shapes[SHAPES] = {{5, 1, 20, GRAD_ENDS}, {9, 1, 2, GRAD_MIXED}, {7, 2, 2, GRAD_POINT}};

typedef struct rod {
    int shape;
    size_t index; /* in its scene */
} rod;

static const rod mixed[] = {{FEW, 0}, {FEW, 1}, {LONG, 0}, {MANY_MARKERS, 0}, {FEW, 2}};
/* more than the lanes of any pack, cut by others */
static const rod runs[] = {{FEW, 0},  {FEW, 1},  {FEW, 2},  {FEW, 3},          {FEW, 4},  {FEW, 5},
                           {FEW, 6},  {FEW, 7},  {FEW, 8},  {FEW, 9},          {FEW, 10}, {FEW, 11},
                           {FEW, 12}, {FEW, 13}, {FEW, 14}, {FEW, 15},         {FEW, 16}, {FEW, 17},
                           {LONG, 1}, {LONG, 0}, {FEW, 18}, {MANY_MARKERS, 1}, {FEW, 19}};

static rg_real real;
static int unlike; /* every other rod of a shape is of RG_BEND_NORMALISED */

/* what goes into a batch and comes out */
typedef struct result {
    grad_outputs out, d_out;
    grad_vector g;
    double *growth; /* [rods][STEPS / EVERY + 1] */
    rg_rod_status *forward, *jvp;
    rg_adjoint_status *back;
} result;

typedef struct problem {
    grad_vector d;
    grad_outputs bar;
} problem;

/* bytes through the scene, which frees them */
static void *bytes(grad_scene *s, size_t count) { return grad_alloc(s, count / sizeof(double) + 1); }

static result make_result(grad_scene *s)
{
    result r = {grad_outputs_zero(s), grad_outputs_zero(s), grad_vector_zero(s), NULL, NULL, NULL, NULL};
    r.growth = grad_alloc(s, s->rods * (STEPS / EVERY + 1));
    r.forward = bytes(s, s->rods * sizeof *r.forward);
    r.jvp = bytes(s, s->rods * sizeof *r.jvp);
    r.back = bytes(s, s->rods * sizeof *r.back);
    return r;
}

static void run(const grad_scene *s, const problem *p, const result *r)
{
    const rg_batch_inputs in = grad_inputs(s);
    const rg_batch_outputs to = grad_batch_outputs(&r->out);
    const rg_batch_tangents t = grad_tangents(&p->d, GRAD_ALL);
    const rg_batch_tangent_outputs dto = grad_batch_tangent_outputs(&r->d_out);
    const rg_batch_cotangents c = grad_cotangents(&p->bar);
    rg_batch_gradients g = grad_gradients(&r->g, GRAD_ALL);
    rg_error err = {0};
    g.growth = r->growth;
    g.growth_every = EVERY;
    if (rg_batch_jvp(s->batch, &in, &t, &to, &dto, r->jvp, &err) != RG_OK ||
        rg_batch_forward(s->batch, &in, &to, r->forward, &err) != RG_OK ||
        rg_batch_adjoint(s->batch, &c, &g, r->back, &err) != RG_OK)
        fail_msg("%s", err.text);
}

/* ---- rows of one rod in arrays of several ---- */

static const size_t *counts(const grad_scene *s, size_t sizes[GRAD_KINDS + 12])
{
    const size_t n = s->vertices, own[] = {3 * n, 3 * n, n - 1, 3 * s->clamped, s->held, 3 * n};
    memcpy(sizes, own, sizeof own);
    memcpy(sizes + GRAD_FIELD, s->count + GRAD_FIELD, RG_FIELD_COUNT * sizeof *sizes);
    /* directors of the start and of clamps; frames: x, v, directors, turns, markers, tensions, reactions, moments,
     * energies */
    const size_t forces = s->opts.rollout.stepper != RG_STEPPER_DEFORM;
    const size_t more[] = {3 * (n - 1),
                           3 * s->held,
                           3 * n,
                           3 * n,
                           3 * (n - 1),
                           n - 1,
                           3 * s->markers,
                           forces * (n - 1),
                           forces * 3 * s->clamped,
                           forces * s->held,
                           forces * 3 * n,
                           forces * 5};
    memcpy(sizes + GRAD_KINDS, more, sizeof more);
    return sizes;
}

enum {
    START_M = GRAD_KINDS,
    CLAMP_M,
    OUT_X,
    OUT_V,
    OUT_M,
    OUT_TURN,
    OUT_MARKERS,
    OUT_TENSION,
    OUT_REACTION,
    OUT_TORQUE,
    OUT_MOMENT,
    OUT_ENERGY,
    ARRAYS
};
_Static_assert(ARRAYS == GRAD_KINDS + 12, "every array has a size");

static size_t rows_of(int array)
{
    if (array >= OUT_X) return FRAMES;
    const int of_steps = array == GRAD_CLAMP_X || array == GRAD_CLAMP_TURN || array == GRAD_FORCE || array == CLAMP_M;
    return of_steps ? STEPS : 1;
}

/* rod `from` of a narrow scene into rod `to` of a wide one */
static void widen(const grad_scene *narrow, const double *a, size_t from, const grad_scene *wide, double *b, size_t to,
                  int array)
{
    size_t own[ARRAYS], all[ARRAYS];
    const size_t n = counts(narrow, own)[array], room = counts(wide, all)[array];
    for (size_t row = 0; row < rows_of(array); row++)
        if (n) memcpy(b + (to * rows_of(array) + row) * room, a + (from * rows_of(array) + row) * n, n * sizeof *a);
}

enum { POISON = 0xff }; /* a NaN of these bytes */

static int poisoned(const double *a, size_t n)
{
    const unsigned char *p = (const unsigned char *)a;
    for (size_t i = 0; i < n * sizeof *a; i++)
        if (p[i] != POISON) return 0;
    return 1;
}

static void check_rod(const grad_scene *alone, const double *a, const grad_scene *wide, const double *b, size_t to,
                      int array, const char *what)
{
    size_t own[ARRAYS], all[ARRAYS];
    const size_t n = counts(alone, own)[array], room = counts(wide, all)[array];
    for (size_t row = 0; row < rows_of(array); row++) {
        const double *at = b + (to * rows_of(array) + row) * room;
        if (n && memcmp(at, a + row * n, n * sizeof *a) != 0)
            fail_msg("%s of rod %zu, row %zu: other bits than the rod alone", what, to, row);
        if (!poisoned(at + n, room - n))
            fail_msg("%s of rod %zu, row %zu: written behind the rod's own", what, to, row);
    }
}

enum { OUTPUTS = ARRAYS - OUT_X };

static double *const *outputs_of(const grad_outputs *o, double *parts[OUTPUTS])
{
    double *const own[OUTPUTS] = {
        o->x, o->v, o->m, o->turn, o->markers, o->tension, o->reaction, o->reaction_moment, o->moment, o->energy};
    memcpy(parts, own, sizeof own);
    return parts;
}

static void poison_outputs(const grad_scene *s, const grad_outputs *o)
{
    double *parts[OUTPUTS];
    size_t all[ARRAYS];
    for (int k = 0; k < OUTPUTS; k++)
        if (outputs_of(o, parts)[k])
            memset(parts[k], POISON, s->rods * FRAMES * counts(s, all)[OUT_X + k] * sizeof(double));
}

static void poison_vector(const grad_scene *s, const grad_vector *v)
{
    for (int k = 0; k < GRAD_KINDS; k++) memset(v->of[k], POISON, s->rods * s->count[k] * sizeof(double));
}

/* ---- a ragged batch ---- */

typedef struct bench {
    grad_scene *narrow[SHAPES];
    problem of[SHAPES], all;
    grad_scene *wide;
    const rod *rods;
} bench;

/* a scene with the rows of the largest, whose inputs are NaN but for what rods use */
static grad_scene *make_wide(const bench *b, size_t n)
{
    grad_scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->opts = b->narrow[0]->opts;
    s->rods = n;
    s->steps = STEPS;
    s->models = calloc(n, sizeof *s->models);
    assert_non_null(s->models);
    for (int k = 0; k < SHAPES; k++) {
        const grad_scene *from = b->narrow[k];
        if (from->vertices > s->vertices) s->vertices = from->vertices;
        if (from->markers > s->markers) s->markers = from->markers;
        if (from->clamped > s->clamped) s->clamped = from->clamped;
        if (from->held > s->held) s->held = from->held;
        for (int kind = 0; kind < GRAD_KINDS; kind++)
            if (from->count[kind] > s->count[kind]) s->count[kind] = from->count[kind];
    }
    size_t all[ARRAYS];
    counts(s, all);
    double **inputs[] = {&s->x0, &s->v0, &s->clamp_x, &s->force, &s->m0, &s->clamp_m};
    const int arrays[] = {GRAD_X0, GRAD_V0, GRAD_CLAMP_X, GRAD_FORCE, START_M, CLAMP_M};
    for (int k = 0; k < 6; k++) {
        const size_t count = n * rows_of(arrays[k]) * all[arrays[k]];
        *inputs[k] = grad_alloc(s, count);
        memset(*inputs[k], POISON, count * sizeof(double));
    }
    for (size_t i = 0; i < n; i++) {
        const grad_scene *from = b->narrow[b->rods[i].shape];
        const double *own[] = {from->x0, from->v0, from->clamp_x, from->force, from->m0, from->clamp_m};
        for (int k = 0; k < 6; k++) widen(from, own[k], b->rods[i].index, s, *inputs[k], i, arrays[k]);
        assert_int_equal(rg_model_copy(from->models[b->rods[i].index], &s->models[i], NULL), RG_OK);
    }
    return s;
}

/* created with models of the right shapes, then given its own */
static void open_wide(grad_scene *s, const bench *b)
{
    const rg_model *models[sizeof runs / sizeof *runs];
    rg_error err = {0};
    for (size_t i = 0; i < s->rods; i++)
        models[i] = b->narrow[b->rods[i].shape]->models[unlike ? b->rods[i].index % 2 : 0];
    if (rg_batch_create_ragged(models, s->rods, &s->opts, &s->batch, &err) != RG_OK) fail_msg("%s", err.text);
    for (size_t i = 0; i < s->rods; i++)
        if (rg_batch_set_model(s->batch, i, s->models[i], &err) != RG_OK) fail_msg("%s", err.text);
}

static bench make(int stepper, size_t budget, const rod *rods, size_t n)
{
    bench b;
    memset(&b, 0, sizeof b);
    b.rods = rods;
    for (int k = 0; k < SHAPES; k++) {
        grad_scene *s = grad_scene_sized(stepper, shapes[k].grip, shapes[k].rods, FRAMES, SUBSTEPS, shapes[k].markers,
                                         shapes[k].refine, 0x1a6 + (uint64_t)k);
        for (size_t i = 0; i < s->rods && unlike; i += 2)
            if (rg_model_set_bend_measure(s->models[i], RG_BEND_NORMALISED, NULL) != RG_OK) fail();
        s->opts.budget_bytes = budget;
        s->opts.rollout.context = backend;
        s->opts.rollout.real = real;
        s->opts.directions = DIRECTIONS;
        b.narrow[k] = s;
        b.of[k].d = grad_vector_random(s, 2);
        b.of[k].bar = grad_outputs_random(s, 3);
    }
    b.wide = make_wide(&b, n);
    b.wide->opts.rollout.threads = 2;
    b.all.d = grad_vector_zero(b.wide);
    b.all.bar = grad_outputs_zero(b.wide);
    poison_vector(b.wide, &b.all.d);
    poison_outputs(b.wide, &b.all.bar);
    for (size_t i = 0; i < n; i++) {
        const int k = rods[i].shape;
        double *from[OUTPUTS], *to[OUTPUTS];
        for (int kind = 0; kind < GRAD_KINDS; kind++)
            widen(b.narrow[k], b.of[k].d.of[kind], rods[i].index, b.wide, b.all.d.of[kind], i, kind);
        outputs_of(&b.of[k].bar, from);
        outputs_of(&b.all.bar, to);
        for (int part = 0; part < OUTPUTS; part++)
            widen(b.narrow[k], from[part], rods[i].index, b.wide, to[part], i, OUT_X + part);
    }
    open_wide(b.wide, &b);
    return b;
}

static void release(bench *b)
{
    for (int k = 0; k < SHAPES; k++) grad_scene_free(b->narrow[k]);
    grad_scene_free(b->wide);
}

/* rod i of the ragged batch against a batch of that rod */
static void check_alone(const bench *b, const result *r, size_t i)
{
    const rod *which = &b->rods[i];
    grad_scene *s = grad_scene_pick(b->narrow[which->shape], &which->index, 1);
    grad_scene_open(s);
    problem p = {grad_vector_zero(s), grad_outputs_zero(s)};
    grad_vector_copy(s, &b->of[which->shape].d, which->index, &p.d, 0);
    grad_outputs_copy(s, &b->of[which->shape].bar, which->index, &p.bar, 0);
    result own = make_result(s);
    run(s, &p, &own);
    double *a[OUTPUTS], *c[OUTPUTS];
    for (int part = 0; part < OUTPUTS; part++) {
        outputs_of(&own.out, a);
        outputs_of(&r->out, c);
        if (OUT_X + part != OUT_TURN) check_rod(s, a[part], b->wide, c[part], i, OUT_X + part, "an output");
        outputs_of(&own.d_out, a);
        outputs_of(&r->d_out, c);
        if (OUT_X + part != OUT_M) check_rod(s, a[part], b->wide, c[part], i, OUT_X + part, "a tangent");
    }
    for (int kind = 0; kind < GRAD_KINDS; kind++)
        check_rod(s, own.g.of[kind], b->wide, r->g.of[kind], i, kind, grad_kind_name(kind));
    const size_t sizes = STEPS / EVERY + 1;
    assert_memory_equal(own.growth, r->growth + i * sizes, sizes * sizeof(double));
    assert_memory_equal(own.forward, r->forward + i, sizeof *own.forward);
    assert_memory_equal(own.jvp, r->jvp + i, sizeof *own.jvp);
    assert_memory_equal(own.back, r->back + i, sizeof *own.back);
    assert_int_equal(own.forward->flag, RG_ROD_OK);
    assert_int_equal(own.back->flag, RG_ROD_OK);
    grad_scene_free(s);
}

/* Several directions, the problem's times powers of two: tangents are those in the problem's own, times as much, to the
 * bit, and nothing is read or written behind a rod's own. */
static void check_directions(const bench *b, const result *one)
{
    static const double times[DIRECTIONS] = {0.5, 1.0, -0.25};
    grad_scene *s = b->wide;
    const grad_vector d = directions_zero(s, DIRECTIONS);
    const grad_outputs d_out = directions_outputs(s, DIRECTIONS);
    const rg_batch_inputs in = grad_inputs(s);
    const rg_batch_tangents along = directions_tangents(&d, GRAD_ALL, DIRECTIONS);
    const rg_batch_tangent_outputs to = grad_batch_tangent_outputs(&d_out);
    double *a[OUTPUTS], *c[OUTPUTS];
    size_t all[ARRAYS];
    rg_error err = {0};
    for (int kind = 0; kind < GRAD_KINDS; kind++)
        for (size_t q = 0, count = s->rods * s->count[kind]; q < DIRECTIONS; q++)
            for (size_t i = 0; i < count; i++) d.of[kind][q * count + i] = times[q] * b->all.d.of[kind][i];
    s->rods *= DIRECTIONS;
    poison_outputs(s, &d_out);
    s->rods /= DIRECTIONS;
    if (rg_batch_jvp(s->batch, &in, &along, NULL, &to, NULL, &err) != RG_OK) fail_msg("%s", err.text);
    outputs_of(&one->d_out, a);
    outputs_of(&d_out, c);
    for (int part = 0; part < OUTPUTS; part++)
        for (size_t q = 0, count = s->rods * FRAMES * counts(s, all)[OUT_X + part]; a[part] && q < DIRECTIONS; q++)
            for (size_t i = 0; i < count; i++) {
                const double *now = c[part] + q * count + i, *own = a[part] + i, was = times[q] * *own;
                const int same = poisoned(own, 1) ? poisoned(now, 1) : *now == was;
                if (!same) fail_msg("direction %zu, output %d, number %zu: %g is not %g", q, part, i, *now, was);
            }
}

static void check(int stepper, size_t budget, const rod *rods, size_t n)
{
    bench b = make(stepper, budget, rods, n);
    result r = make_result(b.wide);
    poison_outputs(b.wide, &r.out);
    poison_outputs(b.wide, &r.d_out);
    poison_vector(b.wide, &r.g);
    run(b.wide, &b.all, &r);
    for (size_t i = 0; i < n; i++) check_alone(&b, &r, i);
    check_directions(&b, &r);
    release(&b);
}

static void batch_ragged_det(void **state)
{
    (void)state;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++) {
        check(stepper, 0, mixed, sizeof mixed / sizeof *mixed);
        check(stepper, RG_STORE_ALL, mixed, sizeof mixed / sizeof *mixed);
        check(stepper, 0, runs, sizeof runs / sizeof *runs);
    }
    /* rods that differ in their measure of bending alone */
    unlike = 1;
    check(GRAD_BDF2, 0, mixed, sizeof mixed / sizeof *mixed);
    check(GRAD_BDF2, 0, runs, sizeof runs / sizeof *runs);
    unlike = 0;
}

/* meshes and clamps of rods; directors carried along clamps */
static void batch_ragged_value(void **state)
{
    (void)state;
    const size_t n = sizeof mixed / sizeof *mixed;
    bench b = make(GRAD_BDF2, 0, mixed, n);
    size_t all[ARRAYS];
    const size_t count = n * STEPS * counts(b.wide, all)[CLAMP_M];
    double *clamp_m = grad_alloc(b.wide, count);
    rg_error err = {0};
    memset(clamp_m, POISON, count * sizeof *clamp_m);
    const grad_scene *w = b.wide;
    if (rg_batch_carry_directors(w->batch, w->m0, w->x0, w->clamp_x, clamp_m, &err) != RG_OK) fail_msg("%s", err.text);
    for (size_t i = 0; i < n; i++) {
        const int *at = NULL;
        grad_scene *s = grad_scene_pick(b.narrow[mixed[i].shape], &mixed[i].index, 1);
        grad_scene_open(s);
        assert_int_equal(rg_batch_rod_vertices(b.wide->batch, i), s->vertices);
        assert_int_equal(rg_batch_rod_clamped_vertices(b.wide->batch, i, &at), s->clamped);
        assert_memory_equal(at, s->clamped_at, s->clamped * sizeof *at);
        assert_int_equal(rg_batch_rod_clamped_edges(b.wide->batch, i, &at), s->held);
        if (s->held) assert_memory_equal(at, s->held_at, s->held * sizeof *at);
        double *own = grad_alloc(s, 3 * s->held * STEPS);
        if (rg_batch_carry_directors(s->batch, s->m0, s->x0, s->clamp_x, own, &err) != RG_OK) fail_msg("%s", err.text);
        check_rod(s, own, b.wide, clamp_m, i, CLAMP_M, "clamp_m");
        grad_scene_free(s);
    }
    const int *none = &(int){0};
    assert_int_equal(rg_batch_rod_vertices(b.wide->batch, n), 0);
    assert_int_equal(rg_batch_rod_clamped_vertices(b.wide->batch, n, &none), 0);
    assert_null(none);
    assert_int_equal(rg_batch_rod_clamped_edges(b.wide->batch, n, &none), 0);
    assert_int_equal(rg_batch_clamped_vertices(b.wide->batch, NULL), b.narrow[mixed[0].shape]->clamped);
    assert_int_equal(rg_batch_clamped_edges(b.wide->batch, NULL), b.narrow[mixed[0].shape]->held);
    release(&b);
}

static void batch_ragged_err(void **state)
{
    (void)state;
    const size_t n = sizeof mixed / sizeof *mixed;
    bench b = make(GRAD_EULER, 0, mixed, n);
    const rg_model *models[sizeof mixed / sizeof *mixed];
    rg_batch *batch = (rg_batch *)&b;
    rg_error err = {0};
    for (size_t i = 0; i < n; i++) models[i] = b.wide->models[i];
    assert_int_equal(rg_batch_create_ragged(NULL, n, &b.wide->opts, &batch, &err), RG_ERR_ARGUMENT);
    assert_null(batch);
    assert_int_equal(rg_batch_create_ragged(models, n, &b.wide->opts, NULL, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_batch_create_ragged(models, 0, &b.wide->opts, &batch, &err), RG_ERR_ARGUMENT);
    models[3] = NULL;
    assert_int_equal(rg_batch_create_ragged(models, n, &b.wide->opts, &batch, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "rod 3"));
    assert_null(batch);
    models[3] = b.wide->models[3];
    rg_model_field_data(b.wide->models[2], RG_DRAG)[1] = -1.0;
    assert_int_equal(rg_batch_create_ragged(models, n, &b.wide->opts, &batch, &err), RG_ERR_VALUE);
    assert_non_null(strstr(err.text, "rod 2"));
    assert_non_null(strstr(err.text, "drag"));
    assert_null(batch);
    /* of another rod's mesh */
    assert_int_equal(rg_batch_set_model(b.wide->batch, 2, b.wide->models[0], &err), RG_ERR_SHAPE);
    assert_non_null(strstr(err.text, "rod 2"));
    assert_int_equal(rg_batch_set_model(b.wide->batch, n, b.wide->models[0], &err), RG_ERR_ARGUMENT);
    /* of its mesh and another measure */
    assert_int_equal(rg_model_set_bend_measure(b.wide->models[0], RG_BEND_NORMALISED, &err), RG_OK);
    assert_int_equal(rg_batch_set_model(b.wide->batch, 0, b.wide->models[0], &err), RG_ERR_SHAPE);
    assert_non_null(strstr(err.text, "measure of bending"));
    assert_int_equal(rg_model_set_bend_measure(b.wide->models[0], RG_BEND_AVERAGED, &err), RG_OK);
    const rg_batch_inputs in = grad_inputs(b.wide);
    grad_outputs out = grad_outputs_zero(b.wide);
    double cost = 0.0;
    assert_int_equal(rg_batch_shooting(b.wide->batch, &in, out.x, out.v, 1.0, 1.0, &cost, out.x, out.v, b.wide->x0,
                                       b.wide->v0, &err),
                     RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "rod 2"));
    /* a bad start is named by its rod; what lies behind its rows is not looked at */
    b.wide->x0[3 * (3 * b.wide->vertices + 4)] = (double)NAN;
    assert_int_equal(rg_batch_forward(b.wide->batch, &in, NULL, NULL, &err), RG_ERR_VALUE);
    assert_non_null(strstr(err.text, "rod 3"));
    release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_ragged_det),
        cmocka_unit_test(batch_ragged_value),
        cmocka_unit_test(batch_ragged_err),
    };
    int failed = cmocka_run_group_tests_name("batch_ragged", tests, backend_open, backend_close);
    real = RG_REAL_FLOAT;
    failed += cmocka_run_group_tests_name("batch_ragged_float", tests, backend_open, backend_close);
    return failed;
}
