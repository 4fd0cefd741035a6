/* core/batch_create.c: making a batch (include/rodgrad/batch.h): its options, its models, what it keeps. */
#include "core/batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/coefficients.h"
#include "core/context.h"
#include "core/rollout_opts.h"
#include "core/words.h"

rg_batch_opts rg_batch_opts_default(void)
{
    rg_batch_opts o;
    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.rollout = rg_rollout_opts_default();
    o.dt_s = 0.01;
    o.n_frames = 1;
    o.adjoint = 1;
    return o;
}

void rg_batch_destroy(rg_batch **batch)
{
    if (!batch || !*batch) return;
    rg_batch *b = *batch;
    for (size_t i = 0; b->models && i < b->packs.at.n_rods; i++) rg_model_destroy(&b->models[i]);
    rg_model_destroy(&b->model);
    free(b->models);
    rgi_packs_clear(&b->packs);
    free(b);
    *batch = NULL;
}

static rg_status check_opts(const rg_batch_opts *o, size_t n_rods, rg_error *err)
{
    if (o->struct_size != sizeof *o)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "options of %zu bytes where %zu were expected; start from "
                       "rg_batch_opts_default",
                       o->struct_size, sizeof *o);
    if (n_rods == 0) return RG_FAIL(err, RG_ERR_ARGUMENT, "a batch needs at least one rod");
    if (!(o->dt_s > 0.0) || !isfinite(o->dt_s))
        return RG_FAIL(err, RG_ERR_ARGUMENT, "a frame takes %g s; it must take more than none", o->dt_s);
    /* a float counts steps to 2^24 */
    const size_t most = o->rollout.real == RG_REAL_FLOAT ? (size_t)1 << 24 : (size_t)2000000000;
    if (o->n_frames == 0 || o->n_frames > most / (size_t)o->rollout.substeps)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "%zu frame%s of %d step%s; there must be 1 to %zu steps", o->n_frames,
                       rgi_plural(o->n_frames), o->rollout.substeps, rgi_plural((size_t)o->rollout.substeps), most);
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
    b->models = calloc(list->n_rods, sizeof *b->models);
    if (!b->models) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the models of %zu rods", list->n_rods);
    if (!list->each) return rg_model_copy(list->models[0], &b->model, err);
    for (size_t i = 0; i < list->n_rods; i++) RG_TRY(rg_model_copy(list->models[i], &b->models[i], err));
    return RG_OK;
}

rg_status rgi_batch_create(const rgi_models *models, const rg_batch_opts *opts, const size_t *frames, rg_batch **out,
                           rg_error *err)
{
    const rgi_cpu *cpu = NULL;
    RG_TRY(rgi_rollout_check(&opts->rollout, &cpu, err));
    RG_TRY(check_opts(opts, models->n_rods, err));
    const rgi_packs_opts o = {.rollout = opts->rollout,
                              .memory = opts->memory,
                              .dt_s = opts->dt_s,
                              .n_frames = opts->n_frames,
                              .frames = frames,
                              .want = RGI_WANT_TANGENTS | RGI_WANT_INPUTS | (opts->adjoint ? RGI_WANT_ADJOINT : 0) |
                                      (opts->carry_on ? RGI_WANT_CARRY : 0),
                              .directions = 1,
                              .budget_bytes = opts->budget_bytes,
                              .window = opts->window};
    rg_batch *b = calloc(1, sizeof *b);
    if (!b) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for a batch");
    b->opts = *opts;
    rg_status status = rgi_packs_create(models, &o, cpu, &b->packs, err);
    if (status == RG_OK) status = copy_models(b, models, err);
    if (status == RG_OK) *out = b;
    else rg_batch_destroy(&b);
    return status;
}

rg_status rg_batch_create(const rg_model *model, size_t n_rods, const rg_batch_opts *opts, rg_batch **out,
                          rg_error *err)
{
    const rg_batch_opts defaults = rg_batch_opts_default();
    const rgi_models list = {&model, n_rods, 0};
    if (!out) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_create needs a place for the batch");
    *out = NULL;
    if (!model) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_create needs a model");
    if (!opts) opts = &defaults;
    RG_TRY(rg_model_check(model, err));
    return rgi_batch_create(&list, opts, NULL, out, err);
}

rg_status rg_batch_create_ragged(const rg_model *const *models, size_t n_rods, const rg_batch_opts *opts,
                                 rg_batch **out, rg_error *err)
{
    const rg_batch_opts defaults = rg_batch_opts_default();
    const rgi_models list = {models, n_rods, 1};
    if (!out) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_create_ragged needs a place for the batch");
    *out = NULL;
    if (!models) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_create_ragged needs a model for every rod");
    if (!opts) opts = &defaults;
    for (size_t i = 0; i < n_rods; i++) {
        rg_error why = {0};
        if (!models[i])
            return RG_FAIL(err, RG_ERR_ARGUMENT,
                           "rg_batch_create_ragged needs a model for every rod; that of rod %zu is NULL", i);
        const rg_status status = rg_model_check(models[i], &why);
        if (status != RG_OK) return RG_FAIL(err, status, "the model of rod %zu: %s", i, why.text);
    }
    return rgi_batch_create(&list, opts, NULL, out, err);
}

rg_status rg_batch_set_model(rg_batch *b, size_t rod, const rg_model *model, rg_error *err)
{
    rg_model *copy = NULL;
    if (!b || !model || rod >= b->packs.at.n_rods)
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
    RG_TRY(rg_model_copy(model, &copy, err));
    rg_model_destroy(&b->models[rod]);
    b->models[rod] = copy;
    rgi_packs_set_rod(&b->packs, rod, copy);
    const rgi_pack *j = &b->packs.packs[b->packs.at.pack_of[rod]];
    const size_t w = b->packs.at.lanes;
    RG_TRY(b->packs.runner->send(&b->packs, j->coef, (size_t)j->n * RGI_NC * w, err));
    return b->packs.runner->send(&b->packs, j->offset, 2 * (size_t)j->n_markers * w, err);
}

size_t rg_batch_rod_vertices(const rg_batch *b, size_t rod)
{
    return rod < b->packs.at.n_rods ? rgi_batch_shape_of(b, rod)->n : 0;
}

size_t rg_batch_rod_clamped_vertices(const rg_batch *b, size_t rod, const int **vertices)
{
    const rgi_shape *s = rod < b->packs.at.n_rods ? rgi_batch_shape_of(b, rod) : NULL;
    if (vertices) *vertices = s ? s->fixed_x : NULL;
    return s ? s->n_fixed_x : 0;
}

size_t rg_batch_rod_clamped_edges(const rg_batch *b, size_t rod, const int **edges)
{
    const rgi_shape *s = rod < b->packs.at.n_rods ? rgi_batch_shape_of(b, rod) : NULL;
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
    size_t own = sizeof *b - sizeof b->packs + b->packs.at.n_rods * sizeof *b->models;
    if (b->model) own += model_bytes(b->model);
    for (size_t i = 0; i < b->packs.at.n_rods; i++)
        if (b->models[i]) own += model_bytes(b->models[i]);
    return rgi_packs_plan(&b->packs, own);
}
