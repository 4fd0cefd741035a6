/* elements_double.c: the probes of elements_probe.h over one double. */
#define RGI_REAL_DOUBLE
#define PROBE(name) double_##name
#include "elements_probe.h"
