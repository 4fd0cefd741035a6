/* core/model.c: the model object: mesh of markers and edges, and one array per physical field.
 *
 * All arrays of a model lie in one allocation behind the struct: every field's doubles, then marker
 * vertices, then clamps. A copy is therefore one memcpy and a new set of pointers. */
#include "rodgrad/model.h"

#include <stdlib.h>
#include <string.h>

#include "core/coefficients.h"
#include "core/memory.h"
#include "core/words.h"

/* the generic rope that a new model describes */
static const double rope_length_m = 1.0;

/* far above any rod worth simulating; keeps a hostile model file from filling the memory */
static const size_t max_vertices = (size_t)1 << 20;

struct rg_model {
    size_t markers, refine, vertices, clamps;
    rg_bend_measure bend_measure;
    size_t entries[RG_FIELD_COUNT];
    size_t bytes;                   /* of the whole allocation, this struct included */
    double *fields[RG_FIELD_COUNT]; /* into the same allocation, as the next two */
    int *marker_vertices;           /* [markers] */
    int *clamp_markers;             /* [clamps] */
    double storage[];
};

static const rg_field_info field_infos[RG_FIELD_COUNT] = {
#define FIELD_INFO(id, name, unit, location, components, range, symbol)                                                \
    [id] = {name, unit, location, components, range, symbol},
    RG_FIELD_LIST(FIELD_INFO)
#undef FIELD_INFO
};

static const double field_defaults[RG_FIELD_COUNT] = {
    [RG_MASS_PER_LENGTH] = 0.03,  [RG_STRETCH_STIFFNESS] = 500.0,
    [RG_BEND_STIFFNESS_1] = 1e-3, [RG_BEND_STIFFNESS_2] = 1e-3,
    [RG_TWIST_STIFFNESS] = 5e-4,  [RG_STRETCH_RELAXATION] = 0.01,
    [RG_BEND_RELAXATION] = 0.05,  [RG_TWIST_RELAXATION] = 0.05,
    [RG_BEND_MEMORY_TIME] = 1.0,  [RG_DRAG] = 0.05,
};

const rg_field_info *rg_field_describe(rg_field field)
{
    return (unsigned)field < RG_FIELD_COUNT ? &field_infos[field] : NULL;
}

int rg_field_find(const char *name, rg_field *out)
{
    for (int f = 0; name && f < RG_FIELD_COUNT; f++)
        if (strcmp(name, field_infos[f].name) == 0) {
            *out = (rg_field)f;
            return 1;
        }
    return 0;
}

const char *rg_bend_measure_name(rg_bend_measure measure)
{
    switch (measure) {
#define CASE_NAME(value, code, text)                                                                                   \
    case value: return text;
        RG_BEND_MEASURE_LIST(CASE_NAME)
#undef CASE_NAME
    }
    return "unknown";
}

int rg_bend_measure_find(const char *name, rg_bend_measure *out)
{
#define IF_NAMED(value, code, text)                                                                                    \
    if (name && strcmp(name, text) == 0) {                                                                             \
        *out = value;                                                                                                  \
        return 1;                                                                                                      \
    }
    RG_BEND_MEASURE_LIST(IF_NAMED)
#undef IF_NAMED
    return 0;
}

static rg_status check_clamps(size_t n_markers, const int *clamps, size_t n_clamps, rg_error *err)
{
    if (n_clamps > 0 && !clamps)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "A model of %zu clamp%s needs a list of markers, got NULL.", n_clamps,
                       rgi_plural(n_clamps));
    if (n_clamps >= n_markers)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "All %zu markers would be driven (%zu clamps); leave at least one free.",
                       n_markers, n_clamps);
    for (size_t c = 0; c < n_clamps; c++) {
        if (clamps[c] < 0 || (size_t)clamps[c] >= n_markers)
            return RG_FAIL(err, RG_ERR_ARGUMENT, "Clamp %d is not a marker of this rod; give indices from 0 to %zu.",
                           clamps[c], n_markers - 1);
        if (c > 0 && clamps[c] <= clamps[c - 1])
            return RG_FAIL(err, RG_ERR_ARGUMENT, "Clamp %d follows clamp %d; give each once, in ascending order.",
                           clamps[c], clamps[c - 1]);
    }
    return RG_OK;
}

/* point the arrays into the model's own allocation; sizes are set */
static void attach_storage(rg_model *model)
{
    double *next = model->storage;
    for (int f = 0; f < RG_FIELD_COUNT; f++) {
        model->fields[f] = next;
        next += model->entries[f] * (size_t)field_infos[f].components;
    }
    model->marker_vertices = (int *)next;
    model->clamp_markers = model->marker_vertices + model->markers;
}

static size_t location_entries(rg_location location, size_t vertices, size_t markers)
{
    switch (location) {
    case RG_PER_EDGE: return vertices - 1;
    case RG_PER_VERTEX: return vertices;
    case RG_PER_MARKER: return markers;
    }
    return 0;
}

static void fill_mesh(rg_model *model, const int *clamps)
{
    const double spacing = rope_length_m / (double)(model->markers - 1);
    size_t vertex = 0, c = 0; /* c: the first clamp at or after marker k */
    for (size_t k = 0; k < model->markers; k++) {
        model->marker_vertices[k] = (int)vertex;
        if (k + 1 == model->markers) break;
        while (c < model->clamps && (size_t)clamps[c] < k) c++;
        int gripped = c + 1 < model->clamps && (size_t)clamps[c] == k && (size_t)clamps[c + 1] == k + 1;
        size_t edges = gripped ? 1 : model->refine;
        for (size_t e = 0; e < edges; e++) model->fields[RG_REST_LENGTH][vertex + e] = spacing / (double)edges;
        vertex += edges;
    }
    for (size_t i = 0; i < model->clamps; i++) model->clamp_markers[i] = clamps[i];
}

rg_status rg_model_create(size_t n_markers, size_t refine, const int *clamps, size_t n_clamps, rg_model **out,
                          rg_error *err)
{
    if (!out) return RG_FAIL(err, RG_ERR_ARGUMENT, "The pointer to return a model in is NULL.");
    *out = NULL;
    if (n_markers < 3) return RG_FAIL(err, RG_ERR_ARGUMENT, "A rod needs at least 3 markers, got %zu.", n_markers);
    if (refine < 1)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "A rod needs at least 1 edge between markers, got refine = %zu.", refine);
    if (refine > (max_vertices - 1) / (n_markers - 1))
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "%zu markers with %zu edge%s between them make more than %zu vertices; use fewer.", n_markers,
                       refine, rgi_plural(refine), max_vertices);
    RG_TRY(check_clamps(n_markers, clamps, n_clamps, err));

    size_t gripped = 0; /* intervals between two driven neighbours */
    for (size_t c = 1; c < n_clamps; c++) gripped += clamps[c] == clamps[c - 1] + 1;
    const size_t vertices = 1 + gripped + (n_markers - 1 - gripped) * refine;

    rg_model sizes = {.markers = n_markers, .refine = refine, .vertices = vertices, .clamps = n_clamps};
    size_t doubles = 0;
    for (int f = 0; f < RG_FIELD_COUNT; f++) {
        sizes.entries[f] = location_entries(field_infos[f].location, vertices, n_markers);
        doubles += sizes.entries[f] * (size_t)field_infos[f].components;
    }
    sizes.bytes = sizeof sizes + doubles * sizeof(double) + (n_markers + n_clamps) * sizeof(int);
    rg_model *model = malloc(sizes.bytes);
    if (!model) return RG_FAIL(err, RG_ERR_MEMORY, "There is no memory for a model of %zu vertices.", vertices);
    memcpy(model, &sizes, sizeof sizes);
    attach_storage(model);
    for (int f = 0; f < RG_FIELD_COUNT; f++) {
        size_t n = model->entries[f] * (size_t)field_infos[f].components;
        for (size_t i = 0; i < n; i++) model->fields[f][i] = field_defaults[f];
    }
    fill_mesh(model, clamps);
    *out = model;
    return RG_OK;
}

rg_status rg_model_copy(const rg_model *model, rg_model **out, rg_error *err)
{
    return rgi_model_copy(NULL, model, out, err);
}

rg_status rgi_model_copy(const rg_context *context, const rg_model *model, rg_model **out, rg_error *err)
{
    if (!out) return RG_FAIL(err, RG_ERR_ARGUMENT, "The pointer to return a model in is NULL.");
    *out = NULL;
    if (!model) return RG_FAIL(err, RG_ERR_ARGUMENT, "The model to copy is NULL.");
    rg_model *copy = rgi_calloc(context, 1, model->bytes);
    if (!copy)
        return RG_FAIL(err, RG_ERR_MEMORY, "There is no memory for a copy of a model of %zu vertices.",
                       model->vertices);
    memcpy(copy, model, model->bytes);
    attach_storage(copy);
    *out = copy;
    return RG_OK;
}

void rg_model_destroy(rg_model **model) { rgi_model_free(NULL, model); }

void rgi_model_free(const rg_context *context, rg_model **model)
{
    if (!model) return;
    rgi_free(context, *model);
    *model = NULL;
}

size_t rg_model_markers(const rg_model *model) { return model->markers; }

size_t rg_model_refine(const rg_model *model) { return model->refine; }

size_t rg_model_vertices(const rg_model *model) { return model->vertices; }

size_t rg_model_clamps(const rg_model *model, const int **clamps)
{
    if (clamps) *clamps = model->clamp_markers;
    return model->clamps;
}

const int *rg_model_marker_vertices(const rg_model *model) { return model->marker_vertices; }

size_t rg_model_clamped_edges(const rg_model *model, int *edges)
{
    size_t n = 0;
    for (size_t k = 0; k + 1 < model->clamps; k++) {
        const int vertex = model->marker_vertices[model->clamp_markers[k]];
        if (model->marker_vertices[model->clamp_markers[k + 1]] != vertex + 1) continue;
        if (edges) edges[n] = vertex;
        n++;
    }
    return n;
}

rg_bend_measure rg_model_bend_measure(const rg_model *model) { return model->bend_measure; }

rg_status rg_model_set_bend_measure(rg_model *model, rg_bend_measure measure, rg_error *err)
{
    if (!model) return RG_FAIL(err, RG_ERR_ARGUMENT, "The model to set a measure of bending of is NULL.");
    if (measure != RG_BEND_AVERAGED && measure != RG_BEND_NORMALISED)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "Measure of bending %d is neither RG_BEND_AVERAGED nor RG_BEND_NORMALISED.", (int)measure);
    model->bend_measure = measure;
    return RG_OK;
}

size_t rg_model_field_entries(const rg_model *model, rg_field field)
{
    return (unsigned)field < RG_FIELD_COUNT ? model->entries[field] : 0;
}

double *rg_model_field_data(rg_model *model, rg_field field)
{
    return (unsigned)field < RG_FIELD_COUNT ? model->fields[field] : NULL;
}

const double *rg_model_field(const rg_model *model, rg_field field)
{
    return (unsigned)field < RG_FIELD_COUNT ? model->fields[field] : NULL;
}

rg_status rg_model_check(const rg_model *model, rg_error *err)
{
    if (!model) return RG_FAIL(err, RG_ERR_ARGUMENT, "The model to check is NULL.");
    const rgi_rod_fields fields = rgi_model_fields(model);
    return rgi_fields_check(&fields, fields.of, err);
}
