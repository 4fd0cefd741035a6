/* core/jobs.h: independent jobs on the caller's executor, or on the library's own threads (threads/pool.h). */
#ifndef RGI_JOBS_H
#define RGI_JOBS_H

#include "rodgrad/rollout.h"

/* calls at the same time have different workers */
typedef void (*rgi_job)(void *arg, size_t index, size_t worker);

/* workers with these options, at least 1: rollout.threads, or by default as many as the executor has; no more than a
 * caller's executor has */
size_t rgi_workers(const rg_rollout_opts *opts);

/* workers for what the host does rod by rod: fewer where rods are few */
size_t rgi_rod_workers(const rg_rollout_opts *opts, size_t n_rods);

/* job(arg, index, worker) for every index below `jobs`, on up to `workers` workers, which is no more than rgi_workers
 * says; returns when all are done. A worker that is free takes the next `at_a_time` jobs. */
void rgi_run_jobs(const rg_rollout_opts *opts, size_t workers, size_t jobs, size_t at_a_time, rgi_job job, void *arg);

#endif
