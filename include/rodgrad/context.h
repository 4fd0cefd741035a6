/* rodgrad/context.h: where rods are simulated: the CPU, by threads of the library or by an executor of yours, or one
 * GPU with a stream and memory of yours; and in which memory of the host.
 *
 * A context is named in rg_rollout_opts; without one everything runs on the CPU. It must outlive the batches
 * and fits that were made with it. On a GPU one thread at a time per context; several contexts of a process, on one
 * GPU or on several, do not know of each other.
 *
 * On a GPU, all work of a context's batches and fits is enqueued on one stream, in the order of the
 * calls; rg_context_use_stream changes it between calls. A call waits for the stream where it hands results to the
 * host's memory; where inputs and outputs are the GPU's memory it may return before the work is done, and
 * rg_context_wait waits for it. Work of yours on the same stream is ordered with it; on another stream, wait first. The
 * calling thread's current device is as it was after every call. */
#ifndef RODGRAD_CONTEXT_H
#define RODGRAD_CONTEXT_H

#include <stddef.h>

#include "rodgrad/executor.h"
#include "rodgrad/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rg_context rg_context;

typedef struct rg_context_opts {
    size_t struct_size;  /* sizeof(rg_context_opts), set by rg_context_opts_default; 0: of the first version */
    const char *backend; /* "cpu" (default, NULL too), "cuda" = "cuda:0", "cuda:N" */
    /* `executor`, `host_allocate`, `host_release` and `user` are for any backend, the rest for a GPU and NULL otherwise
     */
    void *stream; /* cudaStream_t of that GPU, the caller's, alive as long as the context; NULL: its own */
    /* Memory on that GPU; both or none (cudaMalloc). allocate returns NULL when there is none, else a pointer
     * aligned to 256 bytes; release gets what it returned, when no work uses it any more. Called by the
     * threads that call rodgrad, with that GPU current. */
    void *(*allocate)(void *user, size_t bytes);
    void (*release)(void *user, void *memory, size_t bytes);
    void *user; /* passed to these two, host_allocate and host_release */
    /* Folder of compiled kernels, "rollout_<stepper>_<real>_t<team>_r<registers>.sm_<capability>.cubin", which are
     * preferred to those in the library; or NULL. Copied. They must be of this version of rodgrad. */
    const char *kernels;
    /* Runs the jobs of the CPU, with a GPU too, which leaves little to it. The struct is copied; what its `user` points
     * to must outlive the context. NULL (default): threads of the library. */
    const rg_executor *executor;
    /* Memory of the host; both or none (malloc). host_allocate returns NULL when there is none, which makes the call
     * fail with RG_ERR_MEMORY and give back what it had, else a pointer aligned to `alignment` bytes (a power of two;
     * 64 at present). host_release gets what host_allocate returned, with the same number of bytes.
     *
     * Batches and tapes that are made with the context have all of their memory from it: states, checkpoints,
     * workspaces, meshes, copies of models. So do rg_simulate and rg_simulate_forces for what they need until they
     * return, and the rollouts of fits. From malloc are: the context itself and what it keeps of a GPU; models and
     * recordings, which know of no context; a list of the recordings in a simulation or fit; and a fit's own arrays,
     * whose size depends on its parameters. Runs of a batch on the CPU allocate nothing.
     *
     * They are called by the threads that call rodgrad, within those calls: never by threads of the library or of the
     * executor. Threads that use one context at the same time may call them at the same time. They must not call
     * rodgrad. */
    void *(*host_allocate)(void *user, size_t bytes, size_t alignment);
    void (*host_release)(void *user, void *memory, size_t bytes);
} rg_context_opts;

/* The default options into *opts, as far as it reaches: its struct_size says how far. Thread-safe. */
void rg_context_opts_init(rg_context_opts *opts);

static inline rg_context_opts rg_context_opts_default(void)
{
    rg_context_opts opts;
    opts.struct_size = sizeof opts;
    rg_context_opts_init(&opts);
    return opts;
}

/* opts NULL: the CPU. *out is NULL after an error:
 *   RG_ERR_UNSUPPORTED  this build left CUDA out or has no code for that GPU, there is no GPU, or its driver
 *                       is too old
 *   RG_ERR_ARGUMENT     no such backend or GPU, a stream that is not that GPU's, one of allocate and release or of
 *                       host_allocate and host_release, an executor without `run` or workers
 *   RG_ERR_MEMORY, RG_ERR_DEVICE (a CUDA call failed, which the sentence names)
 * Thread-safe. */
rg_status rg_context_create(const rg_context_opts *opts, rg_context **out, rg_error *err);
/* Wait for the context's own stream, free and null *context. Accepts NULL and a pointer to NULL. */
void rg_context_destroy(rg_context **context);

/* From now on the work of this context's batches and fits is enqueued on `stream`, a cudaStream_t of its GPU, and runs
 * after all that was enqueued before, whichever stream it was on: a stream for each call. NULL: the stream that the
 * context was created with. CUDA's default stream is cudaStreamLegacy. The stream must live until another one is used
 * and its work is done. The call enqueues two events' work at most, and waits for nothing. RG_ERR_ARGUMENT (a stream
 * that is not that GPU's, or any stream on the CPU), RG_ERR_DEVICE; the stream in use stays then. */
rg_status rg_context_use_stream(rg_context *context, void *stream, rg_error *err);

/* Wait until all that was enqueued is done; nothing to do on the CPU. RG_ERR_DEVICE: a kernel failed, and the
 * process can use that GPU no more. */
rg_status rg_context_wait(rg_context *context, rg_error *err);

/* "cpu", "cuda:0", ...; of NULL "cpu". Lives as long as the context. */
const char *rg_context_backend(const rg_context *context);
/* the GPU's name, "NVIDIA H100 80GB HBM3"; "CPU" */
const char *rg_context_device_name(const rg_context *context);

/* 1: this build of the library has the CUDA backend */
int rg_cuda_built(void);
/* GPUs that this process can use. *reason (reason may be NULL): a sentence without its full stop when there
 * is none, valid until the same thread's next call; NULL otherwise. Thread-safe. */
int rg_cuda_device_count(const char **reason);
/* Its name, cut to size bytes; an empty one when there is no such GPU. Thread-safe. */
void rg_cuda_device_name(int index, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
