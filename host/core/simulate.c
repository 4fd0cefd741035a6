/* core/simulate.c: simulate recordings (include/rodgrad/rollout.h). */
#include <stdlib.h>
#include <string.h>

#include "core/batch.h"
#include "core/inputs.h"
#include "rodgrad/rollout.h"

/* a recording's frames 0 and 1 as recorded, driving markers too, the rest as simulated [frames][n_markers][3] */
static void give(const rgi_inputs *in, size_t rod, const double *markers, double *out)
{
    const rg_recording *r = &in->recordings[rod];
    const size_t row = 3 * r->n_markers;
    const int *frame_of = in->frame_of + rod * in->frames;
    memcpy(out, r->positions, 2 * row * sizeof *out);
    for (size_t k = 0; k < in->own_frames[rod]; k++)
        if (frame_of[k] >= 0) memcpy(out + (size_t)frame_of[k] * row, markers + k * row, row * sizeof *out);
    for (size_t f = 2; f < r->n_frames; f++)
        for (size_t k = 0; k < r->n_clamps; k++) {
            const size_t at = f * row + 3 * (size_t)r->clamps[k];
            memcpy(out + at, r->positions + at, 3 * sizeof *out);
        }
}

rg_status rg_simulate(const rg_model *model, const rg_recording *recordings, size_t n, const rg_rollout_opts *opts,
                      double *const *out, rg_rod_status *statuses, rg_error *err)
{
    const rg_rollout_opts defaults = rg_rollout_opts_default();
    rg_batch_opts batch_opts = rg_batch_opts_default();
    rgi_inputs *in = NULL;
    rg_batch *batch = NULL;
    double *markers = NULL;
    if (!model || !recordings || !out || !statuses)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_simulate needs a model, recordings, out and statuses");
    RG_TRY(rgi_inputs_create(model, recordings, n, opts ? opts : &defaults, &in, err));
    batch_opts.adjoint = 0;
    rg_status status = rgi_inputs_batch(in, &batch_opts, &batch, err);
    if (status != RG_OK) goto done;
    const size_t each = in->frames * 3 * in->shape->n_markers;
    markers = calloc(n, each * sizeof *markers);
    if (!markers) status = RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the motion of %zu recordings", n);
    if (status != RG_OK) goto done;
    const rg_batch_inputs arrays = rgi_inputs_arrays(in);
    const rg_batch_outputs outputs = {.markers = markers};
    const rgi_batch_arrays of = {.inputs = &arrays, .outputs = &outputs};
    /* a rod with a bad start fails, the others do not */
    status = rgi_tape_run(batch->own, &of, statuses, err);
    for (size_t i = 0; status == RG_OK && i < n; i++) {
        rgi_inputs_add_status(in, i, &statuses[i]);
        give(in, i, markers + i * each, out[i]);
    }
done:
    free(markers);
    rg_batch_destroy(&batch);
    rgi_inputs_destroy(&in);
    return status;
}
