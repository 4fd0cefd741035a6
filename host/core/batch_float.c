/* core/batch_float.c: runs of batches on arrays of floats (include/rodgrad/batch_float.h).
 *
 * One code does runs of either kind. It has the caller's arrays in the structs of batch.h with a word about what their
 * numbers are (rgi_batch_arrays), so that here the pointers of a struct of floats become those of its like; tests/
 * test_layout.c compares the members. Nothing reads numbers through them but rgi_number_get and its like. */
#include <string.h>

#include "core/batch.h"
#include "rodgrad/batch_float.h"

#define AS_DOUBLES(type, from, to)                                                                                     \
    _Static_assert(sizeof(type##_float) == sizeof(type), "structs of one layout");                                     \
    type to##_of_doubles;                                                                                              \
    if (from) memcpy(&to##_of_doubles, from, sizeof to##_of_doubles);                                                  \
    const type *const to = (from) ? &to##_of_doubles : NULL

rg_status rg_tape_forward_float(rg_tape *t, const rg_batch_inputs_float *inputs, const rg_batch_outputs_float *outputs,
                                rg_rod_status *statuses, rg_error *err)
{
    AS_DOUBLES(rg_batch_inputs, inputs, in);
    AS_DOUBLES(rg_batch_outputs, outputs, out);
    const rgi_batch_arrays of = {.inputs = in, .outputs = out, .single = 1};
    return rgi_tape_forward(t, &of, statuses, err);
}

rg_status rg_tape_jvp_float(rg_tape *t, const rg_batch_inputs_float *inputs, const rg_batch_tangents_float *tangents,
                            const rg_batch_outputs_float *outputs,
                            const rg_batch_tangent_outputs_float *tangent_outputs, rg_rod_status *statuses,
                            rg_error *err)
{
    AS_DOUBLES(rg_batch_inputs, inputs, in);
    AS_DOUBLES(rg_batch_tangents, tangents, along);
    AS_DOUBLES(rg_batch_outputs, outputs, out);
    AS_DOUBLES(rg_batch_tangent_outputs, tangent_outputs, d_out);
    const rgi_batch_arrays of = {
        .inputs = in, .outputs = out, .tangents = along, .tangent_outputs = d_out, .single = 1};
    return rgi_tape_jvp(t, &of, statuses, err);
}

rg_status rg_tape_adjoint_float(rg_tape *t, const rg_batch_cotangents_float *cotangents,
                                const rg_batch_gradients_float *gradients, rg_adjoint_status *statuses, rg_error *err)
{
    AS_DOUBLES(rg_batch_cotangents, cotangents, bar);
    AS_DOUBLES(rg_batch_gradients, gradients, to);
    const rgi_batch_arrays of = {.cotangents = bar, .gradients = to, .single = 1};
    return rgi_tape_adjoint(t, &of, statuses, err);
}

/* ---- on the batch's own tape ---- */

rg_status rg_batch_forward_float(rg_batch *b, const rg_batch_inputs_float *inputs,
                                 const rg_batch_outputs_float *outputs, rg_rod_status *statuses, rg_error *err)
{
    return rg_tape_forward_float(b ? b->own : NULL, inputs, outputs, statuses, err);
}

rg_status rg_batch_jvp_float(rg_batch *b, const rg_batch_inputs_float *inputs, const rg_batch_tangents_float *tangents,
                             const rg_batch_outputs_float *outputs,
                             const rg_batch_tangent_outputs_float *tangent_outputs, rg_rod_status *statuses,
                             rg_error *err)
{
    return rg_tape_jvp_float(b ? b->own : NULL, inputs, tangents, outputs, tangent_outputs, statuses, err);
}

rg_status rg_batch_adjoint_float(rg_batch *b, const rg_batch_cotangents_float *cotangents,
                                 const rg_batch_gradients_float *gradients, rg_adjoint_status *statuses, rg_error *err)
{
    return rg_tape_adjoint_float(b ? b->own : NULL, cotangents, gradients, statuses, err);
}

rg_status rg_batch_carry_directors_float(const rg_batch *b, const float *m0, const float *x0, const float *clamp_x,
                                         float *clamp_m, rg_error *err)
{
    return rgi_batch_carry_directors(b, m0, x0, clamp_x, 1, clamp_m, err);
}
