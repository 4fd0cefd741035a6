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
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "threads/pool.h"

/* ---- threads ---- */

typedef struct team {
    void (*work)(void *arg, int index, int threads);
    void *arg;
    atomic_int ready, threads; /* threads: 0 until all that could be started are ready */
} team;

typedef struct member {
    team *team;
    pthread_t thread;
    int index;
} member;

static void *join_in(void *arg)
{
    const member *m = arg;
    int threads;
    atomic_fetch_add(&m->team->ready, 1);
    while ((threads = atomic_load(&m->team->threads)) == 0) sched_yield();
    m->team->work(m->team->arg, m->index, threads);
    return NULL;
}

/* work(arg, index, n) for every index below n at the same time, one of them here, where n is `threads` or as many as
 * can be had; n. *seconds, unless NULL: how long it took. */
static int on_threads(int threads, void (*work)(void *arg, int index, int threads), void *arg, double *seconds)
{
    team all = {.work = work, .arg = arg};
    member *members = threads > 1 ? calloc((size_t)threads, sizeof *members) : NULL;
    int n = 1;
    for (; members && n < threads; n++) {
        members[n] = (member){.team = &all, .index = n};
        if (pthread_create(&members[n].thread, NULL, join_in, &members[n]) != 0) break;
    }
    while (atomic_load(&all.ready) < n - 1) sched_yield();
    const double began = rgc_seconds();
    atomic_store(&all.threads, n);
    work(arg, 0, n);
    for (int i = 1; i < n; i++) pthread_join(members[i].thread, NULL);
    if (seconds) *seconds = rgc_seconds() - began;
    free(members);
    return n;
}

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

typedef struct measurement {
    kernel *run;
    pthread_mutex_t lock;
    double bursts_per_s; /* sum over threads */
} measurement;

static void measure_bursts(void *arg, int index, int threads)
{
    measurement *m = arg;
    double best_s = INFINITY;
    (void)index, (void)threads;
    for (int burst = 0; burst < BURSTS; burst++) {
        const double began = rgc_seconds();
        m->run();
        best_s = fmin(best_s, rgc_seconds() - began);
    }
    pthread_mutex_lock(&m->lock);
    m->bursts_per_s += 1.0 / best_s;
    pthread_mutex_unlock(&m->lock);
}

double rgc_peak_flops(const char *isa, rg_real real, int threads)
{
    const int size = real == RG_REAL_FLOAT ? (int)sizeof(float) : (int)sizeof(double);
    size_t at = 0;
    while (strcmp(kernels[at].isa, isa) != 0)
        if (++at == sizeof kernels / sizeof *kernels) return (double)NAN;
    kernel *const run = kernels[at].of[real];
    const int lanes = kernels[at].bytes ? kernels[at].bytes / size : 1;
    measurement m = {.run = run, .bursts_per_s = 0.0};
    pthread_mutex_init(&m.lock, NULL);
    const int n = on_threads(threads, measure_bursts, &m, NULL);
    pthread_mutex_destroy(&m.lock);
    const double rate = m.bursts_per_s * fmin(1.0, (double)rgi_pool_processors() / n);
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

/* the part of n elements that a thread has */
static size_t part_begin(size_t n, int index, int threads) { return n * (size_t)index / (size_t)threads; }

static void fill(void *arg, int index, int threads)
{
    const rgc_triad *t = arg;
    for (size_t i = part_begin(t->n, index, threads), end = part_begin(t->n, index + 1, threads); i < end; i++) {
        t->a[i] = 0.0;
        t->b[i] = 1.0;
        t->c[i] = 2.0;
    }
}

static void add(void *arg, int index, int threads)
{
    const rgc_triad *t = arg;
    double *const a = t->a;
    const double *const b = t->b, *const c = t->c;
    const size_t end = part_begin(t->n, index + 1, threads);
    for (size_t i = part_begin(t->n, index, threads); i < end; i++) a[i] = b[i] + 3.0 * c[i];
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
    /* touched first by as many threads as will use it */
    on_threads(threads, fill, &t, NULL);
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
    rgc_triad own = *t;
    double seconds = 0.0;
    if (t->n == 0) return (double)NAN;
    on_threads(threads, add, &own, &seconds);
    return 3.0 * (double)sizeof *t->a * (double)t->n / seconds;
}
