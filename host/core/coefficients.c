/* core/coefficients.c: integrated coefficients of the kernels from fields per unit length.
 *
 *   edge i:   KL = EA/L, L, TS
 *   vertex i: l = (L_{i-1} + L_i)/2; K = B/l, KB = kappa_bar l, KT = GJ/l, TBAR = tau_bar l
 *   mass i:   (rho_{i-1} L_{i-1} + rho_i L_i)/2 + marker mass at i
 * (docs/physics.md, section 2). End vertices carry no joint. */
#include "core/coefficients.h"

#include <string.h>

#include "rod/layout.h"

typedef struct fields {
    const double *f[RG_FIELD_COUNT];
} fields;

static fields fields_of(const rg_model *model)
{
    fields r;
    for (int k = 0; k < RG_FIELD_COUNT; k++) r.f[k] = rg_model_field(model, (rg_field)k);
    return r;
}

void rgi_coefficients(const rg_model *model, double *coef)
{
    const size_t n = rg_model_vertices(model);
    const fields m = fields_of(model);
    const double *length = m.f[RG_REST_LENGTH];
    memset(coef, 0, n * RGI_NC * sizeof *coef);
    for (size_t i = 0; i < n; i++) {
        double *k = coef + i * RGI_NC;
        k[RGI_C] = m.f[RG_DRAG][i];
        k[RGI_LM] = 1.0;
        if (i + 1 < n) {
            k[RGI_L] = length[i];
            k[RGI_KL] = m.f[RG_STRETCH_STIFFNESS][i] / length[i];
            k[RGI_TS] = m.f[RG_STRETCH_RELAXATION][i];
            double half = 0.5 * m.f[RG_MASS_PER_LENGTH][i] * length[i];
            k[RGI_M] += half;
            k[RGI_NC + RGI_M] += half;
        }
        if (i == 0 || i + 1 == n) continue;
        double l = 0.5 * (length[i - 1] + length[i]);
        k[RGI_K11] = m.f[RG_BEND_STIFFNESS_1][i] / l;
        k[RGI_K22] = m.f[RG_BEND_STIFFNESS_2][i] / l;
        k[RGI_K12] = m.f[RG_BEND_COUPLING][i] / l;
        k[RGI_KB1] = m.f[RG_NATURAL_CURVATURE][2 * i] * l;
        k[RGI_KB2] = m.f[RG_NATURAL_CURVATURE][2 * i + 1] * l;
        k[RGI_TB] = m.f[RG_BEND_RELAXATION][i];
        k[RGI_RM] = m.f[RG_BEND_MEMORY][i];
        k[RGI_LM] = 1.0 / m.f[RG_BEND_MEMORY_TIME][i];
        k[RGI_KT] = m.f[RG_TWIST_STIFFNESS][i] / l;
        k[RGI_TBAR] = m.f[RG_NATURAL_TWIST][i] * l;
        k[RGI_TT] = m.f[RG_TWIST_RELAXATION][i];
    }
    const int *at = rg_model_marker_vertices(model);
    for (size_t k = 0; k < rg_model_markers(model); k++) coef[(size_t)at[k] * RGI_NC + RGI_M] += m.f[RG_MARKER_MASS][k];
}

typedef struct list {
    rgi_pack_entry *entries;
    double *values;
    int count;
} list;

static void put(list *out, size_t node, int coefficient, double value)
{
    out->entries[out->count].node = (int)node;
    out->entries[out->count].coefficient = coefficient;
    out->values[out->count++] = value;
}

/* what the rest length of edge i moves: its own stretch, both joints' lengths, both masses */
static void put_length(list *out, const fields *m, size_t n, size_t i)
{
    const double *length = m->f[RG_REST_LENGTH];
    put(out, i, RGI_L, 1.0);
    put(out, i, RGI_KL, -m->f[RG_STRETCH_STIFFNESS][i] / (length[i] * length[i]));
    for (size_t v = i; v <= i + 1; v++) {
        put(out, v, RGI_M, 0.5 * m->f[RG_MASS_PER_LENGTH][i]);
        if (v == 0 || v + 1 == n) continue;
        double l = 0.5 * (length[v - 1] + length[v]), d = -0.5 / (l * l);
        put(out, v, RGI_K11, d * m->f[RG_BEND_STIFFNESS_1][v]);
        put(out, v, RGI_K22, d * m->f[RG_BEND_STIFFNESS_2][v]);
        put(out, v, RGI_K12, d * m->f[RG_BEND_COUPLING][v]);
        put(out, v, RGI_KB1, 0.5 * m->f[RG_NATURAL_CURVATURE][2 * v]);
        put(out, v, RGI_KB2, 0.5 * m->f[RG_NATURAL_CURVATURE][2 * v + 1]);
        put(out, v, RGI_KT, d * m->f[RG_TWIST_STIFFNESS][v]);
        put(out, v, RGI_TBAR, 0.5 * m->f[RG_NATURAL_TWIST][v]);
    }
}

int rgi_coefficients_jvp(const rg_model *model, rg_field field, size_t entry, int component, rgi_pack_entry *entries,
                         double *values)
{
    const size_t n = rg_model_vertices(model), i = entry;
    const fields m = fields_of(model);
    const double *length = m.f[RG_REST_LENGTH];
    const int joint = i > 0 && i + 1 < n;
    const double l = joint ? 0.5 * (length[i - 1] + length[i]) : 1.0;
    list out = {entries, values, 0};
    switch (field) {
    case RG_REST_LENGTH: put_length(&out, &m, n, i); break;
    case RG_MASS_PER_LENGTH:
        put(&out, i, RGI_M, 0.5 * length[i]);
        put(&out, i + 1, RGI_M, 0.5 * length[i]);
        break;
    case RG_MARKER_MASS: put(&out, (size_t)rg_model_marker_vertices(model)[i], RGI_M, 1.0); break;
    case RG_MARKER_OFFSET: put(&out, i, component ? RGI_O2 : RGI_O1, 1.0); break;
    case RG_STRETCH_STIFFNESS: put(&out, i, RGI_KL, 1.0 / length[i]); break;
    case RG_STRETCH_RELAXATION: put(&out, i, RGI_TS, 1.0); break;
    case RG_DRAG: put(&out, i, RGI_C, 1.0); break;
    default: break;
    }
    if (!joint) return out.count;
    switch (field) {
    case RG_BEND_STIFFNESS_1: put(&out, i, RGI_K11, 1.0 / l); break;
    case RG_BEND_STIFFNESS_2: put(&out, i, RGI_K22, 1.0 / l); break;
    case RG_BEND_COUPLING: put(&out, i, RGI_K12, 1.0 / l); break;
    case RG_NATURAL_CURVATURE: put(&out, i, component ? RGI_KB2 : RGI_KB1, l); break;
    case RG_TWIST_STIFFNESS: put(&out, i, RGI_KT, 1.0 / l); break;
    case RG_NATURAL_TWIST: put(&out, i, RGI_TBAR, l); break;
    case RG_BEND_RELAXATION: put(&out, i, RGI_TB, 1.0); break;
    case RG_TWIST_RELAXATION: put(&out, i, RGI_TT, 1.0); break;
    case RG_BEND_MEMORY: put(&out, i, RGI_RM, 1.0); break;
    case RG_BEND_MEMORY_TIME: {
        double tau = m.f[RG_BEND_MEMORY_TIME][i];
        put(&out, i, RGI_LM, -1.0 / (tau * tau));
        break;
    }
    default: break;
    }
    return out.count;
}

void rgi_coefficients_adj(const rg_model *model, rg_field field, size_t entry, int component, double scale,
                          const rgi_pack *pack, size_t w, size_t lane, double *sum)
{
    rgi_pack_entry entries[RGI_MAX_ENTRIES];
    double values[RGI_MAX_ENTRIES];
    int got = rgi_coefficients_jvp(model, field, entry, component, entries, values);
    for (int k = 0; k < got; k++) {
        const size_t node = (size_t)entries[k].node;
        const int c = entries[k].coefficient;
        const double *bar = c < RGI_NC ? pack->coef_bar + (node * RGI_NC + (size_t)c) * w
                                       : pack->offset_bar + (2 * node + (size_t)(c - RGI_O1)) * w;
        *sum += scale * values[k] * bar[lane];
    }
}
