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

#define EACH_CHAIN(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)

/* hides a value from the compiler, which could fold rounds or join chains to wider vectors */
#if defined(__x86_64__)
#define HIDE(x) __asm__ volatile("" : "+x"(x))
#elif defined(__aarch64__)
#define HIDE(x) __asm__ volatile("" : "+w"(x))
#else
#define HIDE(x) __asm__ volatile("" : "+m"(x))
#endif

#define BEGIN_CHAIN(k) vector x##k = one; HIDE(x##k);
#define MOVE_CHAIN(k) x##k = MULTIPLY_ADD(x##k, a, b); HIDE(x##k);
#define KEEP_CHAIN(k) HIDE(x##k);
/* the body of a kernel over `vector` and MULTIPLY_ADD */
#define RUN_CHAINS(ONE)                                                                            \
    const vector one = ONE;                                                                        \
    vector a = one * 0.5f, b = one * 0.5f;                                                         \
    HIDE(a);                                                                                       \
    HIDE(b);                                                                                       \
    EACH_CHAIN(BEGIN_CHAIN)                                                                        \
    for (long i = 0; i < ROUNDS; i++) { EACH_CHAIN(MOVE_CHAIN) }                                   \
    EACH_CHAIN(KEEP_CHAIN)

typedef void kernel(void);

#define MULTIPLY_ADD(x, y, z) ((x) * (y) + (z))
static void scalar_double(void)
{
    typedef double vector;
    RUN_CHAINS(1.0)
}
static void scalar_float(void)
{
    typedef float vector;
    RUN_CHAINS(1.0f)
}
static void sse2_double(void)
{
    typedef double vector __attribute__((vector_size(16)));
    RUN_CHAINS((vector){0} + 1.0)
}
static void sse2_float(void)
{
    typedef float vector __attribute__((vector_size(16)));
    RUN_CHAINS((vector){0} + 1.0f)
}
#undef MULTIPLY_ADD

#if defined(__x86_64__)
#include <immintrin.h>

/* intrinsics, because this file is compiled without the instructions, and without contraction */
#define MULTIPLY_ADD(x, y, z) _mm_fmadd_sd(x, y, z)
__attribute__((target("avx2,fma"))) static void fma_double(void)
{
    typedef __m128d vector;
    RUN_CHAINS(_mm_set_sd(1.0))
}
#undef MULTIPLY_ADD
#define MULTIPLY_ADD(x, y, z) _mm_fmadd_ss(x, y, z)
__attribute__((target("avx2,fma"))) static void fma_float(void)
{
    typedef __m128 vector;
    RUN_CHAINS(_mm_set_ss(1.0f))
}
#undef MULTIPLY_ADD
#define MULTIPLY_ADD(x, y, z) _mm256_fmadd_pd(x, y, z)
__attribute__((target("avx2,fma"))) static void avx2_double(void)
{
    typedef __m256d vector;
    RUN_CHAINS(_mm256_set1_pd(1.0))
}
#undef MULTIPLY_ADD
#define MULTIPLY_ADD(x, y, z) _mm256_fmadd_ps(x, y, z)
__attribute__((target("avx2,fma"))) static void avx2_float(void)
{
    typedef __m256 vector;
    RUN_CHAINS(_mm256_set1_ps(1.0f))
}
#undef MULTIPLY_ADD
#define MULTIPLY_ADD(x, y, z) _mm512_fmadd_pd(x, y, z)
__attribute__((target("avx512f"))) static void avx512_double(void)
{
    typedef __m512d vector;
    RUN_CHAINS(_mm512_set1_pd(1.0))
}
#undef MULTIPLY_ADD
#define MULTIPLY_ADD(x, y, z) _mm512_fmadd_ps(x, y, z)
__attribute__((target("avx512f"))) static void avx512_float(void)
{
    typedef __m512 vector;
    RUN_CHAINS(_mm512_set1_ps(1.0f))
}
#undef MULTIPLY_ADD
#endif

static const struct {
    const char *isa;
    int bytes; /* of a vector; 0: one number */
    kernel *of[RG_REAL_FLOAT + 1];
} kernels[] = {
    {"scalar", 0, {scalar_double, scalar_float}},
    {"sse2", 16, {sse2_double, sse2_float}},
#if defined(__x86_64__)
    {"fma", 0, {fma_double, fma_float}},
    {"avx2", 32, {avx2_double, avx2_float}},
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
