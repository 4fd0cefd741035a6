/* fit/state.c: a fit's state as numbers, to save and resume (rg_fit_state, rg_fit_resume).
 *
 * Header (what the fit is, so that a foreign state is refused), counters, parameter vectors with
 * their prior means, the gradient, what the method keeps (Levenberg-Marquardt the normal matrix,
 * Gauss-Newton-CG its diagonal, Adam its iterate and its means, L-BFGS its pairs), the model's
 * fields, errors of recordings. A normal matrix on a device is not kept: it is made again from u, to
 * the same bits. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/context.h"
#include "fit/algebra.h"
#include "fit/minimise.h"

/* a cursor over the state: writes when saving, reads when resuming, counts when state is NULL */
typedef struct cursor {
    double *save;
    const double *load;
    size_t at;
} cursor;

static void numbers(cursor *c, double *values, size_t count)
{
    if (c->save) memcpy(c->save + c->at, values, count * sizeof *values);
    if (c->load) memcpy(values, c->load + c->at, count * sizeof *values);
    c->at += count;
}

static void integer(cursor *c, int *value)
{
    double number = *value;
    numbers(c, &number, 1);
    if (c->load) *value = (int)number;
}

/* by how much the cost may differ after a resume, relative: threads do not change it by more */
static const double same_cost = 1e-6;

/* of the header's second number, the method: added where a state holds no normal matrix */
enum { ON_DEVICE = 100 };

enum { FIXED = 23, HEADER = FIXED + 2 * RG_GROUP_COUNT, COUNTERS = 10, REALS = 6, STATUS = 15 };

static int keeps_nothing(const rg_fit *fit) { return fit->opts.method == RG_METHOD_LM && rgi_algebra_on_device(fit); }

/* of the instructions that rollouts run on, a hash of their name: another set gives other last bits */
static double isa_number(const rg_fit *fit)
{
    unsigned number = 5381u;
    for (const char *c = rgi_rollout_isa(&fit->opts.rollout); c && *c; c++) number = 33u * number + (unsigned char)*c;
    return number;
}

/* what must be the same for a state to belong to a fit */
static void header(const rg_fit *fit, double *h)
{
    size_t frames = 0;
    for (size_t i = 0; i < fit->n; i++) frames += fit->recordings[i].n_frames;
    const int adam = fit->opts.method == RG_METHOD_ADAM;
    double fixed[FIXED] = {20270105.0,
                           fit->opts.method + (keeps_nothing(fit) ? ON_DEVICE : 0),
                           adam ? fit->opts.learning_rate : 0.0,
                           (double)fit->n,
                           (double)frames,
                           (double)fit->counted,
                           (double)fit->capacity,
                           (double)rg_model_vertices(fit->start),
                           (double)fit->opts.starts,
                           fit->opts.floor_m,
                           fit->opts.correlation,
                           fit->opts.rollout.sweeps + 4096.0 * fit->opts.rollout.stepper,
                           fit->opts.rollout.substeps,
                           fit->opts.rollout.scheme + 256.0 * fit->opts.rollout.at_limit,
                           (double)(fit->opts.seed % (1ull << 40)),
                           fit->opts.rollout.real,
                           isa_number(fit),
                           fit->opts.rollout.tolerance_m,
                           fit->opts.tolerance,
                           fit->opts.rollout.gravity[0],
                           fit->opts.rollout.gravity[1],
                           fit->opts.rollout.gravity[2],
                           rg_model_bend_measure(fit->start)};
    memcpy(h, fixed, sizeof fixed);
    for (int g = 0; g < RG_GROUP_COUNT; g++) {
        h[FIXED + 2 * g] = fit->modes[g];
        h[FIXED + 1 + 2 * g] = fit->priors[g];
    }
}

/* numbers that the method keeps between its steps */
static size_t method_count(const rg_fit *fit)
{
    const size_t p = fit->capacity;
    switch (fit->opts.method) {
    case RG_METHOD_GAUSS_NEWTON_CG: return p;
    case RG_METHOD_LBFGS: return rgi_fit_memory(fit);
    case RG_METHOD_ADAM: return 3 * p;
    default: return keeps_nothing(fit) ? 0 : p * p;
    }
}

static void method_numbers(rg_fit *fit, cursor *c)
{
    const size_t p = fit->capacity;
    if (fit->opts.method == RG_METHOD_LM && !keeps_nothing(fit)) numbers(c, fit->normal, p * p);
    if (fit->opts.method == RG_METHOD_GAUSS_NEWTON_CG) numbers(c, fit->memory, p);
    if (fit->opts.method == RG_METHOD_LBFGS) numbers(c, fit->memory, rgi_fit_memory(fit));
    if (fit->opts.method == RG_METHOD_ADAM) {
        numbers(c, fit->memory, 2 * p);
        numbers(c, fit->to, p);
    }
}

static void body(rg_fit *fit, cursor *c)
{
    const size_t p = fit->capacity;
    int *counters[] = {&fit->stage_iteration, &fit->iteration, &fit->fresh,   &fit->small,   &fit->done,
                       &fit->failed,          &fit->moved,     &fit->attempt, &fit->stopped, &fit->formed};
    double *reals[] = {&fit->mu, &fit->weight, &fit->cost, &fit->l1, &fit->rate, &fit->window_cost};
    for (size_t i = 0; i < COUNTERS; i++) integer(c, counters[i]);
    for (size_t i = 0; i < REALS; i++) numbers(c, reals[i], 1);
    numbers(c, fit->u, p);
    numbers(c, fit->gradient, p);
    method_numbers(fit, c);
    for (size_t i = 0; i < p; i++) {
        double mean = i < fit->parameters.n ? fit->parameters.list[i].prior_mean : 0.0;
        numbers(c, &mean, 1);
        if (c->load && i < fit->parameters.n) fit->parameters.list[i].prior_mean = mean;
    }
    for (int f = 0; f < RG_FIELD_COUNT; f++) {
        size_t count =
            rg_model_field_entries(fit->model, (rg_field)f) * (size_t)rg_field_describe((rg_field)f)->components;
        numbers(c, rg_model_field_data(fit->model, (rg_field)f), count);
        if (c->load)
            memcpy(rg_model_field_data(fit->trial, (rg_field)f), rg_model_field(fit->model, (rg_field)f),
                   count * sizeof(double));
    }
    numbers(c, fit->start_u, (size_t)fit->opts.starts * RGI_START_ROOM);
    numbers(c, fit->start_score, (size_t)fit->opts.starts);
    numbers(c, fit->losses, fit->n);
    numbers(c, fit->factors, fit->n);
    for (size_t i = 0; i < fit->n; i++) integer(c, &fit->flags[i]);
    numbers(c, fit->recording_l1, fit->n);
    for (size_t i = 0; i < fit->n; i++) {
        rg_rod_status *s = &fit->recording_status[i];
        int flag = (int)s->flag;
        integer(c, &flag);
        integer(c, &s->step);
        integer(c, &s->iterations);
        integer(c, &s->worst_iterations);
        numbers(c, &s->worst_increment_m, 1);
        integer(c, &s->vertex);
        integer(c, &s->unstable);
        numbers(c, &s->worst_twist_rad, 1);
        numbers(c, &s->worst_turn_rad, 1);
        numbers(c, &s->stable_step_s, 1);
        integer(c, &s->worst_twist_step);
        integer(c, &s->worst_turn_step);
        integer(c, &s->unfinished_steps);
        integer(c, &s->first_unfinished_step);
        numbers(c, &s->worst_residual_n, 1);
        s->flag = (rg_rod_flag)flag;
    }
}

static size_t state_count(const rg_fit *fit)
{
    size_t fields = 0;
    for (int f = 0; f < RG_FIELD_COUNT; f++)
        fields += rg_model_field_entries(fit->model, (rg_field)f) * (size_t)rg_field_describe((rg_field)f)->components;
    return HEADER + 1 + COUNTERS + REALS + 3 * fit->capacity + method_count(fit) + fields +
           (RGI_START_ROOM + 1) * (size_t)fit->opts.starts + (4 + STATUS) * fit->n;
}

void rg_fit_state(const rg_fit *fit, double *state, size_t *count)
{
    if (count) *count = state_count(fit);
    if (!state) return;
    /* saving reads only; the cursor's writes go to `state` */
    rg_fit copy = *fit;
    cursor c = {state, NULL, 0};
    double head[HEADER];
    header(fit, head);
    numbers(&c, head, HEADER);
    integer(&c, &copy.stage);
    body(&copy, &c);
}

/* would what the method keeps do? at: [method_count] */
static rg_status check_method(const rg_fit *fit, const rgi_parameters *ps, const double *at, rg_error *err)
{
    const size_t p = fit->capacity;
    if (fit->opts.method == RG_METHOD_LBFGS && !rgi_minimise_memory_is_sound(ps->n, at))
        return RG_FAIL(err, RG_ERR_VALUE, "the saved state has a step along which the gradient does not rise");
    for (size_t i = 0; i < ps->n; i++) {
        if (fit->opts.method == RG_METHOD_GAUSS_NEWTON_CG && !(at[i] >= 0.0))
            return RG_FAIL(err, RG_ERR_VALUE, "the saved state has a curvature of %g", at[i]);
        if (fit->opts.method != RG_METHOD_ADAM) continue;
        if (!(at[p + i] >= 0.0))
            return RG_FAIL(err, RG_ERR_VALUE, "the saved state has a mean square of %g", at[p + i]);
        if (!(at[2 * p + i] >= ps->list[i].low && at[2 * p + i] <= ps->list[i].high))
            return RG_FAIL(err, RG_ERR_VALUE, "%s in the saved state is %g, out of its bounds",
                           rg_group_name(ps->list[i].group), at[2 * p + i]);
    }
    return RG_OK;
}

/* would the numbers after the header and the stage do as this fit's? what body reads, in its order
 */
static rg_status check_body(const rg_fit *fit, const rgi_parameters *ps, const double *state, rg_error *err)
{
    const size_t p = fit->capacity, counters = COUNTERS, reals = REALS, starts = (size_t)fit->opts.starts;
    const double *at = state + HEADER + 1, *u = at + counters + reals;
    rg_model *model = NULL;
    for (size_t i = 0; i < counters; i++)
        if (!(at[i] >= 0.0 && at[i] <= 1e9 && at[i] == floor(at[i])))
            return RG_FAIL(err, RG_ERR_VALUE, "counter %zu of the saved state is %g", i, at[i]);
    if (at[counters - 3] > fit->opts.starts || at[counters - 2] >= RG_STOP_COUNT)
        return RG_FAIL(err, RG_ERR_VALUE, "the saved state is in attempt %g and was ended by reason %g",
                       at[counters - 3], at[counters - 2]);
    /* mu, weight, costs and errors */
    for (size_t i = 0; i < reals; i++)
        if (!(at[counters + i] >= 0.0 && at[counters + i] < INFINITY))
            return RG_FAIL(err, RG_ERR_VALUE, "the saved state holds a cost or weight of %g", at[counters + i]);
    for (size_t i = 0; i < 3 * p + method_count(fit); i++)
        if (!isfinite(u[i]))
            return RG_FAIL(err, RG_ERR_VALUE, "a parameter or derivative in the saved state is %g", u[i]);
    for (size_t i = 0; i < ps->n; i++)
        if (!(u[i] >= ps->list[i].low && u[i] <= ps->list[i].high))
            return RG_FAIL(err, RG_ERR_VALUE, "%s in the saved state is %g, out of its bounds",
                           rg_group_name(ps->list[i].group), u[i]);
    RG_TRY(check_method(fit, ps, u + 2 * p, err));
    at = u + 3 * p + method_count(fit);
    RG_TRY(rg_model_copy(fit->model, &model, err));
    for (int f = 0; f < RG_FIELD_COUNT; f++) {
        size_t count = rg_model_field_entries(model, (rg_field)f) * (size_t)rg_field_describe((rg_field)f)->components;
        memcpy(rg_model_field_data(model, (rg_field)f), at, count * sizeof *at);
        at += count;
    }
    rg_status status = rg_model_check(model, err);
    rg_model_destroy(&model);
    if (status != RG_OK) return status;
    /* uniform rods: their parameters are finite, their scores infinite before they are known */
    for (size_t i = 0; i < RGI_START_ROOM * starts; i++)
        if (!isfinite(at[i]))
            return RG_FAIL(err, RG_ERR_VALUE, "a uniform rod of the saved state has a parameter of %g", at[i]);
    at += RGI_START_ROOM * starts;
    for (size_t i = 0; i < starts; i++)
        if (!(at[i] >= 0.0))
            return RG_FAIL(err, RG_ERR_VALUE, "a uniform rod of the saved state has an error of %g", at[i]);
    at += starts;
    /* losses, factors, flags */
    for (size_t i = 0; i < 3 * fit->n; i++) {
        const double least = i / fit->n == 1 ? 1.0 : 0.0;
        const double most = i / fit->n == 2 ? RG_ROD_UNSTABLE : i / fit->n == 1 ? 1e9 : DBL_MAX;
        if (!(at[i] >= least && at[i] <= most))
            return RG_FAIL(err, RG_ERR_VALUE, "the saved state has a loss, factor or flag of %g for recording %zu",
                           at[i], i % fit->n);
    }
    at += 3 * fit->n;
    for (size_t i = 0; i < fit->n; i++) {
        const double *s = at + fit->n + STATUS * i;
        int known = s[0] >= 0.0 && s[0] <= RG_ROD_UNSTABLE && s[0] == floor(s[0]);
        for (int k = 1; k < STATUS; k++)
            known = known && s[k] >= (k > 4 ? -1.0 : 0.0) && s[k] <= (k == 14 ? 1e30 : 1e9);
        if (!known || !(at[i] >= 0.0 || at[i] == -1.0))
            return RG_FAIL(err, RG_ERR_VALUE, "the saved state's error of recording %zu makes no sense", i);
    }
    return RG_OK;
}

rg_status rg_fit_resume(rg_fit *fit, const double *state, size_t count, rg_error *err)
{
    double head[HEADER];
    if (!fit || !state) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_fit_resume needs a fit and a state");
    header(fit, head);
    if (count >= HEADER && state[0] == head[0] && state[1] != head[1]) {
        const int theirs = state[1] >= ON_DEVICE, ours = head[1] >= ON_DEVICE;
        const double method = theirs ? state[1] - ON_DEVICE : state[1];
        const char *name = method >= 0.0 && method < RG_METHOD_COUNT ? rg_fit_method_name((rg_fit_method)(int)method)
                                                                     : "another method";
        return RG_FAIL(err, RG_ERR_VALUE, "the saved state is of a fit by %s%s, this one is by %s%s", name,
                       theirs ? " on a GPU" : "", rg_fit_method_name(fit->opts.method), ours ? " on a GPU" : "");
    }
    if (count != state_count(fit))
        return RG_FAIL(err, RG_ERR_SHAPE,
                       "the saved state has %zu numbers, this fit needs %zu; it belongs to other "
                       "recordings or options",
                       count, state_count(fit));
    for (int i = 0; i < HEADER; i++)
        if (head[i] != state[i])
            return RG_FAIL(err, RG_ERR_VALUE,
                           "the saved state belongs to other recordings or options (number %d of its header "
                           "is %g, not %g)",
                           i, state[i], head[i]);
    if (!(state[HEADER] >= 0.0 && state[HEADER] <= fit->opts.starts + (fit->n_part > 0) &&
          state[HEADER] == floor(state[HEADER])))
        return RG_FAIL(err, RG_ERR_VALUE, "the saved state is in stage %g of %d", state[HEADER],
                       fit->opts.starts + 1 + (fit->n_part > 0));
    for (size_t i = 0; i < count; i++)
        if (isnan(state[i])) return RG_FAIL(err, RG_ERR_VALUE, "number %zu of the saved state is not a number", i);
    const int stage = (int)state[HEADER];
    const size_t p = fit->capacity;
    rg_group_mode modes[RG_GROUP_COUNT];
    rgi_parameters parameters;
    double *scaled = NULL;
    rgi_fit_stage_modes(fit, stage, modes);
    RG_TRY(rgi_parameters_create(fit->start, modes, fit->priors, &parameters, &scaled, err));
    free(scaled);
    rg_status status = check_body(fit, &parameters, state, err);
    if (status != RG_OK) {
        rgi_parameters_clear(&parameters);
        return status;
    }
    rgi_parameters_clear(&fit->parameters);
    fit->parameters = parameters;
    fit->stage = stage;
    fit->linearised = fit->parts = fit->stuck = 0;
    fit->last = NULL;
    cursor c = {NULL, state, HEADER + 1};
    body(fit, &c);
    if (keeps_nothing(fit)) fit->formed = 0;
    if (fit->fresh) return RG_OK;
    /* the recordings' values are not in the state: their cost is */
    const double saved = fit->cost;
    double cost = 0.0;
    status = fit->opts.method == RG_METHOD_LM ? rgi_fit_cost(fit, fit->u, &cost, err)
                                              : rgi_fit_gradient(fit, fit->u, &cost, fit->gradient + p, err);
    if (status == RG_OK && !(fabs(cost - saved) <= same_cost * saved))
        status =
            RG_FAIL(err, RG_ERR_VALUE,
                    "the cost at the saved parameters is %.9g with these recordings and %.9g in the saved state: it "
                    "belongs to other recordings or another version",
                    cost, saved);
    if (status != RG_OK) {
        rg_error ignored = {0};
        (void)rgi_fit_begin_anew(fit, &ignored);
    }
    return status;
}
