/* test_bench_flops/count.cpp: the scalar pack once more, in a number type that counts operations. Linked
 * before the library, whose own scalar pack is left out then, it is what rg_batch and rgi_residuals run with isa
 * "scalar". */
#include <cmath>
#include <cstddef>

#include "counted.h"

double counted_operations;

extern "C" {
#include "cpu/pack.c"

double bench_operations(void) { return counted_operations; }
}
