/* rodgrad/model.h: the physical description of one rod, on its simulation mesh.
 *
 * Markers sit on mesh vertices. Between two markers lie `refine` edges, except where both markers
 * are driven (gripped): there one edge suffices. All fields are SI, per element, independent of the
 * mesh size (stiffness per unit curvature, natural curvature per metre), so that a uniform rod has
 * equal numbers everywhere. Symbols in brackets are those of docs/physics.md.
 *
 * Where a clamp holds. Bending and twist sit at vertices, each with half of its two edges: l_i = (L_{i-1} + L_i) / 2.
 * An edge between two driven vertices is gripped: its tangent and its director are prescribed, and the joint at its
 * inner vertex bends and twists over half of the gripped edge and half of the free one. The rod is therefore built in
 * at the middle of the gripped edge: the clamp's plane, the cross-section that does not turn, lies there and not at the
 * driven marker (a cantilever's length counts from there, up to an error of second order in the lengths of edges). To
 * clamp the cross-section at a vertex, make the gripped edge short. A single driven vertex is a hinge: it prescribes a
 * position and no direction. */
#ifndef RODGRAD_MODEL_H
#define RODGRAD_MODEL_H

#include <stddef.h>

#include "rodgrad/field.h"
#include "rodgrad/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rg_field_info {
    const char *name; /* as in model.json */
    const char *unit;
    rg_location location;
    int components; /* per entry */
    rg_range range;
    const char *symbol; /* as in docs/physics.md */
} rg_field_info;

/* Description of a field, NULL when `field` is out of range. Thread-safe. */
const rg_field_info *rg_field_describe(rg_field field);
/* The field of this name, as in model.json, into *out: 1; 0 when there is none, NULL too, and *out stays.
 * Thread-safe. */
int rg_field_find(const char *name, rg_field *out);

/* Against what a vertex's curvature is measured: the mean of its two edges' directors, which a twist tau of the vertex
 * shortens by cos(tau/2), so that twist softens bending by cos^2(tau/2) (averaged, the default); or the unit directors
 * half-way between them (normalised), which twist leaves alone (docs/physics.md, section 2). One for the whole rod. The
 * deform stepper knows averaged only and refuses models of another measure. */
#define RG_BEND_MEASURE_LIST(X)                                                                                        \
    X(RG_BEND_AVERAGED, 0, "averaged")                                                                                 \
    X(RG_BEND_NORMALISED, 1, "normalised")

typedef enum rg_bend_measure {
#define RG_BEND_MEASURE_ENUM(name, code, text) name = code,
    RG_BEND_MEASURE_LIST(RG_BEND_MEASURE_ENUM)
#undef RG_BEND_MEASURE_ENUM
} rg_bend_measure;

/* "averaged", "normalised"; "unknown" for anything else. Thread-safe. */
const char *rg_bend_measure_name(rg_bend_measure measure);
/* The measure of this name into *out: 1; 0 when there is none, NULL too, and *out stays. Thread-safe. */
int rg_bend_measure_find(const char *name, rg_bend_measure *out);

typedef struct rg_model rg_model;

/* Make a model for n_markers markers (>= 3) with `refine` (>= 1) edges between markers.
 * clamps: n_clamps marker indices (>= 0), strictly ascending, at least one marker left free; copied. NULL and 0:
 * nothing holds the rod, which then has no equilibrium (RG_SCHEME_STATIC refuses it).
 * Fields start at a generic rope: 1 m long in total, 0.03 kg/m, straight.
 * RG_ERR_ARGUMENT, RG_ERR_MEMORY; *out is NULL on failure. */
rg_status rg_model_create(size_t n_markers, size_t refine, const int *clamps, size_t n_clamps, rg_model **out,
                          rg_error *err);
/* A deep copy. RG_ERR_MEMORY. */
rg_status rg_model_copy(const rg_model *model, rg_model **out, rg_error *err);
/* Free and null *model. Accepts NULL and a pointer to NULL. */
void rg_model_destroy(rg_model **model);

size_t rg_model_markers(const rg_model *model);
size_t rg_model_refine(const rg_model *model);
size_t rg_model_vertices(const rg_model *model);
/* Driving markers: count, and a pointer that lives as long as the model. */
size_t rg_model_clamps(const rg_model *model, const int **clamps);
/* Mesh vertex of marker k: [markers] indices, lives as long as the model. */
const int *rg_model_marker_vertices(const rg_model *model);
/* Clamped edges: those between two clamped vertices, ascending, into edges ([vertices - 1] is always enough; NULL: they
 * are counted only). Returns how many. Clamped vertices are those of the driving markers. Thread-safe. */
size_t rg_model_clamped_edges(const rg_model *model, int *edges);
/* RG_BEND_AVERAGED of a new model. */
rg_bend_measure rg_model_bend_measure(const rg_model *model);
/* Fits and batches copy their models: set it before they are made. RG_ERR_ARGUMENT for a measure that there is not. */
rg_status rg_model_set_bend_measure(rg_model *model, rg_bend_measure measure, rg_error *err);

/* Entries of a field (times its components = doubles). */
size_t rg_model_field_entries(const rg_model *model, rg_field field);
/* The field's storage, [entries][components], in the unit of rg_field_describe. Owned by the model.
 * Write through it, then call rg_model_check. One thread at a time per model. */
double *rg_model_field_data(rg_model *model, rg_field field);
const double *rg_model_field(const rg_model *model, rg_field field);

/* RG_ERR_VALUE with a sentence naming field, entry and value if any value is not finite, out of its
 * range, or a bend stiffness is not positive definite. */
rg_status rg_model_check(const rg_model *model, rg_error *err);

#ifdef __cplusplus
}
#endif
#endif
