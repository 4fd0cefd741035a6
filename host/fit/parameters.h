/* fit/parameters.h: the map from a vector of parameters to a model's fields, with its derivative.
 *
 * A scaled parameter u stands for the value exp(u) (logarithmic groups) or u. Uniform groups share
 * one value; groups along the rod have one per marker, spread over mesh vertices by hat functions
 * (linear between markers), or one per marker interval for edge fields. Bending: B = b [[1+a, c],
 * [c, 1-a]] with b from bend_stiffness and a, c from bend_anisotropy. */
#ifndef RGI_PARAMETERS_H
#define RGI_PARAMETERS_H

#include "fit/residuals.h"
#include "rodgrad/fit.h"

typedef struct rgi_parameter {
    rg_group group;
    int element, component;                  /* element -1: uniform */
    double prior_mean, prior_std, low, high; /* scaled */
} rgi_parameter;

typedef struct rgi_parameters {
    size_t n;
    rgi_parameter *list;
    rgi_direction *directions; /* [n], filled by rgi_parameters_apply */
    rgi_place *places;
    size_t places_capacity;
    double *bending; /* [vertices][3] b, a, c where the parameters were made: what stays where one
                        of bend_stiffness and bend_anisotropy is held */
} rgi_parameters;

typedef struct rgi_group_info {
    const char *name, *unit;
    int logarithmic;
    rg_group_mode mode;
    double prior, low, high; /* values */
    rg_field field;
    int components;
} rgi_group_info;

const rgi_group_info *rgi_group_describe(rg_group group);

/* The parameters of `modes` and, in scaled [n], where the model has them. Priors are centred there.
 */
rg_status rgi_parameters_create(const rg_model *model, const rg_group_mode *modes, const double *priors,
                                rgi_parameters *out, double **scaled, rg_error *err);
void rgi_parameters_clear(rgi_parameters *parameters);
/* Write the fields that the parameters stand for; fills directions at these values. */
void rgi_parameters_apply(rgi_parameters *parameters, const double *scaled, rg_model *model);

#endif
