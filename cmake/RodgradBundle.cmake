# With RODGRAD_BUNDLE: everything is compiled as in any release build, but linked against an older glibc by zig,
# with static libraries for all else; for the archive that tools/bundle.sh makes.
#
# After include(): the targets that the rest of the build takes from find_package elsewhere, and CMake's rules
# to link. Needs RODGRAD_ZIG and the program.
set(RODGRAD_ZIG "" CACHE FILEPATH "the program zig, which links")
set(RODGRAD_BUNDLE_GLIBC 2.28 CACHE STRING "the oldest glibc that programs run with")
if(NOT EXISTS "${RODGRAD_ZIG}")
    message(FATAL_ERROR "RODGRAD_BUNDLE needs RODGRAD_ZIG: use tools/bundle.sh.")
endif()
if(NOT CMAKE_C_COMPILER_ID STREQUAL "GNU")
    message(FATAL_ERROR "RODGRAD_BUNDLE needs gcc, whose libgcc it links.")
endif()

# no folder of the machine that builds: in messages of failures, files are named from the project's root
add_compile_options(-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)

# libgcc is the compiler's own: zig's finds no instruction sets
execute_process(COMMAND ${CMAKE_C_COMPILER} -print-libgcc-file-name
                OUTPUT_VARIABLE RODGRAD_LIBGCC OUTPUT_STRIP_TRAILING_WHITESPACE)
# zig as a command of a custom target, and what it compiles for
set(rodgrad_zig ${CMAKE_COMMAND} -E env ZIG_GLOBAL_CACHE_DIR=${PROJECT_BINARY_DIR}/zig
    ZIG_LOCAL_CACHE_DIR=${PROJECT_BINARY_DIR}/zig ${RODGRAD_ZIG})
set(rodgrad_zig_target -target x86_64-linux-gnu.${RODGRAD_BUNDLE_GLIBC})
string(JOIN " " link ${rodgrad_zig} cc ${rodgrad_zig_target} -O2 -fno-sanitize=all -s)
set(CMAKE_C_LINK_EXECUTABLE
    "${link} -pie <LINK_FLAGS> <OBJECTS> -o <TARGET> <LINK_LIBRARIES> ${RODGRAD_LIBGCC}")
set(CMAKE_C_CREATE_SHARED_LIBRARY
    "${link} -shared <LINK_FLAGS> <SONAME_FLAG><TARGET_SONAME> <OBJECTS> -o <TARGET> <LINK_LIBRARIES>")
string(APPEND CMAKE_C_CREATE_SHARED_LIBRARY " ${RODGRAD_LIBGCC}")

# rodgrad_static(<target> FILES <library>... [INCLUDE <header>] [LIBS <target>...] [SUFFIXES <folder>...]): a
# target of static libraries, whose paths are left in rodgrad_static_files
function(rodgrad_static target)
    cmake_parse_arguments(static "" "INCLUDE" "FILES;LIBS;SUFFIXES" ${ARGN})
    add_library(${target} INTERFACE IMPORTED)
    set(files "")
    foreach(file IN LISTS static_FILES)
        string(MAKE_C_IDENTIFIER "RODGRAD_STATIC_${file}" variable)
        find_library(${variable} ${file} PATH_SUFFIXES ${static_SUFFIXES})
        mark_as_advanced(${variable})
        if(NOT ${variable})
            message(FATAL_ERROR "The static library ${file} was not found; tools/install-deps.sh --bundle "
                                "installs it.")
        endif()
        list(APPEND files ${${variable}})
    endforeach()
    target_link_libraries(${target} INTERFACE ${files} ${static_LIBS})
    if(static_INCLUDE)
        string(MAKE_C_IDENTIFIER "RODGRAD_STATIC_${static_INCLUDE}" variable)
        find_path(${variable} ${static_INCLUDE} PATH_SUFFIXES ${static_SUFFIXES})
        mark_as_advanced(${variable})
        if(NOT ${variable})
            message(FATAL_ERROR "${static_INCLUDE} was not found; tools/install-deps.sh --bundle installs it.")
        endif()
        target_include_directories(${target} SYSTEM INTERFACE ${${variable}})
    endif()
    set(rodgrad_static_files ${files} PARENT_SCOPE)
endfunction()

# the reference LAPACK, with bundle/fortran.c in place of Fortran's runtime: OpenBLAS would be tens of megabytes in
# every program
rodgrad_static(LAPACKE::LAPACKE FILES liblapacke.a liblapack_pic.a libblas.a
               INCLUDE lapacke.h SUFFIXES blas LIBS m)
set(rodgrad_lapack_files ${rodgrad_static_files})

if(RODGRAD_BUILD_PROGRAM)
    rodgrad_static(PkgConfig::HDF5 FILES libhdf5_serial.a libsz.a libaec.a libz.a
                   INCLUDE hdf5.h SUFFIXES hdf5/serial LIBS dl m)
    rodgrad_static(PkgConfig::JANSSON FILES libjansson.a INCLUDE jansson.h)
    rodgrad_static(PkgConfig::CRYPTO FILES libcrypto.a INCLUDE openssl/evp.h LIBS pthread dl)
endif()

# rodgrad_bundle_library(): librodgrad.a for outside programs, one object with all that the library needs but libc,
# libm, libpthread and libdl, in which the names rg_* alone are global, and the few rgi_* that the archive's tests call;
# and librodgrad.so, made of that object
function(rodgrad_bundle_library)
    set(folder ${PROJECT_BINARY_DIR}/bundle)
    set(object ${folder}/rodgrad.o)
    set(archive ${folder}/librodgrad.a)
    set(names ${PROJECT_SOURCE_DIR}/cmake/bundle/rodgrad.map)
    file(MAKE_DIRECTORY ${folder})
    # xerbla is found here before it is found in LAPACK
    target_sources(rodgrad PRIVATE ${PROJECT_SOURCE_DIR}/cmake/bundle/fortran.c)
    add_custom_command(OUTPUT ${archive} ${object} VERBATIM
        DEPENDS rodgrad ${rodgrad_lapack_files}
        COMMAND ${CMAKE_LINKER} -r -o ${object} --whole-archive $<TARGET_FILE:rodgrad> --no-whole-archive
                ${rodgrad_lapack_files} ${RODGRAD_LIBGCC}
        COMMAND ${CMAKE_OBJCOPY} --wildcard --keep-global-symbol=rg_* --keep-global-symbol=rgi_device_*
                --keep-global-symbol=rgi_normal_* --keep-global-symbol=rgi_context_device ${object}
        COMMAND ${CMAKE_OBJCOPY} --strip-unneeded ${object}
        COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
        COMMAND ${CMAKE_AR} qcsD ${archive} ${object}
        COMMENT "Making librodgrad.a of one object")
    add_custom_target(rodgrad_bundle ALL DEPENDS ${archive})
    add_library(rodgrad_shared SHARED ${object})
    add_dependencies(rodgrad_shared rodgrad_bundle)
    set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
    target_link_options(rodgrad_shared PRIVATE LINKER:--version-script=${names} LINKER:-z,nodelete)
    target_link_libraries(rodgrad_shared PRIVATE m pthread dl)
    set_target_properties(rodgrad_shared PROPERTIES
        OUTPUT_NAME rodgrad LINKER_LANGUAGE C LINK_DEPENDS ${names} VERSION ${PROJECT_VERSION}
        SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
endfunction()
