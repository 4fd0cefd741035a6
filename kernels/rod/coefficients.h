/* rod/coefficients.h: the kernels' integrated coefficients from fields per unit length, with derivatives. In double,
 * whatever a rod is computed in.
 *
 *   edge i:   KL = EA/L, L, TS
 *   vertex i: l = (L_{i-1} + L_i)/2; K = B/l, KB = kappa_bar l, KT = GJ/l, TBAR = tau_bar l
 *   mass i:   (rho_{i-1} L_{i-1} + rho_i L_i)/2 + marker mass at i
 * (docs/physics.md, section 2). End vertices carry no joint.
 *
 * rgi_coefficients_node is that map, node by node. rgi_coefficients_column is its derivative with respect to one number
 * of a field; _jvp adds up columns along a direction for one node, _adj is a column's product with cotangents. The
 * order of every sum depends on the rod alone. */
#ifndef RGI_ROD_COEFFICIENTS_H
#define RGI_ROD_COEFFICIENTS_H

#include <math.h>

#include "../pack.h"
#include "layout.h"
#include "rodgrad/field.h"

#if defined(__CUDACC__)
#define RGI_FIELD_FN static __host__ __device__ inline
#else
#define RGI_FIELD_FN static inline
#endif

enum { RGI_MAX_ENTRIES = 24 }; /* coefficients that one number of a field can move */

/* one rod's fields [entries][components], on its mesh; marker vertices ascend */
typedef struct rgi_rod_fields {
    const double *of[RG_FIELD_COUNT];
    const int *marker_vertices;
    int n, n_markers;
} rgi_rod_fields;

/* ---- what the list of fields says ---- */

RGI_FIELD_FN rg_location rgi_field_location(int field)
{
#define RGI_CASE(id, name, unit, location, components, range, symbol)                                                  \
    case id: return location;
    switch (field) {
        RG_FIELD_LIST(RGI_CASE)
    default: return RG_PER_EDGE;
    }
#undef RGI_CASE
}

RGI_FIELD_FN int rgi_field_components(int field)
{
#define RGI_CASE(id, name, unit, location, components, range, symbol)                                                  \
    case id: return components;
    switch (field) {
        RG_FIELD_LIST(RGI_CASE)
    default: return 0;
    }
#undef RGI_CASE
}

RGI_FIELD_FN rg_range rgi_field_range(int field)
{
#define RGI_CASE(id, name, unit, location, components, range, symbol)                                                  \
    case id: return range;
    switch (field) {
        RG_FIELD_LIST(RGI_CASE)
    default: return RG_ANY;
    }
#undef RGI_CASE
}

/* entries times components, of a rod of n vertices */
RGI_FIELD_FN int rgi_field_count(int field, int n, int n_markers)
{
    const rg_location at = rgi_field_location(field);
    return (at == RG_PER_EDGE ? n - 1 : at == RG_PER_VERTEX ? n : n_markers) * rgi_field_components(field);
}

/* the marker at vertex i, or -1 */
RGI_FIELD_FN int rgi_field_marker(const rgi_rod_fields *f, int i)
{
    int low = 0, high = f->n_markers;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (f->marker_vertices[middle] < i) low = middle + 1;
        else high = middle;
    }
    return low < f->n_markers && f->marker_vertices[low] == i ? low : -1;
}

/* ---- ranges ---- */

enum { RGI_IN_RANGE, RGI_NOT_FINITE, RGI_NOT_POSITIVE, RGI_NEGATIVE };

RGI_FIELD_FN int rgi_range_fault(rg_range range, double value)
{
    if (!(value - value == 0.0)) return RGI_NOT_FINITE;
    if (range == RG_POSITIVE && !(value > 0.0)) return RGI_NOT_POSITIVE;
    return range == RG_NONNEGATIVE && !(value >= 0.0) ? RGI_NEGATIVE : RGI_IN_RANGE;
}

/* |B12| < sqrt(B11 B22), by roots: the product may underflow */
RGI_FIELD_FN int rgi_bending_is_definite(const rgi_rod_fields *f, int i)
{
    const double root = sqrt(f->of[RG_BEND_STIFFNESS_1][i]) * sqrt(f->of[RG_BEND_STIFFNESS_2][i]);
    return fabs(f->of[RG_BEND_COUPLING][i]) < root;
}

/* Where a rod's fields are out of range: number k of a field is fault field * rgi_fault_stride + k, and a vertex whose
 * bending is not definite one of field RG_FIELD_COUNT. */
enum { RGI_NO_FAULT = 0x7fffffff };
RGI_FIELD_FN int rgi_fault_stride(const rgi_rod_fields *f) { return 2 * (f->n > f->n_markers ? f->n : f->n_markers); }

/* The first fault in the fields that `given` has, among numbers lane, lane + width, ... of each; or RGI_NO_FAULT. */
RGI_FIELD_FN int rgi_fields_fault(const rgi_rod_fields *f, const double *const *given, int lane, int width)
{
    const int stride = rgi_fault_stride(f);
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        const rg_range range = rgi_field_range(field);
        const int count = given[field] ? rgi_field_count(field, f->n, f->n_markers) : 0;
        for (int k = lane; k < count; k += width)
            if (rgi_range_fault(range, f->of[field][k]) != RGI_IN_RANGE) return field * stride + k;
    }
    if (!given[RG_BEND_STIFFNESS_1] && !given[RG_BEND_STIFFNESS_2] && !given[RG_BEND_COUPLING]) return RGI_NO_FAULT;
    for (int i = lane; i < f->n; i += width)
        if (!rgi_bending_is_definite(f, i)) return RG_FIELD_COUNT * stride + i;
    return RGI_NO_FAULT;
}

/* ---- coefficients ---- */

/* node i's, into k [RGI_NC] */
RGI_FIELD_FN void rgi_coefficients_node(const rgi_rod_fields *f, int i, double *k)
{
    const double *length = f->of[RG_REST_LENGTH], *rho = f->of[RG_MASS_PER_LENGTH];
    const int marker = rgi_field_marker(f, i);
    for (int c = 0; c < RGI_NC; c++) k[c] = 0.0;
    k[RGI_C] = f->of[RG_DRAG][i];
    k[RGI_LM] = 1.0;
    if (i > 0) k[RGI_M] += 0.5 * rho[i - 1] * length[i - 1];
    if (i + 1 < f->n) {
        k[RGI_L] = length[i];
        k[RGI_KL] = f->of[RG_STRETCH_STIFFNESS][i] / length[i];
        k[RGI_TS] = f->of[RG_STRETCH_RELAXATION][i];
        k[RGI_M] += 0.5 * rho[i] * length[i];
    }
    if (marker >= 0) k[RGI_M] += f->of[RG_MARKER_MASS][marker];
    if (i == 0 || i + 1 == f->n) return;
    const double l = 0.5 * (length[i - 1] + length[i]);
    k[RGI_K11] = f->of[RG_BEND_STIFFNESS_1][i] / l;
    k[RGI_K22] = f->of[RG_BEND_STIFFNESS_2][i] / l;
    k[RGI_K12] = f->of[RG_BEND_COUPLING][i] / l;
    k[RGI_KB1] = f->of[RG_NATURAL_CURVATURE][2 * i] * l;
    k[RGI_KB2] = f->of[RG_NATURAL_CURVATURE][2 * i + 1] * l;
    k[RGI_TB] = f->of[RG_BEND_RELAXATION][i];
    k[RGI_RM] = f->of[RG_BEND_MEMORY][i];
    k[RGI_LM] = 1.0 / f->of[RG_BEND_MEMORY_TIME][i];
    k[RGI_KT] = f->of[RG_TWIST_STIFFNESS][i] / l;
    k[RGI_TBAR] = f->of[RG_NATURAL_TWIST][i] * l;
    k[RGI_TT] = f->of[RG_TWIST_RELAXATION][i];
}

typedef struct rgi_column {
    rgi_pack_entry *entries;
    double *values;
    int count;
} rgi_column;

RGI_FIELD_FN void rgi_column_put(rgi_column *to, int node, int coefficient, double value)
{
    to->entries[to->count].node = node;
    to->entries[to->count].coefficient = coefficient;
    to->values[to->count++] = value;
}

/* what the rest length of edge i moves: its own stretch, both joints' lengths, both masses */
RGI_FIELD_FN void rgi_column_length(rgi_column *to, const rgi_rod_fields *f, int i)
{
    const double *length = f->of[RG_REST_LENGTH];
    rgi_column_put(to, i, RGI_L, 1.0);
    rgi_column_put(to, i, RGI_KL, -f->of[RG_STRETCH_STIFFNESS][i] / (length[i] * length[i]));
    for (int v = i; v <= i + 1; v++) {
        rgi_column_put(to, v, RGI_M, 0.5 * f->of[RG_MASS_PER_LENGTH][i]);
        if (v == 0 || v + 1 == f->n) continue;
        const double l = 0.5 * (length[v - 1] + length[v]), d = -0.5 / (l * l);
        rgi_column_put(to, v, RGI_K11, d * f->of[RG_BEND_STIFFNESS_1][v]);
        rgi_column_put(to, v, RGI_K22, d * f->of[RG_BEND_STIFFNESS_2][v]);
        rgi_column_put(to, v, RGI_K12, d * f->of[RG_BEND_COUPLING][v]);
        rgi_column_put(to, v, RGI_KB1, 0.5 * f->of[RG_NATURAL_CURVATURE][2 * v]);
        rgi_column_put(to, v, RGI_KB2, 0.5 * f->of[RG_NATURAL_CURVATURE][2 * v + 1]);
        rgi_column_put(to, v, RGI_KT, d * f->of[RG_TWIST_STIFFNESS][v]);
        rgi_column_put(to, v, RGI_TBAR, 0.5 * f->of[RG_NATURAL_TWIST][v]);
    }
}

/* d coefficient / d field[i][component]: fills entries and values [RGI_MAX_ENTRIES], returns how many. Offsets of
 * markers come as RGI_O1, RGI_O2 with the marker as node. Which entries there are depends on the mesh alone. */
RGI_FIELD_FN int rgi_coefficients_column(const rgi_rod_fields *f, int field, int i, int component,
                                         rgi_pack_entry *entries, double *values)
{
    const double *length = f->of[RG_REST_LENGTH];
    rgi_column to = {entries, values, 0};
    switch (field) {
    case RG_REST_LENGTH: rgi_column_length(&to, f, i); return to.count;
    case RG_MASS_PER_LENGTH:
        rgi_column_put(&to, i, RGI_M, 0.5 * length[i]);
        rgi_column_put(&to, i + 1, RGI_M, 0.5 * length[i]);
        return to.count;
    case RG_MARKER_MASS: rgi_column_put(&to, f->marker_vertices[i], RGI_M, 1.0); return to.count;
    case RG_MARKER_OFFSET: rgi_column_put(&to, i, component ? RGI_O2 : RGI_O1, 1.0); return to.count;
    case RG_STRETCH_STIFFNESS: rgi_column_put(&to, i, RGI_KL, 1.0 / length[i]); return to.count;
    case RG_STRETCH_RELAXATION: rgi_column_put(&to, i, RGI_TS, 1.0); return to.count;
    case RG_DRAG: rgi_column_put(&to, i, RGI_C, 1.0); return to.count;
    default: break;
    }
    if (i == 0 || i + 1 == f->n) return to.count;
    const double l = 0.5 * (length[i - 1] + length[i]);
    switch (field) {
    case RG_BEND_STIFFNESS_1: rgi_column_put(&to, i, RGI_K11, 1.0 / l); break;
    case RG_BEND_STIFFNESS_2: rgi_column_put(&to, i, RGI_K22, 1.0 / l); break;
    case RG_BEND_COUPLING: rgi_column_put(&to, i, RGI_K12, 1.0 / l); break;
    case RG_NATURAL_CURVATURE: rgi_column_put(&to, i, component ? RGI_KB2 : RGI_KB1, l); break;
    case RG_TWIST_STIFFNESS: rgi_column_put(&to, i, RGI_KT, 1.0 / l); break;
    case RG_NATURAL_TWIST: rgi_column_put(&to, i, RGI_TBAR, l); break;
    case RG_BEND_RELAXATION: rgi_column_put(&to, i, RGI_TB, 1.0); break;
    case RG_TWIST_RELAXATION: rgi_column_put(&to, i, RGI_TT, 1.0); break;
    case RG_BEND_MEMORY: rgi_column_put(&to, i, RGI_RM, 1.0); break;
    case RG_BEND_MEMORY_TIME: {
        const double tau = f->of[RG_BEND_MEMORY_TIME][i];
        rgi_column_put(&to, i, RGI_LM, -1.0 / (tau * tau));
        break;
    }
    default: break;
    }
    return to.count;
}

/* Node i's change, into dk [RGI_NC], along a direction in fields, along [RG_FIELD_COUNT], NULL: zero. A number that is
 * zero adds nothing, whatever its column holds. Offsets move markers and no node. */
RGI_FIELD_FN void rgi_coefficients_jvp(const rgi_rod_fields *f, const double *const *along, int i, double *dk)
{
    const int marker = along[RG_MARKER_MASS] ? rgi_field_marker(f, i) : -1;
    for (int c = 0; c < RGI_NC; c++) dk[c] = 0.0;
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        const rg_location at = rgi_field_location(field);
        const int components = rgi_field_components(field);
        /* the entries that move node i: edges on both sides of it, itself, its marker */
        int first = at == RG_PER_EDGE && i > 0 ? i - 1 : i, last = at == RG_PER_EDGE && i + 1 == f->n ? i - 1 : i;
        if (at == RG_PER_MARKER) first = last = marker;
        if (!along[field] || field == RG_MARKER_OFFSET || first < 0) continue;
        for (int entry = first; entry <= last; entry++)
            for (int component = 0; component < components; component++) {
                const double by = along[field][entry * components + component];
                rgi_pack_entry entries[RGI_MAX_ENTRIES];
                double values[RGI_MAX_ENTRIES];
                if (by == 0.0) continue;
                const int count = rgi_coefficients_column(f, field, entry, component, entries, values);
                for (int e = 0; e < count; e++)
                    if (entries[e].node == i) dk[entries[e].coefficient] += by * values[e];
            }
    }
}

/* cotangents of a rod's coefficients [n][RGI_NC] and offsets [n_markers][2], numbers `apart` reals from each other */
typedef struct rgi_coefficient_bars {
    const void *coef, *offset;
    size_t apart;
    int single; /* floats */
} rgi_coefficient_bars;

RGI_FIELD_FN double rgi_coefficient_bar(const rgi_coefficient_bars *bar, rgi_pack_entry at)
{
    const int offset = at.coefficient >= RGI_NC;
    const void *from = offset ? bar->offset : bar->coef;
    const size_t k = (size_t)(offset ? 2 * at.node + at.coefficient - RGI_O1 : at.node * RGI_NC + at.coefficient);
    return bar->single ? (double)((const float *)from)[k * bar->apart] : ((const double *)from)[k * bar->apart];
}

/* adds to *sum `scale` times what the cotangents say about field[i][component] */
RGI_FIELD_FN void rgi_coefficients_adj(const rgi_rod_fields *f, int field, int i, int component, double scale,
                                       const rgi_coefficient_bars *bar, double *sum)
{
    rgi_pack_entry entries[RGI_MAX_ENTRIES];
    double values[RGI_MAX_ENTRIES];
    const int count = rgi_coefficients_column(f, field, i, component, entries, values);
    for (int k = 0; k < count; k++) *sum += scale * values[k] * rgi_coefficient_bar(bar, entries[k]);
}

#endif
