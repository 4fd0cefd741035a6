/* cli/bench_flops.c: operations of a rod-step (bench_flops.h), from the counts of bench_flops_table.h. */
#include "cli/bench_flops.h"

#include <math.h>

#include "cli/bench_flops_table.h"

void rgc_flops_terms(const rgc_work *w, double newton, double *terms)
{
    const rg_rollout_opts *o = &w->rollout;
    const double frames = 1.0 / o->substeps; /* of a step */
    const double p = w->mode == RGC_TANGENT ? (double)w->parameters : 0.0;
    const double sweeps = o->stepper == RG_STEPPER_DEFORM ? o->sweeps : 0.0;
    const double all[RGC_FLOPS_TERMS] = {1.0, newton,     sweeps,     frames,
                                         p,   p * sweeps, p * frames, 0.5 * p * (p + 1.0) * frames};
    for (int i = 0; i < RGC_FLOPS_TERMS; i++) terms[i] = all[i];
}

/* the first n terms */
static double sum(const rgc_work *w, rgc_mode mode, const double *terms, int n)
{
    double flops = 0.0;
    for (int i = 0; i < n; i++) {
        const double *of = rgc_flops_table[w->rollout.stepper][mode][i];
        flops += terms[i] * (of[0] + of[1] * (double)w->setting->scene->vertices);
    }
    return flops;
}

double rgc_flops_per_step(const rgc_work *w, double newton)
{
    double terms[RGC_FLOPS_TERMS];
    if (w->rollout.stepper == RG_STEPPER_IMPLICIT && w->rollout.scheme == RG_SCHEME_STATIC) return (double)NAN;
    rgc_flops_terms(w, newton, terms);
    const double own = sum(w, w->mode, terms, RGC_FLOPS_TERMS);
    if (w->mode != RGC_ADJOINT) return own;
    /* the forward run, and once more where states are not all kept, then without a frame's outputs */
    const double again = rgc_work_describe(w).forward_runs - 1.0;
    return own + sum(w, RGC_FORWARD, terms, RGC_FLOPS_TERMS) + again * sum(w, RGC_FORWARD, terms, 3);
}
