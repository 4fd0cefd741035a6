/* study/plant_model.c: the rope that is planted by default.
 *
 * Like the cables of the recordings, as they were fitted: a metre of 12 markers, soft, never
 * straight, no two places alike. Everything that a fit finds by default has a value that is not the
 * fit's start, and everything that it holds has the start's. */
#include <math.h>

#include "rodgrad/study.h"

/* what the default truth has at marker s, the end joints' values going on to the ends */
static void rope_at_marker(double s, double *value)
{
    s = fmin(fmax(s, 1.0), 10.0);
    value[0] = 2e-3 * exp(0.3 * sin(1.1 * s)); /* bend stiffness */
    value[1] = 0.12 * sin(0.7 * s);            /* (B11 - B22) / (B11 + B22), 2 B12 / (B11 + B22) */
    value[2] = 0.10 * cos(0.9 * s);
    value[3] = 0.4 + cos(0.8 * s); /* natural curvature */
    value[4] = 0.8 * sin(0.6 * s + 1.0);
    value[5] = 0.6 * sin(0.5 * s);             /* natural twist */
    value[6] = 0.08 * exp(0.2 * cos(0.9 * s)); /* bend relaxation */
    value[7] = 0.3 * exp(0.3 * sin(0.8 * s));  /* bend memory */
}

static void fill(rg_model *model, rg_field field, double value)
{
    double *data = rg_model_field_data(model, field);
    for (size_t i = 0; i < rg_model_field_entries(model, field); i++) data[i] = value;
}

rg_status rg_plant_model(size_t refine, rg_model **out, rg_error *err)
{
    enum { MARKERS = 12, VALUES = 8 };
    static const int clamps[] = {0, 1, MARKERS - 2, MARKERS - 1};
    static const double gripped_m = 0.025, interval_m = 0.1;
    RG_TRY(rg_model_create(MARKERS, refine, clamps, 4, out, err));
    rg_model *m = *out;
    const int *at = rg_model_marker_vertices(m);
    double *length = rg_model_field_data(m, RG_REST_LENGTH);
    double *offset = rg_model_field_data(m, RG_MARKER_OFFSET);
    double *mass = rg_model_field_data(m, RG_MARKER_MASS);
    for (size_t k = 0; k + 1 < MARKERS; k++) {
        const int gripped = k == 0 || k + 2 == MARKERS;
        double interval = gripped ? gripped_m : interval_m * (1.0 + 0.02 * sin(2.0 * (double)k));
        for (int i = at[k]; i < at[k + 1]; i++) length[i] = interval / (at[k + 1] - at[k]);
    }
    for (size_t k = 2; k + 2 < MARKERS; k++) {
        offset[2 * k] = 1.5e-3 * sin(1.7 * (double)k);
        offset[2 * k + 1] = 1.5e-3 * cos(1.3 * (double)k);
        mass[k] = 6e-4 * exp(0.3 * sin(1.9 * (double)k));
    }
    for (size_t i = 0; i < rg_model_vertices(m); i++) {
        size_t k = 0;
        while (k + 2 < MARKERS && at[k + 1] <= (int)i) k++;
        /* linear between markers, as a fit's parameters along the rod are */
        double u = (double)((int)i - at[k]) / (at[k + 1] - at[k]), a[VALUES], b[VALUES], v[VALUES];
        rope_at_marker((double)k, a);
        rope_at_marker((double)(k + 1), b);
        for (int j = 0; j < VALUES; j++) v[j] = (1.0 - u) * a[j] + u * b[j];
        rg_model_field_data(m, RG_BEND_STIFFNESS_1)[i] = v[0] * (1.0 + v[1]);
        rg_model_field_data(m, RG_BEND_STIFFNESS_2)[i] = v[0] * (1.0 - v[1]);
        rg_model_field_data(m, RG_BEND_COUPLING)[i] = v[0] * v[2];
        rg_model_field_data(m, RG_NATURAL_CURVATURE)[2 * i] = v[3];
        rg_model_field_data(m, RG_NATURAL_CURVATURE)[2 * i + 1] = v[4];
        rg_model_field_data(m, RG_NATURAL_TWIST)[i] = v[5];
        rg_model_field_data(m, RG_BEND_RELAXATION)[i] = v[6];
        rg_model_field_data(m, RG_BEND_MEMORY)[i] = v[7];
    }
    fill(m, RG_TWIST_STIFFNESS, 1e-3);
    fill(m, RG_TWIST_RELAXATION, 0.06);
    fill(m, RG_BEND_MEMORY_TIME, 0.8);
    fill(m, RG_STRETCH_STIFFNESS, 60.0);
    fill(m, RG_STRETCH_RELAXATION, 0.015);
    fill(m, RG_DRAG, 0.1);
    return RG_OK;
}
