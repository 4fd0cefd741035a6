/* threads/pool.c: the default executor (pool.h).
 *
 * A caller publishes its jobs in one of a few slots, runs job 0 and whatever nobody has taken yet, and waits for those
 * that others have taken. So it never waits for a thread that has not started. A thread takes a job by one
 * compare-and-swap of the slot's count. It is valid whichever run the count belongs to by then, because a run's slot is
 * not used again before all jobs that were taken have ended. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "threads/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { MOST_THREADS = 1024, MOST_RUNS = 8 };
/* how long a thread looks for work before it sleeps: waking it costs about as much */
enum { SPIN_NS = 50000 };

typedef struct run {
    _Alignas(64) atomic_size_t unclaimed; /* jobs 1 to `unclaimed` are for any thread */
    atomic_size_t unfinished;             /* of jobs 1 and up, taken or not */
    atomic_int taken, caller_sleeps;
    rg_job job;
    void *arg;
} run;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work_came = PTHREAD_COND_INITIALIZER, run_ended = PTHREAD_COND_INITIALIZER;
static atomic_size_t n_threads, sleeping; /* both change under the lock */
static pthread_t threads[MOST_THREADS];
static int watches_forks;
static atomic_int closed, crowded; /* crowded: more threads than processors, where spinning only delays others */
static run runs[MOST_RUNS];
static _Thread_local int in_job;

/* ---- numbers ---- */

size_t rgi_pool_processors(void)
{
#if defined(__linux__)
    for (int most = 1024; most <= 1 << 20; most *= 4) {
        const size_t size = CPU_ALLOC_SIZE(most);
        cpu_set_t *set = CPU_ALLOC(most);
        const int known = set && sched_getaffinity(getpid(), size, set) == 0; /* the process's first thread */
        const int count = known ? CPU_COUNT_S(size, set) : 0;
        if (set) CPU_FREE(set);
        if (count > 0) return (size_t)count;
    }
#endif
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (size_t)online : 1;
}

size_t rgi_pool_workers(void)
{
    static atomic_size_t known;
    size_t workers = atomic_load_explicit(&known, memory_order_relaxed);
    if (workers > 0) return workers;
    const char *text = getenv("OMP_NUM_THREADS");
    const long asked = text ? strtol(text, NULL, 10) : 0;
    workers = asked > 0 ? (size_t)asked : rgi_pool_processors();
    if (workers > MOST_THREADS) workers = MOST_THREADS;
    atomic_store_explicit(&known, workers, memory_order_relaxed);
    return workers;
}

/* ---- work ---- */

static int there_is_work(void)
{
    for (int i = 0; i < MOST_RUNS; i++)
        if (atomic_load(&runs[i].unclaimed) > 0) return 1;
    return 0;
}

static void finish(run *r)
{
    if (atomic_fetch_sub(&r->unfinished, 1) != 1 || !atomic_load(&r->caller_sleeps)) return;
    pthread_mutex_lock(&lock);
    pthread_cond_broadcast(&run_ended);
    pthread_mutex_unlock(&lock);
}

/* 0: no job is left to take */
static int take_job(run *r)
{
    size_t left = atomic_load(&r->unclaimed);
    while (left > 0)
        if (atomic_compare_exchange_weak(&r->unclaimed, &left, left - 1)) {
            r->job(r->arg, left);
            finish(r);
            return 1;
        }
    return 0;
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int is_finished(const run *r) { return atomic_load(&r->unfinished) == 0; }

static int is_wanted(const run *unused)
{
    (void)unused;
    return there_is_work() || atomic_load(&closed);
}

/* 0: it has not come true for a while */
static int spin_until(int (*is_true)(const run *), const run *r)
{
    const long long end = now_ns() + SPIN_NS;
    do
        for (int i = 0; i < 16; i++) {
            if (is_true(r)) return 1;
            relax();
        }
    while (!atomic_load_explicit(&crowded, memory_order_relaxed) && now_ns() < end);
    return 0;
}

static void *serve(void *unused)
{
    (void)unused;
    in_job = 1;
    while (!atomic_load(&closed)) {
        int found = 0;
        for (int i = 0; i < MOST_RUNS; i++) found |= take_job(&runs[i]);
        if (found || spin_until(is_wanted, NULL)) continue;
        pthread_mutex_lock(&lock);
        atomic_fetch_add(&sleeping, 1);
        while (!there_is_work() && !atomic_load(&closed)) pthread_cond_wait(&work_came, &lock);
        atomic_fetch_sub(&sleeping, 1);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

/* ---- threads ---- */

/* In the child of a fork no thread of the pool lives, and the lock and the slots are as other threads had them. */
static void start_anew(void)
{
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&work_came, NULL);
    pthread_cond_init(&run_ended, NULL);
    atomic_store(&n_threads, 0);
    atomic_store(&sleeping, 0);
    atomic_store(&crowded, 0);
    for (int i = 0; i < MOST_RUNS; i++) {
        atomic_store(&runs[i].unclaimed, 0);
        atomic_store(&runs[i].unfinished, 0);
        atomic_store(&runs[i].caller_sleeps, 0);
        atomic_store(&runs[i].taken, 0);
    }
}

/* threads until there are as many or no more can be had; how many there are */
static size_t start_threads(size_t wanted)
{
    if (wanted > MOST_THREADS) wanted = MOST_THREADS;
    if (atomic_load(&n_threads) >= wanted) return wanted;
    sigset_t all, before;
    /* signals are for the application's own threads, but for those that a thread brings upon itself */
    sigfillset(&all);
    for (size_t i = 0; i < 6; i++) sigdelset(&all, (int[]){SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT}[i]);
    pthread_mutex_lock(&lock);
    if (!watches_forks) watches_forks = pthread_atfork(NULL, NULL, start_anew) == 0;
    size_t n = atomic_load(&n_threads);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (watches_forks && !atomic_load(&closed) && n < wanted && pthread_create(&threads[n], NULL, serve, NULL) == 0)
        atomic_store(&n_threads, ++n);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    atomic_store(&crowded, n >= rgi_pool_processors());
    pthread_mutex_unlock(&lock);
    return n;
}

/* At exit, and before the library is unloaded: no thread is left behind in its code. */
__attribute__((destructor)) static void close_pool(void)
{
    int busy = 0;
    pthread_mutex_lock(&lock);
    atomic_store(&closed, 1);
    for (int i = 0; i < MOST_RUNS; i++) busy |= atomic_load(&runs[i].taken);
    const size_t n = atomic_load(&n_threads);
    atomic_store(&n_threads, 0);
    pthread_cond_broadcast(&work_came);
    pthread_mutex_unlock(&lock);
    /* the process ends while another thread is in a run: it is not waited for */
    for (size_t i = 0; i < n && !busy; i++) pthread_join(threads[i], NULL);
}

/* ---- run ---- */

static run *take_slot(void)
{
    for (int i = 0; i < MOST_RUNS; i++) {
        int not_taken = 0;
        if (atomic_compare_exchange_strong(&runs[i].taken, &not_taken, 1)) return &runs[i];
    }
    return NULL;
}

static void wake(size_t count)
{
    const size_t asleep = atomic_load(&sleeping);
    if (asleep == 0) return;
    /* one that has looked for work under the lock and found none is waiting when this continues */
    pthread_mutex_lock(&lock);
    pthread_mutex_unlock(&lock);
    if (count >= asleep) pthread_cond_broadcast(&work_came);
    else
        while (count-- > 0) pthread_cond_signal(&work_came);
}

static void wait_for_others(run *r)
{
    if (spin_until(is_finished, r)) return;
    pthread_mutex_lock(&lock);
    atomic_store(&r->caller_sleeps, 1);
    while (atomic_load(&r->unfinished) > 0) pthread_cond_wait(&run_ended, &lock);
    atomic_store(&r->caller_sleeps, 0);
    pthread_mutex_unlock(&lock);
}

void rgi_pool_run(size_t jobs, rg_job job, void *arg)
{
    run *r = jobs > 1 && !in_job && start_threads(jobs - 1) > 0 ? take_slot() : NULL;
    if (!r) {
        for (size_t i = 0; i < jobs; i++) job(arg, i);
        return;
    }
    in_job = 1;
    r->job = job;
    r->arg = arg;
    atomic_store(&r->unfinished, jobs - 1);
    atomic_store(&r->unclaimed, jobs - 1);
    wake(jobs - 1);
    job(arg, 0);
    while (take_job(r)) {}
    wait_for_others(r);
    in_job = 0;
    atomic_store(&r->taken, 0);
}
