/* core/words.h: counts in sentences. */
#ifndef RGI_WORDS_H
#define RGI_WORDS_H

#include <stddef.h>

/* what a noun ends with after a count: "1 step", "2 steps" */
static inline const char *rgi_plural(size_t n) { return n == 1 ? "" : "s"; }

#endif
