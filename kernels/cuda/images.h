/* cuda/images.h: the compiled kernels that are part of the library, made by the build (cmake/RodgradCuda.cmake).
 *
 * A module is one of the .cu files of kernels/cuda compiled for one chip, or as PTX, which a driver compiles for chips
 * that came later. Modules are named "fields", "normal" and "rollout_<stepper>_<real>_t<team>_r<registers>"
 * (rollout.cu). */
#ifndef RGI_IMAGES_H
#define RGI_IMAGES_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rgi_image {
    const char *module;
    int compute; /* capability, 90 for 9.0 */
    int ptx; /* text for this capability and later ones; else machine code for it and later ones of its generation */
    const unsigned char *data;
} rgi_image;

extern const rgi_image rgi_images[];
extern const int rgi_images_count;
/* what they were compiled by, 12090 for CUDA 12.9, and for, "75 80 90" */
extern const int rgi_images_cuda;
extern const char rgi_images_targets[];

#ifdef __cplusplus
}
#endif
#endif
