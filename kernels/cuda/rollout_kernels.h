/* cuda/rollout_kernels.h: the rollout's kernels and launchers, for one kind of real and one stepper.
 *
 * Included by rollout_*.cu, which say what `real` is and which stepper. The physics is reverse.h's, the same
 * source as the CPU's; here is only who runs what: block b's team t takes rod b * teams + t, from its first step to its
 * last. Teams do not wait for each other. */
#ifndef RGI_ROLLOUT_KERNELS_H
#define RGI_ROLLOUT_KERNELS_H

#include "launch.h"

#include <string.h>

#include "../reverse.h"
#include "rollout.h"

/* Eight rods to a block, and four blocks to a multiprocessor: 32 rods, and 255 registers to a thread. */
enum { RGI_BLOCK_TEAMS = 8, RGI_BLOCK_THREADS = RGI_BLOCK_TEAMS * RGI_TEAM, RGI_BLOCKS_RESIDENT = 4 };

/* ---- kernels ---- */

static __device__ inline int rgi_my_rod(void)
{
    return (int)(blockIdx.x * (blockDim.x / RGI_TEAM) + threadIdx.x / RGI_TEAM);
}

/* shared memory: the teams' runs, then, where it fits, what each team works on */
static __device__ inline rgi_run *rgi_my_run(rgi_run *runs) { return runs + threadIdx.x / RGI_TEAM; }

static __device__ inline real *rgi_my_fast(rgi_run *runs, real *fast, size_t reals)
{
    real *shared = (real *)(void *)(runs + blockDim.x / RGI_TEAM);
    return fast ? fast + (size_t)rgi_my_rod() * reals : shared + threadIdx.x / RGI_TEAM * reals;
}

/* the stepper is the kernel's (rollout_*.cu): what the other one needs has no part in it */
static __global__ void __launch_bounds__(RGI_BLOCK_THREADS, RGI_BLOCKS_RESIDENT)
    rgi_run_kernel(const rgi_pack *packs, int rods, int begin, int end, real *fast, size_t fast_reals)
{
    RG_DYN_SHARED(rgi_run, runs);
    const int rod = rgi_my_rod();
    if (rod < rods)
        rgi_run_steps(rgi_my_run(runs), packs + rod, begin, end, rgi_my_fast(runs, fast, fast_reals));
}

static __global__ void __launch_bounds__(RGI_BLOCK_THREADS, RGI_BLOCKS_RESIDENT)
    rgi_reverse_kernel(const rgi_pack *packs, int rods, real *fast, size_t fast_reals)
{
    RG_DYN_SHARED(rgi_run, runs);
    const int rod = rgi_my_rod();
    if (rod < rods)
        rgi_reverse_steps(rgi_my_run(runs), packs + rod, rgi_my_fast(runs, fast, fast_reals));
}

static __device__ inline rgi_series rgi_of_rod(rgi_series s, int rod)
{
    if (s.data) s.data = (rg_number *)s.data + (ptrdiff_t)rod * s.rod;
    return s;
}

/* count numbers of row `rod` into a pack's reals; with from NULL zeros, the rest of `room` too */
static __device__ inline void rgi_spread(const double *from, size_t row, int rod, int count, int room, const double *to)
{
    real *p = (real *)(void *)to;
    RG_TEAM_FOR(i, 0, to ? room : 0) p[i] = from && i < count ? (real)from[(size_t)rod * row + (size_t)i] : (real)0;
}

static __global__ void rgi_point_kernel(rgi_pack *packs, int rods, const rgi_rollout_call call)
{
    const int rod = rgi_my_rod();
    if (rod >= rods) return;
    rgi_pack *p = packs + rod;
    const int n = p->n;
    const size_t row = 3 * (size_t)call.vertices, edges = (size_t)call.vertices - 1;
    RG_TEAM_ONE
    {
        p->n_directions = call.n_directions;
        p->bar = call.bar;
        p->want_coef = call.want_coef;
        p->want_start = call.want_start;
        p->growth_every = call.growth_every;
        p->drive_x = rgi_of_rod(call.drive_x, rod);
        p->drive_m = rgi_of_rod(call.drive_m, rod);
        p->force = rgi_of_rod(call.force, rod);
        p->out_x = rgi_of_rod(call.out_x, rod);
        p->out_v = rgi_of_rod(call.out_v, rod);
        p->out_m = rgi_of_rod(call.out_m, rod);
        p->out_markers = rgi_of_rod(call.out_markers, rod);
        p->ddrive_x = rgi_of_rod(call.ddrive_x, rod);
        p->ddrive_turn = rgi_of_rod(call.ddrive_turn, rod);
        p->dforce = rgi_of_rod(call.dforce, rod);
        p->out_dx = rgi_of_rod(call.out_dx, rod);
        p->out_dv = rgi_of_rod(call.out_dv, rod);
        p->out_dturn = rgi_of_rod(call.out_dturn, rod);
        p->out_dmarkers = rgi_of_rod(call.out_dmarkers, rod);
        p->x_bar = rgi_of_rod(call.x_bar, rod);
        p->v_bar = rgi_of_rod(call.v_bar, rod);
        p->turn_bar = rgi_of_rod(call.turn_bar, rod);
        p->markers_bar = rgi_of_rod(call.markers_bar, rod);
        p->drive_x_bar = rgi_of_rod(call.drive_x_bar, rod);
        p->drive_turn_bar = rgi_of_rod(call.drive_turn_bar, rod);
        p->force_bar = rgi_of_rod(call.force_bar, rod);
        p->growth = rgi_of_rod(call.growth, rod);
    }
    if (call.x0) rgi_spread(call.x0, row, rod, 3 * n, 3 * n, p->x0);
    if (call.v0) rgi_spread(call.v0, row, rod, 3 * n, 3 * n, p->v0);
    if (call.m0) rgi_spread(call.m0, 3 * edges, rod, 3 * (n - 1), 3 * n, p->m0);
    if (!call.set_tangents) return;
    rgi_spread(call.dx0, row, rod, 3 * n, 3 * n, p->dx0);
    rgi_spread(call.dv0, row, rod, 3 * n, 3 * n, p->dv0);
    rgi_spread(call.dturn0, edges, rod, n - 1, n, p->dturn0);
}

static __global__ void rgi_reset_kernel(const rgi_pack *packs, int rods, const unsigned char *mask)
{
    const int rod = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (rod < rods && mask[rod]) RGI_REALS(packs[rod].carried)[2 * (RGI_STATE * packs[rod].n + 1)] = (real)0;
}

static __global__ void rgi_starts_kernel(const rgi_pack *packs, int rods, const rgi_rollout_starts to)
{
    const int rod = rgi_my_rod();
    if (rod >= rods) return;
    const rgi_pack *p = packs + rod;
    const size_t at = (size_t)rod * (size_t)to.vertices, edge = (size_t)rod * ((size_t)to.vertices - 1);
    RG_TEAM_FOR(i, 0, to.x0 ? 3 * p->n : 0) to.x0[3 * at + (size_t)i] = (double)RGI_CREALS(p->x0_bar)[i];
    RG_TEAM_FOR(i, 0, to.v0 ? 3 * p->n : 0) to.v0[3 * at + (size_t)i] = (double)RGI_CREALS(p->v0_bar)[i];
    RG_TEAM_FOR(i, 0, to.turn0 ? p->n - 1 : 0) to.turn0[edge + (size_t)i] = (double)RGI_CREALS(p->turn0_bar)[i];
}

/* ---- launchers ---- */

static size_t step_reals(const rgi_pack *pack) { return rgi_run_step_reals(pack); }
static size_t rest_reals(const rgi_pack *pack) { return rgi_run_bind_rest(NULL, pack, NULL); }

static unsigned blocks(size_t rods, int teams) { return (unsigned)((rods + (size_t)teams - 1) / (size_t)teams); }
static size_t shared_bytes(const rgi_rollout_fit *fit)
{
    return (size_t)fit->teams * (sizeof(rgi_run) + (fit->shared ? fit->fast_reals * sizeof(real) : 0));
}

/* a rgi_device_enter, a call, and what it left: launches need the device to be the thread's current one */
static rg_status left(rgi_device *device, int before, const char *kernel, rg_error *err)
{
    const rg_status status = rgi_device_launched(device, kernel, err);
    rgi_device_leave(device, before);
    return status;
}

static rg_status fit_rods(rgi_device *device, size_t rods, size_t fast_reals, rgi_rollout_fit *out, rg_error *err)
{
    const rgi_device_facts *gpu = rgi_device_facts_of(device);
    const size_t limit = (size_t)gpu->shared_per_block;
    int before = 0, best = 0;
    memset(out, 0, sizeof *out);
    out->rods = rods;
    /* an odd distance between rods, so that teams of a warp meet in different banks */
    out->fast_reals = fast_reals | 1;
    out->shared = 1;
    /* the size of block that most rods are resident with: by shared memory, of which every block costs another
     * kilobyte, and by warps, of which a multiprocessor's registers are enough for eight */
    int chosen = 0;
    for (out->teams = RGI_BLOCK_TEAMS; out->teams > 0; out->teams /= 2) {
        const int warps = (out->teams * RGI_TEAM + 31) / 32, by_warps = 8 / warps;
        const int by_memory = (int)((size_t)gpu->shared_per_multiprocessor / (shared_bytes(out) + 1024));
        const int resident = (by_memory < by_warps ? by_memory : by_warps) * out->teams;
        if (shared_bytes(out) > limit || resident <= best) continue;
        best = resident;
        chosen = out->teams;
    }
    out->teams = best ? chosen : RGI_BLOCK_TEAMS;
    out->shared = best > 0;
    /* a kernel's limit is the process's: as high as any batch may want it */
    RG_TRY(rgi_device_enter(device, &before, err));
    cudaError_t failed =
        cudaFuncSetAttribute(rgi_run_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)limit);
    if (failed == cudaSuccess)
        failed = cudaFuncSetAttribute(rgi_reverse_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)limit);
    (void)cudaGetLastError();
    rgi_device_leave(device, before);
    if (failed == cudaSuccess) return RG_OK;
    return RG_FAIL(err, RG_ERR_DEVICE, "cudaFuncSetAttribute (%zu bytes of shared memory): %s", limit,
                   cudaGetErrorString(failed));
}

static rg_status point(rgi_device *device, rgi_pack *packs, size_t rods, const rgi_rollout_call *call, rg_error *err)
{
    int before = 0;
    RG_TRY(rgi_device_enter(device, &before, err));
    RG_LAUNCH(rgi_point_kernel, blocks(rods, RGI_BLOCK_TEAMS), RGI_BLOCK_THREADS, 0,
              (cudaStream_t)rgi_device_stream(device), packs, (int)rods, *call);
    return left(device, before, "rgi_point_kernel", err);
}

static rg_status reset(rgi_device *device, const rgi_pack *packs, size_t rods, const unsigned char *mask, rg_error *err)
{
    int before = 0;
    RG_TRY(rgi_device_enter(device, &before, err));
    RG_LAUNCH(rgi_reset_kernel, blocks(rods, RGI_BLOCK_THREADS), RGI_BLOCK_THREADS, 0,
              (cudaStream_t)rgi_device_stream(device), packs, (int)rods, mask);
    return left(device, before, "rgi_reset_kernel", err);
}

static rg_status run(rgi_device *device, const rgi_pack *packs, const rgi_rollout_fit *fit, int begin, int end,
                     rg_error *err)
{
    int before = 0;
    RG_TRY(rgi_device_enter(device, &before, err));
    RG_LAUNCH(rgi_run_kernel, blocks(fit->rods, fit->teams), (unsigned)(fit->teams * RGI_TEAM), shared_bytes(fit),
              (cudaStream_t)rgi_device_stream(device), packs, (int)fit->rods, begin, end, (real *)fit->fast,
              fit->fast_reals);
    return left(device, before, "rgi_run_kernel", err);
}

static rg_status reverse(rgi_device *device, const rgi_pack *packs, const rgi_rollout_fit *fit, rg_error *err)
{
    int before = 0;
    RG_TRY(rgi_device_enter(device, &before, err));
    RG_LAUNCH(rgi_reverse_kernel, blocks(fit->rods, fit->teams), (unsigned)(fit->teams * RGI_TEAM), shared_bytes(fit),
              (cudaStream_t)rgi_device_stream(device), packs, (int)fit->rods, (real *)fit->fast, fit->fast_reals);
    return left(device, before, "rgi_reverse_kernel", err);
}

static rg_status starts(rgi_device *device, const rgi_pack *packs, size_t rods, const rgi_rollout_starts *to,
                        rg_error *err)
{
    int before = 0;
    RG_TRY(rgi_device_enter(device, &before, err));
    RG_LAUNCH(rgi_starts_kernel, blocks(rods, RGI_BLOCK_TEAMS), RGI_BLOCK_THREADS, 0,
              (cudaStream_t)rgi_device_stream(device), packs, (int)rods, *to);
    return left(device, before, "rgi_starts_kernel", err);
}

static const rgi_rollout_kernels kernels = {sizeof(real),
                                            step_reals,
                                            rest_reals,
                                            fit_rods,
                                            point,
                                            reset,
                                            run,
                                            reverse,
                                            starts};

#endif
