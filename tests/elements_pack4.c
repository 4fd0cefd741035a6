/* elements_pack4.c: the probes of elements_probe.h over a pack of 4 rods. */
#define RGI_REAL_PACK 4
#define PROBE(name) pack4_##name
#include "elements_probe.h"
