/* rodgrad/version.h: the library's version, in one place (CMake reads it from here).
 *
 * Numerical results are never promised to be equal between versions; a change of numbers raises the
 * minor version and is named in CHANGELOG.md. */
#ifndef RODGRAD_VERSION_H
#define RODGRAD_VERSION_H

#define RODGRAD_VERSION_MAJOR 0
#define RODGRAD_VERSION_MINOR 1
#define RODGRAD_VERSION_PATCH 0
#define RODGRAD_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that runs, "0.1.0", where RODGRAD_VERSION is that of the headers a caller was compiled
 * with. Static storage. Thread-safe. */
const char *rg_version(void);

#ifdef __cplusplus
}
#endif
#endif
