/* core/packs.c: see packs.h. */
#include "core/packs.h"

#include <math.h>
#include <string.h>

#include "rod/layout.h"

void rgi_pack_setup(rgi_pack *j, const rgi_shape *s, const rg_rollout_opts *o, double dt_s)
{
    j->n = (int)s->n;
    j->order = s->order;
    j->first = s->first;
    j->second = s->second;
    j->fixed = s->fixed;
    j->n_markers = (int)s->n_markers;
    j->marker_vertices = s->marker_vertices;
    j->n_free = (int)s->n_free;
    j->free_markers = s->free_markers;
    j->n_fixed_x = (int)s->n_fixed_x;
    j->n_fixed_theta = (int)s->n_fixed_theta;
    j->fixed_x = s->fixed_x;
    j->fixed_theta = s->fixed_theta;
    j->h = dt_s / o->substeps;
    memcpy(j->gravity, o->gravity, sizeof j->gravity);
    j->tolerance = o->tolerance_m;
    j->max_iterations = o->max_iterations;
    j->deform = o->stepper == RG_STEPPER_DEFORM;
    j->bdf2 = o->scheme == RG_SCHEME_BDF2 && !j->deform;
    j->still = o->scheme == RG_SCHEME_STATIC;
    j->normalised = s->normalised;
    j->sweeps = o->sweeps;
    j->substeps = o->substeps;
}

double *rgi_take(double *base, size_t *used, size_t count)
{
    double *p = base ? base + *used : NULL;
    *used += (count + 7) / 8 * 8;
    return p;
}

rgi_reals *rgi_take_reals(const rgi_cpu *cpu, double *base, size_t *used, size_t reals)
{
    return (rgi_reals *)(void *)rgi_take(base, used, rgi_cpu_doubles(cpu, reals));
}

void rgi_pack_layout(rgi_pack *pack, const rgi_extents *e, unsigned want, int section, size_t w, double *base,
                     size_t *used)
{
#define LAY_OUT(name, where, wanted, kind, count)                                                                      \
    if (section == RGI_SECTION_##where && (want & RGI_WANT_##wanted) == RGI_WANT_##wanted)                             \
        pack->name = rgi_take(base, used, (count)*w);
    RGI_PACK_ARRAYS(LAY_OUT)
#undef LAY_OUT
}

void rgi_lane_status(const double *status, size_t w, size_t lane, rg_rod_status *out)
{
    out->flag = (rg_rod_flag)status[lane];
    out->step = (int)status[w + lane];
    out->iterations = (int)status[2 * w + lane];
    out->worst_iterations = (int)status[3 * w + lane];
    out->worst_increment_m = status[4 * w + lane];
    out->vertex = (int)status[5 * w + lane];
    out->unstable = (int)status[6 * w + lane];
    out->worst_twist_rad = status[7 * w + lane];
    out->worst_twist_step = (int)status[8 * w + lane];
    out->worst_turn_rad = 2.0 * asin(fmin(sqrt(status[9 * w + lane]), 1.0));
    out->worst_turn_step = (int)status[10 * w + lane];
    out->stable_step_s = 0.0;
}
