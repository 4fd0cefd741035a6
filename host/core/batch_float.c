/* core/batch_float.c: runs of batches on arrays of floats (include/rodgrad/batch_float.h).
 *
 * One code does runs of either kind. It copies the caller's structs into those of batch.h, whose layouts are the same,
 * with a word about what their arrays' numbers are (rgi_batch_arrays.single). Nothing reads numbers through them but
 * rgi_number_get and its like. */
#include "rodgrad/batch_float.h"

#include "core/batch.h"

#define SAME(type, member)                                                                                             \
    _Static_assert(offsetof(type, member) == offsetof(type##_float, member), #type "." #member " is at one place");
#define SAME_SERIES(name, rows, width, source, member, stage) SAME(rg_batch_##source, member)
#define SAME_START(name, per, less, source, member, stage) SAME(rg_batch_##source, member)
RGI_PACK_SERIES(SAME_SERIES)
RGI_PACK_STARTS_IN(SAME_START)
RGI_PACK_STARTS_OUT(SAME_START)
SAME(rg_field_values, field)
SAME(rg_field_values, values)
SAME(rg_field_gradient, field)
SAME(rg_field_gradient, values)
SAME(rg_batch_inputs, fields)
SAME(rg_batch_inputs, n_fields)
SAME(rg_batch_tangents, fields)
SAME(rg_batch_tangents, n_fields)
SAME(rg_batch_tangents, n_directions)
SAME(rg_batch_gradients, fields)
SAME(rg_batch_gradients, n_fields)
SAME(rg_batch_gradients, growth_every)
#define SAME_SIZE(type) _Static_assert(sizeof(type) == sizeof(type##_float), #type " is as large with floats");
SAME_SIZE(rg_field_values)
SAME_SIZE(rg_field_gradient)
SAME_SIZE(rg_batch_inputs)
SAME_SIZE(rg_batch_outputs)
SAME_SIZE(rg_batch_tangents)
SAME_SIZE(rg_batch_tangent_outputs)
SAME_SIZE(rg_batch_cotangents)
SAME_SIZE(rg_batch_gradients)

rg_status rg_tape_forward_float(rg_tape *t, const rg_batch_inputs_float *inputs, const rg_batch_outputs_float *outputs,
                                rg_rod_status *statuses, rg_error *err)
{
    const rgi_given given = {.rg_batch_inputs = inputs, .rg_batch_outputs = outputs, .single = 1};
    return rgi_tape_forward(t, &given, statuses, err);
}

rg_status rg_tape_jvp_float(rg_tape *t, const rg_batch_inputs_float *inputs, const rg_batch_tangents_float *tangents,
                            const rg_batch_outputs_float *outputs,
                            const rg_batch_tangent_outputs_float *tangent_outputs, rg_rod_status *statuses,
                            rg_error *err)
{
    const rgi_given given = {.rg_batch_inputs = inputs,
                             .rg_batch_outputs = outputs,
                             .rg_batch_tangents = tangents,
                             .rg_batch_tangent_outputs = tangent_outputs,
                             .single = 1};
    return rgi_tape_jvp(t, &given, statuses, err);
}

rg_status rg_tape_adjoint_float(rg_tape *t, const rg_batch_cotangents_float *cotangents,
                                const rg_batch_gradients_float *gradients, rg_adjoint_status *statuses, rg_error *err)
{
    const rgi_given given = {.rg_batch_cotangents = cotangents, .rg_batch_gradients = gradients, .single = 1};
    return rgi_tape_adjoint(t, &given, statuses, err);
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
