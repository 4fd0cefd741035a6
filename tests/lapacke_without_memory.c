/* lapacke_without_memory.c: a LAPACKE that finds no memory for its work space or for turning a matrix, loaded before
 * the real one with LD_PRELOAD. $LAPACKE_CODE is what it returns: LAPACK_WORK_MEMORY_ERROR, -1010, or
 * LAPACK_TRANSPOSE_MEMORY_ERROR, -1011. */
#include <stdlib.h>

#include <lapacke.h>

static lapack_int code(void)
{
    const char *text = getenv("LAPACKE_CODE");
    return text ? (lapack_int)strtol(text, NULL, 10) : LAPACK_WORK_MEMORY_ERROR;
}

lapack_int LAPACKE_dsyev(int layout, char job, char half, lapack_int n, double *a, lapack_int row, double *values)
{
    (void)layout, (void)job, (void)half, (void)n, (void)a, (void)row, (void)values;
    return code();
}
