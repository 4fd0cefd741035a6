/* check_wrong.c: rodgrad with a wrong derivative, for check.sh: whether rodgrad check finds it.
 *
 * Linked in front of the program's calls (--wrap). RODGRAD_WRONG_TANGENT and RODGRAD_WRONG_ADJOINT are shares by which
 * the derivative with respect to bend_stiffness_1 is too large in either; RODGRAD_WRONG_SILENT is set where the
 * tangent knows nothing of initial velocities. RODGRAD_WRONG_FORCES and RODGRAD_WRONG_FORCES_ADJOINT are shares by
 * which derivatives of tensions are too large, in tangent and adjoint, and in the adjoint alone. */
#include <stdlib.h>
#include <string.h>

#include "core/batch.h"

rg_status __real_rg_batch_jvp(rg_batch *batch, const rg_batch_inputs *inputs, const rg_batch_tangents *tangents,
                              const rg_batch_outputs *outputs, const rg_batch_tangent_outputs *tangent_outputs,
                              rg_rod_status *statuses, rg_error *err);
rg_status __wrap_rg_batch_jvp(rg_batch *batch, const rg_batch_inputs *inputs, const rg_batch_tangents *tangents,
                              const rg_batch_outputs *outputs, const rg_batch_tangent_outputs *tangent_outputs,
                              rg_rod_status *statuses, rg_error *err);
rg_status __real_rg_batch_adjoint(rg_batch *batch, const rg_batch_cotangents *cotangents,
                                  const rg_batch_gradients *gradients, rg_adjoint_status *statuses, rg_error *err);
rg_status __wrap_rg_batch_adjoint(rg_batch *batch, const rg_batch_cotangents *cotangents,
                                  const rg_batch_gradients *gradients, rg_adjoint_status *statuses, rg_error *err);

static double too_large_by(const char *name)
{
    const char *text = getenv(name);
    return text ? strtod(text, NULL) : 0.0;
}

/* tensions of all frames and rods, too large by a share */
static void scale_tensions(const rg_batch *batch, const double *from, double share, double *to)
{
    const size_t count = batch->at.n_rods * batch->opts.n_frames * (batch->at.vertices - 1);
    for (size_t i = 0; i < count; i++) to[i] = (1.0 + share) * from[i];
}

rg_status __wrap_rg_batch_jvp(rg_batch *batch, const rg_batch_inputs *inputs, const rg_batch_tangents *tangents,
                              const rg_batch_outputs *outputs, const rg_batch_tangent_outputs *tangent_outputs,
                              rg_rod_status *statuses, rg_error *err)
{
    const size_t times = tangents->n_directions ? tangents->n_directions : 1;
    const size_t count = times * batch->at.n_rods * batch->at.vertices;
    rg_batch_tangents wrong = *tangents;
    double *scaled = calloc(count, sizeof *scaled);
    if (!scaled) abort();
    rg_field_values list[RG_FIELD_COUNT];
    for (size_t k = 0; k < tangents->n_fields; k++) {
        list[k] = tangents->fields[k];
        if (list[k].field != RG_BEND_STIFFNESS_1 || !list[k].values) continue;
        for (size_t i = 0; i < count; i++)
            scaled[i] = (1.0 + too_large_by("RODGRAD_WRONG_TANGENT")) * list[k].values[i];
        list[k].values = scaled;
    }
    wrong.fields = list;
    if (getenv("RODGRAD_WRONG_SILENT")) wrong.v0 = NULL;
    const rg_status status = __real_rg_batch_jvp(batch, inputs, &wrong, outputs, tangent_outputs, statuses, err);
    free(scaled);
    double *tension = tangent_outputs->tension;
    if (tension) scale_tensions(batch, tension, too_large_by("RODGRAD_WRONG_FORCES"), tension);
    return status;
}

rg_status __wrap_rg_batch_adjoint(rg_batch *batch, const rg_batch_cotangents *cotangents,
                                  const rg_batch_gradients *gradients, rg_adjoint_status *statuses, rg_error *err)
{
    const size_t count = batch->at.n_rods * batch->opts.n_frames * batch->at.vertices;
    rg_batch_cotangents wrong = *cotangents;
    double *tension = calloc(count, sizeof *tension);
    if (!tension) abort();
    if (wrong.tension) {
        scale_tensions(batch, wrong.tension,
                       too_large_by("RODGRAD_WRONG_FORCES") + too_large_by("RODGRAD_WRONG_FORCES_ADJOINT"), tension);
        wrong.tension = tension;
    }
    const rg_status status = __real_rg_batch_adjoint(batch, &wrong, gradients, statuses, err);
    free(tension);
    double *field = NULL;
    for (size_t k = 0; k < gradients->n_fields; k++)
        if (gradients->fields[k].field == RG_BEND_STIFFNESS_1) field = gradients->fields[k].values;
    for (size_t i = 0; field && i < batch->at.n_rods * batch->at.vertices; i++)
        field[i] *= 1.0 + too_large_by("RODGRAD_WRONG_ADJOINT");
    return status;
}
