/* elements_pack2.c: the probes of elements_probe.h over a pack of 2 rods. */
#define RGI_REAL_PACK 2
#define PROBE(name) pack2_##name
#include "elements_probe.h"
