/* cuda/rollout.cu: the rollout's kernels, for one stepper, one kind of real, one width of team and one cap on
 * registers.
 *
 * A module is this file compiled with -DRGI_CUDA_DEFORM=0|1, -DRGI_REAL_FLOAT or -DRGI_REAL_DOUBLE, -DRGI_TEAM=8 and
 * -DRGI_REGISTERS=255; its kernels carry these in their names, so that all modules together have no name twice. Only
 * what runs on the device is here: rollout.c launches it.
 *
 * The physics is reverse.h's, the same source as the CPU's; here is only who runs what: block b's team t takes rod
 * b * teams + t, from its first step to its last. Teams do not wait for each other. */
#include "kernel.h"

#define RGI_DEFORM(pack) RGI_CUDA_DEFORM
#include "../reverse.h"
#include "rollout_call.h"

/* rgi_run is rgi_run_implicit_float_t8_r255 here */
#if RGI_CUDA_DEFORM
#define RGI_NAMED_STEPPER deform
#else
#define RGI_NAMED_STEPPER implicit
#endif
#if defined(RGI_REAL_FLOAT)
#define RGI_NAMED_REAL float
#else
#define RGI_NAMED_REAL double
#endif
#define RGI_NAMED_AS(name, stepper, kind, team, registers) name##_##stepper##_##kind##_t##team##_r##registers
#define RGI_NAMED_BY(name, stepper, kind, team, registers) RGI_NAMED_AS(name, stepper, kind, team, registers)
#define RGI_NAMED(name) RGI_NAMED_BY(name, RGI_NAMED_STEPPER, RGI_NAMED_REAL, RGI_TEAM, RGI_REGISTERS)

/* A block has at most RGI_BLOCK_THREADS threads, and so many blocks must be resident as leave RGI_REGISTERS registers
 * to a thread, of the 65,536 of a multiprocessor. */
enum { RGI_BLOCKS_RESIDENT = 65536 / (RGI_BLOCK_THREADS * RGI_REGISTERS) };
static_assert(RGI_BLOCKS_RESIDENT >= 1, "no block of RGI_BLOCK_THREADS threads has so many registers");

/* what the host must agree on (rgi_rollout_open), into out [RGI_LAYOUT] */
extern "C" __global__ void RGI_NAMED(rgi_layout)(int *out)
{
    const int layout[RGI_LAYOUT] = {(int)sizeof(rgi_pack),
                                    (int)sizeof(rgi_run),
                                    (int)sizeof(rgi_plan),
                                    (int)sizeof(rgi_rollout_call),
                                    (int)sizeof(rgi_rollout_starts),
                                    (int)sizeof(real),
                                    RGI_TEAM};
    for (int i = (int)threadIdx.x; i < RGI_LAYOUT; i += (int)blockDim.x) out[i] = layout[i];
}

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

/* the stepper is the module's: what the other one needs has no part in it */
extern "C" __global__ void __launch_bounds__(RGI_BLOCK_THREADS, RGI_BLOCKS_RESIDENT)
    RGI_NAMED(rgi_run)(const rgi_pack *packs, int rods, int begin, int end, real *fast, size_t fast_reals)
{
    RG_DYN_SHARED(rgi_run, runs);
    const int rod = rgi_my_rod();
    if (rod < rods) rgi_run_steps(rgi_my_run(runs), packs + rod, begin, end, rgi_my_fast(runs, fast, fast_reals));
}

extern "C" __global__ void __launch_bounds__(RGI_BLOCK_THREADS, RGI_BLOCKS_RESIDENT)
    RGI_NAMED(rgi_reverse)(const rgi_pack *packs, int rods, real *fast, size_t fast_reals)
{
    RG_DYN_SHARED(rgi_run, runs);
    const int rod = rgi_my_rod();
    if (rod < rods) rgi_reverse_steps(rgi_my_run(runs), packs + rod, rgi_my_fast(runs, fast, fast_reals));
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

extern "C" __global__ void RGI_NAMED(rgi_point)(rgi_pack *packs, int rods, const rgi_rollout_call call)
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

extern "C" __global__ void RGI_NAMED(rgi_reset)(const rgi_pack *packs, int rods, const unsigned char *mask)
{
    const int rod = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (rod < rods && mask[rod]) RGI_REALS(packs[rod].carried)[2 * (RGI_STATE * packs[rod].n + 1)] = (real)0;
}

extern "C" __global__ void RGI_NAMED(rgi_starts)(const rgi_pack *packs, int rods, const rgi_rollout_starts to)
{
    const int rod = rgi_my_rod();
    if (rod >= rods) return;
    const rgi_pack *p = packs + rod;
    const size_t at = (size_t)rod * (size_t)to.vertices, edge = (size_t)rod * ((size_t)to.vertices - 1);
    RG_TEAM_FOR(i, 0, to.x0 ? 3 * p->n : 0) to.x0[3 * at + (size_t)i] = (double)RGI_CREALS(p->x0_bar)[i];
    RG_TEAM_FOR(i, 0, to.v0 ? 3 * p->n : 0) to.v0[3 * at + (size_t)i] = (double)RGI_CREALS(p->v0_bar)[i];
    RG_TEAM_FOR(i, 0, to.turn0 ? p->n - 1 : 0) to.turn0[edge + (size_t)i] = (double)RGI_CREALS(p->turn0_bar)[i];
}

#if defined(RGI_SHIM)
extern const rgs_kernel RGI_NAMED(rgs_kernels)[];
const rgs_kernel RGI_NAMED(rgs_kernels)[] = {RGS_KERNEL(RGI_NAMED(rgi_run)),
                                             RGS_KERNEL(RGI_NAMED(rgi_reverse)),
                                             RGS_KERNEL(RGI_NAMED(rgi_point)),
                                             RGS_KERNEL(RGI_NAMED(rgi_reset)),
                                             RGS_KERNEL(RGI_NAMED(rgi_starts)),
                                             RGS_KERNEL(RGI_NAMED(rgi_layout)),
                                             RGS_END};
#endif
