/* rodgrad/version.h: the library's version, in one place (CMake reads it from here).
 *
 * Numerical results are never promised to be equal between versions; a change of numbers raises the
 * minor version and is named in CHANGELOG.md.
 *
 * Structs that begin with struct_size can grow: later versions append members. A caller that was compiled with other
 * headers than librodgrad.so has is served all the same. Members that an older caller does not have are at their
 * defaults. A newer caller's members that the library does not have must be 0, or the call returns RG_ERR_UNSUPPORTED.
 * struct_size is the sizeof of the caller's struct, which rg_..._opts_default sets. 0 stands for the first version of
 * the struct: members appended since are not read then. Initialise structs by their members' names. Structs without
 * struct_size change only with the soname. */
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
