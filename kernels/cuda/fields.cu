/* cuda/fields.cu: kernels of rods' fields (fields.c, which launches them): into coefficients, directions in them, and
 * gradients of them, by the text of rod/coefficients.h.
 *
 * Packs are of one rod each; their arrays are of floats where `single` is set. A rod with a field out of its range is
 * not run: it gets no steps and no offsets, and faults [rods] says at which vertex the fault is, -1: nowhere. It has no
 * directions, and gradients of zero. */
#include "kernel.h"

#include "../rod/stability.h"
#include "fields_call.h"

#define FOR_EACH(i, count)                                                                                             \
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < (count); i += (size_t)gridDim.x * blockDim.x)

enum { WARP = 32 };

static __device__ inline void rgi_put_real(void *to, size_t k, double value, int single)
{
    if (single) ((float *)to)[k] = (float)value;
    else ((double *)to)[k] = value;
}

static __device__ inline rgi_rod_fields rgi_fields_of(const rgi_fields_in *in, const rgi_device_pack *pack, size_t rod)
{
    rgi_rod_fields f;
    for (int field = 0; field < RG_FIELD_COUNT; field++) f.of[field] = in->of[field] + rod * in->apart[field];
    f.marker_vertices = pack->marker_vertices;
    f.n = pack->n;
    f.n_markers = pack->n_markers;
    return f;
}

/* the vertex of a fault (rgi_fields_fault) */
static __device__ inline int rgi_fault_vertex(const rgi_rod_fields *f, int fault)
{
    const int stride = rgi_fault_stride(f), field = fault / stride, k = fault % stride;
    if (field == RG_FIELD_COUNT) return k;
    const int entry = k / rgi_field_components(field);
    return rgi_field_location(field) == RG_PER_MARKER ? f->marker_vertices[entry] : entry;
}

/* A warp to a rod. given: bits of the fields that are looked at. */
extern "C" __global__ void rgi_set_fields(const rgi_device_pack *packs, int rods, const rgi_fields_in in,
                                          unsigned given, int *faults, int single)
{
    const size_t rod = ((size_t)blockIdx.x * blockDim.x + threadIdx.x) / WARP;
    const int lane = (int)threadIdx.x % WARP;
    if (rod >= (size_t)rods) return;
    const rgi_device_pack *pack = packs + rod;
    const rgi_rod_fields f = rgi_fields_of(&in, pack, rod);
    const double *looked_at[RG_FIELD_COUNT];
    for (int field = 0; field < RG_FIELD_COUNT; field++) looked_at[field] = given >> field & 1u ? f.of[field] : 0;
    int fault = rgi_fields_fault(&f, looked_at, lane, WARP);
    for (int by = WARP / 2; by > 0; by /= 2) {
        const int other = __shfl_xor_sync(0xffffffffu, fault, by);
        if (other < fault) fault = other;
    }
    for (int i = lane; i < f.n; i += WARP) {
        double k[RGI_NC];
        rgi_coefficients_node(&f, i, k);
        for (int c = 0; c < RGI_NC; c++) rgi_put_real(pack->coef, (size_t)(i * RGI_NC + c), k[c], single);
    }
    for (int i = lane; i < 2 * f.n_markers; i += WARP)
        rgi_put_real(pack->offset, (size_t)i, fault == RGI_NO_FAULT ? f.of[RG_MARKER_OFFSET][i] : 0.0, single);
    if (lane > 0) return;
    faults[rod] = fault == RGI_NO_FAULT ? -1 : rgi_fault_vertex(&f, fault);
    rgi_put_real(pack->lane_steps, 0, fault == RGI_NO_FAULT ? (double)pack->n_steps : 0.0, single);
}

/* after a run: flag, step and vertex of the rods that were not run */
extern "C" __global__ void rgi_flag_faults(const rgi_device_pack *packs, int rods, const int *faults, int flag,
                                           int single)
{
    FOR_EACH(rod, (size_t)rods) {
        if (faults[rod] < 0) continue;
        rgi_put_real(packs[rod].status, 0, (double)flag, single);
        rgi_put_real(packs[rod].status, 1, 0.0, single);
        rgi_put_real(packs[rod].status, 5, (double)faults[rod], single);
    }
}

/* the first of entries [begin, end) that is not before node i's coefficients, or marker i's offsets */
static __device__ inline int rgi_first_entry(const rgi_pack_entry *entries, int begin, int end, int offsets, int i)
{
    while (begin < end) {
        const int middle = begin + (end - begin) / 2, own = entries[middle].coefficient >= RGI_NC;
        if (own < offsets || (own == offsets && entries[middle].node < i)) begin = middle + 1;
        else end = middle;
    }
    return begin;
}

/* Values of direction d's entries; faults NULL: no rod has any. Every thread takes a node of a rod, of `nodes`, and the
 * marker of that number. */
extern "C" __global__ void rgi_set_direction(const rgi_device_pack *packs, int rods, int nodes, const rgi_fields_in in,
                                             const rgi_fields_in by, int d, const int *faults, int single)
{
    FOR_EACH(e, (size_t)rods * (size_t)nodes) {
        const size_t rod = e / (size_t)nodes;
        const int i = (int)(e % (size_t)nodes);
        const rgi_device_pack *pack = packs + rod;
        const rgi_rod_fields f = rgi_fields_of(&in, pack, rod);
        const rgi_pack_entry *entries = pack->entries;
        const int begin = pack->entry_begin[d], end = pack->entry_begin[d + 1], well = !faults || faults[rod] < 0;
        const double *along[RG_FIELD_COUNT];
        for (int field = 0; field < RG_FIELD_COUNT; field++)
            along[field] = by.of[field] ? by.of[field] + rod * by.apart[field] : 0;
        double dk[RGI_NC] = {0.0};
        const int at = rgi_first_entry(entries, begin, end, 0, i);
        if (well && i < f.n && at < end && entries[at].coefficient < RGI_NC) rgi_coefficients_jvp(&f, along, i, dk);
        for (int k = at; k < end && entries[k].node == i && entries[k].coefficient < RGI_NC; k++)
            rgi_put_real(pack->entry_values, (size_t)k, dk[entries[k].coefficient], single);
        for (int k = rgi_first_entry(entries, begin, end, 1, i); k < end && entries[k].node == i; k++) {
            const double *offset = along[RG_MARKER_OFFSET] + 2 * i;
            const double value = well && i < f.n_markers ? offset[entries[k].coefficient - RGI_O1] : 0.0;
            rgi_put_real(pack->entry_values, (size_t)k, value, single);
        }
    }
}

/* gradients of fields from those of coefficients and offsets; numbers that a rod does not have stay as they are */
extern "C" __global__ void rgi_pull_back(const rgi_device_pack *packs, int rods, const rgi_fields_in in,
                                         const rgi_fields_out to, const int *faults, int single)
{
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        const int components = rgi_field_components(field);
        FOR_EACH(e, to.of[field] ? (size_t)rods * to.apart[field] : 0) {
            const size_t rod = e / to.apart[field];
            const int k = (int)(e % to.apart[field]);
            const rgi_device_pack *pack = packs + rod;
            const rgi_coefficient_bars bar = {pack->coef_bar, pack->offset_bar, 1, single};
            double sum = 0.0;
            if (k >= rgi_field_count(field, pack->n, pack->n_markers)) continue;
            if (!faults || faults[rod] < 0) {
                const rgi_rod_fields f = rgi_fields_of(&in, pack, rod);
                rgi_coefficients_adj(&f, field, k / components, k % components, 1.0, &bar, &sum);
            }
            to.of[field][e] = sum;
        }
    }
}

/* The longest stable steps of the deform stepper, 0 where the step is one, of rods [first, first + count), into out
 * [rods]. scratch [count][nodes][RGI_NC + 3]. */
extern "C" __global__ void rgi_stable_steps(const rgi_device_pack *packs, size_t first, size_t count, int nodes,
                                            const rgi_fields_in in, const int *faults, double *scratch, double *out)
{
    FOR_EACH(i, count) {
        const size_t rod = first + i;
        const rgi_device_pack *pack = packs + rod;
        const rgi_rod_fields f = rgi_fields_of(&in, pack, rod);
        double *coef = scratch + i * (size_t)nodes * (RGI_NC + 3), *bands = coef + (size_t)nodes * RGI_NC;
        out[rod] = 0.0;
        if (faults[rod] >= 0) continue;
        for (int k = 0; k < f.n; k++) rgi_coefficients_node(&f, k, coef + k * RGI_NC);
        out[rod] = rgi_deform_step_limit(f.n, pack->fixed, coef, pack->h, bands);
    }
}

/* fields of floats into doubles, which the kernels above read and write, and back */
extern "C" __global__ void rgi_widen(const float *from, double *to, size_t count)
{
    FOR_EACH(i, count) to[i] = (double)from[i];
}
extern "C" __global__ void rgi_narrow(const double *from, float *to, size_t count)
{
    FOR_EACH(i, count) to[i] = (float)from[i];
}

#if defined(RGI_SHIM)
extern const rgs_kernel rgs_kernels_fields[];
const rgs_kernel rgs_kernels_fields[] = {
    RGS_KERNEL(rgi_set_fields),   RGS_KERNEL(rgi_flag_faults), RGS_KERNEL(rgi_set_direction), RGS_KERNEL(rgi_pull_back),
    RGS_KERNEL(rgi_stable_steps), RGS_KERNEL(rgi_widen),       RGS_KERNEL(rgi_narrow),        RGS_END};
#endif
