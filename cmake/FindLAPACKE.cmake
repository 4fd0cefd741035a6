# LAPACKE with the BLAS and LAPACK behind it, as the target LAPACKE::LAPACKE.
#
# Debian's serial OpenBLAS is taken first: rodgrad threads over rods itself, and a threaded BLAS
# below it would only compete for the same cores. Otherwise whatever lapack and blas are found.
find_path(LAPACKE_INCLUDE_DIR lapacke.h PATH_SUFFIXES openblas)
find_path(CBLAS_INCLUDE_DIR cblas.h PATH_SUFFIXES openblas-serial openblas)
find_library(LAPACKE_LIBRARY lapacke)
find_library(OPENBLAS_LIBRARY openblas PATH_SUFFIXES openblas-serial)
if(OPENBLAS_LIBRARY)
    set(LAPACKE_BLAS_LIBRARIES ${OPENBLAS_LIBRARY})
else()
    find_library(LAPACK_LIBRARY lapack)
    find_library(BLAS_LIBRARY blas)
    set(LAPACKE_BLAS_LIBRARIES ${LAPACK_LIBRARY} ${BLAS_LIBRARY})
    if(NOT LAPACK_LIBRARY OR NOT BLAS_LIBRARY)
        set(LAPACKE_BLAS_LIBRARIES LAPACKE_BLAS_LIBRARIES-NOTFOUND)
    endif()
endif()
mark_as_advanced(LAPACKE_INCLUDE_DIR CBLAS_INCLUDE_DIR LAPACKE_LIBRARY OPENBLAS_LIBRARY
                 LAPACK_LIBRARY BLAS_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LAPACKE REQUIRED_VARS LAPACKE_LIBRARY LAPACKE_BLAS_LIBRARIES
                                  LAPACKE_INCLUDE_DIR CBLAS_INCLUDE_DIR)
if(LAPACKE_FOUND AND NOT TARGET LAPACKE::LAPACKE)
    add_library(LAPACKE::LAPACKE INTERFACE IMPORTED)
    target_include_directories(LAPACKE::LAPACKE SYSTEM INTERFACE ${LAPACKE_INCLUDE_DIR}
                               ${CBLAS_INCLUDE_DIR})
    target_link_libraries(LAPACKE::LAPACKE INTERFACE ${LAPACKE_LIBRARY} ${LAPACKE_BLAS_LIBRARIES})
endif()
