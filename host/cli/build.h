/* cli/build.h: what the program was compiled by, in words; RODGRAD_BUILD_... come from CMake. */
#ifndef RGC_BUILD_H
#define RGC_BUILD_H

#define RGC_TEXT(x) #x
#define RGC_VERSION_TEXT(major, minor, patch) RGC_TEXT(major) "." RGC_TEXT(minor) "." RGC_TEXT(patch)
#if defined(__clang__)
#define RGC_COMPILER "clang " RGC_VERSION_TEXT(__clang_major__, __clang_minor__, __clang_patchlevel__)
#elif defined(__GNUC__)
#define RGC_COMPILER "gcc " __VERSION__
#else
#define RGC_COMPILER "unknown"
#endif

#endif
