/* cpu/dispatch.c: run-time choice among the instantiations of the pack. */
#include "dispatch.h"

#include <string.h>

static const rgi_cpu instantiations[] = {
#if defined(__x86_64__)
    {"avx512", 8, rgi_pack_workspace_avx512, rgi_pack_run_avx512,
     rgi_pack_reverse_avx512},
    {"avx2", 4, rgi_pack_workspace_avx2, rgi_pack_run_avx2,
     rgi_pack_reverse_avx2},
#endif
    {"sse2", 2, rgi_pack_workspace_sse2, rgi_pack_run_sse2,
     rgi_pack_reverse_sse2},
    {"scalar", 1, rgi_pack_workspace_scalar, rgi_pack_run_scalar,
     rgi_pack_reverse_scalar},
};

static int supported(const char *isa)
{
#if defined(__x86_64__)
    if (strcmp(isa, "avx512") == 0)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
    if (strcmp(isa, "avx2") == 0)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    (void)isa;
    return 1;
}

const rgi_cpu *rgi_cpu_find(const char *isa)
{
    for (size_t i = 0; i < sizeof instantiations / sizeof *instantiations; i++)
        if ((!isa || strcmp(isa, instantiations[i].isa) == 0) && supported(instantiations[i].isa))
            return &instantiations[i];
    return NULL;
}
