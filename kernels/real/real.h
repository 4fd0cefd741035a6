/* real/real.h: what `real` is. The physics is written once, over this type, in scalar-looking code.
 *
 * An instantiation defines one of these before it includes any other kernel header:
 *   RGI_REAL_DOUBLE       one rod, double (the reference)
 *   RGI_REAL_FLOAT        one rod, float
 *   RGI_REAL_PACK N       N rods side by side, one lane each (GCC/Clang vector types): doubles, or
 *                         with RGI_REAL_FLOAT floats
 *   RGI_REAL_COMPLEX      one rod, double _Complex: complex-step derivatives in the tests
 *   RGI_REAL_COUNT        one rod, a double that counts operations (bench/budget; C++)
 * Comparisons look at real parts only. Code over `real` is branch-free: it selects.
 *
 * No compiler may contract a product and a sum (-ffp-contract=off, -fmad=false): each copy of a function that it
 * inlines could round differently, and bits would depend on which copy a rod goes through. rg_fma and its kin say
 * where a product and a sum are rounded once, if the instruction set can. */
#ifndef RGI_REAL_H
#define RGI_REAL_H

/* RG_FN: any function of the physics; a GPU gets a rollout in one piece, since a call would have to put aside
 * the registers that it may write. RG_ROLLED: a loop whose body stands in the code once. */
#if defined(__CUDACC__)
#define RG_FN static __host__ __device__ __forceinline__
#define RG_RESTRICT __restrict__
#elif defined(__cplusplus)
#define RG_FN static inline
#define RG_RESTRICT __restrict__
#else
#define RG_FN static inline
#define RG_RESTRICT restrict
#endif
/* RG_UNROLLED: a loop of few turns that gcc would leave one */
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__)
#define RG_UNROLLED _Pragma("GCC unroll 40")
#else
#define RG_UNROLLED
#endif
/* RG_DISSOLVED: a function that is always inlined: a few instructions, or one whose arguments are constants at its
 * calls, by which its loops unroll. RG_APART: one that is called: inlined, it would keep gcc from inlining what matters
 * more */
#if defined(__CUDACC__)
#define RG_DISSOLVED RG_FN
#define RG_APART RG_FN
#else
#define RG_DISSOLVED static inline __attribute__((always_inline))
#define RG_APART static __attribute__((noinline, unused))
#endif

#if defined(__CUDA_ARCH__)
#define RG_ROLLED _Pragma("unroll 1")
#else
#define RG_ROLLED
#endif

#if defined(RGI_REAL_PACK)

#define RGI_LANES RGI_REAL_PACK
#if defined(RGI_REAL_FLOAT)
typedef float rg_scalar; /* what a lane holds */
typedef int rgi_mask_lane;
#define RG_C(c) (c##f)
#define RGI_SQRT(a) __builtin_sqrtf(a)
#else
typedef double rg_scalar;
typedef long long rgi_mask_lane;
#define RG_C(c) (c)
#define RGI_SQRT(a) __builtin_sqrt(a)
#endif
/* Vectors alias numbers of their kind, as GCC and Clang have it, and nothing else: pointers stay in registers when
 * one is stored. Of two lanes gcc 12.2 fails on that (an internal error), unless they may alias anything. */
#if RGI_LANES == 2
typedef rg_scalar real __attribute__((vector_size(sizeof(rg_scalar) * RGI_LANES), may_alias));
#else
typedef rg_scalar real __attribute__((vector_size(sizeof(rg_scalar) * RGI_LANES)));
#endif
typedef rgi_mask_lane rmask __attribute__((vector_size(sizeof(rg_scalar) * RGI_LANES)));
RG_FN real rg_set1(double c) { return (real){0} + (rg_scalar)c; }
RG_FN rmask rg_lt(real a, real b) { return a < b; }
RG_FN rmask rg_and(rmask a, rmask b) { return a & b; }
RG_FN rmask rg_or(rmask a, rmask b) { return a | b; }
RG_FN rmask rg_not(rmask a) { return ~a; }
RG_FN rmask rg_false(void) { return (rmask){0}; }
RG_FN real rg_select(rmask m, real a, real b) { return (real)(((rmask)a & m) | ((rmask)b & ~m)); }
RG_FN real rg_sqrt(real a)
{
    real r = a;
    for (int i = 0; i < RGI_LANES; i++) r[i] = RGI_SQRT(a[i]);
    return r;
}
RG_FN int rg_any(rmask m)
{
    rgi_mask_lane any = 0;
    for (int i = 0; i < RGI_LANES; i++) any |= m[i];
    return any != 0;
}
#define RG_LANE(a, i) ((a)[i])
#define RG_MASK_LANE(m, i) ((m)[i] != 0)

/* RGI_FUSED(f)(a, b, c): the intrinsic of the pack's width, f of fmadd, fmsub, fnmadd */
#if defined(__FMA__) && defined(__AVX512F__) && RGI_LANES == 16 && defined(RGI_REAL_FLOAT)
#define RGI_FUSED(f) _mm512_##f##_ps
#elif defined(__FMA__) && defined(__AVX512F__) && RGI_LANES == 8 && !defined(RGI_REAL_FLOAT)
#define RGI_FUSED(f) _mm512_##f##_pd
#elif defined(__FMA__) && RGI_LANES == 8 && defined(RGI_REAL_FLOAT)
#define RGI_FUSED(f) _mm256_##f##_ps
#elif defined(__FMA__) && RGI_LANES == 4 && !defined(RGI_REAL_FLOAT)
#define RGI_FUSED(f) _mm256_##f##_pd
#endif
#if defined(RGI_FUSED)
#include <immintrin.h>
#endif

#else /* one rod */

#include <math.h>
#define RGI_LANES 1
#if defined(RGI_REAL_COMPLEX)
#include <complex.h>
typedef double _Complex real;
typedef double _Complex rg_scalar;
#define RG_C(c) (c)
#define RGI_VALUE(a) creal(a)
RG_FN real rg_sqrt(real a) { return csqrt(a); }
#elif defined(RGI_REAL_FLOAT)
typedef float real;
typedef float rg_scalar;
#define RG_C(c) (c##f)
#define RGI_VALUE(a) (a)
RG_FN real rg_sqrt(real a) { return sqrtf(a); }
#elif defined(RGI_REAL_COUNT)
#include "counted.h"
typedef counted real;
typedef counted rg_scalar;
#define RG_C(c) (c)
#define RGI_VALUE(a) ((a).v)
RG_FN real rg_sqrt(real a) { return counted_sqrt(a); }
#else
typedef double real;
typedef double rg_scalar;
#define RG_C(c) (c)
#define RGI_VALUE(a) (a)
RG_FN real rg_sqrt(real a) { return sqrt(a); }
#endif
typedef int rmask;
RG_FN real rg_set1(double c) { return (real)c; }
#if defined(RGI_REAL_COUNT)
RG_FN rmask rg_lt(real a, real b) { return counted_less(a, b); }
#else
RG_FN rmask rg_lt(real a, real b) { return RGI_VALUE(a) < RGI_VALUE(b); }
#endif
RG_FN rmask rg_and(rmask a, rmask b) { return a & b; }
RG_FN rmask rg_or(rmask a, rmask b) { return a | b; }
RG_FN rmask rg_not(rmask a) { return !a; }
RG_FN rmask rg_false(void) { return 0; }
RG_FN real rg_select(rmask m, real a, real b) { return m ? a : b; }
RG_FN int rg_any(rmask m) { return m; }
#define RG_LANE(a, i) (*(&(a) + (i)))
#define RG_MASK_LANE(m, i) (*(&(m) + (i)) != 0)

#if (defined(__FMA__) && !defined(__CUDACC__)) || defined(__CUDA_ARCH__)
#if defined(RGI_REAL_FLOAT)
#define RGI_FUSED_ONE fmaf
#elif !defined(RGI_REAL_COMPLEX) && !defined(RGI_REAL_COUNT)
#define RGI_FUSED_ONE fma
#endif
#endif

#endif

/* a b + c, a b - c and c - a b: rounded once where the instruction set can, twice elsewhere */
#if defined(RGI_FUSED)
RG_DISSOLVED real rg_fma(real a, real b, real c) { return RGI_FUSED(fmadd)(a, b, c); }
RG_DISSOLVED real rg_fms(real a, real b, real c) { return RGI_FUSED(fmsub)(a, b, c); }
RG_DISSOLVED real rg_fnma(real a, real b, real c) { return RGI_FUSED(fnmadd)(a, b, c); }
#elif defined(RGI_FUSED_ONE)
RG_DISSOLVED real rg_fma(real a, real b, real c) { return RGI_FUSED_ONE(a, b, c); }
RG_DISSOLVED real rg_fms(real a, real b, real c) { return RGI_FUSED_ONE(a, b, -c); }
RG_DISSOLVED real rg_fnma(real a, real b, real c) { return RGI_FUSED_ONE(-a, b, c); }
#else
RG_DISSOLVED real rg_fma(real a, real b, real c) { return a * b + c; }
RG_DISSOLVED real rg_fms(real a, real b, real c) { return a * b - c; }
RG_DISSOLVED real rg_fnma(real a, real b, real c) { return c - a * b; }
#endif
/* sums of products, from left to right: a0 b0 + a1 b1 + ... */
RG_DISSOLVED real rg_dot2(real a0, real b0, real a1, real b1) { return rg_fma(a1, b1, a0 * b0); }
RG_DISSOLVED real rg_dot3(real a0, real b0, real a1, real b1, real a2, real b2)
{
    return rg_fma(a2, b2, rg_dot2(a0, b0, a1, b1));
}
RG_DISSOLVED real rg_dot4(real a0, real b0, real a1, real b1, real a2, real b2, real a3, real b3)
{
    return rg_fma(a3, b3, rg_dot3(a0, b0, a1, b1, a2, b2));
}

/* the first rod's value, as a plain number */
#if defined(RGI_REAL_PACK)
#define RGI_FIRST(a) ((a)[0])
#else
#define RGI_FIRST(a) RGI_VALUE(a)
#endif

/* A pivot at most this share of what it was made from is rounding error: of an angle's beside the largest
 * angle's, of any other beside its own diagonal. And the least Newton increment [m] that means anything,
 * for rods of about a metre. */
#if defined(RGI_REAL_FLOAT)
#define RGI_NOISE 1e-6f /* of a sum of many terms, relative */
#define RGI_PIVOT_ANGLE 1e-5f
#define RGI_PIVOT_OWN 1e-6f
#define RGI_LEAST_INCREMENT 2e-6
#else
#define RGI_NOISE 1e-14
#define RGI_PIVOT_ANGLE 1e-8
#define RGI_PIVOT_OWN 1e-13
#define RGI_LEAST_INCREMENT 1e-14
#endif

/* a term that a cotangent takes in; a test that flips the sign of each defines RGI_MUTATE */
#if defined(RGI_MUTATE)
#define RG_TERM(e) (rgi_sign(__COUNTER__) * (e))
#else
#define RG_TERM(e) (e)
#endif

RG_FN real rg_abs(real a) { return rg_select(rg_lt(a, rg_set1(0.0)), -a, a); }
RG_FN real rg_max(real a, real b) { return rg_select(rg_lt(a, b), b, a); }
/* the nearest whole number, as a constant: its derivative is zero */
RG_FN real rg_round(real a)
{
#if defined(RGI_REAL_COMPLEX)
    return rint(creal(a));
#elif defined(RGI_REAL_PACK)
    /* adding 1.5 2^52, of floats 1.5 2^23, pushes the fraction out of the mantissa */
    const real big = rg_set1(sizeof(rg_scalar) == 4 ? 12582912.0 : 6755399441055744.0);
    return (a + big) - big;
#elif defined(RGI_REAL_FLOAT)
    return rintf(a);
#else
    return rint(RGI_VALUE(a));
#endif
}
/* finite and of sane size: NaN and infinity compare false */
RG_FN rmask rg_sane(real a) { return rg_and(rg_lt(a, rg_set1(1e30)), rg_lt(rg_set1(-1e30), a)); }

/* A team works on one rod: a warp or a part of one on the GPU, one thread on the CPU. Loops over nodes go through
 * RG_TEAM_FOR, RG_TEAM_SYNC stands between writing an array and reading or writing other nodes' entries,
 * and work along the rod in sequence belongs to RG_TEAM_ONE. Variables outside of arrays are each lane's
 * own; branches around a barrier must be the same for all. */
#if defined(__CUDA_ARCH__) || defined(RGI_SHIM)
#define RGI_TEAM_DEVICE 1
#define RG_TEAM_LANE ((int)(threadIdx.x % RGI_TEAM))
#define RGI_TEAM_MASK ((0xffffffffu >> (32 - RGI_TEAM)) << (threadIdx.x & (32u - RGI_TEAM)))
#define RG_TEAM_FOR(i, begin, end) for (int i = (begin) + RG_TEAM_LANE; i < (end); i += RGI_TEAM)
#if defined(RGI_REAL_COUNT)
#define RG_TEAM_SYNC() count_barrier(RGI_TEAM_MASK)
#else
#define RG_TEAM_SYNC() __syncwarp(RGI_TEAM_MASK)
#endif
#define RG_TEAM_ONE if (RG_TEAM_LANE == 0)
#else
#define RG_TEAM_LANE 0
#define RG_TEAM_FOR(i, begin, end) for (int i = (begin); i < (end); i++)
#define RG_TEAM_SYNC() ((void)0)
#define RG_TEAM_ONE
#endif
#if defined(RGI_TEAM_DEVICE) || defined(__CUDACC__)
#if !defined(RGI_TEAM)
#define RGI_TEAM 8
#endif
/* a mask of RGI_TEAM lanes, beginning at a multiple of RGI_TEAM */
static_assert(RGI_TEAM == 4 || RGI_TEAM == 8 || RGI_TEAM == 16 || RGI_TEAM == 32, "a team is a part of a warp");
#else
#define RGI_TEAM 1
#endif

/* tangents that a pass over the factor takes beside each other: as many as registers hold four sums of each */
#if RGI_TEAM > 1
#define RGI_BESIDE 1
#elif defined(__AVX512F__)
#define RGI_BESIDE 4
#else
#define RGI_BESIDE 2
#endif

/* sum and maximum over the team's lanes, the same bits in each */
RG_FN real rg_team_sum(real a)
{
#if defined(RGI_TEAM_DEVICE)
    for (int step = RGI_TEAM / 2; step > 0; step /= 2) a += __shfl_xor_sync(RGI_TEAM_MASK, a, step);
#endif
    return a;
}
RG_FN real rg_team_max(real a)
{
#if defined(RGI_TEAM_DEVICE)
    for (int step = RGI_TEAM / 2; step > 0; step /= 2) a = rg_max(a, __shfl_xor_sync(RGI_TEAM_MASK, a, step));
#endif
    return a;
}
/* does any lane of the team say so? and what the first one says: with RG_TEAM_ONE */
RG_FN rmask rg_team_any(rmask m)
{
#if defined(RGI_TEAM_DEVICE)
    return __any_sync(RGI_TEAM_MASK, m);
#else
    return m;
#endif
}
RG_FN rmask rg_team_first(rmask m)
{
#if defined(RGI_TEAM_DEVICE)
    return __shfl_sync(RGI_TEAM_MASK, m, 0, RGI_TEAM);
#else
    return m;
#endif
}

#endif
