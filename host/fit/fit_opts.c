/* fit/fit_opts.c: options of fits and their names (include/rodgrad/fit.h). */
#include <math.h>
#include <string.h>

#include "core/structs.h"
#include "fit/fit_internal.h"

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

static const rgi_struct opts_struct = {"rg_fit_opts", sizeof(rg_fit_opts), RGI_SIZE_UP_TO(rg_fit_opts, bend_measure),
                                       offsetof(rg_fit_opts, rollout)};

void rg_fit_opts_init(rg_fit_opts *opts)
{
    rg_fit_opts o;
    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.rollout = rg_rollout_opts_default();
    o.refine = 2;
    o.method = RG_METHOD_LM;
    o.tolerance = -1.0;
    o.learning_rate = 0.05;
    o.floor_m = 0.003;
    o.correlation = 100.0;
    o.starts = 3;
    rgi_struct_give(&opts_struct, &o, opts);
}

/* the list of groups, and the defaults of those that are not in it */
static rg_status take_groups(const rg_fit_opts *opts, rg_group_mode *modes, double *priors, rg_error *err)
{
    int there[RG_GROUP_COUNT] = {0};
    for (int g = 0; g < RG_GROUP_COUNT; g++) {
        modes[g] = opts->only_groups ? RG_HELD : rgi_group_describe((rg_group)g)->mode;
        priors[g] = rgi_group_describe((rg_group)g)->prior;
    }
    if (opts->n_groups && !opts->groups)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "n_groups is %zu and groups is NULL", opts->n_groups);
    for (size_t k = 0; k < opts->n_groups; k++) {
        const rg_group_choice *c = &opts->groups[k];
        const char *name = rg_group_name(c->group);
        if (!name)
            return RG_FAIL(err, RG_ERR_ARGUMENT, "%d is among the fit's groups and is none of rg_group", (int)c->group);
        if (there[c->group]++)
            return RG_FAIL(err, RG_ERR_ARGUMENT, "%s is twice among the fit's groups; leave one out", name);
        if (c->mode != RG_HELD && c->mode != RG_UNIFORM && c->mode != RG_ALONG)
            return RG_FAIL(err, RG_ERR_ARGUMENT, "mode %d of %s is none of rg_group_mode", (int)c->mode, name);
        if (!(c->prior >= 0.0) || !isfinite(c->prior))
            return RG_FAIL(err, RG_ERR_ARGUMENT,
                           "the prior's deviation of %s is %g; it must be positive, or 0 for the default", name,
                           c->prior);
        modes[c->group] = c->mode;
        if (c->prior > 0.0) priors[c->group] = c->prior;
    }
    return RG_OK;
}

rg_status rgi_fit_opts_take(const rg_fit_opts *opts, rg_fit_opts *own, rg_group_mode *modes, double *priors,
                            rg_error *err)
{
    if (opts) RG_TRY(rgi_struct_take(&opts_struct, opts, own, err));
    if (own->starts < 0 || own->starts > 15 || own->max_iterations < 0 || own->refine < 1 || !(own->floor_m > 0.0) ||
        !(own->correlation > 0.0))
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "fit options out of range: 0 to 15 starts, refine, floor and correlation "
                       "positive, iterations not negative");
    if (own->rollout.deadline_s > 0.0)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "a fit compares runs, which deadline_s makes depend on timing; leave it 0 and bound a step by "
                       "max_iterations");
    if (!rg_fit_method_name(own->method))
        return RG_FAIL(err, RG_ERR_ARGUMENT, "method %d is none of rg_fit_method", (int)own->method);
    if (!(own->learning_rate > 0.0) || !isfinite(own->learning_rate))
        return RG_FAIL(err, RG_ERR_ARGUMENT, "the learning rate is %g; it must be positive", own->learning_rate);
    RG_TRY(take_groups(own, modes, priors, err));
    own->groups = NULL;
    own->n_groups = 0;
    return RG_OK;
}
