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

#endif
