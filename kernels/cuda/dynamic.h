/* cuda/dynamic.h: libraries that are looked for when a GPU is first asked for, not linked: NVIDIA's driver, cuBLAS and
 * cuSOLVER. A program that uses no GPU neither needs them nor waits for them. The tests put a stand-in in this place.
 */
#ifndef RGI_DYNAMIC_H
#define RGI_DYNAMIC_H

#ifdef __cplusplus
extern "C" {
#endif

/* the library of that file name or path; NULL, and *reason (static to the thread) says why. It stays loaded. */
void *rgi_library_open(const char *name, const char **reason);
/* the function of that name, or NULL */
void *rgi_library_find(void *library, const char *function);

#ifdef __cplusplus
}
#endif
#endif
