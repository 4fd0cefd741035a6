/* test_structs.c: structs of callers that were compiled against older and newer headers, and lists of fields.
 *
 * A caller of another version is played by bytes: a struct as those headers would lay it out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/structs.h"
#include "rodgrad/rodgrad.h"

enum { MORE = 3 }; /* members of size_t that newer headers have at the end */

/* a struct in its first version and a later one */
typedef struct first_version {
    size_t struct_size;
    double a;
} first_version;
typedef struct later_version {
    size_t struct_size;
    double a, b;
} later_version;

static const rgi_struct later = {"later_version", sizeof(later_version), RGI_SIZE_UP_TO(later_version, a), 0};

static void structs_grow(void **state)
{
    (void)state;
    rg_error err = {0};
    first_version old = {sizeof old, 2.0};
    later_version own = {sizeof own, 0.0, 7.0};
    /* what an older caller lacks keeps its default; 0 stands for the first version */
    for (int k = 0; k < 2; k++) {
        own.a = 0.0;
        old.struct_size = k ? 0 : sizeof old;
        assert_int_equal(rgi_struct_take(&later, &old, &own, &err), RG_OK);
        assert_true(own.a == 2.0 && own.b == 7.0 && own.struct_size == sizeof own);
    }
    /* defaults reach as far as the caller's struct does */
    first_version fresh[2] = {{sizeof *fresh, 0.0}, {99, -1.0}};
    rgi_struct_give(&later, &own, &fresh[0]);
    assert_true(fresh[0].a == 2.0 && fresh[0].struct_size == sizeof *fresh && fresh[1].struct_size == 99);
    /* sizes that there are not */
    static const size_t bad[] = {1, 8, 12, 17, 25, 5000, SIZE_MAX, SIZE_MAX - 7};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        old.struct_size = bad[k];
        if (rgi_struct_take(&later, &old, &own, &err) != RG_ERR_ARGUMENT) fail_msg("a size of %zu is taken", bad[k]);
        assert_non_null(strstr(err.text, "struct_size of a later_version"));
    }
}

/* a newer caller's options of batches, with more members in the options of rollouts that lie in it and at its end */
typedef struct newer_opts {
    rg_batch_opts all; /* as far as its rollout's members go, which end at `end` */
    char rest[sizeof(rg_batch_opts)];
} newer_opts;

static size_t *newer_make(const rg_batch_opts *from, void *room)
{
    const size_t at = offsetof(rg_batch_opts, rollout), inner = sizeof from->rollout, end = at + inner;
    const size_t more = MORE * sizeof(size_t), sizes[] = {sizeof *from + 2 * more, inner + more};
    char *bytes = memset(room, 0, sizeof(newer_opts));
    memcpy(bytes, from, end);
    memcpy(bytes + end + more, (const char *)from + end, sizeof *from - end);
    memcpy(bytes, &sizes[0], sizeof *sizes);
    memcpy(bytes + at, &sizes[1], sizeof *sizes);
    return (size_t *)(void *)(bytes + end);
}

static void structs_newer_options(void **state)
{
    (void)state;
    rg_error err = {0};
    rg_model *model = NULL;
    rg_batch *batch = NULL;
    newer_opts room;
    const void *given = &room;
    static const int clamps[] = {0};
    rg_batch_opts o = rg_batch_opts_default();
    assert_int_equal(rg_model_create(5, 1, clamps, 1, &model, &err), RG_OK);
    o.rollout.substeps = 3;
    o.n_frames = 7;
    o.carry_on = 1;
    o.adjoint = 0;
    size_t *extra = newer_make(&o, &room);
    if (rg_batch_create(model, 2, given, &batch, &err) != RG_OK) fail_msg("%s", err.text);
    /* members behind the options of rollouts are found */
    const unsigned char mask[] = {1, 0};
    assert_int_equal(rg_batch_reset(batch, mask, &err), RG_OK);
    assert_int_equal(rg_batch_describe(batch).levels, 0);
    rg_batch_destroy(&batch);
    /* what is not known may not be asked for, wherever it is */
    for (int k = 0; k < 2; k++) {
        extra = newer_make(&o, &room);
        size_t *at = k ? (size_t *)(void *)((char *)&room + *(size_t *)(void *)&room) - 1 : &extra[MORE - 1];
        *at = 1;
        assert_int_equal(rg_batch_create(model, 2, given, &batch, &err), RG_ERR_UNSUPPORTED);
        assert_non_null(strstr(err.text, k ? "rg_batch_opts" : "rg_rollout_opts"));
        assert_null(batch);
    }
    /* default options into a newer caller's struct: what is behind them stays */
    extra = newer_make(&o, &room);
    extra[0] = 5;
    rg_batch_opts_init((rg_batch_opts *)(void *)&room);
    assert_int_equal(extra[0], 5);
    extra[0] = 0;
    if (rg_batch_create(model, 2, given, &batch, &err) != RG_OK) fail_msg("%s", err.text);
    assert_int_not_equal(rg_batch_describe(batch).levels, 0); /* adjoint = 1 is the default */
    rg_batch_destroy(&batch);
    /* a size that leaves no room for the rest */
    newer_make(&o, &room);
    *(size_t *)(void *)&room = sizeof(rg_batch_opts);
    assert_int_equal(rg_batch_create(model, 2, given, &batch, &err), RG_ERR_ARGUMENT);
    rg_model_destroy(&model);
}

enum { MARKERS = 5, EDGES = MARKERS - 1 };

/* a straight rod that hangs on one marker, and what a run of one step does with it */
typedef struct rod {
    rg_batch *batch;
    double x0[MARKERS][3], v0[MARKERS][3], m0[EDGES][3], clamp_x[3], x[MARKERS][3], drag[MARKERS], bar[MARKERS][3];
} rod;

static void make(rod *r)
{
    rg_error err = {0};
    rg_model *model = NULL;
    static const int clamps[] = {0};
    memset(r, 0, sizeof *r);
    for (int i = 0; i < MARKERS; i++) {
        r->x0[i][0] = 0.25 * i;
        r->drag[i] = 3.0;
        r->bar[i][2] = 1.0;
        if (i < EDGES) r->m0[i][2] = 1.0;
    }
    assert_int_equal(rg_model_create(MARKERS, 1, clamps, 1, &model, &err), RG_OK);
    assert_int_equal(rg_batch_create(model, 1, NULL, &r->batch, &err), RG_OK);
    rg_model_destroy(&model);
}

static rg_batch_inputs inputs_of(const rod *r)
{
    return (rg_batch_inputs){.x0 = r->x0[0], .v0 = r->v0[0], .m0 = r->m0[0], .clamp_x = r->clamp_x};
}

static double fall(rod *r, const rg_batch_inputs *in)
{
    rg_error err = {0};
    const rg_batch_outputs out = {.struct_size = sizeof out, .x = r->x[0]};
    if (rg_batch_forward(r->batch, in, &out, NULL, &err) != RG_OK) fail_msg("%s", err.text);
    return r->x[MARKERS - 1][2];
}

static void structs_newer_calls(void **state)
{
    (void)state;
    rg_error err = {0};
    rod r;
    make(&r);
    struct {
        rg_batch_inputs known;
        size_t unknown;
    } newer = {inputs_of(&r), 0};
    const double expected = fall(&r, &newer.known);
    assert_true(expected < -1e-5);
    newer.known.struct_size = sizeof newer;
    assert_true(fall(&r, &newer.known) == expected);
    newer.unknown = 1;
    const rg_batch_outputs out = {.x = r.x[0]};
    memset(r.x, 0, sizeof r.x);
    assert_int_equal(rg_batch_forward(r.batch, &newer.known, &out, NULL, &err), RG_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "rg_batch_inputs"));
    assert_true(r.x[MARKERS - 1][0] == 0.0); /* nothing was run */
    rg_batch_destroy(&r.batch);
}

static void structs_field_lists(void **state)
{
    (void)state;
    rg_error err = {0};
    rod r;
    make(&r);
    rg_batch_inputs in = inputs_of(&r);
    const double plain = fall(&r, &in);
    /* one field among the inputs; an entry without values is none */
    const rg_field_values list[] = {{RG_DRAG, r.drag}, {RG_REST_LENGTH, NULL}};
    in.fields = list;
    in.n_fields = 2;
    assert_true(fall(&r, &in) > plain);
    in.n_fields = 0;
    assert_true(fall(&r, &in) == plain);
    static const struct {
        rg_field field[2];
        size_t n;
        int missing;
        const char *word;
    } bad[] = {{{RG_DRAG, RG_DRAG}, 2, 0, "drag is twice"},
               {{RG_FIELD_COUNT, RG_DRAG}, 1, 0, "none of rg_field"},
               {{RG_DRAG, (rg_field)-1}, 2, 0, "none of rg_field"},
               {{RG_DRAG, RG_DRAG}, 3, 1, "n_fields"}};
    const rg_batch_outputs out = {.x = r.x[0]};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        double space[2][MARKERS];
        const rg_field_values values[] = {{bad[k].field[0], r.drag}, {bad[k].field[1], r.drag}};
        const rg_field_gradient to[] = {{bad[k].field[0], space[0]}, {bad[k].field[1], space[1]}};
        rg_batch_inputs wrong = inputs_of(&r);
        wrong.fields = bad[k].missing ? NULL : values;
        wrong.n_fields = bad[k].n;
        assert_int_equal(rg_batch_forward(r.batch, &wrong, &out, NULL, &err), RG_ERR_ARGUMENT);
        assert_non_null(strstr(err.text, bad[k].word));
        assert_non_null(strstr(err.text, "inputs"));
        const rg_batch_inputs good = inputs_of(&r);
        const rg_batch_tangents along = {.fields = wrong.fields, .n_fields = bad[k].n};
        const rg_batch_tangent_outputs moved = {.x = r.x[0]};
        assert_int_equal(rg_batch_jvp(r.batch, &good, &along, &out, &moved, NULL, &err), RG_ERR_ARGUMENT);
        assert_non_null(strstr(err.text, bad[k].word));
        assert_non_null(strstr(err.text, "tangents"));
        (void)fall(&r, &good);
        const rg_batch_cotangents from = {.x = r.bar[0]};
        const rg_batch_gradients gradients = {.fields = bad[k].missing ? NULL : to, .n_fields = bad[k].n};
        assert_int_equal(rg_batch_adjoint(r.batch, &from, &gradients, NULL, &err), RG_ERR_ARGUMENT);
        assert_non_null(strstr(err.text, bad[k].word));
        assert_non_null(strstr(err.text, "gradients"));
    }
    rg_batch_destroy(&r.batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(structs_grow),
        cmocka_unit_test(structs_newer_options),
        cmocka_unit_test(structs_newer_calls),
        cmocka_unit_test(structs_field_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
