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
    (COPIED_##kind != COPIED_NUMBER && (pack->name || offsetof(rgi_pack, name) != offsetof(rgi_pack, carried)))

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

/* an array's copy */
#define RGI_REPLACE_NUMBER(name, to) (void)0
#define RGI_REPLACE_IN(name, to) kernel.name = to
#define RGI_REPLACE_IO(name, to) kernel.name = to

static void run_on_copies(const rgi_pack *pack, void (*run)(const rgi_kernel_pack *))
{
    const rgi_extents extents_of_pack = extents(pack), *e = &extents_of_pack;
    rgi_kernel_pack kernel = rgi_kernel_pack_of(pack);
    real *to = kernel.workspace;
#define RGI_COPY_IN(name, section, wanted, kind, count)                                                                \
    if (RGI_IS_COPIED(pack, name, kind)) {                                                                             \
        rg_scalar *numbers = (rg_scalar *)(void *)to;                                                                  \
        for (size_t i = 0; pack->name && i < (count)*RGI_LANES; i++) numbers[i] = (rg_scalar)pack->name[i];            \
        if (pack->name) RGI_REPLACE_##kind(name, to);                                                                  \
        to += (count);                                                                                                 \
    }
    RGI_PACK_ARRAYS(RGI_COPY_IN)
    kernel.workspace = to;
    run(&kernel);
#define RGI_COPY_OUT(name, section, wanted, kind, count)                                                               \
    for (size_t i = 0; COPIED_##kind == COPIED_IO && pack->name && i < (count)*RGI_LANES; i++)                         \
        pack->name[i] = (double)((const rg_scalar *)(const void *)kernel.name)[i];
    RGI_PACK_ARRAYS(RGI_COPY_OUT)
}
#else
static size_t copied_reals(const rgi_pack *pack)
{
    (void)pack;
    return 0;
}
static void run_on_copies(const rgi_pack *pack, void (*run)(const rgi_kernel_pack *))
{
    const rgi_kernel_pack kernel = rgi_kernel_pack_of(pack);
    run(&kernel);
}
#endif

size_t RGI_JOIN(rgi_pack_workspace_, RGI_PACK_ISA)(const rgi_pack *pack)
{
    const rgi_kernel_pack kernel = rgi_kernel_pack_of(pack);
    const size_t reals = copied_reals(pack) + rgi_run_bind(NULL, &kernel, NULL, NULL);
    return (reals * sizeof(real) + sizeof(double) - 1) / sizeof(double);
}

void RGI_JOIN(rgi_pack_run_, RGI_PACK_ISA)(const rgi_pack *pack) { run_on_copies(pack, rgi_run_all); }

void RGI_JOIN(rgi_pack_reverse_, RGI_PACK_ISA)(const rgi_pack *pack) { run_on_copies(pack, rgi_reverse_all); }
