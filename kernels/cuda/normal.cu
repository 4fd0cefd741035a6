/* cuda/normal.cu: kernels of a fit's normal equations (normal.c, which launches them and says what they are for).
 *
 * A set holds the sums as [p + 1][p + 1], column-major, the lower triangle counts: N, below it g, r^T W r in the
 * corner. The other matrices are [p][p] and symmetric. */
#include "kernel.h"

#define FOR_EACH(i, count)                                                                                             \
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < (count); i += (size_t)gridDim.x * blockDim.x)

/* squares += the slices, one after the other */
extern "C" __global__ void rgi_add_slices(const double *partial, size_t slices, size_t count, double *squares)
{
    FOR_EACH(i, count) {
        double sum = 0.0;
        for (size_t s = 0; s < slices; s++) sum += partial[s * count + i];
        squares[i] += sum;
    }
}

/* out = weight N + P, the diagonal times 1 + mu */
extern "C" __global__ void rgi_form_matrix(const double *squares, size_t p, double weight, const double *prior,
                                           double mu, double *out)
{
    FOR_EACH(e, p * p) {
        const size_t i = e % p, k = e / p;
        double value = weight * squares[i > k ? i + k * (p + 1) : k + i * (p + 1)];
        if (i == k) value = (value + 1.0 / (prior[i] * prior[i])) * (1.0 + mu);
        out[e] = value;
    }
}

/* out = D (weight N) D, D = diag(prior) */
extern "C" __global__ void rgi_form_information(const double *squares, size_t p, double weight, const double *prior,
                                                double *out)
{
    FOR_EACH(e, p * p) {
        const size_t i = e % p, k = e / p;
        out[e] = weight * squares[i > k ? i + k * (p + 1) : k + i * (p + 1)] * prior[i] * prior[k];
    }
}

/* the upper triangle from the lower one; plus P where there is a prior */
extern "C" __global__ void rgi_complete(double *matrix, size_t p, const double *prior)
{
    FOR_EACH(e, p * p) {
        const size_t i = e % p, k = e / p;
        if (i < k) matrix[e] = matrix[k + i * p];
        if (i == k && prior) matrix[e] += 1.0 / (prior[i] * prior[i]);
    }
}

/* out [n_rods][p]: sums of gradients [n_blocks][n_rods][p] over blocks; count = n_rods p */
extern "C" __global__ void rgi_sum_blocks(const double *gradients, size_t n_blocks, size_t count, double *out)
{
    FOR_EACH(e, count) {
        double sum = 0.0;
        for (size_t b = 0; b < n_blocks; b++) sum += gradients[b * count + e];
        out[e] = sum;
    }
}

#if defined(RGI_SHIM)
extern const rgs_kernel rgs_kernels_normal[];
const rgs_kernel rgs_kernels_normal[] = {RGS_KERNEL(rgi_add_slices),       RGS_KERNEL(rgi_form_matrix),
                                         RGS_KERNEL(rgi_form_information), RGS_KERNEL(rgi_complete),
                                         RGS_KERNEL(rgi_sum_blocks),       RGS_END};
#endif
