/* cuda/compile_check_double.cu: compile_check.cu over double. */
#define RGI_REAL_DOUBLE
#include "compile_check.cu"
