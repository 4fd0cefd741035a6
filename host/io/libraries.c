/* io/libraries.c: which libraries the program runs with, asked of themselves at run time. */
#include "io/libraries.h"

#include <hdf5.h>
#include <openssl/crypto.h>
#include <stdio.h>

/* in OpenBLAS only; with another BLAS it is NULL */
extern char *openblas_get_config(void) __attribute__((weak));

json_t *rgi_libraries_json(void)
{
    unsigned major = 0, minor = 0, release = 0;
    char hdf5[48];
    H5get_libversion(&major, &minor, &release);
    snprintf(hdf5, sizeof hdf5, "%u.%u.%u", major, minor, release);
    return json_pack("{s:s, s:s, s:s, s:s}", "hdf5", hdf5, "jansson", jansson_version_str(), "libcrypto",
                     OpenSSL_version(OPENSSL_VERSION), "blas",
                     openblas_get_config ? openblas_get_config() : "not OpenBLAS");
}
