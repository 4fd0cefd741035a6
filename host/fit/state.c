/* fit/state.c: a fit's state as numbers, to save and resume (rg_fit_state, rg_fit_resume).
 *
 * Header (what the fit is, so that a foreign state is refused), counters, parameter vectors with
 * their prior means, the gradient, what the method keeps (Levenberg-Marquardt the normal matrix,
 * Gauss-Newton-CG its diagonal, Adam its iterate and its means, L-BFGS nothing), the model's
 * fields, errors of recordings. A normal matrix on a device is not kept: it is made again from u, to
 * the same bits. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fit/algebra.h"

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

/* of the header's second number, the method: added where a state holds no normal matrix */
enum { ON_DEVICE = 100 };

enum { FIXED = 13, HEADER = FIXED + 2 * RG_GROUP_COUNT, COUNTERS = 6, REALS = 8, STATUS = 12 };

static int keeps_nothing(const rg_fit *fit)
{
    return fit->opts.method == RG_METHOD_LM && rgi_algebra_on_device(fit);
}

/* what must be the same for a state to belong to a fit */
static void header(const rg_fit *fit, double *h)
{
    size_t frames = 0;
    for (size_t i = 0; i < fit->n; i++) frames += fit->recordings[i].n_frames;
    const int adam = fit->opts.method == RG_METHOD_ADAM;
    double fixed[FIXED] = {20261224.0,
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
                           fit->opts.rollout.substeps + 1000.0 * fit->opts.rollout.scheme +
                               4096.0 * (double)(fit->opts.seed % (1ull << 40))};
    memcpy(h, fixed, sizeof fixed);
    for (int g = 0; g < RG_GROUP_COUNT; g++) {
        h[FIXED + 2 * g] = fit->opts.modes[g];
        h[FIXED + 1 + 2 * g] = fit->opts.priors[g];
    }
}

/* numbers that the method keeps between its steps */
static size_t method_count(const rg_fit *fit)
{
    const size_t p = fit->capacity;
    switch (fit->opts.method) {
    case RG_METHOD_GAUSS_NEWTON_CG: return p;
    case RG_METHOD_LBFGS: return 0;
    case RG_METHOD_ADAM: return 3 * p;
    default: return keeps_nothing(fit) ? 0 : p * p;
    }
}

static void method_numbers(rg_fit *fit, cursor *c)
{
    const size_t p = fit->capacity;
    if (fit->opts.method == RG_METHOD_LM && !keeps_nothing(fit)) numbers(c, fit->normal, p * p);
    if (fit->opts.method == RG_METHOD_GAUSS_NEWTON_CG) numbers(c, fit->memory, p);
    if (fit->opts.method == RG_METHOD_ADAM) {
        numbers(c, fit->memory, 2 * p);
        numbers(c, fit->to, p);
    }
}

static void body(rg_fit *fit, cursor *c)
{
    const size_t p = fit->capacity;
    int *counters[] = {&fit->stage_iteration, &fit->iteration, &fit->fresh,
                       &fit->small,           &fit->done,      &fit->failed};
    double *reals[] = {&fit->mu,      &fit->weight, &fit->cost,        &fit->l1,
                       &fit->best_l1, &fit->rate,   &fit->window_cost, &fit->best_start_cost};
    for (size_t i = 0; i < COUNTERS; i++) integer(c, counters[i]);
    for (size_t i = 0; i < REALS; i++) numbers(c, reals[i], 1);
    numbers(c, fit->u, p);
    numbers(c, fit->start_u, p);
    numbers(c, fit->gradient, p);
    method_numbers(fit, c);
    for (size_t i = 0; i < p; i++) {
        double mean = i < fit->parameters.n ? fit->parameters.list[i].prior_mean : 0.0;
        numbers(c, &mean, 1);
        if (c->load && i < fit->parameters.n) fit->parameters.list[i].prior_mean = mean;
    }
    for (int f = 0; f < RG_FIELD_COUNT; f++) {
        size_t count = rg_model_field_entries(fit->model, (rg_field)f) *
                       (size_t)rg_field_describe((rg_field)f)->components;
        numbers(c, rg_model_field_data(fit->model, (rg_field)f), count);
        if (c->load)
            memcpy(rg_model_field_data(fit->trial, (rg_field)f),
                   rg_model_field(fit->model, (rg_field)f), count * sizeof(double));
    }
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
        s->flag = (rg_rod_flag)flag;
    }
}

static size_t state_count(const rg_fit *fit)
{
    size_t fields = 0;
    for (int f = 0; f < RG_FIELD_COUNT; f++)
        fields += rg_model_field_entries(fit->model, (rg_field)f) *
                  (size_t)rg_field_describe((rg_field)f)->components;
    return HEADER + 1 + COUNTERS + REALS + 4 * fit->capacity + method_count(fit) + fields +
           (1 + STATUS) * fit->n;
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
static rg_status check_method(const rg_fit *fit, const rgi_parameters *ps, const double *at,
                              rg_error *err)
{
    const size_t p = fit->capacity;
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
static rg_status check_body(const rg_fit *fit, const rgi_parameters *ps, const double *state,
                            rg_error *err)
{
    const size_t p = fit->capacity, counters = COUNTERS, reals = REALS;
    const double *at = state + HEADER + 1, *u = at + counters + reals;
    rg_model *model = NULL;
    for (size_t i = 0; i < counters; i++)
        if (!(at[i] >= 0.0 && at[i] <= 1e9 && at[i] == floor(at[i])))
            return RG_FAIL(err, RG_ERR_VALUE, "counter %zu of the saved state is %g", i, at[i]);
    /* mu, weight, costs and errors; no start may have ended yet, its cost is infinite then */
    for (size_t i = 0; i < reals; i++)
        if (!(at[counters + i] >= 0.0 && (at[counters + i] < INFINITY || i + 1 == reals)))
            return RG_FAIL(err, RG_ERR_VALUE, "the saved state holds a cost or weight of %g",
                           at[counters + i]);
    for (size_t i = 0; i < 4 * p + method_count(fit); i++)
        if (!isfinite(u[i]))
            return RG_FAIL(err, RG_ERR_VALUE, "a parameter or derivative in the saved state is %g",
                           u[i]);
    for (size_t i = 0; i < ps->n; i++)
        for (size_t k = 0; k < (fit->opts.starts > (int)state[HEADER] ? 2 : 1); k++) {
            double value = u[k * p + i];
            /* the best start's is 0 until there is one */
            if (k == 1 && at[counters + reals - 1] == INFINITY) continue;
            if (!(value >= ps->list[i].low && value <= ps->list[i].high))
                return RG_FAIL(err, RG_ERR_VALUE, "%s in the saved state is %g, out of its bounds",
                               rg_group_name(ps->list[i].group), value);
        }
    RG_TRY(check_method(fit, ps, u + 3 * p, err));
    at = u + 4 * p + method_count(fit);
    RG_TRY(rg_model_copy(fit->model, &model, err));
    for (int f = 0; f < RG_FIELD_COUNT; f++) {
        size_t count = rg_model_field_entries(model, (rg_field)f) *
                       (size_t)rg_field_describe((rg_field)f)->components;
        memcpy(rg_model_field_data(model, (rg_field)f), at, count * sizeof *at);
        at += count;
    }
    rg_status status = rg_model_check(model, err);
    rg_model_destroy(&model);
    if (status != RG_OK) return status;
    for (size_t i = 0; i < fit->n; i++) {
        const double *s = at + fit->n + STATUS * i;
        int known = s[0] >= 0.0 && s[0] <= RG_ROD_UNSTABLE && s[0] == floor(s[0]);
        for (int k = 1; k < STATUS; k++) known = known && s[k] >= (k > 4 ? -1.0 : 0.0) && s[k] <= 1e9;
        if (!known || !(at[i] >= 0.0))
            return RG_FAIL(err, RG_ERR_VALUE,
                           "the saved state's error of recording %zu makes no sense", i);
    }
    return RG_OK;
}

rg_status rg_fit_resume(rg_fit *fit, const double *state, size_t count, rg_error *err)
{
    double head[HEADER];
    if (!fit || !state)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_fit_resume needs a fit and a state");
    header(fit, head);
    if (count >= HEADER && state[0] == head[0] && state[1] != head[1]) {
        const int theirs = state[1] >= ON_DEVICE, ours = head[1] >= ON_DEVICE;
        const double method = theirs ? state[1] - ON_DEVICE : state[1];
        const char *name = method >= 0.0 && method < RG_METHOD_COUNT
                               ? rg_fit_method_name((rg_fit_method)(int)method)
                               : "another method";
        return RG_FAIL(err, RG_ERR_VALUE,
                       "the saved state is of a fit by %s%s, this one is by %s%s", name,
                       theirs ? " on a GPU" : "", rg_fit_method_name(fit->opts.method),
                       ours ? " on a GPU" : "");
    }
    if (count != state_count(fit))
        return RG_FAIL(err, RG_ERR_SHAPE,
                       "the saved state has %zu numbers, this fit needs %zu; it belongs to other "
                       "recordings or options",
                       count, state_count(fit));
    for (int i = 0; i < HEADER; i++)
        if (head[i] != state[i])
            return RG_FAIL(
                err, RG_ERR_VALUE,
                "the saved state belongs to other recordings or options (number %d of its header "
                "is %g, not %g)",
                i, state[i], head[i]);
    if (!(state[HEADER] >= 0.0 && state[HEADER] <= fit->opts.starts &&
          state[HEADER] == floor(state[HEADER])))
        return RG_FAIL(err, RG_ERR_VALUE, "the saved state is in stage %g of %d", state[HEADER],
                       fit->opts.starts + 1);
    for (size_t i = 0; i < count; i++)
        if (isnan(state[i]))
            return RG_FAIL(err, RG_ERR_VALUE, "number %zu of the saved state is not a number", i);
    const int stage = (int)state[HEADER];
    rg_group_mode modes[RG_GROUP_COUNT];
    rgi_parameters parameters;
    double *scaled = NULL;
    rgi_fit_stage_modes(fit, stage, modes);
    RG_TRY(rgi_parameters_create(fit->start, modes, fit->opts.priors, &parameters, &scaled, err));
    free(scaled);
    rg_status status = check_body(fit, &parameters, state, err);
    if (status != RG_OK) {
        rgi_parameters_clear(&parameters);
        return status;
    }
    rgi_parameters_clear(&fit->parameters);
    fit->parameters = parameters;
    fit->stage = stage;
    fit->linearised = fit->formed = 0;
    fit->last = NULL;
    cursor c = {NULL, state, HEADER + 1};
    body(fit, &c);
    return RG_OK;
}
