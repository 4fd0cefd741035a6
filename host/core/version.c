/* core/version.c: the version of the library that runs, which may be another than that of a caller's headers. */
#include "rodgrad/version.h"

const char *rg_version(void) { return RODGRAD_VERSION; }
