/* elements_pack8.c: the probes of elements_probe.h over a pack of 8 rods. */
#define RGI_REAL_PACK 8
#define PROBE(name) pack8_##name
#include "elements_probe.h"
