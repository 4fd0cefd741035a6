/* cpu/pack.c: the rollout, forward and backward, for one instruction set.
 *
 * Compiled once for each: RGI_PACK_ISA names it, RGI_REAL_DOUBLE or RGI_REAL_PACK=<lanes> says what
 * `real` is, and the compiler's flags give the instructions. */
#include "../reverse.h"

#define RGI_JOIN2(a, b) a##b
#define RGI_JOIN(a, b) RGI_JOIN2(a, b)

size_t RGI_JOIN(rgi_pack_workspace_, RGI_PACK_ISA)(const rgi_pack *pack)
{
    return rgi_run_bind(NULL, pack, NULL, NULL) * RGI_LANES;
}

void RGI_JOIN(rgi_pack_run_, RGI_PACK_ISA)(const rgi_pack *pack)
{
    rgi_run_all(pack);
}

void RGI_JOIN(rgi_pack_reverse_, RGI_PACK_ISA)(const rgi_pack *pack)
{
    rgi_reverse_all(pack);
}
