/* number.h: numbers of the caller's arrays: doubles or floats, whatever a rollout computes in.
 *
 * What a rollout puts out is rounded to an array's numbers when it is stored; what it takes in is converted exactly, or
 * rounded to what it computes in. */
#ifndef RGI_NUMBER_H
#define RGI_NUMBER_H

#include <stddef.h>

#if defined(__CUDACC__)
#define RGI_NUMBER_FN static __host__ __device__ inline
#else
#define RGI_NUMBER_FN static inline
#endif

/* a number of an array of doubles; in the tests that differentiate by complex steps, complex */
#if defined(RGI_REAL_COMPLEX)
typedef double _Complex rg_number;
#else
typedef double rg_number;
#endif

/* Number i of an array, which is of floats where `single` is not 0: read it, write it. */
RGI_NUMBER_FN rg_number rgi_number_get(const void *array, int single, ptrdiff_t i)
{
    return single ? (rg_number)((const float *)array)[i] : ((const rg_number *)array)[i];
}
RGI_NUMBER_FN void rgi_number_put(void *array, int single, ptrdiff_t i, rg_number value)
{
    if (single) ((float *)array)[i] = (float)value;
    else ((rg_number *)array)[i] = value;
}

/* bytes of a number, and where number i is */
RGI_NUMBER_FN size_t rgi_number_bytes(int single) { return single ? sizeof(float) : sizeof(rg_number); }
RGI_NUMBER_FN const void *rgi_numbers_in(const void *array, int single, ptrdiff_t i)
{
    return (const char *)array + i * (ptrdiff_t)rgi_number_bytes(single);
}
RGI_NUMBER_FN void *rgi_numbers_out(void *array, int single, ptrdiff_t i)
{
    return (char *)array + i * (ptrdiff_t)rgi_number_bytes(single);
}

#endif
