/* core/coefficients.h: from the model's fields to what the kernels integrate, with derivatives. */
#ifndef RGI_COEFFICIENTS_H
#define RGI_COEFFICIENTS_H

#include "pack.h"
#include "rodgrad/model.h"

enum { RGI_MAX_ENTRIES = 24 }; /* coefficients that one number of a field can move */

/* numbers of a field, entries times components */
static inline size_t rgi_field_numbers(const rg_model *model, int field)
{
    return rg_model_field_entries(model, (rg_field)field) * (size_t)rg_field_describe((rg_field)field)->components;
}

/* coef [vertices][RGI_NC] */
void rgi_coefficients(const rg_model *model, double *coef);

/* d coefficient / d field[entry][component]: fills entries/values (RGI_MAX_ENTRIES), returns how
 * many. Offsets of markers come as RGI_O1, RGI_O2 with the marker as node. */
int rgi_coefficients_jvp(const rg_model *model, rg_field field, size_t entry, int component, rgi_pack_entry *entries,
                         double *values);

/* its adjoint: adds to *sum `scale` times what the cotangents of lane `lane` (of w) of the pack's
 * coefficients and offsets say about field[entry][component] */
void rgi_coefficients_adj(const rg_model *model, rg_field field, size_t entry, int component, double scale,
                          const rgi_pack *pack, size_t w, size_t lane, double *sum);

#endif
