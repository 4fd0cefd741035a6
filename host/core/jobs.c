/* core/jobs.c: see jobs.h. */
#include "core/jobs.h"

#include <stdatomic.h>

#include "core/context.h"
#include "threads/pool.h"

typedef struct list {
    size_t jobs, at_a_time;
    rgi_job job;
    void *arg;
    _Alignas(64) atomic_size_t next;
} list;

static void work(void *arg, size_t worker)
{
    list *l = arg;
    for (;;) {
        const size_t begin = atomic_fetch_add_explicit(&l->next, l->at_a_time, memory_order_relaxed);
        if (begin >= l->jobs) return;
        const size_t end = l->jobs - begin < l->at_a_time ? l->jobs : begin + l->at_a_time;
        for (size_t i = begin; i < end; i++) l->job(l->arg, i, worker);
    }
}

size_t rgi_workers(const rg_rollout_opts *opts)
{
    const rg_executor *own = rgi_context_executor(opts->context);
    if (opts->threads <= 0) return own ? own->workers : rgi_pool_workers();
    return own && own->workers < (size_t)opts->threads ? own->workers : (size_t)opts->threads;
}

size_t rgi_rod_workers(const rg_rollout_opts *opts, size_t n_rods)
{
    enum { RODS_OF_WORKER = 256 };
    const size_t most = rgi_workers(opts), useful = n_rods / RODS_OF_WORKER + 1;
    return most < useful ? most : useful;
}

void rgi_run_jobs(const rg_rollout_opts *opts, size_t workers, size_t jobs, size_t at_a_time, rgi_job job, void *arg)
{
    const rg_executor *own = rgi_context_executor(opts->context);
    list l = {.jobs = jobs, .at_a_time = at_a_time, .job = job, .arg = arg};
    const size_t pieces = (jobs + at_a_time - 1) / at_a_time;
    if (workers > pieces) workers = pieces;
    if (workers > 1 && own) own->run(own->user, workers, work, &l);
    else if (workers > 1) rgi_pool_run(workers, work, &l);
    /* all of it with one worker, and what is left when an executor has called too few */
    work(&l, 0);
}
