/* test_limit.c: a step that ends before Newton has solved it: rg_rollout_opts.at_limit and deadline_s.
 *
 * Rods that a hand shakes, each harder than the one before: at a low limit of iterations some solve all their steps and
 * others do not. RODGRAD_TEST_BACKEND=cuda runs them on a GPU, where there is no deadline. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend.h"
#include "core/batch.h"
#include "core/context.h"

/* more rods than the widest pack has lanes */
enum { V = 8, E = V - 1, C = 2, D = 1, S = 10, RODS = 19, LIMIT = 3 };
static const double EDGE = 0.05, DT = 0.01;

static int on_gpu(void) { return rgi_context_device(backend) != NULL; }

static void ok(rg_status status, const rg_error *err)
{
    if (status != RG_OK) fail_msg("%s", err->text);
}

static void set_all(rg_model *model, rg_field field, double value)
{
    for (size_t i = 0; i < rg_model_field_entries(model, field); i++) rg_model_field_data(model, field)[i] = value;
}

static rg_model *make_model(size_t vertices, const int *clamps, size_t n_clamps)
{
    rg_model *model = NULL;
    rg_error err = {0};
    ok(rg_model_create(vertices, 1, clamps, n_clamps, &model, &err), &err);
    set_all(model, RG_REST_LENGTH, EDGE);
    set_all(model, RG_MASS_PER_LENGTH, 0.06);
    set_all(model, RG_STRETCH_STIFFNESS, 3e3);
    set_all(model, RG_BEND_STIFFNESS_1, 2e-3);
    set_all(model, RG_BEND_STIFFNESS_2, 1e-3);
    set_all(model, RG_TWIST_STIFFNESS, 1e-3);
    set_all(model, RG_BEND_RELAXATION, 0.01);
    set_all(model, RG_BEND_MEMORY, 0.2);
    set_all(model, RG_BEND_MEMORY_TIME, 0.1);
    set_all(model, RG_DRAG, 0.5);
    return model;
}

static rg_model *make_rope(void)
{
    static const int hand[C] = {0, 1};
    return make_model(V, hand, C);
}

/* ---- rods that are shaken ---- */

typedef struct inputs {
    double x0[RODS][V][3], v0[RODS][V][3], m0[RODS][E][3], clamp_x[RODS][S][C][3], clamp_m[RODS][S][D][3];
} inputs;

/* along x to begin with; the hand of rod r moves by gentle + r harder [m], steps from `first` on */
static inputs *make_inputs(double gentle, double harder, int first)
{
    inputs *in = calloc(1, sizeof *in);
    assert_non_null(in);
    for (size_t r = 0; r < RODS; r++) {
        const double far = gentle + harder * (double)r;
        for (size_t i = 0; i < V; i++) in->x0[r][i][0] = EDGE * (double)i;
        for (size_t i = 0; i < E; i++) in->m0[r][i][2] = 1.0;
        for (int s = 0; s < S; s++) {
            const double t = DT * (first + s + 1), w = 25.0 + (double)(r % 3);
            for (size_t c = 0; c < C; c++) {
                in->clamp_x[r][s][c][0] = EDGE * (double)c + far * sin(w * t);
                in->clamp_x[r][s][c][1] = 0.7 * far * (1.0 - cos(1.3 * w * t));
                in->clamp_x[r][s][c][2] = 0.8 * far * sin(1.7 * w * t);
            }
            in->clamp_m[r][s][0][2] = 1.0;
        }
    }
    return in;
}

static rg_batch_inputs rods_from(const inputs *in, size_t rod)
{
    const rg_batch_inputs to = {.x0 = in->x0[rod][0],
                                .v0 = in->v0[rod][0],
                                .m0 = in->m0[rod][0],
                                .clamp_x = in->clamp_x[rod][0][0],
                                .clamp_m = in->clamp_m[rod][0][0]};
    return to;
}

typedef struct motion {
    double x[RODS][S][V][3], v[RODS][S][V][3], tension[RODS][S][E];
    rg_rod_status status[RODS];
} motion;

static rg_batch_opts options(rg_scheme scheme, rg_real real, const char *isa)
{
    rg_batch_opts o = rg_batch_opts_default();
    o.rollout.context = backend;
    o.rollout.scheme = scheme;
    o.rollout.real = real;
    o.rollout.isa = isa;
    o.rollout.threads = 1;
    o.dt_s = DT;
    o.n_frames = S;
    o.adjoint = 0;
    return o;
}

/* a clock that runs by a second whenever it is read */
static double seconds_read;
static double count_reads(void) { return seconds_read += 1.0; }

/* 0 where this processor or backend has no such instructions; `rods` of the inputs from `rod` on. clock: of all packs,
 * or NULL for the real one */
static int run_rods(const inputs *in, size_t rod, size_t rods, const rg_batch_opts *opts, double (*clock)(void),
                    motion *out)
{
    rg_model *model = make_rope();
    rg_batch *batch = NULL;
    rg_error err = {0};
    const rg_batch_inputs at = rods_from(in, rod);
    const rg_batch_outputs to = {.x = out->x[rod][0][0], .v = out->v[rod][0][0], .tension = out->tension[rod][0]};
    const rg_status status = rg_batch_create(model, rods, opts, &batch, &err);
    rg_model_destroy(&model);
    if (status == RG_ERR_UNSUPPORTED) return 0;
    ok(status, &err);
    for (size_t k = 0; clock && k < batch->at.n_packs; k++) batch->own->packs.packs[k].clock = clock;
    ok(rg_batch_forward(batch, &at, &to, out->status + rod, &err), &err);
    rg_batch_destroy(&batch);
    return 1;
}

static motion *run(const inputs *in, const rg_batch_opts *opts)
{
    motion *out = calloc(1, sizeof *out);
    assert_non_null(out);
    if (run_rods(in, 0, RODS, opts, NULL, out)) return out;
    free(out);
    return NULL;
}

/* the bits of a rod's first `steps` steps */
static int same_steps(const motion *a, const motion *b, size_t rod, size_t steps)
{
    return memcmp(a->x[rod], b->x[rod], steps * sizeof a->x[0][0]) == 0 &&
           memcmp(a->v[rod], b->v[rod], steps * sizeof a->v[0][0]) == 0 &&
           memcmp(a->tension[rod], b->tension[rod], steps * sizeof a->tension[0][0]) == 0;
}

static int same_status(const rg_rod_status *a, const rg_rod_status *b)
{
    return a->flag == b->flag && a->step == b->step && a->iterations == b->iterations && a->vertex == b->vertex &&
           a->worst_iterations == b->worst_iterations && a->worst_increment_m == b->worst_increment_m &&
           a->worst_twist_rad == b->worst_twist_rad && a->unfinished_steps == b->unfinished_steps &&
           a->first_unfinished_step == b->first_unfinished_step && a->worst_residual_n == b->worst_residual_n;
}

static void expect_same(const motion *a, const motion *b, const char *what)
{
    for (size_t r = 0; r < RODS; r++)
        if (!same_steps(a, b, r, S) || !same_status(&a->status[r], &b->status[r]))
            fail_msg("%s: rod %zu moves otherwise", what, r);
}

static int is_finite(const motion *m, size_t rod)
{
    const double *x = (const double *)m->x[rod], *v = (const double *)m->v[rod];
    for (size_t i = 0; i < S * V * 3; i++)
        if (!isfinite(x[i]) || !isfinite(v[i])) return 0;
    return 1;
}

/* every scheme with inertia, real and instruction set; on a GPU one of the latter */
typedef struct variant {
    rg_scheme scheme;
    rg_real real;
    const char *isa;
} variant;
enum { VARIANTS = 20 };

static size_t list_variants(variant *out)
{
    static const char *const isas[] = {"scalar", "fma", "sse2", "avx2", "avx512"};
    size_t n = 0;
    for (int scheme = RG_SCHEME_BE; scheme <= RG_SCHEME_BDF2; scheme++)
        for (int real = 0; real < 2; real++)
            for (size_t k = 0; k < (on_gpu() ? 1 : sizeof isas / sizeof *isas); k++)
                out[n++] = (variant){(rg_scheme)scheme, (rg_real)real, on_gpu() ? NULL : isas[k]};
    return n;
}

static const char *name_of(const variant *v)
{
    static char text[96];
    snprintf(text, sizeof text, "%s %s %s", rg_scheme_name(v->scheme), rg_real_name(v->real),
             v->isa ? v->isa : "default");
    return text;
}

/* Frozen, a rod stops where its first step is not solved. Continued, it has the same bits up to there, moves on, and
 * its status names that step. A rod that solves its steps has the bits of a run without a limit either way, whatever
 * its neighbours do. */
static void limit_continues(void **state)
{
    variant variants[VARIANTS];
    inputs *in = make_inputs(0.002, 0.008, 0);
    (void)state;
    for (size_t k = 0, n = list_variants(variants); k < n; k++) {
        rg_batch_opts opts = options(variants[k].scheme, variants[k].real, variants[k].isa);
        motion *whole = run(in, &opts), *frozen, *continued;
        if (!whole) continue;
        opts.rollout.max_iterations = LIMIT;
        frozen = run(in, &opts);
        opts.rollout.at_limit = RG_LIMIT_CONTINUE;
        continued = run(in, &opts);
        size_t solved = 0;
        for (size_t r = 0; r < RODS; r++) {
            const rg_rod_status *w = &whole->status[r], *f = &frozen->status[r], *c = &continued->status[r];
            assert_int_equal(w->flag, RG_ROD_OK);
            assert_true(w->unfinished_steps == 0 && w->first_unfinished_step == -1 && w->worst_residual_n == 0.0);
            assert_true(f->unfinished_steps == 0 && f->first_unfinished_step == -1 && f->worst_residual_n == 0.0);
            if (c->flag != RG_ROD_OK) fail_msg("%s: rod %zu: %s", name_of(&variants[k]), r, rg_rod_flag_text(c->flag));
            assert_true(is_finite(continued, r));
            if (f->flag == RG_ROD_OK) {
                solved++;
                assert_true(w->worst_iterations <= LIMIT && c->unfinished_steps == 0 && c->worst_residual_n == 0.0);
                assert_int_equal(c->first_unfinished_step, -1);
                assert_true(same_steps(whole, frozen, r, S) && same_steps(whole, continued, r, S));
                continue;
            }
            assert_int_equal(f->flag, RG_ROD_NOT_CONVERGED);
            assert_true(w->worst_iterations > LIMIT);
            assert_int_equal(c->worst_iterations, LIMIT);
            assert_int_equal(c->first_unfinished_step, f->step);
            assert_true(c->unfinished_steps >= 1 && c->unfinished_steps <= S - f->step);
            assert_true(c->worst_residual_n > 0.0 && isfinite(c->worst_residual_n));
            assert_true(same_steps(whole, continued, r, (size_t)f->step));
            assert_false(same_steps(whole, continued, r, (size_t)f->step + 1));
            assert_true(same_steps(frozen, continued, r, (size_t)f->step));
            if (f->step + 1 < S) assert_false(same_steps(frozen, continued, r, (size_t)f->step + 1));
        }
        /* the scene has both kinds */
        if (solved < 2 || solved > RODS - 2) fail_msg("%s: %zu rods solve their steps", name_of(&variants[k]), solved);
        free(whole);
        free(frozen);
        free(continued);
    }
    free(in);
}

/* a step's iterate comes nearer to its solution with every iteration that it may take */
static void limit_nears_solution(void **state)
{
    inputs *in = make_inputs(0.03, 0.002, 0);
    rg_batch_opts opts = options(RG_SCHEME_BDF2, RG_REAL_DOUBLE, NULL);
    motion *whole = run(in, &opts);
    double before = INFINITY, force = INFINITY;
    (void)state;
    opts.rollout.at_limit = RG_LIMIT_CONTINUE;
    for (int limit = 1; limit <= 6; limit++) {
        opts.rollout.max_iterations = limit;
        motion *m = run(in, &opts);
        double off = 0.0, most = 0.0;
        for (size_t r = 0; r < RODS; r++) {
            for (size_t i = 0; i < V; i++)
                for (int c = 0; c < 3; c++) off = fmax(off, fabs(m->x[r][0][i][c] - whole->x[r][0][i][c]));
            if (m->status[r].first_unfinished_step == 0) most = fmax(most, m->status[r].worst_residual_n);
        }
        print_message("%d iterations: the first step is off by %.2g m at most, residual %.2g N\n", limit, off, most);
        /* the first move stretches edges */
        if (limit > 2 && (!(off < 0.2 * before || off < 1e-9) || !(most < force || most == 0.0))) fail_msg("no nearer");
        before = off;
        force = most;
        free(m);
    }
    assert_true(before < 1e-9);
    free(whole);
    free(in);
}

/* ---- what the residual is ---- */

/* A rod that both ends hold, with one free vertex between them, moves along z alone, by symmetry: what its step leaves
 * out of balance is a force along z. With that force on the vertex the same step is a solution there. */
static double step_one_vertex(const rg_batch_opts *opts, double force, double *z, rg_rod_status *status)
{
    enum { ALL = 5, HELD = 4, FREE = 2 };
    static const int ends[HELD] = {0, 1, 3, 4};
    double x0[ALL][3] = {{0.0}}, v0[ALL][3] = {{0.0}}, m0[ALL - 1][3] = {{0.0}}, clamp_x[HELD][3], clamp_m[2][3];
    double f[ALL][3] = {{0.0}}, x[ALL][3];
    rg_model *model = make_model(ALL, ends, HELD);
    rg_batch *batch = NULL;
    rg_error err = {0};
    for (size_t i = 0; i < ALL; i++) x0[i][0] = EDGE * (double)i;
    for (size_t i = 0; i + 1 < ALL; i++) m0[i][1] = 1.0;
    v0[FREE][2] = 3.0;
    for (size_t k = 0; k < HELD; k++) memcpy(clamp_x[k], x0[ends[k]], sizeof clamp_x[k]);
    for (size_t k = 0; k < HELD; k++) clamp_x[k][2] = 0.01;
    for (size_t k = 0; k < 2; k++) memcpy(clamp_m[k], m0[0], sizeof clamp_m[k]);
    f[FREE][2] = force;
    const rg_batch_inputs in = {
        .x0 = x0[0], .v0 = v0[0], .m0 = m0[0], .clamp_x = clamp_x[0], .clamp_m = clamp_m[0], .force = f[0]};
    const rg_batch_outputs out = {.x = x[0]};
    ok(rg_batch_create(model, 1, opts, &batch, &err), &err);
    ok(rg_batch_forward(batch, &in, &out, status, &err), &err);
    *z = x[FREE][2];
    const double across = fmax(fabs(x[FREE][1]), fabs(x[FREE][0] - EDGE * FREE));
    rg_batch_destroy(&batch);
    rg_model_destroy(&model);
    return across;
}

static void limit_residual(void **state)
{
    (void)state;
    for (int real = 0; real < 2; real++)
        for (int limit = 1; limit <= 3; limit++) {
            rg_batch_opts opts = options(RG_SCHEME_BDF2, (rg_real)real, NULL);
            rg_rod_status status, with[2];
            double z = 0.0, to[2] = {0.0}, at_rest = 0.0;
            const double round_off = real == RG_REAL_FLOAT ? 1e-6 : 1e-12;
            opts.n_frames = 1;
            (void)step_one_vertex(&opts, 0.0, &at_rest, &status);
            assert_int_equal(status.flag, RG_ROD_OK);
            opts.rollout.max_iterations = limit;
            opts.rollout.at_limit = RG_LIMIT_CONTINUE;
            assert_true(step_one_vertex(&opts, 0.0, &z, &status) <= round_off);
            assert_int_equal(status.unfinished_steps, 1);
            assert_int_equal(status.first_unfinished_step, 0);
            opts.rollout.max_iterations = 200;
            for (int k = 0; k < 2; k++) {
                const double force = k ? -status.worst_residual_n : status.worst_residual_n;
                (void)step_one_vertex(&opts, force, &to[k], &with[k]);
                assert_true(with[k].flag == RG_ROD_OK && with[k].unfinished_steps == 0);
            }
            const double off = fmin(fabs(to[0] - z), fabs(to[1] - z));
            print_message(
                "%s, %d iterations: %.3g N out of balance, %.3g m from the solution; with that force %.2g m\n",
                rg_real_name((rg_real)real), limit, status.worst_residual_n, fabs(z - at_rest), off);
            /* the tolerance of a step */
            if (!(off <= (real == RG_REAL_FLOAT ? 4e-6 : 1e-8) + 1e-3 * fabs(z - at_rest))) fail_msg("it is another");
            assert_true(real == RG_REAL_FLOAT || fabs(z - at_rest) > 100.0 * off);
        }
}

/* a rod that is only twisted is in balance: turns do not enter the residual */
static void limit_residual_of_twist(void **state)
{
    enum { HELD = 4 };
    static const int ends[HELD] = {0, 1, V - 2, V - 1};
    double x0[V][3] = {{0.0}}, v0[V][3] = {{0.0}}, m0[E][3] = {{0.0}}, clamp_x[HELD][3], clamp_m[2][3] = {{0.0}};
    rg_model *model = make_model(V, ends, HELD);
    rg_batch_opts opts = options(RG_SCHEME_BE, RG_REAL_DOUBLE, NULL);
    rg_batch *batch = NULL;
    rg_rod_status status;
    rg_error err = {0};
    (void)state;
    set_all(model, RG_BEND_STIFFNESS_2, 2e-3); /* of a rod that is round */
    for (size_t i = 0; i < V; i++) x0[i][0] = EDGE * (double)i;
    for (size_t i = 0; i < E; i++) m0[i][1] = 1.0;
    for (size_t k = 0; k < HELD; k++) memcpy(clamp_x[k], x0[ends[k]], sizeof clamp_x[k]);
    clamp_m[0][1] = 1.0;
    clamp_m[1][1] = cos(2.5);
    clamp_m[1][2] = sin(2.5);
    const rg_batch_inputs in = {.x0 = x0[0], .v0 = v0[0], .m0 = m0[0], .clamp_x = clamp_x[0], .clamp_m = clamp_m[0]};
    opts.n_frames = 1;
    opts.rollout.gravity[2] = 0.0;
    opts.rollout.at_limit = RG_LIMIT_CONTINUE;
    opts.rollout.max_iterations = 1;
    ok(rg_batch_create(model, 1, &opts, &batch, &err), &err);
    ok(rg_batch_forward(batch, &in, NULL, &status, &err), &err);
    assert_int_equal(status.unfinished_steps, 1);
    print_message("a twisted rod: %.2g N\n", status.worst_residual_n);
    assert_true(status.worst_residual_n <= 1e-10);
    rg_batch_destroy(&batch);
    rg_model_destroy(&model);
}

/* Where the search along the increment refuses the last trial the step ends with the one taken before, which is where
 * it ends with one iteration less. Thrown ropes of hardly any bending stiffness, one step of each, at limits within the
 * iterations that search. */
static void limit_refused_trial(void **state)
{
    enum { THROWS = 40, FIRST = 16, LAST = 19 };
    inputs *in = make_inputs(0.0, 0.0, 0);
    rg_batch_opts opts = options(RG_SCHEME_BE, RG_REAL_DOUBLE, NULL);
    int refused = 0, taken = 0;
    (void)state;
    opts.n_frames = 1;
    opts.dt_s = 0.02;
    opts.rollout.at_limit = RG_LIMIT_CONTINUE;
    rg_model *model = make_rope();
    set_all(model, RG_STRETCH_STIFFNESS, 1e6);
    set_all(model, RG_BEND_STIFFNESS_1, 1e-6);
    set_all(model, RG_BEND_STIFFNESS_2, 1e-6);
    set_all(model, RG_TWIST_STIFFNESS, 1e-6);
    for (int throw = 0; throw < THROWS; throw ++) {
        static double x[LAST - FIRST + 2][RODS][V][3];
        rg_rod_status status[LAST - FIRST + 2][RODS];
        for (size_t r = 0; r < RODS; r++)
            for (size_t i = 0; i < V; i++)
                for (size_t c = 0; c < 3; c++)
                    in->v0[r][i][c] = 20.0 * sin(7.3 * (double)((size_t) throw *RODS * V * 3 + (r * V + i) * 3 + c));
        /* steps of one: rows of the inputs are as far apart as a run of one step has them */
        double clamp_x[RODS][C][3], clamp_m[RODS][D][3];
        for (size_t r = 0; r < RODS; r++) {
            memcpy(clamp_x[r], in->clamp_x[r][0], sizeof clamp_x[r]);
            memcpy(clamp_m[r], in->clamp_m[r][0], sizeof clamp_m[r]);
        }
        for (int limit = FIRST - 1; limit <= LAST; limit++) {
            rg_batch_inputs at = rods_from(in, 0);
            const rg_batch_outputs out = {.x = x[limit - FIRST + 1][0][0]};
            rg_batch *batch = NULL;
            rg_error err = {0};
            at.clamp_x = clamp_x[0][0];
            at.clamp_m = clamp_m[0][0];
            opts.rollout.max_iterations = limit;
            ok(rg_batch_create(model, RODS, &opts, &batch, &err), &err);
            ok(rg_batch_forward(batch, &at, &out, status[limit - FIRST + 1], &err), &err);
            rg_batch_destroy(&batch);
        }
        for (int k = 1; k <= LAST - FIRST + 1; k++)
            for (size_t r = 0; r < RODS; r++) {
                if (status[k][r].flag != RG_ROD_OK || !status[k][r].unfinished_steps) continue;
                const int same = memcmp(x[k][r], x[k - 1][r], sizeof x[k][r]) == 0;
                refused += same;
                taken += !same;
                if (same) assert_true(status[k][r].worst_residual_n == status[k - 1][r].worst_residual_n);
            }
    }
    print_message("at the limit %d trials were refused and %d taken\n", refused, taken);
    assert_true(refused > 0 && taken > 0);
    rg_model_destroy(&model);
    free(in);
}

/* ---- the same whoever runs it ---- */

/* rods alone and together, on any instructions with the same rounding */
static void limit_bits(void **state)
{
    static const char *const isas[] = {"scalar", "sse2", "fma", "avx2", "avx512"};
    inputs *in = make_inputs(0.002, 0.008, 0);
    motion *alone = calloc(1, sizeof *alone);
    (void)state;
    for (int real = 0; real < 2; real++) {
        motion *first[2] = {NULL, NULL}; /* of those that round sums of products twice, and once */
        for (size_t k = 0; k < (on_gpu() ? 1 : sizeof isas / sizeof *isas); k++) {
            rg_batch_opts opts = options(RG_SCHEME_BDF2, (rg_real)real, on_gpu() ? NULL : isas[k]);
            opts.rollout.max_iterations = 2;
            opts.rollout.at_limit = RG_LIMIT_CONTINUE;
            motion *m = run(in, &opts), **same = &first[k >= 2];
            if (!m) continue;
            for (size_t r = 0; r < RODS; r++) (void)run_rods(in, r, 1, &opts, NULL, alone);
            expect_same(m, alone, isas[k]);
            if (*same) {
                expect_same(*same, m, isas[k]);
                free(m);
            } else {
                *same = m;
            }
        }
        free(first[0]);
        free(first[1]);
    }
    free(alone);
    free(in);
}

/* runs that carry on, some rods beginning anew: each run counts its own steps, and rods are as if alone */
static void limit_carried(void **state)
{
    inputs *in[2] = {make_inputs(0.004, 0.008, 0), make_inputs(0.004, 0.008, S)};
    motion *m[2] = {calloc(1, sizeof **m), calloc(1, sizeof **m)};
    rg_batch_opts opts = options(RG_SCHEME_BDF2, RG_REAL_DOUBLE, NULL);
    rg_model *model = make_rope();
    unsigned char anew[RODS];
    size_t unfinished = 0;
    (void)state;
    opts.carry_on = 1;
    opts.rollout.max_iterations = 2;
    opts.rollout.at_limit = RG_LIMIT_CONTINUE;
    for (size_t r = 0; r < RODS; r++) anew[r] = r % 3 == 1;
    for (size_t rod = 0; rod <= RODS; rod++) {
        const size_t first = rod < RODS ? rod : 0, rods = rod < RODS ? 1 : RODS;
        motion *to = rod < RODS ? m[0] : m[1];
        rg_batch *batch = NULL;
        rg_error err = {0};
        ok(rg_batch_create(model, rods, &opts, &batch, &err), &err);
        for (int k = 0; k < 2; k++) {
            const rg_batch_inputs at = rods_from(in[k], first);
            const rg_batch_outputs out = {
                .x = to->x[first][0][0], .v = to->v[first][0][0], .tension = to->tension[first][0]};
            ok(rg_batch_forward(batch, &at, &out, to->status + first, &err), &err);
            for (size_t r = first; r < first + rods; r++) {
                assert_int_equal(to->status[r].flag, RG_ROD_OK);
                assert_true(to->status[r].unfinished_steps <= S && to->status[r].first_unfinished_step < S);
                unfinished += (size_t)to->status[r].unfinished_steps;
            }
            ok(rg_batch_reset(batch, anew + first, &err), &err);
        }
        rg_batch_destroy(&batch);
    }
    assert_true(unfinished > RODS);
    expect_same(m[0], m[1], "carried");
    rg_model_destroy(&model);
    for (int k = 0; k < 2; k++) free(in[k]);
    for (int k = 0; k < 2; k++) free(m[k]);
}

/* ---- what ends a rod as ever ---- */

/* of a rope that is held by three vertices, which something happens to in step BAD: a place that is no number, the
 * second edge folded onto the first, or turned by half a turn against it */
enum fault { NOWHERE, FOLD, TURN, FAULTS };

static void limit_other_failures(void **state)
{
    enum { HELD = 3, BAD = 4 };
    static const int hand[HELD] = {0, 1, 2};
    static const rg_rod_flag expected[FAULTS] = {RG_ROD_NONFINITE, RG_ROD_FOLDED, RG_ROD_TWIST_WRAPPED};
    rg_model *model = make_model(V, hand, HELD);
    (void)state;
    for (int limit = 1; limit <= 40; limit += 39) {
        double x0[FAULTS + 1][V][3] = {{{0.0}}}, v0[FAULTS + 1][V][3] = {{{0.0}}}, m0[FAULTS + 1][E][3] = {{{0.0}}};
        double clamp_x[FAULTS + 1][S][HELD][3], clamp_m[FAULTS + 1][S][2][3] = {{{{0.0}}}}, x[FAULTS + 1][S][V][3];
        rg_batch_opts opts = options(RG_SCHEME_BDF2, RG_REAL_DOUBLE, NULL);
        rg_rod_status status[FAULTS + 1];
        rg_batch *batch = NULL;
        rg_error err = {0};
        for (size_t r = 0; r <= FAULTS; r++) {
            for (size_t i = 0; i < V; i++) x0[r][i][0] = EDGE * (double)i;
            for (size_t i = 0; i < E; i++) m0[r][i][2] = 1.0;
            for (int s = 0; s < S; s++) {
                memcpy(clamp_x[r][s], x0[r], sizeof clamp_x[r][s]);
                memcpy(clamp_m[r][s], m0[r], sizeof clamp_m[r][s]);
                if (s < BAD) continue;
                const double fold = 3.1406, turn = 3.1400; /* 1 + cos(fold) is 5e-7 */
                if (r == NOWHERE) clamp_x[r][s][1][1] = NAN;
                if (r == FOLD) clamp_x[r][s][2][0] = EDGE * (1.0 + cos(fold));
                if (r == FOLD) clamp_x[r][s][2][1] = EDGE * sin(fold);
                if (r == TURN) clamp_m[r][s][1][1] = sin(turn);
                if (r == TURN) clamp_m[r][s][1][2] = cos(turn);
            }
        }
        const rg_batch_inputs in = {
            .x0 = x0[0][0], .v0 = v0[0][0], .m0 = m0[0][0], .clamp_x = clamp_x[0][0][0], .clamp_m = clamp_m[0][0][0]};
        const rg_batch_outputs out = {.x = x[0][0][0]};
        opts.rollout.at_limit = RG_LIMIT_CONTINUE;
        opts.rollout.max_iterations = limit;
        ok(rg_batch_create(model, FAULTS + 1, &opts, &batch, &err), &err);
        ok(rg_batch_forward(batch, &in, &out, status, &err), &err);
        for (size_t r = 0; r <= FAULTS; r++) {
            const int well = r == FAULTS;
            if (status[r].flag != (well ? RG_ROD_OK : expected[r]))
                fail_msg("%d iterations, fault %zu: %s", limit, r, rg_rod_flag_text(status[r].flag));
            if (!well) assert_int_equal(status[r].step, BAD);
            /* steps before the end count, that one does not */
            if (limit == 1) assert_int_equal(status[r].unfinished_steps, well ? S : BAD);
            for (int s = BAD; s < S && !well; s++) assert_memory_equal(x[r][s], x[r][BAD - 1], sizeof x[r][s]);
        }
        rg_batch_destroy(&batch);
    }
    rg_model_destroy(&model);
}

/* ---- a deadline ---- */

static void limit_deadline(void **state)
{
    variant variants[VARIANTS];
    (void)state;
    if (on_gpu()) skip();
    inputs *in = make_inputs(0.002, 0.008, 0);
    for (size_t k = 0, n = list_variants(variants); k < n; k++) {
        const rg_batch_opts plain = options(variants[k].scheme, variants[k].real, variants[k].isa);
        for (int limit = 0; limit < 2; limit++) {
            rg_batch_opts opts = plain;
            opts.rollout.at_limit = (rg_at_limit)limit;
            /* never reached: as without */
            motion *whole = run(in, &opts), *m;
            if (!whole) break;
            opts.rollout.deadline_s = 1e6;
            m = run(in, &opts);
            expect_same(whole, m, "a million seconds");
            free(whole);
            free(m);
            /* passed at once: one iteration */
            opts.rollout.deadline_s = DBL_MIN;
            m = run(in, &opts);
            opts.rollout.deadline_s = 0.0;
            opts.rollout.max_iterations = 1;
            whole = run(in, &opts);
            expect_same(whole, m, "no time");
            assert_int_equal(m->status[RODS - 1].flag, limit ? RG_ROD_OK : RG_ROD_NOT_CONVERGED);
            assert_int_equal(m->status[RODS - 1].unfinished_steps, limit ? S : 0);
            free(whole);
            free(m);
            /* of a clock that the iterations move: read once before them and once after each */
            for (int iterations = 1; iterations <= 3; iterations++) {
                opts.rollout.deadline_s = iterations - 0.5;
                opts.rollout.max_iterations = 40;
                m = calloc(1, sizeof *m);
                (void)run_rods(in, 0, RODS, &opts, count_reads, m);
                opts.rollout.deadline_s = 0.0;
                opts.rollout.max_iterations = iterations;
                whole = run(in, &opts);
                expect_same(whole, m, "a counted clock");
                free(whole);
                free(m);
            }
        }
    }
    free(in);
}

/* ---- refusals ---- */

static void expect_refusal(const rg_batch_opts *opts, const char *word)
{
    rg_model *model = make_rope();
    rg_batch *batch = NULL;
    rg_error err = {0};
    assert_int_equal(rg_batch_create(model, 3, opts, &batch, &err), RG_ERR_ARGUMENT);
    if (!strstr(err.text, word)) fail_msg("\"%s\" does not say %s", err.text, word);
    assert_null(batch);
    rg_model_destroy(&model);
}

static void limit_refuses(void **state)
{
    const rg_batch_opts plain = options(RG_SCHEME_BDF2, RG_REAL_DOUBLE, NULL);
    static const double bad[] = {-1.0, NAN, INFINITY};
    rg_batch_opts o = plain;
    (void)state;
    o.rollout.at_limit = (rg_at_limit)2;
    expect_refusal(&o, "RG_LIMIT_CONTINUE");
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        o = plain;
        o.rollout.deadline_s = bad[k];
        expect_refusal(&o, "deadline_s");
    }
    for (int k = 0; k < 4; k++) {
        o = plain;
        if (k % 2) o.rollout.at_limit = RG_LIMIT_CONTINUE;
        else o.rollout.deadline_s = 0.1;
        if (k < 2) o.rollout.stepper = RG_STEPPER_DEFORM;
        else o.rollout.scheme = RG_SCHEME_STATIC;
        expect_refusal(&o, k < 2 ? "deform" : "static");
        expect_refusal(&o, k % 2 ? "continue" : "deadline_s");
    }
    o = plain;
    o.rollout.deadline_s = 0.1;
    if (on_gpu()) {
        expect_refusal(&o, "the CPU's");
        return;
    }
    o.adjoint = 1;
    expect_refusal(&o, "RG_STORE_ALL");
    /* that keeps every state */
    rg_model *model = make_rope();
    rg_batch *batch = NULL;
    rg_error err = {0};
    o.budget_bytes = RG_STORE_ALL;
    ok(rg_batch_create(model, 3, &o, &batch, &err), &err);
    rg_batch_destroy(&batch);
    rg_model_destroy(&model);
    for (int k = 0; k < 2; k++) {
        rg_at_limit found = RG_LIMIT_FREEZE;
        assert_true(rg_at_limit_find(rg_at_limit_name((rg_at_limit)k), &found) && (int)found == k);
    }
    assert_false(rg_at_limit_find("stop", &(rg_at_limit){RG_LIMIT_FREEZE}) || rg_at_limit_find(NULL, NULL));
    assert_string_equal(rg_at_limit_name((rg_at_limit)2), "unknown");
}

/* ---- derivatives ---- */

typedef struct gradients {
    double x0[RODS][V][3], v0[RODS][V][3], clamp_x[RODS][S][C][3], drag[RODS][V], stretch[RODS][E];
} gradients;

static double hash(size_t i) { return fmod(sin(12.9898 * (double)(i + 1)) * 43758.5453, 1.0); }

/* of sum x_bar x; NULL where there is no such instruction set */
static gradients *differentiate(const inputs *in, const rg_batch_opts *opts, rg_rod_status *statuses)
{
    gradients *g = calloc(1, sizeof *g);
    double *x_bar = calloc(RODS * S * V * 3, sizeof *x_bar);
    rg_model *model = make_rope();
    rg_batch *batch = NULL;
    rg_error err = {0};
    rg_adjoint_status back[RODS];
    const rg_batch_inputs at = rods_from(in, 0);
    rg_batch_gradients to = {.x0 = g->x0[0][0], .v0 = g->v0[0][0], .clamp_x = g->clamp_x[0][0][0]};
    const rg_batch_cotangents bar = {.x = x_bar};
    const rg_field_gradient fields[] = {{RG_DRAG, g->drag[0]}, {RG_STRETCH_STIFFNESS, g->stretch[0]}};
    to.fields = fields;
    to.n_fields = 2;
    for (size_t i = 0; i < RODS * S * V * 3; i++) x_bar[i] = hash(i);
    ok(rg_batch_create(model, RODS, opts, &batch, &err), &err);
    assert_int_equal(rg_batch_describe(batch).levels > 1, opts->budget_bytes == 0);
    ok(rg_batch_forward(batch, &at, NULL, statuses, &err), &err);
    ok(rg_batch_adjoint(batch, &bar, &to, back, &err), &err);
    for (size_t r = 0; r < RODS; r++) assert_int_equal(back[r].flag, RG_ROD_OK);
    rg_batch_destroy(&batch);
    rg_model_destroy(&model);
    free(x_bar);
    return g;
}

/* states that are kept, or made again from checkpoints, give the same bits: a step that ends at
 * its limit ends at the same place when it is run again */
static void limit_checkpoints(void **state)
{
    inputs *in = make_inputs(0.002, 0.008, 0);
    (void)state;
    for (int limit = 1; limit <= LIMIT; limit++) {
        rg_batch_opts opts = options(RG_SCHEME_BDF2, RG_REAL_DOUBLE, NULL);
        rg_rod_status status[RODS], again[RODS];
        opts.adjoint = 1;
        opts.rollout.max_iterations = limit;
        opts.rollout.at_limit = RG_LIMIT_CONTINUE;
        opts.budget_bytes = RG_STORE_ALL;
        gradients *g = differentiate(in, &opts, status);
        assert_true(status[RODS - 1].unfinished_steps > 1);
        opts.budget_bytes = 0;
        gradients *two = differentiate(in, &opts, again);
        assert_memory_equal(g, two, sizeof *g);
        for (size_t r = 0; r < RODS; r++) assert_true(same_status(&status[r], &again[r]));
        for (size_t i = 0; i < sizeof *g / sizeof(double); i++) assert_true(isfinite(((const double *)g)[i]));
        free(two);
        free(g);
    }
    free(in);
}

/* tangent and adjoint are each other's transpose where steps are not solved, and finite */
static void limit_transpose(void **state)
{
    inputs *in = make_inputs(0.002, 0.008, 0);
    (void)state;
    for (int limit = 1; limit <= LIMIT; limit++) {
        rg_batch_opts opts = options(RG_SCHEME_BDF2, RG_REAL_DOUBLE, NULL);
        rg_rod_status status[RODS];
        rg_model *model = make_rope();
        rg_batch *batch = NULL;
        rg_error err = {0};
        double *dx0 = calloc(RODS * V * 3, sizeof *dx0), *dv0 = calloc(RODS * V * 3, sizeof *dv0);
        double *dclamp = calloc(RODS * S * C * 3, sizeof *dclamp), *dx = calloc(RODS * S * V * 3, sizeof *dx);
        opts.adjoint = 1;
        opts.rollout.max_iterations = limit;
        opts.rollout.at_limit = RG_LIMIT_CONTINUE;
        gradients *g = differentiate(in, &opts, status);
        for (size_t i = 0; i < RODS * V * 3; i++) dx0[i] = 0.01 * hash(i + 77);
        for (size_t i = 0; i < RODS * V * 3; i++) dv0[i] = hash(i + 777);
        for (size_t i = 0; i < RODS * S * C * 3; i++) dclamp[i] = 0.01 * hash(i + 7777);
        const rg_batch_inputs at = rods_from(in, 0);
        const rg_batch_tangents by = {.x0 = dx0, .v0 = dv0, .clamp_x = dclamp};
        const rg_batch_tangent_outputs out = {.x = dx};
        ok(rg_batch_create(model, RODS, &opts, &batch, &err), &err);
        ok(rg_batch_jvp(batch, &at, &by, NULL, &out, status, &err), &err);
        for (size_t r = 0; r < RODS; r++) {
            double forward = 0.0, back = 0.0, size = 0.0;
            const size_t xs = S * V * 3, starts = V * 3, clamps = S * C * 3;
            const double *x0_bar = (const double *)g->x0[r], *v0_bar = (const double *)g->v0[r];
            const double *clamp_bar = (const double *)g->clamp_x[r];
            for (size_t i = 0; i < xs; i++) {
                const double term = hash(r * xs + i) * dx[r * xs + i];
                forward += term;
                size += fabs(term);
            }
            for (size_t i = 0; i < starts; i++)
                back += x0_bar[i] * dx0[r * starts + i] + v0_bar[i] * dv0[r * starts + i];
            for (size_t i = 0; i < clamps; i++) back += clamp_bar[i] * dclamp[r * clamps + i];
            /* rounding errors of a solve, of a Hessian whose condition is about 1e6 */
            if (!(fabs(forward - back) <= 1e-8 * size))
                fail_msg("%d iterations, rod %zu: forward %.12g, backward %.12g", limit, r, forward, back);
        }
        assert_true(status[RODS - 1].unfinished_steps > 0);
        rg_batch_destroy(&batch);
        rg_model_destroy(&model);
        free(dx0);
        free(dv0);
        free(dclamp);
        free(dx);
        free(g);
    }
    free(in);
}

/* the derivative where a step left little out of balance is near that of its solution, and nearer with less left */
static void limit_gradient_is_near(void **state)
{
    inputs *in = make_inputs(0.005, 0.0005, 0);
    rg_batch_opts opts = options(RG_SCHEME_BDF2, RG_REAL_DOUBLE, NULL);
    rg_rod_status status[RODS];
    double before = INFINITY;
    (void)state;
    opts.adjoint = 1;
    opts.rollout.tolerance_m = 1e-13;
    gradients *whole = differentiate(in, &opts, status);
    opts.rollout.at_limit = RG_LIMIT_CONTINUE;
    for (int limit = 1; limit <= 4; limit++) {
        opts.rollout.max_iterations = limit;
        gradients *g = differentiate(in, &opts, status);
        double off = 0.0, size = 0.0, force = 0.0;
        const double *a = (const double *)g, *b = (const double *)whole;
        for (size_t i = 0; i < sizeof *g / sizeof *a; i++) {
            off += (a[i] - b[i]) * (a[i] - b[i]);
            size += b[i] * b[i];
        }
        off = sqrt(off / size);
        for (size_t r = 0; r < RODS; r++) force = fmax(force, status[r].worst_residual_n);
        print_message("%d iterations: up to %.2g N out of balance, gradients off by %.2g\n", limit, force, off);
        if (!(off < 0.1 * before || off < 1e-9)) fail_msg("no nearer");
        before = off;
        free(g);
    }
    assert_true(before < 1e-8);
    free(whole);
    free(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limit_continues),        cmocka_unit_test(limit_nears_solution),
        cmocka_unit_test(limit_residual),         cmocka_unit_test(limit_residual_of_twist),
        cmocka_unit_test(limit_refused_trial),    cmocka_unit_test(limit_bits),
        cmocka_unit_test(limit_carried),          cmocka_unit_test(limit_other_failures),
        cmocka_unit_test(limit_deadline),         cmocka_unit_test(limit_refuses),
        cmocka_unit_test(limit_checkpoints),      cmocka_unit_test(limit_transpose),
        cmocka_unit_test(limit_gradient_is_near),
    };
    return cmocka_run_group_tests(tests, backend_open, backend_close);
}
