/* cuda/fields.c: launches of the kernels of fields (fields.h; fields.cu has the kernels). */
#include "fields.h"

#include <stdint.h>

enum { THREADS = 128, BLOCKS_MOST = 1 << 20, WARP = 32 };

/* a launch of so many threads, or of fewer, which then take several turns where the kernel's loop lets them */
static rg_status launch(const rgi_device_rods *r, const char *name, size_t threads, size_t most, void **arguments,
                        rg_error *err)
{
    const size_t blocks = (threads + THREADS - 1) / THREADS;
    rgi_kernel kernel;
    RG_TRY(rgi_device_kernel(r->device, "fields", name, &kernel, err));
    return rgi_device_launch(r->device, &kernel, (unsigned)(blocks < most ? blocks : most), THREADS, 0, arguments, err);
}

rg_status rgi_fields_set(const rgi_device_rods *r, const rgi_fields_in *in, unsigned given, rg_error *err)
{
    rgi_device_rods own = *r;
    rgi_fields_in by_value = *in;
    int rods = (int)r->n;
    void *arguments[] = {&own.packs, &rods, &by_value, &given, &own.faults, &own.single};
    return launch(r, "rgi_set_fields", r->n * WARP, SIZE_MAX, arguments, err);
}

rg_status rgi_fields_flag(const rgi_device_rods *r, int flag, rg_error *err)
{
    rgi_device_rods own = *r;
    int rods = (int)r->n;
    void *arguments[] = {&own.packs, &rods, &own.faults, &flag, &own.single};
    return launch(r, "rgi_flag_faults", r->n, BLOCKS_MOST, arguments, err);
}

rg_status rgi_fields_direction(const rgi_device_rods *r, const rgi_fields_in *in, const rgi_fields_in *along, int d,
                               int faults_known, rg_error *err)
{
    rgi_device_rods own = *r;
    rgi_fields_in at = *in, by = *along;
    int rods = (int)r->n;
    if (!faults_known) own.faults = NULL;
    void *arguments[] = {&own.packs, &rods, &own.nodes, &at, &by, &d, &own.faults, &own.single};
    return launch(r, "rgi_set_direction", r->n * (size_t)r->nodes, BLOCKS_MOST, arguments, err);
}

rg_status rgi_fields_pull_back(const rgi_device_rods *r, const rgi_fields_in *in, const rgi_fields_out *to,
                               int faults_known, rg_error *err)
{
    rgi_device_rods own = *r;
    rgi_fields_in at = *in;
    rgi_fields_out by_value = *to;
    int rods = (int)r->n;
    if (!faults_known) own.faults = NULL;
    void *arguments[] = {&own.packs, &rods, &at, &by_value, &own.faults, &own.single};
    return launch(r, "rgi_pull_back", 2 * r->n * (size_t)r->nodes, BLOCKS_MOST, arguments, err);
}

rg_status rgi_fields_stable_steps(const rgi_device_rods *r, const rgi_fields_in *in, size_t most, double *scratch,
                                  double *out, rg_error *err)
{
    rgi_device_rods own = *r;
    rgi_fields_in at = *in;
    for (size_t first = 0; first < r->n; first += most) {
        size_t count = r->n - first < most ? r->n - first : most;
        void *arguments[] = {&own.packs, &first, &count, &own.nodes, &at, &own.faults, &scratch, &out};
        RG_TRY(launch(r, "rgi_stable_steps", count, BLOCKS_MOST, arguments, err));
    }
    return RG_OK;
}

rg_status rgi_fields_widen(const rgi_device_rods *r, const void *from, double *to, size_t count, rg_error *err)
{
    void *arguments[] = {&from, &to, &count};
    return launch(r, "rgi_widen", count, BLOCKS_MOST, arguments, err);
}

rg_status rgi_fields_narrow(const rgi_device_rods *r, const double *from, void *to, size_t count, rg_error *err)
{
    void *arguments[] = {&from, &to, &count};
    return launch(r, "rgi_narrow", count, BLOCKS_MOST, arguments, err);
}
