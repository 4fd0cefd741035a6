/* threads/pool.h: the executor that is used when the caller gives none: POSIX threads that are started when they are
 * first needed and sleep when there is no work.
 *
 * It works in a child after fork(), which starts threads of its own; only a job must not fork. Several threads may call
 * rgi_pool_run at once and share the pool's threads. If threads cannot be started, fewer run, at least the caller. */
#ifndef RGI_POOL_H
#define RGI_POOL_H

#include <stddef.h>

#include "rodgrad/executor.h"

/* processors that this process may run on, by its affinity mask. Thread-safe. */
size_t rgi_pool_processors(void);

/* Workers when the caller names no number: OMP_NUM_THREADS (its first number, if it is a list), else all processors.
 * It is looked up once in a process. Thread-safe. */
size_t rgi_pool_workers(void);

/* run of an rg_executor. On a thread that is running a job already, jobs run one after the other. Thread-safe. */
void rgi_pool_run(size_t jobs, rg_job job, void *arg);

#endif
