/* rodgrad/executor.h: who runs the library's jobs on the CPU.
 *
 * A call that simulates a batch splits its work into a few jobs that may run at the same time. By default they run on
 * a small pool of threads of the library's own. An application that has threads already gives an executor in
 * rg_context_opts (rodgrad/context.h), and the library starts no thread. Results are the same bits whichever executor
 * runs the jobs, and in whatever order. */
#ifndef RODGRAD_EXECUTOR_H
#define RODGRAD_EXECUTOR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A job of the library. It does not block, does not unwind the stack, and calls no function of the caller's. */
typedef void (*rg_job)(void *arg, size_t index);

typedef struct rg_executor {
    size_t workers; /* the most jobs that `run` is given at once, at least 1; memory is reserved for as many */
    /* Call job(arg, index) once for every index from 0 to jobs - 1, on any threads and in any order, and return when
     * all calls have returned. 2 <= jobs <= workers: work for one worker stays on the thread that called the library.
     * The jobs share one list of work and each takes the next piece until the list is empty. A job that starts late
     * delays nothing, so jobs may run one after the other when no thread is free, on the calling thread too. What
     * jobs that were never called would have done is done by the calling thread after `run` returns.
     * The library calls `run` on the thread that called the library, never inside a job. `run` must be thread-safe if
     * several threads call the library. */
    void (*run)(void *user, size_t jobs, rg_job job, void *arg);
    void *user; /* the first argument of `run` */
} rg_executor;

#ifdef __cplusplus
}
#endif
#endif
