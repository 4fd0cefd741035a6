/* rodgrad/batch_float.h: the runs of batch.h on arrays of floats.
 *
 * The same batches and tapes, the same calls, shapes, units and errors; only the numbers of the caller's arrays are
 * floats, read and written where they are, so that an array of torch's, JAX's or numpy's float32 needs no copy. What
 * rods are computed in is the batch's (rollout.real) as ever: a float that goes in is the double of its value, and
 * what comes out is what the double call would have put out, rounded to the nearest float. The type is that of a call:
 * runs, their tangents and adjoints may take turns in floats and doubles.
 *
 * Directors may be off by as much more than batch.h allows as rounding can be the reason of: with u = 2^-24 by
 * u(|x| + |x'|)/|e| + 2u along their edge e from x to x', and by 3u in the square of their length. They are used as
 * they are. RG_ERR_VALUE for an edge at the start that rounding of its ends moves by more than 1 %.
 *
 * Tangents, cotangents and gradients of floats span 1e-38 to 3e38: a loss whose derivatives are beyond wants a scale.
 * A call with fields converts them into the tape's memory, which is allocated by the first such call and whenever a
 * later one has more numbers of fields than any before; otherwise nothing is allocated on the CPU. The adjoint of a run
 * reads that copy of its inputs' fields again, not the caller's. On a GPU arrays of floats in the host's memory are
 * copied as floats, but for fields, which are converted first; fields of floats in the GPU's memory are converted
 * there. Memory, ownership and threads as in batch.h. */
#ifndef RODGRAD_BATCH_FLOAT_H
#define RODGRAD_BATCH_FLOAT_H

#include "rodgrad/batch.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Members, their order and meaning are those of the structs without _float; struct_size is sizeof of the struct here.
 */
typedef struct rg_field_values_float {
    rg_field field;
    const float *values;
} rg_field_values_float;

typedef struct rg_field_gradient_float {
    rg_field field;
    float *values;
} rg_field_gradient_float;

typedef struct rg_batch_inputs_float {
    size_t struct_size;
    const float *x0, *v0;
    const float *m0;
    const float *clamp_x;
    const float *clamp_m;
    const float *force;
    const rg_field_values_float *fields;
    size_t n_fields;
} rg_batch_inputs_float;

typedef struct rg_batch_outputs_float {
    size_t struct_size;
    float *x, *v;
    float *m;
    float *markers;
    float *tension;
    float *reaction;
    float *reaction_moment;
    float *moment;
    float *energy;
    float *status;
} rg_batch_outputs_float;

typedef struct rg_batch_tangents_float {
    size_t struct_size;
    const float *x0, *v0;
    const float *turn0;
    const float *clamp_x;
    const float *clamp_turn;
    const float *force;
    const rg_field_values_float *fields;
    size_t n_fields;
    size_t n_directions;
} rg_batch_tangents_float;

typedef struct rg_batch_tangent_outputs_float {
    size_t struct_size;
    float *x, *v;
    float *turn;
    float *markers;
    float *tension;
    float *reaction;
    float *reaction_moment;
    float *moment;
    float *energy;
} rg_batch_tangent_outputs_float;

typedef struct rg_batch_cotangents_float {
    size_t struct_size;
    const float *x, *v;
    const float *turn;
    const float *markers;
    const float *tension;
    const float *reaction;
    const float *reaction_moment;
    const float *moment;
    const float *energy;
} rg_batch_cotangents_float;

typedef struct rg_batch_gradients_float {
    size_t struct_size;
    float *x0, *v0;
    float *turn0;
    float *clamp_x;
    float *clamp_turn;
    float *force;
    const rg_field_gradient_float *fields;
    size_t n_fields;
    size_t growth_every;
    float *growth;
} rg_batch_gradients_float;

/* As the calls without _float. */
rg_status rg_batch_forward_float(rg_batch *batch, const rg_batch_inputs_float *inputs,
                                 const rg_batch_outputs_float *outputs, rg_rod_status *statuses, rg_error *err);
rg_status rg_batch_jvp_float(rg_batch *batch, const rg_batch_inputs_float *inputs,
                             const rg_batch_tangents_float *tangents, const rg_batch_outputs_float *outputs,
                             const rg_batch_tangent_outputs_float *tangent_outputs, rg_rod_status *statuses,
                             rg_error *err);
rg_status rg_batch_adjoint_float(rg_batch *batch, const rg_batch_cotangents_float *cotangents,
                                 const rg_batch_gradients_float *gradients, rg_adjoint_status *statuses, rg_error *err);
rg_status rg_tape_forward_float(rg_tape *tape, const rg_batch_inputs_float *inputs,
                                const rg_batch_outputs_float *outputs, rg_rod_status *statuses, rg_error *err);
rg_status rg_tape_jvp_float(rg_tape *tape, const rg_batch_inputs_float *inputs, const rg_batch_tangents_float *tangents,
                            const rg_batch_outputs_float *outputs,
                            const rg_batch_tangent_outputs_float *tangent_outputs, rg_rod_status *statuses,
                            rg_error *err);
rg_status rg_tape_adjoint_float(rg_tape *tape, const rg_batch_cotangents_float *cotangents,
                                const rg_batch_gradients_float *gradients, rg_adjoint_status *statuses, rg_error *err);
rg_status rg_batch_carry_directors_float(const rg_batch *batch, const float *m0, const float *x0, const float *clamp_x,
                                         float *clamp_m, rg_error *err);

#ifdef __cplusplus
}
#endif
#endif
