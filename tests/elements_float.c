/* elements_float.c: the probes of elements_probe.h over one float. */
#define RGI_REAL_FLOAT
#define PROBE(name) float_##name
#include "elements_probe.h"
