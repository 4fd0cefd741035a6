/* deform_double.c: the probe of deform_probe.h over one double. */
#define RGI_REAL_DOUBLE
#define PROBE(name) double_##name
#include "deform_probe.h"
