/* core/no_cuda.c: what takes the place of the GPU's part in a build without CUDA.
 *
 * No context has a device there, so nothing of this is called; it says so if it is. */
#include "core/batch.h"
#include "cuda/normal.h"

#if !defined(RODGRAD_WITH_CUDA)

static rg_status none(rg_error *err)
{
    return RG_FAIL(err, RG_ERR_UNSUPPORTED, "this build of rodgrad left CUDA out");
}

rg_status rgi_mirror_create(rgi_device *device, const rgi_mirror_opts *opts, rgi_mirror **out, rg_error *err)
{
    (void)device, (void)opts;
    *out = NULL;
    return none(err);
}

void rgi_mirror_destroy(rgi_mirror **mirror) { *mirror = NULL; }

size_t rgi_mirror_bytes(const rgi_mirror *mirror)
{
    (void)mirror;
    return 0;
}

rg_status rgi_mirror_send(rgi_mirror *mirror, const double *from, size_t count, rg_error *err)
{
    (void)mirror, (void)from, (void)count;
    return none(err);
}

rg_status rgi_mirror_fetch(rgi_mirror *mirror, double *to, size_t count, rg_error *err)
{
    (void)mirror, (void)to, (void)count;
    return none(err);
}

rg_status rgi_mirror_entries(rgi_mirror *mirror, const int *entry_begin, int n_directions,
                             const rgi_pack_entry *entries, const double *values, size_t apart, rg_error *err)
{
    (void)mirror, (void)entry_begin, (void)n_directions, (void)entries, (void)values, (void)apart;
    return none(err);
}

rg_status rgi_mirror_packs(rgi_mirror *mirror, const rgi_pack *const *packs, rg_error *err)
{
    (void)mirror, (void)packs;
    return none(err);
}

rg_status rgi_mirror_run(rgi_mirror *mirror, int begin, int end, rg_error *err)
{
    (void)mirror, (void)begin, (void)end;
    return none(err);
}

rg_status rgi_mirror_reverse(rgi_mirror *mirror, rg_error *err)
{
    (void)mirror;
    return none(err);
}

rg_status rgi_normal_create(rgi_device *device, size_t p_most, size_t n_rods, size_t rows_of_rod, size_t n_blocks,
                            rgi_normal **out, rg_error *err)
{
    (void)device, (void)p_most, (void)n_rods, (void)rows_of_rod, (void)n_blocks;
    *out = NULL;
    return none(err);
}

void rgi_normal_destroy(rgi_normal **normal) { *normal = NULL; }

double *rgi_normal_rows(const rgi_normal *normal)
{
    (void)normal;
    return NULL;
}

size_t rgi_normal_rows_apart(const rgi_normal *normal)
{
    (void)normal;
    return 0;
}

rg_status rgi_normal_begin(rgi_normal *normal, size_t p, rg_error *err)
{
    (void)normal, (void)p;
    return none(err);
}

rg_status rgi_normal_clear_rows(rgi_normal *normal, rg_error *err)
{
    (void)normal;
    return none(err);
}

rg_status rgi_normal_add(rgi_normal *normal, size_t block, rg_error *err)
{
    (void)normal, (void)block;
    return none(err);
}

rg_status rgi_batch_device_create(rg_batch *batch, rg_error *err)
{
    (void)batch;
    return none(err);
}

void rgi_batch_device_destroy(rg_batch *batch) { (void)batch; }

rg_status rgi_batch_device_model(rg_batch *batch, size_t rod, rg_error *err)
{
    (void)batch, (void)rod;
    return none(err);
}

rg_status rgi_batch_device_run(rg_batch *batch, const rg_batch_inputs *inputs, const rg_batch_tangents *tangents,
                               const rg_batch_outputs *outputs, const rg_batch_tangent_outputs *tangent_outputs,
                               int statuses, rg_error *err)
{
    (void)batch, (void)inputs, (void)tangents, (void)outputs, (void)tangent_outputs, (void)statuses;
    return none(err);
}

rg_status rgi_batch_device_adjoint(rg_batch *batch, const rg_batch_cotangents *cotangents,
                                   const rg_batch_gradients *gradients, int statuses, rg_error *err)
{
    (void)batch, (void)cotangents, (void)gradients, (void)statuses;
    return none(err);
}

rg_status rgi_batch_device_reset(rg_batch *batch, const unsigned char *mask, rg_error *err)
{
    (void)batch, (void)mask;
    return none(err);
}

#endif
