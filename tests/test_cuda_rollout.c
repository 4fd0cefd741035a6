/* test_cuda_rollout.c: what must not change a bit of what a GPU's kernels give: the order in which threads
 * and blocks run, a rod's place among others and their number, which states are kept, whose memory arrays are
 * in, where a step's work lies, and a run that is cut in two.
 *
 * What needs the pretended hardware of the CPU shim (tests/shim) is skipped elsewhere. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/context.h"
#include "directions.h"
#include "test_cuda_scene.h"

enum { DIRECTIONS = 3 };

static rg_context *gpu;

static void all_equal(const grad_scene *s, const result *a, const result *b, const char *what)
{
    for (size_t i = 0; i < s->rods; i++)
        if (results_differ(s, a, i, b, i) != 0)
            fail_msg("%s, %s: rod %zu of %zu has other bits", what, rg_real_name(s->opts.rollout.real), i, s->rods);
}

/* ---- threads and blocks ---- */

static void rollout_order_bitwise(void **state)
{
    (void)state;
    if (!gpu || !ON_SHIM) skip();
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++)
        for (way which = GPU_DOUBLE; which < WAYS; which++) {
            grad_scene *s = grad_scene_sized(stepper, GRAD_MIXED, 11, 5, 2, 9, 1, 0x0d);
            grad_vector d = grad_vector_random(s, 2);
            grad_outputs bar = grad_outputs_random(s, 3);
            result forward = make_result(s), reverse = make_result(s);
            setenv("RODGRAD_SHIM_ORDER", "forward", 1);
            run_way(s, which, gpu, &d, &bar, &forward);
            setenv("RODGRAD_SHIM_ORDER", "reverse", 1);
            run_way(s, which, gpu, &d, &bar, &reverse);
            unsetenv("RODGRAD_SHIM_ORDER");
            well(s, &forward);
            all_equal(s, &forward, &reverse, "threads in reverse");
            grad_scene_free(s);
        }
}

/* ---- the batch ---- */

static void rollout_place_bitwise(void **state)
{
    /* alone, in another place, twice, and in a second block of eight */
    static const size_t picks[][17] = {
        {3}, {8, 0, 5}, {2, 2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 7, 6, 5, 4, 3, 2, 1}};
    static const size_t counts[] = {1, 3, 4, 17};
    (void)state;
    if (!gpu) skip();
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++)
        for (way which = GPU_DOUBLE; which < WAYS; which++) {
            grad_scene *s = grad_scene_sized(stepper, GRAD_ENDS, 9, 5, 1, 7, 1, 0x91a);
            grad_vector d = grad_vector_random(s, 2);
            grad_outputs bar = grad_outputs_random(s, 3);
            result all = make_result(s);
            run_way(s, which, gpu, &d, &bar, &all);
            well(s, &all);
            for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
                grad_scene *few = grad_scene_pick(s, picks[k], counts[k]);
                grad_vector d_few = grad_vector_zero(few);
                grad_outputs bar_few = grad_outputs_zero(few);
                result r = make_result(few);
                for (size_t i = 0; i < counts[k]; i++) {
                    grad_vector_copy(s, &d, picks[k][i], &d_few, i);
                    grad_outputs_copy(s, &bar, picks[k][i], &bar_few, i);
                }
                run_way(few, which, gpu, &d_few, &bar_few, &r);
                for (size_t i = 0; i < counts[k]; i++)
                    if (results_differ(s, &all, picks[k][i], &r, i) != 0)
                        fail_msg("%s, %s: rod %zu has other bits as number %zu of %zu", way_names[which],
                                 grad_stepper_name(stepper), picks[k][i], i, counts[k]);
                grad_scene_free(few);
            }
            grad_scene_free(s);
        }
}

static void rollout_plans_bitwise(void **state)
{
    (void)state;
    if (!gpu) skip();
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++)
        for (way which = GPU_DOUBLE; which < WAYS; which++) {
            grad_scene *s = grad_scene_sized(stepper, GRAD_POINT, 2, 67, 1, 5, 1, 0x91b);
            grad_vector d = grad_vector_random(s, 2);
            grad_outputs bar = grad_outputs_random(s, 3);
            result all = make_result(s), other = make_result(s);
            s->opts.budget_bytes = RG_STORE_ALL;
            run_way(s, which, gpu, &d, &bar, &all);
            const rg_batch_plan whole = rg_batch_describe(s->batch);
            assert_int_equal(whole.levels, 1);
            unsigned seen = 0;
            rg_batch *probe;
            for (size_t share = 100; share > 0; share--) {
                s->opts.budget_bytes = whole.kept_bytes * share / 100 - 1;
                if (rg_batch_create(s->models[0], s->rods, &s->opts, &probe, NULL) != RG_OK) break;
                const int levels = rg_batch_describe(probe).levels;
                rg_batch_destroy(&probe);
                if (seen & 1u << levels) continue;
                seen |= 1u << levels;
                run_way(s, which, gpu, &d, &bar, &other);
                all_equal(s, &all, &other, "checkpoints");
            }
            s->opts.budget_bytes = 0;
            run_way(s, which, gpu, &d, &bar, &other);
            all_equal(s, &all, &other, "two levels of checkpoints");
            if (!(seen & 1u << 2) || !(seen & 1u << 3)) fail_msg("plans of 2 and 3 levels: %#x", seen);
            grad_scene_free(s);
        }
}

/* ---- memory ---- */

/* no room in shared memory for eight rods, for two, for one: fewer teams to a block, then global memory */
static void rollout_shared_memory_bitwise(void **state)
{
    static const char *const limits[] = {"60000", "20000", "6000"};
    (void)state;
    if (!gpu || !ON_SHIM) skip();
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++)
        for (way which = GPU_DOUBLE; which < WAYS; which++) {
            grad_scene *s = grad_scene_sized(stepper, GRAD_ENDS, 9, 4, 1, 13, 1, 0x5ed);
            grad_vector d = grad_vector_random(s, 2);
            grad_outputs bar = grad_outputs_random(s, 3);
            result all = make_result(s), other = make_result(s);
            run_way(s, which, gpu, &d, &bar, &all);
            for (size_t k = 0; k < sizeof limits / sizeof *limits; k++) {
                setenv("RODGRAD_SHIM_SHARED", limits[k], 1);
                rg_context *small = gpu_context();
                run_way(s, which, small, &d, &bar, &other);
                all_equal(s, &all, &other, limits[k]);
                rg_batch_destroy(&s->batch);
                rg_context_destroy(&small);
                unsetenv("RODGRAD_SHIM_SHARED");
            }
            grad_scene_free(s);
        }
}

/* arrays of a GPU that hold what the host's do */
typedef struct copies {
    rgi_device *device;
    struct {
        void *memory;
        double *host;
        size_t bytes;
    } at[160];
    size_t n;
} copies;

static double *copy_of(copies *c, const double *host, size_t count)
{
    rg_error err = {0};
    if (!host || count == 0) return NULL;
    assert_true(c->n < sizeof c->at / sizeof *c->at);
    c->at[c->n].bytes = count * sizeof *host;
    c->at[c->n].host = (double *)(uintptr_t)host;
    if (rgi_device_allocate(c->device, c->at[c->n].bytes, "a test", &c->at[c->n].memory, &err) != RG_OK ||
        rgi_device_upload(c->device, c->at[c->n].memory, host, c->at[c->n].bytes, &err) != RG_OK)
        fail_msg("%s", err.text);
    return c->at[c->n++].memory;
}

/* everything back where it came from, inputs too: they must be as they were */
static void bring_back(copies *c)
{
    rg_error err = {0};
    for (size_t i = 0; i < c->n; i++)
        if (rgi_device_download(c->device, c->at[i].host, c->at[i].memory, c->at[i].bytes, &err) != RG_OK)
            fail_msg("%s", err.text);
    if (rgi_device_wait(c->device, &err) != RG_OK) fail_msg("%s", err.text);
    for (size_t i = 0; i < c->n; i++) rgi_device_free(c->device, c->at[i].memory, c->at[i].bytes);
    c->n = 0;
}

/* inputs of the host's in the GPU's memory */
static rg_batch_inputs inputs_there(grad_scene *s, copies *c, const rg_batch_inputs *from)
{
    const size_t n = s->vertices;
    rg_batch_inputs in = {.x0 = copy_of(c, from->x0, s->rods * 3 * n),
                          .v0 = copy_of(c, from->v0, s->rods * 3 * n),
                          .m0 = copy_of(c, from->m0, s->rods * 3 * (n - 1)),
                          .clamp_x = copy_of(c, from->clamp_x, s->rods * s->count[GRAD_CLAMP_X]),
                          .clamp_m = copy_of(c, from->clamp_m, s->rods * 3 * s->count[GRAD_CLAMP_TURN]),
                          .force = copy_of(c, from->force, s->rods * s->count[GRAD_FORCE])};
    if (from->n_fields == 0) return in;
    const double *values[RG_FIELD_COUNT];
    for (int f = 0; f < RG_FIELD_COUNT; f++)
        values[f] = copy_of(c, from->fields[f].values, s->rods * s->count[GRAD_FIELD + f]);
    grad_list_fields(&in, values);
    return in;
}

/* several directions with arrays of the GPU against those of the host */
static void directions_there(grad_scene *s, const rg_batch_inputs *from, const grad_outputs *host)
{
    copies there_are = {.device = rgi_context_device(gpu)}, *c = &there_are;
    const rg_batch_inputs in = inputs_there(s, c, from);
    const grad_vector d = directions_random(s, DIRECTIONS, 4);
    const grad_outputs there = directions_outputs(s, DIRECTIONS);
    const size_t n = s->vertices, all = DIRECTIONS * s->rods * s->opts.n_frames;
    grad_vector d_there;
    rg_error err = {0};
    for (int k = 0; k < GRAD_KINDS; k++) d_there.of[k] = copy_of(c, d.of[k], DIRECTIONS * s->rods * s->count[k]);
    const rg_batch_tangents t = directions_tangents(&d_there, GRAD_ALL, DIRECTIONS);
    const rg_batch_tangent_outputs to = {.x = copy_of(c, there.x, all * 3 * n),
                                         .v = copy_of(c, there.v, all * 3 * n),
                                         .turn = copy_of(c, there.turn, all * (n - 1)),
                                         .markers = copy_of(c, there.markers, all * 3 * s->markers),
                                         .tension = copy_of(c, there.tension, all * (n - 1)),
                                         .reaction = copy_of(c, there.reaction, all * 3 * s->clamped),
                                         .reaction_moment = copy_of(c, there.reaction_moment, all * s->held),
                                         .moment = copy_of(c, there.moment, all * 3 * n),
                                         .energy = copy_of(c, there.energy, all * 5)};
    if (rg_batch_jvp(s->batch, &in, &t, NULL, &to, NULL, &err) != RG_OK) fail_msg("%s", err.text);
    bring_back(c);
    for (size_t i = 0; i < DIRECTIONS * s->rods; i++)
        if (grad_outputs_differ(s, host, i, &there, i)) fail_msg("directions: row %zu has other bits", i);
}

/* run_open with arrays of the GPU that hold what these do */
static void run_device(grad_scene *s, const rg_batch_inputs *from, const grad_vector *d, const grad_outputs *bar,
                       const result *there)
{
    const size_t n = s->vertices, all = s->rods * s->opts.n_frames;
    copies c = {.device = rgi_context_device(gpu)};
#define COPY(array, count) copy_of(&c, array, count)
#define FORCES(array, row) (array ? COPY(array, all * (row)) : NULL)
    const rg_batch_inputs in = inputs_there(s, &c, from);
    double *numbers = grad_alloc(s, s->rods * RG_STATUS_NUMBERS);
    const rg_batch_outputs out = {.x = COPY(there->out.x, all * 3 * n),
                                  .v = COPY(there->out.v, all * 3 * n),
                                  .m = COPY(there->out.m, all * 3 * (n - 1)),
                                  .markers = COPY(there->out.markers, all * 3 * s->markers),
                                  .tension = FORCES(there->out.tension, n - 1),
                                  .reaction = FORCES(there->out.reaction, 3 * s->clamped),
                                  .reaction_moment = FORCES(there->out.reaction_moment, s->held),
                                  .moment = FORCES(there->out.moment, 3 * n),
                                  .energy = FORCES(there->out.energy, 5),
                                  .status = COPY(numbers, s->rods * RG_STATUS_NUMBERS)};
    const rg_batch_tangent_outputs d_out = {.x = COPY(there->d_out.x, all * 3 * n),
                                            .v = COPY(there->d_out.v, all * 3 * n),
                                            .turn = COPY(there->d_out.turn, all * (n - 1)),
                                            .markers = COPY(there->d_out.markers, all * 3 * s->markers),
                                            .tension = FORCES(there->d_out.tension, n - 1),
                                            .reaction = FORCES(there->d_out.reaction, 3 * s->clamped),
                                            .reaction_moment = FORCES(there->d_out.reaction_moment, s->held),
                                            .moment = FORCES(there->d_out.moment, 3 * n),
                                            .energy = FORCES(there->d_out.energy, 5)};
    const rg_batch_cotangents b = {.x = COPY(bar->x, all * 3 * n),
                                   .v = COPY(bar->v, all * 3 * n),
                                   .turn = COPY(bar->turn, all * (n - 1)),
                                   .markers = COPY(bar->markers, all * 3 * s->markers),
                                   .tension = FORCES(bar->tension, n - 1),
                                   .reaction = FORCES(bar->reaction, 3 * s->clamped),
                                   .reaction_moment = FORCES(bar->reaction_moment, s->held),
                                   .moment = FORCES(bar->moment, 3 * n),
                                   .energy = FORCES(bar->energy, 5)};
#undef COPY
#undef FORCES
    grad_vector d_there, g_there;
    for (int k = 0; k < GRAD_KINDS; k++) {
        d_there.of[k] = copy_of(&c, d->of[k], s->rods * s->count[k]);
        g_there.of[k] = copy_of(&c, there->g.of[k], s->rods * s->count[k]);
    }
    const rg_batch_tangents t = grad_tangents(&d_there, GRAD_ALL);
    const rg_batch_gradients g = grad_gradients(&g_there, GRAD_ALL);
    rg_error err = {0};
    if (rg_batch_jvp(s->batch, &in, &t, &out, &d_out, there->d_status, &err) != RG_OK ||
        rg_batch_forward(s->batch, &in, &out, there->status, &err) != RG_OK ||
        rg_batch_adjoint(s->batch, &b, &g, there->back, &err) != RG_OK)
        fail_msg("%s", err.text);
    bring_back(&c);
    for (size_t i = 0; i < s->rods; i++) grad_same_status(numbers + i * RG_STATUS_NUMBERS, &there->status[i]);
}

static void rollout_device_memory_bitwise(void **state)
{
    (void)state;
    if (!gpu) skip();
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++)
        for (way which = GPU_DOUBLE; which < WAYS; which++) {
            grad_scene *s = grad_scene_sized(stepper, GRAD_MIXED, 3, 4, 2, 9, 1, 0xde7);
            grad_vector d = grad_vector_random(s, 2);
            grad_outputs bar = grad_outputs_random(s, 3);
            result host = make_result(s), there = make_result(s);
            const rg_batch_inputs in = grad_inputs(s);
            s->opts.directions = DIRECTIONS;
            run_way(s, which, gpu, &d, &bar, &host);
            const grad_outputs along = directions_outputs(s, DIRECTIONS);
            const grad_vector several = directions_random(s, DIRECTIONS, 4);
            const rg_batch_tangents host_t = directions_tangents(&several, GRAD_ALL, DIRECTIONS);
            const rg_batch_tangent_outputs host_to = grad_batch_tangent_outputs(&along);
            rg_error err = {0};
            if (rg_batch_jvp(s->batch, &in, &host_t, NULL, &host_to, NULL, &err) != RG_OK) fail_msg("%s", err.text);
            s->opts.memory = RG_MEMORY_DEVICE;
            grad_scene_open(s);
            run_device(s, &in, &d, &bar, &there);
            all_equal(s, &host, &there, "arrays of the GPU");
            directions_there(s, &in, &along);
            grad_scene_free(s);
        }
}

/* ---- fields ---- */

/* Fields in the inputs are as good as models, of all fields and of every other one, in the host's memory and in the
 * GPU's; rod 1 is so stiff that a step of the deform stepper is too long, and its status says by how much. */
static void rollout_fields_bitwise(void **state)
{
    enum { RODS = 3 };
    (void)state;
    if (!gpu) skip();
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++)
        for (way which = GPU_DOUBLE; which < WAYS; which++)
            for (int part = 0; part < 2; part++) {
                grad_scene *s = grad_scene_sized(stepper, GRAD_MIXED, RODS, 4, 2, 9, 1, 0xf1e);
                grad_scene *other = grad_scene_sized(stepper, GRAD_MIXED, RODS, 4, 2, 9, 1, 0x0f2);
                const grad_vector d = grad_vector_random(s, 2);
                const grad_outputs bar = grad_outputs_random(s, 3);
                const rg_batch_inputs plain = grad_inputs(s);
                rg_batch_inputs in = plain;
                rg_error err = {0};
                for (int f = RG_BEND_STIFFNESS_1; stepper == GRAD_DEFORM && f <= RG_BEND_STIFFNESS_2; f++)
                    for (size_t i = 0; i < s->vertices; i++)
                        rg_model_field_data(other->models[1], (rg_field)f)[i] *= 1e5;
                rg_field_values *list = grad_give_fields(s, other, &in);
                for (int f = 0; f < RG_FIELD_COUNT; f++) {
                    if (!part || f == RG_REST_LENGTH || (f >= RG_BEND_STIFFNESS_1 && f <= RG_BEND_COUPLING)) continue;
                    if (f % 2) list[f].values = NULL;
                    for (size_t i = 0; f % 2 && i < RODS; i++)
                        memcpy(rg_model_field_data(other->models[i], (rg_field)f),
                               rg_model_field(s->models[i], (rg_field)f), s->count[GRAD_FIELD + f] * sizeof(double));
                }
                result wanted = make_result(s), host = make_result(s), there = make_result(s), after = make_result(s);
                result before = make_result(s);
                way_options(&s->opts.rollout, which, gpu);
                grad_scene_open(s);
                run_open(s, &plain, &d, &bar, &before);
                for (size_t i = 0; i < RODS; i++)
                    if (rg_batch_set_model(s->batch, i, other->models[i], &err) != RG_OK) fail_msg("%s", err.text);
                run_open(s, &plain, &d, &bar, &wanted);
                if (stepper == GRAD_DEFORM) assert_true(wanted.status[1].stable_step_s > 0.0);
                grad_scene_open(s);
                run_open(s, &in, &d, &bar, &host);
                all_equal(s, &wanted, &host, "fields of the host");
                run_open(s, &plain, &d, &bar, &after);
                all_equal(s, &before, &after, "models after fields");
                s->opts.memory = RG_MEMORY_DEVICE;
                grad_scene_open(s);
                run_device(s, &in, &d, &bar, &there);
                all_equal(s, &wanted, &there, "fields of the GPU");
                grad_scene_free(s);
                grad_scene_free(other);
            }
}

/* A rod with a field out of its range, which the host cannot see, fails where it starts, says so, and has gradients of
 * zero; the others are as they were, and so is the rod with good fields again. */
static void rollout_bad_field(void **state)
{
    enum { RODS = 5, BAD = 2 };
    static const struct {
        rg_field field;
        size_t entry;
        double value;
        int vertex;
    } faults[] = {{RG_REST_LENGTH, 3, -1.0, 3},
                  {RG_MARKER_OFFSET, 11, NAN, 5},
                  {RG_BEND_COUPLING, 4, 1.0, 4},
                  {RG_BEND_MEMORY_TIME, 8, 0.0, 8}};
    (void)state;
    if (!gpu) skip();
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++)
        for (way which = GPU_DOUBLE; which < WAYS; which++)
            for (size_t k = 0; k < sizeof faults / sizeof *faults; k++) {
                grad_scene *s = grad_scene_sized(stepper, GRAD_ENDS, RODS, 3, 2, 9, 1, 0xbad);
                const grad_vector d = grad_vector_random(s, 2);
                const grad_outputs bar = grad_outputs_random(s, 3);
                const size_t count = s->count[GRAD_FIELD + faults[k].field], row = 3 * s->vertices;
                rg_batch_inputs in = grad_inputs(s), bad;
                result good = make_result(s), r = make_result(s), again = make_result(s);
                grad_give_fields(s, s, &in);
                bad = in;
                rg_field_values *list = grad_give_fields(s, s, &bad);
                double *values = grad_alloc(s, RODS * count);
                memcpy(values, list[faults[k].field].values, RODS * count * sizeof *values);
                values[BAD * count + faults[k].entry] = faults[k].value;
                list[faults[k].field].values = values;
                way_options(&s->opts.rollout, which, gpu);
                s->opts.memory = RG_MEMORY_DEVICE;
                grad_scene_open(s);
                run_device(s, &in, &d, &bar, &good);
                well(s, &good);
                run_device(s, &bad, &d, &bar, &r);
                for (size_t i = 0; i < RODS; i++)
                    if (i != BAD && results_differ(s, &good, i, &r, i)) fail_msg("fault %zu: rod %zu differs", k, i);
                const rg_rod_status *both[] = {&r.status[BAD], &r.d_status[BAD]};
                for (int j = 0; j < 2; j++) {
                    assert_int_equal(both[j]->flag, RG_ROD_BAD_FIELD);
                    assert_int_equal(both[j]->step, 0);
                    assert_int_equal(both[j]->vertex, faults[k].vertex);
                    assert_int_equal(both[j]->iterations, 0);
                }
                assert_int_equal(r.back[BAD].flag, RG_ROD_OK);
                for (size_t f = 0; f < s->opts.n_frames; f++)
                    for (size_t i = 0; i < row; i++) {
                        const double at = r.out.x[(BAD * s->opts.n_frames + f) * row + i], x0 = s->x0[BAD * row + i];
                        assert_true(which == GPU_FLOAT ? at == (double)(float)x0 : at == x0);
                    }
                for (int kind = 0; kind < GRAD_KINDS; kind++)
                    for (size_t i = 0; i < s->count[kind]; i++) {
                        const double g = r.g.of[kind][BAD * s->count[kind] + i];
                        assert_true(kind >= GRAD_CLAMP_X ? g == 0.0 : isfinite(g));
                    }
                run_device(s, &in, &d, &bar, &again);
                all_equal(s, &good, &again, "good fields again");
                grad_scene_free(s);
            }
}

/* ---- a run that goes on ---- */

/* frames [begin, begin + n) of arrays [rods][frames][row] */
static void cut(double *to, const double *from, size_t rods, size_t frames, size_t begin, size_t n, size_t row)
{
    for (size_t i = 0; i < rods; i++) memcpy(to + i * n * row, from + (i * frames + begin) * row, n * row * sizeof *to);
}

/* two runs of three frames are one of six; rod 1, reset, starts once more in the third */
static void rollout_carry_on_bitwise(void **state)
{
    enum { RODS = 3, HALF = 3, SUBSTEPS = 2 };
    (void)state;
    if (!gpu) skip();
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++)
        for (way which = GPU_DOUBLE; which < WAYS; which++) {
            grad_scene *s = grad_scene_sized(stepper, GRAD_ENDS, RODS, 2 * HALF, SUBSTEPS, 7, 1, 0xca);
            const size_t row = 3 * s->vertices, steps = s->steps, n = s->opts.n_frames;
            grad_outputs whole = grad_outputs_zero(s);
            s->opts.adjoint = 0;
            way_options(&s->opts.rollout, which, gpu);
            grad_scene_open(s);
            grad_forward(s, &whole);

            s->opts.n_frames = HALF;
            s->opts.carry_on = 1;
            grad_scene_open(s);
            double *clamp_x = grad_alloc(s, RODS * steps * 3 * s->clamped), *x = grad_alloc(s, RODS * HALF * row);
            double *clamp_m = grad_alloc(s, RODS * steps * 3 * s->held), *force = grad_alloc(s, RODS * steps * row);
            double *part = grad_alloc(s, RODS * HALF * row);
            const rg_batch_inputs in = {
                .x0 = s->x0, .v0 = s->v0, .m0 = s->m0, .clamp_x = clamp_x, .clamp_m = clamp_m, .force = force};
            const rg_batch_outputs out = {.x = x};
            rg_error err = {0};
            for (size_t run = 0; run < 3; run++) {
                /* the third has the first one's inputs; but rod 1 goes on from the end */
                const size_t begin = run == 1 ? HALF : 0;
                const unsigned char mask[RODS] = {0, 1, 0};
                cut(clamp_x, s->clamp_x, RODS, steps, begin * SUBSTEPS, HALF * SUBSTEPS, 3 * s->clamped);
                cut(clamp_m, s->clamp_m, RODS, steps, begin * SUBSTEPS, HALF * SUBSTEPS, 3 * s->held);
                cut(force, s->force, RODS, steps, begin * SUBSTEPS, HALF * SUBSTEPS, row);
                cut(part, whole.x, RODS, n, begin, HALF, row);
                if (run == 2 && rg_batch_reset(s->batch, mask, &err) != RG_OK) fail_msg("%s", err.text);
                if (rg_batch_forward(s->batch, &in, &out, NULL, &err) != RG_OK) fail_msg("%s", err.text);
                for (size_t i = 0; i < RODS; i++) {
                    const int same = memcmp(x + i * HALF * row, part + i * HALF * row, HALF * row * sizeof *x) == 0;
                    if (same != (run < 2 || i == 1))
                        fail_msg("%s, %s, run %zu: rod %zu", way_names[which], grad_stepper_name(stepper), run, i);
                }
            }
            grad_scene_free(s);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rollout_order_bitwise),         cmocka_unit_test(rollout_place_bitwise),
        cmocka_unit_test(rollout_plans_bitwise),         cmocka_unit_test(rollout_shared_memory_bitwise),
        cmocka_unit_test(rollout_device_memory_bitwise), cmocka_unit_test(rollout_carry_on_bitwise),
        cmocka_unit_test(rollout_fields_bitwise),        cmocka_unit_test(rollout_bad_field),
    };
    gpu = gpu_context();
    int failed = cmocka_run_group_tests_name("cuda_rollout", tests, NULL, NULL);
    rg_context_destroy(&gpu);
    return failed;
}
