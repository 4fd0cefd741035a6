/* rods.h: small rods and their recordings, made of formulas, for tests of rollouts and fits. */
#ifndef RODS_H
#define RODS_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "probe_random.h"
#include "rodgrad/rodgrad.h"

#define RODS_SPACING 0.06 /* between markers [m] */

static inline double rods_between(uint64_t *seed, double a, double b) { return a + (b - a) * random_uniform(seed); }

/* A hanging row of markers whose ends sway, each seed in its own way; everything trusted. The name
 * and the clamps are copied: rg_recording_clear releases it. */
static inline rg_recording rods_recording(size_t markers, size_t frames, const int *clamps, size_t n_clamps,
                                          uint64_t seed)
{
    static const char name[] = "made";
    rg_recording r;
    memset(&r, 0, sizeof r);
    r.n_frames = frames;
    r.n_markers = markers;
    r.dt_s = 0.01;
    r.n_clamps = n_clamps;
    r.name = malloc(sizeof name);
    r.clamps = malloc((n_clamps + 1) * sizeof *r.clamps);
    r.positions = malloc(frames * markers * 3 * sizeof *r.positions);
    r.driving = malloc(frames * markers * 3 * sizeof *r.driving);
    r.valid = malloc(frames * markers);
    if (!r.name || !r.clamps || !r.positions || !r.driving || !r.valid) abort();
    memcpy(r.name, name, sizeof name);
    if (n_clamps > 0) memcpy(r.clamps, clamps, n_clamps * sizeof *clamps);
    memset(r.valid, 1, frames * markers);
    double p[6];
    for (int i = 0; i < 6; i++) p[i] = rods_between(&seed, -1.0, 1.0);
    for (size_t f = 0; f < frames; f++)
        for (size_t k = 0; k < markers; k++) {
            double *x = r.positions + 3 * (f * markers + k);
            double t = r.dt_s * (double)f, s = (double)k;
            x[0] = RODS_SPACING * s + 0.02 * sin((3.0 + p[0]) * t + p[1]);
            x[1] = 0.02 * sin((4.0 + p[2]) * t + 0.3 * s + p[3]);
            x[2] = 1.0 - 0.004 * s * ((double)markers - 1.0 - s) + 0.02 * sin((5.0 + p[4]) * t + 0.2 * s + p[5]);
        }
    memcpy(r.driving, r.positions, frames * markers * 3 * sizeof *r.driving);
    return r;
}

static inline void rods_fill(rg_model *model, rg_field field, uint64_t *seed, double a, double b)
{
    double *at = rg_model_field_data(model, field);
    size_t n = rg_model_field_entries(model, field) * (size_t)rg_field_describe(field)->components;
    for (size_t i = 0; i < n; i++) at[i] = rods_between(seed, a, b);
}

/* a soft rod on which every field acts, uneven along its length; lengths fit rods_recording */
static inline rg_model *rods_model(size_t markers, size_t refine, const int *clamps, size_t n_clamps, uint64_t seed)
{
    rg_model *m = NULL;
    if (rg_model_create(markers, refine, clamps, n_clamps, &m, NULL) != RG_OK) abort();
    const int *at = rg_model_marker_vertices(m);
    double *length = rg_model_field_data(m, RG_REST_LENGTH);
    for (size_t k = 0; k + 1 < markers; k++)
        for (int i = at[k]; i < at[k + 1]; i++)
            length[i] = rods_between(&seed, 0.98, 1.04) * RODS_SPACING / (at[k + 1] - at[k]);
    rods_fill(m, RG_MASS_PER_LENGTH, &seed, 0.03, 0.06);
    rods_fill(m, RG_MARKER_MASS, &seed, 0.001, 0.003);
    rods_fill(m, RG_MARKER_OFFSET, &seed, -0.005, 0.005);
    for (size_t k = 0; k < n_clamps; k++)
        for (int c = 0; c < 2; c++) rg_model_field_data(m, RG_MARKER_OFFSET)[2 * clamps[k] + c] = 0.0;
    rods_fill(m, RG_STRETCH_STIFFNESS, &seed, 20.0, 60.0);
    rods_fill(m, RG_BEND_STIFFNESS_1, &seed, 0.8e-3, 1.5e-3);
    rods_fill(m, RG_BEND_STIFFNESS_2, &seed, 0.8e-3, 1.5e-3);
    rods_fill(m, RG_BEND_COUPLING, &seed, -0.4e-3, 0.4e-3);
    rods_fill(m, RG_NATURAL_CURVATURE, &seed, -4.0, 4.0);
    rods_fill(m, RG_TWIST_STIFFNESS, &seed, 0.8e-3, 1.5e-3);
    rods_fill(m, RG_NATURAL_TWIST, &seed, -3.0, 3.0);
    rods_fill(m, RG_STRETCH_RELAXATION, &seed, 0.005, 0.02);
    rods_fill(m, RG_BEND_RELAXATION, &seed, 0.01, 0.05);
    rods_fill(m, RG_TWIST_RELAXATION, &seed, 0.01, 0.05);
    rods_fill(m, RG_BEND_MEMORY, &seed, 0.2, 0.8);
    rods_fill(m, RG_BEND_MEMORY_TIME, &seed, 0.02, 0.2);
    rods_fill(m, RG_DRAG, &seed, 0.3, 2.0);
    return m;
}

#endif
