/* core/coefficients.h: models and fields of calls as the kernels' text of coefficients (rod/coefficients.h) takes them.
 */
#ifndef RGI_COEFFICIENTS_H
#define RGI_COEFFICIENTS_H

#include "core/placement.h"
#include "rod/coefficients.h"
#include "rodgrad/model.h"

/* parameters of all rods: fields that a call gives, and their models' for the rest; everything is the caller's */
typedef struct rgi_batch_fields {
    const double *given[RG_FIELD_COUNT]; /* [n_rods][rgi_field_row], or NULL: the models' */
    const rg_model *model;               /* of rods without one of their own */
    rg_model *const *models;             /* [n_rods], or NULL each */
    size_t version;                      /* of the models, from 1 */
} rgi_batch_fields;

/* a direction in fields: arrays [n_rods][rgi_field_row], or NULL: zero */
typedef struct rgi_direction_fields {
    const double *of[RG_FIELD_COUNT];
} rgi_direction_fields;

/* numbers of a field in a row of the caller's arrays */
static inline size_t rgi_field_row(const rgi_placement *at, int field)
{
    return (size_t)rgi_field_count(field, (int)at->vertices, (int)at->markers);
}

/* direction d of those that arrays [directions][n_rods][rgi_field_row], along [RG_FIELD_COUNT], have */
static inline rgi_direction_fields rgi_direction_fields_of(const double *const *along, const rgi_placement *at, int d)
{
    rgi_direction_fields of;
    for (int field = 0; field < RG_FIELD_COUNT; field++)
        of.of[field] = along[field] ? along[field] + (size_t)d * at->n_rods * rgi_field_row(at, field) : NULL;
    return of;
}

/* numbers of a field, entries times components */
static inline size_t rgi_field_numbers(const rg_model *model, int field)
{
    return rg_model_field_entries(model, (rg_field)field) * (size_t)rgi_field_components(field);
}

/* they live as long as the model */
rgi_rod_fields rgi_model_fields(const rg_model *model);

/* those of one rod: given arrays must be the host's */
rgi_rod_fields rgi_rod_fields_of(const rgi_batch_fields *of, const rgi_placement *at, size_t rod);

/* coef [n][RGI_NC] */
void rgi_coefficients(const rgi_rod_fields *fields, double *coef);

/* RG_ERR_VALUE, with a sentence that names field, entry and value, where a field that `given` has is not finite or out
 * of its range, or bending is not positive definite */
rg_status rgi_fields_check(const rgi_rod_fields *fields, const double *const *given, rg_error *err);

#endif
