/* bundle/fortran.c: what the reference LAPACK wants of a Fortran runtime, for the archive of tools/bundle.sh.
 *
 * LAPACK's own xerbla prints and stops the program, which a library must not do. The routines that call it return
 * with info set, and their callers read that. */
#include <stddef.h>
#include <string.h>

void xerbla_(const char *routine, const int *argument, size_t routine_length);
void cblas_xerbla(int argument, const char *routine, const char *format, ...);
void _gfortran_concat_string(size_t to_length, char *to, size_t first_length, const char *first, size_t second_length,
                             const char *second);

void xerbla_(const char *routine, const int *argument, size_t routine_length)
{
    (void)routine, (void)argument, (void)routine_length;
}

/* CBLAS's own, which the shim calls; Debian's object of it can be in no shared library */
void cblas_xerbla(int argument, const char *routine, const char *format, ...)
{
    (void)argument, (void)routine, (void)format;
}

/* to = first // second, cut or filled with blanks */
void _gfortran_concat_string(size_t to_length, char *to, size_t first_length, const char *first, size_t second_length,
                             const char *second)
{
    const size_t head = first_length < to_length ? first_length : to_length;
    const size_t room = to_length - head, tail = second_length < room ? second_length : room;
    memcpy(to, first, head);
    memcpy(to + head, second, tail);
    memset(to + head + tail, ' ', room - tail);
}
