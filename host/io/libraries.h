/* io/libraries.h: which libraries the program runs with. */
#ifndef RGI_LIBRARIES_H
#define RGI_LIBRARIES_H

#include <jansson.h>

/* {"hdf5": "1.10.8", ...}: the versions loaded now; NULL without memory. */
json_t *rgi_libraries_json(void);

#endif
