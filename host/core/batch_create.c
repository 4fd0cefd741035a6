/* core/batch_create.c: making a batch (include/rodgrad/batch.h): its options, its models, what it keeps. */
#include "core/batch.h"

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "core/coefficients.h"
#include "core/context.h"
#include "core/memory.h"
#include "core/rollout_opts.h"
#include "core/structs.h"
#include "core/words.h"

static const rgi_struct opts_struct = {"rg_batch_opts", sizeof(rg_batch_opts),
                                       RGI_SIZE_UP_TO(rg_batch_opts, directions), offsetof(rg_batch_opts, rollout)};

void rg_batch_opts_init(rg_batch_opts *opts)
{
    rg_batch_opts o;
    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.rollout = rg_rollout_opts_default();
    o.dt_s = 0.01;
    o.n_frames = 1;
    o.adjoint = 1;
    rgi_struct_give(&opts_struct, &o, opts);
}

void rg_batch_destroy(rg_batch **batch)
{
    if (!batch || !*batch) return;
    rg_batch *b = *batch;
    const rg_context *context = b->opts.rollout.context;
    rg_tape_destroy(&b->own);
    for (size_t i = 0; b->models && i < b->at.n_rods; i++) rgi_model_free(context, &b->models[i]);
    rgi_model_free(context, &b->model);
    rgi_free(context, b->models);
    rgi_free(context, b->changed);
    rgi_placement_clear(&b->at);
    rgi_free(context, b);
    *batch = NULL;
}

static rg_status check_opts(const rg_batch_opts *o, size_t n_rods, rg_error *err)
{
    if (n_rods == 0) return RG_FAIL(err, RG_ERR_ARGUMENT, "a batch needs at least one rod");
    if (!(o->dt_s > 0.0) || !isfinite(o->dt_s))
        return RG_FAIL(err, RG_ERR_ARGUMENT, "a frame takes %g s; it must take more than none", o->dt_s);
    if (o->memory != RG_MEMORY_HOST && o->memory != RG_MEMORY_DEVICE)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "memory %d is neither RG_MEMORY_HOST nor RG_MEMORY_DEVICE",
                       (int)o->memory);
    if (o->memory == RG_MEMORY_DEVICE && !rgi_context_device(o->rollout.context))
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "arrays in a GPU's memory need a context of that GPU; the batch is on the CPU");
    if (o->carry_on && o->adjoint)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "a batch that carries on keeps no states to go back by; set adjoint = 0");
    if (o->window > (size_t)2000000000)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "a window of %zu steps is out of range", o->window);
    return RG_OK;
}

static rg_status copy_models(rg_batch *b, const rgi_models *list, rg_error *err)
{
    b->models = rgi_calloc(b->opts.rollout.context, list->n_rods, sizeof *b->models);
    if (!b->models) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the models of %zu rods", list->n_rods);
    if (!list->each) return rgi_model_copy(b->opts.rollout.context, list->models[0], &b->model, err);
    for (size_t i = 0; i < list->n_rods; i++)
        RG_TRY(rgi_model_copy(b->opts.rollout.context, list->models[i], &b->models[i], err));
    return RG_OK;
}

static rgi_packs_opts packs_opts(const rg_batch_opts *o)
{
    const rgi_packs_opts opts = {.rollout = o->rollout,
                                 .memory = o->memory,
                                 .dt_s = o->dt_s,
                                 .n_frames = o->n_frames,
                                 .want = RGI_WANT_TANGENTS | RGI_WANT_INPUTS | (o->adjoint ? RGI_WANT_ADJOINT : 0) |
                                         (o->carry_on ? RGI_WANT_CARRY : 0),
                                 .directions = o->directions ? o->directions : 1,
                                 .budget_bytes = o->budget_bytes,
                                 .window = o->window};
    return opts;
}

rg_status rg_batch_tape_bytes(const rg_batch *b, size_t *bytes, rg_error *err)
{
    if (!b || !bytes) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_tape_bytes needs a batch and a place for bytes");
    const rgi_packs_opts opts = packs_opts(&b->opts);
    return rgi_packs_room_bytes(&b->at, &opts, b->cpu, bytes, err);
}

rg_status rg_tape_create(const rg_batch *b, void *memory, rg_tape **out, rg_error *err)
{
    if (!out) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_tape_create needs a place for the tape");
    *out = NULL;
    if (!b) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_tape_create needs a batch");
    if ((uintptr_t)memory % 64)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "the memory of a tape must be aligned to 64 bytes; it is at %p", memory);
    rgi_packs_opts opts = packs_opts(&b->opts);
    opts.room = memory;
    rg_tape *t = rgi_calloc(b->opts.rollout.context, 1, sizeof *t);
    if (!t) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for a tape");
    t->batch = b;
    rg_status status = rgi_packs_create(&b->at, &opts, b->cpu, &t->packs, err);
    if (status == RG_OK) status = rgi_tape_set_models(t, err);
    if (status == RG_OK) *out = t;
    else rg_tape_destroy(&t);
    return status;
}

void rg_tape_destroy(rg_tape **tape)
{
    if (!tape || !*tape) return;
    rgi_free((*tape)->batch->opts.rollout.context, (*tape)->input_numbers.of);
    rgi_free((*tape)->batch->opts.rollout.context, (*tape)->other_numbers.of);
    rgi_packs_clear(&(*tape)->packs);
    rgi_free((*tape)->batch->opts.rollout.context, *tape);
    *tape = NULL;
}

static rg_status create(rg_batch *b, const rgi_models *models, const size_t *frames, rg_error *err)
{
    rgi_packs_opts opts = packs_opts(&b->opts);
    opts.frames = frames;
    RG_TRY(rgi_placement_shapes(models, &b->opts.rollout, &b->cpu, &b->at, err));
    /* packs count the reals of all directions in int */
    const size_t most = INT_MAX / (RGI_NC + 2 + RGI_NT) / (b->at.vertices + b->at.markers);
    if (opts.directions > most)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "directions is %zu; with rods of %zu vertices and %zu markers it can be at most %zu: split them "
                       "over several calls",
                       opts.directions, b->at.vertices, b->at.markers, most);
    b->own = rgi_calloc(b->opts.rollout.context, 1, sizeof *b->own);
    if (!b->own) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for a tape");
    b->own->batch = b;
    RG_TRY(rgi_packs_create_placed(&b->at, models, &opts, b->cpu, &b->own->packs, err));
    b->version = 1;
    b->changed = rgi_calloc(b->opts.rollout.context, models->n_rods, sizeof *b->changed);
    if (!b->changed) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the models of %zu rods", models->n_rods);
    for (size_t i = 0; i < models->n_rods; i++) b->changed[i] = b->version;
    RG_TRY(copy_models(b, models, err));
    return rgi_tape_set_models(b->own, err);
}

rg_status rgi_batch_create(const rgi_models *models, const rg_batch_opts *opts, const size_t *frames, rg_batch **out,
                           rg_error *err)
{
    const rgi_cpu *cpu = NULL;
    RG_TRY(rgi_rollout_check(&opts->rollout, &cpu, err));
    RG_TRY(check_opts(opts, models->n_rods, err));
    rg_batch *b = rgi_calloc(opts->rollout.context, 1, sizeof *b);
    if (!b) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for a batch");
    b->opts = *opts;
    b->cpu = cpu;
    const rg_status status = create(b, models, frames, err);
    if (status == RG_OK) *out = b;
    else rg_batch_destroy(&b);
    return status;
}

rg_status rg_batch_create(const rg_model *model, size_t n_rods, const rg_batch_opts *opts, rg_batch **out,
                          rg_error *err)
{
    rg_batch_opts own = rg_batch_opts_default();
    const rgi_models list = {&model, n_rods, 0};
    if (!out) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_create needs a place for the batch");
    *out = NULL;
    if (!model) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_create needs a model");
    if (opts) RG_TRY(rgi_struct_take(&opts_struct, opts, &own, err));
    RG_TRY(rg_model_check(model, err));
    return rgi_batch_create(&list, &own, NULL, out, err);
}

rg_status rg_batch_create_ragged(const rg_model *const *models, size_t n_rods, const rg_batch_opts *opts,
                                 rg_batch **out, rg_error *err)
{
    rg_batch_opts own = rg_batch_opts_default();
    const rgi_models list = {models, n_rods, 1};
    if (!out) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_create_ragged needs a place for the batch");
    *out = NULL;
    if (!models) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_create_ragged needs a model for every rod");
    if (opts) RG_TRY(rgi_struct_take(&opts_struct, opts, &own, err));
    for (size_t i = 0; i < n_rods; i++) {
        rg_error why = {0};
        if (!models[i])
            return RG_FAIL(err, RG_ERR_ARGUMENT,
                           "rg_batch_create_ragged needs a model for every rod; that of rod %zu is NULL", i);
        const rg_status status = rg_model_check(models[i], &why);
        if (status != RG_OK) return RG_FAIL(err, status, "the model of rod %zu: %s", i, why.text);
    }
    return rgi_batch_create(&list, &own, NULL, out, err);
}

rg_status rg_batch_set_model(rg_batch *b, size_t rod, const rg_model *model, rg_error *err)
{
    rg_model *copy = NULL;
    if (!b || !model || rod >= b->at.n_rods)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "rg_batch_set_model needs a batch, one of its rods and a "
                       "model; rod %zu was given",
                       rod);
    if (!rgi_shape_fits(rgi_batch_shape_of(b, rod), model))
        return RG_FAIL(err, RG_ERR_SHAPE,
                       "the model of rod %zu has another mesh, other clamps or another measure of bending than the "
                       "batch has for it",
                       rod);
    RG_TRY(rg_model_check(model, err));
    RG_TRY(rgi_model_copy(b->opts.rollout.context, model, &copy, err));
    rgi_model_free(b->opts.rollout.context, &b->models[rod]);
    b->models[rod] = copy;
    b->changed[rod] = ++b->version;
    return RG_OK;
}

size_t rg_batch_rod_vertices(const rg_batch *b, size_t rod)
{
    return rod < b->at.n_rods ? rgi_batch_shape_of(b, rod)->n : 0;
}

size_t rg_batch_rod_clamped_vertices(const rg_batch *b, size_t rod, const int **vertices)
{
    const rgi_shape *s = rod < b->at.n_rods ? rgi_batch_shape_of(b, rod) : NULL;
    if (vertices) *vertices = s ? s->fixed_x : NULL;
    return s ? s->n_fixed_x : 0;
}

size_t rg_batch_rod_clamped_edges(const rg_batch *b, size_t rod, const int **edges)
{
    const rgi_shape *s = rod < b->at.n_rods ? rgi_batch_shape_of(b, rod) : NULL;
    if (edges) *edges = s ? s->fixed_theta : NULL;
    return s ? s->n_fixed_theta : 0;
}

size_t rg_batch_clamped_vertices(const rg_batch *b, const int **vertices)
{
    return rg_batch_rod_clamped_vertices(b, 0, vertices);
}

size_t rg_batch_clamped_edges(const rg_batch *b, const int **edges) { return rg_batch_rod_clamped_edges(b, 0, edges); }

static size_t model_bytes(const rg_model *model)
{
    size_t sum =
        (rg_model_vertices(model) + rg_model_markers(model)) * sizeof(int) + RG_FIELD_COUNT * 2 * sizeof(void *);
    for (int field = 0; field < RG_FIELD_COUNT; field++) sum += rgi_field_numbers(model, field) * sizeof(double);
    return sum;
}

rg_batch_plan rg_batch_describe(const rg_batch *b)
{
    size_t own = sizeof *b + sizeof *b->own + b->at.n_rods * (sizeof *b->models + sizeof *b->changed);
    if (b->model) own += model_bytes(b->model);
    for (size_t i = 0; i < b->at.n_rods; i++)
        if (b->models[i]) own += model_bytes(b->models[i]);
    own += (b->own->input_numbers.room + b->own->other_numbers.room) * sizeof(double);
    return rgi_packs_plan(&b->own->packs, own);
}
