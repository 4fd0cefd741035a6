/* test_host_memory.c: what is made with a context has its memory from the context's allocator: all of it, in blocks of
 * the sizes that come back, asked for by the calling thread alone; and where the allocator has none, calls fail with
 * RG_ERR_MEMORY and keep nothing.
 *
 * The linker leads the C library's allocations of the program and of librodgrad to counted_malloc.c. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "counted_malloc.h"
#include "fits.h"
#include "grad_scene.h"

void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *memory);

/* ---- the allocator ---- */

enum { MOST_BLOCKS = 512 };

typedef struct host {
    struct {
        void *memory;
        size_t bytes;
    } blocks[MOST_BLOCKS];
    size_t n_blocks, live, calls,
        refuse; /* refuse > 0: the allocation of this number, and with refuse_rest all after it */
    int refuse_rest, wrong;
    pthread_t caller;
} host;

static void *host_allocate(void *user, size_t bytes, size_t alignment)
{
    host *h = user;
    h->calls++;
    if (alignment < _Alignof(max_align_t) || alignment & (alignment - 1) || !pthread_equal(h->caller, pthread_self()))
        h->wrong++;
    if (h->refuse && (h->calls == h->refuse || (h->refuse_rest && h->calls > h->refuse))) return NULL;
    if (h->n_blocks == MOST_BLOCKS) return NULL;
    void *memory = __real_aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (!memory) return NULL;
    memset(memory, 0xa5, bytes);
    h->blocks[h->n_blocks].memory = memory;
    h->blocks[h->n_blocks++].bytes = bytes;
    h->live += bytes;
    return memory;
}

static void host_release(void *user, void *memory, size_t bytes)
{
    host *h = user;
    size_t i = 0;
    if (!pthread_equal(h->caller, pthread_self())) h->wrong++;
    while (i < h->n_blocks && h->blocks[i].memory != memory) i++;
    if (i == h->n_blocks || h->blocks[i].bytes != bytes) {
        h->wrong++;
        return;
    }
    h->live -= bytes;
    h->blocks[i] = h->blocks[--h->n_blocks];
    __real_free(memory);
}

static rg_context *open_context(host *h)
{
    rg_context_opts opts = rg_context_opts_default();
    rg_context *context = NULL;
    rg_error err = {0};
    memset(h, 0, sizeof *h);
    h->caller = pthread_self();
    opts.host_allocate = host_allocate;
    opts.host_release = host_release;
    opts.user = h;
    if (rg_context_create(&opts, &context, &err) != RG_OK) fail_msg("%s", err.text);
    assert_int_equal(h->calls, 0);
    return context;
}

static void close_context(host *h, rg_context **context)
{
    rg_context_destroy(context);
    assert_int_equal(h->n_blocks, 0);
    assert_int_equal(h->live, 0);
    assert_int_equal(h->wrong, 0);
}

/* ---- a batch's life ---- */

enum { RODS = 11, FRAMES = 6 };

typedef struct life {
    grad_scene *scene;
    grad_vector direction, g;
    grad_outputs bar, out, d_out;
    double *fields; /* [RODS][V] that its tape's run has among its inputs */
    rg_batch_plan plan;
    size_t planned_for; /* bytes that the allocator has given then */
} life;

static life life_make(int stepper, rg_context *context)
{
    life l = {.scene = grad_scene_make(stepper, GRAD_MIXED, RODS, FRAMES, 2, 17)};
    l.scene->opts.rollout.context = context;
    l.scene->opts.rollout.threads = 2;
    l.direction = grad_vector_random(l.scene, 18);
    l.g = grad_vector_zero(l.scene);
    l.bar = grad_outputs_random(l.scene, 19);
    l.out = grad_outputs_zero(l.scene);
    l.d_out = grad_outputs_zero(l.scene);
    l.fields = grad_alloc(l.scene, RODS * l.scene->vertices);
    for (size_t i = 0; i < RODS * l.scene->vertices; i++) l.fields[i] = 1e-3 + 1e-5 * (double)(i % 7);
    return l;
}

/* a batch of models of every rod's own, a tape, and all runs of it; h NULL: malloc's */
static rg_status life_run(life *l, const host *h, rg_error *err)
{
    const rg_model *models[RODS];
    const grad_scene *s = l->scene;
    rg_batch_inputs in = grad_inputs(s);
    const rg_batch_tangents t = grad_tangents(&l->direction, GRAD_ALL);
    const rg_batch_outputs to = grad_batch_outputs(&l->out);
    const rg_batch_tangent_outputs dto = grad_batch_tangent_outputs(&l->d_out);
    const rg_batch_cotangents bar = grad_cotangents(&l->bar);
    const rg_batch_gradients g = grad_gradients(&l->g, GRAD_ALL);
    rg_batch *batch = NULL;
    rg_tape *tape = NULL;
    const rg_field_values fields[] = {{RG_BEND_STIFFNESS_2, l->fields}};
    in.fields = fields;
    in.n_fields = 1;
    for (int i = 0; i < RODS; i++) models[i] = s->models[i];
    rg_status status = rg_batch_create_ragged(models, RODS, &s->opts, &batch, err);
    if (status == RG_OK) l->plan = rg_batch_describe(batch);
    if (status == RG_OK && h) l->planned_for = h->live;
    if (status == RG_OK) status = rg_batch_set_model(batch, 1, s->models[2], err);
    if (status == RG_OK) status = rg_tape_create(batch, NULL, &tape, err);
    if (status == RG_OK) status = rg_tape_jvp(tape, &in, &t, &to, &dto, NULL, err);
    if (status == RG_OK) status = rg_tape_forward(tape, &in, &to, NULL, err);
    if (status == RG_OK) status = rg_tape_adjoint(tape, &bar, &g, NULL, err);
    if (status == RG_OK) status = rg_batch_forward(batch, &in, &to, NULL, err);
    rg_tape_destroy(&tape);
    rg_batch_destroy(&batch);
    return status;
}

/* nothing comes from malloc, no bit changes, and the plan knows how much it is */
static void memory_of_batch(void **state)
{
    (void)state;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++) {
        host h;
        rg_error err = {0};
        rg_context *context = open_context(&h);
        life with = life_make(stepper, context), without = life_make(stepper, NULL);
        if (life_run(&without, NULL, &err) != RG_OK) fail_msg("%s", err.text);
        const size_t calls = counted.calls, live = counted.live;
        if (life_run(&with, &h, &err) != RG_OK) fail_msg("%s", err.text);
        assert_int_equal(counted.calls, calls);
        assert_int_equal(counted.live, live);
        assert_true(h.calls > 20);
        for (size_t i = 0; i < RODS; i++) {
            assert_int_equal(grad_outputs_differ(with.scene, &with.out, i, &without.out, i), 0);
            assert_int_equal(grad_outputs_differ(with.scene, &with.d_out, i, &without.d_out, i), 0);
            assert_int_equal(grad_vector_differ(with.scene, &with.g, i, &without.g, i), 0);
        }
        /* the plan leaves out what blocks add, a line each, and the mesh */
        const size_t planned = with.plan.total_bytes;
        if (with.planned_for < planned || with.planned_for > planned + planned / 10)
            fail_msg("%zu bytes where %zu were planned", with.planned_for, planned);
        grad_scene_free(with.scene);
        grad_scene_free(without.scene);
        close_context(&h, &context);
    }
}

/* every allocation of it fails, alone and with all that follow */
static void memory_of_batch_refused(void **state)
{
    (void)state;
    for (int rest = 0; rest < 2; rest++) {
        host h;
        rg_context *context = open_context(&h);
        life l = life_make(GRAD_BDF2, context);
        const size_t live = counted.live;
        rg_status status = RG_ERR_MEMORY;
        for (size_t k = 1; status != RG_OK; k++) {
            rg_error err = {0};
            h.refuse = h.calls + k;
            h.refuse_rest = rest;
            status = life_run(&l, &h, &err);
            assert_int_equal(h.n_blocks, 0);
            assert_int_equal(counted.live, live);
            if (status == RG_OK) break;
            assert_int_equal(status, RG_ERR_MEMORY);
            assert_non_null(strstr(err.text, "memory"));
            assert_true(k < MOST_BLOCKS);
        }
        grad_scene_free(l.scene);
        close_context(&h, &context);
    }
}

/* ---- simulations and fits ---- */

enum { MARKERS = 7, RECORDINGS = 2, RECORDED = 8 };

typedef struct study {
    rg_recording recordings[RECORDINGS];
    rg_model *model;
    double markers[RECORDINGS][RECORDED * MARKERS * 3], tension[RECORDINGS][RECORDED * (MARKERS - 1)];
    double bend[2 * MARKERS];
} study;

static void study_make(study *s)
{
    const int clamps[] = {0, 1, 5, 6};
    memset(s, 0, sizeof *s);
    s->model = rods_model(MARKERS, 1, clamps, 4, 31);
    fits_plant(s->model, s->recordings, RECORDINGS, RECORDED, 1e-3);
}

static void study_clear(study *s)
{
    fits_clear(s->recordings, RECORDINGS);
    rg_model_destroy(&s->model);
}

static rg_status simulate(study *s, rg_context *context, rg_error *err)
{
    rg_rollout_opts opts = rg_rollout_opts_default();
    rg_rod_status statuses[RECORDINGS];
    double *out[RECORDINGS];
    rg_forces forces[RECORDINGS] = {{.tension = NULL}};
    opts.context = context;
    for (int i = 0; i < RECORDINGS; i++) {
        out[i] = s->markers[i];
        forces[i].tension = s->tension[i];
    }
    return rg_simulate_forces(s->model, s->recordings, RECORDINGS, &opts, out, forces, statuses, err);
}

static rg_status fit(study *s, rg_context *context, rg_error *err)
{
    rg_fit_opts opts = rg_fit_opts_default();
    rg_fit_progress p = {0};
    rg_fit *f = NULL;
    opts.rollout.context = context;
    opts.refine = 1;
    opts.max_iterations = 4;
    rg_status status = rg_fit_create(s->recordings, RECORDINGS, s->model, &opts, &f, err);
    for (int i = 0; i < 100 && status == RG_OK && !p.done; i++) status = rg_fit_step(f, &p, err);
    if (status == RG_OK)
        memcpy(s->bend, rg_model_field(rg_fit_model(f), RG_BEND_STIFFNESS_1), MARKERS * sizeof *s->bend);
    rg_fit_destroy(&f);
    return status;
}

/* the same bits, with every allocation failing before; `most`: bytes that malloc may be asked for in between */
static void check(rg_status (*run)(study *, rg_context *, rg_error *), size_t most)
{
    static study with, without;
    host h;
    rg_error err = {0};
    rg_context *context = open_context(&h);
    study_make(&with);
    study_make(&without);
    if (run(&without, NULL, &err) != RG_OK) fail_msg("%s", err.text);
    const size_t live = counted.live;
    rg_status status = RG_ERR_MEMORY;
    for (size_t k = 1; status != RG_OK; k++) {
        memset(&err, 0, sizeof err);
        h.refuse = h.calls + k;
        counted.peak = counted.live;
        status = run(&with, context, &err);
        assert_int_equal(h.n_blocks, 0);
        assert_int_equal(counted.live, live);
        if (status == RG_OK) break;
        assert_int_equal(status, RG_ERR_MEMORY);
        assert_true(k < MOST_BLOCKS);
    }
    if (counted.peak - live > most) fail_msg("malloc was asked for %zu bytes", counted.peak - live);
    assert_memory_equal(with.markers, without.markers, sizeof with.markers);
    assert_memory_equal(with.tension, without.tension, sizeof with.tension);
    assert_memory_equal(with.bend, without.bend, sizeof with.bend);
    study_clear(&with);
    study_clear(&without);
    close_context(&h, &context);
}

static void memory_of_simulation(void **state)
{
    (void)state;
    check(simulate, RECORDINGS * (sizeof(rg_recording) + 4 * RECORDED * MARKERS));
}

static void memory_of_fit(void **state)
{
    (void)state;
    check(fit, SIZE_MAX);
}

static void memory_half_an_allocator_err(void **state)
{
    (void)state;
    for (int half = 0; half < 2; half++) {
        rg_context_opts opts = rg_context_opts_default();
        rg_context *context = NULL;
        rg_error err = {0};
        if (half) opts.host_allocate = host_allocate;
        else opts.host_release = host_release;
        assert_int_equal(rg_context_create(&opts, &context, &err), RG_ERR_ARGUMENT);
        assert_null(context);
        assert_non_null(strstr(err.text, "host_allocate"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_of_batch),
        cmocka_unit_test(memory_of_batch_refused),
        cmocka_unit_test(memory_of_simulation),
        cmocka_unit_test(memory_of_fit),
        cmocka_unit_test(memory_half_an_allocator_err),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
