/* cli/check_series.c: what comes out of a batch, with tangents and cotangents: how rods move, and their forces
 * (check.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/check.h"

static int group_of(int output) { return output < RGC_TENSION ? RGC_MOTION : RGC_FORCES; }

void rgc_series_clear(rgc_series *s)
{
    for (int k = 0; k < RGC_OUTPUTS; k++) free(s->of[k]);
    memset(s, 0, sizeof *s);
}

rg_status rgc_series_create(const rgc_rods *p, rgc_series *s, rg_error *err)
{
    const size_t row[RGC_OUTPUTS] = {3 * p->vertices,  3 * p->vertices, p->edges,
                                     3 * p->markers,   p->edges,        3 * p->clamped_vertices,
                                     p->clamped_edges, 3 * p->vertices, 5};
    const int groups = rgc_check_groups(p);
    memset(s, 0, sizeof *s);
    for (int k = 0; k < RGC_OUTPUTS; k++) {
        if (group_of(k) >= groups || row[k] == 0) continue;
        s->size[k] = p->frames * row[k];
        s->of[k] = calloc(p->n * s->size[k], sizeof *s->of[k]);
        if (s->of[k]) continue;
        rgc_series_clear(s);
        return RG_FAIL(err, RG_ERR_MEMORY,
                       "out of memory for %zu recordings of %zu frames; check fewer with --rods or --frames.", p->n,
                       p->frames);
    }
    return RG_OK;
}

int rgc_check_groups(const rgc_rods *p) { return p->rollout.stepper == RG_STEPPER_DEFORM ? 1 : RGC_GROUPS; }

rg_batch_outputs rgc_series_outputs(const rgc_series *s)
{
    double *const *of = s->of;
    return (rg_batch_outputs){.x = of[RGC_X],
                              .v = of[RGC_V],
                              .markers = of[RGC_MARKERS],
                              .tension = of[RGC_TENSION],
                              .reaction = of[RGC_REACTION],
                              .reaction_moment = of[RGC_REACTION_MOMENT],
                              .moment = of[RGC_MOMENT],
                              .energy = of[RGC_ENERGY]};
}

rg_batch_tangent_outputs rgc_series_tangents(const rgc_series *s)
{
    double *const *of = s->of;
    return (rg_batch_tangent_outputs){.x = of[RGC_X],
                                      .v = of[RGC_V],
                                      .turn = of[RGC_TURN],
                                      .markers = of[RGC_MARKERS],
                                      .tension = of[RGC_TENSION],
                                      .reaction = of[RGC_REACTION],
                                      .reaction_moment = of[RGC_REACTION_MOMENT],
                                      .moment = of[RGC_MOMENT],
                                      .energy = of[RGC_ENERGY]};
}

rg_batch_cotangents rgc_series_cotangents(const rgc_series *s, int group)
{
    double *const *of = s->of;
    if (group == RGC_MOTION)
        return (rg_batch_cotangents){.x = of[RGC_X], .v = of[RGC_V], .turn = of[RGC_TURN], .markers = of[RGC_MARKERS]};
    return (rg_batch_cotangents){.tension = of[RGC_TENSION],
                                 .reaction = of[RGC_REACTION],
                                 .reaction_moment = of[RGC_REACTION_MOMENT],
                                 .moment = of[RGC_MOMENT],
                                 .energy = of[RGC_ENERGY]};
}

rg_status rgc_check_scales(rgc_check_job *job, rg_error *err)
{
    rgc_series s = {0};
    RG_TRY(rgc_series_create(job->rods, &s, err));
    const rg_batch_inputs in = rgc_rods_inputs(job->rods);
    const rg_batch_outputs out = rgc_series_outputs(&s);
    const rg_status status = rg_batch_forward(job->batch, &in, &out, NULL, err);
    for (int k = 0; k < RGC_OUTPUTS; k++) {
        double squares = 0.0, count = 0.0;
        for (size_t i = 0; i < job->n && group_of(k) == RGC_FORCES; i++) {
            if (!rgc_check_rod_ok(job, i)) continue;
            squares += rgc_check_dot(s.of[k] + i * s.size[k], s.of[k] + i * s.size[k], s.size[k]);
            count += (double)s.size[k];
        }
        const double size = squares > 0.0 ? sqrt(squares / count) : 1.0;
        job->scale[k] = isfinite(size) ? 1.0 / size : 1.0;
    }
    rgc_series_clear(&s);
    return status;
}

double rgc_series_dot(const rgc_series *a, const rgc_series *b, size_t rod, int group)
{
    double sum = 0.0;
    for (int k = 0; k < RGC_OUTPUTS; k++)
        if (group_of(k) == group)
            sum += rgc_check_dot(a->of[k] + rod * a->size[k], b->of[k] + rod * b->size[k], a->size[k]);
    return sum;
}

double rgc_series_remainder(const rgc_check_job *job, const rgc_series *moved, const rgc_series *base,
                            const rgc_series *d, size_t rod, double e, int group)
{
    double sum = 0.0;
    for (int k = 0; k < RGC_OUTPUTS; k++) {
        if (group_of(k) != group || k == RGC_V || k == RGC_TURN) continue;
        for (size_t i = rod * d->size[k]; i < (rod + 1) * d->size[k]; i++) {
            const double r =
                job->scale[k] * ((moved ? moved->of[k][i] : 0.0) - (base ? base->of[k][i] : 0.0) - e * d->of[k][i]);
            sum += r * r;
        }
    }
    return sqrt(sum);
}

double rgc_check_dot(const double *a, const double *b, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}
