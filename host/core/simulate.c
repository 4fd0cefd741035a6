/* core/simulate.c: simulate recordings (include/rodgrad/rollout.h). */
#include <math.h>
#include <string.h>

#include "core/batch.h"
#include "core/inputs.h"
#include "core/memory.h"
#include "core/structs.h"
#include "rodgrad/rollout.h"

/* a recording's frames 0 and 1 as recorded, driving markers too, the rest as simulated [frames][n_markers][3] */
static void give(const rgi_inputs *in, size_t rod, const double *markers, double *out)
{
    const rg_recording *r = &in->recordings[rod];
    const size_t row = 3 * r->n_markers;
    memcpy(out, r->positions, 2 * row * sizeof *out);
    rgi_inputs_give_rows(in, rod, markers, row, in->frames, 0, out);
    for (size_t f = 2; f < r->n_frames; f++)
        for (size_t k = 0; k < r->n_clamps; k++) {
            const size_t at = f * row + 3 * (size_t)r->clamps[k];
            memcpy(out + at, r->positions + at, 3 * sizeof *out);
        }
}

/* ---- forces ---- */

enum { TENSION, REACTION, REACTION_MOMENT, MOMENT, KINDS };

/* what a run puts out next to markers: blocks of n rods, NULL where no recording wants one, and numbers of a row */
typedef struct force_rows {
    double *of[KINDS];
    size_t row[KINDS];
} force_rows;

static double *wanted(const rg_forces *f, int kind)
{
    double *const of[KINDS] = {f->tension, f->reaction, f->reaction_moment, f->moment};
    return of[kind];
}

static rg_status allocate_forces(const rgi_inputs *in, const rg_forces *forces, force_rows *f, rg_error *err)
{
    const rgi_shape *s = in->shape;
    const size_t rows[KINDS] = {s->n - 1, 3 * s->n_fixed_x, s->n_fixed_theta, 3 * s->n};
    for (int k = 0; k < KINDS; k++) {
        int any = 0;
        f->row[k] = rows[k];
        for (size_t i = 0; i < in->n; i++) any |= wanted(&forces[i], k) != NULL;
        if (!any || rows[k] == 0) continue;
        f->of[k] = rgi_calloc(in->rollout.context, in->n, in->frames * rows[k] * sizeof *f->of[k]);
        if (!f->of[k]) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the forces of %zu recordings", in->n);
    }
    return RG_OK;
}

/* the rows of a recording's frames, NaN where there are none */
static void give_forces(const rgi_inputs *in, size_t rod, const rg_rod_status *status, const force_rows *f,
                        const rg_forces *out)
{
    const size_t n_frames = in->recordings[rod].n_frames;
    size_t good = in->frames; /* frames before the rod failed */
    if (status->flag != RG_ROD_OK) good = (size_t)(status->step / in->rollout.substeps);
    for (int k = 0; k < KINDS; k++) {
        double *to = wanted(out, k);
        const size_t row = f->row[k];
        if (!to || row == 0) continue;
        for (size_t j = 0; j < n_frames * row; j++) to[j] = NAN;
        rgi_inputs_give_rows(in, rod, f->of[k] + rod * in->frames * row, row, good, 0, to);
    }
}

/* an array of the caller's structs, each as large as the first one says */
static rg_status take_forces(const rg_forces *forces, size_t n, rg_forces *own, rg_error *err)
{
    static const rgi_struct of = {"rg_forces", sizeof(rg_forces), RGI_SIZE_UP_TO(rg_forces, moment), 0};
    const size_t stride = n && forces->struct_size ? forces->struct_size : of.first;
    for (size_t i = 0; i < n; i++) RG_TRY(rgi_struct_take(&of, (const char *)forces + i * stride, &own[i], err));
    return RG_OK;
}

/* ---- both ---- */

/* forces, and out with them: NULL where not wanted */
static rg_status simulate(const rg_model *model, const rg_recording *recordings, size_t n, const rg_rollout_opts *opts,
                          double *const *out, const rg_forces *forces, rg_rod_status *statuses, rg_error *err)
{
    rg_batch_opts batch_opts = rg_batch_opts_default();
    rgi_inputs *in = NULL;
    rg_batch *batch = NULL;
    double *markers = NULL;
    force_rows rows = {{NULL}, {0}};
    if (forces && opts->stepper == RG_STEPPER_DEFORM)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "the deform stepper keeps lengths by projection and has no forces to give; choose the implicit "
                       "stepper or call rg_simulate");
    RG_TRY(rgi_inputs_create(model, recordings, n, opts, &in, err));
    batch_opts.adjoint = 0;
    rg_status status = rgi_inputs_batch(in, &batch_opts, &batch, err);
    if (status != RG_OK) goto done;
    const size_t each = in->frames * 3 * in->shape->n_markers;
    markers = rgi_calloc(opts->context, n, each * sizeof *markers);
    if (!markers) status = RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the motion of %zu recordings", n);
    if (status == RG_OK && forces) status = allocate_forces(in, forces, &rows, err);
    if (status != RG_OK) goto done;
    const rg_batch_inputs arrays = rgi_inputs_arrays(in);
    const rg_batch_outputs outputs = {.markers = markers,
                                      .tension = rows.of[TENSION],
                                      .reaction = rows.of[REACTION],
                                      .reaction_moment = rows.of[REACTION_MOMENT],
                                      .moment = rows.of[MOMENT]};
    const rgi_batch_arrays of = {.inputs = &arrays, .outputs = &outputs};
    /* a rod with a bad start fails, the others do not */
    status = rgi_tape_run(batch->own, &of, statuses, err);
    for (size_t i = 0; status == RG_OK && i < n; i++) {
        rgi_inputs_add_status(in, i, &statuses[i]);
        if (out) give(in, i, markers + i * each, out[i]);
        if (forces) give_forces(in, i, &statuses[i], &rows, &forces[i]);
    }
done:
    for (int k = 0; k < KINDS; k++) rgi_free(opts->context, rows.of[k]);
    rgi_free(opts->context, markers);
    rg_batch_destroy(&batch);
    rgi_inputs_destroy(&in);
    return status;
}

rg_status rg_simulate(const rg_model *model, const rg_recording *recordings, size_t n, const rg_rollout_opts *opts,
                      double *const *out, rg_rod_status *statuses, rg_error *err)
{
    if (!model || !recordings || !out || !statuses)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_simulate needs a model, recordings, out and statuses");
    rg_rollout_opts own = rg_rollout_opts_default();
    if (opts) RG_TRY(rgi_struct_take(&rgi_rollout_opts_struct, opts, &own, err));
    return simulate(model, recordings, n, &own, out, NULL, statuses, err);
}

rg_status rg_simulate_forces(const rg_model *model, const rg_recording *recordings, size_t n,
                             const rg_rollout_opts *opts, double *const *out, const rg_forces *forces,
                             rg_rod_status *statuses, rg_error *err)
{
    if (!model || !recordings || !forces || !statuses)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_simulate_forces needs a model, recordings, forces and statuses");
    rg_rollout_opts own = rg_rollout_opts_default();
    if (opts) RG_TRY(rgi_struct_take(&rgi_rollout_opts_struct, opts, &own, err));
    rg_forces *taken = rgi_calloc(own.context, n + 1, sizeof *taken);
    if (!taken) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the forces of %zu recordings", n);
    rg_status status = take_forces(forces, n, taken, err);
    if (status == RG_OK) status = simulate(model, recordings, n, &own, out, taken, statuses, err);
    rgi_free(own.context, taken);
    return status;
}
