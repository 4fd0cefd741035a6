/* deform_mutant.c: the probe of deform_probe.h with the sign of one term of the adjoint flipped.
 *
 * real/real.h numbers the terms of cotangents; here are those of the deform kernels alone, which
 * come last. The tangent uses some of the same code: compare with the one of deform_double.c. */
#define RGI_REAL_DOUBLE
#define RGI_MUTATE
#define PROBE(name) mutant_##name

int mutant_term = -1;
static inline double rgi_sign(int term) { return term == mutant_term ? -1.0 : 1.0; }

#include "step/derivative.h"
enum { FIRST = __COUNTER__ + 1 };
#include "step/deform.h"
enum { LAST = __COUNTER__ };
#include "deform_probe.h"

extern const int mutant_first, mutant_last;
extern int mutant_term;
const int mutant_first = FIRST, mutant_last = LAST;
