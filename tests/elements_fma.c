/* elements_fma.c: the probes of elements_probe.h over one rod, with fused products and sums: the reference of packs
 * whose instruction set fuses. */
#define RGI_REAL_DOUBLE
#define PROBE(name) fma_##name
#include "elements_probe.h"
