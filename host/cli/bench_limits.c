/* cli/bench_limits.c: peaks of arithmetic and memory (bench_limits.h).
 *
 * Arithmetic: twelve chains x = x a + b of vectors in registers, as many as latency times units (x86: 4
 * cycles, 2 units; 6 and 2 where product and sum are apart), with a and b such that x stays 1. All threads run
 * at once, in bursts; each thread's best burst counts, for as many threads as there are processors, so that a
 * machine that does other things beside measures no less. Memory: the triad of STREAM (McCalpin 1995), of whose
 * arrays each is four times the last cache, within 64 to 256 MiB; three times 8 bytes an element, although a
 * processor may read what it is about to overwrite. */
#include "cli/bench_limits.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

/* ---- arithmetic ---- */

/* a burst takes some 0.5 ms, which often nothing interrupts, even on a busy machine */
enum { CHAINS = 12, ROUNDS = 250000, BURSTS = 10 };

/* clang-format off */
#define EACH_CHAIN(DO, WITH)                                                                       \
    DO(0, WITH) DO(1, WITH) DO(2, WITH) DO(3, WITH) DO(4, WITH) DO(5, WITH) DO(6, WITH) DO(7, WITH) \
    DO(8, WITH) DO(9, WITH) DO(10, WITH) DO(11, WITH)

/* hides a value from the compiler, which could fold rounds or join chains to wider vectors */
#if defined(__x86_64__)
#define HIDE(x) __asm__ volatile("" : "+x"(x))
#elif defined(__aarch64__)
#define HIDE(x) __asm__ volatile("" : "+w"(x))
#else
#define HIDE(x) __asm__ volatile("" : "+m"(x))
#endif

#define BEGIN_CHAIN(k, ONE) vector x##k = ONE; HIDE(x##k);
#define MOVE_CHAIN(k, MULTIPLY_ADD) x##k = MULTIPLY_ADD(x##k, a, b); HIDE(x##k);
#define KEEP_CHAIN(k, NONE) HIDE(x##k);
/* clang-format on */
/* a kernel over vectors, that are all 1 in ONE; last comes their type's declaration */
#define KERNEL(name, MULTIPLY_ADD, ONE, ...)                                                                           \
    static void name(void)                                                                                             \
    {                                                                                                                  \
        typedef __VA_ARGS__;                                                                                           \
        const vector one = ONE;                                                                                        \
        vector a = one * 0.5f, b = one * 0.5f;                                                                         \
        HIDE(a);                                                                                                       \
        HIDE(b);                                                                                                       \
        EACH_CHAIN(BEGIN_CHAIN, one)                                                                                   \
        for (long i = 0; i < ROUNDS; i++) { EACH_CHAIN(MOVE_CHAIN, MULTIPLY_ADD) }                                     \
        EACH_CHAIN(KEEP_CHAIN, )                                                                                       \
    }

typedef void kernel(void);

#define PRODUCT_AND_SUM(x, y, z) ((x) * (y) + (z))
KERNEL(scalar_double, PRODUCT_AND_SUM, 1.0, double vector)
KERNEL(scalar_float, PRODUCT_AND_SUM, 1.0f, float vector)
KERNEL(sse2_double, PRODUCT_AND_SUM, (vector){0} + 1.0, double vector __attribute__((vector_size(16))))
KERNEL(sse2_float, PRODUCT_AND_SUM, (vector){0} + 1.0f, float vector __attribute__((vector_size(16))))

#if defined(__x86_64__)
#include <immintrin.h>

/* intrinsics, because this file is compiled without the instructions, and without contraction */
#define AVX2 __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx512f")))
/* clang-format off */
AVX2 KERNEL(fma_double, _mm_fmadd_sd, _mm_set_sd(1.0), __m128d vector)
AVX2 KERNEL(fma_float, _mm_fmadd_ss, _mm_set_ss(1.0f), __m128 vector)
AVX2 KERNEL(avx2_double, _mm256_fmadd_pd, _mm256_set1_pd(1.0), __m256d vector)
AVX2 KERNEL(avx2_float, _mm256_fmadd_ps, _mm256_set1_ps(1.0f), __m256 vector)
AVX512 KERNEL(avx512_double, _mm512_fmadd_pd, _mm512_set1_pd(1.0), __m512d vector)
AVX512 KERNEL(avx512_float, _mm512_fmadd_ps, _mm512_set1_ps(1.0f), __m512 vector)
/* clang-format on */
#endif

        static const struct {
    const char *isa;
    int bytes; /* of a vector; 0: one number */
    kernel *of[RG_REAL_FLOAT + 1];
} kernels[] = {
    {"scalar", 0, {scalar_double, scalar_float}},  {"sse2", 16, {sse2_double, sse2_float}},
#if defined(__x86_64__)
    {"fma", 0, {fma_double, fma_float}},           {"avx2", 32, {avx2_double, avx2_float}},
    {"avx512", 64, {avx512_double, avx512_float}},
#endif
};

double rgc_peak_flops(const char *isa, rg_real real, int threads)
{
    const int size = real == RG_REAL_FLOAT ? (int)sizeof(float) : (int)sizeof(double);
    size_t at = 0;
    while (strcmp(kernels[at].isa, isa) != 0)
        if (++at == sizeof kernels / sizeof *kernels) return (double)NAN;
    kernel *const run = kernels[at].of[real];
    const int lanes = kernels[at].bytes ? kernels[at].bytes / size : 1;
    double rate = 0.0; /* bursts a second, sum over threads */
#pragma omp parallel num_threads(threads) reduction(+ : rate)
    {
        double best_s = INFINITY;
#pragma omp barrier
        for (int burst = 0; burst < BURSTS; burst++) {
            const double began = rgc_seconds();
            run();
            best_s = fmin(best_s, rgc_seconds() - began);
        }
        rate += 1.0 / best_s;
    }
    rate *= fmin(1.0, (double)omp_get_num_procs() / threads);
    return 2.0 * CHAINS * (double)ROUNDS * lanes * rate;
}

/* ---- memory ---- */

static size_t last_cache_bytes(void)
{
    long bytes = 0;
#if defined(_SC_LEVEL3_CACHE_SIZE)
    bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
    return bytes > 0 ? (size_t)bytes : 0;
}

rgc_triad rgc_triad_create(int threads)
{
    const size_t least = (size_t)64 << 20, most = (size_t)256 << 20; /* bytes */
    size_t bytes = 4 * last_cache_bytes();
    if (bytes < least) bytes = least;
    if (bytes > most) bytes = most;
    rgc_triad t = {NULL, NULL, NULL, bytes / sizeof(double)};
    t.a = malloc(bytes);
    t.b = malloc(bytes);
    t.c = malloc(bytes);
    if (!t.a || !t.b || !t.c) rgc_triad_destroy(&t);
        /* touched first by the threads that will use it */
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t i = 0; i < t.n; i++) {
        t.a[i] = 0.0;
        t.b[i] = 1.0;
        t.c[i] = 2.0;
    }
    return t;
}

void rgc_triad_destroy(rgc_triad *t)
{
    free(t->a);
    free(t->b);
    free(t->c);
    memset(t, 0, sizeof *t);
}

double rgc_triad_bytes_per_s(const rgc_triad *t, int threads)
{
    double *const a = t->a;
    const double *const b = t->b, *const c = t->c;
    if (t->n == 0) return (double)NAN;
    const double began = rgc_seconds();
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t i = 0; i < t->n; i++) a[i] = b[i] + 3.0 * c[i];
    return 3.0 * (double)sizeof *a * (double)t->n / (rgc_seconds() - began);
}
