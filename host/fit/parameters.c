/* fit/parameters.c: parameter vector to fields and back (see parameters.h). */
#include "fit/parameters.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const rg_field group_fields[RG_GROUP_COUNT] = {RG_BEND_STIFFNESS_1,
                                                      RG_BEND_COUPLING,
                                                      RG_NATURAL_CURVATURE,
                                                      RG_TWIST_STIFFNESS,
                                                      RG_NATURAL_TWIST,
                                                      RG_STRETCH_STIFFNESS,
                                                      RG_REST_LENGTH,
                                                      RG_BEND_RELAXATION,
                                                      RG_TWIST_RELAXATION,
                                                      RG_STRETCH_RELAXATION,
                                                      RG_BEND_MEMORY,
                                                      RG_BEND_MEMORY_TIME,
                                                      RG_DRAG,
                                                      RG_MASS_PER_LENGTH,
                                                      RG_MARKER_MASS,
                                                      RG_MARKER_OFFSET};

const rgi_group_info *rgi_group_describe(rg_group group)
{
    static const rgi_group_info groups[RG_GROUP_COUNT] = {
#define GROUP_INFO(id, name, unit, log, mode, prior, low, high) {name, unit, log, mode, prior, low, high, RG_DRAG, 1},
        RG_GROUP_LIST(GROUP_INFO)
#undef GROUP_INFO
    };
    return group >= 0 && group < RG_GROUP_COUNT ? &groups[group] : NULL;
}

const char *rg_group_name(rg_group group)
{
    const rgi_group_info *info = rgi_group_describe(group);
    return info ? info->name : NULL;
}

int rg_group_find(const char *name, rg_group *out)
{
    for (int g = 0; name && g < RG_GROUP_COUNT; g++)
        if (strcmp(name, rg_group_name((rg_group)g)) == 0) {
            *out = (rg_group)g;
            return 1;
        }
    return 0;
}

static int components_of(rg_group group)
{
    return group == RG_GROUP_CURVATURE || group == RG_GROUP_OFFSET || group == RG_GROUP_ANISOTROPY ? 2 : 1;
}

/* is the element (marker or interval) one that the field can act on? */
static int element_counts(const rg_model *model, rg_group group, size_t element)
{
    const size_t markers = rg_model_markers(model);
    const int *clamps = NULL;
    const size_t n_clamps = rg_model_clamps(model, &clamps);
    const rg_field_info *info = rg_field_describe(group_fields[group]);
    int driven = 0, next_driven = 0;
    for (size_t k = 0; k < n_clamps; k++) {
        if (clamps[k] == (int)element) driven = 1;
        if (clamps[k] == (int)element + 1) next_driven = 1;
    }
    if (info->location == RG_PER_MARKER) return !driven;
    if (info->location == RG_PER_EDGE) return element + 1 < markers && !(driven && next_driven);
    /* end vertices have no joint; every other marker vertex has one */
    return element > 0 && element + 1 < markers;
}

/* weight of element k's value at entry i of a field */
static double hat(const rg_model *model, rg_location location, size_t element, size_t entry)
{
    const int *at = rg_model_marker_vertices(model);
    const size_t markers = rg_model_markers(model);
    const int v = (int)entry;
    if (location == RG_PER_MARKER) return element == entry ? 1.0 : 0.0;
    if (location == RG_PER_EDGE) return v >= at[element] && v < at[element + 1] ? 1.0 : 0.0;
    if (v == at[element]) return 1.0;
    /* the first and last joint's values go on to the ends */
    if ((element == 1 && v < at[1]) || (element + 2 == markers && v > at[element])) return 1.0;
    if (v > at[element] && element + 1 < markers && v < at[element + 1])
        return (double)(at[element + 1] - v) / (at[element + 1] - at[element]);
    if (v < at[element] && element > 0 && v > at[element - 1])
        return (double)(v - at[element - 1]) / (at[element] - at[element - 1]);
    return 0.0;
}

/* a group's value at an element of the model, from the entry where its hat is 1 */
static double value_at(const rg_model *model, rg_group group, size_t element, int component)
{
    const rg_field_info *info = rg_field_describe(group_fields[group]);
    const size_t entry = info->location == RG_PER_MARKER ? element : (size_t)rg_model_marker_vertices(model)[element];
    const double b11 = rg_model_field(model, RG_BEND_STIFFNESS_1)[entry];
    const double b22 = rg_model_field(model, RG_BEND_STIFFNESS_2)[entry];
    if (group == RG_GROUP_BEND) return 0.5 * (b11 + b22);
    if (group == RG_GROUP_ANISOTROPY)
        return component ? 2.0 * rg_model_field(model, RG_BEND_COUPLING)[entry] / (b11 + b22)
                         : (b11 - b22) / (b11 + b22);
    return rg_model_field(model, group_fields[group])[entry * (size_t)info->components + (size_t)component];
}

void rgi_parameters_clear(rgi_parameters *p)
{
    if (!p) return;
    free(p->list);
    free(p->directions);
    free(p->places);
    free(p->bending);
    memset(p, 0, sizeof *p);
}

rg_status rgi_parameters_create(const rg_model *model, const rg_group_mode *modes, const double *priors,
                                rgi_parameters *out, double **scaled, rg_error *err)
{
    const size_t markers = rg_model_markers(model), n = rg_model_vertices(model);
    const size_t most = (size_t)RG_GROUP_COUNT * 2 * markers;
    memset(out, 0, sizeof *out);
    *scaled = calloc(most, sizeof **scaled);
    out->list = calloc(most, sizeof *out->list);
    if (!out->list || !*scaled) goto memory;
    for (int g = 0; g < RG_GROUP_COUNT; g++) {
        const rgi_group_info *info = rgi_group_describe((rg_group)g);
        if (modes[g] == RG_HELD) continue;
        for (int component = 0; component < components_of((rg_group)g); component++) {
            double sum = 0.0;
            size_t counted = 0;
            for (size_t k = 0; k < markers; k++) {
                if (!element_counts(model, (rg_group)g, k)) continue;
                double value = value_at(model, (rg_group)g, k, component);
                if (info->logarithmic) value = log(value > info->low ? value : info->low);
                sum += value;
                counted++;
                if (modes[g] == RG_UNIFORM) continue;
                rgi_parameter *p = &out->list[out->n];
                p->group = (rg_group)g;
                p->element = (int)k;
                p->component = component;
                (*scaled)[out->n++] = value;
            }
            if (modes[g] == RG_UNIFORM && counted) {
                rgi_parameter *p = &out->list[out->n];
                p->group = (rg_group)g;
                p->element = -1;
                p->component = component;
                (*scaled)[out->n++] = sum / (double)counted;
            }
        }
    }
    for (size_t i = 0; i < out->n; i++) {
        rgi_parameter *p = &out->list[i];
        const rgi_group_info *info = rgi_group_describe(p->group);
        p->low = info->logarithmic ? log(info->low) : info->low;
        p->high = info->logarithmic ? log(info->high) : info->high;
        p->prior_mean = (*scaled)[i];
        p->prior_std = priors[p->group];
    }
    out->directions = calloc(out->n + 1, sizeof *out->directions);
    out->places_capacity = out->n * 3 * (n + 1);
    out->places = calloc(out->places_capacity + 1, sizeof *out->places);
    out->bending = calloc(3 * n, sizeof *out->bending);
    if (!out->directions || !out->places || !out->bending) goto memory;
    const double *b11 = rg_model_field(model, RG_BEND_STIFFNESS_1);
    const double *b22 = rg_model_field(model, RG_BEND_STIFFNESS_2);
    for (size_t v = 0; v < n; v++) {
        out->bending[3 * v] = 0.5 * (b11[v] + b22[v]);
        out->bending[3 * v + 1] = (b11[v] - b22[v]) / (b11[v] + b22[v]);
        out->bending[3 * v + 2] = 2.0 * rg_model_field(model, RG_BEND_COUPLING)[v] / (b11[v] + b22[v]);
    }
    return RG_OK;
memory:
    free(*scaled);
    *scaled = NULL;
    rgi_parameters_clear(out);
    return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the parameters of a fit");
}

/* B from mean b and anisotropy a, c: fields and derivatives need all three of an entry */
typedef struct bending {
    double b, a, c; /* at one vertex, from hats */
} bending;

void rgi_parameters_apply(rgi_parameters *ps, const double *scaled, rg_model *model)
{
    const size_t n = rg_model_vertices(model);
    size_t used = 0;
    double *b11 = rg_model_field_data(model, RG_BEND_STIFFNESS_1);
    double *b22 = rg_model_field_data(model, RG_BEND_STIFFNESS_2);
    double *b12 = rg_model_field_data(model, RG_BEND_COUPLING);
    int any_bend = 0;
    /* fields other than bending: zero what parameters make up, then add */
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < ps->n; i++) {
            const rgi_parameter *p = &ps->list[i];
            if (p->group == RG_GROUP_BEND || p->group == RG_GROUP_ANISOTROPY) {
                any_bend = 1;
                continue;
            }
            const rg_field_info *info = rg_field_describe(group_fields[p->group]);
            double value = rgi_group_describe(p->group)->logarithmic ? exp(scaled[i]) : scaled[i];
            double slope = rgi_group_describe(p->group)->logarithmic ? value : 1.0;
            double *field = rg_model_field_data(model, group_fields[p->group]);
            if (pass) {
                ps->directions[i].places = ps->places + used;
                ps->directions[i].n_places = 0;
            }
            for (size_t e = 0; e < rg_model_field_entries(model, group_fields[p->group]); e++) {
                double w = p->element < 0 ? 1.0 : hat(model, info->location, (size_t)p->element, e);
                if (p->element < 0 && info->location == RG_PER_MARKER && !element_counts(model, p->group, e)) w = 0.0;
                if (w == 0.0) continue;
                double *at = field + e * (size_t)info->components + (size_t)p->component;
                if (!pass) {
                    *at = 0.0;
                    continue;
                }
                *at += w * value;
                rgi_place *place = &ps->places[used++];
                place->field = group_fields[p->group];
                place->entry = e;
                place->component = p->component;
                place->scale = w * slope;
                ps->directions[i].n_places++;
            }
        }
    if (!any_bend) return;
    for (size_t v = 1; v + 1 < n; v++) {
        bending at = {0.0, 0.0, 0.0};
        int moved[3] = {0, 0, 0};
        for (size_t i = 0; i < ps->n; i++) {
            const rgi_parameter *p = &ps->list[i];
            double w = p->element < 0 ? 1.0 : hat(model, RG_PER_VERTEX, (size_t)p->element, v);
            if (w == 0.0) continue;
            if (p->group == RG_GROUP_BEND) at.b += w * exp(scaled[i]), moved[0] = 1;
            if (p->group == RG_GROUP_ANISOTROPY && p->component == 0) at.a += w * scaled[i], moved[1] = 1;
            if (p->group == RG_GROUP_ANISOTROPY && p->component == 1) at.c += w * scaled[i], moved[2] = 1;
        }
        if (!moved[0]) at.b = ps->bending[3 * v];
        if (!moved[1]) at.a = ps->bending[3 * v + 1];
        if (!moved[2]) at.c = ps->bending[3 * v + 2];
        b11[v] = at.b * (1.0 + at.a);
        b22[v] = at.b * (1.0 - at.a);
        b12[v] = at.b * at.c;
    }
    for (size_t i = 0; i < ps->n; i++) {
        const rgi_parameter *p = &ps->list[i];
        if (p->group != RG_GROUP_BEND && p->group != RG_GROUP_ANISOTROPY) continue;
        ps->directions[i].places = ps->places + used;
        ps->directions[i].n_places = 0;
        for (size_t v = 1; v + 1 < n; v++) {
            double w = p->element < 0 ? 1.0 : hat(model, RG_PER_VERTEX, (size_t)p->element, v);
            if (w == 0.0) continue;
            double b = 0.5 * (b11[v] + b22[v]);
            const rg_field fields[3] = {RG_BEND_STIFFNESS_1, RG_BEND_STIFFNESS_2, RG_BEND_COUPLING};
            double d[3] = {b11[v] / b, b22[v] / b, b12[v] / b}; /* per unit of b */
            double s = w * exp(scaled[i]);
            if (p->group == RG_GROUP_ANISOTROPY) {
                s = w * b;
                d[0] = p->component ? 0.0 : 1.0;
                d[1] = p->component ? 0.0 : -1.0;
                d[2] = p->component ? 1.0 : 0.0;
            }
            for (int k = 0; k < 3; k++) {
                if (d[k] == 0.0) continue;
                rgi_place *place = &ps->places[used++];
                place->field = fields[k];
                place->entry = v;
                place->component = 0;
                place->scale = s * d[k];
                ps->directions[i].n_places++;
            }
        }
    }
}
