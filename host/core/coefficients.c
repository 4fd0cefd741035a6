/* core/coefficients.c: see coefficients.h; the formulas are in rod/coefficients.h. */
#include "core/coefficients.h"

rgi_rod_fields rgi_model_fields(const rg_model *model)
{
    rgi_rod_fields f = {.marker_vertices = rg_model_marker_vertices(model),
                        .n = (int)rg_model_vertices(model),
                        .n_markers = (int)rg_model_markers(model)};
    for (int k = 0; k < RG_FIELD_COUNT; k++) f.of[k] = rg_model_field(model, (rg_field)k);
    return f;
}

rgi_rod_fields rgi_rod_fields_of(const rgi_batch_fields *p, const rgi_placement *at, size_t rod)
{
    rgi_rod_fields f = rgi_model_fields(p->models[rod] ? p->models[rod] : p->model);
    for (int field = 0; field < RG_FIELD_COUNT; field++)
        if (p->given[field]) f.of[field] = p->given[field] + rod * rgi_field_row(at, field);
    return f;
}

void rgi_coefficients(const rgi_rod_fields *fields, double *coef)
{
    for (int i = 0; i < fields->n; i++) rgi_coefficients_node(fields, i, coef + (size_t)i * RGI_NC);
}

rg_status rgi_fields_check(const rgi_rod_fields *f, const double *const *given, rg_error *err)
{
    static const char *const rules[] = {"", "be finite", "be positive", "not be negative"};
    const int fault = rgi_fields_fault(f, given, 0, 1), stride = rgi_fault_stride(f);
    const int field = fault / stride, k = fault % stride;
    if (fault == RGI_NO_FAULT) return RG_OK;
    if (field == RG_FIELD_COUNT) {
        const double root = sqrt(f->of[RG_BEND_STIFFNESS_1][k]) * sqrt(f->of[RG_BEND_STIFFNESS_2][k]);
        return RG_FAIL(err, RG_ERR_VALUE,
                       "bend_coupling, entry %d, is %g N m^2; its size must stay below "
                       "sqrt(bend_stiffness_1 bend_stiffness_2) = %g N m^2.",
                       k, f->of[RG_BEND_COUPLING][k], root);
    }
    const rg_field_info *info = rg_field_describe((rg_field)field);
    const double value = f->of[field][k];
    return RG_FAIL(err, RG_ERR_VALUE, "%s, entry %d, is %g %s; it must %s.", info->name, k / info->components, value,
                   info->unit, rules[rgi_range_fault(info->range, value)]);
}
