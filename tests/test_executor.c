/* test_executor.c: who runs the library's jobs changes no bit: one thread, the pool, with or without the threads that
 * it wants, and executors of the caller's that run jobs in any order, at the same time, or leave some out.
 *
 * pthread_create is wrapped by the linker so that threads can be refused. The first tests need a process without
 * threads; those that fork are left out under ThreadSanitizer, which does not allow threads in a child. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "grad_scene.h"
#include "threads/pool.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RACES_WATCHED 1
#endif
#endif
#if !defined(RACES_WATCHED) && defined(__SANITIZE_THREAD__)
#define RACES_WATCHED 1
#endif

/* ---- threads that are refused ---- */

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);

static atomic_size_t threads_allowed = SIZE_MAX, threads_refused;

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
    if (threads_allowed == 0) {
        threads_refused++;
        return 11; /* EAGAIN */
    }
    threads_allowed--;
    return __real_pthread_create(thread, attr, start, arg);
}

/* ---- batches ---- */

/* so many that what the host does rod by rod is split as well */
enum { RODS = 600, FRAMES = 2, WORKERS = 3 };

typedef struct result {
    grad_outputs out, d_out;
    grad_vector g;
} result;

static grad_scene *scene;
static grad_vector direction;
static grad_outputs cotangents;
static result expected; /* of one thread */

static void run_into(grad_scene *s, const result *r)
{
    grad_scene_open(s);
    grad_jvp(s, &direction, GRAD_ALL, &r->d_out);
    grad_forward(s, &r->out);
    grad_adjoint(s, &cotangents, &r->g, GRAD_ALL);
}

static void assert_expected(const result *r)
{
    for (size_t i = 0; i < RODS; i++) {
        assert_int_equal(grad_outputs_differ(scene, &expected.out, i, &r->out, i), 0);
        assert_int_equal(grad_outputs_differ(scene, &expected.d_out, i, &r->d_out, i), 0);
        assert_int_equal(grad_vector_differ(scene, &expected.g, i, &r->g, i), 0);
    }
}

static result result_zero(void)
{
    return (result){grad_outputs_zero(scene), grad_outputs_zero(scene), grad_vector_zero(scene)};
}

static void run_and_compare(int threads, rg_context *context)
{
    const result r = result_zero();
    scene->opts.rollout.threads = threads;
    scene->opts.rollout.context = context;
    run_into(scene, &r);
    assert_expected(&r);
}

static int set_up(void **state)
{
    (void)state;
    scene = grad_scene_make(GRAD_BDF2, GRAD_ENDS, RODS, FRAMES, 1, 7);
    direction = grad_vector_random(scene, 8);
    cotangents = grad_outputs_random(scene, 9);
    expected = result_zero();
    scene->opts.rollout.threads = 1;
    threads_allowed = 0;
    threads_refused = 0;
    run_into(scene, &expected);
    threads_allowed = SIZE_MAX;
    return (int)threads_refused; /* one thread needs no other */
}

static int tear_down(void **state)
{
    (void)state;
    grad_scene_free(scene);
    return 0;
}

/* ---- the pool ---- */

static void no_thread_to_be_had(void **state)
{
    (void)state;
    threads_allowed = 0;
    threads_refused = 0;
    run_and_compare(4, NULL);
    assert_true(threads_refused > 0);
    /* one of the three that it wants */
    threads_allowed = 1;
    threads_refused = 0;
    run_and_compare(4, NULL);
    assert_int_equal(threads_allowed, 0);
    assert_true(threads_refused > 0);
    threads_allowed = SIZE_MAX;
    run_and_compare(4, NULL);
}

static void any_number_of_threads(void **state)
{
    (void)state;
    for (int threads = 0; threads < 8; threads++) run_and_compare(threads, NULL);
}

enum { MOST_JOBS = 64, CALLERS = 4, RUNS = 2000 };

typedef struct counted_jobs {
    atomic_int calls[MOST_JOBS];
    int nested;
} counted_jobs;

static void count_job(void *arg, size_t index)
{
    counted_jobs *jobs = arg;
    atomic_fetch_add(&jobs->calls[index], 1);
    if (!jobs->nested) return;
    counted_jobs inner = {.nested = 0};
    rgi_pool_run(5, count_job, &inner);
    for (size_t i = 0; i < 5; i++)
        if (atomic_load(&inner.calls[i]) != 1) atomic_fetch_add(&jobs->calls[index], 1000);
}

/* how many of its runs did not call every job once */
static void *call_often(void *arg)
{
    static size_t wrong[CALLERS];
    const size_t caller = (size_t)(uintptr_t)arg;
    for (size_t k = 0; k < RUNS; k++) {
        counted_jobs jobs = {.nested = k % 16 == caller};
        const size_t n = k % 7 == 0 ? MOST_JOBS : k % 4;
        int right = 1;
        rgi_pool_run(n, count_job, &jobs);
        for (size_t i = 0; i < MOST_JOBS; i++) right &= atomic_load(&jobs.calls[i]) == (i < n);
        wrong[caller] += !right;
    }
    return &wrong[caller];
}

static void every_job_once(void **state)
{
    pthread_t threads[CALLERS];
    (void)state;
    for (size_t i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, (void *)(uintptr_t)i), 0);
    for (size_t i = 0; i < CALLERS; i++) {
        void *wrong = NULL;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_int_equal(*(size_t *)wrong, 0);
    }
}

/* ---- executors of the caller's ---- */

typedef struct counter {
    size_t runs, fewest, most;
    void (*how)(size_t jobs, rg_job job, void *arg);
} counter;

static void run_counted(void *user, size_t jobs, rg_job job, void *arg)
{
    counter *c = user;
    if (c->runs++ == 0) c->fewest = c->most = jobs;
    if (jobs < c->fewest) c->fewest = jobs;
    if (jobs > c->most) c->most = jobs;
    c->how(jobs, job, arg);
}

static void forwards(size_t jobs, rg_job job, void *arg)
{
    for (size_t i = 0; i < jobs; i++) job(arg, i);
}

static void backwards(size_t jobs, rg_job job, void *arg)
{
    while (jobs-- > 0) job(arg, jobs);
}

static void only_the_last(size_t jobs, rg_job job, void *arg) { job(arg, jobs - 1); }

static void none(size_t jobs, rg_job job, void *arg) { (void)jobs, (void)job, (void)arg; }

typedef struct one_job {
    rg_job job;
    void *arg;
    size_t index;
} one_job;

static void *run_one(void *arg)
{
    const one_job *j = arg;
    j->job(j->arg, j->index);
    return NULL;
}

static void threads_of_its_own(size_t jobs, rg_job job, void *arg)
{
    pthread_t threads[WORKERS];
    one_job own[WORKERS];
    for (size_t i = 0; i < jobs; i++) {
        own[i] = (one_job){job, arg, i};
        if (pthread_create(&threads[i], NULL, run_one, &own[i]) != 0) abort();
    }
    for (size_t i = 0; i < jobs; i++) pthread_join(threads[i], NULL);
}

static void callers_executor(void **state)
{
    static void (*const ways[])(size_t, rg_job, void *) = {forwards, backwards, only_the_last, none,
                                                           threads_of_its_own};
    (void)state;
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        counter count = {.how = ways[k]};
        const rg_executor executor = {WORKERS, run_counted, &count};
        rg_context_opts opts = rg_context_opts_default();
        rg_context *context = NULL;
        opts.executor = &executor;
        assert_int_equal(rg_context_create(&opts, &context, NULL), RG_OK);
        run_and_compare(0, context);
        assert_true(count.runs >= 3);
        assert_in_range(count.fewest, 2, WORKERS);
        assert_int_equal(count.most, WORKERS);
        count.runs = 0;
        run_and_compare(2, context); /* `threads` is a bound */
        assert_true(count.runs >= 3);
        assert_int_equal(count.most, 2);
        count.runs = 0;
        run_and_compare(1, context);
        assert_int_equal(count.runs, 0);
        run_and_compare(100, context);
        assert_int_equal(count.most, WORKERS);
        scene->opts.rollout.context = NULL;
        grad_scene_open(scene);
        rg_context_destroy(&context);
    }
}

static void unusable_executors(void **state)
{
    const rg_executor without[] = {{0, run_counted, NULL}, {WORKERS, NULL, NULL}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        rg_context_opts opts = rg_context_opts_default();
        rg_context *context = (rg_context *)&opts;
        rg_error err = {0};
        opts.executor = &without[i];
        assert_int_equal(rg_context_create(&opts, &context, &err), RG_ERR_ARGUMENT);
        assert_null(context);
        assert_non_null(strstr(err.text, "executor"));
    }
}

/* ---- callers' threads, and children ---- */

typedef struct forward {
    rg_batch *batch;
    grad_outputs out;
    rg_status status;
} forward;

static void *run_forward(void *arg)
{
    forward *f = arg;
    const rg_batch_inputs in = grad_inputs(scene);
    const rg_batch_outputs out = {.x = f->out.x, .v = f->out.v, .m = f->out.m, .markers = f->out.markers};
    f->status = RG_OK;
    for (int k = 0; k < 4 && f->status == RG_OK; k++) f->status = rg_batch_forward(f->batch, &in, &out, NULL, NULL);
    return NULL;
}

static void two_batches_at_once(void **state)
{
    forward both[2];
    pthread_t thread;
    (void)state;
    scene->opts.rollout.threads = 3;
    grad_scene_open(scene);
    both[0] = (forward){scene->batch, grad_outputs_zero(scene), RG_OK};
    scene->batch = NULL;
    grad_scene_open(scene);
    both[1] = (forward){scene->batch, grad_outputs_zero(scene), RG_OK};
    assert_int_equal(pthread_create(&thread, NULL, run_forward, &both[0]), 0);
    run_forward(&both[1]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (size_t k = 0; k < 2; k++) {
        assert_int_equal(both[k].status, RG_OK);
        /* forward puts out no turns */
        assert_memory_equal(both[k].out.x, expected.out.x, RODS * FRAMES * 3 * scene->vertices * sizeof(double));
        assert_memory_equal(both[k].out.v, expected.out.v, RODS * FRAMES * 3 * scene->vertices * sizeof(double));
    }
    rg_batch_destroy(&both[0].batch);
}

#if !RACES_WATCHED
static void in_a_child(void **state)
{
    (void)state;
    run_and_compare(3, NULL);
    for (int k = 0; k < 5; k++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            const result r = result_zero();
            const size_t before = threads_allowed;
            alarm(60);
            run_into(scene, &r);
            const size_t bytes = RODS * FRAMES * 3 * scene->vertices * sizeof(double);
            const int same =
                memcmp(r.out.x, expected.out.x, bytes) == 0 && memcmp(r.d_out.x, expected.d_out.x, bytes) == 0;
            _exit(!same ? 1 : before == threads_allowed ? 2 : 0);
        }
        run_and_compare(3, NULL); /* the parent's threads are as they were */
        int status = -1;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_thread_to_be_had),
        cmocka_unit_test(any_number_of_threads),
        cmocka_unit_test(every_job_once),
        cmocka_unit_test(callers_executor),
        cmocka_unit_test(unusable_executors),
        cmocka_unit_test(two_batches_at_once),
#if !RACES_WATCHED
        cmocka_unit_test(in_a_child),
#endif
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
