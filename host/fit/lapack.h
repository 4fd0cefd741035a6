/* fit/lapack.h: what LAPACKE's functions return. */
#ifndef RGI_LAPACK_H
#define RGI_LAPACK_H

#include <lapacke.h>

/* LAPACKE found no memory for its work space or for turning a matrix: nothing was computed, and nothing is said of the
 * matrix */
static inline int rgi_lapack_no_memory(lapack_int code)
{
    return code == LAPACK_WORK_MEMORY_ERROR || code == LAPACK_TRANSPOSE_MEMORY_ERROR;
}

#endif
