/* cpu/pack.c: the rollout, forward and backward, for one instruction set and one kind of real.
 *
 * Compiled once for each: RGI_PACK_ISA names it, RGI_REAL_DOUBLE, RGI_REAL_FLOAT or RGI_REAL_PACK=<lanes> (of
 * floats with RGI_REAL_FLOAT) say what `real` is, and the compiler's flags give the instructions. */
#include "../reverse.h"

#include <stddef.h>

#define RGI_JOIN2(a, b) a##b
#define RGI_JOIN(a, b) RGI_JOIN2(a, b)

#if RGI_HOST_DOUBLES
/* Of the host's arrays that are worked on in place a run of floats has copies, with which the workspace begins: in, and
 * back. A carried state is large and seldom there. */
enum { COPIED_NUMBER = 0, COPIED_IN = 1, COPIED_IO = 2 };
#define RGI_IS_COPIED(pack, name, kind)                                                                                \
    (COPIED_##kind && (pack->name || offsetof(rgi_pack, name) != offsetof(rgi_pack, carried)))

static rgi_extents extents(const rgi_pack *pack)
{
    rgi_extents e = {.n = (size_t)pack->n, .markers = (size_t)pack->n_markers};
    return e;
}

static size_t copied_reals(const rgi_pack *pack)
{
    const rgi_extents own = extents(pack), *e = &own;
    size_t sum = 0;
#define RGI_COUNT(name, section, wanted, kind, count)                                                                  \
    if (RGI_IS_COPIED(pack, name, kind)) sum += (count);
    RGI_PACK_ARRAYS(RGI_COUNT)
    return sum;
}

static void run_on_copies(const rgi_pack *pack, void (*run)(const rgi_pack *))
{
    const rgi_extents extents_of_pack = extents(pack), *e = &extents_of_pack;
    rgi_pack own = *pack;
    rg_scalar *to = (rg_scalar *)(void *)pack->workspace;
#define RGI_COPY_IN(name, section, wanted, kind, count)                                                                \
    if (RGI_IS_COPIED(pack, name, kind)) {                                                                             \
        for (size_t i = 0; pack->name && i < (count)*RGI_LANES; i++) to[i] = (rg_scalar)pack->name[i];                 \
        if (pack->name) own.name = (double *)(void *)to;                                                               \
        to += (count)*RGI_LANES;                                                                                       \
    }
    RGI_PACK_ARRAYS(RGI_COPY_IN)
    own.workspace = (rgi_reals *)(void *)to;
    run(&own);
#define RGI_COPY_OUT(name, section, wanted, kind, count)                                                               \
    for (size_t i = 0; COPIED_##kind == COPIED_IO && pack->name && i < (count)*RGI_LANES; i++)                         \
        pack->name[i] = (double)((const rg_scalar *)(const void *)own.name)[i];
    RGI_PACK_ARRAYS(RGI_COPY_OUT)
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
