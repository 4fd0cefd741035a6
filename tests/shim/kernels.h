/* shim/kernels.h: the kernels that the shim runs, by name, made by tests/shim/CMakeLists.txt. */
#ifndef RGS_KERNELS_H
#define RGS_KERNELS_H

#include "execution.h"

/* a table for each module, each ending with RGS_END; the last is NULL */
extern const rgs_kernel *const rgs_modules[];

#endif
