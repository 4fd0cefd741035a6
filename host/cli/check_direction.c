/* cli/check_direction.c: random directions in what goes into a batch, and places for gradients (check.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/check.h"
#include "core/coefficients.h"

const char *rgc_kind_name(int kind)
{
    static const char *const names[RGC_FIELDS] = {"initial positions", "initial velocities", "initial directors",
                                                  "driven positions",  "driven directors",   "external forces"};
    return kind < RGC_FIELDS ? names[kind] : rg_field_describe((rg_field)(kind - RGC_FIELDS))->name;
}

size_t rgc_direction_size(const rgc_rods *p, int kind)
{
    switch (kind) {
    case RGC_X0:
    case RGC_V0: return 3 * p->vertices;
    case RGC_TURN0: return p->edges;
    case RGC_CLAMP_X: return 3 * p->steps * p->clamped_vertices;
    case RGC_CLAMP_TURN: return p->steps * p->clamped_edges;
    case RGC_FORCE: return 3 * p->steps * p->vertices;
    default: return rgi_field_numbers(p->models[0], kind - RGC_FIELDS);
    }
}

double **rgc_direction_array(rgc_direction *d, int kind)
{
    double **const arrays[RGC_FIELDS] = {&d->x0, &d->v0, &d->turn0, &d->clamp_x, &d->clamp_turn, &d->force};
    return kind < RGC_FIELDS ? arrays[kind] : &d->fields[kind - RGC_FIELDS];
}

/* how far one number of a field may sensibly go: with its own size, or where it is zero by little.
 * What may not be negative stays where it is zero. */
static double field_scale(const rg_model *model, int field, size_t at)
{
    const double value = rg_model_field(model, (rg_field)field)[at];
    const size_t entry = at / (size_t)rg_field_describe((rg_field)field)->components;
    switch (field) {
    case RG_NATURAL_CURVATURE:
    case RG_NATURAL_TWIST: return fmax(fabs(value), 0.1);
    case RG_BEND_COUPLING:
        return 0.1 * fmin(rg_model_field(model, RG_BEND_STIFFNESS_1)[entry],
                          rg_model_field(model, RG_BEND_STIFFNESS_2)[entry]);
    case RG_MARKER_OFFSET: {
        const int *clamps = NULL;
        const size_t n = rg_model_clamps(model, &clamps);
        for (size_t c = 0; c < n; c++)
            if (clamps[c] == (int)entry) return 0.0; /* a driven marker prescribes its vertex */
        return fmax(fabs(value), 1e-3);
    }
    default: return fabs(value);
    }
}

rg_status rgc_direction_create(rgc_check_job *job, const int kinds[RGC_KINDS], int zero, rgc_direction *out,
                               rg_error *err)
{
    /* [m], [m/s], [rad], [m], [rad], [N] */
    static const double scales[RGC_FIELDS] = {1e-3, 1e-2, 1e-2, 1e-4, 1e-2, 1e-3};
    const rgc_rods *p = job->rods;
    memset(out, 0, sizeof *out);
    for (int kind = 0; kind < RGC_KINDS; kind++) {
        if (!kinds[kind]) continue;
        const size_t size = rgc_direction_size(p, kind);
        double *to = calloc(p->n * size + 1, sizeof *to);
        *rgc_direction_array(out, kind) = to;
        if (!to) {
            rgc_direction_clear(out);
            return RG_FAIL(err, RG_ERR_MEMORY,
                           "out of memory for %zu recordings of %zu steps; check "
                           "fewer with --rods or --frames.",
                           p->n, p->steps);
        }
        for (size_t i = 0; i < p->n * size && !zero; i++) {
            const double scale =
                kind < RGC_FIELDS ? scales[kind] : field_scale(p->models[i / size], kind - RGC_FIELDS, i % size);
            to[i] = scale * rgc_check_random(job);
        }
    }
    return RG_OK;
}

void rgc_direction_clear(rgc_direction *d)
{
    for (int kind = 0; kind < RGC_KINDS; kind++) free(*rgc_direction_array(d, kind));
    memset(d, 0, sizeof *d);
}

rg_batch_tangents rgc_direction_tangents(rgc_direction *d)
{
    rg_batch_tangents t = {.x0 = d->x0,
                           .v0 = d->v0,
                           .turn0 = d->turn0,
                           .clamp_x = d->clamp_x,
                           .clamp_turn = d->clamp_turn,
                           .force = d->force};
    for (int f = 0; f < RG_FIELD_COUNT; f++) d->tangent_fields[f] = (rg_field_values){(rg_field)f, d->fields[f]};
    t.fields = d->tangent_fields;
    t.n_fields = RG_FIELD_COUNT;
    return t;
}

rg_batch_gradients rgc_direction_gradients(rgc_direction *d)
{
    rg_batch_gradients g;
    memset(&g, 0, sizeof g);
    g.x0 = d->x0;
    g.v0 = d->v0;
    g.turn0 = d->turn0;
    g.clamp_x = d->clamp_x;
    g.clamp_turn = d->clamp_turn;
    g.force = d->force;
    for (int f = 0; f < RG_FIELD_COUNT; f++) d->gradient_fields[f] = (rg_field_gradient){(rg_field)f, d->fields[f]};
    g.fields = d->gradient_fields;
    g.n_fields = RG_FIELD_COUNT;
    return g;
}
