/* cli/bench_work.c: what a row of bench runs (bench_work.h). */
#include "cli/bench_work.h"

#include <stdlib.h>
#include <string.h>

#include "core/batch.h"
#include "core/context.h"

const char *const rgc_mode_names[RGC_MODES] = {"forward", "jvp", "tangent", "adjoint"};

size_t rgc_setting_steps(const rgc_setting *s) { return s->frames * (size_t)s->rollout.substeps; }
double rgc_setting_step_s(const rgc_setting *s) { return s->frame_s / s->rollout.substeps; }

/* ---- arrays ---- */

static rg_status out_of_memory(const rgc_setting *s, const rgc_arrays *a, const char *what, rg_error *err)
{
    return RG_FAIL(err, RG_ERR_MEMORY,
                   "out of memory for the %s of %zu rods over %zu frames; take a smaller --batch or fewer "
                   "--frames.",
                   what, a->rods, s->frames);
}

/* the inputs of all rods; their directors are carried by a batch of one rod on the CPU */
static rg_status inputs_create(const rgc_setting *s, const rg_model *model, rgc_arrays *a, rg_error *err)
{
    rg_batch_opts opts = rg_batch_opts_default();
    rg_batch *one = NULL;
    opts.rollout.stepper = s->rollout.stepper;
    opts.rollout.substeps = s->rollout.substeps;
    opts.dt_s = s->frame_s;
    opts.n_frames = s->frames;
    opts.adjoint = 0;
    RG_TRY(rg_batch_create(model, 1, &opts, &one, err));
    const rg_status status =
        rgc_scene_arrays_create(s->scene, one, a->rods, rgc_setting_steps(s), rgc_setting_step_s(s), &a->scene, err);
    rg_batch_destroy(&one);
    return status;
}

static rg_status arrays_create(const rgc_setting *s, const rg_model *model, rgc_arrays *a, rg_error *err)
{
    const size_t v = s->scene->vertices, markers = s->frames * v * 3;
    RG_TRY(inputs_create(s, model, a, err));
    a->markers = calloc(a->rods, markers * sizeof(double));
    a->second = calloc(a->rods, markers * sizeof(double));
    a->direction = calloc(a->rods, v * sizeof(double));
    a->x0 = calloc(a->rods, 3 * v * sizeof(double));
    a->v0 = calloc(a->rods, 3 * v * sizeof(double));
    a->turn0 = calloc(a->rods, (v - 1) * sizeof(double));
    int enough = a->markers && a->second && a->direction && a->x0 && a->v0 && a->turn0;
    for (int k = 0; k < 3; k++) {
        a->b[k] = calloc(a->rods, v * sizeof(double));
        enough = enough && a->b[k];
    }
    a->statuses = calloc(a->rods, sizeof *a->statuses);
    a->back_statuses = calloc(a->rods, sizeof *a->back_statuses);
    if (!enough || !a->statuses || !a->back_statuses) return out_of_memory(s, a, "results", err);
    for (size_t i = 0; i < a->rods * v; i++) a->direction[i] = 1e-3;
    return RG_OK;
}

/* an array of numbers, and its copy */
typedef struct numbers {
    double **host, **copy;
    size_t count;
} numbers;

enum { NUMBERS = 15 };

static void list_numbers(const rgc_setting *s, rgc_arrays *a, numbers *out)
{
    const size_t v = s->scene->vertices, steps = rgc_setting_steps(s);
    rgc_arrays *c = a->copies;
    const numbers all[NUMBERS] = {
        {&a->scene.x0, &c->scene.x0, 3 * v},
        {&a->scene.v0, &c->scene.v0, 3 * v},
        {&a->scene.m0, &c->scene.m0, 3 * (v - 1)},
        {&a->scene.clamp_x, &c->scene.clamp_x, 3 * RGC_SCENE_CLAMPS * steps},
        {&a->scene.clamp_m, &c->scene.clamp_m, 3 * RGC_SCENE_CLAMPED_EDGES * steps},
        {&a->markers, &c->markers, 3 * v * s->frames},
        {&a->second, &c->second, 3 * v * s->frames},
        {&a->second, &c->cotangents, 3 * v * s->frames},
        {&a->direction, &c->direction, v},
        {&a->x0, &c->x0, 3 * v},
        {&a->v0, &c->v0, 3 * v},
        {&a->turn0, &c->turn0, v - 1},
        {&a->b[0], &c->b[0], v},
        {&a->b[1], &c->b[1], v},
        {&a->b[2], &c->b[2], v},
    };
    memcpy(out, all, sizeof all);
    for (int i = 0; i < NUMBERS; i++) out[i].count *= a->rods;
}

static void copies_clear(const rgc_setting *s, rgc_arrays *a)
{
    numbers all[NUMBERS];
    if (!a->copies) return;
    list_numbers(s, a, all);
    for (int i = 0; i < NUMBERS; i++) rgi_device_free(a->device, *all[i].copy, all[i].count * sizeof(double));
    free(a->copies);
    a->copies = NULL;
}

/* all numbers in the memory of the setting's GPU as well */
static rg_status copies_create(const rgc_setting *s, rgc_arrays *a, rg_error *err)
{
    numbers all[NUMBERS];
    a->device = rgi_context_device(s->rollout.context);
    a->copies = calloc(1, sizeof *a->copies);
    if (!a->copies) return out_of_memory(s, a, "copies on a GPU", err);
    a->copies->rods = a->rods;
    list_numbers(s, a, all);
    for (int i = 0; i < NUMBERS; i++) {
        void *memory = NULL;
        RG_TRY(rgi_device_allocate(a->device, all[i].count * sizeof(double), "the arrays of a scene", &memory, err));
        *all[i].copy = memory;
        RG_TRY(rgi_device_upload(a->device, memory, *all[i].host, all[i].count * sizeof(double), err));
    }
    return rgi_device_wait(a->device, err);
}

void rgc_arrays_clear(const rgc_setting *setting, rgc_arrays *a)
{
    copies_clear(setting, a);
    rgc_scene_arrays_clear(&a->scene);
    free(a->markers);
    free(a->second);
    free(a->direction);
    free(a->x0);
    free(a->v0);
    free(a->turn0);
    for (int k = 0; k < 3; k++) free(a->b[k]);
    free(a->statuses);
    free(a->back_statuses);
    free(a->recordings);
    free(a->positions);
    free(a->valid);
    memset(a, 0, sizeof *a);
}

/* what the batch's rods do, each with its own parameters, as recordings of one */
static rg_status record(const rgc_setting *s, rg_batch *batch, rgc_arrays *a, rg_error *err)
{
    static char name[] = "a rod of the scene";
    static int clamps[RGC_SCENE_CLAMPS];
    const size_t v = s->scene->vertices, frame = 3 * v, frames = s->frames + 2;
    const rg_batch_inputs in = rgc_scene_inputs(&a->scene);
    const rg_batch_outputs out = {.markers = a->markers};
    a->recordings = calloc(a->rods, sizeof *a->recordings);
    a->positions = calloc(a->rods, frames * frame * sizeof(double));
    a->valid = malloc(frames * v);
    if (!a->recordings || !a->positions || !a->valid) return out_of_memory(s, a, "recordings", err);
    RG_TRY(rg_batch_forward(batch, &in, &out, a->statuses, err));
    memset(a->valid, 1, frames * v);
    for (int k = 0; k < RGC_SCENE_CLAMPS; k++) clamps[k] = k < RGC_SCENE_CLAMPS / 2 ? k : (int)v - RGC_SCENE_CLAMPS + k;
    for (size_t rod = 0; rod < a->rods; rod++) {
        double *to = a->positions + rod * frames * frame;
        memcpy(to, a->scene.x0 + rod * frame, frame * sizeof *to);
        memcpy(to + frame, to, frame * sizeof *to);
        memcpy(to + 2 * frame, a->markers + rod * s->frames * frame, s->frames * frame * sizeof *to);
        rg_recording *r = &a->recordings[rod];
        r->name = r->source = name;
        r->n_frames = frames;
        r->n_markers = v;
        r->dt_s = s->frame_s;
        r->positions = r->driving = to;
        r->valid = a->valid;
        r->n_clamps = RGC_SCENE_CLAMPS;
        r->clamps = clamps;
    }
    return RG_OK;
}

/* ---- set up and release ---- */

/* parameter q: a bend stiffness of an inner vertex; after 2 (V - 2) they come again, and cost the same */
static rgi_place place_of(const rgc_setting *s, size_t q)
{
    const size_t inner = s->scene->vertices - 2;
    const rg_field field = q / inner % 2 ? RG_BEND_STIFFNESS_2 : RG_BEND_STIFFNESS_1;
    return (rgi_place){field, 1 + q % inner, 0, 1e-3};
}

/* as a fit has it (fit/evaluate.c), with its defaults */
static rg_status residuals_create(rgc_work *w, rg_error *err)
{
    const size_t p = w->parameters;
    rgi_residuals_opts opts;
    memset(&opts, 0, sizeof opts);
    opts.rollout = w->rollout;
    opts.fit = 1;
    opts.max_directions = p;
    opts.floor_m = 0.003;
    opts.block = 50;
    w->places = calloc(p, sizeof *w->places);
    w->directions = calloc(p, sizeof *w->directions);
    w->normal = calloc(p, p * sizeof *w->normal);
    w->gradient = calloc(p, sizeof *w->gradient);
    if (!w->places || !w->directions || !w->normal || !w->gradient)
        return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu parameters.", p);
    for (size_t q = 0; q < p; q++) {
        w->places[q] = place_of(w->setting, q);
        w->directions[q] = (rgi_direction){w->places + q, 1};
    }
    return rgi_residuals_create(w->model, w->arrays->recordings, w->arrays->rods, &opts, &w->residuals, err);
}

/* Cotangents of the markers' sum of squares. On a GPU they are made before anything is timed: the markers are the same
 * every time. */
static rg_status cotangents_on_device(rgc_work *w, rg_error *err)
{
    rgc_arrays *a = w->arrays;
    const size_t n = a->rods * w->setting->frames * w->setting->scene->vertices * 3;
    const rg_batch_inputs in = rgc_scene_inputs(&a->copies->scene);
    const rg_batch_outputs out = {.markers = a->copies->markers};
    RG_TRY(rg_batch_forward(w->batch, &in, &out, a->statuses, err));
    RG_TRY(rgi_device_download(a->device, a->markers, a->copies->markers, n * sizeof *a->markers, err));
    RG_TRY(rgi_device_wait(a->device, err));
    for (size_t i = 0; i < n; i++) a->second[i] = 2.0 * a->markers[i];
    return rgi_device_upload(a->device, a->copies->cotangents, a->second, n * sizeof *a->second, err);
}

rg_status rgc_work_create(const rgc_setting *setting, rgc_arrays *arrays, rgc_mode mode, size_t parameters,
                          rg_real real, int threads, rgc_work *out, rg_error *err)
{
    rgc_work *w = out;
    memset(w, 0, sizeof *w);
    w->setting = setting;
    w->arrays = arrays;
    w->mode = mode;
    w->parameters = parameters;
    w->rollout = setting->rollout;
    w->rollout.real = real;
    w->rollout.threads = threads;
    const rg_stepper stepper = w->rollout.stepper;
    RG_TRY(rgc_scene_model(setting->scene, stepper, 0, &w->model, err));
    /* recordings come from a batch, too */
    if (mode != RGC_TANGENT || !arrays->recordings) {
        rg_batch_opts opts = rg_batch_opts_default();
        opts.rollout = w->rollout;
        opts.dt_s = setting->frame_s;
        opts.n_frames = setting->frames;
        opts.adjoint = mode == RGC_ADJOINT;
        if (mode != RGC_TANGENT) opts.memory = setting->memory;
        RG_TRY(rg_batch_create(w->model, arrays->rods, &opts, &w->batch, err));
        RG_TRY(rgc_scene_set_models(setting->scene, stepper, w->batch, arrays->rods, err));
        if (!arrays->markers) RG_TRY(arrays_create(setting, w->model, arrays, err));
    }
    if (mode != RGC_TANGENT && setting->memory == RG_MEMORY_DEVICE) {
        if (!arrays->copies) RG_TRY(copies_create(setting, arrays, err));
        return mode == RGC_ADJOINT ? cotangents_on_device(w, err) : RG_OK;
    }
    if (mode != RGC_TANGENT) return RG_OK;
    if (w->batch) RG_TRY(record(setting, w->batch, arrays, err));
    rg_batch_destroy(&w->batch);
    return residuals_create(w, err);
}

/* what a call of the work gets: the host's arrays, or their copies on a GPU */
static const rgc_arrays *arrays_of(const rgc_work *w)
{
    return w->setting->memory == RG_MEMORY_DEVICE ? w->arrays->copies : w->arrays;
}

void rgc_work_clear(rgc_work *w)
{
    rg_batch_destroy(&w->batch);
    rgi_residuals_destroy(&w->residuals);
    rg_model_destroy(&w->model);
    free(w->places);
    free(w->directions);
    free(w->normal);
    free(w->gradient);
    memset(w, 0, sizeof *w);
}

/* ---- run ---- */

/* as rgi_fit_evaluate; on a GPU the sums stay there */
static rg_status run_tangent(const rgc_work *w, rg_error *err)
{
    const size_t p = w->parameters;
    RG_TRY(rgi_residuals_set(w->residuals, w->model, w->directions, p, err));
    RG_TRY(rgi_residuals_run(w->residuals, err));
    if (rgi_residuals_device_normal(w->residuals)) return RG_OK;
    memset(w->normal, 0, p * p * sizeof *w->normal);
    memset(w->gradient, 0, p * sizeof *w->gradient);
    rgi_residuals_normal(w->residuals, w->normal, w->gradient);
    return RG_OK;
}

static rg_status run_jvp(const rgc_work *w, rg_error *err)
{
    const rgc_arrays *a = arrays_of(w);
    const rg_batch_inputs in = rgc_scene_inputs(&a->scene);
    const rg_batch_outputs out = {.markers = a->markers};
    const rg_batch_tangent_outputs second = {.markers = a->second};
    const rg_field_values fields[] = {{RG_BEND_STIFFNESS_1, a->direction}, {RG_BEND_STIFFNESS_2, a->direction}};
    const rg_batch_tangents along = {.fields = fields, .n_fields = 2};
    return rg_batch_jvp(w->batch, &in, &along, &out, &second, w->arrays->statuses, err);
}

static rg_status run_adjoint(const rgc_work *w, rg_error *err)
{
    const rgc_arrays *a = arrays_of(w);
    const rg_batch_cotangents from = {.markers = a == w->arrays ? a->second : a->cotangents};
    const rg_field_gradient fields[] = {
        {RG_BEND_STIFFNESS_1, a->b[0]}, {RG_BEND_STIFFNESS_2, a->b[1]}, {RG_BEND_COUPLING, a->b[2]}};
    const rg_batch_gradients to = {.x0 = a->x0, .v0 = a->v0, .turn0 = a->turn0, .fields = fields, .n_fields = 3};
    const size_t n = a->rods * w->setting->frames * w->setting->scene->vertices * 3;
    for (size_t i = 0; a == w->arrays && i < n; i++) a->second[i] = 2.0 * a->markers[i];
    return rg_batch_adjoint(w->batch, &from, &to, w->arrays->back_statuses, err);
}

rg_status rgc_work_run(const rgc_work *w, rg_error *err)
{
    if (w->mode == RGC_TANGENT) return run_tangent(w, err);
    if (w->mode == RGC_JVP) return run_jvp(w, err);
    const rgc_arrays *a = arrays_of(w);
    const rg_batch_inputs in = rgc_scene_inputs(&a->scene);
    const rg_batch_outputs out = {.markers = a->markers};
    RG_TRY(rg_batch_forward(w->batch, &in, &out, w->arrays->statuses, err));
    return w->mode == RGC_ADJOINT ? run_adjoint(w, err) : RG_OK;
}

void rgc_work_statuses(const rgc_work *w)
{
    for (size_t i = 0; w->residuals && i < w->arrays->rods; i++)
        rgi_residuals_status(w->residuals, i, &w->arrays->statuses[i]);
}

/* ---- what it takes ---- */

rg_batch_plan rgc_work_describe(const rgc_work *w)
{
    return w->residuals ? rgi_residuals_describe(w->residuals) : rg_batch_describe(w->batch);
}

static const rgi_packs *packs_of(const rgc_work *w)
{
    return w->residuals ? rgi_residuals_packs(w->residuals) : &w->batch->own->packs;
}

const char *rgc_work_isa(const rgc_work *w)
{
    return rgi_packs_rollout(packs_of(w)) ? rgi_rollout_isa(&w->rollout) : packs_of(w)->cpu->isa;
}

const rgi_rollout *rgc_work_rollout(const rgc_work *w) { return rgi_packs_rollout(packs_of(w)); }

double rgc_work_bytes_per_step(const rgc_work *w)
{
    const double number = sizeof(double), vertices = (double)w->setting->scene->vertices;
    const double drive = 3.0 * number * (RGC_SCENE_CLAMPS + RGC_SCENE_CLAMPED_EDGES);
    const double markers = 3.0 * number * vertices / w->rollout.substeps;
    const double rod_steps = (double)w->arrays->rods * (double)rgc_setting_steps(w->setting);
    switch (w->mode) {
    case RGC_JVP: return drive + 2.0 * markers;
    /* recorded positions and a weight of each */
    case RGC_TANGENT: return drive + 4.0 * number * (vertices - RGC_SCENE_CLAMPS) / w->rollout.substeps;
    /* markers and their cotangents are written and read; so are states */
    case RGC_ADJOINT: return 2.0 * drive + 4.0 * markers + 2.0 * (double)rgc_work_describe(w).kept_bytes / rod_steps;
    default: return drive + markers;
    }
}
