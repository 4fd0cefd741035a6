/* cuda/fields.h: fields of rods on a device, as the host calls its kernels (fields.cu).
 *
 * Packs are those of cuda/rollout.h. Everything is enqueued on the device's stream and allocates nothing; functions
 * return RG_ERR_DEVICE. */
#ifndef RGI_CUDA_FIELDS_H
#define RGI_CUDA_FIELDS_H

#include "device.h"
#include "fields_call.h"

/* what all kernels need */
typedef struct rgi_device_rods {
    rgi_device *device;
    rgi_device_pack *packs; /* the device's */
    size_t n;
    int nodes;   /* of the longest rod */
    int single;  /* their arrays are of floats */
    int *faults; /* [n] the device's: the vertex with a field out of its range, -1: none */
} rgi_device_rods;

/* coefficients, offsets and faults; given: bits of the fields that are looked at. Rods with a fault get no steps. */
rg_status rgi_fields_set(const rgi_device_rods *rods, const rgi_fields_in *in, unsigned given, rg_error *err);
/* after a run: rods with a fault failed at step 0, with this flag */
rg_status rgi_fields_flag(const rgi_device_rods *rods, int flag, rg_error *err);
/* values of direction d's entries; faults_known: rods were set by rgi_fields_set */
rg_status rgi_fields_direction(const rgi_device_rods *rods, const rgi_fields_in *in, const rgi_fields_in *along, int d,
                               int faults_known, rg_error *err);
/* gradients of fields, after a reverse run */
rg_status rgi_fields_pull_back(const rgi_device_rods *rods, const rgi_fields_in *in, const rgi_fields_out *to,
                               int faults_known, rg_error *err);
/* The deform stepper's longest stable steps, or 0, into out [n]; scratch [most][nodes][RGI_NC + 3]: so many rods at a
 * time. Both are the device's. */
rg_status rgi_fields_stable_steps(const rgi_device_rods *rods, const rgi_fields_in *in, size_t most, double *scratch,
                                  double *out, rg_error *err);
/* count > 0 floats of the device's into doubles of its, and back */
rg_status rgi_fields_widen(const rgi_device_rods *rods, const void *from, double *to, size_t count, rg_error *err);
rg_status rgi_fields_narrow(const rgi_device_rods *rods, const double *from, void *to, size_t count, rg_error *err);

#endif
