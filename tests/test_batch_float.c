/* test_batch_float.c: runs on arrays of floats (rodgrad/batch_float.h) against the same runs on arrays of doubles.
 *
 * Where both are given the same numbers, each float that comes out is the double that comes out, rounded: outputs,
 * tangents and gradients, of fields too, of every stepper, in double and in float, with every instruction set, of packs
 * that are full and not, of rods of several meshes, and of batches that go on. The tables of pack.h say which arrays
 * there are, so that none is left out. Then what only floats have: tolerances of directors that follow from their
 * rounding, no allocation, and on a GPU copies of half the size.
 * RODGRAD_TEST_BACKEND=cuda runs it on a GPU, with arrays of the host's and of the GPU's. */
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
#include "core/coefficients.h"
#include "core/context.h"
#include "counted_malloc.h"
#include "rods.h"

enum { RODS = 19, FRAMES = 4, SUBSTEPS = 2, STEPS = FRAMES * SUBSTEPS, EVERY = 4, DIRECTIONS = 2, MOST_ARRAYS = 160 };
static const float untouched = 4321.0f; /* what arrays of results are filled with */

static void ok(rg_status status, const rg_error *err)
{
    if (status != RG_OK) fail_msg("%s", err->text);
}

/* ---- types: a struct of the other kind does not compile ---- */

#define OF_FLOATS(member) _Generic((member), float * : 1, const float * : 1, default : 0)
#define CHECK(source, member)                                                                                          \
    _Static_assert(OF_FLOATS(((rg_batch_##source##_float *)0)->member), #source "." #member " is of floats");
#define CHECK_SERIES(name, rows, width, source, member, stage) CHECK(source, member)
#define CHECK_START(name, per, less, source, member, stage) CHECK(source, member)
RGI_PACK_SERIES(CHECK_SERIES)
RGI_PACK_STARTS_IN(CHECK_START)
RGI_PACK_STARTS_OUT(CHECK_START)
_Static_assert(OF_FLOATS(((rg_field_values_float *)0)->values), "fields are of floats");
_Static_assert(OF_FLOATS(((rg_field_gradient_float *)0)->values), "gradients of fields are of floats");

/* ---- all arrays of all calls, in both kinds ---- */

typedef struct array {
    const char *source, *member;
    int in; /* a run reads it */
    size_t count;
    double *d;
    float *f;
    void *there; /* the floats on a GPU, or NULL */
} array;

typedef struct arrays {
    rg_batch *batch;
    rgi_device *device; /* the floats are on it; NULL: on the host */
    array of[MOST_ARRAYS];
    size_t n;
    struct {
        rg_batch_inputs inputs;
        rg_batch_outputs outputs;
        rg_batch_tangents tangents;
        rg_batch_tangent_outputs tangent_outputs;
        rg_batch_cotangents cotangents;
        rg_batch_gradients gradients;
        rg_field_values values[2][RG_FIELD_COUNT];
        rg_field_gradient field_gradients[RG_FIELD_COUNT];
    } d;
    struct {
        rg_batch_inputs_float inputs;
        rg_batch_outputs_float outputs;
        rg_batch_tangents_float tangents;
        rg_batch_tangent_outputs_float tangent_outputs;
        rg_batch_cotangents_float cotangents;
        rg_batch_gradients_float gradients;
        rg_field_values_float values[2][RG_FIELD_COUNT];
        rg_field_gradient_float field_gradients[RG_FIELD_COUNT];
    } f;
} arrays;

static double rounded(double value) { return (double)(float)value; }

static size_t rows_of(int rows) { return rows == RGI_ROWS_STEPS ? STEPS : rows == RGI_ROWS_FRAMES ? FRAMES : 3; }

static int only_implicit(const char *member)
{
    return !strcmp(member, "tension") || !strcmp(member, "reaction") || !strcmp(member, "reaction_moment") ||
           !strcmp(member, "moment") || !strcmp(member, "energy");
}

static array *find(arrays *a, const char *source, const char *member)
{
    for (size_t i = 0; i < a->n; i++)
        if (!strcmp(a->of[i].source, source) && !strcmp(a->of[i].member, member)) return &a->of[i];
    fail_msg("no %s.%s", source, member);
    return NULL;
}

/* an array, to the byte, so that a sanitizer sees every step beyond; NULL where the batch has none of it */
static const array *add(arrays *a, const char *source, const char *member, size_t count)
{
    static const array none;
    const int deform = a->batch->opts.rollout.stepper == RG_STEPPER_DEFORM;
    if (count == 0 || (deform && only_implicit(member))) return &none;
    if (!strcmp(source, "tangents") || !strcmp(source, "tangent_outputs")) count *= DIRECTIONS;
    if (a->n == MOST_ARRAYS) fail_msg("more than %d arrays", MOST_ARRAYS);
    array *to = &a->of[a->n++];
    const array made = {source,
                        member,
                        !strcmp(source, "inputs") || !strcmp(source, "tangents") || !strcmp(source, "cotangents"),
                        count,
                        malloc(count * sizeof *to->d),
                        malloc(count * sizeof *to->f),
                        NULL};
    *to = made;
    rg_error err = {0};
    if (a->device) ok(rgi_device_allocate(a->device, count * sizeof *to->f, member, &to->there, &err), &err);
    if (!to->d || !to->f) abort();
    return to;
}

/* where the floats' caller has them */
static float *floats_of(const array *a) { return a->there ? a->there : a->f; }

static size_t field_numbers(const arrays *a, int field)
{
    const rg_field_info *info = rg_field_describe((rg_field)field);
    const rgi_placement *at = &a->batch->at;
    return at->n_rods * (size_t)info->components *
           (info->location == RG_PER_EDGE     ? at->vertices - 1
            : info->location == RG_PER_VERTEX ? at->vertices
                                              : at->markers);
}

static void make_arrays(arrays *a, int fields)
{
    const rgi_placement *b = &a->batch->at;
    const array *got;
#define MAKE(source, member, count)                                                                                    \
    got = add(a, #source, #member, count);                                                                             \
    a->d.source.member = got->d;                                                                                       \
    a->f.source.member = floats_of(got);
#define MAKE_SERIES(name, rows, width, source, member, stage)                                                          \
    MAKE(source, member, b->n_rods *rows_of(RGI_ROWS_##rows) * (width))
#define MAKE_START(name, per, less, source, member, stage)                                                             \
    MAKE(source, member, b->n_rods *(per) * (b->vertices - (less)))
    RGI_PACK_SERIES(MAKE_SERIES)
    RGI_PACK_STARTS_IN(MAKE_START)
    RGI_PACK_STARTS_OUT(MAKE_START)
    for (int field = 0; fields && field < RG_FIELD_COUNT; field++) {
        const char *name = rg_field_describe((rg_field)field)->name;
        const size_t count = field_numbers(a, field);
        /* in another order than the library's own */
        const int at = RG_FIELD_COUNT - 1 - field;
        got = add(a, "inputs", name, count);
        a->d.values[0][at] = (rg_field_values){(rg_field)field, got->d};
        a->f.values[0][at] = (rg_field_values_float){(rg_field)field, floats_of(got)};
        got = add(a, "tangents", name, count);
        a->d.values[1][at] = (rg_field_values){(rg_field)field, got->d};
        a->f.values[1][at] = (rg_field_values_float){(rg_field)field, floats_of(got)};
        got = add(a, "gradients", name, count);
        a->d.field_gradients[at] = (rg_field_gradient){(rg_field)field, got->d};
        a->f.field_gradients[at] = (rg_field_gradient_float){(rg_field)field, floats_of(got)};
    }
    if (fields) {
#define LIST_FIELDS(of)                                                                                                \
    of.inputs.fields = of.values[0], of.tangents.fields = of.values[1], of.gradients.fields = of.field_gradients;      \
    of.inputs.n_fields = of.tangents.n_fields = of.gradients.n_fields = RG_FIELD_COUNT;
        LIST_FIELDS(a->d)
        LIST_FIELDS(a->f)
    }
#define SIZE_OF(source)                                                                                                \
    a->d.source.struct_size = sizeof a->d.source;                                                                      \
    a->f.source.struct_size = sizeof a->f.source;
    SIZE_OF(inputs)
    SIZE_OF(outputs)
    SIZE_OF(tangents)
    SIZE_OF(tangent_outputs)
    SIZE_OF(cotangents)
    SIZE_OF(gradients)
    a->d.tangents.n_directions = a->f.tangents.n_directions = DIRECTIONS;
    a->d.gradients.growth_every = a->f.gradients.growth_every = EVERY;
}

static void free_arrays(arrays *a)
{
    for (size_t i = 0; i < a->n; i++) {
        free(a->of[i].d);
        free(a->of[i].f);
        if (a->of[i].there) rgi_device_free(a->device, a->of[i].there, a->of[i].count * sizeof(float));
    }
    a->n = 0;
}

/* the doubles' numbers into the floats, results untouched in both */
static void refresh(arrays *a)
{
    for (size_t i = 0; i < a->n; i++) {
        const array *p = &a->of[i];
        rg_error err = {0};
        for (size_t k = 0; k < p->count; k++) {
            if (!p->in) p->d[k] = (double)untouched;
            p->f[k] = (float)p->d[k];
            if (p->d[k] != (double)p->f[k]) fail_msg("%s.%s: %.17g is no float", p->source, p->member, p->d[k]);
        }
        if (p->there) ok(rgi_device_upload(a->device, p->there, p->f, p->count * sizeof *p->f, &err), &err);
    }
}

/* results of this struct: the doubles rounded, and not all of them nothing */
static void compare(const arrays *a, const char *source, const char *what)
{
    /* the deform stepper has fields that do nothing */
    const int zeros = a->batch->opts.rollout.stepper == RG_STEPPER_DEFORM && !strcmp(source, "gradients");
    size_t seen = 0;
    for (size_t i = 0; i < a->n; i++) {
        const array *p = &a->of[i];
        int any = 0;
        rg_error err = {0};
        if (strcmp(p->source, source) != 0) continue;
        if (p->there) ok(rgi_device_download(a->device, p->f, p->there, p->count * sizeof *p->f, &err), &err);
        if (p->there) ok(rgi_device_wait(a->device, &err), &err);
        for (size_t k = 0; k < p->count; k++) {
            const float expected = (float)p->d[k];
            any |= (expected != 0.0f || zeros) && expected != untouched;
            if (memcmp(&expected, &p->f[k], sizeof expected) != 0)
                fail_msg("%s: %s.%s[%zu] is %.9g, not %.17g rounded", what, source, p->member, k, (double)p->f[k],
                         p->d[k]);
        }
        if (!any) fail_msg("%s: %s.%s is zero or not written", what, source, p->member);
        seen++;
    }
    assert_true(seen > 0);
}

/* ---- rods ---- */

/* Straight rods along x, of vertices 1/32 m apart, which move with their clamps and turn about themselves: numbers that
 * are floats, but for directors, which are perpendicular whatever they are rounded to. The rest is random. */
static void fill_arrays(arrays *a, uint64_t seed)
{
    const rgi_placement *b = &a->batch->at;
    for (size_t i = 0; i < a->n; i++) {
        const array *p = &a->of[i];
        const double size = !strcmp(p->source, "cotangents") ? (only_implicit(p->member) ? 1e-3 : 1.0)
                            : !strcmp(p->member, "force")    ? 0.01
                                                             : 0.1;
        for (size_t k = 0; k < p->count; k++) p->d[k] = rounded(size * random_signed(&seed));
    }
    double *x0 = find(a, "inputs", "x0")->d, *m0 = find(a, "inputs", "m0")->d;
    double *clamp_x = find(a, "inputs", "clamp_x")->d, *clamp_m = find(a, "inputs", "clamp_m")->d;
    for (size_t rod = 0; rod < b->n_rods; rod++) {
        const rgi_shape *s = rgi_batch_shape_of(a->batch, rod);
        for (size_t i = 0; i < s->n; i++) {
            const double x[3] = {(double)i / 32.0, 0.25, (double)rod / 8.0}, m[3] = {0.0, 1.0, 0.0};
            memcpy(x0 + 3 * (rod * b->vertices + i), x, sizeof x);
            if (i + 1 < s->n) memcpy(m0 + 3 * (rod * (b->vertices - 1) + i), m, sizeof m);
        }
        for (size_t k = 0; k < STEPS; k++) {
            const double moved = (double)(k + 1) / 1024.0, turn = 0.02 * (double)(k + 1);
            const double m[3] = {0.0, rounded(cos(turn)), rounded(sin(turn))};
            for (size_t c = 0; c < s->n_fixed_x; c++) {
                double *to = clamp_x + 3 * ((rod * STEPS + k) * b->clamped + c);
                memcpy(to, x0 + 3 * (rod * b->vertices + (size_t)s->fixed_x[c]), 3 * sizeof *to);
                to[1] += moved;
            }
            for (size_t d = 0; d < s->n_fixed_theta; d++)
                memcpy(clamp_m + 3 * ((rod * STEPS + k) * b->held + d), m, sizeof m);
        }
    }
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        if (a->d.inputs.n_fields == 0) continue;
        const char *name = rg_field_describe((rg_field)field)->name;
        double *values = find(a, "inputs", name)->d, *along = find(a, "tangents", name)->d;
        const size_t row = field_numbers(a, field) / b->n_rods;
        for (size_t rod = 0; rod < b->n_rods; rod++) {
            const rg_model *model = rgi_batch_model_of(a->batch, rod);
            for (size_t k = 0; k < rgi_field_numbers(model, field); k++) {
                const double value = rg_model_field(model, (rg_field)field)[k];
                values[rod * row + k] = rounded(value * (1.0 + 0.01 * random_signed(&seed)));
                for (size_t q = 0; q < DIRECTIONS; q++)
                    along[(q * b->n_rods + rod) * row + k] = rounded(value * 0.1 * random_signed(&seed));
            }
        }
    }
    refresh(a);
}

static const int ends[] = {0, 1, 4, 5}, end[] = {0, 1}, none[] = {0};
static const struct {
    size_t markers, refine, n_clamps;
    const int *clamps;
} shapes[] = {{6, 1, 4, ends}, {4, 2, 2, end}, {7, 1, 0, none}};

/* where rods lie in turn: alike in a row, so that lanes of a pack are used, and not */
static size_t shape_of(size_t rod, int ragged) { return !ragged ? 0 : rod < 12 ? rod / 9 : rod % 3; }

static rg_batch *make_batch(rg_batch_opts o, int ragged)
{
    rg_model *models[RODS];
    rg_batch *batch = NULL;
    rg_error err = {0};
    for (size_t i = 0; i < RODS; i++) {
        const size_t s = shape_of(i, ragged);
        models[i] = rods_model(shapes[s].markers, shapes[s].refine, shapes[s].clamps, shapes[s].n_clamps, i + 1);
        double *length = rg_model_field_data(models[i], RG_REST_LENGTH);
        for (size_t k = 0; k + 1 < rg_model_vertices(models[i]); k++) length[k] = 1.0 / 32.0;
    }
    ok(rg_batch_create_ragged((const rg_model *const *)models, RODS, &o, &batch, &err), &err);
    for (size_t i = 0; i < RODS; i++) rg_model_destroy(&models[i]);
    return batch;
}

static rg_batch_opts options(int stepper)
{
    rg_batch_opts o = rg_batch_opts_default();
    o.rollout.stepper = stepper == 2 ? RG_STEPPER_DEFORM : RG_STEPPER_IMPLICIT;
    o.rollout.scheme = stepper == 1 ? RG_SCHEME_BDF2 : RG_SCHEME_BE;
    o.rollout.substeps = SUBSTEPS;
    o.rollout.context = backend;
    o.dt_s = 0.004;
    o.n_frames = FRAMES;
    o.directions = DIRECTIONS;
    return o;
}

/* ---- results are the doubles' rounded ---- */

static void same_statuses(const void *a, const void *b, size_t bytes, const char *what)
{
    if (memcmp(a, b, bytes) != 0) fail_msg("%s: statuses differ", what);
}

/* one may fail: it stops alike in both */
static void all_well(const rg_rod_status *s, const char *what)
{
    int failed = 0;
    for (size_t i = 0; i < RODS; i++) {
        failed += s[i].flag != RG_ROD_OK;
        if (failed > 1) fail_msg("%s: rod %zu: %s", what, i, rg_rod_flag_text(s[i].flag));
    }
}

/* tangents, a run forward and its adjoint, in doubles by `batch` and in floats by `other` */
static void compare_runs(arrays *a, rg_batch *batch, rg_batch *other, const char *what)
{
    rg_rod_status s[2][RODS];
    rg_adjoint_status back[2][RODS];
    rg_error err = {0};
    memset(s, 0, sizeof s);
    memset(back, 0, sizeof back);
    refresh(a);
    ok(rg_batch_jvp(batch, &a->d.inputs, &a->d.tangents, &a->d.outputs, &a->d.tangent_outputs, s[0], &err), &err);
    ok(rg_batch_jvp_float(other, &a->f.inputs, &a->f.tangents, &a->f.outputs, &a->f.tangent_outputs, s[1], &err), &err);
    all_well(s[0], what);
    same_statuses(s[0], s[1], sizeof s[0], what);
    compare(a, "outputs", what);
    compare(a, "tangent_outputs", what);
    refresh(a);
    ok(rg_batch_forward(batch, &a->d.inputs, &a->d.outputs, s[0], &err), &err);
    ok(rg_batch_forward_float(other, &a->f.inputs, &a->f.outputs, s[1], &err), &err);
    same_statuses(s[0], s[1], sizeof s[0], what);
    compare(a, "outputs", what);
    ok(rg_batch_adjoint(batch, &a->d.cotangents, &a->d.gradients, back[0], &err), &err);
    ok(rg_batch_adjoint_float(other, &a->f.cotangents, &a->f.gradients, back[1], &err), &err);
    same_statuses(back[0], back[1], sizeof back[0], what);
    compare(a, "gradients", what);
}

static void compare_way(rg_batch_opts o, int ragged, const char *what)
{
    rg_batch *batch = make_batch(o, ragged);
    for (int there = 0; there < (rgi_context_device(backend) ? 2 : 1); there++) {
        rg_batch_opts own = o;
        own.memory = there ? RG_MEMORY_DEVICE : RG_MEMORY_HOST;
        rg_batch *other = there ? make_batch(own, ragged) : batch;
        arrays a = {.batch = batch, .device = there ? rgi_context_device(backend) : NULL};
        make_arrays(&a, ragged); /* fields go with several meshes */
        fill_arrays(&a, 7);
        compare_runs(&a, batch, other, what);
        if (there) rg_batch_destroy(&other);
        free_arrays(&a);
    }
    rg_batch_destroy(&batch);
}

static void batch_float_parity(void **state)
{
    (void)state;
    const int on_gpu = rgi_context_device(backend) != NULL;
    /* the shim is slow: there each stepper once */
    for (int stepper = on_gpu; stepper < 3; stepper++)
        for (int real = 0; real < 2; real++)
            for (int ragged = 0; ragged < 2; ragged++)
                for (const char *const *isa = rgi_cpu_isas; *isa; isa++) {
                    rg_batch_opts o = options(stepper);
                    char what[96];
                    o.rollout.real = real ? RG_REAL_FLOAT : RG_REAL_DOUBLE;
                    o.rollout.isa = on_gpu ? NULL : *isa;
                    snprintf(what, sizeof what, "stepper %d, real %d, ragged %d, %s", stepper, real, ragged, *isa);
                    if (on_gpu ? isa == rgi_cpu_isas : rgi_cpu_find(*isa, o.rollout.real) != NULL)
                        compare_way(o, ragged, what);
                }
}

/* every run's kind is its own: an adjoint in the other kind than its run */
static void batch_float_takes_turns(void **state)
{
    (void)state;
    rg_batch *batch = make_batch(options(1), 1);
    arrays a = {.batch = batch};
    rg_error err = {0};
    make_arrays(&a, 1);
    fill_arrays(&a, 11);
    ok(rg_batch_forward_float(batch, &a.f.inputs, &a.f.outputs, NULL, &err), &err);
    ok(rg_batch_adjoint(batch, &a.d.cotangents, &a.d.gradients, NULL, &err), &err);
    ok(rg_batch_forward(batch, &a.d.inputs, &a.d.outputs, NULL, &err), &err);
    ok(rg_batch_adjoint_float(batch, &a.f.cotangents, &a.f.gradients, NULL, &err), &err);
    compare(&a, "outputs", "in turns");
    compare(&a, "gradients", "in turns");
    free_arrays(&a);
    rg_batch_destroy(&batch);
}

/* two runs of a batch that goes on, with rods reset between them */
static void batch_float_carry(void **state)
{
    (void)state;
    for (int stepper = 0; stepper < 3; stepper++)
        for (int real = 0; real < 2; real++) {
            rg_batch_opts o = options(stepper);
            rg_batch *batch[2];
            rg_error err = {0};
            unsigned char mask[RODS] = {0};
            o.adjoint = 0;
            o.carry_on = 1;
            o.rollout.real = real ? RG_REAL_FLOAT : RG_REAL_DOUBLE;
            for (int k = 0; k < 2; k++) batch[k] = make_batch(o, 1);
            arrays a = {.batch = batch[0]};
            make_arrays(&a, 0);
            fill_arrays(&a, 13);
            for (int run = 0; run < 3; run++) {
                refresh(&a);
                ok(rg_batch_forward(batch[0], &a.d.inputs, &a.d.outputs, NULL, &err), &err);
                ok(rg_batch_forward_float(batch[1], &a.f.inputs, &a.f.outputs, NULL, &err), &err);
                compare(&a, "outputs", "a batch that goes on");
                for (size_t i = 0; i < RODS; i++) mask[i] = i % 3 == 0;
                for (int k = 0; k < 2; k++) ok(rg_batch_reset(batch[k], mask, &err), &err);
            }
            free_arrays(&a);
            for (int k = 0; k < 2; k++) rg_batch_destroy(&batch[k]);
        }
}

/* prescribed directors that are carried */
static void batch_float_directors(void **state)
{
    (void)state;
    rg_batch *batch = make_batch(options(1), 1);
    arrays a = {.batch = batch};
    rg_error err = {0};
    make_arrays(&a, 0);
    fill_arrays(&a, 17);
    const array *to = find(&a, "inputs", "clamp_m");
    for (size_t i = 0; i < to->count; i++) {
        to->d[i] = (double)untouched;
        to->f[i] = untouched;
    }
    ok(rg_batch_carry_directors(batch, a.d.inputs.m0, a.d.inputs.x0, a.d.inputs.clamp_x, to->d, &err), &err);
    ok(rg_batch_carry_directors_float(batch, a.f.inputs.m0, a.f.inputs.x0, a.f.inputs.clamp_x, to->f, &err), &err);
    compare(&a, "inputs", "carried");
    free_arrays(&a);
    rg_batch_destroy(&batch);
}

/* ---- directors and edges that were rounded ---- */

enum { VERTICES = 9 };
#define LENGTH 0.01 /* of an edge [m] */

/* one curved rod, held at two vertices, so far from the origin in every coordinate */
typedef struct one {
    rg_batch *batch;
    double x0[3 * VERTICES], v0[3 * VERTICES], m0[3 * (VERTICES - 1)];
    double clamp_x[STEPS * 6], clamp_m[STEPS * 3], x[FRAMES * 3 * VERTICES];
    float f_x0[3 * VERTICES], f_v0[3 * VERTICES], f_m0[3 * (VERTICES - 1)];
    float f_clamp_x[STEPS * 6], f_clamp_m[STEPS * 3], f_x[FRAMES * 3 * VERTICES];
    rg_batch_inputs d;
    rg_batch_inputs_float f;
} one;

static void to_floats(const double *from, size_t n, float *to)
{
    for (size_t i = 0; i < n; i++) to[i] = (float)from[i];
}
static void to_doubles(const float *from, size_t n, double *to)
{
    for (size_t i = 0; i < n; i++) to[i] = (double)from[i];
}

static void round_one(one *o)
{
    to_floats(o->x0, 3 * VERTICES, o->f_x0);
    to_floats(o->v0, 3 * VERTICES, o->f_v0);
    to_floats(o->m0, 3 * (VERTICES - 1), o->f_m0);
    to_floats(o->clamp_x, STEPS * 6, o->f_clamp_x);
    to_floats(o->clamp_m, STEPS * 3, o->f_clamp_m);
}

static void make_one(one *o, double far)
{
    rg_batch_opts opts = options(1);
    rg_model *model = rods_model(VERTICES, 1, end, 2, 3);
    rg_error err = {0};
    memset(o, 0, sizeof *o);
    opts.rollout.context = NULL;
    for (size_t i = 0; i + 1 < VERTICES; i++) rg_model_field_data(model, RG_REST_LENGTH)[i] = LENGTH;
    ok(rg_batch_create(model, 1, &opts, &o->batch, &err), &err);
    rg_model_destroy(&model);
    for (size_t i = 0; i < VERTICES; i++) {
        const double turn = 0.2 * (double)i, tilt = 0.6;
        const double to[3] = {cos(tilt) * cos(turn), cos(tilt) * sin(turn), sin(tilt)};
        for (size_t c = 0; c < 3; c++) {
            o->x0[3 * i + c] = i == 0 ? far * (double)(c + 1) : o->x0[3 * i - 3 + c] + LENGTH * to[c];
            o->v0[3 * i + c] = 0.05 * sin((double)(3 * i + c));
        }
    }
    ok(rg_directors_along(o->x0, VERTICES, NULL, o->m0, &err), &err);
    for (size_t k = 0; k < STEPS; k++) {
        memcpy(o->clamp_x + 6 * k, o->x0, 6 * sizeof(double));
        memcpy(o->clamp_m + 3 * k, o->m0, 3 * sizeof(double));
    }
    round_one(o);
    const rg_batch_inputs d = {.x0 = o->x0, .v0 = o->v0, .m0 = o->m0, .clamp_x = o->clamp_x, .clamp_m = o->clamp_m};
    const rg_batch_inputs_float f = {
        .x0 = o->f_x0, .v0 = o->f_v0, .m0 = o->f_m0, .clamp_x = o->f_clamp_x, .clamp_m = o->f_clamp_m};
    o->d = d;
    o->f = f;
}

static void run_doubles(one *o)
{
    const rg_batch_outputs out = {.x = o->x};
    rg_error err = {0};
    ok(rg_batch_forward(o->batch, &o->d, &out, NULL, &err), &err);
}
static void run_floats(one *o)
{
    const rg_batch_outputs_float out = {.x = o->f_x};
    rg_error err = {0};
    ok(rg_batch_forward_float(o->batch, &o->f, &out, NULL, &err), &err);
}
static void refuses(one *o, const char *words)
{
    rg_error err = {0};
    assert_int_equal(rg_batch_forward_float(o->batch, &o->f, NULL, NULL, &err), RG_ERR_VALUE);
    if (!strstr(err.text, words)) fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static void batch_float_rounding(void **state)
{
    (void)state;
    one o;
    rg_error err = {0};
    /* a few metres away, where rounding turns edges of 1 cm by up to 4e-5 */
    make_one(&o, 1.0);
    run_floats(&o);
    to_doubles(o.f_x0, 3 * VERTICES, o.x0);
    to_doubles(o.f_m0, 3 * (VERTICES - 1), o.m0);
    assert_int_equal(rg_batch_forward(o.batch, &o.d, NULL, NULL, &err), RG_ERR_VALUE);
    /* beyond what rounding can do */
    const double share = 0x1p-24 * 2.0 * sqrt(14.0) / LENGTH;
    for (size_t c = 0; c < 3; c++) o.f_m0[3 + c] += (float)(1.5 * share * (o.x0[6 + c] - o.x0[3 + c]) / LENGTH);
    refuses(&o, "edge 1 of rod 0");
    rg_batch_destroy(&o.batch);
    make_one(&o, 1.0);
    for (size_t c = 0; c < 3; c++) o.f_clamp_m[6 + c] += (float)(1.5 * share * (o.x0[3 + c] - o.x0[c]) / LENGTH);
    refuses(&o, "step 2, clamped edge 0");
    rg_batch_destroy(&o.batch);
    make_one(&o, 1.0);
    for (size_t c = 0; c < 3; c++) o.f_m0[9 + c] *= 1.00001f;
    refuses(&o, "edge 3 of rod 0");
    rg_batch_destroy(&o.batch);
    /* near the origin directors have no more room than doubles have */
    make_one(&o, 1e-4);
    run_floats(&o);
    for (size_t c = 0; c < 3; c++) o.f_m0[c] += (float)(3e-6 * (o.x0[3 + c] - o.x0[c]) / LENGTH);
    refuses(&o, "edge 0 of rod 0");
    rg_batch_destroy(&o.batch);
    /* so far away that edges are lost, and at one place */
    make_one(&o, 1000.0);
    refuses(&o, "move the origin");
    memcpy(o.f_x0 + 3, o.f_x0, 3 * sizeof *o.f_x0);
    refuses(&o, "at one place");
    o.f_x0[4] = NAN;
    refuses(&o, "not finite");
    rg_batch_destroy(&o.batch);
}

/* Directors are used as they are: what that does is small against what rounding the positions does. */
static void batch_float_rounding_value(void **state)
{
    (void)state;
    one o;
    double exact[FRAMES * 3 * VERTICES], off = 0.0, by_directors = 0.0;
    make_one(&o, 1.0);
    run_doubles(&o);
    memcpy(exact, o.x, sizeof exact);
    run_floats(&o);
    for (size_t i = 0; i < FRAMES * 3 * VERTICES; i++) off = fmax(off, fabs((double)o.f_x[i] - exact[i]));
    /* the positions as they were rounded, with directors across their edges, and with the rounded ones */
    double y[2][FRAMES * 3 * VERTICES];
    to_doubles(o.f_x0, 3 * VERTICES, o.x0);
    to_doubles(o.f_v0, 3 * VERTICES, o.v0);
    to_doubles(o.f_clamp_x, STEPS * 6, o.clamp_x);
    for (int k = 0; k < 2; k++) {
        const rg_batch_outputs out = {.x = y[k]};
        const rgi_batch_arrays of = {.inputs = &o.d, .outputs = &out};
        rg_error err = {0};
        to_doubles(o.f_m0, 3 * (VERTICES - 1), o.m0);
        to_doubles(o.f_clamp_m, STEPS * 3, o.clamp_m);
        for (size_t e = 0; k == 0 && e + 1 < VERTICES + STEPS; e++) {
            double *m = e + 1 < VERTICES ? o.m0 + 3 * e : o.clamp_m + 3 * (e + 1 - VERTICES);
            const double *x = e + 1 < VERTICES ? o.x0 + 3 * e : o.clamp_x + 6 * (e + 1 - VERTICES);
            double t[3], along = 0.0, length = 0.0, size = 0.0;
            for (int c = 0; c < 3; c++) length += (x[3 + c] - x[c]) * (x[3 + c] - x[c]);
            for (int c = 0; c < 3; c++) t[c] = (x[3 + c] - x[c]) / sqrt(length);
            for (int c = 0; c < 3; c++) along += t[c] * m[c];
            for (int c = 0; c < 3; c++) m[c] -= along * t[c];
            for (int c = 0; c < 3; c++) size += m[c] * m[c];
            for (int c = 0; c < 3; c++) m[c] /= sqrt(size);
        }
        ok(rgi_tape_run(o.batch->own, &of, NULL, &err), &err);
    }
    for (size_t i = 0; i < FRAMES * 3 * VERTICES; i++) by_directors = fmax(by_directors, fabs(y[1][i] - y[0][i]));
    print_message("floats move vertices by %.2g m, directors off their edges by %.2g m\n", off, by_directors);
    /* not nothing, or the test would not see them */
    assert_true(by_directors > 0.0);
    if (!(by_directors < 0.05 * off)) fail_msg("directors move vertices by %g m of %g m", by_directors, off);
    rg_batch_destroy(&o.batch);
}

/* ---- memory ---- */

static void batch_float_allocates_once(void **state)
{
    (void)state;
    if (rgi_context_device(backend)) skip();
    rg_batch_opts o = options(1);
    o.rollout.threads = 1;
    rg_batch *batch = make_batch(o, 1);
    arrays a = {.batch = batch};
    make_arrays(&a, 1);
    fill_arrays(&a, 23);
    rg_error err = {0};
    size_t calls = counted.calls;
    rg_batch_inputs_float plain = a.f.inputs;
    plain.n_fields = 0;
    ok(rg_batch_forward_float(batch, &plain, &a.f.outputs, NULL, &err), &err);
    assert_int_equal(counted.calls, calls);
    for (int run = 0; run < 2; run++) {
        calls = counted.calls;
        ok(rg_batch_jvp_float(batch, &a.f.inputs, &a.f.tangents, &a.f.outputs, &a.f.tangent_outputs, NULL, &err), &err);
        ok(rg_batch_adjoint_float(batch, &a.f.cotangents, &a.f.gradients, NULL, &err), &err);
        assert_true(run == 0 ? counted.calls > calls : counted.calls == calls);
    }
    free_arrays(&a);
    rg_batch_destroy(&batch);
}

/* a GPU's copies of the host's arrays */
static void batch_float_copies(void **state)
{
    (void)state;
    if (!rgi_context_device(backend)) skip();
    size_t bytes[2];
    for (int floats = 0; floats < 2; floats++) {
        rg_batch *batch = make_batch(options(1), 0);
        arrays a = {.batch = batch};
        rg_error err = {0};
        make_arrays(&a, 0);
        fill_arrays(&a, 29);
        const size_t before = rg_batch_describe(batch).total_bytes;
        if (floats) {
            ok(rg_batch_forward_float(batch, &a.f.inputs, &a.f.outputs, NULL, &err), &err);
            ok(rg_batch_adjoint_float(batch, &a.f.cotangents, &a.f.gradients, NULL, &err), &err);
        } else {
            ok(rg_batch_forward(batch, &a.d.inputs, &a.d.outputs, NULL, &err), &err);
            ok(rg_batch_adjoint(batch, &a.d.cotangents, &a.d.gradients, NULL, &err), &err);
        }
        bytes[floats] = rg_batch_describe(batch).total_bytes - before;
        free_arrays(&a);
        rg_batch_destroy(&batch);
    }
    assert_true(bytes[0] > 0);
    assert_int_equal(bytes[0], 2 * bytes[1]);
}

/* what a caller of other headers has, lists that say a field twice, and fields in the wrong memory */
static void batch_float_structs_err(void **state)
{
    (void)state;
    rg_error err = {0};
    rg_batch_opts o = options(1);
    if (rgi_context_device(backend)) o.memory = RG_MEMORY_DEVICE;
    rg_batch *batch = make_batch(o, 0);
    arrays a = {.batch = batch, .device = rgi_context_device(backend)};
    make_arrays(&a, 1);
    fill_arrays(&a, 37);
    rg_batch_inputs_float in = a.f.inputs;
    in.struct_size = 12;
    assert_int_equal(rg_batch_forward_float(batch, &in, NULL, NULL, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "rg_batch_inputs_float is 12"));
    struct {
        rg_batch_inputs_float known;
        size_t more;
    } newer = {.known = a.f.inputs, .more = 1};
    newer.known.struct_size = sizeof newer;
    assert_int_equal(rg_batch_forward_float(batch, &newer.known, NULL, NULL, &err), RG_ERR_UNSUPPORTED);
    newer.more = 0;
    newer.known.n_fields = 0;
    ok(rg_batch_forward_float(batch, &newer.known, &a.f.outputs, NULL, &err), &err);
    in = a.f.inputs;
    a.f.values[0][1].field = a.f.values[0][0].field;
    assert_int_equal(rg_batch_forward_float(batch, &in, NULL, NULL, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "twice"));
    /* a field in the wrong memory */
    if (a.device) {
        float *const there = floats_of(find(&a, "inputs", rg_field_describe(a.f.values[0][0].field)->name));
        a.f.values[0][0].values = find(&a, "inputs", rg_field_describe(a.f.values[0][0].field)->name)->f;
        in.n_fields = 1;
        assert_int_equal(rg_batch_forward_float(batch, &in, NULL, NULL, &err), RG_ERR_ARGUMENT);
        assert_non_null(strstr(err.text, "the host's memory"));
        a.f.values[0][0].values = there;
        ok(rg_batch_forward_float(batch, &in, NULL, NULL, &err), &err);
    }
    free_arrays(&a);
    rg_batch_destroy(&batch);
}

static void batch_float_bad_input_err(void **state)
{
    (void)state;
    rg_error err = {0};
    rg_batch *batch = make_batch(options(2), 0);
    arrays a = {.batch = batch};
    make_arrays(&a, 1);
    fill_arrays(&a, 31);
    assert_int_equal(rg_batch_forward_float(NULL, &a.f.inputs, NULL, NULL, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_tape_forward_float(NULL, &a.f.inputs, NULL, NULL, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_batch_forward_float(batch, NULL, NULL, NULL, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_batch_jvp_float(batch, &a.f.inputs, NULL, NULL, NULL, NULL, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_batch_adjoint_float(batch, &a.f.cotangents, NULL, NULL, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_batch_adjoint_float(batch, &a.f.cotangents, &a.f.gradients, NULL, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "no run"));
    const rg_batch_outputs_float tension = {.tension = a.f.outputs.x};
    assert_int_equal(rg_batch_forward_float(batch, &a.f.inputs, &tension, NULL, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "deform"));
    /* a field out of its range */
    const size_t row = field_numbers(&a, RG_REST_LENGTH) / RODS;
    find(&a, "inputs", rg_field_describe(RG_REST_LENGTH)->name)->f[7 * row + 2] = -1.0f;
    assert_int_equal(rg_batch_forward_float(batch, &a.f.inputs, NULL, NULL, &err), RG_ERR_VALUE);
    assert_non_null(strstr(err.text, "rod 7"));
    assert_non_null(strstr(err.text, "entry 2"));
    free_arrays(&a);
    rg_batch_destroy(&batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_float_parity),         cmocka_unit_test(batch_float_takes_turns),
        cmocka_unit_test(batch_float_carry),          cmocka_unit_test(batch_float_directors),
        cmocka_unit_test(batch_float_rounding),       cmocka_unit_test(batch_float_rounding_value),
        cmocka_unit_test(batch_float_allocates_once), cmocka_unit_test(batch_float_copies),
        cmocka_unit_test(batch_float_structs_err),    cmocka_unit_test(batch_float_bad_input_err),
    };
    return cmocka_run_group_tests(tests, backend_open, backend_close);
}
