/* cuda/device.h: a CUDA device as the host sees it: memory, copies, one stream, kernels and their launches.
 *
 * Every call of a device goes through it: the GPU's primary context, the one that CUDA's runtime uses too, is the
 * calling thread's current one for the call and no longer, work is enqueued on the device's stream, and a failure
 * becomes a sentence that names the driver's call. One thread at a time per device object; several objects may share a
 * GPU. */
#ifndef RGI_DEVICE_H
#define RGI_DEVICE_H

#include <stddef.h>

#include "rodgrad/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rgi_device rgi_device;

/* what the caller brings: all optional */
typedef struct rgi_device_opts {
    int index;    /* which GPU */
    void *stream; /* cudaStream_t on that GPU, the caller's; NULL: one of the device's own */
    /* device memory: both or none. allocate returns NULL when there is none; pointers aligned to 256 bytes */
    void *(*allocate)(void *user, size_t bytes);
    void (*release)(void *user, void *memory, size_t bytes);
    void *user;
    const char *kernels; /* folder of compiled kernels that are preferred to the library's own; NULL: none */
} rgi_device_opts;

/* what a GPU is, for `rodgrad info` and launchers */
typedef struct rgi_device_facts {
    char name[256];
    int compute; /* capability, 90 for 9.0 */
    int multiprocessors;
    int shared_per_block; /* the limit that kernels opt in to [bytes] */
    int reads_pageable;   /* it reads the host's pageable memory where that is, after a copy was enqueued */
    size_t memory_bytes;
} rgi_device_facts;

/* GPUs that this process can use. *reason: a sentence when there is none (static to the thread): no driver, a driver
 * that is too old, no device. Thread-safe. */
int rgi_device_count(const char **reason);
/* RG_ERR_ARGUMENT (no such GPU), RG_ERR_UNSUPPORTED (none at all). Thread-safe. */
rg_status rgi_device_describe(int index, rgi_device_facts *out, rg_error *err);

/* RG_ERR_UNSUPPORTED (no GPU, driver too old), RG_ERR_ARGUMENT (no such GPU, stream of another), RG_ERR_MEMORY,
 * RG_ERR_DEVICE */
rg_status rgi_device_open(const rgi_device_opts *opts, rgi_device **out, rg_error *err);
void rgi_device_close(rgi_device **device);
const rgi_device_facts *rgi_device_facts_of(const rgi_device *device);
int rgi_device_index(const rgi_device *device);
/* the stream in use; and from now on another one of that GPU, or (NULL) the first again: what is enqueued there runs
 * after all that was enqueued before. RG_ERR_ARGUMENT (a stream of another GPU), RG_ERR_DEVICE; the stream stays then
 */
void *rgi_device_stream(const rgi_device *device);
rg_status rgi_device_use_stream(rgi_device *device, void *stream, rg_error *err);

/* Memory for `what` (named in the sentence of a failure), zeroed; with how much is free when it is too little. */
rg_status rgi_device_allocate(rgi_device *device, size_t bytes, const char *what, void **out, rg_error *err);
/* accepts NULL; bytes as allocated */
void rgi_device_free(rgi_device *device, void *memory, size_t bytes);

/* Enqueued. upload: `from` may be used again on return. download: `to` is filled after rgi_device_wait. */
rg_status rgi_device_upload(rgi_device *device, void *to, const void *from, size_t bytes, rg_error *err);
rg_status rgi_device_download(rgi_device *device, void *to, const void *from, size_t bytes, rg_error *err);
rg_status rgi_device_zero(rgi_device *device, void *memory, size_t bytes, rg_error *err);
rg_status rgi_device_wait(rgi_device *device, rg_error *err);

/* 1: memory of this GPU (managed memory too); 0: the host's; -1: another GPU's */
int rgi_device_owns(const rgi_device *device, const void *pointer);

/* The GPU's context becomes the calling thread's current one, as cuBLAS's handles need; leave puts back what was. */
rg_status rgi_device_enter(const rgi_device *device, rg_error *err);
void rgi_device_leave(const rgi_device *device);

/* A kernel that is loaded on a device: as long as the device lives. */
typedef struct rgi_kernel {
    void *function;
    const char *name; /* for sentences; static to the device */
    int timed;        /* its launches are among those that rgi_device_timed adds up */
} rgi_kernel;

/* A kernel of a module (images.h), which is loaded when it is first asked for, from `kernels` of the options or from
 * the library; names are copied. RG_ERR_UNSUPPORTED: neither has the module for this GPU; RG_ERR_DEVICE: the driver
 * refuses it; RG_ERR_MEMORY */
rg_status rgi_device_kernel(rgi_device *device, const char *module, const char *name, rgi_kernel *out, rg_error *err);
/* blocks of so many threads and shared bytes that are resident on a multiprocessor at a time; the kernel may ask for
 * so much shared memory from then on. RG_ERR_DEVICE */
rg_status rgi_device_resident(rgi_device *device, const rgi_kernel *kernel, int block_threads, size_t shared_bytes,
                              int *blocks, rg_error *err);
/* Enqueue a launch; `arguments`: a pointer to each of the kernel's arguments, in order. RG_ERR_DEVICE with the kernel
 * in the sentence when it did not start. */
rg_status rgi_device_launch(rgi_device *device, const rgi_kernel *kernel, unsigned blocks, unsigned threads,
                            size_t shared_bytes, void **arguments, rg_error *err);

/* From now on the GPU's time of timed kernels is taken, or (0) no more; and what it came to since, [s], which starts
 * anew then. The second waits. RG_ERR_DEVICE */
void rgi_device_time(rgi_device *device, int on);
rg_status rgi_device_timed(rgi_device *device, double *seconds, rg_error *err);

#ifdef __cplusplus
}
#endif
#endif
