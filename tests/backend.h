/* backend.h: where a test's batches run: the CPU, or what RODGRAD_TEST_BACKEND names ("cuda", "cuda:1"). */
#ifndef BACKEND_H
#define BACKEND_H

#include <stdlib.h>

#include "rodgrad/rodgrad.h"

static rg_context *backend;

static inline int backend_open(void **state)
{
    rg_context_opts o = rg_context_opts_default();
    rg_error err = {0};
    (void)state;
    o.backend = getenv("RODGRAD_TEST_BACKEND");
    if (rg_context_create(&o, &backend, &err) == RG_OK) return 0;
    print_error("%s\n", err.text);
    return -1;
}

static inline int backend_close(void **state)
{
    (void)state;
    rg_context_destroy(&backend);
    return 0;
}

#endif
