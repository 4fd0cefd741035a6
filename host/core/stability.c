/* core/stability.c: see stability.h; the derivation is in rod/stability.h. */
#include "core/stability.h"

#include <stdlib.h>

#include "core/coefficients.h"
#include "rod/stability.h"

rg_status rgi_deform_longest_step(const rg_model *model, double *step_s, rg_error *err)
{
    rgi_shape *shape = NULL;
    RG_TRY(rgi_shape_create(NULL, model, &shape, err));
    const size_t n = shape->n;
    double *coef = calloc(n * (RGI_NC + 3), sizeof *coef);
    if (!coef) {
        rgi_shape_destroy(&shape);
        return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for a mesh of %zu vertices", n);
    }
    const rgi_rod_fields fields = rgi_model_fields(model);
    rgi_coefficients(&fields, coef);
    *step_s = rgi_deform_longest((int)n, shape->fixed, coef, coef + n * RGI_NC);
    free(coef);
    rgi_shape_destroy(&shape);
    return RG_OK;
}
