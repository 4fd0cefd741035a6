/* cuda/fields_call.h: what the kernels of fields are given, as host and device see it. */
#ifndef RGI_FIELDS_CALL_H
#define RGI_FIELDS_CALL_H

#include "../rod/coefficients.h"

/* Fields of all rods on the device, rod r's from of[field] + r * apart[field] on: numbers between rods, 0 where all
 * rods have the same. NULL: none, of a direction or gradients. */
typedef struct rgi_fields_in {
    const double *of[RG_FIELD_COUNT];
    size_t apart[RG_FIELD_COUNT];
} rgi_fields_in;
typedef struct rgi_fields_out {
    double *of[RG_FIELD_COUNT];
    size_t apart[RG_FIELD_COUNT];
} rgi_fields_out;

#endif
