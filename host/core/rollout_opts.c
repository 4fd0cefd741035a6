/* core/rollout_opts.c: options of rollouts and their names (include/rodgrad/rollout.h). */
#include "core/rollout_opts.h"

#include <math.h>
#include <string.h>

#include "core/context.h"
#include "core/structs.h"

void rg_rollout_opts_init(rg_rollout_opts *opts)
{
    rg_rollout_opts o;
    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.scheme = RG_SCHEME_BDF2;
    o.substeps = 1;
    o.sweeps = 10;
    o.tolerance_m = 1e-8;
    o.max_iterations = 40;
    o.gravity[2] = -9.81;
    rgi_struct_give(&rgi_rollout_opts_struct, &o, opts);
}

/* of the lists of rodgrad/rollout.h: a value's name, and the value of a name */
#define CASE_NAME(value, code, text)                                                                                   \
    case value:                                                                                                        \
        return text;
#define IF_NAMED(value, code, text)                                                                                    \
    if (name && strcmp(name, text) == 0) {                                                                             \
        *out = value;                                                                                                  \
        return 1;                                                                                                      \
    }

const char *rg_rod_flag_text(rg_rod_flag flag)
{
    switch (flag) {
        RG_ROD_STATUS_LIST(CASE_NAME)
    }
    return "unknown";
}

const char *rg_stepper_name(rg_stepper stepper)
{
    switch (stepper) {
        RG_STEPPER_LIST(CASE_NAME)
    }
    return "unknown";
}

int rg_stepper_find(const char *name, rg_stepper *out)
{
    RG_STEPPER_LIST(IF_NAMED)
    return 0;
}

const char *rg_scheme_name(rg_scheme scheme)
{
    switch (scheme) {
        RG_SCHEME_LIST(CASE_NAME)
    }
    return "unknown";
}

int rg_scheme_find(const char *name, rg_scheme *out)
{
    RG_SCHEME_LIST(IF_NAMED)
    return 0;
}

const char *rg_real_name(rg_real real)
{
    switch (real) {
        RG_REAL_LIST(CASE_NAME)
    }
    return "unknown";
}

int rg_real_find(const char *name, rg_real *out)
{
    RG_REAL_LIST(IF_NAMED)
    return 0;
}

const char *rg_at_limit_name(rg_at_limit at_limit)
{
    switch (at_limit) {
        RG_AT_LIMIT_LIST(CASE_NAME)
    }
    return "unknown";
}

int rg_at_limit_find(const char *name, rg_at_limit *out)
{
    RG_AT_LIMIT_LIST(IF_NAMED)
    return 0;
}

const char *rg_cpu_isa(void) { return rgi_cpu_find(NULL, RG_REAL_DOUBLE)->isa; }

/* may a step end without a solution? */
static rg_status check_limit(const rg_rollout_opts *o, rg_error *err)
{
    if (o->at_limit != RG_LIMIT_FREEZE && o->at_limit != RG_LIMIT_CONTINUE)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "at_limit %d is neither RG_LIMIT_FREEZE nor RG_LIMIT_CONTINUE",
                       (int)o->at_limit);
    if (!(o->deadline_s >= 0.0) || !isfinite(o->deadline_s))
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "deadline_s is %g; it must be the seconds that a step may take, or 0 for no deadline",
                       o->deadline_s);
    const char *option = o->deadline_s > 0.0                ? "deadline_s"
                         : o->at_limit == RG_LIMIT_CONTINUE ? "at_limit \"continue\""
                                                            : NULL;
    if (!option) return RG_OK;
    if (o->stepper == RG_STEPPER_DEFORM)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "%s is of the implicit stepper, and the stepper is deform, whose forces are those of twist in "
                       "equilibrium; leave it out or choose the implicit stepper",
                       option);
    if (o->scheme == RG_SCHEME_STATIC)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "%s does not go with the static scheme, whose steps end in equilibrium or not at all; leave it "
                       "out or choose a scheme with inertia",
                       option);
    if (o->deadline_s > 0.0 && rgi_context_device(o->context))
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "deadline_s is the CPU's, and the context is %s, whose kernels have no clock; leave it 0 and "
                       "lower max_iterations",
                       rg_context_backend(o->context));
    return RG_OK;
}

rg_status rgi_rollout_check(const rg_rollout_opts *o, const rgi_cpu **cpu, rg_error *err)
{
    if (o->stepper != RG_STEPPER_IMPLICIT && o->stepper != RG_STEPPER_DEFORM)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "stepper %d is neither RG_STEPPER_IMPLICIT nor RG_STEPPER_DEFORM",
                       (int)o->stepper);
    if (o->scheme != RG_SCHEME_BE && o->scheme != RG_SCHEME_BDF2 && o->scheme != RG_SCHEME_STATIC)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "scheme %d is none of RG_SCHEME_BE, RG_SCHEME_BDF2, RG_SCHEME_STATIC",
                       (int)o->scheme);
    if (o->scheme == RG_SCHEME_STATIC && o->stepper == RG_STEPPER_DEFORM)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "the deform stepper has no static scheme; choose the implicit stepper for equilibria");
    if (o->substeps < 1 || o->substeps > RG_MOST_SUBSTEPS)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "substeps must be 1 to %d, not %d", RG_MOST_SUBSTEPS, o->substeps);
    if (o->sweeps < 1 || o->sweeps > 1000)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "sweeps must be 1 to 1000, not %d", o->sweeps);
    if (!(o->tolerance_m > 0.0) || o->max_iterations < 1)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "tolerance %g m and %d iterations: both must be positive", o->tolerance_m,
                       o->max_iterations);
    RG_TRY(check_limit(o, err));
    for (int c = 0; c < 3; c++)
        if (!isfinite(o->gravity[c]))
            return RG_FAIL(err, RG_ERR_ARGUMENT, "gravity[%d] is %g m/s^2; it must be finite", c, o->gravity[c]);
    if (o->real != RG_REAL_DOUBLE && o->real != RG_REAL_FLOAT)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "real %d is neither RG_REAL_DOUBLE nor RG_REAL_FLOAT", (int)o->real);
    const int gpu = rgi_context_device(o->context) != NULL;
    if (!gpu && (o->team || o->team_registers || o->block_rods))
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "team, team_registers and block_rods are a GPU's, and the context is the CPU; leave them 0");
    if (gpu && o->isa)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "the instruction set \"%s\" is the CPU's, and the context is %s; leave isa NULL", o->isa,
                       rg_context_backend(o->context));
    /* on a GPU a pack is one rod, as with the scalar instructions; copies there are narrowed (packs_device.c) */
    *cpu = gpu ? rgi_cpu_find("scalar", RG_REAL_DOUBLE) : rgi_cpu_find(o->isa, o->real);
    if (!*cpu)
        return RG_FAIL(err, RG_ERR_UNSUPPORTED,
                       "this processor or build has no instruction set \"%s\"; choose scalar, fma, sse2, "
                       "avx2 or avx512",
                       o->isa);
    return RG_OK;
}

rg_status rgi_rollout_check_model(const rg_rollout_opts *o, const rg_model *model, rg_error *err)
{
    if (o->stepper == RG_STEPPER_DEFORM && rg_model_bend_measure(model) != RG_BEND_AVERAGED)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "the deform stepper measures bending against averaged directors, and the model's bend_measure "
                       "is \"%s\"; choose the implicit stepper or a model with \"averaged\"",
                       rg_bend_measure_name(rg_model_bend_measure(model)));
    if (o->scheme != RG_SCHEME_STATIC || rg_model_clamps(model, NULL) > 0) return RG_OK;
    return RG_FAIL(
        err, RG_ERR_ARGUMENT,
        "nothing holds this rod, so that it has no equilibrium; clamp a marker or choose a scheme with inertia");
}
