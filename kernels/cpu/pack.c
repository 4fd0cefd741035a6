/* cpu/pack.c: the rollout, forward and backward, for one instruction set and one kind of real.
 *
 * Compiled once for each: RGI_PACK_ISA names it, RGI_REAL_DOUBLE, RGI_REAL_FLOAT or RGI_REAL_PACK=<lanes> (of
 * floats with RGI_REAL_FLOAT) say what `real` is, and the compiler's flags give the instructions. */
#include "../reverse.h"

#include <stdint.h>

#define RGI_JOIN2(a, b) a##b
#define RGI_JOIN(a, b) RGI_JOIN2(a, b)

#if RGI_HOST_DOUBLES
/* Of the host's arrays that are worked on in place a run of floats has copies, with which the workspace
 * begins. X(array, reals, whether runs change it); n vertices, m markers */
#define RGI_COPIES(X)                                                                                                  \
    X(coef, RGI_NC *n, 0)                                                                                              \
    X(offset, 2 * m, 0)                                                                                                \
    X(status, RGI_STATUS, 1)                                                                                           \
    X(carried, pack->carried ? 2 * (RGI_STATE * n + 1) + 1 : 0, 1)                                                     \
    X(coef_bar, RGI_NC *n, 1)                                                                                          \
    X(offset_bar, 2 * m, 1)                                                                                            \
    X(x0_bar, 3 * n, 1)                                                                                                \
    X(v0_bar, 3 * n, 1)                                                                                                \
    X(turn0_bar, n, 1)                                                                                                 \
    X(adjoint_status, 3, 1)

static size_t copied_reals(const rgi_pack *pack)
{
    const size_t n = (size_t)pack->n, m = (size_t)pack->n_markers;
    size_t sum = 0;
#define RGI_COUNT(array, reals, changes) sum += (reals);
    RGI_COPIES(RGI_COUNT)
    return sum;
}

static void run_on_copies(const rgi_pack *pack, void (*run)(const rgi_pack *))
{
    const size_t n = (size_t)pack->n, m = (size_t)pack->n_markers;
    rgi_pack own = *pack;
    rg_scalar *to = (rg_scalar *)(void *)pack->workspace;
#define RGI_COPY_IN(array, reals, changes)                                                                             \
    for (size_t i = 0; pack->array && i < (reals)*RGI_LANES; i++) to[i] = (rg_scalar)pack->array[i];                   \
    if (pack->array) own.array = (double *)(void *)to;                                                                 \
    to += (reals)*RGI_LANES;
    RGI_COPIES(RGI_COPY_IN)
    own.workspace = (double *)(void *)to;
    run(&own);
#define RGI_COPY_OUT(array, reals, changes)                                                                            \
    for (size_t i = 0; (changes) && pack->array && i < (reals)*RGI_LANES; i++)                                         \
        ((double *)(uintptr_t)pack->array)[i] = (double)((const rg_scalar *)(const void *)own.array)[i];
    RGI_COPIES(RGI_COPY_OUT)
}
#else
static size_t copied_reals(const rgi_pack *pack)
{
    (void)pack;
    return 0;
}
static void run_on_copies(const rgi_pack *pack, void (*run)(const rgi_pack *)) { run(pack); }
#endif

size_t RGI_JOIN(rgi_pack_workspace_, RGI_PACK_ISA)(const rgi_pack *pack)
{
    const size_t reals = copied_reals(pack) + rgi_run_bind(NULL, pack, NULL, NULL);
    return (reals * sizeof(real) + sizeof(double) - 1) / sizeof(double);
}

void RGI_JOIN(rgi_pack_run_, RGI_PACK_ISA)(const rgi_pack *pack) { run_on_copies(pack, rgi_run_all); }

void RGI_JOIN(rgi_pack_reverse_, RGI_PACK_ISA)(const rgi_pack *pack) { run_on_copies(pack, rgi_reverse_all); }
