/* fit/fit.c: stages of a fit (include/rodgrad/fit.h).
 *
 * Cost F(u) = w sum rho + 1/2 sum ((u - u0)/s0)^2 with w = 1/(correlation b), b the mean |r| when the stage began.
 * Stages: `starts` uniform rods, some iterations each; then all modes from the best of them, on a part of the
 * recordings if there are many; then all modes on all of them, at the same w and u0. A uniform rod from which all
 * modes found no better point gives way to the next best. The methods are in levenberg_marquardt.c,
 * gauss_newton.c, lbfgs.c and adam.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/recording.h"
#include "fit/algebra.h"
#include "fit/minimise.h"

/* iterations of a uniform start, of one before it is left as hopeless, of the last stage by default; small falls in a
 * row that end the last (L-BFGS notes all at once); what is small */
static const struct {
    int start, hope, last, small;
    double tolerance;
} limits[RG_METHOD_COUNT] = {[RG_METHOD_LM] = {6, 2, 60, 2, 1e-2},
                             [RG_METHOD_GAUSS_NEWTON_CG] = {6, 2, 40, 2, 1.5e-4},
                             [RG_METHOD_LBFGS] = {40, 10, 1000, 1, 1.5e-4},
                             [RG_METHOD_ADAM] = {100, 2, 2000, 3, 1.5e-4}};

/* The first stages take half of the recordings or a little more, a multiple of PACK, where there are at least MANY; all
 * modes go PART_ITERATIONS there at most. */
enum { PACK = 16, MANY = 32, PART_ITERATIONS = 25 };
/* A relative fall of the cost below early_fall ends an earlier stage than the last. A uniform rod whose error is
 * `hopeless` times the best one's after its iterations of hope is left. */
static const double early_fall = 1e-2, hopeless = 1.3;

const char *rg_fit_stop_name(rg_fit_stop_reason reason)
{
    static const char *const names[] = {
#define STOP_NAME(id, name) name,
        RG_STOP_LIST(STOP_NAME)
#undef STOP_NAME
    };
    return (int)reason >= 0 && reason < RG_STOP_COUNT ? names[reason] : NULL;
}

const char *rg_fit_method_name(rg_fit_method method)
{
    static const char *const names[] = {
#define METHOD_NAME(id, name) name,
        RG_METHOD_LIST(METHOD_NAME)
#undef METHOD_NAME
    };
    return (int)method >= 0 && method < RG_METHOD_COUNT ? names[method] : NULL;
}

int rg_fit_method_find(const char *name, rg_fit_method *out)
{
    for (int m = 0; name && m < RG_METHOD_COUNT; m++)
        if (strcmp(name, rg_fit_method_name((rg_fit_method)m)) == 0) {
            *out = (rg_fit_method)m;
            return 1;
        }
    return 0;
}

rg_fit_opts rg_fit_opts_default(void)
{
    rg_fit_opts o;
    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.rollout = rg_rollout_opts_default();
    for (int g = 0; g < RG_GROUP_COUNT; g++) {
        o.modes[g] = rgi_group_describe((rg_group)g)->mode;
        o.priors[g] = rgi_group_describe((rg_group)g)->prior;
    }
    o.refine = 2;
    o.method = RG_METHOD_LM;
    o.tolerance = -1.0;
    o.learning_rate = 0.05;
    o.floor_m = 0.003;
    o.correlation = 100.0;
    o.starts = 3;
    return o;
}

/* rest lengths of a mesh from the recordings: mean chord of every marker interval over counted
 * frames */
static rg_status start_lengths(rg_fit *fit, rg_model *model, rg_error *err)
{
    const size_t markers = rg_model_markers(model);
    const int *at = rg_model_marker_vertices(model);
    double *length = rg_model_field_data(model, RG_REST_LENGTH);
    for (size_t k = 0; k + 1 < markers; k++) {
        double sum = 0.0, count = 0.0;
        for (size_t r = 0; r < fit->n; r++)
            for (size_t f = 0; f < fit->recordings[r].n_frames; f++) {
                const rg_recording *rec = &fit->recordings[r];
                const double *x = rec->positions + 3 * (f * markers + k);
                if (!rec->valid[f * markers + k] || !rec->valid[f * markers + k + 1]) continue;
                double d = hypot(hypot(x[3] - x[0], x[4] - x[1]), x[5] - x[2]);
                if (!isfinite(d)) continue;
                sum += d;
                count += 1.0;
            }
        if (!(sum > 0.0))
            return RG_FAIL(err, RG_ERR_VALUE,
                           "no frame of any recording has both markers %zu and %zu; their distance is unknown", k,
                           k + 1);
        for (int i = at[k]; i < at[k + 1]; i++) length[i] = sum / count / (at[k + 1] - at[k]);
    }
    return RG_OK;
}

static void fill_field(rg_model *model, rg_field field, double value)
{
    double *data = rg_model_field_data(model, field);
    for (size_t i = 0; i < rg_model_field_entries(model, field); i++) data[i] = value;
}

void rg_fit_destroy(rg_fit **fit)
{
    if (!fit || !*fit) return;
    rg_fit *f = *fit;
    rgi_parameters_clear(&f->parameters);
    rgi_residuals_destroy(&f->tangents);
    rgi_residuals_destroy(&f->part_tangents);
    rgi_residuals_destroy(&f->adjoint);
    free(f->recordings);
    rg_model_destroy(&f->start);
    rg_model_destroy(&f->model);
    rg_model_destroy(&f->trial);
    free(f->u);
    free(f->to);
    free(f->start_u);
    free(f->start_score);
    free(f->part);
    free(f->last_u);
    free(f->normal);
    free(f->gradient);
    free(f->diagonal);
    free(f->memory);
    free(f->matrix);
    free(f->step);
    free(f->spread);
    free(f->result);
    free(f->singular);
    free(f->correlation);
    free(f->recording_l1);
    free(f->losses);
    free(f->factors);
    free(f->rises);
    free(f->flags);
    free(f->recording_status);
    free(f);
    *fit = NULL;
}

void rgi_fit_stage_modes(const rg_fit *fit, int stage, rg_group_mode *modes)
{
    static const rg_group first[] = {RG_GROUP_BEND, RG_GROUP_TWIST, RG_GROUP_STRETCH, RG_GROUP_BEND_TIME,
                                     RG_GROUP_DRAG};
    memcpy(modes, fit->opts.modes, RG_GROUP_COUNT * sizeof *modes);
    if (stage >= fit->opts.starts) return;
    for (int g = 0; g < RG_GROUP_COUNT; g++) modes[g] = RG_HELD;
    for (size_t k = 0; k < sizeof first / sizeof *first; k++)
        if (fit->opts.modes[first[k]] != RG_HELD) modes[first[k]] = RG_UNIFORM;
}

/* logarithm of what start number s multiplies the stiffness by: 1, 4, 1/4, 16, ... or, seeded, up
 * to 16 either way by a hash of (seed, s) (splitmix64: Steele, Lea, Flood 2014) */
static double start_factor(unsigned long long seed, int s)
{
    if (s == 0) return 0.0;
    if (seed == 0) return log(4.0) * ((s + 1) / 2) * (s % 2 ? 1.0 : -1.0);
    unsigned long long z = seed + 0x9e3779b97f4a7c15ull * (unsigned long long)s;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    z ^= z >> 31;
    return log(16.0) * (2.0 * ((double)(z >> 11) * 0x1p-53) - 1.0);
}

static void copy_fields(rg_model *to, const rg_model *from)
{
    for (int k = 0; k < RG_FIELD_COUNT && to != from; k++) {
        const rg_field field = (rg_field)k;
        size_t count = rg_model_field_entries(from, field) * (size_t)rg_field_describe(field)->components;
        memcpy(rg_model_field_data(to, field), rg_model_field(from, field), count * sizeof(double));
    }
}

size_t rgi_fit_memory(const rg_fit *fit)
{
    return fit->opts.method == RG_METHOD_LBFGS ? rgi_minimise_memory(fit->capacity) : 2 * fit->capacity;
}

static int last_stage(const rg_fit *fit) { return fit->opts.starts + (fit->n_part > 0); }

/* Begin stage `stage` from `from`: what no parameter moves is as there, and priors are around it. The last stage goes
 * on from the one before where that had all its parameters. */
static rg_status enter_stage(rg_fit *fit, int stage, const rg_model *from, rg_error *err)
{
    const int goes_on = stage > fit->opts.starts;
    rg_group_mode modes[RG_GROUP_COUNT];
    double *scaled = NULL;
    rgi_fit_stage_modes(fit, stage, modes);
    if (!goes_on) {
        rgi_parameters_clear(&fit->parameters);
        RG_TRY(rgi_parameters_create(from, modes, fit->opts.priors, &fit->parameters, &scaled, err));
    }
    const size_t p = fit->parameters.n;
    if (stage < fit->opts.starts)
        for (size_t i = 0; i < p; i++)
            if (fit->parameters.list[i].group == RG_GROUP_BEND) scaled[i] += start_factor(fit->opts.seed, stage);
    for (size_t i = 0; i < p; i++) {
        const rgi_parameter *par = &fit->parameters.list[i];
        if (!goes_on) fit->u[i] = fmin(fmax(scaled[i], par->low), par->high);
        fit->to[i] = fit->u[i];
    }
    free(scaled);
    copy_fields(fit->trial, from);
    copy_fields(fit->model, from);
    fit->stage = stage;
    fit->stage_iteration = 0;
    fit->mu = 1e-3;
    if (!goes_on) fit->weight = 0.0;
    fit->fresh = 1;
    fit->small = fit->stuck = fit->moved = 0;
    for (size_t r = 0; r < fit->n; r++) fit->factors[r] = 1.0;
    fit->linearised = fit->formed = fit->parts = 0;
    fit->last = NULL;
    /* its memory is as large as that of all recordings */
    if (goes_on) rgi_residuals_destroy(&fit->part_tangents);
    fit->rate = fit->opts.learning_rate;
    fit->window_cost = 0.0;
    memset(fit->memory, 0, rgi_fit_memory(fit) * sizeof *fit->memory);
    return RG_OK;
}

rg_status rgi_fit_begin_anew(rg_fit *fit, rg_error *err)
{
    for (size_t i = 0; i < fit->n; i++) fit->recording_l1[i] = -1.0;
    memset(fit->recording_status, 0, fit->n * sizeof *fit->recording_status);
    memset(fit->losses, 0, fit->n * sizeof *fit->losses);
    memset(fit->flags, 0, fit->n * sizeof *fit->flags);
    memset(fit->start_u, 0, (size_t)fit->opts.starts * RGI_START_ROOM * sizeof *fit->start_u);
    for (int k = 0; k < fit->opts.starts; k++) fit->start_score[k] = INFINITY;
    fit->iteration = fit->done = fit->failed = fit->attempt = fit->stopped = 0;
    fit->cost = fit->l1 = 0.0;
    return enter_stage(fit, 0, fit->start, err);
}

/* views of the recordings that the first stages take, evenly from all */
static rg_status choose_part(rg_fit *fit, rg_error *err)
{
    if (fit->opts.method != RG_METHOD_LM || fit->opts.starts == 0 || fit->n < MANY) return RG_OK;
    const size_t part = (fit->n / 2 + PACK - 1) / PACK * PACK;
    fit->part = calloc(part, sizeof *fit->part);
    if (!fit->part) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for a part of the recordings");
    for (size_t i = 0; i < part; i++) fit->part[i] = fit->recordings[(2 * i + 1) * fit->n / (2 * part)];
    fit->n_part = part;
    return RG_OK;
}

rg_status rg_fit_create(const rg_recording *recordings, size_t n, const rg_model *start, const rg_fit_opts *opts,
                        rg_fit **out, rg_error *err)
{
    rg_fit_opts defaults = rg_fit_opts_default();
    rg_status status = RG_OK;
    if (!out) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_fit_create needs a place for the fit");
    *out = NULL;
    if (!recordings || n == 0) return RG_FAIL(err, RG_ERR_ARGUMENT, "a fit needs at least one recording");
    if (!opts) opts = &defaults;
    if (opts->struct_size != sizeof *opts)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "options of %zu bytes where %zu were expected; start from rg_fit_opts_default",
                       opts->struct_size, sizeof *opts);
    if (opts->starts < 0 || opts->starts > 15 || opts->max_iterations < 0 || opts->refine < 1 ||
        !(opts->floor_m > 0.0) || !(opts->correlation > 0.0))
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "fit options out of range: 0 to 15 starts, refine, floor and correlation "
                       "positive, iterations not negative");
    if (opts->rollout.deadline_s > 0.0)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "a fit compares runs, which deadline_s makes depend on timing; leave it 0 and bound a step by "
                       "max_iterations");
    if (!rg_fit_method_name(opts->method))
        return RG_FAIL(err, RG_ERR_ARGUMENT, "method %d is none of rg_fit_method", (int)opts->method);
    if (!(opts->learning_rate > 0.0) || !isfinite(opts->learning_rate))
        return RG_FAIL(err, RG_ERR_ARGUMENT, "the learning rate is %g; it must be positive", opts->learning_rate);
    for (int g = 0; g < RG_GROUP_COUNT; g++) {
        if (opts->modes[g] != RG_HELD && opts->modes[g] != RG_UNIFORM && opts->modes[g] != RG_ALONG)
            return RG_FAIL(err, RG_ERR_ARGUMENT, "mode %d of %s is none of rg_group_mode", (int)opts->modes[g],
                           rg_group_name((rg_group)g));
        if (!(opts->priors[g] > 0.0) || !isfinite(opts->priors[g]))
            return RG_FAIL(err, RG_ERR_ARGUMENT, "the prior's deviation of %s is %g; it must be positive",
                           rg_group_name((rg_group)g), opts->priors[g]);
    }
    rg_fit *f = calloc(1, sizeof *f);
    if (!f) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for a fit");
    f->opts = *opts;
    if (!(opts->tolerance >= 0.0)) f->opts.tolerance = limits[opts->method].tolerance;
    f->n = n;
    status = rgi_recordings_complete(recordings, n, &f->recordings, err);
    if (status != RG_OK) goto fail;
    recordings = f->recordings;
    for (size_t i = 1; i < n && !start; i++) {
        if (recordings[i].n_markers == recordings[0].n_markers) continue;
        status = RG_FAIL(err, RG_ERR_SHAPE,
                         "%s has %zu markers but %s has %zu; a fit is of one rod, leave the others "
                         "out",
                         recordings[i].name, recordings[i].n_markers, recordings[0].name, recordings[0].n_markers);
        goto fail;
    }
    /* the deform stepper keeps lengths by projection */
    if (opts->rollout.stepper == RG_STEPPER_DEFORM)
        f->opts.modes[RG_GROUP_STRETCH] = f->opts.modes[RG_GROUP_STRETCH_TIME] = RG_HELD;
    /* starts differ in stiffness only */
    if (start || opts->modes[RG_GROUP_BEND] == RG_HELD) f->opts.starts = 0;
    if (start) {
        status = rg_model_copy(start, &f->start, err);
        if (status != RG_OK) goto fail;
    } else {
        status = rg_model_create(recordings[0].n_markers, (size_t)opts->refine, recordings[0].clamps,
                                 recordings[0].n_clamps, &f->start, err);
        if (status == RG_OK) status = rg_model_set_bend_measure(f->start, opts->bend_measure, err);
        if (status == RG_OK) status = start_lengths(f, f->start, err);
        /* logarithms need somewhere to start from */
        if (status == RG_OK && opts->modes[RG_GROUP_MEMORY] != RG_HELD) fill_field(f->start, RG_BEND_MEMORY, 0.3);
        if (status == RG_OK && opts->modes[RG_GROUP_MARKER_MASS] != RG_HELD) fill_field(f->start, RG_MARKER_MASS, 5e-4);
        /* its damping is explicit: start well inside of where it is stable (docs/physics.md) */
        if (status == RG_OK && opts->rollout.stepper == RG_STEPPER_DEFORM) {
            fill_field(f->start, RG_BEND_RELAXATION, 0.01);
            fill_field(f->start, RG_TWIST_RELAXATION, 0.01);
        }
        if (status != RG_OK) goto fail;
    }
    status = rg_model_copy(f->start, &f->model, err);
    if (status == RG_OK) status = rg_model_copy(f->start, &f->trial, err);
    if (status != RG_OK) goto fail;
    rgi_parameters ps;
    double *scaled = NULL;
    status = rgi_parameters_create(f->start, f->opts.modes, f->opts.priors, &ps, &scaled, err);
    if (status != RG_OK) goto fail;
    size_t p = ps.n > 8 ? ps.n : 8;
    size_t fitted = ps.n;
    rgi_parameters_clear(&ps);
    free(scaled);
    if (fitted == 0) {
        status = RG_FAIL(err, RG_ERR_ARGUMENT, "every group of parameters is held; there is nothing to fit");
        goto fail;
    }
    f->capacity = p;
    f->u = calloc(p, sizeof *f->u);
    f->to = calloc(p, sizeof *f->to);
    f->start_u = calloc((size_t)f->opts.starts * RGI_START_ROOM + 1, sizeof *f->start_u);
    f->start_score = calloc((size_t)f->opts.starts + 1, sizeof *f->start_score);
    f->last_u = calloc(p, sizeof *f->last_u);
    f->gradient = calloc(2 * p, sizeof *f->gradient);
    f->diagonal = calloc(2 * p, sizeof *f->diagonal);
    f->memory = calloc(rgi_fit_memory(f), sizeof *f->memory);
    f->step = calloc(p, sizeof *f->step);
    f->spread = calloc(3 * p, sizeof *f->spread);
    f->normal = calloc(2 * p * p, sizeof *f->normal);
    f->matrix = calloc(4 * p * p, sizeof *f->matrix);
    f->result = calloc(p, sizeof *f->result);
    f->singular = calloc(p, sizeof *f->singular);
    f->correlation = calloc(p * p, sizeof *f->correlation);
    f->recording_l1 = calloc(n, sizeof *f->recording_l1);
    f->losses = calloc(n, sizeof *f->losses);
    f->flags = calloc(n, sizeof *f->flags);
    f->rises = calloc(n, sizeof *f->rises);
    f->factors = calloc(n, sizeof *f->factors);
    f->recording_status = calloc(n, sizeof *f->recording_status);
    if (!f->u || !f->to || !f->start_u || !f->last_u || !f->gradient || !f->memory || !f->step || !f->normal ||
        !f->matrix || !f->diagonal || !f->spread || !f->result || !f->singular || !f->correlation || !f->recording_l1 ||
        !f->recording_status || !f->start_score || !f->losses || !f->flags || !f->factors || !f->rises) {
        status = RG_FAIL(err, RG_ERR_MEMORY, "out of memory for a fit of %zu parameters", p);
        goto fail;
    }
    f->whole = 1;
    status = opts->method == RG_METHOD_LM ? rgi_fit_prepare_tangents(f, err) : rgi_fit_prepare_adjoint(f, err);
    if (status != RG_OK) goto fail;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < recordings[i].n_frames * recordings[i].n_markers; k++)
            f->counted += recordings[i].valid[k] != 0;
    f->whole = 0;
    status = choose_part(f, err);
    if (status == RG_OK) status = rgi_fit_begin_anew(f, err);
    if (status != RG_OK) goto fail;
    *out = f;
    return RG_OK;
fail:
    rg_fit_destroy(&f);
    return status;
}

/* the start that is `rank` better ones behind the best; -1: there are not so many */
static int ranked_start(const rg_fit *fit, int rank)
{
    for (int k = 0; k < fit->opts.starts; k++) {
        int better = 0;
        for (int m = 0; m < fit->opts.starts; m++)
            better +=
                fit->start_score[m] < fit->start_score[k] || (fit->start_score[m] == fit->start_score[k] && m < k);
        if (better == rank && isfinite(fit->start_score[k])) return k;
    }
    return -1;
}

/* the model of a uniform start, as it ended */
static rg_status start_model(rg_fit *fit, int start, rg_error *err)
{
    rg_group_mode modes[RG_GROUP_COUNT];
    rgi_parameters ps;
    double *scaled = NULL;
    rgi_fit_stage_modes(fit, 0, modes);
    RG_TRY(rgi_parameters_create(fit->start, modes, fit->opts.priors, &ps, &scaled, err));
    copy_fields(fit->model, fit->start);
    rgi_parameters_apply(&ps, fit->start_u + start * RGI_START_ROOM, fit->model);
    rgi_parameters_clear(&ps);
    free(scaled);
    return RG_OK;
}

/* a stage of a uniform rod is over, or the fit in it: note its result */
static void note_start(rg_fit *fit)
{
    fit->start_score[fit->stage] = fit->l1 * (1.0 + (double)fit->failed);
    memcpy(fit->start_u + fit->stage * RGI_START_ROOM, fit->u, fit->parameters.n * sizeof *fit->u);
}

/* Where a later start led to no better rod than the best start was, that one is the best so far. */
static rg_status return_to_best_start(rg_fit *fit, rg_error *err)
{
    const int best = ranked_start(fit, 0);
    if (fit->stage != fit->opts.starts || fit->attempt == 0 || best < 0) return RG_OK;
    if (!fit->fresh && fit->l1 * (1.0 + (double)fit->failed) <= fit->start_score[best]) return RG_OK;
    RG_TRY(start_model(fit, best, err));
    return enter_stage(fit, fit->stage, fit->model, err);
}

/* the stage is over: enter the next one or finish */
static rg_status leave_stage(rg_fit *fit, rg_error *err)
{
    const int starts = fit->opts.starts;
    if (fit->stage < starts) {
        note_start(fit);
        if (fit->stage + 1 < starts) return enter_stage(fit, fit->stage + 1, fit->start, err);
        const int best = ranked_start(fit, 0);
        if (best < 0) return RG_FAIL(err, RG_ERR_NUMERIC, "no uniform rod can be simulated on these recordings");
        RG_TRY(start_model(fit, best, err));
        return enter_stage(fit, starts, fit->model, err);
    }
    const int next = fit->stage == starts && fit->stuck && !fit->moved ? ranked_start(fit, fit->attempt + 1) : -1;
    if (next >= 0) {
        fit->attempt++;
        RG_TRY(start_model(fit, next, err));
        return enter_stage(fit, starts, fit->model, err);
    }
    RG_TRY(return_to_best_start(fit, err));
    if (fit->stage < last_stage(fit)) return enter_stage(fit, fit->stage + 1, fit->model, err);
    fit->done = 1;
    return RG_OK;
}

rg_status rg_fit_end(rg_fit *fit, rg_fit_stop_reason reason, rg_error *err)
{
    if (!fit) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_fit_end needs a fit");
    if (reason != RG_STOP_ITERATIONS && reason != RG_STOP_TIME)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "a caller ends a fit by RG_STOP_ITERATIONS or RG_STOP_TIME, not by reason %d", (int)reason);
    if (fit->done) return RG_OK;
    if (fit->stage < fit->opts.starts) {
        if (!fit->fresh) note_start(fit);
        const int best = ranked_start(fit, 0);
        if (best >= 0) {
            RG_TRY(start_model(fit, best, err));
            memcpy(fit->u, fit->start_u + best * RGI_START_ROOM, fit->parameters.n * sizeof *fit->u);
        }
    }
    RG_TRY(return_to_best_start(fit, err));
    fit->stopped = reason;
    fit->done = 1;
    return RG_OK;
}

/* the first step of a stage: evaluate where it starts */
static rg_status begin(rg_fit *fit, rg_error *err)
{
    const rg_fit_method method = fit->opts.method;
    double cost = 0.0, *gradient = fit->gradient;
    if (method == RG_METHOD_LM) {
        RG_TRY(rgi_fit_try(fit, fit->u, &cost, err));
        rgi_algebra_accept(fit);
        gradient += fit->capacity;
    } else {
        RG_TRY(rgi_fit_gradient(fit, fit->u, &cost, gradient, err));
    }
    if (!isfinite(cost))
        return RG_FAIL(err, RG_ERR_NUMERIC, "the cost where stage %d begins is not finite", fit->stage + 1);
    rgi_fit_keep(fit, fit->u, cost, gradient);
    if (method == RG_METHOD_GAUSS_NEWTON_CG) RG_TRY(rgi_fit_gauss_newton_begin(fit, err));
    fit->window_cost = cost;
    fit->fresh = 0;
    return RG_OK;
}

static rg_status iterate(rg_fit *fit, int *accepted, rg_error *err)
{
    switch (fit->opts.method) {
    case RG_METHOD_GAUSS_NEWTON_CG: return rgi_fit_gauss_newton_step(fit, accepted, err);
    case RG_METHOD_LBFGS: return rgi_fit_lbfgs_step(fit, accepted, err);
    case RG_METHOD_ADAM: return rgi_fit_adam_step(fit, accepted, err);
    default: return rgi_fit_lm_step(fit, accepted, err);
    }
}

/* iterations that the current stage may take */
static int most_iterations(const rg_fit *fit)
{
    if (fit->stage < fit->opts.starts) return limits[fit->opts.method].start;
    if (fit->stage < last_stage(fit)) return PART_ITERATIONS;
    return fit->opts.max_iterations ? fit->opts.max_iterations : limits[fit->opts.method].last;
}

/* why the stage ends here, or RG_STOP_NONE */
static rg_fit_stop_reason stage_ends(const rg_fit *fit, double before)
{
    const int early = fit->stage < last_stage(fit);
    if (fit->small >= limits[fit->opts.method].small) return RG_STOP_TOLERANCE;
    if (early && fit->opts.method == RG_METHOD_LM && fit->stage_iteration > 1 && !fit->stuck && fit->cost < before &&
        before - fit->cost < early_fall * before)
        return RG_STOP_TOLERANCE;
    if (fit->stage < fit->opts.starts && fit->stage_iteration >= limits[fit->opts.method].hope &&
        ranked_start(fit, 0) >= 0 &&
        fit->l1 * (1.0 + (double)fit->failed) > hopeless * fit->start_score[ranked_start(fit, 0)])
        return RG_STOP_ITERATIONS;
    if (fit->stuck) return RG_STOP_STUCK;
    return fit->stage_iteration >= most_iterations(fit) ? RG_STOP_ITERATIONS : RG_STOP_NONE;
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void rgi_fit_note_converged(rg_fit *fit) { fit->small = limits[fit->opts.method].small; }

void rg_fit_limit_time(rg_fit *fit, double seconds) { fit->deadline = seconds > 0.0 ? seconds_now() + seconds : 0.0; }

int rgi_fit_late(const rg_fit *fit) { return fit->deadline > 0.0 && seconds_now() >= fit->deadline; }

void rg_fit_describe(const rg_fit *fit, rg_fit_progress *progress)
{
    progress->stage = fit->stage;
    progress->n_stages = last_stage(fit) + 1;
    progress->iteration = fit->iteration;
    progress->cost = fit->cost;
    progress->train_l1_m = fit->l1;
    progress->failed_rods = fit->failed;
    progress->accepted = 0;
    progress->done = fit->done;
    progress->stopped_by = (rg_fit_stop_reason)fit->stopped;
    progress->converged = fit->stopped == RG_STOP_TOLERANCE;
}

rg_status rg_fit_step(rg_fit *fit, rg_fit_progress *progress, rg_error *err)
{
    int accepted = 0;
    const int stage = fit->stage;
    if (!fit->done) {
        const double before = fit->cost;
        if (fit->fresh) {
            RG_TRY(begin(fit, err));
            accepted = 1;
        } else {
            RG_TRY(iterate(fit, &accepted, err));
            fit->moved |= accepted;
        }
        fit->iteration++;
        fit->stage_iteration++;
        const rg_fit_stop_reason ends = stage_ends(fit, before);
        /* a fit that has converged says so, whatever the clock says */
        const int over = ends != RG_STOP_NONE && fit->stage == last_stage(fit);
        if (!over && rgi_fit_late(fit)) {
            RG_TRY(rg_fit_end(fit, RG_STOP_TIME, err));
        } else if (ends != RG_STOP_NONE) {
            RG_TRY(leave_stage(fit, err));
            if (fit->done) fit->stopped = ends;
        }
    }
    if (progress) {
        rg_fit_describe(fit, progress);
        progress->stage = stage;
        progress->accepted = accepted;
    }
    return RG_OK;
}

const rg_model *rg_fit_model(const rg_fit *fit) { return fit->model; }

double rg_fit_recording_l1(const rg_fit *fit, size_t i, rg_rod_status *status)
{
    if (status) *status = fit->recording_status[i];
    return fit->recording_l1[i] >= 0.0 ? fit->recording_l1[i] : NAN;
}
