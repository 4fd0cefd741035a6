/* fit/evaluate.c: the cost, its derivatives, and the best point.
 *
 * Levenberg-Marquardt takes J^T W J and J^T W r from a tangent for each parameter. The other methods take
 * the gradient g = w J^T W r + P (u - u0) from one reverse run, whatever the number of parameters, and
 * products (w J^T W J + P) v from a forward run with one tangent and a reverse run. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fit/algebra.h"

static rgi_residuals_opts residuals_opts(const rg_fit *fit)
{
    rgi_residuals_opts o;
    memset(&o, 0, sizeof o);
    o.rollout = fit->opts.rollout;
    o.fit = 1;
    o.floor_m = fit->opts.floor_m;
    o.block = 50;
    return o;
}

/* The share of 1/|r| in the normal matrix where the loss is linear (levenberg_marquardt.c). Of 1, 0.2, 0.1 and 0.05,
 * 0.2 and 0.1 took the fewest iterations on cables. */
static const double outer_share = 0.2;

static int has_part(const rg_fit *fit) { return fit->n_part > 0 && !fit->whole && fit->stage <= fit->opts.starts; }

const rg_recording *rgi_fit_taken(const rg_fit *fit) { return has_part(fit) ? fit->part : fit->recordings; }
size_t rgi_fit_recordings(const rg_fit *fit) { return has_part(fit) ? fit->n_part : fit->n; }
rgi_residuals *rgi_fit_tangents(const rg_fit *fit) { return has_part(fit) ? fit->part_tangents : fit->tangents; }

rg_status rgi_fit_prepare_tangents(rg_fit *fit, rg_error *err)
{
    rgi_residuals_opts o = residuals_opts(fit);
    rgi_residuals **tangents = has_part(fit) ? &fit->part_tangents : &fit->tangents;
    if (*tangents) return RG_OK;
    o.max_directions = fit->capacity;
    o.trace_bytes = (size_t)1 << 30;
    return rgi_residuals_create(fit->start, rgi_fit_taken(fit), rgi_fit_recordings(fit), &o, tangents, err);
}

rg_status rgi_fit_prepare_adjoint(rg_fit *fit, rg_error *err)
{
    rgi_residuals_opts o = residuals_opts(fit);
    if (fit->adjoint) return RG_OK;
    o.adjoint = 1;
    o.budget_bytes = fit->opts.budget_bytes;
    o.max_directions = 1;
    o.markers_jvp = fit->opts.method == RG_METHOD_GAUSS_NEWTON_CG;
    return rgi_residuals_create(fit->start, fit->recordings, fit->n, &o, &fit->adjoint, err);
}

int rg_fit_plan(const rg_fit *fit, rg_batch_plan *plan)
{
    if (!fit->adjoint) return 0;
    *plan = rgi_residuals_describe(fit->adjoint);
    return 1;
}

double rgi_fit_coordinates(const rg_fit *fit, size_t recording)
{
    const rg_recording *r = &rgi_fit_taken(fit)[recording];
    const rgi_residuals *residuals = rgi_fit_tangents(fit);
    const rgi_shape *shape = rgi_residuals_shape(residuals ? residuals : fit->adjoint);
    double count = 0.0;
    for (size_t f = 2; f < r->n_frames; f++)
        for (size_t k = 0; k < shape->n_free; k++) {
            size_t at = f * r->n_markers + (size_t)shape->free_markers[k];
            const double *x = r->positions + 3 * at;
            if (r->valid[at] && isfinite(x[0]) && isfinite(x[1]) && isfinite(x[2])) count += 3.0;
        }
    return count;
}

double rgi_fit_precision(const rg_fit *fit, size_t i)
{
    const double std = fit->parameters.list[i].prior_std;
    return 1.0 / (std * std);
}

int rgi_fit_rolled(const rg_fit *fit, const rgi_residuals *residuals, int with_tangents, const double *u)
{
    return residuals && fit->last == residuals && fit->with_tangents == with_tangents &&
           memcmp(u, fit->last_u, fit->parameters.n * sizeof *u) == 0;
}

/* Roll `residuals` out at u, with tangents in n_directions, and sum the cost. Tangents where the last rollout went
 * without go along its steps. */
static rg_status run(rg_fit *fit, rgi_residuals *residuals, const rgi_direction *directions, size_t n_directions,
                     const double *u, double *cost, rg_error *err)
{
    const int again = n_directions > 0 && rgi_fit_rolled(fit, residuals, 0, u);
    double loss = 0.0, absolute = 0.0, count = 0.0;
    fit->last = NULL;
    rgi_parameters_apply(&fit->parameters, u, fit->trial);
    RG_TRY(rgi_residuals_set(residuals, fit->trial, directions, n_directions, err));
    RG_TRY(again ? rgi_residuals_retrace(residuals, err) : rgi_residuals_run(residuals, err));
    fit->last = residuals;
    fit->with_tangents = n_directions > 0;
    memcpy(fit->last_u, u, fit->parameters.n * sizeof *u);
    for (size_t i = 0; i < rgi_fit_recordings(fit); i++) {
        double l, a;
        rgi_residuals_loss(residuals, i, &l, &a);
        loss += l;
        absolute += a;
        count += rgi_fit_coordinates(fit, i);
    }
    if (!(count > 0.0)) return RG_FAIL(err, RG_ERR_VALUE, "no free marker of any recording counts");
    if (fit->weight == 0.0) fit->weight = 1.0 / (fit->opts.correlation * fmax(absolute / count, 1e-6));
    *cost = fit->weight * loss;
    for (size_t i = 0; i < fit->parameters.n; i++) {
        double d = (u[i] - fit->parameters.list[i].prior_mean) / fit->parameters.list[i].prior_std;
        *cost += 0.5 * d * d;
    }
    return RG_OK;
}

rg_status rgi_fit_evaluate(rg_fit *fit, const double *u, double *cost, double *normal, double *gradient, rg_error *err)
{
    RG_TRY(rgi_fit_prepare_tangents(fit, err));
    rgi_residuals *residuals = rgi_fit_tangents(fit);
    fit->parts = 0;
    rgi_residuals_share(residuals, fit->whole ? NULL : fit->factors, fit->whole ? 1.0 : outer_share);
    RG_TRY(run(fit, residuals, fit->parameters.directions, fit->parameters.n, u, cost, err));
    return rgi_algebra_take(fit, normal, gradient, err);
}

rg_status rgi_fit_cost(rg_fit *fit, const double *u, double *cost, rg_error *err)
{
    RG_TRY(rgi_fit_prepare_tangents(fit, err));
    return run(fit, rgi_fit_tangents(fit), NULL, 0, u, cost, err);
}

rg_status rgi_fit_try(rg_fit *fit, const double *u, double *cost, rg_error *err)
{
    return rgi_fit_evaluate(fit, u, cost, fit->normal + fit->capacity * fit->capacity, fit->gradient + fit->capacity,
                            err);
}

rg_status rgi_fit_gradient(rg_fit *fit, const double *u, double *cost, double *gradient, rg_error *err)
{
    const size_t p = fit->parameters.n;
    RG_TRY(rgi_fit_prepare_adjoint(fit, err));
    RG_TRY(run(fit, fit->adjoint, NULL, 0, u, cost, err));
    memset(gradient, 0, p * sizeof *gradient);
    RG_TRY(rgi_residuals_gradient(fit->adjoint, fit->parameters.directions, p, 0, gradient, err));
    for (size_t i = 0; i < p; i++)
        gradient[i] =
            fit->weight * gradient[i] + rgi_fit_precision(fit, i) * (u[i] - fit->parameters.list[i].prior_mean);
    return RG_OK;
}

rg_status rgi_fit_product(rg_fit *fit, const double *v, double *out, rg_error *err)
{
    const size_t p = fit->parameters.n;
    const rgi_direction *directions = fit->parameters.directions;
    size_t count = 0;
    for (size_t i = 0; i < p; i++) count += directions[i].n_places;
    rgi_place *places = malloc((count + 1) * sizeof *places);
    if (!places) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for a product");
    count = 0;
    for (size_t i = 0; i < p; i++)
        for (size_t k = 0; k < directions[i].n_places; k++) {
            places[count] = directions[i].places[k];
            places[count++].scale *= v[i];
        }
    const rgi_direction all = {places, count};
    rg_status status = rgi_residuals_set(fit->adjoint, fit->trial, &all, 1, err);
    if (status == RG_OK) status = rgi_residuals_run(fit->adjoint, err);
    if (status == RG_OK) {
        memset(out, 0, p * sizeof *out);
        status = rgi_residuals_gradient(fit->adjoint, directions, p, 1, out, err);
        for (size_t i = 0; i < p; i++) out[i] = fit->weight * out[i] + rgi_fit_precision(fit, i) * v[i];
    }
    free(places);
    return status;
}

int rgi_fit_better(const rg_fit *fit, double cost)
{
    int failed = 0;
    for (size_t i = 0; i < rgi_fit_recordings(fit); i++) {
        rg_rod_status status;
        rgi_residuals_status(fit->last, i, &status);
        failed += status.flag != RG_ROD_OK;
    }
    return cost < fit->cost && failed <= fit->failed;
}

void rgi_fit_note(rg_fit *fit)
{
    const size_t n = rgi_fit_recordings(fit);
    double absolute = 0.0, count = 0.0;
    fit->failed = 0;
    for (size_t i = 0; i < n; i++) {
        double a, c = rgi_fit_coordinates(fit, i);
        rg_rod_status status;
        rgi_residuals_loss(fit->last, i, &fit->losses[i], &a);
        rgi_residuals_status(fit->last, i, &status);
        fit->flags[i] = (int)status.flag;
        fit->failed += status.flag != RG_ROD_OK;
        absolute += a;
        count += c;
        if (n != fit->n) continue;
        fit->recording_status[i] = status;
        fit->recording_l1[i] = c > 0.0 ? a / c : 0.0;
    }
    fit->l1 = absolute / count;
}

void rgi_fit_keep(rg_fit *fit, const double *u, double cost, const double *gradient)
{
    const size_t p = fit->parameters.n;
    if (u != fit->u) memcpy(fit->u, u, p * sizeof *u);
    if (gradient != fit->gradient) memcpy(fit->gradient, gradient, p * sizeof *gradient);
    fit->cost = cost;
    rgi_parameters_apply(&fit->parameters, fit->u, fit->model);
    rgi_fit_note(fit);
}

void rgi_fit_note_fall(rg_fit *fit, double fall, double before)
{
    fit->small = fall < fit->opts.tolerance * before ? fit->small + 1 : 0;
}
