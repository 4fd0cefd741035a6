/* cpu/dispatch.c: run-time choice among the instantiations of the pack. */
#include "dispatch.h"

#include <string.h>

/* clang-format off */
#define DOUBLES(isa, lanes, fused, time)                                                                               \
    {#isa, lanes, sizeof(double), fused, time, rgi_pack_workspace_##isa, rgi_pack_run_##isa, rgi_pack_reverse_##isa}
#define FLOATS(isa, lanes, fused, time)                                                                                \
    {#isa, lanes, sizeof(float), fused, time, rgi_pack_workspace_##isa##_float, rgi_pack_run_##isa##_float,            \
     rgi_pack_reverse_##isa##_float}

const char *const rgi_cpu_isas[] = {"scalar", "fma", "sse2", "avx2", "avx512", NULL};

/* Those that the build has (RGI_HAS_...), the best for many rods first. Times of a pack are measured: a rope of 12 markers, forward, with a tangent and back, on
 * a Xeon with AVX-512. */
static const rgi_cpu instantiations[] = {
#if defined(RGI_HAS_avx512)
    DOUBLES(avx512, 8, 1, 1.95), FLOATS(avx512, 16, 1, 1.95),
#endif
#if defined(RGI_HAS_avx2)
    DOUBLES(avx2, 4, 1, 1.35), FLOATS(avx2, 8, 1, 1.35),
#endif
#if defined(RGI_HAS_sse2)
    DOUBLES(sse2, 2, 0, 1.2), FLOATS(sse2, 4, 0, 1.2),
#endif
    DOUBLES(scalar, 1, 0, 1.0), FLOATS(scalar, 1, 0, 1.0),
#if defined(RGI_HAS_fma)
    DOUBLES(fma, 1, 1, 1.0), FLOATS(fma, 1, 1, 1.0),
#endif
};
/* clang-format on */

static int supported(const char *isa)
{
#if defined(__x86_64__)
    if (strcmp(isa, "avx512") == 0)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
    if (strcmp(isa, "avx2") == 0 || strcmp(isa, "fma") == 0)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    (void)isa;
    return 1;
}

const rgi_cpu *rgi_cpu_find(const char *isa, rg_real real)
{
    const size_t bytes = real == RG_REAL_FLOAT ? sizeof(float) : sizeof(double);
    for (size_t i = 0; i < sizeof instantiations / sizeof *instantiations; i++) {
        const rgi_cpu *cpu = &instantiations[i];
        if (cpu->real_bytes == bytes && (!isa || strcmp(isa, cpu->isa) == 0) && supported(cpu->isa)) return cpu;
    }
    return NULL;
}

const rgi_cpu *rgi_cpu_next(const rgi_cpu *cpu)
{
    const rgi_cpu *found = NULL;
    for (size_t i = 0; i < sizeof instantiations / sizeof *instantiations; i++) {
        const rgi_cpu *c = &instantiations[i];
        if (c->real_bytes == cpu->real_bytes && c->fused == cpu->fused && c->lanes < cpu->lanes && supported(c->isa) &&
            (!found || c->lanes > found->lanes))
            found = c;
    }
    return found;
}

rgi_reals *rgi_cpu_narrow(const rgi_cpu *cpu, double *values, size_t count)
{
    const int narrow = cpu->real_bytes != sizeof(double);
    for (size_t i = 0; narrow && i < count * (size_t)cpu->lanes; i++) {
        const float value = (float)values[i];
        memcpy((char *)(void *)values + i * sizeof value, &value, sizeof value);
    }
    return (rgi_reals *)(void *)values;
}
