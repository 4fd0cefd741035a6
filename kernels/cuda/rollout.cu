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
    const int layout[RGI_LAYOUT] = {(int)sizeof(rgi_kernel_pack),
                                    (int)sizeof(rgi_run),
                                    (int)sizeof(rgi_plan),
                                    (int)sizeof(rgi_call),
                                    (int)sizeof(rgi_call_starts),
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
    RGI_NAMED(rgi_run)(const rgi_kernel_pack *packs, int rods, int begin, int end, real *fast, size_t fast_reals)
{
    RG_DYN_SHARED(rgi_run, runs);
    const int rod = rgi_my_rod();
    if (rod < rods) rgi_run_steps(rgi_my_run(runs), packs + rod, begin, end, rgi_my_fast(runs, fast, fast_reals));
}

extern "C" __global__ void __launch_bounds__(RGI_BLOCK_THREADS, RGI_BLOCKS_RESIDENT)
    RGI_NAMED(rgi_reverse)(const rgi_kernel_pack *packs, int rods, real *fast, size_t fast_reals)
{
    RG_DYN_SHARED(rgi_run, runs);
    const int rod = rgi_my_rod();
    if (rod < rods) rgi_reverse_steps(rgi_my_run(runs), packs + rod, rgi_my_fast(runs, fast, fast_reals));
}

/* count numbers of row `rod` into a pack's reals, `times` direction by direction, of so many rods; with from NULL
 * zeros, the rest of `room` too */
static __device__ inline void rgi_spread(const void *from, int single, ptrdiff_t row, int rod, int rods, int times,
                                         int count, int room, real *to)
{
    for (int q = 0; to && q < times; q++, to += room) {
        const ptrdiff_t at = ((ptrdiff_t)q * rods + rod) * row;
        RG_TEAM_FOR(i, 0, room) to[i] = from && i < count ? (real)rgi_number_get(from, single, at + i) : (real)0;
    }
}

extern "C" __global__ void RGI_NAMED(rgi_point)(rgi_kernel_pack *packs, int rods, const rgi_call given)
{
    const int rod = rgi_my_rod();
    if (rod >= rods) return;
    rgi_kernel_pack *to = packs + rod;
    const rgi_call *call = &given;
    RG_TEAM_ONE{RGI_POINT_PACK}
#define RGI_SPREAD(name, per, less, source, ...)                                                                       \
    if (RGI_OF_##source == RGI_OF_tangents ? call->set_tangents : call->name != NULL)                                  \
        rgi_spread(call->name, call->single, (ptrdiff_t)(per) * (call->vertices - (less)), rod, rods,                  \
                   RGI_OF_##source == RGI_OF_tangents ? call->n_directions : 1, (per) * (to->n - (less)), (per)*to->n, \
                   to->name);
    RGI_PACK_STARTS_IN(RGI_SPREAD)
#undef RGI_SPREAD
}

extern "C" __global__ void RGI_NAMED(rgi_reset)(const rgi_kernel_pack *packs, int rods, const unsigned char *mask)
{
    const int rod = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (rod < rods && mask[rod]) packs[rod].carried[2 * (RGI_STATE_REALS * packs[rod].n + 1)] = (real)0;
}

/* to [rods][number of places] */
extern "C" __global__ void RGI_NAMED(rgi_statuses)(const rgi_kernel_pack *packs, int rods, int single, void *to)
{
    const int places[] = RGI_STATUS_PLACES, count = (int)(sizeof places / sizeof *places);
    const int rod = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    for (int k = 0; rod < rods && k < count; k++)
        rgi_number_put(to, single, (ptrdiff_t)rod * count + k, (double)packs[rod].status[places[k]]);
}

extern "C" __global__ void RGI_NAMED(rgi_starts)(const rgi_kernel_pack *packs, int rods, const rgi_call_starts to)
{
    const int rod = rgi_my_rod();
    if (rod >= rods) return;
    const rgi_kernel_pack *p = packs + rod;
#define RGI_GATHER(name, per, less, ...)                                                                               \
    RG_TEAM_FOR(i, 0, to.name ? (per) * (p->n - (less)) : 0)                                                           \
        rgi_number_put(to.name, to.single, rod *((ptrdiff_t)(per) * (to.vertices - (less))) + i, (double)p->name[i]);
    RGI_PACK_STARTS_OUT(RGI_GATHER)
#undef RGI_GATHER
}

#if defined(RGI_SHIM)
extern const rgs_kernel RGI_NAMED(rgs_kernels)[];
const rgs_kernel RGI_NAMED(rgs_kernels)[] = {RGS_KERNEL(RGI_NAMED(rgi_run)),      RGS_KERNEL(RGI_NAMED(rgi_reverse)),
                                             RGS_KERNEL(RGI_NAMED(rgi_point)),    RGS_KERNEL(RGI_NAMED(rgi_reset)),
                                             RGS_KERNEL(RGI_NAMED(rgi_statuses)), RGS_KERNEL(RGI_NAMED(rgi_starts)),
                                             RGS_KERNEL(RGI_NAMED(rgi_layout)),   RGS_END};
#endif
