/* deform_pack2.c: the probe of deform_probe.h over a pack of 2 rods. */
#define RGI_REAL_PACK 2
#define PROBE(name) pack2_##name
#include "deform_probe.h"
