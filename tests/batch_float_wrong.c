/* batch_float_wrong.c: what a compiler must not take silently, with no options: arrays and structs of one kind of
 * number where the other is wanted. It says "incompatible pointer type" of each of the three lines. */
#include "rodgrad/rodgrad.h"

rg_status wrong(rg_batch *batch, const double *doubles, const float *floats);
rg_status wrong(rg_batch *batch, const double *doubles, const float *floats)
{
    const rg_batch_inputs in = {.x0 = floats};
    const rg_batch_inputs_float single = {.x0 = doubles};
    (void)single;
    return rg_batch_forward_float(batch, &in, NULL, NULL, NULL);
}
